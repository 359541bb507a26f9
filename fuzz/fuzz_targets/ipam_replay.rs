//! A change log, shuffled, repeated and cut: a replica takes what is next and refuses the rest. Changes
//! of another history are taken whole or refused without a trace.
#![no_main]

#[path = "../../kraud-ipam/tests/reference/mod.rs"]
mod reference;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let [setup, shape, rest @ ..] = bytes else {
        return;
    };
    let (order, calls) = rest.split_at(rest.len() / 4);
    let (ours, theirs) = calls.split_at(calls.len() / 3 * 2);
    let play = |calls: &[u8]| reference::bytes::run_unchecked(&[&[*setup, *shape], calls].concat());
    let Some((mut replica, last, history)) = play(ours) else {
        return;
    };
    for at in order {
        let Some(change) = history.get(usize::from(*at) % history.len().max(1)) else {
            return;
        };
        let next = change.is_empty() || change.before == replica.revision();
        assert_eq!(replica.replay(change).is_ok(), next);
    }
    for change in &history {
        if change.before >= replica.revision() {
            replica.replay(change).expect("what is missing follows");
        }
    }
    assert_eq!(replica, last);

    let Some((_, _, others)) = play(theirs) else {
        return;
    };
    for mut change in others {
        // Its revision fits, whatever is in it.
        change.after = last.revision() + (change.after - change.before);
        change.before = last.revision();
        if replica.replay(&change).is_ok() {
            replica.undo(&change).expect("it was replayed just now");
        }
        assert_eq!(replica, last);
    }
});
