//! The tree: nodes of 64 slots, and what can be in a slot.

use alloc::{boxed::Box, vec::Vec};

use super::{
    leaf::{LEAF_BITS, Leaf},
    number::Number,
};

mod ranges;
mod search;

/// A short list that spans no more than a leaf becomes one when it is longer than this.
const DENSE: usize = 32;
/// A list that is longer than this is divided among the slots of an inner node.
const LONG: usize = 512;
/// An inner node with no more numbers than this becomes a list.
const SHORT: u128 = 64;
/// A leaf with no more numbers than this becomes a list.
const THIN: u32 = 8;

/// What is known of the numbers of one slot. Whatever is not said to be taken is free.
#[derive(Clone, Debug)]
pub(in crate::set) enum Node<N> {
    Empty,
    /// All of the slot is taken.
    Full,
    /// A few numbers, sorted.
    List(Vec<N>),
    /// 4,096 numbers somewhere in the slot; the others are free.
    Leaf(Box<Leaf<N>>),
    /// 64 slots somewhere in the slot; what is outside of them is free.
    Inner(Box<Inner<N>>),
}

/// 64 slots of `2^shift` numbers each, from `base` on.
#[derive(Clone, Debug)]
pub(in crate::set) struct Inner<N> {
    base: N,
    shift: u32,
    /// How far the last number is from the first: all bits below `shift + 6`.
    reach: N,
    /// Slots without a free number; also those that would lie behind the last number.
    full: u64,
    /// Slots with a taken number.
    some: u64,
    /// Wraps to zero when all numbers there are are taken; the node becomes `Full` then.
    taken: N,
    counts: [N; 64],
    slots: [Node<N>; 64],
}

/// The slot that a node sits in: its first number and the logarithm of its size.
#[derive(Clone, Copy, Debug)]
pub(in crate::set) struct Slot<N> {
    pub(in crate::set) first: N,
    pub(in crate::set) bits: u32,
}

impl<N: Number> Slot<N> {
    pub(in crate::set) const ROOT: Self = Self {
        first: N::ZERO,
        bits: N::BITS,
    };

    fn last(self) -> N {
        self.first.with(N::mask(self.bits))
    }
}

/// The shift of the smallest inner node that has room for numbers that differ in `differing`.
fn level<N: Number>(differing: N) -> u32 {
    // 12, 18, 24 and so on, so that `shift + 6` is at least the width.
    let above = differing.width().saturating_sub(LEAF_BITS + 1);
    LEAF_BITS + above / 6 * 6
}

impl<N: Number> Inner<N> {
    /// An empty node that covers `at`.
    fn new(at: N, shift: u32) -> Box<Self> {
        let valid_bits = N::BITS - shift;
        let full = if valid_bits >= 6 {
            0
        } else {
            !0u64 << (1u32 << valid_bits)
        };
        Box::new(Self {
            base: at.without(N::mask(shift + 6)),
            shift,
            reach: N::mask(shift + 6),
            full,
            some: 0,
            taken: N::ZERO,
            counts: [N::ZERO; 64],
            slots: [const { Node::Empty }; 64],
        })
    }

    #[inline]
    fn covers(&self, at: N) -> bool {
        self.base.differing(at) <= self.reach
    }

    #[inline]
    fn slot(&self, index: usize) -> Slot<N> {
        let first = self.base.plus(N::from_slot(index, self.shift));
        Slot {
            first,
            bits: self.shift,
        }
    }

    fn last(&self) -> N {
        self.base.with(self.reach)
    }

    /// Takes note of what has become of a slot.
    fn recount(&mut self, index: usize) {
        let size = N::power(self.shift);
        let count = self.slots[index].taken().unwrap_or(size);
        self.taken = self.taken.minus(self.counts[index]).plus(count);
        self.counts[index] = count;
        let bit = 1u64 << index;
        self.full = if count == size {
            self.full | bit
        } else {
            self.full & !bit
        };
        self.some = if count == N::ZERO {
            self.some & !bit
        } else {
            self.some | bit
        };
    }

    /// One number more in a slot. Returns whether there is no free one in any slot now.
    #[inline]
    fn raise(&mut self, index: usize) -> bool {
        let count = self.counts[index].plus(N::power(0));
        self.counts[index] = count;
        self.taken = self.taken.plus(N::power(0));
        self.some |= 1 << index;
        if count == N::from_slot(1, self.shift) {
            self.full |= 1 << index;
            return self.full == !0;
        }
        false
    }

    /// One number less in a slot. Returns how many are left there.
    #[inline]
    fn lower(&mut self, index: usize) -> N {
        let count = self.counts[index].minus(N::power(0));
        self.counts[index] = count;
        self.taken = self.taken.minus(N::power(0));
        self.full &= !(1 << index);
        if count == N::ZERO {
            self.some &= !(1 << index);
        }
        count
    }

    fn put(&mut self, node: Node<N>, at: N) {
        let index = at.slot(self.shift);
        self.slots[index] = node;
        self.recount(index);
    }
}

impl<N: Number> Node<N> {
    /// How many numbers there are; `None` if all of the slot are.
    pub(in crate::set) fn taken(&self) -> Option<N> {
        match self {
            Self::Empty => Some(N::ZERO),
            Self::Full => None,
            Self::List(list) => Some(N::truncate(list.len() as u128)),
            Self::Leaf(leaf) => Some(N::truncate(u128::from(leaf.taken()))),
            Self::Inner(inner) => Some(inner.taken),
        }
    }

    /// Where a leaf or an inner node begins.
    fn base(&self) -> Option<N> {
        match self {
            Self::Leaf(leaf) => Some(leaf.base),
            Self::Inner(inner) => Some(inner.base),
            _ => None,
        }
    }

    #[inline]
    pub(in crate::set) fn contains(&self, at: N) -> bool {
        let mut node = self;
        loop {
            match node {
                Self::Empty => return false,
                Self::Full => return true,
                Self::List(list) => return list.binary_search(&at).is_ok(),
                Self::Leaf(leaf) => {
                    return in_leaf(leaf.base, at).is_some_and(|place| leaf.contains(place));
                }
                Self::Inner(inner) => {
                    if !inner.covers(at) {
                        return false;
                    }
                    node = &inner.slots[at.slot(inner.shift)];
                }
            }
        }
    }

    /// Takes one number. Returns whether it was free.
    ///
    /// Counts are raised on the way down, and lowered again if the number turns out to be taken.
    #[inline]
    pub(in crate::set) fn insert(&mut self, at: N) -> bool {
        let mut node = &mut *self;
        let (mut depth, mut filled) = (0u32, false);
        while let Self::Inner(inner) = node {
            let index = at.slot(inner.shift);
            if !inner.covers(at) || inner.full >> index & 1 != 0 {
                return self.insert_otherwise(at, depth);
            }
            filled |= inner.raise(index);
            depth += 1;
            node = &mut inner.slots[index];
        }
        let free = match node {
            Self::Leaf(leaf) => match in_leaf(leaf.base, at) {
                Some(place) => leaf.insert(place),
                None => return self.insert_otherwise(at, depth),
            },
            _ => node.insert_plainly(at),
        };
        if !free {
            self.lower(at, depth);
        } else if filled {
            self.check_full();
        }
        free
    }

    /// The rest of [`insert`](Self::insert) where an inner node has no free number in the slot, or a node
    /// further down does not cover the number. `depth` counts were raised.
    #[cold]
    #[inline(never)]
    fn insert_otherwise(&mut self, at: N, depth: u32) -> bool {
        let mut node = &mut *self;
        for _ in 0..depth {
            let Self::Inner(inner) = node else {
                return false;
            };
            node = &mut inner.slots[at.slot(inner.shift)];
        }
        // Where the number is taken, nothing is widened and nothing changes below.
        node.widen(at, at);
        let free = match node {
            Self::Inner(inner) => {
                let index = at.slot(inner.shift);
                let free = inner.full >> index & 1 == 0 && inner.slots[index].insert(at);
                if free {
                    inner.raise(index);
                }
                free
            }
            Self::Leaf(leaf) => in_leaf(leaf.base, at).is_some_and(|place| leaf.insert(place)),
            _ => node.insert_plainly(at),
        };
        if free {
            self.check_full();
        } else {
            self.lower(at, depth);
        }
        free
    }

    /// Takes a number of a slot that has neither a leaf nor an inner node.
    #[inline(never)]
    fn insert_plainly(&mut self, at: N) -> bool {
        match self {
            Self::Empty => {
                *self = Self::List(alloc::vec![at]);
                true
            }
            Self::List(list) => {
                let Err(place) = list.binary_search(&at) else {
                    return false;
                };
                if list.len() == list.capacity() {
                    // Grows by an eighth: lists are what most of a sparse set consists of.
                    list.reserve_exact((list.len() / 8).max(4));
                }
                list.insert(place, at);
                if list.len() > DENSE {
                    self.unlist();
                }
                true
            }
            _ => false,
        }
    }

    /// Takes the first free number from `from` to `last`, where one way down leads to it; `None` says
    /// nothing: look for it then.
    #[inline]
    pub(in crate::set) fn take_next(&mut self, from: N, last: N) -> Option<N> {
        let (mut node, mut from) = (&mut *self, from);
        let (mut depth, mut filled) = (0u32, false);
        while let Self::Inner(inner) = node {
            let here = from.slot(inner.shift);
            let open = !inner.full & (!0u64 << here);
            if open == 0 || !inner.covers(from) {
                self.lower(from, depth);
                return None;
            }
            let index = open.trailing_zeros() as usize & 63;
            if index != here {
                from = inner.base.plus(N::from_slot(index, inner.shift));
            }
            filled |= inner.raise(index);
            depth += 1;
            node = &mut inner.slots[index];
        }
        if let Self::Leaf(leaf) = node {
            // A leaf that is looked at from its middle may have no free number behind.
            let found = in_leaf(leaf.base, from).and_then(|place| leaf.next_free(place));
            let at = found.map(|place| leaf.base.with(N::truncate(u128::from(place))));
            if let (Some(place), Some(at)) = (found, at.filter(|at| *at <= last)) {
                leaf.put(place);
                if filled {
                    self.check_full();
                }
                return Some(at);
            }
        }
        self.lower(from, depth);
        None
    }

    /// Lowers the counts of the uppermost `depth` nodes on the way to a number.
    #[cold]
    #[inline(never)]
    fn lower(&mut self, at: N, depth: u32) {
        let mut node = self;
        for _ in 0..depth {
            let Self::Inner(inner) = node else { return };
            let index = at.slot(inner.shift);
            inner.lower(index);
            node = &mut inner.slots[index];
        }
    }

    /// Frees one number. Returns whether it was taken.
    ///
    /// Counts are lowered on the way down, and raised again if the number turns out to be free.
    #[inline]
    pub(in crate::set) fn remove(&mut self, at: N, slot: Slot<N>) -> bool {
        let mut node = &mut *self;
        let (mut depth, mut bits) = (0u32, slot.bits);
        // How many are left in the slot that the node is in, where that is known.
        let mut left = N::MAX;
        // Whether a node has so few numbers left that it should become something smaller.
        let mut thin = false;
        while let Self::Inner(inner) = node {
            let index = at.slot(inner.shift);
            if !inner.covers(at) || inner.some >> index & 1 == 0 {
                self.raise(at, depth);
                return false;
            }
            left = inner.lower(index);
            thin |= left == N::ZERO || inner.taken <= N::truncate(SHORT);
            depth += 1;
            bits = inner.shift;
            node = &mut inner.slots[index];
        }
        let taken = if let Self::Leaf(leaf) = node {
            thin |= left <= N::truncate(u128::from(THIN)) || depth == 0 && leaf.taken() <= THIN + 1;
            in_leaf(leaf.base, at).is_some_and(|place| leaf.remove(place))
        } else {
            node.remove_plainly(at, bits)
        };
        if !taken {
            self.raise(at, depth);
        } else if thin {
            self.slim(at);
        }
        taken
    }

    /// Frees a number of a slot, of `2^bits` numbers, that has neither a leaf nor an inner node.
    #[inline(never)]
    fn remove_plainly(&mut self, at: N, bits: u32) -> bool {
        match self {
            Self::Full => {
                let first = at.without(N::mask(bits));
                self.materialise(Slot { first, bits });
                self.remove(at, Slot { first, bits })
            }
            Self::List(list) => {
                let Ok(place) = list.binary_search(&at) else {
                    return false;
                };
                list.remove(place);
                if list.is_empty() {
                    *self = Self::Empty;
                } else if list.len() < list.capacity() / 2 {
                    list.shrink_to(list.len() + list.len() / 8);
                }
                true
            }
            _ => false,
        }
    }

    /// Raises the counts of the uppermost `depth` nodes on the way to a number.
    #[cold]
    #[inline(never)]
    fn raise(&mut self, at: N, depth: u32) {
        let mut node = self;
        for _ in 0..depth {
            let Self::Inner(inner) = node else { return };
            let index = at.slot(inner.shift);
            inner.raise(index);
            node = &mut inner.slots[index];
        }
    }

    /// Makes the nodes on the way to a number smaller where they have become nearly empty.
    #[cold]
    #[inline(never)]
    fn slim(&mut self, at: N) {
        match self {
            Self::Inner(inner) if inner.covers(at) => {
                let index = at.slot(inner.shift);
                inner.slots[index].slim(at);
                if inner.counts[index] == N::ZERO {
                    inner.slots[index] = Self::Empty;
                }
                self.narrow();
            }
            Self::Leaf(leaf) if leaf.taken() <= THIN => self.list(),
            _ => {}
        }
    }

    /// Turns an inner node without a free number into `Full` where its count would not fit.
    ///
    /// Smaller ones stay as they are: they would have to be made anew by the next release.
    #[cold]
    #[inline(never)]
    fn check_full(&mut self) {
        if let Self::Inner(inner) = self {
            if inner.full == !0 && inner.shift + 6 >= N::BITS {
                *self = Self::Full;
            }
        }
    }

    /// Divides a list that has become too long.
    fn unlist(&mut self) {
        let Self::List(list) = self else { return };
        let (Some(&first), Some(&last)) = (list.first(), list.last()) else {
            return;
        };
        let leaf = first.differing(last).width() <= LEAF_BITS;
        if leaf || list.len() > LONG {
            self.contain(first, last);
        }
    }

    /// Turns a list, or nothing, into a leaf or an inner node that covers it and `first..=last`.
    fn contain(&mut self, first: N, last: N) {
        let list = match core::mem::replace(self, Self::Empty) {
            Self::List(list) => list,
            _ => Vec::new(),
        };
        let low = list.first().map_or(first, |at| first.min(*at));
        let high = list.last().map_or(last, |at| last.max(*at));
        let differing = low.differing(high);
        *self = if differing.width() <= LEAF_BITS {
            Self::Leaf(Box::new(Leaf::new(low.without(N::mask(LEAF_BITS)))))
        } else {
            Self::Inner(Inner::new(low, level(differing)))
        };
        if let Self::Inner(inner) = self {
            // All that go into one slot at once, so that each list is made in its final size.
            let mut rest = list.as_slice();
            while let Some(&at) = rest.first() {
                let slot = inner.slot(at.slot(inner.shift));
                let (here, others) =
                    rest.split_at(rest.partition_point(|other| *other <= slot.last()));
                let mut node = Self::List(here.to_vec());
                if here.len() > DENSE {
                    node.unlist();
                }
                inner.put(node, at);
                rest = others;
            }
        } else {
            for at in list {
                self.insert(at);
            }
        }
    }

    /// Makes sure that a leaf or an inner node covers `first..=last` beside what it has.
    fn widen(&mut self, first: N, last: N) {
        let Some(base) = self.base() else { return };
        let differing = base.differing(first).with(base.differing(last));
        let covered = match self {
            Self::Inner(inner) => inner.shift + 6,
            _ => LEAF_BITS,
        };
        if differing.width() <= covered {
            return;
        }
        let mut inner = Inner::new(base, level(differing));
        inner.put(core::mem::replace(self, Self::Empty), base);
        *self = Self::Inner(inner);
    }

    /// Turns a leaf, or an inner node, into a list.
    fn list(&mut self) {
        let mut list = Vec::new();
        let mut from = N::ZERO;
        while let Some(at) = self.next_taken(from) {
            list.push(at);
            if at == N::MAX {
                break;
            }
            from = at.plus(N::power(0));
        }
        *self = if list.is_empty() {
            Self::Empty
        } else {
            Self::List(list)
        };
    }

    /// Makes an inner node smaller if it has become nearly empty.
    fn narrow(&mut self) {
        let Self::Inner(inner) = self else { return };
        if inner.full == !0 && inner.taken == N::ZERO {
            *self = Self::Full;
        } else if inner.taken.widen() <= SHORT {
            self.list();
        } else if inner.some.is_power_of_two() {
            let index = inner.some.trailing_zeros() as usize & 63;
            if matches!(inner.slots[index], Self::Leaf(_) | Self::Inner(_)) {
                let only = core::mem::replace(&mut inner.slots[index], Self::Empty);
                *self = only;
            }
        }
    }

    /// Turns `Full` into slots, all of them full.
    #[inline(never)]
    fn materialise(&mut self, slot: Slot<N>) {
        if slot.bits <= LEAF_BITS {
            *self = Self::Leaf(Box::new(Leaf::full(slot.first)));
            return;
        }
        let mut inner = Inner::new(slot.first, level(N::mask(slot.bits)));
        for index in 0..64 {
            if inner.full >> index & 1 == 0 {
                inner.slots[index] = Self::Full;
                inner.recount(index);
            }
        }
        *self = Self::Inner(inner);
    }
}

/// Where in a leaf a number is.
#[inline]
fn in_leaf<N: Number>(base: N, at: N) -> Option<u32> {
    let place = base.differing(at);
    place.fits(LEAF_BITS - 6).then(|| place.widen() as u32)
}

fn place<N: Number>(base: N, at: N) -> u32 {
    at.minus(base).widen() as u32 & ((1 << LEAF_BITS) - 1)
}
