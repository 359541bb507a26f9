//! The lists of a service: ports, links, hosts, dependencies.

use super::Context;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{DependsOn, ExtraHost, Link, Port, PortRange, Protocol};
use crate::span::{Span, Spanned};
use crate::text::shorten;
use crate::yaml::{Entry, NodeId};

impl Context<'_> {
    /// `ports`, short and long form.
    pub(super) fn ports(&mut self, id: NodeId) -> Vec<Spanned<Port>> {
        if self.tree.is_null(id) {
            return Vec::new();
        }
        let Some(items) = self.tree.items(id).map(<[NodeId]>::to_vec) else {
            let d = self.wrong_type(id, "`ports`", "a list");
            self.sink.push(d);
            return Vec::new();
        };
        let ports = items.into_iter().filter_map(|item| self.port(item));
        let ports: Vec<Spanned<Port>> = ports.collect();
        self.unique(ports, "`ports`")
    }

    fn port(&mut self, id: NodeId) -> Option<Spanned<Port>> {
        let span = self.tree.span(id);
        if self.tree.entries(id).is_some() {
            return self.long_port(id).map(|port| Spanned::new(port, span));
        }
        let text = self.string(id, "an entry of `ports`")?;
        match text.value.parse::<Port>() {
            Ok(port) => Some(Spanned::new(port, span)),
            Err(error) => {
                let shown = self.shown(id);
                let error = error.to_string();
                let reason = if self.is_variable(id) {
                    String::new()
                } else {
                    format!(": {}", shorten(&error))
                };
                self.sink.push(Diagnostic::new(
                    Code::BAD_PORT,
                    span,
                    format!("`{shown}` is not a port mapping{reason}"),
                ));
                None
            }
        }
    }

    fn long_port(&mut self, id: NodeId) -> Option<Port> {
        let mut port = Port {
            target: PortRange::single(0),
            published: None,
            host_ip: None,
            protocol: Protocol::Tcp,
            mode: "ingress".to_owned(),
            name: None,
            app_protocol: None,
        };
        let mut target = None;
        let mut good = true;
        for e in self.entries(id, "an entry of `ports`") {
            let key = self.tree.str(e.key).unwrap_or_default().to_owned();
            if !super::keys::PORT.contains(&key.as_str()) {
                self.unknown_key(e, "an entry of `ports`", super::keys::PORT);
                continue;
            }
            if key == "published"
                && (self.tree.is_null(e.value) || self.tree.str(e.value) == Some(""))
            {
                continue;
            }
            let Some(text) = self.string(e.value, &format!("`{key}`")) else {
                good = false;
                continue;
            };
            let fine = match key.as_str() {
                "app_protocol" => {
                    port.app_protocol = Some(text.value);
                    true
                }
                "host_ip" => {
                    port.host_ip = text.value.trim_matches(['[', ']']).parse().ok();
                    port.host_ip.is_some() || text.value.is_empty()
                }
                "mode" => {
                    port.mode = text.value;
                    true
                }
                "name" => {
                    port.name = Some(text.value);
                    true
                }
                "protocol" => match text.value.to_ascii_lowercase().as_str() {
                    "tcp" | "" => true,
                    "udp" => {
                        port.protocol = Protocol::Udp;
                        true
                    }
                    "sctp" => {
                        port.protocol = Protocol::Sctp;
                        true
                    }
                    _ => false,
                },
                "published" => {
                    port.published = PortRange::parse(&text.value);
                    port.published.is_some()
                }
                _ => {
                    target = PortRange::parse(&text.value).filter(|r| r.count() == 1);
                    target.is_some()
                }
            };
            if !fine {
                good = false;
                let shown = self.shown(e.value);
                self.sink.push(Diagnostic::new(
                    Code::BAD_PORT,
                    self.place(e.value),
                    format!("`{shown}` cannot be the `{key}` of a port"),
                ));
            }
        }
        if target.is_none() && good {
            self.sink.push(Diagnostic::new(
                Code::BAD_PORT,
                self.place(id),
                "a port needs a `target`",
            ));
        }
        port.target = target?;
        good.then_some(port)
    }

    /// `links` or `external_links`.
    pub(super) fn links(&mut self, id: NodeId, what: &str) -> Vec<Spanned<Link>> {
        if self.tree.is_null(id) {
            return Vec::new();
        }
        let texts = self.strings(id, what);
        let texts = self.unique(texts, what);
        let links = texts.into_iter().map(|text| {
            text.map(|text| match text.split_once(':') {
                Some((target, alias)) => Link {
                    target: target.to_owned(),
                    alias: Some(alias.to_owned()),
                },
                None => Link {
                    target: text,
                    alias: None,
                },
            })
        });
        links.collect()
    }

    /// `extra_hosts`: a list of `name=address` or `name:address`, or a mapping to one or more
    /// addresses.
    pub(super) fn extra_hosts(&mut self, id: NodeId) -> Vec<Spanned<ExtraHost>> {
        let mut out = Vec::new();
        if self.tree.is_null(id) {
            return out;
        }
        if self.tree.entries(id).is_some() {
            for e in self.entries(id, "`extra_hosts`") {
                let name = self.key(e);
                let addresses = self.string_or_list(e.value, "`extra_hosts`");
                for address in addresses {
                    let address_text = unbracket(&address.value).to_owned();
                    out.push(Spanned::new(
                        ExtraHost {
                            name: name.value.clone(),
                            address: address_text,
                        },
                        address.span,
                    ));
                }
            }
            return out;
        }
        for text in self.strings(id, "`extra_hosts`") {
            match parse_host(&text.value) {
                Some(host) => out.push(text.map(|_| host)),
                None => self.sink.push(Diagnostic::new(
                    Code::BAD_HOST,
                    text.span,
                    format!("`{}` is not `name=address`", shorten(&text.value)),
                )),
            }
        }
        self.unique(out, "`extra_hosts`")
    }

    /// `depends_on`, list or mapping.
    pub(super) fn depends_on(&mut self, id: NodeId) -> Vec<DependsOn> {
        if self.tree.is_null(id) {
            return Vec::new();
        }
        if self.tree.entries(id).is_none() {
            let names = self.strings(id, "`depends_on`");
            let names = self.unique(names, "`depends_on`");
            return names
                .into_iter()
                .map(|name| dependency(name, false))
                .collect();
        }
        let entries = self.entries(id, "`depends_on`");
        entries.into_iter().map(|e| self.dependency(e)).collect()
    }

    fn dependency(&mut self, entry: Entry) -> DependsOn {
        const CONDITIONS: &[&str] = &[
            "service_completed_successfully",
            "service_healthy",
            "service_started",
        ];
        let mut out = dependency(self.key(entry), false);
        for e in self.entries(entry.value, "an entry of `depends_on`") {
            match self.tree.str(e.key).unwrap_or_default() {
                "condition" => {
                    if let Some(text) = self.string(e.value, "`condition`") {
                        if !CONDITIONS.contains(&text.value.as_str()) {
                            self.sink.push(Diagnostic::new(
                                Code::INVALID_VALUE,
                                text.span,
                                format!("`condition` is one of {}", CONDITIONS.join(", ")),
                            ));
                        }
                        out.condition = text.value;
                    }
                }
                "required" => {
                    out.required = self.boolean(e.value, "`required`").is_none_or(|b| b.value);
                }
                "restart" => {
                    out.restart = self.boolean(e.value, "`restart`").is_some_and(|b| b.value);
                }
                _ => self.unknown_key(
                    e,
                    "an entry of `depends_on`",
                    &["condition", "required", "restart"],
                ),
            }
        }
        out
    }

    /// `scale`, or `deploy.replicas`.
    pub(super) fn replicas(
        &mut self,
        scale: Option<NodeId>,
        deploy: Option<NodeId>,
        service: Span,
    ) -> Spanned<u32> {
        let scale = scale.and_then(|id| self.count(id, "`scale`"));
        let replicas = deploy
            .and_then(|deploy| self.find(deploy, "replicas"))
            .and_then(|e| self.count(e.value, "`deploy.replicas`"));
        if let (Some(a), Some(b)) = (scale, replicas) {
            if a.value != b.value {
                let d = Diagnostic::new(
                    Code::REPLICAS,
                    a.span,
                    format!(
                        "`scale` is {}, but `deploy.replicas` is {}",
                        a.value, b.value
                    ),
                );
                self.sink
                    .push(d.also(b.span, "`deploy.replicas`").help("keep one of them"));
            }
        }
        scale.or(replicas).unwrap_or(Spanned::new(1, service))
    }

    fn count(&mut self, id: NodeId, what: &str) -> Option<Spanned<u32>> {
        if self.tree.is_null(id) {
            return None;
        }
        let count = self.tree.str(id).and_then(|text| text.parse::<u32>().ok());
        if count.is_none() {
            let shown = self.shown(id);
            self.sink.push(Diagnostic::new(
                Code::REPLICAS,
                self.place(id),
                format!("{what} has to be a count, not `{shown}`"),
            ));
        }
        count.map(|n| Spanned::new(n, self.tree.span(id)))
    }
}

pub(super) fn dependency(service: Spanned<String>, implied: bool) -> DependsOn {
    DependsOn {
        service,
        condition: "service_started".to_owned(),
        restart: implied,
        required: true,
        implied,
    }
}

fn unbracket(address: &str) -> &str {
    let inner = address.strip_prefix('[').and_then(|a| a.strip_suffix(']'));
    inner.unwrap_or(address)
}

/// `name=address`; without a `=` the first `:` divides. `None` without a name.
pub(crate) fn parse_host(text: &str) -> Option<ExtraHost> {
    let (name, address) = text.split_once('=').or_else(|| text.split_once(':'))?;
    if name.is_empty() {
        return None;
    }
    Some(ExtraHost {
        name: name.to_owned(),
        address: unbracket(address).to_owned(),
    })
}
