//! Taking and freeing whole ranges.

use super::{DENSE, LEAF_BITS, Node, Number, Slot, THIN, place};

impl<N: Number> Node<N> {
    /// Takes `first..=last`, which lies in the slot.
    pub(in crate::set) fn fill(&mut self, first: N, last: N, slot: Slot<N>) {
        if first == slot.first && last == slot.last() {
            *self = Self::Full;
            return;
        }
        match self {
            Self::Full => return,
            Self::Empty | Self::List(_) => {
                if last.minus(first).widen() < DENSE as u128 {
                    each(first, last, |at| {
                        self.insert(at);
                    });
                    return;
                }
                self.contain(first, last);
            }
            Self::Leaf(_) | Self::Inner(_) => self.widen(first, last),
        }
        match self {
            Self::Leaf(leaf) => {
                let base = leaf.base;
                leaf.assign(place(base, first), place(base, last), true);
            }
            Self::Inner(inner) => {
                for index in first.slot(inner.shift)..=last.slot(inner.shift) {
                    let slot = inner.slot(index);
                    inner.slots[index].fill(first.max(slot.first), last.min(slot.last()), slot);
                    inner.recount(index);
                }
                self.check_full();
            }
            // What was to be filled is a list that has become full meanwhile.
            _ => each(first, last, |at| {
                self.insert(at);
            }),
        }
    }

    /// Frees `first..=last`, which lies in the slot.
    pub(in crate::set) fn clear(&mut self, first: N, last: N, slot: Slot<N>) {
        if first == slot.first && last == slot.last() {
            *self = Self::Empty;
            return;
        }
        match self {
            Self::Empty => {}
            Self::Full => {
                self.materialise(slot);
                self.clear(first, last, slot);
            }
            Self::List(list) => {
                list.retain(|at| *at < first || last < *at);
                if list.is_empty() {
                    *self = Self::Empty;
                }
            }
            Self::Leaf(leaf) => {
                let (low, high) = (
                    first.max(leaf.base),
                    last.min(leaf.base.with(N::mask(LEAF_BITS))),
                );
                if low <= high {
                    let base = leaf.base;
                    leaf.assign(place(base, low), place(base, high), false);
                    if leaf.taken() <= THIN {
                        self.list();
                    }
                }
            }
            Self::Inner(inner) => {
                let (low, high) = (first.max(inner.base), last.min(inner.last()));
                if low > high {
                    return;
                }
                for index in low.slot(inner.shift)..=high.slot(inner.shift) {
                    if inner.some >> index & 1 != 0 {
                        let slot = inner.slot(index);
                        inner.slots[index].clear(low.max(slot.first), high.min(slot.last()), slot);
                        inner.recount(index);
                    }
                }
                self.narrow();
            }
        }
    }
}

fn each<N: Number>(first: N, last: N, mut visit: impl FnMut(N)) {
    let mut at = first;
    loop {
        visit(at);
        if at >= last {
            return;
        }
        at = at.plus(N::power(0));
    }
}
