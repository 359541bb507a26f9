//! Two hosts as namespaces of one machine: a cluster file, several tenants, names, and runs that are cut short. Runs in
//! the real-kernel lane.

mod common;
mod machine;

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{TextFile, binary};
use machine::{Host, answers, attempt, everything, is_again, sh};

const SHOP: &str = "
name: shop
services:
  app: {networks: [back]}
  db: {networks: {back: {ipv4_address: 10.77.0.9}}}
  web: {networks: {back: {ipv4_address: 10.77.0.5}}}
networks:
  back: {driver: ipip, ipam: {config: [{subnet: 10.77.0.0/16}]}}
";
/// In the same VPC, and with the same subnet.
const OTHER: &str = "
name: other
services:
  thief: {networks: {back: {ipv4_address: 10.77.0.66}}}
networks:
  back: {driver: ipip, ipam: {config: [{subnet: 10.77.0.0/16}]}}
";

/// Two hosts that see each other, with a cluster file that has their keys.
struct Pair {
    hosts: [Host; 2],
    cluster: TextFile,
}

impl Pair {
    fn new() -> Self {
        sh(
            "ip netns add ha && ip netns add hb && ip -n ha link add u0 type veth peer name u0 netns hb",
        );
        for (host, number) in [("ha", 1), ("hb", 2)] {
            sh(&format!(
                "ip -n {host} link set lo up && ip -n {host} link set u0 up && \
                 ip -n {host} addr add 2001:db8::{number}/64 nodad dev u0 && ip -n {host} addr add 198.18.0.{number}/24 dev u0"
            ));
        }
        let hosts = ["ha", "hb"].map(Host::in_netns);
        let mut pair = Self {
            hosts,
            cluster: TextFile::new("kraud.toml", ""),
        };
        pair.write_cluster();
        pair
    }

    fn write_cluster(&mut self) {
        let key = |host: &Host, vpc: &[&str]| {
            let run = host.run("key show", vpc);
            assert_eq!(run.code, 0, "{}", run.stderr);
            run.stdout.trim().to_owned()
        };
        let mut text = String::new();
        for (name, number, host) in [("ha", 1, &self.hosts[0]), ("hb", 2, &self.hosts[1])] {
            let default = key(host, &[]);
            let acme = key(host, &["--tenant", "acme", "--vpc", "prod"]);
            text += &format!(
                "[hosts.{name}]\nendpoints = [\"2001:db8::{number}\", \"198.18.0.{number}\"]\nkeepalive = 5\n\
                 public-key = \"{default}\"\npublic-keys = {{\"acme/prod\" = \"{acme}\"}}\n"
            );
        }
        text += "[vpcs.\"acme/prod\"]\nlisten-port = 51821\n\
                 [placement]\n\"shop/app\" = \"ha\"\n\"shop/db\" = \"hb\"\n\"shop/web\" = \"ha\"\n\"other/thief\" = \"hb\"\n\
                 \"store/app\" = \"ha\"\n\"store/db\" = \"hb\"\n";
        self.cluster = TextFile::new("kraud.toml", &text);
    }

    fn both(&self, command: &str, arguments: &[&str]) -> usize {
        let cluster = self.cluster.path();
        let arguments = [arguments, &["--cluster", &cluster]].concat();
        let changes = self
            .hosts
            .iter()
            .map(|host| host.changes(command, &arguments).len());
        changes.sum()
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let _ = attempt("ip netns del ha; ip netns del hb");
    }
}

/// The packets that a pod's overlay device took in.
fn received(pod: &str) -> u64 {
    let said = sh(&format!("ip -n {pod} -s -j link show overlay"));
    let said: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    said[0]["stats64"]["rx"]["packets"]
        .as_u64()
        .expect("a count")
}

fn vpc_address(pod: &str) -> String {
    let said = sh(&format!("ip -n {pod} -6 -o addr show dev eth0"));
    let address = said.split_whitespace().nth(3).expect("an address");
    address.trim_end_matches("/128").to_owned()
}

#[test]
#[ignore = "needs wireguard, ipvlan and ip6tnl: cargo xtask kernel-lane runs it"]
fn a01_a02_a05_a06_c31_d11_two_hosts_two_tenants_names_and_nothing_gets_across() {
    let before = everything();
    let mut pair = Pair::new();
    let (shop, other) = (
        TextFile::new("shop.yaml", SHOP),
        TextFile::new("other.yaml", OTHER),
    );
    let store = TextFile::new("store.yaml", &SHOP.replace("name: shop", "name: store"));
    let (shop, other, store) = (shop.path(), other.path(), store.path());
    let acme = ["-f", &store, "--tenant", "acme", "--vpc", "prod"];
    pair.both("apply", &["-f", &shop]);
    pair.both("apply", &["-f", &other]);
    pair.both("apply", &acme);
    // A project that came later changed the names of the first one's pods, and nothing else.
    for arguments in [&["-f", shop.as_str()][..], &["-f", &other], &acme] {
        assert_eq!(pair.both("apply", arguments), 0);
    }
    assert!(
        answers("shop-app-1", "10.77.0.9", 10),
        "across, over the overlay"
    );
    assert!(
        answers("store-app-1", "10.77.0.9", 10),
        "the other tenant's, with the same address"
    );
    assert!(
        answers("shop-app-1", &vpc_address("shop-db-1"), 3),
        "across, over the VPC"
    );

    // Names: short ones in the namespace, longer ones in the VPC, none beyond.
    let ha = &pair.hosts[0];
    let ask = |pod: &str, name: &str| {
        ha.run("exec", &[pod, "--", "ping", "-n", "-c1", "-W3", name])
            .code
    };
    assert_eq!(ask("shop-app-1", "db"), 0);
    assert_eq!(ask("shop-app-1", "db.shop"), 0);
    assert_eq!(ask("shop-app-1", "thief.other"), 0);
    assert_ne!(ask("shop-app-1", "thief"), 0);
    assert_ne!(ask("shop-app-1", "db.store"), 0, "of another tenant");
    assert!(sh("ip netns exec shop-app-1 cat /etc/hosts").contains("10.77.0.9 db"));

    // Injection. By somebody of the same VPC who is not in the network, with a peer's address inside.
    let (victim, thief) = (vpc_address("shop-db-1"), vpc_address("other-thief-1"));
    let inject = |from: &str, outer: &str| {
        sh(&format!(
            "ip -n {from} addr add 10.77.0.5/32 dev overlay noprefixroute; \
             ip -n {from} route add 10.77.0.9/32 encap ip6 dst {victim} src {outer} hoplimit 64 dev overlay src 10.77.0.5 metric 9"
        ));
        let before = received("shop-db-1");
        let _ = attempt(&format!(
            "ip netns exec {from} ping -n -c3 -i0.2 -W1 10.77.0.9"
        ));
        sh(&format!(
            "ip -n {from} route del 10.77.0.9/32 metric 9 dev overlay; ip -n {from} addr del 10.77.0.5/32 dev overlay"
        ));
        received("shop-db-1") - before
    };
    assert_eq!(
        inject("other-thief-1", &thief),
        0,
        "an outer source that is no peer"
    );
    assert_eq!(
        inject("other-thief-1", &vpc_address("shop-web-1")),
        0,
        "somebody else's outer source"
    );
    // Without the rules it does get in, so the attempt is a real one.
    let rules = sh("ip netns exec shop-db-1 nft list ruleset");
    assert!(rules.contains("@nh,416,32"), "{rules}");
    sh("ip netns exec shop-db-1 nft flush ruleset");
    assert!(inject("other-thief-1", &thief) > 0);
    assert!(
        pair.both("apply", &["-f", &shop]) > 0,
        "the rules come back"
    );
    assert_eq!(inject("other-thief-1", &thief), 0);
    // The other tenant does not even have a way.
    let far = sh("ip -n store-db-1 -6 -o addr show dev eth0");
    let far = far
        .split_whitespace()
        .nth(3)
        .unwrap()
        .trim_end_matches("/128")
        .to_owned();
    assert!(!answers("shop-app-1", &far, 1));
    let outside = received("shop-db-1");
    sh(&format!(
        "ip -n store-db-1 route add 10.77.9.9/32 encap ip6 dst {victim} hoplimit 64 dev overlay"
    ));
    let _ = attempt("ip netns exec store-db-1 ping -n -c2 -i0.2 -W1 10.77.9.9");
    assert_eq!(received("shop-db-1"), outside);
    sh("ip -n store-db-1 route del 10.77.9.9/32");

    // Everything as planned, and verified by the program itself.
    let verify = ["-f", &shop, "--cluster", &pair.cluster.path()].map(str::to_owned);
    let verify: Vec<&str> = verify.iter().map(String::as_str).collect();
    let verdict = ha.run("verify", &verify);
    assert_eq!(verdict.code, 0, "{}{}", verdict.stdout, verdict.stderr);

    // A key is changed: the others take the new one into their files, and go on.
    assert_eq!(ha.run("key rotate", &[]).code, 0);
    let refused = ha.run("apply", &verify);
    assert!(
        refused.stderr.contains("another public key"),
        "{}",
        refused.stderr
    );
    pair.write_cluster();
    assert_eq!(pair.both("apply", &["-f", &shop]), 2, "one device each");
    assert!(answers("shop-app-1", "10.77.0.9", 15));
    let key = fs::metadata(pair.hosts[0].state.path().join("keys/ha.key")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&key) & 0o777, 0o600);

    // One project goes, its neighbours stay.
    pair.both("destroy", &["-p", "other"]);
    assert!(answers("shop-app-1", "10.77.0.9", 3));
    pair.both("destroy", &acme);
    pair.both("destroy", &["-f", &shop]);
    drop(pair);
    is_again(&before);
}

#[test]
#[ignore = "needs ipvlan and ip6tnl: cargo xtask kernel-lane runs it"]
fn c15_a14_after_a_reboot_everything_is_made_again_as_it_was() {
    let before = everything();
    let host = Host::here();
    let shop = TextFile::new("shop.yaml", SHOP);
    let path = shop.path();
    host.changes("apply", &["-f", &path]);
    let pods = "for pod in shop-app-1 shop-db-1 shop-web-1; do ip -n $pod -d -o addr | sed 's/^[0-9]*: //'; \
                ip -n $pod route; ip -n $pod -6 route; ip netns exec $pod nft list ruleset; done";
    let (made, names) = (sh(pods), sh("cat /etc/netns/shop-*/hosts"));
    let listed = host.run("ns ls", &[]).stdout;
    assert!(listed.contains("shop  20"), "{listed}");
    let overlays = host.run("overlay ls", &[]).stdout;
    assert!(overlays.contains("10.77.0.0/16"), "{overlays}");
    // All namespaces gone, one with its name left behind; the state and the files in /etc are kept.
    sh(
        "for name in $(ls /run/netns); do ip netns del $name; done; rm -f /etc/netns/shop-db-1/hosts; touch /run/netns/shop-web-1",
    );
    host.changes("apply", &["-f", &path]);
    assert_eq!((sh(pods), sh("cat /etc/netns/shop-*/hosts")), (made, names));
    assert_eq!(host.changes("apply", &["-f", &path]), []);
    assert_eq!(host.run("ns ls", &[]).stdout, listed);
    host.changes("destroy", &["-p", "shop"]);
    is_again(&before);
    assert_eq!(host.run("ns ls", &[]).stdout.lines().count(), 1);
    assert!(!attempt("ls /etc/netns/shop-*").0);
}

#[test]
#[ignore = "needs ipvlan and ip6tnl: cargo xtask kernel-lane runs it"]
fn a_run_that_is_killed_at_any_moment_is_made_whole_by_the_next_one() {
    let before = everything();
    let host = Host::here();
    let shop = TextFile::new("shop.yaml", SHOP);
    let path = shop.path();
    let started = Instant::now();
    host.changes("apply", &["-f", &path]);
    let takes = started.elapsed();
    host.changes("destroy", &["-p", "shop"]);
    for eighth in 1..8 {
        let mut run = Command::new(binary())
            .args(["apply", "-f", &path, "--state"])
            .arg(host.state.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs");
        thread::sleep(takes * eighth / 8);
        run.kill().expect("SIGKILL");
        run.wait().expect("it ends");
        thread::sleep(Duration::from_millis(20));
        host.changes("apply", &["-f", &path]);
        assert_eq!(
            host.changes("diff", &["-f", &path]),
            [],
            "killed at {eighth}/8"
        );
        assert!(answers("shop-app-1", "10.77.0.9", 1));
        host.changes("destroy", &["-p", "shop"]);
        is_again(&before);
    }
}

/// A small generator (Marsaglia's xorshift), so that a failure names its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

fn random_project(seed: u64) -> String {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let networks = 1 + dice.roll(3);
    let mut text = String::from("name: random\nservices:\n");
    for service in 0..=dice.roll(3) {
        let joined = (0..networks).filter(|_| dice.roll(2) == 0);
        let joined: Vec<String> = joined.map(|network| format!("n{network}")).collect();
        let replicas = 1 + dice.roll(2);
        text += &format!(
            "  s{service}: {{scale: {replicas}, networks: [{}]}}\n",
            joined.join(", ")
        );
    }
    text += "networks:\n";
    for network in 0..networks {
        text += &format!(
            "  n{network}: {}\n",
            match dice.roll(5) {
                0 => "{driver: bridge}",
                1 => "{driver: bridge, enable_ipv6: true, internal: true}",
                2 => "{driver: ipvlan}",
                _ => "{driver: ipip}",
            }
        );
    }
    text
}

#[test]
#[ignore = "needs ipvlan and ip6tnl: cargo xtask kernel-lane runs it"]
fn whatever_was_applied_destroy_leaves_everything_as_before() {
    let projects = std::env::var("KRAUD_PROJECTS")
        .ok()
        .and_then(|count| count.parse().ok());
    let before = everything();
    let host = Host::here();
    for seed in 0..projects.unwrap_or(8) {
        let project = TextFile::new("random.yaml", &random_project(seed));
        let path = project.path();
        println!("seed {seed}:\n{}", random_project(seed));
        host.changes("apply", &["-f", &path]);
        assert_eq!(host.changes("apply", &["-f", &path]), [], "seed {seed}");
        host.changes("destroy", &["-p", "random"]);
        is_again(&before);
    }
}
