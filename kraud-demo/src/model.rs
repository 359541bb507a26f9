//! The domain: a VPC, the hosts that it spans, and the overlays and pods of one namespace.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use uuid::Uuid;

use crate::identity::{Scope, aid};

/// One namespace of a VPC, with an address for everything in it.
#[derive(Clone, Debug)]
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
    /// The pods, sorted by name.
    pub pods: Vec<Pod>,
    /// What was read otherwise than it is written, for the user to know.
    pub notes: Vec<String>,
}

/// A machine that carries pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name, unique in the VPC.
    pub name: String,
    /// The /64 of the VPC that its pods' addresses come from.
    pub prefix: Ipv6Net,
    /// Where it is reached on the underlay, at most one address of each family.
    pub underlay: Vec<IpAddr>,
    /// The UDP port of its WireGuard device.
    pub port: u16,
}

/// A network of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// `<namespace>-<service>-<replica>`, also the name of its network namespace.
    pub name: String,
    /// The service that it is a replica of.
    pub service: String,
    /// What it answers to inside its namespace: the service, its own name, then what the file adds.
    pub names: Vec<String>,
    /// The host that carries it, an index into [`Deployment::hosts`].
    pub host: usize,
    /// Its address in the VPC; a pod with `network_mode: none` has none.
    pub address: Option<Ipv6Addr>,
    /// The overlays that it joins.
    pub memberships: Vec<Membership>,
}

/// A pod's place in an overlay.
#[derive(Clone, Debug, PartialEq, Eq)]
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
