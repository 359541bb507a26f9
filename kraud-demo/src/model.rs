//! The domain: a VPC, the hosts that it spans, and the overlays, networks and pods of one namespace.

mod network;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::identity::{Scope, aid};

pub use kraud_ipam::Family;
pub use network::{Attachment, Egress, Network, NetworkDriver, NetworkSubnet};

/// What the notes of all links of ours begin with.
pub const NOTE: &str = "kraud:";

/// One namespace of a VPC, with an address for everything in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Tenant and VPC.
    pub scope: Scope,
    /// The VPC's unique local /48 (RFC 4193).
    pub vpc: Ipv6Net,
    /// The namespace: the compose project's name.
    pub namespace: String,
    /// The hosts, in the order in which they were named.
    pub hosts: Vec<Host>,
    /// The overlays, in the order of the compose file.
    pub overlays: Vec<Overlay>,
    /// The bridge and ipvlan networks, in the order of the compose file.
    pub networks: Vec<Network>,
    /// The pods, sorted by name.
    pub pods: Vec<Pod>,
    /// What was read otherwise than it is written, for the user to know.
    #[serde(skip)]
    pub notes: Vec<String>,
}

/// A machine that carries pods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its name, unique in the VPC.
    pub name: String,
    /// The /64 of the VPC that its pods' addresses come from.
    pub prefix: Ipv6Net,
    /// Where it is reached on the underlay, at most one address of each family.
    pub underlay: Vec<IpAddr>,
    /// The UDP port of its WireGuard device.
    pub port: u16,
    /// Seconds between the keepalives that it sends; needed behind a NAT or a firewall that forgets.
    pub keepalive: Option<u16>,
}

/// A network of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlay {
    /// The same on every host; see [`Scope::overlay_id`].
    pub id: Uuid,
    /// The namespace that it belongs to.
    pub namespace: String,
    /// The network's key in the compose file.
    pub name: String,
    /// The driver, in compose's spelling.
    pub driver: String,
    /// Its IPv4 subnet, unless it is IPv6 only.
    pub net4: Option<Ipv4Net>,
    /// Its IPv6 subnet, unless it is IPv4 only.
    pub net6: Option<Ipv6Net>,
}

/// One replica of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// `<namespace>-<service>-<replica>`, also the name of its network namespace.
    pub name: String,
    /// The service that it is a replica of.
    pub service: String,
    /// What it answers to inside its namespace: the service, its own name, then what the file adds.
    pub names: Vec<String>,
    /// The host that carries it, an index into [`Deployment::hosts`].
    pub host: usize,
    /// Its address in the VPC; a pod that joins no overlay has none.
    pub address: Option<Ipv6Addr>,
    /// The overlays that it joins.
    pub memberships: Vec<Membership>,
    /// The bridge and ipvlan networks that it joins, in the order of its devices.
    pub attachments: Vec<Attachment>,
}

/// A pod's place in an overlay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// An index into [`Deployment::overlays`].
    pub overlay: usize,
    /// Its IPv4 address there.
    pub v4: Option<Ipv4Addr>,
    /// The IPv4 prefix that is routed to it beyond its own address.
    pub delegated: Option<Ipv4Net>,
    /// Its IPv6 address there.
    pub v6: Option<Ipv6Addr>,
}

impl Deployment {
    /// The pods that `host` carries.
    pub fn pods_on(&self, host: usize) -> impl Iterator<Item = &Pod> {
        self.pods.iter().filter(move |pod| pod.host == host)
    }

    /// Whether anybody is in the VPC at all: a project of bridges alone needs none.
    #[must_use]
    pub fn has_vpc(&self) -> bool {
        self.pods.iter().any(|pod| pod.address.is_some())
    }

    /// The networks that `host` has to have, with their indices: those that one of its pods is attached to.
    pub fn networks_on(&self, host: usize) -> impl Iterator<Item = (usize, &Network)> {
        let used = move |index: &usize| {
            let mut attachments = self.pods_on(host).flat_map(|pod| &pod.attachments);
            attachments.any(|attachment| attachment.network == *index)
        };
        let networks = self.networks.iter().enumerate();
        networks.filter(move |(index, _)| used(index))
    }

    /// The note (`IFLA_IFALIAS`) that the links of this namespace have on a host: by it they are found again, and those
    /// of everybody else are left alone.
    #[must_use]
    pub fn owner(&self) -> String {
        let Scope { tenant, vpc } = &self.scope;
        format!("{NOTE}{tenant}/{vpc}/{}", self.namespace)
    }

    /// The name of the namespace's packet filter table on a host.
    #[must_use]
    pub fn table_name(&self) -> String {
        let id = self.scope.overlay_id(&self.namespace, "");
        format!("kraud-{}-{}", self.namespace, aid(id))
    }

    /// Every other pod that shares an overlay with `pod`, with both memberships.
    pub fn neighbours<'a>(
        &'a self,
        pod: &'a Pod,
    ) -> impl Iterator<Item = (&'a Pod, &'a Membership, &'a Membership)> {
        pod.memberships.iter().flat_map(move |own| {
            let others = self.pods.iter().filter(move |other| other.name != pod.name);
            others.flat_map(move |other| {
                let theirs = other
                    .memberships
                    .iter()
                    .filter(move |theirs| theirs.overlay == own.overlay);
                theirs.map(move |theirs| (other, own, theirs))
            })
        })
    }
}

impl Pod {
    /// Its place in the network with that index.
    #[must_use]
    pub fn attachment(&self, network: usize) -> Option<&Attachment> {
        let mut attachments = self.attachments.iter();
        attachments.find(|attachment| attachment.network == network)
    }
}

impl Pod {
    /// Whether it has any network at all.
    #[must_use]
    pub fn is_networked(&self) -> bool {
        self.address.is_some() || !self.attachments.is_empty()
    }
}

impl Overlay {
    /// The short id; see [`aid`].
    #[must_use]
    pub fn aid(&self) -> String {
        aid(self.id)
    }

    /// How docker's lists name it: `<namespace>/<overlay>`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

impl Membership {
    /// Its own addresses, IPv4 first.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.v4
            .map(IpAddr::V4)
            .into_iter()
            .chain(self.v6.map(IpAddr::V6))
    }

    /// Everything that is routed to it, as prefixes. A delegated prefix contains the pod's own IPv4 address.
    pub fn destinations(&self) -> impl Iterator<Item = IpNet> {
        let v4 = self.delegated.or(self.v4.map(Ipv4Net::from)).map(IpNet::V4);
        v4.into_iter()
            .chain(self.v6.map(|address| IpNet::V6(address.into())))
    }
}
