//! `network ls` and `network inspect`: docker's shapes, which `serve docker-api` answers with as well.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use serde::Serialize;

use super::{Listed, Row};
use crate::model::{Deployment, Egress, Network, NetworkDriver, Pod};

/// What docker prints for a time that is not known: the zero of Go's `time.Time`.
const NO_TIME: &str = "0001-01-01T00:00:00Z";

/// A network with everything that docker tells of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkView {
    id: String,
    name: String,
    driver: String,
    /// It spans hosts.
    global: bool,
    internal: bool,
    subnets: Vec<PoolConfig>,
    labels: BTreeMap<String, String>,
    options: BTreeMap<String, String>,
    members: BTreeMap<String, Member>,
    created: Option<Timestamp>,
}

/// A subnet, as docker writes one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PoolConfig {
    /// The subnet.
    pub subnet: String,
    /// Its gateway, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
}

/// A member of a network, as docker writes one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Member {
    /// The pod.
    #[serde(rename = "Name")]
    pub name: String,
    /// The same for every look at the same pod in the same network.
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    /// Empty where it is not fixed.
    #[serde(rename = "MacAddress")]
    pub mac_address: String,
    /// With the prefix length of the subnet, or empty.
    #[serde(rename = "IPv4Address")]
    pub ipv4_address: String,
    /// With the prefix length of the subnet, or empty.
    #[serde(rename = "IPv6Address")]
    pub ipv6_address: String,
}

/// A row of `network ls`, with the fields of `docker network ls --format json`: all of them are strings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NetworkRow {
    /// In Go's notation.
    #[serde(rename = "CreatedAt")]
    pub created_at: String,
    /// The driver.
    #[serde(rename = "Driver")]
    pub driver: String,
    /// The short id.
    #[serde(rename = "ID")]
    pub id: String,
    /// `true` or `false`.
    #[serde(rename = "IPv4")]
    pub ipv4: String,
    /// `true` or `false`.
    #[serde(rename = "IPv6")]
    pub ipv6: String,
    /// `true` or `false`.
    #[serde(rename = "Internal")]
    pub internal: String,
    /// `key=value`, separated by commas.
    #[serde(rename = "Labels")]
    pub labels: String,
    /// `<namespace>/<network>`.
    #[serde(rename = "Name")]
    pub name: String,
    /// `global` for what spans hosts, else `local`.
    #[serde(rename = "Scope")]
    pub scope: String,
    /// Whether nobody is in it; not shown, but filtered by.
    #[serde(skip)]
    pub dangling: bool,
}

/// An element of `network inspect`, with the fields of docker's `GET /networks/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkInspect {
    name: String,
    id: String,
    created: String,
    scope: &'static str,
    driver: String,
    #[serde(rename = "EnableIPv4")]
    enable_ipv4: bool,
    #[serde(rename = "EnableIPv6")]
    enable_ipv6: bool,
    #[serde(rename = "IPAM")]
    ipam: Ipam,
    internal: bool,
    attachable: bool,
    ingress: bool,
    config_from: ConfigFrom,
    config_only: bool,
    containers: BTreeMap<String, Member>,
    options: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Ipam {
    driver: &'static str,
    options: BTreeMap<String, String>,
    config: Vec<PoolConfig>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ConfigFrom {
    network: String,
}

impl NetworkView {
    /// The networks of all deployments.
    #[must_use]
    pub fn of(listed: &[Listed<'_>]) -> Vec<Self> {
        listed.iter().flat_map(Self::of_deployment).collect()
    }

    fn of_deployment(listed: &Listed<'_>) -> Vec<Self> {
        let Deployment {
            overlays,
            networks,
            pods,
            ..
        } = listed.deployment;
        let networks = networks
            .iter()
            .enumerate()
            .map(|(index, network)| Self::local(listed, index, network));
        let overlays = overlays.iter().enumerate().map(|(index, overlay)| {
            let nets = [overlay.net4.map(IpNet::V4), overlay.net6.map(IpNet::V6)];
            let nets: Vec<IpNet> = nets.into_iter().flatten().collect();
            let member = |pod: &Pod| {
                let memberships = pod.memberships.iter();
                let mut here = memberships.filter(|membership| membership.overlay == index);
                let addresses = here.next()?.addresses();
                let with_length = |address: IpAddr| {
                    let net = nets.iter().find(|net| net.contains(&address))?;
                    IpNet::new(address, net.prefix_len()).ok()
                };
                let addresses: Vec<IpNet> = addresses.filter_map(with_length).collect();
                Some(member(
                    listed,
                    &overlay.name,
                    pod,
                    &addresses,
                    String::new(),
                ))
            };
            Self {
                id: overlay.aid(),
                name: overlay.full_name(),
                driver: overlay.driver.clone(),
                global: overlay.driver == "ipip",
                internal: false,
                subnets: nets.iter().map(|net| pool(*net, None)).collect(),
                labels: labels(&overlay.namespace, &overlay.name),
                options: BTreeMap::new(),
                members: pods.iter().filter_map(member).collect(),
                created: listed.created,
            }
        });
        overlays.chain(networks).collect()
    }

    /// A bridge or ipvlan network, which every host has for itself.
    fn local(listed: &Listed<'_>, index: usize, network: &Network) -> Self {
        let member = |pod: &Pod| {
            let here = pod.attachment(index)?;
            let mac = here.mac.map(|mac| mac.to_string()).unwrap_or_default();
            Some(member(listed, &network.name, pod, &here.addresses, mac))
        };
        let subnets = network.subnets.iter();
        Self {
            id: network.aid(),
            name: network.full_name(),
            driver: network.driver.name().to_owned(),
            global: false,
            internal: network.internal,
            subnets: subnets
                .map(|subnet| pool(subnet.net, subnet.gateway))
                .collect(),
            labels: labels(&network.namespace, &network.name),
            options: options(network),
            members: listed.deployment.pods.iter().filter_map(member).collect(),
            created: listed.created,
        }
    }

    /// The one that a user means, as docker finds a network: by its name or id, else by the beginning of its id.
    ///
    /// # Errors
    ///
    /// How many there are, if not one.
    pub fn find<'a>(all: &'a [Self], query: &str) -> Result<&'a Self, usize> {
        let exact = |network: &&Self| network.name == query || network.id == query;
        if let Some(exact) = all.iter().find(exact) {
            return Ok(exact);
        }
        let begins = |network: &&Self| !query.is_empty() && network.id.starts_with(query);
        let found: Vec<&Self> = all.iter().filter(begins).collect();
        match found[..] {
            [only] => Ok(only),
            _ => Err(found.len()),
        }
    }

    /// The element of docker's `GET /networks`: all but the members, which dockerd does not list there either.
    #[must_use]
    pub fn summary(&self) -> NetworkInspect {
        NetworkInspect {
            containers: BTreeMap::new(),
            ..self.inspect()
        }
    }

    /// The row of `network ls`.
    #[must_use]
    pub fn row(&self) -> NetworkRow {
        let created = self.created.map_or_else(
            || "0001-01-01 00:00:00 +0000 UTC".to_owned(),
            |created| created.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string(),
        );
        let labels = self
            .labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        NetworkRow {
            created_at: created,
            driver: self.driver.clone(),
            id: self.id.clone(),
            ipv4: self.has(IpAddr::is_ipv4).to_string(),
            ipv6: self.has(IpAddr::is_ipv6).to_string(),
            internal: self.internal.to_string(),
            labels: labels.collect::<Vec<_>>().join(","),
            name: self.name.clone(),
            scope: self.scope().to_owned(),
            dangling: self.members.is_empty(),
        }
    }

    /// The element of `network inspect`.
    #[must_use]
    pub fn inspect(&self) -> NetworkInspect {
        NetworkInspect {
            name: self.name.clone(),
            id: self.id.clone(),
            created: self.created.map_or_else(
                || NO_TIME.to_owned(),
                |created| created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            ),
            scope: self.scope(),
            driver: self.driver.clone(),
            enable_ipv4: self.has(IpAddr::is_ipv4),
            enable_ipv6: self.has(IpAddr::is_ipv6),
            ipam: Ipam {
                driver: "default",
                options: BTreeMap::new(),
                config: self.subnets.clone(),
            },
            internal: self.internal,
            attachable: false,
            ingress: false,
            config_from: ConfigFrom::default(),
            config_only: false,
            containers: self.members.clone(),
            options: self.options.clone(),
            labels: self.labels.clone(),
        }
    }

    fn scope(&self) -> &'static str {
        if self.global { "global" } else { "local" }
    }

    fn has(&self, family: impl Fn(&IpAddr) -> bool) -> bool {
        let nets = self
            .subnets
            .iter()
            .filter_map(|pool| pool.subnet.parse::<IpNet>().ok());
        nets.map(|net| net.addr()).any(|address| family(&address))
    }
}

/// What was decided about a network, in docker's words; for ipvlan, which docker never masquerades, in our own.
fn options(network: &Network) -> BTreeMap<String, String> {
    let mut options = BTreeMap::new();
    let mut set = |key: &str, value: &str| options.insert(key.to_owned(), value.to_owned());
    let egress = network
        .subnets
        .iter()
        .map(|subnet| (subnet.net, subnet.egress));
    match &network.driver {
        NetworkDriver::Bridge { link } => {
            set("com.docker.network.bridge.name", link);
            for (net, egress) in egress {
                let family = if net.addr().is_ipv4() { "ipv4" } else { "ipv6" };
                let mode = match egress {
                    Egress::Isolated => "isolated",
                    Egress::Masqueraded => "nat",
                    Egress::Routed => "routed",
                };
                set(
                    &format!("com.docker.network.bridge.gateway_mode_{family}"),
                    mode,
                );
            }
        }
        NetworkDriver::Ipvlan { mode, flag, parent } => {
            set("ipvlan_mode", &mode.to_string());
            set("ipvlan_flag", &flag.to_string());
            set("parent", parent.as_deref().unwrap_or_default());
            let mut egress = egress;
            let masqueraded = egress.any(|(_, egress)| egress == Egress::Masqueraded);
            set("kraud.masquerade", &masqueraded.to_string());
        }
    }
    if let Some(mtu) = network.mtu {
        set("com.docker.network.driver.mtu", &mtu.to_string());
    }
    options
}

/// The labels that docker compose gives a network, so that what looks for them finds ours.
fn labels(namespace: &str, network: &str) -> BTreeMap<String, String> {
    let label = |key: &str, value: &str| (format!("com.docker.compose.{key}"), value.to_owned());
    BTreeMap::from([label("project", namespace), label("network", network)])
}

fn pool(net: IpNet, gateway: Option<IpAddr>) -> PoolConfig {
    PoolConfig {
        subnet: net.to_string(),
        gateway: gateway.map(|gateway| gateway.to_string()),
    }
}

/// A member under its id, of the length that docker's ids have half of: clients cut them at 12.
fn member(
    listed: &Listed<'_>,
    network: &str,
    pod: &Pod,
    addresses: &[IpNet],
    mac_address: String,
) -> (String, Member) {
    let Deployment {
        scope, namespace, ..
    } = listed.deployment;
    let of_family = |v4: bool| {
        let mut addresses = addresses
            .iter()
            .filter(|address| address.addr().is_ipv4() == v4);
        addresses
            .next()
            .map(ToString::to_string)
            .unwrap_or_default()
    };
    let member = Member {
        name: pod.name.clone(),
        endpoint_id: scope
            .id(&[namespace, network, &pod.name])
            .simple()
            .to_string(),
        mac_address,
        ipv4_address: of_family(true),
        ipv6_address: of_family(false),
    };
    (
        scope.pod_id(namespace, &pod.name).simple().to_string(),
        member,
    )
}

impl NetworkRow {
    /// The rows of all deployments.
    #[must_use]
    pub fn of(listed: &[Listed<'_>]) -> Vec<Self> {
        NetworkView::of(listed)
            .iter()
            .map(NetworkView::row)
            .collect()
    }
}

impl Row for NetworkRow {
    const COLUMNS: &'static [(&'static str, &'static str)] = &[
        ("NETWORK ID", "ID"),
        ("NAME", "Name"),
        ("DRIVER", "Driver"),
        ("SCOPE", "Scope"),
    ];
    const FIELDS: &'static [&'static str] = &[
        "CreatedAt",
        "Driver",
        "ID",
        "IPv4",
        "IPv6",
        "Internal",
        "Labels",
        "Name",
        "Scope",
    ];
    const FILTERS: &'static [&'static str] =
        &["dangling", "driver", "id", "label", "name", "scope", "type"];
    const LIKE_DOCKER: bool = true;

    fn short_id(&self) -> &str {
        &self.id
    }

    fn sort_key(&self) -> String {
        self.name.clone()
    }

    fn filter_values(&self, key: &str) -> Vec<String> {
        match key {
            "dangling" => vec![
                self.dangling.to_string(),
                u8::from(self.dangling).to_string(),
            ],
            "driver" => vec![self.driver.clone()],
            "id" => vec![self.id.clone()],
            "label" => self.labels.split(',').map(str::to_owned).collect(),
            "name" => vec![self.name.clone()],
            "scope" => vec![self.scope.clone()],
            // Docker's other type, `builtin`, is what dockerd makes on its own.
            "type" => vec!["custom".to_owned()],
            _ => Vec::new(),
        }
    }
}
