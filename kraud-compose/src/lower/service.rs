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
                "dns" => service.dns = self.names(value, "`dns`"),
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
        self.implied(&mut service);
        service
    }

    fn text_or_none(&mut self, id: NodeId, what: &str) -> Option<Spanned<String>> {
        if self.tree.is_null(id) {
            return None;
        }
        self.string(id, what).filter(|s| !s.value.is_empty())
    }

    /// One text or a list of different ones, blanks left out.
    fn names(&mut self, id: NodeId, what: &str) -> Vec<Spanned<String>> {
        let mut texts = self.string_or_list(id, what);
        texts.retain(|text| !text.value.is_empty());
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

    /// `links` and `network_mode: service:…` are dependencies too.
    fn implied(&mut self, service: &mut Service) {
        let mut wanted: Vec<Spanned<String>> = Vec::new();
        if let Some(mode) = &service.network_mode {
            if let NetworkMode::Service(name) = &mode.value {
                wanted.push(Spanned::new(name.clone(), mode.span));
            }
        }
        for link in &service.links {
            wanted.push(Spanned::new(link.target.clone(), link.span));
        }
        for name in wanted {
            if service
                .depends_on
                .iter()
                .all(|d| d.service.value != name.value)
            {
                service.depends_on.push(dependency(name, true));
            }
        }
    }
}
