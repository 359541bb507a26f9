//! Unique local prefixes (RFC 4193) that come from a name instead of a die.

use core::net::Ipv6Addr;

use ipnet::Ipv6Net;
use sha2::{Digest, Sha256};

/// The /48 unique local prefix of a seed: `fd`, then 40 bits of SHA-256 over the seed.
///
/// RFC 4193 section 3.2.2 hashes a time and a machine id; a hash of names has the same distribution
/// and needs no store to be the same on two hosts. Put a separator that cannot occur in the names
/// between them, for instance `b"tenant\0vpc"`. Never panics; the same seed gives the same prefix in
/// every version of this crate.
///
/// ```
/// let vpc = kraud_ipam::ula::prefix48(b"acme\0production");
/// assert_eq!(vpc.to_string(), "fd42:f6a3:82f4::/48");
/// ```
pub fn prefix48(seed: &[u8]) -> Ipv6Net {
    let mut hash = Sha256::new();
    hash.update(b"kraud ula 1\0");
    hash.update(seed);
    from_global_id(low40(&hash.finalize()))
}

/// The /48 that the docker engine derives from its host id when no pool is configured: the hash is
/// taken over the id alone.
pub fn prefix48_of_docker_host(host_id: &str) -> Ipv6Net {
    from_global_id(low40(&Sha256::digest(host_id.as_bytes())))
}

/// The /48 of a 40-bit global id; higher bits are ignored.
///
/// ```
/// assert_eq!(kraud_ipam::ula::from_global_id(0x42_01a8_0000).to_string(), "fd42:1a8::/48");
/// ```
pub fn from_global_id(global_id: u64) -> Ipv6Net {
    let id = u128::from(global_id & 0xff_ffff_ffff);
    Ipv6Net::new_assert(Ipv6Addr::from_bits((0xfd << 120) | (id << 80)), 48)
}

/// The 40-bit global id of a locally assigned unique local prefix of at least 48 bits.
pub fn global_id(prefix: Ipv6Net) -> Option<u64> {
    let bits = prefix.network().to_bits();
    (prefix.prefix_len() >= 48 && bits >> 120 == 0xfd)
        .then_some((bits >> 80) as u64 & 0xff_ffff_ffff)
}

/// Bits 24 to 63 of a digest: what is left of its first 8 bytes as a number, modulo 2^40.
fn low40(digest: &[u8]) -> u64 {
    digest
        .iter()
        .take(8)
        .fold(0u64, |number, byte| (number << 8) | u64::from(*byte))
        & 0xff_ffff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn global_id_round_trips_and_is_absent_elsewhere() {
        let net = from_global_id(0x12_3456_789a);
        assert_eq!(net.to_string(), "fd12:3456:789a::/48");
        assert_eq!(global_id(net), Some(0x12_3456_789a));
        assert_eq!(global_id("2001:db8::/48".parse().expect("a literal")), None);
        assert_eq!(global_id("fd00::/40".parse().expect("a literal")), None);
    }

    #[test]
    fn seeds_that_join_alike_differ_by_their_separator() {
        assert_ne!(prefix48(b"a\0bc"), prefix48(b"ab\0c"));
    }

    extern crate std;
    use std::string::ToString;
}
