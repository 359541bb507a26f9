//! What each call does to a subnet, by looking at every address.

use super::compare::Answer;
use super::{Held, Op, Pick, Reference, Refusal};

impl Reference {
    pub(super) fn covering(&self, at: u128) -> Option<(u128, &Held)> {
        self.held
            .iter()
            .find(|(first, held)| **first <= at && at <= held.last)
            .map(|(first, held)| (*first, held))
    }

    pub(super) fn rest_at(&self, at: u128) -> Option<(u128, (u128, u8, u64))> {
        self.resting
            .iter()
            .find(|(first, rest)| **first <= at && at <= rest.0)
            .map(|(first, rest)| (*first, *rest))
    }

    pub(super) fn is_free(&self, at: u128) -> bool {
        (self.first..=self.last).contains(&at)
            && !self.reserved.contains_key(&at)
            && self.covering(at).is_none()
            && self.rest_at(at).is_none()
    }

    /// Grants what the call asks for. Stable requests are answered by `hint`, if that is a possible
    /// answer.
    pub(super) fn allocate(&mut self, op: Op, hint: Option<u128>) -> Result<Answer, Refusal> {
        let Op::Allocate {
            owner,
            pick,
            within,
            inside,
            until,
            additional,
            now,
        } = op
        else {
            return Ok(Answer::Expired);
        };
        self.end_due(now);
        let parent = match inside {
            None => None,
            Some(parent) => {
                let found = self
                    .held
                    .iter()
                    .find(|(first, held)| held.owner == parent && held.last > **first);
                Some(
                    found
                        .map(|(first, held)| (*first, held.last))
                        .ok_or(Refusal::NotDelegated)?,
                )
            }
        };
        if parent.is_some() && matches!(pick, Pick::Prefix(..) | Pick::PrefixLen(_)) {
            return Err(Refusal::Nested);
        }
        let (space_first, space_last) = parent.unwrap_or((self.first, self.last));
        let at = |offset: u8| self.first + u128::from(offset);
        let wanted = match pick {
            Pick::Exact(offset) => Some((at(offset), at(offset))),
            Pick::Prefix(offset, bits) => {
                let size = 1u128 << bits;
                if at(offset) % size != 0 {
                    return Err(Refusal::HostBits);
                }
                Some((at(offset), at(offset) + size - 1))
            }
            Pick::Nth(n) => {
                let nth = self
                    .usable(space_first, space_last)
                    .nth(usize::from(n))
                    .ok_or(Refusal::Exhausted)?;
                Some((nth, nth))
            }
            _ => None,
        };
        if let Some((first, last)) = wanted {
            if first < space_first || space_last < last {
                return Err(Refusal::Outside);
            }
        }
        let within = within.map(|(a, b)| (at(a), at(b)));
        if !additional {
            let all = self
                .held
                .iter()
                .map(|(f, h)| (false, *f, h))
                .chain(self.guests.iter().map(|(f, h)| (true, *f, h)));
            let mut any = false;
            let mut fit = None;
            for (guest, first, held) in
                all.filter(|(_, _, held)| held.owner == owner && held.parent == inside)
            {
                any = true;
                let in_bounds = within.is_none_or(|(a, b)| a <= held.own && held.own <= b);
                let fits = match (wanted, pick) {
                    (Some(wanted), _) => wanted == (first, held.last),
                    (None, Pick::PrefixLen(bits)) => {
                        held.last - first + 1 == 1 << bits && in_bounds
                    }
                    (None, _) => held.last == first && in_bounds,
                };
                if fits {
                    fit = Some((guest, first));
                    break;
                }
            }
            if let Some((guest, first)) = fit {
                let map = if guest {
                    &mut self.guests
                } else {
                    &mut self.held
                };
                let held = map.get_mut(&first).expect("found just now");
                held.expires = until.or(held.expires);
                return Ok(Answer::Granted {
                    first,
                    last: held.last,
                    own: held.own,
                    fresh: false,
                });
            }
            if any {
                return Err(Refusal::AlreadyHolds);
            }
        }
        let (first, last) = match wanted {
            Some((first, last)) => {
                let reserved = (first..=last)
                    .filter(|at| self.reserved.contains_key(at))
                    .count() as u128;
                let firm = (first..=last).any(|at| self.reserved.get(&at) == Some(&false));
                if reserved == last - first + 1 || firm && parent.is_none() {
                    return Err(Refusal::Held);
                }
                let taken = |at: u128| match parent {
                    Some(_) => self.guests.contains_key(&at),
                    None => self.covering(at).is_some(),
                };
                if (first..=last).any(taken) {
                    return Err(Refusal::Held);
                }
                if parent.is_none() {
                    for at in first..=last {
                        self.wake_at(at);
                    }
                }
                (first, last)
            }
            None => self.search(owner, pick, within, parent, hint)?,
        };
        let own = match pick {
            Pick::Prefix(..) | Pick::PrefixLen(_) => {
                let mut candidates = self.usable(first, last).chain(first..=last);
                candidates
                    .find(|at| !self.reserved.contains_key(at))
                    .expect("not all is reserved")
            }
            _ => first,
        };
        let held = Held {
            last,
            own,
            owner,
            parent: inside,
            revision: self.revision + 1,
            expires: until,
        };
        match parent {
            Some(_) => self.guests.insert(first, held),
            None => {
                self.idle.retain(|at, _| !(first..=last).contains(at));
                self.held.insert(first, held)
            }
        };
        Ok(Answer::Granted {
            first,
            last,
            own,
            fresh: true,
        })
    }

    fn search(
        &mut self,
        owner: u8,
        pick: Pick,
        within: Option<(u128, u128)>,
        parent: Option<(u128, u128)>,
        hint: Option<u128>,
    ) -> Result<(u128, u128), Refusal> {
        let (mut low, mut high) = match (parent, pick) {
            (Some((first, last)), _) => {
                let usable: Vec<u128> = self.usable(first, last).collect();
                (usable[0], usable[usable.len() - 1])
            }
            (None, Pick::PrefixLen(_)) if self.setup.range.is_none() => (self.first, self.last),
            _ => (self.low, self.high),
        };
        if let Some((a, b)) = within {
            low = low.max(a);
            high = high.min(b);
        }
        let open = |at: &u128| match parent {
            Some(_) => !self.reserved.contains_key(at) && !self.guests.contains_key(at),
            None => self.is_free(*at),
        };
        if let Pick::PrefixLen(bits) = pick {
            let size = 1u128 << bits;
            let fits = |base: &u128| {
                base % size == 0
                    && base + size - 1 <= high
                    && (*base..base + size).all(|at| open(&at))
            };
            let base = (low..=high)
                .find(fits)
                .filter(|_| bits <= self.setup.host_bits)
                .ok_or(Refusal::Exhausted)?;
            return Ok((base, base + size - 1));
        }
        let free: Vec<u128> = (low..=high).filter(open).collect();
        let found = match pick {
            Pick::Stable => {
                let own = |at: u128| {
                    let rest = self
                        .rest_at(at)
                        .filter(|_| parent.is_none() && !self.reserved.contains_key(&at));
                    rest.is_some_and(|(_, rest)| rest.1 == owner)
                };
                hint.filter(|at| {
                    (low..=high).contains(at) && (free.contains(at) || own(*at)) || !free.is_empty()
                })
            }
            Pick::Next => {
                let start = self
                    .cursor
                    .filter(|cursor| (low..=high).contains(&(cursor + 1)));
                let behind = start.and_then(|cursor| free.iter().find(|at| **at > cursor));
                behind.or(free.first()).copied()
            }
            Pick::Random(entropy) if !free.is_empty() => {
                // The high half of a product of 128 by at most 5 bits.
                let n = free.len() as u128;
                let index =
                    ((entropy >> 64) * n + (((entropy & u128::from(u64::MAX)) * n) >> 64)) >> 64;
                Some(free[index as usize])
            }
            Pick::LongestIdle if parent.is_none() => {
                let fresh = free.iter().find(|at| !self.idle.contains_key(at)).copied();
                fresh.or_else(|| free.iter().min_by_key(|at| (self.idle[at], **at)).copied())
            }
            _ => free.first().copied(),
        };
        let found = match found {
            Some(found) => found,
            None if self.setup.pressure && parent.is_none() => {
                let oldest = self
                    .resting
                    .iter()
                    .filter(|(first, rest)| **first <= high && low <= rest.0);
                let (&first, _) = oldest
                    .min_by_key(|(first, rest)| (rest.2, **first))
                    .ok_or(Refusal::Exhausted)?;
                self.wake_at(first);
                (low..=high)
                    .find(|at| self.is_free(*at))
                    .ok_or(Refusal::Exhausted)?
            }
            None => return Err(Refusal::Exhausted),
        };
        if parent.is_none() {
            self.wake_at(found);
        }
        if pick == Pick::Next {
            self.cursor = Some(found);
        }
        Ok((found, found))
    }

    fn usable(&self, first: u128, last: u128) -> std::ops::RangeInclusive<u128> {
        match last - first {
            0 | 1 => first..=last,
            _ if self.setup.v6 => first + 1..=last,
            _ => first + 1..=last - 1,
        }
    }

    fn wake_at(&mut self, at: u128) {
        if let Some((first, (last, ..))) = self.rest_at(at) {
            self.resting.remove(&first);
            self.mark_idle(first, last);
        }
    }

    fn mark_idle(&mut self, first: u128, last: u128) {
        if self.setup.remember && first == last {
            self.idle.insert(first, self.revision + 1);
        }
    }

    fn end_holding(&mut self, first: u128, now: u64) {
        let held = self.held.remove(&first).expect("it is held");
        if self.setup.quarantine > 0 {
            self.resting.insert(
                first,
                (
                    held.last,
                    held.owner,
                    now + u64::from(self.setup.quarantine),
                ),
            );
        } else {
            self.mark_idle(first, held.last);
        }
    }

    pub(super) fn end_due(&mut self, now: u64) {
        self.guests
            .retain(|_, guest| guest.expires.is_none_or(|end| end > now));
        let due: Vec<(u128, u128, u64)> = self
            .held
            .iter()
            .filter_map(|(&first, held)| {
                Some((first, held.last, held.expires.filter(|end| *end <= now)?))
            })
            .collect();
        for (first, last, end) in due {
            self.guests.retain(|at, _| !(first..=last).contains(at));
            self.end_holding(first, end);
        }
        self.end_quarantines(now);
    }

    fn end_quarantines(&mut self, now: u64) {
        let due: Vec<u128> = self
            .resting
            .iter()
            .filter(|(_, rest)| rest.2 <= now)
            .map(|(first, _)| *first)
            .collect();
        for first in due {
            self.wake_at(first);
        }
    }

    pub(super) fn release(
        &mut self,
        owner: u8,
        at: u128,
        revision: Option<u64>,
        now: u64,
    ) -> Result<(), Refusal> {
        let covering = self.covering(at).map(|(first, held)| (first, held.clone()));
        let guest = self.guests.get(&at).map(|guest| (at, guest.clone()));
        let is_guest = guest.is_some();
        let Some((first, held)) = guest.or(covering) else {
            return Err(if self.reserved.contains_key(&at) {
                Refusal::NotOwner
            } else {
                Refusal::NotHeld
            });
        };
        if held.owner != owner {
            return Err(Refusal::NotOwner);
        }
        if revision.is_some_and(|revision| revision != held.revision) {
            return Err(Refusal::Revision);
        }
        if is_guest {
            self.end_quarantines(now);
            self.guests.remove(&at);
            return Ok(());
        }
        if self.guests.range(first..=held.last).next().is_some() {
            return Err(Refusal::InUse);
        }
        self.end_quarantines(now);
        self.end_holding(first, now);
        Ok(())
    }

    pub(super) fn release_owner(&mut self, owner: u8, now: u64) -> Result<usize, Refusal> {
        let firsts: Vec<u128> = self
            .held
            .iter()
            .filter(|(_, held)| held.owner == owner)
            .map(|(first, _)| *first)
            .collect();
        let in_use = |first: &u128| {
            self.guests
                .range(*first..=self.held[first].last)
                .any(|(_, guest)| guest.owner != owner)
        };
        if firsts.iter().any(in_use) {
            return Err(Refusal::InUse);
        }
        self.end_quarantines(now);
        let before = self.guests.len();
        self.guests.retain(|_, guest| guest.owner != owner);
        let count = before - self.guests.len() + firsts.len();
        for first in firsts {
            self.end_holding(first, now);
        }
        Ok(count)
    }
}
