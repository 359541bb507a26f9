//! IPv4 addresses inside IPv6 prefixes (RFC 6052 section 2.2), both ways.
//!
//! An overlay's IPv6 address is computed from its IPv4 address, never stored: the /96 is the
//! overlay's /64 followed by 32 zero bits, so `fd42:1a8:0:2a09::/64` and `192.168.2.2` give
//! `fd42:1a8:0:2a09::192.168.2.2`.

use core::net::{Ipv4Addr, Ipv6Addr};

use ipnet::Ipv6Net;

/// The IPv6 address of an overlay's IPv4 address: the /96 at the start of `net6`, then the address.
///
/// # Errors
/// [`EmbedError::TooLong`] when `net6` is longer than 96 bits.
///
/// ```
/// let net6 = "fd42:1a8:0:2a09::/64".parse()?;
/// let six = kraud_ipam::embed::overlay_v6(net6, "192.168.2.2".parse()?)?;
/// assert_eq!(six, "fd42:1a8:0:2a09::192.168.2.2".parse::<std::net::Ipv6Addr>()?);
/// assert_eq!(kraud_ipam::embed::overlay_v4(net6, six), Some("192.168.2.2".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn overlay_v6(net6: Ipv6Net, v4: Ipv4Addr) -> Result<Ipv6Addr, EmbedError> {
    if net6.prefix_len() > 96 {
        return Err(EmbedError::TooLong { prefix: net6 });
    }
    Ok(Ipv6Addr::from_bits(
        net6.network().to_bits() | u128::from(v4.to_bits()),
    ))
}

/// The IPv4 address that [`overlay_v6`] put into `v6`; `None` when `v6` is not one of `net6`'s.
pub fn overlay_v4(net6: Ipv6Net, v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = Ipv4Addr::from_bits(v6.to_bits() as u32);
    (overlay_v6(net6, v4) == Ok(v6)).then_some(v4)
}

/// The address in the layout of RFC 6052 table 1, for prefixes of 32, 40, 48, 56, 64 or 96 bits. Bits
/// 64 to 71 stay zero.
///
/// # Errors
/// [`EmbedError::Length`] for any other length.
///
/// ```
/// let six = kraud_ipam::embed::rfc6052("2001:db8:122::/48".parse()?, "192.0.2.33".parse()?)?;
/// assert_eq!(six.to_string(), "2001:db8:122:c000:2:2100::");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn rfc6052(prefix: Ipv6Net, v4: Ipv4Addr) -> Result<Ipv6Addr, EmbedError> {
    let base = prefix.network().to_bits();
    let v4 = u128::from(v4.to_bits());
    let bits = match prefix.prefix_len() {
        96 => v4,
        len @ (32 | 40 | 48 | 56 | 64) => {
            // The address is laid down right behind the prefix; what falls on or behind bit 64 moves
            // one byte to the right.
            let straight = v4 << (96 - len);
            let low = straight & u128::from(u64::MAX);
            (straight & !u128::from(u64::MAX)) | (low >> 8)
        }
        _ => return Err(EmbedError::Length { prefix }),
    };
    Ok(Ipv6Addr::from_bits(base | bits))
}

/// The IPv4 address inside an address that [`rfc6052`] made with this prefix.
pub fn rfc6052_extract(prefix: Ipv6Net, v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = v6.to_bits();
    let v4 = match prefix.prefix_len() {
        96 => bits as u32,
        len @ (32 | 40 | 48 | 56 | 64) => {
            let low = (bits & (u128::from(u64::MAX) >> 8)) << 8;
            (((bits & !u128::from(u64::MAX)) | low) >> (96 - len)) as u32
        }
        _ => return None,
    };
    let v4 = Ipv4Addr::from_bits(v4);
    (rfc6052(prefix, v4) == Ok(v6)).then_some(v4)
}

/// Why an IPv4 address cannot be put into a prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EmbedError {
    /// RFC 6052 has no layout for this length.
    #[error("{prefix} has {} bits; an IPv4 address goes into 32, 40, 48, 56, 64 or 96 (RFC 6052)", prefix.prefix_len())]
    Length {
        /// The prefix in question.
        prefix: Ipv6Net,
    },
    /// The prefix leaves less than 32 bits.
    #[error(
        "{prefix} leaves no room for an IPv4 address; use a prefix of at most 96 bits, best a /64"
    )]
    TooLong {
        /// The prefix in question.
        prefix: Ipv6Net,
    },
}
