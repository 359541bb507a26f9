//! The fixed addresses of endpoints: inside a subnet, free, and nobody else's.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::model::{
    Driver, Endpoint, Ipv4Assignment, Ipv6Assignment, Network, Pool, Project, Service,
};
use crate::span::{Span, Spanned};
use crate::text::{list, shorten};

/// A fixed address or prefix of an endpoint, either family.
#[derive(Clone, Copy)]
pub(super) struct Fixed<'a> {
    pub(super) service: &'a Service,
    pub(super) net: IpNet,
    /// An address, as opposed to a delegated prefix.
    pub(super) single: bool,
    pub(super) span: Span,
}

/// The fixed addresses of an endpoint.
pub(super) fn fixed<'a>(
    service: &'a Service,
    endpoint: &'a Endpoint,
) -> impl Iterator<Item = Fixed<'a>> + use<'a> {
    let v4 = endpoint
        .ipv4_address
        .map(|a: Spanned<Ipv4Assignment>| Fixed {
            service,
            net: a.value.net().into(),
            single: a.value.address().is_some(),
            span: a.span,
        });
    let v6 = endpoint
        .ipv6_address
        .map(|a: Spanned<Ipv6Assignment>| Fixed {
            service,
            net: a.value.net().into(),
            single: a.value.address().is_some(),
            span: a.span,
        });
    v4.into_iter().chain(v6)
}

pub(super) fn check(project: &Project, sink: &mut Sink) {
    let mut by_network: Vec<Vec<Fixed<'_>>> = project.networks.iter().map(|_| Vec::new()).collect();
    for service in &project.services {
        for endpoint in &service.endpoints {
            let Some(network) = project.networks.get(endpoint.network_index) else {
                continue;
            };
            for one in fixed(service, endpoint) {
                inside(network, one, sink);
                if let Some(all) = by_network.get_mut(endpoint.network_index) {
                    all.push(one);
                }
            }
        }
    }
    for (network, all) in project.networks.iter().zip(&by_network) {
        duplicates(network, all, sink);
    }
}

/// One address against the subnets of its network.
fn inside(network: &Network, one: Fixed<'_>, sink: &mut Sink) {
    if network.external {
        return;
    }
    let v4 = one.net.addr().is_ipv4();
    let same_family = |p: &&Pool| p.subnet.is_some_and(|s| s.addr().is_ipv4() == v4);
    let pools: Vec<&Pool> = network.ipam.pools.iter().filter(same_family).collect();
    if pools.is_empty() {
        // A subnet that could not be read has been reported; kraud gives every overlay both.
        let unread = network.ipam.pools.iter().any(|p| p.subnet.is_none());
        let automatic = network.driver.is_kraud_overlay() && !v4;
        if !unread && !automatic {
            no_subnet(network, one, v4, sink);
        }
        return;
    }
    let contains = |p: &&&Pool| p.subnet.is_some_and(|s| s.contains(&one.net));
    match pools
        .iter()
        .filter(contains)
        .max_by_key(|p| p.subnet.map(|s| s.prefix_len()))
    {
        Some(pool) => edges(network, pool, one, sink),
        None => outside(network, &pools, one, sink),
    }
}

fn no_subnet(network: &Network, one: Fixed<'_>, v4: bool, sink: &mut Sink) {
    let family = if v4 { "IPv4" } else { "IPv6" };
    let d = Diagnostic::new(
        Code::NO_SUBNET,
        one.span,
        format!(
            "{} is a fixed address, but network `{}` has no {family} subnet",
            shown(one),
            shorten(&network.key.value)
        ),
    );
    let bits = if v4 { 24 } else { 64 };
    let around = IpNet::new(one.net.addr(), bits).map_or(one.net, |n| n.trunc());
    sink.push(
        d.also(network.key.span, "the network is defined here")
            .help(format!(
                "give it one, as in `ipam: {{config: [{{subnet: {around}}}]}}`"
            )),
    );
}

fn outside(network: &Network, pools: &[&Pool], one: Fixed<'_>, sink: &mut Sink) {
    let subnets: Vec<IpNet> = pools.iter().filter_map(|p| Some(p.subnet?.value)).collect();
    let mut d = Diagnostic::new(
        Code::OUTSIDE_SUBNET,
        one.span,
        format!(
            "{} is outside of every subnet of network `{}` ({})",
            shown(one),
            shorten(&network.key.value),
            list(&subnets)
        ),
    );
    let nearest = pools
        .iter()
        .filter_map(|p| p.subnet)
        .min_by_key(|s| distance(s.value, one.net.addr()));
    if let Some(nearest) = nearest {
        let what = if subnets.len() > 1 {
            "the nearest subnet"
        } else {
            "the subnet"
        };
        d = d.also(nearest.span, format!("{what} is {}", nearest.value));
        d = d.help(format!(
            "use an address of {}, or widen the subnet",
            nearest.value
        ));
    }
    sink.push(d);
}

/// How far an address is from a prefix.
fn distance(net: IpNet, ip: IpAddr) -> u128 {
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    };
    let (first, last, at) = (bits(net.network()), bits(net.broadcast()), bits(ip));
    first.saturating_sub(at).max(at.saturating_sub(last))
}

/// One address against the special ones of its subnet.
fn edges(network: &Network, pool: &Pool, one: Fixed<'_>, sink: &mut Sink) {
    let Some(subnet) = pool.subnet else { return };
    let ip = one.net.addr();
    let tiny = subnet.max_prefix_len() - subnet.prefix_len() <= 1;
    if one.single && !tiny {
        let edge = match subnet.value {
            IpNet::V4(net) if ip == net.network() => Some("network"),
            IpNet::V4(net) if ip == net.broadcast() => Some("broadcast"),
            _ => None,
        };
        if let Some(edge) = edge {
            let d = Diagnostic::new(
                Code::NETWORK_ADDRESS,
                one.span,
                format!("{ip} is the {edge} address of {}", subnet.value),
            );
            sink.push(d.also(subnet.span, "the subnet"));
        }
        if let (IpNet::V6(net), IpAddr::V6(ip)) = (subnet.value, ip) {
            if ip == net.network() {
                let d = Diagnostic::new(
                    Code::ANYCAST_ADDRESS,
                    one.span,
                    format!("{ip} is the subnet-router anycast address of {net}"),
                );
                sink.push(d.also(subnet.span, "the subnet"));
            }
        }
    }
    if let Some(gateway) = pool.gateway {
        if one.net.contains(&gateway.value) {
            let d = Diagnostic::new(
                Code::GATEWAY_ADDRESS,
                one.span,
                if one.single {
                    format!("{ip} is the gateway of {}", subnet.value)
                } else {
                    format!(
                        "{} covers {gateway}, the gateway of {}",
                        one.net, subnet.value
                    )
                },
            );
            sink.push(d.also(gateway.span, "the gateway"));
        }
    } else if let Some(gateway) = implied_gateway(network, pool).filter(|g| one.net.contains(g)) {
        let d = Diagnostic::new(
            Code::GATEWAY_ADDRESS,
            one.span,
            format!(
                "{} is taken: docker gives {gateway} to the gateway of {}",
                shown(one),
                subnet.value
            ),
        );
        sink.push(
            d.also(subnet.span, "the subnet")
                .help("take another address, or name another `gateway`"),
        );
    }
    for (name, aux) in &pool.aux_addresses {
        if one.net.contains(&aux.value) {
            let d = Diagnostic::new(
                Code::AUX_ADDRESS,
                one.span,
                format!("{} is reserved as `{}`", aux.value, shorten(&name.value)),
            );
            sink.push(d.also(aux.span, "reserved here"));
        }
    }
}

/// The gateway that docker's own address management takes when the file names none: the first
/// usable address of the range, else of the subnet. It does so for the drivers that need one.
fn implied_gateway(network: &Network, pool: &Pool) -> Option<IpAddr> {
    let needed = matches!(
        network.driver,
        Driver::Bridge | Driver::Macvlan | Driver::Ipvlan
    );
    let own = network.ipam.driver.is_none();
    network
        .gateway(pool)
        .filter(|_| needed && own && pool.ip_range.is_none())
}

/// Addresses that two services want, and prefixes that cover an address of another.
fn duplicates(network: &Network, all: &[Fixed<'_>], sink: &mut Sink) {
    let mut first: HashMap<IpNet, Vec<Fixed<'_>>> = HashMap::with_capacity(all.len());
    for &one in all {
        let same = first.entry(one.net).or_default();
        // Services of different profiles may stand for each other.
        let clash = same
            .iter()
            .find(|other| super::coactive(one.service, other.service));
        if let Some(other) = clash {
            let d = Diagnostic::new(
                Code::DUPLICATE_ADDRESS,
                one.span,
                format!(
                    "services `{}` and `{}` both ask for {} in network `{}`",
                    shorten(&other.service.key.value),
                    shorten(&one.service.key.value),
                    shown(one),
                    shorten(&network.key.value)
                ),
            );
            sink.push(d.also(
                other.span,
                format!("`{}` has it here", shorten(&other.service.key.value)),
            ));
        }
        same.push(one);
    }
    let delegated = || all.iter().filter(|one| !one.single);
    if delegated().next().is_some() {
        delegated_overlaps(all, sink);
    }
}

/// Prefixes against everything else, by sorting: an overlap shows between neighbours.
fn delegated_overlaps(all: &[Fixed<'_>], sink: &mut Sink) {
    let mut sorted: Vec<&Fixed<'_>> = all.iter().collect();
    sorted.sort_by_key(|one| (one.net.network(), one.net.prefix_len(), one.span));
    let mut open: Vec<&Fixed<'_>> = Vec::new();
    for one in sorted {
        open.retain(|outer| outer.net.contains(&one.net));
        if let Some(outer) = open.last() {
            let same = outer.net == one.net || std::ptr::eq(outer.service, one.service);
            if !outer.single && !same && super::coactive(outer.service, one.service) {
                let d = Diagnostic::new(
                    Code::DELEGATED_OVERLAP,
                    one.span,
                    format!(
                        "{} of service `{}` lies inside of {}, which is delegated to service `{}`",
                        shown(*one),
                        shorten(&one.service.key.value),
                        outer.net,
                        shorten(&outer.service.key.value)
                    ),
                );
                sink.push(d.also(outer.span, "delegated here"));
            }
        }
        open.push(one);
    }
}

fn shown(one: Fixed<'_>) -> String {
    if one.single {
        one.net.addr().to_string()
    } else {
        one.net.to_string()
    }
}
