use super::consts::*;
use super::{ADD, CHANGE, Resolve};
use crate::error::{Error, Result};
use crate::spec::{
    Bridge, FollowUp, Ip6Tnl, Link, LinkChange, LinkKind, Veth, Vlan, check_alt_name,
    check_link_name,
};
use crate::wire::Writer;

/// `struct ifinfomsg`.
pub(crate) fn ifinfo(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    header[12..16].copy_from_slice(&change.to_ne_bytes());
    header
}

pub(super) fn add(w: &mut Writer<'_>, resolve: &mut dyn Resolve, link: &Link) -> Result<()> {
    check(link)?;
    let up = link.up && !link.up_is_late();
    let flags = if up { IFF_UP } else { 0 } | if link.noarp { IFF_NOARP } else { 0 };
    let message = w.begin(
        RTM_NEWLINK,
        ADD,
        &ifinfo(link.index.unwrap_or(0), flags, flags),
    );
    if let Some(netns) = &link.netns {
        w.i32(IFLA_NET_NS_FD, resolve.netns(netns)?);
    }
    if let Some(netns) = &link.link_netns {
        w.i32(IFLA_LINK_NETNSID, resolve.netns_id(netns)?);
    }
    if let Some(mtu) = link.mtu {
        w.u32(IFLA_MTU, mtu);
    }
    if let Some(address) = link.address {
        w.bytes(IFLA_ADDRESS, &address.0);
    }
    if let Some(length) = link.txqueuelen {
        w.u32(IFLA_TXQLEN, length);
    }
    queues(w, link.numtxqueues, link.numrxqueues);
    if let Some(master) = &link.master {
        w.u32(IFLA_MASTER, resolve.link(master)?);
    }
    if let Some(group) = link.group {
        w.u32(IFLA_GROUP, group);
    }
    let parent = match (&link.parent, &link.link_netns) {
        (None, _) => None,
        (Some(parent), None) => Some(resolve.link(parent)?),
        (Some(parent), Some(netns)) => Some(resolve.link_in(netns, parent)?),
    };
    if let (Some(parent), false) = (parent, matches!(link.kind, LinkKind::Ip6Tnl(_))) {
        w.u32(IFLA_LINK, parent);
    }
    w.str(IFLA_IFNAME, &link.name);
    linkinfo(w, resolve, &link.kind, parent, false)?;
    w.end(message);

    for FollowUp { netns, change } in link.follow_ups() {
        // The kernel finds it by name: its index is not known yet.
        if netns.is_none() {
            set_message(w, resolve, &change, None)?;
        }
    }
    Ok(())
}

fn check(link: &Link) -> Result<()> {
    check_link_name("link name", &link.name)?;
    let invalid = |field, value: &str, why| Err(Error::invalid(field, value, why));
    if let LinkKind::Veth(Veth {
        name: None,
        up: true,
        ..
    }) = link.kind
    {
        return invalid(
            "veth peer name",
            &link.name,
            "a peer that is to be up needs a name",
        );
    }
    match (&link.kind, &link.parent) {
        (LinkKind::Physical, _) => {
            return invalid(
                "link kind",
                &link.name,
                "hardware and loopback cannot be made",
            );
        }
        (LinkKind::Ipvlan(_) | LinkKind::Vlan(_), None) => {
            return invalid(
                "link parent",
                &link.name,
                "this kind of link needs a parent",
            );
        }
        (LinkKind::Ipvlan(_), Some(parent)) if parent == "lo" => {
            return invalid(
                "link parent",
                parent,
                "the kernel takes no loopback device as an ipvlan parent",
            );
        }
        (LinkKind::Ipvlan(_), _) if link.address.is_some() => {
            return invalid(
                "link address",
                &link.name,
                "an ipvlan slave has its parent's hardware address",
            );
        }
        _ => {}
    }
    Ok(())
}

fn queues(w: &mut Writer<'_>, tx: Option<u32>, rx: Option<u32>) {
    if let Some(queues) = tx {
        w.u32(IFLA_NUM_TX_QUEUES, queues);
    }
    if let Some(queues) = rx {
        w.u32(IFLA_NUM_RX_QUEUES, queues);
    }
}

fn linkinfo(
    w: &mut Writer<'_>,
    resolve: &mut dyn Resolve,
    kind: &LinkKind,
    parent: Option<u32>,
    change: bool,
) -> Result<()> {
    let info = w.nest(IFLA_LINKINFO);
    w.str_bare(IFLA_INFO_KIND, kind.name());
    let data = w.nest(IFLA_INFO_DATA);
    match kind {
        LinkKind::Bridge(options) => bridge(w, options),
        LinkKind::Ip6Tnl(options) => ip6tnl(w, options, parent)?,
        LinkKind::Ipvlan(ipvlan) => {
            w.u16(1, ipvlan.mode.wire());
            w.u16(2, ipvlan.flag.wire());
        }
        LinkKind::Veth(peer) => veth_peer(w, resolve, peer)?,
        LinkKind::Vlan(options) => vlan(w, options, change)?,
        LinkKind::Other { options, .. } => w.attrs(options),
        LinkKind::Dummy | LinkKind::Wireguard | LinkKind::Physical => {}
    }
    w.close_or_drop(data);
    w.close(info);
    Ok(())
}

fn bridge(w: &mut Writer<'_>, bridge: &Bridge) {
    if let Some(on) = bridge.mcast_snooping {
        w.u8(23, on.into());
    }
    if let Some(time) = bridge.ageing_time {
        w.u32(4, time);
    }
    if let Some(priority) = bridge.priority {
        w.u16(6, priority);
    }
    for (kind, value) in [
        (2, bridge.hello_time),
        (3, bridge.max_age),
        (1, bridge.forward_delay),
    ] {
        if let Some(value) = value {
            w.u32(kind, value);
        }
    }
    if let Some(on) = bridge.stp {
        w.u32(5, on.into());
    }
    if let Some(on) = bridge.vlan_filtering {
        w.u8(7, on.into());
    }
    w.attrs(&bridge.other);
}

fn veth_peer(w: &mut Writer<'_>, resolve: &mut dyn Resolve, peer: &Veth) -> Result<()> {
    if *peer == Veth::default() {
        return Ok(());
    }
    let nest = w.nest(1);
    let flags = if peer.noarp { IFF_NOARP } else { 0 };
    w.raw(&ifinfo(0, flags, flags));
    if let Some(netns) = &peer.netns {
        w.i32(IFLA_NET_NS_FD, resolve.netns(netns)?);
    }
    if let Some(mtu) = peer.mtu {
        w.u32(IFLA_MTU, mtu);
    }
    if let Some(address) = peer.address {
        w.bytes(IFLA_ADDRESS, &address.0);
    }
    queues(w, peer.numtxqueues, peer.numrxqueues);
    if let Some(name) = &peer.name {
        check_link_name("veth peer name", name)?;
        w.str(IFLA_IFNAME, name);
    }
    w.close(nest);
    Ok(())
}

fn vlan(w: &mut Writer<'_>, vlan: &Vlan, change: bool) -> Result<()> {
    if !change && !(1..=4094).contains(&vlan.id) {
        return Err(Error::invalid(
            "vlan id",
            vlan.id.to_string(),
            "a VLAN id is between 1 and 4094",
        ));
    }
    // The kernel ignores a change of either.
    if !change {
        if let Some(protocol) = vlan.protocol {
            w.u16_be(5, protocol.wire());
        }
        w.u16(1, vlan.id);
    }
    for (kind, map) in [(4, &vlan.ingress_qos), (3, &vlan.egress_qos)] {
        if map.is_empty() {
            continue;
        }
        let nest = w.nest(kind);
        for (from, to) in map {
            let [a, b, c, d] = from.to_ne_bytes();
            let [e, f, g, h] = to.to_ne_bytes();
            w.bytes(1, &[a, b, c, d, e, f, g, h]);
        }
        w.close(nest);
    }
    let (mut flags, mut mask) = (0_u32, 0_u32);
    for (_, bit, state) in vlan.switches() {
        if let Some(on) = state {
            mask |= bit;
            flags |= if on { bit } else { 0 };
        }
    }
    if mask != 0 {
        let [a, b, c, d] = flags.to_ne_bytes();
        let [e, f, g, h] = mask.to_ne_bytes();
        w.bytes(2, &[a, b, c, d, e, f, g, h]);
    }
    w.attrs(&vlan.other);
    Ok(())
}

fn ip6tnl(w: &mut Writer<'_>, tunnel: &Ip6Tnl, parent: Option<u32>) -> Result<()> {
    if tunnel.flow_label > 0xf_ffff {
        let value = format!("{:#x}", tunnel.flow_label);
        return Err(Error::invalid(
            "flow label",
            value,
            "a flow label has 20 bits",
        ));
    }
    w.u8(9, tunnel.mode.wire());
    if tunnel.external {
        w.flag(19);
        w.attrs(&tunnel.other);
        return Ok(());
    }
    w.ip6(2, tunnel.local.octets());
    w.ip6(3, tunnel.remote.octets());
    w.u8(4, tunnel.hop_limit);
    w.u8(6, tunnel.encap_limit.unwrap_or(0));
    w.u32_be(
        7,
        (u32::from(tunnel.traffic_class) << 20) | tunnel.flow_label,
    );
    w.u32(8, tunnel.wire_flags());
    w.u32(1, parent.unwrap_or(0));
    w.u32(20, tunnel.fwmark);
    let encap = tunnel.encap;
    w.u16(15, encap.map_or(0, |encap| encap.kind.wire()));
    let bits = |csum: bool, csum6: bool, remcsum: bool| {
        u16::from(csum) | (u16::from(csum6) << 1) | (u16::from(remcsum) << 2)
    };
    w.u16(
        16,
        encap.map_or(2, |encap| bits(encap.csum, encap.csum6, encap.remcsum)),
    );
    w.u16_be(17, encap.map_or(0, |encap| encap.source_port));
    w.u16_be(18, encap.map_or(0, |encap| encap.destination_port));
    w.attrs(&tunnel.other);
    Ok(())
}

pub(super) fn set(
    w: &mut Writer<'_>,
    resolve: &mut dyn Resolve,
    change: &LinkChange,
) -> Result<()> {
    let index = resolve.link(&change.name)?;
    set_message(w, resolve, change, Some(index))
}

fn set_message(
    w: &mut Writer<'_>,
    resolve: &mut dyn Resolve,
    change: &LinkChange,
    index: Option<u32>,
) -> Result<()> {
    if let Some((first, second)) = change.split() {
        one_set_message(w, resolve, &first, index)?;
        return one_set_message(w, resolve, &second, index);
    }
    one_set_message(w, resolve, change, index)
}

fn one_set_message(
    w: &mut Writer<'_>,
    resolve: &mut dyn Resolve,
    change: &LinkChange,
    index: Option<u32>,
) -> Result<()> {
    let mut flags = 0;
    let mut mask = 0;
    // ARP is the odd one: its flag says "no".
    for (bit, state) in [
        (IFF_UP, change.up),
        (IFF_PROMISC, change.promisc),
        (IFF_NOARP, change.arp.map(|on| !on)),
    ] {
        if let Some(on) = state {
            mask |= bit;
            flags |= if on { bit } else { 0 };
        }
    }
    let message = w.begin(
        RTM_NEWLINK,
        CHANGE,
        &ifinfo(index.unwrap_or(0), flags, mask),
    );
    if let Some(mtu) = change.mtu {
        w.u32(IFLA_MTU, mtu);
    }
    if let Some(address) = change.address {
        w.bytes(IFLA_ADDRESS, &address.0);
    }
    if let Some(length) = change.txqueuelen {
        w.u32(IFLA_TXQLEN, length);
    }
    if let Some(group) = change.group {
        w.u32(IFLA_GROUP, group);
    }
    if let Some(alias) = &change.alias {
        if alias.len() > 255 {
            return Err(Error::invalid(
                "link alias",
                alias.as_str(),
                "an alias has at most 255 bytes",
            ));
        }
        w.str_bare(IFLA_IFALIAS, alias);
    }
    if let Some(mode) = change.addr_gen_mode {
        let families = w.nest(IFLA_AF_SPEC);
        let inet6 = w.nest(u16::from(AF_INET6));
        w.u8(IFLA_INET6_ADDR_GEN_MODE, mode.wire());
        w.close(inet6);
        w.close(families);
    }
    match change.master.as_deref() {
        None => {}
        Some("") => w.u32(IFLA_MASTER, 0),
        Some(master) => w.u32(IFLA_MASTER, resolve.link(master)?),
    }
    if index.is_none() {
        w.str(IFLA_IFNAME, &change.name);
    }
    if let Some(kind) = &change.kind {
        let parent = change
            .parent
            .as_ref()
            .map(|parent| resolve.link(parent))
            .transpose()?;
        linkinfo(w, resolve, kind, parent, true)?;
    } else if let Some(port) = &change.bridge_port {
        let info = w.nest(IFLA_LINKINFO);
        w.str_bare(IFLA_INFO_KIND, "bridge_slave");
        let data = w.nest(IFLA_INFO_SLAVE_DATA);
        let switches = [
            (33, port.isolated),
            (8, port.learning),
            (9, port.flood),
            (4, port.hairpin),
            (5, port.guard),
        ];
        for (kind, state) in switches {
            if let Some(on) = state {
                w.u8(kind, on.into());
            }
        }
        w.close(data);
        w.close(info);
    }
    w.end(message);
    Ok(())
}

pub(super) fn rename(
    w: &mut Writer<'_>,
    resolve: &mut dyn Resolve,
    name: &str,
    to: &str,
) -> Result<()> {
    check_link_name("link name", to)?;
    let message = w.begin(RTM_NEWLINK, CHANGE, &ifinfo(resolve.link(name)?, 0, 0));
    w.str(IFLA_IFNAME, to);
    w.end(message);
    Ok(())
}

pub(super) fn r#move(
    w: &mut Writer<'_>,
    resolve: &mut dyn Resolve,
    name: &str,
    netns: &str,
    rename: Option<&str>,
    up: bool,
) -> Result<()> {
    let flags = if up { IFF_UP } else { 0 };
    let message = w.begin(
        RTM_NEWLINK,
        CHANGE,
        &ifinfo(resolve.link(name)?, flags, flags),
    );
    w.i32(IFLA_NET_NS_FD, resolve.netns(netns)?);
    if let Some(to) = rename {
        check_link_name("link name", to)?;
        w.str(IFLA_IFNAME, to);
    }
    w.end(message);
    Ok(())
}

/// Gives a link a name beside its own, or takes it away.
pub(super) fn alt_name(
    w: &mut Writer<'_>,
    resolve: &mut dyn Resolve,
    (kind, flags): (u16, u16),
    name: &str,
    alt_name: &str,
) -> Result<()> {
    check_alt_name(alt_name)?;
    let message = w.begin(kind, CHANGE | flags, &ifinfo(resolve.link(name)?, 0, 0));
    let list = w.nest_flagged(IFLA_PROP_LIST);
    w.str(IFLA_ALT_IFNAME, alt_name);
    w.close(list);
    w.end(message);
    Ok(())
}

pub(super) fn delete(w: &mut Writer<'_>, resolve: &mut dyn Resolve, name: &str) -> Result<()> {
    let message = w.begin(RTM_DELLINK, CHANGE, &ifinfo(resolve.link(name)?, 0, 0));
    w.end(message);
    Ok(())
}

pub(super) fn delete_group(w: &mut Writer<'_>, group: u32) -> Result<()> {
    if group == 0 {
        return Err(Error::invalid(
            "link group",
            "0",
            "group 0 holds every link that is in no other group",
        ));
    }
    let message = w.begin(RTM_DELLINK, CHANGE, &ifinfo(0, 0, 0));
    w.u32(IFLA_GROUP, group);
    w.end(message);
    Ok(())
}
