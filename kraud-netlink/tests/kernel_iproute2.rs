//! The known truth: every link kind with every option, made by this crate in one namespace and by `ip`, `wg` and `nft` in
//! another, must look the same to `ip`, `wg` and `nft`.

use std::net::Ipv6Addr;
use std::process::Command;

use kraud_netlink::{
    AddrGenMode, Address, Bridge, CommandContext, Encap, Ip6Tnl, Ip6TnlFlags, Ip6TnlMode, Ipvlan,
    IpvlanFlag, IpvlanMode, KeyFile, Link, Netns, NextHopObject, NftChain, NftFamily, NftRule,
    NftTable, Op, Peer, PresharedKey, PrivateKey, PublicKey, Route, Rule, RuleAction, TunnelEncap,
    TunnelEncapKind, Veth, Vlan, VlanProtocol, Wireguard,
};
use serde_json::Value;

mod common;
use common::{add_pair, ip, namespace, net};

/// What is asked in each namespace.
const QUESTIONS: [&str; 6] = [
    "ip -d -j link",
    "ip -j -4 route show table all",
    "ip -j -6 route show table all",
    "ip -j rule",
    "wg show all dump",
    "nft list ruleset",
];

fn said(netns: &Netns, line: &str) -> String {
    let run = || Command::new("sh").args(["-c", line]).output();
    let output = netns.run(run).unwrap().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Takes out what cannot be the same twice: numbers of links, timers, the carrier's state, which the kernel notes a while
/// after the change, and hardware addresses that nobody asked for, those in the names of bridges too.
fn mask(value: &mut Value) {
    const NEVER_THE_SAME: [&str; 9] = [
        "ifindex",
        "link_index",
        "operstate",
        "bridge_id",
        "root_id",
        "gc_timer",
        "hello_timer",
        "tcn_timer",
        "topology_change_timer",
    ];
    match value {
        Value::Array(values) => {
            values.retain(|value| value != "NO-CARRIER");
            values.iter_mut().for_each(mask);
        }
        Value::Object(fields) => {
            fields.retain(|key, value| {
                let given = value
                    .as_str()
                    .is_some_and(|text| text.starts_with("02:00:00:"));
                let address = ["address", "permaddr"].contains(&key.as_str());
                !NEVER_THE_SAME.contains(&key.as_str()) && (given || !address)
            });
            fields.values_mut().for_each(mask);
        }
        _ => {}
    }
}

fn answers(netns: &Netns) -> Vec<String> {
    let mut lines = Vec::new();
    for question in QUESTIONS {
        let answer = said(netns, question);
        let mut entries: Vec<String> = match serde_json::from_str(&answer) {
            Ok(Value::Array(mut entries)) => {
                entries.iter_mut().for_each(mask);
                entries.iter().map(Value::to_string).collect()
            }
            _ => answer.lines().map(str::to_owned).collect(),
        };
        // Link-local addresses are made of the links' own hardware addresses, a little later.
        entries.retain(|entry| !(entry.contains("fe80::") && entry.contains("local")));
        entries.sort();
        lines.extend(entries.iter().map(|entry| format!("{question}: {entry}")));
    }
    lines
}

/// Does both and compares; the base is a veth pair `v0`, `v1` that is up.
fn compare(what: &str, ops: &[Op]) {
    let prepared = || -> Option<Netns> {
        let netns = namespace()?;
        add_pair(&mut netns.handle().unwrap(), "v0", "v1");
        Some(netns)
    };
    let (Some(ours), Some(theirs)) = (prepared(), prepared()) else {
        return;
    };
    let keys = std::env::temp_dir().join(format!("kraud-keys-{}", std::process::id()));
    std::fs::create_dir_all(&keys).unwrap();
    let path = |file: &KeyFile<'_>| {
        let name = if file.peer.is_some() { "psk" } else { "key" };
        keys.join(name).to_str().unwrap().to_owned()
    };
    for (name, byte) in [("key", 0x48), ("psk", 7)] {
        std::fs::write(keys.join(name), PublicKey([byte; 32]).to_string()).unwrap();
    }
    let context = CommandContext::here().key_files(&path);
    let mut kernel = ours.handle().unwrap();
    let mut lines = Vec::new();
    for op in ops {
        kernel
            .apply(op)
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        for line in op.commands(&context) {
            said(&theirs, &line);
            lines.push(line);
        }
    }
    std::fs::remove_dir_all(&keys).unwrap();
    let (ours, theirs) = (answers(&ours), answers(&theirs));
    let only = |these: &[String], others: &[String]| -> Vec<String> {
        let only = these.iter().filter(|line| !others.contains(line));
        only.cloned().collect()
    };
    let (more, less) = (only(&ours, &theirs), only(&theirs, &ours));
    assert!(
        more.is_empty() && less.is_empty(),
        "{what}\nours: {more:#?}\nof {lines:#?}: {less:#?}"
    );
}

fn compare_link(link: Link) {
    let what = format!("{link:?}");
    compare(&what, &[Op::AddLink(link)]);
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn ipvlan_is_what_ip_makes() {
    for mode in [IpvlanMode::L2, IpvlanMode::L3, IpvlanMode::L3S] {
        for flag in [IpvlanFlag::Bridge, IpvlanFlag::Private, IpvlanFlag::Vepa] {
            let slave = Link::new("x0", Ipvlan { mode, flag }).parent("v0");
            compare_link(slave.mtu(1400).up());
        }
    }
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn ip6tnl_is_what_ip_makes() {
    let end = |last| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last);
    let tunnel = || Ip6Tnl::between(end(1), end(2));
    let flags = |change: fn(&mut Ip6TnlFlags)| {
        let mut flags = Ip6TnlFlags::default();
        change(&mut flags);
        Ip6Tnl { flags, ..tunnel() }
    };
    for mode in [Ip6TnlMode::Any, Ip6TnlMode::Ip4, Ip6TnlMode::Ip6] {
        compare_link(Link::new("x0", tunnel().mode(mode)));
        compare_link(
            Link::new("x0", Ip6Tnl::external().mode(mode))
                .mtu(1400)
                .up(),
        );
    }
    let options = [
        tunnel().hop_limit(0),
        tunnel().hop_limit(255),
        tunnel().encap_limit(Some(0)),
        tunnel().encap_limit(Some(255)),
        Ip6Tnl {
            traffic_class: 0xb8,
            flow_label: 0x12345,
            fwmark: 0x10,
            ..tunnel()
        },
        flags(|f| f.inherit_traffic_class = true),
        flags(|f| f.inherit_flow_label = true),
        flags(|f| f.copy_dscp = true),
        flags(|f| f.inherit_fwmark = true),
        flags(|f| f.allow_local_remote = true),
    ];
    for tunnel in options {
        compare_link(Link::new("x0", tunnel).parent("v0"));
    }
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn ip6tnl_in_udp_is_what_ip_makes() {
    let end = |last| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last);
    let udp = |kind, csum, csum6, remcsum| Ip6Tnl {
        encap: Some(TunnelEncap {
            source_port: 4444,
            csum,
            csum6,
            remcsum,
            ..TunnelEncap::new(kind, 5555)
        }),
        ..Ip6Tnl::between(end(1), end(2))
    };
    let cases = [
        udp(TunnelEncapKind::Fou, false, true, false),
        udp(TunnelEncapKind::Fou, true, false, false),
        udp(TunnelEncapKind::Gue, false, true, true),
    ];
    for tunnel in cases {
        compare_link(Link::new("x0", tunnel));
    }
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn vlan_dummy_veth_and_bridge_are_what_ip_makes() {
    let vlan = |change: fn(&mut Vlan)| {
        let mut vlan = Vlan::new(20);
        change(&mut vlan);
        Link::new("x0", vlan).parent("v0")
    };
    let links = [
        vlan(|_| ()),
        vlan(|v| v.protocol = Some(VlanProtocol::Ad)),
        vlan(|v| v.reorder_header = Some(false)),
        vlan(|v| v.gvrp = Some(true)),
        vlan(|v| v.mvrp = Some(true)),
        vlan(|v| v.loose_binding = Some(true)),
        vlan(|v| {
            v.ingress_qos = vec![(1, 2), (3, 4)];
            v.egress_qos = vec![(5, 6)];
        })
        .up(),
        Link::dummy("x0")
            .mtu(9000)
            .group(75)
            .alias("a note")
            .noarp()
            .up(),
        Link {
            txqueuelen: Some(77),
            numtxqueues: Some(2),
            numrxqueues: Some(2),
            ..Link::dummy("x0").addr_gen_mode(AddrGenMode::None).up()
        },
        Link::veth("x0", Veth::peer("x1").mtu(1300).up())
            .mtu(1400)
            .up(),
        Link::veth(
            "x0",
            Veth::peer("x1").noarp().addr_gen_mode(AddrGenMode::None),
        ),
        Link::dummy("x0").address([2, 0, 0, 0, 0, 0x77]),
        Link::veth("x0", Veth::peer("x1").address([2, 0, 0, 0, 1, 1])).address([2, 0, 0, 0, 1, 0]),
        Link::bridge("x0"),
        Link::new(
            "x0",
            Bridge {
                mcast_snooping: Some(false),
                stp: Some(true),
                vlan_filtering: Some(true),
                ageing_time: Some(1000),
                priority: Some(100),
                forward_delay: Some(400),
                hello_time: Some(200),
                max_age: Some(600),
                ..Bridge::default()
            },
        ),
    ];
    links.into_iter().for_each(compare_link);
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn what_is_on_links_is_what_ip_wg_and_nft_make() {
    let encap = Encap::ip6("fd42::3".parse().unwrap())
        .src("fd42::2".parse().unwrap())
        .hop_limit(64);
    let peer = |n: u8| {
        Peer::new(PublicKey([n; 32]))
            .preshared_key(PresharedKey::new([7; 32]))
            .endpoint("[2001:db8::7]:51820".parse().unwrap())
            .keepalive(25)
            .allow(net(&format!("10.{n}.0.0/16")))
            .allow(net(&format!("fd00:{n}::/64")))
    };
    let filter = NftTable::new(NftFamily::Ip6, "kraud").chain(
        NftChain::nat_postrouting("post")
            .rule(NftRule::masquerade().from(net("fd00::/80")).not_out("v0")),
    );
    let ops = [
        Op::AddAddress(Address::new("v0", net("10.0.0.1/24")).broadcast([10, 0, 0, 255].into())),
        Op::AddAddress(
            Address::new("v0", net("fd00::1/64"))
                .nodad()
                .noprefixroute(),
        ),
        Op::AddLink(Link::new("overlay", Ip6Tnl::external()).mtu(1400).up()),
        Op::AddRoute(
            Route::new(net("192.168.2.3/32"))
                .encap(encap)
                .dev("overlay")
                .metric(7)
                .protocol(75),
        ),
        Op::AddRoute(
            Route::new(net("10.9.0.0/16"))
                .via(ip("10.0.0.2"))
                .dev("v0")
                .mtu(1300)
                .table(1000),
        ),
        Op::AddRoute(Route::new(net("fd01::/48")).dev("v0").metric(75)),
        Op::AddNextHop(NextHopObject::via(7, "v0", ip("10.0.0.9"))),
        Op::AddRoute(Route {
            nexthop_id: Some(7),
            ..Route::new(net("10.7.0.0/16"))
        }),
        Op::AddRule(
            Rule::v4(RuleAction::Table(1000))
                .from(net("10.0.0.0/8"))
                .fwmark(0x10, Some(0xff))
                .priority(75),
        ),
        Op::AddLink(Link::wireguard("wg0").mtu(1420).up()),
        Op::SetWireguard(
            Wireguard::new("wg0")
                .private_key(PrivateKey::new([0x48; 32]))
                .listen_port(51820)
                .fwmark(5)
                .peers([peer(1), peer(2)]),
        ),
        Op::SetNft(filter),
    ];
    compare("addresses, routes, rules, keys and tables", &ops);
}
