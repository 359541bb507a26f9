//! `apply`, `diff` and `destroy` on a machine. Runs in the real-kernel lane.

mod common;
mod machine;

use common::TextFile;
use machine::{Host, answers, everything, is_again, sh};

const SHOP: &str = "
name: shop
services:
  app:
    networks: [back]
  db:
    networks: {back: {ipv4_address: 10.77.0.9}}
networks:
  back: {driver: ipip, ipam: {config: [{subnet: 10.77.0.0/16}]}}
";

/// The same with one more service, which has a network of its own.
const GROWN: &str = "
name: shop
services:
  app:
    networks: [back]
  db:
    networks: {back: {ipv4_address: 10.77.0.9}, side: {}}
  cache:
    networks: [side]
networks:
  back: {driver: ipip, ipam: {config: [{subnet: 10.77.0.0/16}]}}
  side: {driver: ipip}
";

#[test]
#[ignore = "needs ipvlan and ip6tnl: cargo xtask kernel-lane runs it"]
fn d02_d04_d05_d10_applied_again_there_is_nothing_to_do_and_destroyed_nothing_is_left() {
    let before = everything();
    let host = Host::here();
    let (shop, grown) = (
        TextFile::new("shop.yaml", SHOP),
        TextFile::new("grown.yaml", GROWN),
    );
    let (shop, grown) = (["-f", &shop.path()], ["-f", &grown.path()]);
    let (shop, grown): (&[&str], &[&str]) = (&shop, &grown);

    let planned = host.changes("diff", shop);
    assert_eq!(everything(), before, "diff touches nothing");
    assert_eq!(host.changes("apply", shop), planned);
    assert!(answers("shop-app-1", "10.77.0.9", 1));
    assert_eq!(host.changes("diff", shop), []);
    assert_eq!(host.changes("apply", shop), []);

    // A ping through the change: the other pods' networks are not disturbed.
    sh(
        "ip netns exec shop-app-1 ping -n -i 0.05 -c 60 -W 1 10.77.0.9 > /tmp/through & echo $! > /tmp/through.pid",
    );
    let changes = host.changes("apply", grown);
    assert!(
        changes
            .iter()
            .all(|change| change.namespace != "shop-app-1"),
        "{changes:?}"
    );
    assert!(
        changes.iter().any(|change| change.namespace == "shop-db-1"
            && change.does.starts_with("add address"))
    );
    sh("while kill -0 $(cat /tmp/through.pid) 2>/dev/null; do sleep 0.1; done");
    let through = sh("cat /tmp/through");
    assert!(
        through.contains("60 packets transmitted, 60 received"),
        "{through}"
    );
    assert_eq!(host.changes("apply", grown), []);
    let cache = sh("ip netns exec shop-cache-1 ip -o -4 addr show overlay");
    let cache = cache
        .split_whitespace()
        .nth(3)
        .unwrap()
        .trim_end_matches("/32");
    assert!(answers("shop-db-1", cache, 1));
    assert!(
        !answers("shop-app-1", cache, 1),
        "app is not on that network"
    );

    // Back again: what was added goes, and only that.
    let changes = host.changes("apply", shop);
    assert!(
        changes
            .iter()
            .all(|change| change.namespace != "shop-app-1")
    );
    assert!(
        changes
            .iter()
            .any(|change| change.does == "delete namespace \"shop-cache-1\"")
    );
    assert_eq!(host.changes("apply", shop), []);
    assert!(answers("shop-app-1", "10.77.0.9", 1));

    assert!(!host.changes("destroy", shop).is_empty());
    is_again(&before);
    assert_eq!(host.changes("destroy", &["-p", "shop"]), []);
    sh("rm /tmp/through /tmp/through.pid");
}

#[test]
#[ignore = "needs ipvlan and ip6tnl: cargo xtask kernel-lane runs it"]
fn c09_c10_what_is_not_ours_is_never_touched_whatever_its_name() {
    sh(
        "ip netns add shop-db-1 && ip -n shop-db-1 link set lo up && ip -n shop-db-1 link add eth0 type dummy && ip -n shop-db-1 route add 10.77.0.1/32 dev lo",
    );
    let before = everything();
    let theirs = "ip -n shop-db-1 -d -j link; ip -n shop-db-1 -j route show table all";
    let inside = sh(theirs);
    let host = Host::here();
    let shop = TextFile::new("shop.yaml", SHOP);
    let run = host.run("apply", &["-f", &shop.path()]);
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert!(
        run.stderr
            .contains("\"shop-db-1\" is there already and not ours"),
        "{}",
        run.stderr
    );
    assert_eq!(everything(), before);
    assert_eq!(host.run("destroy", &["-p", "shop"]).code, 0);
    assert_eq!((everything(), sh(theirs)), (before, inside));
    sh("ip netns del shop-db-1");
}

#[test]
#[ignore = "needs ipvlan and ip6tnl: cargo xtask kernel-lane runs it"]
fn a_pod_may_live_in_a_namespace_that_is_there() {
    sh("ip netns add web && ip -n web link set lo up && ip -n web addr add 192.0.2.1/32 dev lo");
    let before = everything();
    let theirs =
        "ip -n web -d -j -p addr; ip -n web -j -p route show table all; ip -n web -6 -j -p route";
    let inside = sh(theirs);
    let host = Host::here();
    let shop = TextFile::new("shop.yaml", SHOP);
    let path = shop.path();
    host.changes("apply", &["-f", &path, "--netns", "app=web"]);
    assert!(answers("web", "10.77.0.9", 1));
    assert_eq!(
        host.changes("apply", &["-f", &path]),
        [],
        "it is remembered"
    );
    assert!(!host.changes("destroy", &["-p", "shop"]).is_empty());
    is_again(&before);
    assert_eq!(
        (sh(theirs), sh("ip netns exec web nft list ruleset")),
        (inside, String::new())
    );
    sh("ip netns del web");
}
