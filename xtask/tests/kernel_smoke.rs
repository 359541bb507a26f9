//! The virtual machine of the kernel lane has what the other kernel tests take for granted.
//!
//! Only iproute2, wg and ping are used: if this fails, the lane is broken, not kraud.

use std::process::{Command, Output};

/// Whether this runs inside the lane; if not, says why it does nothing.
fn in_the_lane() -> bool {
    let inside = std::env::var_os("KRAUD_REAL_KERNEL").is_some();
    if !inside {
        println!("skipped: needs a kernel with all modules; run `cargo xtask kernel-lane`");
    }
    inside
}

fn output(line: &str) -> Output {
    let mut words = line.split(' ');
    let program = words.next().expect("a line has a first word");
    let output = Command::new(program).args(words).output();
    output.unwrap_or_else(|error| panic!("{line}: {error}"))
}

#[track_caller]
fn run(line: &str) -> String {
    let output = output(line);
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {}\n{talk}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A network namespace that is gone at the end, also after a failure.
struct Namespace(&'static str);

impl Namespace {
    fn new(name: &'static str) -> Self {
        run(&format!("ip netns add {name}"));
        Self(name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        output(&format!("ip netns del {}", self.0));
    }
}

#[test]
#[ignore = "needs a kernel with all modules: cargo xtask kernel-lane"]
fn every_kind_of_link_can_be_made() {
    if !in_the_lane() {
        return;
    }
    let namespace = Namespace::new("smoke-links");
    let link = |rest: &str| run(&format!("ip -n {} link {rest}", namespace.0));
    link("add parent0 type dummy");
    link("set parent0 up");
    for (name, kind) in [
        ("ipvlan0", "link parent0 type ipvlan mode l3"),
        ("vlan0", "link parent0 type vlan id 20"),
        ("tunnel0", "type ip6tnl external"),
        ("wg0", "type wireguard"),
        ("veth0", "type veth peer name veth1"),
        ("bridge0", "type bridge"),
        ("vxlan0", "type vxlan id 42 dstport 4789"),
    ] {
        let (before, after) = match kind.split_once(" type ") {
            Some((parent, rest)) => (format!("{parent} "), format!("type {rest}")),
            None => (String::new(), kind.to_owned()),
        };
        link(&format!("add {before}name {name} {after}"));
    }
    let links = link("show");
    assert!(links.contains("ipvlan0@parent0"), "{links}");
}

#[test]
#[ignore = "needs a kernel with all modules: cargo xtask kernel-lane"]
fn an_ipvlan_pod_answers_its_neighbour() {
    if !in_the_lane() {
        return;
    }
    let host = Namespace::new("smoke-host");
    let pods = [Namespace::new("smoke-pod1"), Namespace::new("smoke-pod2")];
    run(&format!("ip -n {} link add parent0 type dummy", host.0));
    run(&format!("ip -n {} link set parent0 up", host.0));
    for (pod, address) in pods.iter().zip(["fd00::1/128", "fd00::2/128"]) {
        run(&format!(
            "ip -n {} link add link parent0 name eth0 netns {} type ipvlan mode l3",
            host.0, pod.0
        ));
        run(&format!(
            "ip -n {} address add {address} dev eth0 nodad",
            pod.0
        ));
        run(&format!("ip -n {} link set eth0 up", pod.0));
        run(&format!("ip -n {} route add default dev eth0", pod.0));
        run(&format!("ip -n {} -6 route add default dev eth0", pod.0));
    }
    run(&format!(
        "ip netns exec {} ping -c 1 -W 5 fd00::2",
        pods[0].0
    ));
}

#[test]
#[ignore = "needs a kernel with all modules: cargo xtask kernel-lane"]
fn the_tools_of_the_comparison_are_there() {
    if !in_the_lane() {
        return;
    }
    assert_eq!(run("wg genkey").trim().len(), 44);
    run("nft list ruleset");
    run("nsenter --net=/proc/self/ns/net ip -j link");
}
