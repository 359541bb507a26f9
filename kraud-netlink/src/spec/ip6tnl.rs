use std::fmt;
use std::net::Ipv6Addr;

use crate::setters::setters;
use crate::wire::RawAttr;

/// An IPv6 tunnel: IPv4 or IPv6 in IPv6 (RFC 2473), point to point or one device for all (`external`).
///
/// The kernel takes zero for whatever is not sent, which would mean a hop limit of 0 and eight bytes of
/// encapsulation-limit option in every packet. So every option is always sent; [`Ip6Tnl::default`] has `ip`'s
/// hop limit of 64, and no encapsulation-limit option (`ip` sends 4), so that the overhead is 40 bytes.
/// Source: `net/ipv6/ip6_tunnel.c`, `ip6_tnl_netlink_parms`.
///
/// ```
/// use kraud_netlink::{Ip6Tnl, Ip6TnlMode, Link};
///
/// let p2p = Ip6Tnl::between("2001:db8::1".parse()?, "2001:db8::2".parse()?).mode(Ip6TnlMode::Ip4);
/// assert_eq!(p2p.overhead(), 40);
/// let link = Link::new("tnl0", p2p).mtu(1460).up();
/// assert_eq!(
///     link.commands(&Default::default())[0],
///     "ip link add name tnl0 mtu 1460 up type ip6tnl mode ipip6 local 2001:db8::1 remote 2001:db8::2 \
///      hoplimit 64 encaplimit none",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default)
)]
pub struct Ip6Tnl {
    /// What may be inside.
    pub mode: Ip6TnlMode,
    /// Take both outer addresses from the route's encapsulation (`IFLA_IPTUN_COLLECT_METADATA`); nothing but `mode` is
    /// sent then. At most one such device per namespace.
    pub external: bool,
    /// The outer source; unspecified lets the kernel choose.
    pub local: Ipv6Addr,
    /// The outer destination.
    pub remote: Ipv6Addr,
    /// The outer hop limit; 0 inherits the inner packet's.
    pub hop_limit: u8,
    /// The encapsulation-limit option (RFC 2473 section 4.1.1), or none: eight bytes less per packet.
    pub encap_limit: Option<u8>,
    /// The outer traffic class, unless inherited.
    pub traffic_class: u8,
    /// The outer flow label (20 bits), unless inherited.
    pub flow_label: u32,
    /// What is inherited or allowed.
    pub flags: Ip6TnlFlags,
    /// The mark of the outer packets for routing, 0 for none.
    pub fwmark: u32,
    /// UDP around the tunnel.
    pub encap: Option<TunnelEncap>,
    /// Options that have no field here, sent as they are: the kernel would zero them. Those of a tunnel that is read back
    /// are kept.
    pub other: Vec<RawAttr>,
}

/// What an IPv6 tunnel carries (`IFLA_IPTUN_PROTO`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum Ip6TnlMode {
    /// Both (`any`).
    #[default]
    Any,
    /// IPv4 only (`ipip6`).
    Ip4,
    /// IPv6 only (`ip6ip6`).
    Ip6,
}

impl Ip6TnlMode {
    pub(crate) fn wire(self) -> u8 {
        match self {
            Self::Any => 0,
            Self::Ip4 => 4,
            Self::Ip6 => 41,
        }
    }

    pub(crate) fn from_wire(value: u8) -> Self {
        match value {
            4 => Self::Ip4,
            41 => Self::Ip6,
            _ => Self::Any,
        }
    }
}

impl fmt::Display for Ip6TnlMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any",
            Self::Ip4 => "ipip6",
            Self::Ip6 => "ip6ip6",
        })
    }
}

/// The switches of an IPv6 tunnel (`IFLA_IPTUN_FLAGS`); the one for the encapsulation limit follows
/// [`Ip6Tnl::encap_limit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default)
)]
pub struct Ip6TnlFlags {
    /// `tclass inherit`: the inner traffic class becomes the outer one.
    pub inherit_traffic_class: bool,
    /// `flowlabel inherit`.
    pub inherit_flow_label: bool,
    /// `dscp inherit`: the outer DSCP is copied inwards on receipt.
    pub copy_dscp: bool,
    /// `fwmark inherit`.
    pub inherit_fwmark: bool,
    /// `allow-localremote`: the remote may be an address of this host.
    pub allow_local_remote: bool,
    /// Switches that have no field here, as bits.
    pub other: u32,
}

/// UDP around an IPv6 tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TunnelEncap {
    /// Foo-over-UDP or generic UDP encapsulation.
    pub kind: TunnelEncapKind,
    /// The source port, 0 to choose one per flow.
    pub source_port: u16,
    /// The destination port.
    pub destination_port: u16,
    /// Compute the UDP checksum over IPv4 (`encap-csum`).
    pub csum: bool,
    /// Compute the UDP checksum over IPv6 (`encap-udp6-csum`); on by default, as in `ip`.
    pub csum6: bool,
    /// Remote checksum offload (`encap-remcsum`).
    pub remcsum: bool,
}

impl TunnelEncap {
    /// Encapsulation of that kind to a port, with a source port per flow and IPv6 checksums.
    #[must_use]
    pub fn new(kind: TunnelEncapKind, destination_port: u16) -> Self {
        Self {
            kind,
            source_port: 0,
            destination_port,
            csum: false,
            csum6: true,
            remcsum: false,
        }
    }
}

/// The kind of UDP encapsulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum TunnelEncapKind {
    /// Foo over UDP.
    Fou,
    /// Generic UDP encapsulation.
    Gue,
    /// Another kind, by number (`TUNNEL_ENCAP_*`).
    Other(u16),
}

impl TunnelEncapKind {
    pub(crate) fn wire(self) -> u16 {
        match self {
            Self::Fou => 1,
            Self::Gue => 2,
            Self::Other(number) => number,
        }
    }

    /// `None` for `TUNNEL_ENCAP_NONE`.
    pub(crate) fn from_wire(value: u16) -> Option<Self> {
        match value {
            0 => None,
            1 => Some(Self::Fou),
            2 => Some(Self::Gue),
            number => Some(Self::Other(number)),
        }
    }
}

impl fmt::Display for TunnelEncapKind {
    /// As `ip` calls it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fou => f.write_str("fou"),
            Self::Gue => f.write_str("gue"),
            Self::Other(3) => f.write_str("mpls"),
            Self::Other(number) => write!(f, "{number}"),
        }
    }
}

impl Default for Ip6Tnl {
    fn default() -> Self {
        Self {
            mode: Ip6TnlMode::Any,
            external: false,
            local: Ipv6Addr::UNSPECIFIED,
            remote: Ipv6Addr::UNSPECIFIED,
            hop_limit: 64,
            encap_limit: None,
            traffic_class: 0,
            flow_label: 0,
            flags: Ip6TnlFlags::default(),
            fwmark: 0,
            encap: None,
            other: Vec::new(),
        }
    }
}

impl Ip6Tnl {
    /// One device for all tunnels of a namespace: each route brings its own outer addresses.
    ///
    /// Its MTU should be set on the link: the kernel's 1452 reckons with eight bytes that this mode never sends.
    #[must_use]
    pub fn external() -> Self {
        Self {
            external: true,
            ..Self::default()
        }
    }

    /// A tunnel between two outer addresses.
    #[must_use]
    pub fn between(local: Ipv6Addr, remote: Ipv6Addr) -> Self {
        Self {
            local,
            remote,
            ..Self::default()
        }
    }

    setters! {
        /// What it may carry.
        mode: Ip6TnlMode;
        /// The outer hop limit; 0 inherits.
        hop_limit: u8;
        /// The encapsulation-limit option, or none.
        encap_limit: Option<u8>;
    }

    /// How many bytes each packet grows by.
    #[must_use]
    pub fn overhead(&self) -> u32 {
        let option = if self.encap_limit.is_some() && !self.external {
            8
        } else {
            0
        };
        let udp = match self.encap.map(|encap| encap.kind) {
            None | Some(TunnelEncapKind::Other(_)) => 0,
            Some(TunnelEncapKind::Fou) => 8,
            Some(TunnelEncapKind::Gue) => 12,
        };
        40 + option + udp
    }

    /// The switches with a field of their own, and what the kernel works out for itself (`IP6_TNL_F_CAP_*`).
    pub(crate) const KNOWN_FLAGS: u32 = 0x7_0000 | 0x77;
    pub(crate) const IGN_ENCAP_LIMIT: u32 = 0x1;
    pub(crate) const USE_ORIG_TCLASS: u32 = 0x2;
    pub(crate) const USE_ORIG_FLOWLABEL: u32 = 0x4;
    pub(crate) const RCV_DSCP_COPY: u32 = 0x10;
    pub(crate) const USE_ORIG_FWMARK: u32 = 0x20;
    pub(crate) const ALLOW_LOCAL_REMOTE: u32 = 0x40;

    /// `IFLA_IPTUN_FLAGS`.
    pub(crate) fn wire_flags(&self) -> u32 {
        let flags = self.flags;
        [
            (self.encap_limit.is_none(), Self::IGN_ENCAP_LIMIT),
            (flags.inherit_traffic_class, Self::USE_ORIG_TCLASS),
            (flags.inherit_flow_label, Self::USE_ORIG_FLOWLABEL),
            (flags.copy_dscp, Self::RCV_DSCP_COPY),
            (flags.inherit_fwmark, Self::USE_ORIG_FWMARK),
            (flags.allow_local_remote, Self::ALLOW_LOCAL_REMOTE),
        ]
        .into_iter()
        .fold(
            flags.other,
            |all, (on, bit)| if on { all | bit } else { all },
        )
    }
}
