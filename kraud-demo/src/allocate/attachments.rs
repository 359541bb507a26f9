//! The pods' places in bridge and ipvlan networks: addresses, devices, and which of them is the way out.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use kraud_compose::{Dialect, Endpoint, Ipv4Assignment, Ipv6Assignment};
use kraud_ipam::{AllocError, AllocRequest};
use kraud_netlink::MacAddr;

use super::alloc_error;
use super::memory::Kept;
use super::networks::Subnets;
use super::pods::{Replica, too_few};
use crate::error::Error;
use crate::model::{Attachment, Family, Network};
use crate::plan::{OVERLAY_DEVICE, POD_DEVICE};

/// Attaches a replica to its networks: only those where it has a fixed address, or only the others.
pub(super) fn join(
    replica: &mut Replica<'_>,
    dialect: Dialect,
    networks: &mut [Subnets],
    fixed: bool,
) -> Result<(), Error> {
    for endpoint in &replica.service.endpoints {
        let is_fixed = endpoint.ipv4_address.is_some() || endpoint.ipv6_address.is_some();
        let name = &endpoint.network.value;
        let Some(network) = networks.iter().position(|network| network.name == *name) else {
            continue;
        };
        if is_fixed == fixed {
            let attachment = Attachment {
                network,
                device: String::new(),
                mac: endpoint.mac_address.map(|mac| MacAddr(mac.value.0)),
                addresses: addresses(replica, endpoint, dialect, &mut networks[network])?,
                default: Vec::new(),
            };
            replica.pod.attachments.push(attachment);
        }
    }
    Ok(())
}

/// One address of each family that the network has.
fn addresses(
    replica: &Replica<'_>,
    endpoint: &Endpoint,
    dialect: Dialect,
    network: &mut Subnets,
) -> Result<Vec<IpNet>, Error> {
    let mut addresses = Vec::new();
    for family in [Family::V4, Family::V6] {
        let of_family = |subnet: &&mut Kept| Family::of_prefix(subnet.prefix()) == family;
        let subnets: Vec<&mut Kept> = network.subnets.iter_mut().filter(of_family).collect();
        let what = format!(
            "{family} address of {} in `{}`",
            replica.pod.name, network.name
        );
        let wanted = wanted(replica, endpoint, family, &network.name)?;
        let request = match (wanted, dialect) {
            (Some(address), _) => AllocRequest::exact(address),
            // Docker counts; kraud follows the name, so that a service more moves nobody.
            (None, Dialect::Docker) => AllocRequest::lowest(),
            (None, Dialect::Kraud) => AllocRequest::stable(),
        };
        let place = place(&replica.pod.name, subnets, wanted, &request);
        addresses.extend(place.transpose().map_err(alloc_error(&what))?);
    }
    Ok(addresses)
}

/// The address that the file fixes for this replica.
fn wanted(
    replica: &Replica<'_>,
    endpoint: &Endpoint,
    family: Family,
    network: &str,
) -> Result<Option<IpAddr>, Error> {
    let (index, replicas) = (replica.index, replica.service.replicas.value);
    let place = match (family, endpoint.ipv4_address, endpoint.ipv6_address) {
        (Family::V4, Some(wanted), _) => match wanted.value {
            Ipv4Assignment::Prefix(net) if replicas == 1 => {
                return Err(undelegated(net.into(), network));
            }
            wanted => wanted
                .for_replica(index, replicas)
                .map(|place| IpAddr::V4(place.address)),
        },
        (Family::V6, _, Some(wanted)) => match wanted.value {
            Ipv6Assignment::Prefix(net) if replicas == 1 => {
                return Err(undelegated(net.into(), network));
            }
            wanted => wanted
                .for_replica(index, replicas)
                .map(|place| IpAddr::V6(place.address)),
        },
        _ => return Ok(None),
    };
    place.map(Some).ok_or_else(|| too_few(replica, network))
}

fn undelegated(net: IpNet, network: &str) -> Error {
    Error::Unplannable(format!(
        "{net} cannot be routed to a member of `{network}`: only `ipip` networks delegate prefixes; name one address"
    ))
}

/// An address of one of these subnets: a fixed one of the narrowest that contains it, another of the first with room.
fn place(
    owner: &str,
    mut subnets: Vec<&mut Kept>,
    wanted: Option<IpAddr>,
    request: &AllocRequest,
) -> Option<Result<IpNet, AllocError>> {
    if let Some(address) = wanted {
        // Outside of all of them, the first one says so.
        subnets.sort_by_key(|subnet| {
            let net = subnet.prefix();
            (!net.contains(&address), Reverse(net.prefix_len()))
        });
        subnets.truncate(1);
    } else {
        subnets.sort_by_key(|subnet| !subnet.had(owner));
    }
    let mut last = None;
    for subnet in subnets {
        let len = subnet.prefix().prefix_len();
        let grant = match wanted {
            Some(_) => subnet.fixed(owner, request.clone()),
            None => subnet.any(owner, request.clone()),
        };
        let address = grant.map(|grant| grant.address());
        let done = address.is_ok();
        last = Some(
            address
                .map(|address| IpNet::new(address, len).unwrap_or_else(|_| IpNet::from(address))),
        );
        if done {
            break;
        }
    }
    last
}

/// Puts a replica's attachments in docker's order, names their devices, and chooses the ways out.
pub(super) fn arrange(replica: &mut Replica<'_>, networks: &[Network]) {
    let order = replica.service.attachment_order();
    let endpoint = |attachment: &Attachment| {
        let name = networks
            .get(attachment.network)
            .map(|network| network.name.as_str());
        order
            .iter()
            .position(|endpoint| name == Some(endpoint.network.value.as_str()))
            .and_then(|place| Some((place, *order.get(place)?)))
    };
    let attachments = &mut replica.pod.attachments;
    attachments.sort_by_key(|attachment| endpoint(attachment).map(|(place, _)| place));

    let chosen = |attachment: &Attachment| {
        let name = endpoint(attachment)?.1.interface_name.as_ref()?;
        Some(name.value.clone())
    };
    let mut taken: BTreeSet<String> = attachments.iter().filter_map(chosen).collect();
    if replica.pod.address.is_some() {
        taken.extend([POD_DEVICE, OVERLAY_DEVICE].map(str::to_owned));
    }
    for attachment in attachments.iter_mut() {
        attachment.device = chosen(attachment).unwrap_or_else(|| {
            let mut free = (0..).map(|number| format!("eth{number}"));
            free.find(|name| !taken.contains(name)).unwrap_or_default()
        });
        taken.insert(attachment.device.clone());
    }

    for family in [Family::V4, Family::V6] {
        let offers = |attachment: &Attachment| {
            let network = networks.get(attachment.network)?;
            let mut own = attachment.addresses.iter().map(IpNet::addr);
            own.find(|address| Family::of(*address) == family)?;
            network.offers_default(family).then_some(network)
        };
        // Docker's order: the highest priority, then the first name. What leaves comes before what does not.
        let best = attachments.iter_mut().filter_map(|attachment| {
            let network = offers(attachment)?;
            let priority = endpoint(attachment).and_then(|(_, endpoint)| endpoint.gw_priority);
            let rank = (
                Reverse(priority.map_or(0, |priority| priority.value)),
                !network.leaves(),
                network.name.as_str(),
            );
            Some((rank, attachment))
        });
        if let Some((_, attachment)) = best.min_by(|(one, _), (other, _)| one.cmp(other)) {
            attachment.default.push(family);
        }
    }
}
