//! The addresses of one prefix as a set: absolute numbers outside, offsets in the smallest tree inside.

use ipnet::IpNet;

use crate::{
    Count,
    family::bounds,
    set::{Number, NumberSet},
};

/// A set of addresses of one prefix. Numbers outside of the prefix are in no set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Space {
    first: u128,
    last: u128,
    tree: Tree,
}

/// Offsets of up to 64 bits take half the room.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Tree {
    Narrow(NumberSet<u64>),
    Wide(NumberSet<u128>),
}

macro_rules! each_tree {
    ($self:expr, $set:ident => $body:expr) => {
        match $self {
            Tree::Narrow($set) => $body,
            Tree::Wide($set) => $body,
        }
    };
}

impl Space {
    pub(crate) fn new(prefix: IpNet) -> Self {
        let (first, last) = bounds(prefix);
        let tree = match u64::try_from(last - first) {
            Ok(_) => Tree::Narrow(NumberSet::new()),
            Err(_) => Tree::Wide(NumberSet::new()),
        };
        Self { first, last, tree }
    }

    /// The part of a range that lies in the prefix, as offsets.
    #[inline]
    fn cut(&self, first: u128, last: u128) -> Option<(u128, u128)> {
        let (first, last) = (first.max(self.first), last.min(self.last));
        (first <= last).then(|| (first - self.first, last - self.first))
    }

    pub(crate) fn contains(&self, number: u128) -> bool {
        self.cut(number, number).is_some_and(
            |(at, _)| each_tree!(&self.tree, set => set.contains(Number::truncate(at))),
        )
    }

    pub(crate) fn insert(&mut self, first: u128, last: u128) {
        if let Some((first, last)) = self.cut(first, last) {
            each_tree!(&mut self.tree, set => set.insert_range(Number::truncate(first), Number::truncate(last)));
        }
    }

    pub(crate) fn remove(&mut self, first: u128, last: u128) {
        if let Some((first, last)) = self.cut(first, last) {
            each_tree!(&mut self.tree, set => set.remove_range(Number::truncate(first), Number::truncate(last)));
        }
    }

    /// The smallest number of `from..=last` that is in the set.
    pub(crate) fn next_taken(&self, from: u128, last: u128) -> Option<u128> {
        let (from, last) = self.cut(from, last)?;
        let found = each_tree!(&self.tree, set =>
            set.next_taken(Number::truncate(from), Number::truncate(last)).map(Number::widen));
        found.map(|at| self.first + at)
    }

    /// The smallest number of `from..=last` that is not in the set.
    pub(crate) fn next_gap(&self, from: u128, last: u128) -> Option<u128> {
        let (from, last) = self.cut(from, last)?;
        let found = each_tree!(&self.tree, set =>
            set.next_free(Number::truncate(from), Number::truncate(last)).map(Number::widen));
        found.map(|at| self.first + at)
    }

    /// The largest number of `first..=from` that is not in the set.
    pub(crate) fn previous_gap(&self, from: u128, first: u128) -> Option<u128> {
        let (first, from) = self.cut(first, from)?;
        let found = each_tree!(&self.tree, set =>
            set.previous_free(Number::truncate(from), Number::truncate(first)).map(Number::widen));
        found.map(|at| self.first + at)
    }

    /// The `nth` number from `first` on that is not in the set; the caller knows that there is one.
    pub(crate) fn nth_gap(&self, first: u128, nth: u128) -> Option<u128> {
        let (first, _) = self.cut(first, self.last)?;
        let found = each_tree!(&self.tree, set =>
            set.nth_free(Number::truncate(first), Number::truncate(nth)).map(Number::widen));
        found
            .map(|at| self.first.saturating_add(at))
            .filter(|at| *at <= self.last)
    }

    /// How many numbers of `first..=last` are in the set.
    pub(crate) fn count(&self, first: u128, last: u128) -> Count {
        let Some((first, last)) = self.cut(first, last) else {
            return Count::ZERO;
        };
        each_tree!(&self.tree, set => set.count(Number::truncate(first), Number::truncate(last)))
    }

    /// The ranges of `first..=last` that are in the set.
    pub(crate) fn within(
        &self,
        first: u128,
        last: u128,
    ) -> impl Iterator<Item = (u128, u128)> + '_ {
        let (mut next, last) = (Some(first), last.min(self.last));
        core::iter::from_fn(move || {
            let start = self.next_taken(next.take()?, last)?;
            next = self.next_gap(start, last);
            Some((start, next.map_or(last, |free| free - 1)))
        })
    }

    /// The maximal ranges of `first..=last` that are not in the set.
    pub(crate) fn gaps(&self, first: u128, last: u128) -> impl Iterator<Item = (u128, u128)> + '_ {
        let (mut next, last) = (Some(first), last.min(self.last));
        core::iter::from_fn(move || {
            let start = self.next_gap(next.take()?, last)?;
            next = self.next_taken(start, last);
            Some((start, next.map_or(last, |taken| taken - 1)))
        })
    }
}
