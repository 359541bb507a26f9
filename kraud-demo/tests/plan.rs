//! What a plan promises, by its commands.

mod common;

use common::{TextFile, file, kraud};
use serde_json::Value;

const EXAMPLE: &str = include_str!("../examples/nextcloud.yaml");

fn example() -> TextFile {
    TextFile::new("nextcloud.yaml", EXAMPLE)
}

/// Every command of the plan, with the namespace that it belongs to.
fn commands(arguments: &[&str]) -> Vec<(String, String)> {
    let file = example();
    let path = file.path();
    let plan = kraud([&["plan", "-f", &path, "-o", "json"], arguments].concat()).json();
    let mut commands = Vec::new();
    for step in plan["steps"].as_array().unwrap() {
        for command in step["commands"].as_array().unwrap() {
            commands.push((text(&step["namespace"]), text(command)));
        }
    }
    commands
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

#[test]
fn a04_every_pod_has_one_address_and_every_host_one_prefix() {
    let commands = commands(&[]);
    let of = |namespace: &str, part: &str| -> Vec<&String> {
        let of = commands
            .iter()
            .filter(|(name, command)| name == namespace && command.contains(part));
        of.map(|(_, command)| command).collect()
    };
    let addresses = of("nextcloud-app-1", "addr add");
    assert!(
        addresses[0].contains("/128 ") && addresses[0].ends_with("dev eth0"),
        "{addresses:?}"
    );
    let routes = of("host1-vpc", "route add");
    assert_eq!(
        routes.len(),
        2,
        "its own prefix and one for the only peer: {routes:?}"
    );
    assert!(
        routes
            .iter()
            .all(|route| route.contains("::/64") && route.contains("proto 75")),
        "{routes:?}"
    );
    assert!(
        !commands
            .iter()
            .any(|(_, command)| command.contains("neigh")),
        "nobody is resolved on the way"
    );
}

#[test]
fn a08_a_pod_in_two_overlays_has_an_address_in_each_and_a_source_for_each_route() {
    let commands = commands(&[]);
    let of_cron = |part: &str| {
        commands
            .iter()
            .filter(|(name, command)| name == "nextcloud-cron-1" && command.contains(part))
            .count()
    };
    assert_eq!(of_cron("addr add 192.168."), 1);
    assert_eq!(of_cron("addr add 10."), 1);
    // The encapsulation names its own source; the route's is the second one.
    let routes = commands
        .iter()
        .filter(|(name, command)| name == "nextcloud-cron-1" && command.contains("encap ip6"));
    assert!(routes.clone().count() > 0);
    assert!(
        routes
            .clone()
            .all(|(_, command)| command.matches(" src ").count() == 2),
        "{routes:?}"
    );
}

#[test]
fn a10_one_external_ip6tnl_carries_all_overlays_of_a_pod() {
    let commands = commands(&[]);
    let of_cron: Vec<&String> = commands
        .iter()
        .filter(|(name, _)| name == "nextcloud-cron-1")
        .map(|(_, command)| command)
        .collect();
    assert_eq!(
        of_cron
            .iter()
            .filter(|command| command.contains("type ip6tnl mode any external"))
            .count(),
        1
    );
    let encaps: Vec<_> = of_cron
        .iter()
        .filter(|command| command.contains("encap ip6"))
        .collect();
    assert!(!encaps.is_empty());
    // IPv4 and IPv6 have tables of their own.
    let metrics: std::collections::BTreeSet<(bool, &str)> = encaps
        .iter()
        .map(|route| {
            let metric = route.split(" metric ").nth(1).unwrap();
            let destination = route.split("route add ").nth(1).unwrap();
            let destination = destination.split(' ').next().unwrap();
            (destination.contains(':'), metric.split(' ').next().unwrap())
        })
        .collect();
    assert_eq!(
        metrics.len(),
        encaps.len(),
        "each route has a metric of its own"
    );
}

#[test]
fn a11_the_mtu_of_each_layer_is_predicted_and_set() {
    for (underlay, vpc, overlay) in [("v4", 1440, 1400), ("v6", 1420, 1380), ("dual", 1420, 1380)] {
        let file = example();
        let plan = kraud([
            "plan",
            "-f",
            &file.path(),
            "-o",
            "json",
            "--underlay",
            underlay,
        ])
        .json();
        assert_eq!(
            (&plan["mtu"]["vpc"], &plan["mtu"]["overlay"]),
            (&vpc.into(), &overlay.into())
        );
        let commands = commands(&["--underlay", underlay]);
        let sets = |part: &str, mtu: u64| {
            let links = commands
                .iter()
                .filter(|(_, command)| command.contains(part));
            links.clone().count() > 0
                && links
                    .clone()
                    .all(|(_, command)| command.contains(&format!("mtu {mtu}")))
        };
        assert!(
            sets("type wireguard", vpc) && sets("type ipvlan", vpc) && sets("type ip6tnl", overlay),
            "{underlay}"
        );
    }
}

#[test]
fn a02_hosts_without_a_common_underlay_family_are_refused() {
    let file = example();
    let run = kraud([
        "plan",
        "-f",
        &file.path(),
        "--hosts",
        "3",
        "--underlay",
        "mixed",
    ]);
    assert_eq!(run.code, 1);
    assert!(
        run.stderr
            .contains("`host2` and `host3` have no underlay family in common"),
        "{}",
        run.stderr
    );
}

#[test]
fn a09_a_namespace_has_a_default_overlay_that_nobody_declared() {
    let file = file("undeclared.yaml");
    let run = kraud(["overlay", "ls", "-f", &file]);
    let again = kraud(["overlay", "ls", "-f", &file]);
    assert_eq!(
        run.stdout, again.stdout,
        "the same on every host and at every time"
    );
    assert_eq!(run.stdout, include_str!("files/undeclared.overlays"));
}

#[test]
fn a17_the_subnet_of_the_file_is_honoured_and_gets_a_net6() {
    let file = example();
    let rows = kraud(["overlay", "ls", "-f", &file.path(), "-o", "json"]).json()["items"].take();
    let v = rows
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["Name"] == "v")
        .unwrap();
    assert_eq!(
        (&v["Driver"], &v["Net4"]),
        (&"ipip".into(), &"192.168.0.0/16".into())
    );
    assert!(text(&v["Net6"]).starts_with("fd") && text(&v["Net6"]).ends_with("::/64"));
}

#[test]
fn a16_the_overlays_and_the_hosts_share_no_prefix() {
    let file = example();
    let rows = kraud(["overlay", "ls", "-f", &file.path(), "-o", "json"]).json()["items"].take();
    let mut prefixes: Vec<String> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| text(&row["Net6"]))
        .collect();
    let script = kraud(["plan", "-f", &file.path(), "-o", "sh", "--hosts", "8"]).stdout;
    for (_, rest) in script
        .match_indices("allowed-ips ")
        .map(|(at, found)| script.split_at(at + found.len()))
    {
        prefixes.push(rest.split_whitespace().next().unwrap().to_owned());
    }
    let before = prefixes.len();
    prefixes.sort();
    prefixes.dedup();
    assert_eq!(
        prefixes.len(),
        2 + 8,
        "two overlays and eight hosts, from {before} mentions: {prefixes:?}"
    );
    let vpc: std::collections::BTreeSet<&str> =
        prefixes.iter().map(|prefix| &prefix[..14]).collect();
    assert_eq!(vpc.len(), 1, "all from one /48: {prefixes:?}");
}

#[test]
fn a_script_has_no_private_key_in_it() {
    let file = example();
    let script = kraud(["plan", "-f", &file.path(), "-o", "sh"]).stdout;
    assert!(script.contains("private-key \"$KEYS/host1.key\""));
    let base64_key = |word: &str| word.len() == 44 && word.ends_with('=');
    assert!(!script.split([' ', '\n', '"']).any(base64_key));
}

#[test]
fn the_order_of_the_file_decides_nothing() {
    let reversed = file("nextcloud_reversed.yaml");
    let plan = |path: &str| kraud(["plan", "-f", path, "-o", "sh"]).stdout;
    let sorted = |script: String| {
        let mut lines: Vec<String> = script.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let masked = |line: &String| line.split(" metric ").next().unwrap().to_owned();
    let one: Vec<String> = sorted(plan(&example().path())).iter().map(masked).collect();
    let other: Vec<String> = sorted(plan(&reversed)).iter().map(masked).collect();
    assert_eq!(one, other);
}
