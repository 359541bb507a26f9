//! What first-fit pools are compared by, ours and the rivals', and the dice that all are given.

use std::collections::{BTreeSet, HashSet};

use kraud_ipam::set::NumberSet;

/// A small generator, the same for all: splitmix64.
#[derive(Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.roll()) * u128::from(end)) >> 64) as u64
    }
}

/// What is compared: members are taken lowest first, and released one by one.
pub(crate) trait Pool {
    /// Room for `size` numbers, of which the first `live` are taken.
    fn filled(size: u64, live: u64) -> Self;
    /// Takes the lowest free number.
    fn take_first(&mut self) -> u64;
    fn release(&mut self, at: u64);
}

pub(crate) struct Kraud {
    pub(crate) set: NumberSet<u64>,
    last: u64,
}

impl Pool for Kraud {
    fn filled(size: u64, live: u64) -> Self {
        let mut set = NumberSet::new();
        for at in 0..live {
            assert!(set.insert(at));
        }
        Self {
            set,
            last: size - 1,
        }
    }

    #[inline]
    fn take_first(&mut self) -> u64 {
        self.set.take_next(0, self.last).expect("there is room")
    }

    #[inline]
    fn release(&mut self, at: u64) {
        self.set.remove(at);
    }
}

/// The free numbers in a tree.
pub(crate) struct FreeTree(BTreeSet<u32>);

impl Pool for FreeTree {
    fn filled(size: u64, live: u64) -> Self {
        Self((live as u32..size as u32).collect())
    }

    fn take_first(&mut self) -> u64 {
        u64::from(self.0.pop_first().expect("there is room"))
    }

    fn release(&mut self, at: u64) {
        self.0.insert(at as u32);
    }
}

#[cfg(feature = "rivals")]
pub(crate) mod rivals {
    use super::Pool;

    pub(crate) struct Hibitset(hibitset::BitSet);

    impl Pool for Hibitset {
        fn filled(size: u64, live: u64) -> Self {
            let mut free = hibitset::BitSet::with_capacity(size as u32);
            for at in live..size {
                free.add(at as u32);
            }
            Self(free)
        }

        fn take_first(&mut self) -> u64 {
            use hibitset::BitSetLike;
            let at = (&self.0).iter().next().expect("there is room");
            self.0.remove(at);
            u64::from(at)
        }

        fn release(&mut self, at: u64) {
            self.0.add(at as u32);
        }
    }

    pub(crate) struct Roaring(roaring::RoaringBitmap);

    impl Pool for Roaring {
        fn filled(size: u64, live: u64) -> Self {
            Self((live as u32..size as u32).collect())
        }

        fn take_first(&mut self) -> u64 {
            let at = self.0.min().expect("there is room");
            self.0.remove(at);
            u64::from(at)
        }

        fn release(&mut self, at: u64) {
            self.0.insert(at as u32);
        }
    }

    pub(crate) struct RangeSet(range_set_blaze::RangeSetBlaze<u32>);

    impl Pool for RangeSet {
        fn filled(size: u64, live: u64) -> Self {
            Self((live as u32..=size as u32 - 1).collect())
        }

        fn take_first(&mut self) -> u64 {
            u64::from(self.0.pop_first().expect("there is room"))
        }

        fn release(&mut self, at: u64) {
            self.0.insert(at as u32);
        }
    }
}

/// A pool whose free numbers are spread over all of it, and its members.
pub(crate) fn shuffled<P: Pool>(size: u64, live: u64, dice: &mut Dice) -> (P, Vec<u64>) {
    let mut pool = P::filled(size, size - 1);
    let mut members: Vec<u64> = (0..size - 1).collect();
    while members.len() as u64 > live {
        let place = dice.below(members.len() as u64) as usize;
        pool.release(members.swap_remove(place));
    }
    (pool, members)
}

/// No number was given out twice.
pub(crate) fn all_differ(members: &[u64]) {
    let distinct: HashSet<u64> = members.iter().copied().collect();
    assert_eq!(distinct.len(), members.len());
}
