//! How networks are seen from outside of their hosts: for whoever runs the routers and firewalls there.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use crate::model::{Deployment, Egress, Family, Network, NetworkDriver, NetworkSubnet};
use crate::site::Site;

/// A network as it came to be on one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedNetwork {
    /// `<namespace>/<network>`.
    pub name: String,
    /// The driver, with the mode where it has one.
    pub driver: String,
    /// The host.
    pub host: String,
    /// The bridge or parent on the host.
    pub link: String,
    /// The largest packet.
    pub mtu: u32,
    /// Its subnets.
    pub subnets: Vec<PlannedSubnet>,
}

/// A subnet of a [`PlannedNetwork`] (row B10).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedSubnet {
    /// The prefix. Where it is routed, firewalls outside see its addresses.
    pub subnet: IpNet,
    /// Where members send what is for elsewhere.
    pub gateway: Option<IpAddr>,
    /// What becomes of packets that leave.
    pub egress: Egress,
}

/// A route that a router outside needs, so that answers find their way (row C20).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UpstreamRoute {
    /// The network that it leads to.
    pub network: String,
    /// The prefix.
    pub destination: IpNet,
    /// The host that carries it.
    pub host: String,
    /// The host's address on the link towards the router, where it is known.
    pub via: Option<IpAddr>,
}

impl PlannedNetwork {
    pub(super) fn new(network: &Network, host: &str, link: &str, mtu: u32) -> Self {
        let subnet = |subnet: &NetworkSubnet| PlannedSubnet {
            subnet: subnet.net,
            gateway: subnet.gateway,
            egress: subnet.egress,
        };
        let driver = match &network.driver {
            NetworkDriver::Bridge { .. } => "bridge".to_owned(),
            NetworkDriver::Ipvlan { mode, .. } => format!("ipvlan {mode}"),
        };
        Self {
            name: network.full_name(),
            driver,
            host: host.to_owned(),
            link: link.to_owned(),
            mtu,
            subnets: network.subnets.iter().map(subnet).collect(),
        }
    }
}

/// The routes to one host that have to be known upstream: to each routed subnet of a bridge or of ipvlan L3 and L3S that it
/// carries. In ipvlan L2 members are on the link themselves and need none.
///
/// Where several hosts carry a subnet, each member gets a route of its own.
#[must_use]
pub fn upstream_routes(deployment: &Deployment, host: usize, site: &Site) -> Vec<UpstreamRoute> {
    let mut routes = Vec::new();
    for (index, network) in deployment.networks_on(host) {
        let is_bridge = matches!(network.driver, NetworkDriver::Bridge { .. });
        if !network.leaves() || !(is_bridge || network.is_routed_at_the_device()) {
            continue;
        }
        let elsewhere = (0..deployment.hosts.len()).filter(|other| *other != host);
        let is_shared = elsewhere
            .flat_map(|other| deployment.networks_on(other))
            .any(|(other, _)| other == index);
        let subnets = network.subnets.iter();
        for subnet in subnets.filter(|subnet| subnet.egress == Egress::Routed) {
            let destinations = match is_shared {
                false => vec![subnet.net],
                true => members(deployment, host, index, subnet.net),
            };
            let via = towards_the_router(site, network, Family::of_prefix(subnet.net));
            routes.extend(destinations.into_iter().map(|destination| UpstreamRoute {
                network: network.full_name(),
                destination,
                host: deployment.hosts[host].name.clone(),
                via,
            }));
        }
    }
    routes
}

/// The addresses of a host's pods in a subnet.
fn members(deployment: &Deployment, host: usize, network: usize, subnet: IpNet) -> Vec<IpNet> {
    let attachments = deployment.pods_on(host).flat_map(|pod| &pod.attachments);
    let own = attachments.filter(|attachment| attachment.network == network);
    let addresses = own.flat_map(|attachment| attachment.addresses.iter().map(IpNet::addr));
    addresses
        .filter(|address| subnet.contains(address))
        .map(IpNet::from)
        .collect()
}

fn towards_the_router(site: &Site, network: &Network, family: Family) -> Option<IpAddr> {
    let link = match &network.driver {
        NetworkDriver::Bridge { .. } => site.uplink(family)?,
        NetworkDriver::Ipvlan { parent, .. } => parent.as_deref()?,
    };
    site.address(link, family)
}

impl fmt::Display for UpstreamRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "upstream route: {} via ", self.destination)?;
        if let Some(via) = self.via {
            write!(f, "{via}, ")?;
        }
        write!(f, "{} ({})", self.host, self.network)
    }
}
