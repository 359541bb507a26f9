//! The reference vectors of whole packets: encapsulation, decapsulation, malformed packets, ECN.

mod common;

use common::{Row, in_buffer, rows};
use kraud_tunnel::ecn::{self, Alarm, Ecn, Ingress};
use kraud_tunnel::flow::FlowLabel;
use kraud_tunnel::{
    DecapError, Decapsulated, Decapsulator, DropReason, DscpIn, DscpOut, EncapError, Encapsulator,
    HopLimit,
};
use serde_json::Value;

/// The configuration that an encapsulation row names.
fn encapsulator(row: &Row) -> Encapsulator {
    let cfg = row.cfg();
    let hop_limit = match &cfg["hop_limit"] {
        Value::Number(n) => HopLimit::Fixed(n.as_u64().expect("a number") as u8),
        _ => HopLimit::Inherit,
    };
    let dscp = match cfg["tclass"].as_str().expect("text").strip_prefix("fixed:") {
        Some(value) => DscpIn::Fixed(value.parse().expect("a DSCP")),
        None => DscpIn::Inherit,
    };
    Encapsulator::new()
        .hop_limit(hop_limit)
        .dscp(dscp)
        .ecn(ingress(cfg["ecn"].as_str().expect("text")))
        .flow_label(FlowLabel::Fixed(
            cfg["flow_label"].as_u64().expect("a number") as u32,
        ))
        .encap_limit(cfg["encap_limit"].as_u64().map(|n| n as u8))
}

fn ingress(name: &str) -> Ingress {
    match name {
        "rfc6040-normal" => Ingress::Normal,
        "rfc6040-compat" => Ingress::Compatibility,
        "rfc3168-full" => Ingress::Rfc3168,
        other => panic!("unknown ECN mode {other}"),
    }
}

fn alarm(text: &str) -> Alarm {
    match text {
        "" => Alarm::None,
        "!" => Alarm::Notable,
        "!!!" => Alarm::Critical,
        other => panic!("unknown alarm {other}"),
    }
}

fn decapsulate(row: &Row, how: Decapsulator) -> (Vec<u8>, Result<Decapsulated, DecapError>) {
    let mut buf = row.bytes("input");
    let len = buf.len();
    let result = how
        .only_from(row.tunnel().reversed())
        .decapsulate(&mut buf, 0..len);
    (buf, result)
}

#[test]
fn a7_encapsulation_is_byte_exact() {
    let all = rows("encap");
    assert!(all.len() >= 76);
    for row in all {
        let (mut buf, inner) = in_buffer(&row.bytes("input"), 48, 3);
        let result = encapsulator(&row).encapsulate(&mut buf, inner, &row.tunnel());
        if row.expects_ok() {
            let outer = result.unwrap_or_else(|e| panic!("{}: {e}", row.name()));
            assert_eq!(buf[outer], row.bytes("output"), "{}", row.name());
            continue;
        }
        match (row.str("reason"), result.expect_err(&row.name())) {
            ("EncapLimitExceeded", EncapError::LimitExceeded { pointer }) => {
                assert_eq!(row.json()["icmp6"]["pointer"], pointer, "{}", row.name());
            }
            ("LoopbackEncapsulation", EncapError::Loopback) => {}
            (reason, error) => panic!("{}: expected {reason}, got {error}", row.name()),
        }
    }
}

#[test]
fn a7_decapsulation_is_byte_exact() {
    let all = rows("decap");
    assert!(all.len() >= 10);
    for row in all {
        let (buf, result) = decapsulate(&row, Decapsulator::new().martians(true));
        let found = result.unwrap_or_else(|e| panic!("{}: {e}", row.name()));
        assert_eq!(
            buf[found.inner.clone()],
            row.bytes("output"),
            "{}",
            row.name()
        );
        let meta = &row.json()["meta"];
        if let Some(proto) = meta["proto"].as_u64() {
            assert_eq!(
                u64::from(found.protocol.next_header()),
                proto,
                "{}",
                row.name()
            );
        }
        if meta.get("encap_limit").is_some() {
            assert_eq!(
                found.limit.map(u64::from),
                meta["encap_limit"].as_u64(),
                "{}",
                row.name()
            );
        }
        if let Some(hops) = meta["hop_limit"].as_u64() {
            assert_eq!(u64::from(found.hop_limit), hops, "{}", row.name());
        }
    }
}

#[test]
fn a7_what_linux_sends_is_taken() {
    for row in rows("kernel_tx") {
        let packets = row.packets("packets");
        let [packet] = packets.as_slice() else {
            continue;
        };
        let mut buf = packet.clone();
        // Recorded on the way from `remote` to `local`.
        let decapsulator = Decapsulator::new()
            .martians(true)
            .only_from(row.tunnel().reversed());
        let found = decapsulator
            .decapsulate(&mut buf, 0..packet.len())
            .unwrap_or_else(|e| panic!("{}: {e}", row.name()));
        assert_eq!(buf[found.inner], row.bytes("output"), "{}", row.name());
        assert_eq!(
            found.limit.map(u64::from),
            row.json()["meta"]["encap_limit"].as_u64(),
            "{}",
            row.name()
        );
    }
}

/// Which drop reasons a row's reason may be reported as.
fn reasons(row: &Row) -> &'static [DropReason] {
    use DropReason as R;
    match row.str("reason") {
        "BadHeaderChecksum" => &[R::InnerChecksum],
        "BadIhl" | "TotalLengthExceedsPayload" | "TotalLengthTooSmall" => &[R::InnerLength],
        "BadVersionInner" => &[R::InnerVersion],
        "BadVersionOuter" => &[R::OuterVersion],
        "EcnDrop" => &[R::Congestion],
        "ExtHeaderOrNotTunnel" => &[R::Extension, R::NotTunnelPayload],
        "ExtHeaderTruncated" | "HopByHopNotFirst" => &[R::Extension],
        "Fragment" => &[R::Fragment],
        "MartianDestination" => &[R::MartianDestination],
        "MartianSource" => &[R::MartianSource],
        "NotTunnelPayload" => &[R::NotTunnelPayload],
        "PayloadLengthExceedsBuffer" => &[R::OuterLength],
        "RoutingHeader" => &[R::RoutingHeader],
        "TruncatedInner" => &[R::InnerTruncated],
        "TruncatedOuter" => &[R::OuterTruncated],
        "UnrecognizedOption" => &[R::UnrecognizedOption],
        "WrongEndpoint" => &[R::WrongEndpoint],
        other => panic!("{}: unknown reason {other}", row.name()),
    }
}

#[test]
fn a7_nothing_malformed_comes_through() {
    let all = rows("malformed");
    assert!(all.len() >= 34);
    for row in all {
        let (buf, result) = decapsulate(&row, Decapsulator::new().martians(true));
        let error = result.expect_err(&row.name());
        assert!(
            reasons(&row).contains(&error.reason()),
            "{}: got {error}",
            row.name()
        );
        assert_eq!(
            buf,
            row.bytes("input"),
            "{}: changed by a refusal",
            row.name()
        );
        // Without the policy filters, exactly the policy rows come through.
        let lenient = decapsulate(&row, Decapsulator::new()).1;
        let policy = row.json()["optional_policy"] == true;
        assert_eq!(lenient.is_ok(), policy, "{}: {lenient:?}", row.name());
    }
}

#[test]
fn ecn_ingress_table() {
    for row in rows("ecn_ingress") {
        let mode = ingress(row.str("mode"));
        let outer = mode.outer(Ecn::from_bits(row.int("inner") as u8));
        assert_eq!(u64::from(outer.bits()), row.int("outer"), "{}", row.json());
    }
}

#[test]
fn ecn_egress_table() {
    for row in rows("ecn_egress") {
        let field = |key| Ecn::from_bits(row.int(key) as u8);
        let (result, level) = ecn::egress(field("inner"), field("outer"));
        assert_eq!(
            result.map(|e| u64::from(e.bits())),
            row.json()["result"].as_u64(),
            "{}",
            row.json()
        );
        assert_eq!(level, alarm(row.str("alarm")), "{}", row.json());
    }
}

#[test]
fn ecn_in_packets_is_byte_exact() {
    let all = rows("ecn_packets");
    assert!(all.len() >= 69);
    for row in all {
        let dscp = match row.cfg()["dscp"].as_str() {
            Some("uniform") => DscpOut::CopyOuter,
            _ => DscpOut::Keep,
        };
        let (buf, result) = decapsulate(&row, Decapsulator::new().dscp(dscp));
        if row.expects_ok() {
            let found = result.unwrap_or_else(|e| panic!("{}: {e}", row.name()));
            assert_eq!(buf[found.inner], row.bytes("output"), "{}", row.name());
            assert_eq!(found.alarm, alarm(row.str("alarm")), "{}", row.name());
        } else {
            assert_eq!(
                result.expect_err(&row.name()).reason(),
                DropReason::Congestion,
                "{}",
                row.name()
            );
        }
    }
}
