//! `lab` with the kernel's own links: wireguard, ipvlan, ip6tnl. Runs in the real-kernel lane.

mod common;
mod scenario;

use common::kraud;
use scenario::{all_as_expected, network_state, pings};

#[test]
#[ignore = "needs wireguard, ipvlan and ip6tnl: cargo xtask kernel-lane runs it"]
fn a07_a10_every_pair_of_pods_talks_over_both_networks_up_to_the_mtu() {
    let before = network_state();
    for _ in 0..2 {
        let report = kraud(["lab", "--plane", "kernel", "-o", "json"]).json();
        all_as_expected(&report);
        assert_eq!(report["plane"], "kernel");
        assert_eq!(
            (&report["mtu"]["vpc"], &report["mtu"]["overlay"]),
            (&1420.into(), &1380.into())
        );
    }
    assert_eq!(network_state(), before, "nothing is left behind");
}

#[test]
#[ignore = "needs wireguard, ipvlan and ip6tnl: cargo xtask kernel-lane runs it"]
fn auto_takes_the_kernels_links_where_it_has_them() {
    let report = kraud(["lab", "-o", "json", "--hosts", "1"]).json();
    assert_eq!(report["plane"], "kernel");
}

#[test]
#[ignore = "needs wireguard, ipvlan and ip6tnl: cargo xtask kernel-lane runs it"]
fn a02_hosts_on_different_subnets_and_families_join_one_vpc() {
    for underlay in ["v4", "mixed"] {
        all_as_expected(
            &kraud([
                "lab",
                "--plane",
                "kernel",
                "-o",
                "json",
                "--underlay",
                underlay,
            ])
            .json(),
        );
    }
}

#[test]
#[ignore = "needs wireguard, ipvlan and ip6tnl: cargo xtask kernel-lane runs it"]
fn a03_every_pair_of_hosts_has_shaken_hands_and_nothing_is_in_the_clear() {
    let report = kraud(["lab", "--plane", "kernel", "-o", "json", "--hosts", "3"]).json();
    all_as_expected(&report);
    let peers = report["peers"].as_array().unwrap();
    assert_eq!(peers.len(), 6, "three hosts with two peers each");
    assert!(
        peers
            .iter()
            .all(|peer| peer["handshake"] == true && peer["rx_bytes"].as_u64() > Some(0))
    );
    assert_eq!(report["underlay"]["plaintext"], 0);
    assert!(report["underlay"]["wireguard"].as_u64().unwrap() > 100);
}

#[test]
#[ignore = "needs wireguard, ipvlan and ip6tnl: cargo xtask kernel-lane runs it"]
fn a04_the_vpc_carries_ipv6_up_to_its_mtu_and_refuses_one_byte_more() {
    let report = kraud(["lab", "--plane", "kernel", "-o", "json", "--underlay", "v4"]).json();
    let vpc: Vec<_> = pings(&report)
        .into_iter()
        .filter(|ping| ping["network"] == "vpc")
        .collect();
    assert!(
        vpc.iter()
            .any(|ping| ping["bytes"] == 1440 && ping["expect"] == "reply")
    );
    assert!(
        vpc.iter()
            .any(|ping| ping["bytes"] == 1441 && ping["expect"] == "too-big")
    );
    assert!(vpc.iter().all(|ping| ping["ok"] == true));
}

#[test]
#[ignore = "needs wireguard, ipvlan and ip6tnl: cargo xtask kernel-lane runs it"]
fn the_userspace_plane_gives_the_same_addresses_and_checks() {
    let one = kraud(["lab", "--plane", "kernel", "-o", "json"]).json();
    let other = kraud(["lab", "--plane", "userspace", "-o", "json"]).json();
    all_as_expected(&other);
    for same in ["pods", "mtu", "listings"] {
        assert_eq!(one[same], other[same]);
    }
    let asked = |report: &serde_json::Value| -> Vec<String> {
        pings(report)
            .iter()
            .map(|ping| format!("{} {} {}", ping["from"], ping["address"], ping["bytes"]))
            .collect()
    };
    assert_eq!(asked(&one), asked(&other));
}

#[test]
#[ignore = "needs wireguard, ipvlan and ip6tnl: cargo xtask kernel-lane runs it"]
fn a_host_in_the_kernel_and_one_in_userspace_understand_each_other() {
    for underlay in ["v6", "v4"] {
        let arguments = [
            "lab",
            "--plane",
            "mixed",
            "-o",
            "json",
            "--underlay",
            underlay,
        ];
        let report = kraud(arguments).json();
        all_as_expected(&report);
        let peers = report["peers"].as_array().unwrap();
        assert_eq!(peers.len(), 1, "the kernel's host knows the other one");
        assert_eq!(peers[0]["handshake"], true);
    }
}
