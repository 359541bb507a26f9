use std::net::IpAddr;

use ipnet::IpNet;

use super::Resolve;
use super::consts::*;
use crate::error::{Error, Result};
use crate::spec::{
    Address, Encap, Neighbour, NextHop, NextHopObject, NextHopTo, PortRange, Route, RouteKind,
    Rule, RuleAction, Scope, protocol,
};
use crate::wire::Writer;

fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

pub(super) fn address(
    w: &mut Writer<'_>,
    resolve: &mut dyn Resolve,
    kind: u16,
    flags: u16,
    address: &Address,
) -> Result<()> {
    let index = resolve.link(&address.dev)?;
    let local = address.net.addr();
    if address
        .peer
        .is_some_and(|peer| peer.is_ipv4() != local.is_ipv4())
    {
        let value = address
            .peer
            .map(|peer| peer.to_string())
            .unwrap_or_default();
        return Err(Error::invalid(
            "address peer",
            value,
            "an address and its peer are of one family",
        ));
    }
    let address_flags = address.wire_flags();
    let [short_flags, ..] = address_flags.to_le_bytes();
    let long_flags = address_flags > 0xff;
    let [a, b, c, d] = index.to_ne_bytes();
    let header = [
        family(local),
        address.net.prefix_len(),
        if long_flags { 0 } else { short_flags },
        address.wire_scope(),
        a,
        b,
        c,
        d,
    ];
    let message = w.begin(kind, flags, &header);
    w.ip(IFA_LOCAL, local);
    if let Some(peer) = address.peer {
        w.ip(IFA_ADDRESS, peer);
    }
    if let Some(label) = &address.label {
        w.str(IFA_LABEL, label);
    }
    if let Some(metric) = address.metric {
        w.u32(IFA_RT_PRIORITY, metric);
    }
    if let Some(protocol) = address.protocol {
        w.u8(IFA_PROTO, protocol);
    }
    if long_flags {
        w.u32(IFA_FLAGS, address_flags);
    }
    if address.peer.is_none() {
        w.ip(IFA_ADDRESS, local);
    }
    if let Some(broadcast) = address.broadcast {
        w.ip(IFA_BROADCAST, broadcast.into());
    }
    if let Some((preferred, valid)) = address.lifetime {
        let mut info = [0; 16];
        info[..4].copy_from_slice(&preferred.to_ne_bytes());
        info[4..8].copy_from_slice(&valid.to_ne_bytes());
        w.bytes(IFA_CACHEINFO, &info);
    }
    w.attrs(&address.other);
    w.end(message);
    Ok(())
}

pub(super) fn route(
    w: &mut Writer<'_>,
    resolve: &mut dyn Resolve,
    kind: u16,
    flags: u16,
    route: &Route,
) -> Result<()> {
    let v4 = matches!(route.dst, IpNet::V4(_));
    if route.src.is_some_and(|src| src.is_ipv4() != v4) {
        let value = route.src.map(|src| src.to_string()).unwrap_or_default();
        return Err(Error::invalid(
            "route source",
            value,
            "a route's source address has the family of its destination",
        ));
    }
    if let Some(from) = route.from.filter(|from| matches!(from, IpNet::V4(_)) != v4) {
        let why = "a route is for packets of one family";
        return Err(Error::invalid("route from", from.to_string(), why));
    }
    let delete = kind == RTM_DELROUTE;
    // A deletion asks for nothing that its caller did not name, as in `ip`.
    let (scope, route_kind, owner) = if delete {
        let any = if v4 { Scope::NOWHERE } else { Scope::GLOBAL };
        (
            route.scope.unwrap_or(any).0,
            if route.kind == RouteKind::Unicast {
                0
            } else {
                route.kind.wire()
            },
            if route.protocol == protocol::BOOT {
                0
            } else {
                route.protocol
            },
        )
    } else {
        (route.wire_scope(), route.kind.wire(), route.protocol)
    };
    let table = u8::try_from(route.table).unwrap_or(0);
    let mut header = [0; 12];
    header[0] = if v4 { AF_INET } else { AF_INET6 };
    header[1] = route.dst.prefix_len();
    header[2] = route.from.map_or(0, |from| from.prefix_len());
    header[3] = route.tos;
    header[4] = table;
    header[5] = owner;
    header[6] = scope;
    header[7] = route_kind;
    header[8] = if route.onlink { RTNH_F_ONLINK } else { 0 };
    let message = w.begin(kind, flags, &header);
    w.ip(RTA_DST, route.dst.network());
    if let Some(from) = route.from {
        w.ip(RTA_SRC, from.network());
    }
    if let Some(encap) = &route.encap {
        encap_attrs(w, encap, [RTA_ENCAP, RTA_ENCAP_TYPE]);
    }
    if let Some(gateway) = route.via {
        via(w, gateway, v4)?;
    }
    if let Some(src) = route.src {
        w.ip(RTA_PREFSRC, src);
    }
    if let Some(metric) = route.metric {
        w.u32(RTA_PRIORITY, metric);
    }
    if let Some(pref) = route.pref {
        w.u8(RTA_PREF, pref);
    }
    if let Some(seconds) = route.expires {
        w.u32(RTA_EXPIRES, seconds);
    }
    if let Some(id) = route.nexthop_id {
        w.u32(RTA_NH_ID, id);
    }
    if route.table > 0xff {
        w.u32(RTA_TABLE, route.table);
    }
    if let Some(dev) = &route.dev {
        w.u32(RTA_OIF, resolve.link(dev)?);
    }
    if !route.metrics.is_empty() {
        let nest = w.nest(RTA_METRICS);
        for (number, value) in route.metrics.entries() {
            if let Some(value) = value {
                w.u32(number, value);
            }
        }
        w.attrs(&route.metrics.other);
        w.close(nest);
    }
    if !route.nexthops.is_empty() {
        let nest = w.nest(RTA_MULTIPATH);
        for hop in &route.nexthops {
            nexthop(w, resolve, hop, v4)?;
        }
        w.close(nest);
    }
    w.attrs(&route.other);
    w.end(message);
    Ok(())
}

fn via(w: &mut Writer<'_>, gateway: IpAddr, v4: bool) -> Result<()> {
    match (gateway, v4) {
        (IpAddr::V6(gateway), true) => {
            let mut raw = [0; 18];
            raw[..2].copy_from_slice(&u16::from(AF_INET6).to_ne_bytes());
            raw[2..].copy_from_slice(&gateway.octets());
            w.bytes(RTA_VIA, &raw);
        }
        (IpAddr::V4(_), false) => {
            let why = "an IPv6 route has an IPv6 gateway";
            return Err(Error::invalid("route gateway", gateway.to_string(), why));
        }
        (gateway, _) => w.ip(RTA_GATEWAY, gateway),
    }
    Ok(())
}

/// `struct rtnexthop` and its attributes; its length counts from its own start.
fn nexthop(w: &mut Writer<'_>, resolve: &mut dyn Resolve, hop: &NextHop, v4: bool) -> Result<()> {
    let index = hop
        .dev
        .as_ref()
        .map(|dev| resolve.link(dev))
        .transpose()?
        .unwrap_or(0);
    // A nest's header is `{len: u16, type: u16}`, a next hop's `{len: u16, flags: u8, weight - 1: u8}`.
    let flags = if hop.onlink { RTNH_F_ONLINK } else { 0 };
    let Ok(weight) = u8::try_from(hop.weight.max(1) - 1) else {
        return Err(Error::invalid(
            "next hop weight",
            hop.weight.to_string(),
            "a weight is at most 256",
        ));
    };
    let mark = w.nest(u16::from_ne_bytes([flags, weight]));
    w.raw(&index.to_ne_bytes());
    if let Some(encap) = &hop.encap {
        encap_attrs(w, encap, [RTA_ENCAP, RTA_ENCAP_TYPE]);
    }
    if let Some(gateway) = hop.via {
        via(w, gateway, v4)?;
    }
    w.attrs(&hop.other);
    w.close(mark);
    Ok(())
}

fn encap_attrs(w: &mut Writer<'_>, encap: &Encap, [data_kind, type_kind]: [u16; 2]) {
    let nest = w.nest_flagged(data_kind);
    let kind = match encap {
        Encap::Ip6(encap) => {
            if encap.id != 0 {
                w.u64_be(1, encap.id);
            }
            if let Some(src) = encap.src {
                w.ip6(3, src.octets());
            }
            w.ip6(2, encap.dst.octets());
            if encap.hop_limit != 0 {
                w.u8(4, encap.hop_limit);
            }
            if encap.traffic_class != 0 {
                w.u8(5, encap.traffic_class);
            }
            if encap.flags != 0 {
                w.u16_be(6, encap.flags);
            }
            LWTUNNEL_ENCAP_IP6
        }
        Encap::Ip(encap) => {
            if encap.id != 0 {
                w.u64_be(1, encap.id);
            }
            if let Some(src) = encap.src {
                w.ip(3, src.into());
            }
            w.ip(2, encap.dst.into());
            if encap.ttl != 0 {
                w.u8(4, encap.ttl);
            }
            if encap.tos != 0 {
                w.u8(5, encap.tos);
            }
            if encap.flags != 0 {
                w.u16_be(6, encap.flags);
            }
            LWTUNNEL_ENCAP_IP
        }
        Encap::Other { kind, data } => {
            w.rewind(nest);
            w.bytes_flagged(data_kind, data);
            w.u16(type_kind, *kind);
            return;
        }
    };
    w.close(nest);
    w.u16(type_kind, kind);
}

pub(super) fn next_hop_object(
    w: &mut Writer<'_>,
    resolve: &mut dyn Resolve,
    flags: u16,
    object: &NextHopObject,
) -> Result<()> {
    let invalid = |why| {
        Err(Error::invalid(
            "next-hop object",
            object.id.to_string(),
            why,
        ))
    };
    if object.id == 0 {
        return invalid("its number is not 0");
    }
    let (family, onlink) = match &object.to {
        NextHopTo::Blackhole { ipv6: true } => (AF_INET6, false),
        NextHopTo::Blackhole { ipv6: false } => (AF_INET, false),
        NextHopTo::Group(_) => (0, false),
        NextHopTo::Link { via, onlink, .. } => (via.map_or(AF_INET, family), *onlink),
    };
    let mut header = [0; 8];
    header[0] = family;
    header[2] = object.protocol;
    header[4..].copy_from_slice(&u32::from(if onlink { RTNH_F_ONLINK } else { 0 }).to_ne_bytes());
    let message = w.begin(RTM_NEWNEXTHOP, flags, &header);
    w.u32(NHA_ID, object.id);
    match &object.to {
        NextHopTo::Blackhole { .. } => w.flag(NHA_BLACKHOLE),
        NextHopTo::Group(members) => {
            let mut entries = Vec::with_capacity(members.len() * 8);
            for &(id, weight) in members {
                // A share above 256 needs kernel 6.12; before, its byte must be zero.
                let [low, high] = weight.max(1).saturating_sub(1).to_le_bytes();
                entries.extend_from_slice(&id.to_ne_bytes());
                entries.extend_from_slice(&[low, high, 0, 0]);
            }
            w.bytes(NHA_GROUP, &entries);
        }
        NextHopTo::Link {
            dev, via, encap, ..
        } => {
            if let Some(via) = via {
                w.ip(NHA_GATEWAY, *via);
            }
            w.u32(NHA_OIF, resolve.link(dev)?);
            if let Some(encap) = encap {
                encap_attrs(w, encap, [NHA_ENCAP, NHA_ENCAP_TYPE]);
            }
        }
    }
    w.attrs(&object.other);
    w.end(message);
    Ok(())
}

pub(super) fn delete_next_hop_object(w: &mut Writer<'_>, id: u32) {
    let message = w.begin(RTM_DELNEXTHOP, super::CHANGE, &[0; 8]);
    w.u32(NHA_ID, id);
    w.end(message);
}

pub(super) fn rule(w: &mut Writer<'_>, kind: u16, flags: u16, rule: &Rule) -> Result<()> {
    for net in [rule.from, rule.to].into_iter().flatten() {
        if matches!(net, IpNet::V6(_)) != rule.ipv6 {
            return Err(Error::invalid(
                "rule prefix",
                net.to_string(),
                "a rule's prefixes have the rule's family",
            ));
        }
    }
    let (table, action) = match rule.action {
        RuleAction::Table(table) if kind == RTM_DELRULE => (table, 0),
        RuleAction::Table(table) => (table, 1),
        RuleAction::Blackhole => (0, 6),
        RuleAction::Unreachable => (0, 7),
        RuleAction::Prohibit => (0, 8),
    };
    let mut header = [0; 12];
    header[0] = if rule.ipv6 { AF_INET6 } else { AF_INET };
    header[1] = rule.to.map_or(0, |net| net.prefix_len());
    header[2] = rule.from.map_or(0, |net| net.prefix_len());
    header[4] = u8::try_from(table).unwrap_or(0);
    header[7] = action;
    header[8..12].copy_from_slice(&(if rule.invert { FIB_RULE_INVERT } else { 0 }).to_ne_bytes());
    let message = w.begin(kind, flags, &header);
    if let Some(net) = rule.from {
        w.ip(FRA_SRC, net.network());
    }
    if let Some(net) = rule.to {
        w.ip(FRA_DST, net.network());
    }
    if let Some(name) = &rule.iif {
        w.str(FRA_IIFNAME, name);
    }
    if let Some(name) = &rule.oif {
        w.str(FRA_OIFNAME, name);
    }
    if let Some((mark, mask)) = rule.fwmark {
        w.u32(FRA_FWMARK, mark);
        if let Some(mask) = mask {
            w.u32(FRA_FWMASK, mask);
        }
    }
    if let Some(protocol) = rule.ip_protocol {
        w.u8(FRA_IP_PROTO, protocol);
    }
    for (attr, range) in [
        (FRA_SPORT_RANGE, rule.source_ports),
        (FRA_DPORT_RANGE, rule.destination_ports),
    ] {
        if let Some(PortRange { first, last }) = range {
            let [a, b] = first.to_ne_bytes();
            let [c, d] = last.to_ne_bytes();
            w.bytes(attr, &[a, b, c, d]);
        }
    }
    if let Some((first, last)) = rule.uid_range {
        let [a, b, c, d] = first.to_ne_bytes();
        let [e, f, g, h] = last.to_ne_bytes();
        w.bytes(FRA_UID_RANGE, &[a, b, c, d, e, f, g, h]);
    }
    if rule.l3mdev {
        w.u8(FRA_L3MDEV, 1);
    }
    if table > 0xff {
        w.u32(FRA_TABLE, table);
    }
    if let Some(length) = rule.suppress_prefix_length {
        w.u32(FRA_SUPPRESS_PREFIXLEN, length);
    }
    if let Some(protocol) = rule.protocol {
        w.u8(FRA_PROTOCOL, protocol);
    }
    if let Some(priority) = rule.priority {
        w.u32(FRA_PRIORITY, priority);
    }
    w.attrs(&rule.other);
    w.end(message);
    Ok(())
}

pub(super) fn neighbour(
    w: &mut Writer<'_>,
    resolve: &mut dyn Resolve,
    kind: u16,
    flags: u16,
    neighbour: &Neighbour,
) -> Result<()> {
    let index = resolve.link(&neighbour.dev)?;
    let state = if kind == RTM_DELNEIGH {
        0x80
    } else {
        neighbour.state.wire()
    };
    let bits =
        if neighbour.proxy { NTF_PROXY } else { 0 } | if neighbour.router { NTF_ROUTER } else { 0 };
    let mut header = [0; 12];
    header[0] = family(neighbour.address);
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..10].copy_from_slice(&state.to_ne_bytes());
    header[10] = bits;
    let message = w.begin(kind, flags, &header);
    w.ip(NDA_DST, neighbour.address);
    if let Some(lladdr) = neighbour.lladdr {
        if kind != RTM_DELNEIGH {
            w.bytes(NDA_LLADDR, &lladdr.0);
        }
    }
    w.attrs(&neighbour.other);
    w.end(message);
    Ok(())
}
