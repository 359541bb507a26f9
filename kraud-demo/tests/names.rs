//! Who answers to which name, and to whom.

mod common;

use std::net::{Ipv4Addr, Ipv6Addr};

use common::deployed;
use kraud_demo::model::Deployment;
use kraud_demo::names::Names;

const SHOP: &str = "
name: shop
networks:
  v: {driver: ipip, ipam: {config: [{subnet: 192.168.0.0/16}]}}
services:
  db:
    image: x
    container_name: Base
    networks: {v: {ipv4_address: 192.168.2.2, aliases: [store, \"two words\"]}}
  app: {image: x, networks: {v: {ipv4_address: 192.168.2.1}}}
  web: {image: x, scale: 2}
  lost: {image: x, network_mode: none}
";
const WIKI: &str = "
name: wiki
services:
  db: {image: x}
  shop: {image: x}
";

fn vpc_address(deployment: &Deployment, pod: &str) -> Ipv6Addr {
    let found = deployment.pods.iter().find(|other| other.name == pod);
    found
        .and_then(|pod| pod.address)
        .expect("a pod with an address")
}

/// The VPC addresses and overlay addresses behind a name, or nothing at all.
fn ask(names: &Names, asker: &str, name: &str) -> Option<(Vec<Ipv6Addr>, Vec<Ipv4Addr>)> {
    names.ask(asker, name).map(|answer| (answer.v6, answer.v4))
}

#[test]
fn a05_a_short_name_is_one_of_the_askers_namespace() {
    let (shop, wiki) = (deployed(SHOP, "a"), deployed(WIKI, "a"));
    let names = Names::in_vpc(&shop.scope, [&shop, &wiki]);
    let db = vpc_address(&shop, "shop-db-1");
    let fixed = vec![Ipv4Addr::new(192, 168, 2, 2)];
    for name in [
        "db",
        "DB.",
        "shop-db-1",
        "base",
        "store",
        "db.shop",
        "Db.Shop.",
    ] {
        let found = ask(&names, "shop-app-1", name);
        assert_eq!(found, Some((vec![db], fixed.clone())), "{name}");
    }
    let elsewhere = vpc_address(&wiki, "wiki-db-1");
    assert_eq!(ask(&names, "wiki-shop-1", "db").unwrap().0, [elsewhere]);
}

#[test]
fn a06_a_full_name_answers_everywhere_in_the_vpc_and_nowhere_else() {
    let (shop, wiki) = (deployed(SHOP, "a"), deployed(WIKI, "a"));
    let other = deployed(WIKI, "b");
    let names = Names::in_vpc(&shop.scope, [&shop, &wiki, &other]);
    let db = vpc_address(&shop, "shop-db-1");
    let seen = ask(&names, "wiki-db-1", "db.shop");
    assert_eq!(
        seen,
        Some((vec![db], vec![])),
        "no overlay is shared: no IPv4 address"
    );
    assert_eq!(
        ask(&names, "wiki-db-1", "app"),
        None,
        "a short name ends at the namespace"
    );

    let names = Names::in_vpc(&other.scope, [&shop, &other]);
    assert_eq!(ask(&names, "wiki-db-1", "db.shop"), None, "another VPC");
    assert_eq!(ask(&names, "shop-app-1", "db"), None, "no such asker here");
    assert!(!names.hosts_file("wiki-db-1").contains("shop.shop"));
}

#[test]
fn a06_only_overlays_shared_with_the_asker_are_told() {
    let shop = deployed(SHOP, "a");
    let names = Names::in_vpc(&shop.scope, [&shop]);
    // `web` is in `default`, `db` in `v`: they share the VPC alone.
    let seen = ask(&names, "shop-web-1", "db").unwrap();
    assert_eq!((seen.0.len(), seen.1.len()), (1, 0));
    let replicas = ask(&names, "shop-web-2", "web").unwrap();
    assert_eq!(
        (replicas.0.len(), replicas.1.len()),
        (2, 2),
        "every replica"
    );
    assert_eq!(
        ask(&names, "shop-app-1", "lost"),
        None,
        "without a network there is no address"
    );
    assert_eq!(
        ask(&names, "shop-lost-1", "db"),
        None,
        "and nobody to be asked"
    );
    assert_eq!(ask(&names, "shop-app-1", "nobody"), None);
}

#[test]
fn a05_a06_the_hosts_file_answers_as_the_table_does() {
    let (shop, wiki) = (deployed(SHOP, "a"), deployed(WIKI, "a"));
    let names = Names::in_vpc(&shop.scope, [&wiki, &shop]);
    for asker in ["shop-app-1", "shop-web-1", "wiki-db-1"] {
        let file = names.hosts_file(asker);
        let lines: Vec<Vec<&str>> = file
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        let mut asked = 0;
        for name in lines.iter().flat_map(|line| &line[1..]) {
            if name.starts_with("localhost") || name.starts_with("ip6-") {
                continue;
            }
            let answer = names.ask(asker, name).expect("the table has the name");
            let mut told: Vec<String> = answer.v6.iter().map(ToString::to_string).collect();
            told.extend(answer.v4.iter().map(ToString::to_string));
            let has = |line: &&Vec<&str>| line[1..].contains(name);
            let mut listed: Vec<String> = lines
                .iter()
                .filter(has)
                .map(|line| line[0].to_owned())
                .collect();
            told.sort();
            listed.sort();
            assert_eq!(listed, told, "{name} for {asker}");
            asked += 1;
        }
        assert!(asked > 10, "{file}");
        assert!(
            !file.contains("two words"),
            "what cannot be asked for is not there"
        );
    }
    let alone = names.hosts_file("shop-lost-1");
    assert!(alone.lines().count() == 2 && alone.starts_with("127.0.0.1 localhost\n"));
}

#[test]
fn c31_containers_of_an_ipvlan_network_find_each_other_by_name() {
    let lan = deployed(
        "
name: lan
networks:
  ipvlan: {driver: ipvlan, enable_ipv6: true, driver_opts: {parent: eth0}, ipam: {config: [{subnet: 192.168.30.0/24}, {subnet: 'fd00:30::/64'}]}}
  other: {driver: ipvlan, driver_opts: {parent: eth1}, ipam: {config: [{subnet: 192.168.40.0/24}]}}
services:
  ipv1: {image: x, networks: {ipvlan: {ipv4_address: 192.168.30.5, ipv6_address: 'fd00:30::5'}}}
  ipv2: {image: x, networks: [ipvlan]}
  ipv3: {image: x, networks: [other]}
",
        "a",
    );
    let names = Names::in_vpc(&lan.scope, [&lan]);
    let expected = (
        vec!["fd00:30::5".parse().unwrap()],
        vec![Ipv4Addr::new(192, 168, 30, 5)],
    );
    assert_eq!(ask(&names, "lan-ipv2-1", "ipv1"), Some(expected));
    let hosts = names.hosts_file("lan-ipv2-1");
    assert!(
        hosts.contains("\n192.168.30.5 ipv1 lan-ipv1-1 ipv1.lan "),
        "{hosts}"
    );
    // Another parent is another wire: the name is known, but no address of it is within reach.
    assert_eq!(ask(&names, "lan-ipv3-1", "ipv1"), Some((vec![], vec![])));
}
