//! What is wrong with bytes that should be a packet, and where.

use core::fmt;

use thiserror::Error;

/// A packet that is not what its format demands.
///
/// It says which layer, at which byte (counted from the start of the slice that was given), and what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[error("{layer} at byte {offset}: {fault}")]
pub struct WireError {
    /// The header that was being read.
    pub layer: Layer,
    /// Where that header starts.
    pub offset: usize,
    /// What is wrong with it.
    pub fault: Fault,
}

impl WireError {
    /// An error in the header that starts at `offset`.
    #[must_use]
    pub(crate) const fn new(layer: Layer, offset: usize, fault: Fault) -> Self {
        Self {
            layer,
            offset,
            fault,
        }
    }
}

/// A kind of header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Layer {
    /// A Destination Options or Hop-by-Hop Options header (RFC 8200 sections 4.3 and 4.6).
    Options,
    /// A Fragment header (RFC 8200 section 4.5).
    Fragment,
    /// A Routing header (RFC 8200 section 4.4).
    Routing,
    /// An ICMP or ICMPv6 message.
    Icmp,
    /// An IPv4 header (RFC 791).
    Ipv4,
    /// An IPv6 header (RFC 8200 section 3).
    Ipv6,
    /// A TCP header.
    Tcp,
    /// A UDP header.
    Udp,
    /// A WireGuard transport data message.
    WireGuard,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fragment => "fragment header",
            Self::Icmp => "icmp message",
            Self::Ipv4 => "ipv4 header",
            Self::Ipv6 => "ipv6 header",
            Self::Options => "options header",
            Self::Routing => "routing header",
            Self::Tcp => "tcp header",
            Self::Udp => "udp header",
            Self::WireGuard => "wireguard message",
        })
    }
}

/// What is wrong with a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Fault {
    /// The checksum does not match.
    #[error("the checksum is wrong; the header was damaged or written without one")]
    BadChecksum,
    /// The IPv4 header length field is below 5.
    #[error("header length {found} is below 5 words")]
    BadHeaderLength {
        /// The field's value, in 32-bit words.
        found: u8,
    },
    /// The version field has another value.
    #[error("version is {found}, expected {expected}")]
    BadVersion {
        /// The field's value.
        found: u8,
        /// The only right value.
        expected: u8,
    },
    /// A length field says less than its own header needs.
    #[error("declared length {declared} is below the header's own {header} bytes")]
    LengthBelowHeader {
        /// What the field says.
        declared: usize,
        /// What the header needs.
        header: usize,
    },
    /// A length field says more than there is.
    #[error("declared length {declared} exceeds the {available} bytes that are there")]
    LengthBeyondData {
        /// What the field says.
        declared: usize,
        /// What is there.
        available: usize,
    },
    /// The data ends inside the header.
    #[error("needs {required} bytes, {available} are there")]
    Truncated {
        /// What the header needs.
        required: usize,
        /// What is there.
        available: usize,
    },
}
