use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::Scope;
use crate::setters::setters;
use crate::wire::RawAttr;

/// An address on a link.
///
/// ```
/// use kraud_netlink::Address;
///
/// let address = Address::new("eth0", "fd00::1/64".parse()?).nodad().noprefixroute();
/// assert_eq!(
///     address.command("add", &Default::default()),
///     "ip addr add fd00::1/64 nodad noprefixroute dev eth0",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Address {
    /// The link's name.
    pub dev: String,
    /// The address with its prefix length; host bits are kept.
    pub net: IpNet,
    /// The other end of a point-to-point link; `net`'s prefix length then belongs to it.
    pub peer: Option<IpAddr>,
    /// The broadcast address (IPv4 only).
    pub broadcast: Option<Ipv4Addr>,
    /// The scope; `None` lets IPv4 be `host` in 127.0.0.0/8 and `global` elsewhere, as in `ip`.
    pub scope: Option<Scope>,
    /// No duplicate address detection.
    pub nodad: bool,
    /// Make no route for the prefix.
    pub noprefixroute: bool,
    /// Usable while duplicate address detection runs.
    pub optimistic: bool,
    /// A mobile node's home address (RFC 6275).
    pub home: bool,
    /// The metric of the prefix route.
    pub metric: Option<u32>,
    /// The protocol that the address belongs to (`IFA_PROTO`), for telling one's own from foreign ones; kernel 5.18.
    pub protocol: Option<u8>,
    /// An IPv4 label, which starts with the link's name.
    pub label: Option<String>,
    /// Seconds of (preferred, valid) life; `None` is for ever.
    pub lifetime: Option<(u32, u32)>,
    /// Attributes that have no field here, sent as they are; those of an address that is read back are kept.
    pub other: Vec<RawAttr>,
}

impl Address {
    /// The address on that link.
    #[must_use]
    pub fn new(dev: impl Into<String>, net: IpNet) -> Self {
        Self {
            dev: dev.into(),
            net,
            peer: None,
            broadcast: None,
            scope: None,
            nodad: false,
            noprefixroute: false,
            optimistic: false,
            home: false,
            metric: None,
            protocol: None,
            label: None,
            lifetime: None,
            other: Vec::new(),
        }
    }

    setters! {
        /// Without duplicate address detection: usable at once, also where neighbours share a hardware address.
        nodad;
        /// Without a route for the prefix.
        noprefixroute;
        /// With the other end of a point-to-point link.
        peer: IpAddr;
        /// With a broadcast address.
        broadcast: Ipv4Addr;
        /// With that scope.
        scope: Scope;
        /// With that metric on the prefix route.
        metric: u32;
    }

    pub(crate) const NODAD: u32 = 0x02;
    pub(crate) const OPTIMISTIC: u32 = 0x04;
    pub(crate) const HOME: u32 = 0x10;
    pub(crate) const NOPREFIXROUTE: u32 = 0x200;

    /// `IFA_FLAGS`.
    pub(crate) fn wire_flags(&self) -> u32 {
        [
            (self.nodad, Self::NODAD),
            (self.optimistic, Self::OPTIMISTIC),
            (self.home, Self::HOME),
            (self.noprefixroute, Self::NOPREFIXROUTE),
        ]
        .into_iter()
        .fold(0, |all, (on, bit)| if on { all | bit } else { all })
    }

    /// The scope that is sent.
    pub(crate) fn wire_scope(&self) -> u8 {
        match (self.scope, self.net.addr()) {
            (Some(scope), _) => scope.0,
            (None, IpAddr::V4(v4)) if v4.is_loopback() => Scope::HOST.0,
            _ => Scope::GLOBAL.0,
        }
    }
}
