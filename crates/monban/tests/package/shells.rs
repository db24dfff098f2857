//! The installed manual pages and completions, read by man, bash, zsh and fish.

use crate::host::Host;

/// Each script prints what its shell offers after `monban `, one word on a line or several.
const OFFERS: [(&str, &str); 3] = [
    // as bash does on the first Tab: bash-completion looks for the file by the command's name
    (
        "bash",
        r#"bash --norc -euc '
            set +u
            . /usr/share/bash-completion/bash_completion
            _completion_loader monban || [ $? = 124 ]
            COMP_WORDS=(monban "") COMP_CWORD=1
            "$(complete -p monban | sed "s/.* -F \([^ ]*\) .*/\1/")" monban "" monban
            echo "${COMPREPLY[@]}"'"#,
    ),
    // compinit finds the file by its first line. There is no line to complete without a terminal, so this prints the function
    (
        "zsh",
        r#"zsh -fc '
            autoload -Uz compinit && compinit -D -u
            [[ ${_comps[monban]} = _monban ]] || exit 1
            autoload +X -Uz _monban && print -r -- ${functions[_monban]}'"#,
    ),
    ("fish", r#"fish -c 'complete --do-complete "monban "'"#),
];

/// Asserts that the shells offer commands, and that man shows every page without a warning.
pub(crate) fn read(host: &Host) {
    for (shell, script) in OFFERS {
        let offered = host.machine.shell(script);
        for command in ["check", "events", "warden"] {
            assert!(
                offered.split(|c: char| !c.is_alphanumeric()).any(|word| word == command),
                "{shell}: {offered}"
            );
        }
    }
    let warnings = host.machine.shell(
        "cd /usr/share/man/man1; for page in monban*.gz; do MANROFFSEQ= MANWIDTH=80 man --warnings -l $page 2>&1 >/tmp/page; \
         test -s /tmp/page; done",
    );
    assert_eq!(warnings, "", "warnings of man");
    let page = host.machine.shell("MANWIDTH=80 man monban-check");
    assert!(page.contains("monban check") && page.contains("--config"), "{page}");
}
