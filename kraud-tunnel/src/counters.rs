//! Why packets were dropped, to count.

use core::fmt;

use crate::decap::DecapError;
use crate::encap::EncapError;
use crate::reassemble::ReassemblyError;
use crate::wire::Fault;
use crate::wire::ext::ExtError;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why a packet was dropped: an error without its details.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum DropReason {
            $($(#[$doc])* $name,)*
        }

        impl DropReason {
            /// All reasons, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// A short name for logs and metrics: stable, lower case, with underscores.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

reasons! {
    /// A length or range that the caller got wrong: the buffer, the headroom.
    Buffer = "buffer",
    /// The inner IPv4 header checksum is wrong.
    InnerChecksum = "inner_checksum",
    /// The inner header's lengths are wrong.
    InnerLength = "inner_length",
    /// The inner packet is cut off.
    InnerTruncated = "inner_truncated",
    /// The inner version is neither 4 nor 6, or not what the next header said.
    InnerVersion = "inner_version",
    /// The outer payload length exceeds the data.
    OuterLength = "outer_length",
    /// The outer packet is cut off inside its header.
    OuterTruncated = "outer_truncated",
    /// The outer version is not 6.
    OuterVersion = "outer_version",
    /// Extension headers or options that are malformed, in the wrong order, or too many.
    Extension = "extension",
    /// An option of unknown type that may not be skipped.
    UnrecognizedOption = "unrecognized_option",
    /// A Routing header with segments left.
    RoutingHeader = "routing_header",
    /// A fragment, where a whole packet was wanted.
    Fragment = "fragment",
    /// A fragment that does not go together with others, or finds no room.
    Reassembly = "reassembly",
    /// Next header is neither 4 nor 41.
    NotTunnelPayload = "not_tunnel_payload",
    /// The outer addresses are not the tunnel's.
    WrongEndpoint = "wrong_endpoint",
    /// An inner source that cannot be on a wire.
    MartianSource = "martian_source",
    /// An inner destination that cannot be on a wire.
    MartianDestination = "martian_destination",
    /// An inner source that does not live behind the peer.
    ForeignSource = "foreign_source",
    /// Congestion that the inner transport cannot be told of.
    Congestion = "congestion",
    /// The encapsulation limit is used up.
    LimitExceeded = "limit_exceeded",
    /// The packet is between the tunnel's own ends.
    Loopback = "loopback",
    /// The result would be longer than a length field can say.
    TooLong = "too_long",
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

const fn inner(fault: Fault) -> DropReason {
    match fault {
        Fault::BadChecksum => DropReason::InnerChecksum,
        Fault::BadVersion { .. } => DropReason::InnerVersion,
        Fault::Truncated { .. } => DropReason::InnerTruncated,
        _ => DropReason::InnerLength,
    }
}

impl EncapError {
    /// The reason alone, for [`Counters`].
    #[must_use]
    pub const fn reason(&self) -> DropReason {
        match self {
            Self::BadRange { .. } | Self::Headroom { .. } => DropReason::Buffer,
            Self::LimitExceeded { .. } => DropReason::LimitExceeded,
            Self::Loopback => DropReason::Loopback,
            Self::Malformed(error) => inner(error.fault),
            Self::NotIp { .. } => DropReason::InnerVersion,
            Self::TooLong { .. } => DropReason::TooLong,
        }
    }
}

impl DecapError {
    /// The reason alone, for [`Counters`].
    #[must_use]
    pub const fn reason(&self) -> DropReason {
        match self {
            Self::BadRange { .. } => DropReason::Buffer,
            Self::Congestion { .. } => DropReason::Congestion,
            Self::Extension(ExtError::RoutingHeader { .. }) => DropReason::RoutingHeader,
            Self::Extension(ExtError::UnrecognizedOption { .. }) => DropReason::UnrecognizedOption,
            Self::Extension(_) => DropReason::Extension,
            Self::ForeignSource { .. } => DropReason::ForeignSource,
            Self::Fragment { .. } => DropReason::Fragment,
            Self::Inner(error) => inner(error.fault),
            Self::MartianDestination { .. } => DropReason::MartianDestination,
            Self::MartianSource { .. } => DropReason::MartianSource,
            Self::NotTunnelPayload { .. } => DropReason::NotTunnelPayload,
            Self::Outer(error) => match error.fault {
                Fault::BadVersion { .. } => DropReason::OuterVersion,
                Fault::Truncated { .. } => DropReason::OuterTruncated,
                _ => DropReason::OuterLength,
            },
            Self::WrongEndpoint { .. } => DropReason::WrongEndpoint,
        }
    }
}

impl ReassemblyError {
    /// The reason alone, for [`Counters`].
    #[must_use]
    pub const fn reason(&self) -> DropReason {
        match self {
            Self::Extension(_) => DropReason::Extension,
            Self::Malformed(error) => match error.fault {
                Fault::BadVersion { .. } => DropReason::OuterVersion,
                Fault::Truncated { .. } => DropReason::OuterTruncated,
                _ => DropReason::OuterLength,
            },
            _ => DropReason::Reassembly,
        }
    }
}

/// How many packets of one direction passed, and how many were dropped for which reason.
///
/// ```
/// use kraud_tunnel::{Counters, Decapsulator, DropReason};
/// let mut counters = Counters::new();
/// let mut buf = [0x45; 64];
/// match Decapsulator::new().decapsulate(&mut buf, 0..64) {
///     Ok(found) => counters.passed(found.inner.len()),
///     Err(error) => counters.dropped(error.reason()),
/// }
/// assert_eq!(counters.drops(DropReason::OuterVersion), 1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    packets: u64,
    bytes: u64,
    drops: [u64; DropReason::ALL.len()],
}

impl Default for Counters {
    fn default() -> Self {
        Self::new()
    }
}

impl Counters {
    /// All zero.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            packets: 0,
            bytes: 0,
            drops: [0; DropReason::ALL.len()],
        }
    }

    /// Counts a packet that was passed on, with its length.
    pub const fn passed(&mut self, len: usize) {
        self.packets = self.packets.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(len as u64);
    }

    /// Counts a packet that was dropped.
    pub fn dropped(&mut self, reason: DropReason) {
        if let Some(count) = self.drops.get_mut(reason as usize) {
            *count = count.wrapping_add(1);
        }
    }

    /// How many packets were passed on.
    #[must_use]
    pub const fn packets(&self) -> u64 {
        self.packets
    }

    /// How many bytes were passed on.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many packets were dropped for `reason`.
    #[must_use]
    pub fn drops(&self, reason: DropReason) -> u64 {
        self.drops.get(reason as usize).copied().unwrap_or(0)
    }

    /// The reasons that occurred, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL
            .iter()
            .copied()
            .zip(self.drops)
            .filter(|(_, count)| *count > 0)
    }
}
