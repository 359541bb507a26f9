use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::time::Duration;

use ipnet::IpNet;

use crate::message::consts::{AF_INET, AF_INET6};
use crate::spec::{PresharedKey, PrivateKey, PublicKey};
use crate::wire::{Attr, Malformed, attrs};

/// A WireGuard device as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct WireguardInfo {
    /// The link's name.
    pub dev: String,
    /// The link's index.
    pub index: u32,
    /// Its private key, if it has one. Never serialised.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub private_key: Option<PrivateKey>,
    /// Its public key, if it has one.
    pub public_key: Option<PublicKey>,
    /// Its UDP port, 0 while it is down and has no fixed one.
    pub listen_port: u16,
    /// The mark of outgoing packets, 0 for none.
    pub fwmark: u32,
    /// Its peers, in the kernel's order.
    pub peers: Vec<PeerInfo>,
}

/// A WireGuard peer as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PeerInfo {
    /// Who it is.
    pub public_key: PublicKey,
    /// The key shared with it, if any. Never serialised.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub preshared_key: Option<PresharedKey>,
    /// Where it is, as configured or as last seen.
    pub endpoint: Option<SocketAddr>,
    /// Seconds between keepalives, 0 for none.
    pub keepalive: u16,
    /// The last handshake as time since 1970, if there was one.
    pub last_handshake: Option<Duration>,
    /// Bytes received from it.
    pub rx_bytes: u64,
    /// Bytes sent to it.
    pub tx_bytes: u64,
    /// The protocol's version.
    pub protocol_version: u32,
    /// Its prefixes.
    pub allowed_ips: Vec<IpNet>,
}

/// Puts a device together from the messages of its dump, each read once.
///
/// The kernel spreads peers over messages, and the prefixes of one peer too; then the next message begins with the same
/// key, and the two halves become one again. The work is linear in the number of peers and prefixes.
#[derive(Debug, Default)]
pub struct WireguardReader {
    info: WireguardInfo,
}

impl WireguardReader {
    /// Reads one message's body, the generic-netlink header included.
    ///
    /// # Errors
    ///
    /// [`Malformed`] for a body that is cut.
    pub fn read(&mut self, body: &[u8]) -> Result<(), Malformed> {
        for attr in attrs(body.get(4..).unwrap_or(&[])) {
            let attr = attr?;
            let info = &mut self.info;
            match attr.kind() {
                1 => info.index = attr.u32()?,
                2 => info.dev = attr.text(),
                3 => {
                    info.private_key =
                        Some(PrivateKey::new(attr.chunk()?)).filter(|key| !key.is_zero());
                }
                4 => info.public_key = Some(PublicKey(attr.chunk()?)),
                6 => info.listen_port = attr.u16()?,
                7 => info.fwmark = attr.u32()?,
                8 => {
                    for peer in attr.nested() {
                        self.peer(peer?)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The device.
    #[must_use]
    pub fn finish(mut self) -> WireguardInfo {
        if self.info.private_key.is_none() {
            // Without a private key the kernel says nothing, or a public key of zeroes.
            self.info.public_key = self.info.public_key.filter(|key| key.0 != [0; 32]);
        }
        self.info
    }

    fn peer(&mut self, nest: Attr<'_>) -> Result<(), Malformed> {
        let mut peer = PeerInfo {
            public_key: PublicKey([0; 32]),
            preshared_key: None,
            endpoint: None,
            keepalive: 0,
            last_handshake: None,
            rx_bytes: 0,
            tx_bytes: 0,
            protocol_version: 0,
            allowed_ips: Vec::new(),
        };
        let mut prefixes = None;
        for attr in nest.nested() {
            let attr = attr?;
            match attr.kind() {
                1 => peer.public_key = PublicKey(attr.chunk()?),
                2 => {
                    peer.preshared_key =
                        Some(PresharedKey::new(attr.chunk()?)).filter(|key| !key.is_zero());
                }
                4 => peer.endpoint = endpoint(attr)?,
                5 => peer.keepalive = attr.u16()?,
                6 => peer.last_handshake = handshake(attr)?,
                7 => peer.rx_bytes = attr.u64()?,
                8 => peer.tx_bytes = attr.u64()?,
                9 => prefixes = Some(attr),
                10 => peer.protocol_version = attr.u32()?,
                _ => {}
            }
        }
        let same = self
            .info
            .peers
            .last()
            .is_some_and(|last| last.public_key == peer.public_key);
        if !same {
            self.info.peers.push(peer);
        }
        if let (Some(prefixes), Some(peer)) = (prefixes, self.info.peers.last_mut()) {
            for prefix in prefixes.nested() {
                peer.allowed_ips.extend(allowed_ip(prefix?)?);
            }
        }
        Ok(())
    }
}

fn endpoint(attr: Attr<'_>) -> Result<Option<SocketAddr>, Malformed> {
    let family = attr.u16()?;
    Ok(if family == u16::from(AF_INET) {
        let [_, _, p, q, a, b, c, d] = attr.chunk()?;
        Some(SocketAddr::V4(SocketAddrV4::new(
            Ipv4Addr::new(a, b, c, d),
            u16::from_be_bytes([p, q]),
        )))
    } else if family == u16::from(AF_INET6) {
        let raw: [u8; 28] = attr.chunk()?;
        let [_, _, p, q, f, g, h, i, address @ .., s, t, u, v] = raw;
        Some(SocketAddr::V6(SocketAddrV6::new(
            Ipv6Addr::from(address),
            u16::from_be_bytes([p, q]),
            u32::from_be_bytes([f, g, h, i]),
            u32::from_ne_bytes([s, t, u, v]),
        )))
    } else {
        None
    })
}

/// `struct __kernel_timespec`: seconds and nanoseconds, 64 bits each.
fn handshake(attr: Attr<'_>) -> Result<Option<Duration>, Malformed> {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = attr.chunk()?;
    let seconds = u64::try_from(i64::from_ne_bytes([a, b, c, d, e, f, g, h])).unwrap_or(0);
    let nanos = u64::try_from(i64::from_ne_bytes([i, j, k, l, m, n, o, p])).unwrap_or(0);
    let time = Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanos));
    Ok((!time.is_zero()).then_some(time))
}

fn allowed_ip(nest: Attr<'_>) -> Result<Option<IpNet>, Malformed> {
    let (mut address, mut length) = (None, 0);
    for attr in nest.nested() {
        let attr = attr?;
        match attr.kind() {
            2 => address = Some(attr.ip()?),
            3 => length = attr.u8()?,
            _ => {}
        }
    }
    Ok(address.and_then(|address| IpNet::new(address, length).ok()))
}
