//! A change log, shuffled, repeated and cut: a replica takes what is next and refuses the rest.
#![no_main]

#[path = "../../kraud-ipam/tests/reference/mod.rs"]
mod reference;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (order, calls) = bytes.split_at(bytes.len() / 3);
    let Some((empty, last, history)) = reference::run_unchecked(calls) else {
        return;
    };
    if history.is_empty() {
        return;
    }
    let mut replica = empty;
    for at in order {
        let change = &history[usize::from(*at) % history.len()];
        let before = replica.clone();
        if replica.replay(change).is_ok() {
            assert!(change.is_empty() || change.before == before.revision());
        } else {
            assert_eq!(replica, before, "a refusal changes nothing");
        }
    }
    for change in &history {
        if change.before >= replica.revision() {
            replica.replay(change).expect("what is missing follows");
        }
    }
    assert_eq!(replica, last);
});
