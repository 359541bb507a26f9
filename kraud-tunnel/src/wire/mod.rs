//! The packet formats: per format a view, `Packet<T: AsRef<[u8]>>`, and a plain value, `Repr`.
//!
//! # The contract of the views
//! `Packet::new_checked` looks at everything that the accessors rely on: after it, every accessor returns
//! what its name says. `Packet::new_unchecked` looks at nothing: then an accessor whose bytes are not there
//! returns zero (or an empty slice). No accessor panics in either case. A view never looks at bytes behind
//! the length that the packet declares.
//!
//! A `Repr` is the header as a value: `parse` reads it from a view, `buffer_len` says what it needs, `emit`
//! writes it. What it writes parses back to an equal value.

mod error;
pub mod ext;
pub mod ipv4;
pub mod ipv6;

pub use error::{Fault, Layer, WireError};

/// The protocol that a tunnel carries, which is also the IP version of the inner packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Protocol {
    /// An IPv4 packet: next header 4 (RFC 2003).
    Ipv4 = 4,
    /// An IPv6 packet: next header 41 (RFC 2473).
    Ipv6 = 41,
}

impl Protocol {
    /// The value of the next header field that announces it.
    #[must_use]
    pub const fn next_header(self) -> u8 {
        self as u8
    }

    /// The protocol that a next header field announces, if it is one that a tunnel carries.
    #[must_use]
    pub const fn from_next_header(value: u8) -> Option<Self> {
        match value {
            4 => Some(Self::Ipv4),
            41 => Some(Self::Ipv6),
            _ => None,
        }
    }
}

/// `N` bytes at `at`, if they are there.
#[inline(always)]
pub(crate) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

/// `N` bytes at `at`, or zeros.
#[inline(always)]
pub(crate) fn array_or_zero<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    array_at(bytes, at).unwrap_or([0; N])
}

/// Writes `value` at `at`. Nothing happens if it does not fit.
#[inline(always)]
pub(crate) fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    if let Some(place) = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<N>) {
        *place = value;
    }
}
