//! Endpoints: addresses and replicas, dynamic ranges, MAC addresses, interface names.

use std::collections::HashMap;
use std::net::IpAddr;

use super::address::fixed;
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::model::{Endpoint, MacAddr, Network, Pool, Project, Service};
use crate::options::Dialect;
use crate::span::{Span, Spanned};
use crate::text::shorten;

/// An IPv4 and an IPv6 member of a network that takes whatever address is free.
type Dynamic<'a> = [Option<&'a Service>; 2];

pub(super) fn check(project: &Project, sink: &mut Sink) {
    let mut dynamic: Vec<Dynamic<'_>> = vec![[None; 2]; project.networks.len()];
    let mut macs: HashMap<(usize, MacAddr), (&Service, Span)> = HashMap::new();
    for service in &project.services {
        for endpoint in &service.endpoints {
            if let Some(slot) = dynamic.get_mut(endpoint.network_index) {
                let [v4, v6] = slot;
                if endpoint.ipv4_address.is_none() {
                    v4.get_or_insert(service);
                }
                if endpoint.ipv6_address.is_none() {
                    v6.get_or_insert(service);
                }
            }
            if let Some(mac) = endpoint.mac_address {
                let key = (endpoint.network_index, mac.value);
                match macs.get(&key) {
                    Some(&(other, span)) if super::coactive(service, other) => {
                        duplicate_mac(service, mac, other, span, sink);
                    }
                    Some(_) => {}
                    None => {
                        macs.insert(key, (service, mac.span));
                    }
                }
            }
        }
    }
    for service in &project.services {
        service_mac(service, sink);
        interfaces(service, sink);
        for endpoint in &service.endpoints {
            let Some(network) = project.networks.get(endpoint.network_index) else {
                continue;
            };
            let dynamic = dynamic
                .get(endpoint.network_index)
                .copied()
                .unwrap_or_default();
            addresses(service, endpoint, network, dynamic, project.dialect, sink);
            macs_and_ips(endpoint, sink);
        }
    }
}

fn addresses(
    service: &Service,
    endpoint: &Endpoint,
    network: &Network,
    [dynamic4, dynamic6]: Dynamic<'_>,
    dialect: Dialect,
    sink: &mut Sink,
) {
    for one in fixed(service, endpoint) {
        let v4 = one.net.addr().is_ipv4();
        if network.external {
            sink.push(Diagnostic::new(
                Code::EXTERNAL_ADDRESS,
                one.span,
                format!(
                    "whether {} fits is up to the external network `{}`",
                    one.net.addr(),
                    shorten(&network.key.value)
                ),
            ));
            continue;
        }
        let replicas = service.replicas;
        if replicas.value > 1 && one.single {
            let d = Diagnostic::new(
                Code::REPLICATED_ADDRESS,
                one.span,
                format!(
                    "all {replicas} replicas of service `{}` would have the address {}",
                    shorten(&service.key.value),
                    one.net.addr()
                ),
            )
            .also(replicas.span, "the number of replicas");
            sink.push(match dialect {
                Dialect::Docker => d.help("leave the address out"),
                Dialect::Kraud => {
                    d.help("give it a prefix: replica i gets its i-th usable address")
                }
            });
        }
        small_prefix(service, endpoint, v4, sink);
        let carried = if v4 {
            network.has_ipv4()
        } else {
            network.has_ipv6()
        };
        let has_pool = network.subnets().any(|s| s.addr().is_ipv4() == v4);
        if !carried && has_pool {
            let family = if v4 { "IPv4" } else { "IPv6" };
            let d = Diagnostic::new(
                Code::FAMILY_OFF,
                one.span,
                format!(
                    "{} has no effect: network `{}` does not carry {family}",
                    one.net.addr(),
                    shorten(&network.key.value)
                ),
            );
            let switch = if v4 { "enable_ipv4" } else { "enable_ipv6" };
            sink.push(
                d.also(network.key.span, "the network")
                    .help(format!("add `{switch}: true` to the network")),
            );
        }
        let racing = if v4 { dynamic4 } else { dynamic6 };
        if let (Some(other), Some(pool)) = (racing, network.pool_of(one.net.addr())) {
            if carried && racy(one.net.addr(), pool) {
                race(one.net.addr(), one.span, other, network, pool, sink);
            }
        }
    }
}

fn small_prefix(service: &Service, endpoint: &Endpoint, v4: bool, sink: &mut Sink) {
    let replicas = service.replicas.value;
    let Some(last) = replicas.checked_sub(1).filter(|&n| n > 0) else {
        return;
    };
    let small = if v4 {
        endpoint
            .ipv4_address
            .filter(|a| a.address().is_none() && a.for_replica(last, replicas).is_none())
            .map(|a| (a.to_string(), a.span))
    } else {
        endpoint
            .ipv6_address
            .filter(|a| a.address().is_none() && a.for_replica(last, replicas).is_none())
            .map(|a| (a.to_string(), a.span))
    };
    if let Some((prefix, span)) = small {
        let d = Diagnostic::new(
            Code::DELEGATED_SMALL,
            span,
            format!("{prefix} has too few usable addresses for {replicas} replicas"),
        );
        sink.push(d.also(service.replicas.span, "the number of replicas"));
    }
}

/// Whether the engine may hand this address to somebody else: it takes from `ip_range`, else from
/// the whole subnet. In IPv6 a fresh network is too large for that to happen by chance, but it
/// counts up from the start.
fn racy(ip: IpAddr, pool: &Pool) -> bool {
    match pool.ip_range {
        Some(range) => range.contains(&ip),
        None => pool.subnet.is_some_and(|s| s.contains(&ip)),
    }
}

fn race(ip: IpAddr, span: Span, other: &Service, network: &Network, pool: &Pool, sink: &mut Sink) {
    let mut d = Diagnostic::new(
        Code::DYNAMIC_RANGE,
        span,
        format!(
            "service `{}` in network `{}` has no fixed address and may be given {ip}",
            shorten(&other.key.value),
            shorten(&network.key.value)
        ),
    )
    .also(other.key.span, "takes any free address");
    d = match pool.ip_range {
        Some(range) => d
            .also(range.span, "dynamic addresses are taken from here")
            .help("choose an address outside of `ip_range`"),
        None => d.help(
            "give the pool an `ip_range` that leaves the fixed addresses out, or fix all of them",
        ),
    };
    sink.push(d);
}

fn duplicate_mac(
    service: &Service,
    mac: Spanned<MacAddr>,
    other: &Service,
    span: Span,
    sink: &mut Sink,
) {
    let d = Diagnostic::new(
        Code::DUPLICATE_MAC,
        mac.span,
        format!(
            "services `{}` and `{}` have the same MAC address {mac} in one network",
            shorten(&other.key.value),
            shorten(&service.key.value)
        ),
    );
    sink.push(d.also(span, "first here"));
}

fn service_mac(service: &Service, sink: &mut Sink) {
    let Some(mac) = service.mac_address else {
        return;
    };
    multicast(mac, sink);
    let order = service.attachment_order();
    let Some(primary) = order.first() else { return };
    if let Some(own) = primary.mac_address.filter(|own| own.value != mac.value) {
        let d = Diagnostic::new(
            Code::PRIMARY_MAC,
            mac.span,
            format!(
                "the MAC address of service `{}` is not the one of its primary network `{}`",
                shorten(&service.key.value),
                shorten(&primary.network.value)
            ),
        );
        sink.push(d.also(own.span, "in the network").help("keep one of them"));
    }
}

fn multicast(mac: Spanned<MacAddr>, sink: &mut Sink) {
    if mac.is_multicast() || mac.value.0 == [0; 6] {
        let what = if mac.is_multicast() {
            "a multicast address"
        } else {
            "all zero"
        };
        let d = Diagnostic::new(
            Code::BAD_MAC,
            mac.span,
            format!("{mac} is {what}; no interface can have it"),
        );
        sink.push(d.help("the second digit has to be even, as in 02:…"));
    }
}

fn macs_and_ips(endpoint: &Endpoint, sink: &mut Sink) {
    if let Some(mac) = endpoint.mac_address {
        multicast(mac, sink);
    }
    for ip in &endpoint.link_local_ips {
        let local = match ip.value {
            IpAddr::V4(ip) => ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_unicast_link_local(),
        };
        if !local {
            let d = Diagnostic::new(
                Code::NOT_LINK_LOCAL,
                ip.span,
                format!("{ip} is not link-local"),
            );
            sink.push(d.help("link-local are 169.254.0.0/16 and fe80::/10"));
        }
    }
}

fn interfaces(service: &Service, sink: &mut Sink) {
    let mut seen: HashMap<&str, Span> = HashMap::new();
    for endpoint in &service.endpoints {
        let Some(name) = &endpoint.interface_name else {
            continue;
        };
        let shown = shorten(&name.value);
        let problem = if name.value.is_empty() {
            Some("an interface name cannot be blank".to_owned())
        } else if name.value.len() > 15 {
            Some(format!(
                "`{shown}` is longer than the 15 bytes of an interface name"
            ))
        } else if name.value == "lo" || name.value == "." || name.value == ".." {
            Some(format!("`{shown}` cannot be the name of this interface"))
        } else if name
            .value
            .chars()
            .any(|c| c == '/' || c == ':' || c.is_whitespace())
        {
            Some(format!(
                "`{shown}` has a character that no interface name has"
            ))
        } else {
            None
        };
        if let Some(message) = problem {
            sink.push(Diagnostic::new(Code::INTERFACE_NAME, name.span, message));
        } else if let Some(first) = seen.insert(&name.value, name.span) {
            let d = Diagnostic::new(
                Code::INTERFACE_NAME,
                name.span,
                format!(
                    "service `{}` has two interfaces named `{shown}`",
                    shorten(&service.key.value)
                ),
            );
            sink.push(d.also(first, "first here"));
        }
    }
}
