//! Masquerade and drop rules over netlink: as `nft` writes them, and as packets meet them.

use std::net::UdpSocket;
use std::time::Duration;

use kraud_netlink::{
    Address, Link, LinkChange, Namespaces, NetnsKind, NftChain, NftChainKind, NftFamily, NftHook,
    NftMatch, NftRule, NftTable, Op, Route, Step, Sysctl, Veth,
};

mod common;
use common::{ip, namespace, net};

fn b04_table(but: &str) -> NftTable {
    NftTable::new(NftFamily::Ip6, "nat").chain(
        NftChain::nat_postrouting("postrouting")
            .rule(NftRule::masquerade().from(net("fd00::/80")).not_out(but)),
    )
}

/// `nft 'add table ip6 nat; add chain ip6 nat postrouting { type nat hook postrouting priority 100; }; add rule ip6 nat
/// postrouting ip6 saddr fd00::/80 oifname != "docker0" masquerade'`
#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn b4_the_guides_masquerade_is_what_nft_sends() {
    let json: serde_json::Value =
        serde_json::from_str(include_str!("vectors/nftables.json")).unwrap();
    let recorded = |start: &str| -> Vec<String> {
        let entries = json.as_array().unwrap().iter();
        let entry = entries
            .into_iter()
            .find(|entry| entry["cmd"].as_str().unwrap().starts_with(start))
            .unwrap();
        let messages = entry["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| m["hex"].as_str().unwrap().to_owned());
        // The transaction alone, without the questions before it.
        messages.skip_while(|hex| &hex[8..12] != "1000").collect()
    };
    let mut bytes = Vec::new();
    b04_table("docker0").encode(false, &mut bytes).unwrap();
    assert_eq!(split(&bytes), recorded("nft 'add table ip6 nat; add chain"));

    let mut bytes = Vec::new();
    NftTable::new(NftFamily::Ip6, "nat")
        .encode(false, &mut bytes)
        .unwrap();
    assert_eq!(split(&bytes), recorded("nft add table ip6 nat"));

    let mut bytes = Vec::new();
    Op::DeleteNft(b04_table(""))
        .encode(&mut std::collections::HashMap::new(), &mut bytes)
        .unwrap();
    assert_eq!(split(&bytes), recorded("nft delete table ip6 nat"));
}

fn split(mut bytes: &[u8]) -> Vec<String> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let len = u32::from_ne_bytes(bytes[..4].try_into().unwrap()) as usize;
        messages.push(
            bytes[..len]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        );
        bytes = &bytes[len..];
    }
    messages
}

/// A pod behind a router, and an outside that has no route back to the pod.
fn lab() -> Option<Namespaces> {
    namespace()?;
    let mut lab = Namespaces::anonymous().unwrap();
    let mut steps = Vec::new();
    for name in ["pod", "router", "outside"] {
        steps.push(Step::here(Op::AddNetns(name.into())));
        steps.push(Step::in_netns(
            name,
            Op::SetLink(LinkChange::new("lo").up()),
        ));
    }
    for (name, link, prefix) in [
        ("pod", "docker0", "fd00::"),
        ("outside", "wan", "2001:db8::"),
    ] {
        let pair = Link::veth(link, Veth::peer("eth0").netns(name).up()).up();
        steps.push(Step::in_netns("router", Op::AddLink(pair)));
        let add = |dev: &str, text: String| Op::AddAddress(Address::new(dev, net(&text)).nodad());
        steps.push(Step::in_netns("router", add(link, format!("{prefix}1/80"))));
        steps.push(Step::in_netns("router", add(link, "fe80::1/64".into())));
        steps.push(Step::in_netns(name, add("eth0", format!("{prefix}2/80"))));
    }
    steps.push(Step::in_netns(
        "pod",
        Op::AddRoute(Route::default_v6().via(ip("fd00::1"))),
    ));
    steps.push(Step::in_netns(
        "router",
        Op::WriteSysctl(Sysctl::forwarding6(true)),
    ));
    lab.apply_all(&steps)
        .unwrap_or_else(|(at, error)| panic!("{}: {error}", steps[at]));
    Some(lab)
}

/// Does the outside answer the pod in the end? Links and neighbours may take a moment.
fn answered_in_the_end(lab: &Namespaces) -> bool {
    (0..20).any(|_| answered(lab))
}

/// Does the outside answer the pod?
fn answered(lab: &Namespaces) -> bool {
    let bind = |netns: &str, text: &str| {
        lab.netns(netns)
            .unwrap()
            .run(|| UdpSocket::bind(text).unwrap())
            .unwrap()
    };
    let (server, client) = (
        bind("outside", "[2001:db8::2]:0"),
        bind("pod", "[fd00::2]:0"),
    );
    for socket in [&server, &client] {
        socket
            .set_read_timeout(Some(Duration::from_millis(400)))
            .unwrap();
    }
    client
        .send_to(b"ping", server.local_addr().unwrap())
        .unwrap();
    let mut buffer = [0; 16];
    let Ok((_, from)) = server.recv_from(&mut buffer) else {
        return false;
    };
    server.send_to(b"pong", from).is_ok() && client.recv_from(&mut buffer).is_ok()
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn b4_the_pod_is_answered_once_it_is_masqueraded() {
    let Some(mut lab) = lab() else { return };
    assert!(!answered(&lab), "the outside has no route to fd00::/80");
    let set = Step::in_netns("router", Op::SetNft(b04_table("docker0")));
    match lab.apply(&set) {
        Err(error) if error.is_unsupported() || error.is_not_found() => {
            return common::skip(&error);
        }
        result => result.unwrap(),
    }
    assert!(answered_in_the_end(&lab));
    lab.apply(&set).unwrap();
    assert!(
        lab.handle("router")
            .unwrap()
            .nft_matches(&b04_table("docker0"))
            .unwrap()
    );
    assert!(
        !lab.handle("router")
            .unwrap()
            .nft_matches(&b04_table("docker1"))
            .unwrap()
    );
    // B9: what was put there goes again.
    lab.apply(&Step::in_netns(
        "router",
        Op::DeleteNft(b04_table("docker0")),
    ))
    .unwrap();
    assert!(
        !lab.handle("router")
            .unwrap()
            .nft_matches(&b04_table("docker0"))
            .unwrap()
    );
    assert!(!answered(&lab));
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn a1_packets_that_are_not_wanted_are_dropped_and_counted() {
    let Some(mut lab) = lab() else { return };
    let back = Op::AddRoute(Route::new(net("fd00::/80")).via(ip("2001:db8::1")));
    lab.apply(&Step::in_netns("outside", back)).unwrap();
    assert!(answered_in_the_end(&lab));
    let table = NftTable::new(NftFamily::Inet, "kraud").chain(
        NftChain::new("isolation", NftChainKind::Filter, NftHook::Prerouting, -300)
            .rule(
                NftRule::accept()
                    .from(net("fd00::/83"))
                    .to(net("fd00::/16"))
                    .counter(),
            )
            .rule(
                NftRule::drop()
                    .r#in("docker0")
                    .from(net("fd00::/64"))
                    .counter(),
            ),
    );
    match lab.apply(&Step::in_netns("router", Op::SetNft(table.clone()))) {
        Err(error) if error.is_unsupported() || error.is_not_found() => {
            return common::skip(&error);
        }
        result => result.unwrap(),
    }
    assert!(!answered(&lab));
    let kernel = lab.handle("router").unwrap();
    assert!(kernel.nft_matches(&table).unwrap());
    let counters = kernel.nft_counters(&table).unwrap();
    assert_eq!(
        (counters[0].packets, counters[1].packets > 0),
        (0, true),
        "{counters:?}"
    );
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn inner_and_outer_source_are_matched_together() {
    let Some(netns) = namespace() else { return };
    let mut kernel = netns.handle().unwrap();
    // `ip6 saddr fd42::2 @nh,416,32 192.168.2.2`: the inner IPv4 source behind an IPv6 header.
    let pair = NftRule::accept()
        .from(net("fd42::2/128"))
        .when(NftMatch::NetworkHeader {
            offset: 52,
            value: vec![192, 168, 2, 2],
            not: false,
        });
    let table = NftTable::new(NftFamily::Ip6, "pairs").chain(
        NftChain::filter("forward", NftHook::Forward)
            .rule(pair)
            .rule(NftRule::drop().when(NftMatch::Protocol(4)).counter()),
    );
    match kernel.apply(&Op::SetNft(table.clone())) {
        Err(error) if error.is_unsupported() || error.is_not_found() => {
            return common::skip(&error);
        }
        result => result.unwrap(),
    }
    assert!(kernel.nft_matches(&table).unwrap());
    if let Ok(output) = netns
        .run(|| {
            std::process::Command::new("nft")
                .args(["list", "table", "ip6", "pairs"])
                .output()
        })
        .unwrap()
    {
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            text.contains("ip6 saddr fd42::2 @nh,416,32 0xc0a80202 accept"),
            "{text}"
        );
    }
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn a_refused_transaction_leaves_the_old_table_in_place() {
    let Some(netns) = namespace() else { return };
    let mut lab = Namespaces::start(netns, NetnsKind::Anonymous).unwrap();
    let good = b04_table("docker0");
    match lab.here().apply(&Op::SetNft(good.clone())) {
        Err(error) if error.is_unsupported() || error.is_not_found() => {
            return common::skip(&error);
        }
        result => result.unwrap(),
    }
    // Address translation has no place in the forward hook.
    let bad = NftTable::new(NftFamily::Ip6, "nat").chain(NftChain::new(
        "x",
        NftChainKind::Nat,
        NftHook::Forward,
        0,
    ));
    let error = lab.here().apply(&Op::SetNft(bad)).unwrap_err();
    assert!(error.is_unsupported(), "{error}");
    assert!(lab.here().nft_matches(&good).unwrap());
}
