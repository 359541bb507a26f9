//! One pool: gateway, range and auxiliary addresses against their subnet, and the subnet against
//! what the network can carry.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::model::{Driver, IpvlanMode, Network, Pool, Project};
use crate::span::Spanned;
use crate::text::shorten;

pub(super) fn check(project: &Project, sink: &mut Sink) {
    let mut wanted: Vec<u64> = vec![0; project.networks.len()];
    for service in &project.services {
        for endpoint in &service.endpoints {
            if let Some(count) = wanted.get_mut(endpoint.network_index) {
                *count += u64::from(service.replicas.value);
            }
        }
    }
    for (network, wanted) in project.networks.iter().zip(wanted) {
        if network.external {
            continue;
        }
        for pool in &network.ipam.pools {
            let Some(subnet) = pool.subnet else { continue };
            gateway(network, pool, subnet, sink);
            range(pool, subnet, sink);
            auxiliary(pool, subnet, sink);
            space(network, subnet, sink);
            family(network, subnet, sink);
        }
        bridge(network, sink);
        size(network, wanted, sink);
    }
}

fn same_family(a: IpAddr, b: IpAddr) -> bool {
    a.is_ipv4() == b.is_ipv4()
}

/// The network or broadcast address of a prefix with more than two addresses.
fn edge(net: IpNet, ip: IpAddr) -> Option<&'static str> {
    let IpNet::V4(net) = net else { return None };
    if net.prefix_len() >= 31 {
        return None;
    }
    match ip {
        _ if ip == net.network() => Some("network"),
        _ if ip == net.broadcast() => Some("broadcast"),
        _ => None,
    }
}

fn gateway(network: &Network, pool: &Pool, subnet: Spanned<IpNet>, sink: &mut Sink) {
    let Some(gateway) = pool.gateway else { return };
    let problem = if !same_family(gateway.value, subnet.addr()) {
        Some(format!(
            "the gateway {gateway} is not of the family of its subnet {subnet}"
        ))
    } else if !subnet.contains(&gateway.value) {
        Some(format!(
            "the gateway {gateway} is outside of its subnet {subnet}"
        ))
    } else {
        edge(subnet.value, gateway.value)
            .map(|edge| format!("the gateway {gateway} is the {edge} address of {subnet}"))
    };
    if let Some(message) = problem {
        let d = Diagnostic::new(Code::BAD_GATEWAY, gateway.span, message);
        let first = crate::lower::first_usable(subnet.value);
        sink.push(
            d.also(subnet.span, "the subnet")
                .help(format!("the first usable address is {first}")),
        );
        return;
    }
    if let Some(range) = pool.ip_range.filter(|r| r.contains(&gateway.value)) {
        let d = Diagnostic::new(
            Code::GATEWAY_IN_RANGE,
            gateway.span,
            format!("the gateway {gateway} lies inside of `ip_range` {range}"),
        );
        sink.push(
            d.also(range.span, "the range")
                .help("harmless: the engine leaves it out"),
        );
    }
    if network.driver == Driver::Ipvlan && network.ipvlan.mode != IpvlanMode::L2 {
        let d = Diagnostic::new(
            Code::GATEWAY_IGNORED,
            gateway.span,
            format!(
                "the gateway is ignored in ipvlan {}: the default route is the device itself",
                network.ipvlan.mode
            ),
        );
        sink.push(d.help("remove it"));
    }
}

fn range(pool: &Pool, subnet: Spanned<IpNet>, sink: &mut Sink) {
    let Some(range) = pool.ip_range else { return };
    let problem = if !same_family(range.addr(), subnet.addr()) {
        format!("`ip_range` {range} is not of the family of its subnet {subnet}")
    } else if range.prefix_len() < subnet.prefix_len() {
        format!("`ip_range` {range} is bigger than its subnet {subnet}")
    } else if !subnet.contains(&range.value) {
        format!("`ip_range` {range} is outside of its subnet {subnet}")
    } else {
        return;
    };
    sink.push(
        Diagnostic::new(Code::BAD_RANGE, range.span, problem).also(subnet.span, "the subnet"),
    );
}

fn auxiliary(pool: &Pool, subnet: Spanned<IpNet>, sink: &mut Sink) {
    let mut seen: HashMap<IpAddr, &Spanned<IpAddr>> = HashMap::new();
    for (name, aux) in &pool.aux_addresses {
        let name = shorten(&name.value);
        let problem = if !same_family(aux.value, subnet.addr()) {
            Some((
                format!("`{name}` {aux} is not of the family of its subnet {subnet}"),
                subnet.span,
            ))
        } else if !subnet.contains(&aux.value) {
            Some((
                format!("`{name}` {aux} is outside of its subnet {subnet}"),
                subnet.span,
            ))
        } else if let Some(gateway) = pool.gateway.filter(|g| g.value == aux.value) {
            Some((format!("`{name}` {aux} is the gateway"), gateway.span))
        } else {
            seen.get(&aux.value)
                .map(|first| (format!("`{name}` {aux} is reserved twice"), first.span))
        };
        if let Some((message, other)) = problem {
            sink.push(Diagnostic::new(Code::BAD_AUX, aux.span, message).also(other, "see here"));
        }
        seen.insert(aux.value, aux);
    }
}

/// Subnets that belong to somebody.
fn space(network: &Network, subnet: Spanned<IpNet>, sink: &mut Sink) {
    if let IpNet::V6(net) = subnet.value {
        let [a, b, ..] = net.network().segments();
        let ula = a & 0xfe00 == 0xfc00;
        let link_local = a & 0xffc0 == 0xfe80;
        let documentation = (a, b) == (0x2001, 0xdb8) || a & 0xfff0 == 0x3ff0;
        if a & 0xe000 == 0x2000 && !documentation {
            let d = Diagnostic::new(
                Code::SQUATTED_SUBNET,
                subnet.span,
                format!(
                    "{subnet} is public address space: whoever it belongs to cannot be reached"
                ),
            );
            sink.push(d.help(
                "fine if it is yours; else take a unique local prefix, fd and forty random bits \
                 (RFC 4193)",
            ));
        } else if ula {
            weak_ula(subnet, sink);
        } else if link_local && network.driver != Driver::Ipip {
            sink.push(Diagnostic::new(
                Code::BAD_SUBNET,
                subnet.span,
                format!("{subnet} is link-local and cannot be a network's subnet"),
            ));
        }
        return;
    }
    let IpNet::V4(net) = subnet.value else { return };
    if net.network().is_multicast() || net.network().is_loopback() {
        sink.push(Diagnostic::new(
            Code::BAD_SUBNET,
            subnet.span,
            format!("{subnet} cannot be a network's subnet"),
        ));
    } else if !private(net) {
        let d = Diagnostic::new(
            Code::SQUATTED_SUBNET,
            subnet.span,
            format!("{subnet} is public address space: whoever it belongs to cannot be reached"),
        );
        sink.push(d.help("fine if it is yours; else take a prefix of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16"));
    }
}

/// A unique local prefix that somebody else is likely to have chosen too.
pub(crate) fn weak_ula(subnet: Spanned<IpNet>, sink: &mut Sink) {
    let IpNet::V6(net) = subnet.value else { return };
    let ula = net
        .network()
        .segments()
        .first()
        .is_some_and(|a| a & 0xfe00 == 0xfc00);
    if ula && net.prefix_len() >= 48 && weak_global_id(net.network()) {
        let d = Diagnostic::new(
            Code::WEAK_ULA,
            subnet.span,
            format!("{subnet} is a unique local prefix whose global ID is not random"),
        );
        sink.push(
            d.help("take forty random bits (RFC 4193 section 3.2), so that networks can be joined"),
        );
    }
}

/// Whether a global ID cannot be forty random bits: nearly all of it zero, or counted up.
fn weak_global_id(ip: Ipv6Addr) -> bool {
    let [a, b, c, ..] = ip.segments();
    let id = u64::from(a & 0xff) << 32 | u64::from(b) << 16 | u64::from(c);
    // Of 2^40 random IDs fewer than one in ten thousand has at most six bits set.
    id.count_ones() <= 6
}

fn private(net: Ipv4Net) -> bool {
    const PRIVATE: [([u8; 4], u8); 9] = [
        ([10, 0, 0, 0], 8),
        ([100, 64, 0, 0], 10),
        ([169, 254, 0, 0], 16),
        ([172, 16, 0, 0], 12),
        ([192, 0, 2, 0], 24),
        ([192, 168, 0, 0], 16),
        ([198, 18, 0, 0], 15),
        ([198, 51, 100, 0], 24),
        ([203, 0, 113, 0], 24),
    ];
    let inside = |&(base, length): &([u8; 4], u8)| {
        Ipv4Net::new(base.into(), length).is_ok_and(|p| p.contains(&net))
    };
    PRIVATE.iter().any(inside)
}

fn family(network: &Network, subnet: Spanned<IpNet>, sink: &mut Sink) {
    if subnet.addr().is_ipv6() && !network.has_ipv6() {
        let mut d = Diagnostic::new(
            Code::IPV6_OFF,
            subnet.span,
            format!(
                "{subnet} is not used: network `{}` has IPv6 switched off",
                shorten(&network.key.value)
            ),
        );
        d = match network.enable_ipv6 {
            Some(off) => d.also(off.span, "switched off here"),
            None => d.help("add `enable_ipv6: true` to the network"),
        };
        sink.push(d);
    }
    if let Some(off) = network.enable_ipv4.filter(|b| !b.value) {
        if subnet.addr().is_ipv4() {
            let d = Diagnostic::new(
                Code::IPV6_OFF,
                subnet.span,
                format!(
                    "{subnet} is not used: network `{}` has IPv4 switched off",
                    shorten(&network.key.value)
                ),
            );
            sink.push(d.also(off.span, "switched off here"));
        }
    }
}

fn bridge(network: &Network, sink: &mut Sink) {
    if network.driver != Driver::Bridge {
        return;
    }
    let v4 = |p: &&Pool| p.subnet.is_some_and(|s| s.addr().is_ipv4());
    let mut pools = network
        .ipam
        .pools
        .iter()
        .filter(v4)
        .filter_map(|p| p.subnet);
    if let (Some(first), Some(second)) = (pools.next(), pools.next()) {
        let d = Diagnostic::new(
            Code::BRIDGE_POOLS,
            second.span,
            format!(
                "network `{}` is a bridge and can have one IPv4 subnet only",
                shorten(&network.key.value)
            ),
        );
        sink.push(
            d.also(first.span, "the first one")
                .help("make it a second network; ipvlan and macvlan take several"),
        );
    }
}

/// Whether all members fit. Without an IPv4 pool of its own a network takes as large a one as it
/// likes, and no IPv6 pool is ever too small.
fn size(network: &Network, wanted: u64, sink: &mut Sink) {
    let mut room = 0_u64;
    let mut last = None;
    for pool in &network.ipam.pools {
        let Some(subnet) = pool.subnet else { return };
        let IpNet::V4(net) = subnet.value else {
            continue;
        };
        let hosts = 1_u64 << (32 - u64::from(net.prefix_len()));
        let tiny = net.prefix_len() >= 31;
        // The engine takes one for the gateway unless the driver has none.
        let gateway = u64::from(!tiny && !matches!(network.driver, Driver::Ipvlan));
        let edges = if tiny { 0 } else { 2 };
        room += hosts.saturating_sub(edges + gateway + pool.aux_addresses.len() as u64);
        last = Some(subnet);
    }
    if let Some(subnet) = last.filter(|_| wanted > room) {
        let d = Diagnostic::new(
            Code::POOL_TOO_SMALL,
            subnet.span,
            format!(
                "network `{}` has {wanted} members, but its subnets have room for {room}",
                shorten(&network.key.value)
            ),
        );
        sink.push(d.help("widen the subnet"));
    }
}
