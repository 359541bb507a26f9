//! What takes a step back.

use ipnet::IpNet;

use super::link::bridge_before;
use super::whole::{
    as_port, find_address, find_next_hop, neighbours_on, what_is_on, whole_address, whole_group,
    whole_link, whole_next_hop,
};
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::namespaces::{HERE, Namespaces, Step};
use crate::op::Op;
use crate::read::WireguardInfo;
use crate::spec::{
    LinkChange, LinkKind, Peer, PeerAction, PresharedKey, PrivateKey, Route, Wireguard,
};

/// May it share a datagram with others of its kind?
pub(super) fn is_independent(op: &Op) -> bool {
    matches!(op, Op::AddAddress(_) | Op::AddNeighbour(_) | Op::AddRule(_))
        // A gateway may have to be reached through the route before it.
        || matches!(op, Op::AddRoute(route) if route.via.is_none() && route.nexthops.is_empty())
}

/// The inverse of a step that adds something, which needs no look at the system.
pub(super) fn of_addition(step: &Step) -> Option<Step> {
    let op = match &step.op {
        Op::AddAddress(address) => Op::DeleteAddress(address.clone()),
        Op::AddAltName { link, alt_name } => Op::DeleteAltName {
            link: link.clone(),
            alt_name: alt_name.clone(),
        },
        Op::AddNextHop(object) => Op::DeleteNextHop(object.id),
        Op::AddLink(link) => {
            let netns = link.netns.clone().or_else(|| step.netns.clone());
            return Some(Step {
                netns,
                op: Op::DeleteLink(link.name.clone()),
            });
        }
        Op::AddNetns(name) => Op::DeleteNetns(name.clone()),
        Op::AddNeighbour(neighbour) => Op::DeleteNeighbour(neighbour.clone()),
        Op::AddRoute(route) | Op::AppendRoute(route) => Op::DeleteRoute(route.clone()),
        Op::AddRule(rule) => Op::DeleteRule(rule.clone()),
        _ => return None,
    };
    Some(Step {
        netns: step.netns.clone(),
        op,
    })
}

pub(super) fn inverse(system: &mut Namespaces, step: &Step) -> Result<Vec<Step>> {
    if let Some(inverse) = of_addition(step) {
        return Ok(vec![inverse]);
    }
    let here = |op: Op| Step {
        netns: step.netns.clone(),
        op,
    };
    let kernel = match &step.netns {
        None => system.here(),
        Some(netns) => system.handle(netns)?,
    };
    let ops: Vec<Op> = match &step.op {
        Op::DeleteAddress(address) => whole_address(kernel, address)?,
        Op::DeleteAltName { link, alt_name } => vec![Op::AddAltName {
            link: link.clone(),
            alt_name: alt_name.clone(),
        }],
        Op::DeleteLink(name) => whole_link(kernel, name)?,
        Op::DeleteLinkGroup(group) => whole_group(kernel, *group)?,
        Op::DeleteNextHop(id) => whole_next_hop(kernel, *id)?,
        Op::ReplaceNextHop(object) => vec![
            find_next_hop(kernel, object.id)?
                .map_or(Op::DeleteNextHop(object.id), Op::ReplaceNextHop),
        ],
        Op::DeleteNft(table) => kernel
            .nft_table(table)?
            .map(Op::SetNft)
            .into_iter()
            .collect(),
        Op::DeleteNeighbour(wanted) => {
            let all = kernel.neighbours()?.into_iter().map(|info| info.neighbour);
            let same = |n: &crate::spec::Neighbour| {
                n.dev == wanted.dev && n.address == wanted.address && n.proxy == wanted.proxy
            };
            all.into_iter()
                .find(same)
                .map(Op::AddNeighbour)
                .into_iter()
                .collect()
        }
        Op::DeleteRoute(route) => find_route(kernel, route)?
            .map(Op::AddRoute)
            .into_iter()
            .collect(),
        Op::DeleteRule(rule) => vec![Op::AddRule(rule.clone())],
        Op::MoveLink {
            name,
            netns,
            rename,
            ..
        } => {
            let info = kernel.link(name)?;
            let back = Op::MoveLink {
                name: rename.as_ref().unwrap_or(name).clone(),
                netns: step.netns.clone().unwrap_or_else(|| HERE.to_owned()),
                rename: rename.is_some().then(|| name.clone()),
                up: info.state.up,
            };
            let mut steps = vec![Step::in_netns(netns.clone(), back)];
            steps.extend(
                as_port(&info)
                    .into_iter()
                    .map(|step| here(Op::SetLink(step))),
            );
            steps.extend(what_is_on(kernel, &[name])?.into_iter().map(here));
            return Ok(steps);
        }
        Op::RenameLink { name, to } => vec![Op::RenameLink {
            name: to.clone(),
            to: name.clone(),
        }],
        Op::ReplaceAddress(address) => vec![
            find_address(kernel, address)?
                .map_or_else(|| Op::DeleteAddress(address.clone()), Op::ReplaceAddress),
        ],
        Op::ReplaceNeighbour(wanted) => {
            let mut all = kernel.neighbours()?.into_iter().map(|info| info.neighbour);
            let found = all.find(|n| {
                n.dev == wanted.dev && n.address == wanted.address && n.proxy == wanted.proxy
            });
            vec![found.map_or_else(|| Op::DeleteNeighbour(wanted.clone()), Op::ReplaceNeighbour)]
        }
        Op::ReplaceRoute(route) => {
            vec![
                find_route(kernel, route)?
                    .map_or_else(|| Op::DeleteRoute(route.clone()), Op::ReplaceRoute),
            ]
        }
        Op::SetLink(change) => before(kernel, change)?,
        Op::SetWireguard(wireguard) => {
            let old = kernel.wireguard(&wireguard.dev)?;
            vec![Op::SetWireguard(wireguard_before(wireguard, &old))]
        }
        Op::WriteSysctl(sysctl) => {
            let value = kernel.netns().read_sysctl(&sysctl.key)?;
            vec![Op::WriteSysctl(crate::spec::Sysctl {
                key: sysctl.key.clone(),
                value,
            })]
        }
        Op::SetNft(table) => vec![
            kernel
                .nft_table(table)?
                .map_or_else(|| Op::DeleteNft(table.clone()), Op::SetNft),
        ],
        // A number stays and does no harm; what was in a deleted namespace is gone.
        _ => Vec::new(),
    };
    Ok(ops.into_iter().map(here).collect())
}

/// The route that a kernel takes for the same: destination, table, type of service and metric.
fn find_route(kernel: &mut Handle, wanted: &Route) -> Result<Option<Route>> {
    let mut all = kernel.routes()?.into_iter().map(|info| info.route);
    Ok(all.find(|route| same_route(route, wanted)))
}

/// What a kernel takes for the same route.
pub(super) fn same_route(a: &Route, b: &Route) -> bool {
    route_key(a) == route_key(b)
}

/// What tells routes apart: no two have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RouteKey {
    pub(super) dst: IpNet,
    pub(super) from: Option<IpNet>,
    pub(super) table: u32,
    pub(super) tos: u8,
    /// As the kernel fills it in.
    pub(super) metric: u32,
}

pub(super) fn route_key(route: &Route) -> RouteKey {
    let unsaid = if matches!(route.dst, IpNet::V4(_)) {
        0
    } else {
        1024
    };
    RouteKey {
        dst: route.dst.trunc(),
        from: route.from.map(|from| from.trunc()),
        table: route.table,
        tos: route.tos,
        metric: route.metric.filter(|&metric| metric != 0).unwrap_or(unsaid),
    }
}

/// The changes that give a link back what `change` will overwrite.
fn before(kernel: &mut Handle, change: &LinkChange) -> Result<Vec<Op>> {
    let info = kernel.link(&change.name)?;
    let link = info.link.clone();
    let mut back = LinkChange::new(&change.name);
    back.mtu = change.mtu.and(link.mtu);
    back.up = change.up.map(|_| info.state.up);
    back.arp = change.arp.map(|_| !link.noarp);
    back.promisc = change
        .promisc
        .map(|_| info.state.flags & crate::message::consts::IFF_PROMISC != 0);
    back.address = change.address.and(link.address);
    back.txqueuelen = change.txqueuelen.and(link.txqueuelen);
    back.master = change
        .master
        .as_ref()
        .map(|_| link.master.clone().unwrap_or_default());
    back.group = change.group.and(link.group);
    back.alias = change
        .alias
        .as_ref()
        .map(|_| link.alias.unwrap_or_default());
    back.addr_gen_mode = change.addr_gen_mode.and(link.addr_gen_mode);
    back.kind = match (&change.kind, link.kind) {
        (None, _) => None,
        (Some(LinkKind::Bridge(new)), LinkKind::Bridge(is)) => Some(bridge_before(&is, new).into()),
        (Some(_), is) => Some(is),
    };
    if change.kind.is_some() {
        back.parent = link.parent;
    }
    let mut changes = vec![back];
    // A port that left its bridge lost its options.
    if change.master.is_some() || change.bridge_port.is_some() {
        changes.extend(
            info.bridge_port
                .map(|port| LinkChange::new(&change.name).bridge_port(port)),
        );
    }
    changes.retain(|step| *step != LinkChange::new(&change.name));
    let mut ops: Vec<Op> = changes.into_iter().map(Op::SetLink).collect();
    // Below its least MTU a link has no IPv6.
    let loses_all = change.up == Some(false) && info.state.up;
    if loses_all || change.mtu.is_some_and(|mtu| mtu < 1280) {
        ops.extend(what_is_on(kernel, &[&change.name])?);
    }
    // Links on top follow their parent down, and to a smaller MTU.
    let lower = change.mtu.is_some() || loses_all;
    for above in kernel.links()?.into_iter().filter(|_| lower) {
        if above.parent_netns_id.is_some()
            || above.parent_index != Some(info.index)
            || matches!(above.link.kind, LinkKind::Veth(_) | LinkKind::Ip6Tnl(_))
        {
            continue;
        }
        let mut back = LinkChange::new(&above.link.name);
        back.mtu = change.mtu.and(above.link.mtu);
        back.up = (loses_all && above.state.up).then_some(true);
        ops.push(Op::SetLink(back));
        if loses_all {
            ops.extend(what_is_on(kernel, &[&above.link.name])?);
        }
    }
    // Neighbours go when the hardware address changes; that of a bridge follows its ports.
    let mut readdressed: Vec<&str> = Vec::new();
    if change.address.is_some() {
        readdressed.push(&change.name);
    }
    if change.master.is_some() {
        readdressed.extend(link.master.as_deref());
    }
    if !readdressed.is_empty() {
        ops.extend(neighbours_on(kernel, &readdressed)?);
    }
    Ok(ops)
}

/// The configuration that gives a device back what `new` will overwrite.
fn wireguard_before(new: &Wireguard, old: &WireguardInfo) -> Wireguard {
    let config = old.config();
    let mut back = Wireguard::new(&new.dev);
    let no_key = || PrivateKey::new([0; 32]);
    back.private_key = new
        .private_key
        .as_ref()
        .map(|_| config.private_key.clone().unwrap_or_else(no_key));
    back.listen_port = new.listen_port.map(|_| old.listen_port);
    back.fwmark = new.fwmark.map(|_| old.fwmark);
    if new.replace_peers {
        back.replace_peers = true;
        back.peers = config.peers;
        return back;
    }
    for peer in &new.peers {
        let known = config
            .peers
            .iter()
            .any(|old| old.public_key == peer.public_key);
        if !known && peer.action != PeerAction::Remove {
            back.peers.push(Peer::remove(peer.public_key));
        }
    }
    let taken: std::collections::HashSet<IpNet> = new
        .peers
        .iter()
        .flat_map(|peer| peer.allowed_ips.iter().copied())
        .collect();
    let touched = |old: &Peer| {
        new.peers
            .iter()
            .any(|peer| peer.public_key == old.public_key)
            || old.allowed_ips.iter().any(|net| taken.contains(net))
    };
    back.peers.extend(config.peers.into_iter().filter(touched));
    back
}

impl WireguardInfo {
    /// What would make the device as it is: every setting and every peer.
    #[must_use]
    pub fn config(&self) -> Wireguard {
        let peer = |info: &crate::read::PeerInfo| Peer {
            preshared_key: Some(
                info.preshared_key
                    .clone()
                    .unwrap_or_else(|| PresharedKey::new([0; 32])),
            ),
            endpoint: info.endpoint,
            keepalive: Some(info.keepalive),
            allowed_ips: info.allowed_ips.clone(),
            ..Peer::new(info.public_key)
        };
        Wireguard {
            dev: self.dev.clone(),
            private_key: self.private_key.clone(),
            listen_port: Some(self.listen_port),
            fwmark: Some(self.fwmark),
            replace_peers: true,
            peers: self.peers.iter().map(peer).collect(),
        }
    }
}

/// Shorthand for what both the differ and the inverse refuse.
pub(super) fn conflict(what: impl Into<String>, why: impl Into<String>) -> Error {
    Error::Conflict {
        what: what.into(),
        why: why.into(),
    }
}
