//! From what is wanted to steps, all or nothing, and back.

use kraud_netlink::{
    AddrGenMode, Address, Error, Ipvlan, IpvlanMode, Link, LinkChange, LinkKind, Op, Owner, Peer,
    PublicKey, RawAttr, Route, Rule, RuleAction, Step, Undo, Veth, Vlan, Want, Wanted, Wireguard,
    transact,
};

mod common;
use common::plan::{NOTE, masquerade, system, wanted};
use common::{ip, net};

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

    let macvlan = Link::new("m0", LinkKind::other("macvlan")).parent("v0");
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

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn what_a_plan_does_not_know_of_a_route_survives_its_replacement() {
    let Some(mut system) = system() else { return };
    let initcwnd = RawAttr {
        kind: 11,
        payload: 20_u32.to_ne_bytes().to_vec(),
    };
    let setup = [
        Op::AddLink(Link::bridge("br0").up()),
        Op::AddAddress(Address::new("br0", net("10.0.0.1/24"))),
    ];
    for op in &setup {
        system.here().apply(op).unwrap();
    }
    let route = Route::new(net("10.9.0.0/16"))
        .via(ip("10.0.0.2"))
        .protocol(75);
    let mut tuned = route.clone();
    tuned.metrics.other.push(initcwnd.clone());
    system.here().apply(&Op::AddRoute(tuned)).unwrap();

    let mut wanted = Wanted::new();
    wanted.here(Want::Route(route.mtu(1300)));
    wanted.ensure(&mut system).unwrap();
    assert_eq!(wanted.diff(&mut system).unwrap(), []);
    let routes = system.here().routes().unwrap();
    let found = routes.iter().find(|info| info.route.protocol == 75);
    let metrics = &found.unwrap().route.metrics;
    assert_eq!((metrics.mtu, &metrics.other), (Some(1300), &vec![initcwnd]));
}
