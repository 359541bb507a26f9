//! The internet checksum (RFC 1071), whole and incremental (RFC 1624).
//!
//! ```
//! use kraud_tunnel::checksum;
//! let header = [0x45, 0, 0, 20, 0x12, 0x34, 0x40, 0, 64, 253, 0, 0, 10, 198, 62, 5, 10, 198, 62, 6];
//! assert_eq!(checksum::of(&header), 0x9622);
//! // One word of the header changes: the checksum follows without the rest being read.
//! assert_eq!(checksum::update(0x9622, 0x4500, 0x4503), 0x961f);
//! ```

use crate::wire::array_or_zero;

/// The one's complement sum of `bytes` as 16-bit big-endian words, folded to 16 bits, not inverted.
///
/// An odd last byte counts as the high half of a word. A correct block that contains its own checksum
/// sums to `0xffff`. Time is linear in the length.
#[must_use]
pub fn sum(bytes: &[u8]) -> u16 {
    fold(accumulate(0, bytes))
}

/// The internet checksum of `bytes`: what belongs in the checksum field when that field held zero.
#[must_use]
pub fn of(bytes: &[u8]) -> u16 {
    !sum(bytes)
}

/// The checksum after the 16-bit word `old` of the covered data became `new` (RFC 1624, equation 3).
#[must_use]
pub const fn update(checksum: u16, old: u16, new: u16) -> u16 {
    let sum = (!checksum) as u32 + (!old) as u32 + new as u32;
    let sum = (sum & 0xffff) + (sum >> 16);
    !(((sum & 0xffff) + (sum >> 16)) as u16)
}

/// The sum over a pseudo-header (RFC 9293 section 3.1 for IPv4, RFC 8200 section 8.1 for IPv6), not folded.
///
/// `addresses` is source and destination as they stand in the header, `length` that of the upper layer
/// with its header.
#[must_use]
pub fn pseudo_header(addresses: &[u8], protocol: u8, length: u32) -> u64 {
    // Byte order does not matter to a one's complement sum as long as every part has the same.
    let tail = (u64::from(length) + u64::from(protocol)).to_be();
    accumulate((tail & 0xffff_ffff).wrapping_add(tail >> 32), addresses)
}

/// Adds `bytes` to a running sum in the machine's byte order. `bytes` must start at an even offset of
/// the data; only the last part may have an odd length.
#[must_use]
pub fn accumulate(start: u64, bytes: &[u8]) -> u64 {
    let mut lanes = Lanes::new(start);
    let mut rest = bytes;
    while let Some((block, tail)) = rest.split_first_chunk::<BLOCK>() {
        lanes.add(block);
        rest = tail;
    }
    let mut sum = lanes.sum();
    while let Some((word, tail)) = rest.split_first_chunk::<8>() {
        sum = carry(sum, u64::from_ne_bytes(*word));
        rest = tail;
    }
    while let Some((word, tail)) = rest.split_first_chunk::<4>() {
        sum = carry(sum, u64::from(u32::from_ne_bytes(*word)));
        rest = tail;
    }
    if let Some((word, tail)) = rest.split_first_chunk::<2>() {
        sum = carry(sum, u64::from(u16::from_ne_bytes(*word)));
        rest = tail;
    }
    if let Some(&last) = rest.first() {
        sum = carry(sum, u64::from(u16::from_ne_bytes([last, 0])));
    }
    sum
}

/// Copies `from` to `to` and adds it to a running sum in the same pass. The shorter of the two counts; they are
/// meant to be equally long.
#[must_use]
pub fn copy_accumulate(start: u64, to: &mut [u8], from: &[u8]) -> u64 {
    // In a piece of this length no lane of 32 bits overflows.
    const PIECE: usize = 1 << 20;
    let len = to.len().min(from.len());
    let (to, from) = (
        to.get_mut(..len).unwrap_or_default(),
        from.get(..len).unwrap_or_default(),
    );
    let pieces = to.chunks_mut(PIECE).zip(from.chunks(PIECE));
    pieces.fold(start, |sum, (to, from)| copy_piece(sum, to, from))
}

/// One piece: the halves of each 32-bit word are added in lanes of their own, which a vector unit does side by side.
#[inline]
fn copy_piece(start: u64, to: &mut [u8], from: &[u8]) -> u64 {
    let (mut low, mut high) = ([0u32; BLOCK / 4], [0u32; BLOCK / 4]);
    let (mut places, mut blocks) = (to.chunks_exact_mut(BLOCK), from.chunks_exact(BLOCK));
    for (place, block) in places.by_ref().zip(blocks.by_ref()) {
        // Read once: the compiler cannot know that the copy does not change its source.
        let block: [u8; BLOCK] = block.first_chunk().copied().unwrap_or_default();
        place.copy_from_slice(&block);
        for (i, (low, high)) in low.iter_mut().zip(&mut high).enumerate() {
            let word = u32::from_ne_bytes(array_or_zero(&block, i * 4));
            *low = low.wrapping_add(word & 0xffff);
            *high = high.wrapping_add(word >> 16);
        }
    }
    places.into_remainder().copy_from_slice(blocks.remainder());
    let lanes = low
        .iter()
        .zip(&high)
        .map(|(low, high)| u64::from(*low) + (u64::from(*high) << 16))
        .sum();
    accumulate(carry(start, lanes), blocks.remainder())
}

/// How many bytes are added at a time.
const BLOCK: usize = 32;

/// A running sum in two parts, so that an addition does not wait for the one before; carries are counted beside it.
struct Lanes {
    sums: [u64; 2],
    carries: u64,
}

impl Lanes {
    const fn new(start: u64) -> Self {
        Self {
            sums: [start, 0],
            carries: 0,
        }
    }

    #[inline(always)]
    fn add(&mut self, block: &[u8; BLOCK]) {
        let word = |at| u64::from_ne_bytes(array_or_zero(block, at));
        for (lane, at) in [(0, 0), (1, 8), (0, 16), (1, 24)] {
            let (sum, overflow) = self.sums[lane].overflowing_add(word(at));
            self.sums[lane] = sum;
            self.carries += u64::from(overflow);
        }
    }

    const fn sum(&self) -> u64 {
        carry(carry(self.sums[0], self.sums[1]), self.carries)
    }
}

/// Folds a running sum to 16 bits and turns it into the wire's byte order.
#[must_use]
pub const fn fold(sum: u64) -> u16 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    u16::from_be(sum as u16)
}

/// One's complement addition: the carry out of the top comes back in at the bottom.
const fn carry(a: u64, b: u64) -> u64 {
    let (sum, overflow) = a.overflowing_add(b);
    sum + overflow as u64
}

#[cfg(test)]
mod tests {
    use super::{accumulate, copy_accumulate, fold, of, pseudo_header, sum, update};

    /// The definition, word by word.
    fn naive(bytes: &[u8]) -> u16 {
        let mut total = 0u32;
        for pair in bytes.chunks(2) {
            total += u32::from(u16::from_be_bytes([
                pair[0],
                pair.get(1).copied().unwrap_or(0),
            ]));
            total = (total & 0xffff) + (total >> 16);
        }
        total as u16
    }

    #[test]
    fn sums_as_the_definition_does_at_every_length() {
        let bytes: [u8; 97] = core::array::from_fn(|i| (i * 151 + 7) as u8);
        for end in 0..=bytes.len() {
            assert_eq!(sum(&bytes[..end]), naive(&bytes[..end]), "length {end}");
        }
        assert_eq!(of(&[0xff; 64]), 0);
    }

    #[test]
    fn a_changed_word_updates_to_the_recomputed_sum() {
        // RFC 1624 section 4: equation 4 of RFC 1141 would give 0xffff here, this gives 0.
        assert_eq!(update(0xdd2f, 0x5555, 0x3285), 0x0000);
        for old in [0u16, 1, 0x4500, 0x7fff, 0x8000, 0xfffe, 0xffff] {
            for new in [0u16, 1, 0x4502, 0x8001, 0xfffe, 0xffff] {
                let block = |word: u16| {
                    let [a, b] = word.to_be_bytes();
                    [a, b, 0x12, 0x34]
                };
                assert_eq!(update(of(&block(old)), old, new), of(&block(new)));
            }
        }
    }

    #[test]
    fn a_copy_sums_as_its_source_does() {
        let bytes: [u8; 200] = core::array::from_fn(|i| (i * 73 + 11) as u8);
        for len in 0..=bytes.len() {
            let mut copy = [0; 200];
            let total = copy_accumulate(5, &mut copy[..len], &bytes[..len]);
            assert_eq!(copy[..len], bytes[..len]);
            assert_eq!(
                fold(total),
                fold(accumulate(5, &bytes[..len])),
                "length {len}"
            );
        }
    }

    #[test]
    fn parts_add_up_to_the_whole() {
        let bytes: [u8; 40] = core::array::from_fn(|i| (255 - i * 3) as u8);
        let parts = accumulate(accumulate(0, &bytes[..12]), &bytes[12..]);
        assert_eq!(fold(parts), sum(&bytes));
        let v4 = [10, 0, 0, 1, 10, 0, 0, 2];
        let written = [10, 0, 0, 1, 10, 0, 0, 2, 0, 17, 0x01, 0x02];
        assert_eq!(fold(pseudo_header(&v4, 17, 0x0102)), sum(&written));
        let long = [10, 0, 0, 1, 10, 0, 0, 2, 0, 1, 0x00, 0x12, 0, 6];
        assert_eq!(fold(pseudo_header(&v4, 6, 0x1_0012)), sum(&long));
    }
}
