//! The subnets of a namespace's overlays.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use kraud_compose::{Driver, Network, Pool, Project};
use kraud_ipam::{CarveRequest, Subnet, SubnetPool};

use super::{SUBNET_LEN, carve_error, carve6};
use crate::error::Error;
use crate::identity::Scope;
use crate::model::Overlay;

/// The overlay that every namespace has (row A9).
const DEFAULT: &str = "default";
/// Where the IPv4 subnets come from that nobody chose; the sample of the post, 10.198.62.0/23, is one of these.
const POOL4: &str = "10.192.0.0/10";
/// The length of those.
const NET4_LEN: u8 = 23;

/// The allocators of one overlay's two families.
#[derive(Debug)]
pub(super) struct Subnets {
    pub(super) name: String,
    pub(super) v4: Option<Subnet>,
    pub(super) v6: Option<Subnet>,
    pub(super) net6: Option<Ipv6Net>,
}

/// What an overlay is made from: a network of the file, or `default` where the file does not have it.
struct Wanted<'a> {
    name: String,
    network: Option<&'a Network>,
}

impl Wanted<'_> {
    fn pool(&self, v4: bool) -> Option<&Pool> {
        let pools = self
            .network
            .into_iter()
            .flat_map(|network| &network.ipam.pools);
        pools.into_iter().find(|pool| {
            pool.subnet
                .is_some_and(|subnet| matches!(subnet.value, IpNet::V4(_)) == v4)
        })
    }

    fn fixed(&self, v4: bool) -> Option<IpNet> {
        self.pool(v4)
            .and_then(|pool| pool.subnet)
            .map(|subnet| subnet.value)
    }

    fn has(&self, v4: bool) -> bool {
        let asked = |network: &&Network| {
            if v4 {
                network.has_ipv4()
            } else {
                network.has_ipv6()
            }
        };
        self.network.as_ref().is_none_or(asked)
    }
}

pub(super) fn allocate(
    project: &Project,
    scope: &Scope,
    namespace: &str,
    pool6: &mut SubnetPool,
) -> Result<(Vec<Overlay>, Vec<Subnets>), Error> {
    let mut wanted: Vec<Wanted<'_>> = Vec::new();
    for network in &project.networks {
        if network.external {
            return Err(Error::Unplannable(format!(
                "network `{}` is external: somebody else would have to make it, and overlays have no other maker",
                network.key.value
            )));
        }
        wanted.push(Wanted {
            name: network.key.value.clone(),
            network: Some(network),
        });
    }
    if !wanted.iter().any(|overlay| overlay.name == DEFAULT) {
        wanted.push(Wanted {
            name: DEFAULT.to_owned(),
            network: None,
        });
    }

    let pool = SubnetPool::builder()
        .key(&scope.seed())
        .base(POOL4.parse::<IpNet>().map_err(invalid)?);
    let mut pool4 = pool.build().map_err(invalid)?;
    let mut nets: Vec<(Option<Ipv4Net>, Option<Ipv6Net>)> = vec![(None, None); wanted.len()];
    // What the user chose comes first, so that nothing else stands in its way.
    for chosen in [true, false] {
        for (overlay, nets) in wanted.iter().zip(&mut nets) {
            let owner = format!("overlay {namespace}/{}", overlay.name);
            if overlay.has(true) && overlay.fixed(true).is_some() == chosen {
                let request = overlay
                    .fixed(true)
                    .map(|net| CarveRequest::exact(net).anywhere());
                let request = request.unwrap_or_else(|| CarveRequest::stable(NET4_LEN));
                if let IpNet::V4(net) = pool4
                    .carve(owner.as_str(), request)
                    .map_err(carve_error)?
                    .prefix()
                {
                    nets.0 = Some(net);
                }
            }
            if overlay.has(false) && overlay.fixed(false).is_some() == chosen {
                let request = overlay
                    .fixed(false)
                    .map(|net| CarveRequest::exact(net).anywhere());
                let request = request.unwrap_or_else(|| CarveRequest::stable(SUBNET_LEN));
                nets.1 = Some(carve6(pool6, &owner, request)?);
            }
        }
    }

    let overlays = wanted
        .iter()
        .zip(&nets)
        .map(|(overlay, (net4, net6))| Overlay {
            id: scope.overlay_id(namespace, &overlay.name),
            namespace: namespace.to_owned(),
            name: overlay.name.clone(),
            driver: overlay.network.map_or_else(
                || Driver::Ipip.to_string(),
                |network| network.driver.to_string(),
            ),
            net4: *net4,
            net6: *net6,
        });
    let subnets = wanted.iter().zip(&nets).map(|(overlay, (net4, net6))| {
        let key = scope.seed();
        Ok(Subnets {
            name: overlay.name.clone(),
            v4: net4
                .map(|net| subnet(IpNet::V4(net), overlay.pool(true), &key))
                .transpose()?,
            v6: net6
                .map(|net| subnet(IpNet::V6(net), overlay.pool(false), &key))
                .transpose()?,
            net6: *net6,
        })
    });
    Ok((overlays.collect(), subnets.collect::<Result<_, Error>>()?))
}

/// An allocator with the reservations of the file. An overlay has no gateway of its own: it is routed, not bridged.
fn subnet(net: IpNet, pool: Option<&Pool>, key: &[u8]) -> Result<Subnet, Error> {
    let mut builder = Subnet::builder(net).key(key);
    if let Some(gateway) = pool.and_then(|pool| pool.gateway) {
        builder = builder.gateway(gateway.value);
    }
    if let Some(range) = pool.and_then(|pool| pool.ip_range) {
        builder = builder.range(range.value);
    }
    for (name, address) in pool.into_iter().flat_map(|pool| &pool.aux_addresses) {
        builder = builder.auxiliary(name.value.as_str(), address.value);
    }
    builder.build().map_err(invalid)
}

fn invalid(error: impl std::fmt::Display) -> Error {
    Error::Unplannable(error.to_string())
}
