//! From a [`Project`] and the names of hosts to a [`Deployment`]: every address that anything will have.
//!
//! Deterministic without a store: prefixes and addresses that nobody chose are stable by name, so a service added to
//! the file moves nobody else. What the user chose is honoured first, the rest is placed around it.

mod attachments;
mod networks;
mod notes;
mod overlays;
mod pods;
mod space;

use std::net::IpAddr;

use ipnet::{IpNet, Ipv6Net};
use kraud_compose::{Network, Project};
use kraud_ipam::{AllocError, CarveError, CarveRequest, SubnetPool, ula};

use crate::error::Error;
use crate::identity::Scope;
use crate::model::{Deployment, Host};

use space::Space;

/// The length of everything that is carved from a VPC's /48: a host's pod prefix, an overlay's net6.
const SUBNET_LEN: u8 = 64;

/// A host before it has a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSpec {
    /// Its name, unique in the VPC.
    pub name: String,
    /// Where it is reached on the underlay.
    pub underlay: Vec<IpAddr>,
    /// The UDP port of its WireGuard device.
    pub port: u16,
    /// Seconds between the keepalives that it sends.
    pub keepalive: Option<u16>,
}

/// Gives every host, overlay and pod its addresses.
///
/// # Errors
///
/// [`Error::Address`] where an address is held by somebody else or a pool is full, [`Error::Unplannable`] for what
/// no overlay can be.
pub fn allocate(
    project: &Project,
    scope: Scope,
    specs: Vec<HostSpec>,
) -> Result<Deployment, Error> {
    let vpc = ula::prefix48(&scope.seed());
    let mut space = Space::new(project, vpc, &scope.seed())?;

    let mut hosts = Vec::with_capacity(specs.len());
    for spec in specs {
        let prefix = carve6(
            &mut space.v6,
            &format!("host {}", spec.name),
            CarveRequest::stable(SUBNET_LEN),
        )?;
        hosts.push(Host {
            name: spec.name,
            prefix,
            underlay: spec.underlay,
            port: spec.port,
            keepalive: spec.keepalive,
        });
    }
    let namespace = project.name.clone();
    let (overlays, overlay_subnets) = overlays::allocate(project, &scope, &namespace, &mut space)?;
    let (networks, network_subnets) = networks::allocate(project, &scope, &namespace, &mut space)?;
    let mut subnets = pods::Places {
        overlays: overlay_subnets,
        networks: network_subnets,
    };
    let pods = pods::allocate(project, &namespace, &hosts, &networks, &mut subnets)?;
    let mut deployment = Deployment {
        scope,
        vpc,
        namespace,
        hosts,
        overlays,
        networks,
        pods,
        notes: Vec::new(),
    };
    deployment.notes = notes::of(project, &deployment);
    Ok(deployment)
}

/// Refuses a network that somebody else would have to make.
fn external(network: &Network) -> Result<(), Error> {
    if network.external {
        return Err(Error::Unplannable(format!(
            "network `{}` is external: somebody else would have to make it, and kraud's networks have no other maker",
            network.key.value
        )));
    }
    Ok(())
}

fn carve6(pool: &mut SubnetPool, owner: &str, request: CarveRequest) -> Result<Ipv6Net, Error> {
    match pool.carve(owner, request).map_err(carve_error)?.prefix() {
        IpNet::V6(prefix) => Ok(prefix),
        IpNet::V4(prefix) => Err(Error::Unplannable(format!(
            "{owner} needs an IPv6 prefix, not {prefix}"
        ))),
    }
}

fn invalid(error: impl std::fmt::Display) -> Error {
    Error::Unplannable(error.to_string())
}

fn carve_error(error: CarveError) -> Error {
    Error::Address {
        held: matches!(error, CarveError::Overlap { .. }),
        message: error.to_string(),
    }
}

fn alloc_error(what: &str) -> impl FnOnce(AllocError) -> Error {
    let what = what.to_owned();
    move |error| Error::Address {
        held: matches!(error, AllocError::Held { .. }),
        message: format!("{what}: {error}"),
    }
}
