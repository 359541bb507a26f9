//! RFC 2473, clause by clause: what must happen, and what must not happen beside it.
//!
//! Each test names its clause. Fragmentation and reassembly themselves are in `fragments.rs`, the relay of errors in
//! `relay.rs`, the vectors in `vectors.rs`.

mod common;

use common::{in_buffer, ipv4_packet, ipv6_packet, tunnel};
use kraud_tunnel::fragment::{Fragments, Layout};
use kraud_tunnel::icmp::{ErrorV4, ErrorV6, error_v6};
use kraud_tunnel::mtu::{Admission, admit};
use kraud_tunnel::reassemble::{Reassembler, Slot};
use kraud_tunnel::relay::{Answer, Relay, RelayError};
use kraud_tunnel::wire::ext::{ExtError, find_limit, walk};
use kraud_tunnel::wire::{Protocol, ipv6};
use kraud_tunnel::{
    DecapError, Decapsulator, EncapError, Encapsulator, EndpointError, Endpoints, HopLimit,
};

/// The tunnel packet around `inner`.
fn encapsulated(how: Encapsulator, inner: &[u8]) -> Result<Vec<u8>, EncapError> {
    let (mut buf, range) = in_buffer(inner, 48, 0);
    let outer = how.encapsulate(&mut buf, range, &tunnel())?;
    Ok(buf[outer].to_vec())
}

/// An IPv6 packet with a limit option of this value.
fn with_limit(value: u8) -> Vec<u8> {
    ipv6_packet(60, 0, &[59, 0, 4, 1, value, 1, 1, 0])
}

/// The limit option of the outer header, if there is one.
fn outer_limit(packet: &[u8]) -> Option<u8> {
    (packet[6] == 60).then(|| packet[44])
}

#[test]
fn rfc2473_3_1_the_inner_packet_is_carried_as_it_is() {
    for inner in [
        ipv4_packet(100, 0xb8, true),
        ipv6_packet(17, 0xb8, &[1, 2, 3, 4, 5, 6, 7, 8]),
    ] {
        let outer = encapsulated(Encapsulator::new(), &inner).expect("a good packet");
        assert_eq!(outer[40..], inner);
        let view = ipv6::Packet::new_checked(&outer).expect("a right header");
        assert_eq!(
            (view.source(), view.destination()),
            (tunnel().source(), tunnel().destination())
        );
    }
}

#[test]
fn rfc2473_3_3_the_exit_point_gives_it_back() {
    let inner = ipv6_packet(17, 0, &[9; 20]);
    let mut outer =
        encapsulated(Encapsulator::new().encap_limit(Some(4)), &inner).expect("a good packet");
    let len = outer.len();
    let found = Decapsulator::new()
        .decapsulate(&mut outer, 0..len)
        .expect("our own packet");
    assert_eq!((found.protocol, found.limit), (Protocol::Ipv6, Some(4)));
    assert_eq!(outer[found.inner], inner);
}

#[test]
fn rfc2473_4_1_1_a_limit_of_zero_is_refused_with_its_place() {
    // The pointer is the option's third octet: the value itself.
    let error = encapsulated(Encapsulator::new(), &with_limit(0));
    assert_eq!(error, Err(EncapError::LimitExceeded { pointer: 44 }));
    // What is configured does not matter.
    let error = encapsulated(Encapsulator::new().encap_limit(Some(9)), &with_limit(0));
    assert_eq!(error, Err(EncapError::LimitExceeded { pointer: 44 }));
    // And the source can be told.
    let mut out = [0; 1280];
    let problem = ErrorV6::ParameterProblem {
        code: 0,
        pointer: 44,
    };
    let len = error_v6(&with_limit(0), problem, tunnel().source(), &mut out).expect("permitted");
    assert_eq!((len, &out[40..42], out[47]), (40 + 8 + 48, &[4, 0][..], 44));
}

#[test]
fn rfc2473_4_1_1_a_limit_above_zero_is_not() {
    for value in 1..=255 {
        assert!(
            encapsulated(Encapsulator::new(), &with_limit(value)).is_ok(),
            "{value}"
        );
    }
}

#[test]
fn rfc2473_4_1_1_the_outer_option_is_one_less_whatever_is_configured() {
    for configured in [None, Some(0), Some(4), Some(255)] {
        let how = Encapsulator::new().encap_limit(configured);
        for value in 1..=255 {
            let outer = encapsulated(how, &with_limit(value)).expect("a good packet");
            assert_eq!(outer_limit(&outer), Some(value - 1));
        }
    }
}

#[test]
fn rfc2473_4_1_1_without_an_inner_option_the_configured_one_counts() {
    for inner in [ipv4_packet(60, 0, false), ipv6_packet(59, 0, &[])] {
        for configured in (0..=255).map(Some).chain([None]) {
            let outer = encapsulated(Encapsulator::new().encap_limit(configured), &inner);
            assert_eq!(outer_limit(&outer.expect("a good packet")), configured);
        }
    }
}

#[test]
fn rfc2473_4_1_1_what_is_not_configured_is_not_added() {
    for inner in [ipv4_packet(60, 0, false), ipv6_packet(59, 0, &[])] {
        let outer = encapsulated(Encapsulator::new(), &inner).expect("a good packet");
        assert_eq!((outer_limit(&outer), outer.len()), (None, 40 + inner.len()));
    }
}

#[test]
fn rfc2473_4_1_1_the_scan_goes_from_left_to_right_through_extension_headers() {
    // Hop-by-Hop, then Routing, then two Destination Options headers: the first limit counts.
    let mut chain = vec![43, 0, 1, 4, 0, 0, 0, 0];
    chain.extend([60, 0, 2, 0, 0, 0, 0, 0]);
    chain.extend([60, 0, 1, 4, 0, 0, 0, 0]);
    chain.extend([60, 0, 4, 1, 7, 1, 1, 0]);
    chain.extend([59, 0, 4, 1, 3, 1, 1, 0]);
    let found = find_limit(&ipv6_packet(0, 0, &chain)).expect("a limit");
    assert_eq!((found.value, found.offset), (7, 40 + 24 + 4));
}

#[test]
fn rfc2473_4_1_1_the_scan_stops_where_headers_end() {
    let limit = [59, 0, 4, 1, 3, 1, 1, 0];
    // Behind another IPv6 header, an IPv4 header, ESP, an unknown header, no next header.
    for next_header in [41, 4, 50, 59, 253, 6, 17] {
        let mut payload = with_limit(5);
        payload.splice(0..0, limit);
        assert_eq!(
            find_limit(&ipv6_packet(next_header, 0, &payload)),
            None,
            "{next_header}"
        );
    }
    // Behind an option that reaches too far, and in a header that is cut off.
    assert_eq!(
        find_limit(&ipv6_packet(60, 0, &[59, 0, 30, 9, 4, 1, 3, 0])),
        None
    );
    assert_eq!(
        find_limit(&ipv6_packet(60, 0, &[59, 1, 4, 1, 3, 1, 1, 0])),
        None
    );
    // In the data of a later fragment.
    let mut later = vec![60, 0, 0, 8, 0, 0, 0, 1];
    later.extend(limit);
    assert_eq!(find_limit(&ipv6_packet(44, 0, &later)), None);
    later[3] = 1;
    assert!(
        find_limit(&ipv6_packet(44, 0, &later)).is_some(),
        "the first fragment has it"
    );
}

#[test]
fn rfc2473_4_1_2_a_packet_between_the_ends_of_the_tunnel_is_refused() {
    let mut inner = ipv6_packet(17, 0, &[0; 8]);
    inner[8..24].copy_from_slice(&tunnel().source().octets());
    inner[24..40].copy_from_slice(&tunnel().destination().octets());
    assert_eq!(
        encapsulated(Encapsulator::new(), &inner),
        Err(EncapError::Loopback)
    );
}

#[test]
fn rfc2473_4_1_2_a_packet_of_one_end_to_somebody_else_is_not() {
    let mut inner = ipv6_packet(17, 0, &[0; 8]);
    inner[8..24].copy_from_slice(&tunnel().source().octets());
    assert!(encapsulated(Encapsulator::new(), &inner).is_ok());
    inner[24..40].copy_from_slice(&tunnel().source().octets());
    inner[8..24].copy_from_slice(&tunnel().destination().octets());
    assert!(
        encapsulated(Encapsulator::new(), &inner).is_ok(),
        "the way back"
    );
}

#[test]
fn rfc2473_4_1_2_both_ends_on_one_node_are_no_tunnel() {
    let end = tunnel().source();
    assert_eq!(
        Endpoints::new(end, end),
        Err(EndpointError::SameNode { address: end })
    );
    assert!(Endpoints::new(end, tunnel().destination()).is_ok());
}

#[test]
fn rfc2473_5_1_the_option_is_written_in_its_one_form() {
    let outer = encapsulated(
        Encapsulator::new().encap_limit(Some(4)),
        &ipv4_packet(20, 0, false),
    );
    // Next header 4, length 0, option 4 of one byte, PadN of one byte.
    assert_eq!(
        outer.expect("a good packet")[40..48],
        [4, 0, 4, 1, 4, 1, 1, 0]
    );
}

#[test]
fn rfc2473_5_1_another_length_of_the_option_is_refused_on_receipt() {
    for (len, bytes) in [(0, [4, 0, 4, 0, 1, 2, 0, 0]), (2, [4, 0, 4, 2, 9, 9, 1, 0])] {
        let mut payload = bytes.to_vec();
        payload.extend(ipv4_packet(20, 0, false));
        let mut packet = ipv6_packet(60, 0, &payload);
        let end = packet.len();
        let result = Decapsulator::new().decapsulate(&mut packet, 0..end);
        let expected = ExtError::LimitLength { offset: 42, len };
        assert_eq!(result, Err(DecapError::Extension(expected)));
    }
}

#[test]
fn rfc2473_6_3_the_tunnel_is_one_hop() {
    for ttl in 0..=255 {
        let mut inner = ipv6_packet(59, 0, &[]);
        inner[7] = ttl;
        let fixed = encapsulated(Encapsulator::new(), &inner).expect("a good packet");
        assert_eq!((fixed[7], fixed[40 + 7]), (64, ttl));
        let uniform = Encapsulator::new().hop_limit(HopLimit::Inherit);
        let copied = encapsulated(uniform, &inner).expect("a good packet");
        assert_eq!((copied[7], copied[40 + 7]), (ttl, ttl));
    }
}

#[test]
fn rfc2473_6_4_dscp_is_zero_unless_asked_for_and_ecn_is_not_dscp() {
    for class in 0..=255 {
        let outer = encapsulated(Encapsulator::new(), &ipv4_packet(20, class, false));
        let class_out = ipv6::Packet::new_unchecked(outer.expect("a good packet")).traffic_class();
        assert_eq!(class_out, class & 3);
    }
}

#[test]
fn rfc2473_7_the_entry_point_cuts_and_the_exit_point_puts_together_first() {
    let inner = ipv4_packet(3000, 0, false);
    let outer =
        encapsulated(Encapsulator::new().encap_limit(Some(4)), &inner).expect("a good packet");
    for layout in [Layout::Linux, Layout::Rfc8200] {
        let (mut slots, mut memory) = ([Slot::EMPTY; 1], [0; 4096]);
        let mut reassembler = Reassembler::new(&mut slots, &mut memory);
        let mut fragments = Fragments::new(&outer, 1280, 1, layout).expect("a packet to cut");
        let mut wire = [0; 1280];
        let mut taken = 0;
        while let Some(fragment) = fragments.next_into(&mut wire).expect("room") {
            // A part of the packet is not taken for the whole.
            let len = fragment.len();
            let alone = Decapsulator::new().decapsulate(fragment, 0..len);
            assert!(matches!(alone, Err(DecapError::Fragment { .. })));
            if let Some(whole) = reassembler.insert(fragment, 0).expect("no error") {
                let len = whole.len();
                let found = Decapsulator::new()
                    .decapsulate(whole, 0..len)
                    .expect("our own packet");
                assert_eq!(whole[found.inner], inner);
                taken += 1;
            }
        }
        assert_eq!(taken, 1);
    }
}

#[test]
fn rfc2473_7_a_tunnel_packet_that_enters_a_second_tunnel_is_refused_not_cut() {
    // The way from the first tunnel's entry to its exit leads through another tunnel.
    let first = encapsulated(Encapsulator::new(), &ipv4_packet(1300, 0, false));
    let first = first.expect("a good packet");
    assert_eq!(
        admit(&first, 1340, 40),
        Some(Admission::TooBig { mtu: 1300 })
    );
    // A fragment of it is no different: what is forwarded stays as it is.
    let mut fragments = Fragments::new(&first, 1320, 1, Layout::Rfc8200).expect("a packet to cut");
    let mut wire = [0; 1320];
    let fragment = fragments.next_into(&mut wire).expect("room").expect("one");
    assert_eq!(
        admit(fragment, 1340, 40),
        Some(Admission::TooBig { mtu: 1300 })
    );
    assert!(Fragments::new(fragment, 1280, 2, Layout::Rfc8200).is_err());
}

#[test]
fn rfc2473_7_a_tunnel_packet_of_the_least_size_is_carried_whole_inside() {
    // Up to 1280 bytes only the second tunnel's own packet is cut, and the first one's comes out as it went in.
    let first = encapsulated(Encapsulator::new(), &ipv4_packet(1240, 0, false));
    let first = first.expect("a good packet");
    let admission = admit(&first, 1280, 40);
    assert_eq!(admission, Some(Admission::EncapsulateThenFragment));
    let end = |text: &str| text.parse().expect("an address");
    let ends = Endpoints::new(end("fd42::a"), end("fd42::b")).expect("another tunnel");
    let (mut buf, range) = in_buffer(&first, 48, 0);
    let second = Encapsulator::new()
        .encapsulate(&mut buf, range, &ends)
        .expect("a good packet");
    let second = &buf[second];
    let (mut slots, mut memory) = ([Slot::EMPTY; 1], [0; 4096]);
    let mut reassembler = Reassembler::new(&mut slots, &mut memory);
    let mut fragments = Fragments::new(second, 1280, 1, Layout::Rfc8200).expect("a packet to cut");
    let mut wire = [0; 1280];
    let mut came = None;
    while let Some(fragment) = fragments.next_into(&mut wire).expect("room") {
        came = reassembler
            .insert(fragment, 0)
            .expect("no error")
            .map(|whole| whole.to_vec());
    }
    let mut came = came.expect("whole again");
    let len = came.len();
    let found = Decapsulator::new()
        .decapsulate(&mut came, 0..len)
        .expect("our own packet");
    assert_eq!(came[found.inner], first);
}

#[test]
fn rfc2473_7_1_a_long_ipv6_packet_is_refused_and_a_short_one_carried() {
    let sized = |len: usize| ipv6_packet(59, 0, &vec![0; len - 40]);
    // (a) Above 1280 and above the tunnel MTU: Packet Too Big with the larger of the two.
    assert_eq!(
        admit(&sized(1400), 1420, 40),
        Some(Admission::TooBig { mtu: 1380 })
    );
    assert_eq!(
        admit(&sized(1400), 1280, 40),
        Some(Admission::TooBig { mtu: 1280 })
    );
    // (b) Up to 1280 it is carried, in fragments if need be.
    assert_eq!(
        admit(&sized(1280), 1280, 40),
        Some(Admission::EncapsulateThenFragment)
    );
    assert_eq!(admit(&sized(1240), 1280, 40), Some(Admission::Encapsulate));
    assert_eq!(admit(&sized(1380), 1420, 40), Some(Admission::Encapsulate));
}

#[test]
fn rfc2473_7_2_df_decides_over_a_long_ipv4_packet() {
    // (a) With DF: refused, with the tunnel MTU, which may be below 1280.
    assert_eq!(
        admit(&ipv4_packet(1241, 0, true), 1280, 40),
        Some(Admission::TooBig { mtu: 1240 })
    );
    // (b) Without DF: encapsulated, then cut. (Linux refuses here.)
    let carried = admit(&ipv4_packet(1241, 0, false), 1280, 40);
    assert_eq!(carried, Some(Admission::EncapsulateThenFragment));
    assert_eq!(
        admit(&ipv4_packet(1240, 0, true), 1280, 40),
        Some(Admission::Encapsulate)
    );
}

#[test]
fn rfc2473_8_an_error_from_the_path_reaches_the_source_and_others_do_not() {
    let outer =
        encapsulated(Encapsulator::new(), &ipv4_packet(100, 0, true)).expect("a good packet");
    let mut out = [0; 1280];
    let router = "fd42:1a8:0:2a09::ff".parse().expect("an address");
    let mut message = |change: fn(&mut [u8])| {
        let len =
            error_v6(&outer, ErrorV6::AddressUnreachable, router, &mut out).expect("permitted");
        let mut message = out[..len].to_vec();
        change(&mut message[40..]);
        // The checksum over the changed message.
        message[42..44].fill(0);
        let pseudo = kraud_tunnel::checksum::pseudo_header(&message[8..40], 58, len as u32 - 40);
        let sum = !kraud_tunnel::checksum::fold(kraud_tunnel::checksum::accumulate(
            pseudo,
            &message[40..],
        ));
        message[42..44].copy_from_slice(&sum.to_be_bytes());
        Relay::new(&message, &tunnel()).map(|relay| relay.answer)
    };
    let unreachable = Ok(Some(Answer::V4(ErrorV4::HostUnreachable)));
    assert_eq!(message(|_| {}), unreachable);
    assert_eq!(
        message(|icmp| icmp[..2].copy_from_slice(&[3, 0])),
        unreachable,
        "hop limit exceeded"
    );
    // Reassembly time exceeded, and messages that are no errors, are not relayed.
    for (kind, code) in [(3, 1), (128, 0), (129, 0), (133, 0), (4, 1), (4, 2)] {
        let result = message(match (kind, code) {
            (3, 1) => |icmp| icmp[..2].copy_from_slice(&[3, 1]),
            (128, _) => |icmp| icmp[0] = 128,
            (129, _) => |icmp| icmp[0] = 129,
            (133, _) => |icmp| icmp[0] = 133,
            (4, 1) => |icmp| icmp[..2].copy_from_slice(&[4, 1]),
            _ => |icmp| icmp[..2].copy_from_slice(&[4, 2]),
        });
        let code = if kind > 100 { 3 } else { code };
        assert_eq!(result, Err(RelayError::NoRule { kind, code }));
    }
}

#[test]
fn the_walk_over_three_headers_ends_where_it_must() {
    // Every chain of up to three extension headers, in front of IPv4: hop-by-hop only in front, the rest anywhere.
    let bodies: [(u8, [u8; 8]); 4] = [
        (0, [0, 0, 1, 4, 0, 0, 0, 0]),
        (43, [0, 0, 2, 0, 0, 0, 0, 0]),
        (44, [0, 0, 0, 0, 0, 0, 0, 1]),
        (60, [0, 0, 4, 1, 3, 1, 1, 0]),
    ];
    let mut chains: Vec<Vec<usize>> = vec![vec![]];
    for len in 0..3 {
        let longer: Vec<Vec<usize>> = chains
            .iter()
            .filter(|chain| chain.len() == len)
            .flat_map(|chain| (0..4).map(|next| chain.iter().copied().chain([next]).collect()))
            .collect();
        chains.extend(longer);
    }
    assert_eq!(chains.len(), 1 + 4 + 16 + 64);
    for chain in chains {
        let mut payload = Vec::new();
        for (i, header) in chain.iter().enumerate() {
            let mut bytes = bodies[*header].1;
            bytes[0] = chain.get(i + 1).map_or(4, |next| bodies[*next].0);
            payload.extend(bytes);
        }
        payload.extend(ipv4_packet(20, 0, false));
        let first = chain.first().map_or(4, |header| bodies[*header].0);
        let packet = ipv6_packet(first, 0, &payload);
        let late_hop_by_hop = chain.iter().skip(1).position(|header| *header == 0);
        match (walk(&packet), late_hop_by_hop) {
            (Ok(found), None) => {
                assert_eq!(
                    (found.next_header, found.offset),
                    (4, 40 + 8 * chain.len()),
                    "{chain:?}"
                );
                assert_eq!(found.limit.is_some(), chain.contains(&3), "{chain:?}");
            }
            (Err(ExtError::HopByHopNotFirst { offset, .. }), Some(at)) => {
                assert_eq!(offset, 40 + 8 * (at + 1), "{chain:?}");
            }
            (result, _) => panic!("{chain:?}: {result:?}"),
        }
    }
}

#[test]
fn the_walk_is_bounded() {
    let empty = |next: u8| [next, 0, 1, 4, 0, 0, 0, 0];
    let chain = |count: usize| {
        let mut payload: Vec<u8> = (1..count).flat_map(|_| empty(60)).chain(empty(4)).collect();
        payload.extend(ipv4_packet(20, 0, false));
        walk(&ipv6_packet(60, 0, &payload))
    };
    assert!(chain(8).is_ok());
    assert_eq!(chain(9), Err(ExtError::TooManyHeaders { offset: 40 + 64 }));
    // Nine options in one header: eight are enough.
    let mut options = vec![59, 3];
    options.extend([0x1e, 1, 0].repeat(10));
    let result = walk(&ipv6_packet(60, 0, &options));
    assert_eq!(result, Err(ExtError::TooManyOptions { offset: 42 + 24 }));
    // Eight bytes of padding in a row, and padding that is not zero.
    let result = walk(&ipv6_packet(
        60,
        0,
        &[59, 1, 1, 6, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0],
    ));
    assert_eq!(result, Err(ExtError::Padding { offset: 42 }));
    let result = walk(&ipv6_packet(60, 0, &[59, 0, 1, 4, 0, 0, 9, 0]));
    assert_eq!(result, Err(ExtError::Padding { offset: 42 }));
}
