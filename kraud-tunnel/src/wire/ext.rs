//! IPv6 extension headers (RFC 8200 section 4) and the tunnel encapsulation limit (RFC 2473 section 4.1.1).
//!
//! [`walk`] goes through the headers between the fixed header and what a tunnel carries. It is bounded:
//! at most [`MAX_HEADERS`] headers, [`MAX_OPTIONS`] options in each, [`MAX_PADDING`] bytes of padding in
//! a row (RFC 8504 section 5.3 names these limits; Linux has the last one too).

use thiserror::Error;

use super::ipv6::HEADER_LEN;
use super::{Fault, Layer, WireError, array_at, put};

/// Next header value of a Hop-by-Hop Options header.
pub const HOP_BY_HOP: u8 = 0;
/// Next header value of a Routing header.
pub const ROUTING: u8 = 43;
/// Next header value of a Fragment header.
pub const FRAGMENT: u8 = 44;
/// Next header value of a Destination Options header.
pub const DESTINATION_OPTIONS: u8 = 60;

/// Option type of the tunnel encapsulation limit.
pub const OPTION_ENCAP_LIMIT: u8 = 4;

/// The most extension headers that [`walk`] follows.
pub const MAX_HEADERS: usize = 8;
/// The most options other than padding that [`walk`] accepts in one header.
pub const MAX_OPTIONS: usize = 8;
/// The most bytes of padding that [`walk`] accepts in a row.
pub const MAX_PADDING: usize = 7;

/// The length of a Fragment header, and of the options header that carries a limit.
pub const UNIT: usize = 8;

/// The Destination Options header that a tunnel sends: the limit, then padding (RFC 2473 section 5.1).
#[must_use]
#[inline]
pub const fn limit_header(next_header: u8, limit: u8) -> [u8; UNIT] {
    [next_header, 0, OPTION_ENCAP_LIMIT, 1, limit, 1, 1, 0]
}

/// A tunnel encapsulation limit option that was found in a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LimitOption {
    /// Where its value stands: the octet that a Parameter Problem points at when it is zero.
    pub offset: usize,
    /// How many further encapsulations are permitted.
    pub value: u8,
}

/// A Fragment header (RFC 8200 section 4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FragmentHeader {
    /// The kind of the header behind it, in the first fragment.
    pub next_header: u8,
    /// The fragment's place in bytes: a multiple of 8 below 65,536.
    pub offset: u16,
    /// Whether more fragments follow.
    pub more: bool,
    /// What the fragments of one packet have in common.
    pub identification: u32,
}

impl FragmentHeader {
    /// Reads the header at the front of `bytes`; reserved bits are ignored, as RFC 8200 demands.
    ///
    /// # Errors
    /// Fewer than 8 bytes are there.
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let Some([next_header, _, a, b, id0, id1, id2, id3]) = array_at::<UNIT>(bytes, 0) else {
            let fault = Fault::Truncated {
                required: UNIT,
                available: bytes.len(),
            };
            return Err(WireError::new(Layer::Fragment, 0, fault));
        };
        Ok(Self {
            next_header,
            offset: u16::from_be_bytes([a, b]) & 0xfff8,
            more: b & 1 != 0,
            identification: u32::from_be_bytes([id0, id1, id2, id3]),
        })
    }

    /// How many bytes [`emit`](Self::emit) writes.
    #[must_use]
    pub const fn buffer_len(&self) -> usize {
        UNIT
    }

    /// Writes the header to the front of `bytes`. The low three bits of `offset` are not written.
    ///
    /// # Errors
    /// `bytes` is shorter than 8 bytes.
    pub fn emit(&self, bytes: &mut [u8]) -> Result<(), WireError> {
        let available = bytes.len();
        if available < UNIT {
            let fault = Fault::Truncated {
                required: UNIT,
                available,
            };
            return Err(WireError::new(Layer::Fragment, 0, fault));
        }
        let [a, b] = (self.offset & 0xfff8 | u16::from(self.more)).to_be_bytes();
        let [id0, id1, id2, id3] = self.identification.to_be_bytes();
        put(bytes, 0, [self.next_header, 0, a, b, id0, id1, id2, id3]);
        Ok(())
    }

    /// Whether it is the only fragment of its packet (RFC 6946): nothing to reassemble.
    #[must_use]
    pub const fn is_atomic(&self) -> bool {
        self.offset == 0 && !self.more
    }
}

/// What [`walk`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chain {
    /// The kind of the first header that is not an extension header; for a fragment, what its header says.
    pub next_header: u8,
    /// Where that header starts, counted from the start of the packet; for a fragment, where its data starts.
    pub offset: usize,
    /// Where the next header field is that named it: what a Parameter Problem points at when it is unknown.
    pub pointer: usize,
    /// The first encapsulation limit option, if there is one.
    pub limit: Option<LimitOption>,
    /// Where the Fragment header is and what it says, if the packet is a part of one.
    pub fragment: Option<(usize, FragmentHeader)>,
}

/// Follows the extension headers of `packet`, which is one IPv6 packet, cut at its payload length.
///
/// Stops in front of the first header that is not Hop-by-Hop Options, Routing, Fragment or Destination
/// Options, and behind the Fragment header of a packet that needs reassembly. An atomic fragment is walked
/// through. Options of an unknown type are skipped or refused as the upper two bits of the type say.
///
/// # Errors
/// See [`ExtError`]. Work is linear in the number of bytes walked over, and bounded by the limits of this module.
pub fn walk(packet: &[u8]) -> Result<Chain, ExtError> {
    let Some(&first) = packet.get(6).filter(|_| packet.len() >= HEADER_LEN) else {
        let fault = Fault::Truncated {
            required: HEADER_LEN,
            available: packet.len(),
        };
        return Err(ExtError::Malformed(WireError::new(Layer::Ipv6, 0, fault)));
    };
    let mut chain = Chain {
        next_header: first,
        offset: HEADER_LEN,
        pointer: 6,
        limit: None,
        fragment: None,
    };
    for count in 0.. {
        let at = chain.offset;
        let layer = match chain.next_header {
            HOP_BY_HOP | DESTINATION_OPTIONS => Layer::Options,
            ROUTING => Layer::Routing,
            FRAGMENT => Layer::Fragment,
            _ => break,
        };
        if count == MAX_HEADERS {
            return Err(ExtError::TooManyHeaders { offset: at });
        }
        if chain.next_header == HOP_BY_HOP && at != HEADER_LEN {
            return Err(ExtError::HopByHopNotFirst {
                offset: at,
                pointer: chain.pointer,
            });
        }
        let rest = packet.get(at..).unwrap_or_default();
        let truncated = |required| {
            let fault = Fault::Truncated {
                required,
                available: rest.len(),
            };
            ExtError::Malformed(WireError::new(layer, at, fault))
        };
        let Some(head) = rest.first_chunk::<UNIT>() else {
            return Err(truncated(UNIT));
        };
        let [next_header, words, kind, left, ..] = *head;
        let len = if layer == Layer::Fragment {
            UNIT
        } else {
            (usize::from(words) + 1) * UNIT
        };
        let Some(header) = rest.get(..len) else {
            return Err(truncated(len));
        };
        match layer {
            Layer::Options => {
                let found = options(header, at)?;
                chain.limit = chain.limit.or(found);
            }
            Layer::Fragment => {
                let fragment = FragmentHeader::parse(header).map_err(ExtError::Malformed)?;
                if !fragment.is_atomic() {
                    chain.fragment = Some((at, fragment));
                    chain.next_header = next_header;
                    chain.pointer = at;
                    chain.offset = at + len;
                    break;
                }
            }
            // RFC 5095 and RFC 8200 section 4.4: with no segments left any type is ignored.
            _ if left != 0 => {
                return Err(ExtError::RoutingHeader {
                    offset: at,
                    kind,
                    segments_left: left,
                });
            }
            _ => {}
        }
        chain.pointer = at;
        chain.next_header = next_header;
        chain.offset = at + len;
    }
    Ok(chain)
}

/// Goes through the options of one header, which starts at `base` in the packet.
fn options(header: &[u8], base: usize) -> Result<Option<LimitOption>, ExtError> {
    let mut limit = None;
    let (mut count, mut padding) = (0, 0);
    let mut at = 2;
    while let Some(&kind) = header.get(at) {
        let offset = base + at;
        if kind == 0 {
            at += 1;
            padding += 1;
        } else {
            let overrun = ExtError::OptionOverrun { offset, kind };
            let len = usize::from(*header.get(at + 1).ok_or(overrun)?);
            let data = header.get(at + 2..at + 2 + len).ok_or(overrun)?;
            at += 2 + len;
            if kind == 1 {
                padding += 2 + len;
                // RFC 8200 section 4.2: the data of PadN are zeros.
                if data.iter().any(|byte| *byte != 0) {
                    return Err(ExtError::Padding { offset });
                }
            } else {
                padding = 0;
                count += 1;
                if count > MAX_OPTIONS {
                    return Err(ExtError::TooManyOptions { offset });
                }
                match (kind, data) {
                    (OPTION_ENCAP_LIMIT, &[value]) => {
                        limit = limit.or(Some(LimitOption {
                            offset: offset + 2,
                            value,
                        }));
                    }
                    (OPTION_ENCAP_LIMIT, _) => return Err(ExtError::LimitLength { offset, len }),
                    _ if kind >> 6 != 0 => {
                        return Err(ExtError::UnrecognizedOption { offset, kind });
                    }
                    _ => {}
                }
            }
        }
        if padding > MAX_PADDING {
            return Err(ExtError::Padding { offset });
        }
    }
    Ok(limit)
}

/// The encapsulation limit of a packet that is about to enter a tunnel (RFC 2473 section 4.1.1).
///
/// Looks strictly from left to right, and stops at the option, at a header that is not an extension header
/// (another IPv6 header is one), and at anything that cannot be parsed. So this has no error: what it
/// cannot read is no limit.
///
/// ```
/// use kraud_tunnel::wire::ext::find_limit;
/// let mut packet = [0u8; 48];
/// packet[0] = 0x60;
/// packet[5] = 8;
/// packet[6] = 60;
/// packet[40..].copy_from_slice(&[59, 0, 4, 1, 3, 1, 1, 0]);
/// let limit = find_limit(&packet).ok_or("no limit")?;
/// assert_eq!((limit.value, limit.offset), (3, 44));
/// # Ok::<(), &str>(())
/// ```
#[must_use]
pub fn find_limit(packet: &[u8]) -> Option<LimitOption> {
    let mut next_header = *packet.get(6)?;
    let mut at = HEADER_LEN;
    for _ in 0..MAX_HEADERS {
        let rest = packet.get(at..)?;
        let [next, words, a, b, ..] = *rest.first_chunk::<UNIT>()?;
        let len = match next_header {
            HOP_BY_HOP | DESTINATION_OPTIONS | ROUTING => (usize::from(words) + 1) * UNIT,
            FRAGMENT => UNIT,
            _ => return None,
        };
        let header = rest.get(..len)?;
        if next_header == DESTINATION_OPTIONS {
            if let Some(found) = limit_in(header, at) {
                return Some(found);
            }
        }
        // Behind the header of a later fragment is data, not headers.
        if next_header == FRAGMENT && u16::from_be_bytes([a, b]) & 0xfff8 != 0 {
            return None;
        }
        next_header = next;
        at += len;
    }
    None
}

/// The limit among the options of one header; nothing behind an option that cannot be parsed counts.
fn limit_in(header: &[u8], base: usize) -> Option<LimitOption> {
    let mut at = 2;
    loop {
        match *header.get(at..)? {
            [0, ..] => at += 1,
            [OPTION_ENCAP_LIMIT, 1, value, ..] => {
                return Some(LimitOption {
                    offset: base + at + 2,
                    value,
                });
            }
            [_, len, ..] => at += 2 + usize::from(len),
            _ => return None,
        }
    }
}

/// Why the extension headers of a packet were refused. Offsets count from the start of the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum ExtError {
    /// A Hop-by-Hop Options header stands elsewhere than right behind the fixed header.
    #[error("hop-by-hop options header at byte {offset} is not the first extension header")]
    HopByHopNotFirst {
        /// Where the header is.
        offset: usize,
        /// Where the next header field is that announced it.
        pointer: usize,
    },
    /// An encapsulation limit option whose length is not 1.
    #[error("encapsulation limit option at byte {offset} has {len} data bytes, expected 1")]
    LimitLength {
        /// Where the option is.
        offset: usize,
        /// What its length field says.
        len: usize,
    },
    /// A header that is cut off.
    #[error(transparent)]
    Malformed(#[from] WireError),
    /// An option that reaches beyond its header.
    #[error("option {kind:#04x} at byte {offset} reaches beyond its header")]
    OptionOverrun {
        /// Where the option is.
        offset: usize,
        /// Its type.
        kind: u8,
    },
    /// More padding than any alignment needs, or padding that is not zero.
    #[error("padding at byte {offset} is not zero or longer than {MAX_PADDING} bytes")]
    Padding {
        /// Where the padding option is.
        offset: usize,
    },
    /// A Routing header with segments left: this node would have to forward the packet.
    #[error(
        "routing header of type {kind} at byte {offset} has {segments_left} segments left, expected none"
    )]
    RoutingHeader {
        /// Where the header is.
        offset: usize,
        /// Its routing type.
        kind: u8,
        /// Its segments left field.
        segments_left: u8,
    },
    /// More extension headers than [`MAX_HEADERS`].
    #[error("more than {MAX_HEADERS} extension headers, the next one at byte {offset}")]
    TooManyHeaders {
        /// Where the header too many is.
        offset: usize,
    },
    /// More options in one header than [`MAX_OPTIONS`].
    #[error("more than {MAX_OPTIONS} options in one header, the next one at byte {offset}")]
    TooManyOptions {
        /// Where the option too many is.
        offset: usize,
    },
    /// An option of unknown type whose upper two bits forbid to skip it (RFC 8200 section 4.2).
    #[error("option {kind:#04x} at byte {offset} is unknown and may not be skipped")]
    UnrecognizedOption {
        /// Where the option is: what a Parameter Problem code 2 points at.
        offset: usize,
        /// Its type.
        kind: u8,
    },
}
