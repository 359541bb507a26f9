//! Subnets that somebody else has: on the links of the host, or behind its routes (rows B2, C16).

use ipnet::IpNet;
use kraud_netlink::{Address, RouteKind, protocol};

use crate::error::Error;
use crate::model::{Deployment, Network, NetworkDriver};
use crate::site::Site;

/// Refuses a deployment whose bridges, or ipvlan L3 networks, would take addresses away from what a host has. The site is
/// that of the host without this deployment's own links and routes.
///
/// Networks that the host does not route to are no matter: ipvlan L2, and those that nothing leaves.
///
/// # Errors
///
/// [`Error::Address`] with both sides of the first conflict; [`Error::Unplannable`] for an L3 network in the subnet of its
/// own parent.
pub fn check(deployment: &Deployment, host: usize, site: &Site) -> Result<(), Error> {
    let name = &deployment.hosts[host].name;
    for (_, network) in deployment.networks_on(host) {
        let (own, parent) = match &network.driver {
            NetworkDriver::Bridge { link } => (Some(link.as_str()), None),
            NetworkDriver::Ipvlan { parent, .. } if network.is_routed_at_the_device() => {
                (None, parent.as_deref())
            }
            NetworkDriver::Ipvlan { .. } => continue,
        };
        if !network.leaves() {
            continue;
        }
        for wanted in network.subnets.iter().map(|subnet| subnet.net) {
            if let Some(parent) = parent
                && let Some(taken) = site.subnets(parent).find(|net| overlap(*net, wanted))
            {
                return Err(Error::Unplannable(format!(
                    "network `{}`: {wanted} is the subnet of its parent {parent} on {name} ({taken}); in ipvlan L3 \
                         it needs one of its own, which is then routed to the host (or take `ipvlan_mode: l2`)",
                    network.full_name()
                )));
            }
            if let Some(holder) = holder(site, wanted, own) {
                return Err(held(network, wanted, name, &holder));
            }
        }
    }
    Ok(())
}

/// Who has part of a prefix on a host, in words. What is on the network's own bridge, which may be there before the
/// network, is in nobody's way.
fn holder(site: &Site, wanted: IpNet, own: Option<&str>) -> Option<String> {
    let mut addresses = site.addresses.iter().map(|info| &info.address);
    let in_the_way =
        |address: &&Address| own != Some(&address.dev) && overlap(address.net.trunc(), wanted);
    if let Some(address) = addresses.find(in_the_way) {
        let link = site.link(&address.dev);
        let note = link.and_then(|info| info.link.alias.as_deref());
        let note = note.filter(|note| !note.is_empty());
        let whose = note.map(|note| format!(" of {note}")).unwrap_or_default();
        return Some(format!("{} on {}{whose}", address.net, address.dev));
    }
    let mut routes = site.routes.iter().map(|info| &info.route);
    let route = routes.find(|route| {
        let foreign = route.kind == RouteKind::Unicast && route.protocol != protocol::KERNEL;
        let elsewhere = own.is_none() || route.dev.as_deref() != own;
        foreign && elsewhere && route.dst.prefix_len() > 0 && overlap(route.dst, wanted)
    })?;
    let way = match (&route.via, &route.dev) {
        (Some(via), _) => format!(" via {via}"),
        (None, Some(dev)) => format!(" by {dev}"),
        (None, None) => String::new(),
    };
    Some(format!("a route to {}{way}", route.dst))
}

fn held(network: &Network, wanted: IpNet, host: &str, holder: &str) -> Error {
    Error::Address {
        held: true,
        message: format!(
            "network `{}` wants {wanted}, but {host} has {holder}: give the network another `subnet`",
            network.full_name()
        ),
    }
}

fn overlap(one: IpNet, other: IpNet) -> bool {
    one.contains(&other) || other.contains(&one)
}
