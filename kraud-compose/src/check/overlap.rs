//! Subnets against each other: within a network, between networks, and with what others hold.

use ipnet::IpNet;

use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::model::{Driver, Network, Project};
use crate::options::{Dialect, Options};
use crate::span::{Span, Spanned};
use crate::text::shorten;

/// A subnet of a network, or of somebody else.
#[derive(Clone, Copy)]
struct Held<'a> {
    net: IpNet,
    span: Option<Span>,
    network: Option<(usize, &'a Network)>,
    foreign: &'a str,
}

pub(super) fn check(project: &Project, options: &Options, sink: &mut Sink) {
    let mut all: Vec<Held<'_>> = Vec::new();
    for (index, network) in project.networks.iter().enumerate() {
        if network.external {
            continue;
        }
        for subnet in network.ipam.pools.iter().filter_map(|p| p.subnet) {
            default_pool(subnet, sink);
            all.push(Held {
                net: subnet.value,
                span: Some(subnet.span),
                network: Some((index, network)),
                foreign: "",
            });
        }
    }
    for (name, net) in &options.foreign_pools {
        all.push(Held {
            net: net.trunc(),
            span: None,
            network: None,
            foreign: name,
        });
    }
    // Prefixes nest or are apart: sorted, what contains a prefix is on the stack when it comes.
    all.sort_by_key(|h| (h.net.network(), h.net.prefix_len(), h.span));
    let mut open: Vec<Held<'_>> = Vec::new();
    for held in all {
        open.retain(|outer| outer.net.contains(&held.net));
        // One finding per subnet is enough: the innermost of those that contain it.
        let clash = open
            .iter()
            .rev()
            .find(|outer| clashes(outer, &held, project.dialect));
        if let Some(outer) = clash {
            report(*outer, held, sink);
        }
        // A long chain of nested prefixes of harmless networks must not make this quadratic.
        if open.len() < 64 {
            open.push(held);
        }
    }
}

fn clashes(a: &Held<'_>, b: &Held<'_>, dialect: Dialect) -> bool {
    let (Some((i, x)), Some((j, y))) = (a.network, b.network) else {
        // Two foreign ones are not ours to judge.
        return a.network.is_some() != b.network.is_some();
    };
    // Two ipvlan or macvlan networks may share a subnet on different parents; overlays of kraud
    // are apart unless one pod joins both, which the planner knows.
    let apart = |n: &Network| match n.driver {
        Driver::Ipvlan | Driver::Macvlan => true,
        Driver::Ipip => dialect == Dialect::Kraud,
        _ => false,
    };
    i == j || !(apart(x) && apart(y) && parents_differ(x, y))
}

fn parents_differ(a: &Network, b: &Network) -> bool {
    let name = |n: &'_ Network| n.parent().map(|p| p.value.clone());
    a.driver != b.driver || name(a) != name(b) || a.driver == Driver::Ipip
}

fn report(outer: Held<'_>, inner: Held<'_>, sink: &mut Sink) {
    match (outer.network, inner.network) {
        (Some((i, a)), Some((j, b))) => {
            // The later one in the file is the one to mend.
            let (first, second) = if outer.span <= inner.span {
                (outer, inner)
            } else {
                (inner, outer)
            };
            let (Some(at), Some(other)) = (second.span, first.span) else {
                return;
            };
            let (code, message) = if i == j {
                (
                    Code::POOL_OVERLAP,
                    format!(
                        "subnets {} and {} of network `{}` overlap",
                        first.net,
                        second.net,
                        shorten(&a.key.value)
                    ),
                )
            } else {
                let (a, b) = if outer.span <= inner.span {
                    (a, b)
                } else {
                    (b, a)
                };
                (
                    Code::NETWORK_OVERLAP,
                    format!(
                        "{} of network `{}` overlaps with {} of network `{}`",
                        second.net,
                        shorten(&b.key.value),
                        first.net,
                        shorten(&a.key.value)
                    ),
                )
            };
            sink.push(Diagnostic::new(code, at, message).also(other, "the other subnet"));
        }
        (Some((_, network)), None) => foreign(outer, network, inner, sink),
        (None, Some((_, network))) => foreign(inner, network, outer, sink),
        (None, None) => {}
    }
}

fn foreign(held: Held<'_>, network: &Network, other: Held<'_>, sink: &mut Sink) {
    if let Some(span) = held.span {
        sink.push(Diagnostic::new(
            Code::FOREIGN_OVERLAP,
            span,
            format!(
                "{} of network `{}` overlaps with {}, which {} holds",
                held.net,
                shorten(&network.key.value),
                other.net,
                shorten(other.foreign)
            ),
        ));
    }
}

/// Docker hands these out on its own, so a fixed subnet of them may be taken by then.
fn default_pool(subnet: Spanned<IpNet>, sink: &mut Sink) {
    if !sink.wants(Code::DEFAULT_POOL) {
        return;
    }
    let IpNet::V4(net) = subnet.value else { return };
    let [a, b, ..] = net.network().octets();
    let inside = net.prefix_len() >= 16 && a == 172 && (17..=31).contains(&b);
    if inside {
        let d = Diagnostic::new(
            Code::DEFAULT_POOL,
            subnet.span,
            format!(
                "{net} is among the subnets that docker hands out on its own (172.17.0.0/16 to 172.31.0.0/16)"
            ),
        );
        sink.push(
            d.help("another network may have it by the time this one is made; 10.0.0.0/8 is safer"),
        );
    }
}
