//! Sets of numbers that know their counts: what subnets and pools keep books with.
//!
//! [`NumberSet`] is a tree of nodes with 64 slots. A slot is empty, full, a short sorted list, a bitmap
//! of 4,096 numbers, or a node again; nodes with one slot in use are left out (path compression), and
//! what is wholly full or empty is not stored at all. So a set is small whether its numbers are dense
//! or scattered, and every question is answered in at most one step per six bits, at any occupancy.

use core::fmt;

mod blocks;
mod leaf;
mod level;
mod map;
mod node;
mod number;

pub use blocks::BlockSet;
pub(crate) use map::NumberMap;
use node::{Node, Slot};
pub use number::Number;

use crate::Count;

/// A set of numbers from 0 to `N::MAX`.
///
/// All calls are O(bits / 6) in the worst case, plus at most 512 numbers moved within a list.
///
/// ```
/// use kraud_ipam::set::NumberSet;
///
/// let mut taken = NumberSet::<u64>::new();
/// taken.insert_range(0, u64::MAX);
/// taken.remove(5_000_000_000);
/// assert_eq!(taken.next_free(0, u64::MAX), Some(5_000_000_000));
/// assert_eq!(taken.free_count(0, u64::MAX), 1);
/// ```
#[derive(Clone)]
pub struct NumberSet<N: Number = u128> {
    root: Node<N>,
}

impl<N: Number> NumberSet<N> {
    /// An empty set. Allocates nothing.
    pub const fn new() -> Self {
        Self { root: Node::Empty }
    }

    /// Whether the set has no number.
    pub const fn is_empty(&self) -> bool {
        matches!(self.root, Node::Empty)
    }

    /// Whether a number is in the set.
    #[inline]
    pub fn contains(&self, number: N) -> bool {
        self.root.contains(number)
    }

    /// Adds a number. Returns whether it was missing.
    #[inline]
    pub fn insert(&mut self, number: N) -> bool {
        self.root.insert(number)
    }

    /// Removes a number. Returns whether it was there.
    #[inline]
    pub fn remove(&mut self, number: N) -> bool {
        self.root.remove(number, Slot::ROOT)
    }

    /// Adds all numbers from `first` to `last`; nothing if that runs backwards.
    pub fn insert_range(&mut self, first: N, last: N) {
        if first == last {
            self.insert(first);
        } else if first < last {
            self.root.fill(first, last, Slot::ROOT);
        }
    }

    /// Removes all numbers from `first` to `last`; nothing if that runs backwards.
    pub fn remove_range(&mut self, first: N, last: N) {
        if first == last {
            self.remove(first);
        } else if first < last {
            self.root.clear(first, last, Slot::ROOT);
        }
    }

    /// The smallest number from `from` to `last` that is not in the set.
    #[inline]
    pub fn next_free(&self, from: N, last: N) -> Option<N> {
        self.root
            .next_free(from, Slot::ROOT)
            .filter(|free| from <= last && *free <= last)
    }

    /// Adds the smallest number from `from` to `last` that is missing, and returns it.
    #[inline]
    pub fn take_next(&mut self, from: N, last: N) -> Option<N> {
        if from > last {
            return None;
        }
        if let Some(found) = self.root.take_next(from, last) {
            return Some(found);
        }
        let found = self.next_free(from, last)?;
        self.insert(found);
        Some(found)
    }

    /// The smallest number from `from` to `last` that is in the set.
    #[inline]
    pub fn next_taken(&self, from: N, last: N) -> Option<N> {
        self.root
            .next_taken(from)
            .filter(|taken| from <= last && *taken <= last)
    }

    /// The largest number from `first` to `from` that is not in the set.
    pub fn previous_free(&self, from: N, first: N) -> Option<N> {
        let free = self.free_count(first, from);
        let last = match free.to_u128() {
            Some(free) => free.checked_sub(1)?,
            None => u128::MAX,
        };
        self.nth_free(first, N::truncate(last))
    }

    /// How many numbers from `first` to `last` are in the set.
    pub fn count(&self, first: N, last: N) -> Count {
        if last < first {
            return Count::ZERO;
        }
        let below = if first == N::ZERO {
            N::ZERO
        } else {
            self.rank(first.minus(N::power(0)))
        };
        let count = self.rank(last).minus(below);
        // All numbers there are wrap to none.
        if count == N::ZERO && first == N::ZERO && last == N::MAX && matches!(self.root, Node::Full)
        {
            return Count::between(N::ZERO.widen(), N::MAX.widen());
        }
        Count::new(count.widen())
    }

    /// How many numbers from `first` to `last` are not in the set.
    pub fn free_count(&self, first: N, last: N) -> Count {
        Count::between(first.widen(), last.widen()).minus(self.count(first, last))
    }

    /// The `nth` number, counted from 0, of those from `first` on that are not in the set.
    pub fn nth_free(&self, first: N, nth: N) -> Option<N> {
        let taken = self.root.taken()?;
        // Those before `first` are skipped.
        let before = if first == N::ZERO {
            N::ZERO
        } else {
            first.minus(self.rank(first.minus(N::power(0))))
        };
        let wanted = nth.plus(before);
        // All there are but the taken ones; one less than how many are free, as none may be taken.
        let last = N::MAX.minus(taken);
        (wanted >= nth && wanted <= last).then(|| self.root.select_free(wanted, Slot::ROOT))
    }

    /// The maximal ranges in the set, as pairs of first and last number, by number.
    pub fn ranges(&self) -> Ranges<'_, N> {
        self.ranges_within(N::ZERO, N::MAX)
    }

    /// The ranges in the set that touch `first..=last`, cut to it.
    pub fn ranges_within(&self, first: N, last: N) -> Ranges<'_, N> {
        Ranges {
            set: self,
            next: (first <= last).then_some(first),
            last,
        }
    }

    /// The maximal ranges of `first..=last` that are not in the set.
    pub fn free_ranges(&self, first: N, last: N) -> FreeRanges<'_, N> {
        FreeRanges {
            set: self,
            next: (first <= last).then_some(first),
            last,
        }
    }

    /// How many numbers up to and including `number` are in the set; wraps at all there are.
    fn rank(&self, number: N) -> N {
        self.root.rank(number, Slot::ROOT)
    }
}

impl<N: Number> Default for NumberSet<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// Equal when the same numbers are in both, however they came there.
impl<N: Number> PartialEq for NumberSet<N> {
    fn eq(&self, other: &Self) -> bool {
        self.ranges().eq(other.ranges())
    }
}

impl<N: Number> Eq for NumberSet<N> {}

impl<N: Number> fmt::Debug for NumberSet<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.ranges().map(|(first, last)| first..=last))
            .finish()
    }
}

/// See [`NumberSet::ranges`].
#[derive(Clone, Debug)]
pub struct Ranges<'a, N: Number> {
    set: &'a NumberSet<N>,
    next: Option<N>,
    last: N,
}

impl<N: Number> Iterator for Ranges<'_, N> {
    type Item = (N, N);

    fn next(&mut self) -> Option<(N, N)> {
        let first = self.set.next_taken(self.next.take()?, self.last)?;
        let free = self.set.next_free(first, self.last);
        self.next = free;
        Some((
            first,
            free.map_or(self.last, |free| free.minus(N::power(0))),
        ))
    }
}

/// See [`NumberSet::free_ranges`].
#[derive(Clone, Debug)]
pub struct FreeRanges<'a, N: Number> {
    set: &'a NumberSet<N>,
    next: Option<N>,
    last: N,
}

impl<N: Number> Iterator for FreeRanges<'_, N> {
    type Item = (N, N);

    fn next(&mut self) -> Option<(N, N)> {
        let first = self.set.next_free(self.next.take()?, self.last)?;
        let taken = self.set.next_taken(first, self.last);
        self.next = taken;
        Some((
            first,
            taken.map_or(self.last, |taken| taken.minus(N::power(0))),
        ))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::ranges::RangeSet;

    /// Numbers that meet each other: few low bits, in few far places.
    fn any_number() -> impl Strategy<Value = u128> {
        (0u32..6, 0u128..9_000, 0u32..4).prop_map(|(place, low, nudge)| {
            let base = [
                0,
                1 << 20,
                1 << 40,
                u128::from(u64::MAX) - 8_999,
                1 << 100,
                u128::MAX - 8_999,
            ];
            base[place as usize] + (low >> (nudge * 4))
        })
    }

    fn check<N: Number>(steps: &[(u8, u128, u128)]) {
        let mut set = NumberSet::<N>::new();
        let mut model = RangeSet::new();
        for &(kind, a, b) in steps {
            let (a, b) = (N::truncate(a), N::truncate(b));
            let (first, last) = (a.min(b), a.max(b));
            match kind {
                0 | 1 => {
                    assert_eq!(set.insert(a), !model.contains(a.widen()));
                    model.insert(a.widen(), a.widen());
                }
                2 => {
                    assert_eq!(set.remove(a), model.contains(a.widen()));
                    model.remove(a.widen(), a.widen());
                }
                3 => {
                    set.insert_range(first, last);
                    model.insert(first.widen(), last.widen());
                }
                4 => {
                    set.remove_range(first, last);
                    model.remove(first.widen(), last.widen());
                }
                9 => {
                    let expected = model.next_gap(first.widen(), last.widen());
                    assert_eq!(set.take_next(first, last).map(N::widen), expected);
                    if let Some(at) = expected {
                        model.insert(at, at);
                    }
                }
                // A run of single ones, long enough to make lists overflow.
                _ => {
                    let mut at = a;
                    for _ in 0..600 {
                        set.insert(at);
                        model.insert(at.widen(), at.widen());
                        at = at.plus(N::truncate(u128::from(kind) - 4));
                    }
                }
            }
            let (low, high) = (first.widen(), last.widen());
            let narrow = |(x, y): (u128, u128)| (N::truncate(x), N::truncate(y));
            assert_eq!(
                set.ranges().collect::<Vec<_>>(),
                model.iter().map(narrow).collect::<Vec<_>>()
            );
            assert_eq!(set.contains(b), model.contains(b.widen()));
            assert_eq!(
                set.next_free(first, last).map(N::widen),
                model.next_gap(low, high)
            );
            assert_eq!(
                set.previous_free(last, first).map(N::widen),
                model.previous_gap(high, low)
            );
            assert_eq!(set.count(first, last), model.count(low, high));
            assert_eq!(set.count(N::ZERO, N::MAX), model.count(0, N::MAX.widen()));
            let gaps: Vec<_> = set.free_ranges(first, last).collect();
            assert_eq!(gaps, model.gaps(low, high).map(narrow).collect::<Vec<_>>());
            // The last of the free numbers, and one in the middle.
            let free = set.free_count(first, last).saturating_u128();
            for nth in [0, free / 2, free.saturating_sub(1)]
                .into_iter()
                .filter(|nth| *nth < free)
            {
                let mut left = nth;
                let expected = model.gaps(low, high).find_map(|(from, to)| {
                    if left <= to - from {
                        return Some(from + left);
                    }
                    left -= to - from + 1;
                    None
                });
                assert_eq!(
                    set.nth_free(first, N::truncate(nth)).map(N::widen),
                    expected,
                    "{nth} of {set:?}"
                );
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn behaves_like_ranges_in_64_bits(steps in proptest::collection::vec((0u8..10, any_number(), any_number()), 1..40)) {
            check::<u64>(&steps);
        }

        #[test]
        fn behaves_like_ranges_in_128_bits(steps in proptest::collection::vec((0u8..10, any_number(), any_number()), 1..40)) {
            check::<u128>(&steps);
        }
    }

    #[test]
    fn all_numbers_there_are_can_be_taken_one_by_one_at_the_end() {
        let mut set = NumberSet::<u64>::new();
        set.insert_range(0, u64::MAX - 1);
        assert!(set.insert(u64::MAX));
        assert_eq!(set.count(0, u64::MAX), 1u128 << 64);
        assert_eq!(set.next_free(0, u64::MAX), None);
        assert!(set.remove(7));
        assert_eq!(set.free_count(0, u64::MAX), 1);
        let mut set = NumberSet::<u128>::new();
        set.insert_range(0, u128::MAX);
        assert_eq!(set.count(0, u128::MAX), Count::WHOLE);
        set.remove_range(1, u128::MAX);
        assert_eq!(set.count(0, u128::MAX), 1);
    }
}
