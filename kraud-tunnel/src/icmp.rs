//! ICMP and ICMPv6 errors that a tunnel sends to the source of a packet.
//!
//! Each builder writes a whole packet, IP header included, to the front of a buffer of the caller's, and
//! returns its length. Whether an error may be sent at all is checked first: never about an ICMP
//! error, a later fragment, a packet to a group, or a source that is not one host (RFC 1122 section 3.2.2,
//! RFC 4443 section 2.4). Limiting the rate is left to the caller, who has the clock.
//!
//! ```
//! use kraud_tunnel::icmp::{self, MAX_LEN_V4};
//! // A packet of 1,460 bytes with DF meets a tunnel of 1,400.
//! let mut packet = [0u8; 1460];
//! packet[..20].copy_from_slice(&[
//!     0x45, 0, 0x05, 0xb4, 0x12, 0x34, 0x40, 0, 64, 17, 0, 0, 10, 198, 62, 5, 10, 198, 62, 6,
//! ]);
//! let mut reply = [0u8; MAX_LEN_V4];
//! let len = icmp::fragmentation_needed(&packet, 1400, [10, 198, 62, 1].into(), &mut reply)?;
//! assert_eq!((len, reply[20], reply[21], &reply[26..28]), (576, 3, 4, &[0x05, 0x78][..]));
//! # Ok::<(), icmp::IcmpError>(())
//! ```

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

use crate::checksum;
use crate::wire::ext;
use crate::wire::{Fault, Layer, WireError, ipv4, ipv6, put};

/// The longest ICMPv4 error that is built: 576 bytes (RFC 1812 section 4.3.2.3).
pub const MAX_LEN_V4: usize = 576;

/// The longest ICMPv6 error that is built: 1,280 bytes (RFC 4443 section 2.4 (c)).
pub const MAX_LEN_V6: usize = 1280;

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
const ICMP_HEADER_LEN: usize = 8;

/// An ICMPv4 error: type, code and the second word of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorV4 {
    /// Destination unreachable, fragmentation needed: 3/4 (RFC 1191).
    FragmentationNeeded {
        /// The MTU of the next hop.
        mtu: u16,
    },
    /// Destination unreachable, host unreachable: 3/1.
    HostUnreachable,
}

/// An ICMPv6 error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorV6 {
    /// Destination unreachable, address unreachable: 1/3.
    AddressUnreachable,
    /// Packet too big: 2/0.
    PacketTooBig {
        /// The MTU of the next hop.
        mtu: u32,
    },
    /// Parameter problem: 4.
    ParameterProblem {
        /// 0 erroneous header field, 1 unrecognized next header, 2 unrecognized option, 3 incomplete
        /// header chain in the first fragment (RFC 7112).
        code: u8,
        /// The octet at fault, counted from the start of the packet.
        pointer: u32,
    },
}

/// Writes Fragmentation Needed (3/4) about the IPv4 packet `about` to the front of `out`; returns the length.
///
/// # Errors
/// See [`IcmpError`].
pub fn fragmentation_needed(
    about: &[u8],
    mtu: u16,
    from: Ipv4Addr,
    out: &mut [u8],
) -> Result<usize, IcmpError> {
    error_v4(about, ErrorV4::FragmentationNeeded { mtu }, from, out)
}

/// Writes Packet Too Big (2/0) about the IPv6 packet `about` to the front of `out`; returns the length.
///
/// # Errors
/// See [`IcmpError`].
pub fn packet_too_big(
    about: &[u8],
    mtu: u32,
    from: Ipv6Addr,
    out: &mut [u8],
) -> Result<usize, IcmpError> {
    error_v6(about, ErrorV6::PacketTooBig { mtu }, from, out)
}

/// Writes an ICMPv4 error about the packet `about` to the front of `out`; returns the length.
///
/// The message goes from `from` to the source of `about` and quotes as much of it as 576 bytes hold.
///
/// # Errors
/// See [`IcmpError`].
pub fn error_v4(
    about: &[u8],
    error: ErrorV4,
    from: Ipv4Addr,
    out: &mut [u8],
) -> Result<usize, IcmpError> {
    let to = permitted_v4(about)?;
    let quote = about
        .get(..declared(about, MAX_LEN_V4 - 28))
        .unwrap_or_default();
    let len = ipv4::HEADER_LEN + ICMP_HEADER_LEN + quote.len();
    let available = out.len();
    let Some(packet) = out.get_mut(..len) else {
        return Err(IcmpError::OutOfRoom {
            required: len,
            available,
        });
    };
    let (code, word) = match error {
        ErrorV4::FragmentationNeeded { mtu } => (4, u32::from(mtu)),
        ErrorV4::HostUnreachable => (1, 0),
    };
    let header = ipv4::Repr {
        // Precedence 6, internetwork control (RFC 1812 section 4.3.2.5).
        traffic_class: 0xc0,
        identification: 0,
        dont_fragment: false,
        ttl: 64,
        protocol: ICMP,
        source: from,
        destination: to,
        payload_len: (len - ipv4::HEADER_LEN) as u16,
    };
    header.emit(packet).map_err(IcmpError::Malformed)?;
    let message = packet.get_mut(ipv4::HEADER_LEN..).unwrap_or_default();
    write_message(message, 3, code, word, quote);
    let sum = checksum::of(message);
    put(message, 2, sum.to_be_bytes());
    Ok(len)
}

/// Writes an ICMPv6 error about the packet `about` to the front of `out`; returns the length.
///
/// The message goes from `from` to the source of `about` and quotes as much of it as 1,280 bytes hold.
///
/// # Errors
/// See [`IcmpError`].
pub fn error_v6(
    about: &[u8],
    error: ErrorV6,
    from: Ipv6Addr,
    out: &mut [u8],
) -> Result<usize, IcmpError> {
    let to = permitted_v6(about, error)?;
    let quote = about
        .get(..declared(about, MAX_LEN_V6 - 48))
        .unwrap_or_default();
    let len = ipv6::HEADER_LEN + ICMP_HEADER_LEN + quote.len();
    let available = out.len();
    let Some(packet) = out.get_mut(..len) else {
        return Err(IcmpError::OutOfRoom {
            required: len,
            available,
        });
    };
    let (kind, code, word) = match error {
        ErrorV6::AddressUnreachable => (1, 3, 0),
        ErrorV6::PacketTooBig { mtu } => (2, 0, mtu),
        ErrorV6::ParameterProblem { code, pointer } => (4, code, pointer),
    };
    let payload_len = (len - ipv6::HEADER_LEN) as u16;
    let header = ipv6::Repr {
        traffic_class: 0,
        flow_label: 0,
        payload_len,
        next_header: ICMPV6,
        hop_limit: 64,
        source: from,
        destination: to,
    };
    header.emit(packet).map_err(IcmpError::Malformed)?;
    let (header, message) = packet.split_at_mut(ipv6::HEADER_LEN);
    write_message(message, kind, code, word, quote);
    let addresses = header.get(8..).unwrap_or_default();
    let sum = checksum::pseudo_header(addresses, ICMPV6, u32::from(payload_len));
    let sum = !checksum::fold(checksum::accumulate(sum, message));
    put(message, 2, sum.to_be_bytes());
    Ok(len)
}

/// The ICMP header with a zero checksum, and the quote.
fn write_message(message: &mut [u8], kind: u8, code: u8, word: u32, quote: &[u8]) {
    let [a, b, c, d] = word.to_be_bytes();
    put(message, 0, [kind, code, 0, 0, a, b, c, d]);
    if let Some(place) = message.get_mut(ICMP_HEADER_LEN..) {
        place.copy_from_slice(quote);
    }
}

/// How much of `about` to quote: not more than it says it is, not more than `most`.
fn declared(about: &[u8], most: usize) -> usize {
    crate::inspect::declared_len(about)
        .unwrap_or(0)
        .min(about.len())
        .min(most)
}

/// Whether an error about this IPv4 packet may be sent, and to whom.
fn permitted_v4(about: &[u8]) -> Result<Ipv4Addr, IcmpError> {
    let fail = |fault| IcmpError::Malformed(WireError::new(Layer::Ipv4, 0, fault));
    if about.len() < ipv4::HEADER_LEN {
        return Err(fail(Fault::Truncated {
            required: ipv4::HEADER_LEN,
            available: about.len(),
        }));
    }
    let packet = ipv4::Packet::new_unchecked(about);
    if packet.version() != 4 {
        return Err(fail(Fault::BadVersion {
            found: packet.version(),
            expected: 4,
        }));
    }
    let header_len = packet.header_len();
    if header_len < ipv4::HEADER_LEN || packet.total_len() < header_len || about.len() < header_len
    {
        return Err(fail(Fault::LengthBelowHeader {
            declared: packet.total_len(),
            header: header_len,
        }));
    }
    let refuse = |why| Err(IcmpError::Forbidden { why });
    if packet.fragment_offset() != 0 {
        return refuse(Forbidden::LaterFragment);
    }
    if packet.protocol() == ICMP
        && !matches!(
            about.get(header_len),
            Some(0 | 8 | 9 | 10 | 13..=18 | 42 | 43)
        )
    {
        // A type that is not known to be a question or an answer counts as an error.
        return refuse(Forbidden::AboutIcmpError);
    }
    let (source, destination) = (packet.source(), packet.destination());
    let [first, ..] = source.octets();
    if first == 0 || first == 127 || first >= 224 {
        return refuse(Forbidden::Source {
            address: source.into(),
        });
    }
    if destination.is_multicast() || destination.is_broadcast() {
        return refuse(Forbidden::GroupDestination {
            address: destination.into(),
        });
    }
    Ok(source)
}

/// Whether an error about this IPv6 packet may be sent, and to whom.
fn permitted_v6(about: &[u8], error: ErrorV6) -> Result<Ipv6Addr, IcmpError> {
    let fail = |fault| IcmpError::Malformed(WireError::new(Layer::Ipv6, 0, fault));
    if about.len() < ipv6::HEADER_LEN {
        return Err(fail(Fault::Truncated {
            required: ipv6::HEADER_LEN,
            available: about.len(),
        }));
    }
    let packet = ipv6::Packet::new_unchecked(about);
    if packet.version() != 6 {
        return Err(fail(Fault::BadVersion {
            found: packet.version(),
            expected: 6,
        }));
    }
    let refuse = |why| Err(IcmpError::Forbidden { why });
    let source = packet.source();
    if source.is_unspecified() || source.is_loopback() || source.is_multicast() {
        return refuse(Forbidden::Source {
            address: source.into(),
        });
    }
    // RFC 4443 section 2.4 (e.3): too big and unrecognized options are told to the senders of multicast too.
    let about_groups = matches!(
        error,
        ErrorV6::PacketTooBig { .. } | ErrorV6::ParameterProblem { code: 2, .. }
    );
    let destination = packet.destination();
    if destination.is_multicast() && !about_groups {
        return refuse(Forbidden::GroupDestination {
            address: destination.into(),
        });
    }
    if let Ok(chain) = ext::walk(about) {
        let first_fragment = chain.fragment.is_none_or(|(_, header)| header.offset == 0);
        if chain.next_header == ICMPV6
            && first_fragment
            && about.get(chain.offset).is_some_and(|kind| kind & 0x80 == 0)
        {
            return refuse(Forbidden::AboutIcmpError);
        }
    }
    Ok(source)
}

/// Why no ICMP error was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum IcmpError {
    /// The standards forbid to send one about this packet.
    #[error("no icmp error may be sent about this packet: {why}")]
    Forbidden {
        /// The rule.
        why: Forbidden,
    },
    /// The packet cannot be read.
    #[error("packet at fault: {0}")]
    Malformed(WireError),
    /// The buffer is too short for the message.
    #[error("buffer has {available} bytes, the message needs {required}")]
    OutOfRoom {
        /// What the message needs.
        required: usize,
        /// What is there.
        available: usize,
    },
}

/// A rule against sending an ICMP error (RFC 1122 section 3.2.2, RFC 4443 section 2.4 (e)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Forbidden {
    /// The packet is an ICMP error itself.
    #[error("it is an icmp error itself")]
    AboutIcmpError,
    /// The packet went to a group.
    #[error("its destination {address} is a group")]
    GroupDestination {
        /// The destination.
        address: IpAddr,
    },
    /// The packet is not the first fragment.
    #[error("it is not the first fragment")]
    LaterFragment,
    /// The source is not one host.
    #[error("its source {address} is not one host")]
    Source {
        /// The source.
        address: IpAddr,
    },
}
