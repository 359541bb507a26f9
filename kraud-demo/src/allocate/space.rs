//! The address space of a namespace: where subnets come from that nobody chose.

use ipnet::{IpNet, Ipv6Net};
use kraud_compose::{Dialect, Pool, Project};
use kraud_ipam::{CarveRequest, Policy, Special, Subnet, SubnetBuilder, SubnetPool};

use super::{SUBNET_LEN, carve_error, invalid};
use crate::error::Error;
use crate::model::Family;

/// Where the IPv4 subnets come from; the sample of the post, 10.198.62.0/23, is one of these.
const POOL4: &str = "10.192.0.0/10";
/// The length of those.
const NET4_LEN: u8 = 23;
/// The first of docker's default pools, which its own bridge has.
const DOCKER0: &str = "172.17.0.0/16";

/// The pools of a namespace. What the file chooses for bridges and ipvlan is not carved from them (two parents may
/// well have the same subnet), but what is carved keeps clear of it.
#[derive(Debug)]
pub(super) struct Space {
    /// For overlays, and for all networks in kraud's dialect.
    pub(super) v4: SubnetPool,
    /// The VPC's /48.
    pub(super) v6: SubnetPool,
    /// Docker's default pools, in docker's dialect.
    docker4: Option<SubnetPool>,
}

impl Space {
    pub(super) fn new(project: &Project, vpc: Ipv6Net, key: &[u8]) -> Result<Self, Error> {
        let reserved =
            |family| chosen(project).filter(move |(_, net)| Family::of_prefix(*net) == family);
        let base4 = POOL4.parse::<IpNet>().map_err(invalid)?;
        let mut v4 = SubnetPool::builder().key(key).base(base4);
        let mut v6 = SubnetPool::builder().key(key).base(IpNet::V6(vpc));
        let mut docker4 = SubnetPool::docker_default();
        docker4 = docker4.reserve("docker0", DOCKER0.parse::<IpNet>().map_err(invalid)?);
        for (name, net) in reserved(Family::V4) {
            v4 = v4.reserve(name.as_str(), net);
            docker4 = docker4.reserve(name, net);
        }
        for (name, net) in reserved(Family::V6) {
            v6 = v6.reserve(name, net);
        }
        let docker = project.dialect == Dialect::Docker;
        Ok(Self {
            v4: v4.build().map_err(invalid)?,
            v6: v6.build().map_err(invalid)?,
            docker4: docker
                .then(|| docker4.build().map_err(invalid))
                .transpose()?,
        })
    }

    /// A subnet for a bridge or ipvlan network that the file gives none of this family: the first free one of docker's
    /// pools in docker's dialect (row C7), else one that follows from the name (row B11).
    pub(super) fn network(&mut self, owner: &str, family: Family) -> Result<IpNet, Error> {
        let (pool, request) = match (family, &mut self.docker4) {
            (Family::V4, Some(docker4)) => (docker4, CarveRequest::default_size()),
            (Family::V4, None) => (&mut self.v4, CarveRequest::stable(NET4_LEN)),
            (Family::V6, _) => (&mut self.v6, CarveRequest::stable(SUBNET_LEN)),
        };
        Ok(pool.carve(owner, request).map_err(carve_error)?.prefix())
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
        let request = match fixed {
            // A bridge may have the same subnet, as long as no pod is in both.
            Some(net) => CarveRequest::exact(net).anywhere().despite_reservations(),
            None => CarveRequest::stable(len),
        };
        Ok(pool.carve(owner, request).map_err(carve_error)?.prefix())
    }
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
    let mut builder = Subnet::builder(net).key(key).policy(policy);
    if let Some(range) = pool.and_then(|pool| pool.ip_range) {
        builder = builder.range(range.value);
    }
    for (name, address) in pool.into_iter().flat_map(|pool| &pool.aux_addresses) {
        builder = builder.auxiliary(name.value.as_str(), address.value);
    }
    builder
}
