//! The project in the JSON shape of `docker compose config`, for comparison and for tools that
//! already read that.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::model::{Endpoint, Network, Pool, Port, Project, Service};
use crate::span::Spanned;
use crate::yaml::{NodeId, Tree};

impl Serialize for Project {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        let networks = self.networks.iter();
        map.serialize_entry(
            "networks",
            &Map(|| {
                networks
                    .clone()
                    .map(|n| (n.key.value.as_str(), AsNetwork(self, n)))
            }),
        )?;
        let services = self.services.iter();
        map.serialize_entry(
            "services",
            &Map(|| {
                services
                    .clone()
                    .map(|s| (s.key.value.as_str(), AsService(self, s)))
            }),
        )?;
        map.end()
    }
}

/// A mapping made from an iterator each time it is asked for.
struct Map<F>(F);

impl<F, I, K, V> Serialize for Map<F>
where
    F: Fn() -> I,
    I: Iterator<Item = (K, V)>,
    K: Serialize,
    V: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map((self.0)())
    }
}

fn pairs(list: &[(Spanned<String>, Spanned<String>)]) -> impl Serialize + '_ {
    Map(|| {
        list.iter()
            .map(|(k, v)| (k.value.as_str(), v.value.as_str()))
    })
}

fn texts(list: &[Spanned<String>]) -> Vec<&str> {
    list.iter().map(|text| text.value.as_str()).collect()
}

/// The text under a key, as it is after interpolation; blank and null are nothing.
fn text<'t>(tree: &'t Tree, map: NodeId, key: &str) -> Option<&'t str> {
    let value = tree.find(map, key)?.value;
    tree.str(value)
        .filter(|text| !text.is_empty() && !tree.is_null(value))
}

struct AsNetwork<'a>(&'a Project, &'a Network);

impl Serialize for AsNetwork<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(project, network) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &network.name.value)?;
        if let Some(driver) = &network.written_driver {
            map.serialize_entry("driver", &driver.value)?;
        }
        if !network.driver_opts.is_empty() {
            map.serialize_entry("driver_opts", &pairs(&network.driver_opts))?;
        }
        map.serialize_entry("ipam", &AsIpam(project, network))?;
        for (key, flag) in [
            ("external", network.external),
            ("internal", network.is_internal()),
            ("attachable", network.attachable.is_some_and(|b| b.value)),
        ] {
            if flag {
                map.serialize_entry(key, &true)?;
            }
        }
        if !network.labels.is_empty() {
            map.serialize_entry("labels", &pairs(&network.labels))?;
        }
        if let Some(on) = network.ipv4_key {
            map.serialize_entry("enable_ipv4", &on.value)?;
        }
        if let Some(on) = network.ipv6_key {
            map.serialize_entry("enable_ipv6", &on.value)?;
        }
        map.end()
    }
}

struct AsIpam<'a>(&'a Project, &'a Network);

impl Serialize for AsIpam<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(project, network) = self;
        let ipam = &network.ipam;
        let mut map = serializer.serialize_map(None)?;
        if let Some(driver) = &ipam.driver {
            map.serialize_entry("driver", &driver.value)?;
        }
        if !ipam.pools.is_empty() {
            let pools: Vec<_> = ipam.pools.iter().map(|p| AsPool(project, p)).collect();
            map.serialize_entry("config", &pools)?;
        }
        if !ipam.options.is_empty() {
            map.serialize_entry("options", &pairs(&ipam.options))?;
        }
        map.end()
    }
}

struct AsPool<'a>(&'a Project, &'a Pool);

impl Serialize for AsPool<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(Project { tree, .. }, pool) = self;
        let mut map = serializer.serialize_map(None)?;
        for key in ["subnet", "gateway", "ip_range"] {
            if let Some(text) = text(tree, pool.node, key) {
                map.serialize_entry(key, text)?;
            }
        }
        if let Some(aux) = tree.find(pool.node, "aux_addresses") {
            let entries = tree.entries(aux.value).unwrap_or_default();
            if !entries.is_empty() {
                let entries = || {
                    entries.iter().map(|e| {
                        let text = |id| tree.str(id).unwrap_or_default();
                        (text(e.key), text(e.value))
                    })
                };
                map.serialize_entry("aux_addresses", &Map(entries))?;
            }
        }
        map.end()
    }
}

struct AsService<'a>(&'a Project, &'a Service);

impl Serialize for AsService<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(project, service) = self;
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in [
            ("container_name", &service.container_name),
            ("domainname", &service.domainname),
            ("hostname", &service.hostname),
        ] {
            if let Some(value) = value {
                map.serialize_entry(key, &value.value)?;
            }
        }
        if !service.depends_on.is_empty() {
            let all = || {
                service
                    .depends_on
                    .iter()
                    .map(|d| (d.service.value.as_str(), AsDependency(d)))
            };
            map.serialize_entry("depends_on", &Map(all))?;
        }
        for (key, list) in [
            ("dns", &service.dns),
            ("dns_opt", &service.dns_opt),
            ("dns_search", &service.dns_search),
            ("expose", &service.expose),
            ("profiles", &service.profiles),
        ] {
            if !list.is_empty() {
                map.serialize_entry(key, &texts(list))?;
            }
        }
        for (key, list) in [
            ("links", &service.links),
            ("external_links", &service.external_links),
        ] {
            if !list.is_empty() {
                let links: Vec<String> = list.iter().map(ToString::to_string).collect();
                map.serialize_entry(key, &links)?;
            }
        }
        if !service.extra_hosts.is_empty() {
            let mut hosts: Vec<String> = service
                .extra_hosts
                .iter()
                .map(ToString::to_string)
                .collect();
            hosts.sort();
            map.serialize_entry("extra_hosts", &hosts)?;
        }
        if let Some(mac) = &service.mac_address {
            map.serialize_entry(
                "mac_address",
                project.written(mac.span, &mac.value).as_ref(),
            )?;
        }
        if let Some(mode) = &service.network_mode {
            map.serialize_entry("network_mode", &mode.value.to_string())?;
        }
        if !service.endpoints.is_empty() {
            let all = || {
                let endpoints = service.endpoints.iter();
                endpoints.map(|e| (e.network.value.as_str(), AsEndpoint(project, e)))
            };
            map.serialize_entry("networks", &Map(all))?;
        }
        if !service.ports.is_empty() {
            let ports: Vec<AsPort<'_>> = service
                .ports
                .iter()
                .flat_map(|p| expand(&p.value))
                .collect();
            map.serialize_entry("ports", &ports)?;
        }
        if let Some(scale) = service.scale {
            map.serialize_entry("scale", &scale)?;
        }
        map.end()
    }
}

struct AsDependency<'a>(&'a crate::model::DependsOn);

impl Serialize for AsDependency<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("condition", &self.0.condition)?;
        if self.0.restart {
            map.serialize_entry("restart", &true)?;
        }
        map.serialize_entry("required", &self.0.required)?;
        map.end()
    }
}

struct AsEndpoint<'a>(&'a Project, &'a Endpoint);

impl Serialize for AsEndpoint<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(Project { tree, .. }, endpoint) = self;
        let Some(node) = endpoint.node else {
            return serializer.serialize_none();
        };
        let mut map = serializer.serialize_map(None)?;
        if !endpoint.aliases.is_empty() {
            map.serialize_entry("aliases", &texts(&endpoint.aliases))?;
        }
        if !endpoint.driver_opts.is_empty() {
            map.serialize_entry("driver_opts", &pairs(&endpoint.driver_opts))?;
        }
        for key in [
            "interface_name",
            "ipv4_address",
            "ipv6_address",
            "mac_address",
        ] {
            if let Some(text) = text(tree, node, key) {
                map.serialize_entry(key, text)?;
            }
        }
        if let Some(list) = tree.find(node, "link_local_ips") {
            let mut ips: Vec<&str> = Vec::new();
            for &item in tree.items(list.value).unwrap_or_default() {
                let ip = tree.str(item).unwrap_or_default();
                if !ips.contains(&ip) {
                    ips.push(ip);
                }
            }
            if !ips.is_empty() {
                map.serialize_entry("link_local_ips", &ips)?;
            }
        }
        for (key, number) in [
            ("priority", endpoint.priority),
            ("gw_priority", endpoint.gw_priority),
        ] {
            if let Some(number) = number.filter(|n| n.value != 0) {
                map.serialize_entry(key, &number.value)?;
            }
        }
        map.end()
    }
}

struct AsPort<'a> {
    port: &'a Port,
    target: u16,
    published: Option<String>,
}

/// One entry per container port.
fn expand(port: &Port) -> impl Iterator<Item = AsPort<'_>> {
    let together = port.target.count() > 1;
    (port.target.first..=port.target.last).map(move |target| {
        let published = port.published.map(|range| {
            if together {
                let offset = u32::from(target) - u32::from(port.target.first);
                (u32::from(range.first) + offset).to_string()
            } else {
                range.to_string()
            }
        });
        AsPort {
            port,
            target,
            published,
        }
    })
}

impl Serialize for AsPort<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(name) = &self.port.name {
            map.serialize_entry("name", name)?;
        }
        map.serialize_entry("mode", &self.port.mode)?;
        if let Some(ip) = self.port.host_ip {
            map.serialize_entry("host_ip", &ip)?;
        }
        map.serialize_entry("target", &self.target)?;
        if let Some(published) = &self.published {
            map.serialize_entry("published", published)?;
        }
        map.serialize_entry("protocol", self.port.protocol.as_str())?;
        if let Some(protocol) = &self.port.app_protocol {
            map.serialize_entry("app_protocol", protocol)?;
        }
        map.end()
    }
}

impl Project {
    /// A value as the file has it where that is plain, else as it prints.
    fn written(
        &self,
        span: crate::Span,
        value: &dyn std::fmt::Display,
    ) -> std::borrow::Cow<'_, str> {
        let text = self.sources.slice(span).trim_matches(['"', '\'']);
        if text.is_empty() || text.contains('$') {
            value.to_string().into()
        } else {
            text.into()
        }
    }
}
