//! 4,096 consecutive numbers as bits, with counts.

/// How many bits of a number a leaf covers.
pub(super) const LEAF_BITS: u32 = 12;
#[cfg(test)]
const LEAF: u32 = 1 << LEAF_BITS;

/// The bits, which words are full, and how many bits are set in every eight words.
///
/// 544 bytes with a base of eight: 1.0625 bit per number.
#[derive(Clone, Debug)]
pub(super) struct Leaf<N> {
    /// The first number.
    pub(super) base: N,
    full: u64,
    blocks: [u16; 8],
    words: [u64; 64],
}

impl<N> Leaf<N> {
    pub(super) const fn new(base: N) -> Self {
        Self {
            base,
            full: 0,
            blocks: [0; 8],
            words: [0; 64],
        }
    }

    pub(super) const fn full(base: N) -> Self {
        Self {
            base,
            full: !0,
            blocks: [512; 8],
            words: [!0; 64],
        }
    }

    #[inline]
    pub(super) fn taken(&self) -> u32 {
        self.blocks.iter().map(|block| u32::from(*block)).sum()
    }

    #[inline]
    pub(super) const fn contains(&self, at: u32) -> bool {
        self.words[word(at)] >> (at & 63) & 1 != 0
    }

    #[inline]
    pub(super) const fn insert(&mut self, at: u32) -> bool {
        if self.contains(at) {
            return false;
        }
        self.put(at);
        true
    }

    #[inline]
    pub(super) const fn remove(&mut self, at: u32) -> bool {
        let (index, bit) = (word(at), 1u64 << (at & 63));
        if self.words[index] & bit == 0 {
            return false;
        }
        self.words[index] &= !bit;
        self.full &= !(1 << index);
        self.blocks[index >> 3] -= 1;
        true
    }

    /// Sets or clears `first..=last`.
    pub(super) fn assign(&mut self, first: u32, last: u32, taken: bool) {
        for index in word(first)..=word(last) {
            let low = if index == word(first) {
                !0 << (first & 63)
            } else {
                !0
            };
            let high = if index == word(last) {
                !0 >> (63 - (last & 63))
            } else {
                !0
            };
            match taken {
                true => self.words[index] |= low & high,
                false => self.words[index] &= !(low & high),
            }
        }
        self.full = 0;
        for (block, words) in self.blocks.iter_mut().zip(self.words.chunks_exact(8)) {
            *block = words.iter().map(|word| word.count_ones() as u16).sum();
        }
        for (index, word) in self.words.iter().enumerate() {
            self.full |= u64::from(*word == !0) << index;
        }
    }

    /// The first free place from `from` on.
    #[inline]
    pub(super) const fn next_free(&self, from: u32) -> Option<u32> {
        let index = word(from);
        let here = !self.words[index] & (!0 << (from & 63));
        if here != 0 {
            return Some((index as u32) << 6 | here.trailing_zeros());
        }
        let open = !self.full & (!1u64 << index);
        if open == 0 {
            return None;
        }
        let index = open.trailing_zeros();
        Some(index << 6 | (!self.words[(index & 63) as usize]).trailing_zeros())
    }

    /// Takes a place that is free.
    #[inline]
    pub(super) const fn put(&mut self, at: u32) {
        let index = word(at);
        let word = self.words[index] | 1 << (at & 63);
        self.words[index] = word;
        if word == !0 {
            self.full |= 1 << index;
        }
        self.blocks[index >> 3] += 1;
    }

    /// The first taken place from `from` on.
    #[inline]
    pub(super) fn next_taken(&self, from: u32) -> Option<u32> {
        let index = word(from);
        let here = self.words[index] & (!0 << (from & 63));
        if here != 0 {
            return Some((index as u32) << 6 | here.trailing_zeros());
        }
        // The rest of the block, then the first word of the next block that has any.
        let block = index >> 3;
        let rest = index + 1..(block + 1) << 3;
        let some = |index: &usize| self.words[*index & 63] != 0;
        let index = rest.into_iter().find(some).or_else(|| {
            let block = (block + 1..8).find(|block| self.blocks[*block & 7] != 0)?;
            (block << 3..(block + 1) << 3).find(some)
        })?;
        Some((index as u32) << 6 | self.words[index & 63].trailing_zeros())
    }

    /// How many places up to and including `at` are taken.
    pub(super) fn rank(&self, at: u32) -> u32 {
        let index = word(at);
        let blocks: u32 = self
            .blocks
            .iter()
            .take(index >> 3)
            .map(|block| u32::from(*block))
            .sum();
        let words: u32 = self.words[index & !7..index]
            .iter()
            .map(|word| word.count_ones())
            .sum();
        blocks + words + (self.words[index] & (!0 >> (63 - (at & 63)))).count_ones()
    }

    /// The `nth` free place, counted from 0; there are more than `nth`.
    pub(super) fn select_free(&self, nth: u32) -> u32 {
        let mut left = nth;
        let mut block = 0;
        while block < 7 {
            let free = 512 - u32::from(self.blocks[block]);
            if left < free {
                break;
            }
            left -= free;
            block += 1;
        }
        let mut index = block * 8;
        while index < block * 8 + 7 {
            let free = self.words[index].count_zeros();
            if left < free {
                break;
            }
            left -= free;
            index += 1;
        }
        (index as u32) << 6 | select(!self.words[index], left)
    }
}

/// Which word a place is in. The mask shows the compiler that it exists.
#[inline]
const fn word(at: u32) -> usize {
    (at >> 6 & 63) as usize
}

/// The position of the `nth` set bit, counted from 0; there are more than `nth`.
fn select(word: u64, nth: u32) -> u32 {
    let (mut word, mut left, mut base) = (word, nth, 0);
    for width in [32, 16, 8] {
        let ones = (word & ((1 << width) - 1)).count_ones();
        if left >= ones {
            left -= ones;
            word >>= width;
            base += width;
        }
    }
    for _ in 0..left {
        word &= word.wrapping_sub(1);
    }
    base + word.trailing_zeros()
}

#[cfg(test)]
mod tests {
    use alloc::{collections::BTreeSet, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_like_a_set(steps in proptest::collection::vec((0u8..4, 0u32..LEAF, 0u32..LEAF), 1..40)) {
            let mut leaf = Leaf::new(0u64);
            let mut model = BTreeSet::new();
            for (kind, a, b) in steps {
                let (first, last) = (a.min(b), a.max(b));
                match kind {
                    0 => prop_assert_eq!(leaf.insert(a), model.insert(a)),
                    1 => prop_assert_eq!(leaf.remove(a), model.remove(&a)),
                    2 => { leaf.assign(first, last, true); model.extend(first..=last); }
                    _ => { leaf.assign(first, last, false); model.retain(|n| !(first..=last).contains(n)); }
                }
                prop_assert_eq!(leaf.taken() as usize, model.len());
                prop_assert_eq!(leaf.contains(b), model.contains(&b));
                prop_assert_eq!(leaf.rank(b) as usize, model.range(..=b).count());
                prop_assert_eq!(leaf.next_taken(b), model.range(b..).next().copied());
                let free: Vec<u32> = (0..LEAF).filter(|n| !model.contains(n)).collect();
                prop_assert_eq!(leaf.next_free(b), free.iter().copied().find(|n| *n >= b));
                if let Some(nth) = (a as usize).checked_rem(free.len()) {
                    prop_assert_eq!(leaf.select_free(nth as u32), free[nth]);
                }
            }
        }
    }
}
