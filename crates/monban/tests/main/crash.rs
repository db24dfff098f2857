//! `kill -9`, and the data that survives a graceful stop.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use testkit::Reflector;
use testkit::client;

use crate::support::{Daemon, event_id, request, stdout};

#[test]
fn every_answered_403_has_its_event_after_kill_9() {
    let upstream = Reflector::start();
    let mut daemon = Daemon::start(upstream.address(), None, "");
    let answered = Arc::new(Mutex::new(BTreeSet::new()));
    for round in 0..3 {
        let stop = Arc::new(AtomicBool::new(false));
        let before = answered.lock().unwrap().len();
        let clients: Vec<_> = (0..8)
            .map(|number| {
                let (answered, stop, address) = (Arc::clone(&answered), Arc::clone(&stop), daemon.address);
                std::thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let target = format!("/?q=attack-{round}-{number}");
                        // the killed daemon answers nothing
                        let Ok(response) = client::exchange(address, request(&target).as_bytes()) else {
                            return;
                        };
                        assert_eq!(response.status, 403);
                        answered.lock().unwrap().insert(event_id(&response));
                    }
                })
            })
            .collect();
        testkit::wait_until("300 answers", std::time::Duration::from_secs(120), || {
            answered.lock().unwrap().len() >= before + 300
        });
        daemon.program.kill();
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().for_each(|client| client.join().unwrap());
        // the journal alone suffices for the commands ...
        let exported: BTreeSet<String> = daemon.exported().into_iter().collect();
        assert!(answered.lock().unwrap().is_subset(&exported));
        daemon.start_again();
    }
    // ... and the store contains each event exactly once
    let answered = answered.lock().unwrap();
    assert!(answered.len() >= 900);
    let exported = daemon.exported();
    let unique: BTreeSet<String> = exported.iter().cloned().collect();
    assert_eq!(unique.len(), exported.len());
    let missing: Vec<_> = answered.difference(&unique).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn collections_outlive_a_restart() {
    let upstream = Reflector::start();
    let mut daemon = Daemon::start(upstream.address(), None, "");
    let rules = r#"SecRuleEngine On
SecAction "id:10,phase:1,pass,nolog,initcol:ip=%{REMOTE_ADDR},setvar:ip.count=+1"
SecRule IP:count "@gt 3" "id:11,phase:1,deny,status:429,log,msg:'Too many'"
"#;
    std::fs::write(daemon.folder.path().join("rules.conf"), rules).unwrap();
    let output = daemon.command(&["reload"]);
    assert_eq!(stdout(&output), "reloaded, 2 rules\n");
    assert_eq!([daemon.get("/").status, daemon.get("/").status], [200, 200]);
    assert!(daemon.program.terminate().success());
    assert!(!daemon.folder.path().join("data/monban.pid").exists());
    daemon.start_again();
    assert_eq!([daemon.get("/").status, daemon.get("/").status], [200, 429]);
}
