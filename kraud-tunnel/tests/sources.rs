//! Nobody speaks for another: inner sources tied to peers (row A1).

mod common;

use common::{in_buffer, ipv4_packet, ipv6_packet, tunnel};
use kraud_tunnel::sources::{Prefix, SourceFilter, SourceRule};
use kraud_tunnel::{Counters, Decapsulator, DropReason, Encapsulator, Endpoints};
use std::net::{IpAddr, Ipv6Addr};

fn prefix(text: &str, len: u8) -> Prefix {
    Prefix::new(text.parse().expect("an address"), len).expect("a prefix")
}

#[test]
fn a1_a_spoofed_source_does_not_come_through() {
    let peer = tunnel().source();
    let stranger: Ipv6Addr = "fd42:1a8:0:2a09::99".parse().expect("an address");
    let mut rules = [
        SourceRule {
            peer: stranger,
            prefix: prefix("10.0.0.0", 8),
        },
        SourceRule {
            peer,
            prefix: prefix("10.198.62.5", 32),
        },
        SourceRule {
            peer,
            prefix: prefix("fd42:1a8:0:2a09:aaaa::", 80),
        },
    ];
    let filter = SourceFilter::new(&mut rules);
    let mut counters = Counters::new();
    let mut arrives = |from: Ipv6Addr, inner: &[u8]| {
        let (mut buf, range) = in_buffer(inner, 48, 0);
        let to = Endpoints::new(from, tunnel().destination()).expect("a possible tunnel");
        let outer = Encapsulator::new()
            .encapsulate(&mut buf, range, &to)
            .expect("a good packet");
        let found = Decapsulator::new()
            .decapsulate(&mut buf, outer)
            .expect("a good packet");
        match filter.check(&found, &buf) {
            Ok(()) => counters.passed(found.inner.len()),
            Err(error) => counters.dropped(error.reason()),
        }
        counters.drops(DropReason::ForeignSource)
    };
    assert_eq!(arrives(peer, &ipv4_packet(60, 0, false)), 0);
    assert_eq!(arrives(peer, &ipv6_packet(59, 0, &[])), 0);
    // The neighbour's address from behind this peer, and ours from behind somebody unknown.
    let mut spoofed = ipv4_packet(60, 0, false);
    spoofed[15] = 7;
    kraud_tunnel::wire::ipv4::Packet::new_unchecked(&mut spoofed[..]).fill_checksum();
    assert_eq!(arrives(peer, &spoofed), 1);
    assert_eq!(arrives(stranger, &ipv6_packet(59, 0, &[])), 2);
    assert_eq!(
        arrives(
            "fd42::77".parse().expect("an address"),
            &ipv4_packet(60, 0, false)
        ),
        3
    );
    assert_eq!((counters.packets(), counters.bytes()), (2, 100));
    assert_eq!(
        counters.iter().collect::<Vec<_>>(),
        [(DropReason::ForeignSource, 3)]
    );
}

#[test]
fn prefixes_hold_what_begins_with_them() {
    let v4 = |text: &str| text.parse::<IpAddr>().expect("an address");
    for (net, len, inside, outside) in [
        ("0.0.0.0", 0, "255.255.255.255", "::"),
        ("10.198.62.0", 23, "10.198.63.255", "10.198.64.0"),
        ("10.198.62.5", 32, "10.198.62.5", "10.198.62.4"),
        ("::", 0, "ffff::", "0.0.0.0"),
        ("fd42::", 16, "fd42:ffff::", "fd43::"),
        ("fd42::1", 128, "fd42::1", "fd42::"),
    ] {
        assert!(
            prefix(net, len).contains(v4(inside)),
            "{inside} in {net}/{len}"
        );
        assert!(
            !prefix(net, len).contains(v4(outside)),
            "{outside} in {net}/{len}"
        );
    }
    assert_eq!(Prefix::new(v4("10.0.0.0"), 33), None);
    assert_eq!(Prefix::new(v4("::"), 129), None);
    assert_eq!(Prefix::host(v4("10.0.0.1")), prefix("10.0.0.1", 32));
    assert!(!SourceFilter::new(&mut []).permits(tunnel().source(), v4("10.0.0.1")));
}
