//! Splitting a superpacket into segments: headers, checksum and encapsulation in one pass over the data.
//!
//! A TUN device with `IFF_VNET_HDR` hands over up to 64 KiB of one TCP or UDP flow in one packet, with the
//! segment size beside it. No virtio type exists for a tunnel packet, so it must be split before it is encapsulated.
//!
//! [`InPlace`] moves no payload at all: each segment gets its headers where the segment before it ended, which by then
//! is used up. [`Segments`] copies each segment out and leaves the superpacket as it is. Both make the same bytes.
//!
//! ```
//! use kraud_tunnel::gso::InPlace;
//! use kraud_tunnel::{Encapsulator, Endpoints};
//! # let mut buf = vec![0u8; 64 + 28 + 2500];
//! # buf[64] = 0x45; buf[66..68].copy_from_slice(&2528u16.to_be_bytes()); buf[73] = 17;
//! // 2,500 bytes of UDP data behind 64 bytes of headroom, to be sent 1,000 at a time.
//! let tunnel = Endpoints::new("fd42::1".parse()?, "fd42::2".parse()?)?;
//! let how = Encapsulator::new();
//! let mut segments = InPlace::new(&buf, 64..2592, 1000)?;
//! assert_eq!(segments.count(), 3);
//! let mut sent = Vec::new();
//! while let Some(range) = segments.next_encapsulated(&how, &tunnel, &mut buf)? {
//!     // Here the packet is encrypted or sent; the next one is written over its end.
//!     sent.push(buf[range].len());
//! }
//! assert_eq!(sent, [40 + 1028, 40 + 1028, 40 + 528]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cut;
mod in_place;
mod segments;

use thiserror::Error;

use crate::encap::EncapError;
use crate::wire::WireError;

pub use in_place::InPlace;
pub use segments::Segments;

/// Why a superpacket cannot be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum GsoError {
    /// A segment cannot be encapsulated.
    #[error(transparent)]
    Encap(#[from] EncapError),
    /// The packet is a fragment.
    #[error("a fragment cannot be split into segments")]
    Fragment,
    /// The packet cannot be read.
    #[error("superpacket: {0}")]
    Malformed(WireError),
    /// Neither TCP nor UDP directly behind the IP header.
    #[error("protocol {protocol} cannot be split into segments, expected tcp or udp")]
    NotSplittable {
        /// What is behind the IP header; 0 if it is no IP packet.
        protocol: u8,
    },
    /// The buffer is too short for the segment.
    #[error("buffer has room for {available} bytes, the segment needs {required}")]
    OutOfRoom {
        /// What the segment needs.
        required: usize,
        /// What is there.
        available: usize,
    },
    /// A segment size of zero.
    #[error("segment size is zero")]
    ZeroSize,
}
