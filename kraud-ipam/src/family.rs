//! Families, and addresses as plain numbers.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum Family {
    /// IPv4: 32 bits.
    V4,
    /// IPv6: 128 bits.
    V6,
}

impl Family {
    /// The family of an address.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The family of a prefix.
    pub const fn of_prefix(prefix: IpNet) -> Self {
        match prefix {
            IpNet::V4(_) => Self::V4,
            IpNet::V6(_) => Self::V6,
        }
    }

    /// How many bits an address has: 32 or 128.
    pub const fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

impl core::fmt::Display for Family {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// The address as a number, most significant byte first.
pub(crate) const fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_bits() as u128,
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The inverse of [`number`]. Bits above the family's width are dropped.
pub(crate) const fn address(family: Family, number: u128) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::from_bits(number as u32)),
        Family::V6 => IpAddr::V6(Ipv6Addr::from_bits(number)),
    }
}

/// First and last address of a prefix as numbers.
pub(crate) fn bounds(prefix: IpNet) -> (u128, u128) {
    let first = number(prefix.network());
    (
        first,
        first | host_mask(Family::of_prefix(prefix), prefix.prefix_len()),
    )
}

/// The host bits of a prefix length, all set.
pub(crate) const fn host_mask(family: Family, len: u8) -> u128 {
    let host = family.bits().saturating_sub(len);
    if host >= 128 {
        u128::MAX
    } else {
        (1u128 << host) - 1
    }
}

/// The prefix that starts at `base`; host bits of `base` are cleared, `len` is capped.
pub(crate) fn prefix(family: Family, base: u128, len: u8) -> IpNet {
    let len = if len > family.bits() {
        family.bits()
    } else {
        len
    };
    match address(family, base & !host_mask(family, len)) {
        IpAddr::V4(v4) => IpNet::V4(Ipv4Net::new_assert(v4, len)),
        IpAddr::V6(v6) => IpNet::V6(Ipv6Net::new_assert(v6, len)),
    }
}

/// The host route of an address: /32 or /128.
pub(crate) fn host(address: IpAddr) -> IpNet {
    IpNet::from(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_prefixes_round_trip() {
        for text in [
            "0.0.0.0/0",
            "10.0.0.0/8",
            "192.0.2.1/32",
            "::/0",
            "fd00::/48",
            "::1/128",
        ] {
            let net: IpNet = text.parse().expect("a literal");
            let (first, last) = bounds(net);
            let family = Family::of_prefix(net);
            assert_eq!(prefix(family, first, net.prefix_len()), net);
            assert_eq!(address(family, last), net.broadcast(), "{text}");
        }
    }
}
