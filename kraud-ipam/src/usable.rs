//! Which addresses of a subnet can be given out at all.
//!
//! | subnet | not given out | source |
//! |---|---|---|
//! | IPv4 up to /30 | network and broadcast address | RFC 919, 922 |
//! | IPv4 /31, /32 | nothing | RFC 3021 |
//! | IPv6 up to /126 | the all-zero host: subnet-router anycast | RFC 4291 section 2.6.1 |
//! | IPv6 /127, /128 | nothing | RFC 6164 |
//! | IPv6 up to /64, on request | reserved interface ids | RFC 2526, 5453 |

use core::net::IpAddr;

use ipnet::IpNet;

use crate::{
    Count,
    family::{Family, address, bounds},
};

/// How many addresses of a subnet can be given out.
///
/// ```
/// assert_eq!(kraud_ipam::usable_count("10.0.0.0/30".parse()?), 2);
/// assert_eq!(kraud_ipam::usable_count("10.0.0.0/31".parse()?), 2);
/// assert_eq!(kraud_ipam::usable_count("fd00::/127".parse()?), 2);
/// # Ok::<(), ipnet::AddrParseError>(())
/// ```
pub fn usable_count(subnet: IpNet) -> Count {
    let (first, last) = usable_bounds(subnet);
    Count::between(first, last)
}

/// The first address of a subnet that can be given out; also its default gateway.
///
/// ```
/// assert_eq!(kraud_ipam::first_usable("192.168.1.0/24".parse()?).to_string(), "192.168.1.1");
/// # Ok::<(), ipnet::AddrParseError>(())
/// ```
pub fn first_usable(subnet: IpNet) -> IpAddr {
    address(Family::of_prefix(subnet), usable_bounds(subnet).0)
}

/// The last address of a subnet that can be given out.
pub fn last_usable(subnet: IpNet) -> IpAddr {
    address(Family::of_prefix(subnet), usable_bounds(subnet).1)
}

/// The `n`-th address of a subnet that can be given out, counted from 0; `None` behind the last.
///
/// ```
/// let replicas: ipnet::IpNet = "192.168.2.0/24".parse()?;
/// assert_eq!(kraud_ipam::nth_usable(replicas, 2), Some("192.168.2.3".parse().unwrap()));
/// assert_eq!(kraud_ipam::nth_usable(replicas, 254), None);
/// # Ok::<(), ipnet::AddrParseError>(())
/// ```
pub fn nth_usable(subnet: IpNet, n: u128) -> Option<IpAddr> {
    let (first, last) = usable_bounds(subnet);
    let number = first.checked_add(n).filter(|number| *number <= last)?;
    Some(address(Family::of_prefix(subnet), number))
}

/// First and last usable address as numbers.
pub(crate) fn usable_bounds(subnet: IpNet) -> (u128, u128) {
    let (first, last) = bounds(subnet);
    match (subnet, subnet.max_prefix_len() - subnet.prefix_len()) {
        (_, 0 | 1) => (first, last),
        (IpNet::V4(_), _) => (first + 1, last - 1),
        (IpNet::V6(_), _) => (first + 1, last),
    }
}

/// The ranges of reserved IPv6 interface ids of a subnet (RFC 5453 registry): the ids kept for
/// Ethernet-derived anycast and proxies, and the 128 subnet anycast ids at the top (RFC 2526).
///
/// Empty for IPv4 and for prefixes longer than 64 bits, where there is no 64-bit interface id. A
/// subnet shorter than /64 has such ids in each of its /64s; here only the first and the last count.
pub(crate) fn reserved_interface_ids(subnet: IpNet) -> impl Iterator<Item = (u128, u128)> {
    let (first, last) = bounds(subnet);
    let applies = matches!(subnet, IpNet::V6(_)) && subnet.prefix_len() <= 64;
    let high = !u128::from(u64::MAX);
    let bases = [first & high, last & high];
    let count = match (applies, bases[0] == bases[1]) {
        (false, _) => 0,
        (true, true) => 1,
        (true, false) => 2,
    };
    bases.into_iter().take(count).flat_map(|base| {
        [
            (0x0200_5eff_fe00_0000, 0x0200_5eff_feff_ffff),
            (0xfdff_ffff_ffff_ff80, 0xfdff_ffff_ffff_ffff),
        ]
        .map(|(from, to): (u64, u64)| (base | u128::from(from), base | u128::from(to)))
    })
}
