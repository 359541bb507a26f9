//! The pods: which host carries each, and its addresses in the VPC and its overlays.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};
use kraud_compose::{Endpoint, Ipv4Assignment, Ipv6Assignment, NetworkMode, Project, Service};
use kraud_ipam::{AllocRequest, Subnet, embed};

use super::memory::{Kept, Memory, REST};
use super::overlays::Subnets;
use super::{VpcSpec, alloc_error, attachments, invalid, networks};
use crate::error::Error;
use crate::model::{Host, Membership, Network, Pod};
use crate::names;

/// More pods than any namespace has, and few enough that a slip of the keyboard (`scale: 3000000000`) costs nothing.
const MOST_PODS: u64 = 65_536;

/// A replica of a service, before it has addresses.
pub(super) struct Replica<'a> {
    pub(super) service: &'a Service,
    pub(super) index: u32,
    pub(super) pod: Pod,
}

/// Where a pod's addresses come from.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) overlays: Vec<Subnets>,
    pub(super) networks: Vec<networks::Subnets>,
}

impl Places {
    /// Remembers what was given out.
    pub(super) fn close(self, memory: &mut Memory) {
        let overlays = self.overlays.into_iter();
        let overlays = overlays.flat_map(|overlay| overlay.v4.into_iter().chain(overlay.v6));
        let networks = self
            .networks
            .into_iter()
            .flat_map(|network| network.subnets);
        for kept in overlays.chain(networks) {
            memory.close(kept);
        }
        memory.wake();
    }
}

pub(super) fn allocate(
    project: &Project,
    vpc: &VpcSpec,
    hosts: &[Host],
    networks: &[Network],
    places: &mut Places,
    memory: &mut Memory,
) -> Result<Vec<Pod>, Error> {
    let namespace = project.name.as_str();
    let asked = project.services.iter().filter(|service| service.active);
    let asked: u64 = asked.map(|service| u64::from(service.replicas.value)).sum();
    if asked > MOST_PODS {
        return Err(Error::Unplannable(format!(
            "the services have {asked} replicas, more than {MOST_PODS}: scale them down"
        )));
    }
    let mut replicas = replicas(project, namespace);
    // By name and by turns, so that the order of the file decides nothing.
    replicas.sort_by(|one, other| one.pod.name.cmp(&other.pod.name));
    vpc_addresses(
        &mut replicas,
        namespace,
        vpc,
        hosts,
        &places.overlays,
        memory,
    )?;
    // Fixed addresses first: one that is chosen for a pod must not be in the way of one that the user chose.
    for fixed in [true, false] {
        for replica in &mut replicas {
            join(replica, &mut places.overlays, fixed)?;
            attachments::join(replica, project.dialect, &mut places.networks, fixed)?;
        }
    }
    for replica in &mut replicas {
        attachments::arrange(replica, networks);
    }
    let pods = replicas.into_iter().map(|mut replica| {
        replica
            .pod
            .memberships
            .sort_by_key(|membership| membership.overlay);
        replica.pod
    });
    Ok(pods.collect())
}

/// Every replica that has a network namespace of its own.
fn replicas<'a>(project: &'a Project, namespace: &str) -> Vec<Replica<'a>> {
    let own_namespace = |service: &&Service| {
        let mode = service.network_mode.as_ref().map(|mode| &mode.value);
        service.active && matches!(mode, None | Some(NetworkMode::None))
    };
    let services = project.services.iter().filter(own_namespace);
    let replicas =
        services.flat_map(|service| (0..service.replicas.value).map(move |index| (service, index)));
    let pod = |(service, index): (&'a Service, u32)| {
        let service_name = service.key.value.clone();
        let name = format!("{namespace}-{service_name}-{}", index + 1);
        let further = [&service.container_name, &service.hostname];
        let further = further.into_iter().flatten();
        let aliases = service
            .endpoints
            .iter()
            .flat_map(|endpoint| &endpoint.aliases);
        let further = further.chain(aliases).map(|name| name.value.as_str());
        let pod = Pod {
            names: names::of_pod([service_name.as_str(), &name].into_iter().chain(further)),
            name,
            service: service_name,
            host: 0,
            address: None,
            memberships: Vec::new(),
            attachments: Vec::new(),
        };
        Replica {
            service,
            index,
            pod,
        }
    };
    replicas.map(pod).collect()
}

/// One address of its host's prefix for each pod that joins an overlay: those are carried by the VPC.
fn vpc_addresses(
    replicas: &mut [Replica<'_>],
    namespace: &str,
    vpc: &VpcSpec,
    hosts: &[Host],
    overlays: &[Subnets],
    memory: &mut Memory,
) -> Result<(), Error> {
    let open = |host: &Host| {
        let builder = Subnet::builder(IpNet::V6(host.prefix)).quarantine(REST);
        let fresh = builder.build().map_err(invalid)?;
        let mine = |pod: &str| memory.had_pod(namespace, pod);
        Ok(memory.open(format!("host {}", host.name), fresh, mine))
    };
    let mut subnets: Vec<Kept> = hosts.iter().map(open).collect::<Result<_, Error>>()?;
    place(replicas, namespace, vpc, hosts, memory)?;
    let carried = |replica: &&mut Replica<'_>| {
        let mut endpoints = replica.service.endpoints.iter();
        endpoints.any(|endpoint| {
            overlays
                .iter()
                .any(|overlay| overlay.name == endpoint.network.value)
        })
    };
    for replica in replicas.iter_mut().filter(carried) {
        let Some(subnet) = subnets.get_mut(replica.pod.host) else {
            continue;
        };
        let grant = subnet.any(&replica.pod.name, AllocRequest::stable());
        let what = format!("VPC address of {}", replica.pod.name);
        if let IpAddr::V6(address) = grant.map_err(alloc_error(&what))?.address() {
            replica.pod.address = Some(address);
        }
    }
    for kept in subnets {
        memory.close(kept);
    }
    Ok(())
}

/// Chooses the host of each replica.
fn place(
    replicas: &mut [Replica<'_>],
    namespace: &str,
    vpc: &VpcSpec,
    hosts: &[Host],
    memory: &mut Memory,
) -> Result<(), Error> {
    let names: Vec<&str> = hosts.iter().map(|host| host.name.as_str()).collect();
    let mut chosen = BTreeMap::new();
    for replica in replicas.iter() {
        let service = format!("{namespace}/{}", replica.service.key.value);
        let exactly = format!("{service}-{}", replica.index + 1);
        let place = vpc
            .placement
            .get(&exactly)
            .or_else(|| vpc.placement.get(&service));
        let Some(host) = place else { continue };
        let index = names.iter().position(|name| name == host);
        let index = index.ok_or_else(|| {
            Error::Unplannable(format!(
                "`{service}` is placed on `{host}`, which is no host"
            ))
        })?;
        chosen.insert(replica.pod.name.clone(), index);
    }
    let pods: Vec<String> = replicas
        .iter()
        .map(|replica| replica.pod.name.clone())
        .collect();
    let pods = pods.iter().map(String::as_str);
    let places = memory.place(namespace, pods, &names, |pod| chosen.get(pod).copied());
    for replica in replicas {
        replica.pod.host = places.get(replica.pod.name.as_str()).copied().unwrap_or(0);
    }
    Ok(())
}

/// Joins a replica to its overlays: only those where it has a fixed address, or only the others.
fn join(replica: &mut Replica<'_>, overlays: &mut [Subnets], fixed: bool) -> Result<(), Error> {
    for endpoint in &replica.service.endpoints {
        let is_fixed = endpoint.ipv4_address.is_some() || endpoint.ipv6_address.is_some();
        let Some(overlay) = overlays
            .iter()
            .position(|overlay| overlay.name == endpoint.network.value)
        else {
            continue;
        };
        if is_fixed == fixed {
            let membership = membership(replica, endpoint, overlay, &mut overlays[overlay])?;
            replica.pod.memberships.push(membership);
        }
    }
    Ok(())
}

fn membership(
    replica: &Replica<'_>,
    endpoint: &Endpoint,
    overlay: usize,
    subnets: &mut Subnets,
) -> Result<Membership, Error> {
    let (v4, delegated) = match &mut subnets.v4 {
        Some(subnet) => v4(replica, endpoint, subnet, &subnets.name)?,
        None => (None, None),
    };
    let v6 = match &mut subnets.v6 {
        Some(subnet) => {
            // The IPv6 address is computed from the IPv4 one (RFC 6052), so that peers need not be told it.
            let computed = v4
                .zip(subnets.net6)
                .and_then(|(v4, net6)| embed::overlay_v6(net6, v4).ok());
            v6(replica, endpoint, subnet, computed, &subnets.name)?
        }
        None => None,
    };
    Ok(Membership {
        overlay,
        v4,
        delegated,
        v6,
    })
}

type Ipv4Place = (Option<Ipv4Addr>, Option<Ipv4Net>);

fn v4(
    replica: &Replica<'_>,
    endpoint: &Endpoint,
    subnet: &mut Kept,
    overlay: &str,
) -> Result<Ipv4Place, Error> {
    let (name, replicas) = (replica.pod.name.as_str(), replica.service.replicas.value);
    let wanted = endpoint.ipv4_address.as_ref().map(|wanted| wanted.value);
    let request = match wanted {
        None => AllocRequest::stable(),
        Some(Ipv4Assignment::Prefix(net)) if replicas == 1 => AllocRequest::prefix(IpNet::V4(net)),
        Some(wanted) => {
            let address = wanted
                .for_replica(replica.index, replicas)
                .map(|place| place.address);
            AllocRequest::exact(address.ok_or_else(|| too_few(replica, overlay))?.into())
        }
    };
    let what = format!("IPv4 address of {name} in `{overlay}`");
    let grant = match wanted {
        Some(_) => subnet.fixed(name, request),
        None => subnet.any(name, request),
    };
    let grant = grant.map_err(alloc_error(&what))?;
    let address = match grant.address() {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    };
    let delegated = match grant.prefix() {
        IpNet::V4(net) if net.prefix_len() < 32 => Some(net),
        _ => None,
    };
    Ok((address, delegated))
}

fn v6(
    replica: &Replica<'_>,
    endpoint: &Endpoint,
    subnet: &mut Kept,
    computed: Option<Ipv6Addr>,
    overlay: &str,
) -> Result<Option<Ipv6Addr>, Error> {
    let (name, replicas) = (replica.pod.name.as_str(), replica.service.replicas.value);
    let wanted = endpoint.ipv6_address.as_ref().map(|wanted| wanted.value);
    let request = match (wanted, computed) {
        (Some(Ipv6Assignment::Prefix(net)), _) if replicas == 1 => {
            AllocRequest::prefix(IpNet::V6(net))
        }
        (Some(wanted), _) => {
            let address = wanted
                .for_replica(replica.index, replicas)
                .map(|place| place.address);
            AllocRequest::exact(address.ok_or_else(|| too_few(replica, overlay))?.into())
        }
        (None, Some(computed)) => AllocRequest::exact(computed.into()),
        (None, None) => AllocRequest::stable(),
    };
    let what = format!("IPv6 address of {name} in `{overlay}`");
    let grant = match (wanted, computed) {
        (None, None) => subnet.any(name, request),
        _ => subnet.fixed(name, request),
    };
    match grant.map_err(alloc_error(&what))?.address() {
        IpAddr::V6(address) => Ok(Some(address)),
        IpAddr::V4(_) => Ok(None),
    }
}

pub(super) fn too_few(replica: &Replica<'_>, overlay: &str) -> Error {
    Error::Unplannable(format!(
        "`{}` has {} replicas, and its prefix in `{overlay}` fewer addresses: take a shorter prefix",
        replica.service.key.value, replica.service.replicas.value
    ))
}
