//! The steps that changes of a pool are made of.

use alloc::vec::Vec;

use super::{Carved, SubnetPool};
use crate::{
    Change, ReplayError,
    family::{Family, bounds},
};

/// One step of a [`Change`] of a [`SubnetPool`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(rename_all = "kebab-case", deny_unknown_fields)
)]
#[non_exhaustive]
pub enum PoolEdit {
    /// A holding ends.
    Drop(Carved),
    /// A holding begins.
    Hold(Carved),
}

impl PoolEdit {
    fn inverse(&self) -> Self {
        match self.clone() {
            Self::Drop(carved) => Self::Hold(carved),
            Self::Hold(carved) => Self::Drop(carved),
        }
    }
}

/// The edit does not fit the state.
#[derive(Debug)]
pub(super) struct Misfit;

impl SubnetPool {
    /// Replays a change that an equal pool made. O(edits · log n).
    ///
    /// # Errors
    /// [`ReplayError`]; the pool is as it was then, whatever the change contains.
    pub fn replay(&mut self, change: &Change<PoolEdit>) -> Result<(), ReplayError> {
        if change.is_empty() && change.before == change.after {
            return Ok(());
        }
        if change.before != self.revision {
            return Err(ReplayError::Revision {
                wanted: change.before,
                found: self.revision,
            });
        }
        if change.after <= change.before {
            return Err(ReplayError::Contradiction { step: 0 });
        }
        self.apply_all(&change.edits)?;
        self.revision = change.after;
        Ok(())
    }

    /// Takes the latest change back: afterwards the pool equals what it was before.
    ///
    /// # Errors
    /// [`ReplayError`]; the pool is as it was then.
    pub fn undo(&mut self, change: &Change<PoolEdit>) -> Result<(), ReplayError> {
        if change.is_empty() && change.before == change.after {
            return Ok(());
        }
        if change.after != self.revision {
            return Err(ReplayError::Revision {
                wanted: change.after,
                found: self.revision,
            });
        }
        let inverse: Vec<PoolEdit> = change.edits.iter().rev().map(PoolEdit::inverse).collect();
        self.apply_all(&inverse)?;
        self.revision = change.before;
        Ok(())
    }

    fn apply_all(&mut self, edits: &[PoolEdit]) -> Result<(), ReplayError> {
        for (step, edit) in edits.iter().enumerate() {
            if self.apply(edit).is_err() {
                for done in edits.iter().take(step).rev() {
                    let undone = self.apply(&done.inverse());
                    debug_assert!(undone.is_ok(), "the inverse of an applied edit always fits");
                }
                return Err(ReplayError::Contradiction { step });
            }
        }
        Ok(())
    }

    /// Applies an edit, or leaves everything as it is.
    pub(super) fn apply(&mut self, edit: &PoolEdit) -> Result<(), Misfit> {
        match edit {
            PoolEdit::Hold(carved) => self.hold(carved),
            PoolEdit::Drop(carved) => self.drop_carved(carved),
        }
    }

    fn hold(&mut self, carved: &Carved) -> Result<(), Misfit> {
        let prefix = carved.prefix;
        if Family::of_prefix(prefix) != self.family || prefix.addr() != prefix.network() {
            return Err(Misfit);
        }
        if self.held_overlap(prefix).is_some() {
            return Err(Misfit);
        }
        let (first, _) = bounds(prefix);
        for free in &mut self.free {
            free.take_all(prefix);
        }
        self.held.insert(first, carved.clone());
        self.owners.insert(&carved.owner, first);
        Ok(())
    }

    fn drop_carved(&mut self, carved: &Carved) -> Result<(), Misfit> {
        let (first, last) = bounds(carved.prefix);
        if Family::of_prefix(carved.prefix) != self.family || self.held.get(&first) != Some(carved)
        {
            return Err(Misfit);
        }
        self.held.remove(&first);
        for free in &mut self.free {
            // Only what the base has of it, and nothing that is reserved.
            let (low, high) = bounds(free.space());
            for (from, to) in self.reserved.gaps(first.max(low), last.min(high)) {
                for block in crate::prefixes::cover(self.family, from, to) {
                    free.give(block);
                }
            }
        }
        self.owners.remove(&carved.owner, &first);
        Ok(())
    }
}
