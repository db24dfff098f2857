//! A part takes its own folders and a few lines: builds monban with the toy part of `tests/fixtures/toy-part` and the lines that
//! CONTRIBUTING.md lists, and uses each thing that a part brings.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use testkit::client;
use testkit::net::{accepts, free_address};
use testkit::process::Program;

/// Existing source files that a new part may change.
const MOST_FILES: usize = 4;
/// Lines that it may change in all of them together.
const MOST_LINES: usize = 12;

fn top() -> PathBuf {
    std::fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap()
}

/// Lines to add to a file.
#[derive(Debug, PartialEq)]
struct Edit {
    file: String,
    /// The line before them, or the line whose place they take.
    at: String,
    replaces: bool,
    lines: Vec<String>,
}

/// Reads the first block marked `diff` of a page.
fn edits(page: &str) -> Vec<Edit> {
    let block = page.split_once("```diff\n").and_then(|(_, rest)| rest.split_once("```")).unwrap().0;
    let mut edits: Vec<Edit> = Vec::new();
    let (mut file, mut at) = (String::new(), None);
    for line in block.lines() {
        if let Some(name) = line.strip_prefix("--- ") {
            (file, at) = (name.to_owned(), None);
        } else if let Some(added) = line.strip_prefix('+') {
            if let Some((at, replaces)) = at.take() {
                edits.push(Edit { file: file.clone(), at, replaces, lines: Vec::new() });
            }
            edits.last_mut().unwrap().lines.push(added.to_owned());
        } else {
            at = Some((line[1..].to_owned(), line.starts_with('-')));
        }
    }
    edits
}

impl Edit {
    fn apply(&self, text: &str) -> String {
        let places = text.lines().filter(|line| *line == self.at).count();
        assert_eq!(places, 1, "{}: `{}` stands there {places} times", self.file, self.at);
        let mut lines = Vec::new();
        for line in text.lines() {
            if line != self.at || !self.replaces {
                lines.push(line);
            }
            if line == self.at {
                lines.extend(self.lines.iter().map(String::as_str));
            }
        }
        lines.join("\n") + "\n"
    }
}

/// The names of all files of the source tree.
fn source_files(top: &Path) -> BTreeSet<PathBuf> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listed = Command::new("git").args(arguments).current_dir(top).output().unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let names = String::from_utf8(listed.stdout).unwrap();
    let names = names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from);
    names.filter(|name| top.join(name).is_file()).collect()
}

/// All files below a folder, relative to it.
fn files_below(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => drop(found.insert(entry.path().strip_prefix(folder).unwrap().to_path_buf())),
            }
        }
    }
    found
}

/// Writes a file unless it has this content, so that cargo does not build again what has not changed.
fn write(path: &Path, content: &[u8]) {
    if std::fs::read(path).is_ok_and(|found| found == content) {
        return;
    }
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// Makes the tree with the toy part.
fn make_tree(top: &Path, tree: &Path) {
    let fixture = top.join("crates/testkit/tests/fixtures/toy-part");
    let (sources, toy) = (source_files(top), files_below(&fixture));
    assert_eq!(sources.intersection(&toy).collect::<Vec<_>>(), Vec::<&PathBuf>::new(), "own folders");
    let page = std::fs::read_to_string(top.join("CONTRIBUTING.md")).unwrap();
    let edits = edits(&page);
    let changed: BTreeSet<&String> = edits.iter().map(|edit| &edit.file).collect();
    let lines: usize = edits.iter().map(|edit| edit.lines.len()).sum();
    assert!(changed.len() <= MOST_FILES && lines <= MOST_LINES, "{lines} lines in {changed:?}");
    assert!(lines >= 3, "{edits:?}");
    for name in &sources {
        let mut content = std::fs::read(top.join(name)).unwrap();
        for edit in edits.iter().filter(|edit| Path::new(&edit.file) == name) {
            content = edit.apply(std::str::from_utf8(&content).unwrap()).into_bytes();
        }
        write(&tree.join(name), &content);
    }
    for name in &toy {
        write(&tree.join(name), &std::fs::read(fixture.join(name)).unwrap());
    }
    for edit in &edits {
        assert!(sources.contains(Path::new(&edit.file)), "{} exists", edit.file);
    }
}

/// Hard-links the registry crates that cargo has built for this test, so that the toy's build reuses them. It leaves out the
/// crates of this workspace, because cargo writes to their files.
fn seed(target: &Path, ours: &BTreeSet<String>) {
    let test = std::env::current_exe().unwrap();
    let built = test.parent().and_then(Path::parent).unwrap();
    for folder in ["deps", "build", ".fingerprint"] {
        for entry in std::fs::read_dir(built.join(folder)).unwrap().map(Result::unwrap) {
            // `libserde-0123456789abcdef.rlib`; a program has no ending
            let name = entry.file_name().to_string_lossy().replace('-', "_");
            let stem = name.rsplit_once('_').map_or(&*name, |(stem, _)| stem);
            let is_ours = ours.contains(stem) || ours.contains(stem.trim_start_matches("lib"));
            if is_ours || folder == "deps" && !name.contains('.') {
                continue;
            }
            link(&entry.path(), &target.join("debug").join(folder).join(entry.file_name()));
        }
    }
}

/// Links a file, or all files of a folder.
fn link(from: &Path, to: &Path) {
    if from.is_dir() {
        for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
            link(&entry.path(), &to.join(entry.file_name()));
        }
        return;
    }
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    if std::fs::hard_link(from, to).is_err() {
        // another file system; what is not there is built
        let _built_again = std::fs::copy(from, to);
    }
}

/// Runs a program and returns what it prints.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = texts(&output);
    assert!(output.status.success(), "{command:?}: {out}{err}");
    out
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// Builds the page and monban. Returns the command.
fn build(top: &Path, tree: &Path, target: &Path) -> PathBuf {
    let modules = tree.join("web/node_modules");
    let _there_already = std::os::unix::fs::symlink(top.join("web/node_modules"), &modules);
    assert!(modules.join("esbuild").exists(), "`make web` first");
    run(Command::new("node").arg("build.mjs").current_dir(tree.join("web")));
    if !target.exists() {
        let crates = std::fs::read_dir(top.join("crates")).unwrap().map(Result::unwrap);
        let ours = crates.map(|entry| entry.file_name().to_string_lossy().replace('-', "_")).collect();
        seed(target, &ours);
    }
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // what the test's own cargo has set would make build scripts run again
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let of_cargo = text.starts_with("CARGO") && text != "CARGO_HOME";
        if of_cargo || text.starts_with("NEXTEST") || text == "LD_LIBRARY_PATH" {
            cargo.env_remove(&name);
        }
    }
    cargo
        .args(["build", "--offline", "-q", "-p", "monban"])
        .current_dir(tree)
        .env("CARGO_TARGET_DIR", target);
    run(&mut cargo);
    target.join("debug/monban")
}

/// The daemon with the toy part.
struct House {
    monban: PathBuf,
    folder: tempfile::TempDir,
    console: std::net::SocketAddr,
}

impl House {
    fn configure(&self, toy: &str) {
        let text = format!("data_dir = \"data\"\n[console]\naddress = \"{}\"\n{toy}", self.console);
        std::fs::write(self.folder.path().join("monban.toml"), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.monban);
        command.args(arguments).current_dir(self.folder.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> String {
        run(&mut self.command(arguments))
    }

    /// The output of a command that reports something by its exit code.
    fn fails(&self, arguments: &[&str], code: i32) -> String {
        let output = self.command(arguments).output().unwrap();
        let (out, err) = texts(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {out}{err}");
        out + &err
    }

    fn get(&self, target: &str, token: Option<&str>) -> client::Response {
        let authorization =
            token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let request =
            format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{authorization}Connection: close\r\n\r\n");
        client::exchange(self.console, request.as_bytes()).unwrap()
    }
}

#[test]
fn a_part_is_its_own_folders_and_a_few_lines() {
    let top = top();
    let test = std::env::current_exe().unwrap();
    let work = test.ancestors().nth(3).unwrap().join("toy-part");
    let (tree, target) = (work.join("tree"), work.join("target"));
    make_tree(&top, &tree);
    let monban = build(&top, &tree, &target);
    let house = House { monban, folder: testkit::process::folder("monban-toy-"), console: free_address() };

    // init and check know its section
    house.run(&["init", "--config", "written/monban.toml"]);
    let written = std::fs::read_to_string(house.folder.path().join("written/monban.toml")).unwrap();
    assert!(written.contains("#[toy]\n#bell = \"front\"\n"), "{written}");
    house.configure("[toy]\nbattery = 101\nbel = \"x\"\n");
    let faults = house.fails(&["check"], 2);
    assert!(faults.contains("monban.toml:6:1: unknown key `bel`; did you mean `bell`?"), "{faults}");
    house.configure("[toy]\nbattery = 101\n");
    let faults = house.fails(&["check"], 2);
    assert!(faults.contains("monban.toml:5:1: toy.battery: a battery has at most 100 %"), "{faults}");

    // its command works without a daemon
    house.configure("[toy]\nbell = \"back\"\nbattery = 80\n");
    assert_eq!(house.run(&["toy", "name"]), "back\n");

    let mut up = house.command(&["up"]);
    let mut daemon = Program::start(&mut up, "none", house.folder.path());
    daemon.wait_ready(|| accepts(house.console));

    // its route, with the role that it declares
    let token = house.run(&["console", "token", "--name", "test", "--scope", "read"]);
    let token = Some(token.trim());
    assert_eq!(house.get("/api/toy", None).status, 401);
    let state: Value = serde_json::from_str(&house.get("/api/toy", token).text()).unwrap();
    assert_eq!(state, serde_json::json!({"bell": "back", "battery": 80}));
    let api: Value = serde_json::from_str(&house.get("/api/openapi.json", token).text()).unwrap();
    assert_eq!(api["paths"]["/api/toy"]["get"]["operationId"], "toy");
    let parts: Value = serde_json::from_str(&house.get("/api/parts", token).text()).unwrap();
    let toy = parts.as_array().unwrap().iter().find(|part| part["name"] == "toy").unwrap();
    assert_eq!((&toy["pages"][0], &toy["kinds"][0]["title"]["ja"]), (&"toy".into(), &"呼び鈴の作動".into()));

    // its event, with its evidence, found by its property
    let id = house.run(&["toy", "ring", "/?password=secret1"]);
    let id = id.trim().trim_matches('"');
    for (filter, count) in FILTERS {
        let found = house.run(&[&["events", "list", "--json"], *filter].concat());
        assert_eq!(found.lines().count(), *count, "{filter:?}: {found}");
    }
    let pages = ["bell=back", "bell=front"].map(|filter| {
        let page = house.get(&format!("/api/events?{filter}"), token).text();
        serde_json::from_str::<Value>(&page).unwrap()["events"].as_array().unwrap().len()
    });
    assert_eq!(pages, [1, 0]);
    let properties = house.get("/api/properties", token).text();
    assert!(properties.contains("The bell that rang"), "{properties}");
    let event: Value = serde_json::from_str(&house.get(&format!("/api/events/{id}"), token).text()).unwrap();
    assert_eq!(event["evidence"]["ring"]["message"], "/?password=[redacted]", "{event}");
    assert_eq!(event["facts"], serde_json::json!([["bell", "back"]]));

    // its finding, after a reload
    assert!(house.run(&["doctor"]).contains("no findings"));
    house.configure("[toy]\nbell = \"back\"\nbattery = 5\n");
    house.run(&["reload"]);
    let health: Value = serde_json::from_str(&house.get("/healthz", token).text()).unwrap();
    assert_eq!(health["findings"][0]["cause"]["en"], "The bell back has 5 % left.", "{health}");
    assert!(house.fails(&["doctor"], 5).contains("The battery of a bell is low (back) [toy.battery_low]"));
    assert!(house.run(&["explain", "toy.battery_low"]).contains("Replace the battery."));

    // its page
    let title = "来客メッセージ";
    let chunks = std::fs::read_dir(tree.join("web/dist")).unwrap().map(|entry| entry.unwrap().path());
    let holds = |path: &PathBuf| run(Command::new("gzip").arg("-dc").arg(path)).contains(title);
    let compressed = chunks.filter(|path| path.extension().is_some_and(|extension| extension == "gz"));
    let chunk = compressed.into_iter().find(holds).unwrap();
    let name = chunk.file_stem().unwrap().to_string_lossy();
    assert_eq!(house.get(&format!("/assets/{name}"), None).status, 200);
    assert_eq!(house.get("/toy", None).status, 200);

    assert!(daemon.terminate().success());
}

/// Filters of `monban events list`, and how many of the events they take.
const FILTERS: &[(&[&str], usize)] = &[
    (&["--bell", "back"], 1),
    (&["--bell", "front"], 0),
    (&["--bell", "!front"], 1),
    (&["--kind", "bell.rung", "--gate", "bell"], 1),
    (&["--outcome", "blocked"], 0),
];

#[test]
fn edits_of_a_page_are_read_and_applied() {
    let page = "text\n```diff\n--- a.rs\n one\n+two\n+three\n-four\n+five\n--- b.rs\n x\n+y\n```\n";
    let edits = edits(page);
    assert_eq!(edits.len(), 3, "{edits:?}");
    let text = "one\nfour\nsix\n";
    let text = edits[..2].iter().fold(text.to_owned(), |text, edit| edit.apply(&text));
    assert_eq!(text, "one\ntwo\nthree\nfive\nsix\n");
    assert_eq!((edits[2].file.as_str(), edits[2].lines.as_slice()), ("b.rs", &["y".to_owned()][..]));
}
