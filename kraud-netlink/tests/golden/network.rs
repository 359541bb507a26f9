use std::net::IpAddr;

use ipnet::IpNet;
use kraud_netlink::{
    Address, Encap, MacAddr, Neighbour, NeighbourState, NextHopObject, Op, PortRange, Route,
    RouteKind, RouteMetrics, Rule, RuleAction, Scope, table,
};

use super::{Differs, Expect, Near, Same, SameButPadding, check};

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn addresses() {
    let eth0 = |text: &str| Address::new("eth0", net(text));
    let add = |address: Address| Same(Op::AddAddress(address));
    check(
        include_str!("../vectors/addr.json"),
        vec![
            ("ip addr add 10.0.0.1/24 dev eth0", add(eth0("10.0.0.1/24"))),
            (
                "ip addr add 10.0.0.1/24 brd + dev eth0",
                add(eth0("10.0.0.1/24").broadcast([10, 0, 0, 255].into())),
            ),
            (
                "ip addr add 10.0.0.1 peer 10.0.0.2 dev eth0",
                add(eth0("10.0.0.1/32").peer(ip("10.0.0.2"))),
            ),
            (
                "ip addr add 10.0.0.1/24 scope link dev eth0",
                add(eth0("10.0.0.1/24").scope(Scope::LINK)),
            ),
            (
                "ip addr add 10.0.0.1/24 metric 100 dev eth0",
                add(eth0("10.0.0.1/24").metric(100)),
            ),
            ("ip addr add fd00::1/64 dev eth0", add(eth0("fd00::1/64"))),
            (
                "ip addr add fd00::1/64 optimistic dev eth0",
                add(Address {
                    optimistic: true,
                    ..eth0("fd00::1/64")
                }),
            ),
            (
                "ip addr add fd00::1/64 noprefixroute nodad dev eth0",
                add(eth0("fd00::1/64").noprefixroute().nodad()),
            ),
            (
                "ip addr add fd00::1/64 valid_lft 100 preferred_lft 50 dev eth0",
                add(Address {
                    lifetime: Some((50, 100)),
                    ..eth0("fd00::1/64")
                }),
            ),
            (
                "ip addr add fd00::1/64 metric 5 home dev eth0",
                add(Address {
                    home: true,
                    ..eth0("fd00::1/64").metric(5)
                }),
            ),
            (
                "ip addr add 127.0.0.2/8 dev lo",
                add(Address::new("lo", net("127.0.0.2/8"))),
            ),
            (
                "ip addr change 10.0.0.1/24 dev eth0",
                Near(
                    Op::ReplaceAddress(eth0("10.0.0.1/24")),
                    &["- flags 0x105", "+ flags 0x505"],
                    "`change` is `replace` without making what is not there; this crate has `replace`",
                ),
            ),
            (
                "ip addr del 2001:db8::1/64 dev eth0",
                Same(Op::DeleteAddress(eth0("2001:db8::1/64"))),
            ),
            (
                "ip addr flush dev eth0",
                Differs(
                    "`flush` sends back each message of a dump, lifetimes and flags and all; ours names the address",
                ),
            ),
        ],
    );
}

#[test]
fn routes() {
    let route = |text: &str| Route::new(net(text));
    let to = || route("10.1.0.0/16");
    let via = || to().via(ip("192.0.2.2"));
    let to6 = || route("fd01::/48");
    let add = |route: Route| Same(Op::AddRoute(route));
    let encap = Encap::ip6("2001:db8::2".parse().unwrap()).src("2001:db8::1".parse().unwrap());
    check(
        include_str!("../vectors/route.json"),
        vec![
            ("ip route add 10.1.0.0/16 via 192.0.2.2", add(via())),
            (
                "ip route add 10.1.2.3 dev eth0",
                add(route("10.1.2.3/32").dev("eth0")),
            ),
            (
                "ip route add 0.0.0.0/0 via 192.0.2.2 metric 100",
                add(Route::default_v4().via(ip("192.0.2.2")).metric(100)),
            ),
            (
                "ip route add 10.1.0.0/16 via 192.0.2.2 table 100",
                add(via().table(100)),
            ),
            (
                "ip route add 10.1.0.0/16 dev eth0 scope link",
                add(to().dev("eth0").scope(Scope::LINK)),
            ),
            (
                "ip route add 10.1.0.0/16 via 192.0.2.2 mtu 1400",
                add(via().mtu(1400)),
            ),
            (
                "ip route add 10.1.0.0/16 via 192.0.2.2 features ecn",
                add(Route {
                    metrics: RouteMetrics {
                        features: Some(1),
                        ..RouteMetrics::default()
                    },
                    ..via()
                }),
            ),
            (
                "ip route add unreachable 10.1.0.0/16",
                add(to().kind(RouteKind::Unreachable)),
            ),
            (
                "ip route add local 10.1.0.0/16 dev lo",
                add(to().kind(RouteKind::Local).dev("lo").table(table::LOCAL)),
            ),
            (
                "ip route add 10.1.0.0/16 via inet6 fe80::1 dev eth0",
                add(to().via(ip("fe80::1")).dev("eth0")),
            ),
            (
                "ip route add 10.1.0.0/16 pref high dev eth0",
                add(Route {
                    pref: Some(1),
                    ..to().dev("eth0")
                }),
            ),
            (
                "ip -6 route add fd01::/48 via fe80::1 dev eth0",
                add(to6().via(ip("fe80::1")).dev("eth0")),
            ),
            (
                "ip -6 route add default dev eth0",
                add(Route::default_v6().dev("eth0")),
            ),
            (
                "ip -6 route add fd01::/48 via 2001:db8:ffff::2 dev eth0 onlink",
                add(to6().via(ip("2001:db8:ffff::2")).dev("eth0").onlink()),
            ),
            (
                "ip -6 route add fd01::/48 via 2001:db8::2 pref low expires 100",
                add(Route {
                    pref: Some(3),
                    expires: Some(100),
                    ..to6().via(ip("2001:db8::2"))
                }),
            ),
            (
                "ip -6 route add prohibit fd01::/48",
                add(to6().kind(RouteKind::Prohibit)),
            ),
            (
                "ip -6 route add fd01::/48 table 254 dev eth0",
                add(to6().dev("eth0")),
            ),
            (
                "ip -6 route add fd01::/48 encap seg6local action End dev eth0",
                add(Route {
                    encap: Some(Encap::Other {
                        kind: 7,
                        data: vec![8, 0, 1, 0, 1, 0, 0, 0],
                    }),
                    ..to6().dev("eth0")
                }),
            ),
            (
                "ip -6 route add fd01::/48 encap ip6 id 100 src 2001:db8::1 dst 2001:db8::2 tc 0x10 dev eth0",
                SameButPadding(Op::AddRoute(
                    to6().encap(encap.id(100).traffic_class(0x10)).dev("eth0"),
                )),
            ),
            (
                "ip route append 10.1.0.0/16 via 192.0.2.2",
                Same(Op::AppendRoute(via())),
            ),
            ("ip route del 10.1.0.0/16", Same(Op::DeleteRoute(to()))),
            ("ip -6 route del fd01::/48", Same(Op::DeleteRoute(to6()))),
            (
                "ip nexthop add id 1 via 192.0.2.2 dev eth0",
                Same(Op::AddNextHop(NextHopObject::via(
                    1,
                    "eth0",
                    ip("192.0.2.2"),
                ))),
            ),
            (
                "ip nexthop add id 10 group 1,5/2,3",
                Same(Op::AddNextHop(NextHopObject::group(10, [(1, 5), (2, 3)]))),
            ),
            (
                "ip route add 10.1.0.0/16 nhid 1",
                add(Route {
                    nexthop_id: Some(1),
                    ..to()
                }),
            ),
            (
                "ip route add 10.1.0.0/16 encap ip6 id 7 src 2001:db8::1 dst 2001:db8::2 hoplimit 64 dev eth0",
                SameButPadding(Op::AddRoute(
                    to().encap(encap.id(7).hop_limit(64)).dev("eth0"),
                )),
            ),
        ],
    );
}

#[test]
fn rules() {
    let v4 = |change: fn(&mut Rule)| -> Expect {
        let mut rule = Rule::v4(RuleAction::Table(100));
        change(&mut rule);
        Same(Op::AddRule(rule))
    };
    let from = |text: &str, action| Rule::v4(action).from(net(text));
    check(
        include_str!("../vectors/rule.json"),
        vec![
            (
                "ip rule add from 10.0.0.0/8 table 100",
                v4(|r| r.from = Some(net("10.0.0.0/8"))),
            ),
            (
                "ip rule add iif eth0 table 100",
                v4(|r| r.iif = Some("eth0".into())),
            ),
            (
                "ip rule add fwmark 0x10/0xff table 100 priority 100",
                Same(Op::AddRule(
                    Rule::v4(RuleAction::Table(100))
                        .fwmark(0x10, Some(0xff))
                        .priority(100),
                )),
            ),
            (
                "ip rule add from 10.0.0.1 unreachable pref 5",
                Same(Op::AddRule(
                    from("10.0.0.1/32", RuleAction::Unreachable).priority(5),
                )),
            ),
            (
                "ip rule add not from 10.0.0.0/8 table 100",
                v4(|r| {
                    r.invert = true;
                    r.from = Some(net("10.0.0.0/8"));
                }),
            ),
            (
                "ip rule add ipproto udp sport 100-200 dport 53 table 100",
                v4(|r| {
                    r.ip_protocol = Some(17);
                    r.source_ports = Some(PortRange {
                        first: 100,
                        last: 200,
                    });
                    r.destination_ports = Some(PortRange {
                        first: 53,
                        last: 53,
                    });
                }),
            ),
            (
                "ip rule add l3mdev pref 1000",
                Same(Op::AddRule(Rule {
                    l3mdev: true,
                    ..Rule::v4(RuleAction::Table(0)).priority(1000)
                })),
            ),
            (
                "ip -6 rule add from fd00::/8 table 100",
                Same(Op::AddRule(
                    Rule::v6(RuleAction::Table(100)).from(net("fd00::/8")),
                )),
            ),
            (
                "ip -6 rule add table main suppress_prefixlength 0",
                Same(Op::AddRule(Rule {
                    suppress_prefix_length: Some(0),
                    ..Rule::v6(RuleAction::Table(table::MAIN))
                })),
            ),
        ],
    );
}

#[test]
fn neighbours() {
    let lladdr = MacAddr([2, 0, 0, 0, 0, 9]);
    let entry = || Neighbour::permanent("eth0", ip("192.0.2.9"), lladdr);
    check(
        include_str!("../vectors/neigh.json"),
        vec![
            (
                "ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev eth0",
                Same(Op::AddNeighbour(entry())),
            ),
            (
                "ip neigh replace 192.0.2.9 dev eth0 nud noarp",
                Same(Op::ReplaceNeighbour(Neighbour {
                    lladdr: None,
                    state: NeighbourState::Noarp,
                    ..entry()
                })),
            ),
            (
                "ip neigh del 192.0.2.9 dev eth0",
                Same(Op::DeleteNeighbour(entry())),
            ),
            (
                "ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev eth0 router",
                Same(Op::AddNeighbour(Neighbour {
                    router: true,
                    ..entry()
                })),
            ),
            (
                "bridge fdb add 02:00:00:00:00:09 dev eth0 master static",
                Differs("forwarding entries of a bridge are not among this crate's operations"),
            ),
        ],
    );
}
