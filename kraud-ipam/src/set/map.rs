//! Numbers with values: an ordered map as a tree of nodes with 64 slots.

use alloc::{boxed::Box, vec::Vec};

use super::number::Number;

/// A list that is longer than this is divided among the slots of an inner node.
const LONG: usize = 16;
/// An inner node with no more entries than this becomes a list.
const SHORT: usize = 8;

/// A map from numbers to small values, in order.
///
/// Nodes with one slot in use are left out (path compression), and a few entries are a sorted list. So
/// dense and scattered numbers take about the same room, and every call takes at most one step per six
/// bits and sixteen entries moved, without the occasional long one of a hash table that grows.
#[derive(Clone, Debug)]
pub(crate) struct NumberMap<N: Number, V> {
    root: Node<N, V>,
}

/// What is in a slot.
#[derive(Clone, Debug)]
enum Node<N, V> {
    Empty,
    One(N, V),
    /// Two or more, sorted.
    List(Vec<(N, V)>),
    Inner(Box<Inner<N, V>>),
}

/// 64 slots of `2^shift` numbers each, from `base` on.
#[derive(Clone, Debug)]
struct Inner<N, V> {
    base: N,
    shift: u32,
    /// Slots that are not empty.
    some: u64,
    /// How many entries there are below.
    len: usize,
    slots: [Node<N, V>; 64],
}

impl<N: Number, V> NumberMap<N, V> {
    pub(crate) const fn new() -> Self {
        Self { root: Node::Empty }
    }

    pub(crate) fn get(&self, at: N) -> Option<&V> {
        let mut node = &self.root;
        loop {
            match node {
                Node::Empty => return None,
                Node::One(key, value) => return (*key == at).then_some(value),
                Node::List(list) => {
                    let place = list.binary_search_by_key(&at, |(key, _)| *key).ok()?;
                    return list.get(place).map(|(_, value)| value);
                }
                Node::Inner(inner) => {
                    if !inner.covers(at) {
                        return None;
                    }
                    node = &inner.slots[at.slot(inner.shift)];
                }
            }
        }
    }

    pub(crate) fn get_mut(&mut self, at: N) -> Option<&mut V> {
        let mut node = &mut self.root;
        loop {
            match node {
                Node::Empty => return None,
                Node::One(key, value) => return (*key == at).then_some(value),
                Node::List(list) => {
                    let place = list.binary_search_by_key(&at, |(key, _)| *key).ok()?;
                    return list.get_mut(place).map(|(_, value)| value);
                }
                Node::Inner(inner) => {
                    if !inner.covers(at) {
                        return None;
                    }
                    node = &mut inner.slots[at.slot(inner.shift)];
                }
            }
        }
    }

    /// Sets the value of a number. Returns the value it had.
    pub(crate) fn insert(&mut self, at: N, value: V) -> Option<V> {
        self.root.insert(at, value)
    }

    pub(crate) fn remove(&mut self, at: N) -> Option<V> {
        self.root.remove(at)
    }

    /// The entry with the largest number up to and including this one.
    pub(crate) fn at_or_before(&self, at: N) -> Option<(N, &V)> {
        self.root.at_or_before(at)
    }

    /// The entry with the smallest number from this one on.
    pub(crate) fn at_or_after(&self, at: N) -> Option<(N, &V)> {
        self.root.at_or_after(at)
    }

    /// The entries of `first..=last`, by number.
    pub(crate) fn range(&self, first: N, last: N) -> impl Iterator<Item = (N, &V)> + '_ {
        let mut next = (first <= last).then_some(first);
        core::iter::from_fn(move || {
            let (key, value) = self
                .at_or_after(next.take()?)
                .filter(|(key, _)| *key <= last)?;
            next = (key < last).then(|| key.plus(N::power(0)));
            Some((key, value))
        })
    }
}

/// The shift of the smallest inner node that has room for numbers that differ in `differing`.
fn level<N: Number>(differing: N) -> u32 {
    differing.width().saturating_sub(1) / 6 * 6
}

impl<N: Number, V> Inner<N, V> {
    fn new(at: N, shift: u32) -> Self {
        Self {
            base: at.without(N::mask(shift + 6)),
            shift,
            some: 0,
            len: 0,
            slots: [const { Node::Empty }; 64],
        }
    }

    #[inline]
    fn covers(&self, at: N) -> bool {
        self.base.differing(at).fits(self.shift)
    }

    fn last(&self) -> N {
        self.base.with(N::mask(self.shift + 6))
    }

    fn insert(&mut self, at: N, value: V) -> Option<V> {
        let index = at.slot(self.shift);
        let before = self.slots[index].insert(at, value);
        self.some |= 1 << index;
        self.len += usize::from(before.is_none());
        before
    }
}

impl<N: Number, V> Node<N, V> {
    fn insert(&mut self, at: N, value: V) -> Option<V> {
        if let Self::Inner(inner) = self {
            if inner.covers(at) {
                return inner.insert(at, value);
            }
            // A larger node, with this one in one of its slots.
            let mut wide = Inner::new(inner.base, level(inner.base.differing(at)));
            let (index, len) = (inner.base.slot(wide.shift), inner.len);
            wide.slots[index] = core::mem::replace(self, Self::Empty);
            wide.some = 1 << index;
            wide.len = len;
            wide.insert(at, value);
            *self = Self::Inner(Box::new(wide));
            return None;
        }
        match core::mem::replace(self, Self::Empty) {
            Self::One(key, before) if key == at => {
                *self = Self::One(at, value);
                return Some(before);
            }
            Self::One(key, other) => {
                let mut list = Vec::with_capacity(2);
                list.push((key, other));
                list.insert(usize::from(key < at), (at, value));
                *self = Self::List(list);
            }
            Self::List(mut list) => match list.binary_search_by_key(&at, |(key, _)| *key) {
                Ok(place) => {
                    let before = core::mem::replace(&mut list[place].1, value);
                    *self = Self::List(list);
                    return Some(before);
                }
                Err(place) => {
                    if list.len() == list.capacity() {
                        list.reserve_exact(2);
                    }
                    list.insert(place, (at, value));
                    *self = Self::of(list);
                }
            },
            _ => *self = Self::One(at, value),
        }
        None
    }

    /// A sorted list as the node that suits it.
    fn of(mut list: Vec<(N, V)>) -> Self {
        match (list.first().map(|one| one.0), list.last().map(|one| one.0)) {
            (Some(first), Some(last)) if list.len() > LONG => {
                let mut inner = Inner::new(first, level(first.differing(last)));
                for (key, value) in list {
                    inner.insert(key, value);
                }
                Self::Inner(Box::new(inner))
            }
            (Some(first), Some(last)) if first == last => match list.pop() {
                Some((key, value)) => Self::One(key, value),
                None => Self::Empty,
            },
            (None, _) => Self::Empty,
            _ => Self::List(list),
        }
    }

    fn remove(&mut self, at: N) -> Option<V> {
        match self {
            Self::Empty => None,
            Self::One(key, _) if *key != at => None,
            Self::One(..) => match core::mem::replace(self, Self::Empty) {
                Self::One(_, value) => Some(value),
                _ => None,
            },
            Self::List(list) => {
                let place = list.binary_search_by_key(&at, |(key, _)| *key).ok()?;
                let (_, value) = list.remove(place);
                *self = Self::of(core::mem::take(list));
                Some(value)
            }
            Self::Inner(inner) => {
                if !inner.covers(at) {
                    return None;
                }
                let index = at.slot(inner.shift);
                let value = inner.slots[index].remove(at)?;
                inner.len -= 1;
                if matches!(inner.slots[index], Self::Empty) {
                    inner.some &= !(1 << index);
                }
                if inner.len <= SHORT {
                    let mut list = Vec::with_capacity(inner.len);
                    inner
                        .slots
                        .iter_mut()
                        .for_each(|slot| slot.drain(&mut list));
                    *self = Self::of(list);
                } else if inner.some.is_power_of_two() {
                    let only = inner.some.trailing_zeros() as usize & 63;
                    *self = core::mem::replace(&mut inner.slots[only], Self::Empty);
                }
                Some(value)
            }
        }
    }

    /// Moves all entries to the end of a list, in order.
    fn drain(&mut self, list: &mut Vec<(N, V)>) {
        match core::mem::replace(self, Self::Empty) {
            Self::Empty => {}
            Self::One(key, value) => list.push((key, value)),
            Self::List(more) => list.extend(more),
            Self::Inner(mut inner) => inner.slots.iter_mut().for_each(|slot| slot.drain(list)),
        }
    }

    fn at_or_before(&self, at: N) -> Option<(N, &V)> {
        match self {
            Self::Empty => None,
            Self::One(key, value) => (*key <= at).then_some((*key, value)),
            Self::List(list) => {
                let end = list.partition_point(|(key, _)| *key <= at);
                let (key, value) = list.get(end.checked_sub(1)?)?;
                Some((*key, value))
            }
            Self::Inner(inner) => {
                if at < inner.base {
                    return None;
                }
                let at = at.min(inner.last());
                let index = at.slot(inner.shift);
                let found = inner.slots[index].at_or_before(at);
                if found.is_some() {
                    return found;
                }
                let below = inner.some & ((1 << index) - 1);
                let index = below.checked_ilog2()? as usize & 63;
                inner.slots[index].at_or_before(N::MAX)
            }
        }
    }

    fn at_or_after(&self, at: N) -> Option<(N, &V)> {
        match self {
            Self::Empty => None,
            Self::One(key, value) => (*key >= at).then_some((*key, value)),
            Self::List(list) => {
                let (key, value) = list.get(list.partition_point(|(key, _)| *key < at))?;
                Some((*key, value))
            }
            Self::Inner(inner) => {
                if at > inner.last() {
                    return None;
                }
                let at = at.max(inner.base);
                let index = at.slot(inner.shift);
                let found = inner.slots[index].at_or_after(at);
                if found.is_some() {
                    return found;
                }
                let above = inner.some & (!1 << index);
                if above == 0 {
                    return None;
                }
                let index = above.trailing_zeros() as usize & 63;
                inner.slots[index].at_or_after(N::ZERO)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{collections::BTreeMap, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    /// Numbers in few far places: dense, in steps, and scattered.
    fn any_number() -> impl Strategy<Value = u128> {
        prop_oneof![
            0u128..200,
            (0u128..200).prop_map(|n| (1 << 40) + (n << 6)),
            (0u128..200).prop_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)),
            (0u128..40).prop_map(|n| u128::MAX - n),
        ]
    }

    fn check<N: Number>(steps: &[(u8, u128)]) {
        let (mut map, mut model) = (NumberMap::<N, usize>::new(), BTreeMap::new());
        for (turn, &(kind, at)) in steps.iter().enumerate() {
            let at = N::truncate(at);
            if kind < 3 {
                assert_eq!(map.insert(at, turn), model.insert(at, turn));
            } else {
                assert_eq!(map.remove(at), model.remove(&at));
            }
            assert_eq!(map.get(at), model.get(&at));
            assert_eq!(map.get_mut(at), model.get_mut(&at));
            for near in [at.minus(N::power(0)), at, at.plus(N::power(0))] {
                let before = model.range(..=near).next_back();
                assert_eq!(
                    map.at_or_before(near),
                    before.map(|(key, value)| (*key, value))
                );
                let after = model.range(near..).next();
                assert_eq!(
                    map.at_or_after(near),
                    after.map(|(key, value)| (*key, value))
                );
            }
        }
        let all: Vec<_> = map
            .range(N::ZERO, N::MAX)
            .map(|(key, value)| (key, *value))
            .collect();
        assert_eq!(all, model.clone().into_iter().collect::<Vec<_>>());
        for (key, value) in model {
            assert_eq!(map.remove(key), Some(value));
        }
        assert!(matches!(map.root, Node::Empty));
    }

    proptest! {
        #[test]
        fn behaves_like_a_tree_map(steps in proptest::collection::vec((0u8..5, any_number()), 1..300)) {
            check::<u64>(&steps);
            check::<u128>(&steps);
        }
    }
}
