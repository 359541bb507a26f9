//! A subnet the obvious way: every address looked at, nothing clever. What [`Subnet`] answers is
//! compared with this, and its whole state after every step.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;
use kraud_ipam::{
    AllocError, AllocRequest, Change, Count, Holder, ReleaseError, Subnet, SubnetEdit,
};

/// Which kind of subnet is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Setup {
    pub v6: bool,
    /// From 0 (a single address) to 4 (16 addresses).
    pub host_bits: u8,
    pub gateway: bool,
    pub whole: bool,
    /// Automatic requests keep to these offsets.
    pub range: Option<(u8, u8)>,
    pub exclude: Option<(u8, u8)>,
    pub quarantine: u8,
    pub pressure: bool,
    pub remember: bool,
}

impl Setup {
    pub const fn plain(v6: bool, host_bits: u8) -> Self {
        Self {
            v6,
            host_bits,
            gateway: false,
            whole: false,
            range: None,
            exclude: None,
            quarantine: 0,
            pressure: false,
            remember: false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    Exact(u8),
    LongestIdle,
    Lowest,
    Next,
    Nth(u8),
    Prefix(u8, u8),
    PrefixLen(u8),
    Random(u128),
    Stable,
}

/// One call. Addresses are offsets from the subnet's first, prefixes have an offset and host bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Allocate {
        owner: u8,
        pick: Pick,
        within: Option<(u8, u8)>,
        inside: Option<u8>,
        until: Option<u64>,
        additional: bool,
        now: u64,
    },
    Release {
        owner: u8,
        at: u8,
        revision: Option<u64>,
        now: u64,
    },
    ReleaseOwner {
        owner: u8,
        now: u64,
    },
    Expire {
        now: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    AlreadyHolds,
    Exhausted,
    Held,
    HostBits,
    InUse,
    Nested,
    NotDelegated,
    NotHeld,
    NotOwner,
    Outside,
    Revision,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Held {
    last: u128,
    own: u128,
    owner: u8,
    parent: Option<u8>,
    revision: u64,
    expires: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    setup: Setup,
    first: u128,
    last: u128,
    low: u128,
    high: u128,
    /// The reserved addresses, and whether that follows from the prefix.
    reserved: BTreeMap<u128, bool>,
    held: BTreeMap<u128, Held>,
    guests: BTreeMap<u128, Held>,
    /// Last address, owner and end.
    resting: BTreeMap<u128, (u128, u8, u64)>,
    idle: BTreeMap<u128, u64>,
    cursor: Option<u128>,
    revision: u64,
}

const BASE4: u128 = 0x0a00_0010;
const BASE6: u128 = 0xfd42_01a8_0000_2a09_0000_0000_0000_0010;

fn name(owner: u8) -> String {
    format!("o{owner}")
}

impl Reference {
    /// The subnet and its reference.
    pub fn pair(setup: Setup) -> (Self, Subnet) {
        let bits = setup.host_bits.min(4);
        let (base, len) = if setup.v6 {
            (BASE6, 128 - bits)
        } else {
            (BASE4, 32 - bits)
        };
        let size = 1u128 << bits;
        let (first, last) = (base, base + size - 1);
        let to_ip = |at: u128| address(setup.v6, at);
        let clip = |(a, b): (u8, u8)| {
            let (a, b) = (first + u128::from(a) % size, first + u128::from(b) % size);
            (a.min(b), a.max(b))
        };

        let mut builder = Subnet::builder(IpNet::new(to_ip(first), len).expect("a length"))
            .quarantine(u64::from(setup.quarantine))
            .key(b"k");
        let (mut low, mut high) = (first, last);
        let mut reserved = BTreeMap::new();
        if bits > 1 {
            low = first + 1;
            high = if setup.v6 { last } else { last - 1 };
        }
        let usable_low = low;
        if setup.whole {
            builder = builder.whole();
            (low, high) = (first, last);
        } else {
            reserved.extend((first..low).map(|at| (at, true)));
            reserved.extend((high + 1..=last).map(|at| (at, true)));
        }
        if setup.gateway {
            builder = builder.default_gateway();
            reserved.insert(usable_low, false);
        }
        if let Some(exclude) = setup.exclude {
            let (from, to) = clip(exclude);
            builder = builder.exclude("x", to_ip(from), to_ip(to));
            reserved.extend((from..=to).map(|at| (at, false)));
        }
        if let Some(range) = setup.range {
            (low, high) = clip(range);
            builder = builder.range_between(to_ip(low), to_ip(high));
        }
        if setup.pressure {
            builder = builder.break_quarantine_under_pressure();
        }
        if setup.remember {
            builder = builder.remember();
        }
        let subnet = builder.build().expect("an acceptable subnet");
        let reference = Self {
            setup,
            first,
            last,
            low,
            high,
            reserved,
            held: BTreeMap::new(),
            guests: BTreeMap::new(),
            resting: BTreeMap::new(),
            idle: BTreeMap::new(),
            cursor: None,
            revision: 0,
        };
        (reference, subnet)
    }

    /// The state with revisions replaced by their order: what tells states apart.
    pub fn shape(&self) -> Self {
        let mut revisions: Vec<u64> = self
            .held
            .values()
            .chain(self.guests.values())
            .map(|held| held.revision)
            .collect();
        revisions.extend(self.idle.values());
        revisions.sort_unstable();
        revisions.dedup();
        let rank = |revision: &mut u64| {
            *revision = revisions.binary_search(revision).unwrap_or_default() as u64;
        };
        let mut shape = self.clone();
        shape
            .held
            .values_mut()
            .chain(shape.guests.values_mut())
            .for_each(|held| rank(&mut held.revision));
        shape.idle.values_mut().for_each(rank);
        shape.revision = 0;
        shape
    }

    fn ip(&self, at: u128) -> IpAddr {
        address(self.setup.v6, at)
    }

    fn net(&self, at: u128, host_bits: u8) -> IpNet {
        let width: u8 = if self.setup.v6 { 128 } else { 32 };
        IpNet::new(self.ip(at), width - host_bits.min(width)).expect("a length")
    }

    fn request(
        &self,
        pick: Pick,
        within: Option<(u8, u8)>,
        inside: Option<u8>,
        until: Option<u64>,
        additional: bool,
        now: u64,
    ) -> AllocRequest {
        let at = |offset: u8| self.ip(self.first + u128::from(offset));
        let mut request = match pick {
            Pick::Exact(offset) => AllocRequest::exact(at(offset)),
            Pick::LongestIdle => AllocRequest::longest_idle(),
            Pick::Lowest => AllocRequest::lowest(),
            Pick::Next => AllocRequest::next(),
            Pick::Nth(n) => AllocRequest::nth(u128::from(n)),
            Pick::Prefix(offset, bits) => {
                AllocRequest::prefix(self.net(self.first + u128::from(offset), bits))
            }
            Pick::PrefixLen(bits) => {
                AllocRequest::prefix_len(self.net(self.first, bits).prefix_len())
            }
            Pick::Random(entropy) => AllocRequest::random(entropy),
            Pick::Stable => AllocRequest::stable(),
        };
        if let Some((a, b)) = within {
            request = request.between(at(a), at(b));
        }
        if let Some(parent) = inside {
            request = request.inside(name(parent));
        }
        if let Some(until) = until {
            request = request.until(until);
        }
        if additional {
            request = request.additional();
        }
        request.at(now)
    }

    /// The call alone.
    fn perform(&self, subnet: &mut Subnet, op: Op) -> Option<Change<SubnetEdit>> {
        match op {
            Op::Allocate {
                owner,
                pick,
                within,
                inside,
                until,
                additional,
                now,
            } => {
                let request = self.request(pick, within, inside, until, additional, now);
                Some(subnet.allocate(name(owner), request).ok()?.into_change())
            }
            Op::Release {
                owner,
                at,
                revision,
                now,
            } => Some(
                subnet
                    .release(
                        &name(owner),
                        self.ip(self.first + u128::from(at)),
                        revision,
                        now,
                    )
                    .ok()?
                    .change,
            ),
            Op::ReleaseOwner { owner, now } => {
                Some(subnet.release_owner(&name(owner), now).ok()?.change)
            }
            Op::Expire { now } => Some(subnet.expire(now)),
        }
    }

    /// Does the same to both and compares the answers and the states. Returns the change, if any.
    pub fn step(&mut self, subnet: &mut Subnet, op: Op) -> Option<Change<SubnetEdit>> {
        let before = self.clone();
        let earlier = subnet.clone();
        let change = match op {
            Op::Allocate {
                owner,
                pick,
                within,
                inside,
                until,
                additional,
                now,
            } => {
                let request = self.request(pick, within, inside, until, additional, now);
                let tried = subnet.dry_run(name(owner), request.clone());
                assert_eq!(*subnet, earlier, "a dry run changes nothing: {op:?}");
                let answer = subnet.allocate(name(owner), request);
                assert_eq!(
                    tried, answer,
                    "a dry run answers like the real call: {op:?}"
                );
                let hint = answer
                    .as_ref()
                    .ok()
                    .map(|grant| number(grant.prefix().network()));
                let expected =
                    self.allocate(owner, pick, within, inside, until, additional, now, hint);
                match (answer, expected) {
                    (Ok(grant), Ok((first, last, own, fresh))) => {
                        let got = (
                            number(grant.prefix().network()),
                            number(grant.prefix().broadcast()),
                        );
                        assert_eq!(got, (first, last), "{op:?} of {before:?}");
                        assert_eq!(number(grant.address()), own, "{op:?} of {before:?}");
                        assert_eq!(grant.is_new(), fresh, "{op:?} of {before:?}");
                        Some(grant.into_change())
                    }
                    (Err(error), Err(refusal)) => {
                        assert_eq!(refusal_of(&error), refusal, "{error}: {op:?} of {before:?}");
                        None
                    }
                    (answer, expected) => {
                        panic!("{answer:?} instead of {expected:?}: {op:?} of {before:?}")
                    }
                }
            }
            Op::Release {
                owner,
                at,
                revision,
                now,
            } => {
                let answer = subnet.release(
                    &name(owner),
                    self.ip(self.first + u128::from(at)),
                    revision,
                    now,
                );
                let expected = self.release(owner, self.first + u128::from(at), revision, now);
                match (answer, expected) {
                    (Ok(release), Ok(())) => Some(release.change),
                    (Err(error), Err(refusal)) => {
                        assert_eq!(
                            refusal_of_release(&error),
                            refusal,
                            "{error}: {op:?} of {before:?}"
                        );
                        None
                    }
                    (answer, expected) => {
                        panic!("{answer:?} instead of {expected:?}: {op:?} of {before:?}")
                    }
                }
            }
            Op::ReleaseOwner { owner, now } => {
                let answer = subnet.release_owner(&name(owner), now);
                let expected = self.release_owner(owner, now);
                match (answer, expected) {
                    (Ok(release), Ok(count)) => {
                        assert_eq!(release.released.len(), count, "{op:?} of {before:?}");
                        Some(release.change)
                    }
                    (Err(error), Err(refusal)) => {
                        assert_eq!(
                            refusal_of_release(&error),
                            refusal,
                            "{error}: {op:?} of {before:?}"
                        );
                        None
                    }
                    (answer, expected) => {
                        panic!("{answer:?} instead of {expected:?}: {op:?} of {before:?}")
                    }
                }
            }
            Op::Expire { now } => {
                self.end_due(now);
                Some(subnet.expire(now))
            }
        };
        match &change {
            None => {
                self.clone_from(&before);
                assert_eq!(*subnet, earlier, "a refusal changes nothing: {op:?}");
            }
            Some(change) => {
                self.revision = before.revision;
                if *self != before {
                    self.revision = before.revision + 1;
                }
                // Undone, it is what it was; redone, it is what it is.
                let mut other = subnet.clone();
                other.undo(change).expect("the latest change can be undone");
                assert_eq!(other, earlier, "{op:?}");
                other
                    .replay(change)
                    .expect("an undone change can be replayed");
                assert_eq!(other, *subnet, "{op:?}");
            }
        }
        self.compare(subnet, op);
        change
    }

    /// Every address and every sum.
    fn compare(&self, subnet: &Subnet, op: Op) {
        assert_eq!(subnet.revision(), self.revision, "{op:?} led to {self:?}");
        let (mut free, mut reserved, mut held, mut resting) = (0u128, 0u128, 0u128, 0u128);
        let mut free_ranges: Vec<(u128, u128)> = Vec::new();
        for at in self.first..=self.last {
            let expected = if let Some(guest) = self.guests.get(&at) {
                Some(Holder::Owner(name(guest.owner).into()))
            } else if let Some((_, holding)) = self
                .covering(at)
                .filter(|_| !self.reserved.contains_key(&at))
            {
                Some(Holder::Owner(name(holding.owner).into()))
            } else if let Some((_, rest)) = self
                .rest_at(at)
                .filter(|_| !self.reserved.contains_key(&at))
            {
                Some(Holder::Resting {
                    last: name(rest.1).into(),
                    until: rest.2,
                })
            } else {
                None
            };
            let found = subnet.holder(self.ip(at));
            let is_reserved = matches!(found, Some(Holder::Reserved { .. }));
            assert_eq!(
                is_reserved,
                self.reserved.contains_key(&at),
                "{at:x}: {op:?} led to {self:?}"
            );
            if !is_reserved {
                assert_eq!(found, expected, "{at:x}: {op:?} led to {self:?}");
            }
            match found {
                None => {
                    free += 1;
                    match free_ranges.last_mut() {
                        Some((_, end)) if *end + 1 == at => *end = at,
                        _ => free_ranges.push((at, at)),
                    }
                }
                Some(Holder::Reserved { .. }) => reserved += 1,
                Some(Holder::Resting { .. }) => resting += 1,
                Some(_) => held += 1,
            }
            assert_eq!(
                subnet.is_free(self.ip(at)),
                self.is_free(at),
                "{at:x}: {op:?} led to {self:?}"
            );
        }
        let usage = subnet.usage();
        assert_eq!(
            [
                usage.size,
                usage.free,
                usage.reserved,
                usage.held,
                usage.resting
            ],
            [self.last - self.first + 1, free, reserved, held, resting].map(Count::new),
            "{op:?} led to {self:?}"
        );
        let ranges: Vec<_> = subnet
            .free_ranges()
            .map(|(a, b)| (number(a), number(b)))
            .collect();
        assert_eq!(ranges, free_ranges, "{op:?} led to {self:?}");
        let holdings: Vec<_> = subnet
            .holdings()
            .map(|h| (number(h.prefix.network()), h.revision, h.expires))
            .collect();
        let expected: Vec<_> = self
            .held
            .iter()
            .chain(&self.guests)
            .map(|(&first, h)| (first, h.revision, h.expires))
            .collect();
        assert_eq!(holdings, expected, "{op:?} led to {self:?}");
        let owners: BTreeSet<u8> = self
            .held
            .values()
            .chain(self.guests.values())
            .map(|h| h.owner)
            .collect();
        for owner in owners {
            let found = subnet.holdings_of(&name(owner)).count();
            let expected = self
                .held
                .values()
                .chain(self.guests.values())
                .filter(|h| h.owner == owner)
                .count();
            assert_eq!(found, expected, "{op:?} led to {self:?}");
        }
    }

    fn covering(&self, at: u128) -> Option<(u128, &Held)> {
        self.held
            .iter()
            .find(|(first, held)| **first <= at && at <= held.last)
            .map(|(first, held)| (*first, held))
    }

    fn rest_at(&self, at: u128) -> Option<(u128, (u128, u8, u64))> {
        self.resting
            .iter()
            .find(|(first, rest)| **first <= at && at <= rest.0)
            .map(|(first, rest)| (*first, *rest))
    }

    fn is_free(&self, at: u128) -> bool {
        (self.first..=self.last).contains(&at)
            && !self.reserved.contains_key(&at)
            && self.covering(at).is_none()
            && self.rest_at(at).is_none()
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "it mirrors the fields of a request"
    )]
    fn allocate(
        &mut self,
        owner: u8,
        pick: Pick,
        within: Option<(u8, u8)>,
        inside: Option<u8>,
        until: Option<u64>,
        additional: bool,
        now: u64,
        hint: Option<u128>,
    ) -> Result<(u128, u128, u128, bool), Refusal> {
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
                return Ok((first, held.last, held.own, false));
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
        Ok((first, last, own, true))
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

    fn end_due(&mut self, now: u64) {
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

    fn release(
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

    fn release_owner(&mut self, owner: u8, now: u64) -> Result<usize, Refusal> {
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

fn refusal_of(error: &AllocError) -> Refusal {
    match error {
        AllocError::AlreadyHolds { .. } => Refusal::AlreadyHolds,
        AllocError::Exhausted(_) => Refusal::Exhausted,
        AllocError::Held { .. } => Refusal::Held,
        AllocError::HostBits { .. } => Refusal::HostBits,
        AllocError::Nested { .. } => Refusal::Nested,
        AllocError::NotDelegated { .. } => Refusal::NotDelegated,
        AllocError::Outside { .. } => Refusal::Outside,
        other => panic!("{other} is not expected"),
    }
}

fn refusal_of_release(error: &ReleaseError) -> Refusal {
    match error {
        ReleaseError::InUse { .. } => Refusal::InUse,
        ReleaseError::NotHeld { .. } => Refusal::NotHeld,
        ReleaseError::NotOwner { .. } => Refusal::NotOwner,
        ReleaseError::Revision { .. } => Refusal::Revision,
        other => panic!("{other} is not expected"),
    }
}

fn address(v6: bool, at: u128) -> IpAddr {
    if v6 {
        IpAddr::V6(at.into())
    } else {
        IpAddr::V4((at as u32).into())
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// Reads a setup and calls from bytes, so that a fuzzer and proptest can make them up.
pub struct Bytes<'a>(pub std::slice::Iter<'a, u8>);

impl Bytes<'_> {
    fn byte(&mut self) -> Option<u8> {
        self.0.next().copied()
    }

    fn pair(&mut self) -> Option<(u8, u8)> {
        Some((self.byte()? % 20, self.byte()? % 20))
    }

    pub fn setup(&mut self) -> Option<Setup> {
        let shape = self.byte()?;
        let flags = self.byte()?;
        Some(Setup {
            v6: shape & 1 != 0,
            host_bits: (shape >> 1) % 5,
            gateway: flags & 1 != 0,
            whole: flags & 2 != 0,
            range: if flags & 4 != 0 {
                Some(self.pair()?)
            } else {
                None
            },
            exclude: if flags & 8 != 0 {
                Some(self.pair()?)
            } else {
                None
            },
            quarantine: if flags & 16 != 0 { self.byte()? % 8 } else { 0 },
            pressure: flags & 32 != 0,
            remember: flags & 64 != 0,
        })
    }

    /// The next call; `now` moves on with it.
    pub fn op(&mut self, now: &mut u64) -> Option<Op> {
        let kind = self.byte()?;
        let owner = kind >> 5;
        *now += u64::from(kind & 1);
        let now = *now;
        Some(match (kind >> 1) % 16 {
            12 => Op::ReleaseOwner { owner, now },
            13 => Op::Release {
                owner,
                at: self.byte()? % 20,
                revision: None,
                now,
            },
            14 => Op::Release {
                owner,
                at: self.byte()? % 20,
                revision: Some(u64::from(self.byte()?)),
                now,
            },
            15 => Op::Expire {
                now: now + u64::from(self.byte()? % 4),
            },
            pick => {
                let pick = match pick {
                    0 | 1 => Pick::Exact(self.byte()? % 20),
                    2 => Pick::LongestIdle,
                    3 => Pick::Lowest,
                    4 => Pick::Next,
                    5 => Pick::Nth(self.byte()? % 20),
                    6 | 7 => {
                        let place = self.byte()?;
                        Pick::Prefix(place % 20, (place >> 5) % 5)
                    }
                    8 => Pick::PrefixLen(self.byte()? % 6),
                    9 => Pick::Random(u128::from_be_bytes([self.byte()?; 16])),
                    _ => Pick::Stable,
                };
                let flags = self.byte()?;
                Op::Allocate {
                    owner,
                    pick,
                    within: if flags & 1 != 0 {
                        Some(self.pair()?)
                    } else {
                        None
                    },
                    inside: (flags & 2 != 0).then_some(flags >> 5),
                    until: (flags & 4 != 0).then_some(now + u64::from(flags >> 5)),
                    additional: flags & 8 != 0,
                    now,
                }
            }
        })
    }
}

/// Runs what the bytes say, comparing at every step. Returns the final subnet and its history.
pub fn run(bytes: &[u8]) -> Option<(Subnet, Subnet, Vec<Change<SubnetEdit>>)> {
    let mut bytes = Bytes(bytes.iter());
    let (mut reference, mut subnet) = Reference::pair(bytes.setup()?);
    let empty = subnet.clone();
    let mut now = 0;
    let mut history = Vec::new();
    while let Some(op) = bytes.op(&mut now) {
        history.extend(reference.step(&mut subnet, op));
    }
    Some((empty, subnet, history))
}

/// Runs what the bytes say on the subnet alone, for those who compare something else.
pub fn run_unchecked(bytes: &[u8]) -> Option<(Subnet, Subnet, Vec<Change<SubnetEdit>>)> {
    let mut bytes = Bytes(bytes.iter());
    let (reference, mut subnet) = Reference::pair(bytes.setup()?);
    let empty = subnet.clone();
    let (mut now, mut history) = (0, Vec::new());
    while let Some(op) = bytes.op(&mut now) {
        history.extend(reference.perform(&mut subnet, op));
    }
    Some((empty, subnet, history))
}
