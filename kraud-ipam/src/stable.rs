//! Places that follow from a name.
//!
//! The probe sequence of RFC 7217, with SHA-256 over (domain, key, space, name, attempt). The same
//! name gets the same place as long as that place is free, whoever else came first.

use sha2::{Digest, Sha256};

/// How many hashed places are tried before the search goes on linearly.
pub(crate) const PROBES: u32 = 16;

/// The hashes of one name in one space.
pub(crate) struct Probe {
    state: Sha256,
}

impl Probe {
    /// `space` tells apart uses of one name: the subnet's or pool's own bytes.
    pub(crate) fn new(key: &[u8], space: &[u8], name: &str) -> Self {
        let mut state = Sha256::new();
        state.update(b"kraud stable 1\0");
        for part in [key, space, name.as_bytes()] {
            state.update((part.len() as u64).to_be_bytes());
            state.update(part);
        }
        Self { state }
    }

    /// The `attempt`-th place, from 0 to `last` inclusive, evenly spread.
    pub(crate) fn place(&self, attempt: u32, last: u128) -> u128 {
        let mut state = self.state.clone();
        state.update(attempt.to_be_bytes());
        let digest = state.finalize();
        let word = digest
            .iter()
            .take(16)
            .fold(0u128, |number, byte| (number << 8) | u128::from(*byte));
        scale(word, last)
    }
}

/// Maps a random word onto 0..=last without a division: the high half of `word * (last + 1)`.
///
/// The deviation from an even spread is below `last / 2^128` per value.
pub(crate) fn scale(word: u128, last: u128) -> u128 {
    let Some(count) = last.checked_add(1) else {
        return word;
    };
    let mask = u128::from(u64::MAX);
    let (word_high, word_low) = (word >> 64, word & mask);
    let (count_high, count_low) = (count >> 64, count & mask);
    let low = word_low * count_low;
    let middle = word_high * count_low + (low >> 64);
    let other = word_low * count_high + (middle & mask);
    word_high * count_high + (middle >> 64) + (other >> 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_reaches_both_ends_and_never_leaves() {
        for last in [0, 1, 2, 9, u128::from(u64::MAX), u128::MAX - 1, u128::MAX] {
            assert_eq!(scale(0, last), 0);
            assert_eq!(scale(u128::MAX, last), last);
            assert!(scale(u128::MAX / 3, last) <= last);
        }
        assert_eq!(scale(1 << 127, 255), 128);
    }

    #[test]
    fn parts_cannot_slide_into_each_other() {
        let one = Probe::new(b"ab", b"c", "d").place(0, u128::MAX);
        assert_ne!(one, Probe::new(b"a", b"bc", "d").place(0, u128::MAX));
        assert_ne!(one, Probe::new(b"ab", b"", "cd").place(0, u128::MAX));
        assert_eq!(one, Probe::new(b"ab", b"c", "d").place(0, u128::MAX));
    }
}
