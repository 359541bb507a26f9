//! A set of numbers as sorted, separate ranges.

use alloc::collections::BTreeMap;

use crate::Count;

/// Numbers as ranges that neither overlap nor touch, so equal sets are equal values.
///
/// O(log n) for a lookup or the next free number, O(log n + merged) for a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RangeSet {
    ranges: BTreeMap<u128, u128>,
}

impl RangeSet {
    pub(crate) const fn new() -> Self {
        Self {
            ranges: BTreeMap::new(),
        }
    }

    /// The range that holds `number`.
    pub(crate) fn range_of(&self, number: u128) -> Option<(u128, u128)> {
        let (&first, &last) = self.ranges.range(..=number).next_back()?;
        (number <= last).then_some((first, last))
    }

    pub(crate) fn contains(&self, number: u128) -> bool {
        self.range_of(number).is_some()
    }

    /// The first range that shares a number with `first..=last`.
    pub(crate) fn overlap(&self, first: u128, last: u128) -> Option<(u128, u128)> {
        self.range_of(first).or_else(|| {
            let (&start, &end) = self.ranges.range(first..=last).next()?;
            Some((start, end))
        })
    }

    pub(crate) fn insert(&mut self, first: u128, last: u128) {
        let (mut first, mut last) = (first, last);
        // Everything that overlaps or touches is swallowed.
        let reach = last.saturating_add(1);
        while let Some((&start, &end)) = self.ranges.range(..=reach).next_back() {
            if end.saturating_add(1) < first {
                break;
            }
            self.ranges.remove(&start);
            first = first.min(start);
            last = last.max(end);
        }
        self.ranges.insert(first, last);
    }

    #[cfg(test)]
    pub(crate) fn remove(&mut self, first: u128, last: u128) {
        while let Some((&start, &end)) = self.ranges.range(..=last).next_back() {
            if end < first {
                break;
            }
            self.ranges.remove(&start);
            if let Some(before) = first.checked_sub(1).filter(|before| start <= *before) {
                self.ranges.insert(start, before);
            }
            if let Some(after) = last.checked_add(1).filter(|after| *after <= end) {
                self.ranges.insert(after, end);
            }
        }
    }

    /// The smallest number in `from..=last` that is not in the set.
    pub(crate) fn next_gap(&self, from: u128, last: u128) -> Option<u128> {
        let gap = match self.range_of(from) {
            Some((_, end)) => end.checked_add(1)?,
            None => from,
        };
        (gap <= last).then_some(gap)
    }

    #[cfg(test)]
    /// The largest number in `last..=from`, going down, that is not in the set.
    pub(crate) fn previous_gap(&self, from: u128, last: u128) -> Option<u128> {
        let gap = match self.range_of(from) {
            Some((start, _)) => start.checked_sub(1)?,
            None => from,
        };
        (gap >= last).then_some(gap)
    }

    /// The ranges that lie in `first..=last`, cut to it.
    pub(crate) fn within(
        &self,
        first: u128,
        last: u128,
    ) -> impl Iterator<Item = (u128, u128)> + '_ {
        let before = self.range_of(first).map_or(first, |(start, _)| start);
        let upper = last.max(before);
        self.ranges
            .range(before..=upper)
            .map(move |(&start, &end)| (start.max(first), end.min(last)))
    }

    /// The maximal ranges of `first..=last` that are not in the set.
    pub(crate) fn gaps(&self, first: u128, last: u128) -> Gaps<'_> {
        Gaps {
            set: self,
            next: (first <= last).then_some(first),
            last,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u128, u128)> + '_ {
        self.ranges.iter().map(|(&first, &last)| (first, last))
    }

    /// How many numbers of `first..=last` are in the set.
    pub(crate) fn count(&self, first: u128, last: u128) -> Count {
        self.within(first, last)
            .fold(Count::ZERO, |sum, (start, end)| {
                sum.plus(Count::between(start, end))
            })
    }
}

/// See [`RangeSet::gaps`].
pub(crate) struct Gaps<'a> {
    set: &'a RangeSet,
    next: Option<u128>,
    last: u128,
}

impl Iterator for Gaps<'_> {
    type Item = (u128, u128);

    fn next(&mut self) -> Option<(u128, u128)> {
        let start = self.set.next_gap(self.next.take()?, self.last)?;
        let end = match self.set.ranges.range(start..=self.last).next() {
            Some((&taken, _)) => taken - 1,
            None => self.last,
        };
        self.next = end.checked_add(1).filter(|next| *next <= self.last);
        Some((start, end))
    }
}

#[cfg(test)]
mod tests {
    use alloc::{collections::BTreeSet, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_like_a_set_of_numbers(steps in proptest::collection::vec((any::<bool>(), 0u128..40, 0u128..40), 0..30)) {
            let mut set = RangeSet::new();
            let mut model = BTreeSet::new();
            for (insert, a, b) in steps {
                let (first, last) = (a.min(b), a.max(b));
                if insert {
                    set.insert(first, last);
                    model.extend(first..=last);
                } else {
                    set.remove(first, last);
                    model.retain(|n| !(first..=last).contains(n));
                }
                for n in 0..42 {
                    prop_assert_eq!(set.contains(n), model.contains(&n));
                    prop_assert_eq!(set.next_gap(n, 41), (n..=41).find(|n| !model.contains(n)));
                }
                let free: Vec<u128> = set.gaps(0, 41).flat_map(|(a, b)| a..=b).collect();
                prop_assert_eq!(free, (0..=41).filter(|n| !model.contains(n)).collect::<Vec<_>>());
                prop_assert_eq!(set.count(5, 20), (5..=20).filter(|n| model.contains(n)).count() as u128);
                let ranges: Vec<_> = set.iter().collect();
                prop_assert!(ranges.windows(2).all(|w| w[0].1 + 1 < w[1].0));
            }
        }
    }

    #[test]
    fn the_last_number_is_an_ordinary_one() {
        let mut set = RangeSet::new();
        set.insert(u128::MAX, u128::MAX);
        assert_eq!(set.next_gap(u128::MAX, u128::MAX), None);
        set.insert(0, u128::MAX - 1);
        assert_eq!(set.iter().collect::<Vec<_>>(), [(0, u128::MAX)]);
        assert_eq!(set.count(0, u128::MAX), Count::WHOLE);
        set.remove(7, u128::MAX);
        assert_eq!(set.gaps(0, u128::MAX).collect::<Vec<_>>(), [(7, u128::MAX)]);
    }
}
