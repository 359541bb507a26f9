use std::net::IpAddr;

use super::Encap;
use crate::setters::setters;
use crate::wire::RawAttr;

/// A next-hop object: a way that many routes share by its number ([`Route::nexthop_id`](super::Route::nexthop_id)), so
/// that one message changes the way of all of them. Kernel 5.3.
///
/// ```
/// use kraud_netlink::{NextHopObject, Op};
///
/// let way = NextHopObject::via(7, "eth0", "192.0.2.2".parse()?);
/// let both = NextHopObject::group(9, [(7, 1), (8, 3)]);
/// let lines = |op: Op| op.commands(&Default::default()).remove(0);
/// assert_eq!(lines(Op::AddNextHop(way)), "ip nexthop add id 7 via 192.0.2.2 dev eth0");
/// assert_eq!(lines(Op::ReplaceNextHop(both)), "ip nexthop replace id 9 group 7/8,3");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct NextHopObject {
    /// Its number, not 0.
    pub id: u32,
    /// Where it leads.
    pub to: NextHopTo,
    /// Who owns it, as with routes; 0 is nobody in particular.
    pub protocol: u8,
    /// Attributes that have no field here, sent as they are; those of an object that is read back are kept.
    pub other: Vec<RawAttr>,
}

/// Where a next-hop object leads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum NextHopTo {
    /// Nowhere: packets are dropped.
    Blackhole {
        /// For routes of IPv6 instead of IPv4.
        ipv6: bool,
    },
    /// To several objects, as (number, share of flows from 1 to 256).
    Group(Vec<(u32, u16)>),
    /// Out of a link.
    Link {
        /// The link's name.
        dev: String,
        /// The gateway; without one the object is for IPv4 routes.
        via: Option<IpAddr>,
        /// The gateway is on the link although no route says so.
        onlink: bool,
        /// What to put around packets.
        encap: Option<Encap>,
    },
}

impl NextHopObject {
    fn new(id: u32, to: NextHopTo) -> Self {
        Self {
            id,
            to,
            protocol: 0,
            other: Vec::new(),
        }
    }

    /// Through a gateway.
    #[must_use]
    pub fn via(id: u32, dev: impl Into<String>, via: IpAddr) -> Self {
        let link = NextHopTo::Link {
            dev: dev.into(),
            via: Some(via),
            onlink: false,
            encap: None,
        };
        Self::new(id, link)
    }

    /// To several others, with their shares of flows.
    #[must_use]
    pub fn group(id: u32, members: impl IntoIterator<Item = (u32, u16)>) -> Self {
        Self::new(id, NextHopTo::Group(members.into_iter().collect()))
    }

    /// Nowhere, for IPv6 or IPv4 routes.
    #[must_use]
    pub fn blackhole(id: u32, ipv6: bool) -> Self {
        Self::new(id, NextHopTo::Blackhole { ipv6 })
    }

    setters! {
        /// Of that owner.
        protocol: u8;
    }
}
