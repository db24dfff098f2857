//! `monban backup` and `monban restore`: a gate comes back as it was, age opens its backup, and whatever is wrong with a backup
//! or its destination changes nothing.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use testkit::reflector::Reflector;

use crate::store_faults::SmallDisk;
use crate::support::{BINARY, Daemon, request, stderr, stdout};

const PATIENCE: Duration = Duration::from_secs(60);
const PASSPHRASE: &str = "correct horse battery staple";

/// Runs monban with the passphrase in a variable.
fn monban(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(arguments).args(["--passphrase-env", "PASSPHRASE"]).env("PASSPHRASE", PASSPHRASE);
    command.stdin(Stdio::null());
    command
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn assert_success(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    stdout(output)
}

/// Expects an environment failure, and returns what it says.
fn assert_refused(output: &Output) -> String {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    said
}

/// Returns the files below a folder with mode and content; folders end in `/`.
fn tree(folder: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let content = match () {
                () if metadata.is_file() => std::fs::read(&path).unwrap(),
                () if metadata.is_symlink() => {
                    std::fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
                }
                () => Vec::new(),
            };
            if metadata.is_dir() {
                folders.push(path.clone());
            }
            let name = path.strip_prefix(folder).unwrap().to_path_buf();
            found.insert(name, (metadata.mode() & 0o7777, content));
        }
    }
    found
}

/// A gate that has never run, whose configuration names a file of each kind.
struct Gate {
    folder: tempfile::TempDir,
}

impl Gate {
    fn new() -> Self {
        let folder = testkit::process::folder("monban-backup-");
        let at = |name: &str| folder.path().join(name);
        for name in ["etc/rules", "etc/ca", "data/crs/4.1", "data/tuning"] {
            std::fs::create_dir_all(at(name)).unwrap();
        }
        std::fs::set_permissions(at("data"), PermissionsExt::from_mode(0o700)).unwrap();
        let secret = |name: &str, text: &str| {
            std::fs::write(at(name), text).unwrap();
            std::fs::set_permissions(at(name), PermissionsExt::from_mode(0o600)).unwrap();
        };
        let config = r#"
data_dir = "../data"
block_page = "blocked.html"
geoip = "country.mmdb"
[[listen]]
address = "192.0.2.77:8443"
tls = { certificate = "ca/../chain.pem", key = "key.pem" }
[[site]]
hosts = ["www.example.org"]
upstream = "https://127.0.0.1:3000"
upstream_ca = "ca/upstream.pem"
preset = "git"
[waf]
rules = ["rules/*.conf", "/usr/share/modsecurity-crs/none/*.conf"]
rule_folders = ["replays"]
[[sensors]]
name = "web1"
password_file = "web1.password"
[receiver]
tls = { certificate = "chain.pem", key = "key.pem" }
[[notify.webhook]]
name = "hook"
url_env = "HOOK_URL"
secret_file = "hook.secret"
[[notify.mail]]
name = "mail"
server = "mail.example.org"
from = "a@example.org"
to = "b@example.org"
user = "a"
password_file = "missing.password"
"#;
        std::fs::write(at("etc/monban.toml"), config).unwrap();
        std::fs::write(at("etc/warden.toml"), "# root's\n").unwrap();
        std::fs::write(
            at("etc/rules/a.conf"),
            "SecRule ARGS \"@pmFromFile words.data\" \"id:1,phase:2,deny\"\nInclude ../more.conf\n",
        )
        .unwrap();
        std::fs::write(at("etc/rules/words.data"), "attack\n").unwrap();
        std::fs::write(at("etc/more.conf"), "SecRuleEngine On\n").unwrap();
        std::fs::create_dir(at("etc/replays")).unwrap();
        std::fs::write(at("etc/replays/try.conf"), "SecRuleEngine On\n").unwrap();
        for name in ["blocked.html", "country.mmdb", "chain.pem", "ca/upstream.pem"] {
            std::fs::write(at("etc").join(name), name).unwrap();
        }
        std::fs::write(at("elsewhere.pem"), "the key").unwrap();
        // certificates are links to their newest version
        std::os::unix::fs::symlink("../elsewhere.pem", at("etc/key.pem")).unwrap();
        secret("etc/web1.password", "0123456789abcdef\n");
        secret("etc/hook.secret", "0123456789abcdef\n");
        secret("data/crs/4.1/a.conf", "# rules\n");
        std::os::unix::fs::symlink("4.1", at("data/crs/current")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", at("data/stranger")).unwrap();
        secret("data/filters.json", "[]");
        for name in ["data/monban.pid", "data/filters.json.new", "data/.tmpX", "data/tuning/lock"] {
            secret(name, "");
        }
        testkit::process::fifo(&at("data/fifo"));
        let database = rusqlite::Connection::open(at("data/console.sqlite")).unwrap();
        database
            .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (7)")
            .unwrap();
        Self { folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn backup(&self, options: &[&str]) -> Output {
        let (file, config) = (self.at("gate.backup"), self.at("etc/monban.toml"));
        monban(&[&["backup", text(&file), "--config", text(&config)], options].concat())
    }

    fn restore(&self, options: &[&str]) -> Output {
        monban(&[&["restore", text(&self.at("gate.backup"))], options].concat())
    }

    /// Returns where a restore below `root` puts a file of this gate.
    fn below(&self, root: &Path, name: &str) -> PathBuf {
        root.join(text(&self.at(name)).trim_start_matches('/'))
    }
}

#[test]
fn everything_that_a_configuration_names_moves() {
    let gate = Gate::new();
    let before = tree(gate.folder.path());
    let said = assert_success(&gate.backup(&[]));
    let (file, bytes) = (gate.at("gate.backup"), std::fs::read(gate.at("gate.backup")).unwrap());
    assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o7777, 0o600);
    for secret in ["0123456789abcdef", "monban.toml", "the key"] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
    }
    for left_out in [
        "etc/missing.password: does not exist".to_owned(),
        "data/stranger: is a link that leads out of its folder".to_owned(),
        "the value of the environment variable HOOK_URL".to_owned(),
    ] {
        assert!(said.contains(&left_out), "{left_out}: {said}");
    }
    std::fs::remove_file(&file).unwrap();
    assert_eq!(tree(gate.folder.path()), before, "a backup changes nothing");
    std::fs::write(&file, bytes).unwrap();

    let listed = assert_success(&gate.restore(&["--list", "--json"]));
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let entries = listed["manifest"]["entries"].as_array().unwrap();
    let root = gate.folder.path().to_str().unwrap();
    let path = |entry: &serde_json::Value| entry["path"].as_str().unwrap().replace(&format!("{root}/"), "");
    let found: BTreeMap<String, String> =
        entries.iter().map(|entry| (path(entry), entry["what"].as_str().unwrap().to_owned())).collect();
    let expected = [
        ("data", "data"),
        ("data/console.sqlite", "data"),
        ("data/crs", "data"),
        ("data/crs/4.1", "data"),
        ("data/crs/4.1/a.conf", "data"),
        ("data/crs/current", "data"),
        ("data/filters.json", "data"),
        ("data/tuning", "data"),
        ("etc", "configuration"),
        ("etc/blocked.html", "named"),
        ("etc/ca/upstream.pem", "certificate"),
        ("etc/chain.pem", "certificate"),
        ("etc/country.mmdb", "named"),
        ("etc/hook.secret", "secret"),
        ("etc/key.pem", "key"),
        ("etc/monban.toml", "configuration"),
        ("etc/more.conf", "rules"),
        ("etc/replays/try.conf", "rules"),
        ("etc/rules/a.conf", "rules"),
        ("etc/rules/words.data", "rules"),
        ("etc/warden.toml", "configuration"),
        ("etc/web1.password", "secret"),
    ];
    let expected: BTreeMap<String, String> =
        expected.into_iter().map(|(path, what)| (path.to_owned(), what.to_owned())).collect();
    assert_eq!(found, expected);

    let other = testkit::process::folder("monban-restored-");
    let options = ["--to", text(other.path())];
    let planned = assert_success(&gate.restore(&[&options[..], &["--dry-run"]].concat()));
    assert!(planned.contains("new      0600") && !planned.contains("restored; next"), "{planned}");
    assert!(tree(other.path()).is_empty());
    let said = assert_success(&gate.restore(&options));
    for todo in [
        "etc/missing.password is missing here",
        "set the environment variable HOOK_URL",
        "lacks the address 192.0.2.77",
        "point these names to this machine: www.example.org",
        "restored; next: monban check --config ",
    ] {
        assert!(said.contains(todo), "{todo}: {said}");
    }
    let restored = tree(&gate.below(other.path(), ""));
    // folders that no part of the backup lists are made on the way
    let on_the_way = ["etc/ca", "etc/rules", "etc/replays"];
    let names = restored.keys().map(|path| text(path)).filter(|name| !on_the_way.contains(name));
    let names: Vec<&str> = names.collect();
    assert_eq!(names, expected.keys().map(String::as_str).collect::<Vec<_>>());
    for (name, (mode, content)) in &restored {
        let (old_mode, old) = &before[name];
        match text(name) {
            "etc/key.pem" => assert_eq!((*mode, content.as_slice()), (0o644, &b"the key"[..])),
            "data/console.sqlite" => assert_eq!(mode, old_mode),
            name => assert_eq!((mode, content), (old_mode, old), "{name}"),
        }
    }
    let database = rusqlite::Connection::open(gate.below(other.path(), "data/console.sqlite")).unwrap();
    let value: i64 = database.query_row("SELECT x FROM t", [], |row| row.get(0)).unwrap();
    assert_eq!(value, 7);
    drop(database);

    // again: everything is there already
    let said = assert_success(&gate.restore(&[&options[..], &["--dry-run"]].concat()));
    assert!(!said.contains("new  ") && !said.contains("replaced"), "{said}");
}

#[test]
fn a_running_gate_comes_back_with_all_its_events() {
    let secret = testkit::process::folder("monban-secret-");
    let url = secret.path().join("url");
    std::fs::write(&url, "http://127.0.0.1:9/\n").unwrap();
    std::fs::set_permissions(&url, PermissionsExt::from_mode(0o600)).unwrap();
    let extra = format!("[[notify.webhook]]\nname = \"hook\"\nurl_file = {url:?}");
    let upstream = Reflector::start();
    let mut daemon = Daemon::start(upstream.address(), None, &extra);
    let mut ids: Vec<String> = (0..50).map(|number| daemon.attack(&number.to_string())).collect();
    let token = daemon.command(&["console", "token", "--name", "old", "--scope", "read"]);
    let token = stdout(&token).trim().to_owned();
    let file = secret.path().join("gate.backup");
    let config = daemon.config();
    let arguments = ["backup", text(&file), "--events", "--config", text(&config)];
    // events go on while the backup is made
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let attacker = scope.spawn(|| {
            let mut count = 0;
            while !ended.load(Ordering::Relaxed) {
                daemon.attack(&format!("meanwhile-{count}"));
                count += 1;
            }
            count
        });
        assert_success(&monban(&arguments));
        ended.store(true, Ordering::Relaxed);
        assert!(attacker.join().unwrap() > 0);
    });
    let running = monban(&["restore", text(&file), "--force"]);
    assert!(assert_refused(&running).contains("monban runs with the data folder"), "{running:?}");

    daemon.program.terminate();
    for name in ["monban.toml", "rules.conf"] {
        std::fs::remove_file(daemon.folder.path().join(name)).unwrap();
    }
    std::fs::remove_dir_all(daemon.folder.path().join("data")).unwrap();
    std::fs::remove_file(&url).unwrap();
    assert_success(&monban(&["restore", text(&file)]));
    daemon.start_again();
    let restored = daemon.exported();
    let missing: Vec<&String> = ids.iter().filter(|id| !restored.contains(id)).collect();
    assert!(missing.is_empty(), "{missing:?} of {}", ids.len());
    ids.push(daemon.attack("after"));
    assert!(daemon.exported().contains(&ids[50]));
    // a token of before still opens the console, which shows an event of before
    let target = format!("/api/events/{}", ids[0]);
    let with_token = format!("\r\nAuthorization: Bearer {token}\r\nConnection");
    let shown = request(&target).replace("\r\nConnection", &with_token);
    let shown = testkit::client::exchange(daemon.console, shown.as_bytes()).unwrap();
    assert_eq!(shown.status, 200, "{}", shown.text());
    let left: Vec<PathBuf> = tree(&daemon.folder.path().join("data"))
        .into_keys()
        .filter(|path| text(path).contains(".backup-"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn files_that_differ_are_kept_aside() {
    let gate = Gate::new();
    assert_success(&gate.backup(&[]));
    let root = testkit::process::folder("monban-restored-");
    let options = ["--to", text(root.path())];
    assert_success(&gate.restore(&options));
    let (config, database) =
        (gate.below(root.path(), "etc/monban.toml"), gate.below(root.path(), "data/console.sqlite"));
    std::fs::write(&config, "# mine\n").unwrap();
    let opened = rusqlite::Connection::open(&database).unwrap();
    // one row in the file, and one in the WAL
    opened
        .execute_batch(
            "PRAGMA journal_mode = WAL; INSERT INTO t VALUES (8); PRAGMA wal_checkpoint(TRUNCATE);
             INSERT INTO t VALUES (9)",
        )
        .unwrap();
    let before = tree(root.path());
    let said = assert_refused(&gate.restore(&options));
    for name in ["etc/monban.toml exists and differs", "console.sqlite-wal exists", "--force"] {
        assert!(said.contains(name), "{name}: {said}");
    }
    assert_eq!(tree(root.path()), before);
    let said = assert_success(&gate.restore(&[&options[..], &["--force"]].concat()));
    assert!(said.contains("moved aside: ") && said.contains("replaced 0644"), "{said}");
    drop(opened);
    assert!(std::fs::read_to_string(&config).unwrap().contains("www.example.org"));
    let aside = |name: &str| {
        let path = gate.below(root.path(), name);
        let start = format!("{}.before-restore-", text(&path));
        let found = std::fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
        found.filter(|found| text(found).starts_with(&start)).collect::<Vec<_>>()
    };
    let kept = aside("etc/monban.toml");
    assert!(kept.len() == 1 && std::fs::read_to_string(&kept[0]).unwrap() == "# mine\n", "{kept:?}");
    assert_eq!((aside("data/console.sqlite").len(), aside("data/console.sqlite-wal").len()), (1, 1));
    let count: i64 = rusqlite::Connection::open(&database)
        .unwrap()
        .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
        .unwrap();
    assert_eq!(count, 1, "the WAL of the other database is not read");
    // what was moved aside is no part of a later backup
    let backup = root.path().join("second.backup");
    assert_success(&monban(&["backup", text(&backup), "--config", text(&config)]));
    let listed = assert_success(&monban(&["restore", text(&backup), "--list"]));
    assert!(listed.contains("console.sqlite") && !listed.contains("before-restore"), "{listed}");
}

#[test]
fn a_backup_that_is_damaged_or_strange_changes_nothing() {
    let gate = Gate::new();
    assert_success(&gate.backup(&[]));
    let good = std::fs::read(gate.at("gate.backup")).unwrap();
    let root = testkit::process::folder("monban-restored-");
    let restore = |bytes: &[u8], passphrase: &str| {
        std::fs::write(gate.at("gate.backup"), bytes).unwrap();
        let file = gate.at("gate.backup");
        let arguments = ["restore", text(&file), "--to", text(root.path())];
        let said = assert_refused(&command(&arguments).env("PASSPHRASE", passphrase).output().unwrap());
        assert!(tree(root.path()).is_empty(), "{said}");
        assert!(said.contains("hint: ") && said.lines().count() == 2, "{said}");
        said
    };
    let mut flipped = good.clone();
    flipped[good.len() - 100] ^= 1;
    for (bytes, passphrase, expected) in [
        (&good[..], "another passphrase", "the passphrase is wrong"),
        (&good[..good.len() - 1], PASSPHRASE, "is cut off or damaged"),
        (&good[..200], PASSPHRASE, "is cut off"),
        (&flipped, PASSPHRASE, "is cut off or damaged"),
        (b"", PASSPHRASE, "is not a backup"),
        (b"PK\x03\x04", PASSPHRASE, "is not a backup"),
        (b"age-encryption.org/v1\n-> X25519 abc\n", PASSPHRASE, "encrypted to a key (X25519)"),
    ] {
        let said = restore(bytes, passphrase);
        assert!(said.contains(expected), "{expected}: {said}");
    }
    // an age file of something else
    let other = age(&["-p", "-o", text(&gate.at("other.age")), text(&gate.at("etc/monban.toml"))], 2);
    assert!(other.status.success(), "{other:?}");
    let said = restore(&std::fs::read(gate.at("other.age")).unwrap(), PASSPHRASE);
    assert!(said.contains("is encrypted like a backup but is not one"), "{said}");
}

/// Runs Debian's age on a terminal, and types the passphrase `times` times.
fn age(arguments: &[&str], times: usize) -> Output {
    let program = testkit::process::find("age");
    let line: Vec<String> =
        [text(&program)].iter().chain(arguments).map(|word| format!("'{word}'")).collect();
    let typed = format!("{PASSPHRASE}\r");
    let asked = [("Enter passphrase", typed.as_str()), ("Confirm passphrase", &typed)];
    on_terminal(&line.join(" "), &asked[..times])
}

/// Runs a shell command on a terminal of its own that echoes, and types keys, each once the terminal shows its text.
fn on_terminal(line: &str, asked: &[(&str, &str)]) -> Output {
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--echo", "always", "--command", line, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = child.stdout.take().unwrap();
    let (sender, pieces) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = output.read(&mut buffer) {
            let _the_test_may_have_failed = sender.send(buffer[..length].to_vec());
        }
    });
    let (mut shown, mut seen) = (Vec::new(), 0);
    for (text, keys) in asked {
        while !String::from_utf8_lossy(&shown[seen..]).contains(text) {
            match pieces.recv_timeout(PATIENCE) {
                Ok(piece) => shown.extend(piece),
                Err(_) => {
                    let _it_may_have_ended = child.kill();
                    panic!("no {text:?} in {}", String::from_utf8_lossy(&shown));
                }
            }
        }
        seen = shown.len();
        input.write_all(keys.as_bytes()).unwrap();
    }
    while let Ok(piece) = pieces.recv_timeout(PATIENCE) {
        shown.extend(piece);
    }
    drop(input);
    Output { status: child.wait().unwrap(), stdout: shown, stderr: Vec::new() }
}

#[test]
fn debians_age_opens_a_backup_and_writes_one() {
    let gate = Gate::new();
    assert_success(&gate.backup(&[]));
    let (plain, unpacked) = (gate.at("plain.tar.gz"), gate.at("unpacked"));
    let opened = age(&["-d", "-o", text(&plain), text(&gate.at("gate.backup"))], 1);
    assert!(opened.status.success(), "{opened:?}");
    std::fs::create_dir(&unpacked).unwrap();
    let tar = Command::new("tar").arg("-xzf").arg(&plain).arg("-C").arg(&unpacked).status().unwrap();
    assert!(tar.success());
    let unpacked_config = gate.below(&unpacked.join("files"), "etc/monban.toml");
    assert_eq!(std::fs::read(unpacked_config).unwrap(), std::fs::read(gate.at("etc/monban.toml")).unwrap());
    assert!(unpacked.join("manifest.json").exists());
    // encrypted again by age
    let again = gate.at("again.age");
    let sealed = age(&["-p", "-o", text(&again), text(&plain)], 2);
    assert!(sealed.status.success(), "{sealed:?}");
    let listed = assert_success(&monban(&["restore", text(&again), "--list"]));
    assert!(listed.contains("etc/monban.toml"), "{listed}");
}

#[test]
fn a_passphrase_comes_from_a_file_or_a_terminal() {
    let gate = Gate::new();
    let (file, config) = (gate.at("gate.backup"), gate.at("etc/monban.toml"));
    let ask = |rest: &str, keys: &[&str]| {
        let asked = ["Passphrase: ", "Repeat the passphrase: "].into_iter().zip(keys.iter().copied());
        let output = on_terminal(&format!("'{BINARY}' {rest}"), &asked.collect::<Vec<_>>());
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let typed = format!("{PASSPHRASE}\r");
    let backup = format!("backup '{}' --config '{}'", file.display(), config.display());
    for (keys, expected) in [
        (&["a long passphrase\r", "another passphrase\r"][..], "the two passphrases differ"),
        (&["short\r"], "fewer than 12 bytes"),
        (&["\x03"], "no passphrase was given"),
    ] {
        let (code, said) = ask(&backup, keys);
        assert!(code == Some(3) && said.contains(expected) && !said.contains("a long"), "{said}");
        assert!(!file.exists());
    }
    let (code, said) = ask(&backup, &[&typed, &typed]);
    assert!(code == Some(0) && said.contains("Passphrase: ") && !said.contains("correct horse"), "{said}");
    let (code, said) = ask(&format!("restore '{}' --list", file.display()), &[&typed]);
    assert!(code == Some(0) && said.contains("etc/monban.toml"), "{said}");

    let secret = gate.at("passphrase");
    std::fs::write(&secret, format!("{PASSPHRASE}\n")).unwrap();
    let list = |mode| {
        std::fs::set_permissions(&secret, PermissionsExt::from_mode(mode)).unwrap();
        let arguments = ["restore", text(&file), "--list", "--passphrase-file", text(&secret)];
        Command::new(BINARY).args(arguments).output().unwrap()
    };
    assert_success(&list(0o600));
    assert!(assert_refused(&list(0o644)).contains("chmod 600"));
    // without a terminal
    let mut command = Command::new("setsid");
    command.args(["--wait", BINARY, "restore", text(&file), "--list"]).stdin(Stdio::null());
    assert!(assert_refused(&command.output().unwrap()).contains("--passphrase-file"));
}

#[test]
fn targets_that_cannot_be_written_are_refused() {
    let gate = Gate::new();
    let config = gate.at("etc/monban.toml");
    let to = |target: &Path, options: &[&str]| {
        monban(&[&["backup", text(target), "--config", text(&config)], options].concat())
    };
    let file = gate.at("gate.backup");
    std::fs::write(&file, "older").unwrap();
    assert!(assert_refused(&to(&file, &[])).contains("`--force` replaces it"));
    assert_eq!(std::fs::read(&file).unwrap(), b"older");
    assert_success(&to(&file, &["--force"]));
    assert!(std::fs::read(&file).unwrap().starts_with(b"age-encryption.org/v1\n"));
    assert!(assert_refused(&to(&gate.at("data/x"), &[])).contains("in the data folder"));
    assert!(assert_refused(&to(&gate.at("data"), &["--force"])).contains("not a regular file"));
    assert!(assert_refused(&to(&gate.at("none/x"), &[])).contains("none/x"));
    let mut short = command(&["backup", text(&gate.at("b")), "--config", text(&config)]);
    assert!(assert_refused(&short.env("PASSPHRASE", "short").output().unwrap()).contains("it must have 12"));

    // through pipes
    let sent = to(Path::new("-"), &[]);
    assert!(sent.status.success() && stderr(&sent).contains("wrote -"), "{}", stderr(&sent));
    let mut child =
        command(&["restore", "-", "--list"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&sent.stdout).unwrap();
    assert!(assert_success(&child.wait_with_output().unwrap()).contains("etc/monban.toml"));

    // a full disk
    let disk = SmallDisk::mount("64k");
    std::fs::write(gate.at("data/big.json"), random(300_000)).unwrap();
    let said = assert_refused(&to(&disk.path().join("b"), &[]));
    assert!(said.contains("No space left") && said.contains("free space"), "{said}");
    assert_eq!(std::fs::read_dir(disk.path()).unwrap().count(), 0);
    assert_success(&to(&file, &["--force"]));
    let said = assert_refused(&gate.restore(&["--to", text(disk.path())]));
    assert!(said.contains("bytes free") && said.contains("nothing was written"), "{said}");
    assert_eq!(std::fs::read_dir(disk.path()).unwrap().count(), 0);

    // a user without rights, and a link on the way
    let root = testkit::process::folder("monban-restored-");
    std::fs::set_permissions(root.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let arguments = ["restore", "-", "--to", text(root.path())];
    let backup = std::fs::File::open(&file).unwrap();
    let said = assert_refused(&command(&arguments).uid(65534).gid(65534).stdin(backup).output().unwrap());
    assert!(said.contains("Permission denied") && said.contains("as root"), "{said}");
    std::os::unix::fs::symlink("/etc", root.path().join("tmp")).unwrap();
    let said = assert_refused(&gate.restore(&["--to", text(root.path()), "--force"]));
    assert!(said.contains("is a symbolic link") && said.contains("does not follow links"), "{said}");
    assert_eq!(tree(root.path()).len(), 1);
}

/// Returns bytes that do not compress.
fn random(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}
