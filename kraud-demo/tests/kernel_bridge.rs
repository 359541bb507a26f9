//! Bridge networks on hosts with a router behind them: veth, bridge, routes and packet filter, so on this machine's own
//! kernel as well as in the real-kernel lane.

mod common;
mod topology;

use kraud_netlink::{Capability, Link, LinkChange, Op, probe};
use topology::Topology;

/// `host` — `router`, which knows the host's link and nothing behind it.
fn house(prefix: &'static str) -> Topology {
    let mut house = Topology::new(prefix, &["host", "router"]);
    house.cable(["host", "eth0"], ["router", "eth0"]);
    house.forward("router");
    house.link_locals("host");
    house.address("router", "eth0", "198.18.1.1/24");
    house.address("router", "eth0", "2001:db8:1::1/64");
    house.address("host", "eth0", "198.18.1.2/24");
    house.address("host", "eth0", "2001:db8:1::2/64");
    house.route("host", "0.0.0.0/0", "198.18.1.1");
    house.route("host", "::/0", "2001:db8:1::1");
    house
}

const ROUTER4: &str = "198.18.1.1";
const ROUTER6: &str = "2001:db8:1::1";

/// The guide's file: a global prefix, a gateway, and a service that pings the world.
const GUIDE: &str = "\
name: kbguide
services:
  busy: {image: busybox, networks: {app_net: {ipv4_address: 10.77.0.9, ipv6_address: '2001:3984:3989::9'}}}
networks:
  app_net:
    driver: bridge
    enable_ipv6: true
    driver_opts: {com.docker.network.enable_ipv6: 'true'}
    ipam: {config: [{subnet: 10.77.0.0/24}, {subnet: '2001:3984:3989::/64', gateway: '2001:3984:3989::1'}]}
";

#[test]
#[ignore = "needs root: cargo xtask ci runs it"]
fn b4_b5_b9_b10_b12_a_pod_is_answered_by_who_does_not_know_it_as_long_as_it_is_masqueraded() {
    let mut house = house("kba");
    let routed = GUIDE.replace(
        "com.docker.network.enable_ipv6: 'true'",
        "com.docker.network.bridge.enable_ip_masquerade: 'false'",
    );
    // Routed: the source is the pod's own, and the router has no way back to it.
    house.up("host", &routed);
    house.reaches("kbguide-busy-1", "10.77.0.1");
    house.does_not_reach("kbguide-busy-1", ROUTER4);
    house.does_not_reach("kbguide-busy-1", ROUTER6);
    assert!(!house.nft("host").contains("masquerade"));
    // The route that the plan prints for upstream is what is missing.
    house.route("router", "2001:3984:3989::/64", "2001:db8:1::2");
    house.reaches("kbguide-busy-1", ROUTER6);
    house.ip("router", "-6 route del 2001:3984:3989::/64");

    // Masqueraded, on a change of the file: only the packet filter changes.
    house.up("host", GUIDE);
    for router in [ROUTER4, ROUTER6] {
        house.reaches("kbguide-busy-1", router);
    }
    let rule = "ip6 saddr 2001:3984:3989::/64 oifname !=";
    assert!(house.counted("host", rule) > 0, "the global prefix too");

    // Gone with the network, and the router is out of reach again.
    house.down("host", "kbguide");
    assert_eq!(house.nft("host"), "");
    assert_eq!(house.made("host"), ["eth0"]);
    house.up("host", &routed);
    house.does_not_reach("kbguide-busy-1", ROUTER6);
}

#[test]
#[ignore = "needs root: cargo xtask ci runs it"]
fn b8_each_bridge_is_masqueraded_where_it_leaves_the_host_and_is_apart_from_the_others() {
    let text = "\
name: kbtwo
services:
  a: {image: x, networks: {one: {ipv6_address: 'fd00:1::a'}}}
  b: {image: x, networks: {one: {ipv6_address: 'fd00:1::b'}}}
  c: {image: x, networks: {two: {ipv6_address: 'fd00:2::c'}}}
  d: {image: x, networks: {shut: {ipv6_address: 'fd00:3::d'}}}
  e: {image: x, networks: {shut: {ipv6_address: 'fd00:3::e'}}}
networks:
  one: {driver: bridge, enable_ipv4: false, enable_ipv6: true, ipam: {config: [{subnet: 'fd00:1::/64'}]}}
  two: {driver: bridge, enable_ipv4: false, enable_ipv6: true, ipam: {config: [{subnet: 'fd00:2::/64'}]}}
  shut: {driver: bridge, internal: true, enable_ipv4: false, enable_ipv6: true, ipam: {config: [{subnet: 'fd00:3::/64'}]}}
";
    let mut house = house("kbb");
    house.up("host", text);
    house.reaches("kbtwo-a-1", "fd00:1::b");
    house.reaches("kbtwo-d-1", "fd00:3::e");
    let (one, two) = (
        "saddr fd00:1::/64 oifname !=",
        "saddr fd00:2::/64 oifname !=",
    );
    assert_eq!(
        house.counted("host", one),
        0,
        "what stays on the bridge is not translated"
    );
    house.reaches("kbtwo-a-1", ROUTER6);
    let before = (house.counted("host", one), house.counted("host", two));
    assert!(before.0 > 0 && before.1 == 0, "{before:?}");
    // From one bridge to the other: dropped, and so never translated.
    house.does_not_reach("kbtwo-a-1", "fd00:2::c");
    house.does_not_reach("kbtwo-c-1", "fd00:1::a");
    assert_eq!(
        (house.counted("host", one), house.counted("host", two)),
        before
    );
    house.reaches("kbtwo-c-1", ROUTER6);
    // Internal: no way out, not even to the host.
    for elsewhere in [ROUTER6, "fd00:1::a", "2001:db8:1::2"] {
        house.does_not_reach("kbtwo-d-1", elsewhere);
    }
    assert_eq!(house.ip("kbtwo-d-1", "-6 route show default"), "");
}

#[test]
#[ignore = "needs root: cargo xtask ci runs it"]
fn b18_an_ipv6_only_network_has_no_trace_of_ipv4_and_carries_its_mtu() {
    let text = "\
name: kbsix
services:
  a: {image: x, networks: {n: {ipv6_address: 'fd00:6::a'}}}
  b: {image: x, networks: {n: {ipv6_address: 'fd00:6::b'}}}
networks:
  n: {driver: bridge, enable_ipv4: false, enable_ipv6: true, ipam: {config: [{subnet: 'fd00:6::/64'}]}}
";
    let mut house = house("kbc");
    house.up("host", text);
    assert_eq!(house.ip("kbsix-a-1", "-4 addr show dev eth0"), "");
    assert_eq!(house.ip("kbsix-a-1", "-4 route"), "");
    assert_eq!(
        house.ip("kbsix-a-1", "-6 route show default"),
        "default via fd00:6::1 dev eth0 proto 75 metric 1024 pref medium"
    );
    house.carries_exactly("kbsix-a-1", "fd00:6::b", 1500);
    house.carries_exactly("kbsix-a-1", ROUTER6, 1500);
    // As the file says, between pods and on the way out.
    let small = text.replace(
        "networks:\n  n: {driver: bridge",
        "networks:\n  n: {driver: bridge, driver_opts: {com.docker.network.driver.mtu: '1400'}",
    );
    house.up("host", &small);
    house.carries_exactly("kbsix-a-1", "fd00:6::b", 1400);
    house.carries_exactly("kbsix-a-1", ROUTER6, 1400);
}

#[test]
#[ignore = "needs root: cargo xtask ci runs it"]
fn b2_subnets_that_the_host_or_another_project_has_are_refused_with_both_sides_named() {
    let text = |name: &str, subnet: &str| {
        format!(
            "name: {name}\nservices:\n  a: {{image: x, networks: [n]}}\nnetworks:\n  n: {{driver: bridge, ipam: {{config: [{{subnet: {subnet}}}]}}}}\n"
        )
    };
    let mut house = house("kbd");
    house.route("host", "10.9.0.0/16", ROUTER4);
    let refused = |house: &mut Topology, subnet: &str, holder: &str| {
        let run = house.apply("host", &text("kbclash", subnet));
        assert_eq!(run.code, 3, "{subnet}: {}", run.stderr);
        assert!(
            run.stderr.contains("network `kbclash/n`") && run.stderr.contains(holder),
            "{}",
            run.stderr
        );
        assert_eq!(house.made("host"), ["eth0"], "nothing was made");
    };
    refused(&mut house, "198.18.0.0/16", "198.18.1.2/24 on eth0");
    refused(
        &mut house,
        "10.9.8.0/24",
        "a route to 10.9.0.0/16 via 198.18.1.1",
    );
    house.up("host", &text("kbfirst", "10.78.0.0/24"));
    let run = house.apply("host", &text("kbclash", "10.78.0.0/25"));
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert!(run.stderr.contains("kbfirst"), "{}", run.stderr);
    // Its own addresses are no clash.
    house.up("host", &text("kbfirst", "10.78.0.0/24"));
}

#[test]
#[ignore = "needs root: cargo xtask ci runs it"]
fn c9_a_bridge_that_somebody_made_is_used_and_stays() {
    let mut house = house("kbe");
    house.link("host", Link::bridge("br-mine").alias("theirs"));
    let text = "\
name: kbown
services:
  a: {image: x, networks: {n: {ipv4_address: 10.79.0.9}}}
networks:
  n: {driver: bridge, driver_opts: {com.docker.network.bridge.name: br-mine}, ipam: {config: [{subnet: 10.79.0.0/24}]}}
";
    let links = house.made("host");
    let note = |house: &mut Topology| house.link_info("host", "br-mine").link.alias;
    house.up("host", text);
    house.reaches("host", "10.79.0.9");
    assert_eq!(note(&mut house).as_deref(), Some("theirs"));
    house.down("host", "kbown");
    assert_eq!(house.made("host"), links);
    assert_eq!(note(&mut house).as_deref(), Some("theirs"));
    assert_eq!(
        house
            .ip("host", "addr show dev br-mine")
            .matches("inet")
            .count(),
        0
    );
}

#[test]
#[ignore = "needs root: cargo xtask ci runs it"]
fn c2_a_kernel_without_ipvlan_is_told_by_trying_and_nothing_is_left() {
    let text = "\
name: kbnone
services:
  a: {image: x, networks: {n: {ipv4_address: 10.80.0.9}}}
networks:
  n: {driver: ipvlan, driver_opts: {parent: eth0}, ipam: {config: [{subnet: 10.80.0.0/24}]}}
";
    let mut house = house("kbf");
    let run = house.apply("host", text);
    if probe()
        .expect("links can be tried")
        .why_not(Capability::Ipvlan)
        .is_none()
    {
        assert_eq!(run.code, 0, "{}", run.stderr);
        return;
    }
    assert_eq!(run.code, 4, "{}", run.stderr);
    assert!(
        run.stderr.contains("Unknown device type") && run.stderr.contains("modprobe ipvlan"),
        "{}",
        run.stderr
    );
    assert_eq!(house.made("host"), ["eth0"]);
}

#[test]
#[ignore = "needs root: cargo xtask ci runs it"]
fn c15_after_a_restart_the_same_is_applied_again() {
    let text = "\
name: kbagain
services:
  a: {image: x, networks: [n]}
  b: {image: x, networks: [n]}
networks:
  n: {driver: bridge, enable_ipv6: true}
";
    let mut house = house("kbg");
    house.up("host", text);
    let seen = |house: &Topology| {
        let pods = ["kbagain-a-1", "kbagain-b-1"];
        let texts =
            pods.map(|pod| house.ip(pod, "-br addr show scope global") + &house.ip(pod, "route"));
        // The index of the other end is the kernel's to choose.
        let stable = |text: String| {
            text.split_whitespace()
                .filter(|word| !word.contains('@'))
                .collect::<Vec<_>>()
                .join(" ")
        };
        (texts.map(stable), house.nft("host"))
    };
    let before = seen(&house);
    // What a restart leaves of it: the state, and nothing in the kernel.
    for link in house.made("host").into_iter().filter(|link| link != "eth0") {
        house.ip("host", &format!("link del {link}"));
    }
    for pod in ["kbagain-a-1", "kbagain-b-1"] {
        house.set(pod, Op::SetLink(LinkChange::new("lo").down()));
    }
    house.flush("host");
    let changed = house.diff("host", text);
    assert_eq!(changed.code, 2, "{}{}", changed.stdout, changed.stderr);
    house.up("host", text);
    assert_eq!(seen(&house), before);
}
