//! This crate and netlink-packet-route read each other's messages.
#![cfg(feature = "netlink-packet-route")]

use std::collections::HashMap;

use kraud_netlink::{
    Address, AddressInfo, Encap, Ip6Tnl, Ip6TnlMode, IpvlanMode, Link, LinkInfo, NextHop, Op,
    Route, RouteInfo, Veth, Vlan, VlanProtocol,
};
use netlink_packet_core::NetlinkPayload;
use netlink_packet_route::RouteNetlinkMessage;

mod common;
use common::{ip, net};

fn names() -> (HashMap<String, u32>, HashMap<u32, String>) {
    let names = [("eth0".to_owned(), 10), ("v0".to_owned(), 11)];
    (
        names.clone().into(),
        names.map(|(name, index)| (index, name)).into(),
    )
}

/// The operation's only message, after a round through netlink-packet-route.
fn through(op: &Op) -> RouteNetlinkMessage {
    let (mut indexes, _) = names();
    let mut messages = op.to_messages(&mut indexes).unwrap();
    let NetlinkPayload::InnerMessage(message) = messages.remove(0).payload else {
        panic!("{op}")
    };
    message
}

#[test]
fn links_survive_a_round_through_the_other_types() {
    let (_, names) = names();
    let end = |last: u8| format!("2001:db8::{last}").parse().unwrap();
    let links = [
        Link::bridge("br0").mtu(1400).up(),
        Link::dummy("d0").address([2, 0, 0, 0, 0, 1]),
        Link::ipvlan("ipvl0", "eth0", IpvlanMode::L3S),
        Link::new("tnl0", Ip6Tnl::external().mode(Ip6TnlMode::Ip4)),
        Link::new(
            "tnl1",
            Ip6Tnl::between(end(1), end(2))
                .hop_limit(0)
                .encap_limit(Some(4)),
        ),
        Link::new(
            "eth0.20",
            Vlan {
                gvrp: Some(true),
                ..Vlan::new(20).protocol(VlanProtocol::Ad)
            },
        )
        .parent("eth0"),
        Link::wireguard("wg0").group(75),
        Link::veth("v5", Veth::default()).noarp(),
    ];
    for link in links {
        let RouteNetlinkMessage::NewLink(message) = through(&Op::AddLink(link.clone())) else {
            panic!("no link")
        };
        let mut info = LinkInfo::from_message(&message).unwrap();
        info.name_links(&names);
        let mut found = info.link;
        found.index = None;
        if let (kraud_netlink::LinkKind::Vlan(found), kraud_netlink::LinkKind::Vlan(wanted)) =
            (&mut found.kind, &link.kind)
        {
            // A message that is read back names every switch.
            assert_eq!(found.gvrp, wanted.gvrp);
            (found.reorder_header, found.mvrp) = (None, None);
            (found.loose_binding, found.bridge_binding) = (None, None);
        }
        assert_eq!(found, link);
    }
}

#[test]
fn addresses_and_routes_survive_a_round_through_the_other_types() {
    let (_, names) = names();
    let addresses = [
        Address::new("eth0", net("10.0.0.1/24")).metric(7),
        Address::new("eth0", net("10.0.0.1/32")).peer(ip("10.0.0.2")),
        Address::new("v0", net("fd00::1/64"))
            .nodad()
            .noprefixroute(),
    ];
    for address in addresses {
        let RouteNetlinkMessage::NewAddress(message) = through(&Op::AddAddress(address.clone()))
        else {
            panic!("no address")
        };
        assert_eq!(
            AddressInfo::from_message(&message, &names).unwrap().address,
            address
        );
    }
    let encap = Encap::ip6("fd42::3".parse().unwrap())
        .src("fd42::2".parse().unwrap())
        .hop_limit(64);
    let routes = [
        Route::new(net("10.1.0.0/16"))
            .via(ip("10.0.0.2"))
            .metric(5)
            .mtu(1400)
            .advmss(1360),
        Route::new(net("192.168.2.3/32"))
            .encap(encap)
            .dev("v0")
            .src(ip("192.168.2.2"))
            .metric(1003)
            .protocol(75),
        Route::new(net("10.3.0.0/16"))
            .via(ip("fd00::9"))
            .dev("eth0")
            .table(1000),
        Route::new(net("10.4.0.0/16"))
            .nexthop(NextHop::via(ip("10.0.0.2")).dev("eth0"))
            .nexthop(NextHop::via(ip("10.0.0.3")).dev("v0").weight(3)),
        Route::default_v6().dev("eth0").metric(9),
    ];
    for route in routes {
        let RouteNetlinkMessage::NewRoute(message) = through(&Op::AddRoute(route.clone())) else {
            panic!("no route")
        };
        assert_eq!(
            RouteInfo::from_message(&message, &names).unwrap().route,
            route
        );
    }
}

#[test]
fn what_the_other_types_do_not_know_survives_as_bytes() {
    let mut body = vec![0; 16];
    body.extend_from_slice(&[8, 0, 0xe7, 3, 1, 2, 3, 4]);
    let info = LinkInfo::parse(&body).unwrap();
    assert_eq!(
        (info.other[0].kind, &info.other[0].payload[..]),
        (999, &[1, 2, 3, 4][..])
    );
}
