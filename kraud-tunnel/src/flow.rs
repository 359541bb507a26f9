//! The flow label of the outer header (RFC 6437, RFC 6438): a keyed hash of the inner flow, so that
//! routers spread the flows of one tunnel over equal paths and keep each flow on one.

use crate::wire::ipv4;
use crate::wire::{array_at, array_or_zero};

/// What the outer flow label is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FlowLabel {
    /// This value; only the low 20 bits count. Zero is what RFC 2473 section 6.5 has as the default.
    Fixed(u32),
    /// A hash of the inner packet's flow, never zero.
    Hash(FlowKey),
    /// The inner packet's own label; zero for IPv4.
    Inherit,
}

impl Default for FlowLabel {
    fn default() -> Self {
        Self::Hash(FlowKey::default())
    }
}

/// The key of the hash.
///
/// With a secret key nobody outside can choose packets that share a label. The default key is public: it
/// spreads flows, and that is all.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlowKey([u64; 2]);

impl FlowKey {
    /// A key from 16 bytes, for example of the system's random source.
    ///
    /// ```
    /// use kraud_tunnel::flow::{FlowKey, FlowLabel};
    /// let label = FlowLabel::Hash(FlowKey::new([0x5a; 16]));
    /// # let _ = kraud_tunnel::Encapsulator::new().flow_label(label);
    /// ```
    #[must_use]
    pub const fn new(key: [u8; 16]) -> Self {
        let both = u128::from_le_bytes(key);
        Self([both as u64, (both >> 64) as u64])
    }
}

impl Default for FlowKey {
    /// A fixed, public key: digits of π.
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl FlowKey {
    pub(crate) const DEFAULT: Self = Self([0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344]);
}

impl core::fmt::Debug for FlowKey {
    /// Does not show the key.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("FlowKey(..)")
    }
}

/// The label for an IPv4 packet with a checked header: addresses, protocol, and the ports unless it is a
/// fragment (RFC 6438 section 3: all packets of a flow get one label, and later fragments have no ports).
#[inline(always)]
pub(crate) fn ipv4_label(
    key: &FlowKey,
    packet: &[u8],
    header: &[u8; ipv4::HEADER_LEN],
    header_len: usize,
) -> u32 {
    let addresses = u64::from_ne_bytes(array_or_zero(header, 12));
    // Flags and the protocol are tested where they stand in words that the checksum has loaded already.
    const PART: u64 = u64::from_ne_bytes([0, 0, 0, 0, 0, 0, 0x3f, 0xff]);
    const PROTOCOL: u32 = protocol_word(0xff);
    const TCP: u32 = protocol_word(6);
    const UDP: u32 = protocol_word(17);
    let whole = u64::from_ne_bytes(array_or_zero(header, 0)) & PART == 0;
    let protocol = u32::from_ne_bytes(array_or_zero(header, 8)) & PROTOCOL;
    let ports = if whole && (protocol == UDP || protocol == TCP) {
        ports_at(packet, header_len)
    } else {
        0
    };
    let rest = u64::from(ports) << 32 | u64::from(protocol);
    mix(key, addresses, rest)
}

/// The protocol field's word in an IPv4 header, with nothing else in it.
const fn protocol_word(protocol: u8) -> u32 {
    u32::from_ne_bytes([0, protocol, 0, 0])
}

/// The label for an IPv6 packet: addresses and next header, its own label, and the ports if they follow directly.
#[inline]
pub(crate) fn ipv6_label(key: FlowKey, packet: &[u8], header: &[u8; 40]) -> u32 {
    let own = u32::from_be_bytes(array_at(header, 0).unwrap_or_default()) & 0xf_ffff;
    let next_header = header[6];
    let ports = if has_ports(next_header) {
        ports_at(packet, 40)
    } else {
        0
    };
    let word = |at| u64::from_ne_bytes(array_at(header, at).unwrap_or_default());
    let source = fold(word(8) ^ key.0[0], word(16) ^ key.0[1]);
    let destination = fold(
        word(24) ^ key.0[0].rotate_left(32),
        word(32) ^ key.0[1].rotate_left(32),
    );
    let rest = u64::from(ports) << 8 | u64::from(next_header) | u64::from(own) << 40;
    mix(&key, source.rotate_left(1) ^ destination, rest)
}

/// TCP and UDP begin with source and destination port. (So do DCCP, SCTP and UDP-Lite, which are rare
/// enough to do without: their flows differ by address and protocol.)
#[inline(always)]
const fn has_ports(protocol: u8) -> bool {
    protocol == 6 || protocol == 17
}

#[inline(always)]
fn ports_at(packet: &[u8], at: usize) -> u32 {
    array_at::<4>(packet, at).map_or(0, u32::from_ne_bytes)
}

/// One multiplication to 128 bits, folded: every input bit reaches every output bit.
#[inline(always)]
const fn fold(a: u64, b: u64) -> u64 {
    let product = (a as u128) * (b as u128);
    product as u64 ^ (product >> 64) as u64
}

/// Twenty bits, never all zero.
#[inline(always)]
const fn mix(key: &FlowKey, a: u64, b: u64) -> u32 {
    let hash = fold(a ^ key.0[0], b ^ key.0[1]);
    let label = (hash >> 44) as u32;
    // Zero means "no label" (RFC 6437 section 3).
    label + (label == 0) as u32
}
