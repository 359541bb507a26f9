//! `services.<key>`.

use super::endpoint::{Known, bare};
use super::service_lists::dependency;
use super::{Context, keys};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{NetworkMode, Service};
use crate::span::Spanned;
use crate::text::shorten;
use crate::yaml::{Entry, NodeId};

impl Context<'_> {
    /// The service of an entry of `services`.
    pub(super) fn service(&mut self, entry: Entry, known: &Known<'_>) -> Service {
        let key = self.key(entry);
        self.service_key(&key);
        let mut service = Service {
            network_mode: None,
            endpoints: Vec::new(),
            replicas: Spanned::new(1, key.span),
            container_name: None,
            hostname: None,
            domainname: None,
            mac_address: None,
            ports: Vec::new(),
            expose: Vec::new(),
            links: Vec::new(),
            external_links: Vec::new(),
            extra_hosts: Vec::new(),
            dns: Vec::new(),
            dns_search: Vec::new(),
            dns_opt: Vec::new(),
            profiles: Vec::new(),
            depends_on: Vec::new(),
            active: true,
            span: self.extent(entry),
            scale: None,
            key,
        };
        let mut networks = None;
        let mut mode = None;
        let mut scale = None;
        let mut deploy = None;
        let mut provider = false;
        let mut shared: Vec<NodeId> = Vec::new();
        let mut volumes_from = None;
        let place = format!("service `{}`", shorten(&service.key.value));
        if self.tree.is_null(entry.value) {
            let d = Diagnostic::new(
                Code::WRONG_TYPE,
                service.key.span,
                format!("{place} has to be a mapping, but there is nothing"),
            );
            self.sink.push(d);
        }
        for e in self.entries(entry.value, &place) {
            let value = e.value;
            match self.tree.str(e.key).unwrap_or_default() {
                "container_name" => {
                    service.container_name = self.text_or_none(value, "`container_name`");
                }
                "depends_on" => service.depends_on = self.depends_on(value),
                "deploy" => deploy = Some(value),
                "cgroup" | "ipc" | "pid" | "uts" => shared.push(value),
                "dns" => {
                    // A blank name server is none; a blank search domain says "none at all".
                    service.dns = self.names(value, "`dns`");
                    service.dns.retain(|server| !server.value.is_empty());
                }
                "dns_opt" => service.dns_opt = self.names(value, "`dns_opt`"),
                "dns_search" => service.dns_search = self.names(value, "`dns_search`"),
                "domainname" => service.domainname = self.text_or_none(value, "`domainname`"),
                "expose" => service.expose = self.names(value, "`expose`"),
                "external_links" => {
                    service.external_links = self.links(value, "`external_links`");
                }
                "extra_hosts" => service.extra_hosts = self.extra_hosts(value),
                "hostname" => service.hostname = self.text_or_none(value, "`hostname`"),
                "links" => service.links = self.links(value, "`links`"),
                "mac_address" => service.mac_address = self.mac(value),
                "network_mode" => mode = Some(e),
                "networks" => networks = Some(e),
                "ports" => service.ports = self.ports(value),
                "profiles" => service.profiles = self.names(value, "`profiles`"),
                "provider" => provider = true,
                "scale" => scale = Some(value),
                "volumes_from" => volumes_from = Some(value),
                "net" => {
                    let span = self.tree.span(e.key);
                    let d = Diagnostic::new(
                        Code::UNKNOWN_KEY,
                        span,
                        "a service has no attribute `net`; it was renamed in 2016",
                    );
                    self.sink.push(d.help("write `network_mode`").fix(
                        "write `network_mode`",
                        span,
                        "network_mode",
                    ));
                }
                name if keys::SERVICE.binary_search(&name).is_ok() => {}
                _ => self.unknown_key(e, "a service", keys::SERVICE),
            }
        }
        service.scale = scale.and_then(|id| self.tree.str(id)?.parse().ok());
        service.replicas = self.replicas(scale, deploy, service.key.span);
        self.attach(&mut service, mode, networks, provider, known);
        self.implied(&mut service, &shared, volumes_from);
        service
    }

    fn text_or_none(&mut self, id: NodeId, what: &str) -> Option<Spanned<String>> {
        if self.tree.is_null(id) {
            return None;
        }
        self.string(id, what).filter(|s| !s.value.is_empty())
    }

    /// One text or a list of different ones.
    fn names(&mut self, id: NodeId, what: &str) -> Vec<Spanned<String>> {
        let texts = self.string_or_list(id, what);
        self.unique(texts, what)
    }

    fn service_key(&mut self, key: &Spanned<String>) {
        let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if key.value.is_empty() || !key.value.chars().all(good) {
            self.sink.push(Diagnostic::new(
                Code::SERVICE_KEY,
                key.span,
                format!(
                    "the service key `{}` may only have letters, digits and `._-`",
                    shorten(&key.value)
                ),
            ));
        }
    }

    /// `network_mode`, `networks`, or the default network.
    fn attach(
        &mut self,
        service: &mut Service,
        mode: Option<Entry>,
        networks: Option<Entry>,
        provider: bool,
        known: &Known<'_>,
    ) {
        if let Some(e) = mode {
            if let Some(text) = self.string(e.value, "`network_mode`") {
                if text.value.is_empty() {
                    self.blank_mode(service, e);
                } else {
                    service.network_mode = Some(text.map(|t| NetworkMode::from(t.as_str())));
                }
            }
        }
        if let Some(e) = networks {
            if self.tree.is_null(e.value) {
                let d = Diagnostic::new(
                    Code::NULL_NETWORKS,
                    self.tree.span(e.key),
                    format!(
                        "`networks` of service `{}` is empty",
                        shorten(&service.key.value)
                    ),
                );
                self.sink.push(d.help(
                    "leave it out for the default network, or use `network_mode: none` for none",
                ));
            } else {
                service.endpoints = self.endpoints(e.value, &service.key, known);
            }
        }
        if let (Some(mode), Some(networks)) = (mode, networks) {
            // `networks: []` says nothing, so nothing is contradicted.
            let says = |list: Option<usize>| list.is_some_and(|n| n > 0);
            let named = says(self.tree.entries(networks.value).map(<[Entry]>::len))
                || says(self.tree.items(networks.value).map(<[NodeId]>::len));
            if named {
                let d = Diagnostic::new(
                    Code::MODE_AND_NETWORKS,
                    self.tree.span(mode.key),
                    format!(
                        "service `{}` has `network_mode` and `networks`, which exclude each other",
                        shorten(&service.key.value)
                    ),
                );
                self.sink.push(
                    d.also(self.tree.span(networks.key), "`networks` is here")
                        .help("remove one of them"),
                );
            }
            if service.network_mode.is_some() {
                service.endpoints.clear();
            }
        }
        let empty = match networks {
            None => true,
            Some(e) => {
                let none = |n: Option<usize>| n == Some(0);
                self.tree.is_null(e.value)
                    || none(self.tree.entries(e.value).map(<[Entry]>::len))
                    || none(self.tree.items(e.value).map(<[NodeId]>::len))
            }
        };
        if empty && mode.is_none() && !provider {
            if let Some(index) = known.find("default") {
                let network = Spanned::new("default".to_owned(), service.key.span);
                let mut endpoint = bare(network, index);
                endpoint.implicit = true;
                service.endpoints.push(endpoint);
            }
        }
    }

    fn blank_mode(&mut self, service: &Service, mode: Entry) {
        let d = Diagnostic::new(
            Code::BLANK_MODE,
            self.tree.span(mode.key),
            format!(
                "a blank `network_mode` leaves service `{}` without any network",
                shorten(&service.key.value)
            ),
        );
        let help = if self.is_variable(mode.value) {
            "its variable is blank; to mean the default network give it the default `bridge`, or \
             leave the attribute to an override file"
        } else {
            "remove it for the default network, or write `none`"
        };
        self.sink.push(d.help(help));
    }

    /// `links`, namespaces shared with a service, and `volumes_from` are dependencies too.
    fn implied(&self, service: &mut Service, shared: &[NodeId], volumes_from: Option<NodeId>) {
        let mut wanted: Vec<(Spanned<String>, bool)> = Vec::new();
        if let Some(mode) = &service.network_mode {
            if let NetworkMode::Service(name) = &mode.value {
                wanted.push((Spanned::new(name.clone(), mode.span), true));
            }
        }
        for link in &service.links {
            wanted.push((Spanned::new(link.target.clone(), link.span), true));
        }
        for &id in shared {
            let name = self.tree.str(id).and_then(|t| t.strip_prefix("service:"));
            let name = name.map(|n| Spanned::new(n.to_owned(), self.tree.span(id)));
            wanted.extend(name.map(|name| (name, true)));
        }
        let volumes = volumes_from.and_then(|id| self.tree.items(id));
        for &id in volumes.unwrap_or_default() {
            let text = self.tree.str(id).unwrap_or_default();
            let name = text.split(':').next().unwrap_or_default();
            if !name.is_empty() && !text.starts_with("container:") {
                // The one that is implied without a restart along with it.
                wanted.push((Spanned::new(name.to_owned(), self.tree.span(id)), false));
            }
        }
        for (name, restart) in wanted {
            let known = service.depends_on.iter();
            if known.into_iter().all(|d| d.service.value != name.value) {
                let mut implied = dependency(name, true);
                implied.restart = restart;
                service.depends_on.push(implied);
            }
        }
    }
}
