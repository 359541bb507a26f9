//! Giving addresses out.

use alloc::{boxed::Box, vec::Vec};
use core::net::IpAddr;

use ipnet::IpNet;

use super::{
    AllocError, AllocRequest, Grant, Holder, Holding, Shortage, Subnet, SubnetEdit, Why,
    request::Pick,
};
use crate::{
    Count, Owner,
    change::Journaled,
    family::{self, Family, address, bounds, number},
    space::Space,
    stable::{PROBES, Probe, scale},
    usable,
};

impl Subnet {
    /// Grants what is asked for, or what the owner holds already if that fits the request.
    ///
    /// # Errors
    /// See [`AllocError`]; nothing has changed then.
    pub fn allocate(
        &mut self,
        owner: impl Into<Owner>,
        request: AllocRequest,
    ) -> Result<Grant, AllocError> {
        let owner = owner.into();
        let mut edits = Vec::new();
        match self.try_allocate(&owner, &request, &mut edits) {
            Ok((holding, why)) => Ok(Grant {
                holding,
                why,
                change: self.finish(edits),
            }),
            Err(error) => {
                self.take_back(&edits);
                Err(error)
            }
        }
    }

    /// What [`allocate`](Self::allocate) would answer, without changing anything.
    ///
    /// Takes `&mut self` because it makes the grant and takes it back, which is exact by
    /// construction.
    ///
    /// # Errors
    /// Those of [`allocate`](Self::allocate).
    pub fn dry_run(
        &mut self,
        owner: impl Into<Owner>,
        request: AllocRequest,
    ) -> Result<Grant, AllocError> {
        let grant = self.allocate(owner, request)?;
        let undone = self.undo(&grant.change);
        debug_assert!(undone.is_ok(), "the change was made just now");
        Ok(grant)
    }

    fn try_allocate(
        &mut self,
        owner: &Owner,
        request: &AllocRequest,
        edits: &mut Vec<SubnetEdit>,
    ) -> Result<(Holding, Why), AllocError> {
        self.end_what_is_due(request.now, edits);
        let parent = match &request.inside {
            None => None,
            Some(parent) => {
                Some(
                    self.delegated_to(parent)
                        .ok_or_else(|| AllocError::NotDelegated {
                            subnet: self.prefix,
                            parent: parent.clone(),
                        })?,
                )
            }
        };
        if let (Some(parent), Pick::Prefix(_) | Pick::PrefixLen(_) | Pick::StablePrefix(_)) =
            (parent, request.pick)
        {
            return Err(AllocError::Nested { parent });
        }
        let wanted = self.exactly(request, parent)?;
        if !request.additional {
            if let Some(holding) = self.present(owner, request, wanted)? {
                return Ok((
                    self.renew(holding, request.expires, edits),
                    Why::AlreadyHeld,
                ));
            }
        }
        let (prefix, why) = match wanted {
            Some(wanted) => {
                self.vacate(owner, request, wanted, edits)?;
                (wanted, Why::Asked)
            }
            None => self.search(owner, request, parent, edits)?,
        };
        let own = match request.pick {
            Pick::Prefix(_) | Pick::PrefixLen(_) | Pick::StablePrefix(_) => {
                self.own_address(prefix)
            }
            _ => prefix.network(),
        };
        let holding = Holding {
            prefix,
            address: own,
            owner: owner.clone(),
            inside: request.inside.clone(),
            revision: self.revision.saturating_add(1),
            expires: request.expires,
        };
        if request.inside.is_none() {
            self.stir(bounds(prefix), edits);
        }
        self.step(SubnetEdit::Hold(holding.clone()), edits);
        Ok((holding, why))
    }

    /// The first usable address of a prefix that is not reserved.
    fn own_address(&self, prefix: IpNet) -> IpAddr {
        let (low, high) = usable::usable_bounds(prefix);
        let (first, last) = bounds(prefix);
        let found = self
            .reserved
            .next_gap(low, high)
            .or_else(|| self.reserved.next_gap(first, last));
        address(Family::of_prefix(prefix), found.unwrap_or(low))
    }

    /// The prefix delegated to an owner.
    fn delegated_to(&self, owner: &Owner) -> Option<IpNet> {
        self.holdings_of(owner)
            .find(|holding| holding.is_prefix())
            .map(|holding| holding.prefix)
    }

    /// The one prefix that the request can be answered with, if there is only one; checked against
    /// the bounds of what it is to be taken from.
    fn exactly(
        &self,
        request: &AllocRequest,
        parent: Option<IpNet>,
    ) -> Result<Option<IpNet>, AllocError> {
        let space = parent.unwrap_or(self.prefix);
        let wanted = match request.pick {
            Pick::Exact(address) => family::host(address),
            Pick::Prefix(prefix) => prefix,
            Pick::Nth(n) => match usable::nth_usable(space, n) {
                Some(address) => family::host(address),
                None => {
                    let (first, last) = usable::usable_bounds(space);
                    return Err(self.exhausted(first, last));
                }
            },
            _ => return Ok(None),
        };
        if Family::of_prefix(wanted) != Family::of_prefix(space) {
            return Err(AllocError::Family {
                address: wanted.addr(),
                subnet: space,
            });
        }
        if wanted.addr() != wanted.network() {
            return Err(AllocError::HostBits {
                given: wanted,
                masked: wanted.trunc(),
            });
        }
        if !space.contains(&wanted) {
            return Err(AllocError::Outside {
                wanted,
                subnet: space,
                nearest: self.nearest(number(wanted.addr())),
            });
        }
        Ok(Some(wanted))
    }

    /// What the owner holds already, if it answers the request.
    fn present(
        &self,
        owner: &Owner,
        request: &AllocRequest,
        wanted: Option<IpNet>,
    ) -> Result<Option<Holding>, AllocError> {
        let mut held = None;
        for holding in self
            .holdings_of(owner)
            .filter(|holding| holding.inside == request.inside)
        {
            let in_bounds = request
                .within
                .is_none_or(|(first, last)| first <= holding.address && holding.address <= last);
            let fits = match (wanted, request.pick) {
                (Some(wanted), _) => holding.prefix == wanted,
                (None, Pick::PrefixLen(len) | Pick::StablePrefix(len)) => {
                    holding.prefix.prefix_len() == len && in_bounds
                }
                (None, _) => !holding.is_prefix() && in_bounds,
            };
            if fits {
                return Ok(Some(holding.clone()));
            }
            held = Some(holding.prefix);
        }
        match (held, wanted) {
            (None, _) => Ok(None),
            (Some(held), Some(wanted)) => Err(AllocError::AlreadyHolds {
                owner: owner.clone(),
                held,
                wanted,
            }),
            (Some(held), None) => {
                let wanted = match (request.pick, request.within) {
                    (Pick::PrefixLen(len) | Pick::StablePrefix(len), _) => {
                        family::prefix(Family::of_prefix(self.prefix), bounds(self.prefix).0, len)
                    }
                    (_, Some((first, _))) => family::host(first),
                    _ => self.prefix,
                };
                Err(AllocError::AlreadyHolds {
                    owner: owner.clone(),
                    held,
                    wanted,
                })
            }
        }
    }

    fn renew(
        &mut self,
        mut holding: Holding,
        expires: Option<u64>,
        edits: &mut Vec<SubnetEdit>,
    ) -> Holding {
        if expires.is_some() && holding.expires != expires {
            let (prefix, inside) = (holding.prefix, holding.inside.is_some());
            self.step(
                SubnetEdit::Renew {
                    prefix,
                    inside,
                    before: holding.expires,
                    after: expires,
                },
                edits,
            );
            holding.expires = expires;
        }
        holding
    }

    /// Makes sure that an exact prefix can be taken: wakes what rests there, refuses what is held.
    fn vacate(
        &mut self,
        owner: &Owner,
        request: &AllocRequest,
        wanted: IpNet,
        edits: &mut Vec<SubnetEdit>,
    ) -> Result<(), AllocError> {
        let (first, last) = bounds(wanted);
        let refused = |holder: Option<Holder>, net: &Self| match holder {
            Some(holder) => Err(AllocError::Held {
                wanted,
                owner: owner.clone(),
                holder,
                nearest: net.nearest(first),
            }),
            None => Ok(()),
        };
        if request.inside.is_some() {
            let at = self.inner.next_taken(first, last);
            return refused(at.and_then(|at| self.holder_at(at)), self);
        }
        // Reserved? A prefix may cover what follows from the subnet's own bounds, unless nothing else
        // is left of it; an address may not be it.
        let all = self
            .reserved
            .range_of(first)
            .is_some_and(|(_, end)| last <= end);
        let firm = self.reservations.iter().find(|r| {
            (all || !r.role.is_structural()) && number(r.first) <= last && first <= number(r.last)
        });
        if let Some(reservation) = firm {
            let holder = Holder::Reserved {
                role: reservation.role,
                name: reservation.name.clone(),
            };
            return refused(Some(holder), self);
        }
        // Held?
        let held = self
            .covering(first)
            .or_else(|| self.held.range(first, last).next());
        if let Some(holding) = held {
            return refused(Some(Holder::Owner(holding.owner.clone())), self);
        }
        // Resting?
        let mut resting: Vec<_> = self.resting_at(first).cloned().into_iter().collect();
        resting.extend(
            self.resting
                .range(first..=last)
                .map(|(_, rest)| rest.clone()),
        );
        resting.dedup();
        for rest in resting {
            self.wake(rest, edits);
        }
        Ok(())
    }

    fn search(
        &mut self,
        owner: &Owner,
        request: &AllocRequest,
        parent: Option<IpNet>,
        edits: &mut Vec<SubnetEdit>,
    ) -> Result<(IpNet, Why), AllocError> {
        let family = Family::of_prefix(self.prefix);
        let (mut low, mut high) = match parent {
            Some(parent) => usable::usable_bounds(parent),
            None => match request.pick {
                Pick::PrefixLen(_) | Pick::StablePrefix(_) => {
                    self.range.unwrap_or(bounds(self.prefix))
                }
                _ => self.region(),
            },
        };
        if let Some((first, last)) = request.within {
            if Family::of(first) != family || Family::of(last) != family {
                return Err(AllocError::Family {
                    address: first,
                    subnet: self.prefix,
                });
            }
            low = low.max(number(first));
            high = high.min(number(last));
        }
        if high < low {
            let (first, last) = request
                .within
                .map_or((low, high), |(first, last)| (number(first), number(last)));
            return Err(self.exhausted(first, last));
        }
        if let Pick::PrefixLen(len) = request.pick {
            let found = self.lowest_prefix(len, low, high);
            return found
                .map(|found| (found, Why::Lowest))
                .ok_or_else(|| self.exhausted(low, high));
        }
        if let Pick::StablePrefix(len) = request.pick {
            return self
                .stable_prefix(owner, len, low, high)
                .ok_or_else(|| self.exhausted(low, high));
        }
        let set = if parent.is_some() {
            &self.inner
        } else {
            &self.taken
        };
        let found = match request.pick {
            Pick::Next => {
                let start = self
                    .cursor
                    .and_then(|at| at.checked_add(1))
                    .filter(|at| low <= *at && *at <= high);
                let start = start.unwrap_or(low);
                next_from(set, start, low, high).map(|at| {
                    (
                        at,
                        Why::Next {
                            wrapped: at < start,
                        },
                    )
                })
            }
            Pick::Random(entropy) => {
                let from = Count::between(low, high).minus(set.count(low, high));
                random(set, from, entropy, low).map(|at| (at, Why::Drawn { from }))
            }
            Pick::Stable => self.stable(parent.is_some(), owner, low, high),
            Pick::LongestIdle if parent.is_none() => self.longest_idle(low, high),
            _ => set.next_gap(low, high).map(|at| (at, Why::Lowest)),
        };
        let (found, why) = match found {
            Some(found) => found,
            None if self.under_pressure && parent.is_none() => {
                let oldest = self.oldest_rest(low, high, edits);
                (
                    oldest.ok_or_else(|| self.exhausted(low, high))?,
                    Why::OldestQuarantine,
                )
            }
            None => return Err(self.exhausted(low, high)),
        };
        if parent.is_none() {
            if let Some(rest) = self.resting_at(found).cloned() {
                self.wake(rest, edits);
            }
        }
        if request.pick == Pick::Next {
            let before = self.cursor.map(|at| address(family, at));
            let after = Some(address(family, found));
            if before != after {
                self.step(SubnetEdit::Cursor { before, after }, edits);
            }
        }
        Ok((family::host(address(family, found)), why))
    }

    fn stable(&self, inside: bool, owner: &Owner, low: u128, high: u128) -> Option<(u128, Why)> {
        let set = if inside { &self.inner } else { &self.taken };
        let probe = self.probe(owner, low, high);
        // `place` is at most `high - low`.
        let mut at = low;
        for attempt in 0..PROBES {
            at = low + probe.place(attempt, high - low);
            // A name comes back to its own address even while that rests.
            let own = || {
                let rest = self
                    .resting_at(at)
                    .filter(|_| !inside && !self.reserved.contains(at));
                rest.is_some_and(|rest| rest.owner == *owner)
            };
            if !set.contains(at) || own() {
                return Some((at, Why::Hashed { attempt }));
            }
        }
        next_from(set, at, low, high).map(|at| (at, Why::NextToHashed))
    }

    fn probe(&self, owner: &Owner, low: u128, high: u128) -> Probe {
        let mut space = low.to_be_bytes().to_vec();
        space.extend(high.to_be_bytes());
        space.push(Family::of_prefix(self.prefix).bits());
        Probe::new(&self.key, &space, owner)
    }

    fn stable_prefix(&self, owner: &Owner, len: u8, low: u128, high: u128) -> Option<(IpNet, Why)> {
        let fits = |block: &IpNet| {
            let (first, last) = bounds(*block);
            low <= first && last <= high && self.taken.next_taken(first, last).is_none()
        };
        let mut walk = (0u32..)
            .zip(crate::walk(self.prefix, len, owner))
            .take(PROBES as usize);
        let hashed = walk
            .find(|(_, block)| fits(block))
            .map(|(attempt, block)| (block, Why::Hashed { attempt }));
        hashed.or_else(|| {
            self.lowest_prefix(len, low, high)
                .map(|block| (block, Why::NextToHashed))
        })
    }

    fn longest_idle(&self, low: u128, high: u128) -> Option<(u128, Why)> {
        let mut from = low;
        while let Some(gap) = self.taken.next_gap(from, high) {
            if !self.idle.contains_key(&gap) {
                return Some((gap, Why::LongestIdle { since: None }));
            }
            from = match gap.checked_add(1) {
                Some(next) if next <= high => next,
                _ => break,
            };
        }
        let oldest = self
            .idle_order
            .iter()
            .find(|(_, at)| low <= *at && *at <= high)?;
        Some((
            oldest.1,
            Why::LongestIdle {
                since: Some(oldest.0),
            },
        ))
    }

    /// Breaks the quarantine that has lasted longest.
    fn oldest_rest(&mut self, low: u128, high: u128, edits: &mut Vec<SubnetEdit>) -> Option<u128> {
        let (_, first) = *self.wakes.iter().find(|(_, first)| {
            let last = self
                .resting
                .get(first)
                .map_or(*first, |rest| bounds(rest.prefix).1);
            *first <= high && low <= last
        })?;
        let rest = self.resting.get(&first)?.clone();
        self.wake(rest, edits);
        self.taken.next_gap(low, high)
    }

    fn lowest_prefix(&self, len: u8, low: u128, high: u128) -> Option<IpNet> {
        let family = Family::of_prefix(self.prefix);
        if len < self.prefix.prefix_len() || len > family.bits() {
            return None;
        }
        let mask = family::host_mask(family, len);
        for (from, to) in self.taken.gaps(low, high) {
            let base = from.checked_add(mask)? & !mask;
            if base.checked_add(mask).is_some_and(|end| end <= to) {
                return Some(family::prefix(family, base, len));
            }
        }
        None
    }

    /// The free address that is nearest to a number, the higher one if two are equally near.
    fn nearest(&self, at: u128) -> Option<IpAddr> {
        let (low, high) = self.region();
        let at = at.clamp(low, high.max(low));
        let above = self.taken.next_gap(at, high);
        let below = self.taken.previous_gap(at, low);
        let found = match (above, below) {
            (Some(above), Some(below)) => Some(if above - at <= at - below {
                above
            } else {
                below
            }),
            (above, below) => above.or(below),
        };
        found.map(|found| address(Family::of_prefix(self.prefix), found))
    }

    fn exhausted(&self, first: u128, last: u128) -> AllocError {
        let family = Family::of_prefix(self.prefix);
        AllocError::Exhausted(Box::new(Shortage {
            subnet: self.prefix,
            first: address(family, first),
            last: address(family, last),
            usage: self.usage_between(first, last),
            free: self.free_count(),
            largest: self.largest_free(),
        }))
    }
}

/// The next number from `start` on that is not in the set, starting over at `low`.
fn next_from(set: &Space, start: u128, low: u128, high: u128) -> Option<u128> {
    set.next_gap(start, high).or_else(|| {
        let before = start.checked_sub(1).filter(|before| low <= *before)?;
        set.next_gap(low, before)
    })
}

/// The free number from `low` on that a random word points at; `free` of them are in bounds.
fn random(set: &Space, free: Count, entropy: u128, low: u128) -> Option<u128> {
    let last = match free.to_u128() {
        Some(free) => free.checked_sub(1)?,
        None => u128::MAX,
    };
    set.nth_gap(low, scale(entropy, last))
}
