//! What takes a step back.

use ipnet::IpNet;

use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::namespaces::{HERE, Namespaces, Step};
use crate::op::Op;
use crate::read::WireguardInfo;
use crate::spec::{
    Address, Bridge, Link, LinkChange, LinkKind, Peer, PeerAction, PresharedKey, PrivateKey, Route,
    Wireguard,
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
        Op::DeleteAddress(address) => find_address(kernel, address)?
            .map(Op::AddAddress)
            .into_iter()
            .collect(),
        Op::DeleteLink(name) => {
            return Ok(whole_link(kernel, name)?.into_iter().map(here).collect());
        }
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
            let addresses = addresses_of(kernel, name)?;
            let back = Op::MoveLink {
                name: rename.as_ref().unwrap_or(name).clone(),
                netns: step.netns.clone().unwrap_or_else(|| HERE.to_owned()),
                rename: rename.is_some().then(|| name.clone()),
                up: info.state.up,
            };
            let mut steps = vec![Step::in_netns(netns.clone(), back)];
            steps.extend(
                addresses
                    .into_iter()
                    .map(|address| here(Op::ReplaceAddress(address))),
            );
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
        Op::SetLink(change) => vec![Op::SetLink(before(kernel, change)?)],
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
        Op::SetNft(table) => vec![Op::DeleteNft(table.clone())],
        // A number stays and does no harm; the others cannot be taken back.
        _ => Vec::new(),
    };
    Ok(ops.into_iter().map(here).collect())
}

fn find_address(kernel: &mut Handle, wanted: &Address) -> Result<Option<Address>> {
    let mut all = kernel.addresses()?.into_iter().map(|info| info.address);
    Ok(all.find(|address| {
        address.dev == wanted.dev && address.net == wanted.net && address.peer == wanted.peer
    }))
}

/// The addresses of a link that somebody gave it: not those that the kernel makes of the hardware address.
fn addresses_of(kernel: &mut Handle, dev: &str) -> Result<Vec<Address>> {
    let own_choice = |address: &Address| match address.net {
        IpNet::V4(_) => true,
        IpNet::V6(net) => !net.addr().is_unicast_link_local() || address.nodad,
    };
    let all = kernel.addresses()?.into_iter().map(|info| info.address);
    Ok(all
        .filter(|address| address.dev == dev && own_choice(address))
        .collect())
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

/// Destination, table, type of service, and the metric as the kernel fills it in.
pub(super) fn route_key(route: &Route) -> (IpNet, u32, u8, u32) {
    let unsaid = if matches!(route.dst, IpNet::V4(_)) {
        0
    } else {
        1024
    };
    (
        route.dst.trunc(),
        route.table,
        route.tos,
        route.metric.filter(|&metric| metric != 0).unwrap_or(unsaid),
    )
}

/// What makes a link again with its addresses, routes and keys.
///
/// A veth pair can only be made again when both ends are in this namespace.
fn whole_link(kernel: &mut Handle, name: &str) -> Result<Vec<Op>> {
    let info = kernel.link(name)?;
    let mut link = info.link.clone();
    let mut ops = Vec::new();
    let mut names = vec![name.to_owned()];
    match &mut link.kind {
        LinkKind::Physical | LinkKind::Other(_) => return Ok(Vec::new()),
        LinkKind::Veth(peer) => {
            let Some(other) = peer.name.clone() else {
                return Ok(Vec::new());
            };
            let far = kernel.link(&other)?.link;
            peer.mtu = far.mtu;
            peer.address = far.address;
            peer.up = far.up;
            peer.noarp = far.noarp;
            peer.addr_gen_mode = far.addr_gen_mode;
            names.push(other);
        }
        LinkKind::Ipvlan(_) | LinkKind::Vlan(_) => link.address = None,
        LinkKind::Bridge(bridge) => forget_defaults(bridge),
        _ => {}
    }
    forget_what_the_kernel_fills_in(&mut link);
    ops.push(Op::AddLink(link.clone()));
    if matches!(link.kind, LinkKind::Wireguard) {
        let old = kernel.wireguard(name)?;
        ops.push(Op::SetWireguard(old.config()));
    }
    for dev in &names {
        ops.extend(
            addresses_of(kernel, dev)?
                .into_iter()
                .map(Op::ReplaceAddress),
        );
    }
    let through = |route: &Route| {
        let out = |dev: &Option<String>| dev.as_ref().is_some_and(|dev| names.contains(dev));
        route.protocol != crate::spec::protocol::KERNEL
            && route.table != crate::spec::table::LOCAL
            && (out(&route.dev) || route.nexthops.iter().any(|hop| out(&hop.dev)))
    };
    let mut routes: Vec<Route> = kernel
        .routes()?
        .into_iter()
        .map(|info| info.route)
        .filter(|r| through(r))
        .collect();
    // Gateways are reached through routes without one.
    routes.sort_by_key(|route| route.via.is_some() || !route.nexthops.is_empty());
    ops.extend(routes.into_iter().map(Op::ReplaceRoute));
    Ok(ops)
}

fn forget_what_the_kernel_fills_in(link: &mut Link) {
    // The hardware address of a bridge without one of its own follows its ports, that of a tunnel its end.
    if matches!(link.kind, LinkKind::Ip6Tnl(_) | LinkKind::Wireguard) {
        link.address = None;
        link.noarp = false;
    }
    // A bridge without ports has none.
    link.address = link.address.filter(|address| address.0 != [0; 6]);
    // Somebody else may have the number by then.
    link.index = None;
    link.group = link.group.filter(|&group| group != 0);
    link.numtxqueues = link.numtxqueues.filter(|&queues| queues != 1);
    link.numrxqueues = link.numrxqueues.filter(|&queues| queues != 1);
    link.alias = link.alias.take().filter(|alias| !alias.is_empty());
}

/// Options at the kernel's default need not be sent, and some kernels refuse even that.
fn forget_defaults(bridge: &mut Bridge) {
    bridge.mcast_snooping = bridge.mcast_snooping.filter(|on| !on);
    bridge.stp = bridge.stp.filter(|&on| on);
    bridge.vlan_filtering = bridge.vlan_filtering.filter(|&on| on);
    bridge.ageing_time = bridge.ageing_time.filter(|&time| time != 30_000);
    bridge.priority = bridge.priority.filter(|&priority| priority != 0x8000);
    bridge.forward_delay = bridge.forward_delay.filter(|&time| time != 1500);
    bridge.hello_time = bridge.hello_time.filter(|&time| time != 200);
    bridge.max_age = bridge.max_age.filter(|&time| time != 2000);
}

/// The change that gives a link back what `change` will overwrite.
fn before(kernel: &mut Handle, change: &LinkChange) -> Result<LinkChange> {
    let info = kernel.link(&change.name)?;
    let link = info.link;
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
        .map(|_| link.master.unwrap_or_default());
    back.group = change.group.and(link.group);
    back.alias = change
        .alias
        .as_ref()
        .map(|_| link.alias.unwrap_or_default());
    back.addr_gen_mode = change.addr_gen_mode.and(link.addr_gen_mode);
    if change.kind.is_some() {
        back.kind = Some(link.kind);
        back.parent = link.parent;
    }
    if change.bridge_port.is_some() {
        // The kernel's own defaults; ports are set right after they join.
        back.bridge_port = Some(crate::spec::BridgePort {
            isolated: Some(false),
            learning: Some(true),
            flood: Some(true),
            hairpin: Some(false),
            guard: Some(false),
        });
    }
    Ok(back)
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
