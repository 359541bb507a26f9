//! The steps that changes of a pool are made of.

use super::{Carved, SubnetPool};
use crate::{
    Change, ReplayError,
    change::{Journaled, Misfit},
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

impl SubnetPool {
    /// Replays a change that an equal pool made. O(edits · log n).
    ///
    /// # Errors
    /// [`ReplayError`]; the pool is as it was then, whatever the change contains.
    pub fn replay(&mut self, change: &Change<PoolEdit>) -> Result<(), ReplayError> {
        self.replay_change(change)
    }

    /// Takes the latest change back: afterwards the pool equals what it was before.
    ///
    /// # Errors
    /// [`ReplayError`]; the pool is as it was then.
    pub fn undo(&mut self, change: &Change<PoolEdit>) -> Result<(), ReplayError> {
        self.undo_change(change)
    }
}

impl Journaled for SubnetPool {
    type Edit = PoolEdit;

    fn revision_mut(&mut self) -> &mut u64 {
        &mut self.revision
    }

    fn unapply(&mut self, edit: &PoolEdit) -> Result<(), Misfit> {
        self.apply(&edit.inverse())
    }

    fn apply(&mut self, edit: &PoolEdit) -> Result<(), Misfit> {
        match edit {
            PoolEdit::Hold(carved) => self.hold(carved),
            PoolEdit::Drop(carved) => self.drop_carved(carved),
        }
    }
}

impl SubnetPool {
    fn hold(&mut self, carved: &Carved) -> Result<(), Misfit> {
        let prefix = carved.prefix;
        if Family::of_prefix(prefix) != self.family || prefix.addr() != prefix.network() {
            return Err(Misfit);
        }
        if self.held_overlap(prefix).is_some() {
            return Err(Misfit);
        }
        for free in &mut self.free {
            free.take_all(prefix);
        }
        self.held.insert(carved.clone());
        Ok(())
    }

    fn drop_carved(&mut self, carved: &Carved) -> Result<(), Misfit> {
        let (first, last) = bounds(carved.prefix);
        if Family::of_prefix(carved.prefix) != self.family || self.held.get(first) != Some(carved) {
            return Err(Misfit);
        }
        self.held.remove(first);
        for free in &mut self.free {
            // Only what the base has of it, and nothing that is reserved.
            let (low, high) = bounds(free.space());
            for (from, to) in self.reserved.gaps(first.max(low), last.min(high)) {
                for block in crate::prefixes::cover(self.family, from, to) {
                    free.give(block);
                }
            }
        }
        Ok(())
    }
}
