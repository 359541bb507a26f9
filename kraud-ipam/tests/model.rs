//! The invariants of a subnet, against a reference that looks at every address.

mod reference;

use kraud_ipam::Subnet;
use proptest::prelude::*;

/// Found by fuzzing: an owner's key led to the network address inside a prefix that the owner had just
/// given back.
#[test]
fn a_stable_address_is_never_a_reserved_one_of_an_owners_resting_prefix() {
    let bytes = [
        0x88, 0xb4, 0xb4, 0x64, 0x12, 0xcc, 0x64, 0xd8, 0x08, 0x48, 0x48, 0x48, 0x48, 0x08, 0x04,
        0x04, 0xd8, 0x04, 0x04, 0x04, 0x04, 0x04, 0x08, 0xd5, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04,
        0x04, 0x08, 0x08, 0x48, 0x48, 0x48, 0x48, 0x08, 0x08, 0x88, 0xb4, 0x48, 0x00, 0x03, 0x08,
        0x88, 0xb4, 0xb4, 0x35, 0x00, 0x64,
    ];
    assert!(reference::bytes::run_with_each_step_checked(&bytes).is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Answers, states, counts, undo and redo of every step, for any calls in any kind of subnet.
    #[test]
    fn any_calls_do_what_the_reference_does(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Some((empty, last, history)) = reference::bytes::run_with_each_step_checked(&bytes) {
            // The history leads from the empty subnet to the last state, and back.
            let mut replayed = empty.clone();
            for change in &history {
                replayed.replay(change).expect("changes replay in order");
            }
            prop_assert_eq!(&replayed, &last);
            for change in history.iter().rev() {
                replayed.undo(change).expect("changes undo in reverse");
            }
            prop_assert_eq!(&replayed, &empty);
            snapshot_round_trips(&last)?;
        }
    }
}

#[cfg(feature = "serde")]
fn snapshot_round_trips(net: &Subnet) -> Result<(), TestCaseError> {
    let bytes = serde_json::to_vec(net).expect("a subnet is written");
    let restored: Subnet = serde_json::from_slice(&bytes).expect("what was written is read");
    prop_assert_eq!(&restored, net);
    prop_assert_eq!(
        serde_json::to_vec(&restored).expect("a subnet is written"),
        bytes
    );
    Ok(())
}

#[cfg(not(feature = "serde"))]
fn snapshot_round_trips(_: &Subnet) -> Result<(), TestCaseError> {
    Ok(())
}
