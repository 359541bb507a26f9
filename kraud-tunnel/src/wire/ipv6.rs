//! The fixed IPv6 header (RFC 8200 section 3).
//!
//! ```
//! use kraud_tunnel::wire::ipv6::{Packet, Repr};
//! let header = Repr {
//!     traffic_class: 0xb8,
//!     flow_label: 0xabcde,
//!     payload_len: 2,
//!     next_header: 17,
//!     hop_limit: 64,
//!     source: "fd42::1".parse()?,
//!     destination: "fd42::2".parse()?,
//! };
//! let mut bytes = [0; 42];
//! header.emit(&mut bytes)?;
//! let packet = Packet::new_checked(&bytes)?;
//! assert_eq!(packet.payload(), [0, 0]);
//! assert_eq!(Repr::parse(&packet), header);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use core::net::Ipv6Addr;

use super::{Fault, Layer, WireError, array_or_zero, put};

/// The length of the fixed header.
pub const HEADER_LEN: usize = 40;

/// A view of an IPv6 packet.
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

    /// A view of a packet whose version is 6 and whose payload is all there.
    ///
    /// The slice may be longer than the packet; what follows the payload length is not looked at. A payload
    /// length of zero means an empty payload: jumbograms (RFC 2675) do not go through tunnels.
    ///
    /// # Errors
    /// Says which field is wrong; offset 0 is the first byte.
    pub fn new_checked(bytes: T) -> Result<Self, WireError> {
        check(bytes.as_ref()).map_err(|fault| WireError::new(Layer::Ipv6, 0, fault))?;
        Ok(Self { bytes })
    }

    /// Gives the bytes back.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.bytes
    }

    /// The version field: 6.
    #[must_use]
    pub fn version(&self) -> u8 {
        self.byte(0) >> 4
    }

    /// The traffic class: DSCP in the upper six bits, ECN in the lower two.
    #[must_use]
    pub fn traffic_class(&self) -> u8 {
        self.byte(0) << 4 | self.byte(1) >> 4
    }

    /// The flow label, 20 bits.
    #[must_use]
    pub fn flow_label(&self) -> u32 {
        u32::from_be_bytes(array_or_zero(self.bytes.as_ref(), 0)) & 0xf_ffff
    }

    /// The length of everything behind the fixed header.
    #[must_use]
    pub fn payload_len(&self) -> usize {
        usize::from(u16::from_be_bytes(array_or_zero(self.bytes.as_ref(), 4)))
    }

    /// The length of header and payload.
    #[must_use]
    pub fn total_len(&self) -> usize {
        HEADER_LEN + self.payload_len()
    }

    /// The kind of the header behind this one.
    #[must_use]
    pub fn next_header(&self) -> u8 {
        self.byte(6)
    }

    /// The hop limit.
    #[must_use]
    pub fn hop_limit(&self) -> u8 {
        self.byte(7)
    }

    /// The source address.
    #[must_use]
    pub fn source(&self) -> Ipv6Addr {
        array_or_zero::<16>(self.bytes.as_ref(), 8).into()
    }

    /// The destination address.
    #[must_use]
    pub fn destination(&self) -> Ipv6Addr {
        array_or_zero::<16>(self.bytes.as_ref(), 24).into()
    }

    /// What follows the fixed header, extension headers included.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.bytes
            .as_ref()
            .get(HEADER_LEN..self.total_len())
            .unwrap_or_default()
    }

    fn byte(&self, at: usize) -> u8 {
        self.bytes.as_ref().get(at).copied().unwrap_or(0)
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Packet<T> {
    /// Replaces the traffic class.
    pub fn set_traffic_class(&mut self, value: u8) {
        let first = self.byte(0) & 0xf0 | value >> 4;
        let second = self.byte(1) & 0x0f | value << 4;
        put(self.bytes.as_mut(), 0, [first, second]);
    }
}

/// A fixed IPv6 header as a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Repr {
    /// The traffic class.
    pub traffic_class: u8,
    /// The flow label; only the low 20 bits are written.
    pub flow_label: u32,
    /// The number of bytes behind the fixed header.
    pub payload_len: u16,
    /// The kind of the header behind this one.
    pub next_header: u8,
    /// The hop limit.
    pub hop_limit: u8,
    /// The source address.
    pub source: Ipv6Addr,
    /// The destination address.
    pub destination: Ipv6Addr,
}

impl Repr {
    /// Reads the header.
    #[must_use]
    pub fn parse<T: AsRef<[u8]>>(packet: &Packet<T>) -> Self {
        Self {
            traffic_class: packet.traffic_class(),
            flow_label: packet.flow_label(),
            payload_len: packet.payload_len() as u16,
            next_header: packet.next_header(),
            hop_limit: packet.hop_limit(),
            source: packet.source(),
            destination: packet.destination(),
        }
    }

    /// How many bytes [`emit`](Self::emit) writes.
    #[must_use]
    pub const fn buffer_len(&self) -> usize {
        HEADER_LEN
    }

    /// Writes the header to the front of `bytes`.
    ///
    /// # Errors
    /// `bytes` is shorter than the header.
    pub fn emit(&self, bytes: &mut [u8]) -> Result<(), WireError> {
        let available = bytes.len();
        let Some(header) = bytes.first_chunk_mut::<HEADER_LEN>() else {
            let fault = Fault::Truncated {
                required: HEADER_LEN,
                available,
            };
            return Err(WireError::new(Layer::Ipv6, 0, fault));
        };
        let first = first_word(self.traffic_class, self.flow_label);
        put(header, 0, first.to_be_bytes());
        put(header, 4, self.payload_len.to_be_bytes());
        put(header, 6, [self.next_header, self.hop_limit]);
        put(header, 8, self.source.octets());
        put(header, 24, self.destination.octets());
        Ok(())
    }
}

/// Version, traffic class and flow label as the first 32 bits.
#[inline(always)]
pub(crate) const fn first_word(traffic_class: u8, flow_label: u32) -> u32 {
    6 << 28 | (traffic_class as u32) << 20 | flow_label & 0xf_ffff
}

/// Checks the version and the payload length against the slice.
#[inline(always)]
pub(crate) fn check(bytes: &[u8]) -> Result<&[u8; HEADER_LEN], Fault> {
    let Some(header) = bytes.first_chunk::<HEADER_LEN>() else {
        return Err(short(bytes));
    };
    let [b0, _, _, _, l0, l1, ..] = *header;
    if b0 >> 4 != 6 {
        return Err(Fault::BadVersion {
            found: b0 >> 4,
            expected: 6,
        });
    }
    let declared = usize::from(u16::from_be_bytes([l0, l1]));
    let available = bytes.len() - HEADER_LEN;
    if declared > available {
        return Err(Fault::LengthBeyondData {
            declared,
            available,
        });
    }
    Ok(header)
}

#[cold]
fn short(bytes: &[u8]) -> Fault {
    match bytes.first() {
        Some(first) if first >> 4 != 6 => Fault::BadVersion {
            found: first >> 4,
            expected: 6,
        },
        _ => Fault::Truncated {
            required: HEADER_LEN,
            available: bytes.len(),
        },
    }
}
