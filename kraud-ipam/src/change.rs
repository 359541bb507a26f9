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

/// The edit does not fit the state.
#[derive(Debug)]
pub(crate) struct Misfit;

/// A state that changes in edits: what replay, undo and the end of a call have in common.
pub(crate) trait Journaled {
    type Edit: core::fmt::Debug;

    fn revision_mut(&mut self) -> &mut u64;

    /// Applies an edit, or leaves everything as it is.
    fn apply(&mut self, edit: &Self::Edit) -> Result<(), Misfit>;

    /// Takes an edit back, or leaves everything as it is.
    fn unapply(&mut self, edit: &Self::Edit) -> Result<(), Misfit>;

    /// Applies an edit that fits by construction and notes it.
    fn step(&mut self, edit: Self::Edit, edits: &mut Vec<Self::Edit>) {
        match self.apply(&edit) {
            Ok(()) => edits.push(edit),
            Err(Misfit) => debug_assert!(false, "{edit:?} does not fit"),
        }
    }

    /// The end of a call that made these edits.
    fn finish(&mut self, edits: Vec<Self::Edit>) -> Change<Self::Edit> {
        let revision = self.revision_mut();
        let before = *revision;
        *revision += u64::from(!edits.is_empty());
        Change {
            before,
            after: *revision,
            edits,
        }
    }

    /// Takes back what was applied just now.
    fn take_back(&mut self, edits: &[Self::Edit]) {
        for edit in edits.iter().rev() {
            let undone = self.unapply(edit);
            debug_assert!(undone.is_ok(), "what was applied can be taken back");
        }
    }

    fn replay_change(&mut self, change: &Change<Self::Edit>) -> Result<(), ReplayError> {
        if !self.concerns(change, change.before)? {
            return Ok(());
        }
        for (step, edit) in change.edits.iter().enumerate() {
            if self.apply(edit).is_err() {
                self.take_back(change.edits.get(..step).unwrap_or_default());
                return Err(ReplayError::Contradiction { step });
            }
        }
        *self.revision_mut() = change.after;
        Ok(())
    }

    fn undo_change(&mut self, change: &Change<Self::Edit>) -> Result<(), ReplayError> {
        if !self.concerns(change, change.after)? {
            return Ok(());
        }
        for (step, edit) in change.edits.iter().enumerate().rev() {
            if self.unapply(edit).is_err() {
                for edit in change.edits.get(step + 1..).unwrap_or_default() {
                    let redone = self.apply(edit);
                    debug_assert!(redone.is_ok(), "what was taken back fits again");
                }
                return Err(ReplayError::Contradiction { step });
            }
        }
        *self.revision_mut() = change.before;
        Ok(())
    }

    /// Whether there is anything to do for a change that is for revision `wanted`.
    fn concerns(&mut self, change: &Change<Self::Edit>, wanted: u64) -> Result<bool, ReplayError> {
        if change.is_empty() && change.before == change.after {
            return Ok(false);
        }
        let found = *self.revision_mut();
        if wanted != found {
            return Err(ReplayError::Revision { wanted, found });
        }
        if change.after <= change.before {
            return Err(ReplayError::Contradiction { step: 0 });
        }
        Ok(true)
    }
}
