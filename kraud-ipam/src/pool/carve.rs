//! Carving subnets and giving them back.

use alloc::{vec, vec::Vec};

use ipnet::IpNet;

use super::{
    CarveError, CarveGrant, CarveRequest, Carved, Conflict, PoolEdit, SubnetPool, UncarveError,
    request::{Pick, Strategy},
};
use crate::{
    Change, Owner,
    family::{self, Family, bounds},
    prefixes::nth_subnet,
    stable::{PROBES, Probe},
};

impl SubnetPool {
    /// Carves what is asked for, or returns what the owner holds already if that fits the request.
    ///
    /// # Errors
    /// See [`CarveError`]; nothing has changed then.
    pub fn carve(
        &mut self,
        owner: impl Into<Owner>,
        request: CarveRequest,
    ) -> Result<CarveGrant, CarveError> {
        let owner = owner.into();
        let prefix = match self.present(&owner, &request)? {
            Some(carved) => {
                let change = Change {
                    before: self.revision,
                    after: self.revision,
                    edits: Vec::new(),
                };
                return Ok(CarveGrant {
                    carved,
                    fresh: false,
                    change,
                });
            }
            None => self.find(&owner, &request)?,
        };
        let carved = Carved {
            prefix,
            owner,
            revision: self.revision.saturating_add(1),
        };
        let change = self.commit(vec![PoolEdit::Hold(carved.clone())]);
        Ok(CarveGrant {
            carved,
            fresh: true,
            change,
        })
    }

    /// What [`carve`](Self::carve) would answer, without changing anything.
    ///
    /// # Errors
    /// Those of [`carve`](Self::carve).
    pub fn dry_run(
        &self,
        owner: impl Into<Owner>,
        request: CarveRequest,
    ) -> Result<IpNet, CarveError> {
        let owner = owner.into();
        match self.present(&owner, &request)? {
            Some(carved) => Ok(carved.prefix),
            None => self.find(&owner, &request),
        }
    }

    /// Carves for many owners in an order that depends on their keys alone, so that the outcome does
    /// not depend on the order of the list. All or nothing.
    ///
    /// # Errors
    /// The first [`CarveError`]; nothing has changed then.
    pub fn carve_all<'a>(
        &mut self,
        requests: impl IntoIterator<Item = (&'a str, CarveRequest)>,
    ) -> Result<Vec<CarveGrant>, CarveError> {
        let mut requests: Vec<_> = requests.into_iter().collect();
        // Exact requests first: nothing automatic may take their place.
        requests.sort_by_key(|(owner, request)| (!matches!(request.pick, Pick::Exact(_)), *owner));
        let mut grants: Vec<CarveGrant> = Vec::with_capacity(requests.len());
        for (owner, request) in requests {
            match self.carve(owner, request) {
                Ok(grant) => grants.push(grant),
                Err(error) => {
                    for grant in grants.iter().rev() {
                        let undone = self.undo(&grant.change);
                        debug_assert!(undone.is_ok(), "changes are taken back in reverse");
                    }
                    return Err(error);
                }
            }
        }
        Ok(grants)
    }

    /// Releases one subnet; `revision`, if given, is that of the grant, so that a late release cannot
    /// hit a newer grant. O(log n).
    ///
    /// # Errors
    /// See [`UncarveError`]; nothing has changed then.
    pub fn release(
        &mut self,
        owner: &str,
        prefix: IpNet,
        revision: Option<u64>,
    ) -> Result<Change<PoolEdit>, UncarveError> {
        let carved = self
            .held
            .get(&bounds(prefix).0)
            .filter(|carved| carved.prefix == prefix);
        let carved = carved.ok_or(UncarveError::NotHeld { prefix })?;
        if carved.owner.as_str() != owner {
            let holder = carved.owner.clone();
            return Err(UncarveError::NotOwner {
                prefix,
                owner: Owner::from(owner),
                holder,
            });
        }
        if let Some(wanted) = revision.filter(|wanted| *wanted != carved.revision) {
            return Err(UncarveError::Revision {
                prefix,
                wanted,
                found: carved.revision,
            });
        }
        let edit = PoolEdit::Drop(carved.clone());
        Ok(self.commit(vec![edit]))
    }

    /// Releases every subnet of an owner; nothing to release is not an error, so it can be repeated.
    pub fn release_owner(&mut self, owner: &str) -> Change<PoolEdit> {
        let edits = self
            .subnets_of(owner)
            .cloned()
            .map(PoolEdit::Drop)
            .collect();
        self.commit(edits)
    }

    fn commit(&mut self, edits: Vec<PoolEdit>) -> Change<PoolEdit> {
        for edit in &edits {
            let applied = self.apply(edit);
            debug_assert!(applied.is_ok(), "{edit:?} does not fit");
        }
        let before = self.revision;
        self.revision += u64::from(!edits.is_empty());
        Change {
            before,
            after: self.revision,
            edits,
        }
    }

    /// What the owner holds already, if it answers the request.
    fn present(&self, owner: &Owner, request: &CarveRequest) -> Result<Option<Carved>, CarveError> {
        if request.additional {
            return Ok(None);
        }
        let mut held = None;
        for carved in self.subnets_of(owner) {
            let inside = request
                .within
                .is_none_or(|within| within.contains(&carved.prefix));
            let fits = match request.pick {
                Pick::Exact(wanted) => carved.prefix == wanted,
                Pick::Some(_, len) => {
                    inside && len.is_none_or(|len| carved.prefix.prefix_len() == len)
                }
            };
            if fits {
                return Ok(Some(carved.clone()));
            }
            held = Some(carved.prefix);
        }
        match held {
            Some(held) => Err(CarveError::AlreadyHolds {
                owner: owner.clone(),
                held,
            }),
            None => Ok(None),
        }
    }

    fn find(&self, owner: &Owner, request: &CarveRequest) -> Result<IpNet, CarveError> {
        let (strategy, len) = match request.pick {
            Pick::Exact(prefix) => {
                return self.check_exact(owner, prefix, request).map(|()| prefix);
            }
            Pick::Some(strategy, len) => (strategy, len),
        };
        if let Some(within) = request
            .within
            .filter(|within| Family::of_prefix(*within) != self.family)
        {
            return Err(CarveError::Family { prefix: within });
        }
        // Where to look: the bases, cut to what the request allows, with the length of each.
        let spaces: Vec<(IpNet, u8)> = self
            .bases
            .iter()
            .filter_map(|base| {
                let space = match request.within {
                    Some(within) if base.prefix.contains(&within) => within,
                    Some(within) if !within.contains(&base.prefix) => return None,
                    _ => base.prefix,
                };
                let len = len.or(base.size)?;
                (space.prefix_len() <= len && len <= self.family.bits()).then_some((space, len))
            })
            .collect();
        let Some(&(_, first_len)) = spaces.first() else {
            return Err(CarveError::NoMatchingBase {
                len: len.unwrap_or(0),
            });
        };
        let found = match strategy {
            Strategy::First => spaces
                .iter()
                .find_map(|&(space, len)| self.first_fit(space, len)),
            Strategy::Best => self.best_fit(&spaces),
            Strategy::Sparse => self.sparse(&spaces),
            Strategy::Stable => self.stable(owner, &spaces),
        };
        found.ok_or_else(|| self.exhausted(first_len))
    }

    fn check_exact(
        &self,
        owner: &Owner,
        prefix: IpNet,
        request: &CarveRequest,
    ) -> Result<(), CarveError> {
        if Family::of_prefix(prefix) != self.family {
            return Err(CarveError::Family { prefix });
        }
        if prefix.addr() != prefix.network() {
            return Err(CarveError::HostBits {
                given: prefix,
                masked: prefix.trunc(),
            });
        }
        if let Some(special) = self.policy.refuses(prefix) {
            return Err(CarveError::SpecialPurpose { prefix, special });
        }
        if !request.anywhere && !self.bases.iter().any(|base| base.prefix.contains(&prefix)) {
            return Err(CarveError::Outside { prefix });
        }
        let in_the_way = |conflict: &Conflict| match conflict {
            Conflict::Carved(_) => true,
            Conflict::Reserved { .. } => !request.despite_reservations,
        };
        match self.overlapping(prefix).find(in_the_way) {
            Some(conflict) => Err(CarveError::Overlap {
                prefix,
                owner: owner.clone(),
                conflict,
            }),
            None => Ok(()),
        }
    }

    /// The subnet, if any, that a prefix overlaps.
    pub(super) fn held_overlap(&self, prefix: IpNet) -> Option<&Carved> {
        let (first, last) = bounds(prefix);
        let before = self
            .held
            .range(..=first)
            .next_back()
            .filter(|(_, carved)| bounds(carved.prefix).1 >= first);
        before
            .or_else(|| self.held.range(first..=last).next())
            .map(|(_, carved)| carved)
    }

    fn is_free(&self, prefix: IpNet) -> bool {
        let (first, last) = bounds(prefix);
        self.taken.overlap(first, last).is_none()
    }

    fn first_fit(&self, space: IpNet, len: u8) -> Option<IpNet> {
        let mask = family::host_mask(self.family, len);
        let (low, high) = bounds(space);
        self.taken.gaps(low, high).find_map(|(from, to)| {
            let base = from.checked_add(mask)? & !mask;
            let end = base.checked_add(mask)?;
            (end <= to).then(|| family::prefix(self.family, base, len))
        })
    }

    /// The smallest free block that has room, the first of several equal ones.
    fn best_fit(&self, spaces: &[(IpNet, u8)]) -> Option<IpNet> {
        let blocks = spaces.iter().flat_map(|&(space, len)| {
            let (low, high) = bounds(space);
            let gaps = self.taken.gaps(low, high);
            let blocks = gaps.flat_map(|(from, to)| crate::prefixes::cover(self.family, from, to));
            blocks
                .filter(move |block| block.prefix_len() <= len)
                .map(move |block| (block, len))
        });
        // `max_by_key` keeps the last of equals, so the order is turned around.
        let best = blocks.reduce(|best, next| {
            if next.0.prefix_len() > best.0.prefix_len() {
                next
            } else {
                best
            }
        })?;
        Some(family::prefix(self.family, bounds(best.0).0, best.1))
    }

    /// RFC 3531: the half of a space that has no subnet yet comes before its quarters, and so on. In
    /// terms of free blocks: the largest one is divided, at its middle unless it is a whole space.
    fn sparse(&self, spaces: &[(IpNet, u8)]) -> Option<IpNet> {
        let blocks = spaces.iter().flat_map(|&(space, len)| {
            let (low, high) = bounds(space);
            let gaps = self.taken.gaps(low, high);
            let blocks = gaps.flat_map(|(from, to)| crate::prefixes::cover(self.family, from, to));
            blocks
                .filter(move |block| block.prefix_len() <= len)
                .map(move |block| (block, len))
        });
        let largest = blocks.reduce(|best, next| {
            if next.0.prefix_len() < best.0.prefix_len() {
                next
            } else {
                best
            }
        })?;
        Some(family::prefix(self.family, bounds(largest.0).0, largest.1))
    }

    fn stable(&self, owner: &Owner, spaces: &[(IpNet, u8)]) -> Option<IpNet> {
        let mut domain = Vec::new();
        // The last index of each space; a space has 2^bits subnets.
        let mut total = 0u128;
        for (space, len) in spaces {
            domain.extend(bounds(*space).0.to_be_bytes());
            domain.extend([space.prefix_len(), *len]);
            let bits = len - space.prefix_len();
            total = total.saturating_add(if bits < 128 { 1 << bits } else { u128::MAX });
        }
        domain.push(self.family.bits());
        let probe = Probe::new(&self.key, &domain, owner);
        let mut at = 0;
        for attempt in 0..PROBES {
            at = probe.place(attempt, total.saturating_sub(1));
            let candidate = nth_of(spaces, at);
            if candidate.is_some_and(|candidate| self.is_free(candidate)) {
                return candidate;
            }
        }
        // The neighbourhood of the last place, then everything from the start.
        let from = nth_of(spaces, at)?;
        let behind = spaces
            .iter()
            .find(|(space, _)| space.contains(&from))
            .and_then(|&(space, len)| {
                let mask = family::host_mask(self.family, len);
                let gaps = self.taken.gaps(bounds(from).0, bounds(space).1);
                gaps.into_iter().find_map(|(from, to)| {
                    let base = from.checked_add(mask)? & !mask;
                    (base.checked_add(mask)? <= to).then(|| family::prefix(self.family, base, len))
                })
            });
        behind.or_else(|| {
            spaces
                .iter()
                .find_map(|&(space, len)| self.first_fit(space, len))
        })
    }

    fn exhausted(&self, len: u8) -> CarveError {
        let largest = self.free_prefixes().reduce(|best, next| {
            if next.prefix_len() < best.prefix_len() {
                next
            } else {
                best
            }
        });
        CarveError::Exhausted {
            len,
            free: self.free_count(),
            largest,
        }
    }
}

/// The `index`-th subnet, counted over all spaces.
fn nth_of(spaces: &[(IpNet, u8)], index: u128) -> Option<IpNet> {
    let mut index = index;
    for &(space, len) in spaces {
        let bits = len - space.prefix_len();
        if bits >= 128 || index < 1 << bits {
            return nth_subnet(space, len, index);
        }
        index -= 1 << bits;
    }
    None
}
