//! The engine's plan decides and logs like plain evaluation for any request. The rules are the Core Rule Set of
//! Debian's package, alternately at paranoia level 1 (blocking) and 4 (logging only).
//!
//! Input is a raw HTTP/1.1 request. The first inputs are those of tests/e2e/corpus; half of the mutations are those of
//! the differential test, which keep a request whole, the others are libFuzzer's.
#![no_main]

use std::cell::RefCell;
use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use testkit::corpus;
use testkit::in_process::InProcess;
use testkit::mutation::{Random, mutate};
use testkit::target::{Outcome, Setup, Target};

static CORPUS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/e2e/corpus");
    let files = corpus::files(&folder).expect("the corpus");
    files.iter().flat_map(|file| corpus::read(file).expect("a corpus").entries).map(|entry| entry.request).collect()
});

/// The same rules with the plan and with plain evaluation.
struct Pair {
    planned: InProcess,
    plain: InProcess,
}

thread_local! {
    static PAIRS: RefCell<[Pair; 2]> = RefCell::new([Setup::blocking(""), Setup::conformance()].map(|setup| {
        let planned = InProcess::start(&setup).expect("the rules");
        let plain = planned.plain();
        Pair { planned, plain }
    }));
}

fn status(outcome: &Outcome) -> Option<u16> {
    outcome.response.as_ref().ok().map(|response| response.status)
}

fuzz_target!(|request: &[u8]| {
    PAIRS.with_borrow_mut(|pairs| {
        for pair in pairs {
            let (planned, plain) = (pair.planned.exchange(request), pair.plain.exchange(request));
            assert_eq!(status(&planned), status(&plain));
            assert_eq!(planned.log, plain.log);
        }
    });
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut random = Random::new(u64::from(seed) << 1);
    let whole = data[..size].windows(4).any(|window| window == b"\r\n\r\n");
    let request = match (whole, random.below(2)) {
        (false, _) => CORPUS[random.below(CORPUS.len())].clone(),
        (true, 0) => mutate(&data[..size], &mut random),
        (true, _) => return fuzzer_mutate(data, size, max_size),
    };
    let length = request.len().min(max_size);
    data[..length].copy_from_slice(&request[..length]);
    length
});
