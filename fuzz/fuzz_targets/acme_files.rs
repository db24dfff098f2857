//! Chains, states and names as a CA, a disk or a person wrote them: no panic, and what was read is written and read again
//! unchanged.
#![no_main]

use acme::chain::{Chain, covers};
use acme::state::parse_state;
use acme::Name;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Chain::parse(bytes);
    if let Ok(chain) = Chain::of(vec![bytes.to_vec().into()]) {
        assert!(chain.covers(&chain.names));
    }
    if let Ok(state) = parse_state(bytes) {
        let again = serde_json::to_vec(&state).expect("a state is JSON");
        assert_eq!(parse_state(&again).expect("its own JSON"), state);
    }
    if let Ok(name) = std::str::from_utf8(bytes).unwrap_or_default().parse::<Name>() {
        assert_eq!(name.to_string().parse::<Name>().as_ref(), Ok(&name));
        assert!(covers(&name, &name));
        assert!(!name.sni().is_empty());
    }
});
