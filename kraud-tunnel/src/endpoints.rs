//! The two ends of a tunnel.

use core::net::Ipv6Addr;

use thiserror::Error;

/// The entry-point and the exit-point of a tunnel, as they stand in the outer header.
///
/// A value of this type is always a possible tunnel: what RFC 2473 section 4.1.2 forbids (both ends on one
/// node) and addresses that cannot be an end are refused by [`Endpoints::new`], once, not per packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoints {
    /// Source and destination next to each other, so that a header takes them in one copy.
    octets: [u8; 32],
}

impl Endpoints {
    /// The tunnel from `source` (the entry-point, ours when encapsulating) to `destination`.
    ///
    /// # Errors
    /// Two equal ends, and an unspecified, loopback, multicast or IPv4-mapped address on either side.
    ///
    /// ```
    /// use kraud_tunnel::Endpoints;
    /// assert!(Endpoints::new("fd42::1".parse()?, "fd42::2".parse()?).is_ok());
    /// assert!(Endpoints::new("fd42::1".parse()?, "fd42::1".parse()?).is_err());
    /// # Ok::<(), core::net::AddrParseError>(())
    /// ```
    pub const fn new(source: Ipv6Addr, destination: Ipv6Addr) -> Result<Self, EndpointError> {
        if !possible(source) {
            return Err(EndpointError::NotUnicast { address: source });
        }
        if !possible(destination) {
            return Err(EndpointError::NotUnicast {
                address: destination,
            });
        }
        if source.to_bits() == destination.to_bits() {
            return Err(EndpointError::SameNode { address: source });
        }
        let (from, to) = (source.octets(), destination.octets());
        let mut both = [0; 32];
        let mut i = 0;
        while i < 16 {
            both[i] = from[i];
            both[i + 16] = to[i];
            i += 1;
        }
        Ok(Self { octets: both })
    }

    /// The entry-point: source of the outer header.
    #[must_use]
    pub fn source(&self) -> Ipv6Addr {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = self.octets;
        Ipv6Addr::from([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
    }

    /// The exit-point: destination of the outer header.
    #[must_use]
    pub fn destination(&self) -> Ipv6Addr {
        let [.., a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = self.octets;
        Ipv6Addr::from([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
    }

    /// The same tunnel seen from the other end.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let mut octets = self.octets;
        octets.rotate_left(16);
        Self { octets }
    }

    /// Both addresses, source first, as in the header.
    pub(crate) const fn octets(&self) -> &[u8; 32] {
        &self.octets
    }
}

/// Whether a node can have this address at the end of a tunnel.
const fn possible(address: Ipv6Addr) -> bool {
    !(address.is_unspecified()
        || address.is_loopback()
        || address.is_multicast()
        || address.to_ipv4_mapped().is_some())
}

/// Why two addresses are not the ends of a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// An address that is not a unicast address of a node.
    #[error("{address} cannot be the end of a tunnel; name a unicast address of a node")]
    NotUnicast {
        /// The address.
        address: Ipv6Addr,
    },
    /// Both ends are the same (RFC 2473 section 4.1.2).
    #[error("both ends of the tunnel are {address}; name the other node's address")]
    SameNode {
        /// The address.
        address: Ipv6Addr,
    },
}

#[cfg(test)]
mod tests {
    use super::{EndpointError, Endpoints};
    use core::net::Ipv6Addr;

    const A: Ipv6Addr = Ipv6Addr::new(0xfd42, 0x1a8, 0, 0x2a09, 0, 0, 0, 1);
    const B: Ipv6Addr = Ipv6Addr::new(0xfd42, 0x1a8, 0, 0x2a09, 0, 0, 0, 2);

    #[test]
    fn names_both_ends_and_turns_round() -> Result<(), EndpointError> {
        let tunnel = Endpoints::new(A, B)?;
        assert_eq!((tunnel.source(), tunnel.destination()), (A, B));
        assert_eq!(tunnel.reversed(), Endpoints::new(B, A)?);
        Ok(())
    }

    #[test]
    fn refuses_what_cannot_be_an_end() {
        // RFC 2473 section 4.1.2: entry-point and exit-point on the same node.
        assert_eq!(
            Endpoints::new(A, A),
            Err(EndpointError::SameNode { address: A })
        );
        for bad in ["::", "::1", "ff02::1", "::ffff:10.0.0.1"] {
            let address: Ipv6Addr = bad.parse().expect("a literal");
            assert_eq!(
                Endpoints::new(address, B),
                Err(EndpointError::NotUnicast { address })
            );
            assert_eq!(
                Endpoints::new(A, address),
                Err(EndpointError::NotUnicast { address })
            );
        }
    }
}
