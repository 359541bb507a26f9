//! Is what is there as good as what is wanted?

use std::collections::{HashMap, HashSet};

use super::inverse::same_route;
use crate::read::WireguardInfo;
use crate::spec::{Address, Peer, PeerAction, Route, Wireguard, protocol};
use crate::wire::RawAttr;

/// Read-modify-write of what this crate has no field for: `wanted` gets the attributes of `found` whose numbers it does
/// not have itself.
///
/// What was not said is left to the kernel, or to whoever said it; so `wanted` then equals what is there, unless it asks
/// for something else.
pub(super) fn keep_other(wanted: &mut Vec<RawAttr>, found: &[RawAttr]) {
    let said: HashSet<u16> = wanted.iter().map(|attr| attr.kind).collect();
    let said = |attr: &&RawAttr| said.contains(&attr.kind);
    if found.iter().filter(said).eq(wanted.iter()) {
        *wanted = found.to_vec();
        return;
    }
    let mut kept: Vec<RawAttr> = found.iter().filter(|attr| !said(attr)).cloned().collect();
    kept.append(wanted);
    *wanted = kept;
}

/// The wanted route with what it does not say taken from the one that is there.
pub(super) fn route_over(found: &Route, wanted: &Route) -> Route {
    let mut wanted = wanted.clone();
    keep_other(&mut wanted.other, &found.other);
    keep_other(&mut wanted.metrics.other, &found.metrics.other);
    if wanted.nexthops.len() == found.nexthops.len() {
        for (wanted, found) in wanted.nexthops.iter_mut().zip(&found.nexthops) {
            if (&wanted.dev, wanted.via) == (&found.dev, found.via) {
                keep_other(&mut wanted.other, &found.other);
            }
        }
    }
    wanted
}

/// Is a route that is there as good as the wanted one?
pub(super) fn route_serves(found: &Route, wanted: &Route) -> bool {
    let mut wanted = route_over(found, wanted);
    wanted.dst = wanted.dst.trunc();
    // What was not said is the kernel's to choose.
    wanted.metric = found.metric;
    if wanted.expires.is_some() && found.expires.is_some() {
        wanted.expires = found.expires;
    }
    wanted.pref = wanted.pref.filter(|&pref| pref != 0);
    wanted.dev = wanted.dev.or_else(|| {
        if wanted.via.is_some() {
            found.dev.clone()
        } else {
            None
        }
    });
    if wanted.protocol == protocol::BOOT && found.protocol == protocol::KERNEL {
        return false;
    }
    if !matches!(wanted.kind, crate::spec::RouteKind::Unicast) {
        // IPv6 puts refusing routes on the loopback link.
        wanted.dev.clone_from(&found.dev);
    }
    same_route(found, &wanted) && *found == wanted
}

pub(super) fn address_serves(found: &Address, wanted: &Address) -> bool {
    let mut wanted = wanted.clone();
    // The kernel alone decides how far an IPv6 address reaches.
    if matches!(wanted.net, ipnet::IpNet::V6(_)) {
        wanted.scope = found.scope;
    }
    // Whose it is makes it no worse; kernels before 5.18 do not even keep it.
    wanted.protocol = found.protocol;
    wanted.metric = wanted.metric.or(found.metric);
    wanted.label = wanted.label.or_else(|| found.label.clone());
    keep_other(&mut wanted.other, &found.other);
    // The kernel derives the scope of an IPv6 address from the address itself.
    if wanted.net.addr().is_ipv6() {
        wanted.scope = found.scope;
    }
    // Flags that only say how the address comes up.
    wanted.optimistic = found.optimistic;
    *found == wanted
}

/// The change from what a device is to what it should be: only what differs, so that peers which stay lose no packet.
///
/// Peers that are not wanted are removed, new ones added, and of a changed one only what changed is sent. Prefixes move
/// between peers without a gap; those that a peer loses altogether are replaced with its list as a whole.
pub(super) fn wireguard_change(
    wanted: &Wireguard,
    found: Option<&WireguardInfo>,
) -> Option<Wireguard> {
    let Some(found) = found else {
        return Some(wanted.clone());
    };
    let mut change = Wireguard::new(&wanted.dev);
    change.private_key = wanted.private_key.clone().filter(|key| {
        !found
            .private_key
            .as_ref()
            .is_some_and(|is| is.is_same_key(key))
    });
    change.listen_port = wanted
        .listen_port
        .filter(|&port| port != found.listen_port && port != 0);
    change.fwmark = wanted.fwmark.filter(|&mark| mark != found.fwmark);
    let there: HashMap<_, _> = found
        .peers
        .iter()
        .map(|peer| (peer.public_key, peer))
        .collect();
    let kept: HashSet<_> = wanted
        .peers
        .iter()
        .filter(|p| p.action != PeerAction::Remove)
        .map(|p| p.public_key)
        .collect();
    for peer in found
        .peers
        .iter()
        .filter(|peer| !kept.contains(&peer.public_key))
    {
        change.peers.push(Peer::remove(peer.public_key));
    }
    for peer in wanted
        .peers
        .iter()
        .filter(|peer| peer.action != PeerAction::Remove)
    {
        let Some(is) = there.get(&peer.public_key) else {
            change.peers.push(peer.clone());
            continue;
        };
        let mut update = Peer::update(peer.public_key);
        update.action = PeerAction::Update;
        update.preshared_key = peer
            .preshared_key
            .clone()
            .filter(|key| match &is.preshared_key {
                Some(is) => is != key,
                None => !key.is_zero(),
            });
        update.endpoint = peer
            .endpoint
            .filter(|&endpoint| is.endpoint != Some(endpoint));
        update.keepalive = peer.keepalive.filter(|&seconds| is.keepalive != seconds);
        let have: HashSet<_> = is.allowed_ips.iter().map(ipnet::IpNet::trunc).collect();
        let want: HashSet<_> = peer.allowed_ips.iter().map(ipnet::IpNet::trunc).collect();
        if peer.replace_allowed_ips && have.difference(&want).next().is_some() {
            update.replace_allowed_ips = true;
            update.allowed_ips.clone_from(&peer.allowed_ips);
        } else {
            update.allowed_ips = peer
                .allowed_ips
                .iter()
                .filter(|net| !have.contains(&net.trunc()))
                .copied()
                .collect();
        }
        if update
            != (Peer {
                action: PeerAction::Update,
                ..Peer::update(peer.public_key)
            })
        {
            change.peers.push(update);
        }
    }
    (change != Wireguard::new(&wanted.dev)).then_some(change)
}
