//! A small network as a plan, and everything that a namespace holds, for comparing before with after.

use std::process::Command;

use kraud_netlink::{
    AddrGenMode, Address, Handle, Link, LinkKind, Namespaces, NeighbourState, NetnsKind, NftChain,
    NftFamily, NftRule, NftTable, Owner, Route, Sysctl, Veth, Want, Wanted,
};

use super::{ip, namespace, net};

/// A namespace of the test's own where plans start.
pub fn system() -> Option<Namespaces> {
    Some(Namespaces::start(namespace()?, NetnsKind::Anonymous).unwrap())
}

pub const NOTE: &str = "kraud";

/// A small network: a bridge with a port, addresses, routes, rules and a masquerade.
pub fn wanted() -> Wanted {
    let mut wanted = Wanted::new();
    wanted
        .here(Want::Netns("pod".into()))
        .in_netns("pod", Want::Sysctl(Sysctl::new("net.ipv4.ip_forward", 1)))
        .here(Want::Link(
            Link::bridge("br0")
                .alias(NOTE)
                .addr_gen_mode(AddrGenMode::None)
                .up(),
        ))
        .here(Want::Link(
            Link::veth("p0", Veth::peer("eth0").netns("pod").up())
                .alias(NOTE)
                .master("br0")
                .mtu(1400)
                .up(),
        ))
        .here(Want::Address(Address {
            protocol: Some(75),
            ..Address::new("br0", net("10.0.0.1/24"))
        }))
        .here(Want::Address(Address {
            protocol: Some(75),
            ..Address::new("br0", net("fd00::1/64")).nodad()
        }))
        .in_netns(
            "pod",
            Want::Address(Address::new("eth0", net("10.0.0.2/24"))),
        )
        .in_netns(
            "pod",
            Want::Route(Route::default_v4().via(ip("10.0.0.1")).protocol(75)),
        )
        .here(Want::Sysctl(Sysctl::forwarding4(true)))
        .here(Want::Nft(masquerade("br0")));
    for n in 0..20 {
        let route = Route::new(net(&format!("10.9.{n}.0/24")))
            .dev("br0")
            .protocol(75)
            .metric(100 + n);
        wanted.here(Want::Route(route));
    }
    wanted.here(Want::Route(
        Route::new(net("fd01::/48"))
            .via(ip("fd00::2"))
            .dev("br0")
            .protocol(75),
    ));
    wanted.owned_by(Owner {
        protocol: 75,
        alias: NOTE.into(),
    });
    wanted
}

pub fn masquerade(but: &str) -> NftTable {
    NftTable::new(NftFamily::Ip, "kraud").chain(
        NftChain::nat_postrouting("post")
            .rule(NftRule::masquerade().from(net("10.0.0.0/24")).not_out(but)),
    )
}

/// Everything that a namespace holds, in words, without what the kernel numbers, counts or chooses by itself.
pub fn state(kernel: &mut Handle) -> Vec<String> {
    let mut lines = Vec::new();
    for info in kernel.links().unwrap() {
        let mut link = info.link;
        link.index = None;
        // Made at random where nobody asks for one.
        if !info.state.loopback {
            link.address = None;
        }
        lines.push(format!(
            "{link:?} {:?} {:?}",
            info.bridge_port, info.alt_names
        ));
        if link.kind == LinkKind::Wireguard {
            lines.extend(wireguard(kernel, &link.name));
        }
    }
    for info in kernel.addresses().unwrap() {
        if !info.address.net.to_string().starts_with("fe80") {
            lines.push(format!("{:?}", info.address));
        }
    }
    for info in kernel.routes().unwrap() {
        // Those of the kernel follow links and addresses, some of them a little later.
        if info.route.protocol != 2 {
            lines.push(format!("{:?}", info.route));
        }
    }
    let rules = kernel.rules().unwrap().into_iter();
    lines.extend(rules.map(|info| format!("{:?}", info.rule)));
    let next_hops = kernel.next_hops().unwrap().into_iter();
    lines.extend(next_hops.map(|object| format!("{object:?}")));
    let neighbours = kernel.neighbours().unwrap().into_iter();
    lines.extend(
        neighbours
            .map(|info| info.neighbour)
            .filter(|neighbour| neighbour.state == NeighbourState::Permanent)
            .map(|neighbour| format!("{neighbour:?}")),
    );
    let netns = kernel.netns();
    lines.push(netns.read_sysctl("net.ipv4.ip_forward").unwrap());
    let list = || Command::new("nft").args(["list", "ruleset"]).output();
    let rules = netns.run(list).unwrap().expect("nftables is installed");
    let rules = String::from_utf8(rules.stdout).unwrap();
    lines.extend(rules.lines().map(|line| format!("nft: {line}")));
    lines.sort();
    lines
}

/// A device and its peers; private keys show as the public ones that belong to them.
fn wireguard(kernel: &mut Handle, dev: &str) -> Vec<String> {
    let mut info = kernel.wireguard(dev).unwrap();
    let port = info.listen_port;
    let mut lines = vec![format!(
        "{dev}: {:?} {port} {}",
        info.public_key, info.fwmark
    )];
    for peer in &mut info.peers {
        peer.allowed_ips.sort();
        lines.push(format!(
            "{dev}: {:?} {:?} {} {:?} {}",
            peer.public_key,
            peer.endpoint,
            peer.keepalive,
            peer.allowed_ips,
            peer.preshared_key.is_some()
        ));
    }
    lines
}
