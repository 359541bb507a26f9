//! ipvlan networks on hosts, trunks and routers, as docker's documents draw them. Runs in the real-kernel lane.

mod common;
mod topology;

use kraud_netlink::{Ipvlan, IpvlanFlag, IpvlanMode, Link, LinkKind};
use topology::Topology;

/// Hosts on a switch, which passes tags, and a router on it.
fn segment(prefix: &'static str, hosts: &[&str]) -> Topology {
    let members = [hosts, &["switch", "router"]].concat();
    let mut segment = Topology::new(prefix, &members);
    segment.link("switch", Link::bridge("sw"));
    for member in hosts.iter().chain(&["router"]) {
        segment.plug([member, "eth0"], ["switch", "sw"]);
    }
    segment
}

/// A tagged link of the router, with the gateways of the networks there.
fn gateways(segment: &mut Topology, vlan: u16, addresses: &[&str]) {
    let name = format!("eth0.{vlan}");
    segment.link("router", Link::vlan(&name, "eth0", vlan));
    for address in addresses {
        segment.address("router", &name, address);
    }
}

/// A project of one ipvlan network, with services that have an address each.
fn project(name: &str, options: &str, subnets: &[&str], services: &[(&str, &str)]) -> String {
    let services: String = services
        .iter()
        .map(|(service, addresses)| {
            format!("  {service}: {{image: x, networks: {{n: {{{addresses}}}}}}}\n")
        })
        .collect();
    let v6 = subnets.iter().any(|subnet| subnet.contains("::"));
    let subnets: Vec<String> = subnets
        .iter()
        .map(|subnet| format!("{{subnet: {subnet}}}"))
        .collect();
    format!(
        "name: {name}\nservices:\n{services}networks:\n  n: {{driver: ipvlan, enable_ipv6: {v6}, driver_opts: {{{options}}}, \
         ipam: {{config: [{}]}}}}\n",
        subnets.join(", ")
    )
}

fn slave(topology: &Topology, pod: &str) -> Ipvlan {
    match topology.link_info(pod, "eth0").link.kind {
        LinkKind::Ipvlan(slave) => slave,
        other => panic!("eth0 of {pod} is {other:?}"),
    }
}

#[test]
#[ignore = "needs ipvlan: cargo xtask kernel-lane runs it"]
fn c1_c3_c5_c10_c30_an_l2_network_is_on_the_hosts_own_segment_but_apart_from_the_host() {
    let mut lan = segment("kia", &["host"]);
    lan.address("host", "eth0", "192.168.1.250/24");
    lan.address("router", "eth0", "192.168.1.1/24");
    let text = |flag: &str| {
        project(
            "kidb",
            &format!("parent: eth0{flag}"),
            &["192.168.1.0/24"],
            &[
                ("a", "ipv4_address: 192.168.1.10"),
                ("b", "ipv4_address: 192.168.1.11"),
            ],
        )
    };
    lan.up("host", &text(""));
    assert_eq!(
        slave(&lan, "kidb-a-1"),
        Ipvlan {
            mode: IpvlanMode::L2,
            flag: IpvlanFlag::Bridge
        }
    );
    lan.carries_exactly("kidb-a-1", "192.168.1.1", 1500);
    lan.reaches("kidb-a-1", "192.168.1.11");
    lan.reaches("router", "192.168.1.10");
    // By design, in both directions.
    lan.does_not_reach("kidb-a-1", "192.168.1.250");
    lan.does_not_reach("host", "192.168.1.10");
    assert_eq!(
        lan.ip("kidb-a-1", "route"),
        "default via 192.168.1.1 dev eth0 proto 75\n\
         192.168.1.0/24 dev eth0 proto kernel scope link src 192.168.1.10"
    );
    // One hardware address per port.
    let macs: Vec<_> = [("host", "eth0"), ("kidb-a-1", "eth0"), ("kidb-b-1", "eth0")]
        .map(|(member, link)| lan.link_info(member, link).link.address)
        .to_vec();
    assert!(
        macs[0].is_some() && macs.iter().all(|mac| *mac == macs[0]),
        "{macs:?}"
    );
    // Another flag is a change in place: private members do not see each other.
    lan.up("host", &text(", ipvlan_flag: private"));
    assert_eq!(slave(&lan, "kidb-b-1").flag, IpvlanFlag::Private);
    lan.does_not_reach("kidb-a-1", "192.168.1.11");
    lan.reaches("kidb-a-1", "192.168.1.1");
    lan.down("host", "kidb");
    assert_eq!(
        lan.made("host"),
        ["eth0"],
        "the parent is nobody's to delete"
    );
}

#[test]
#[ignore = "needs ipvlan and vlan: cargo xtask kernel-lane runs it"]
fn c8_c11_c12_vlans_come_and_go_and_are_apart_without_a_router() {
    let mut trunk = segment("kib", &["host", "peer"]);
    gateways(&mut trunk, 20, &["192.168.20.1/24"]);
    gateways(&mut trunk, 30, &["192.168.30.1/24"]);
    let vlan = |name: &str, id: u16, last: u8| {
        project(
            name,
            &format!("parent: eth0.{id}"),
            &[&format!("192.168.{id}.0/24")],
            &[("a", &format!("ipv4_address: 192.168.{id}.{last}"))],
        )
    };
    trunk.up("host", &vlan("kivtwenty", 20, 5));
    trunk.up("host", &vlan("kivthirty", 30, 5));
    trunk.up("peer", &vlan("kivpeer", 20, 6));
    assert_eq!(trunk.made("host"), ["eth0", "eth0.20", "eth0.30"]);
    assert_eq!(
        trunk.ip("kivthirty-a-1", "route"),
        "default via 192.168.30.1 dev eth0 proto 75\n\
         192.168.30.0/24 dev eth0 proto kernel scope link src 192.168.30.5"
    );
    // The tag does not count towards the MTU: 1500 on the VLAN, 1504 on the wire.
    trunk.carries_exactly("kivtwenty-a-1", "192.168.20.1", 1500);
    trunk.carries_exactly("kivtwenty-a-1", "192.168.20.6", 1500);
    trunk.does_not_reach("kivtwenty-a-1", "192.168.30.5");
    trunk.does_not_reach("kivthirty-a-1", "192.168.20.5");
    trunk.forward("router");
    trunk.reaches("kivtwenty-a-1", "192.168.30.5");
    trunk.reaches("kivthirty-a-1", "192.168.20.6");
    trunk.down("host", "kivtwenty");
    trunk.down("host", "kivthirty");
    assert_eq!(trunk.made("host"), ["eth0"]);
}

#[test]
#[ignore = "needs ipvlan and vlan: cargo xtask kernel-lane runs it"]
fn c8_a_vlan_that_two_projects_share_goes_with_the_last_of_them() {
    let mut trunk = segment("kis", &["host"]);
    gateways(&mut trunk, 20, &["192.168.20.1/24", "192.168.21.1/24"]);
    let member = |name: &str, third: u8| {
        project(
            name,
            "parent: eth0.20",
            &[&format!("192.168.{third}.0/24")],
            &[("a", &format!("ipv4_address: 192.168.{third}.5"))],
        )
    };
    trunk.up("host", &member("kisone", 20));
    trunk.up("host", &member("kistwo", 21));
    trunk.reaches("kistwo-a-1", "192.168.21.1");
    trunk.down("host", "kisone");
    assert_eq!(trunk.made("host"), ["eth0", "eth0.20"]);
    trunk.reaches("kistwo-a-1", "192.168.21.1");
    trunk.up("host", &member("kistwo", 21));
    trunk.reaches("kistwo-a-1", "192.168.21.1");
    trunk.down("host", "kistwo");
    assert_eq!(trunk.made("host"), ["eth0"]);
}

#[test]
#[ignore = "needs ipvlan and vlan: cargo xtask kernel-lane runs it"]
fn c9_parents_that_were_there_are_used_and_stay_whatever_their_name() {
    let mut trunk = segment("kic", &["host"]);
    gateways(&mut trunk, 40, &["192.168.40.1/24"]);
    gateways(&mut trunk, 7, &["192.168.7.1/24"]);
    trunk.link("host", Link::vlan("eth0.40", "eth0", 40).mtu(1400));
    trunk.link("host", Link::vlan("trunk7", "eth0", 7));
    let before = trunk.made("host");
    for (parent, third, mtu) in [("eth0.40", 40, 1400), ("trunk7", 7, 1500)] {
        let text = project(
            "kipre",
            &format!("parent: {parent}"),
            &[&format!("192.168.{third}.0/24")],
            &[("a", &format!("ipv4_address: 192.168.{third}.5"))],
        );
        trunk.up("host", &text);
        // As large as the parent's, which is as its owner has it.
        trunk.reaches("kipre-a-1", &format!("192.168.{third}.1"));
        assert_eq!(trunk.link_info("kipre-a-1", "eth0").link.mtu, Some(mtu));
        trunk.down("host", "kipre");
        assert_eq!(trunk.made("host"), before, "{parent}");
        let alias = trunk.link_info("host", parent).link.alias;
        assert_eq!(alias.unwrap_or_default(), "", "no mark is left on {parent}");
    }
}

#[test]
#[ignore = "needs ipvlan and vlan: cargo xtask kernel-lane runs it"]
fn c13_c23_subnets_of_an_l2_network_meet_at_their_router_only() {
    let mut trunk = segment("kid", &["host"]);
    let gateway_addresses = [
        "192.168.114.254/24",
        "192.168.116.254/24",
        "2001:db8:abc9::22/64",
    ];
    gateways(&mut trunk, 140, &gateway_addresses);
    let text = project(
        "kimulti",
        "parent: eth0.140",
        &[
            "192.168.114.0/24, gateway: 192.168.114.254",
            "192.168.116.0/24, gateway: 192.168.116.254",
            "'2001:db8:abc9::/64', gateway: '2001:db8:abc9::22'",
        ],
        &[
            (
                "low",
                "ipv4_address: 192.168.114.10, ipv6_address: '2001:db8:abc9::10'",
            ),
            (
                "high",
                "ipv4_address: 192.168.116.10, ipv6_address: '2001:db8:abc9::11'",
            ),
        ],
    );
    trunk.up("host", &text);
    assert_eq!(
        trunk.ip("kimulti-high-1", "route"),
        "default via 192.168.116.254 dev eth0 proto 75\n\
         192.168.116.0/24 dev eth0 proto kernel scope link src 192.168.116.10"
    );
    assert_eq!(
        trunk.ip("kimulti-high-1", "-6 route show default"),
        "default via 2001:db8:abc9::22 dev eth0 proto 75 metric 1024 pref medium"
    );
    trunk.does_not_reach("kimulti-low-1", "192.168.116.10");
    trunk.reaches("kimulti-low-1", "2001:db8:abc9::11");
    trunk.forward("router");
    trunk.reaches("kimulti-low-1", "192.168.116.10");
    trunk.reaches("kimulti-high-1", "192.168.114.10");
}

#[test]
#[ignore = "needs ipvlan and dummy: cargo xtask kernel-lane runs it"]
fn c6_c17_c18_c19_without_a_parent_an_l3_network_routes_between_its_subnets_and_nowhere_else() {
    let mut alone = Topology::new("kie", &["host"]);
    let subnets = ["192.168.214.0/24", "10.1.214.0/24"];
    let members = [
        ("a", "ipv4_address: 192.168.214.10"),
        ("b", "ipv4_address: 10.1.214.10"),
        ("c", "ipv4_address: 192.168.214.9"),
        ("d", "ipv4_address: 10.1.214.9"),
    ];
    alone.up(
        "host",
        &project("kiflat", "ipvlan_mode: l3", &subnets, &members),
    );
    // The four pings of the document, and the ways back.
    for (from, to) in [
        ("c", "10.1.214.10"),
        ("d", "192.168.214.10"),
        ("a", "10.1.214.9"),
        ("b", "192.168.214.9"),
    ] {
        alone.reaches(&format!("kiflat-{from}-1"), to);
    }
    assert_eq!(
        alone.ip("kiflat-a-1", "route"),
        "default dev eth0 proto 75 scope link\n\
         192.168.214.0/24 dev eth0 proto kernel scope link src 192.168.214.10"
    );
    // No ARP: nothing is broadcast.
    assert!(alone.link_info("kiflat-a-1", "eth0").link.noarp);
    assert!(alone.ip("kiflat-a-1", "link show eth0").contains("NOARP"));
    alone.down("host", "kiflat");
    // L2 on a dummy, asked for in both ways: members see each other, and there is no default route.
    for (options, internal) in [
        ("ipvlan_mode: l2", ""),
        ("parent: nowhere0", "internal: true, "),
    ] {
        let text = project("kiflat", options, &["192.168.214.0/24"], &members[..1]);
        let more = "  e: {image: x, networks: {n: {ipv4_address: 192.168.214.11}}}\nnetworks:\n";
        let text = text
            .replace("networks:\n  n:", &format!("{more}  n:"))
            .replace("{driver: ipvlan", &format!("{{{internal}driver: ipvlan"));
        alone.up("host", &text);
        alone.carries_exactly("kiflat-a-1", "192.168.214.11", 1500);
        assert_eq!(
            alone.ip("kiflat-a-1", "route"),
            "192.168.214.0/24 dev eth0 proto kernel scope link src 192.168.214.10"
        );
        let made = alone.made("host");
        assert!(made.len() == 1 && made[0].starts_with("di-v"), "{made:?}");
        assert_eq!(alone.link_info("host", &made[0]).link.kind, LinkKind::Dummy);
        alone.down("host", "kiflat");
        assert!(alone.made("host").is_empty());
    }
}

#[test]
#[ignore = "needs ipvlan: cargo xtask kernel-lane runs it"]
fn c16_c20_c21_an_l3_network_is_reached_by_a_route_to_its_host_and_never_from_that() {
    let mut lan = segment("kif", &["host"]);
    lan.address("host", "eth0", "192.168.1.250/24");
    lan.address("router", "eth0", "192.168.1.1/24");
    lan.route("host", "0.0.0.0/0", "192.168.1.1");
    let text = |subnet: &str, address: &str| {
        project(
            "kilthree",
            "parent: eth0, ipvlan_mode: l3",
            &[subnet],
            &[("a", address)],
        )
    };
    let clash = lan.apply("host", &text("192.168.1.0/25", "ipv4_address: 192.168.1.9"));
    assert_eq!(clash.code, 1, "{}", clash.stderr);
    assert!(
        clash
            .stderr
            .contains("192.168.1.0/25 is the subnet of its parent eth0"),
        "{}",
        clash.stderr
    );

    lan.up(
        "host",
        &text("192.168.214.0/24", "ipv4_address: 192.168.214.10"),
    );
    assert_eq!(
        lan.ip("host", "route show 192.168.214.0/24"),
        "192.168.214.0/24 dev eth0 proto 75 scope link"
    );
    lan.does_not_reach("kilthree-a-1", "192.168.1.1");
    lan.does_not_reach("router", "192.168.214.10");
    // What is missing is what `apply` prints.
    let again = lan.apply(
        "host",
        &text("192.168.214.0/24", "ipv4_address: 192.168.214.10"),
    );
    let printed = "upstream route: 192.168.214.0/24 via 192.168.1.250, ";
    assert!(again.stderr.contains(printed), "{}", again.stderr);
    lan.route("router", "192.168.214.0/24", "192.168.1.250");
    lan.reaches("router", "192.168.214.10");
    lan.carries_exactly("kilthree-a-1", "192.168.1.1", 1500);
    // The route on the host is there, and does not help the host itself.
    lan.does_not_reach("host", "192.168.214.10");
    lan.down("host", "kilthree");
    assert_eq!(lan.ip("host", "route show 192.168.214.0/24"), "");
}

#[test]
#[ignore = "needs ipvlan: cargo xtask kernel-lane runs it"]
fn b12_ipvlan_l3s_is_masqueraded_too_and_global_prefixes_with_it() {
    let mut lan = segment("kig", &["host"]);
    lan.link_locals("host");
    for (member, last) in [("host", 250), ("router", 1)] {
        lan.address(member, "eth0", &format!("192.168.1.{last}/24"));
        lan.address(member, "eth0", &format!("2001:db8:1::{last}/64"));
    }
    lan.route("host", "0.0.0.0/0", "192.168.1.1");
    let text = |masquerade: bool| {
        project(
            "kinat",
            &format!("parent: eth0, ipvlan_mode: l3s, kraud.masquerade: '{masquerade}'"),
            &["192.168.214.0/24", "'2001:3984:3989::/64'"],
            &[(
                "a",
                "ipv4_address: 192.168.214.10, ipv6_address: '2001:3984:3989::10'",
            )],
        )
    };
    lan.up("host", &text(false));
    lan.does_not_reach("kinat-a-1", "192.168.1.1");
    lan.does_not_reach("kinat-a-1", "2001:db8:1::1");
    lan.up("host", &text(true));
    lan.reaches("kinat-a-1", "192.168.1.1");
    lan.reaches("kinat-a-1", "2001:db8:1::1");
    assert!(lan.counted("host", "ip6 saddr 2001:3984:3989::/64 oifname \"eth0\"") > 0);
    lan.down("host", "kinat");
    assert_eq!(lan.nft("host"), "");
}

#[test]
#[ignore = "needs ipvlan and dummy: cargo xtask kernel-lane runs it"]
fn c25_c26_c27_exact_addresses_of_both_families_are_up_at_once_and_can_be_had_again_at_once() {
    let mut alone = Topology::new("kih", &["host"]);
    let subnets = [
        "192.168.110.0/24",
        "192.168.112.0/24",
        "'2001:db8:abc4::/64'",
    ];
    let members = [
        (
            "a",
            "ipv4_address: 192.168.110.30, ipv6_address: '2001:db8:abc4::20'",
        ),
        (
            "b",
            "ipv4_address: 192.168.112.30, ipv6_address: '2001:db8:abc4::21'",
        ),
        (
            "c",
            "ipv4_address: 192.168.110.50, ipv6_address: '2001:db8:abc4::51'",
        ),
        (
            "d",
            "ipv4_address: 192.168.112.50, ipv6_address: '2001:db8:abc4::50'",
        ),
    ];
    let text = project("kidual", "ipvlan_mode: l3", &subnets, &members);
    for _ in 0..2 {
        alone.up("host", &text);
        let addresses = alone.ip("kidual-d-1", "addr show eth0");
        for exact in ["192.168.112.50/24", "2001:db8:abc4::50/64"] {
            assert!(addresses.contains(exact), "{addresses}");
        }
        assert!(
            !addresses.contains("tentative") && !addresses.contains("dadfailed"),
            "{addresses}"
        );
        assert!(
            !addresses.contains("fe80"),
            "no link-local address of a shared hardware address: {addresses}"
        );
        for to in [
            "192.168.112.50",
            "2001:db8:abc4::50",
            "192.168.110.50",
            "2001:db8:abc4::51",
        ] {
            alone.reaches("kidual-a-1", to);
        }
        alone.down("host", "kidual");
    }
}

#[test]
#[ignore = "needs ipvlan: cargo xtask kernel-lane runs it"]
fn c26_c28_what_the_parent_has_already_is_refused_with_its_holder() {
    let mut lan = segment("kii", &["host"]);
    let text = |name: &str, mode: &str| {
        project(
            name,
            &format!("parent: eth0, ipvlan_mode: {mode}"),
            &["192.168.77.0/24"],
            &[("a", "ipv4_address: 192.168.77.5")],
        )
    };
    lan.up("host", &text("kifirst", "l2"));
    // The kernel holds every address once per parent.
    let taken = lan.apply("host", &text("kisecond", "l2"));
    assert_ne!(taken.code, 0);
    assert!(
        taken.stderr.contains("another ipvlan slave"),
        "{}",
        taken.stderr
    );
    // It would flip the mode without a word.
    let flipped = lan.apply("host", &text("kisecond", "l3"));
    assert_eq!(flipped.code, 3, "{}", flipped.stderr);
    assert!(
        flipped
            .stderr
            .contains("\"kifirst-a-1\" has it in l2 bridge"),
        "{}",
        flipped.stderr
    );
    assert_eq!(slave(&lan, "kifirst-a-1").mode, IpvlanMode::L2);
    lan.down("host", "kifirst");
    // macvlan and ipvlan do not share a parent.
    lan.link_soon(
        "host",
        Link::new("mac0", LinkKind::other("macvlan")).parent("eth0"),
    );
    let beside = lan.apply("host", &text("kisecond", "l2"));
    assert_ne!(beside.code, 0);
    assert!(beside.stderr.contains("macvlan"), "{}", beside.stderr);
    assert_eq!(
        lan.made("host"),
        ["eth0", "mac0"],
        "nothing of ours is left"
    );
}

#[test]
#[ignore = "needs ipvlan, vlan, ip6tnl and wireguard: cargo xtask kernel-lane runs it"]
fn c28_c31_c32_one_project_on_a_bridge_an_ipvlan_and_an_ipip_network() {
    let mut lan = segment("kij", &["host"]);
    lan.address("host", "eth0", "192.168.1.250/24");
    lan.address("router", "eth0", "192.168.1.1/24");
    lan.route("host", "0.0.0.0/0", "192.168.1.1");
    gateways(&mut lan, 30, &["192.168.30.1/24"]);
    let text = "\
name: kimixed
services:
  ipv1: {image: x, networks: {flat: {ipv4_address: 192.168.30.5}, front: {ipv4_address: 10.30.0.5}, spans: {ipv4_address: 192.168.2.5}}}
  ipv2: {image: x, networks: {flat: {ipv4_address: 192.168.30.6}, front: {ipv4_address: 10.30.0.6, gw_priority: 1}, spans: {ipv4_address: 192.168.2.6}}}
networks:
  front: {driver: bridge, ipam: {config: [{subnet: 10.30.0.0/24}]}}
  flat: {driver: ipvlan, driver_opts: {parent: eth0.30}, ipam: {config: [{subnet: 192.168.30.0/24}]}}
  spans: {driver: ipip, ipam: {config: [{subnet: 192.168.2.0/24}]}}
";
    lan.up("host", text);
    for own in ["192.168.30.6", "10.30.0.6", "192.168.2.6"] {
        lan.reaches("kimixed-ipv1-1", own);
    }
    // Each leaves by the way that is its default: tagged to the VLAN's router, or masqueraded by the bridge.
    lan.reaches("kimixed-ipv1-1", "192.168.30.1");
    let rule = "saddr 10.30.0.0/24 oifname !=";
    assert_eq!(lan.counted("host", rule), 0);
    lan.reaches("kimixed-ipv2-1", "192.168.1.1");
    assert!(lan.counted("host", rule) > 0);
    lan.down("host", "kimixed");
    assert_eq!(lan.made("host"), ["eth0"]);
}

#[test]
#[ignore = "needs ipvlan, vlan, ip6tnl and wireguard: cargo xtask kernel-lane runs it"]
fn c28_the_lab_shows_all_three_drivers_on_two_hosts() {
    let text = "\
name: kilab
services:
  app: {image: x, networks: [flat, front, spans]}
  db: {image: x, networks: [flat, front, spans]}
networks:
  front: {driver: bridge, enable_ipv6: true}
  flat: {driver: ipvlan, driver_opts: {parent: bond0.30}, ipam: {config: [{subnet: 192.168.30.0/24}]}}
  spans: {driver: ipip, ipam: {config: [{subnet: 192.168.2.0/24}]}}
";
    let file = common::TextFile::new("compose.yaml", text);
    let report = common::kraud([
        "lab",
        "-f",
        &file.path(),
        "-o",
        "json",
        "--underlay",
        "dual",
    ])
    .json();
    assert_eq!(report["ok"], true, "{report:#}");
    let of = |network: &str| {
        let pings = report["pings"].as_array().unwrap().iter();
        pings.filter(|ping| ping["network"] == network).count()
    };
    // Both ways, in three sizes each; the bridges of two hosts are two.
    assert_eq!(
        (of("kilab/flat"), of("kilab/spans"), of("kilab/front")),
        (6, 6, 0)
    );
    assert!(of("outside") > 0);
}
