//! Values under numbers that never change while they live.

use alloc::vec::Vec;

/// How many values a piece of memory has room for.
const CHUNK: usize = 64;

/// Values in pieces of memory that do not move when more are needed.
#[derive(Clone, Debug)]
pub(crate) struct Arena<T> {
    chunks: Vec<Vec<Slot<T>>>,
    /// The slot that was freed last.
    free: Option<usize>,
}

#[derive(Clone, Debug)]
enum Slot<T> {
    /// And the slot that was freed before it.
    Free(Option<usize>),
    Taken(T),
}

impl<T> Arena<T> {
    pub(crate) const fn new() -> Self {
        Self {
            chunks: Vec::new(),
            free: None,
        }
    }

    pub(crate) fn get(&self, at: usize) -> Option<&T> {
        match self.chunks.get(at / CHUNK)?.get(at % CHUNK)? {
            Slot::Taken(value) => Some(value),
            Slot::Free(_) => None,
        }
    }

    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        match self.slot(at)? {
            Slot::Taken(value) => Some(value),
            Slot::Free(_) => None,
        }
    }

    /// Takes a value in. O(1); no other value moves, but for those of a first, half-grown piece.
    pub(crate) fn insert(&mut self, value: T) -> usize {
        let free = self.free;
        if let Some((at, slot)) = free.and_then(|at| Some((at, self.slot(at)?))) {
            if let Slot::Free(next) = *slot {
                *slot = Slot::Taken(value);
                self.free = next;
                return at;
            }
        }
        match self.chunks.last_mut().filter(|chunk| chunk.len() < CHUNK) {
            Some(chunk) => chunk.push(Slot::Taken(value)),
            None => self.chunks.push(alloc::vec![Slot::Taken(value)]),
        }
        let last = self.chunks.last().map_or(0, Vec::len);
        (self.chunks.len() - 1) * CHUNK + last - 1
    }

    pub(crate) fn remove(&mut self, at: usize) -> Option<T> {
        let before = self.free;
        let slot = self.slot(at)?;
        if matches!(slot, Slot::Free(_)) {
            return None;
        }
        let taken = core::mem::replace(slot, Slot::Free(before));
        self.free = Some(at);
        match taken {
            Slot::Taken(value) => Some(value),
            Slot::Free(_) => None,
        }
    }

    fn slot(&mut self, at: usize) -> Option<&mut Slot<T>> {
        self.chunks.get_mut(at / CHUNK)?.get_mut(at % CHUNK)
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_lives_stays_where_it_is(steps in proptest::collection::vec((0u8..3, 0usize..200), 1..400)) {
            let (mut arena, mut model) = (Arena::new(), BTreeMap::new());
            for (turn, (kind, at)) in steps.into_iter().enumerate() {
                if kind > 0 {
                    prop_assert_eq!(model.insert(arena.insert(turn), turn), None);
                } else {
                    prop_assert_eq!(arena.remove(at), model.remove(&at));
                }
                for (at, value) in &mut model {
                    prop_assert_eq!(arena.get(*at), Some(&*value));
                    prop_assert_eq!(arena.get_mut(*at), Some(value));
                }
                prop_assert_eq!(arena.get(at), model.get(&at));
            }
        }
    }
}
