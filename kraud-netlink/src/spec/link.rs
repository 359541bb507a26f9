use super::{Ip6Tnl, Ipvlan, LinkChange, MacAddr, Vlan};
use crate::setters::setters;
use crate::wire::RawAttr;

/// A link as it should be: its kind and its settings.
///
/// Options that are `None` are not sent, so the kernel chooses.
///
/// ```
/// use kraud_netlink::{Ipvlan, IpvlanMode, Link};
///
/// let link = Link::new("eth0", Ipvlan { mode: IpvlanMode::L3, ..Ipvlan::default() })
///     .parent("vpc1")
///     .netns("pod-a")
///     .mtu(1440);
/// assert_eq!(
///     link.commands(&Default::default()),
///     ["ip link add link vpc1 name eth0 netns pod-a mtu 1440 type ipvlan mode l3 bridge"],
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Link {
    /// The link's name.
    pub name: String,
    /// What it is.
    pub kind: LinkKind,
    /// The parent link by name: `link DEV` for ipvlan, macvlan and vlan, `dev DEV` for the underlay of a tunnel.
    pub parent: Option<String>,
    /// The namespace that holds the parent, where it is not the one that the request is made in (`link-netns`).
    ///
    /// Kernels before 6.15 make the link there first and move it, so that its name must be free in both.
    pub link_netns: Option<String>,
    /// The namespace where the link is born.
    pub netns: Option<String>,
    /// The interface index to ask for.
    pub index: Option<u32>,
    /// The largest packet.
    pub mtu: Option<u32>,
    /// The hardware address.
    pub address: Option<MacAddr>,
    /// The length of the transmit queue.
    pub txqueuelen: Option<u32>,
    /// Transmit queues.
    pub numtxqueues: Option<u32>,
    /// Receive queues.
    pub numrxqueues: Option<u32>,
    /// The bridge or bond that it is a port of.
    pub master: Option<String>,
    /// The link group.
    pub group: Option<u32>,
    /// Set it up.
    pub up: bool,
    /// No ARP and no neighbour discovery.
    pub noarp: bool,
    /// A note of up to 255 bytes (`IFLA_IFALIAS`); used to mark what one owns.
    pub alias: Option<String>,
    /// How it makes its link-local address.
    pub addr_gen_mode: Option<AddrGenMode>,
}

/// What a link is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
#[non_exhaustive]
pub enum LinkKind {
    /// A bridge.
    Bridge(Bridge),
    /// A device that drops everything.
    Dummy,
    /// An IPv6 tunnel.
    Ip6Tnl(Ip6Tnl),
    /// An ipvlan slave.
    Ipvlan(Ipvlan),
    /// A veth end; the other end is part of it when it is made.
    Veth(Veth),
    /// A VLAN sub-interface.
    Vlan(Vlan),
    /// A WireGuard device; its keys and peers are set with [`Wireguard`](super::Wireguard).
    Wireguard,
    /// A link of another kind.
    Other {
        /// Its kernel name: `macvlan`, `vxlan`, `vrf`…
        name: String,
        /// Its options as they are sent (`IFLA_INFO_DATA`).
        options: Vec<RawAttr>,
    },
    /// Hardware, or loopback: no kind; it cannot be made.
    Physical,
}

impl LinkKind {
    /// A kind by its kernel name, with the kernel's options.
    #[must_use]
    pub fn other(name: impl Into<String>) -> Self {
        Self::Other {
            name: name.into(),
            options: Vec::new(),
        }
    }

    /// The kernel's name, empty for [`LinkKind::Physical`].
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Bridge(_) => "bridge",
            Self::Dummy => "dummy",
            Self::Ip6Tnl(_) => "ip6tnl",
            Self::Ipvlan(_) => "ipvlan",
            Self::Veth(_) => "veth",
            Self::Vlan(_) => "vlan",
            Self::Wireguard => "wireguard",
            Self::Other { name, .. } => name,
            Self::Physical => "",
        }
    }
}

/// The options of a bridge; `None` leaves them to the kernel. Times are in hundredths of a second.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default)
)]
pub struct Bridge {
    /// `mcast_snooping`.
    pub mcast_snooping: Option<bool>,
    /// `stp_state`.
    pub stp: Option<bool>,
    /// `vlan_filtering`.
    pub vlan_filtering: Option<bool>,
    /// `ageing_time`.
    pub ageing_time: Option<u32>,
    /// `priority`.
    pub priority: Option<u16>,
    /// `forward_delay`.
    pub forward_delay: Option<u32>,
    /// `hello_time`.
    pub hello_time: Option<u32>,
    /// `max_age`.
    pub max_age: Option<u32>,
    /// Options that have no field here, sent as they are; those of a bridge that is read back are kept, without what is
    /// no option but its state.
    pub other: Vec<RawAttr>,
}

/// The options of a bridge's port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default)
)]
pub struct BridgePort {
    /// Isolated ports do not reach each other.
    pub isolated: Option<bool>,
    /// Learn source addresses.
    pub learning: Option<bool>,
    /// Flood unknown unicast.
    pub flood: Option<bool>,
    /// Send packets back out of the port that they came in on.
    pub hairpin: Option<bool>,
    /// Allow no spanning-tree packets in.
    pub guard: Option<bool>,
}

/// The other end of a veth pair.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default)
)]
pub struct Veth {
    /// Its name; `None` lets the kernel choose, and is what a link that is read back has.
    pub name: Option<String>,
    /// The namespace where it is born.
    pub netns: Option<String>,
    /// Its MTU.
    pub mtu: Option<u32>,
    /// Its hardware address.
    pub address: Option<MacAddr>,
    /// Its transmit queues.
    pub numtxqueues: Option<u32>,
    /// Its receive queues.
    pub numrxqueues: Option<u32>,
    /// Set it up.
    pub up: bool,
    /// No ARP and no neighbour discovery.
    pub noarp: bool,
    /// How it makes its link-local address.
    pub addr_gen_mode: Option<AddrGenMode>,
}

/// A change that is part of making a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowUp {
    /// The namespace that the changed link is in; `None` is the one that the link is made from.
    pub netns: Option<String>,
    /// The change.
    pub change: LinkChange,
}

/// How a link makes its IPv6 link-local address (`IN6_ADDR_GEN_MODE_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum AddrGenMode {
    /// From the hardware address.
    Eui64,
    /// Not at all.
    None,
    /// Stable and private (RFC 7217).
    StableSecret,
    /// As stable-secret, with a random secret.
    Random,
}

impl AddrGenMode {
    pub(crate) fn wire(self) -> u8 {
        match self {
            Self::Eui64 => 0,
            Self::None => 1,
            Self::StableSecret => 2,
            Self::Random => 3,
        }
    }

    pub(crate) fn from_wire(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::Eui64),
            1 => Some(Self::None),
            2 => Some(Self::StableSecret),
            3 => Some(Self::Random),
            _ => None,
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Eui64 => "eui64",
            Self::None => "none",
            Self::StableSecret => "stable_secret",
            Self::Random => "random",
        }
    }
}

impl Link {
    /// A link of that name and kind, everything else as the kernel has it.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: impl Into<LinkKind>) -> Self {
        Self {
            name: name.into(),
            kind: kind.into(),
            parent: None,
            link_netns: None,
            netns: None,
            index: None,
            mtu: None,
            address: None,
            txqueuelen: None,
            numtxqueues: None,
            numrxqueues: None,
            master: None,
            group: None,
            up: false,
            noarp: false,
            alias: None,
            addr_gen_mode: None,
        }
    }

    /// A bridge with the kernel's options.
    #[must_use]
    pub fn bridge(name: impl Into<String>) -> Self {
        Self::new(name, Bridge::default())
    }

    /// A dummy.
    #[must_use]
    pub fn dummy(name: impl Into<String>) -> Self {
        Self::new(name, LinkKind::Dummy)
    }

    /// An ipvlan slave of `parent`, in L2 bridge mode unless changed in [`Self::kind`].
    #[must_use]
    pub fn ipvlan(
        name: impl Into<String>,
        parent: impl Into<String>,
        mode: super::IpvlanMode,
    ) -> Self {
        Self::new(
            name,
            Ipvlan {
                mode,
                ..Ipvlan::default()
            },
        )
        .parent(parent)
    }

    /// A veth pair: `name` here and `peer` at the other end.
    #[must_use]
    pub fn veth(name: impl Into<String>, peer: impl Into<Veth>) -> Self {
        Self::new(name, peer.into())
    }

    /// The VLAN `id` of `parent`.
    #[must_use]
    pub fn vlan(name: impl Into<String>, parent: impl Into<String>, id: u16) -> Self {
        Self::new(name, Vlan::new(id)).parent(parent)
    }

    /// A WireGuard device without key or peers.
    #[must_use]
    pub fn wireguard(name: impl Into<String>) -> Self {
        Self::new(name, LinkKind::Wireguard)
    }

    setters! {
        /// On that parent.
        parent: into String;
        /// With the parent in that namespace.
        link_netns: into String;
        /// Born in that namespace.
        netns: into String;
        /// With that MTU.
        mtu: u32;
        /// With that hardware address.
        address: into MacAddr;
        /// As a port of that bridge.
        master: into String;
        /// In that link group.
        group: u32;
        /// Up.
        up;
        /// Without ARP and neighbour discovery.
        noarp;
        /// With that note.
        alias: into String;
        /// Making its link-local address in that way.
        addr_gen_mode: AddrGenMode;
    }

    /// What the kernel does not take when a link is made and that therefore follows: the note; the way of making a
    /// link-local address together with `up`, which must come after it; and a veth peer's `up`, which the kernel refuses
    /// (`ENOTCONN`) while the pair is made.
    ///
    /// [`Handle::apply`](crate::Handle::apply) sends them by itself, in whatever namespace they belong to.
    #[must_use]
    pub fn follow_ups(&self) -> Vec<FollowUp> {
        let mut changes = Vec::new();
        if self.alias.is_some() || self.addr_gen_mode.is_some() {
            let mut change = LinkChange::new(&self.name);
            change.alias.clone_from(&self.alias);
            change.addr_gen_mode = self.addr_gen_mode;
            change.up = self.up_is_late().then_some(true);
            changes.push(FollowUp {
                netns: self.netns.clone(),
                change,
            });
        }
        if let LinkKind::Veth(Veth {
            name: Some(name),
            netns,
            up,
            addr_gen_mode,
            ..
        }) = &self.kind
        {
            if *up || addr_gen_mode.is_some() {
                let mut change = LinkChange::new(name);
                change.addr_gen_mode = *addr_gen_mode;
                change.up = up.then_some(true);
                changes.push(FollowUp {
                    netns: netns.clone(),
                    change,
                });
            }
        }
        changes
    }

    /// Must `up` wait for the second message?
    pub(crate) fn up_is_late(&self) -> bool {
        self.up && self.addr_gen_mode.is_some()
    }
}

impl Veth {
    /// The end of that name.
    #[must_use]
    pub fn peer(name: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            ..Self::default()
        }
    }

    setters! {
        /// Born in that namespace.
        netns: into String;
        /// With that MTU.
        mtu: u32;
        /// With that hardware address.
        address: into MacAddr;
        /// Up.
        up;
        /// Without ARP and neighbour discovery.
        noarp;
        /// Making its link-local address in that way.
        addr_gen_mode: AddrGenMode;
    }
}

impl From<&str> for Veth {
    fn from(name: &str) -> Self {
        Self::peer(name)
    }
}

impl From<String> for Veth {
    fn from(name: String) -> Self {
        Self::peer(name)
    }
}

impl From<Bridge> for LinkKind {
    fn from(kind: Bridge) -> Self {
        Self::Bridge(kind)
    }
}

impl From<Ip6Tnl> for LinkKind {
    fn from(kind: Ip6Tnl) -> Self {
        Self::Ip6Tnl(kind)
    }
}

impl From<Ipvlan> for LinkKind {
    fn from(kind: Ipvlan) -> Self {
        Self::Ipvlan(kind)
    }
}

impl From<Veth> for LinkKind {
    fn from(kind: Veth) -> Self {
        Self::Veth(kind)
    }
}

impl From<Vlan> for LinkKind {
    fn from(kind: Vlan) -> Self {
        Self::Vlan(kind)
    }
}
