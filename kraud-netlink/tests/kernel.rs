//! What the running kernel does with operations, in namespaces that only this process holds.

use std::net::IpAddr;

use kraud_netlink::{
    AddrGenMode, Address, Capability, Encap, Error, Ip6Tnl, IpvlanMode, Link, LinkChange, LinkKind,
    MacAddr, Namespaces, Neighbour, Netns, NextHop, NextHopObject, Op, Peer, PrivateKey, PublicKey,
    Route, RouteKind, Rule, RuleAction, Step, Sysctl, Veth, Wireguard, probe,
};

mod common;
use common::{add_pair, ip, namespace, net};

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn links_are_made_read_back_and_deleted() {
    let Some(netns) = namespace() else { return };
    let mut kernel = netns.handle().unwrap();
    let before = kernel.links().unwrap().len();
    let link = Link::veth("v0", Veth::peer("v1").mtu(1300).up())
        .mtu(1400)
        .address([2, 0, 0, 0, 1, 0])
        .noarp()
        .alias("kraud: it's mine")
        .addr_gen_mode(AddrGenMode::None)
        .group(75)
        .up();
    kernel.apply(&Op::AddLink(link)).unwrap();

    let v0 = kernel.link("v0").unwrap();
    assert_eq!(v0.link.mtu, Some(1400));
    assert_eq!(v0.link.address, Some(MacAddr([2, 0, 0, 0, 1, 0])));
    assert_eq!(v0.link.alias.as_deref(), Some("kraud: it's mine"));
    assert_eq!(v0.link.addr_gen_mode, Some(AddrGenMode::None));
    assert_eq!(v0.link.group, Some(75));
    assert!(v0.state.up && v0.state.lower_up && v0.link.noarp);
    assert_eq!(v0.link.kind, LinkKind::Veth(Veth::peer("v1")));
    let v1 = kernel.link("v1").unwrap();
    assert_eq!((v1.link.mtu, v1.state.up), (Some(1300), true));
    assert_eq!(
        kernel.addresses().unwrap().len(),
        1,
        "only v1 makes itself an address"
    );

    // Linux 6.1 does not rename a link that is up.
    kernel
        .apply(&Op::SetLink(LinkChange::new("v1").down().mtu(1280)))
        .unwrap();
    kernel
        .apply(&Op::RenameLink {
            name: "v1".into(),
            to: "peer".into(),
        })
        .unwrap();
    assert!(!kernel.link("peer").unwrap().state.up);
    kernel.apply(&Op::DeleteLink("v0".into())).unwrap();
    let gone = kernel.link("peer").unwrap_err();
    assert!(gone.is_not_found(), "{gone}");
    assert_eq!(
        kernel.links().unwrap().len(),
        before,
        "what was there before is left"
    );
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn a_bridge_takes_ports() {
    let Some(netns) = namespace() else { return };
    let mut kernel = netns.handle().unwrap();
    add_pair(&mut kernel, "p0", "p1");
    kernel
        .apply(&Op::AddLink(Link::bridge("br0").up()))
        .unwrap();
    kernel
        .apply(&Op::SetLink(LinkChange::new("p0").master("br0")))
        .unwrap();
    assert_eq!(
        kernel.link("p0").unwrap().link.master.as_deref(),
        Some("br0")
    );
    kernel
        .apply(&Op::SetLink(LinkChange::new("p0").nomaster()))
        .unwrap();
    assert_eq!(kernel.link("p0").unwrap().link.master, None);
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn addresses_come_back_as_they_were_asked_for() {
    let Some(netns) = namespace() else { return };
    let mut kernel = netns.handle().unwrap();
    add_pair(&mut kernel, "v0", "v1");
    let wanted = [
        Address::new("v0", net("10.0.0.1/24")).broadcast([10, 0, 0, 255].into()),
        Address::new("v0", net("10.9.0.1/32"))
            .peer(ip("10.9.0.2"))
            .metric(7),
        Address::new("v0", net("fd00::1/64"))
            .nodad()
            .noprefixroute(),
        Address::new("v1", net("fd00:1::1/128")).nodad(),
    ];
    for address in &wanted {
        kernel.apply(&Op::AddAddress(address.clone())).unwrap();
    }
    let found: Vec<Address> = kernel
        .addresses()
        .unwrap()
        .into_iter()
        .map(|info| info.address)
        .collect();
    for address in &wanted {
        assert!(found.contains(address), "{address:?} is not in {found:#?}");
        kernel.apply(&Op::DeleteAddress(address.clone())).unwrap();
    }
    let left = kernel.addresses().unwrap();
    assert!(
        left.iter()
            .all(|info| info.address.net.to_string().starts_with("fe80:")),
        "{left:?}"
    );
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn a10_routes_with_an_ip6_header_come_back_as_they_were_asked_for() {
    let Some(netns) = namespace() else { return };
    let mut kernel = netns.handle().unwrap();
    add_pair(&mut kernel, "v0", "v1");
    kernel
        .apply(&Op::AddAddress(Address::new("v0", net("192.168.2.2/32"))))
        .unwrap();
    let encap = Encap::ip6("fd42::3".parse().unwrap())
        .src("fd42::2".parse().unwrap())
        .hop_limit(64);
    let wanted: Vec<Route> = (3..6)
        .map(|last| {
            Route::new(net(&format!("192.168.2.{last}/32")))
                .encap(encap)
                .dev("v0")
                .src(ip("192.168.2.2"))
                .metric(1000 + last)
                .protocol(75)
        })
        .collect();
    for route in &wanted {
        match kernel.apply(&Op::AddRoute(route.clone())) {
            Err(error) if error.is_unsupported() => return common::skip(&error),
            result => result.unwrap(),
        }
    }
    let owned = |kernel: &mut kraud_netlink::Handle| -> Vec<Route> {
        let routes = kernel.routes().unwrap().into_iter().map(|info| info.route);
        routes.filter(|route| route.protocol == 75).collect()
    };
    assert_eq!(owned(&mut kernel), wanted);
    let again = kernel.apply(&Op::AddRoute(wanted[0].clone())).unwrap_err();
    assert!(again.is_exists(), "{again}");
    for route in &wanted {
        kernel.apply(&Op::DeleteRoute(route.clone())).unwrap();
    }
    assert_eq!(owned(&mut kernel), []);
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn a4_prefix_routes_without_gateway_for_a_pure_layer_3_transport() {
    let Some(netns) = namespace() else { return };
    let mut kernel = netns.handle().unwrap();
    let pair = Link::veth(
        "vpc0",
        Veth::peer("vpc1").address([2, 0, 0, 0, 0, 1]).noarp().up(),
    )
    .address([2, 0, 0, 0, 0, 1])
    .noarp()
    .addr_gen_mode(AddrGenMode::None)
    .up();
    kernel.apply(&Op::AddLink(pair)).unwrap();
    let own = Address::new("vpc0", net("fd42:1a8:0:1::1/128"))
        .nodad()
        .noprefixroute();
    kernel.apply(&Op::AddAddress(own)).unwrap();
    let prefix = Route::new(net("fd42:1a8:0:2::/64"))
        .dev("vpc0")
        .protocol(75)
        .metric(1024);
    kernel.apply(&Op::AddRoute(prefix.clone())).unwrap();
    let routes = kernel.routes().unwrap();
    let found = routes
        .iter()
        .find(|info| info.route.protocol == 75)
        .unwrap();
    assert_eq!(found.route, prefix);
    let asked = |info: &kraud_netlink::NeighbourInfo| {
        info.neighbour.state != kraud_netlink::NeighbourState::Noarp
    };
    assert!(
        !kernel.neighbours().unwrap().iter().any(asked),
        "nobody was asked for"
    );
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn routes_of_all_kinds_come_back_as_they_were_asked_for() {
    let Some(netns) = namespace() else { return };
    let mut kernel = netns.handle().unwrap();
    add_pair(&mut kernel, "v0", "v1");
    for text in ["10.0.0.1/24", "fd00::1/64"] {
        kernel
            .apply(&Op::AddAddress(Address::new("v0", net(text)).nodad()))
            .unwrap();
    }
    let via = |text: &str| NextHop::via(ip(text)).dev("v0");
    let wanted = [
        Route::new(net("10.1.0.0/16"))
            .via(ip("10.0.0.2"))
            .dev("v0")
            .metric(5)
            .mtu(1400)
            .advmss(1300),
        Route::new(net("10.2.0.0/16"))
            .via(ip("10.99.0.1"))
            .dev("v0")
            .onlink()
            .table(1000),
        Route::new(net("10.3.0.0/16")).via(ip("fd00::9")).dev("v0"),
        Route::new(net("10.4.0.0/16"))
            .nexthop(via("10.0.0.2"))
            .nexthop(via("10.0.0.3").weight(3)),
        Route::new(net("10.5.0.0/16"))
            .kind(RouteKind::Blackhole)
            .protocol(75),
        Route::default_v4().via(ip("10.0.0.254")).dev("v0"),
        Route::new(net("fd01::/48"))
            .via(ip("fd00::2"))
            .dev("v0")
            .metric(75),
        Route::default_v6().dev("v0").metric(9),
    ];
    for route in &wanted {
        kernel
            .apply(&Op::AddRoute(route.clone()))
            .unwrap_or_else(|error| panic!("{error}"));
    }
    let found: Vec<Route> = kernel
        .routes()
        .unwrap()
        .into_iter()
        .map(|info| info.route)
        .collect();
    for route in &wanted {
        assert!(found.contains(route), "{route:#?} is not in {found:#?}");
        kernel
            .apply(&Op::DeleteRoute(route.clone()))
            .unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn rules_and_neighbours_come_back_as_they_were_asked_for() {
    let Some(netns) = namespace() else { return };
    let mut kernel = netns.handle().unwrap();
    add_pair(&mut kernel, "v0", "v1");
    let rule = Rule::v6(RuleAction::Table(1000))
        .from(net("fd00::/8"))
        .priority(75)
        .fwmark(0x10, Some(0xff));
    match kernel.apply(&Op::AddRule(rule.clone())) {
        Err(error) if error.is_unsupported() => {
            eprintln!("this kernel has no policy routing: {error}");
        }
        result => {
            result.unwrap();
            assert!(kernel.rules().unwrap().iter().any(|info| info.rule == rule));
            kernel.apply(&Op::DeleteRule(rule.clone())).unwrap();
            assert!(!kernel.rules().unwrap().iter().any(|info| info.rule == rule));
        }
    }
    let neighbour = Neighbour::permanent("v0", ip("10.0.0.9"), MacAddr([2, 0, 0, 0, 0, 9]));
    let proxy = Neighbour::proxy("v0", ip("fd00::9"));
    for entry in [&neighbour, &proxy] {
        kernel.apply(&Op::AddNeighbour(entry.clone())).unwrap();
        assert!(
            kernel
                .neighbours()
                .unwrap()
                .iter()
                .any(|info| info.neighbour == *entry),
            "{entry:?}"
        );
        kernel.apply(&Op::DeleteNeighbour(entry.clone())).unwrap();
        assert!(
            !kernel
                .neighbours()
                .unwrap()
                .iter()
                .any(|info| info.neighbour == *entry),
            "{entry:?}"
        );
    }
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn a_whole_underlay_of_namespaces_carries_packets() {
    let Some(_) = namespace() else { return };
    let mut lab = Namespaces::anonymous().unwrap();
    let mut steps = Vec::new();
    for name in ["a", "router", "b"] {
        steps.push(Step::here(Op::AddNetns(name.into())));
        steps.push(Step::in_netns(
            name,
            Op::SetLink(LinkChange::new("lo").up()),
        ));
    }
    for (name, link, own, far) in [("a", "to-a", 1, 2), ("b", "to-b", 2, 1)] {
        let pair = Link::veth(link, Veth::peer("eth0").netns(name).up())
            .addr_gen_mode(AddrGenMode::None)
            .up();
        steps.push(Step::in_netns("router", Op::AddLink(pair)));
        // Without a link-local address a router cannot ask for the neighbours of what it forwards.
        let local = Address::new(link, net("fe80::1/64")).nodad();
        steps.push(Step::in_netns("router", Op::AddAddress(local)));
        let address =
            |dev: &str, last: u8| Address::new(dev, net(&format!("fd00:{own}::{last}/64"))).nodad();
        steps.push(Step::in_netns("router", Op::AddAddress(address(link, 254))));
        steps.push(Step::in_netns(name, Op::AddAddress(address("eth0", 1))));
        let route =
            Route::new(net(&format!("fd00:{far}::/64"))).via(ip(&format!("fd00:{own}::254")));
        steps.push(Step::in_netns(name, Op::AddRoute(route)));
    }
    steps.push(Step::in_netns(
        "router",
        Op::WriteSysctl(Sysctl::forwarding6(true)),
    ));
    lab.apply_all(&steps).unwrap();

    assert_eq!(
        lab.netns("router")
            .unwrap()
            .read_sysctl("net.ipv6.conf.all.forwarding")
            .unwrap(),
        "1"
    );
    let server = lab
        .netns("b")
        .unwrap()
        .run(|| std::net::UdpSocket::bind("[fd00:2::1]:7").unwrap())
        .unwrap();
    let client = lab
        .netns("a")
        .unwrap()
        .run(|| std::net::UdpSocket::bind("[fd00:1::1]:0").unwrap())
        .unwrap();
    client.send_to(b"hello", "[fd00:2::1]:7").unwrap();
    server
        .set_read_timeout(Some(std::time::Duration::from_secs(5)))
        .unwrap();
    let mut buffer = [0; 16];
    let (len, from) = server.recv_from(&mut buffer).unwrap();
    assert_eq!(
        (&buffer[..len], from.ip()),
        (&b"hello"[..], "fd00:1::1".parse::<IpAddr>().unwrap())
    );
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn a_link_moves_and_is_born_elsewhere() {
    let Some(netns) = namespace() else { return };
    let mut lab = Namespaces::start(netns, kraud_netlink::NetnsKind::Anonymous).unwrap();
    lab.apply(&Step::here(Op::AddNetns("pod".into()))).unwrap();
    lab.apply(&Step::here(Op::AddLink(Link::veth("v0", "v1"))))
        .unwrap();
    let r#move = Op::MoveLink {
        name: "v1".into(),
        netns: "pod".into(),
        rename: Some("eth0".into()),
        up: true,
    };
    lab.apply(&Step::here(r#move)).unwrap();
    let eth0 = lab.handle("pod").unwrap().link("eth0").unwrap();
    assert!(
        eth0.parent_netns_id.is_some(),
        "its other end is in another namespace"
    );

    lab.apply(&Step::here(Op::AddLink(Link::bridge("br0").netns("pod"))))
        .unwrap();
    assert!(lab.handle("pod").unwrap().link("br0").is_ok());
    let unknown = lab
        .apply(&Step::here(Op::AddLink(
            Link::bridge("br1").netns("nowhere"),
        )))
        .unwrap_err();
    assert!(unknown.is_not_found(), "{unknown}");
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn c2_a_missing_link_kind_is_told_with_its_module() {
    let Some(netns) = namespace() else { return };
    let mut kernel = netns.handle().unwrap();
    add_pair(&mut kernel, "v0", "v1");
    let ops = [
        ("ipvlan", Link::ipvlan("x", "v0", IpvlanMode::L3)),
        ("ip6_tunnel", Link::new("x", Ip6Tnl::external())),
        ("wireguard", Link::wireguard("x")),
        ("dummy", Link::dummy("x")),
        ("8021q", Link::vlan("x", "v0", 20)),
    ];
    for (module, link) in ops {
        match kernel.apply(&Op::AddLink(link.clone())) {
            Ok(()) => kernel.apply(&Op::DeleteLink("x".into())).unwrap(),
            Err(error) => {
                assert!(error.is_unsupported(), "{error}");
                assert_eq!(error.kernel_message(), Some("Unknown device type"));
                let text = error.to_string();
                assert!(text.contains(&format!("modprobe {module}`")), "{text}");
                assert!(text.contains("ip link add"), "{text}");
            }
        }
    }
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn c2_the_probe_answers_by_trying() {
    if namespace().is_none() {
        return;
    }
    let found = probe().unwrap();
    assert!(
        found.has(Capability::Veth) && found.has(Capability::Bridge),
        "{found}"
    );
    for (capability, why) in found.answers() {
        assert_eq!(found.has(capability), why.is_none());
    }
    println!("{found}");
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn c1_the_mode_is_read_back_on_a_full_kernel() {
    let Some(netns) = namespace() else { return };
    let mut kernel = netns.handle().unwrap();
    add_pair(&mut kernel, "v0", "v1");
    for mode in [IpvlanMode::L2, IpvlanMode::L3, IpvlanMode::L3S] {
        match kernel.apply(&Op::AddLink(Link::ipvlan("ipvl0", "v0", mode))) {
            Err(error) if error.is_unsupported() => return common::skip(&error),
            result => result.unwrap(),
        }
        let LinkKind::Ipvlan(found) = kernel.link("ipvl0").unwrap().link.kind else {
            panic!("no ipvlan")
        };
        assert_eq!(found.mode, mode);
        kernel.apply(&Op::DeleteLink("ipvl0".into())).unwrap();
    }
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn wireguard_is_set_and_read_back_on_a_full_kernel() {
    let Some(netns) = namespace() else { return };
    let mut kernel = netns.handle().unwrap();
    match kernel.apply(&Op::AddLink(Link::wireguard("wg0"))) {
        Err(error) if error.is_unsupported() => {
            let error = kernel.wireguard("wg0").unwrap_err();
            assert!(
                error.is_unsupported() && error.to_string().contains("modprobe wireguard"),
                "{error}"
            );
            return common::skip(&error);
        }
        result => result.unwrap(),
    }
    let peer = |n: u8| {
        Peer::new(PublicKey([n; 32]))
            .endpoint("192.0.2.7:51820".parse().unwrap())
            .keepalive(25)
    };
    let wanted = Wireguard::new("wg0")
        .private_key(PrivateKey::new([3; 32]))
        .listen_port(51820)
        .peer(peer(9).allow(net("fd00:1::/64")))
        .peer(peer(8).allow_all(
            (0..20_000_u32).map(|n| net(&format!("{}/32", std::net::Ipv4Addr::from(n)))),
        ));
    kernel.apply(&Op::SetWireguard(wanted)).unwrap();
    let found = kernel.wireguard("wg0").unwrap();
    assert_eq!((found.listen_port, found.peers.len()), (51820, 2));
    let count = |n: u8| {
        found
            .peers
            .iter()
            .find(|peer| peer.public_key.0 == [n; 32])
            .unwrap()
            .allowed_ips
            .len()
    };
    assert_eq!((count(9), count(8)), (1, 20_000));
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn a_panic_inside_a_namespace_leaves_the_caller_where_it_was() {
    let Some(netns) = namespace() else { return };
    let before = Netns::current().unwrap();
    assert_ne!(before, netns);
    let panicked = std::panic::catch_unwind(|| netns.run(|| panic!("inside")));
    assert!(panicked.is_err());
    assert_eq!(Netns::current().unwrap(), before);
    assert_eq!(netns.run(|| Netns::current().unwrap()).unwrap(), netns);
    let (near, far) = std::thread::scope(|scope| {
        let worker = scope.spawn(|| netns.run(|| Netns::current().unwrap()).unwrap());
        (Netns::current().unwrap(), worker.join().unwrap())
    });
    assert_eq!((near, far), (before, netns));
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn a_refusal_says_what_where_and_how_to_mend_it() {
    let Some(netns) = namespace() else { return };
    let mut kernel = netns.handle().unwrap();
    add_pair(&mut kernel, "v0", "v1");
    let error = kernel
        .apply(&Op::SetLink(LinkChange::new("v0").mtu(1)))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "set link \"v0\": Invalid argument (os error 22): kernel says \"mtu less than device minimum\" \
         (as in `ip link set dev v0 mtu 1`)",
    );
    let error = kernel
        .apply(&Op::AddLink(Link::veth("v0", "other")))
        .unwrap_err();
    assert!(
        error.is_exists() && error.to_string().ends_with("a link of that name exists"),
        "{error}"
    );
    let error = kernel
        .apply(&Op::AddRoute(
            Route::new(net("10.0.0.0/8")).via(ip("203.0.113.1")),
        ))
        .unwrap_err();
    assert!(
        error.to_string().contains("the gateway is on no link"),
        "{error}"
    );
    let error = kernel.apply(&Op::DeleteLink("nothing".into())).unwrap_err();
    assert!(error.is_not_found(), "{error}");
    let error = kernel
        .apply(&Op::AddLink(Link::bridge("a-name-that-is-too-long")))
        .unwrap_err();
    assert!(error.to_string().contains("at most 15 bytes"), "{error}");
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn a_link_is_born_in_its_namespace_on_a_parent_in_another() {
    let Some(netns) = namespace() else { return };
    let mut lab = Namespaces::start(netns, kraud_netlink::NetnsKind::Anonymous).unwrap();
    for name in ["host", "pod"] {
        lab.apply(&Step::here(Op::AddNetns(name.into()))).unwrap();
    }
    lab.apply(&Step::in_netns(
        "host",
        Op::AddLink(Link::veth("uplink", "far")),
    ))
    .unwrap();
    // Asked for inside the pod: where it ends up, and nowhere else.
    let slave = Link::new("eth0", LinkKind::other("macvlan"))
        .parent("uplink")
        .link_netns("host");
    match lab.apply(&Step::in_netns("pod", Op::AddLink(slave))) {
        Err(error) if error.is_unsupported() => return common::skip(&error),
        result => result.unwrap_or_else(|error| panic!("{error}")),
    }
    let made = lab.handle("pod").unwrap().link("eth0").unwrap();
    assert!(made.parent_netns_id.is_some());
    assert_eq!(
        made.parent_index,
        Some(lab.handle("host").unwrap().index("uplink").unwrap())
    );
    assert!(lab.handle("host").unwrap().link("eth0").is_err());
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn next_hop_objects_are_shared_by_routes() {
    let Some(netns) = namespace() else { return };
    let mut kernel = netns.handle().unwrap();
    add_pair(&mut kernel, "v0", "v1");
    let setup = [
        // What leads nowhere hangs on loopback.
        Op::SetLink(LinkChange::new("lo").up()),
        Op::AddAddress(Address::new("v0", net("10.0.0.1/24"))),
    ];
    for op in &setup {
        kernel.apply(op).unwrap();
    }
    let objects = [
        NextHopObject::via(1, "v0", ip("10.0.0.2")).protocol(75),
        NextHopObject::via(2, "v0", ip("10.0.0.3")),
        NextHopObject::blackhole(3, true),
        NextHopObject::group(9, [(1, 1), (2, 3)]),
    ];
    for object in &objects {
        kernel
            .apply(&Op::AddNextHop(object.clone()))
            .unwrap_or_else(|error| panic!("{error}"));
    }
    assert_eq!(kernel.next_hops().unwrap(), objects);
    let route = Route {
        nexthop_id: Some(9),
        ..Route::new(net("10.9.0.0/16")).protocol(75)
    };
    kernel.apply(&Op::AddRoute(route.clone())).unwrap();
    let ours = |kernel: &mut kraud_netlink::Handle| -> Vec<Route> {
        let routes = kernel.routes().unwrap().into_iter().map(|info| info.route);
        routes.filter(|route| route.protocol == 75).collect()
    };
    // As it was read it can be sent again.
    kernel.apply(&Op::ReplaceRoute(route.clone())).unwrap();
    assert_eq!(ours(&mut kernel), [route]);

    let elsewhere = NextHopObject::via(2, "v0", ip("10.0.0.4"));
    kernel
        .apply(&Op::ReplaceNextHop(elsewhere.clone()))
        .unwrap();
    assert_eq!(kernel.next_hops().unwrap()[1], elsewhere);
    kernel.apply(&Op::DeleteNextHop(9)).unwrap();
    assert_eq!(ours(&mut kernel), [], "the route went with its object");
    assert!(
        kernel
            .apply(&Op::DeleteNextHop(9))
            .unwrap_err()
            .is_not_found()
    );
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn a_link_has_names_beside_its_own() {
    let Some(netns) = namespace() else { return };
    let mut kernel = netns.handle().unwrap();
    add_pair(&mut kernel, "v0", "v1");
    let long = "a-name-that-is-longer-than-fifteen-bytes";
    for alt_name in ["short", long] {
        kernel
            .apply(&Op::AddAltName {
                link: "v0".into(),
                alt_name: alt_name.into(),
            })
            .unwrap_or_else(|error| panic!("{error}"));
    }
    let v0 = kernel.link("v0").unwrap();
    assert_eq!(v0.alt_names, ["short", long]);
    for name in ["short", long] {
        assert_eq!(kernel.index(name).unwrap(), v0.index, "found by {name}");
    }
    kernel
        .apply(&Op::SetLink(LinkChange::new(long).mtu(1400)))
        .unwrap();
    assert_eq!(kernel.link("v0").unwrap().link.mtu, Some(1400));
    kernel
        .apply(&Op::DeleteAltName {
            link: "v0".into(),
            alt_name: long.into(),
        })
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(kernel.link("v0").unwrap().alt_names, ["short"]);
    assert!(kernel.index(long).unwrap_err().is_not_found());
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn modifying_a_link_leaves_the_rest_as_it_was() {
    let Some(netns) = namespace() else { return };
    let mut kernel = netns.handle().unwrap();
    let bridge = Link::bridge("br0").alias("a note").mtu(1400).up();
    kernel.apply(&Op::AddLink(bridge)).unwrap();
    let before = kernel.link("br0").unwrap().link;
    let modified = kernel.modify_link("br0", |link| {
        link.mtu = Some(1300);
        link.up = false;
        if let LinkKind::Bridge(bridge) = &mut link.kind {
            bridge.ageing_time = Some(1000);
        }
    });
    assert!(modified.unwrap());
    let mut after = kernel.link("br0").unwrap().link;
    assert_eq!((after.mtu, after.up), (Some(1300), false));
    let LinkKind::Bridge(bridge) = &mut after.kind else {
        panic!("no bridge")
    };
    assert_eq!(bridge.ageing_time.replace(30_000), Some(1000));
    (after.mtu, after.up) = (before.mtu, before.up);
    assert_eq!(after, before);
    assert!(!kernel.modify_link("br0", |_| ()).unwrap(), "nothing to do");
    let error = kernel
        .modify_link("br0", |link| link.kind = LinkKind::Dummy)
        .unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
}
