use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::{LinkNames, link_name, split};
use crate::message::consts::*;
use crate::spec::{Encap, EncapIp, EncapIp6, NextHop, Route, RouteKind, RouteMetrics, Scope};
use crate::wire::{Attr, Malformed, attrs};

/// A route as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RouteInfo {
    /// What would add it again.
    pub route: Route,
    /// The index of its link, where it has one.
    pub index: Option<u32>,
    /// The kernel's flags (`RTM_F_*`, `RTNH_F_*`).
    pub flags: u32,
}

impl RouteInfo {
    /// Reads the body of an `RTM_NEWROUTE` message.
    ///
    /// # Errors
    ///
    /// [`Malformed`] for a body that is cut, or a family that is not IP.
    pub fn parse(body: &[u8], names: &dyn LinkNames) -> Result<Self, Malformed> {
        let (header, rest) = split::<12>("route message", body)?;
        let [
            family,
            dst_len,
            src_len,
            tos,
            table,
            protocol,
            scope,
            kind,
            flags @ ..,
        ] = *header;
        let flags = u32::from_ne_bytes(flags);
        let mut dst: IpAddr = match family {
            AF_INET => Ipv4Addr::UNSPECIFIED.into(),
            AF_INET6 => Ipv6Addr::UNSPECIFIED.into(),
            _ => {
                return Err(Malformed {
                    what: "route family",
                    offset: 0,
                    needed: 12,
                    found: body.len(),
                });
            }
        };
        let mut route = Route::new(IpNet::from(dst));
        route.kind = RouteKind::from_wire(kind);
        route.table = u32::from(table);
        route.protocol = protocol;
        route.tos = tos;
        route.onlink = flags & u32::from(RTNH_F_ONLINK) != 0;
        let (mut index, mut src, mut encap) = (None, None, EncapParts::default());
        for attr in attrs(rest) {
            let attr = attr?;
            match attr.kind() {
                RTA_DST => dst = attr.ip()?,
                RTA_SRC => src = Some(attr.ip()?),
                RTA_OIF => index = Some(attr.u32()?),
                RTA_GATEWAY => route.via = Some(attr.ip()?),
                RTA_VIA => route.via = via(attr)?,
                RTA_PRIORITY => route.metric = Some(attr.u32()?),
                RTA_PREFSRC => route.src = Some(attr.ip()?),
                RTA_METRICS => route.metrics = metrics(attr)?,
                RTA_MULTIPATH => route.nexthops = nexthops(attr.payload, names)?,
                RTA_TABLE => route.table = attr.u32()?,
                RTA_PREF => route.pref = Some(attr.u8()?).filter(|&pref| pref != 0),
                RTA_NH_ID => route.nexthop_id = Some(attr.u32()?),
                RTA_ENCAP => encap.data = Some(attr),
                RTA_ENCAP_TYPE => encap.kind = Some(attr.u16()?),
                RTA_EXPIRES => route.expires = Some(attr.u32()?),
                // Its first three words are clntref, lastuse and expires, the latter in clock ticks.
                RTA_CACHEINFO => {
                    let [_, _, _, _, _, _, _, _, a, b, c, d] = attr.chunk()?;
                    let ticks = u32::from_ne_bytes([a, b, c, d]);
                    if family == AF_INET6 && ticks != 0 {
                        route.expires = Some(ticks / 100);
                    }
                }
                _ => route.other.push(attr.into()),
            }
        }
        let v4 = family == AF_INET;
        let foreign = |address: IpAddr| address.is_ipv4() != v4;
        if foreign(dst) || [route.src, src].into_iter().flatten().any(foreign) {
            return Err(Malformed {
                what: "route address of another family",
                offset: 12,
                needed: 4,
                found: rest.len(),
            });
        }
        let prefix = |address: IpAddr, len: u8| {
            IpNet::new(address, len).map_err(|_| Malformed {
                what: "route prefix",
                offset: 1,
                needed: 0,
                found: usize::from(len),
            })
        };
        if let (Some(src), 1..) = (src, src_len) {
            route.from = Some(prefix(src, src_len)?);
        }
        route.dst = prefix(dst, dst_len)?;
        route.encap = encap.parse()?;
        route.dev = index.map(|index| link_name(names, index));
        if route.nexthop_id.is_some() {
            // The kernel tells the object's way as well, and takes no route that says both.
            (route.dev, route.via, route.encap) = (None, None, None);
            route.nexthops.clear();
        }
        if family == AF_INET && scope != route.wire_scope() {
            route.scope = Some(Scope(scope));
        }
        Ok(Self {
            route,
            index,
            flags,
        })
    }
}

#[derive(Default)]
pub(super) struct EncapParts<'a> {
    pub(super) kind: Option<u16>,
    pub(super) data: Option<Attr<'a>>,
}

impl EncapParts<'_> {
    pub(super) fn parse(&self) -> Result<Option<Encap>, Malformed> {
        let (Some(kind), Some(data)) = (self.kind, self.data) else {
            return Ok(None);
        };
        let known = match kind {
            LWTUNNEL_ENCAP_IP6 => encap_ip6(data)?.map(Encap::Ip6),
            LWTUNNEL_ENCAP_IP => encap_ip(data)?.map(Encap::Ip),
            _ => None,
        };
        Ok(Some(known.unwrap_or_else(|| Encap::Other {
            kind,
            data: data.payload.to_vec(),
        })))
    }
}

/// `None` if it holds something that has no field.
fn encap_ip6(data: Attr<'_>) -> Result<Option<EncapIp6>, Malformed> {
    let mut encap = Encap::ip6(Ipv6Addr::UNSPECIFIED);
    for attr in data.nested() {
        let attr = attr?;
        match attr.kind() {
            1 => encap.id = attr.u64_be()?,
            2 => encap.dst = attr.ip6()?,
            3 => encap.src = Some(attr.ip6()?).filter(|src| !src.is_unspecified()),
            4 => encap.hop_limit = attr.u8()?,
            5 => encap.traffic_class = attr.u8()?,
            6 => encap.flags = attr.u16_be()?,
            _ => return Ok(None),
        }
    }
    Ok(Some(encap))
}

/// `None` if it holds something that has no field.
fn encap_ip(data: Attr<'_>) -> Result<Option<EncapIp>, Malformed> {
    let mut encap = Encap::ip(Ipv4Addr::UNSPECIFIED);
    for attr in data.nested() {
        let attr = attr?;
        match attr.kind() {
            1 => encap.id = attr.u64_be()?,
            2 => encap.dst = attr.chunk::<4>()?.into(),
            3 => {
                encap.src =
                    Some(Ipv4Addr::from(attr.chunk::<4>()?)).filter(|src| !src.is_unspecified());
            }
            4 => encap.ttl = attr.u8()?,
            5 => encap.tos = attr.u8()?,
            6 => encap.flags = attr.u16_be()?,
            _ => return Ok(None),
        }
    }
    Ok(Some(encap))
}

fn via(attr: Attr<'_>) -> Result<Option<IpAddr>, Malformed> {
    let (family, address) = split::<2>("gateway", attr.payload)?;
    let bad = || Malformed {
        what: "gateway",
        offset: 2,
        needed: 16,
        found: address.len(),
    };
    Ok(match u16::from_ne_bytes(*family) {
        10 => Some(IpAddr::from(*address.first_chunk::<16>().ok_or_else(bad)?)),
        2 => Some(IpAddr::from(*address.first_chunk::<4>().ok_or_else(bad)?)),
        _ => None,
    })
}

fn metrics(attr: Attr<'_>) -> Result<RouteMetrics, Malformed> {
    let mut metrics = RouteMetrics::default();
    for entry in attr.nested() {
        let entry = entry?;
        let field = match entry.kind() {
            1 => &mut metrics.lock,
            2 => &mut metrics.mtu,
            8 => &mut metrics.advmss,
            10 => &mut metrics.hop_limit,
            12 => &mut metrics.features,
            _ => {
                metrics.other.push(entry.into());
                continue;
            }
        };
        *field = Some(entry.u32()?);
    }
    Ok(metrics)
}

fn nexthops(mut rest: &[u8], names: &dyn LinkNames) -> Result<Vec<NextHop>, Malformed> {
    let mut hops = Vec::new();
    while !rest.is_empty() {
        let ([a, b, flags, weight, index @ ..], _) = split::<8>("next hop", rest)?;
        let len = usize::from(u16::from_ne_bytes([*a, *b]));
        let bad = Malformed {
            what: "next hop",
            offset: 0,
            needed: len.max(8),
            found: rest.len(),
        };
        let inside = rest.get(8..len).ok_or(bad)?;
        let mut hop = NextHop {
            dev: match u32::from_ne_bytes(*index) {
                0 => None,
                index => Some(link_name(names, index)),
            },
            weight: u16::from(*weight).saturating_add(1),
            onlink: flags & RTNH_F_ONLINK != 0,
            ..NextHop::default()
        };
        let mut encap = EncapParts::default();
        for attr in attrs(inside) {
            let attr = attr?;
            match attr.kind() {
                RTA_GATEWAY => hop.via = Some(attr.ip()?),
                RTA_VIA => hop.via = via(attr)?,
                RTA_ENCAP => encap.data = Some(attr),
                RTA_ENCAP_TYPE => encap.kind = Some(attr.u16()?),
                _ => hop.other.push(attr.into()),
            }
        }
        hop.encap = encap.parse()?;
        hops.push(hop);
        rest = rest.get(crate::wire::align(len)..).unwrap_or(&[]);
    }
    Ok(hops)
}
