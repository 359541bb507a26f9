//! Carving subnets and giving them back.

use alloc::{borrow::Cow, vec::Vec};

use ipnet::IpNet;

use super::{
    CarveError, CarveGrant, CarveRequest, Carved, Conflict, PoolEdit, SubnetPool, UncarveError,
    request::{Pick, Strategy},
};
use crate::{
    Change, Owner,
    change::Journaled,
    family::{Family, bounds},
    prefixes::nth_subnet,
    set::BlockSet,
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
        let change = self.commit([PoolEdit::Hold(carved.clone())]);
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
            .get(bounds(prefix).0)
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
        Ok(self.commit([edit]))
    }

    /// Releases every subnet of an owner; nothing to release is not an error, so it can be repeated.
    pub fn release_owner(&mut self, owner: &str) -> Change<PoolEdit> {
        let held: Vec<Carved> = self.subnets_of(owner).cloned().collect();
        self.commit(held.into_iter().map(PoolEdit::Drop))
    }

    fn commit(&mut self, steps: impl IntoIterator<Item = PoolEdit>) -> Change<PoolEdit> {
        let mut edits = Vec::new();
        for edit in steps {
            self.step(edit, &mut edits);
        }
        self.finish(edits)
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
        let bases = self
            .bases
            .iter()
            .zip(&self.free)
            .filter_map(|(base, free)| {
                let cut = match request.within {
                    Some(within) if within.contains(&base.prefix) => None,
                    Some(within) if !base.prefix.contains(&within) => return None,
                    within => within.map(|within| cut_to(free, within.trunc())),
                };
                let len = len.or(base.size)?;
                let free = cut.map_or(Cow::Borrowed(free), Cow::Owned);
                (free.space().prefix_len() <= len && len <= self.family.bits())
                    .then_some(Place { free, len })
            });
        if strategy == Strategy::First {
            // The usual case needs no list.
            let mut bases = bases;
            let Some(first) = bases.next() else {
                return Err(CarveError::NoMatchingBase {
                    len: len.unwrap_or(0),
                });
            };
            let found = first
                .free
                .first(first.len)
                .or_else(|| bases.find_map(|place| place.free.first(place.len)));
            return found.ok_or_else(|| self.exhausted(first.len));
        }
        let places: Vec<Place<'_>> = bases.collect();
        let Some(first_len) = places.first().map(|place| place.len) else {
            return Err(CarveError::NoMatchingBase {
                len: len.unwrap_or(0),
            });
        };
        let found = match strategy {
            Strategy::First => None,
            Strategy::Best => best_fit(&places),
            Strategy::Sparse => sparse(&places),
            Strategy::Stable => self.stable(owner, &places),
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

    /// A subnet, if any, that a prefix overlaps: as subnets are disjoint, the last that starts before
    /// the prefix ends is one of them.
    pub(super) fn held_overlap(&self, prefix: IpNet) -> Option<&Carved> {
        let (first, last) = bounds(prefix);
        let carved = self.held.at_or_before(last)?;
        (bounds(carved.prefix).1 >= first).then_some(carved)
    }

    fn is_free(&self, prefix: IpNet) -> bool {
        let (first, last) = bounds(prefix);
        self.held_overlap(prefix).is_none() && self.reserved.overlap(first, last).is_none()
    }

    fn stable(&self, owner: &Owner, places: &[Place<'_>]) -> Option<IpNet> {
        let mut domain = Vec::new();
        let mut total = 0u128;
        for place in places {
            let space = place.free.space();
            domain.extend(bounds(space).0.to_be_bytes());
            domain.extend([space.prefix_len(), place.len]);
            let bits = place.len - space.prefix_len();
            total = total.saturating_add(if bits < 128 { 1 << bits } else { u128::MAX });
        }
        domain.push(self.family.bits());
        let probe = Probe::new(&self.key, &domain, owner);
        let mut candidate = None;
        for attempt in 0..PROBES {
            candidate = nth_of(places, probe.place(attempt, total.saturating_sub(1)));
            if candidate.is_some_and(|candidate| self.is_free(candidate)) {
                return candidate;
            }
        }
        // What follows on the last place, then everything from the start.
        let behind = candidate.and_then(|from| {
            let place = places
                .iter()
                .find(|place| place.free.space().contains(&from))?;
            place.free.next(from.network(), place.len)
        });
        behind.or_else(|| places.iter().find_map(|place| place.free.first(place.len)))
    }

    fn exhausted(&self, len: u8) -> CarveError {
        CarveError::Exhausted {
            len,
            free: self.free_count(),
            largest: self.largest_free(),
        }
    }
}

/// Free space to look in, and the length of what is wanted of it.
struct Place<'a> {
    free: Cow<'a, BlockSet>,
    len: u8,
}

/// The smallest free block of all places that has room, the first of several equal ones.
fn best_fit(places: &[Place<'_>]) -> Option<IpNet> {
    let blocks = places.iter().filter_map(|place| {
        let found = place.free.best(place.len)?;
        let block = place.free.covering_block(found)?;
        Some((block.prefix_len(), found))
    });
    blocks
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .map(|(_, found)| found)
}

/// Out of the largest free block of all places.
fn sparse(places: &[Place<'_>]) -> Option<IpNet> {
    let blocks = places.iter().filter_map(|place| {
        let found = place.free.sparse(place.len)?;
        let block = place.free.covering_block(found)?;
        Some((block.prefix_len(), found))
    });
    blocks
        .reduce(|best, next| if next.0 < best.0 { next } else { best })
        .map(|(_, found)| found)
}

/// The free space of a part of a base.
fn cut_to(free: &BlockSet, part: IpNet) -> BlockSet {
    let mut cut = BlockSet::new(part);
    if !free.is_free(part) {
        cut.take_all(part);
        for block in free.blocks_in(part) {
            cut.give(block);
        }
    }
    cut
}

/// The `index`-th subnet, counted over all places.
fn nth_of(places: &[Place<'_>], index: u128) -> Option<IpNet> {
    let mut index = index;
    for place in places {
        let space = place.free.space();
        let bits = place.len - space.prefix_len();
        if bits >= 128 || index < 1 << bits {
            return nth_subnet(space, place.len, index);
        }
        index -= 1 << bits;
    }
    None
}
