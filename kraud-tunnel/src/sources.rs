//! Which peer may send packets from which inner addresses.
//!
//! A tunnel proves nothing about what is inside: whoever may send tunnel packets may put any source address into
//! them. Linux's `ip6tnl` has no check for that. A [`SourceFilter`] is one: a peer (outer source) is tied to the
//! prefixes that live behind it, as WireGuard's allowed-ips tie them to a key.
//!
//! ```
//! use kraud_tunnel::sources::{Prefix, SourceFilter, SourceRule};
//! use core::net::{IpAddr, Ipv6Addr};
//! let peer: Ipv6Addr = "fd42::1".parse()?;
//! let mut rules = [SourceRule { peer, prefix: Prefix::new([10, 198, 62, 0].into(), 24).ok_or("a prefix")? }];
//! let filter = SourceFilter::new(&mut rules);
//! assert!(filter.permits(peer, IpAddr::from([10, 198, 62, 5])));
//! assert!(!filter.permits(peer, IpAddr::from([10, 198, 63, 5])));
//! assert!(!filter.permits("fd42::2".parse()?, IpAddr::from([10, 198, 62, 5])));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use core::net::{IpAddr, Ipv6Addr};

use crate::decap::{DecapError, Decapsulated};
use crate::inspect;

/// The addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    address: IpAddr,
    len: u8,
}

impl Prefix {
    /// The prefix of `address` with `len` bits; bits behind them do not count. `None` if the address is shorter.
    #[must_use]
    pub const fn new(address: IpAddr, len: u8) -> Option<Self> {
        let most = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        if len > most {
            None
        } else {
            Some(Self { address, len })
        }
    }

    /// One address.
    #[must_use]
    pub const fn host(address: IpAddr) -> Self {
        let len = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        Self { address, len }
    }

    /// Whether the address begins with the prefix. Never for an address of the other family.
    #[must_use]
    pub const fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                let differing = (a.to_bits() ^ b.to_bits()) as u64;
                differing >> (32 - self.len as u32) == 0
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                let differing = a.to_bits() ^ b.to_bits();
                // A shift by all 128 bits is none at all for the machine.
                self.len == 0 || differing >> (128 - self.len as u32) == 0
            }
            _ => false,
        }
    }
}

/// A prefix that lives behind a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceRule {
    /// The outer source.
    pub peer: Ipv6Addr,
    /// The inner sources that it may use.
    pub prefix: Prefix,
}

/// All rules, in the memory of the caller's.
#[derive(Debug, Clone, Copy)]
pub struct SourceFilter<'a> {
    rules: &'a [SourceRule],
}

impl<'a> SourceFilter<'a> {
    /// A filter of these rules; they are sorted for it. What no rule permits is forbidden.
    #[must_use]
    pub fn new(rules: &'a mut [SourceRule]) -> Self {
        rules.sort_unstable();
        Self { rules }
    }

    /// Whether `peer` may send from `inner`. Logarithmic in the number of rules, linear in that of the peer's.
    #[must_use]
    pub fn permits(&self, peer: Ipv6Addr, inner: IpAddr) -> bool {
        let first = self.rules.partition_point(|rule| rule.peer < peer);
        let of_peer = self.rules.get(first..).unwrap_or_default().iter();
        of_peer
            .take_while(|rule| rule.peer == peer)
            .any(|rule| rule.prefix.contains(inner))
    }

    /// Checks what came out of a tunnel; `buf` is the buffer it came out of.
    ///
    /// # Errors
    /// [`DecapError::ForeignSource`], to be counted and dropped like every other.
    pub fn check(&self, found: &Decapsulated, buf: &[u8]) -> Result<(), DecapError> {
        let inner = buf.get(found.inner.clone()).and_then(inspect::source);
        let address = inner.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        if inner.is_some() && self.permits(found.source, address) {
            return Ok(());
        }
        Err(DecapError::ForeignSource {
            peer: found.source,
            address,
        })
    }
}
