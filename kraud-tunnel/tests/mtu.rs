//! What a stack of layers leaves, and what becomes of a packet that is too big.

mod common;

use common::{ipv4_packet, ipv6_packet, rows};
use kraud_tunnel::mtu::{Admission, Layer, Stack, admit};

fn layer(name: &str) -> Layer {
    match name {
        "ip6ip" => Layer::Ip6Ip,
        "ip6ip+limit" => Layer::Ip6IpLimit,
        "vlan" => Layer::VlanInsideMtu,
        "wg4" => Layer::WireGuardOverIpv4,
        "wg6" => Layer::WireGuardOverIpv6,
        other => panic!("unknown layer {other}"),
    }
}

#[test]
fn a11_the_stack_costs_what_the_vectors_say() {
    for row in rows("mtu_stack") {
        let names = row.json()["layers"].as_array().expect("a list");
        let layers: Vec<Layer> = names
            .iter()
            .map(|n| layer(n.as_str().expect("text")))
            .collect();
        let stack = Stack::new(row.int("link_mtu") as u32, &layers);
        assert_eq!(
            stack.mtu().map(u64::from),
            Some(row.int("inner_mtu")),
            "{}",
            row.json()
        );
        if let Some(overhead) = row.json()["overhead"].as_u64() {
            assert_eq!(u64::from(stack.overhead()), overhead, "{}", row.json());
        }
        if let Some(mss) = row.json()["tcp_mss4"].as_u64() {
            assert_eq!(stack.mss_ipv4().map(u64::from), Some(mss), "{}", row.json());
        }
        assert_eq!(
            stack
                .link_mtu_for(row.int("inner_mtu") as u32)
                .map(u64::from),
            Some(row.int("link_mtu"))
        );
    }
}

#[test]
fn a11_each_layer_is_explained_in_parts() {
    // 1500 → 1440 or 1420 → 1400 or 1380, at compile time.
    const V4: Option<u32> = Stack::new(1500, &[Layer::WireGuardOverIpv4, Layer::Ip6Ip]).mtu();
    const V6: Option<u32> = Stack::new(1500, &[Layer::WireGuardOverIpv6, Layer::Ip6Ip]).mtu();
    assert_eq!((V4, V6), (Some(1400), Some(1380)));

    let layers = [Layer::Vlan, Layer::WireGuardOverIpv4, Layer::Ip6IpLimit];
    let stack = Stack::new(1500, &layers);
    let left: Vec<u32> = stack.steps().map(|step| step.mtu).collect();
    assert_eq!(left, [1500, 1440, 1392]);
    for step in stack.steps().filter(|step| step.layer != Layer::Vlan) {
        let sum: u32 = step.layer.parts().iter().map(|part| part.bytes).sum();
        assert_eq!(sum, step.layer.overhead());
    }
    let parts: Vec<u32> = Layer::WireGuardOverIpv4
        .parts()
        .iter()
        .map(|part| part.bytes)
        .collect();
    assert_eq!(parts, [20, 8, 16, 16]);
    assert_eq!(
        (Layer::Vlan.overhead(), Layer::VlanInsideMtu.overhead()),
        (0, 4)
    );
    // A link that is too small for its layers.
    assert_eq!(Stack::new(100, &layers).mtu(), None);
}

#[test]
fn a7_a_packet_that_is_too_big_is_judged_as_rfc_2473_says() {
    let all = rows("mtu_decision");
    assert!(all.len() >= 32);
    for row in all {
        let size = row.int("size") as usize;
        let packet = match row.str("inner") {
            "v4" => ipv4_packet(size, 0, row.json()["df"] == true),
            _ => ipv6_packet(59, 0, &vec![0; size - 40]),
        };
        let expected = match row.str("action") {
            "encap" => Admission::Encapsulate,
            "encap_then_fragment" => Admission::EncapsulateThenFragment,
            _ => Admission::TooBig {
                mtu: row.json()["icmp"]["mtu"].as_u64().expect("a number") as u32,
            },
        };
        let got = admit(
            &packet,
            row.int("path_mtu") as u32,
            row.int("header_len") as u32,
        );
        assert_eq!(got, Some(expected), "{}", row.json());
    }
}
