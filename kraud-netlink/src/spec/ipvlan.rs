use std::fmt;

/// An ipvlan slave; its parent is the link's [`Link::parent`](super::Link::parent).
///
/// Mode and flag belong to the parent's port: the kernel silently gives them to every slave of that parent.
/// They are always sent, because the kernel's default mode is L3 while docker's, CNI's and ours is L2.
/// Source: `drivers/net/ipvlan/ipvlan_main.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ipvlan {
    /// Which layer the slaves share.
    pub mode: IpvlanMode,
    /// Who may talk to whom.
    pub flag: IpvlanFlag,
}

/// Which layer ipvlan slaves share (`IFLA_IPVLAN_MODE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum IpvlanMode {
    /// Slaves answer ARP and ND themselves; the default, as in docker.
    #[default]
    L2,
    /// The parent routes for the slaves; no ARP, no broadcast.
    L3,
    /// As L3, with the namespace's netfilter hooks on the way in.
    L3S,
}

/// Who may talk to whom on one ipvlan parent (`IFLA_IPVLAN_FLAGS`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum IpvlanFlag {
    /// All slaves reach each other.
    #[default]
    Bridge,
    /// No slave reaches another.
    Private,
    /// Slaves reach each other through the switch outside.
    Vepa,
}

impl IpvlanMode {
    pub(crate) fn wire(self) -> u16 {
        match self {
            Self::L2 => 0,
            Self::L3 => 1,
            Self::L3S => 2,
        }
    }

    pub(crate) fn from_wire(value: u16) -> Self {
        match value {
            1 => Self::L3,
            2 => Self::L3S,
            _ => Self::L2,
        }
    }
}

impl IpvlanFlag {
    pub(crate) fn wire(self) -> u16 {
        match self {
            Self::Bridge => 0,
            Self::Private => 1,
            Self::Vepa => 2,
        }
    }

    pub(crate) fn from_wire(value: u16) -> Self {
        match value & 3 {
            1 => Self::Private,
            2 => Self::Vepa,
            _ => Self::Bridge,
        }
    }
}

impl fmt::Display for IpvlanMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::L2 => "l2",
            Self::L3 => "l3",
            Self::L3S => "l3s",
        })
    }
}

impl fmt::Display for IpvlanFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bridge => "bridge",
            Self::Private => "private",
            Self::Vepa => "vepa",
        })
    }
}
