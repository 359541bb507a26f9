//! The subnets of a namespace's bridge and ipvlan networks, their gateways, and what becomes of packets that leave.

use std::net::IpAddr;

use ipnet::IpNet;
use kraud_compose::{Dialect, Driver, IpvlanFlag, IpvlanMode, Network, Pool, Project};
use kraud_ipam::first_usable;
use kraud_netlink as netlink;

use super::memory::{Kept, Memory};
use super::space::{self, Space};
use super::{external, invalid};
use crate::error::Error;
use crate::identity::{Scope, aid};
use crate::model::{self, Egress, Family, NetworkDriver, NetworkSubnet};

/// Docker's options, which compose files know.
const BRIDGE_NAME: &str = "com.docker.network.bridge.name";
const MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";
const GATEWAY_MODE: [(Family, &str); 2] = [
    (Family::V4, "com.docker.network.bridge.gateway_mode_ipv4"),
    (Family::V6, "com.docker.network.bridge.gateway_mode_ipv6"),
];
const MTU: &str = "com.docker.network.driver.mtu";
/// The same as [`MASQUERADE`], for drivers that docker never masquerades.
const KRAUD_MASQUERADE: &str = "kraud.masquerade";
/// Choose the mode of ipvlan for many members rather than for those that need broadcast.
const KRAUD_SCALE: &str = "kraud.scale";

/// The allocators of one network, in the order of its subnets.
#[derive(Debug)]
pub(super) struct Subnets {
    pub(super) name: String,
    pub(super) subnets: Vec<Kept>,
}

pub(super) fn allocate(
    project: &Project,
    scope: &Scope,
    namespace: &str,
    space: &mut Space,
    memory: &Memory,
) -> Result<(Vec<model::Network>, Vec<Subnets>), Error> {
    let mut networks = Vec::new();
    let mut allocators = Vec::new();
    let of_file = project.networks.iter();
    for network in of_file.filter(|network| !network.driver.is_kraud_overlay()) {
        external(network)?;
        let name = network.key.value.clone();
        let id = scope.overlay_id(namespace, &name);
        let driver = driver(network, &aid(id))?;
        let mut subnets = Vec::new();
        let mut own_allocators = Vec::new();
        for (net, pool) in nets(network, namespace, space)? {
            let egress = egress(network, &driver, Family::of_prefix(net))?;
            let gateway = match egress {
                Egress::Isolated => None,
                _ => gateway(&driver, project.dialect, net, pool),
            };
            let mut builder = space::subnet(net, pool, &scope.seed());
            if let Some(address) = reserved(network, gateway, net, pool) {
                builder = builder.gateway(address);
            }
            let fresh = builder.build().map_err(invalid)?;
            let what = format!("network {namespace}/{name} {net}");
            own_allocators.push(memory.open(what, fresh, |_| true));
            subnets.push(NetworkSubnet {
                net,
                gateway,
                egress,
            });
        }
        networks.push(model::Network {
            id,
            namespace: namespace.to_owned(),
            name: name.clone(),
            driver,
            subnets,
            internal: network.is_internal(),
            mtu: mtu(network)?,
        });
        allocators.push(Subnets {
            name,
            subnets: own_allocators,
        });
    }
    Ok((networks, allocators))
}

fn driver(network: &Network, aid: &str) -> Result<NetworkDriver, Error> {
    match &network.driver {
        Driver::Bridge => {
            let chosen = option(network, BRIDGE_NAME).map(str::to_owned);
            let link = chosen.unwrap_or_else(|| format!("br-{aid}"));
            if link.is_empty() || link.len() > 15 || link.contains(['/', ' ']) {
                return Err(bad_option(
                    network,
                    BRIDGE_NAME,
                    &link,
                    "a link's name of up to 15 bytes",
                ));
            }
            Ok(NetworkDriver::Bridge { link })
        }
        Driver::Ipvlan => {
            let options = &network.ipvlan;
            let mode = mode(network)?;
            let parent = options.parent.as_ref().map(|parent| parent.value.clone());
            Ok(NetworkDriver::Ipvlan {
                mode: match mode {
                    IpvlanMode::L2 => netlink::IpvlanMode::L2,
                    IpvlanMode::L3 => netlink::IpvlanMode::L3,
                    IpvlanMode::L3s => netlink::IpvlanMode::L3S,
                },
                flag: match options.flag {
                    IpvlanFlag::Bridge => netlink::IpvlanFlag::Bridge,
                    IpvlanFlag::Private => netlink::IpvlanFlag::Private,
                    IpvlanFlag::Vepa => netlink::IpvlanFlag::Vepa,
                },
                // `internal` wins over the parent (row C6).
                parent: parent.filter(|_| !network.is_internal()),
            })
        }
        other => Err(Error::Unplannable(format!(
            "network `{}` has driver `{other}`, which is not carried: take `ipip`, `bridge` or `ipvlan`",
            network.key.value
        ))),
    }
}

/// The mode of an ipvlan network: as written, else L2, or L3 when asked for scale (row C33). L2 is one broadcast domain
/// with the wire below it, with all that floods and loops there; L3 ends at the host, floods nothing and wants a route.
fn mode(network: &Network) -> Result<IpvlanMode, Error> {
    let scale = flag(network, KRAUD_SCALE)?.unwrap_or(false);
    let written = ["ipvlan_mode", "mode"]
        .iter()
        .any(|key| option(network, key).is_some());
    Ok(match written {
        false if scale => IpvlanMode::L3,
        _ => network.ipvlan.mode,
    })
}

/// The subnets of the file, and one more for each family that it asks for without giving one (rows C7, C22, B6).
fn nets<'a>(
    network: &'a Network,
    namespace: &str,
    space: &mut Space,
) -> Result<Vec<(IpNet, Option<&'a Pool>)>, Error> {
    let carries = |family| match family {
        Family::V4 => network.has_ipv4(),
        Family::V6 => network.has_ipv6(),
    };
    let pools = network.ipam.pools.iter();
    let chosen = pools.filter_map(|pool| Some((pool.subnet?.value, Some(pool))));
    let mut nets: Vec<_> = chosen
        .filter(|(net, _)| carries(Family::of_prefix(*net)))
        .collect();
    for family in [Family::V4, Family::V6] {
        let given = nets
            .iter()
            .any(|(net, _)| Family::of_prefix(*net) == family);
        if carries(family) && !given {
            let owner = format!("network {namespace}/{}", network.key.value);
            nets.push((space.network(&owner, family)?, None));
        }
    }
    Ok(nets)
}

/// Where members send what is for elsewhere.
fn gateway(
    driver: &NetworkDriver,
    dialect: Dialect,
    net: IpNet,
    pool: Option<&Pool>,
) -> Option<IpAddr> {
    let written = pool
        .and_then(|pool| pool.gateway)
        .map(|gateway| gateway.value);
    match driver {
        // The device itself is the way (row C18).
        NetworkDriver::Ipvlan { mode, .. } if *mode != netlink::IpvlanMode::L2 => None,
        // Today's docker engine gives an ipvlan network no gateway by itself, unlike that of the documents (row C4).
        NetworkDriver::Ipvlan { .. } if dialect == Dialect::Docker => written,
        _ => written.or_else(|| Some(first_usable(net))),
    }
}

/// The address that no member gets. An internal bridge keeps docker's, although nobody has it.
fn reserved(
    network: &Network,
    gateway: Option<IpAddr>,
    net: IpNet,
    pool: Option<&Pool>,
) -> Option<IpAddr> {
    let of_bridge = || {
        let written = pool.and_then(|pool| pool.gateway);
        let address = written.map_or_else(|| first_usable(net), |gateway| gateway.value);
        (network.driver == Driver::Bridge).then_some(address)
    };
    gateway.or_else(of_bridge)
}

/// What becomes of packets of this family that leave (rows B10, B12).
fn egress(network: &Network, driver: &NetworkDriver, family: Family) -> Result<Egress, Error> {
    let masquerade = match flag(network, KRAUD_MASQUERADE)? {
        Some(on) => Some(on),
        None => flag(network, MASQUERADE)?,
    };
    if network.is_internal() {
        return Ok(Egress::Isolated);
    }
    if let NetworkDriver::Ipvlan { parent, mode, .. } = driver {
        return match (masquerade, parent, mode) {
            (Some(true), Some(_), netlink::IpvlanMode::L3S) => Ok(Egress::Masqueraded),
            (Some(true), ..) => Err(Error::Unplannable(format!(
                "network `{}` cannot be masqueraded: only ipvlan l3s on a parent passes the host's packet filter both \
                 ways; set `ipvlan_mode: l3s`, or let the router in front of it do it",
                network.key.value
            ))),
            (_, None, _) => Ok(Egress::Isolated),
            (_, Some(_), _) => Ok(Egress::Routed),
        };
    }
    for (_, key) in GATEWAY_MODE.iter().filter(|(of, _)| *of == family) {
        match option(network, key) {
            None => {}
            Some("nat" | "nat-unprotected") => return Ok(Egress::Masqueraded),
            Some("routed") => return Ok(Egress::Routed),
            Some("isolated") => return Ok(Egress::Isolated),
            Some(other) => {
                return Err(bad_option(
                    network,
                    key,
                    other,
                    "nat, nat-unprotected, routed or isolated",
                ));
            }
        }
    }
    Ok(match masquerade {
        Some(false) => Egress::Routed,
        _ => Egress::Masqueraded,
    })
}

fn mtu(network: &Network) -> Result<Option<u32>, Error> {
    let parse = |text: &str| {
        let mtu = text.parse().ok().filter(|mtu| (68..=65_535).contains(mtu));
        mtu.ok_or_else(|| bad_option(network, MTU, text, "a number of bytes from 68 to 65535"))
    };
    option(network, MTU).map(parse).transpose()
}

fn option<'a>(network: &'a Network, name: &str) -> Option<&'a str> {
    let mut options = network.driver_opts.iter();
    let (_, value) = options.find(|(key, _)| key.value == name)?;
    Some(value.value.as_str())
}

fn flag(network: &Network, name: &str) -> Result<Option<bool>, Error> {
    match option(network, name) {
        None => Ok(None),
        // The words of Go's `strconv.ParseBool`, by which docker reads them.
        Some("1" | "t" | "T" | "TRUE" | "true" | "True") => Ok(Some(true)),
        Some("0" | "f" | "F" | "FALSE" | "false" | "False") => Ok(Some(false)),
        Some(other) => Err(bad_option(network, name, other, "true or false")),
    }
}

fn bad_option(network: &Network, name: &str, value: &str, expected: &str) -> Error {
    Error::Unplannable(format!(
        "network `{}`: option `{name}` is `{value}`, not {expected}",
        network.key.value
    ))
}
