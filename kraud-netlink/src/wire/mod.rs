//! Netlink bytes: a writer that appends to a reused buffer and readers that never panic.
//!
//! The layout is the one of `include/uapi/linux/netlink.h`: a 16-byte header, a family header, then
//! attributes of `{len: u16, type: u16, payload}` padded to four bytes, all in native byte order.
//!
//! The writer cannot fail half-way: a nest that outgrows its 16-bit length is remembered and reported by
//! [`Writer::finish`], never wrapped.

mod raw;
mod reader;
mod writer;

pub use raw::RawAttr;
pub use reader::{Attr, Attrs, Header, Messages, attrs, messages};
pub use writer::{Mark, Writer};

/// A message did not fit the format: an attribute nest or the message itself is too long.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "netlink attribute {attr} would be {len} bytes long, {max} is the limit; split the request"
)]
pub struct TooLong {
    /// The attribute's number, 0 for the message as a whole.
    pub attr: u16,
    /// The length that it would have needed.
    pub len: usize,
    /// The limit that it broke.
    pub max: usize,
}

/// Bytes that are not what the format says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {needed} bytes needed at offset {offset}, {found} found")]
pub struct Malformed {
    /// What was being read.
    pub what: &'static str,
    /// Where, counted from the start of what was being read.
    pub offset: usize,
    /// How many bytes it needs.
    pub needed: usize,
    /// How many there are.
    pub found: usize,
}

/// `NLMSG_HDRLEN`.
pub const HEADER_LEN: usize = 16;

/// Rounds up to the netlink alignment of four bytes.
#[must_use]
pub const fn align(len: usize) -> usize {
    len.saturating_add(3) & !3
}
