use std::net::Ipv6Addr;

use kraud_netlink::{
    AddrGenMode, Bridge, BridgePort, Ip6Tnl, Ip6TnlFlags, Ip6TnlMode, Ipvlan, IpvlanFlag,
    IpvlanMode, Link, LinkChange, LinkKind, Op, RawAttr, TunnelEncap, TunnelEncapKind, Veth, Vlan,
    VlanProtocol,
};

use super::{Differs, Expect, Near, Same, check};

fn add(link: Link) -> Expect {
    Same(Op::AddLink(link))
}

fn near(link: Link, difference: &'static [&'static str], why: &'static str) -> Expect {
    Near(Op::AddLink(link), difference, why)
}

/// A kind without a type of its own.
fn other(name: &str, options: &[(u16, &[u8])]) -> LinkKind {
    let raw = |&(kind, payload): &(u16, &[u8])| RawAttr {
        kind,
        payload: payload.to_vec(),
    };
    LinkKind::Other {
        name: name.to_owned(),
        options: options.iter().map(raw).collect(),
    }
}

fn set(change: LinkChange) -> Expect {
    Same(Op::SetLink(change))
}

#[test]
fn ipvlan() {
    let slave = |mode, flag| Link::new("ipvl0", Ipvlan { mode, flag }).parent("eth0");
    let queues = Link {
        numtxqueues: Some(2),
        numrxqueues: Some(3),
        ..slave(IpvlanMode::L2, IpvlanFlag::Bridge)
    };
    check(
        include_str!("../vectors/ipvlan.json"),
        vec![
            (
                "ip link add link eth0 name ipvl0 type ipvlan",
                near(
                    slave(IpvlanMode::L2, IpvlanFlag::Bridge),
                    &["+ 18.2.1 0000", "+ 18.2.2 0000"],
                    "mode and flag are always sent: the kernel's default is l3, ours is l2",
                ),
            ),
            (
                "ip link add link eth0 name ipvl0 type ipvlan vepa",
                near(
                    slave(IpvlanMode::L2, IpvlanFlag::Vepa),
                    &["+ 18.2.1 0000"],
                    "mode and flag are always sent: the kernel's default is l3, ours is l2",
                ),
            ),
            (
                "ip link add link eth0 name ipvl0 type ipvlan mode l2 private",
                add(slave(IpvlanMode::L2, IpvlanFlag::Private)),
            ),
            (
                "ip link add link eth0 name ipvl0 type ipvlan mode l3 bridge",
                add(slave(IpvlanMode::L3, IpvlanFlag::Bridge)),
            ),
            (
                "ip link add link eth0 name ipvl0 type ipvlan mode l3s",
                add(slave(IpvlanMode::L3S, IpvlanFlag::Bridge)),
            ),
            (
                "ip link add link eth0 name ipvl0 type ipvlan mode l3s vepa",
                add(slave(IpvlanMode::L3S, IpvlanFlag::Vepa)),
            ),
            (
                "ip link add link eth0 name ipvl0 address 02:00:00:00:00:99 type ipvlan mode l2",
                Differs(
                    "refused before it is sent: an ipvlan slave has its parent's hardware address",
                ),
            ),
            (
                "ip link add link eth0 name ipvl0 numtxqueues 2 numrxqueues 3 type ipvlan mode l2",
                add(queues),
            ),
            (
                "ip link add link eth0.10 name ipvl0 type ipvlan mode l3",
                add(Link::ipvlan("ipvl0", "eth0.10", IpvlanMode::L3)),
            ),
            (
                "ip link add link eth0 name ipvl0 type ipvtap mode l2",
                add(
                    Link::new("ipvl0", other("ipvtap", &[(1, &[0, 0]), (2, &[0, 0])]))
                        .parent("eth0"),
                ),
            ),
            (
                "ip link set dev eth0 type ipvlan mode l2 private",
                set(LinkChange::new("eth0").kind(Ipvlan {
                    mode: IpvlanMode::L2,
                    flag: IpvlanFlag::Private,
                })),
            ),
            (
                "ip link add link eth0 name ipvl0 netns tns type ipvlan mode l3",
                add(slave(IpvlanMode::L3, IpvlanFlag::Bridge).netns("tns")),
            ),
        ],
    );
}

/// The recorded tunnels: `ip` asks for an encapsulation limit of 4 unless told otherwise.
fn tunnel() -> Ip6Tnl {
    let end = |last| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last);
    Ip6Tnl::between(end(1), end(2)).encap_limit(Some(4))
}

#[test]
fn ip6tnl() {
    let any = |change: fn(&mut Ip6Tnl)| {
        let mut tunnel = tunnel();
        change(&mut tunnel);
        add(Link::new("tnl0", tunnel))
    };
    let ip4 = |change: fn(&mut Ip6Tnl)| {
        let mut tunnel = tunnel().mode(Ip6TnlMode::Ip4);
        change(&mut tunnel);
        add(Link::new("tnl0", tunnel))
    };
    let head = "ip link add name tnl0 type ip6tnl mode ipip6 local 2001:db8::1 remote 2001:db8::2";
    let with = |words: &str| -> &'static str { format!("{head} {words}").leak() };
    check(
        include_str!("../vectors/ip6tnl.json"),
        vec![
            (
                "ip link add name tnl0 type ip6tnl",
                near(
                    Link::new("tnl0", Ip6Tnl::default().encap_limit(Some(4))),
                    &[
                        "+ 18.2.9 00",
                        "+ 18.2.2 00000000000000000000000000000000",
                        "+ 18.2.3 00000000000000000000000000000000",
                        "+ 18.2.4 40",
                        "+ 18.2.6 04",
                        "+ 18.2.7 00000000",
                        "+ 18.2.8 00000000",
                        "+ 18.2.1 00000000",
                        "+ 18.2.20 00000000",
                        "+ 18.2.15 0000",
                        "+ 18.2.16 0200",
                        "+ 18.2.17 0000",
                        "+ 18.2.18 0000",
                    ],
                    "every option is always sent: the kernel takes zero for what is missing",
                ),
            ),
            (
                "ip link add name tnl0 type ip6tnl local 2001:db8::1 remote 2001:db8::2",
                any(|_| ()),
            ),
            (
                "ip link add name tnl0 type ip6tnl mode any local 2001:db8::1 remote 2001:db8::2",
                any(|_| ()),
            ),
            (
                "ip link add name tnl0 type ip6tnl mode any/ipv6 local 2001:db8::1 remote 2001:db8::2",
                any(|_| ()),
            ),
            (with("encaplimit 1"), ip4(|t| t.encap_limit = Some(1))),
            (with("hoplimit 0"), ip4(|t| t.hop_limit = 0)),
            (with("hoplimit 255"), ip4(|t| t.hop_limit = 255)),
            (with("tclass 1"), ip4(|t| t.traffic_class = 1)),
            (
                with("tclass inherit"),
                ip4(|t| t.flags.inherit_traffic_class = true),
            ),
            (with("flowlabel 0x12345"), ip4(|t| t.flow_label = 0x12345)),
            (with("dscp inherit"), ip4(|t| t.flags.copy_dscp = true)),
            (with("fwmark 0x10"), ip4(|t| t.fwmark = 0x10)),
            (
                with("allow-localremote"),
                ip4(|t| t.flags.allow_local_remote = true),
            ),
            (with("encap none"), ip4(|_| ())),
            (
                with("encap fou encap-sport auto encap-dport 5555"),
                ip4(|t| t.encap = Some(TunnelEncap::new(TunnelEncapKind::Fou, 5555))),
            ),
            (
                with("encap gue encap-dport 5555 noencap-csum"),
                ip4(|t| t.encap = Some(TunnelEncap::new(TunnelEncapKind::Gue, 5555))),
            ),
            (
                with("encap gue encap-dport 5555 encap-remcsum"),
                ip4(|t| {
                    t.encap = Some(TunnelEncap {
                        remcsum: true,
                        ..TunnelEncap::new(TunnelEncapKind::Gue, 5555)
                    });
                }),
            ),
            (
                with("tclass b8 flowlabel inherit"),
                ip4(|t| {
                    t.traffic_class = 0xb8;
                    t.flags.inherit_flow_label = true;
                }),
            ),
            (
                with("tclass inherit flowlabel inherit hoplimit inherit"),
                ip4(|t| {
                    t.hop_limit = 0;
                    t.flags = Ip6TnlFlags {
                        inherit_traffic_class: true,
                        inherit_flow_label: true,
                        ..Ip6TnlFlags::default()
                    };
                }),
            ),
            (
                "ip link add name tnl0 link eth0 type ip6tnl mode any local 2001:db8::1 remote 2001:db8::2",
                near(
                    Link::new("tnl0", tunnel()),
                    &["- 5 0a000000"],
                    "the kernel ignores `link` on a tunnel; a parent is sent as `dev` (IFLA_IPTUN_LINK)",
                ),
            ),
            (
                with("external"),
                add(Link::new("tnl0", Ip6Tnl::external().mode(Ip6TnlMode::Ip4))),
            ),
            (
                "ip link add name tnl0 type ip6tnl mode any external",
                add(Link::new("tnl0", Ip6Tnl::external())),
            ),
        ],
    );
}

#[test]
fn wireguard_links() {
    let full = Link {
        index: Some(99),
        ..Link::wireguard("wg0").address([0; 6])
    };
    check(
        include_str!("../vectors/wireguard_link.json"),
        vec![
            (
                "ip link add wg0 type wireguard",
                add(Link::wireguard("wg0")),
            ),
            (
                "ip link add name wg0 index 99 address 00:00:00:00:00:00 type wireguard",
                add(full),
            ),
        ],
    );
}

#[test]
fn vlan() {
    let with = |change: fn(&mut Vlan)| {
        let mut vlan = Vlan::new(20);
        change(&mut vlan);
        add(Link::new("eth0.20", vlan).parent("eth0"))
    };
    check(
        include_str!("../vectors/vlan.json"),
        vec![
            (
                "ip link add link eth0 name eth0.20 type vlan id 20",
                add(Link::vlan("eth0.20", "eth0", 20)),
            ),
            (
                "ip link add link eth0 name eth0.20 type vlan protocol 802.1q id 20",
                with(|v| v.protocol = Some(VlanProtocol::Q)),
            ),
            (
                "ip link add link eth0 name eth0.20 type vlan id 20 reorder_hdr on",
                with(|v| v.reorder_header = Some(true)),
            ),
            (
                "ip link add link eth0 name eth0.20 type vlan id 20 mvrp on",
                with(|v| v.mvrp = Some(true)),
            ),
            (
                "ip link add link eth0 name eth0.20 type vlan id 20 ingress-qos-map 1:2",
                with(|v| v.ingress_qos = vec![(1, 2)]),
            ),
            (
                "ip link add link eth0 name eth0.20 type vlan id 20 reorder_hdr off gvrp on mvrp off loose_binding on \
             bridge_binding off",
                with(|v| {
                    v.reorder_header = Some(false);
                    v.gvrp = Some(true);
                    v.mvrp = Some(false);
                    v.loose_binding = Some(true);
                    v.bridge_binding = Some(false);
                }),
            ),
            (
                "ip link set dev eth0 type vlan gvrp on",
                set(LinkChange::new("eth0").kind(Vlan {
                    gvrp: Some(true),
                    ..Vlan::new(0)
                })),
            ),
        ],
    );
}

#[test]
fn dummy() {
    check(
        include_str!("../vectors/dummy.json"),
        vec![
            ("ip link add dummy0 type dummy", add(Link::dummy("dummy0"))),
            (
                "ip link add name dummy0 address 02:00:00:00:00:77 type dummy",
                add(Link::dummy("dummy0").address([2, 0, 0, 0, 0, 0x77])),
            ),
        ],
    );
}

#[test]
fn veth() {
    let queues = Link {
        numtxqueues: Some(4),
        numrxqueues: Some(4),
        ..Link::veth(
            "v0",
            Veth {
                numtxqueues: Some(2),
                numrxqueues: Some(2),
                ..Veth::peer("v1")
            },
        )
    };
    let addressed = Veth::peer("v1").mtu(1300).address([2, 0, 0, 0, 1, 1]);
    check(
        include_str!("../vectors/veth.json"),
        vec![
            (
                "ip link add v0 type veth",
                add(Link::veth("v0", Veth::default())),
            ),
            (
                "ip link add name v0 mtu 1400 address 02:00:00:00:01:00 type veth peer name v1 mtu 1300 address \
             02:00:00:00:01:01",
                add(Link::veth("v0", addressed)
                    .mtu(1400)
                    .address([2, 0, 0, 0, 1, 0])),
            ),
            (
                "ip link add name v0 numtxqueues 4 numrxqueues 4 type veth peer name v1 numtxqueues 2 numrxqueues 2",
                add(queues),
            ),
            (
                "ip link add v0 netns tns type veth peer name v1",
                add(Link::veth("v0", "v1").netns("tns")),
            ),
        ],
    );
}

#[test]
fn bridge() {
    let options = Bridge {
        mcast_snooping: Some(false),
        ageing_time: Some(100),
        priority: Some(100),
        hello_time: Some(200),
        max_age: Some(600),
        ..Bridge::default()
    };
    let port = BridgePort {
        isolated: Some(true),
        learning: Some(false),
        flood: Some(false),
        ..BridgePort::default()
    };
    check(
        include_str!("../vectors/bridge.json"),
        vec![
            ("ip link add br1 type bridge", add(Link::bridge("br1"))),
            (
                "ip link add br1 type bridge mcast_snooping 0 ageing_time 100 priority 100 hello_time 200 max_age 600",
                add(Link::new("br1", options)),
            ),
            (
                "ip link set eth0 type bridge_slave isolated on learning off flood off",
                set(LinkChange::new("eth0").bridge_port(port)),
            ),
        ],
    );
}

#[test]
fn changes_and_removal() {
    let eth0 = || LinkChange::new("eth0");
    check(
        include_str!("../vectors/link_set.json"),
        vec![
            ("ip link set eth0 up", set(eth0().up())),
            (
                "ip link set dev eth0 address 02:00:00:00:00:aa",
                set(eth0().address([2, 0, 0, 0, 0, 0xaa])),
            ),
            ("ip link set dev eth0 nomaster", set(eth0().nomaster())),
            (
                "ip link set dev eth0 txqueuelen 77",
                set(LinkChange {
                    txqueuelen: Some(77),
                    ..eth0()
                }),
            ),
            (
                "ip link set dev eth0 promisc on",
                set(LinkChange {
                    promisc: Some(true),
                    ..eth0()
                }),
            ),
            (
                "ip link set dev eth0 addrgenmode none",
                set(eth0().addr_gen_mode(AddrGenMode::None)),
            ),
            (
                "ip link set dev eth0 addrgenmode random",
                set(eth0().addr_gen_mode(AddrGenMode::Random)),
            ),
            (
                "ip link set dev eth0 gso_max_size 32768 gro_max_size 32768",
                Differs("segment sizes are none of this crate's settings"),
            ),
            (
                "ip link set dev eth0 mtu 1400 up address 02:00:00:00:00:ab",
                set(eth0().mtu(1400).up().address([2, 0, 0, 0, 0, 0xab])),
            ),
            (
                "ip link set dev eth0 xdp off",
                Differs("XDP is none of this crate's settings"),
            ),
            (
                "ip link set dev x12 netns tns up",
                Same(Op::MoveLink {
                    name: "x12".into(),
                    netns: "tns".into(),
                    rename: None,
                    up: true,
                }),
            ),
        ],
    );
    check(
        include_str!("../vectors/link_del.json"),
        vec![
            ("ip link del eth0", Same(Op::DeleteLink("eth0".into()))),
            (
                "ip link del eth0 type veth",
                Near(
                    Op::DeleteLink("eth0".into()),
                    &["- 18 0800010076657468"],
                    "the kind is not sent: the kernel does not look at it",
                ),
            ),
        ],
    );
}

#[test]
fn namespaces() {
    check(
        include_str!("../vectors/netns.json"),
        vec![
            (
                "ip netns set tns 5",
                Same(Op::SetNetnsId {
                    netns: "tns".into(),
                    id: Some(5),
                }),
            ),
            (
                "ip -n tns link add v0 type veth peer name v1",
                add(Link::veth("v0", "v1")),
            ),
        ],
    );
}

#[test]
fn kinds_without_a_type_of_their_own() {
    let macvlan = |mode: u32| {
        let options: &[(u16, &[u8])] = &[(1, &mode.to_ne_bytes())];
        add(Link::new("mv0", other("macvlan", options)).parent("eth0"))
    };
    check(
        include_str!("../vectors/macvlan.json"),
        vec![
            (
                "ip link add link eth0 name mv0 type macvlan mode bridge",
                macvlan(4),
            ),
            (
                "ip link add link eth0 name mv0 type macvlan mode passthru",
                macvlan(8),
            ),
        ],
    );
    check(
        include_str!("../vectors/vrf_bond.json"),
        vec![
            (
                "ip link add vrf0 type vrf table 100",
                add(Link::new(
                    "vrf0",
                    other("vrf", &[(1, &100_u32.to_ne_bytes())]),
                )),
            ),
            (
                "ip link add name nlm0 type nlmon",
                add(Link::new("nlm0", LinkKind::other("nlmon"))),
            ),
        ],
    );
}
