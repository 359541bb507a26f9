//! Where each owner's holdings are.

use alloc::{collections::BTreeMap, vec::Vec};
use core::{borrow::Borrow, cmp::Ordering};

use crate::Owner;

/// Owners by the hash of their keys, so that a search compares numbers and reads one or two keys
/// instead of twenty. A tree, not a table: no call ever pays for moving all entries, and keys made to
/// collide cost no more than a search by key would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owners<P> {
    map: BTreeMap<Entry, Places<P>>,
}

/// Nearly always one place.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Places<P> {
    One(P),
    /// Two or more, sorted.
    Many(Vec<P>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    hash: u64,
    owner: Owner,
}

/// What entries are sorted by; lets a search do without making an entry.
trait Key {
    fn key(&self) -> (u64, &str);
}

impl Key for Entry {
    fn key(&self) -> (u64, &str) {
        (self.hash, &self.owner)
    }
}

impl Key for (u64, &str) {
    fn key(&self) -> (u64, &str) {
        *self
    }
}

impl<'a> Borrow<dyn Key + 'a> for Entry {
    fn borrow(&self) -> &(dyn Key + 'a) {
        self
    }
}

impl PartialEq for dyn Key + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for dyn Key + '_ {}

impl PartialOrd for dyn Key + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for dyn Key + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// FNV-1a with a final mix; only the place in the tree depends on it, never an answer.
fn hash(key: &str) -> u64 {
    let sum = key.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (sum ^ (sum >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl<P: Ord + Clone> Owners<P> {
    pub(crate) const fn new() -> Self {
        Self {
            map: BTreeMap::new(),
        }
    }

    /// The places of an owner, sorted.
    pub(crate) fn places(&self, owner: &str) -> &[P] {
        match self.map.get(&(hash(owner), owner) as &dyn Key) {
            None => &[],
            Some(Places::One(place)) => core::slice::from_ref(place),
            Some(Places::Many(places)) => places,
        }
    }

    pub(crate) fn insert(&mut self, owner: &Owner, place: P) {
        if let Some(places) = self.map.get_mut(&(hash(owner), owner.as_str()) as &dyn Key) {
            let mut list = match places {
                Places::One(one) => alloc::vec![one.clone()],
                Places::Many(list) => core::mem::take(list),
            };
            if let Err(at) = list.binary_search(&place) {
                list.insert(at, place);
            }
            *places = Places::Many(list);
        } else {
            self.map.insert(
                Entry {
                    hash: hash(owner),
                    owner: owner.clone(),
                },
                Places::One(place),
            );
        }
    }

    pub(crate) fn remove(&mut self, owner: &str, place: &P) {
        let key = (hash(owner), owner);
        let Some(places) = self.map.get_mut(&key as &dyn Key) else {
            return;
        };
        match places {
            Places::One(one) if one == place => {
                self.map.remove(&key as &dyn Key);
            }
            Places::One(_) => {}
            Places::Many(list) => {
                list.retain(|other| other != place);
                if let [only] = list.as_slice() {
                    *places = Places::One(only.clone());
                }
            }
        }
    }
}
