//! A change of the configuration without a restart.

use testkit::Reflector;
use testkit::client::{self, Connection};

use crate::support::{Daemon, RULES, request, stderr, stdout};

#[test]
fn a_reload_takes_effect_and_a_wrong_one_changes_nothing() {
    let upstream = Reflector::start();
    let daemon = Daemon::start(upstream.address(), None, "");
    let rules = daemon.folder.path().join("rules.conf");
    let config = std::fs::read_to_string(daemon.config()).unwrap();
    let mut kept = Connection::open(daemon.address).unwrap();
    let mut ask = |target: &str| {
        kept.send(request(target).replace("Connection: close\r\n", "").as_bytes()).unwrap();
        kept.read_response(false).unwrap().status
    };
    assert_eq!(ask("/?q=attack"), 403);
    assert_eq!(ask("/?q=assault"), 200);

    std::fs::write(
        &rules,
        format!("{RULES}SecRule ARGS \"@contains assault\" \"id:9,phase:2,deny,status:406,log\"\n"),
    )
    .unwrap();
    let output = daemon.command(&["reload"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), "reloaded, 4 rules\n"));
    // the connection has stayed open
    assert_eq!(ask("/?q=assault"), 406);

    // wrong rules, a wrong configuration, another data folder: all are refused, and nothing changes
    std::fs::write(&rules, "SecRule ARGS \"@rx (\" \"id:1,deny\"\nSecRulee\n").unwrap();
    let output = daemon.command(&["reload"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("rules.conf:2:1: unknown directive `SecRulee`"), "{}", stderr(&output));
    assert!(stderr(&output).contains("hint: the former configuration stays in force"));
    std::fs::write(&rules, RULES).unwrap();
    for (wrong, message) in [
        (
            config.replace("upstream =", "upstreem ="),
            "monban.toml:6:1: unknown key `upstreem`; did you mean `upstream`?",
        ),
        (
            format!(
                "{config}\n[[listen]]\naddress = \"127.0.0.1:0\"\ntls = {{ certificate = \"none\", key = \"none\" }}\n"
            ),
            "none",
        ),
        (config.replace("/data\"", "/other\""), "data_dir: cannot change while monban runs"),
    ] {
        assert_ne!(wrong, config);
        std::fs::write(daemon.config(), &wrong).unwrap();
        let output = if message.starts_with("data_dir:") {
            // the command would look for the daemon in the other data folder
            daemon.program.signal(rustix::process::Signal::HUP);
            testkit::wait_until("the log to tell", std::time::Duration::from_secs(60), || {
                daemon.program.stderr().contains(message)
            });
            continue;
        } else {
            daemon.command(&["reload"])
        };
        assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
        assert!(stderr(&output).contains(message), "{}", stderr(&output));
    }
    assert_eq!(ask("/?q=assault"), 406);
    assert!(daemon.program.stderr().contains("cannot reload; the former configuration stays in force"));

    // HUP does the same, and the logs are reopened
    let log = daemon.folder.path().join("error.log");
    std::fs::rename(&log, daemon.folder.path().join("error.log.1")).unwrap();
    std::fs::write(daemon.config(), &config).unwrap();
    daemon.program.signal(rustix::process::Signal::HUP);
    testkit::wait_until("the reload", std::time::Duration::from_secs(60), || log.exists());
    testkit::wait_until("the old rules", std::time::Duration::from_secs(60), || ask("/?q=assault") == 200);
    assert_eq!(ask("/?q=attack"), 403);
    assert!(std::fs::read_to_string(&log).unwrap().contains("[id \"1\"]"));
}

#[test]
fn a_reload_without_a_daemon_says_so() {
    let upstream = Reflector::start();
    let mut daemon = Daemon::start(upstream.address(), None, "");
    assert!(daemon.program.terminate().success());
    let output = daemon.command(&["reload"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("hint: start it with `systemctl start monban`"), "{}", stderr(&output));
}

#[test]
fn a6_start_and_reload_log_what_rules_hardly_mean() {
    let upstream = Reflector::start();
    let daemon = Daemon::start(upstream.address(), None, "");
    let rules = daemon.folder.path().join("rules.conf");
    let warned = || daemon.program.stderr().matches("SecRuleRemoveById 9 has no effect").count();
    for (extra, times) in [("SecRuleRemoveById 9\n", 1), ("", 1), ("SecRuleRemoveById 9\n", 2)] {
        std::fs::write(&rules, format!("{extra}{RULES}")).unwrap();
        assert_eq!(daemon.command(&["reload"]).status.code(), Some(0));
        assert_eq!(warned(), times, "{}", daemon.program.stderr());
    }
    let line = format!("{}:1: SecRuleRemoveById 9", rules.display());
    assert!(daemon.program.stderr().contains(&line), "{}", daemon.program.stderr());
}

#[test]
fn a_reload_reads_the_database_of_countries_again() {
    let upstream = Reflector::start();
    let daemon = Daemon::start(upstream.address(), None, "");
    daemon.attack("1");
    let config = std::fs::read_to_string(daemon.config()).unwrap();
    let database = daemon.folder.path().join("country.mmdb");
    let token = stdout(&daemon.command(&["console", "token", "--name", "test", "--scope", "read"]));
    let asking = format!("\r\nAuthorization: Bearer {}\r\nConnection", token.trim());
    let asking = request("/api/overview").replace("\r\nConnection", &asking);
    let countries = || {
        let answer = client::exchange(daemon.console, asking.as_bytes()).unwrap();
        serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap()["top"]["countries"].to_string()
    };
    assert_eq!(countries(), "null");
    std::fs::write(daemon.config(), format!("geoip = \"country.mmdb\"\n{config}")).unwrap();
    for code in ["JP", "DE"] {
        let networks = [("127.0.0.0/8", testkit::mmdb::country(code))];
        std::fs::write(&database, testkit::mmdb::database(&networks)).unwrap();
        let output = daemon.command(&["reload"]);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), "reloaded, 3 rules\n"));
        let counted = format!("[{{\"code\":\"{code}\",\"count\":1}}]");
        testkit::wait_until(&counted, std::time::Duration::from_secs(60), || countries() == counted);
    }
    std::fs::write(&database, "damaged").unwrap();
    let output = daemon.command(&["reload"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("monban.toml:1:1: geoip: "), "{}", stderr(&output));
    assert!(countries().contains("DE"), "the database in memory stays");
}
