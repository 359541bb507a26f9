//! Splitting a superpacket into segments: copy, checksum and encapsulation in one pass over the data.
//!
//! A TUN device with `IFF_VNET_HDR` hands over up to 64 KiB of one TCP or UDP flow in one packet, with the
//! segment size beside it. No virtio type exists for a tunnel packet, so it must be split before it is encapsulated.
//!
//! ```
//! use kraud_tunnel::gso::Segments;
//! use kraud_tunnel::{Encapsulator, Endpoints};
//! # let mut superpacket = vec![0u8; 28 + 2500];
//! # superpacket[0] = 0x45; superpacket[2..4].copy_from_slice(&2528u16.to_be_bytes()); superpacket[9] = 17;
//! // 2,500 bytes of UDP data, to be sent 1,000 at a time.
//! let tunnel = Endpoints::new("fd42::1".parse()?, "fd42::2".parse()?)?;
//! let how = Encapsulator::new();
//! let mut segments = Segments::new(&superpacket, 1000)?;
//! assert_eq!(segments.count(), 3);
//! let mut out = [0u8; 1500];
//! let mut lengths = Vec::new();
//! while let Some(range) = segments.next_encapsulated(&how, &tunnel, &mut out, 64)? {
//!     lengths.push(range.len());
//! }
//! assert_eq!(lengths, [40 + 1028, 40 + 1028, 40 + 528]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use core::ops::Range;

use thiserror::Error;

use crate::checksum;
use crate::encap::{EncapError, Encapsulator};
use crate::endpoints::Endpoints;
use crate::inspect;
use crate::wire::{Fault, Layer, Protocol, WireError, array_or_zero, ipv4, ipv6, put};

const TCP: u8 = 6;
const UDP: u8 = 17;
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;

/// The segments of a superpacket, one after the other.
#[derive(Debug, Clone)]
pub struct Segments<'a> {
    headers: &'a [u8],
    payload: &'a [u8],
    size: usize,
    ip_len: usize,
    protocol: Protocol,
    tcp: bool,
    /// The sum over the transport header without what differs between segments, and over the addresses.
    base: u64,
    at: usize,
    index: u16,
    done: bool,
}

impl<'a> Segments<'a> {
    /// Prepares to split `packet` (IPv4 or IPv6, TCP or UDP) into segments of `size` bytes of payload.
    ///
    /// IP checksum, transport checksum and UDP length of the superpacket are not looked at: the kernel leaves
    /// them unfinished. IPv6 extension headers and IPv4 fragments cannot be split.
    ///
    /// # Errors
    /// See [`GsoError`].
    pub fn new(packet: &'a [u8], size: usize) -> Result<Self, GsoError> {
        let (protocol, ip_len, transport) = ip_header(packet)?;
        let whole = inspect::declared_len(packet).unwrap_or(0);
        let packet = packet.get(..whole).ok_or_else(|| {
            let fault = Fault::LengthBeyondData {
                declared: whole,
                available: packet.len(),
            };
            GsoError::Malformed(WireError::new(layer(protocol), 0, fault))
        })?;
        let rest = packet.get(ip_len..).unwrap_or_default();
        let transport_len = match transport {
            TCP => usize::from(array_or_zero::<1>(rest, 12)[0] >> 4) * 4,
            UDP => 8,
            other => return Err(GsoError::NotSplittable { protocol: other }),
        };
        let tcp = transport == TCP;
        let least = if tcp { 20 } else { 8 };
        if transport_len < least || rest.len() < transport_len {
            let fault = Fault::Truncated {
                required: transport_len.max(least),
                available: rest.len(),
            };
            let layer = if tcp { Layer::Tcp } else { Layer::Udp };
            return Err(GsoError::Malformed(WireError::new(layer, ip_len, fault)));
        }
        if size == 0 {
            return Err(GsoError::ZeroSize);
        }
        let (headers, payload) = packet
            .split_at_checked(ip_len + transport_len)
            .unwrap_or_default();
        let base = invariant_sum(headers, ip_len, protocol, tcp);
        Ok(Self {
            headers,
            payload,
            size,
            ip_len,
            protocol,
            tcp,
            base,
            at: 0,
            index: 0,
            done: false,
        })
    }

    /// How many segments there are in all; one if there is no payload.
    #[must_use]
    pub const fn count(&self) -> usize {
        let count = self.payload.len().div_ceil(self.size);
        if count == 0 { 1 } else { count }
    }

    /// The longest segment, headers included.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.headers.len() + self.payload.len().min(self.size)
    }

    /// Writes the next segment to `out[start..]`, complete with lengths and checksums, and returns where it lies;
    /// `None` when there is no more.
    ///
    /// # Errors
    /// It does not fit. The same segment comes again then.
    pub fn next_into(
        &mut self,
        out: &mut [u8],
        start: usize,
    ) -> Result<Option<Range<usize>>, GsoError> {
        if self.done {
            return Ok(None);
        }
        let rest = self.payload.get(self.at..).unwrap_or_default();
        let data = rest.get(..self.size).unwrap_or(rest);
        let last = data.len() == rest.len();
        let len = self.headers.len() + data.len();
        let available = out.len().saturating_sub(start);
        let end = start.saturating_add(len);
        let Some(segment) = out.get_mut(start..end) else {
            return Err(GsoError::OutOfRoom {
                required: len,
                available,
            });
        };
        let (headers, body) = segment.split_at_mut(self.headers.len());
        headers.copy_from_slice(self.headers);
        let sum = checksum::copy_accumulate(self.base, body, data);
        self.finish_ip(headers, len);
        self.finish_transport(headers, sum, len, last);
        self.at += data.len();
        self.index = self.index.wrapping_add(1);
        self.done = last;
        Ok(Some(start..end))
    }

    /// Writes the next segment to `out[headroom..]` and encapsulates it there; returns where the tunnel packet
    /// lies, `None` when there is no more.
    ///
    /// # Errors
    /// It does not fit, or cannot be encapsulated.
    pub fn next_encapsulated(
        &mut self,
        how: &Encapsulator,
        to: &Endpoints,
        out: &mut [u8],
        headroom: usize,
    ) -> Result<Option<Range<usize>>, GsoError> {
        match self.next_into(out, headroom)? {
            Some(inner) => Ok(Some(how.encapsulate(out, inner, to)?)),
            None => Ok(None),
        }
    }

    /// Lengths, identification and checksum of the IP header.
    #[inline]
    fn finish_ip(&self, headers: &mut [u8], len: usize) {
        match self.protocol {
            Protocol::Ipv4 => {
                let id = u16::from_be_bytes(array_or_zero(headers, 4)).wrapping_add(self.index);
                put(headers, 2, (len as u16).to_be_bytes());
                put(headers, 4, id.to_be_bytes());
                put(headers, 10, [0, 0]);
                let sum = checksum::of(headers.get(..self.ip_len).unwrap_or_default());
                put(headers, 10, sum.to_be_bytes());
            }
            Protocol::Ipv6 => put(headers, 4, ((len - ipv6::HEADER_LEN) as u16).to_be_bytes()),
        }
    }

    /// Sequence number, flags, length and checksum of the transport header; `sum` has all the rest.
    #[inline]
    fn finish_transport(&self, headers: &mut [u8], sum: u64, len: usize, last: bool) {
        let transport = headers.get_mut(self.ip_len..).unwrap_or_default();
        let len = (len - self.ip_len) as u32;
        // Small numbers in the machine's byte order, so that they can be added to the sum as they are.
        let word = |value: u16| u64::from(value.to_be());
        // Folded first: the words added below must not carry out of the top.
        let mut sum = u64::from(checksum::fold(sum).to_be());
        sum += word(len as u16) + word((len >> 16) as u16);
        if self.tcp {
            let sequence =
                u32::from_be_bytes(array_or_zero(transport, 4)).wrapping_add(self.at as u32);
            put(transport, 4, sequence.to_be_bytes());
            let [offset, mut flags] = array_or_zero::<2>(transport, 12);
            if !last {
                flags &= !(FIN | PSH);
            }
            if self.index > 0 {
                flags &= !CWR;
            }
            put(transport, 13, [flags]);
            sum += u64::from(sequence.to_be()) + u64::from(u16::from_ne_bytes([offset, flags]));
            put(transport, 16, (!checksum::fold(sum)).to_be_bytes());
        } else {
            put(transport, 4, (len as u16).to_be_bytes());
            sum += word(len as u16);
            // Zero means "no checksum" in UDP.
            let sum = match !checksum::fold(sum) {
                0 => 0xffff,
                sum => sum,
            };
            put(transport, 6, sum.to_be_bytes());
        }
    }
}

/// The sum over what all segments have in common: addresses, protocol, and the transport header but for
/// sequence number, flags, length and checksum.
fn invariant_sum(headers: &[u8], ip_len: usize, protocol: Protocol, tcp: bool) -> u64 {
    let addresses = match protocol {
        Protocol::Ipv4 => headers.get(12..20),
        Protocol::Ipv6 => headers.get(8..40),
    };
    let sum = checksum::pseudo_header(
        addresses.unwrap_or_default(),
        if tcp { TCP } else { UDP },
        0,
    );
    let part = |from, to| headers.get(ip_len + from..ip_len + to).unwrap_or_default();
    let mut sum = checksum::accumulate(sum, part(0, 4));
    if tcp {
        sum = checksum::accumulate(sum, part(8, 12));
        sum = checksum::accumulate(sum, part(14, 16));
        sum = checksum::accumulate(sum, headers.get(ip_len + 18..).unwrap_or_default());
    }
    // Folded, so that the few words added per segment cannot overflow.
    u64::from(checksum::fold(sum).to_be())
}

/// The IP version, the IP header's length and the transport protocol.
fn ip_header(packet: &[u8]) -> Result<(Protocol, usize, u8), GsoError> {
    let Some(protocol) = inspect::version(packet) else {
        return Err(GsoError::NotSplittable { protocol: 0 });
    };
    let fail = |required| {
        let fault = Fault::Truncated {
            required,
            available: packet.len(),
        };
        GsoError::Malformed(WireError::new(layer(protocol), 0, fault))
    };
    match protocol {
        Protocol::Ipv4 => {
            let view = ipv4::Packet::new_unchecked(packet);
            let len = view.header_len();
            if len < ipv4::HEADER_LEN || packet.len() < len {
                return Err(fail(len.max(ipv4::HEADER_LEN)));
            }
            if view.is_fragment() {
                return Err(GsoError::Fragment);
            }
            Ok((protocol, len, view.protocol()))
        }
        Protocol::Ipv6 => {
            if packet.len() < ipv6::HEADER_LEN {
                return Err(fail(ipv6::HEADER_LEN));
            }
            Ok((
                protocol,
                ipv6::HEADER_LEN,
                ipv6::Packet::new_unchecked(packet).next_header(),
            ))
        }
    }
}

const fn layer(protocol: Protocol) -> Layer {
    match protocol {
        Protocol::Ipv4 => Layer::Ipv4,
        Protocol::Ipv6 => Layer::Ipv6,
    }
}

/// Why a superpacket cannot be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum GsoError {
    /// A segment cannot be encapsulated.
    #[error(transparent)]
    Encap(#[from] EncapError),
    /// The packet is a fragment.
    #[error("a fragment cannot be split into segments")]
    Fragment,
    /// The packet cannot be read.
    #[error("superpacket: {0}")]
    Malformed(WireError),
    /// Neither TCP nor UDP directly behind the IP header.
    #[error("protocol {protocol} cannot be split into segments, expected tcp or udp")]
    NotSplittable {
        /// What is behind the IP header; 0 if it is no IP packet.
        protocol: u8,
    },
    /// The buffer is too short for the segment.
    #[error("buffer has room for {available} bytes, the segment needs {required}")]
    OutOfRoom {
        /// What the segment needs.
        required: usize,
        /// What is there.
        available: usize,
    },
    /// A segment size of zero.
    #[error("segment size is zero")]
    ZeroSize,
}
