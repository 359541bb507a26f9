//! Changes: what a call did, to be logged, replayed elsewhere or undone.

use alloc::vec::Vec;

/// One step of the state from revision `before` to revision `after`.
///
/// Every call that changes something returns one. Replaying the changes of one state in order on an
/// equal state gives equal states; undoing the latest one restores the previous state exactly. A call
/// that changed nothing returns an empty change, whose revisions are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Change<Edit> {
    /// The revision that the change starts from.
    pub before: u64,
    /// The revision that it leads to.
    pub after: u64,
    /// What happens, in order.
    pub edits: Vec<Edit>,
}

impl<Edit> Change<Edit> {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }
}

/// Why a change cannot be replayed or undone here. The state is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The change contradicts the state, although the revision fits: it belongs to another history.
    #[error("step {step} of the change contradicts the state; it belongs to another history")]
    Contradiction {
        /// Index of the step in [`Change::edits`].
        step: usize,
    },
    /// The change starts from another revision: it was replayed already, or others are missing.
    #[error(
        "the change is for revision {wanted}, the state is at {found}; replay the changes in order"
    )]
    Revision {
        /// The revision that the change starts from (or, when undoing, leads to).
        wanted: u64,
        /// The revision of the state.
        found: u64,
    },
}
