use std::net::SocketAddr;

use ipnet::IpNet;

use super::{PresharedKey, PrivateKey, PublicKey};
use crate::setters::setters;

/// What to set on a WireGuard device: only what is `Some` changes, and peers are added or updated.
///
/// ```
/// use kraud_netlink::{Peer, PrivateKey, PublicKey, Wireguard};
///
/// let wg = Wireguard::new("wg0")
///     .private_key(PrivateKey::new([1; 32]))
///     .listen_port(51820)
///     .peer(
///         Peer::new(PublicKey([2; 32]))
///             .endpoint("[2001:db8::7]:51820".parse()?)
///             .allow("fd00:1::/64".parse()?)
///             .keepalive(25),
///     );
/// assert!(!format!("{wg:?}").contains("0, 1, 1"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Wireguard {
    /// The link's name.
    pub dev: String,
    /// The private key; all zero removes it. Never serialised.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub private_key: Option<PrivateKey>,
    /// The UDP port, 0 for any.
    pub listen_port: Option<u16>,
    /// The mark of outgoing packets, 0 for none.
    pub fwmark: Option<u32>,
    /// Remove every peer that is not listed (`wg setconf`).
    pub replace_peers: bool,
    /// The peers to add, update or remove.
    pub peers: Vec<Peer>,
}

/// A WireGuard peer: what is `Some` is set, what is `None` stays.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Peer {
    /// Who it is.
    pub public_key: PublicKey,
    /// What to do with it.
    pub action: PeerAction,
    /// The key shared with it; all zero removes it. Never serialised.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub preshared_key: Option<PresharedKey>,
    /// Where it is.
    pub endpoint: Option<SocketAddr>,
    /// Seconds between keepalives, 0 for none.
    pub keepalive: Option<u16>,
    /// Drop the allowed prefixes that are not listed.
    pub replace_allowed_ips: bool,
    /// The prefixes that it may send from and is sent to; moved here from any other peer that has them.
    pub allowed_ips: Vec<IpNet>,
    /// Prefixes to take away from it without touching the others (kernel 6.16).
    pub removed_ips: Vec<IpNet>,
}

/// What to do with a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum PeerAction {
    /// Add it, or update the one of that key.
    #[default]
    Set,
    /// Update it if it is there, never add it.
    Update,
    /// Remove it.
    Remove,
}

impl Wireguard {
    /// No change to the device of that name, yet.
    #[must_use]
    pub fn new(dev: impl Into<String>) -> Self {
        Self {
            dev: dev.into(),
            private_key: None,
            listen_port: None,
            fwmark: None,
            replace_peers: false,
            peers: Vec::new(),
        }
    }

    setters! {
        /// With that private key.
        private_key: PrivateKey;
        /// On that UDP port.
        listen_port: u16;
        /// With that mark on outgoing packets.
        fwmark: u32;
        /// With that peer.
        peer => peers: Peer;
    }

    /// With those peers.
    #[must_use]
    pub fn peers(mut self, peers: impl IntoIterator<Item = Peer>) -> Self {
        self.peers.extend(peers);
        self
    }

    setters! {
        /// And no others.
        replace_peers;
    }
}

impl Peer {
    /// The peer of that key, to be added or updated; its allowed prefixes become exactly those that are given.
    #[must_use]
    pub fn new(public_key: PublicKey) -> Self {
        Self {
            public_key,
            action: PeerAction::Set,
            preshared_key: None,
            endpoint: None,
            keepalive: None,
            replace_allowed_ips: true,
            allowed_ips: Vec::new(),
            removed_ips: Vec::new(),
        }
    }

    /// A change to the peer of that key that leaves its allowed prefixes as they are, and adds to them.
    #[must_use]
    pub fn update(public_key: PublicKey) -> Self {
        Self {
            replace_allowed_ips: false,
            ..Self::new(public_key)
        }
    }

    /// The removal of the peer of that key.
    #[must_use]
    pub fn remove(public_key: PublicKey) -> Self {
        Self {
            action: PeerAction::Remove,
            replace_allowed_ips: false,
            ..Self::new(public_key)
        }
    }

    setters! {
        /// With that endpoint.
        endpoint: SocketAddr;
        /// With that prefix allowed.
        allow => allowed_ips: IpNet;
    }

    /// With those prefixes allowed.
    #[must_use]
    pub fn allow_all(mut self, prefixes: impl IntoIterator<Item = IpNet>) -> Self {
        self.allowed_ips.extend(prefixes);
        self
    }

    setters! {
        /// With a keepalive every so many seconds, 0 for none.
        keepalive: u16;
        /// With that preshared key.
        preshared_key: PresharedKey;
    }
}
