//! The names by which services find each other.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::model::{Project, Service};
use crate::span::{Span, Spanned};
use crate::text::shorten;

pub(super) fn check(project: &Project, sink: &mut Sink) {
    if sink.wants(Code::ALIAS_CLASH) {
        aliases(project, sink);
    }
    for service in &project.services {
        for server in &service.dns {
            // A scope is allowed here, and only here.
            let address = server.value.split('%').next().unwrap_or_default();
            if address.parse::<IpAddr>().is_err() {
                sink.push(Diagnostic::new(
                    Code::BAD_DNS,
                    server.span,
                    format!(
                        "the name server `{}` is not an IP address",
                        shorten(&server.value)
                    ),
                ));
            }
        }
        for host in &service.extra_hosts {
            let address = host.address.as_str();
            if address != "host-gateway" && address.parse::<IpAddr>().is_err() {
                let d = Diagnostic::new(
                    Code::HOST_ADDRESS,
                    host.span,
                    format!(
                        "the address `{}` of the extra host `{}` is not an IP address",
                        shorten(address),
                        shorten(&host.name)
                    ),
                );
                sink.push(d.help("an IP address, or `host-gateway`"));
            }
        }
        for (name, what) in [
            (&service.hostname, "host name"),
            (&service.domainname, "domain name"),
        ] {
            if let Some(name) = name {
                hostname(name, what, sink);
            }
        }
    }
}

/// Letters, digits, `-` and `.`, as RFC 1123 has it; `_` is seen in the wild and let pass.
fn hostname(name: &Spanned<String>, what: &str, sink: &mut Sink) {
    let label = |label: &str| {
        let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(good)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.value.len() > 253 || !name.value.trim_end_matches('.').split('.').all(label) {
        let d = Diagnostic::new(
            Code::BAD_HOSTNAME,
            name.span,
            format!("`{}` is no {what}", shorten(&name.value)),
        );
        sink.push(d.help("labels of letters, digits and `-`, joined by dots"));
    }
}

/// A name that two services answer to: each query gets one or the other.
fn aliases(project: &Project, sink: &mut Sink) {
    let mut names: HashMap<(usize, &str), (&Service, Span)> = HashMap::new();
    for service in &project.services {
        for endpoint in &service.endpoints {
            let own = [(service.key.value.as_str(), service.key.span)];
            let container = service
                .container_name
                .as_ref()
                .map(|n| (n.value.as_str(), n.span));
            for (name, span) in own.into_iter().chain(container) {
                names
                    .entry((endpoint.network_index, name))
                    .or_insert((service, span));
            }
        }
    }
    for service in &project.services {
        for endpoint in &service.endpoints {
            for alias in &endpoint.aliases {
                let key = (endpoint.network_index, alias.value.as_str());
                match names.get(&key) {
                    Some(&(other, span)) if super::coactive(service, other) => {
                        let d = Diagnostic::new(
                            Code::ALIAS_CLASH,
                            alias.span,
                            format!(
                                "`{}` names both service `{}` and service `{}` in network `{}`",
                                shorten(&alias.value),
                                shorten(&other.key.value),
                                shorten(&service.key.value),
                                shorten(&endpoint.network.value)
                            ),
                        );
                        sink.push(d.also(span, "first here").help(
                            "queries get one of the two; fine where they are meant to share the load",
                        ));
                    }
                    Some(_) => {}
                    None => {
                        names.insert(key, (service, alias.span));
                    }
                }
            }
        }
    }
}
