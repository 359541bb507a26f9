//! Version, source and destination of a raw IP packet: what routing one needs, and no more.
//!
//! These look at the fixed header only. They check nothing else: a packet that passes here may still
//! be refused by [`Encapsulator`](crate::Encapsulator).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::wire::{Protocol, array_at};

/// The IP version of a packet, from its first four bits. `None` if there is no byte, or another version.
///
/// ```
/// use kraud_tunnel::{Protocol, inspect};
/// assert_eq!(inspect::version(&[0x45]), Some(Protocol::Ipv4));
/// assert_eq!(inspect::version(&[0x60]), Some(Protocol::Ipv6));
/// assert_eq!(inspect::version(&[0x00]), None);
/// ```
#[must_use]
#[inline]
pub fn version(packet: &[u8]) -> Option<Protocol> {
    match packet.first()? >> 4 {
        4 => Some(Protocol::Ipv4),
        6 => Some(Protocol::Ipv6),
        _ => None,
    }
}

/// The source address. `None` if the fixed header is not there as a whole.
#[must_use]
#[inline]
pub fn source(packet: &[u8]) -> Option<IpAddr> {
    match version(packet)? {
        Protocol::Ipv4 => address4(packet, 12).map(IpAddr::V4),
        Protocol::Ipv6 => address6(packet, 8).map(IpAddr::V6),
    }
}

/// The destination address. `None` if the fixed header is not there as a whole.
#[must_use]
#[inline]
pub fn destination(packet: &[u8]) -> Option<IpAddr> {
    match version(packet)? {
        Protocol::Ipv4 => address4(packet, 16).map(IpAddr::V4),
        Protocol::Ipv6 => address6(packet, 24).map(IpAddr::V6),
    }
}

/// The source address of an IPv4 packet; `None` for anything else.
#[must_use]
#[inline]
pub fn source_v4(packet: &[u8]) -> Option<Ipv4Addr> {
    (version(packet)? == Protocol::Ipv4).then(|| address4(packet, 12))?
}

/// The destination address of an IPv4 packet; `None` for anything else.
#[must_use]
#[inline]
pub fn destination_v4(packet: &[u8]) -> Option<Ipv4Addr> {
    (version(packet)? == Protocol::Ipv4).then(|| address4(packet, 16))?
}

/// The source address of an IPv6 packet; `None` for anything else.
#[must_use]
#[inline]
pub fn source_v6(packet: &[u8]) -> Option<Ipv6Addr> {
    (version(packet)? == Protocol::Ipv6).then(|| address6(packet, 8))?
}

/// The destination address of an IPv6 packet; `None` for anything else.
#[must_use]
#[inline]
pub fn destination_v6(packet: &[u8]) -> Option<Ipv6Addr> {
    (version(packet)? == Protocol::Ipv6).then(|| address6(packet, 24))?
}

/// How long the packet says it is: total length, or 40 and the payload length. `None` if the field is
/// not there.
#[must_use]
#[inline]
pub fn declared_len(packet: &[u8]) -> Option<usize> {
    match version(packet)? {
        Protocol::Ipv4 => array_at(packet, 2).map(|len| usize::from(u16::from_be_bytes(len))),
        Protocol::Ipv6 => array_at(packet, 4).map(|len| usize::from(u16::from_be_bytes(len)) + 40),
    }
}

/// An address at `at`, if the whole fixed IPv4 header is there.
#[inline]
fn address4(packet: &[u8], at: usize) -> Option<Ipv4Addr> {
    array_at::<4>(packet.first_chunk::<20>()?, at).map(Ipv4Addr::from)
}

/// An address at `at`, if the whole fixed IPv6 header is there.
#[inline]
fn address6(packet: &[u8], at: usize) -> Option<Ipv6Addr> {
    array_at::<16>(packet.first_chunk::<40>()?, at).map(Ipv6Addr::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_foreign_packets_have_no_address() {
        assert_eq!(source(&[]), None);
        assert_eq!(destination(&[0x45; 19]), None);
        assert_eq!(source(&[0x45; 19]), None);
        assert_eq!(source(&[0x45; 20]), Some(IpAddr::from([0x45; 4])));
        assert_eq!(destination(&[0x60; 39]), None);
        assert_eq!(destination(&[0x60; 40]), Some(IpAddr::from([0x60; 16])));
        assert_eq!(source_v6(&[0x45; 40]), None);
        assert_eq!(source_v4(&[0x60; 40]), None);
        assert_eq!(declared_len(&[0x45, 0, 1, 2]), Some(0x102));
        assert_eq!(declared_len(&[0x60, 0, 0, 0, 0, 8]), Some(48));
    }
}
