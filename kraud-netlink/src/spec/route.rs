use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::setters::setters;
use crate::wire::RawAttr;

/// A route.
///
/// ```
/// use kraud_netlink::{Encap, Route};
///
/// let route = Route::new("192.168.2.3/32".parse()?)
///     .encap(Encap::ip6("fd42:1a8::3".parse()?).src("fd42:1a8::1".parse()?).hop_limit(64))
///     .dev("kraud0")
///     .src("192.168.2.2".parse()?)
///     .metric(1003)
///     .protocol(75);
/// assert_eq!(
///     route.command("add", &Default::default()),
///     "ip route add 192.168.2.3 src 192.168.2.2 metric 1003 proto 75 dev kraud0 \
///      encap ip6 src fd42:1a8::1 dst fd42:1a8::3 hoplimit 64",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Route {
    /// The destination; `0.0.0.0/0` and `::/0` are the default routes. Host bits are cleared when sent.
    pub dst: IpNet,
    /// Only for packets from this prefix (IPv6 with `CONFIG_IPV6_SUBTREES`).
    pub from: Option<IpNet>,
    /// What the route does.
    pub kind: RouteKind,
    /// The link's name.
    pub dev: Option<String>,
    /// The gateway; an IPv6 one may serve an IPv4 route.
    pub via: Option<IpAddr>,
    /// The source address that sockets get.
    pub src: Option<IpAddr>,
    /// The metric; `None` is 0 for IPv4 and 1024 for IPv6.
    pub metric: Option<u32>,
    /// The table, [`table::MAIN`] by default.
    pub table: u32,
    /// Who owns the route, [`protocol::BOOT`] by default as in `ip`.
    pub protocol: u8,
    /// The scope; `None` is chosen as `ip` does. IPv6 has none.
    pub scope: Option<Scope>,
    /// The gateway is on the link although no route says so.
    pub onlink: bool,
    /// The type of service.
    pub tos: u8,
    /// What to put around packets.
    pub encap: Option<Encap>,
    /// MTU and the like.
    pub metrics: RouteMetrics,
    /// Several ways; then neither `dev`, `via` nor `encap` is used.
    pub nexthops: Vec<NextHop>,
    /// A next-hop object's id instead of `dev` and `via`.
    pub nexthop_id: Option<u32>,
    /// The router preference of IPv6: 0 medium, 1 high, 3 low.
    pub pref: Option<u8>,
    /// Seconds until it goes away (IPv6 only).
    pub expires: Option<u32>,
    /// Attributes that have no field here, sent as they are; those of a route that is read back are kept.
    pub other: Vec<RawAttr>,
}

/// One way of a multipath route.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct NextHop {
    /// The link's name.
    pub dev: Option<String>,
    /// The gateway.
    pub via: Option<IpAddr>,
    /// The share of flows, 1 to 256; 0 is taken as 1.
    pub weight: u16,
    /// The gateway is on the link although no route says so.
    pub onlink: bool,
    /// What to put around packets.
    pub encap: Option<Encap>,
    /// Attributes that have no field here, sent as they are; those of a next hop that is read back are kept.
    pub other: Vec<RawAttr>,
}

/// What a route does with packets (`RTN_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum RouteKind {
    /// Forward.
    #[default]
    Unicast,
    /// Deliver here.
    Local,
    /// Drop silently.
    Blackhole,
    /// Refuse: unreachable.
    Unreachable,
    /// Refuse: prohibited.
    Prohibit,
    /// Go on with the next rule.
    Throw,
    /// Another type, by number.
    Other(u8),
}

impl RouteKind {
    pub(crate) fn wire(self) -> u8 {
        match self {
            Self::Unicast => 1,
            Self::Local => 2,
            Self::Blackhole => 6,
            Self::Unreachable => 7,
            Self::Prohibit => 8,
            Self::Throw => 9,
            Self::Other(number) => number,
        }
    }

    pub(crate) fn from_wire(value: u8) -> Self {
        match value {
            1 => Self::Unicast,
            2 => Self::Local,
            6 => Self::Blackhole,
            7 => Self::Unreachable,
            8 => Self::Prohibit,
            9 => Self::Throw,
            number => Self::Other(number),
        }
    }
}

impl fmt::Display for RouteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unicast => f.write_str("unicast"),
            Self::Local => f.write_str("local"),
            Self::Blackhole => f.write_str("blackhole"),
            Self::Unreachable => f.write_str("unreachable"),
            Self::Prohibit => f.write_str("prohibit"),
            Self::Throw => f.write_str("throw"),
            Self::Other(3) => f.write_str("broadcast"),
            Self::Other(4) => f.write_str("anycast"),
            Self::Other(5) => f.write_str("multicast"),
            Self::Other(number) => write!(f, "{number}"),
        }
    }
}

/// How far an IPv4 address or route reaches (`RT_SCOPE_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(transparent)
)]
pub struct Scope(pub u8);

impl Scope {
    /// Everywhere.
    pub const GLOBAL: Self = Self(0);
    /// This site.
    pub const SITE: Self = Self(200);
    /// This link.
    pub const LINK: Self = Self(253);
    /// This host.
    pub const HOST: Self = Self(254);
    /// Any, when a route is deleted.
    pub const NOWHERE: Self = Self(255);
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("global"),
            200 => f.write_str("site"),
            253 => f.write_str("link"),
            254 => f.write_str("host"),
            255 => f.write_str("nowhere"),
            number => write!(f, "{number}"),
        }
    }
}

/// Well-known route protocols (`RTPROT_*`).
pub mod protocol {
    /// Any; never sent for a new route.
    pub const UNSPEC: u8 = 0;
    /// Made by the kernel for an address.
    pub const KERNEL: u8 = 2;
    /// `ip`'s default.
    pub const BOOT: u8 = 3;
    /// Made by an administrator.
    pub const STATIC: u8 = 4;
}

/// Well-known routing tables (`RT_TABLE_*`).
pub mod table {
    /// No particular table.
    pub const UNSPEC: u32 = 0;
    /// The main table.
    pub const MAIN: u32 = 254;
    /// The table of local addresses.
    pub const LOCAL: u32 = 255;
}

/// A route's own limits (`RTA_METRICS`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default)
)]
pub struct RouteMetrics {
    /// The path MTU.
    pub mtu: Option<u32>,
    /// The MSS announced to TCP peers.
    pub advmss: Option<u32>,
    /// The hop limit of outgoing packets.
    pub hop_limit: Option<u32>,
    /// `RTAX_FEATURES`: 1 is ECN.
    pub features: Option<u32>,
    /// The metrics that must not be changed by path MTU discovery and the like, as bits of `1 << RTAX_*`.
    pub lock: Option<u32>,
    /// Metrics that have no field here (`initcwnd`, `congctl`…), sent as they are; those of a route that is read back are
    /// kept.
    pub other: Vec<RawAttr>,
}

impl RouteMetrics {
    /// In the kernel's numbering.
    pub(crate) fn entries(&self) -> [(u16, Option<u32>); 5] {
        [
            (1, self.lock),
            (2, self.mtu),
            (8, self.advmss),
            (10, self.hop_limit),
            (12, self.features),
        ]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.other.is_empty() && self.entries().iter().all(|(_, value)| value.is_none())
    }
}

/// What a route puts around packets (light-weight tunnel): the device must be an external tunnel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum Encap {
    /// An IPv4 header.
    Ip(EncapIp),
    /// An IPv6 header.
    Ip6(EncapIp6),
    /// Another kind, or one of the above with attributes that have no field there, as its number (`LWTUNNEL_ENCAP_*`) and
    /// raw attributes.
    Other {
        /// `RTA_ENCAP_TYPE`.
        kind: u16,
        /// The payload of `RTA_ENCAP`.
        data: Vec<u8>,
    },
}

impl Encap {
    /// An IPv6 header to that destination.
    #[must_use]
    pub fn ip6(dst: Ipv6Addr) -> EncapIp6 {
        EncapIp6 {
            id: 0,
            dst,
            src: None,
            hop_limit: 0,
            traffic_class: 0,
            flags: 0,
        }
    }

    /// An IPv4 header to that destination.
    #[must_use]
    pub fn ip(dst: Ipv4Addr) -> EncapIp {
        EncapIp {
            id: 0,
            dst,
            src: None,
            ttl: 0,
            tos: 0,
            flags: 0,
        }
    }
}

/// An IPv6 header around packets (`encap ip6`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EncapIp6 {
    /// The tunnel's key, where the device has one.
    pub id: u64,
    /// The outer destination.
    pub dst: Ipv6Addr,
    /// The outer source; chosen by the kernel unless given.
    pub src: Option<Ipv6Addr>,
    /// The outer hop limit; 0 lets the route decide.
    pub hop_limit: u8,
    /// The outer traffic class.
    pub traffic_class: u8,
    /// `LWTUNNEL_IP6_FLAGS` as a number: tunnel key, checksum and sequence.
    pub flags: u16,
}

impl EncapIp6 {
    setters! {
        /// With that outer source.
        src: Ipv6Addr;
        /// With that outer hop limit.
        hop_limit: u8;
        /// With that outer traffic class.
        traffic_class: u8;
        /// With that key.
        id: u64;
    }
}

/// An IPv4 header around packets (`encap ip`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EncapIp {
    /// The tunnel's key, where the device has one.
    pub id: u64,
    /// The outer destination.
    pub dst: Ipv4Addr,
    /// The outer source; chosen by the kernel unless given.
    pub src: Option<Ipv4Addr>,
    /// The outer time to live; 0 lets the route decide.
    pub ttl: u8,
    /// The outer type of service.
    pub tos: u8,
    /// `LWTUNNEL_IP_FLAGS` as a number.
    pub flags: u16,
}

impl EncapIp {
    setters! {
        /// With that outer source.
        src: Ipv4Addr;
        /// With that outer time to live.
        ttl: u8;
    }
}

impl From<EncapIp6> for Encap {
    fn from(encap: EncapIp6) -> Self {
        Self::Ip6(encap)
    }
}

impl From<EncapIp> for Encap {
    fn from(encap: EncapIp) -> Self {
        Self::Ip(encap)
    }
}

impl Route {
    /// A unicast route to that prefix in the main table.
    #[must_use]
    pub fn new(dst: IpNet) -> Self {
        Self {
            dst,
            from: None,
            kind: RouteKind::Unicast,
            dev: None,
            via: None,
            src: None,
            metric: None,
            table: table::MAIN,
            protocol: protocol::BOOT,
            scope: None,
            onlink: false,
            tos: 0,
            encap: None,
            metrics: RouteMetrics::default(),
            nexthops: Vec::new(),
            nexthop_id: None,
            pref: None,
            expires: None,
            other: Vec::new(),
        }
    }

    /// The IPv4 default route.
    #[must_use]
    pub fn default_v4() -> Self {
        Self::new(IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0)))
    }

    /// The IPv6 default route.
    #[must_use]
    pub fn default_v6() -> Self {
        Self::new(IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0)))
    }

    setters! {
        /// Out of that link.
        dev: into String;
        /// Through that gateway.
        via: IpAddr;
        /// Preferring that source address.
        src: IpAddr;
        /// With that metric.
        metric: u32;
        /// In that table.
        table: u32;
        /// Of that owner.
        protocol: u8;
        /// With that scope.
        scope: Scope;
        /// Of that kind.
        kind: RouteKind;
        /// The gateway is on the link although no route says so.
        onlink;
        /// With that around packets.
        encap: into Encap;
    }

    /// With that path MTU.
    #[must_use]
    pub fn mtu(mut self, mtu: u32) -> Self {
        self.metrics.mtu = Some(mtu);
        self
    }

    /// Announcing that MSS.
    #[must_use]
    pub fn advmss(mut self, advmss: u32) -> Self {
        self.metrics.advmss = Some(advmss);
        self
    }

    setters! {
        /// With one more way.
        nexthop => nexthops: NextHop;
    }

    /// The scope that is sent with a new route, as `ip` chooses it.
    pub(crate) fn wire_scope(&self) -> u8 {
        if let Some(scope) = self.scope {
            return scope.0;
        }
        if matches!(self.dst, IpNet::V6(_)) {
            return Scope::GLOBAL.0;
        }
        match self.kind {
            RouteKind::Local | RouteKind::Other(10) => Scope::HOST.0,
            RouteKind::Unicast | RouteKind::Other(3..=5)
                if self.via.is_none() && self.nexthops.is_empty() && self.nexthop_id.is_none() =>
            {
                Scope::LINK.0
            }
            _ => Scope::GLOBAL.0,
        }
    }
}

impl NextHop {
    /// Through that gateway.
    #[must_use]
    pub fn via(via: IpAddr) -> Self {
        Self {
            via: Some(via),
            weight: 1,
            ..Self::default()
        }
    }

    setters! {
        /// Out of that link.
        dev: into String;
        /// With that share of flows.
        weight: u16;
    }
}
