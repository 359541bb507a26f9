//! The IPv4 header (RFC 791).
//!
//! ```
//! use kraud_tunnel::wire::ipv4::{Packet, Repr};
//! let header = Repr {
//!     traffic_class: 0xb8,
//!     identification: 0x1234,
//!     dont_fragment: true,
//!     ttl: 64,
//!     protocol: 17,
//!     source: [10, 198, 62, 5].into(),
//!     destination: [10, 198, 62, 6].into(),
//!     payload_len: 2,
//! };
//! let mut bytes = [0; 22];
//! header.emit(&mut bytes)?;
//! let packet = Packet::new_checked(&bytes)?;
//! assert_eq!(packet.total_len(), 22);
//! assert_eq!(Repr::parse(&packet), header);
//! # Ok::<(), kraud_tunnel::wire::WireError>(())
//! ```

use core::net::Ipv4Addr;

use super::{Fault, Layer, WireError, array_or_zero, put};
use crate::checksum;

/// The length of a header without options.
pub const HEADER_LEN: usize = 20;

/// A view of an IPv4 packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<T> {
    bytes: T,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// A view of bytes that nobody looked at. Accessors of what is not there return zero.
    #[must_use]
    pub const fn new_unchecked(bytes: T) -> Self {
        Self { bytes }
    }

    /// A view of a packet whose header is right: version, header length, total length, checksum.
    ///
    /// The slice may be longer than the packet; what follows the total length is not looked at.
    ///
    /// # Errors
    /// Says which field is wrong; offset 0 is the first byte.
    pub fn new_checked(bytes: T) -> Result<Self, WireError> {
        check(bytes.as_ref()).map_err(|fault| WireError::new(Layer::Ipv4, 0, fault))?;
        Ok(Self { bytes })
    }

    /// Gives the bytes back.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.bytes
    }

    /// The version field: 4.
    #[must_use]
    pub fn version(&self) -> u8 {
        self.byte(0) >> 4
    }

    /// The header's length in bytes, options included: 20 to 60.
    #[must_use]
    pub fn header_len(&self) -> usize {
        usize::from(self.byte(0) & 0x0f) * 4
    }

    /// The TOS octet: DSCP in the upper six bits, ECN in the lower two.
    #[must_use]
    pub fn traffic_class(&self) -> u8 {
        self.byte(1)
    }

    /// The length of header and payload.
    #[must_use]
    pub fn total_len(&self) -> usize {
        usize::from(self.word(2))
    }

    /// The identification field.
    #[must_use]
    pub fn identification(&self) -> u16 {
        self.word(4)
    }

    /// Whether routers must not fragment it.
    #[must_use]
    pub fn dont_fragment(&self) -> bool {
        self.byte(6) & 0x40 != 0
    }

    /// Whether more fragments follow.
    #[must_use]
    pub fn more_fragments(&self) -> bool {
        self.byte(6) & 0x20 != 0
    }

    /// The fragment's place, in bytes.
    #[must_use]
    pub fn fragment_offset(&self) -> usize {
        usize::from(self.word(6) & 0x1fff) * 8
    }

    /// Whether this is a part of a packet: more fragments follow, or it is not the first.
    #[must_use]
    pub fn is_fragment(&self) -> bool {
        self.word(6) & 0x3fff != 0
    }

    /// The time to live.
    #[must_use]
    pub fn ttl(&self) -> u8 {
        self.byte(8)
    }

    /// The protocol of the payload.
    #[must_use]
    pub fn protocol(&self) -> u8 {
        self.byte(9)
    }

    /// The header checksum.
    #[must_use]
    pub fn checksum(&self) -> u16 {
        self.word(10)
    }

    /// The source address.
    #[must_use]
    pub fn source(&self) -> Ipv4Addr {
        array_or_zero::<4>(self.bytes.as_ref(), 12).into()
    }

    /// The destination address.
    #[must_use]
    pub fn destination(&self) -> Ipv4Addr {
        array_or_zero::<4>(self.bytes.as_ref(), 16).into()
    }

    /// The options, as bytes; empty if there are none.
    #[must_use]
    pub fn options(&self) -> &[u8] {
        self.bytes
            .as_ref()
            .get(HEADER_LEN..self.header_len())
            .unwrap_or_default()
    }

    /// What follows the header, up to the total length.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.bytes
            .as_ref()
            .get(self.header_len()..self.total_len())
            .unwrap_or_default()
    }

    fn byte(&self, at: usize) -> u8 {
        self.bytes.as_ref().get(at).copied().unwrap_or(0)
    }

    fn word(&self, at: usize) -> u16 {
        u16::from_be_bytes(array_or_zero(self.bytes.as_ref(), at))
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Packet<T> {
    /// Replaces the TOS octet and corrects the checksum for it (RFC 1624), without reading the rest.
    pub fn set_traffic_class(&mut self, value: u8) {
        let old = self.word(0);
        let new = old & 0xff00 | u16::from(value);
        let sum = checksum::update(self.checksum(), old, new);
        put(self.bytes.as_mut(), 1, [value]);
        put(self.bytes.as_mut(), 10, sum.to_be_bytes());
    }

    /// Writes the header checksum for the header as it stands.
    pub fn fill_checksum(&mut self) {
        let len = self.header_len();
        put(self.bytes.as_mut(), 10, [0, 0]);
        let sum = checksum::of(self.bytes.as_ref().get(..len).unwrap_or_default());
        put(self.bytes.as_mut(), 10, sum.to_be_bytes());
    }
}

/// An IPv4 header without options, of a packet that is not a fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Repr {
    /// The TOS octet.
    pub traffic_class: u8,
    /// The identification field.
    pub identification: u16,
    /// Whether routers must not fragment it.
    pub dont_fragment: bool,
    /// The time to live.
    pub ttl: u8,
    /// The protocol of the payload.
    pub protocol: u8,
    /// The source address.
    pub source: Ipv4Addr,
    /// The destination address.
    pub destination: Ipv4Addr,
    /// The number of bytes behind the header.
    pub payload_len: u16,
}

impl Repr {
    /// Reads the header. Options and fragment fields are not kept.
    #[must_use]
    pub fn parse<T: AsRef<[u8]>>(packet: &Packet<T>) -> Self {
        let payload_len = packet.total_len().saturating_sub(packet.header_len());
        Self {
            traffic_class: packet.traffic_class(),
            identification: packet.identification(),
            dont_fragment: packet.dont_fragment(),
            ttl: packet.ttl(),
            protocol: packet.protocol(),
            source: packet.source(),
            destination: packet.destination(),
            payload_len: u16::try_from(payload_len).unwrap_or(u16::MAX),
        }
    }

    /// How many bytes [`emit`](Self::emit) writes.
    #[must_use]
    pub const fn buffer_len(&self) -> usize {
        HEADER_LEN
    }

    /// Writes the header, checksum included, to the front of `bytes`.
    ///
    /// # Errors
    /// `bytes` is shorter than the header, or header and payload are longer than 65,535 bytes.
    pub fn emit(&self, bytes: &mut [u8]) -> Result<(), WireError> {
        let available = bytes.len();
        let fail = |fault| WireError::new(Layer::Ipv4, 0, fault);
        let Some(total) = self.payload_len.checked_add(HEADER_LEN as u16) else {
            let declared = usize::from(self.payload_len) + HEADER_LEN;
            return Err(fail(Fault::LengthBeyondData {
                declared,
                available: usize::from(u16::MAX),
            }));
        };
        let Some(header) = bytes.first_chunk_mut::<HEADER_LEN>() else {
            return Err(fail(Fault::Truncated {
                required: HEADER_LEN,
                available,
            }));
        };
        let [total0, total1] = total.to_be_bytes();
        let [id0, id1] = self.identification.to_be_bytes();
        let flags = if self.dont_fragment { 0x40 } else { 0 };
        let [a, b, c, d] = self.source.octets();
        let [e, f, g, h] = self.destination.octets();
        *header = [
            0x45,
            self.traffic_class,
            total0,
            total1,
            id0,
            id1,
            flags,
            0,
            self.ttl,
            self.protocol,
            0,
            0,
            a,
            b,
            c,
            d,
            e,
            f,
            g,
            h,
        ];
        let [sum0, sum1] = checksum::of(header).to_be_bytes();
        header[10] = sum0;
        header[11] = sum1;
        Ok(())
    }
}

/// What the tunnel needs of a header that it has checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Checked {
    /// The fixed part of the header.
    pub(crate) header: [u8; HEADER_LEN],
    /// Total length: at least the header's, at most the slice's.
    pub(crate) total_len: usize,
    /// Header length in bytes.
    pub(crate) header_len: usize,
}

/// Checks version, header length, total length against the slice, and the checksum.
#[inline(always)]
pub(crate) fn check(bytes: &[u8]) -> Result<Checked, Fault> {
    let Some(header) = bytes.first_chunk::<HEADER_LEN>() else {
        return Err(short(bytes));
    };
    let [b0, _, l0, l1, ..] = *header;
    let total_len = usize::from(u16::from_be_bytes([l0, l1]));
    // The two comparisons of the common case; what exactly is wrong is looked up only when they fail.
    if b0 == 0x45 && total_len >= HEADER_LEN && total_len <= bytes.len() {
        return match sums_to_zero(header) {
            true => Ok(Checked {
                header: *header,
                total_len,
                header_len: HEADER_LEN,
            }),
            false => Err(Fault::BadChecksum),
        };
    }
    check_with_options(bytes, header, total_len)
}

/// Whether the checksum of a header without options is right.
///
/// Three loads, added with the carry brought round. The header is not all zeros, so its sum is never zero,
/// and it folds to 0xffff exactly when it is a multiple of it; 2⁶⁴ - 1 is one too, so no fold is needed.
#[inline(always)]
pub(crate) fn sums_to_zero(header: &[u8; HEADER_LEN]) -> bool {
    let first = u64::from_ne_bytes(array_or_zero(header, 0));
    let second = u64::from_ne_bytes(array_or_zero(header, 8));
    let third = u64::from(u32::from_ne_bytes(array_or_zero(header, 16)));
    let (sum, carry) = first.overflowing_add(second);
    let (sum, again) = sum.overflowing_add(third + u64::from(carry));
    let sum = sum + u64::from(again);
    sum % 0xffff == 0
}

#[cold]
fn short(bytes: &[u8]) -> Fault {
    match bytes.first() {
        Some(first) if first >> 4 != 4 => Fault::BadVersion {
            found: first >> 4,
            expected: 4,
        },
        _ => Fault::Truncated {
            required: HEADER_LEN,
            available: bytes.len(),
        },
    }
}

#[inline(never)]
fn check_with_options(
    bytes: &[u8],
    header: &[u8; HEADER_LEN],
    total_len: usize,
) -> Result<Checked, Fault> {
    let [b0, ..] = *header;
    if b0 >> 4 != 4 {
        return Err(Fault::BadVersion {
            found: b0 >> 4,
            expected: 4,
        });
    }
    if b0 & 0x0f < 5 {
        return Err(Fault::BadHeaderLength { found: b0 & 0x0f });
    }
    let header_len = usize::from(b0 & 0x0f) * 4;
    if total_len < header_len {
        return Err(Fault::LengthBelowHeader {
            declared: total_len,
            header: header_len,
        });
    }
    if total_len > bytes.len() {
        return Err(Fault::LengthBeyondData {
            declared: total_len,
            available: bytes.len(),
        });
    }
    // The total length covers the header and the slice covers the total length.
    let whole = bytes.get(..header_len).unwrap_or_default();
    if checksum::sum(whole) != 0xffff {
        return Err(Fault::BadChecksum);
    }
    Ok(Checked {
        header: *header,
        total_len,
        header_len,
    })
}
