//! Checks that names in the documentation exist: commands and their options, keys of the configuration, directives of
//! SecLang.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::CommandFactory;

use crate::cli::Cli;
use crate::config::tests::{documented_keys, parse};

/// Returns the Markdown and service files with their texts. Omits generated files, which cannot be wrong, and the
/// changelog, which contains old names.
fn documents() -> Vec<(PathBuf, String)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut folders = vec![top.join("docs"), top.join("packaging")];
    let mut files = vec![top.join("README.md"), top.join("README.ja.md"), top.join("CONTRIBUTING.md")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                None if path.is_dir() => folders.push(path),
                Some(extension) if extension == "md" || extension == "service" => files.push(path),
                _ => {}
            }
        }
    }
    files.retain(|file| {
        !file.ends_with("docs/user/commands.md") && !file.ends_with("docs/reference/seclang.md")
    });
    files.into_iter().map(|file| (file.clone(), std::fs::read_to_string(file).unwrap())).collect()
}

/// Returns pieces of code with their starting line numbers: spans between backticks, lines of blocks.
fn code(text: &str) -> Vec<(usize, String)> {
    let mut pieces = Vec::new();
    let mut fenced = false;
    let mut span: Option<(usize, String)> = None;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced || line.starts_with("    ") || line.starts_with("Exec") {
            pieces.push((number + 1, line.to_owned()));
        } else {
            for (index, part) in line.split('`').enumerate() {
                if index > 0 {
                    match span.take() {
                        Some(whole) => pieces.push(whole),
                        None => span = Some((number + 1, String::new())),
                    }
                }
                if let Some((_, text)) = &mut span {
                    text.push_str(part);
                    text.push(' ');
                }
            }
            if line.is_empty() {
                span = None;
            }
        }
    }
    pieces
}

/// Returns the error of a `monban …` command line in a piece of code.
fn wrong_command(code: &str) -> Option<String> {
    let all: Vec<&str> = code.split_whitespace().collect();
    let is_monban = |at: usize| {
        let begins = at == 0 || matches!(all[at - 1], "$" | "sudo" | "|" | "&&");
        begins && (all[at] == "monban" || all[at].ends_with("/monban"))
    };
    let words = all.iter().copied().skip((0..all.len()).find(|at| is_monban(*at))?);
    let mut command = &Cli::command();
    let mut path = vec!["monban".to_owned()];
    let mut options = vec![command];
    let mut is_first = true;
    let words: Vec<&str> =
        words.skip(1).take_while(|word| !matches!(*word, "|" | "&&" | "#" | "2>&1")).collect();
    // subcommands precede options
    for word in &words {
        match command.find_subcommand(word) {
            Some(found) if is_first || command.has_subcommands() => {
                command = found;
                path.push((*word).to_owned());
                options.push(command);
            }
            _ if word.starts_with('-') => {}
            None if is_first && word.chars().all(|c| c.is_ascii_lowercase() || c == '-') => {
                return Some(format!("no command `{word}`"));
            }
            _ => break,
        }
        is_first = false;
    }
    for word in words.iter().filter(|word| word.starts_with("--") && word.len() > 2) {
        let name = word.trim_start_matches("--").split(['=', ',', '.', ')', ']']).next().unwrap_or_default();
        let known = options.iter().flat_map(|command| command.get_arguments());
        if !known
            .filter_map(|argument| argument.get_long())
            .chain(["help", "version"])
            .any(|long| long == name)
        {
            return Some(format!("`{}` has no option --{name}", path.join(" ")));
        }
    }
    None
}

/// Returns the keys named as `[section] key` in a piece of code.
fn keys(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("] ") {
        let Some(open) = code[..at].rfind('[') else { continue };
        let section = code[open + 1..at].trim_end_matches(']');
        let key: String = code[at + 2..]
            .chars()
            .take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '_')
            .collect();
        let is_name = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c == '.');
        if !section.is_empty() && is_name(section) && !key.is_empty() {
            found.push(format!("{section}.{key}"));
        }
    }
    found
}

/// Returns the TOML blocks of a text with their starting line numbers.
fn toml_blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks: Vec<(usize, String)> = Vec::new();
    let mut inside = false;
    for (number, line) in text.lines().enumerate() {
        match line.trim_start() {
            "```toml" => {
                inside = true;
                blocks.push((number + 1, String::new()));
            }
            fence if fence.starts_with("```") => inside = false,
            _ if inside => {
                if let Some((_, block)) = blocks.last_mut() {
                    block.push_str(line);
                    block.push('\n');
                }
            }
            _ => {}
        }
    }
    blocks
}

#[test]
fn f23_commands_and_options_in_the_documentation_exist() {
    let mut wrong = String::new();
    let mut commands = 0;
    for (file, text) in documents() {
        for (line, code) in code(&text) {
            commands += usize::from(code.contains("monban "));
            if let Some(what) = wrong_command(&code) {
                wrong += &format!("{}:{line}: {what}: {code}\n", file.display());
            }
        }
    }
    assert!(commands > 60, "{commands}");
    assert!(wrong.is_empty(), "{wrong}");
    for (code, is_wrong) in [
        ("monban events list --outcome detected", false),
        ("sudo /usr/bin/monban check --config=/etc/monban.toml", false),
        ("monban events list --colour", true),
        ("monban bake", true),
        ("monban --version", false),
        ("monban console token delete ID", false),
        ("the monban's", false),
    ] {
        assert_eq!(wrong_command(code).is_some(), is_wrong, "{code}");
    }
}

#[test]
fn f23_keys_in_the_documentation_exist() {
    let known = documented_keys();
    let is_known =
        |key: &String| known.contains(key) || known.iter().any(|one| one.starts_with(&format!("{key}.")));
    let mut wrong = String::new();
    let (mut named, mut blocks) = (0, 0);
    for (file, text) in documents() {
        for (line, code) in code(&text) {
            for key in keys(&code) {
                named += 1;
                if !is_known(&key) {
                    wrong += &format!("{}:{line}: no key `{key}`\n", file.display());
                }
            }
        }
        for (line, block) in toml_blocks(&text) {
            blocks += 1;
            // an example is a fragment: a key that is missing elsewhere is not a fault of the example
            for fault in parse("", block.as_bytes()).err().into_iter().flatten() {
                if fault.contains("unknown key") {
                    wrong += &format!("{}:{line}{fault}\n", file.display());
                }
            }
        }
    }
    assert!(named > 5 && blocks > 5, "{named} {blocks}");
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!(keys("[waf] rules and [[notify.slack]] name"), ["waf.rules", "notify.slack.name"]);
}

#[test]
fn f23_words_of_seclang_in_the_documentation_exist() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/seclang.md");
    let reference = std::fs::read_to_string(path).unwrap();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let known: BTreeSet<&str> = reference.split(|c| !is_word(c)).collect();
    let mut wrong = String::new();
    let mut named = 0;
    for (file, text) in documents() {
        for (number, line) in text.lines().enumerate() {
            let mut words: Vec<&str> =
                line.split(|c| !is_word(c)).filter(|word| is_directive(word)).collect();
            for prefix in ["ctl:", "t:"] {
                let after = line
                    .match_indices(prefix)
                    .filter(|(at, _)| !line[..*at].ends_with(|c: char| is_word(c) || c == '/'));
                words.extend(
                    after.filter_map(|(at, _)| line[at + prefix.len()..].split(|c| !is_word(c)).next()),
                );
            }
            for word in words.into_iter().filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic())) {
                named += 1;
                if !known.contains(word) {
                    wrong += &format!("{}:{}: no word `{word}` of SecLang\n", file.display(), number + 1);
                }
            }
        }
    }
    assert!(named > 40, "{named}");
    assert!(wrong.is_empty(), "{wrong}");
    assert!(is_directive("SecRuleRemoveTargetById") && !known.contains("SecRuleRemoveTargetById"));
}

/// Returns whether a word is a directive: `SecRule`, but not `SecLang` or `Security`.
fn is_directive(word: &str) -> bool {
    let rest = word.strip_prefix("Sec").unwrap_or_default();
    rest.starts_with(|c: char| c.is_ascii_uppercase()) && word != "SecLang"
}
