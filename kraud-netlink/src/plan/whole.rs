//! What goes with a thing when that is deleted, and so has to be made again with it.

use ipnet::IpNet;

use crate::error::Result;
use crate::handle::Handle;
use crate::op::Op;
use crate::read::LinkInfo;
use crate::spec::{
    Address, Bridge, Link, LinkChange, LinkKind, NeighbourState, NextHopObject, NextHopTo, Route,
};

/// What makes a link again, with everything in this namespace that goes with it: links on top of it, its ports, addresses,
/// neighbours, routes and keys.
///
/// A veth pair can only be made again when both ends are in this namespace.
pub(super) fn whole_link(kernel: &mut Handle, name: &str) -> Result<Vec<Op>> {
    let all = kernel.links()?;
    let Some(first) = all.iter().find(|info| info.link.name == name) else {
        return Ok(Vec::new());
    };
    whole_links(kernel, &all, vec![first])
}

/// The same for all links of a group.
pub(super) fn whole_group(kernel: &mut Handle, group: u32) -> Result<Vec<Op>> {
    let all = kernel.links()?;
    let of_group = |info: &&LinkInfo| info.link.group == Some(group);
    whole_links(kernel, &all, all.iter().filter(of_group).collect())
}

fn whole_links<'a>(
    kernel: &mut Handle,
    all: &'a [LinkInfo],
    mut gone: Vec<&'a LinkInfo>,
) -> Result<Vec<Op>> {
    // Whatever is on top goes with what is below, and one end of a pair with the other.
    let mut at = 0;
    while let Some(&below) = gone.get(at) {
        at += 1;
        let goes_with = |info: &&LinkInfo| {
            info.parent_netns_id.is_none()
                && info.parent_index == Some(below.index)
                && lives_on_its_parent(&info.link.kind)
        };
        for info in all.iter().filter(goes_with) {
            if gone.iter().all(|other| other.index != info.index) {
                gone.push(info);
            }
        }
    }
    let mut ops = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for &info in &gone {
        let name = info.link.name.as_str();
        // The other end of a pair is made with the first.
        if names.contains(&name) {
            continue;
        }
        let Some((mut link, far)) = made_again(info, all) else {
            continue;
        };
        let keys = matches!(link.kind, LinkKind::Wireguard);
        let rest = more_options(&mut link);
        ops.push(Op::AddLink(link));
        ops.extend(rest.map(Op::SetLink));
        if keys {
            ops.push(Op::SetWireguard(kernel.wireguard(name)?.config()));
        }
        ops.extend(alt_names(info));
        names.push(name);
        if let Some(far) = far {
            names.push(&far.link.name);
            let mut rest = LinkChange::new(&far.link.name);
            rest.group = far.link.group.filter(|&group| group != 0);
            rest.master.clone_from(&far.link.master);
            rest.alias = far.link.alias.clone().filter(|alias| !alias.is_empty());
            if rest != LinkChange::new(&far.link.name) {
                ops.push(Op::SetLink(rest));
            }
            ops.extend(alt_names(far));
        }
    }
    for info in all {
        let name = info.link.name.as_str();
        let own = names.contains(&name);
        let bridge_again = info
            .link
            .master
            .as_deref()
            .is_some_and(|m| names.contains(&m));
        if bridge_again && !own {
            let master = info.link.master.clone().unwrap_or_default();
            ops.push(Op::SetLink(LinkChange::new(name).master(master)));
        }
        // A tunnel outlives its underlay, and does not know the new one.
        let under = info.link.parent.as_deref();
        let tunnel = matches!(info.link.kind, LinkKind::Ip6Tnl(_));
        if tunnel && !own && under.is_some_and(|under| names.contains(&under)) {
            let mut change = LinkChange::new(name).kind(info.link.kind.clone());
            change.parent.clone_from(&info.link.parent);
            ops.push(Op::SetLink(change));
        }
        if let (true, Some(port)) = (own || bridge_again, info.bridge_port) {
            ops.push(Op::SetLink(LinkChange::new(name).bridge_port(port)));
        }
    }
    ops.extend(what_is_on(kernel, &names)?);
    Ok(ops)
}

fn alt_names(info: &LinkInfo) -> impl Iterator<Item = Op> {
    info.alt_names.iter().map(|alt_name| Op::AddAltName {
        link: info.link.name.clone(),
        alt_name: alt_name.clone(),
    })
}

/// Takes out of a bridge what this crate has no field for, to be set in a step of its own: a kernel that refuses some of it
/// makes the bridge all the same.
fn more_options(link: &mut Link) -> Option<LinkChange> {
    let LinkKind::Bridge(bridge) = &mut link.kind else {
        return None;
    };
    let rest = Bridge {
        other: std::mem::take(&mut bridge.other),
        ..Bridge::default()
    };
    (rest != Bridge::default()).then(|| LinkChange::new(&link.name).kind(rest))
}

/// Does the kernel delete such a link with its parent, or with the other end of the pair? A tunnel outlives its underlay.
fn lives_on_its_parent(kind: &LinkKind) -> bool {
    match kind {
        LinkKind::Ipvlan(_) | LinkKind::Veth(_) | LinkKind::Vlan(_) => true,
        LinkKind::Other { name, .. } => {
            matches!(name.as_str(), "ipvtap" | "macvlan" | "macvtap" | "vxlan")
        }
        _ => false,
    }
}

/// The link as it is asked for when it is made again, and the other end of a pair; `None` if it cannot be.
fn made_again<'a>(info: &LinkInfo, all: &'a [LinkInfo]) -> Option<(Link, Option<&'a LinkInfo>)> {
    let mut link = info.link.clone();
    let mut other_end = None;
    match &mut link.kind {
        LinkKind::Physical => return None,
        LinkKind::Veth(peer) => {
            let name = peer.name.as_ref()?;
            let far = all.iter().find(|info| info.link.name == *name)?;
            peer.mtu = far.link.mtu;
            peer.address = far.link.address;
            peer.up = far.link.up;
            peer.noarp = far.link.noarp;
            peer.addr_gen_mode = far.link.addr_gen_mode;
            other_end = Some(far);
        }
        LinkKind::Ipvlan(_) | LinkKind::Vlan(_) => link.address = None,
        LinkKind::Bridge(bridge) => forget_defaults(bridge),
        _ => {}
    }
    forget_what_the_kernel_fills_in(&mut link);
    Some((link, other_end))
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
    // IFLA_BR_MULTI_BOOLOPT: switches and which of them are meant. All are off by default.
    for attr in bridge.other.iter_mut().filter(|attr| attr.kind == 46) {
        if let Some((on, meant)) = attr.payload.split_at_mut_checked(4) {
            meant.copy_from_slice(on);
        }
    }
    bridge
        .other
        .retain(|attr| attr.kind != 46 || attr.payload.iter().any(|&byte| byte != 0));
    // IFLA_BR_GROUP_ADDR: once it was given it does not follow the protocol any more.
    bridge
        .other
        .retain(|attr| (attr.kind, attr.payload.as_slice()) != (20, &[1, 0x80, 0xc2, 0, 0, 0]));
}

/// What makes a link a port again, with its options: the kernel takes those once it is one.
pub(super) fn as_port(info: &LinkInfo) -> Vec<LinkChange> {
    let change = || LinkChange::new(&info.link.name);
    let master = info
        .link
        .master
        .as_ref()
        .map(|master| change().master(master));
    let port = info.bridge_port.map(|port| change().bridge_port(port));
    master.into_iter().chain(port).collect()
}

/// The addresses, neighbours and routes of links.
pub(super) fn what_is_on(kernel: &mut Handle, names: &[&str]) -> Result<Vec<Op>> {
    let mut ops = Vec::new();
    for dev in names {
        let addresses = addresses_of(kernel, dev)?;
        ops.extend(addresses.into_iter().map(Op::ReplaceAddress));
    }
    ops.extend(neighbours_on(kernel, names)?);
    let out = |dev: &Option<String>| {
        dev.as_ref()
            .is_some_and(|dev| names.contains(&dev.as_str()))
    };
    let way = |object: &NextHopObject| match &object.to {
        NextHopTo::Link { dev, .. } => names.contains(&dev.as_str()),
        _ => false,
    };
    let gone = next_hops_like(kernel, way)?;
    let through = |route: &Route| {
        out(&route.dev)
            || route.nexthops.iter().any(|hop| out(&hop.dev))
            || gone
                .iter()
                .any(|object| route.nexthop_id == Some(object.id))
    };
    let routes = routes_like(kernel, through)?;
    ops.extend(gone.into_iter().map(Op::ReplaceNextHop));
    ops.extend(routes.into_iter().map(Op::ReplaceRoute));
    Ok(ops)
}

/// The neighbours of links that were set by hand.
pub(super) fn neighbours_on(
    kernel: &mut Handle,
    names: &[&str],
) -> Result<impl Iterator<Item = Op>> {
    let mut neighbours = kernel.neighbours()?;
    neighbours.retain(|info| {
        info.neighbour.state == NeighbourState::Permanent
            && names.contains(&info.neighbour.dev.as_str())
    });
    Ok(neighbours
        .into_iter()
        .map(|info| Op::ReplaceNeighbour(info.neighbour)))
}

/// Routes that somebody made and that `chosen` picks, those first that others need to reach their gateways.
fn routes_like(kernel: &mut Handle, chosen: impl Fn(&Route) -> bool) -> Result<Vec<Route>> {
    let made = |route: &Route| {
        route.protocol != crate::spec::protocol::KERNEL && route.table != crate::spec::table::LOCAL
    };
    let mut routes: Vec<Route> = kernel
        .routes()?
        .into_iter()
        .map(|info| info.route)
        .filter(|route| made(route) && chosen(route))
        .collect();
    routes.sort_by_key(|route| route.via.is_some() || !route.nexthops.is_empty());
    Ok(routes)
}

pub(super) fn find_next_hop(kernel: &mut Handle, id: u32) -> Result<Option<NextHopObject>> {
    let mut all = kernel.next_hops()?.into_iter();
    Ok(all.find(|object| object.id == id))
}

/// What makes a next-hop object again, with the groups that it is in and the routes through all of them.
pub(super) fn whole_next_hop(kernel: &mut Handle, id: u32) -> Result<Vec<Op>> {
    let gone = next_hops_like(kernel, |object| object.id == id)?;
    let uses = |route: &Route| {
        gone.iter()
            .any(|object| route.nexthop_id == Some(object.id))
    };
    let routes = routes_like(kernel, uses)?;
    let objects = gone.into_iter().map(Op::ReplaceNextHop);
    Ok(objects
        .chain(routes.into_iter().map(Op::ReplaceRoute))
        .collect())
}

/// The next-hop objects that `chosen` picks, and after them the groups that they are in.
fn next_hops_like(
    kernel: &mut Handle,
    chosen: impl Fn(&NextHopObject) -> bool,
) -> Result<Vec<NextHopObject>> {
    let all = kernel.next_hops()?;
    let (mut picked, others): (Vec<_>, Vec<_>) = all.into_iter().partition(chosen);
    let with_picked = |object: &NextHopObject| match &object.to {
        NextHopTo::Group(members) => members
            .iter()
            .any(|(id, _)| picked.iter().any(|object| object.id == *id)),
        _ => false,
    };
    let groups: Vec<_> = others.into_iter().filter(with_picked).collect();
    picked.extend(groups);
    Ok(picked)
}

pub(super) fn find_address(kernel: &mut Handle, wanted: &Address) -> Result<Option<Address>> {
    let mut all = kernel.addresses()?.into_iter().map(|info| info.address);
    Ok(all.find(|address| {
        address.dev == wanted.dev && address.net == wanted.net && address.peer == wanted.peer
    }))
}

/// What gives a link an address back with what goes with it: secondary addresses of its subnet, routes that prefer it, and
/// everything of IPv4 that goes with a link's last address.
pub(super) fn whole_address(kernel: &mut Handle, address: &Address) -> Result<Vec<Op>> {
    let Some(found) = find_address(kernel, address)? else {
        return Ok(Vec::new());
    };
    let dev = found.dev.as_str();
    let all = addresses_of(kernel, dev)?;
    let same_subnet = |other: &Address| other.net.trunc() == found.net.trunc();
    let v4 = |address: &Address| matches!(address.net, IpNet::V4(_));
    if v4(&found) && !all.iter().any(|other| v4(other) && !same_subnet(other)) {
        return what_is_on(kernel, &[dev]);
    }
    let mut ops: Vec<Op> = all
        .iter()
        .filter(|other| v4(&found) && same_subnet(other))
        .cloned()
        .map(Op::ReplaceAddress)
        .collect();
    if ops.is_empty() {
        ops.push(Op::AddAddress(found.clone()));
    }
    let own = Some(found.net.addr());
    ops.extend(
        routes_like(kernel, |route| route.src == own)?
            .into_iter()
            .map(Op::ReplaceRoute),
    );
    Ok(ops)
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
