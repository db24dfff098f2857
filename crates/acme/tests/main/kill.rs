//! A process that is killed at any step.
//!
//! A panic in the step's hook drops the attempt where it stands, without any of its cleaning up: only what is on disk, at
//! the CA and at the DNS server is left, as after kill -9.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use acme::request::Challenge;
use testkit::pebble::Settings;

use super::rig::{Rig, request};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_at_any_step_the_next_run_goes_on() {
    let wanted = request(&["*.example.test", "example.test"], Challenge::Dns01);
    let rig = Rig::start(Settings::default());
    let steps = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&steps);
    rig.obtain_with(
        &wanted,
        Arc::new(move |_, _| {
            counted.fetch_add(1, Ordering::Relaxed);
        }),
    )
    .await
    .unwrap();
    let count = steps.load(Ordering::Relaxed);
    assert!(count >= 15, "{count} steps");
    for kill in 0..count {
        std::fs::remove_dir_all(rig.certificate_folder()).unwrap();
        let orders = rig.pebble.orders();
        // the owner's own record at the same name stays
        rig.dns.update("example.test", "update add _acme-challenge.example.test 60 TXT \"mine\"");
        let rig = Arc::new(&rig);
        let passed = AtomicUsize::new(0);
        let killed = std::panic::AssertUnwindSafe(rig.obtain_with(
            &wanted,
            Arc::new(move |step, detail| {
                if passed.fetch_add(1, Ordering::Relaxed) == kill {
                    std::panic::resume_unwind(Box::new(format!("killed at {step:?} {detail}")));
                }
            }),
        ));
        let killed = futures_util::FutureExt::catch_unwind(killed).await.unwrap_err();
        let place = killed.downcast_ref::<String>().unwrap().clone();
        let chain = rig.obtain(&wanted).await.unwrap_or_else(|error| panic!("{place}: {error}"));
        assert!(chain.covers(&wanted.names), "{place}");
        assert_eq!(rig.pebble.orders() - orders, 1, "{place}");
        assert_eq!(rig.records(&["example.test"]), ["\"mine\""], "{place}");
        assert_eq!(rig.state().open, None, "{place}");
    }
}
