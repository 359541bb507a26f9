//! The address space of a namespace: where subnets come from that nobody chose.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use kraud_compose::{Dialect, Pool, Project};
use kraud_ipam::{CarveRequest, Policy, Special, Subnet, SubnetBuilder, SubnetPool};

use super::memory::{Memory, REST};
use super::{SUBNET_LEN, VpcSpec, carve_error, invalid};
use crate::error::Error;
use crate::model::Family;

/// Where the IPv4 subnets come from; the sample of the post, 10.198.62.0/23, is one of these.
pub(super) const POOL4: IpNet = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(10, 192, 0, 0), 10));
/// The length of those.
const NET4_LEN: u8 = 23;
/// The first of docker's default pools, which its own bridge has.
const DOCKER0: IpNet = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(172, 17, 0, 0), 16));

/// The pools of a namespace. What the file chooses for bridges and ipvlan is not carved from them (two parents may
/// well have the same subnet), but what is carved keeps clear of it, and of what other namespaces have.
#[derive(Debug)]
pub(super) struct Space {
    namespace: String,
    /// For overlays, and for all networks in kraud's dialect.
    v4: SubnetPool,
    /// The VPC's /48.
    v6: SubnetPool,
    /// Docker's default pools, in docker's dialect.
    docker4: Option<SubnetPool>,
    /// What has been carved, by what it is for; before this run, and in it.
    before: BTreeMap<String, IpNet>,
    carved: BTreeMap<String, IpNet>,
}

impl Space {
    pub(super) fn new(project: &Project, vpc: &VpcSpec, memory: &Memory) -> Result<Self, Error> {
        let key = vpc.scope.seed();
        let pools4 = vpc.pools4.iter();
        let mut v4 = pools4.fold(SubnetPool::builder().key(&key), |pool, net| pool.base(*net));
        let mut v6 = SubnetPool::builder().key(&key).base(IpNet::V6(vpc.prefix));
        let mut docker4 = SubnetPool::docker_default().reserve("docker0", DOCKER0);
        let others = memory.prefixes_of_others(&project.name);
        let others = others.map(|(name, net)| (name.to_owned(), net));
        for (name, net) in chosen(project).chain(others) {
            match Family::of_prefix(net) {
                Family::V4 => {
                    v4 = v4.reserve(name.as_str(), net);
                    docker4 = docker4.reserve(name, net);
                }
                Family::V6 => v6 = v6.reserve(name, net),
            }
        }
        let docker = project.dialect == Dialect::Docker;
        Ok(Self {
            namespace: project.name.clone(),
            v4: v4.build().map_err(invalid)?,
            v6: v6.build().map_err(invalid)?,
            docker4: docker
                .then(|| docker4.build().map_err(invalid))
                .transpose()?,
            before: memory.prefixes().clone(),
            carved: BTreeMap::new(),
        })
    }

    /// A host's prefix for its pods.
    pub(super) fn host(&mut self, name: &str) -> Result<Ipv6Net, Error> {
        let owner = format!("host {name}");
        match self.carve(&owner, Family::V6, CarveRequest::stable(SUBNET_LEN))? {
            IpNet::V6(prefix) => Ok(prefix),
            IpNet::V4(prefix) => Err(invalid(format!("{owner} cannot have {prefix}"))),
        }
    }

    /// A subnet for a bridge or ipvlan network that the file gives none of this family: the first free one of docker's
    /// pools in docker's dialect (row C7), else one that follows from the name (row B11).
    pub(super) fn network(&mut self, owner: &str, family: Family) -> Result<IpNet, Error> {
        let request = match (family, &self.docker4) {
            (Family::V4, Some(_)) => CarveRequest::default_size(),
            (Family::V4, None) => CarveRequest::stable(NET4_LEN),
            (Family::V6, _) => CarveRequest::stable(SUBNET_LEN),
        };
        self.carve(owner, family, request)
    }

    /// A subnet for an overlay, chosen or not.
    pub(super) fn overlay(
        &mut self,
        owner: &str,
        family: Family,
        fixed: Option<IpNet>,
    ) -> Result<IpNet, Error> {
        let (pool, len) = match family {
            Family::V4 => (&mut self.v4, NET4_LEN),
            Family::V6 => (&mut self.v6, SUBNET_LEN),
        };
        let Some(net) = fixed else {
            // What overlays have in docker's dialect is not docker's.
            let before = self.before.get(&name(owner, family)).copied();
            let net = again(pool, owner, before, CarveRequest::stable(len))?;
            self.carved.insert(name(owner, family), net);
            return Ok(net);
        };
        // A bridge may have the same subnet, as long as no pod is in both; so may another namespace.
        let request = CarveRequest::exact(net).anywhere().despite_reservations();
        let net = pool.carve(owner, request).map_err(carve_error)?.prefix();
        self.carved.insert(name(owner, family), net);
        Ok(net)
    }

    fn carve(
        &mut self,
        owner: &str,
        family: Family,
        request: CarveRequest,
    ) -> Result<IpNet, Error> {
        let pool = match (family, &mut self.docker4) {
            (Family::V4, Some(docker4)) => docker4,
            (Family::V4, None) => &mut self.v4,
            (Family::V6, _) => &mut self.v6,
        };
        let before = self.before.get(&name(owner, family)).copied();
        let net = again(pool, owner, before, request)?;
        self.carved.insert(name(owner, family), net);
        Ok(net)
    }

    /// Remembers what was carved.
    pub(super) fn close(self, memory: &mut Memory) {
        memory.keep_prefixes(&self.namespace, self.carved);
    }
}

/// What a prefix is remembered by.
fn name(owner: &str, family: Family) -> String {
    format!("{owner} {family}")
}

/// What the owner had before if that is free, else as `request` says.
fn again(
    pool: &mut SubnetPool,
    owner: &str,
    before: Option<IpNet>,
    request: CarveRequest,
) -> Result<IpNet, Error> {
    if let Some(before) = before
        && let Ok(grant) = pool.carve(owner, CarveRequest::exact(before).anywhere())
    {
        return Ok(grant.prefix());
    }
    Ok(pool.carve(owner, request).map_err(carve_error)?.prefix())
}

/// The subnets that the file gives to networks other than overlays.
fn chosen(project: &Project) -> impl Iterator<Item = (String, IpNet)> + '_ {
    let others = project
        .networks
        .iter()
        .filter(|network| !network.driver.is_kraud_overlay());
    others.flat_map(|network| {
        let name = format!("network {}", network.key.value);
        network.subnets().map(move |net| (name.clone(), net))
    })
}

/// The allocator of a subnet, with the reservations of the file but for the gateway. The documents' examples are in
/// documentation space, which is as good as any inside of a host.
pub(super) fn subnet(net: IpNet, pool: Option<&Pool>, key: &[u8]) -> SubnetBuilder {
    let policy = Policy::new().allow(Special::Documentation);
    let mut builder = Subnet::builder(net)
        .key(key)
        .policy(policy)
        .quarantine(REST)
        .break_quarantine_under_pressure();
    if let Some(range) = pool.and_then(|pool| pool.ip_range) {
        builder = builder.range(range.value);
    }
    for (name, address) in pool.into_iter().flat_map(|pool| &pool.aux_addresses) {
        builder = builder.auxiliary(name.value.as_str(), address.value);
    }
    builder
}
