//! Networks that live on one host each, or on the link below it: bridges and ipvlan.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use kraud_netlink::{IpvlanFlag, IpvlanMode, MacAddr};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Family;
use crate::identity::aid;

/// A bridge or ipvlan network of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// The same on every host; see [`Scope::overlay_id`](crate::identity::Scope::overlay_id).
    pub id: Uuid,
    /// The namespace that it belongs to.
    pub namespace: String,
    /// The network's key in the compose file.
    pub name: String,
    /// How its members are joined.
    pub driver: NetworkDriver,
    /// Its subnets, those of the file first and in its order.
    pub subnets: Vec<NetworkSubnet>,
    /// No way out, whatever else is asked for.
    pub internal: bool,
    /// The largest packet, where the file says.
    pub mtu: Option<u32>,
}

/// How the members of a network are joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkDriver {
    /// By a bridge of the host.
    Bridge {
        /// The bridge's name.
        link: String,
    },
    /// As slaves of one link. Mode and flag belong to that link, so that all networks on it agree on them.
    Ipvlan {
        /// Switched or routed.
        mode: IpvlanMode,
        /// Who sees whom.
        flag: IpvlanFlag,
        /// The link, `name` or `name.vlan`; without one it is a dummy, and the network is cut off.
        parent: Option<String>,
    },
}

/// A subnet of a [`Network`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkSubnet {
    /// The prefix, canonical.
    pub net: IpNet,
    /// Where members send what is for elsewhere; `None` where nothing leaves, or where the device itself is the way.
    pub gateway: Option<IpAddr>,
    /// What becomes of packets that leave.
    pub egress: Egress,
}

/// How packets of a subnet are seen outside of its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Egress {
    /// Not at all.
    Isolated,
    /// With an address of the host as their source.
    Masqueraded,
    /// As they are: whoever is to answer needs a route back.
    Routed,
}

/// A pod's place in a [`Network`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// An index into [`Deployment::networks`](super::Deployment::networks).
    pub network: usize,
    /// The device's name in the pod.
    pub device: String,
    /// The hardware address, where the file says.
    pub mac: Option<MacAddr>,
    /// Its addresses, IPv4 first, with the prefix lengths of their subnets.
    pub addresses: Vec<IpNet>,
    /// The families whose default route goes this way.
    pub default: Vec<Family>,
}

impl Network {
    /// The short id; see [`aid`].
    #[must_use]
    pub fn aid(&self) -> String {
        aid(self.id)
    }

    /// How docker's lists name it: `<namespace>/<network>`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// The subnet that `address` is in; the longest prefix where several are.
    #[must_use]
    pub fn subnet_of(&self, address: IpAddr) -> Option<&NetworkSubnet> {
        let holding = self
            .subnets
            .iter()
            .filter(|subnet| subnet.net.contains(&address));
        holding.max_by_key(|subnet| subnet.net.prefix_len())
    }

    /// Whether its members are joined to something outside: not without a parent, not with `internal`.
    #[must_use]
    pub fn leaves(&self) -> bool {
        let orphan = matches!(self.driver, NetworkDriver::Ipvlan { parent: None, .. });
        !self.internal && !orphan
    }

    /// Whether the device itself is the way to everywhere, as in ipvlan L3 and L3S.
    #[must_use]
    pub fn is_routed_at_the_device(&self) -> bool {
        matches!(self.driver, NetworkDriver::Ipvlan { mode, .. } if mode != IpvlanMode::L2)
    }

    /// Whether its members are on one link although several hosts carry them: switched ipvlan, unless its parent is one
    /// that ends at a router.
    #[must_use]
    pub fn is_one_link(&self, routed: &str) -> bool {
        let NetworkDriver::Ipvlan { mode, parent, .. } = &self.driver else {
            return false;
        };
        let base = parent.as_deref().map(|parent| parent.split('.').next());
        *mode == IpvlanMode::L2 && self.leaves() && base.flatten() != Some(routed)
    }

    /// The addresses of another member that one reaches without a router: those of its own subnets, and all of them where
    /// the device routes.
    pub fn reachable<'a>(
        &'a self,
        own: &'a Attachment,
        theirs: &'a Attachment,
    ) -> impl Iterator<Item = IpAddr> + 'a {
        let near = move |address: &IpAddr| {
            let mut own = own.addresses.iter();
            self.is_routed_at_the_device() || own.any(|net| net.contains(address))
        };
        let flag = match self.driver {
            NetworkDriver::Ipvlan { flag, .. } => flag,
            NetworkDriver::Bridge { .. } => IpvlanFlag::Bridge,
        };
        let addresses = theirs.addresses.iter().map(IpNet::addr).filter(near);
        addresses.filter(move |_| flag == IpvlanFlag::Bridge)
    }

    /// Whether a default route of that family can go through it.
    #[must_use]
    pub fn offers_default(&self, family: Family) -> bool {
        let mut subnets = self
            .subnets
            .iter()
            .filter(|subnet| Family::of(subnet.net.addr()) == family);
        match self.is_routed_at_the_device() {
            true => !self.internal && subnets.next().is_some(),
            false => self.leaves() && subnets.any(|subnet| subnet.gateway.is_some()),
        }
    }
}

impl NetworkDriver {
    /// The driver, in compose's spelling.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Bridge { .. } => "bridge",
            Self::Ipvlan { .. } => "ipvlan",
        }
    }
}

impl fmt::Display for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Isolated => "isolated",
            Self::Masqueraded => "masqueraded",
            Self::Routed => "routed",
        })
    }
}
