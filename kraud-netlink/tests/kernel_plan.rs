//! From what is wanted to steps, all or nothing, and back.

use std::collections::HashSet;

use kraud_netlink::{
    AddrGenMode, Address, Error, Executor, Handle, Ipvlan, IpvlanMode, Link, LinkChange, LinkKind,
    Namespaces, Neighbour, NetnsKind, NftChain, NftFamily, NftRule, NftTable, Op, Owner, Peer,
    PublicKey, Result, Route, Rule, RuleAction, Step, Sysctl, Undo, Veth, Vlan, Want, Wanted,
    Wireguard, transact,
};
use proptest::prelude::*;

mod common;
use common::{ip, namespace, net};

fn system() -> Option<Namespaces> {
    Some(Namespaces::start(namespace()?, NetnsKind::Anonymous).unwrap())
}

const NOTE: &str = "kraud";

/// A small network: a bridge with a port, addresses, routes, rules and a masquerade.
fn wanted() -> Wanted {
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

fn masquerade(but: &str) -> NftTable {
    NftTable::new(NftFamily::Ip, "kraud").chain(
        NftChain::nat_postrouting("post")
            .rule(NftRule::masquerade().from(net("10.0.0.0/24")).not_out(but)),
    )
}

/// Everything that a namespace holds, in words, without what the kernel numbers by itself.
fn state(kernel: &mut Handle) -> Vec<String> {
    let mut lines = Vec::new();
    for info in kernel.links().unwrap() {
        let mut link = info.link;
        link.index = None;
        // Made at random where nobody asks for one.
        if info.state.flags & 8 == 0 {
            link.address = None;
        }
        lines.push(format!("{link:?}"));
    }
    let own =
        |info: &&kraud_netlink::AddressInfo| !info.address.net.to_string().starts_with("fe80");
    lines.extend(
        kernel
            .addresses()
            .unwrap()
            .iter()
            .filter(own)
            .map(|info| format!("{:?}", info.address)),
    );
    let routes = kernel.routes().unwrap();
    // Those of the kernel follow links and addresses, some of them a little later.
    lines.extend(
        routes
            .iter()
            .filter(|info| info.route.protocol != 2)
            .map(|info| format!("{:?}", info.route)),
    );
    lines.extend(
        kernel
            .rules()
            .unwrap()
            .iter()
            .map(|info| format!("{:?}", info.rule)),
    );
    lines.push(kernel.netns().read_sysctl("net.ipv4.ip_forward").unwrap());
    lines.push(format!(
        "{}",
        kernel.nft_matches(&masquerade("br0")).unwrap()
    ));
    lines.sort();
    lines
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn the_second_time_there_is_nothing_to_do() {
    let Some(mut system) = system() else { return };
    let wanted = wanted();
    let steps = wanted.diff(&mut system).unwrap();
    assert!(steps.len() > 25);
    let undo = transact(&mut system, &steps).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(wanted.diff(&mut system).unwrap(), []);
    assert!(undo.apply(&mut system).is_empty());
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn what_is_ours_and_unwanted_goes_and_nothing_else() {
    let Some(mut system) = system() else { return };
    wanted().ensure(&mut system).unwrap();
    let foreign = [
        Op::AddRoute(Route::new(net("10.77.0.0/16")).dev("br0").protocol(4)),
        Op::AddLink(Link::bridge("theirs").alias("somebody else's")),
        Op::AddAddress(Address::new("theirs", net("10.8.0.1/24"))),
    ];
    for op in foreign {
        system.here().apply(&op).unwrap();
    }
    let mut less = Wanted::new();
    less.here(Want::Link(Link::bridge("br0").alias(NOTE)))
        .here(Want::Address(Address {
            protocol: Some(75),
            ..Address::new("br0", net("10.0.0.1/24"))
        }))
        .owned_by(Owner {
            protocol: 75,
            alias: NOTE.into(),
        });
    let steps = less.diff(&mut system).unwrap();
    let removes = |step: &Step| {
        matches!(
            step.op,
            Op::DeleteRoute(_) | Op::DeleteAddress(_) | Op::DeleteLink(_)
        )
    };
    assert!(steps.iter().all(removes), "{steps:#?}");
    assert_eq!(
        steps.len(),
        21 + 1 + 1,
        "routes, the IPv6 address, the port"
    );
    transact(&mut system, &steps).unwrap();
    let mut kernel = system.here().netns().handle().unwrap();
    assert!(kernel.link("theirs").is_ok() && kernel.link("p0").is_err());
    assert!(
        kernel
            .routes()
            .unwrap()
            .iter()
            .any(|info| info.route.protocol == 4)
    );
    assert_eq!(less.diff(&mut system).unwrap(), []);
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn links_are_changed_in_place_where_that_is_possible() {
    let Some(mut system) = system() else { return };
    let mut want = |link: Link| -> Vec<Op> {
        let mut wanted = Wanted::new();
        wanted.here(Want::Link(link));
        let steps = wanted.diff(&mut system).unwrap();
        transact(&mut system, &steps).unwrap();
        assert_eq!(wanted.diff(&mut system).unwrap(), []);
        steps.into_iter().map(|step| step.op).collect()
    };
    assert_eq!(want(Link::bridge("br0")).len(), 1);
    let [Op::SetLink(change)] = &want(Link::bridge("br0").mtu(1400).alias("a").up())[..] else {
        panic!("one change")
    };
    assert_eq!(*change, LinkChange::new("br0").mtu(1400).alias("a").up());
    let options = kraud_netlink::Bridge {
        ageing_time: Some(1000),
        ..Default::default()
    };
    assert!(
        matches!(&want(Link::new("br0", options))[..], [Op::SetLink(change)] if change.kind.is_some())
    );
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn a_link_of_another_kind_is_made_again_only_with_leave() {
    let Some(mut system) = system() else { return };
    system
        .here()
        .apply(&Op::AddLink(Link::bridge("x0")))
        .unwrap();
    let mut wanted = Wanted::new();
    wanted.here(Want::Link(Link::veth("x0", "x1")));
    let error = wanted.diff(&mut system).unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "link \"x0\": it is of kind \"bridge\"; it would have to be deleted and made again"
    );
    let steps = wanted.recreate().diff(&mut system).unwrap();
    transact(&mut system, &steps).unwrap();
    assert!(matches!(
        system.here().link("x0").unwrap().link.kind,
        LinkKind::Veth(_)
    ));
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn c28_ipvlan_parents_are_one_resource_on_a_full_kernel() {
    let Some(mut system) = system() else { return };
    system
        .here()
        .apply(&Op::AddLink(Link::veth("v0", "v1")))
        .unwrap();
    let mut wanted = Wanted::new();
    wanted
        .here(Want::Link(Link::ipvlan("a", "v0", IpvlanMode::L2)))
        .here(Want::Link(Link::ipvlan("b", "v0", IpvlanMode::L3)));
    let error = wanted.diff(&mut system).unwrap_err();
    assert!(
        error.to_string().contains("another mode of the parent"),
        "{error}"
    );

    let macvlan = Link::new("m0", LinkKind::Other("macvlan".into())).parent("v0");
    match system.here().apply(&Op::AddLink(macvlan)) {
        Err(error) if error.is_unsupported() => return common::skip(&error),
        result => result.unwrap(),
    }
    let mut wanted = Wanted::new();
    wanted.here(Want::Link(Link::new("a", Ipvlan::default()).parent("v0")));
    let error = wanted.diff(&mut system).unwrap_err();
    assert!(
        error.is_busy() && error.to_string().contains("ipvlan does not share"),
        "{error}"
    );
}

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
    for until in (0..count).step_by(3) {
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
        Op::DeleteLink("no such link".into()),
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
    // A bridge that is made again has lost the port that had left it meanwhile; nothing else is missing.
    assert!(lost.is_empty(), "{lost:#?}\n{after:#?}");
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

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn wireguard_peers_that_stay_are_not_touched_on_a_full_kernel() {
    // Without a kernel that has it: the change is worked out from the readback alone.
    let Some(mut system) = system() else { return };
    match system.here().apply(&Op::AddLink(Link::wireguard("wg0"))) {
        Err(error) if error.is_unsupported() => return common::skip(&error),
        result => result.unwrap(),
    }
    let peer = |n: u8| Peer::new(PublicKey([n; 32])).allow(net(&format!("10.0.{n}.0/24")));
    let mut wanted = Wanted::new();
    wanted.here(Want::Wireguard(
        Wireguard::new("wg0")
            .listen_port(51820)
            .peer(peer(1))
            .peer(peer(2)),
    ));
    wanted.ensure(&mut system).unwrap();
    assert_eq!(wanted.diff(&mut system).unwrap(), []);
    let mut next = Wanted::new();
    next.here(Want::Wireguard(
        Wireguard::new("wg0")
            .listen_port(51820)
            .peer(peer(1))
            .peer(peer(3)),
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
    let keys: Vec<u8> = change
        .peers
        .iter()
        .map(|peer| peer.public_key.0[0])
        .collect();
    assert_eq!(keys, [2, 3], "the first peer is in no message");
}

#[cfg(feature = "serde")]
#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn plans_are_data() {
    let Some(mut system) = system() else { return };
    let steps = wanted().diff(&mut system).unwrap();
    let text = serde_json::to_string(&steps).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Step>>(&text).unwrap(), steps);
    let undo = Undo::default();
    assert_eq!(
        serde_json::from_str::<Undo>(&serde_json::to_string(&undo).unwrap()).unwrap(),
        undo
    );
    let text = serde_json::to_string(&wanted()).unwrap();
    assert_eq!(serde_json::from_str::<Wanted>(&text).unwrap(), wanted());
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn a_dry_run_prints_lines_that_make_the_same() {
    let Some(mut system) = system() else { return };
    if std::process::Command::new("ip").arg("-V").output().is_err() {
        return common::skip(&"no `ip` here");
    }
    let mut wanted = Wanted::new();
    wanted
        .here(Want::Link(
            Link::bridge("br0")
                .alias("it's kraud")
                .addr_gen_mode(AddrGenMode::None)
                .up(),
        ))
        .here(Want::Link(
            Link::veth("p0", Veth::peer("p1").mtu(1300).up())
                .master("br0")
                .mtu(1400)
                .up(),
        ))
        .here(Want::Address(
            Address::new("br0", net("10.0.0.1/24")).broadcast([10, 0, 0, 255].into()),
        ))
        .here(Want::Address(
            Address::new("br0", net("fd00::1/64"))
                .nodad()
                .noprefixroute(),
        ))
        .here(Want::Route(
            Route::new(net("10.9.0.0/16"))
                .via(ip("10.0.0.2"))
                .protocol(75)
                .metric(5)
                .mtu(1300),
        ))
        .here(Want::Route(
            Route::new(net("fd01::/48"))
                .dev("br0")
                .protocol(75)
                .metric(7),
        ))
        .here(Want::Rule(
            Rule::v4(RuleAction::Table(100))
                .from(net("10.0.0.0/8"))
                .priority(75),
        ))
        .here(Want::Nft(masquerade("br0")));
    let steps = wanted.diff(&mut system).unwrap();
    let script: String = steps
        .iter()
        .flat_map(Step::commands)
        .map(|line| line + "\n")
        .collect();
    let run = || {
        std::process::Command::new("sh")
            .args(["-ec", &script])
            .output()
            .unwrap()
    };
    let output = system.here().netns().clone().run(run).unwrap();
    assert!(
        output.status.success(),
        "{script}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(wanted.diff(&mut system).unwrap(), [], "{script}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24,
        failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    #[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
    fn random_plans_leave_nothing_behind(
        picks in proptest::collection::vec((0_u8..6, 0_u8..4, 0_u8..200), 1..25),
        until in 0_usize..30,
    ) {
        let Some(mut system) = system() else { return Ok(()) };
        system.here().apply(&Op::AddLink(Link::veth("base", Veth::peer("peer").up()).up())).unwrap();
        system.here().apply(&Op::AddAddress(Address::new("base", net("10.200.0.1/16")))).unwrap();
        let before = state(system.here());
        let mut seen = HashSet::new();
        let step = |(kind, which, n): (u8, u8, u8)| {
            let link = format!("l{which}");
            Step::here(match kind {
                0 => Op::AddLink(Link::bridge(link).up()),
                1 => Op::AddAddress(Address::new("base", net(&format!("10.{which}.{n}.1/24")))),
                2 => Op::AddRoute(Route::new(net(&format!("10.100.{n}.0/24"))).dev("base").metric(u32::from(which)).protocol(75)),
                3 => Op::ReplaceRoute(Route::new(net(&format!("10.101.{n}.0/24"))).dev("base").metric(7).protocol(75)),
                4 => Op::SetLink(LinkChange::new("base").mtu(1300 + u32::from(n))),
                _ => Op::AddRule(Rule::v4(RuleAction::Table(100)).priority(1000 + u32::from(n))),
            })
        };
        let steps: Vec<Step> = picks.into_iter().filter(|pick| seen.insert(*pick)).map(step).collect();
        let mut faulty = Faulty { inner: &mut system, until, dies: false };
        let left = match transact(&mut faulty, &steps) {
            Ok(undo) => undo.apply(&mut system),
            Err(error) => error.left,
        };
        prop_assert!(left.is_empty(), "{:?}", left);
        prop_assert_eq!(state(system.here()), before);
    }
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn a_vlan_of_another_id_is_another_vlan_on_a_full_kernel() {
    let Some(mut system) = system() else { return };
    system
        .here()
        .apply(&Op::AddLink(Link::veth("v0", "v1")))
        .unwrap();
    match system
        .here()
        .apply(&Op::AddLink(Link::vlan("v0.20", "v0", 20)))
    {
        Err(error) if error.is_unsupported() => return common::skip(&error),
        result => result.unwrap(),
    }
    let mut wanted = Wanted::new();
    wanted.here(Want::Link(Link::new("v0.20", Vlan::new(30)).parent("v0")));
    assert!(matches!(
        wanted.diff(&mut system),
        Err(Error::Conflict { .. })
    ));
}
