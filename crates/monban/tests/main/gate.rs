//! The classic check: the curl line of the README with the Core Rule Set.

use std::process::Command;

use testkit::monban::Config;
use testkit::{Monban, Reflector};

const TARGET: &str = "/?name=\"><script>alert(document.cookie)</script><!--";

fn text(output: &std::process::Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_classic_attack_is_blocked_and_shown() {
    let upstream = Reflector::start();
    let mut monban = Monban::start(&Config::new(upstream.address()));
    let url = format!("http://localhost:{}{TARGET}", monban.address().port());
    let curl = Command::new("curl").args(["-s", "-o", "/dev/null", "-w", "%{http_code}", &url]).output();
    assert_eq!(text(&curl.expect("curl; install the Debian package curl")), "403");
    assert_eq!(upstream.requests().len(), 0);

    let look = |monban: &Monban| {
        let shown = text(&monban.command(&["events", "show", "latest"]));
        assert!(shown.contains(&format!("\n  GET {TARGET} HTTP/1.1\n  Host: localhost:")), "{shown}");
        for rule in [941_100, 941_110, 941_160, 941_180, 949_110] {
            assert!(shown.contains(&format!("\n  {rule} ")), "{rule} is not in {shown}");
        }
        assert!(shown.contains("ARGS:name = \"><script>alert"), "{shown}");
        assert!(shown.contains("REQUEST-941-APPLICATION-ATTACK-XSS.conf:"), "{shown}");
        assert!(shown.contains("denied with 403"), "{shown}");
        let listed =
            text(&monban.command(&["events", "list", "--json", "--rule", "941100", "--outcome", "blocked"]));
        let event = event::Event::from_json(listed.trim().as_bytes()).unwrap();
        assert_eq!(event.request().unwrap().target(), TARGET.as_bytes());
        // filters that the event does not match
        for filter in [["--rule", "1"], ["--outcome", "passed"], ["--until", "1h"], ["--client", "192.0.2.1"]]
        {
            let listed = text(&monban.command(&["events", "list", "--json", filter[0], filter[1]]));
            assert!(!listed.contains("941100"), "{filter:?}: {listed}");
        }
    };
    look(&monban);
    let log = std::fs::read_to_string(monban.error_log()).unwrap();
    assert!(log.contains("[id \"941100\"]"), "{log}");
    let audit = std::fs::read_to_string(monban.folder().join("audit.log")).unwrap();
    assert!(audit.contains("-A--") && audit.contains("941100"), "{audit}");
    let metrics = testkit::client::exchange(
        monban.console(),
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    )
    .unwrap()
    .text();
    assert!(metrics.contains("action=\"blocked\""), "{metrics}");
    assert!(metrics.contains("\nmonban_degraded 0\n"), "{metrics}");
    assert!(metrics.ends_with("# EOF\n") && metrics.matches("# EOF").count() == 1, "{metrics}");
    // the same without a daemon
    assert!(monban.terminate().success());
    look(&monban);
}

#[test]
fn an_ordinary_request_passes_and_leaves_no_event() {
    let upstream = Reflector::start();
    let monban = Monban::start(&Config::new(upstream.address()));
    let request = "GET /hello?name=bob HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\nConnection: close\r\n\r\n";
    let response = testkit::client::exchange(monban.address(), request.as_bytes()).unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(upstream.requests().len(), 1);
    assert_eq!(text(&monban.command(&["events", "export"])), "");
}

#[test]
fn escapes_of_attackers_do_not_reach_the_terminal() {
    let upstream = Reflector::start();
    let monban = Monban::start(&Config::new(upstream.address()));
    let request = b"GET /?a=<script>alert(1)</script>\x9b31m\xc2\x9b HTTP/1.1\r\nHost: localhost\r\nUser-Agent: \xe2\x80\xae\xffx\tx\r\nConnection: close\r\n\r\n";
    let response = testkit::client::exchange(monban.address(), request).unwrap();
    assert_eq!(response.status, 403);
    for command in [
        &["events", "list"][..],
        &["events", "show", "latest"],
        &["events", "tail", "--from-start", "--limit", "1"],
    ] {
        let output = text(&monban.command(command));
        assert!(output.contains("\\x9b31m\\u{9b}"), "{output}");
        let bad = output.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert_eq!(bad, None, "{output}");
    }
}
