use std::net::SocketAddr;

use ipnet::IpNet;

use super::CHANGE;
use super::consts::{
    AF_INET, AF_INET6, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, WG_CMD_GET_DEVICE, WG_CMD_SET_DEVICE,
};
use crate::error::Result;
use crate::spec::{Peer, PeerAction, Wireguard, check_link_name};
use crate::wire::{Mark, Writer};

/// How long one `WG_CMD_SET_DEVICE` message may become: far below the 64 KiB of a nest and the send buffer of a
/// socket, and long enough that splitting costs nothing.
pub const WIREGUARD_CHUNK: usize = 32 * 1024;

/// The least that still holds a device's settings and one peer with one prefix.
const CHUNK_MIN: usize = 512;

const WGDEVICE_F_REPLACE_PEERS: u32 = 1;
const WGPEER_F_REMOVE_ME: u32 = 1;
const WGPEER_F_REPLACE_ALLOWEDIPS: u32 = 2;
const WGPEER_F_UPDATE_ONLY: u32 = 4;
const WGALLOWEDIP_F_REMOVE_ME: u32 = 1;

/// Appends the dump request for a device.
pub(crate) fn get_device(w: &mut Writer<'_>, family: u16, dev: &str) {
    let message = w.begin(
        family,
        NLM_F_REQUEST | NLM_F_ACK | NLM_F_DUMP,
        &[WG_CMD_GET_DEVICE, 1, 0, 0],
    );
    w.str(2, dev);
    w.end(message);
}

/// One message under construction: its own mark, and that of its list of peers.
struct Chunk {
    message: Mark,
    peers: Option<Mark>,
}

/// Appends the messages that set `wireguard`.
///
/// The kernel applies each message by itself. So only the first one replaces all peers, and only the first
/// fragment of a peer replaces its prefixes and carries its settings.
pub(super) fn set(
    w: &mut Writer<'_>,
    family: u16,
    wireguard: &Wireguard,
    chunk: usize,
) -> Result<()> {
    check_link_name("wireguard device", &wireguard.dev)?;
    let chunk = chunk.clamp(CHUNK_MIN, usize::from(u16::MAX));
    let mut open = begin(w, family, &wireguard.dev);
    if let Some(key) = &wireguard.private_key {
        w.bytes(3, key.expose());
    }
    if let Some(port) = wireguard.listen_port {
        w.u16(6, port);
    }
    if let Some(mark) = wireguard.fwmark {
        w.u32(7, mark);
    }
    if wireguard.replace_peers {
        w.u32(5, WGDEVICE_F_REPLACE_PEERS);
    }
    for peer in &wireguard.peers {
        open = put_peer(w, open, family, &wireguard.dev, peer, chunk);
    }
    end(w, &open);
    Ok(())
}

fn begin(w: &mut Writer<'_>, family: u16, dev: &str) -> Chunk {
    let message = w.begin(family, CHANGE, &[WG_CMD_SET_DEVICE, 1, 0, 0]);
    w.str(2, dev);
    Chunk {
        message,
        peers: None,
    }
}

fn end(w: &mut Writer<'_>, chunk: &Chunk) {
    if let Some(peers) = chunk.peers {
        w.close(peers);
    }
    w.end(chunk.message);
}

/// How many bytes a peer's settings take at most, its key and the nests' headers included.
fn settings_len(peer: &Peer) -> usize {
    let preshared = if peer.preshared_key.is_some() { 36 } else { 0 };
    let endpoint = match peer.endpoint {
        None => 0,
        Some(SocketAddr::V4(_)) => 20,
        Some(SocketAddr::V6(_)) => 32,
    };
    let keepalive = if peer.keepalive.is_some() { 8 } else { 0 };
    let flags = if flags(peer, true) == 0 { 0 } else { 8 };
    4 + 36 + preshared + endpoint + keepalive + flags
}

fn prefix_len(net: &IpNet, remove: bool) -> usize {
    let address = if matches!(net, IpNet::V4(_)) { 8 } else { 20 };
    4 + 8 + address + 8 + if remove { 8 } else { 0 }
}

fn flags(peer: &Peer, first: bool) -> u32 {
    let action = match peer.action {
        PeerAction::Set => 0,
        PeerAction::Update => WGPEER_F_UPDATE_ONLY,
        PeerAction::Remove => WGPEER_F_REMOVE_ME,
    };
    action
        | if first && peer.replace_allowed_ips {
            WGPEER_F_REPLACE_ALLOWEDIPS
        } else {
            0
        }
}

fn put_peer(
    w: &mut Writer<'_>,
    mut open: Chunk,
    family: u16,
    dev: &str,
    peer: &Peer,
    chunk: usize,
) -> Chunk {
    let prefixes = || {
        let added = peer.allowed_ips.iter().map(|net| (net, false));
        added.chain(peer.removed_ips.iter().map(|net| (net, true)))
    };
    let mut rest = prefixes().peekable();
    let mut first = true;
    loop {
        // The nest of peers, the peer's settings, and the nest of prefixes, where there is any.
        let list = if open.peers.is_some() { 0 } else { 4 };
        let needed = list + if first { settings_len(peer) } else { 40 };
        if w.since(open.message).saturating_add(needed) > chunk {
            end(w, &open);
            open = begin(w, family, dev);
        }
        let peers = *open.peers.get_or_insert_with(|| w.nest_flagged(8));
        open.peers = Some(peers);
        let nest = w.nest_flagged(0);
        w.bytes(1, &peer.public_key.0);
        if first {
            settings(w, peer);
        }
        // Later fragments keep "update only": they must not make the peer if it went away meanwhile.
        let flags = flags(peer, first);
        if flags != 0 {
            w.u32(3, flags);
        }
        if rest.peek().is_some() {
            let list = w.nest_flagged(9);
            while let Some(&(net, remove)) = rest.peek() {
                if w.since(open.message)
                    .saturating_add(prefix_len(net, remove))
                    > chunk
                {
                    break;
                }
                put_prefix(w, net, remove);
                rest.next();
            }
            w.close_or_drop(list);
        }
        w.close(nest);
        first = false;
        if rest.peek().is_none() {
            return open;
        }
        end(w, &open);
        open = begin(w, family, dev);
    }
}

fn settings(w: &mut Writer<'_>, peer: &Peer) {
    if let Some(key) = &peer.preshared_key {
        w.bytes(2, key.expose());
    }
    match peer.endpoint {
        None => {}
        Some(SocketAddr::V4(endpoint)) => {
            let mut raw = [0; 16];
            raw[..2].copy_from_slice(&u16::from(AF_INET).to_ne_bytes());
            raw[2..4].copy_from_slice(&endpoint.port().to_be_bytes());
            raw[4..8].copy_from_slice(&endpoint.ip().octets());
            w.bytes(4, &raw);
        }
        Some(SocketAddr::V6(endpoint)) => {
            let mut raw = [0; 28];
            raw[..2].copy_from_slice(&u16::from(AF_INET6).to_ne_bytes());
            raw[2..4].copy_from_slice(&endpoint.port().to_be_bytes());
            raw[4..8].copy_from_slice(&endpoint.flowinfo().to_be_bytes());
            raw[8..24].copy_from_slice(&endpoint.ip().octets());
            raw[24..28].copy_from_slice(&endpoint.scope_id().to_ne_bytes());
            w.bytes(4, &raw);
        }
    }
    if let Some(seconds) = peer.keepalive {
        w.u16(5, seconds);
    }
}

fn put_prefix(w: &mut Writer<'_>, net: &IpNet, remove: bool) {
    let nest = w.nest_flagged(0);
    w.u16(
        1,
        u16::from(if matches!(net, IpNet::V4(_)) {
            AF_INET
        } else {
            AF_INET6
        }),
    );
    w.ip(2, net.addr());
    w.u8(3, net.prefix_len());
    if remove {
        w.u32(4, WGALLOWEDIP_F_REMOVE_ME);
    }
    w.close(nest);
}
