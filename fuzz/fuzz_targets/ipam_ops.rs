//! Calls on a small subnet: each answer and the last state are those of a reference that looks at every
//! address, and the history leads there and back.
#![no_main]

#[path = "../../kraud-ipam/tests/reference/mod.rs"]
mod reference;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((empty, mut last, history)) = reference::bytes::run(bytes) {
        let end = last.clone();
        for change in history.iter().rev() {
            last.undo(change).expect("changes undo in reverse");
        }
        assert_eq!(last, empty);
        for change in &history {
            last.replay(change).expect("changes replay in order");
        }
        assert_eq!(last, end);
    }
});
