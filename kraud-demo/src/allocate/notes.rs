//! What is read otherwise than docker would, or not carried at all: said, never done in silence.

use std::collections::BTreeSet;

use kraud_compose::{Dialect, Driver, NetworkMode, Project};
use kraud_netlink::IpvlanMode;

use crate::model::{Deployment, Network, NetworkDriver};

pub(super) fn of(project: &Project, deployment: &Deployment) -> Vec<String> {
    let mut notes = Vec::new();
    for network in &project.networks {
        if network.driver == Driver::Overlay {
            let key = &network.key.value;
            notes.push(format!(
                "network `{key}`: driver `overlay` is taken as `ipip`"
            ));
        }
    }
    for service in project.services.iter().filter(|service| service.active) {
        let key = &service.key.value;
        match service.network_mode.as_ref().map(|mode| &mode.value) {
            None | Some(NetworkMode::None) => {}
            Some(mode) => notes.push(format!(
                "service `{key}` has `network_mode: {mode}`: it has no network namespace of its own and gets no address"
            )),
        }
        if !service.ports.is_empty() {
            notes.push(format!("service `{key}`: published ports are not applied"));
        }
    }
    for (index, network) in deployment.networks.iter().enumerate() {
        if let Some(written) = project.network(&network.name) {
            subnets(project.dialect, written, network, &mut notes);
        }
        hosts(deployment, index, network, &mut notes);
    }
    notes
}

/// What a network got that the file does not say.
fn subnets(
    dialect: Dialect,
    written: &kraud_compose::Network,
    network: &Network,
    notes: &mut Vec<String>,
) {
    let key = &network.name;
    let mut nets = network.subnets.iter().map(|subnet| subnet.net);
    let v4 = nets.find(|net| net.addr().is_ipv4());
    let mut given = written.subnets().peekable();
    let only_v6 = given.peek().is_some() && given.all(|net| net.addr().is_ipv6());
    if let (Some(v4), true) = (v4, only_v6) {
        notes.push(format!(
            "network `{key}` has IPv4 too, {v4}, although the file gives it IPv6 alone: say `enable_ipv4: false`"
        ));
    }
    let NetworkDriver::Ipvlan { mode, .. } = &network.driver else {
        return;
    };
    let silent = network
        .subnets
        .iter()
        .any(|subnet| subnet.gateway.is_none());
    if *mode == IpvlanMode::L2 && network.leaves() && silent && dialect == Dialect::Docker {
        notes.push(format!(
            "network `{key}` has no default route: docker gives an ipvlan network a gateway only where the file does"
        ));
    }
    if network.is_routed_at_the_device() && network.leaves() {
        notes.push(format!(
            "network `{key}` is ipvlan {mode}: it floods nothing and scales with its routes, but neither broadcast nor \
             multicast comes through, its own host does not reach it, and others need the routes that `plan` prints"
        ));
    }
}

/// A network of each host's own does not join the pods of several.
fn hosts(deployment: &Deployment, index: usize, network: &Network, notes: &mut Vec<String>) {
    let local = !network.leaves() || matches!(network.driver, NetworkDriver::Bridge { .. });
    let members = deployment
        .pods
        .iter()
        .filter(|pod| pod.attachment(index).is_some());
    let hosts: BTreeSet<usize> = members.map(|pod| pod.host).collect();
    if local && hosts.len() > 1 {
        let names: Vec<&str> = hosts
            .iter()
            .map(|host| deployment.hosts[*host].name.as_str())
            .collect();
        notes.push(format!(
            "network `{}` does not span hosts: its members on {} do not reach each other over it; `ipip` would",
            network.name,
            names.join(", ")
        ));
    }
}
