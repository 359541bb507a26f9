//! Cutting an outer packet into fragments: what an entry-point must be able to do (RFC 2473 section 7).
//!
//! ```
//! use kraud_tunnel::fragment::{Fragments, Layout};
//! # let mut packet = vec![0u8; 1540];
//! # packet[0] = 0x60;
//! # packet[4..8].copy_from_slice(&[0x05, 0xdc, 4, 64]);
//! // A tunnel packet of 1,540 bytes meets a path of 1,280.
//! let mut fragments = Fragments::new(&packet, 1280, 0x0102_0304, Layout::Rfc8200)?;
//! let mut out = [0u8; 1280];
//! let mut lengths = Vec::new();
//! while let Some(fragment) = fragments.next_into(&mut out)? {
//!     lengths.push(fragment.len());
//! }
//! assert_eq!(lengths, [1280, 316]);
//! # Ok::<(), kraud_tunnel::fragment::FragmentError>(())
//! ```

use thiserror::Error;

use crate::wire::ext::{
    DESTINATION_OPTIONS, FRAGMENT, FragmentHeader, HOP_BY_HOP, MAX_HEADERS, ROUTING, UNIT,
};
use crate::wire::ipv6::{self, HEADER_LEN};
use crate::wire::{Fault, Layer, WireError, put};

/// Where the Fragment header goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Layout {
    /// Behind the Destination Options header with the encapsulation limit, which is then repeated in each
    /// fragment: what Linux sends.
    Linux,
    /// In front of the Destination Options header (RFC 8200 section 4.1).
    #[default]
    Rfc8200,
}

/// The fragments of a packet, one after the other.
#[derive(Debug, Clone)]
pub struct Fragments<'a> {
    /// What every fragment starts with, apart from two fields.
    head: &'a [u8],
    /// What is cut.
    data: &'a [u8],
    /// Where in `head` the next header field is that must say "fragment".
    pointer: usize,
    /// What that field said.
    next_header: u8,
    identification: u32,
    /// Bytes of data per fragment but the last; 0 if the packet fits as it is.
    step: usize,
    at: usize,
    done: bool,
}

impl<'a> Fragments<'a> {
    /// Prepares to cut `packet` (one IPv6 packet) for a path of `mtu` bytes.
    ///
    /// A packet that fits comes out as it is, without a Fragment header. The identification must not have been used
    /// between the same two addresses for a while (RFC 8200 section 4.5): that is the caller's counter.
    ///
    /// # Errors
    /// See [`FragmentError`].
    pub fn new(
        packet: &'a [u8],
        mtu: usize,
        identification: u32,
        layout: Layout,
    ) -> Result<Self, FragmentError> {
        let header = ipv6::check(packet)
            .map_err(|fault| FragmentError::Malformed(WireError::new(Layer::Ipv6, 0, fault)))?;
        let whole = ipv6::Packet::new_unchecked(header.as_slice()).total_len();
        let packet = packet.get(..whole).unwrap_or_default();
        let (cut, pointer, next_header) = unfragmentable(packet, layout)?;
        let (head, data) = packet.split_at_checked(cut).unwrap_or_default();
        let step = mtu.saturating_sub(head.len() + UNIT) & !7;
        if whole > mtu && step == 0 {
            return Err(FragmentError::MtuTooSmall {
                mtu,
                least: head.len() + 2 * UNIT,
            });
        }
        let step = if whole <= mtu { 0 } else { step };
        Ok(Self {
            head,
            data,
            pointer,
            next_header,
            identification,
            step,
            at: 0,
            done: false,
        })
    }

    /// How many fragments there are in all.
    #[must_use]
    pub const fn count(&self) -> usize {
        match self.step {
            0 => 1,
            step => self.data.len().div_ceil(step),
        }
    }

    /// Writes the next fragment to the front of `out` and returns it; `None` when there is no more.
    ///
    /// # Errors
    /// `out` is too short. The same fragment comes again then.
    pub fn next_into<'b>(
        &mut self,
        out: &'b mut [u8],
    ) -> Result<Option<&'b mut [u8]>, FragmentError> {
        if self.done {
            return Ok(None);
        }
        let fragment_header = if self.step == 0 { 0 } else { UNIT };
        let rest = self.data.get(self.at..).unwrap_or_default();
        let take = if self.step == 0 {
            rest.len()
        } else {
            rest.len().min(self.step)
        };
        let len = self.head.len() + fragment_header + take;
        let available = out.len();
        let Some(out) = out.get_mut(..len) else {
            return Err(FragmentError::OutOfRoom {
                required: len,
                available,
            });
        };
        let (head, tail) = out.split_at_mut(self.head.len());
        head.copy_from_slice(self.head);
        let (middle, data) = tail.split_at_mut(fragment_header);
        data.copy_from_slice(rest.get(..take).unwrap_or_default());
        let more = take < rest.len();
        if fragment_header != 0 {
            put(head, self.pointer, [FRAGMENT]);
            put(head, 4, ((len - HEADER_LEN) as u16).to_be_bytes());
            let header = FragmentHeader {
                next_header: self.next_header,
                offset: self.at as u16,
                more,
                identification: self.identification,
            };
            header.emit(middle).map_err(FragmentError::Malformed)?;
        }
        self.at += take;
        self.done = !more;
        Ok(Some(out))
    }
}

/// Where the part ends that every fragment repeats, and where in it the next header field is that names the rest.
fn unfragmentable(packet: &[u8], layout: Layout) -> Result<(usize, usize, u8), FragmentError> {
    let mut next_header = packet.get(6).copied().unwrap_or_default();
    let (mut at, mut pointer) = (HEADER_LEN, 6);
    let mut last_cut = (at, pointer, next_header);
    for _ in 0..MAX_HEADERS {
        let repeated = match next_header {
            HOP_BY_HOP | ROUTING => true,
            // Destination options in front of a Routing header are repeated; those for the exit-point only as
            // Linux does it.
            DESTINATION_OPTIONS => layout == Layout::Linux,
            FRAGMENT => return Err(FragmentError::AlreadyFragment { offset: at }),
            _ => return Ok(last_cut),
        };
        let (Some(&next), Some(&words)) = (packet.get(at), packet.get(at + 1)) else {
            return Err(truncated(packet, at));
        };
        pointer = at;
        at += (usize::from(words) + 1) * UNIT;
        if at > packet.len() {
            return Err(truncated(packet, pointer));
        }
        next_header = next;
        if repeated {
            last_cut = (at, pointer, next_header);
        }
    }
    Ok(last_cut)
}

fn truncated(packet: &[u8], at: usize) -> FragmentError {
    let available = packet.len().saturating_sub(at);
    FragmentError::Malformed(WireError::new(
        Layer::Options,
        at,
        Fault::Truncated {
            required: UNIT,
            available,
        },
    ))
}

/// Why a packet cannot be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum FragmentError {
    /// The packet has a Fragment header.
    #[error("packet has a fragment header at byte {offset} already")]
    AlreadyFragment {
        /// Where the header is.
        offset: usize,
    },
    /// The packet cannot be read.
    #[error("packet to fragment: {0}")]
    Malformed(WireError),
    /// Not even eight bytes of data fit into a fragment.
    #[error("mtu {mtu} leaves no room for data, at least {least} are needed")]
    MtuTooSmall {
        /// The MTU that was given.
        mtu: usize,
        /// The smallest possible.
        least: usize,
    },
    /// The buffer is too short for the fragment.
    #[error("buffer has {available} bytes, the fragment needs {required}")]
    OutOfRoom {
        /// What the fragment needs.
        required: usize,
        /// What is there.
        available: usize,
    },
}
