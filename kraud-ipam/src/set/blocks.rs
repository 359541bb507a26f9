//! The free space of a prefix as the fewest prefixes: a buddy scheme over number sets.

use alloc::vec::Vec;
use core::fmt;

use ipnet::IpNet;

use super::level::Level;
use crate::{
    Count,
    family::{Family, bounds, host_mask, number, prefix},
};

/// The free blocks of a prefix.
///
/// No two of them could be one larger block, so equal sets are equal lists. For each length there is a
/// set of the blocks' indices; carving takes one out and puts the halves that are left over back,
/// freeing does the reverse. Blocks that are too small for a request are never looked at.
///
/// ```
/// use kraud_ipam::set::BlockSet;
///
/// let mut free = BlockSet::new("10.0.0.0/8".parse()?);
/// let first = free.first(26).unwrap();
/// assert!(free.take(first));
/// assert_eq!(free.first(8), None);
/// assert_eq!(free.largest(), Some("10.128.0.0/9".parse()?));
/// free.give(first);
/// assert_eq!(free.largest(), Some("10.0.0.0/8".parse()?));
/// # Ok::<(), ipnet::AddrParseError>(())
/// ```
#[derive(Clone)]
pub struct BlockSet {
    space: IpNet,
    base: u128,
    /// By length, counted from that of the space.
    levels: Vec<Level>,
    /// Which levels have a block; the last bit stands for 127 and 128.
    some: u128,
    free: Count,
}

/// Equal when the same blocks of the same space are free.
impl PartialEq for BlockSet {
    fn eq(&self, other: &Self) -> bool {
        self.space == other.space && self.iter().eq(other.iter())
    }
}

impl Eq for BlockSet {}

impl fmt::Debug for BlockSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl BlockSet {
    /// All of a prefix free. Host bits are ignored.
    pub fn new(space: IpNet) -> Self {
        let space = space.trunc();
        let mut blocks = Self {
            space,
            base: bounds(space).0,
            levels: Vec::new(),
            some: 0,
            free: Count::ZERO,
        };
        blocks.add(0, 0);
        blocks.free = Count::of(space);
        blocks
    }

    /// The prefix that it is the free space of.
    pub const fn space(&self) -> IpNet {
        self.space
    }

    /// How many addresses are free.
    pub const fn free_count(&self) -> Count {
        self.free
    }

    /// The first free prefix of a length. O(lengths).
    #[inline]
    pub fn first(&self, len: u8) -> Option<IpNet> {
        let level = self.level(len)?;
        let found = self
            .levels_up_to(level)
            .filter_map(|level| self.levels.get(level)?.first)
            .min()?;
        Some(self.at(found, len))
    }

    /// The first prefix of a length in the smallest free block that has room for it. O(lengths).
    pub fn best(&self, len: u8) -> Option<IpNet> {
        let level = self.level(len)?;
        let found = self
            .levels_up_to(level)
            .last()
            .and_then(|level| self.levels.get(level)?.first)?;
        Some(self.at(found, len))
    }

    /// A prefix of a length as far from what is taken as possible: in an empty space the order is that
    /// of RFC 3531 with the leftmost bit first, 0, 1/2, 1/4, 3/4, 1/8 and so on. O(blocks of the largest
    /// size).
    pub fn sparse(&self, len: u8) -> Option<IpNet> {
        let level = self.level(len)?;
        let largest = self.levels_up_to(level).next()?;
        let mut next = Some(0);
        let blocks = core::iter::from_fn(|| {
            let index = self
                .levels
                .get(largest)?
                .next(next.take()?, self.host_bits(largest))?;
            next = index.checked_add(1);
            Some(index)
        });
        // The mirrored bits of the index count up.
        let found = blocks.min_by_key(|index| index.reverse_bits())?;
        Some(self.at(self.offset(largest, found), len))
    }

    /// The first free prefix of a length that starts at `from` or behind, inside the space. O(lengths).
    pub fn next(&self, from: core::net::IpAddr, len: u8) -> Option<IpNet> {
        let level = self.level(len)?;
        let mask = host_mask(self.family(), len);
        let from = number(from).max(self.base) - self.base;
        // Rounded up to a place where such a prefix can start.
        let from = from.checked_add(mask)? & !mask;
        let found = self.levels_up_to(level).filter_map(|level| {
            let (at, bits) = (self.levels.get(level)?, self.host_bits(level));
            let index = self.index(level, from);
            if at.contains(self.offset(level, index), bits) {
                return Some(from);
            }
            at.next(index.checked_add(1)?, bits)
                .map(|index| self.offset(level, index))
        });
        let found = found
            .min()
            .filter(|found| *found <= bounds(self.space).1 - self.base)?;
        Some(self.at(found, len))
    }

    /// The largest free block, the first of several equally large ones.
    pub fn largest(&self) -> Option<IpNet> {
        let level = self.levels_up_to(128).next()?;
        let first = self.levels.get(level)?.first?;
        Some(self.at(first, self.space.prefix_len() + level as u8))
    }

    /// Whether all of a prefix is free. O(lengths).
    pub fn is_free(&self, prefix: IpNet) -> bool {
        self.covering(prefix).is_some()
    }

    /// The free block that a prefix is, or is part of. O(lengths).
    pub fn covering_block(&self, prefix: IpNet) -> Option<IpNet> {
        let len = self.space.prefix_len() + self.covering(prefix)? as u8;
        Some(crate::family::prefix(self.family(), bounds(prefix).0, len))
    }

    /// Takes the first free prefix of a length. O(lengths).
    ///
    /// ```
    /// let mut free = kraud_ipam::set::BlockSet::new("10.0.0.0/8".parse()?);
    /// assert_eq!(free.take_first(24), Some("10.0.0.0/24".parse()?));
    /// assert_eq!(free.take_first(24), Some("10.0.1.0/24".parse()?));
    /// # Ok::<(), ipnet::AddrParseError>(())
    /// ```
    #[inline]
    pub fn take_first(&mut self, len: u8) -> Option<IpNet> {
        let level = self.level(len)?;
        let firsts = self
            .levels_up_to(level)
            .filter_map(|level| Some((self.levels.get(level)?.first?, level)));
        let (offset, found) = firsts.min()?;
        self.split(found, level, offset);
        Some(self.at(offset, len))
    }

    /// Takes a prefix out. Returns whether it was wholly free; if not, nothing changes.
    #[inline]
    pub fn take(&mut self, prefix: IpNet) -> bool {
        let Some(found) = self.covering(prefix) else {
            return false;
        };
        let Some(level) = self.level(prefix.prefix_len()) else {
            return false;
        };
        self.split(found, level, bounds(prefix).0 - self.base);
        true
    }

    /// Takes the block at an offset out of the block of level `found` around it.
    #[inline]
    fn split(&mut self, found: usize, level: usize, offset: u128) {
        self.remove(found, self.index(found, offset));
        // Of each half the part that is not wanted stays free.
        for half in found + 1..=level {
            self.add(half, self.index(half, offset) ^ 1);
        }
        let mask = self.level_mask(level);
        self.free = self.free.minus(Count::between(0, mask));
    }

    /// Takes whatever is free of a prefix. Returns how many addresses that was.
    pub fn take_all(&mut self, prefix: IpNet) -> Count {
        if Family::of_prefix(prefix) != self.family() {
            return Count::ZERO;
        }
        let wanted = if prefix.contains(&self.space) {
            self.space
        } else {
            prefix
        };
        if self.take(wanted) {
            return Count::of(wanted);
        }
        let before = self.free;
        let inside: Vec<IpNet> = self.blocks_in(wanted).collect();
        for block in inside {
            self.take(block);
        }
        before.minus(self.free)
    }

    /// Gives a prefix back. Returns whether it was taken, wholly; if not, nothing changes.
    pub fn give(&mut self, prefix: IpNet) -> bool {
        let inside = Family::of_prefix(prefix) == self.family() && self.space.contains(&prefix);
        let Some(level) = self
            .level(prefix.prefix_len())
            .filter(|_| inside && prefix.addr() == prefix.network())
        else {
            return false;
        };
        if self.covering(prefix).is_some() || self.blocks_in(prefix).next().is_some() {
            return false;
        }
        let (mut level, mut index) = (level, self.index(level, bounds(prefix).0 - self.base));
        while level > 0 && self.remove(level, index ^ 1) {
            index >>= 1;
            level -= 1;
        }
        self.add(level, index);
        self.free = self.free.plus(Count::of(prefix));
        true
    }

    /// The free blocks, by address.
    pub fn iter(&self) -> impl Iterator<Item = IpNet> + '_ {
        self.blocks_in(self.space)
    }

    /// The free blocks that lie inside a prefix, by address. O(lengths) each.
    pub fn blocks_in(&self, prefix: IpNet) -> impl Iterator<Item = IpNet> + '_ {
        let (first, last) = bounds(prefix);
        let inside = Family::of_prefix(prefix) == self.family() && self.space.contains(&prefix);
        let mut from = inside.then(|| first.saturating_sub(self.base));
        let last = last.saturating_sub(self.base);
        let longest = self.level(prefix.prefix_len()).unwrap_or(0);
        core::iter::from_fn(move || {
            let start = from.take()?;
            let found = self
                .levels_up_to(128)
                .filter(|level| *level >= longest)
                .filter_map(|level| {
                    let size_mask = self.level_mask(level);
                    let index = self.index(level, start.checked_add(size_mask)?);
                    let index = self.levels.get(level)?.next(index, self.host_bits(level))?;
                    Some((self.offset(level, index), level))
                });
            let (offset, level) = found.min().filter(|(offset, _)| *offset <= last)?;
            from = (offset | self.level_mask(level))
                .checked_add(1)
                .filter(|next| *next <= last);
            Some(self.at(offset, self.space.prefix_len() + level as u8))
        })
    }

    fn family(&self) -> Family {
        Family::of_prefix(self.space)
    }

    /// The level of a length, if it can occur.
    fn level(&self, len: u8) -> Option<usize> {
        let level = len
            .checked_sub(self.space.prefix_len())
            .filter(|_| len <= self.space.max_prefix_len())?;
        Some(usize::from(level))
    }

    /// The levels up to this one that have a block, largest blocks first.
    #[inline]
    fn levels_up_to(&self, level: usize) -> impl Iterator<Item = usize> + '_ {
        let mask = if level >= 127 {
            u128::MAX
        } else {
            (2u128 << level) - 1
        };
        let some = self.some & mask;
        let (mut low, mut high) = (some as u64, (some >> 64) as u64);
        let mut last = level >= 128
            && self
                .levels
                .get(128)
                .is_some_and(|level| level.first.is_some());
        core::iter::from_fn(move || {
            if low != 0 {
                let level = low.trailing_zeros() as usize;
                low &= low - 1;
                return Some(level);
            }
            if high != 0 {
                let level = 64 + high.trailing_zeros() as usize;
                high &= high - 1;
                return Some(level);
            }
            core::mem::take(&mut last).then_some(128)
        })
    }

    #[inline]
    fn level_mask(&self, level: usize) -> u128 {
        match self.host_bits(level) {
            128.. => u128::MAX,
            bits => (1 << bits) - 1,
        }
    }

    #[inline]
    fn host_bits(&self, level: usize) -> u32 {
        u32::from(self.space.max_prefix_len() - self.space.prefix_len()) - level as u32
    }

    #[inline]
    fn index(&self, level: usize, offset: u128) -> u128 {
        offset.checked_shr(self.host_bits(level)).unwrap_or(0)
    }

    #[inline]
    fn offset(&self, level: usize, index: u128) -> u128 {
        index.checked_shl(self.host_bits(level)).unwrap_or(0)
    }

    fn at(&self, offset: u128, len: u8) -> IpNet {
        prefix(self.family(), self.base + offset, len)
    }

    /// The level of the free block that covers a prefix.
    fn covering(&self, prefix: IpNet) -> Option<usize> {
        if Family::of_prefix(prefix) != self.family() || !self.space.contains(&prefix) {
            return None;
        }
        let level = self.level(prefix.prefix_len())?;
        let offset = bounds(prefix).0 - self.base;
        self.levels_up_to(level).find(|&level| {
            let start = offset & !self.level_mask(level);
            self.levels
                .get(level)
                .is_some_and(|at| at.contains(start, self.host_bits(level)))
        })
    }

    #[inline]
    fn add(&mut self, level: usize, index: u128) {
        while self.levels.len() <= level {
            if self.levels.is_empty() {
                // A space that nothing was taken from has one level.
                self.levels.reserve_exact(1);
            }
            self.levels.push(Level::new(self.levels.len() > 64));
        }
        let (offset, bits) = (self.offset(level, index), self.host_bits(level));
        if let Some(at) = self.levels.get_mut(level) {
            at.add(offset, bits);
        }
        if level < 128 {
            self.some |= 1 << level;
        }
    }

    #[inline]
    fn remove(&mut self, level: usize, index: u128) -> bool {
        let (offset, bits) = (self.offset(level, index), self.host_bits(level));
        let Some(at) = self.levels.get_mut(level) else {
            return false;
        };
        let removed = at.remove(offset, bits);
        if at.first.is_none() && level < 128 {
            self.some &= !(1 << level);
        }
        removed
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::{family::address, prefixes::cover, ranges::RangeSet};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// Against ranges: the same blocks are free, and each choice is what it says.
        #[test]
        fn behaves_like_ranges(
            v6 in any::<bool>(),
            steps in proptest::collection::vec((0u8..7, 0u8..=8, any::<u8>()), 1..80),
        ) {
            let space: IpNet = if v6 { "fd00::/120" } else { "10.0.0.0/24" }.parse().expect("a literal");
            let family = Family::of_prefix(space);
            let (low, high) = bounds(space);
            let mut set = BlockSet::new(space);
            let mut taken = RangeSet::new();
            for (kind, bits, place) in steps {
                let len = space.prefix_len() + bits;
                let mask = host_mask(family, len);
                let wanted = prefix(family, low + u128::from(place), len);
                let (first, last) = bounds(wanted);
                let blocks: Vec<IpNet> = taken.gaps(low, high).flat_map(|(a, b)| cover(family, a, b)).collect();
                let fits = |net: &&IpNet| net.prefix_len() <= len;
                let head = |net: &IpNet| prefix(family, bounds(*net).0, len);
                match kind {
                    0 | 1 => {
                        let free = taken.overlap(first, last).is_none();
                        prop_assert_eq!(set.take(wanted), free);
                        if free { taken.insert(first, last); }
                    }
                    2 => {
                        let full = taken.count(first, last) == Count::of(wanted);
                        prop_assert_eq!(set.give(wanted), full);
                        if full { taken.remove(first, last); }
                    }
                    3 => {
                        let before = taken.count(first, last);
                        prop_assert_eq!(set.take_all(wanted), Count::of(wanted).minus(before));
                        taken.insert(first, last);
                    }
                    4 => prop_assert_eq!(set.first(len), blocks.iter().find(fits).map(head)),
                    5 => {
                        let longest = blocks.iter().filter(fits).map(IpNet::prefix_len).max();
                        let best = blocks.iter().find(|net| Some(net.prefix_len()) == longest);
                        prop_assert_eq!(set.best(len), best.map(head));
                        let shortest = blocks.iter().filter(fits).map(IpNet::prefix_len).min();
                        let sparse = blocks.iter().filter(|net| Some(net.prefix_len()) == shortest);
                        let sparse = sparse.min_by_key(|net| (bounds(**net).0 - low).reverse_bits());
                        prop_assert_eq!(set.sparse(len), sparse.map(head));
                    }
                    _ => {
                        let from = address(family, low + u128::from(place));
                        let expected = (low + u128::from(place)..=high)
                            .find(|at| at & mask == 0 && taken.overlap(*at, at | mask).is_none());
                        prop_assert_eq!(set.next(from, len), expected.map(|at| prefix(family, at, len)));
                    }
                }
                let blocks: Vec<IpNet> = taken.gaps(low, high).flat_map(|(a, b)| cover(family, a, b)).collect();
                prop_assert_eq!(set.iter().collect::<Vec<_>>(), blocks);
                prop_assert_eq!(set.free_count(), taken.gaps(low, high).fold(Count::ZERO, |n, (a, b)| n.plus(Count::between(a, b))));
            }
        }
    }

    #[test]
    fn the_whole_of_ipv6_and_its_last_address_are_ordinary() {
        let mut set = BlockSet::new("::/0".parse().expect("a literal"));
        assert_eq!(set.free_count(), Count::WHOLE);
        let last: IpNet = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"
            .parse()
            .expect("a literal");
        assert!(set.take(last));
        assert_eq!(set.iter().count(), 128);
        assert_eq!(
            set.best(128),
            Some(
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/128"
                    .parse()
                    .expect("a literal")
            )
        );
        assert_eq!(set.next(last.addr(), 128), None);
        assert!(set.give(last));
        assert_eq!(set.largest(), Some(set.space()));
    }

    #[test]
    fn sparse_goes_through_a_space_as_rfc_3531_does() {
        let mut set = BlockSet::new("10.0.0.0/8".parse().expect("a literal"));
        let order: Vec<u8> = core::iter::from_fn(|| {
            let next = set.sparse(11)?;
            set.take(next);
            Some((number(next.addr()) >> 21) as u8 & 7)
        })
        .collect();
        assert_eq!(
            order,
            [0b000, 0b100, 0b010, 0b110, 0b001, 0b101, 0b011, 0b111]
        );
    }
}
