//! Taking addresses back.

use alloc::vec::Vec;
use core::net::IpAddr;

use super::{Holder, Holding, ReleaseError, Reservation, Rest, Subnet, SubnetEdit};
use crate::{
    Change, Owner,
    change::Journaled,
    family::{Family, address, bounds, number},
};

/// What was released, and what changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The holdings that ended.
    pub released: Vec<Holding>,
    /// What changed.
    pub change: Change<SubnetEdit>,
}

impl Subnet {
    /// Releases one holding: `address` is its address (or any of a delegated prefix), `owner` its
    /// holder, and `revision`, if given, the revision of the grant, so that a late release cannot hit
    /// a newer grant. With a quarantine the address rests until `now` plus that time. O(log n).
    ///
    /// # Errors
    /// See [`ReleaseError`]; nothing has changed then.
    pub fn release(
        &mut self,
        owner: &str,
        address: IpAddr,
        revision: Option<u64>,
        now: u64,
    ) -> Result<Release, ReleaseError> {
        let at = number(address);
        let holding = match self.prefix.contains(&address) {
            true => self.inside.get(at).or_else(|| self.covering(at)),
            false => None,
        };
        let Some(holding) = holding else {
            return Err(
                match self
                    .reservation_at(at)
                    .filter(|_| self.prefix.contains(&address))
                {
                    Some(Reservation { role, name, .. }) => ReleaseError::NotOwner {
                        address,
                        owner: Owner::from(owner),
                        holder: Holder::Reserved {
                            role: *role,
                            name: name.clone(),
                        },
                    },
                    None => ReleaseError::NotHeld { address },
                },
            );
        };
        if holding.owner.as_str() != owner {
            let holder = Holder::Owner(holding.owner.clone());
            return Err(ReleaseError::NotOwner {
                address,
                owner: Owner::from(owner),
                holder,
            });
        }
        if let Some(wanted) = revision.filter(|wanted| *wanted != holding.revision) {
            return Err(ReleaseError::Revision {
                address,
                wanted,
                found: holding.revision,
            });
        }
        let holding = holding.clone();
        self.check_unused(core::slice::from_ref(&holding))?;
        Ok(self.release_all(alloc::vec![holding], now))
    }

    /// Releases everything that an owner holds here; nothing to release is not an error, so it can be
    /// repeated.
    ///
    /// # Errors
    /// [`ReleaseError::InUse`] when others hold addresses of the owner's delegated prefix.
    pub fn release_owner(&mut self, owner: &str, now: u64) -> Result<Release, ReleaseError> {
        // Inside first, so that an owner's prefix is empty when its turn comes.
        let mut holdings: Vec<Holding> = self.holdings_of(owner).cloned().collect();
        holdings.reverse();
        self.check_unused(&holdings)?;
        Ok(self.release_all(holdings, now))
    }

    /// Ends the leases and quarantines that are due. Every request does this by itself; this is for
    /// those who want to see it. O(log n) each.
    pub fn expire(&mut self, now: u64) -> Change<SubnetEdit> {
        let mut edits = Vec::new();
        self.end_what_is_due(now, &mut edits);
        self.finish(edits)
    }

    fn release_all(&mut self, released: Vec<Holding>, now: u64) -> Release {
        let mut edits = Vec::new();
        self.end_quarantines(now, &mut edits);
        for holding in &released {
            self.end_holding(holding, now, &mut edits);
        }
        Release {
            released,
            change: self.finish(edits),
        }
    }

    /// Refuses to take a prefix away under those who hold addresses of it, unless they go too.
    fn check_unused(&self, leaving: &[Holding]) -> Result<(), ReleaseError> {
        for holding in leaving
            .iter()
            .filter(|holding| holding.inside.is_none() && holding.is_prefix())
        {
            let (first, last) = bounds(holding.prefix);
            let guest = self
                .inside
                .range(first, last)
                .find(|guest| !leaving.contains(guest));
            if let Some(guest) = guest {
                return Err(ReleaseError::InUse {
                    prefix: holding.prefix,
                    owner: holding.owner.clone(),
                    by: guest.owner.clone(),
                });
            }
        }
        Ok(())
    }

    fn end_holding(&mut self, holding: &Holding, now: u64, edits: &mut Vec<SubnetEdit>) {
        self.step(SubnetEdit::Drop(holding.clone()), edits);
        if holding.inside.is_some() {
            return;
        }
        if self.quarantine > 0 {
            let until = now.saturating_add(self.quarantine);
            let rest = Rest {
                prefix: holding.prefix,
                owner: holding.owner.clone(),
                until,
            };
            self.step(SubnetEdit::Rest(rest), edits);
        } else {
            self.mark_idle(holding.prefix, edits);
        }
    }

    pub(super) fn end_what_is_due(&mut self, now: u64, edits: &mut Vec<SubnetEdit>) {
        while let Some(&(end, inside, first)) = self.leases.first().filter(|(end, ..)| *end <= now)
        {
            let Some(holding) = self.holding_at(inside, first).cloned() else {
                break;
            };
            // A prefix goes when the last address of it has gone.
            if self.check_unused(core::slice::from_ref(&holding)).is_err() {
                let guests = bounds(holding.prefix);
                let guests: Vec<Holding> = self.inside.range(guests.0, guests.1).cloned().collect();
                for guest in guests {
                    self.end_holding(&guest, end, edits);
                }
            }
            self.end_holding(&holding, end, edits);
        }
        self.end_quarantines(now, edits);
    }

    fn end_quarantines(&mut self, now: u64, edits: &mut Vec<SubnetEdit>) {
        while let Some(&(_, first)) = self.wakes.first().filter(|(until, _)| *until <= now) {
            let Some(rest) = self.resting.get(&first).cloned() else {
                break;
            };
            self.wake(rest, edits);
        }
    }

    pub(super) fn wake(&mut self, rest: Rest, edits: &mut Vec<SubnetEdit>) {
        let prefix = rest.prefix;
        self.step(SubnetEdit::Wake(rest), edits);
        self.mark_idle(prefix, edits);
    }

    /// Notes when a single address became free, if that is wanted.
    fn mark_idle(&mut self, prefix: ipnet::IpNet, edits: &mut Vec<SubnetEdit>) {
        if self.remember && prefix.prefix_len() == prefix.max_prefix_len() {
            let since = self.revision.saturating_add(1);
            self.step(
                SubnetEdit::Idle {
                    address: prefix.addr(),
                    since,
                },
                edits,
            );
        }
    }

    /// Removes the marks of addresses that are about to be held.
    pub(super) fn stir(&mut self, (first, last): (u128, u128), edits: &mut Vec<SubnetEdit>) {
        let family = Family::of_prefix(self.prefix);
        let marks: Vec<(u128, u64)> = self
            .idle
            .range(first..=last)
            .map(|(&at, &since)| (at, since))
            .collect();
        for (at, since) in marks {
            self.step(
                SubnetEdit::Stir {
                    address: address(family, at),
                    since,
                },
                edits,
            );
        }
    }
}
