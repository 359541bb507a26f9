//! A service: what it attaches to, and under which names.

use std::fmt;
use std::net::IpAddr;

use super::address::{Ipv4Assignment, Ipv6Assignment};
use super::mac::MacAddr;
use super::port::Port;
use crate::span::{Span, Spanned};

/// The `network_mode` of a service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NetworkMode {
    /// Docker's predefined `bridge` network.
    Bridge,
    /// The network namespace of a container, by name or id.
    Container(String),
    /// The host's network namespace.
    Host,
    /// Loopback only.
    None,
    /// The network namespace of another service of the project.
    Service(String),
    /// Anything else; docker takes it for the name of a network.
    Other(String),
}

impl From<&str> for NetworkMode {
    fn from(text: &str) -> Self {
        match text {
            "bridge" => Self::Bridge,
            "host" => Self::Host,
            "none" => Self::None,
            _ => {
                if let Some(name) = text.strip_prefix("service:") {
                    Self::Service(name.to_owned())
                } else if let Some(name) = text.strip_prefix("container:") {
                    Self::Container(name.to_owned())
                } else {
                    Self::Other(text.to_owned())
                }
            }
        }
    }
}

impl fmt::Display for NetworkMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bridge => f.write_str("bridge"),
            Self::Container(name) => write!(f, "container:{name}"),
            Self::Host => f.write_str("host"),
            Self::None => f.write_str("none"),
            Self::Service(name) => write!(f, "service:{name}"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

/// A service of the project.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Service {
    /// The key in the file.
    pub key: Spanned<String>,
    /// `network_mode`; with one there are no endpoints.
    pub network_mode: Option<Spanned<NetworkMode>>,
    /// The networks it joins, in file order; a service that names none joins `default`.
    pub endpoints: Vec<Endpoint>,
    /// `scale` or `deploy.replicas`, else 1; the span is the service's key where neither is given.
    pub replicas: Spanned<u32>,
    /// `container_name`.
    pub container_name: Option<Spanned<String>>,
    /// `hostname`.
    pub hostname: Option<Spanned<String>>,
    /// `domainname`.
    pub domainname: Option<Spanned<String>>,
    /// `mac_address` of the service, meant for its primary network.
    pub mac_address: Option<Spanned<MacAddr>>,
    /// `ports`; a range stays one entry.
    pub ports: Vec<Spanned<Port>>,
    /// `expose`.
    pub expose: Vec<Spanned<String>>,
    /// `links`.
    pub links: Vec<Spanned<Link>>,
    /// `external_links`.
    pub external_links: Vec<Spanned<Link>>,
    /// `extra_hosts`.
    pub extra_hosts: Vec<Spanned<ExtraHost>>,
    /// `dns`.
    pub dns: Vec<Spanned<String>>,
    /// `dns_search`.
    pub dns_search: Vec<Spanned<String>>,
    /// `dns_opt`.
    pub dns_opt: Vec<Spanned<String>>,
    /// `profiles`; a service without any is always active.
    pub profiles: Vec<Spanned<String>>,
    /// `depends_on`, and what `links`, `volumes_from` and namespaces of a service (`network_mode`,
    /// `ipc`, `pid`, `uts`, `cgroup`) imply.
    pub depends_on: Vec<DependsOn>,
    /// Whether the active profiles include it.
    pub active: bool,
    /// The whole service, the key included.
    pub span: Span,
    /// `scale` as it is written, as opposed to `deploy.replicas`.
    pub(crate) scale: Option<u32>,
}

impl Service {
    /// The endpoints in the order in which docker attaches them: by priority, highest first, then
    /// by the key of the network. The first one is the primary network.
    #[must_use]
    pub fn attachment_order(&self) -> Vec<&Endpoint> {
        let mut order: Vec<&Endpoint> = self.endpoints.iter().collect();
        order.sort_by(|a, b| {
            let priority = |e: &Endpoint| e.priority.map_or(0, |p| p.value);
            let by_name = || a.network.value.cmp(&b.network.value);
            priority(b).cmp(&priority(a)).then_with(by_name)
        });
        order
    }

    /// The endpoint in a network, by the network's key.
    #[must_use]
    pub fn endpoint(&self, network: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|e| e.network.value == network)
    }
}

/// A service's place in a network.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Endpoint {
    /// The key of the network; the service's key for the implicit `default`.
    pub network: Spanned<String>,
    /// The network's index in [`Project::networks`](crate::Project::networks).
    pub network_index: usize,
    /// The service names no networks, so it is in `default`.
    pub implicit: bool,
    /// The fixed IPv4 address or prefix.
    pub ipv4_address: Option<Spanned<Ipv4Assignment>>,
    /// The fixed IPv6 address or prefix.
    pub ipv6_address: Option<Spanned<Ipv6Assignment>>,
    /// Additional link-local addresses.
    pub link_local_ips: Vec<Spanned<IpAddr>>,
    /// Further names of the service in this network.
    pub aliases: Vec<Spanned<String>>,
    /// The hardware address.
    pub mac_address: Option<Spanned<MacAddr>>,
    /// The name of the interface inside of the container.
    pub interface_name: Option<Spanned<String>>,
    /// Options for the driver.
    pub driver_opts: Vec<(Spanned<String>, Spanned<String>)>,
    /// The highest one is attached first.
    pub priority: Option<Spanned<i64>>,
    /// The highest one gives the default route.
    pub gw_priority: Option<Spanned<i64>>,
    /// What the file has under the network's key; `None` for a mere name.
    pub(crate) node: Option<crate::yaml::NodeId>,
}

/// One of `links` or `external_links`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// The service or container.
    pub target: String,
    /// Its name here, where it differs.
    pub alias: Option<String>,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.alias {
            Some(alias) => write!(f, "{}:{alias}", self.target),
            None => f.write_str(&self.target),
        }
    }
}

/// One of `extra_hosts`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExtraHost {
    /// The name.
    pub name: String,
    /// The address, brackets removed, or docker's `host-gateway`.
    pub address: String,
}

impl fmt::Display for ExtraHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.address)
    }
}

/// A service that has to be there first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DependsOn {
    /// The service.
    pub service: Spanned<String>,
    /// `service_started`, `service_healthy` or `service_completed_successfully`.
    pub condition: String,
    /// Restart along with it.
    pub restart: bool,
    /// Whether the project is wrong without it.
    pub required: bool,
    /// Another attribute than `depends_on` asks for it.
    pub implied: bool,
}
