//! The network between the hosts: a router with a subnet of its own for each of them (row A2), and a switch for each
//! further link that ipvlan networks stand on.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use kraud_netlink::{AddrGenMode, Address, AddressInfo, Link, LinkChange, Route, Sysctl, Veth};

use super::step::Step;
use super::{POD_DEVICE, PROTOCOL};
use crate::cli::Underlay;
use crate::error::Error;
use crate::model::{Deployment, Host, NetworkDriver};
use crate::site::Site;

/// The namespace that stands for the network between the hosts.
pub const ROUTER: &str = "underlay";

/// The addresses of the `number`-th host, counted from 1, on the underlay.
///
/// IPv4 comes from the benchmarking range 198.18.0.0/15 (RFC 2544), IPv6 from the documentation prefix (RFC 3849).
#[must_use]
pub fn addresses(number: u8, family: Underlay) -> Vec<IpAddr> {
    let v4 = IpAddr::V4(Ipv4Addr::new(198, 18, number, 2));
    let v6 = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, number.into(), 0, 0, 0, 0, 2));
    match family {
        Underlay::Dual => vec![v6, v4],
        Underlay::V4 => vec![v4],
        Underlay::V6 => vec![v6],
        Underlay::Mixed if number == 1 => vec![v6, v4],
        Underlay::Mixed if number.is_multiple_of(2) => vec![v4],
        Underlay::Mixed => vec![v6],
    }
}

/// The router's addresses on the subnets that it shares with a host.
pub fn routers(host: &Host) -> impl Iterator<Item = IpAddr> + '_ {
    let addresses = host.underlay.iter();
    addresses.map(|address| Subnet::of(*address).router.addr())
}

/// Where `host` reaches `peer`: over IPv6 if both have it, else over IPv4.
///
/// # Errors
///
/// [`Error::Unplannable`] if they have no family in common.
pub fn endpoint_towards(host: &Host, peer: &Host) -> Result<IpAddr, Error> {
    let has = |v6: bool| host.underlay.iter().any(|own| own.is_ipv6() == v6);
    let common = |v6: bool| {
        peer.underlay
            .iter()
            .copied()
            .find(|theirs| theirs.is_ipv6() == v6 && has(v6))
    };
    common(true).or_else(|| common(false)).ok_or_else(|| {
        Error::Unplannable(format!(
            "hosts `{}` and `{}` have no underlay family in common: give one of them an endpoint of the other's family",
            host.name, peer.name
        ))
    })
}

/// The router's links and addresses, then each host's way to it.
///
/// A router that forwards solicits neighbours from its link-local address, hence one without duplicate detection: the
/// kernel's own would be unusable for a second or two.
pub(super) fn plan(hosts: &[Host], segments: &BTreeSet<String>, steps: &mut Vec<Step>) {
    steps.push(Step::write_sysctl(ROUTER, Sysctl::forwarding4(true)));
    steps.push(Step::write_sysctl(ROUTER, Sysctl::forwarding6(true)));
    for host in hosts {
        let link = Link::veth(&host.name, Veth::peer(POD_DEVICE).netns(&host.name));
        steps.push(Step::add_link(
            ROUTER,
            link.addr_gen_mode(AddrGenMode::None).up(),
        ));
        steps.push(Step::add_address(ROUTER, &host.name, link_local(1)));
        for address in &host.underlay {
            steps.push(Step::add_address(
                ROUTER,
                &host.name,
                Subnet::of(*address).router,
            ));
        }
    }
    for host in hosts {
        // The kernel refuses (ENOTCONN) to open a veth's peer before both ends are there, so it comes up here.
        let up = LinkChange::new(POD_DEVICE)
            .addr_gen_mode(AddrGenMode::None)
            .up();
        steps.push(Step::set_link(&host.name, up));
        steps.push(Step::add_address(&host.name, POD_DEVICE, link_local(2)));
        for address in &host.underlay {
            let Subnet {
                host: own,
                router,
                default,
            } = Subnet::of(*address);
            steps.push(Step::add_address(&host.name, POD_DEVICE, own));
            let route = default
                .dev(POD_DEVICE)
                .via(router.addr())
                .protocol(PROTOCOL);
            steps.push(Step::add_route(&host.name, route));
        }
    }
    for (number, segment) in segments.iter().enumerate() {
        switch(number, segment, hosts, steps);
    }
}

/// The links, other than the underlay's, that ipvlan networks stand on: without the VLAN, and without those that no
/// link can be called.
pub(super) fn segments(deployment: &Deployment) -> BTreeSet<String> {
    let leaving = deployment
        .networks
        .iter()
        .filter(|network| network.leaves());
    let parents = leaving.filter_map(|network| match &network.driver {
        NetworkDriver::Ipvlan { parent, .. } => parent.as_deref(),
        NetworkDriver::Bridge { .. } => None,
    });
    let base = |parent: &str| {
        parent
            .split_once('.')
            .map_or(parent, |(base, _)| base)
            .to_owned()
    };
    parents
        .map(base)
        .filter(|base| base != POD_DEVICE)
        .collect()
}

/// A host of the lab, as networks are planned on it.
pub(super) fn site(host: &Host, segments: &BTreeSet<String>) -> Site {
    let links = std::iter::once(POD_DEVICE).chain(segments.iter().map(String::as_str));
    let address = |address: &IpAddr| AddressInfo {
        index: 2,
        address: Address::new(POD_DEVICE, Subnet::of(*address).host),
        tentative: false,
        dad_failed: false,
        flags: 0,
    };
    Site {
        addresses: host.underlay.iter().map(address).collect(),
        ..Site::with_links(links)
    }
}

/// Every host's end of a segment, and the switch in the middle, which passes VLAN tags on as they are.
fn switch(number: usize, segment: &str, hosts: &[Host], steps: &mut Vec<Step>) {
    let bridge = format!("switch{number}");
    let quiet = |link: Link| link.addr_gen_mode(AddrGenMode::None).up();
    steps.push(Step::add_link(ROUTER, quiet(Link::bridge(&bridge))));
    for (host, at) in hosts.iter().zip(1..) {
        let end = Veth::peer(segment)
            .netns(&host.name)
            .addr_gen_mode(AddrGenMode::None)
            .up();
        let port = Link::veth(format!("s{number}p{at}"), end).master(&bridge);
        steps.push(Step::add_link(ROUTER, quiet(port)));
    }
}

fn link_local(number: u16) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, number),
        64,
    ))
}

/// The subnet that a host shares with the router.
struct Subnet {
    host: IpNet,
    router: IpNet,
    default: Route,
}

impl Subnet {
    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                let net = |address| IpNet::V4(Ipv4Net::new_assert(address, 24));
                Self {
                    host: net(v4),
                    router: net(Ipv4Addr::new(a, b, c, 1)),
                    default: Route::default_v4(),
                }
            }
            IpAddr::V6(v6) => {
                let net = |address| IpNet::V6(Ipv6Net::new_assert(address, 64));
                let prefix = u128::from(v6) & !u128::from(u64::MAX);
                Self {
                    host: net(v6),
                    router: net(Ipv6Addr::from(prefix | 1)),
                    default: Route::default_v6(),
                }
            }
        }
    }
}
