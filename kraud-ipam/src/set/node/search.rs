//! Questions: what is free, what is taken, how many, and which is the n-th.

use super::{Inner, LEAF_BITS, Node, Number, Slot, in_leaf};

impl<N: Number> Node<N> {
    /// The first free number from `from` on, up to the end of the slot.
    #[inline]
    pub(in crate::set) fn next_free(&self, from: N, slot: Slot<N>) -> Option<N> {
        let (mut node, mut from, mut slot) = (self, from, slot);
        // Where to go on if there is nothing further down: a slot with a free number, or the number
        // itself. The deepest is the nearest.
        let mut open: Option<(&Inner<N>, usize)> = None;
        let mut plain: Option<N> = None;
        loop {
            let found = match node {
                Self::Inner(inner) => {
                    if !inner.covers(from) {
                        return Some(from);
                    }
                    let index = from.slot(inner.shift);
                    let others = !inner.full & (!1u64 << index);
                    if others != 0 {
                        open = Some((inner, others.trailing_zeros() as usize & 63));
                        plain = None;
                    } else if let Some(behind) = behind(inner.last(), slot) {
                        open = None;
                        plain = Some(behind);
                    }
                    if inner.full >> index & 1 == 0 {
                        slot = inner.slot(index);
                        node = &inner.slots[index];
                        continue;
                    }
                    None
                }
                Self::Leaf(leaf) => {
                    let Some(place) = in_leaf(leaf.base, from) else {
                        return Some(from);
                    };
                    match leaf.next_free(place) {
                        Some(place) => Some(leaf.base.with(N::truncate(u128::from(place)))),
                        None => behind(leaf.base.with(N::mask(LEAF_BITS)), slot),
                    }
                }
                Self::Empty => return Some(from),
                Self::Full => None,
                Self::List(list) => {
                    let start = list.partition_point(|at| *at < from);
                    // As long as `list[start + n]` is `from + n`, numbers follow on each other.
                    let run = run_length(list.get(start..).unwrap_or_default(), from);
                    let room = slot.last().minus(from).widen();
                    (run as u128 <= room).then(|| from.plus(N::truncate(run as u128)))
                }
            };
            if found.is_some() || plain.is_some() {
                return found.or(plain);
            }
            // That slot has a free number, so there is no coming back here.
            let (inner, index) = open.take()?;
            slot = inner.slot(index);
            from = slot.first;
            node = &inner.slots[index];
        }
    }

    /// The first taken number from `from` on, up to the end of the slot.
    pub(in crate::set) fn next_taken(&self, from: N) -> Option<N> {
        match self {
            Self::Empty => None,
            Self::Full => Some(from),
            Self::List(list) => list.get(list.partition_point(|at| *at < from)).copied(),
            Self::Leaf(leaf) => {
                if from > leaf.base.with(N::mask(LEAF_BITS)) {
                    return None;
                }
                let place = in_leaf(leaf.base, from).unwrap_or(0);
                leaf.next_taken(place)
                    .map(|place| leaf.base.with(N::truncate(u128::from(place))))
            }
            Self::Inner(inner) => {
                if from > inner.last() {
                    return None;
                }
                let from = from.max(inner.base);
                let index = from.slot(inner.shift);
                if inner.some >> index & 1 != 0 {
                    let found = inner.slots[index].next_taken(from);
                    if found.is_some() {
                        return found;
                    }
                }
                let some = inner.some & (!1u64 << index);
                if some == 0 {
                    return None;
                }
                let index = some.trailing_zeros() as usize & 63;
                inner.slots[index].next_taken(inner.slot(index).first)
            }
        }
    }

    /// How many numbers of the slot up to and including `at` are taken; wraps if all there are are.
    pub(in crate::set) fn rank(&self, at: N, slot: Slot<N>) -> N {
        let one = N::power(0);
        match self {
            Self::Empty => N::ZERO,
            Self::Full => at.minus(slot.first).plus(one),
            Self::List(list) => N::truncate(list.partition_point(|other| *other <= at) as u128),
            Self::Leaf(leaf) if at < leaf.base => N::ZERO,
            Self::Leaf(leaf) => N::truncate(u128::from(match in_leaf(leaf.base, at) {
                Some(place) => leaf.rank(place),
                None => leaf.taken(),
            })),
            Self::Inner(inner) if at < inner.base => N::ZERO,
            Self::Inner(inner) => {
                if at > inner.last() {
                    return inner.taken;
                }
                let index = at.slot(inner.shift);
                let before = inner
                    .counts
                    .iter()
                    .take(index)
                    .fold(N::ZERO, |sum, count| sum.plus(*count));
                before.plus(inner.slots[index].rank(at, inner.slot(index)))
            }
        }
    }

    /// The `nth` free number of the slot, counted from 0; the slot has more than `nth`.
    pub(in crate::set) fn select_free(&self, nth: N, slot: Slot<N>) -> N {
        match self {
            Self::Empty | Self::Full => slot.first.plus(nth),
            Self::List(list) => {
                // Before `list[index]` there are `list[index] - first - index` free numbers.
                let (mut low, mut high) = (0, list.len());
                while low < high {
                    let middle = low + (high - low) / 2;
                    let free = list[middle]
                        .minus(slot.first)
                        .minus(N::truncate(middle as u128));
                    if free <= nth {
                        low = middle + 1;
                    } else {
                        high = middle;
                    }
                }
                slot.first.plus(nth).plus(N::truncate(low as u128))
            }
            Self::Leaf(leaf) => {
                let before = leaf.base.minus(slot.first);
                if nth < before {
                    return slot.first.plus(nth);
                }
                let (left, free) = (nth.minus(before), (1 << LEAF_BITS) - leaf.taken());
                match left.widen() {
                    left if left < u128::from(free) => leaf
                        .base
                        .with(N::truncate(u128::from(leaf.select_free(left as u32)))),
                    _ => slot
                        .first
                        .plus(nth)
                        .plus(N::truncate(u128::from(leaf.taken()))),
                }
            }
            Self::Inner(inner) => {
                let before = inner.base.minus(slot.first);
                if nth < before {
                    return slot.first.plus(nth);
                }
                let mut left = nth.minus(before);
                let size = N::power(inner.shift);
                let valid = if N::BITS - inner.shift >= 6 {
                    64
                } else {
                    1 << (N::BITS - inner.shift)
                };
                for (index, count) in inner.counts.iter().enumerate().take(valid) {
                    let free = size.minus(*count);
                    if left < free {
                        return inner.slots[index].select_free(left, inner.slot(index));
                    }
                    left = left.minus(free);
                }
                inner.last().plus(N::power(0)).plus(left)
            }
        }
    }
}

/// The number behind `last`, if the slot goes on.
fn behind<N: Number>(last: N, slot: Slot<N>) -> Option<N> {
    (last < slot.last()).then(|| last.plus(N::power(0)))
}

/// How many of the first numbers of a sorted list are `from`, `from + 1` and so on.
fn run_length<N: Number>(list: &[N], from: N) -> usize {
    if list.first() != Some(&from) {
        return 0;
    }
    let (mut low, mut high) = (1, list.len());
    while low < high {
        let middle = low + (high - low) / 2;
        if list[middle].minus(from).widen() == middle as u128 {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}
