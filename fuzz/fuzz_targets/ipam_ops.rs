//! Calls on a small subnet, compared step by step with a reference that looks at every address.
#![no_main]

#[path = "../../kraud-ipam/tests/reference/mod.rs"]
mod reference;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((empty, last, history)) = reference::run(bytes) {
        let mut replayed = empty.clone();
        for change in &history {
            replayed.replay(change).expect("changes replay in order");
        }
        assert_eq!(replayed, last);
        for change in history.iter().rev() {
            replayed.undo(change).expect("changes undo in reverse");
        }
        assert_eq!(replayed, empty);
    }
});
