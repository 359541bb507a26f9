//! Services among each other: `network_mode`, dependencies, circles, replicas.

use std::collections::HashMap;

use crate::diagnostic::{Code, Diagnostic, Sink, closest};
use crate::model::{NetworkMode, Project, Service};
use crate::span::Span;
use crate::text::shorten;

pub(super) fn check(project: &Project, sink: &mut Sink) {
    let services = project.services.iter();
    let index: HashMap<&str, usize> = services
        .enumerate()
        .map(|(i, s)| (s.key.value.as_str(), i))
        .collect();
    let mut graph: Vec<Vec<(usize, Span)>> = Vec::with_capacity(project.services.len());
    for service in &project.services {
        mode(service, sink);
        replicas(service, sink);
        graph.push(dependencies(service, project, &index, sink));
    }
    circles(project, &graph, sink);
}

fn mode(service: &Service, sink: &mut Sink) {
    let Some(mode) = &service.network_mode else {
        return;
    };
    let key = shorten(&service.key.value);
    let mut void: Vec<(&str, Span)> = Vec::new();
    let foreign = matches!(
        mode.value,
        NetworkMode::Service(_) | NetworkMode::Container(_)
    );
    match &mode.value {
        NetworkMode::Host | NetworkMode::None => {
            void.extend(service.ports.first().map(|p| ("ports", p.span)));
        }
        NetworkMode::Service(_) | NetworkMode::Container(_) => {
            void.extend(service.ports.first().map(|p| ("ports", p.span)));
            void.extend(service.hostname.as_ref().map(|h| ("hostname", h.span)));
            void.extend(service.domainname.as_ref().map(|h| ("domainname", h.span)));
            void.extend(service.dns.first().map(|d| ("dns", d.span)));
            void.extend(service.dns_search.first().map(|d| ("dns_search", d.span)));
            void.extend(service.dns_opt.first().map(|d| ("dns_opt", d.span)));
            void.extend(service.extra_hosts.first().map(|h| ("extra_hosts", h.span)));
        }
        NetworkMode::Other(name) => {
            let d = Diagnostic::new(
                Code::UNKNOWN_MODE,
                mode.span,
                format!(
                    "`{}` is taken for the name of a network outside of the project",
                    shorten(name)
                ),
            );
            sink.push(d.help("use `networks` for a network of the project"));
        }
        NetworkMode::Bridge => {}
    }
    void.extend(
        service
            .mac_address
            .filter(|_| foreign)
            .map(|m| ("mac_address", m.span)),
    );
    void.extend(
        service
            .links
            .first()
            .filter(|_| foreign)
            .map(|l| ("links", l.span)),
    );
    for (name, span) in void {
        let d = Diagnostic::new(
            Code::MODE_CONFLICT,
            span,
            format!(
                "`{name}` has no effect with `network_mode: {}` of service `{key}`",
                shorten(&mode.to_string())
            ),
        );
        let help = match (&mode.value, name) {
            (NetworkMode::Service(other), "ports") => {
                format!(
                    "publish them in service `{}`, whose network it is",
                    shorten(other)
                )
            }
            _ => format!("remove `{name}`"),
        };
        sink.push(d.also(mode.span, "the network mode").help(help));
    }
}

fn replicas(service: &Service, sink: &mut Sink) {
    let Some(name) = &service.container_name else {
        return;
    };
    if service.replicas.value > 1 {
        let d = Diagnostic::new(
            Code::REPLICATED_NAME,
            name.span,
            format!(
                "{} replicas of service `{}` cannot all be named `{}`",
                service.replicas,
                shorten(&service.key.value),
                shorten(&name.value)
            ),
        );
        sink.push(
            d.also(service.replicas.span, "the number of replicas")
                .help("remove `container_name`"),
        );
    }
}

/// The services that this one waits for, as edges.
fn dependencies(
    service: &Service,
    project: &Project,
    index: &HashMap<&str, usize>,
    sink: &mut Sink,
) -> Vec<(usize, Span)> {
    let key = shorten(&service.key.value);
    let mut edges = Vec::with_capacity(service.depends_on.len());
    for dependency in &service.depends_on {
        let name = dependency.service.value.as_str();
        let span = dependency.service.span;
        let Some(&at) = index.get(name) else {
            let by_mode = matches!(
                service.network_mode.as_ref().map(|m| &m.value),
                Some(NetworkMode::Service(n)) if n == name
            );
            if !dependency.required && !dependency.implied {
                continue;
            }
            let (code, message) = if by_mode && dependency.implied {
                (
                    Code::MODE_TARGET,
                    format!(
                        "`network_mode` of service `{key}` names service `{}`, which is not defined",
                        shorten(name)
                    ),
                )
            } else {
                (
                    Code::UNDEFINED_SERVICE,
                    format!(
                        "service `{key}` refers to service `{}`, which is not defined",
                        shorten(name)
                    ),
                )
            };
            let mut d = Diagnostic::new(code, span, message);
            let names = project.services.iter().map(|s| s.key.value.as_str());
            if let Some(meant) = closest(name, names) {
                d = d.help(format!("did you mean `{meant}`?"));
                // Elsewhere the name is only a part of what stands there.
                if !dependency.implied {
                    d = d.fix(format!("write `{meant}`"), span, meant);
                }
            }
            sink.push(d);
            continue;
        };
        edges.push((at, span));
        let Some(other) = project.services.get(at) else {
            continue;
        };
        if service.active && !other.active && dependency.required {
            let profiles: Vec<&str> = other.profiles.iter().map(|p| p.value.as_str()).collect();
            let d = Diagnostic::new(
                Code::INACTIVE_DEPENDENCY,
                span,
                format!(
                    "service `{key}` needs service `{}`, which is only in the profiles {}",
                    shorten(name),
                    shorten(&profiles.join(", "))
                ),
            );
            sink.push(
                d.also(other.key.span, "defined here")
                    .help("activate one of the profiles, or give both the same"),
            );
        }
    }
    edges
}

/// Depth first, without recursion: an edge back to a service that is still open closes a circle.
fn circles(project: &Project, graph: &[Vec<(usize, Span)>], sink: &mut Sink) {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; graph.len()];
    for start in 0..graph.len() {
        let mut path: Vec<(usize, usize)> = vec![(start, 0)];
        if marks.get(start) != Some(&Mark::New) {
            continue;
        }
        while let Some(top) = path.last_mut() {
            let (node, next) = *top;
            top.1 += 1;
            if let Some(mark) = marks.get_mut(node) {
                *mark = Mark::Open;
            }
            let Some(&(to, span)) = graph.get(node).and_then(|edges| edges.get(next)) else {
                if let Some(mark) = marks.get_mut(node) {
                    *mark = Mark::Done;
                }
                path.pop();
                continue;
            };
            match marks.get(to) {
                Some(Mark::New) => path.push((to, 0)),
                Some(Mark::Open) => {
                    let from = path.iter().position(|&(n, _)| n == to).unwrap_or(0);
                    let circle = path.iter().skip(from).map(|&(n, _)| n).chain([to]);
                    let names: Vec<&str> = circle
                        .filter_map(|n| project.services.get(n))
                        .map(|s| s.key.value.as_str())
                        .collect();
                    let names = match names.as_slice() {
                        [a, b, .., y, z] if names.len() > 8 => {
                            format!("{a} -> {b} -> … -> {y} -> {z}")
                        }
                        _ => names.join(" -> "),
                    };
                    let mut d = Diagnostic::new(
                        Code::CYCLE,
                        span,
                        format!("services wait for each other in a circle: {names}"),
                    );
                    // The last step of the path is the one that closes the circle.
                    let steps = path.iter().skip(from).take(path.len() - from - 1);
                    for &(node, next) in steps.take(8) {
                        let edge = graph.get(node).and_then(|edges| edges.get(next - 1));
                        let Some(&(other, at)) = edge else { continue };
                        let name = |n: usize| project.services.get(n).map(|s| shorten(&s.key));
                        let names = name(node).zip(name(other));
                        if let Some((waiting, other)) = names {
                            d = d.also(at, format!("`{waiting}` waits for `{other}`"));
                        }
                    }
                    sink.push(d.help(
                        "`depends_on`, `links` and `network_mode: service:…` all mean waiting",
                    ));
                }
                _ => {}
            }
        }
    }
}
