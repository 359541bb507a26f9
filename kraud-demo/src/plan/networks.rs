//! A host's share of the bridge and ipvlan networks: what they stand on, the packet filter, and the pods' devices.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use kraud_netlink::{Ipvlan, Route, Sysctl};

use super::firewall::{self, Exit};
use super::ipvlan::Port;
use super::step::Step;
use super::{ETHERNET, PROTOCOL, PlannedNetwork, bridge};
use crate::conflicts;
use crate::error::Error;
use crate::model::{Attachment, Deployment, Family, Network, NetworkDriver, Pod};
use crate::site::Site;

/// What a network is made of on one host.
struct Placed<'a> {
    index: usize,
    network: &'a Network,
    on: On<'a>,
    mtu: u32,
}

enum On<'a> {
    Bridge(&'a str),
    Parent(Port),
}

impl Placed<'_> {
    /// The link of the host that the members stand on.
    fn link(&self) -> &str {
        match &self.on {
            On::Bridge(link) => link,
            On::Parent(port) => port.parent(),
        }
    }
}

/// Plans the share of the host with that index, and tells what each of its networks came to be.
///
/// # Errors
///
/// Those of [`conflicts::check`]; [`Error::Netlink`] for a parent that is not there and cannot be made,
/// [`Error::Unplannable`] for one that is down.
pub(super) fn plan(
    deployment: &Deployment,
    host: usize,
    site: &Site,
    steps: &mut Vec<Step>,
) -> Result<Vec<PlannedNetwork>, Error> {
    let owner = deployment.owner();
    let name = deployment.hosts[host].name.as_str();
    conflicts::check(deployment, host, site)?;
    let placed = placed(deployment, host, &owner, site)?;

    let routed = |family| {
        let is_router = |place: &Placed<'_>| {
            matches!(place.on, On::Bridge(_)) && bridge::routes(place.network, family)
        };
        placed.iter().any(is_router)
    };
    if routed(Family::V4) {
        steps.push(Step::write_sysctl(name, Sysctl::forwarding4(true)));
    }
    if routed(Family::V6) {
        steps.push(Step::write_sysctl(name, Sysctl::forwarding6(true)));
    }
    let mut made = BTreeSet::new();
    for place in &placed {
        match &place.on {
            On::Bridge(link) => bridge::host(name, place.network, link, place.mtu, &owner, steps),
            On::Parent(port) => {
                if let Some(link) = port.made()
                    && made.insert(link.name.clone())
                {
                    steps.push(Step::add_link(name, link));
                }
                port.host(name, place.network, steps);
            }
        }
    }
    let exits: Vec<Exit<'_>> = placed
        .iter()
        .map(|place| Exit {
            network: place.network,
            link: place.link(),
            is_bridge: matches!(place.on, On::Bridge(_)),
        })
        .collect();
    if let Some(table) = firewall::table(&deployment.table_name(), &exits) {
        steps.push(Step::set_nft(name, table));
    }
    for pod in deployment.pods_on(host) {
        for attachment in &pod.attachments {
            let Some(place) = placed
                .iter()
                .find(|place| place.index == attachment.network)
            else {
                continue;
            };
            match &place.on {
                On::Bridge(link) => {
                    let port =
                        bridge::port(place.network, link, place.mtu, &owner, pod, attachment);
                    steps.push(Step::add_link(name, port));
                }
                On::Parent(port) => port.pod(name, place.network, pod, attachment, steps),
            }
            addresses_and_routes(place.network, pod, attachment, steps);
        }
    }
    let of = |place: &Placed<'_>| PlannedNetwork::new(place.network, name, place.link(), place.mtu);
    Ok(placed.iter().map(of).collect())
}

fn placed<'a>(
    deployment: &'a Deployment,
    host: usize,
    owner: &str,
    site: &Site,
) -> Result<Vec<Placed<'a>>, Error> {
    let name = &deployment.hosts[host].name;
    let place = |(index, network): (usize, &'a Network)| {
        let (on, mtu) = match &network.driver {
            NetworkDriver::Bridge { link } => (On::Bridge(link), network.mtu.unwrap_or(ETHERNET)),
            NetworkDriver::Ipvlan { mode, flag, parent } => {
                let slave = Ipvlan {
                    mode: *mode,
                    flag: *flag,
                };
                let port = Port::of(
                    network,
                    slave,
                    parent.as_deref(),
                    name,
                    owner,
                    site,
                    &deployment.pods,
                )?;
                let mtu = port.mtu;
                (On::Parent(port), mtu)
            }
        };
        Ok(Placed {
            index,
            network,
            on,
            mtu,
        })
    };
    deployment.networks_on(host).map(place).collect()
}

/// A pod's addresses in a network, and the routes that go through it.
fn addresses_and_routes(
    network: &Network,
    pod: &Pod,
    attachment: &Attachment,
    steps: &mut Vec<Step>,
) {
    let device = attachment.device.as_str();
    for address in &attachment.addresses {
        steps.push(Step::add_address(&pod.name, device, *address));
    }
    for own in attachment.addresses.iter().map(IpNet::addr) {
        let family = Family::of(own);
        let way = |route: Route| match network.subnet_of(own).and_then(|subnet| subnet.gateway) {
            _ if network.is_routed_at_the_device() => Some(route.dev(device)),
            Some(gateway) => Some(route.dev(device).via(gateway)),
            None => None,
        };
        let mut routes = Vec::new();
        if attachment.default.contains(&family) {
            routes.push(default_route(own));
        } else {
            // The way out is elsewhere, so the network's other subnets have to be named.
            let others = network.subnets.iter().map(|subnet| subnet.net);
            let others =
                others.filter(|net| Family::of_prefix(*net) == family && !net.contains(&own));
            routes.extend(others.map(|net| Route::new(net).src(own)));
        }
        for route in routes.into_iter().filter_map(way) {
            steps.push(Step::add_route(&pod.name, route.protocol(PROTOCOL)));
        }
    }
}

fn default_route(address: IpAddr) -> Route {
    match address {
        IpAddr::V4(_) => Route::default_v4(),
        IpAddr::V6(_) => Route::default_v6(),
    }
}
