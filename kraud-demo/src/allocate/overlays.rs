//! The subnets of a namespace's overlays.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use kraud_compose::{Dialect, Driver, Network, Pool, Project};
use kraud_ipam::Subnet;

use super::memory::{Kept, Memory};
use super::space::{self, Space};
use super::{external, invalid};
use crate::error::Error;
use crate::identity::Scope;
use crate::model::{Family, Overlay};

/// The overlay that every namespace has (row A9).
const DEFAULT: &str = "default";

/// The allocators of one overlay's two families.
#[derive(Debug)]
pub(super) struct Subnets {
    pub(super) name: String,
    pub(super) v4: Option<Kept>,
    pub(super) v6: Option<Kept>,
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
    space: &mut Space,
    memory: &Memory,
) -> Result<(Vec<Overlay>, Vec<Subnets>), Error> {
    let mut wanted: Vec<Wanted<'_>> = Vec::new();
    let of_file = project.networks.iter();
    for network in of_file.filter(|network| network.driver.is_kraud_overlay()) {
        external(network)?;
        wanted.push(Wanted {
            name: network.key.value.clone(),
            network: Some(network),
        });
    }
    if project.dialect == Dialect::Kraud && project.network(DEFAULT).is_none() {
        wanted.push(Wanted {
            name: DEFAULT.to_owned(),
            network: None,
        });
    }

    let mut nets: Vec<(Option<Ipv4Net>, Option<Ipv6Net>)> = vec![(None, None); wanted.len()];
    // What the user chose comes first, so that nothing else stands in its way.
    for chosen in [true, false] {
        for (overlay, nets) in wanted.iter().zip(&mut nets) {
            let owner = format!("overlay {namespace}/{}", overlay.name);
            for (family, v4) in [(Family::V4, true), (Family::V6, false)] {
                let fixed = overlay.fixed(v4);
                if overlay.has(v4) && fixed.is_some() == chosen {
                    match space.overlay(&owner, family, fixed)? {
                        IpNet::V4(net) => nets.0 = Some(net),
                        IpNet::V6(net) => nets.1 = Some(net),
                    }
                }
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
            driver: Driver::Ipip.to_string(),
            net4: *net4,
            net6: *net6,
        });
    let subnets = wanted.iter().zip(&nets).map(|(overlay, (net4, net6))| {
        let key = scope.seed();
        let open = |net: IpNet, pool| {
            let name = format!("overlay {namespace}/{} {net}", overlay.name);
            Ok::<_, Error>(memory.open(name, subnet(net, pool, &key)?, |_| true))
        };
        Ok(Subnets {
            name: overlay.name.clone(),
            v4: net4
                .map(|net| open(net.into(), overlay.pool(true)))
                .transpose()?,
            v6: net6
                .map(|net| open(net.into(), overlay.pool(false)))
                .transpose()?,
            net6: *net6,
        })
    });
    Ok((overlays.collect(), subnets.collect::<Result<_, Error>>()?))
}

/// An allocator with the reservations of the file. An overlay has no gateway of its own: it is routed, not bridged.
fn subnet(net: IpNet, pool: Option<&Pool>, key: &[u8]) -> Result<Subnet, Error> {
    let mut builder = space::subnet(net, pool, key);
    if let Some(gateway) = pool.and_then(|pool| pool.gateway) {
        builder = builder.gateway(gateway.value);
    }
    builder.build().map_err(invalid)
}
