//! Errors from inside a tunnel, told to the source of the packet (RFC 2473 section 8).

mod common;

use common::{Row, in_buffer, ipv4_packet, ipv6_packet, rows, tunnel};
use kraud_tunnel::Encapsulator;
use kraud_tunnel::icmp::{ErrorV4, ErrorV6, MAX_LEN_V6, error_v6};
use kraud_tunnel::relay::{Answer, Relay, RelayError};
use std::net::{Ipv4Addr, Ipv6Addr};

const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfd42, 0x1a8, 0, 0x2a09, 0, 0, 0, 0xff);
const ENTRY4: Ipv4Addr = Ipv4Addr::new(10, 198, 62, 1);

/// What is sent for a row, if anything.
fn relayed(row: &Row) -> Option<Vec<u8>> {
    let message = row.bytes("input");
    let relay = Relay::new(&message, &row.tunnel()).ok()?;
    let mut out = [0; 1280];
    let from = row.cfg()["entry_v4"]
        .as_str()
        .expect("an address")
        .parse()
        .expect("an address");
    let len = relay.emit(from, row.address("local"), &mut out).ok()?;
    (len > 0).then(|| out[..len].to_vec())
}

#[test]
fn rfc2473_8_the_relay_follows_the_vectors() {
    let all = rows("icmp_relay");
    assert!(all.len() >= 10);
    for row in all {
        let sent = relayed(&row);
        let icmp = &row.json()["icmp4"];
        if row.json()["relay"] == false {
            assert_eq!(sent, None, "{}", row.name());
            continue;
        }
        let sent = sent.unwrap_or_else(|| panic!("{}: nothing sent", row.name()));
        if let Some(example) = icmp["example_bytes"].as_str() {
            assert_eq!(sent, common::hex(example), "{}", row.name());
        }
        assert_eq!(
            (u64::from(sent[20]), u64::from(sent[21])),
            (
                icmp["type"].as_u64().expect("type"),
                icmp["code"].as_u64().expect("code")
            )
        );
        let mtu = u64::from(u16::from_be_bytes([sent[26], sent[27]]));
        assert_eq!(mtu, icmp["mtu"].as_u64().unwrap_or(0), "{}", row.name());
        let quote = common::hex(icmp["quote_prefix"].as_str().expect("hex"));
        assert!(sent[28..].starts_with(&quote), "{}", row.name());
    }
}

/// A router's error about a packet of ours.
fn error_from_the_path(inner: &[u8], limit: Option<u8>, error: ErrorV6) -> Vec<u8> {
    let (mut buf, range) = in_buffer(inner, 48, 0);
    let how = Encapsulator::new().encap_limit(limit);
    let outer = how
        .encapsulate(&mut buf, range, &tunnel())
        .expect("a good packet");
    let mut out = [0; MAX_LEN_V6];
    let len = error_v6(&buf[outer], error, ROUTER, &mut out).expect("permitted");
    out[..len].to_vec()
}

#[test]
fn a7_packet_too_big_leaves_the_right_ipv4_mtu() {
    // Linux says 1280 first here, because it does not go below 1280 for an IPv4 packet either.
    let big = ipv4_packet(1400, 0, true);
    for (path, limit, expected) in [
        (1400, None, 1360),
        (1400, Some(4), 1352),
        (1280, None, 1240),
        (600, None, 1240),
    ] {
        let message = error_from_the_path(&big, limit, ErrorV6::PacketTooBig { mtu: path });
        let relay = Relay::new(&message, &tunnel()).expect("ours");
        assert_eq!(
            relay.answer,
            Some(Answer::V4(ErrorV4::FragmentationNeeded { mtu: expected }))
        );
        assert_eq!(relay.path_mtu, Some(path.max(1280)));
    }
}

#[test]
fn rfc2473_8_3_without_df_the_source_hears_nothing_but_the_mtu_is_kept() {
    let message = error_from_the_path(
        &ipv4_packet(1400, 0, false),
        None,
        ErrorV6::PacketTooBig { mtu: 1300 },
    );
    let relay = Relay::new(&message, &tunnel()).expect("ours");
    assert_eq!((relay.answer, relay.path_mtu), (None, Some(1300)));
    assert_eq!(relay.emit(ENTRY4, ROUTER, &mut [0; 1280]), Ok(0));
}

#[test]
fn rfc2473_8_2_an_ipv6_source_hears_of_its_own_mtu_only_above_1280() {
    let long = ipv6_packet(17, 0, &[0; 1300]);
    let message = error_from_the_path(&long, None, ErrorV6::PacketTooBig { mtu: 1330 });
    let relay = Relay::new(&message, &tunnel()).expect("ours");
    assert_eq!(
        relay.answer,
        Some(Answer::V6(ErrorV6::PacketTooBig { mtu: 1290 }))
    );
    let message = error_from_the_path(&long, None, ErrorV6::PacketTooBig { mtu: 1300 });
    let relay = Relay::new(&message, &tunnel()).expect("ours");
    assert_eq!(
        relay.answer,
        Some(Answer::V6(ErrorV6::PacketTooBig { mtu: 1280 }))
    );

    let short = ipv6_packet(17, 0, &[0; 1240]);
    let message = error_from_the_path(&short, None, ErrorV6::PacketTooBig { mtu: 1280 });
    assert_eq!(Relay::new(&message, &tunnel()).expect("ours").answer, None);

    let message = error_from_the_path(&short, None, ErrorV6::AddressUnreachable);
    let relay = Relay::new(&message, &tunnel()).expect("ours");
    assert_eq!(relay.answer, Some(Answer::V6(ErrorV6::AddressUnreachable)));
    let mut out = [0; 1280];
    let len = relay
        .emit(ENTRY4, tunnel().source(), &mut out)
        .expect("permitted");
    // The router quoted 1,232 bytes, 40 of them the outer header.
    assert_eq!((len, out[40], out[41]), (1232 - 40 + 48, 1, 3));
}

#[test]
fn rfc2473_8_only_a_limit_that_is_zero_is_a_reason() {
    let inner = ipv4_packet(200, 0, false);
    let problem = |pointer| ErrorV6::ParameterProblem { code: 0, pointer };
    let relay = |limit, error| {
        let message = error_from_the_path(&inner, limit, error);
        Relay::new(&message, &tunnel()).map(|relay| relay.answer)
    };
    assert_eq!(
        relay(Some(0), problem(44)),
        Ok(Some(Answer::V4(ErrorV4::HostUnreachable)))
    );
    assert_eq!(
        relay(Some(1), problem(44)),
        Err(RelayError::NoRule { kind: 4, code: 0 })
    );
    assert_eq!(
        relay(Some(0), problem(6)),
        Err(RelayError::NoRule { kind: 4, code: 0 })
    );
    assert_eq!(
        relay(None, problem(44)),
        Err(RelayError::NoRule { kind: 4, code: 0 })
    );
}

#[test]
fn what_is_forged_or_damaged_is_not_believed() {
    let good = error_from_the_path(
        &ipv4_packet(200, 0, true),
        None,
        ErrorV6::AddressUnreachable,
    );
    assert!(Relay::new(&good, &tunnel()).is_ok());
    let mut damaged = good.clone();
    damaged[60] ^= 1;
    assert!(matches!(
        Relay::new(&damaged, &tunnel()),
        Err(RelayError::Malformed(_))
    ));
    assert!(matches!(
        Relay::new(&good, &tunnel().reversed()),
        Err(RelayError::NotOurs { .. })
    ));
    for len in 0..good.len() {
        assert!(Relay::new(&good[..len], &tunnel()).is_err(), "cut at {len}");
    }
}
