//! One change of a plan.

use std::net::SocketAddr;

use ipnet::{IpNet, Ipv6Net};
use kraud_netlink::{Address, Link, LinkChange, NftTable, Op, Route, Sysctl};

/// A change in one network namespace.
#[derive(Clone, Debug)]
pub struct Step {
    /// The namespace, by its name in the plan.
    pub namespace: String,
    /// What is done there.
    pub action: Action,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Action {
    /// A change that kraud-netlink makes.
    Netlink(Box<Op>),
    /// Keys, port and peers of a WireGuard device. Keys are named by their host: a plan holds no secrets.
    Mesh(Mesh),
    /// A TUN device of the userspace plane.
    Tun {
        /// Its name.
        device: String,
    },
}

/// The configuration of a WireGuard device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mesh {
    /// The device.
    pub device: String,
    /// The host whose private key it has.
    pub host: String,
    /// Its UDP port.
    pub port: u16,
    /// Seconds between keepalives to each peer; `None` leaves them out.
    pub keepalive: Option<u16>,
    /// The other hosts.
    pub peers: Vec<MeshPeer>,
}

/// Another host, seen from a WireGuard device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeshPeer {
    /// The host whose public key it has.
    pub host: String,
    /// Where its UDP port is.
    pub endpoint: SocketAddr,
    /// Its pods' prefix: one allowed-ip per host, not one per pod.
    pub allowed: Ipv6Net,
}

fn address(device: &str, net: IpNet) -> Address {
    let address = Address::new(device, net);
    if net.addr().is_ipv6() {
        address.nodad()
    } else {
        address
    }
}

impl Step {
    fn netlink(namespace: impl Into<String>, op: Op) -> Self {
        Self {
            namespace: namespace.into(),
            action: Action::Netlink(Box::new(op)),
        }
    }

    /// Adds an address. Nobody else can have it, so IPv6 need not wait for duplicate detection (RFC 4862 section 5.4);
    /// on ipvlan, where all share one MAC address, that would even fail.
    pub(super) fn add_address(namespace: impl Into<String>, device: &str, net: IpNet) -> Self {
        Self::netlink(namespace, Op::AddAddress(address(device, net)))
    }

    /// Adds an address without the route to its subnet that the kernel would add.
    pub(super) fn add_routeless_address(
        namespace: impl Into<String>,
        device: &str,
        net: IpNet,
    ) -> Self {
        Self::netlink(
            namespace,
            Op::AddAddress(address(device, net).noprefixroute()),
        )
    }

    pub(super) fn add_link(namespace: impl Into<String>, link: Link) -> Self {
        Self::netlink(namespace, Op::AddLink(link))
    }

    pub(super) fn add_route(namespace: impl Into<String>, route: Route) -> Self {
        Self::netlink(namespace, Op::AddRoute(route))
    }

    pub(super) fn set_link(namespace: impl Into<String>, change: LinkChange) -> Self {
        Self::netlink(namespace, Op::SetLink(change))
    }

    pub(super) fn set_nft(namespace: impl Into<String>, table: NftTable) -> Self {
        Self::netlink(namespace, Op::SetNft(table))
    }

    pub(super) fn write_sysctl(namespace: impl Into<String>, sysctl: Sysctl) -> Self {
        Self::netlink(namespace, Op::WriteSysctl(sysctl))
    }

    /// What is done, in words.
    #[must_use]
    pub fn description(&self) -> String {
        match &self.action {
            Action::Netlink(op) => op.to_string(),
            Action::Mesh(mesh) => format!(
                "set wireguard device {:?}: port {}, {} peers",
                mesh.device,
                mesh.port,
                mesh.peers.len()
            ),
            Action::Tun { device } => format!("open TUN device {device:?}"),
        }
    }
}
