//! Real traffic between two pods on two hosts, whatever planes carry it.

#![allow(dead_code, reason = "each test file uses its part")]

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use clap::Parser;
use kraud_demo::cli::{Cli, Command, PlaneChoice};
use kraud_demo::commands::deployment;
use kraud_demo::lab::Interrupt;
use kraud_demo::plan::Plan;
use kraud_demo::plane::{Machine, choose};
use kraud_demo::talk::Talk;
use kraud_demo::{input, keys};
use kraud_netlink::{Handle, Link, Op, Route};
use nix::sys::socket::{setsockopt, sockopt};
use rustix::net::sockopt::{Ipv4PathMtuDiscovery, ip_mtu, set_ip_mtu_discover, set_ip_ttl};

/// The compose file: pods `east` and `west`.
const FILE: &str = include_str!("../files/two-ends.yaml");

/// Longer than any MTU on the way: three fragments.
const LONG: usize = 4000;

/// How long a datagram may take, a handshake before it included.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Two pods and the hosts that carry them.
pub(crate) struct Ends {
    machine: Machine,
    /// The pods' names, and their overlay addresses, IPv4 and IPv6.
    pods: [(String, [IpAddr; 2]); 2],
    /// The longest packet of the overlay.
    pub(crate) mtu: usize,
}

impl Ends {
    /// Brings them up.
    pub(crate) fn up(plane: PlaneChoice) -> Self {
        let file = crate::common::TextFile::new("two-ends.yaml", FILE);
        let cli = Cli::parse_from(["kraud-demo", "--quiet", "lab", "-f", &file.path()]);
        let Command::Lab(lab) = &cli.command else {
            panic!("another command");
        };
        let talk = Talk::new(cli.global);
        let project = input::load(&lab.input, &talk).expect("a good file");
        let deployment = deployment(&project, &lab.input, lab.topology, &talk).expect("addresses");
        let (plane, _) = choose(plane).expect("a plane");
        let plan = Plan::new(&deployment, plane).expect("a plan");
        let keys = keys::of_hosts(&deployment.hosts, None).expect("keys");
        let interrupt = Interrupt::watch().expect("signals");
        let machine =
            Machine::up(&plan, &deployment, &keys, plane, &interrupt).expect("everything is up");
        let pods = [0, 1].map(|host| {
            let pod = deployment.pods_on(host).next().expect("a pod on each host");
            let membership = pod.memberships.first().expect("an overlay");
            let mut addresses = membership.addresses();
            let mut next = || addresses.next().expect("both families");
            (pod.name.clone(), [next(), next()])
        });
        Self {
            machine,
            pods,
            mtu: usize::try_from(plan.mtu.overlay).expect("a small number"),
        }
    }

    /// Does something in a pod's network namespace.
    pub(crate) fn inside<R: Send>(&self, end: usize, what: impl FnOnce() -> R + Send) -> R {
        let (name, _) = &self.pods[end];
        self.machine.run_in(name, what).expect("the pod is there")
    }

    /// A pod's overlay addresses.
    pub(crate) fn addresses(&self, end: usize) -> [IpAddr; 2] {
        self.pods[end].1
    }

    /// A UDP socket at a pod's overlay address.
    fn socket(&self, end: usize, address: IpAddr) -> UdpSocket {
        self.inside(end, || {
            let socket = UdpSocket::bind(SocketAddr::new(address, 0)).expect("an own address");
            socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            socket
        })
    }

    /// Both directions: a datagram that needs fragments arrives as it was sent, and the receiver's kernel has put it
    /// together.
    pub(crate) fn fragments_arrive(&self) {
        for (from, to) in [(0, 1), (1, 0)] {
            for (source, destination) in self.addresses(from).into_iter().zip(self.addresses(to)) {
                let (sender, receiver) = (self.socket(from, source), self.socket(to, destination));
                if source.is_ipv4() {
                    // Without "don't fragment", and also when a smaller MTU is known.
                    set_ip_mtu_discover(&sender, Ipv4PathMtuDiscovery::DONT).expect("an option");
                }
                let before = self.inside(to, || reassembled(destination));
                let sent: Vec<u8> = (0..LONG).map(|at| (at % 251) as u8).collect();
                sender
                    .send_to(&sent, receiver.local_addr().expect("bound"))
                    .expect("fragments may be sent");
                let mut buffer = [0; LONG + 1];
                let (length, peer) = receiver.recv_from(&mut buffer).expect("it arrives");
                assert_eq!(&buffer[..length], &sent[..], "{source} to {destination}");
                assert_eq!(peer, sender.local_addr().expect("bound"));
                let after = self.inside(to, || reassembled(destination));
                assert_eq!(after, before + 1, "{destination} put fragments together");
            }
        }
    }

    /// Both directions and families: what is sent to a port where nobody listens is answered by ICMP through the tunnel.
    pub(crate) fn closed_ports_are_reported(&self) {
        for (from, to) in [(0, 1), (1, 0)] {
            for (source, destination) in self.addresses(from).into_iter().zip(self.addresses(to)) {
                let sender = self.socket(from, source);
                sender.connect((destination, 9)).expect("a route");
                sender.send(b"anyone?").expect("sent");
                let error = sender.recv(&mut [0; 8]).expect_err("nobody answers");
                assert_eq!(
                    error.kind(),
                    ErrorKind::ConnectionRefused,
                    "{source} to {destination}: {error}"
                );
            }
        }
    }

    /// Both directions: a pod that forwards into a smaller link tells the sender its MTU, by ICMP through the tunnel.
    pub(crate) fn a_smaller_mtu_behind_a_pod_is_reported(&self) {
        const SMALLER: u32 = 1300;
        for (from, to) in [(0, 1), (1, 0)] {
            let beyond = self.network_behind(to, SMALLER);
            let sender = self.towards(from, beyond);
            assert_eq!(ip_mtu(&sender).expect("connected") as usize, self.mtu);
            let packet = vec![0; self.mtu - 28];
            sender.send(&packet).expect("it fits the overlay");
            let error = sender.recv(&mut [0; 8]).expect_err("nobody answers");
            assert_eq!(error.raw_os_error(), Some(nix::libc::EMSGSIZE), "{error}");
            assert_eq!(ip_mtu(&sender).expect("connected"), SMALLER);
            let error = sender.send(&packet).expect_err("it is known now");
            assert_eq!(error.raw_os_error(), Some(nix::libc::EMSGSIZE));
        }
    }

    /// Both directions: a hop limit that ends at a pod that forwards comes back as an error, by ICMP through the tunnel.
    pub(crate) fn a_spent_ttl_behind_a_pod_is_reported(&self) {
        for (from, to) in [(0, 1), (1, 0)] {
            let beyond = self.network_behind(to, 1400);
            let sender = self.towards(from, beyond);
            set_ip_ttl(&sender, 1).expect("an option");
            sender.send(b"not that far").expect("sent");
            let error = sender.recv(&mut [0; 8]).expect_err("nobody answers");
            assert_eq!(error.kind(), ErrorKind::HostUnreachable, "{error}");
        }
    }

    /// A socket that sends with "don't fragment" set and hears of errors on the way.
    fn towards(&self, from: usize, to: Ipv4Addr) -> UdpSocket {
        let [own, _] = self.addresses(from);
        let sender = self.socket(from, own);
        set_ip_mtu_discover(&sender, Ipv4PathMtuDiscovery::DO).expect("an option");
        setsockopt(&sender, sockopt::Ipv4RecvErr, &true).expect("an option");
        sender.connect((to, 9)).expect("a route");
        sender
    }

    /// Makes a pod forward into a link of that MTU, and returns an address there: in the pod's prefix, but not its own.
    fn network_behind(&self, end: usize, mtu: u32) -> Ipv4Addr {
        let [IpAddr::V4(own), _] = self.addresses(end) else {
            panic!("the first address is of IPv4");
        };
        let [a, b, c, _] = own.octets();
        // A link of its own for each MTU, and half of a /24 of the prefix.
        let (device, at) = if mtu == 1400 {
            ("behind0", 64)
        } else {
            ("behind1", 128)
        };
        self.inside(end, || {
            fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("a sysctl");
            let network = format!("{a}.{b}.{c}.{at}/26").parse().expect("a prefix");
            let peer = format!("{device}p");
            let mut kernel = Handle::current().expect("netlink");
            for op in [
                Op::AddLink(Link::veth(device, peer.as_str()).mtu(mtu).up()),
                Op::AddRoute(Route::new(network).dev(device)),
            ] {
                kernel.apply(&op).expect("a link behind the pod");
            }
        });
        Ipv4Addr::new(a, b, c, at + 7)
    }
}

/// How many packets the kernel has put together from fragments in this thread's network namespace.
fn reassembled(family: IpAddr) -> u64 {
    if family.is_ipv6() {
        let counters = fs::read_to_string("/proc/thread-self/net/snmp6").expect("counters");
        let mut lines = counters.lines().map(str::split_whitespace);
        let value = lines.find_map(|mut line| {
            let name = line.next()?;
            (name == "Ip6ReasmOKs").then(|| line.next()).flatten()
        });
        return value.expect("a counter").parse().expect("a number");
    }
    // A line of names and a line of values.
    let counters = fs::read_to_string("/proc/thread-self/net/snmp").expect("counters");
    let mut lines = counters.lines().filter(|line| line.starts_with("Ip:"));
    let (names, values) = (lines.next(), lines.next());
    let names = names.expect("names").split_whitespace();
    let mut both = names.zip(values.expect("values").split_whitespace());
    let (_, value) = both
        .find(|(name, _)| *name == "ReasmOKs")
        .expect("a counter");
    value.parse().expect("a number")
}
