//! The same work with other crates, as their users would write it. Each function does one packet.

use std::net::Ipv6Addr;
use std::ops::Range;

/// What a decapsulation is asked for: what ours tells too.
pub(crate) struct Found {
    pub(crate) inner: Range<usize>,
    pub(crate) source: Ipv6Addr,
    pub(crate) destination: Ipv6Addr,
    pub(crate) hop_limit: u8,
}

/// Reads and verifies the IPv4 header at `at`, writes the IPv6 header in front of it. No flow label.
#[inline(never)]
pub(crate) fn etherparse_encap(
    buf: &mut [u8],
    at: usize,
    source: Ipv6Addr,
    destination: Ipv6Addr,
) -> Option<usize> {
    let (head, tail) = buf.split_at_mut_checked(at)?;
    let slice = etherparse::Ipv4Slice::from_slice(tail).ok()?;
    let header = slice.header().to_header();
    if header.calc_header_checksum() != header.header_checksum {
        return None;
    }
    let outer = etherparse::Ipv6Header {
        traffic_class: slice.header().ecn().value(),
        flow_label: etherparse::Ipv6FlowLabel::ZERO,
        payload_length: header.total_len,
        next_header: etherparse::IpNumber::IPV4,
        hop_limit: 64,
        source: source.octets(),
        destination: destination.octets(),
    };
    head.get_mut(at - 40..)?.copy_from_slice(&outer.to_bytes());
    Some(at - 40)
}

/// Reads the outer header with its extensions and the inner header. No checksum, no RFC 6040.
#[inline(never)]
pub(crate) fn etherparse_decap(buf: &[u8], start: usize) -> Option<Found> {
    let outer = etherparse::Ipv6Slice::from_slice(buf.get(start..)?).ok()?;
    let payload = outer.payload();
    if payload.ip_number != etherparse::IpNumber::IPV4 {
        return None;
    }
    let inner = etherparse::Ipv4Slice::from_slice(payload.payload).ok()?;
    let header = outer.header();
    let at = start + 40 + outer.extensions().slice().len();
    Some(Found {
        inner: at..at + usize::from(inner.header().total_len()),
        source: header.source_addr(),
        destination: header.destination_addr(),
        hop_limit: header.hop_limit(),
    })
}

/// Reads and verifies the IPv4 header at `at`, writes the IPv6 header in front of it. No flow label.
#[inline(never)]
pub(crate) fn smoltcp_encap(
    buf: &mut [u8],
    at: usize,
    source: Ipv6Addr,
    destination: Ipv6Addr,
) -> Option<usize> {
    use smoltcp::wire::{IpProtocol, Ipv4Packet, Ipv6Packet};
    let (head, tail) = buf.split_at_mut_checked(at)?;
    let inner = Ipv4Packet::new_checked(&*tail).ok()?;
    if inner.version() != 4 || !inner.verify_checksum() {
        return None;
    }
    let mut outer = Ipv6Packet::new_unchecked(head.get_mut(at - 40..)?);
    outer.set_version(6);
    outer.set_traffic_class(inner.ecn());
    outer.set_flow_label(0);
    outer.set_payload_len(inner.total_len());
    outer.set_next_header(IpProtocol::Unknown(4));
    outer.set_hop_limit(64);
    outer.set_src_addr(source);
    outer.set_dst_addr(destination);
    Some(at - 40)
}

/// Reads the outer header and verifies the inner one. No extension headers, no RFC 6040.
#[inline(never)]
pub(crate) fn smoltcp_decap(buf: &[u8], start: usize) -> Option<Found> {
    use smoltcp::wire::{IpProtocol, Ipv4Packet, Ipv6Packet};
    let outer = Ipv6Packet::new_checked(buf.get(start..)?).ok()?;
    if outer.version() != 6 || outer.next_header() != IpProtocol::Unknown(4) {
        return None;
    }
    let inner = Ipv4Packet::new_checked(outer.payload()).ok()?;
    if inner.version() != 4 || !inner.verify_checksum() {
        return None;
    }
    let at = start + 40;
    Some(Found {
        inner: at..at + usize::from(inner.total_len()),
        source: outer.src_addr(),
        destination: outer.dst_addr(),
        hop_limit: outer.hop_limit(),
    })
}
