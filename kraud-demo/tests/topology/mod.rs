//! Hosts, routers and switches of named network namespaces, for `apply` to work on. They are gone with the value.

#![allow(dead_code, reason = "each test file uses its part")]

use std::net::IpAddr;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use kraud_demo::lab::ping::{Outcome, Pinger};
use kraud_netlink::{
    AddrGenMode, Address, Link, LinkChange, LinkInfo, LinkKind, Namespaces, Netns, Op, Route, Step,
    Sysctl, Veth,
};

use crate::common::{EmptyFolder, Run, TextFile, kraud};

/// Long enough for a reply that comes, short enough to wait for one that does not.
const PATIENCE: Duration = Duration::from_millis(400);
/// Neighbours are solicited once a second.
const WARM_UP: Duration = Duration::from_secs(5);
/// A small packet.
const SMALL: usize = 84;

/// Namespaces with a common beginning of their names.
pub(crate) struct Topology {
    system: Namespaces,
    members: Vec<String>,
    state: EmptyFolder,
    prefix: &'static str,
    applied: Vec<(String, String)>,
}

impl Topology {
    /// Namespaces of these names, with loopback up. The prefix keeps them apart from those of other tests.
    pub(crate) fn new(prefix: &'static str, members: &[&str]) -> Self {
        let mut topology = Self {
            system: Namespaces::named().expect("this namespace can be read"),
            members: Vec::new(),
            state: EmptyFolder::new(),
            prefix,
            applied: Vec::new(),
        };
        for member in members {
            let name = topology.name(member);
            topology
                .system
                .apply(&Step::here(Op::AddNetns(name.clone())))
                .unwrap_or_else(|error| {
                    panic!("{error}; these tests need root: cargo xtask kernel-lane runs them")
                });
            topology.members.push(name);
            topology.set(member, Op::SetLink(LinkChange::new("lo").up()));
        }
        topology
    }

    /// A member's name under `/run/netns`; pods and other names with the project's name in them are themselves.
    pub(crate) fn name(&self, member: &str) -> String {
        match member.contains('-') {
            true => member.to_owned(),
            false => format!("{}{member}", self.prefix),
        }
    }

    /// Does something in a namespace.
    pub(crate) fn set(&mut self, member: &str, op: Op) {
        let step = Step::in_netns(self.name(member), op);
        self.system
            .apply(&step)
            .unwrap_or_else(|error| panic!("{step}: {error}"));
    }

    /// Makes a link, with no address that the kernel would choose.
    pub(crate) fn link(&mut self, member: &str, link: Link) {
        self.set(
            member,
            Op::AddLink(link.addr_gen_mode(AddrGenMode::None).up()),
        );
    }

    /// As [`Self::link`], on a parent that the kernel has yet to clear of the slaves of a namespace that is gone.
    pub(crate) fn link_soon(&mut self, member: &str, link: Link) {
        let step = Step::in_netns(self.name(member), Op::AddLink(link));
        let started = Instant::now();
        while let Err(error) = self.system.apply(&step) {
            assert!(started.elapsed() < WARM_UP, "{step}: {error}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A cable from one namespace's link to another's.
    pub(crate) fn cable(&mut self, [one, link]: [&str; 2], [other, end]: [&str; 2]) {
        let peer = Veth::peer(end)
            .netns(self.name(other))
            .addr_gen_mode(AddrGenMode::None)
            .up();
        self.link(one, Link::veth(link, peer));
    }

    /// A cable to a switch's port; tags pass.
    pub(crate) fn plug(&mut self, [member, link]: [&str; 2], [switch, bridge]: [&str; 2]) {
        let port = format!("p{}", self.links(switch).len());
        self.cable([switch, &port], [member, link]);
        self.set(switch, Op::SetLink(LinkChange::new(&port).master(bridge)));
    }

    pub(crate) fn address(&mut self, member: &str, link: &str, address: &str) {
        let net: IpNet = address.parse().expect("a prefix");
        let address = Address::new(link, net);
        let address = if net.addr().is_ipv6() {
            address.nodad()
        } else {
            address
        };
        self.set(member, Op::AddAddress(address));
    }

    pub(crate) fn route(&mut self, member: &str, to: &str, via: &str) {
        let to: IpNet = to.parse().expect("a prefix");
        self.set(
            member,
            Op::AddRoute(Route::new(to).via(via.parse().expect("an address"))),
        );
    }

    /// Makes a router of it.
    pub(crate) fn forward(&mut self, member: &str) {
        self.set(member, Op::WriteSysctl(Sysctl::forwarding4(true)));
        self.set(member, Op::WriteSysctl(Sysctl::forwarding6(true)));
        self.link_locals(member);
    }

    /// Gives each link the link-local address that every IPv6 link has: neighbours are solicited from it for what is
    /// forwarded.
    pub(crate) fn link_locals(&mut self, member: &str) {
        for info in self.links(member) {
            if !info.state.loopback {
                let address = format!("fe80::{:x}/64", info.index);
                self.address(member, &info.link.name, &address);
            }
        }
    }

    pub(crate) fn links(&self, member: &str) -> Vec<LinkInfo> {
        // Opened anew: a pod's namespace may be another one of the same name by now.
        let kernel = Netns::open(&self.name(member)).and_then(|netns| netns.handle());
        let links = kernel.and_then(|mut kernel| kernel.links());
        links.unwrap_or_else(|error| panic!("{member}: {error}"))
    }

    pub(crate) fn link_info(&self, member: &str, link: &str) -> LinkInfo {
        let mut links = self.links(member).into_iter();
        links
            .find(|info| info.link.name == link)
            .unwrap_or_else(|| panic!("{member} has no link {link}"))
    }

    /// The names of a namespace's links, without loopback and the kernel's own fallback devices.
    pub(crate) fn made(&self, member: &str) -> Vec<String> {
        let links = self.links(member).into_iter();
        let made = links.filter(|info| {
            !matches!(info.link.kind, LinkKind::Physical) && info.link.name != "ip6tnl0"
        });
        made.map(|info| info.link.name).collect()
    }

    /// Brings a project up on a host.
    pub(crate) fn apply(&mut self, host: &str, text: &str) -> Run {
        let file = TextFile::new("compose.yaml", text);
        let (path, netns) = (file.path(), self.name(host));
        let folder = self.state(host);
        let run = kraud(["apply", "-f", &path, "--netns", &netns, "--state", &folder]);
        if run.code == 0 {
            let project = text.lines().find_map(|line| line.strip_prefix("name: "));
            let project = project.expect("every file here names its project");
            self.applied.push((host.to_owned(), project.to_owned()));
        }
        run
    }

    /// As [`Self::apply`], and it has to succeed; a second time there is nothing to do.
    pub(crate) fn up(&mut self, host: &str, text: &str) {
        let run = self.apply(host, text);
        assert_eq!(run.code, 0, "{}", run.stderr);
        let again = self.diff(host, text);
        assert_eq!(
            again.code, 0,
            "a second run has nothing to do: {}{}",
            again.stdout, again.stderr
        );
    }

    pub(crate) fn diff(&self, host: &str, text: &str) -> Run {
        let file = TextFile::new("compose.yaml", text);
        let (path, netns) = (file.path(), self.name(host));
        let folder = self.state(host);
        kraud(["diff", "-f", &path, "--netns", &netns, "--state", &folder])
    }

    /// Takes a project away again.
    pub(crate) fn down(&mut self, host: &str, project: &str) {
        let (netns, folder) = (self.name(host), self.state(host));
        let run = kraud([
            "destroy", "-p", project, "--netns", &netns, "--state", &folder,
        ]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        self.applied
            .retain(|(on, name)| (on.as_str(), name.as_str()) != (host, project));
    }

    fn state(&self, host: &str) -> String {
        self.state.path().join(host).display().to_string()
    }

    /// One echo request, repeated while neighbours are being found.
    pub(crate) fn ping(&self, from: &str, to: &str) -> Outcome {
        let started = Instant::now();
        loop {
            let outcome = self.ping_of(from, to, SMALL);
            if matches!(outcome, Outcome::Reply(_)) || started.elapsed() > WARM_UP {
                return outcome;
            }
        }
    }

    /// One echo request of exactly that size.
    pub(crate) fn ping_of(&self, from: &str, to: &str, bytes: usize) -> Outcome {
        let to: IpAddr = to.parse().expect("an address");
        let namespace = self
            .system
            .netns(&self.name(from))
            .expect("the namespace is there");
        // Connection tracking takes equal identifiers for one flow, which keeps its translation, or the lack of one.
        static IDENTIFIER: AtomicU16 = AtomicU16::new(1);
        let identifier = IDENTIFIER.fetch_add(1, Ordering::Relaxed);
        let ping = move || Ok(Pinger::open(identifier)?.ping(to, bytes, PATIENCE));
        let outcome: std::io::Result<Outcome> = namespace.run(ping).expect("it can be entered");
        outcome.expect("root has raw sockets")
    }

    pub(crate) fn reaches(&self, from: &str, to: &str) {
        let outcome = self.ping(from, to);
        assert!(
            matches!(outcome, Outcome::Reply(_)),
            "{from} to {to}: {outcome:?}"
        );
    }

    /// Nothing comes back, and it is not for want of time: two requests, far apart for a neighbour that answers.
    pub(crate) fn does_not_reach(&self, from: &str, to: &str) {
        for _ in 0..2 {
            let outcome = self.ping_of(from, to, SMALL);
            assert!(!matches!(outcome, Outcome::Reply(_)), "{from} reaches {to}");
        }
    }

    /// A packet of `mtu` bytes passes unfragmented, and one byte more does not (RFC 1191, RFC 8201).
    pub(crate) fn carries_exactly(&self, from: &str, to: &str, mtu: usize) {
        self.reaches(from, to);
        let fits = self.ping_of(from, to, mtu);
        assert!(
            matches!(fits, Outcome::Reply(_)),
            "{from} to {to} with {mtu} bytes: {fits:?}"
        );
        let too_big = self.ping_of(from, to, mtu + 1);
        assert_eq!(
            too_big,
            Outcome::TooBig,
            "{from} to {to} with {} bytes",
            mtu + 1
        );
    }

    /// What iproute2 prints there, trimmed line by line.
    pub(crate) fn ip(&self, member: &str, arguments: &str) -> String {
        let output = Command::new("ip")
            .args(["-n", &self.name(member)])
            .args(arguments.split(' '))
            .output()
            .expect("iproute2 is there");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        lines.join("\n")
    }

    /// The packet filter there.
    pub(crate) fn nft(&self, member: &str) -> String {
        let output = Command::new("ip")
            .args([
                "netns",
                "exec",
                &self.name(member),
                "nft",
                "list",
                "ruleset",
            ])
            .output()
            .expect("nft is there");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Forgets the packet filter there.
    pub(crate) fn flush(&self, member: &str) {
        let flush = [
            "netns",
            "exec",
            &self.name(member),
            "nft",
            "flush",
            "ruleset",
        ];
        let status = Command::new("ip").args(flush).status();
        assert!(status.is_ok_and(|status| status.success()));
    }

    /// The packets that the rule with these words has counted.
    pub(crate) fn counted(&self, member: &str, rule: &str) -> u64 {
        let rules = self.nft(member);
        let line = rules.lines().find(|line| line.contains(rule));
        let line = line.unwrap_or_else(|| panic!("no rule has {rule:?}: {rules}"));
        let number = line
            .split("packets ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next());
        number
            .and_then(|number| number.parse().ok())
            .expect("a counter")
    }
}

impl Drop for Topology {
    fn drop(&mut self) {
        for (host, project) in std::mem::take(&mut self.applied).into_iter().rev() {
            let (netns, folder) = (self.name(&host), self.state(&host));
            kraud([
                "destroy", "-p", &project, "--netns", &netns, "--state", &folder,
            ]);
        }
        for member in &self.members {
            let _ = self
                .system
                .apply(&Step::here(Op::DeleteNetns(member.clone())));
        }
    }
}
