//! The small domains, all of them: ECN in every mode, every pair of traffic classes, every flow label.

mod common;

use common::{in_buffer, ipv4_packet, ipv6_packet, tunnel};
use kraud_tunnel::ecn::{self, Alarm, Ecn, Ingress};
use kraud_tunnel::flow::{FlowKey, FlowLabel};
use kraud_tunnel::wire::{ipv4, ipv6};
use kraud_tunnel::{DecapError, Decapsulator, DscpOut, Encapsulator};

#[test]
fn rfc6040_4_1_every_mode_and_every_field() {
    use Ecn::{Ce, Ect0, Ect1, NotEct};
    let table = |mode: Ingress| Ecn::ALL.map(|inner| mode.outer(inner));
    assert_eq!(table(Ingress::Normal), [NotEct, Ect1, Ect0, Ce]);
    assert_eq!(table(Ingress::Compatibility), [NotEct; 4]);
    assert_eq!(table(Ingress::Rfc3168), [NotEct, Ect1, Ect0, Ect0]);
}

#[test]
fn rfc6040_4_2_every_cell_of_figure_4() {
    use Alarm::{Critical, None as Quiet, Notable};
    use Ecn::{Ce, Ect0, Ect1, NotEct};
    // Rows: inner Not-ECT, ECT(0), ECT(1), CE. Columns: outer Not-ECT, ECT(0), ECT(1), CE, as printed there.
    let rows = [
        (
            NotEct,
            [
                (Some(NotEct), Quiet),
                (Some(NotEct), Critical),
                (Some(NotEct), Critical),
                (None, Critical),
            ],
        ),
        (
            Ect0,
            [
                (Some(Ect0), Quiet),
                (Some(Ect0), Quiet),
                (Some(Ect1), Quiet),
                (Some(Ce), Quiet),
            ],
        ),
        (
            Ect1,
            [
                (Some(Ect1), Quiet),
                (Some(Ect1), Notable),
                (Some(Ect1), Quiet),
                (Some(Ce), Quiet),
            ],
        ),
        (
            Ce,
            [
                (Some(Ce), Quiet),
                (Some(Ce), Quiet),
                (Some(Ce), Critical),
                (Some(Ce), Quiet),
            ],
        ),
    ];
    for (inner, row) in rows {
        for (outer, expected) in [NotEct, Ect0, Ect1, Ce].into_iter().zip(row) {
            assert_eq!(
                ecn::egress(inner, outer),
                expected,
                "{inner:?} in {outer:?}"
            );
        }
    }
}

/// A tunnel packet whose outer traffic class is set to this.
fn tunnel_packet(inner: &[u8], outer_class: u8) -> (Vec<u8>, std::ops::Range<usize>) {
    let (mut buf, range) = in_buffer(inner, 48, 0);
    let outer = Encapsulator::new()
        .encapsulate(&mut buf, range, &tunnel())
        .expect("a good packet");
    ipv6::Packet::new_unchecked(&mut buf[outer.clone()]).set_traffic_class(outer_class);
    (buf, outer)
}

#[test]
fn rfc6040_every_pair_of_traffic_classes_keeps_dscp_and_checksum() {
    for class in 0..=255 {
        let inners = [ipv4_packet(20, class, false), ipv6_packet(59, class, &[])];
        for outer_class in 0..=255 {
            for (inner, v4) in inners.iter().zip([true, false]) {
                let (expected, _) = ecn::egress(Ecn::from_bits(class), Ecn::from_bits(outer_class));
                for (mode, dscp) in [
                    (DscpOut::Keep, class & 0xfc),
                    (DscpOut::CopyOuter, outer_class & 0xfc),
                ] {
                    let (mut buf, outer) = tunnel_packet(inner, outer_class);
                    let result = Decapsulator::new().dscp(mode).decapsulate(&mut buf, outer);
                    let Some(field) = expected else {
                        assert_eq!(result, Err(DecapError::Congestion { offset: 40 }));
                        continue;
                    };
                    let bytes = &buf[result.expect("not a drop").inner];
                    let got = if v4 {
                        ipv4::Packet::new_checked(bytes)
                            .expect("a right checksum")
                            .traffic_class()
                    } else {
                        ipv6::Packet::new_checked(bytes)
                            .expect("a right header")
                            .traffic_class()
                    };
                    assert_eq!(got, dscp | field.bits(), "{class:#x} in {outer_class:#x}");
                }
            }
        }
    }
}

#[test]
fn rfc6437_a_label_is_stable_per_flow_never_zero_and_spread() {
    let how = Encapsulator::new().flow_label(FlowLabel::Hash(FlowKey::new([7; 16])));
    let label = |packet: &[u8]| {
        let (mut buf, range) = in_buffer(packet, 48, 0);
        let outer = how
            .encapsulate(&mut buf, range, &tunnel())
            .expect("a good packet");
        ipv6::Packet::new_unchecked(&buf[outer]).flow_label()
    };
    let flow = |port: u16, len: usize| {
        let mut packet = ipv4_packet(len, 0, false);
        packet[20..22].copy_from_slice(&port.to_be_bytes());
        packet
    };
    let mut seen = std::collections::HashSet::new();
    let mut buckets = [0u32; 16];
    for port in 0..=u16::MAX {
        let first = label(&flow(port, 60));
        assert_ne!(first, 0);
        assert_eq!(first, label(&flow(port, 40)), "one flow, one label");
        seen.insert(first);
        buckets[first as usize >> 16] += 1;
    }
    // 65,536 flows in 2²⁰ labels: some 63,500 different ones are to be expected, and 4,096 per sixteenth.
    assert!(seen.len() > 62_500, "{} labels", seen.len());
    assert!(
        buckets.iter().all(|count| (3_700..4_500).contains(count)),
        "{buckets:?}"
    );
}

#[test]
fn rfc6438_fragments_of_one_packet_share_a_label() {
    let how = Encapsulator::new();
    let label = |packet: &[u8]| {
        let (mut buf, range) = in_buffer(packet, 48, 0);
        let outer = how
            .encapsulate(&mut buf, range, &tunnel())
            .expect("a good packet");
        ipv6::Packet::new_unchecked(&buf[outer]).flow_label()
    };
    let fragment = |flags: u16, data: u8| {
        let mut packet = ipv4_packet(60, 0, false);
        packet[6..8].copy_from_slice(&flags.to_be_bytes());
        packet[20..].fill(data);
        ipv4::Packet::new_unchecked(&mut packet[..]).fill_checksum();
        label(&packet)
    };
    assert_eq!(fragment(0x2000, 1), fragment(0x0005, 2));
    // Another key, another label; the label of an inner IPv6 packet is used as well.
    let mut other = ipv6_packet(17, 0, &[1, 2, 3, 4, 5, 6, 7, 8]);
    let before = label(&other);
    other[3] ^= 1;
    assert_ne!(before, label(&other));
    other[3] ^= 1;
    other[41] ^= 1;
    assert_ne!(before, label(&other), "another port");
}
