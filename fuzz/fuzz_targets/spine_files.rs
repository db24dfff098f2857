//! The files of address sets and of the scheduler: reading never panics, and every entry that was read is found again.
#![no_main]

use event::Timestamp;
use libfuzzer_sys::fuzz_target;
use spine::address_sets::{Member, Table};
use spine::scheduler::JobState;

fuzz_target!(|data: &[u8]| {
    if let Ok(mut state) = JobState::parse(data) {
        state.follow_clock(Timestamp::MIN);
        let text = serde_json::to_vec(&state).expect("a state is JSON");
        assert_eq!(JobState::parse(&text), Ok(state));
    }
    if let Ok(table) = Table::parse(data) {
        assert_eq!(table.iter().count(), table.len());
        for (member, _) in table.iter() {
            assert_eq!(member.to_string().parse::<Member>(), Ok(member));
        }
    }
});
