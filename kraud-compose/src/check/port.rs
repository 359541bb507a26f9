//! Published ports: who else has them, and whether there are enough.

use std::net::IpAddr;

use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::model::{NetworkMode, Port, Project, Protocol, Service};
use crate::span::{Span, Spanned};
use crate::text::shorten;

/// A published range of a service.
struct Published<'a> {
    service: &'a Service,
    port: &'a Port,
    span: Span,
    first: u16,
    last: u16,
}

pub(super) fn check(project: &Project, sink: &mut Sink) {
    let mut all: Vec<Published<'_>> = Vec::new();
    for service in &project.services {
        let own_netns = !matches!(
            service.network_mode.as_ref().map(|m| &m.value),
            Some(NetworkMode::Host | NetworkMode::Service(_) | NetworkMode::Container(_))
        );
        for port in &service.ports {
            zero(port, sink);
            enough(service, port, sink);
            let Some(range) = port.published else {
                continue;
            };
            // A range for one port means any free one of it: no clash yet.
            let choice = range.count() > 1 && port.target.count() == 1;
            if own_netns && range.first != 0 && !choice {
                all.push(Published {
                    service,
                    port: &port.value,
                    span: port.span,
                    first: range.first,
                    last: range.last,
                });
            }
        }
        if let Some(first) = service.ports.first() {
            internal_only(service, first.span, project, sink);
            sink.push(Diagnostic::new(
                Code::PORTS_NOT_APPLIED,
                first.span,
                format!(
                    "the published ports of service `{}` are not applied",
                    shorten(&service.key.value)
                ),
            ));
        }
    }
    clashes(all, sink);
}

fn zero(port: &Spanned<Port>, sink: &mut Sink) {
    if port.target.first == 0 {
        sink.push(Diagnostic::new(
            Code::BAD_PORT,
            port.span,
            "the port 0 cannot be published",
        ));
    }
}

fn enough(service: &Service, port: &Spanned<Port>, sink: &mut Sink) {
    let Some(range) = port.published.filter(|r| r.first != 0) else {
        return;
    };
    let replicas = service.replicas;
    let room = if port.target.count() == 1 {
        range.count()
    } else {
        1
    };
    if replicas.value > room {
        let d = Diagnostic::new(
            Code::PORT_REPLICAS,
            port.span,
            format!(
                "{replicas} replicas of service `{}` need as many published ports, not {room}",
                shorten(&service.key.value)
            ),
        );
        sink.push(
            d.also(replicas.span, "the number of replicas")
                .help("publish a range, or leave the published port out"),
        );
    }
}

fn internal_only(service: &Service, at: Span, project: &Project, sink: &mut Sink) {
    let mut inside = service.endpoints.iter();
    let internal = |index: usize| {
        let network = project.networks.get(index);
        network.is_some_and(crate::model::Network::is_internal)
    };
    if !service.endpoints.is_empty() && inside.all(|e| internal(e.network_index)) {
        sink.push(Diagnostic::new(
            Code::INTERNAL_PORTS,
            at,
            format!(
                "service `{}` is in internal networks only, so its published ports reach nobody",
                shorten(&service.key.value)
            ),
        ));
    }
}

fn same_host(a: Option<IpAddr>, b: Option<IpAddr>) -> bool {
    match (a, b) {
        (None, _) | (_, None) => true,
        (Some(a), Some(b)) => {
            a == b || (a.is_ipv4() == b.is_ipv4() && (a.is_unspecified() || b.is_unspecified()))
        }
    }
}

/// Sorted by first port, what overlaps with a range is among those still open when it comes.
fn clashes(mut all: Vec<Published<'_>>, sink: &mut Sink) {
    let rank = |p: &Protocol| match p {
        Protocol::Tcp => 0_u8,
        Protocol::Udp => 1,
        Protocol::Sctp => 2,
    };
    all.sort_by_key(|p| (rank(&p.port.protocol), p.first, p.span));
    let mut open: Vec<&Published<'_>> = Vec::new();
    for one in &all {
        open.retain(|p| p.port.protocol == one.port.protocol && p.last >= one.first);
        let clash = open.iter().find(|p| {
            same_host(p.port.host_ip, one.port.host_ip)
                && (std::ptr::eq(p.service, one.service) || super::coactive(p.service, one.service))
        });
        if let Some(other) = clash {
            let (first, second) = if other.span <= one.span {
                (*other, one)
            } else {
                (one, *other)
            };
            let range = if one.first == one.last {
                format!("port {}", one.first)
            } else {
                format!("ports {}-{}", one.first, one.last.min(other.last))
            };
            let names = if std::ptr::eq(first.service, second.service) {
                format!(
                    "service `{}` publishes {range} twice",
                    shorten(&first.service.key.value)
                )
            } else {
                format!(
                    "services `{}` and `{}` both publish {range}",
                    shorten(&first.service.key.value),
                    shorten(&second.service.key.value)
                )
            };
            let d = Diagnostic::new(
                Code::PORT_CLASH,
                second.span,
                format!("{names} ({})", one.port.protocol),
            );
            sink.push(d.also(first.span, "first here"));
        }
        // Hundreds on one port have been reported often enough.
        if open.len() < 64 {
            open.push(one);
        }
    }
}
