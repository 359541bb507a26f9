use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::{LinkNames, link_name, split};
use crate::message::consts::*;
use crate::spec::{Address, Scope};
use crate::wire::{Malformed, attrs};

/// An address as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AddressInfo {
    /// The index of its link.
    pub index: u32,
    /// What would add it again.
    pub address: Address,
    /// Duplicate address detection is under way.
    pub tentative: bool,
    /// Somebody else has the address.
    pub dad_failed: bool,
    /// All of the kernel's flags (`IFA_F_*`).
    pub flags: u32,
}

impl AddressInfo {
    /// Reads the body of an `RTM_NEWADDR` message.
    ///
    /// # Errors
    ///
    /// [`Malformed`] for a body that is cut.
    pub fn parse(body: &[u8], names: &dyn LinkNames) -> Result<Self, Malformed> {
        let ([family, prefix_len, flags, scope, index @ ..], rest) =
            split::<8>("address message", body)?;
        let index = u32::from_ne_bytes(*index);
        let mut flags = u32::from(*flags);
        let (mut local, mut other_end) = (None, None);
        let mut address = Address::new("", IpNet::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
        for attr in attrs(rest) {
            let attr = attr?;
            match attr.kind() {
                IFA_ADDRESS => other_end = Some(attr.ip()?),
                IFA_LOCAL => local = Some(attr.ip()?),
                IFA_LABEL => address.label = Some(attr.text()),
                IFA_BROADCAST => {
                    address.broadcast = match attr.ip()? {
                        IpAddr::V4(v4) => Some(v4),
                        IpAddr::V6(_) => None,
                    }
                }
                IFA_CACHEINFO => {
                    let [a, b, c, d, e, f, g, h] = attr.chunk()?;
                    let (preferred, valid) = (
                        u32::from_ne_bytes([a, b, c, d]),
                        u32::from_ne_bytes([e, f, g, h]),
                    );
                    address.lifetime =
                        ((preferred, valid) != (u32::MAX, u32::MAX)).then_some((preferred, valid));
                }
                IFA_FLAGS => flags = attr.u32()?,
                IFA_RT_PRIORITY => address.metric = Some(attr.u32()?),
                IFA_PROTO => address.protocol = Some(attr.u8()?).filter(|&protocol| protocol != 0),
                _ => address.other.push(attr.into()),
            }
        }
        let bad = || Malformed {
            what: "address",
            offset: 0,
            needed: 4,
            found: 0,
        };
        let own = local.or(other_end).ok_or_else(bad)?;
        // Without a peer the kernel says the same address twice for IPv4, and once for IPv6.
        address.peer = other_end.filter(|&end| end != own);
        if own.is_ipv4() != (*family == AF_INET) {
            return Err(bad());
        }
        address.net = IpNet::new(own, *prefix_len).map_err(|_| bad())?;
        address.dev = link_name(names, index);
        // A label that is only the link's name is the kernel's default.
        if address.label.as_ref() == Some(&address.dev) {
            address.label = None;
        }
        address.scope = Some(Scope(*scope));
        if address.wire_scope()
            == (Address {
                scope: None,
                ..address.clone()
            })
            .wire_scope()
        {
            address.scope = None;
        }
        address.nodad = flags & Address::NODAD != 0;
        address.optimistic = flags & Address::OPTIMISTIC != 0;
        address.home = flags & Address::HOME != 0;
        address.noprefixroute = flags & Address::NOPREFIXROUTE != 0;
        Ok(Self {
            index,
            address,
            tentative: flags & 0x40 != 0,
            dad_failed: flags & 0x08 != 0,
            flags,
        })
    }
}
