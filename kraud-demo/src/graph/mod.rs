//! A picture of a deployment: hosts with their pods, the networks, and who has which address where.

mod dot;
mod svg;

pub use dot::dot;
pub use svg::svg;

use crate::model::Deployment;

/// What there is to draw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    /// `<namespace>` and its VPC.
    pub title: String,
    /// The hosts.
    pub hosts: Vec<HostNode>,
    /// The VPC, if somebody is in it, then every network.
    pub networks: Vec<NetworkNode>,
    /// Who is where.
    pub edges: Vec<Edge>,
}

/// A host with its pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostNode {
    /// Its name.
    pub name: String,
    /// The names of its pods.
    pub pods: Vec<String>,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkNode {
    /// `vpc NAME`, or `<namespace>/<network>`.
    pub name: String,
    /// Its driver and its subnets.
    pub details: String,
}

/// A pod's place in a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The pod.
    pub pod: String,
    /// An index into [`Graph::networks`].
    pub network: usize,
    /// Its addresses there.
    pub label: String,
}

impl Graph {
    /// The picture of one deployment. O(pods · networks).
    #[must_use]
    pub fn of(deployment: &Deployment) -> Self {
        let mut graph = Self {
            title: format!("{} in VPC {}", deployment.namespace, deployment.scope.vpc),
            ..Self::default()
        };
        for (index, host) in deployment.hosts.iter().enumerate() {
            let pods = deployment.pods_on(index).map(|pod| pod.name.clone());
            graph.hosts.push(HostNode {
                name: host.name.clone(),
                pods: pods.collect(),
            });
        }
        if deployment.has_vpc() {
            let name = format!("vpc {}", deployment.scope.vpc);
            let members = deployment
                .pods
                .iter()
                .filter_map(|pod| Some((pod.name.clone(), pod.address?.to_string())));
            graph.network(
                name,
                format!("wireguard {}", deployment.vpc),
                members.collect(),
            );
        }
        for (index, overlay) in deployment.overlays.iter().enumerate() {
            let nets = [
                overlay.net4.map(|net| net.to_string()),
                overlay.net6.map(|net| net.to_string()),
            ];
            let details =
                joined(std::iter::once(overlay.driver.clone()).chain(nets.into_iter().flatten()));
            let members = deployment.pods.iter().filter_map(|pod| {
                let mut memberships = pod.memberships.iter();
                let here = memberships.find(|membership| membership.overlay == index)?;
                Some((pod.name.clone(), joined(here.addresses())))
            });
            graph.network(overlay.full_name(), details, members.collect());
        }
        for (index, network) in deployment.networks.iter().enumerate() {
            let nets = network.subnets.iter().map(|subnet| subnet.net.to_string());
            let details = joined(std::iter::once(network.driver.name().to_owned()).chain(nets));
            let members = deployment.pods.iter().filter_map(|pod| {
                let addresses = &pod.attachment(index)?.addresses;
                Some((
                    pod.name.clone(),
                    joined(addresses.iter().map(ipnet::IpNet::addr)),
                ))
            });
            graph.network(network.full_name(), details, members.collect());
        }
        graph
    }

    fn network(&mut self, name: String, details: String, members: Vec<(String, String)>) {
        let network = self.networks.len();
        self.networks.push(NetworkNode { name, details });
        let edges = members.into_iter().map(|(pod, label)| Edge {
            pod,
            network,
            label,
        });
        self.edges.extend(edges);
    }
}

fn joined(parts: impl Iterator<Item = impl ToString>) -> String {
    let parts: Vec<String> = parts.map(|part| part.to_string()).collect();
    parts.join(" ")
}
