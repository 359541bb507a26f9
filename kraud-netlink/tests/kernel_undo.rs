//! Taking back: what fails, dies or is undone at any point leaves everything as it was, or is mended by the next run.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kraud_netlink::{
    Address, BridgePort, Connection, Encap, Error, Executor, Handle, Ip6Tnl, IpvlanMode, Link,
    LinkChange, MacAddr, Namespaces, Neighbour, NetnsKind, NextHopObject, NftChain, NftFamily,
    NftHook, NftRule, NftTable, Op, Peer, PortRange, PrivateKey, Protocol, PublicKey, RawAttr,
    Result, Route, Rule, RuleAction, Socket, Step, Sysctl, Transport, Veth, Want, Wanted,
    Wireguard, transact,
};
use proptest::prelude::*;

mod common;
use common::plan::{masquerade, state, system, wanted};
use common::{ip, namespace, net};

/// Fails at one step, or dies there and does nothing more.
struct Faulty<'a> {
    inner: &'a mut Namespaces,
    until: usize,
    dies: bool,
}

impl Faulty<'_> {
    fn fault() -> Error {
        Error::Overrun {
            op: "a fault".into(),
        }
    }
}

impl Executor for Faulty<'_> {
    fn apply(&mut self, step: &Step) -> Result<()> {
        if self.until == 0 {
            if !self.dies {
                self.until = usize::MAX;
            }
            return Err(Self::fault());
        }
        self.until -= 1;
        let result = Executor::apply(self.inner, step);
        if result.is_err() && !self.dies {
            // From here on everything is taken back.
            self.until = usize::MAX;
        }
        result
    }

    fn inverse(&mut self, step: &Step) -> Result<Vec<Step>> {
        self.inner.inverse(step)
    }
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn a_failure_at_any_step_leaves_everything_as_it_was() {
    let Some(mut system) = system() else { return };
    let before = state(system.here());
    let count = wanted().diff(&mut system).unwrap().len();
    for until in 0..count {
        let steps = wanted().diff(&mut system).unwrap();
        let mut faulty = Faulty {
            inner: &mut system,
            until,
            dies: false,
        };
        let error = transact(&mut faulty, &steps).unwrap_err();
        assert!(error.left.is_empty(), "{error}");
        assert_eq!(
            state(system.here()),
            before,
            "after a failure at step {until}"
        );
        assert!(system.netns("pod").is_err());
    }
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn a_death_at_any_step_is_mended_by_the_next_run() {
    let Some(mut count) = system() else { return };
    let count = wanted().diff(&mut count).unwrap().len();
    for until in 0..count {
        let Some(mut system) = system() else { return };
        let steps = wanted().diff(&mut system).unwrap();
        let mut faulty = Faulty {
            inner: &mut system,
            until,
            dies: true,
        };
        assert!(transact(&mut faulty, &steps).is_err());
        wanted()
            .ensure(&mut system)
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            wanted().diff(&mut system).unwrap(),
            [],
            "after a death at step {until}"
        );
    }
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn deletions_and_replacements_are_taken_back_too() {
    let Some(mut system) = system() else { return };
    wanted().ensure(&mut system).unwrap();
    let neighbour = Neighbour::permanent("br0", ip("10.0.0.9"), [2, 0, 0, 0, 0, 9].into());
    system
        .here()
        .apply(&Op::AddNeighbour(neighbour.clone()))
        .unwrap();
    let route = Route::new(net("10.9.3.0/24"))
        .dev("br0")
        .protocol(75)
        .metric(103);
    let steps: Vec<Step> = [
        Op::ReplaceRoute(route.clone().mtu(1300)),
        Op::DeleteRoute(
            Route::new(net("10.9.4.0/24"))
                .dev("br0")
                .protocol(75)
                .metric(104),
        ),
        Op::SetLink(LinkChange::new("p0").mtu(1300).nomaster().alias("").down()),
        Op::ReplaceNeighbour(Neighbour {
            router: true,
            ..neighbour
        }),
        Op::RenameLink {
            name: "p0".into(),
            to: "p1".into(),
        },
        Op::DeleteAddress(Address {
            protocol: Some(75),
            ..Address::new("br0", net("fd00::1/64")).nodad()
        }),
        Op::WriteSysctl(Sysctl::forwarding4(false)),
        Op::DeleteLink("br0".into()),
        Op::DeleteLink("no-such-link".into()),
    ]
    .into_iter()
    .map(Step::here)
    .collect();
    let before = state(system.here());
    let error = transact(&mut system, &steps).unwrap_err();
    assert_eq!(error.at, 8);
    assert!(error.left.is_empty(), "{error}");
    let after = state(system.here());
    let lost: Vec<&String> = before.iter().filter(|line| !after.contains(line)).collect();
    let more: Vec<&String> = after.iter().filter(|line| !before.contains(line)).collect();
    assert!(lost.is_empty() && more.is_empty(), "{lost:#?}\n{more:#?}");
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn a_link_comes_back_from_the_namespace_it_was_moved_to() {
    let Some(mut system) = system() else { return };
    let setup = [
        Step::here(Op::AddNetns("pod".into())),
        Step::here(Op::AddLink(Link::veth("v0", Veth::peer("v1").up()).up())),
        Step::here(Op::AddAddress(Address::new("v0", net("10.0.0.1/24")))),
    ];
    system.apply_all(&setup).unwrap();
    let before = state(system.here());
    let moved = Op::MoveLink {
        name: "v0".into(),
        netns: "pod".into(),
        rename: Some("eth0".into()),
        up: true,
    };
    let undo = transact(&mut system, &[Step::here(moved)]).unwrap();
    assert!(system.handle("pod").unwrap().link("eth0").unwrap().state.up);
    assert!(undo.apply(&mut system).is_empty());
    assert_eq!(state(system.here()), before);
}

/// A plan of the links that small kernels lack.
fn full_wanted() -> Wanted {
    let mut wanted = Wanted::new();
    let encap = Encap::ip6("fd42::3".parse().unwrap()).hop_limit(64);
    wanted
        .here(Want::Link(Link::veth("v0", Veth::peer("v1").up()).up()))
        .here(Want::Link(Link::dummy("d0").up()))
        .here(Want::Link(Link::vlan("v0.20", "v0", 20).up()))
        .here(Want::Netns("pod".into()))
        .here(Want::Link(
            Link::ipvlan("eth0", "v0.20", IpvlanMode::L3)
                .netns("pod")
                .alias("kraud")
                .up(),
        ))
        .here(Want::Link(
            Link::new("overlay", Ip6Tnl::external()).mtu(1400).up(),
        ))
        .here(Want::Address(Address::new(
            "overlay",
            net("192.168.2.2/32"),
        )))
        .here(Want::Link(Link::wireguard("wg0").mtu(1420).up()))
        .here(Want::Wireguard(
            Wireguard::new("wg0")
                .private_key(PrivateKey::new([1; 32]))
                .listen_port(51820)
                .peer(Peer::new(PublicKey([7; 32])).allow(net("fd00:7::/64"))),
        ));
    for n in 3..6 {
        let route = Route::new(net(&format!("192.168.2.{n}/32")));
        wanted.here(Want::Route(
            route.encap(encap).dev("overlay").metric(n).protocol(75),
        ));
    }
    wanted
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn a_failure_or_death_at_any_step_of_a_full_plan_is_taken_back_or_mended() {
    let Some(mut system) = system() else { return };
    let before = state(system.here());
    let count = full_wanted().diff(&mut system).unwrap().len();
    assert!(count >= 12, "{count}");
    for until in 0..count {
        let steps = full_wanted().diff(&mut system).unwrap();
        let mut faulty = Faulty {
            inner: &mut system,
            until,
            dies: false,
        };
        let error = transact(&mut faulty, &steps).unwrap_err();
        assert!(error.left.is_empty(), "{error}");
        let after = state(system.here());
        assert_eq!(after, before, "after a failure at step {until}");

        let mut dying = Faulty {
            inner: &mut system,
            until,
            dies: true,
        };
        assert!(transact(&mut dying, &steps).is_err());
        let undo = full_wanted()
            .ensure(&mut system)
            .unwrap_or_else(|error| panic!("after a death at step {until}: {error}"));
        assert_eq!(full_wanted().diff(&mut system).unwrap(), []);
        // What the dead run had made is nobody's to take back: here it goes by hand.
        assert!(undo.apply(&mut system).is_empty());
        for name in ["wg0", "overlay", "v0", "d0"] {
            let _ = system.here().apply(&Op::DeleteLink(name.into()));
        }
        let _ = system.apply(&Step::here(Op::DeleteNetns("pod".into())));
    }
}

/// A socket that dies at its n-th request: before it is sent, or after, so that it is carried out and nobody hears of it.
struct Dying {
    socket: Socket,
    requests: Arc<AtomicUsize>,
    dies_at: usize,
    sent_before: bool,
}

impl Transport for Dying {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        let at = self.requests.fetch_add(1, Ordering::Relaxed);
        if at < self.dies_at || (at == self.dies_at && self.sent_before) {
            return self.socket.send(datagram);
        }
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.requests.load(Ordering::Relaxed) > self.dies_at {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.socket.receive(buffer)
    }

    fn port(&self) -> u32 {
        self.socket.port()
    }
}

/// Does nothing any more once its socket is dead, least of all take back.
struct Mortal<'a> {
    inner: &'a mut Namespaces,
    requests: &'a AtomicUsize,
    dies_at: usize,
}

impl Mortal<'_> {
    fn alive(&self) -> Result<()> {
        if self.requests.load(Ordering::Relaxed) > self.dies_at {
            return Err(Faulty::fault());
        }
        Ok(())
    }
}

impl Executor for Mortal<'_> {
    fn apply(&mut self, step: &Step) -> Result<()> {
        self.alive()?;
        Executor::apply(self.inner, step)
    }

    fn inverse(&mut self, step: &Step) -> Result<Vec<Step>> {
        self.inner.inverse(step)
    }
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn a_death_at_any_request_is_mended_by_the_next_run() {
    let requests = Arc::new(AtomicUsize::new(0));
    let run = |dies_at, sent_before| -> Option<bool> {
        let netns = namespace()?;
        requests.store(0, Ordering::Relaxed);
        let socket = netns
            .run(|| Socket::open(Protocol::Route))
            .unwrap()
            .unwrap();
        let dying = Dying {
            socket,
            requests: Arc::clone(&requests),
            dies_at,
            sent_before,
        };
        let handle = Handle::with_connection(netns.clone(), Connection::new(Box::new(dying)));
        let mut system = Namespaces::start_with(handle, NetnsKind::Anonymous);
        let steps = wanted().diff(&mut system);
        let mut mortal = Mortal {
            inner: &mut system,
            requests: &requests,
            dies_at,
        };
        let lived = steps.is_ok_and(|steps| transact(&mut mortal, &steps).is_ok());
        // Of a named pod the next run finds what the dead one had made.
        let mut next = Namespaces::start(netns, NetnsKind::Anonymous).unwrap();
        if let Ok(pod) = system.netns("pod") {
            next.insert("pod", pod);
        }
        wanted()
            .ensure(&mut next)
            .unwrap_or_else(|error| panic!("after a death at request {dies_at}: {error}"));
        let left = wanted().diff(&mut next).unwrap();
        assert_eq!(left, [], "after a death at request {dies_at}");
        Some(lived)
    };
    let Some(true) = run(usize::MAX, false) else {
        panic!("nothing dies that need not")
    };
    let count = requests.load(Ordering::Relaxed);
    assert!(count > 20, "{count}");
    for dies_at in 0..count {
        for sent_before in [false, true] {
            assert_eq!(
                run(dies_at, sent_before),
                Some(false),
                "at request {dies_at}"
            );
        }
    }
}

/// Something of each kind, with attributes that this crate has no field for, to be changed, deleted and taken back.
fn furnish(system: &mut Namespaces) {
    let initcwnd = RawAttr {
        kind: 11,
        payload: 20_u32.to_ne_bytes().to_vec(),
    };
    let mut tuned = Route::new(net("10.220.0.0/16"))
        .dev("old")
        .metric(7)
        .protocol(75);
    tuned.metrics.other.push(initcwnd);
    let through = Route {
        nexthop_id: Some(5),
        ..Route::new(net("10.221.0.0/16")).protocol(75)
    };
    let port = BridgePort {
        isolated: Some(true),
        ..BridgePort::default()
    };
    let udp = Rule {
        ip_protocol: Some(17),
        destination_ports: Some(PortRange {
            first: 53,
            last: 53,
        }),
        ..Rule::v4(RuleAction::Table(100)).priority(900)
    };
    let ops = [
        Op::AddLink(
            Link::veth("base", Veth::peer("peer").up())
                .alias("a note")
                .up(),
        ),
        Op::AddAddress(Address::new("base", net("10.200.0.1/16"))),
        Op::AddAddress(Address::new("base", net("fd00:200::1/64")).nodad()),
        Op::AddAltName {
            link: "base".into(),
            alt_name: "a-name-that-is-longer-than-fifteen-bytes".into(),
        },
        Op::AddLink(Link::bridge("old").up()),
        Op::AddAddress(Address::new("old", net("10.210.0.1/24"))),
        Op::AddLink(Link::veth("op0", Veth::peer("op1").up()).master("old").up()),
        Op::SetLink(LinkChange::new("op0").bridge_port(port)),
        Op::AddRoute(tuned),
        Op::AddNextHop(NextHopObject::via(5, "base", ip("10.200.0.9")).protocol(75)),
        Op::AddRoute(through),
        Op::AddNeighbour(neighbour(1)),
        Op::AddRule(udp),
        Op::SetNft(masquerade("old")),
    ];
    for op in ops {
        let step = Step::here(op);
        system
            .apply(&step)
            .unwrap_or_else(|error| panic!("{error}"));
    }
}

fn neighbour(n: u8) -> Neighbour {
    Neighbour::permanent(
        "base",
        ip(&format!("10.200.1.{n}")),
        MacAddr([2, 0, 0, 0, 0, n]),
    )
}

/// The n-th of the kinds of things that a plan may do; some of them fail where the one before has taken their link away.
fn pick((kind, which, n): (u8, u8, u8)) -> Op {
    let link = format!("l{which}");
    let table = |name: &str| {
        let subnet = net(&format!("10.{n}.0.0/16"));
        let chain = NftChain::filter("forward", NftHook::Forward);
        NftTable::new(NftFamily::Ip, name).chain(chain.rule(NftRule::drop().from(subnet).counter()))
    };
    let tuned = || {
        Route::new(net("10.220.0.0/16"))
            .dev("old")
            .metric(7)
            .protocol(75)
    };
    match kind {
        0 => Op::AddLink(Link::bridge(link).up()),
        1 => Op::AddAddress(Address::new("base", net(&format!("10.{which}.{n}.1/24")))),
        2 => {
            let route = Route::new(net(&format!("10.100.{n}.0/24"))).dev("base");
            Op::AddRoute(route.metric(which.into()).protocol(75))
        }
        3 => Op::ReplaceRoute(tuned().mtu(1000 + u32::from(n))),
        4 => Op::DeleteRoute(tuned()),
        5 => Op::SetLink(LinkChange::new("base").mtu(1300 + u32::from(n))),
        6 => Op::AddRule(Rule::v4(RuleAction::Table(100)).priority(1000 + u32::from(n))),
        7 => Op::SetNft(table(if which == 0 { "kraud" } else { "another" })),
        8 => Op::DeleteNft(masquerade("old")),
        9 => Op::AddAltName {
            link: "base".into(),
            alt_name: format!("another-{n}"),
        },
        10 => Op::DeleteLink(["old", "op0", "base", "peer"][usize::from(which % 4)].into()),
        11 if which % 2 == 0 => Op::SetLink(LinkChange::new("op0").nomaster()),
        11 => Op::SetLink(LinkChange::new("op0").bridge_port(BridgePort {
            isolated: Some(false),
            learning: Some(false),
            ..BridgePort::default()
        })),
        12 if which % 2 == 0 => Op::DeleteNextHop(5),
        12 => Op::ReplaceNextHop(NextHopObject::via(5, "base", ip("10.200.0.8"))),
        13 if which % 2 == 0 => Op::DeleteNeighbour(neighbour(1)),
        13 => Op::ReplaceNeighbour(Neighbour {
            lladdr: Some(MacAddr([2, 0, 0, 0, 1, n])),
            ..neighbour(which % 3)
        }),
        14 => Op::WriteSysctl(Sysctl::forwarding4(n % 2 == 0)),
        _ => Op::DeleteAddress(Address::new("base", net("10.200.0.1/16"))),
    }
}

fn a_random_plan_leaves_nothing_behind(
    picks: Vec<(u8, u8, u8)>,
    until: usize,
) -> Result<(), TestCaseError> {
    let Some(mut system) = system() else {
        return Ok(());
    };
    furnish(&mut system);
    let before = state(system.here());
    let mut seen = HashSet::new();
    let picks = picks.into_iter().filter(|pick| seen.insert(*pick));
    let steps: Vec<Step> = picks.map(pick).map(Step::here).collect();
    let mut faulty = Faulty {
        inner: &mut system,
        until,
        dies: false,
    };
    let left = match transact(&mut faulty, &steps) {
        Ok(undo) => undo.apply(&mut system),
        Err(error) => error.left,
    };
    prop_assert!(left.is_empty(), "{:?}", left);
    let after = state(system.here());
    let lost: Vec<_> = before.iter().filter(|line| !after.contains(line)).collect();
    let more: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
    prop_assert!(before == after, "lost {:#?}\nmore {:#?}", lost, more);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48,
        failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    #[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
    fn random_plans_leave_nothing_behind(
        picks in proptest::collection::vec((0_u8..16, 0_u8..4, 0_u8..200), 1..25),
        until in 0_usize..30,
    ) {
        a_random_plan_leaves_nothing_behind(picks, until)?;
    }
}
