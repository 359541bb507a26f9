//! Arithmetic on prefixes: ranges to prefixes and back, supernets, the n-th subnet.

use alloc::vec::Vec;
use core::net::IpAddr;

use ipnet::IpNet;

use crate::family::{self, Family, bounds, number};

/// The fewest prefixes that cover a range of addresses exactly, by address.
///
/// Nothing when the families differ or the range runs backwards. At most 254 prefixes.
///
/// ```
/// let cover: Vec<String> = kraud_ipam::cover_range("10.0.0.1".parse()?, "10.0.0.6".parse()?)
///     .map(|prefix| prefix.to_string())
///     .collect();
/// assert_eq!(cover, ["10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/31", "10.0.0.6/32"]);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub fn cover_range(first: IpAddr, last: IpAddr) -> impl Iterator<Item = IpNet> {
    let same = Family::of(first) == Family::of(last);
    cover(Family::of(first), number(first), number(last)).filter(move |_| same)
}

pub(crate) fn cover(family: Family, first: u128, last: u128) -> impl Iterator<Item = IpNet> {
    let mut next = (first <= last).then_some(first);
    core::iter::from_fn(move || {
        let from = next?;
        // The largest block that starts here and does not go beyond the end.
        let aligned = from.trailing_zeros().min(u32::from(family.bits()));
        let room = match (last - from).checked_add(1) {
            Some(count) => count.ilog2(),
            None => 128,
        };
        let host = aligned.min(room);
        let len = family.bits() - host as u8;
        next = (from | family::host_mask(family, len))
            .checked_add(1)
            .filter(|next| *next <= last);
        Some(family::prefix(family, from, len))
    })
}

/// The fewest prefixes that cover exactly what the given ones cover, in any order, by family and
/// address (route aggregation).
///
/// ```
/// let nets = ["10.0.1.0/24", "10.0.0.0/24", "10.0.0.128/25", "10.0.3.0/24"];
/// let merged = kraud_ipam::aggregate(nets.iter().map(|net| net.parse().unwrap()));
/// assert_eq!(merged, ["10.0.0.0/23".parse()?, "10.0.3.0/24".parse()?]);
/// # Ok::<(), ipnet::AddrParseError>(())
/// ```
pub fn aggregate(prefixes: impl IntoIterator<Item = IpNet>) -> Vec<IpNet> {
    let (mut four, mut six) = (
        crate::ranges::RangeSet::new(),
        crate::ranges::RangeSet::new(),
    );
    for prefix in prefixes {
        let (first, last) = bounds(prefix);
        match prefix {
            IpNet::V4(_) => four.insert(first, last),
            IpNet::V6(_) => six.insert(first, last),
        }
    }
    let four = four
        .iter()
        .flat_map(|(first, last)| cover(Family::V4, first, last));
    four.chain(
        six.iter()
            .flat_map(|(first, last)| cover(Family::V6, first, last)),
    )
    .collect()
}

/// The shortest prefix that contains both; `None` when the families differ.
///
/// ```
/// let both = kraud_ipam::supernet("10.0.1.0/24".parse()?, "10.0.2.0/24".parse()?);
/// assert_eq!(both, Some("10.0.0.0/22".parse()?));
/// # Ok::<(), ipnet::AddrParseError>(())
/// ```
pub fn supernet(one: IpNet, other: IpNet) -> Option<IpNet> {
    let family = Family::of_prefix(one);
    if family != Family::of_prefix(other) {
        return None;
    }
    let differing = 128 - (bounds(one).0 ^ bounds(other).0).leading_zeros() as u8;
    let len = (family.bits() - differing)
        .min(one.prefix_len())
        .min(other.prefix_len());
    Some(family::prefix(family, bounds(one).0, len))
}

/// The `index`-th subnet of a length; `None` behind the last, or when the length does not divide it.
///
/// ```
/// let net = kraud_ipam::nth_subnet("2001:db8:1234::/48".parse()?, 64, 10);
/// assert_eq!(net, Some("2001:db8:1234:a::/64".parse()?));
/// # Ok::<(), ipnet::AddrParseError>(())
/// ```
pub fn nth_subnet(prefix: IpNet, len: u8, index: u128) -> Option<IpNet> {
    let family = Family::of_prefix(prefix);
    let bits = len
        .checked_sub(prefix.prefix_len())
        .filter(|_| len <= family.bits())?;
    if bits < 128 && index >> bits != 0 {
        return None;
    }
    let host = family.bits() - len;
    let offset = if host < 128 { index << host } else { 0 };
    Some(family::prefix(family, bounds(prefix).0 | offset, len))
}

/// All subnets of a length, each once, in an order that follows from a name: where a host looks for a
/// block of its own, so that hosts rarely meet. Nothing when the length does not divide the prefix.
///
/// ```
/// let pool: ipnet::IpNet = "10.10.0.0/16".parse()?;
/// let walk: Vec<ipnet::IpNet> = kraud_ipam::walk(pool, 20, "host a").collect();
/// assert_eq!(walk.len(), 16);
/// assert_eq!(walk, kraud_ipam::walk(pool, 20, "host a").collect::<Vec<_>>());
/// assert_ne!(walk, kraud_ipam::walk(pool, 20, "host b").collect::<Vec<_>>());
/// # Ok::<(), ipnet::AddrParseError>(())
/// ```
pub fn walk(prefix: IpNet, len: u8, name: &str) -> impl Iterator<Item = IpNet> {
    let last = len.checked_sub(prefix.prefix_len()).map(|bits| {
        if bits < 128 {
            (1u128 << bits) - 1
        } else {
            u128::MAX
        }
    });
    let last = last.filter(|_| len <= prefix.max_prefix_len());
    let (first, bits) = bounds(prefix);
    let mut space = first.to_be_bytes().to_vec();
    space.extend(bits.to_be_bytes());
    space.push(len);
    let probe = crate::stable::Probe::new(b"walk", &space, name);
    let mask = last.unwrap_or(0);
    // An odd stride meets every number of a power of two once.
    let (start, stride) = (probe.place(0, mask), probe.place(1, mask) | 1);
    let mut step = last.map(|_| 0u128);
    core::iter::from_fn(move || {
        let at = step?;
        step = at.checked_add(1).filter(|next| *next <= mask);
        nth_subnet(
            prefix,
            len,
            start.wrapping_add(at.wrapping_mul(stride)) & mask,
        )
    })
}

/// The address `offset` places further on; `None` behind the last of the family.
///
/// ```
/// let address = kraud_ipam::address_after("10.0.0.250".parse()?, 10);
/// assert_eq!(address, Some("10.0.1.4".parse()?));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub fn address_after(address: IpAddr, offset: u128) -> Option<IpAddr> {
    let family = Family::of(address);
    let number = number(address).checked_add(offset)?;
    (number <= family::host_mask(family, 0)).then(|| family::address(family, number))
}

/// The inverse of [`nth_subnet`]: which one `subnet` is; `None` when it is not inside `prefix`.
pub fn subnet_index(prefix: IpNet, subnet: IpNet) -> Option<u128> {
    let family = Family::of_prefix(prefix);
    if family != Family::of_prefix(subnet) || !prefix.contains(&subnet) {
        return None;
    }
    let offset = bounds(subnet).0 - bounds(prefix).0;
    let host = family.bits() - subnet.prefix_len();
    Some(if host < 128 { offset >> host } else { 0 })
}
