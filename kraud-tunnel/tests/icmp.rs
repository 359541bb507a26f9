//! The ICMP errors that an entry-point builds.

mod common;

use common::{ipv4_packet, ipv6_packet};
use kraud_tunnel::checksum;
use kraud_tunnel::icmp::{
    self, ErrorV4, ErrorV6, Forbidden, IcmpError, MAX_LEN_V4, MAX_LEN_V6, error_v4, error_v6,
};
use kraud_tunnel::wire::{ipv4, ipv6};
use std::net::{Ipv4Addr, Ipv6Addr};

const ENTRY: Ipv4Addr = Ipv4Addr::new(10, 198, 62, 1);
const ENTRY6: Ipv6Addr = Ipv6Addr::new(0xfd42, 0x1a8, 0, 0x2a09, 0, 0, 0, 1);

#[test]
fn a7_fragmentation_needed_goes_to_the_source_and_quotes_the_packet() {
    let about = ipv4_packet(1400, 0, true);
    let mut out = [0; MAX_LEN_V4];
    let len = icmp::fragmentation_needed(&about, 1380, ENTRY, &mut out).expect("permitted");
    assert_eq!(len, 576);
    let reply = ipv4::Packet::new_checked(&out[..len]).expect("a right header");
    assert_eq!(
        (reply.source(), reply.destination()),
        (ENTRY, Ipv4Addr::new(10, 198, 62, 5))
    );
    assert_eq!((reply.protocol(), reply.traffic_class()), (1, 0xc0));
    let message = reply.payload();
    assert_eq!(message[..2], [3, 4]);
    assert_eq!(message[4..8], [0, 0, 0x05, 0x64]);
    assert_eq!(message[8..], about[..548]);
    assert_eq!(checksum::sum(message), 0xffff);
}

#[test]
fn a7_packet_too_big_goes_to_the_source_and_quotes_the_packet() {
    let about = ipv6_packet(17, 0, &[0x5a; 1400]);
    let mut out = [0; MAX_LEN_V6];
    let len = icmp::packet_too_big(&about, 1380, ENTRY6, &mut out).expect("permitted");
    assert_eq!(len, 1280);
    let reply = ipv6::Packet::new_checked(&out[..len]).expect("a right header");
    assert_eq!(
        (reply.source(), reply.next_header(), reply.hop_limit()),
        (ENTRY6, 58, 64)
    );
    let message = reply.payload();
    assert_eq!(message[..2], [2, 0]);
    assert_eq!(message[4..8], 1380u32.to_be_bytes());
    assert_eq!(message[8..], about[..1232]);
    let pseudo = checksum::pseudo_header(&out[8..40], 58, message.len() as u32);
    assert_eq!(
        checksum::fold(checksum::accumulate(pseudo, message)),
        0xffff
    );
}

#[test]
fn a_used_up_limit_is_told_with_its_place() {
    let about = ipv6_packet(60, 0, &[17, 0, 4, 1, 0, 1, 1, 0]);
    let mut out = [0; MAX_LEN_V6];
    let problem = ErrorV6::ParameterProblem {
        code: 0,
        pointer: 44,
    };
    let len = error_v6(&about, problem, ENTRY6, &mut out).expect("permitted");
    assert_eq!(out[40..42], [4, 0]);
    assert_eq!(out[44..48], 44u32.to_be_bytes());
    assert_eq!(len, 40 + 8 + 48);
}

#[test]
fn no_error_is_sent_where_the_standards_forbid_it() {
    let mut out = [0; MAX_LEN_V4];
    let mut refused =
        |about: &[u8]| match error_v4(about, ErrorV4::HostUnreachable, ENTRY, &mut out) {
            Err(IcmpError::Forbidden { why }) => why,
            other => panic!("expected a refusal, got {other:?}"),
        };
    let with = |change: fn(&mut Vec<u8>)| {
        let mut packet = ipv4_packet(100, 0, false);
        change(&mut packet);
        packet
    };
    let error = with(|p| {
        p[9] = 1;
        p[20] = 3;
    });
    assert_eq!(refused(&error), Forbidden::AboutIcmpError);
    let later = with(|p| p[7] = 1);
    assert_eq!(refused(&later), Forbidden::LaterFragment);
    for first in [0, 127, 224, 255] {
        let mut packet = ipv4_packet(100, 0, false);
        packet[12] = first;
        assert!(
            matches!(refused(&packet), Forbidden::Source { .. }),
            "{first}"
        );
    }
    let group = with(|p| p[16] = 224);
    assert!(matches!(
        refused(&group),
        Forbidden::GroupDestination { .. }
    ));

    let mut out = [0; MAX_LEN_V6];
    let mut refused = |about: &[u8], error| match error_v6(about, error, ENTRY6, &mut out) {
        Err(IcmpError::Forbidden { why }) => Some(why),
        _ => None,
    };
    let error = ipv6_packet(58, 0, &[1, 3, 0, 0, 0, 0, 0, 0]);
    assert_eq!(
        refused(&error, ErrorV6::AddressUnreachable),
        Some(Forbidden::AboutIcmpError)
    );
    let echo = ipv6_packet(58, 0, &[128, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(refused(&echo, ErrorV6::AddressUnreachable), None);
    // A group is told only what it needs for path MTU discovery.
    let mut group = ipv6_packet(17, 0, &[0; 8]);
    group[24] = 0xff;
    assert!(refused(&group, ErrorV6::AddressUnreachable).is_some());
    assert!(refused(&group, ErrorV6::PacketTooBig { mtu: 1280 }).is_none());
}

#[test]
fn an_echo_request_may_be_answered_with_an_error() {
    let mut about = ipv4_packet(84, 0, true);
    about[9] = 1;
    about[20] = 8;
    let mut out = [0; MAX_LEN_V4];
    assert_eq!(
        icmp::fragmentation_needed(&about, 68, ENTRY, &mut out),
        Ok(84 + 28)
    );
}

#[test]
fn a_short_buffer_is_an_error_with_both_lengths() {
    let about = ipv4_packet(100, 0, true);
    let mut out = [0; 100];
    let error = icmp::fragmentation_needed(&about, 1380, ENTRY, &mut out);
    assert_eq!(
        error,
        Err(IcmpError::OutOfRoom {
            required: 128,
            available: 100
        })
    );
}
