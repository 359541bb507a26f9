//! From a [`Project`] and the names of hosts to a [`Deployment`]: every address that anything will have.
//!
//! Deterministic without a store: prefixes and addresses that nobody chose are stable by name, so a service added to
//! the file moves nobody else. What the user chose is honoured first, the rest is placed around it. With a [`Memory`] of
//! earlier runs everybody keeps what they have.

mod attachments;
mod memory;
mod networks;
mod notes;
mod overlays;
mod pods;
mod space;

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv6Net};
use kraud_compose::{Network, Project};
use kraud_ipam::{AllocError, CarveError, ula};

use crate::error::Error;
use crate::identity::Scope;
use crate::model::{Deployment, Host};

pub use memory::Memory;
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

/// A VPC before anything is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VpcSpec {
    /// Tenant and VPC.
    pub scope: Scope,
    /// Its /48, which no other VPC has.
    pub prefix: Ipv6Net,
    /// Where IPv4 subnets come from that nobody chose, each a /23 or shorter.
    pub pools4: Vec<IpNet>,
    /// The hosts of pods that the user placed, by `NAMESPACE/SERVICE` or `NAMESPACE/SERVICE-REPLICA`.
    pub placement: BTreeMap<String, String>,
}

impl VpcSpec {
    /// A VPC whose prefix follows from its name (RFC 4193), with the pool that every VPC has.
    #[must_use]
    pub fn new(scope: Scope) -> Self {
        Self {
            prefix: ula::prefix48(&scope.seed()),
            pools4: vec![space::POOL4],
            placement: BTreeMap::new(),
            scope,
        }
    }
}

/// Gives every host, overlay and pod its addresses, as if nothing had been given out before.
///
/// # Errors
///
/// As [`allocate_again`].
pub fn allocate(
    project: &Project,
    scope: Scope,
    specs: Vec<HostSpec>,
) -> Result<Deployment, Error> {
    allocate_again(project, &VpcSpec::new(scope), specs, &mut Memory::default())
}

/// Gives every host, overlay and pod its addresses: those that it had before, as long as the file leaves them free. The
/// memory is the new one afterwards, or of no use after an error.
///
/// # Errors
///
/// [`Error::Address`] where an address is held by somebody else or a pool is full, [`Error::Unplannable`] for what
/// no overlay can be.
pub fn allocate_again(
    project: &Project,
    vpc: &VpcSpec,
    specs: Vec<HostSpec>,
    memory: &mut Memory,
) -> Result<Deployment, Error> {
    let namespace = project.name.clone();
    let scope = vpc.scope.clone();
    let mut space = Space::new(project, vpc, memory)?;

    let mut hosts = Vec::with_capacity(specs.len());
    for spec in specs {
        let prefix = space.host(&spec.name)?;
        hosts.push(Host {
            name: spec.name,
            prefix,
            underlay: spec.underlay,
            port: spec.port,
            keepalive: spec.keepalive,
        });
    }
    let (overlays, overlay_subnets) =
        overlays::allocate(project, &scope, &namespace, &mut space, memory)?;
    let (networks, network_subnets) =
        networks::allocate(project, &scope, &namespace, &mut space, memory)?;
    let mut subnets = pods::Places {
        overlays: overlay_subnets,
        networks: network_subnets,
    };
    let pods = pods::allocate(project, vpc, &hosts, &networks, &mut subnets, memory)?;
    subnets.close(memory);
    space.close(memory);
    let mut deployment = Deployment {
        scope,
        vpc: vpc.prefix,
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
