//! The networks of docker's ipvlan documents with packets in them: who is answered, who is not, and what `ip route` says.
//!
//! Kernels before 6.15 look for the name of a link in both namespaces, so the host's link is not called `eth0` as the pods'.
//! Whoever is not answered is answered once the one thing that was missing is there: silence alone shows nothing.

use std::process::Command;

use kraud_netlink::{
    AddrGenMode, Address, IpvlanMode, Link, LinkChange, Namespaces, NetnsKind, Op, Route, Step,
    Sysctl, Veth,
};

mod common;
use common::{ip, namespace, net};

/// A `host` whose `uplink` is cabled to `eth0` of a `router`, which is the world outside.
struct Lab(Namespaces);

impl Lab {
    fn new() -> Option<Self> {
        let mut lab = Self(Namespaces::start(namespace()?, NetnsKind::Anonymous).unwrap());
        for name in ["host", "router"] {
            lab.add_namespace(name);
        }
        let cable = Link::veth("uplink", Veth::peer("eth0").netns("router").up()).up();
        lab.apply("host", Op::AddLink(cable));
        Some(lab)
    }

    fn apply(&mut self, netns: &str, op: Op) {
        let step = Step::in_netns(netns, op);
        self.0
            .apply(&step)
            .unwrap_or_else(|error| panic!("{error}"));
    }

    fn add_namespace(&mut self, name: &str) {
        self.0
            .apply(&Step::here(Op::AddNetns(name.into())))
            .unwrap();
        self.apply(name, Op::SetLink(LinkChange::new("lo").up()));
    }

    fn address(&mut self, netns: &str, dev: &str, text: &str) {
        let address = Address::new(dev, net(text)).nodad();
        self.apply(netns, Op::AddAddress(address));
    }

    fn vlan(&mut self, netns: &str, dev: &str, id: u16) {
        let link = Link::vlan(format!("{dev}.{id}"), dev, id).up();
        self.apply(netns, Op::AddLink(link));
    }

    /// Lets the router route, with those addresses on its links.
    fn route_between(&mut self, addresses: &[(&str, &str)]) {
        for (dev, text) in addresses {
            self.address("router", dev, text);
        }
        self.apply("router", Op::WriteSysctl(Sysctl::forwarding4(true)));
    }

    /// A container's namespace with one ipvlan slave, `eth0`. Without a gateway the default route is the link.
    fn pod(
        &mut self,
        name: &str,
        parent: &str,
        mode: IpvlanMode,
        addresses: &[&str],
        gateway: Option<&str>,
    ) {
        self.add_namespace(name);
        let slave = Link::ipvlan("eth0", parent, mode)
            .netns(name)
            .addr_gen_mode(AddrGenMode::None)
            .up();
        self.apply("host", Op::AddLink(slave));
        for text in addresses {
            self.address(name, "eth0", text);
        }
        if let Some(gateway) = gateway {
            let default = Route::default_v4().via(ip(gateway)).dev("eth0");
            return self.apply(name, Op::AddRoute(default));
        }
        self.apply(name, Op::AddRoute(Route::default_v4().dev("eth0")));
        if addresses.iter().any(|text| text.contains("::")) {
            self.apply(name, Op::AddRoute(Route::default_v6().dev("eth0")));
        }
    }

    fn said(&self, netns: &str, program: &str, arguments: &[&str]) -> (bool, String) {
        let run = || Command::new(program).args(arguments).output();
        let output = self.0.netns(netns).unwrap().run(run).unwrap().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.success(), text)
    }

    /// Is one of three echo requests answered?
    fn answered(&self, from: &str, to: &str) -> bool {
        let arguments = ["-n", "-c", "3", "-i", "0.3", "-W", "1", to];
        self.said(from, "ping", &arguments).0
    }

    /// What `ip route` shows, or `ip -6 route`.
    fn routes(&self, netns: &str, family: &str) -> Vec<String> {
        let (_, text) = self.said(netns, "ip", &[family, "route"]);
        text.lines()
            .map(|line| line.trim_end().to_owned())
            .collect()
    }
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn c05_a_container_reaches_its_neighbours_but_never_its_host() {
    let Some(mut lab) = Lab::new() else { return };
    lab.address("host", "uplink", "192.168.1.2/24");
    lab.address("router", "eth0", "192.168.1.1/24");
    for (name, address) in [("a", "192.168.1.10/24"), ("b", "192.168.1.11/24")] {
        lab.pod(
            name,
            "uplink",
            IpvlanMode::L2,
            &[address],
            Some("192.168.1.1"),
        );
    }
    assert!(lab.answered("a", "192.168.1.11"), "a sibling");
    assert!(lab.answered("a", "192.168.1.1"), "the world outside");
    assert!(lab.answered("router", "192.168.1.2"), "the host is alive");
    assert!(!lab.answered("a", "192.168.1.2"), "the parent's address");
    assert!(!lab.answered("host", "192.168.1.10"), "nor the other way");
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn c11_c12_vlans_are_apart_until_a_router_joins_them() {
    let Some(mut lab) = Lab::new() else { return };
    for id in [20, 30] {
        lab.vlan("host", "uplink", id);
        lab.vlan("router", "eth0", id);
    }
    for (name, vlan, last) in [("a20", 20, 2), ("b20", 20, 3), ("a30", 30, 2)] {
        let (parent, gateway) = (format!("uplink.{vlan}"), format!("192.168.{vlan}.1"));
        let address = format!("192.168.{vlan}.{last}/24");
        lab.pod(name, &parent, IpvlanMode::L2, &[&address], Some(&gateway));
    }
    assert_eq!(
        lab.routes("a30", "-4"),
        [
            "default via 192.168.30.1 dev eth0",
            "192.168.30.0/24 dev eth0 proto kernel scope link src 192.168.30.2",
        ],
    );
    assert!(lab.answered("a20", "192.168.20.3"), "in one VLAN");
    assert!(!lab.answered("a20", "192.168.30.2"), "without a router");
    lab.route_between(&[
        ("eth0.20", "192.168.20.1/24"),
        ("eth0.30", "192.168.30.1/24"),
    ]);
    assert!(lab.answered("a20", "192.168.30.2"), "with one");
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn c13_subnets_of_one_parent_need_a_router_in_layer_2() {
    let Some(mut lab) = Lab::new() else { return };
    for (name, subnet, last) in [("a114", 114, 10), ("b114", 114, 11), ("a116", 116, 10)] {
        let address = format!("192.168.{subnet}.{last}/24");
        let gateway = format!("192.168.{subnet}.254");
        lab.pod(name, "uplink", IpvlanMode::L2, &[&address], Some(&gateway));
    }
    assert!(lab.answered("a114", "192.168.114.11"), "in one subnet");
    assert!(!lab.answered("a114", "192.168.116.10"), "without a router");
    lab.route_between(&[
        ("eth0", "192.168.114.254/24"),
        ("eth0", "192.168.116.254/24"),
    ]);
    assert!(lab.answered("a114", "192.168.116.10"), "with one");
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn c17_c18_c25_layer_3_routes_between_the_subnets_of_one_parent() {
    let Some(mut lab) = Lab::new() else { return };
    let pods = [
        ("a", ["192.168.214.10/24", "2001:db8:abc4::10/64"]),
        ("b", ["10.1.214.9/24", "2001:db8:abc6::9/64"]),
    ];
    for (name, addresses) in &pods {
        lab.pod(name, "uplink", IpvlanMode::L3, addresses, None);
    }
    assert_eq!(
        lab.routes("a", "-4"),
        [
            "default dev eth0 scope link",
            "192.168.214.0/24 dev eth0 proto kernel scope link src 192.168.214.10",
        ],
    );
    assert_eq!(
        lab.routes("a", "-6"),
        [
            "2001:db8:abc4::/64 dev eth0 proto kernel metric 256 pref medium",
            "default dev eth0 metric 1024 pref medium",
        ],
    );
    for (from, to) in [
        ("a", "10.1.214.9"),
        ("b", "192.168.214.10"),
        ("a", "2001:db8:abc6::9"),
        ("b", "2001:db8:abc4::10"),
    ] {
        assert!(lab.answered(from, to), "{from} to {to}");
    }
}

#[test]
#[ignore = "needs a full kernel: cargo xtask kernel-lane runs it"]
fn c20_c21_layer_3_is_reached_over_a_route_to_the_host_and_from_the_host_never() {
    let Some(mut lab) = Lab::new() else { return };
    lab.address("host", "uplink", "192.168.1.2/24");
    lab.address("router", "eth0", "192.168.1.1/24");
    lab.pod("a", "uplink", IpvlanMode::L3, &["10.1.214.9/24"], None);
    assert!(lab.answered("router", "192.168.1.2"), "the host is alive");
    assert!(
        !lab.answered("router", "10.1.214.9"),
        "nobody told the router"
    );
    let subnet = || Route::new(net("10.1.214.0/24"));
    lab.apply("router", Op::AddRoute(subnet().via(ip("192.168.1.2"))));
    assert!(lab.answered("router", "10.1.214.9"), "now it knows");
    assert!(lab.answered("a", "192.168.1.1"), "and the container it");

    lab.apply("host", Op::AddRoute(subnet().dev("uplink")));
    assert!(!lab.answered("host", "10.1.214.9"), "not from the host");
    assert!(!lab.answered("a", "192.168.1.2"), "nor to it");
    assert!(
        lab.answered("router", "10.1.214.9"),
        "which changed nothing else"
    );
}
