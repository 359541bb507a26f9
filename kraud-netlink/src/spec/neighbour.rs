use std::net::IpAddr;

use super::MacAddr;
use crate::wire::RawAttr;

/// A neighbour: the hardware address of an address on a link, or a proxy entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Neighbour {
    /// The link's name.
    pub dev: String,
    /// The neighbour's address.
    pub address: IpAddr,
    /// Its hardware address.
    pub lladdr: Option<MacAddr>,
    /// What the kernel may do with the entry.
    pub state: NeighbourState,
    /// It is a router.
    pub router: bool,
    /// Answer for the address on this link instead (`proxy`).
    pub proxy: bool,
    /// Attributes that have no field here, sent as they are; those of an entry that is read back are kept.
    pub other: Vec<RawAttr>,
}

/// The state of a neighbour entry (`NUD_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum NeighbourState {
    /// Never asked for again.
    #[default]
    Permanent,
    /// Needs no resolution.
    Noarp,
    /// Known, confirmed when next used.
    Stale,
    /// Known and fresh.
    Reachable,
    /// Any other state, as its bits.
    Other(u16),
}

impl NeighbourState {
    pub(crate) fn wire(self) -> u16 {
        match self {
            Self::Permanent => 0x80,
            Self::Noarp => 0x40,
            Self::Stale => 0x04,
            Self::Reachable => 0x02,
            Self::Other(bits) => bits,
        }
    }

    pub(crate) fn from_wire(bits: u16) -> Self {
        match bits {
            0x80 => Self::Permanent,
            0x40 => Self::Noarp,
            0x04 => Self::Stale,
            0x02 => Self::Reachable,
            bits => Self::Other(bits),
        }
    }

    pub(crate) fn word(self) -> Option<&'static str> {
        match self {
            Self::Permanent => Some("permanent"),
            Self::Noarp => Some("noarp"),
            Self::Stale => Some("stale"),
            Self::Reachable => Some("reachable"),
            Self::Other(_) => None,
        }
    }
}

impl Neighbour {
    /// A permanent entry.
    #[must_use]
    pub fn permanent(dev: impl Into<String>, address: IpAddr, lladdr: MacAddr) -> Self {
        Self {
            dev: dev.into(),
            address,
            lladdr: Some(lladdr),
            state: NeighbourState::Permanent,
            router: false,
            proxy: false,
            other: Vec::new(),
        }
    }

    /// A proxy entry: this host answers for the address on that link.
    #[must_use]
    pub fn proxy(dev: impl Into<String>, address: IpAddr) -> Self {
        Self {
            dev: dev.into(),
            address,
            lladdr: None,
            state: NeighbourState::Permanent,
            router: false,
            proxy: true,
            other: Vec::new(),
        }
    }
}
