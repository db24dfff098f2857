//! `monban up --demo`, and the three lines that it suggests to its user.

use std::process::{Command, Output};

use testkit::process::{Program, folder, is_root};

use crate::support::{BINARY, stderr, stdout};

/// A demonstration in its own network namespace, because it uses fixed ports.
struct Demo {
    program: Program,
    folder: tempfile::TempDir,
}

impl Demo {
    fn start() -> Self {
        assert!(is_root(), "this test makes a network namespace and so must run as root");
        let folder = folder("monban-demo-test-");
        let mut command = Command::new("unshare");
        command
            .args(["--net", "sh", "-c", "ip link set lo up && exec \"$0\" up --demo", BINARY])
            .env("TMPDIR", folder.path());
        let mut program = Program::start(&mut command, "util-linux", folder.path());
        let told = folder.path().join("unshare.stdout");
        program.wait_ready(|| std::fs::read_to_string(&told).unwrap().contains("Ctrl-C"));
        Self { program, folder }
    }

    /// Runs a line of shell in the demonstration's network.
    fn shell(&self, line: &str) -> Output {
        let pid = self.program.pid().to_string();
        Command::new("nsenter").args(["--net", "--target", &pid, "sh", "-c", line]).output().unwrap()
    }

    fn told(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("unshare.stdout")).unwrap()
    }
}

#[test]
fn the_three_lines_do_what_they_promise() {
    let mut demo = Demo::start();
    let told = demo.told();
    let lines: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    let [attack, list, show] = lines[..] else { panic!("not three lines to try in {told}") };
    assert_eq!(
        attack,
        "curl -i 'http://localhost:8080/?name=\"><script>alert(document.cookie)</script><!--'"
    );
    let answer = stdout(&demo.shell(attack));
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
    let listed = demo.shell(list);
    assert!(listed.status.success(), "{}", stderr(&listed));
    assert!(stdout(&listed).contains("/?name=\"><script>alert"), "{}", stdout(&listed));
    let shown = stdout(&demo.shell(show));
    for rule in [941_100, 941_110, 941_160, 941_180, 949_110] {
        assert!(shown.contains(&format!("\n  {rule} ")), "{rule} is not in {shown}");
    }

    // the site answers, and is vulnerable as it says
    let page = stdout(&demo.shell("curl -s 'http://localhost:8080/?name=<i>Eve'"));
    assert!(page.contains("<p>Hello, <i>Eve!</p>"), "{page}");
    let health = stdout(&demo.shell("curl -s http://localhost:8600/healthz"));
    assert!(health.contains("\"status\":\"ok\""), "{health}");

    // a second demonstration reports the port conflict
    let second = demo.shell(&format!("{BINARY} up --demo"));
    assert_eq!(second.status.code(), Some(3));
    assert!(stderr(&second).contains("127.0.0.1:8600"), "{}", stderr(&second));

    // no file remains
    assert!(demo.program.terminate().success());
    let left: Vec<_> = std::fs::read_dir(demo.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("monban-demo-"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
