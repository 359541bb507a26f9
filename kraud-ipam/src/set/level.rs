//! The free blocks of one length.

use super::{NumberSet, number::Number};

/// The first block's offset, and the indices of the others. One block, the usual case, needs no set.
#[derive(Clone)]
pub(super) struct Level {
    pub(super) first: Option<u128>,
    others: Indices,
}

impl Level {
    /// Without a block; `wide` when indices have more than 64 bits.
    pub(super) const fn new(wide: bool) -> Self {
        let others = if wide {
            Indices::Wide(NumberSet::new())
        } else {
            Indices::Narrow(NumberSet::new())
        };
        Self {
            first: None,
            others,
        }
    }

    /// The first block at an index or behind it, as index. `bits` is the logarithm of a block's size.
    pub(super) fn next(&self, from: u128, bits: u32) -> Option<u128> {
        let first = self.first?.checked_shr(bits).unwrap_or(0);
        if from <= first {
            Some(first)
        } else {
            self.others.next(from)
        }
    }

    #[inline]
    pub(super) fn contains(&self, offset: u128, bits: u32) -> bool {
        match self.first {
            Some(first) if first < offset => {
                self.others.contains(offset.checked_shr(bits).unwrap_or(0))
            }
            first => first == Some(offset),
        }
    }

    #[inline]
    pub(super) fn add(&mut self, offset: u128, bits: u32) {
        let other = match self.first {
            Some(first) if first < offset => offset,
            first => {
                self.first = Some(offset);
                match first {
                    Some(first) => first,
                    None => return,
                }
            }
        };
        self.others.insert(other.checked_shr(bits).unwrap_or(0));
    }

    #[inline]
    pub(super) fn remove(&mut self, offset: u128, bits: u32) -> bool {
        match self.first {
            Some(first) if first < offset => {
                self.others.remove(offset.checked_shr(bits).unwrap_or(0))
            }
            Some(first) if first == offset => {
                let next = self.others.next(0);
                if let Some(next) = next {
                    self.others.remove(next);
                }
                self.first = next.map(|next| next.checked_shl(bits).unwrap_or(0));
                true
            }
            _ => false,
        }
    }
}

/// Indices of up to 64 bits take half the room.
#[derive(Clone)]
enum Indices {
    Narrow(NumberSet<u64>),
    Wide(NumberSet<u128>),
}

impl Indices {
    fn insert(&mut self, index: u128) -> bool {
        match self {
            Self::Narrow(set) => set.insert(index as u64),
            Self::Wide(set) => set.insert(index),
        }
    }

    fn remove(&mut self, index: u128) -> bool {
        match self {
            Self::Narrow(set) => set.remove(index as u64),
            Self::Wide(set) => set.remove(index),
        }
    }

    fn contains(&self, index: u128) -> bool {
        match self {
            Self::Narrow(set) => set.contains(index as u64),
            Self::Wide(set) => set.contains(index),
        }
    }

    fn next(&self, from: u128) -> Option<u128> {
        match self {
            Self::Narrow(set) => set
                .next_taken(u64::try_from(from).ok()?, u64::MAX)
                .map(Number::widen),
            Self::Wide(set) => set.next_taken(from, u128::MAX),
        }
    }
}
