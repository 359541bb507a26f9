//! The steps that changes of a subnet are made of.

use core::net::IpAddr;

use ipnet::IpNet;

use super::{Holding, Subnet};
use crate::{
    Change, Owner, ReplayError,
    change::{Journaled, Misfit},
    family::{self, Family, bounds, number},
};

/// A released address, or prefix, that is not given out again yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Rest {
    /// What rests.
    pub prefix: IpNet,
    /// Who held it.
    pub owner: Owner,
    /// When the quarantine ends.
    pub until: u64,
}

/// One step of a [`Change`] of a [`Subnet`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(rename_all = "kebab-case", deny_unknown_fields)
)]
#[non_exhaustive]
pub enum SubnetEdit {
    /// The place where [`AllocRequest::next`](super::AllocRequest::next) goes on moves.
    Cursor {
        /// From here.
        before: Option<IpAddr>,
        /// To here.
        after: Option<IpAddr>,
    },
    /// A holding ends.
    Drop(Holding),
    /// A holding begins.
    Hold(Holding),
    /// A free address is marked as released before.
    Idle {
        /// The address.
        address: IpAddr,
        /// The revision that released it.
        since: u64,
    },
    /// The range of automatic requests moves.
    Range {
        /// The range so far.
        before: Option<(IpAddr, IpAddr)>,
        /// The new range.
        after: Option<(IpAddr, IpAddr)>,
    },
    /// The end of a lease moves.
    Renew {
        /// What is leased.
        prefix: IpNet,
        /// Whether it lies inside a delegated prefix.
        inside: bool,
        /// The end so far.
        before: Option<u64>,
        /// The new end.
        after: Option<u64>,
    },
    /// A quarantine begins.
    Rest(Rest),
    /// The mark of [`Idle`](Self::Idle) goes.
    Stir {
        /// The address.
        address: IpAddr,
        /// The revision that released it.
        since: u64,
    },
    /// A quarantine ends.
    Wake(Rest),
}

impl SubnetEdit {
    fn inverse(&self) -> Self {
        match self.clone() {
            Self::Cursor { before, after } => Self::Cursor {
                before: after,
                after: before,
            },
            Self::Drop(holding) => Self::Hold(holding),
            Self::Hold(holding) => Self::Drop(holding),
            Self::Idle { address, since } => Self::Stir { address, since },
            Self::Stir { address, since } => Self::Idle { address, since },
            Self::Range { before, after } => Self::Range {
                before: after,
                after: before,
            },
            Self::Renew {
                prefix,
                inside,
                before,
                after,
            } => Self::Renew {
                prefix,
                inside,
                before: after,
                after: before,
            },
            Self::Rest(rest) => Self::Wake(rest),
            Self::Wake(rest) => Self::Rest(rest),
        }
    }
}

impl Subnet {
    /// Replays a change that an equal subnet made. O(edits · log n).
    ///
    /// # Errors
    /// [`ReplayError`]; the subnet is as it was then, whatever the change contains.
    pub fn replay(&mut self, change: &Change<SubnetEdit>) -> Result<(), ReplayError> {
        self.replay_change(change)
    }

    /// Takes the latest change back: afterwards the subnet equals what it was before.
    ///
    /// # Errors
    /// [`ReplayError`]; the subnet is as it was then.
    pub fn undo(&mut self, change: &Change<SubnetEdit>) -> Result<(), ReplayError> {
        self.undo_change(change)
    }
}

impl Journaled for Subnet {
    type Edit = SubnetEdit;

    fn revision_mut(&mut self) -> &mut u64 {
        &mut self.revision
    }

    fn unapply(&mut self, edit: &SubnetEdit) -> Result<(), Misfit> {
        self.apply(&edit.inverse())
    }

    fn apply(&mut self, edit: &SubnetEdit) -> Result<(), Misfit> {
        match edit {
            SubnetEdit::Cursor { before, after } => {
                let inside = after.is_none_or(|after| self.prefix.contains(&after));
                if before.map(number) != self.cursor || !inside {
                    return Err(Misfit);
                }
                self.cursor = after.map(number);
                Ok(())
            }
            SubnetEdit::Drop(holding) => self.drop_holding(holding),
            SubnetEdit::Hold(holding) => self.add_holding(holding),
            SubnetEdit::Idle { address, since } => {
                let at = number(*address);
                if !self.is_free(*address) || self.idle.contains_key(&at) {
                    return Err(Misfit);
                }
                self.idle.insert(at, *since);
                self.idle_order.insert((*since, at));
                Ok(())
            }
            SubnetEdit::Renew {
                prefix,
                inside,
                before,
                after,
            } => {
                let first = bounds(*prefix).0;
                let map = if *inside {
                    &mut self.inside
                } else {
                    &mut self.held
                };
                let holding = map.get_mut(first).ok_or(Misfit)?;
                if holding.prefix != *prefix || holding.expires != *before {
                    return Err(Misfit);
                }
                holding.expires = *after;
                if let Some(end) = before {
                    self.leases.remove(&(*end, *inside, first));
                }
                if let Some(end) = after {
                    self.leases.insert((*end, *inside, first));
                }
                Ok(())
            }
            SubnetEdit::Rest(rest) => {
                let (first, last) = self.inner_bounds(rest.prefix)?;
                self.check_free(first, last)?;
                self.taken.insert(first, last);
                self.wakes.insert((rest.until, first));
                self.resting.insert(first, rest.clone());
                Ok(())
            }
            SubnetEdit::Range { before, after } => {
                let inside = after.is_none_or(|(first, last)| {
                    first <= last && self.prefix.contains(&first) && self.prefix.contains(&last)
                });
                if before.map(|(first, last)| (number(first), number(last))) != self.range
                    || !inside
                {
                    return Err(Misfit);
                }
                self.range = after.map(|(first, last)| (number(first), number(last)));
                Ok(())
            }
            SubnetEdit::Stir { address, since } => {
                let at = number(*address);
                if !self.prefix.contains(address) || self.idle.get(&at) != Some(since) {
                    return Err(Misfit);
                }
                self.idle.remove(&at);
                self.idle_order.remove(&(*since, at));
                Ok(())
            }
            SubnetEdit::Wake(rest) => {
                let (first, last) = self.inner_bounds(rest.prefix)?;
                if self.resting.get(&first) != Some(rest) {
                    return Err(Misfit);
                }
                self.resting.remove(&first);
                self.wakes.remove(&(rest.until, first));
                self.free(first, last);
                Ok(())
            }
        }
    }
}

impl Subnet {
    fn add_holding(&mut self, holding: &Holding) -> Result<(), Misfit> {
        let (first, last) = self.inner_bounds(holding.prefix)?;
        if !holding.prefix.contains(&holding.address)
            || self.reserved.contains(number(holding.address))
        {
            return Err(Misfit);
        }
        if !holding.is_prefix() && holding.prefix != family::host(holding.address) {
            return Err(Misfit);
        }
        let inside = match &holding.inside {
            None => {
                self.check_free(first, last)?;
                // An idle mark belongs to a free address.
                if self.idle.range(first..=last).next().is_some() {
                    return Err(Misfit);
                }
                self.taken.insert(first, last);
                // What is reserved stays so for those inside.
                for (from, to) in self.reserved.within(first, last) {
                    self.inner.insert(from, to);
                }
                self.held.insert(holding.clone());
                false
            }
            Some(parent) => {
                let covering = self.covering(first).ok_or(Misfit)?;
                let fits =
                    covering.owner == *parent && covering.is_prefix() && !holding.is_prefix();
                if !fits
                    || last > bounds(covering.prefix).1
                    || self.inner.next_taken(first, last).is_some()
                {
                    return Err(Misfit);
                }
                self.inner.insert(first, last);
                self.inside.insert(holding.clone());
                true
            }
        };
        if let Some(end) = holding.expires {
            self.leases.insert((end, inside, first));
        }
        Ok(())
    }

    fn drop_holding(&mut self, holding: &Holding) -> Result<(), Misfit> {
        let (first, last) = self.inner_bounds(holding.prefix)?;
        let inside = holding.inside.is_some();
        if self.holding_at(inside, first) != Some(holding) {
            return Err(Misfit);
        }
        if inside {
            self.inside.remove(first);
            self.inner.remove(first, last);
        } else {
            if self.inside.range(first, last).next().is_some() {
                return Err(Misfit);
            }
            self.inner.remove(first, last);
            self.held.remove(first);
            self.free(first, last);
        }
        if let Some(end) = holding.expires {
            self.leases.remove(&(end, inside, first));
        }
        Ok(())
    }

    /// The bounds of a prefix that is a proper part of this subnet.
    fn inner_bounds(&self, prefix: IpNet) -> Result<(u128, u128), Misfit> {
        let same = Family::of_prefix(prefix) == Family::of_prefix(self.prefix);
        if !same || !self.prefix.contains(&prefix) || prefix.addr() != prefix.network() {
            return Err(Misfit);
        }
        Ok(bounds(prefix))
    }

    /// Whether a prefix may be taken: it is free but for structural reservations, which a prefix may
    /// cover in part and a single address may not be.
    fn check_free(&self, first: u128, last: u128) -> Result<(), Misfit> {
        for (from, to) in self.taken.within(first, last) {
            if (from, to) == (first, last) || !self.is_structural(from, to) {
                return Err(Misfit);
            }
        }
        Ok(())
    }

    /// Whether a taken range consists of structural reservations alone.
    pub(super) fn is_structural(&self, from: u128, to: u128) -> bool {
        let mut at = from;
        loop {
            let next = self
                .reservations
                .iter()
                .filter(|r| r.role.is_structural() && number(r.first) <= at && at <= number(r.last))
                .map(|r| number(r.last))
                .max();
            let firm = self
                .reservations
                .iter()
                .any(|r| !r.role.is_structural() && number(r.first) <= to && at <= number(r.last));
            match next {
                _ if firm => return false,
                None => return false,
                Some(end) if end >= to => return true,
                Some(end) => at = end.saturating_add(1),
            }
        }
    }

    /// Makes numbers free again, but for what is reserved.
    fn free(&mut self, first: u128, last: u128) {
        self.taken.remove(first, last);
        for (from, to) in self.reserved.within(first, last) {
            self.taken.insert(from, to);
        }
    }
}
