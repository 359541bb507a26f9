//! The kinds of links that small kernels lack, on one that has them: made, read back, changed, refused.
//!
//! They are ignored unless asked for; the real-kernel lane asks.

use std::net::Ipv4Addr;

use kraud_netlink::{
    Address, Encap, Handle, Ip6Tnl, Ip6TnlFlags, Ip6TnlMode, Ipvlan, IpvlanFlag, IpvlanMode, Link,
    LinkKind, Namespaces, NetnsKind, Op, Parent, Peer, PresharedKey, PrivateKey, PublicKey, Route,
    Step, Vlan, VlanProtocol, Want, Wanted, Wireguard, ipvlan_parent, owned_parents,
};

mod common;
use common::{add_pair, ip, namespace, net, skip};

/// A namespace with a veth pair `v0`, `v1` that is up.
fn system() -> Option<Namespaces> {
    let mut system = Namespaces::start(namespace()?, NetnsKind::Anonymous).unwrap();
    add_pair(system.here(), "v0", "v1");
    Some(system)
}

/// Adds a link, or says why this kernel cannot.
fn added(kernel: &mut Handle, link: Link) -> bool {
    match kernel.apply(&Op::AddLink(link)) {
        Err(error) if error.is_unsupported() => {
            skip(&error);
            false
        }
        result => {
            result.unwrap_or_else(|error| panic!("{error}"));
            true
        }
    }
}

fn kind(kernel: &mut Handle, name: &str) -> LinkKind {
    kernel.link(name).unwrap().link.kind
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn c1_every_mode_and_flag_is_read_back() {
    let Some(mut system) = system() else { return };
    for mode in [IpvlanMode::L2, IpvlanMode::L3, IpvlanMode::L3S] {
        for flag in [IpvlanFlag::Bridge, IpvlanFlag::Private, IpvlanFlag::Vepa] {
            let wanted = Ipvlan { mode, flag };
            if !added(system.here(), Link::new("ipvl0", wanted).parent("v0")) {
                return;
            }
            assert_eq!(kind(system.here(), "ipvl0"), LinkKind::Ipvlan(wanted));
            system
                .here()
                .apply(&Op::DeleteLink("ipvl0".into()))
                .unwrap();
        }
    }
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn c19_c30_a_layer_3_slave_has_no_arp_and_its_parents_address() {
    let Some(mut system) = system() else { return };
    system
        .apply(&Step::here(Op::AddNetns("pod".into())))
        .unwrap();
    if !added(system.here(), Link::ipvlan("probe", "v0", IpvlanMode::L3)) {
        return;
    }
    // C18: born in the pod with `default dev eth0`, no gateway.
    let slave = Link::ipvlan("eth0", "v0", IpvlanMode::L3)
        .netns("pod")
        .mtu(1440)
        .up();
    let steps = [
        Step::here(Op::AddLink(slave)),
        Step::in_netns(
            "pod",
            Op::AddAddress(Address::new("eth0", net("10.1.20.2/24")).nodad()),
        ),
        Step::in_netns("pod", Op::AddRoute(Route::default_v4().dev("eth0"))),
    ];
    system
        .apply_all(&steps)
        .unwrap_or_else(|(at, error)| panic!("{}: {error}", steps[at]));
    let parent = system.here().link("v0").unwrap();
    let eth0 = system.handle("pod").unwrap().link("eth0").unwrap();
    assert!(eth0.link.noarp);
    assert_eq!(
        (eth0.link.address, eth0.link.mtu),
        (parent.link.address, Some(1440))
    );
    let routes = system.handle("pod").unwrap().routes().unwrap();
    let default = routes
        .iter()
        .find(|info| info.route.dst == net("0.0.0.0/0"))
        .unwrap();
    assert_eq!(default.route, Route::default_v4().dev("eth0"));
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn c26_an_address_that_another_slave_has_is_told() {
    let Some(mut system) = system() else { return };
    let kernel = system.here();
    if !added(kernel, Link::ipvlan("a", "v0", IpvlanMode::L3).up()) {
        return;
    }
    assert!(added(kernel, Link::ipvlan("b", "v0", IpvlanMode::L3).up()));
    kernel
        .apply(&Op::AddAddress(Address::new("a", net("10.1.0.1/24"))))
        .unwrap();
    let error = kernel
        .apply(&Op::AddAddress(Address::new("b", net("10.1.0.1/24"))))
        .unwrap_err();
    assert!(error.is_busy(), "{error}");
    assert!(
        error.to_string().contains("another ipvlan slave"),
        "{error}"
    );
    kernel
        .apply(&Op::DeleteAddress(Address::new("a", net("10.1.0.1/24"))))
        .unwrap();
    kernel
        .apply(&Op::AddAddress(Address::new("b", net("10.1.0.1/24"))))
        .unwrap();
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn c27_addresses_without_detection_are_ready_at_once() {
    let Some(mut system) = system() else { return };
    let kernel = system.here();
    for name in ["a", "b"] {
        if !added(
            kernel,
            Link::ipvlan(name, "v0", IpvlanMode::L2)
                .addr_gen_mode(kraud_netlink::AddrGenMode::None)
                .up(),
        ) {
            return;
        }
    }
    kernel
        .apply(&Op::AddAddress(
            Address::new("a", net("fd00::1/64")).nodad(),
        ))
        .unwrap();
    kernel
        .apply(&Op::AddAddress(
            Address::new("b", net("fd00::2/64")).nodad(),
        ))
        .unwrap();
    let found = kernel.addresses().unwrap();
    let on = |info: &&kraud_netlink::AddressInfo| ["a", "b"].contains(&info.address.dev.as_str());
    assert_eq!(found.iter().filter(on).count(), 2);
    assert!(
        found
            .iter()
            .filter(on)
            .all(|info| !info.tentative && !info.dad_failed),
        "{found:#?}"
    );
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn c28_a_mode_that_would_flip_siblings_is_refused_before_the_kernel_obeys() {
    let Some(mut system) = system() else { return };
    if !added(system.here(), Link::ipvlan("theirs", "v0", IpvlanMode::L2)) {
        return;
    }
    let mut wanted = Wanted::new();
    wanted.here(Want::Link(Link::ipvlan("ours", "v0", IpvlanMode::L3)));
    let error = wanted.ensure(&mut system).unwrap_err();
    assert!(
        error.is_busy() && error.to_string().contains("the mode belongs to the parent"),
        "{error}"
    );
    // The kernel itself would have done it.
    assert!(added(
        system.here(),
        Link::ipvlan("ours", "v0", IpvlanMode::L3)
    ));
    let LinkKind::Ipvlan(flipped) = kind(system.here(), "theirs") else {
        panic!("no ipvlan")
    };
    assert_eq!(flipped.mode, IpvlanMode::L3);
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn c28_macvlan_on_the_same_parent_is_told() {
    let Some(mut system) = system() else { return };
    let macvlan = Link::new("m0", LinkKind::other("macvlan")).parent("v0");
    if !added(system.here(), macvlan) {
        return;
    }
    let mut wanted = Wanted::new();
    wanted.here(Want::Link(Link::ipvlan("ours", "v0", IpvlanMode::L2)));
    assert!(wanted.diff(&mut system).unwrap_err().is_busy());
    let error = system
        .here()
        .apply(&Op::AddLink(Link::ipvlan("ours", "v0", IpvlanMode::L2)))
        .unwrap_err();
    if !error.is_unsupported() {
        assert!(
            error.is_busy() && error.to_string().contains("in use by macvlan"),
            "{error}"
        );
    }
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn c29_loopback_and_wireguard_are_no_parents() {
    let Some(mut system) = system() else { return };
    let kernel = system.here();
    let error = kernel
        .apply(&Op::AddLink(Link::ipvlan("a", "lo", IpvlanMode::L2)))
        .unwrap_err();
    assert!(error.to_string().contains("no loopback device"), "{error}");
    if !added(kernel, Link::ipvlan("probe", "v0", IpvlanMode::L2))
        || !added(kernel, Link::wireguard("wg0"))
    {
        return;
    }
    let error = kernel
        .apply(&Op::AddLink(Link::ipvlan("a", "wg0", IpvlanMode::L2)))
        .unwrap_err();
    assert!(
        error.to_string().contains("it must be an Ethernet link"),
        "{error}"
    );
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn c6_c8_c9_c10_parents_come_and_go_by_ownership() {
    let Some(mut system) = system() else { return };
    let kernel = system.here();
    if !added(kernel, Link::vlan("v0.40", "v0", 40).up())
        || !added(kernel, Link::dummy("di-theirs"))
    {
        return;
    }
    let before: Vec<String> = kernel
        .links()
        .unwrap()
        .into_iter()
        .map(|info| info.link.name)
        .collect();
    for name in [Some("v0.20"), Some("v0.40"), Some("v0.40.7"), None] {
        let links = kernel.links().unwrap();
        if let Parent::Made(link) =
            ipvlan_parent(name, "1f2e3d4c5b6a7988", "kraud", &links).unwrap()
        {
            kernel
                .apply(&Op::AddLink(*link))
                .unwrap_or_else(|error| panic!("{error}"));
        }
    }
    let links = kernel.links().unwrap();
    let owned: Vec<&str> = owned_parents(&links, "kraud")
        .map(|info| info.link.name.as_str())
        .collect();
    assert_eq!(owned, ["v0.20", "v0.40.7", "di-1f2e3d4c5b6a"]);
    for name in owned {
        kernel.apply(&Op::DeleteLink(name.to_owned())).unwrap();
    }
    let after: Vec<String> = kernel
        .links()
        .unwrap()
        .into_iter()
        .map(|info| info.link.name)
        .collect();
    assert_eq!(after, before);
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn vlans_come_back_as_they_were_asked_for() {
    let Some(mut system) = system() else { return };
    let wanted = Vlan {
        reorder_header: Some(true),
        gvrp: Some(false),
        mvrp: Some(false),
        loose_binding: Some(true),
        bridge_binding: Some(false),
        ingress_qos: vec![(1, 2)],
        egress_qos: vec![(3, 4)],
        ..Vlan::new(4094).protocol(VlanProtocol::Ad)
    };
    if !added(system.here(), Link::new("x", wanted.clone()).parent("v0")) {
        return;
    }
    assert_eq!(kind(system.here(), "x"), LinkKind::Vlan(wanted));
    assert!(
        system
            .here()
            .apply(&Op::AddLink(Link::vlan("y", "v0", 4095)))
            .is_err()
    );
}

fn full_tunnel() -> Ip6Tnl {
    let mut tunnel = Ip6Tnl::between(
        "2001:db8::1".parse().unwrap(),
        "2001:db8::2".parse().unwrap(),
    );
    tunnel.mode = Ip6TnlMode::Ip4;
    tunnel.hop_limit = 33;
    tunnel.encap_limit = Some(7);
    tunnel.traffic_class = 0xb8;
    tunnel.flow_label = 0x12345;
    tunnel.fwmark = 0x10;
    tunnel.flags = Ip6TnlFlags {
        copy_dscp: true,
        allow_local_remote: true,
        ..Ip6TnlFlags::default()
    };
    tunnel
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn a10_every_option_of_a_tunnel_comes_back_and_survives_a_change() {
    let Some(mut system) = system() else { return };
    if !added(
        system.here(),
        Link::new("tnl0", full_tunnel()).parent("v0").mtu(1400),
    ) {
        return;
    }
    let found = system.here().link("tnl0").unwrap();
    assert_eq!(
        (found.link.kind, found.link.parent.as_deref()),
        (LinkKind::Ip6Tnl(full_tunnel()), Some("v0"))
    );
    // One option changes; the kernel would zero all others if they were not sent again.
    let changed = Ip6Tnl {
        hop_limit: 44,
        ..full_tunnel()
    };
    let mut wanted = Wanted::new();
    wanted.here(Want::Link(Link::new("tnl0", changed.clone()).parent("v0")));
    let undo = wanted
        .ensure(&mut system)
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(kind(system.here(), "tnl0"), LinkKind::Ip6Tnl(changed));
    assert_eq!(wanted.diff(&mut system).unwrap(), []);
    assert!(undo.apply(&mut system).is_empty());
    assert_eq!(kind(system.here(), "tnl0"), LinkKind::Ip6Tnl(full_tunnel()));
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn a10_modifying_a_tunnel_sends_everything_that_the_kernel_would_zero() {
    let Some(mut system) = system() else { return };
    let kernel = system.here();
    if !added(kernel, Link::new("tnl0", full_tunnel()).parent("v0").up()) {
        return;
    }
    let modified = kernel.modify_link("tnl0", |link| {
        if let LinkKind::Ip6Tnl(tunnel) = &mut link.kind {
            tunnel.hop_limit = 44;
        }
    });
    assert!(modified.unwrap_or_else(|error| panic!("{error}")));
    let found = kernel.link("tnl0").unwrap().link;
    let wanted = full_tunnel().hop_limit(44);
    assert_eq!(
        (found.kind, found.parent.as_deref()),
        (LinkKind::Ip6Tnl(wanted), Some("v0"))
    );
    // The kernel's own way: what is not said becomes zero.
    let raw = |kind, payload: &[u8]| kraud_netlink::RawAttr {
        kind,
        payload: payload.to_vec(),
    };
    let (local, remote) = (full_tunnel().local, full_tunnel().remote);
    let kind = LinkKind::Other {
        name: "ip6tnl".into(),
        options: vec![
            raw(2, &local.octets()),
            raw(3, &remote.octets()),
            raw(4, &[55]),
        ],
    };
    let change = kraud_netlink::LinkChange::new("tnl0").kind(kind);
    kernel.apply(&Op::SetLink(change)).unwrap();
    let LinkKind::Ip6Tnl(zeroed) = kernel.link("tnl0").unwrap().link.kind else {
        panic!("no tunnel")
    };
    assert_eq!((zeroed.hop_limit, zeroed.encap_limit), (55, Some(0)));
    assert_eq!((zeroed.fwmark, zeroed.flow_label), (0, 0));
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn a10_one_external_tunnel_serves_all_overlays_of_a_pod() {
    let Some(mut system) = system() else { return };
    if !added(
        system.here(),
        Link::new("kraud0", Ip6Tnl::external()).mtu(1400).up(),
    ) {
        return;
    }
    let kernel = system.here();
    assert_eq!(kernel.link("kraud0").unwrap().link.mtu, Some(1400));
    assert_eq!(kind(kernel, "kraud0"), LinkKind::Ip6Tnl(Ip6Tnl::external()));
    let second = kernel
        .apply(&Op::AddLink(Link::new("kraud1", Ip6Tnl::external())))
        .unwrap_err();
    assert!(
        second.is_exists() && second.to_string().contains("there is at most one"),
        "{second}"
    );
    // A18: a peer's whole prefix behind its address.
    for (n, prefix) in ["192.168.2.3/32", "192.168.3.0/24", "fd01::/64"]
        .into_iter()
        .enumerate()
    {
        let src = if prefix.contains("::") {
            None
        } else {
            Some(ip("192.168.2.2"))
        };
        if n == 0 {
            kernel
                .apply(&Op::AddAddress(Address::new(
                    "kraud0",
                    net("192.168.2.2/32"),
                )))
                .unwrap();
        }
        let encap = Encap::ip6("fd42::3".parse().unwrap())
            .src("fd42::2".parse().unwrap())
            .hop_limit(64);
        let metric = 1000 + u32::try_from(n).unwrap();
        let mut route = Route::new(net(prefix))
            .encap(encap)
            .dev("kraud0")
            .metric(metric)
            .protocol(75);
        route.src = src;
        kernel
            .apply(&Op::AddRoute(route.clone()))
            .unwrap_or_else(|error| panic!("{error}"));
        assert!(
            kernel
                .routes()
                .unwrap()
                .iter()
                .any(|info| info.route == route),
            "{route:?}"
        );
    }
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn a3_wireguard_comes_back_as_it_was_asked_for_and_moves_with_its_socket() {
    let Some(mut system) = system() else { return };
    if !added(system.here(), Link::wireguard("wg0").mtu(1440)) {
        return;
    }
    let peer = Peer::new(PublicKey([9; 32]))
        .endpoint("[2001:db8::7]:51820".parse().unwrap())
        .preshared_key(PresharedKey::new([7; 32]))
        .keepalive(25)
        .allow(net("10.0.0.0/8"))
        .allow(net("fd00:1::/64"));
    let wanted = Wireguard::new("wg0")
        .private_key(PrivateKey::new([0x48; 32]))
        .listen_port(51820)
        .fwmark(5)
        .peer(peer);
    let steps = [
        Step::here(Op::AddNetns("vpc".into())),
        Step::here(Op::SetWireguard(wanted.clone())),
        Step::here(Op::MoveLink {
            name: "wg0".into(),
            netns: "vpc".into(),
            rename: None,
            up: true,
        }),
    ];
    system
        .apply_all(&steps)
        .unwrap_or_else(|(at, error)| panic!("{}: {error}", steps[at]));
    let found = system.handle("vpc").unwrap().wireguard("wg0").unwrap();
    assert!(found.public_key.is_some());
    let mut config = found.config();
    config.replace_peers = false;
    assert_eq!(config, wanted);
    assert_eq!(
        (found.peers[0].rx_bytes, found.peers[0].last_handshake),
        (0, None)
    );
    // The socket stayed: the port is taken here, not in the namespace that the link went to.
    assert!(
        system
            .here()
            .netns()
            .run(|| std::net::UdpSocket::bind("[::]:51820"))
            .unwrap()
            .is_err()
    );
    assert!(
        system
            .netns("vpc")
            .unwrap()
            .run(|| std::net::UdpSocket::bind("[::]:51820"))
            .unwrap()
            .is_ok()
    );
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn wireguard_takes_ten_thousand_prefixes_and_changes_only_what_differs() {
    let Some(mut system) = system() else { return };
    if !added(system.here(), Link::wireguard("wg0")) {
        return;
    }
    let peer = |n: u32| {
        let mut key = [0x40; 32];
        key[..4].copy_from_slice(&n.to_be_bytes());
        let prefixes =
            (0..10).map(|m| net(&format!("{}/32", Ipv4Addr::from(0x0a00_0000 + n * 10 + m))));
        Peer::new(PublicKey(key)).allow_all(prefixes)
    };
    let mut wanted = Wanted::new();
    wanted.here(Want::Wireguard(
        Wireguard::new("wg0")
            .private_key(PrivateKey::new([1; 32]))
            .peers((0..1000).map(peer)),
    ));
    wanted
        .ensure(&mut system)
        .unwrap_or_else(|error| panic!("{error}"));
    let found = system.here().wireguard("wg0").unwrap();
    assert_eq!(found.peers.len(), 1000);
    assert!(found.peers.iter().all(|peer| peer.allowed_ips.len() == 10));

    let mut next = Wanted::new();
    next.here(Want::Wireguard(
        Wireguard::new("wg0").peers((1..1001).map(peer)),
    ));
    let steps = next.diff(&mut system).unwrap();
    let [
        Step {
            op: Op::SetWireguard(change),
            ..
        },
    ] = &steps[..]
    else {
        panic!("{steps:?}")
    };
    assert_eq!(change.peers.len(), 2, "one goes, one comes");
    let undo = next.ensure(&mut system).unwrap();
    assert_eq!(next.diff(&mut system).unwrap(), []);
    assert!(undo.apply(&mut system).is_empty());
    assert_eq!(wanted.diff(&mut system).unwrap(), []);
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn a_duplicate_tunnel_is_explained() {
    let Some(mut system) = system() else { return };
    if !added(system.here(), Link::new("tnl0", full_tunnel())) {
        return;
    }
    let error = system
        .here()
        .apply(&Op::AddLink(Link::new("tnl1", full_tunnel())))
        .unwrap_err();
    assert!(
        error.is_exists() && error.to_string().contains("same local and remote"),
        "{error}"
    );
}
