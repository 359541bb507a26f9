//! Calls on both, and the comparison of their answers and states.

use std::collections::BTreeSet;

use kraud_ipam::{
    AllocError, AllocRequest, Change, Count, Holder, ReleaseError, Subnet, SubnetEdit,
};

use super::{Op, Pick, Reference, Refusal, name, number};

/// What a call that is not refused answers. Addresses are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Granted {
        first: u128,
        last: u128,
        own: u128,
        fresh: bool,
    },
    Released(usize),
    Expired,
}

impl Reference {
    /// The request of an allocating call.
    fn request(&self, op: Op) -> Option<AllocRequest> {
        let Op::Allocate {
            pick,
            within,
            inside,
            until,
            additional,
            now,
            ..
        } = op
        else {
            return None;
        };
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
        Some(request.at(now))
    }

    /// The call, and its answer in terms of offsets and numbers.
    fn perform(
        &self,
        subnet: &mut Subnet,
        op: Op,
    ) -> Result<(Answer, Change<SubnetEdit>), Refusal> {
        match op {
            Op::Allocate { owner, .. } => {
                let request = self.request(op).expect("it is a request");
                let grant = subnet
                    .allocate(name(owner), request)
                    .map_err(|error| refusal_of(&error))?;
                let answer = Answer::Granted {
                    first: number(grant.prefix().network()),
                    last: number(grant.prefix().broadcast()),
                    own: number(grant.address()),
                    fresh: grant.is_new(),
                };
                Ok((answer, grant.into_change()))
            }
            Op::Release {
                owner,
                at,
                revision,
                now,
            } => {
                let at = self.ip(self.first + u128::from(at));
                let release = subnet
                    .release(&name(owner), at, revision, now)
                    .map_err(|error| refusal_of_release(&error))?;
                Ok((Answer::Released(release.released.len()), release.change))
            }
            Op::ReleaseOwner { owner, now } => {
                let release = subnet
                    .release_owner(&name(owner), now)
                    .map_err(|error| refusal_of_release(&error))?;
                Ok((Answer::Released(release.released.len()), release.change))
            }
            Op::Expire { now } => Ok((Answer::Expired, subnet.expire(now))),
        }
    }

    /// What the answer ought to be. `first` is what was granted, which no more than stable requests
    /// leave open.
    fn expected(&mut self, op: Op, first: Option<u128>) -> Result<Answer, Refusal> {
        match op {
            Op::Allocate { .. } => self.allocate(op, first),
            Op::Release {
                owner,
                at,
                revision,
                now,
            } => self
                .release(owner, self.first + u128::from(at), revision, now)
                .map(|()| Answer::Released(1)),
            Op::ReleaseOwner { owner, now } => self.release_owner(owner, now).map(Answer::Released),
            Op::Expire { now } => {
                self.end_due(now);
                Ok(Answer::Expired)
            }
        }
    }

    /// The call on the subnet alone. Returns the change, if any.
    pub fn perform_only(&self, subnet: &mut Subnet, op: Op) -> Option<Change<SubnetEdit>> {
        Some(self.perform(subnet, op).ok()?.1)
    }

    /// Does the same to both and compares the answers, not the states. Returns the change, if any.
    pub fn step(&mut self, subnet: &mut Subnet, op: Op) -> Option<Change<SubnetEdit>> {
        let before = self.clone();
        let answer = self.perform(subnet, op);
        let first = match &answer {
            Ok((Answer::Granted { first, .. }, _)) => Some(*first),
            _ => None,
        };
        let expected = self.expected(op, first);
        let (answer, change) = match answer {
            Ok((answer, change)) => (Ok(answer), Some(change)),
            Err(refusal) => (Err(refusal), None),
        };
        assert_eq!(answer, expected, "{op:?} of {before:?}");
        if expected.is_err() {
            *self = before;
        } else if *self != before {
            self.revision = before.revision + 1;
        }
        assert_eq!(subnet.revision(), self.revision, "{self:?}");
        change
    }

    /// A [`step`](Self::step) after which nothing is left unchecked: the dry run before it, what a
    /// refusal leaves, undo and redo, and the whole state.
    pub fn checked_step(&mut self, subnet: &mut Subnet, op: Op) -> Option<Change<SubnetEdit>> {
        let earlier = subnet.clone();
        if let (Op::Allocate { owner, .. }, Some(request)) = (op, self.request(op)) {
            let tried = subnet.dry_run(name(owner), request.clone());
            assert_eq!(*subnet, earlier, "a dry run changes nothing: {op:?}");
            let real = earlier.clone().allocate(name(owner), request);
            assert_eq!(tried, real, "a dry run answers like the real call: {op:?}");
        }
        let change = self.step(subnet, op);
        match &change {
            None => assert_eq!(*subnet, earlier, "a refusal changes nothing: {op:?}"),
            Some(change) => {
                let mut other = subnet.clone();
                other.undo(change).expect("the latest change can be undone");
                assert_eq!(other, earlier, "{op:?}");
                other
                    .replay(change)
                    .expect("an undone change can be replayed");
                assert_eq!(other, *subnet, "{op:?}");
            }
        }
        self.compare(subnet);
        change
    }

    /// Every address and every sum.
    pub fn compare(&self, subnet: &Subnet) {
        assert_eq!(subnet.revision(), self.revision, "{self:?}");
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
                "{at:x}: {self:?}"
            );
            if !is_reserved {
                assert_eq!(found, expected, "{at:x}: {self:?}");
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
                "{at:x}: {self:?}"
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
            "{self:?}"
        );
        let ranges: Vec<_> = subnet
            .free_ranges()
            .map(|(a, b)| (number(a), number(b)))
            .collect();
        assert_eq!(ranges, free_ranges, "{self:?}");
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
        assert_eq!(holdings, expected, "{self:?}");
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
            assert_eq!(found, expected, "{self:?}");
        }
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
