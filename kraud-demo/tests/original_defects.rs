//! What the original did wrong, each defect with the test that keeps us from it. Those that only a kernel shows are in
//! other files: d02, d04, d05 and d10 in `kernel_apply.rs`, d09 in `apply_faults.rs`, d11 in `guard.rs`. The twelfth, the
//! kernel's `ip6tnl0` in each namespace, goes with the namespaces.

mod common;

use std::collections::BTreeSet;

use common::deployed;
use kraud_demo::plan::{Action, PROTOCOL, Plan};
use kraud_demo::site::Site;
use kraud_netlink::{LinkKind, Op, Route};

const PROJECT: &str = "
name: shop
services:
  app: {networks: [back, side]}
  db: {networks: {back: {ipv4_address: 10.77.4.0/24}}}
  other: {networks: [side]}
networks:
  back: {driver: ipip, ipam: {config: [{subnet: 10.77.0.0/16}]}}
  side: {driver: ipip}
";

fn ops(pod: &str) -> Vec<Op> {
    let deployment = deployed(PROJECT, "default");
    let plan = Plan::of_host(&deployment, 0, &Site::default()).unwrap();
    let of_pod = plan.steps.into_iter().filter(|step| step.namespace == pod);
    let ops = of_pod.filter_map(|step| match step.action {
        Action::Netlink(op) => Some(*op),
        _ => None,
    });
    ops.collect()
}

fn encap_routes(pod: &str) -> Vec<Route> {
    let routes = ops(pod).into_iter().filter_map(|op| match op {
        Op::AddRoute(route) if route.encap.is_some() => Some(route),
        _ => None,
    });
    routes.collect()
}

#[test]
fn d01_overlay_routes_exist_for_ipv6_and_are_built_from_ipv6_addresses() {
    let deployment = deployed(PROJECT, "default");
    let db = deployment
        .pods
        .iter()
        .find(|pod| pod.service == "db")
        .unwrap();
    let theirs = db.memberships[0].v6.unwrap();
    let found = encap_routes("shop-app-1");
    assert!(
        found
            .iter()
            .any(|route| route.dst.addr() == theirs && route.dst.prefix_len() == 128)
    );
}

#[test]
fn d03_no_route_leads_to_an_overlay_that_the_pod_is_not_in() {
    let deployment = deployed(PROJECT, "default");
    let side = deployment
        .overlays
        .iter()
        .find(|overlay| overlay.name == "side")
        .unwrap();
    let back = deployment
        .overlays
        .iter()
        .find(|overlay| overlay.name == "back")
        .unwrap();
    let inside = |pod: &str, net: ipnet::Ipv4Net| {
        let mut routes = encap_routes(pod).into_iter();
        routes.any(|route| ipnet::IpNet::V4(net).contains(&route.dst))
    };
    assert!(inside("shop-db-1", back.net4.unwrap()) && !inside("shop-db-1", side.net4.unwrap()));
    assert!(inside("shop-other-1", side.net4.unwrap()));
    assert!(!inside("shop-other-1", back.net4.unwrap()));
}

#[test]
fn d06_every_route_has_a_protocol_number_of_our_own() {
    for op in ops("shop-app-1") {
        if let Op::AddRoute(route) = op {
            assert_eq!(route.protocol, PROTOCOL);
            assert_ne!(route.protocol, 10, "iproute2's `mrt`");
        }
    }
}

#[test]
fn d07_a_prefix_is_routed_to_the_pod_as_a_whole_and_its_own_address_is_in_it() {
    let routes = encap_routes("shop-app-1");
    assert!(
        routes
            .iter()
            .any(|route| route.dst.to_string() == "10.77.4.0/24")
    );
    assert!(
        !routes
            .iter()
            .any(|route| route.dst.to_string() == "10.77.4.0/32")
    );
    let own = ops("shop-db-1").into_iter().find_map(|op| match op {
        Op::AddAddress(address) if address.net.addr().is_ipv4() => Some(address.net.to_string()),
        _ => None,
    });
    assert_eq!(own.as_deref(), Some("10.77.4.1/32"));
}

#[test]
fn d08_source_hop_limit_and_mtu_are_set() {
    for route in encap_routes("shop-app-1") {
        let encap = format!("{:?}", route.encap.unwrap());
        assert!(
            !encap.contains("src: ::") && encap.contains("64"),
            "{encap}"
        );
        assert!(route.src.is_some());
    }
    let links = ops("shop-app-1").into_iter().filter_map(|op| match op {
        Op::AddLink(link) => Some(link.mtu),
        _ => None,
    });
    assert_eq!(links.collect::<Vec<_>>(), [Some(1380)]);
}

#[test]
fn d13_all_overlays_of_a_pod_share_the_one_external_device_that_a_kernel_allows() {
    let external =
        |op: &Op| matches!(op, Op::AddLink(link) if matches!(link.kind, LinkKind::Ip6Tnl(_)));
    assert_eq!(
        ops("shop-app-1").iter().filter(|op| external(op)).count(),
        1
    );
    let devices: BTreeSet<_> = encap_routes("shop-app-1")
        .into_iter()
        .map(|route| route.dev)
        .collect();
    assert_eq!(devices.len(), 1);
}
