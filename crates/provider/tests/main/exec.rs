//! Programs with lego's arguments, and certbot's hooks.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use provider::limits::MAX_OUTPUT_BYTES;
use provider::{Cause, Record, RecordType, Values};
use testkit::dns::Rig;

use crate::rig::{context, lego, new, provider};

const NAME: &str = "_acme-challenge.example.test";

/// Writes a shell script.
fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Writes a program that changes a rig's zone example.test as lego's exec provider is meant to.
fn lego_program(folder: &Path, rig: &Rig) -> PathBuf {
    std::fs::write(folder.join("key"), rig.key().statement()).unwrap();
    let address = rig.authoritative();
    let text = format!(
        "case $1 in present) what=add ttl=60;; cleanup) what=delete ttl=;; *) exit 9;; esac\n\
         printf 'server {} {}\\nzone example.test\\nupdate %s %s %s TXT \"%s\"\\nsend\\n' $what \"$2\" \"$ttl\" \"$3\" |\n\
         nsupdate -k {}/key",
        address.ip(),
        address.port(),
        folder.display()
    );
    script(folder, "lego-program", &text)
}

#[tokio::test]
async fn c2_a_program_that_lego_runs_too() {
    let rig = Rig::start();
    let folder = tempfile::tempdir().unwrap();
    let program = lego_program(folder.path(), &rig);
    let path = program.to_str().unwrap();
    lego("exec", &[("EXEC_PATH", path)], None, &rig);

    let (context, _) = context();
    let provider = provider(&format!("provider = \"exec\"\nprogram = \"{path}\""), "", &context);
    let zone = provider.zone(NAME).await.unwrap();
    let one = new(provider.add(&zone, &Record::txt(NAME, "one")).await.unwrap());
    let two = new(provider.add(&zone, &Record::txt(NAME, "two; $(two)")).await.unwrap());
    assert_eq!(rig.lookup(NAME, "TXT"), ["\"one\"", "\"two; $(two)\""]);
    provider.remove(&one).await.unwrap();
    assert_eq!(rig.lookup(NAME, "TXT"), ["\"two; $(two)\""]);
    provider.remove(&two).await.unwrap();
    assert_eq!(rig.lookup(NAME, "TXT"), ["www.example.test."]);
    assert!(!provider.lists() && !provider.needs_a_person());
    assert_eq!(provider.values(), Values::Many);
}

#[tokio::test]
async fn certbots_hooks_get_its_environment_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    let dump = format!("env | sort >>{0}; echo >>{0}", seen.display());
    let auth = script(folder.path(), "auth", &format!("{dump}; echo; echo '  what I did  '"));
    let cleanup = script(folder.path(), "cleanup", &dump);
    let text = format!(
        "provider = \"exec\"\nauth_hook = \"{}\"\ncleanup_hook = \"{}\"\npass_env = [\"CARGO_PKG_NAME\"]",
        auth.display(),
        cleanup.display()
    );
    let (context, _) = context();
    let provider = provider(&text, "", &context);
    let zone = provider.zone(NAME).await.unwrap();
    let stored = new(provider.add(&zone, &Record::txt(NAME, "v 1")).await.unwrap());
    assert_eq!(stored.id.as_deref(), Some("what I did"));
    provider.remove(&stored).await.unwrap();
    let seen = std::fs::read_to_string(&seen).unwrap();
    let mut calls = seen.split("\n\n").map(|call| {
        let own = ["CARGO_PKG_NAME=", "CERTBOT_", "MONBAN", "USER="];
        let mut lines: Vec<_> =
            call.lines().filter(|line| own.iter().any(|own| line.starts_with(own))).collect();
        assert!(call.lines().count() <= lines.len() + 5, "{call}");
        lines.sort_unstable();
        lines
    });
    let common = [
        "CARGO_PKG_NAME=provider",
        "CERTBOT_ALL_DOMAINS=example.test",
        "CERTBOT_DOMAIN=example.test",
        "CERTBOT_REMAINING_CHALLENGES=0",
        "CERTBOT_VALIDATION=v 1",
    ];
    assert_eq!(calls.next().unwrap(), common);
    let mut second = common.to_vec();
    second.insert(2, "CERTBOT_AUTH_OUTPUT=what I did");
    assert_eq!(calls.next().unwrap(), second);
}

#[tokio::test]
async fn records_that_a_program_cannot_set() {
    let folder = tempfile::tempdir().unwrap();
    let hook = script(folder.path(), "hook", "exit 0");
    let (context, _) = context();
    let text = format!("provider = \"exec\"\nauth_hook = \"{}\"", hook.display());
    let hooks = provider(&text, "", &context);
    let record = Record::txt("challenges.example.test", "v");
    let error = hooks.add(&hooks.zone(&record.name).await.unwrap(), &record).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Unsupported(_)), "{error}");
    let record = Record { name: NAME.into(), kind: RecordType::A, value: "192.0.2.1".into(), ttl: None };
    let error = hooks.add(&hooks.zone(NAME).await.unwrap(), &record).await.unwrap_err();
    assert!(error.to_string().contains("TXT records only"), "{error}");
    // without a cleanup hook there is nothing to do
    let stored = new(hooks.add(&hooks.zone(NAME).await.unwrap(), &Record::txt(NAME, "v")).await.unwrap());
    hooks.remove(&stored).await.unwrap();
}

#[tokio::test]
async fn failures_show_what_the_program_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let (context, _) = context();
    let missing = folder.path().join("missing");
    let flood =
        format!("head -c {} /dev/zero | tr '\\0' x; echo 'the end' >&2; exit 4", MAX_OUTPUT_BYTES * 4);
    let cases = [
        (
            script(folder.path(), "a", "echo out; echo 'no key: '$CARGO_PKG_NAME >&2; exit 3"),
            "ended with exit code 3, and wrote no key: …",
        ),
        (script(folder.path(), "b", "echo only out; exit 1"), "ended with exit code 1, and wrote only out"),
        (script(folder.path(), "c", &flood), "ended with exit code 4, and wrote the end"),
        (script(folder.path(), "d", "kill -9 $$"), "was killed by a signal, and wrote without a text"),
        (missing, "cannot be started: No such file"),
    ];
    for (program, expected) in cases {
        let text = format!(
            "provider = \"exec\"\nprogram = \"{}\"\npass_env = [\"CARGO_PKG_NAME\"]",
            program.display()
        );
        let provider = provider(&text, "", &context);
        let zone = provider.zone(NAME).await.unwrap();
        let error = provider.add(&zone, &Record::txt(NAME, "v")).await.unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(&format!("exec: cannot add {NAME} TXT: {}", program.display())), "{text}");
        assert!(text.contains(expected) && text.contains("run the program by hand"), "{text}");
    }
}

#[tokio::test]
async fn a_hanging_program_is_killed_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let (context, _) = context();
    for (name, text) in [
        ("waits", "sleep 600"),
        // the parent ends well, and leaves a child that holds its output
        ("leaves", "exit 0"),
    ] {
        let text = format!("trap '' TERM\nsleep 600 &\necho $! >{}\n{text}", pids.display());
        let program = script(folder.path(), name, &text);
        let table = format!("provider = \"exec\"\nprogram = \"{}\"\ntime_limit = \"2s\"", program.display());
        let provider = provider(&table, "", &context);
        let zone = provider.zone(NAME).await.unwrap();
        let start = Instant::now();
        let error = provider.add(&zone, &Record::txt(NAME, "v")).await.unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(60));
        assert!(error.to_string().contains("was killed after 2 s with its children"), "{error}");
        let child = std::fs::read_to_string(&pids).unwrap();
        let gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
            // an orphan that nobody reaps stays as a zombie
            stat.is_empty() || stat.contains(") Z ")
        };
        testkit::wait_until("the child to be gone", Duration::from_secs(60), gone);
    }
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let program =
        script(folder.path(), "p", &format!("echo $$ >{}.new; mv {0}.new {0}; sleep 600", pids.display()));
    let (context, _) = context();
    let provider =
        provider(&format!("provider = \"exec\"\nprogram = \"{}\"", program.display()), "", &context);
    let task = tokio::spawn(async move {
        let zone = provider.zone(NAME).await.unwrap();
        provider.add(&zone, &Record::txt(NAME, "v")).await
    });
    while !pids.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    let pid = std::fs::read_to_string(&pids).unwrap();
    while std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()))
        .is_ok_and(|stat| !stat.contains(") Z "))
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
