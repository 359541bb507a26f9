//! Errors from inside a tunnel, told to the source of the packet (RFC 2473 section 8).
//!
//! A router on the path sends its ICMPv6 error to the entry-point, whose address is the outer source; the
//! source of the inner packet would never hear of it. [`Relay::new`] reads such an error, checks that it is about
//! a packet that this tunnel sent, and works out what to tell and to whom; [`Relay::emit`] writes it.

use core::net::{Ipv4Addr, Ipv6Addr};

use thiserror::Error;

use crate::checksum;
use crate::endpoints::Endpoints;
use crate::icmp::{ErrorV4, ErrorV6, IcmpError, error_v4, error_v6};
use crate::mtu::IPV6_MINIMUM;
use crate::wire::ext::{self, Chain, ExtError};
use crate::wire::ipv6::HEADER_LEN;
use crate::wire::{Fault, Layer, Protocol, WireError, array_or_zero, ipv4, ipv6};

const ICMPV6: u8 = 58;

/// What the entry-point tells the source of the inner packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Answer {
    /// To an IPv4 source.
    V4(ErrorV4),
    /// To an IPv6 source.
    V6(ErrorV6),
}

/// An error from inside the tunnel, understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relay<'a> {
    /// The inner packet, as far as the error quotes it.
    pub inner: &'a [u8],
    /// What to tell its source; `None` if there is nothing to tell: a packet that was too big but did not forbid
    /// to be fragmented.
    pub answer: Option<Answer>,
    /// The new path MTU of the tunnel, if the error was about size: at least 1,280 (RFC 8201 section 4).
    pub path_mtu: Option<u32>,
}

impl<'a> Relay<'a> {
    /// Reads the ICMPv6 packet `message`, IPv6 header included, that arrived at the entry-point of `tunnel`.
    ///
    /// # Errors
    /// See [`RelayError`]: it is not an error about a packet of this tunnel, or there is no rule for it.
    pub fn new(message: &'a [u8], tunnel: &Endpoints) -> Result<Self, RelayError> {
        let icmp = icmp_message(message)?;
        let [kind, code, _, _, a, b, c, d] = array_or_zero::<8>(icmp, 0);
        let word = u32::from_be_bytes([a, b, c, d]);
        let quote = icmp.get(8..).unwrap_or_default();
        let (at, protocol) = quoted_tunnel_packet(quote, tunnel)?;
        let inner = quote.get(at..).unwrap_or_default();
        check_inner(inner, protocol)?;

        let unreachable = match protocol {
            Protocol::Ipv4 => Answer::V4(ErrorV4::HostUnreachable),
            Protocol::Ipv6 => Answer::V6(ErrorV6::AddressUnreachable),
        };
        // RFC 2473 sections 8.2 and 8.3.
        let (answer, path_mtu) = match (kind, code) {
            (1, _) | (3, 0) => (Some(unreachable), None),
            (2, _) => {
                let path_mtu = word.max(IPV6_MINIMUM);
                (too_big(inner, protocol, path_mtu, at), Some(path_mtu))
            }
            // The limit octet, holding zero: a tunnel inside this one used it up.
            (4, 0)
                if ext::find_limit(quote)
                    .is_some_and(|l| l.offset == word as usize && l.value == 0) =>
            {
                (Some(unreachable), None)
            }
            _ => return Err(RelayError::NoRule { kind, code }),
        };
        Ok(Self {
            inner,
            answer,
            path_mtu,
        })
    }

    /// Writes the answer to the front of `out`, from the entry-point's address of the right family; returns its
    /// length, or zero if there is nothing to tell.
    ///
    /// # Errors
    /// The standards forbid to send it, or `out` is too short: see [`IcmpError`].
    pub fn emit(
        &self,
        from_v4: Ipv4Addr,
        from_v6: Ipv6Addr,
        out: &mut [u8],
    ) -> Result<usize, IcmpError> {
        match self.answer {
            Some(Answer::V4(error)) => error_v4(self.inner, error, from_v4, out),
            Some(Answer::V6(error)) => error_v6(self.inner, error, from_v6, out),
            None => Ok(0),
        }
    }
}

/// The ICMPv6 message of a packet, with a right checksum.
fn icmp_message(packet: &[u8]) -> Result<&[u8], RelayError> {
    let header = ipv6::check(packet)
        .map_err(|fault| RelayError::Malformed(WireError::new(Layer::Ipv6, 0, fault)))?;
    let view = ipv6::Packet::new_unchecked(header.as_slice());
    let packet = packet.get(..view.total_len()).unwrap_or_default();
    let Chain {
        next_header,
        offset,
        fragment,
        ..
    } = ext::walk(packet)?;
    if next_header != ICMPV6 || fragment.is_some() {
        return Err(RelayError::NotIcmp { next_header });
    }
    let icmp = packet.get(offset..).unwrap_or_default();
    let fail = |fault| RelayError::Malformed(WireError::new(Layer::Icmp, offset, fault));
    if icmp.len() < 8 {
        return Err(fail(Fault::Truncated {
            required: 8,
            available: icmp.len(),
        }));
    }
    let addresses = header.get(8..).unwrap_or_default();
    let pseudo = checksum::pseudo_header(addresses, ICMPV6, icmp.len() as u32);
    if checksum::fold(checksum::accumulate(pseudo, icmp)) != 0xffff {
        return Err(fail(Fault::BadChecksum));
    }
    Ok(icmp)
}

/// Where in the quote the inner packet starts, and what it is, if the quote is of a packet of this tunnel.
fn quoted_tunnel_packet(quote: &[u8], tunnel: &Endpoints) -> Result<(usize, Protocol), RelayError> {
    let view = ipv6::Packet::new_unchecked(quote);
    if quote.len() < HEADER_LEN || view.version() != 6 {
        return Err(RelayError::Quote);
    }
    // RFC 5927: whoever sends an error must know a packet that we sent.
    if quote.get(8..HEADER_LEN) != Some(tunnel.octets()) {
        return Err(RelayError::NotOurs {
            from: view.source(),
            to: view.destination(),
        });
    }
    let Chain {
        next_header,
        offset,
        fragment,
        ..
    } = ext::walk(quote)?;
    // Of a fragmented packet only the first fragment shows the inner header.
    if fragment.is_some_and(|(_, header)| header.offset != 0) {
        return Err(RelayError::Quote);
    }
    let (offset, next_header) = match fragment {
        Some((_, header)) => behind_options(quote, offset, header.next_header),
        None => (offset, next_header),
    };
    match Protocol::from_next_header(next_header) {
        Some(protocol) => Ok((offset, protocol)),
        None => Err(RelayError::Quote),
    }
}

/// Steps over a Destination Options header behind a Fragment header.
fn behind_options(quote: &[u8], at: usize, next_header: u8) -> (usize, u8) {
    if next_header != ext::DESTINATION_OPTIONS {
        return (at, next_header);
    }
    let [next, words] = array_or_zero::<2>(quote, at);
    (at + (usize::from(words) + 1) * ext::UNIT, next)
}

/// The fixed header of the inner packet must be there as a whole.
fn check_inner(inner: &[u8], protocol: Protocol) -> Result<(), RelayError> {
    let (required, version) = match protocol {
        Protocol::Ipv4 => (ipv4::HEADER_LEN, 4),
        Protocol::Ipv6 => (HEADER_LEN, 6),
    };
    if inner.len() < required || inner.first().map(|first| first >> 4) != Some(version) {
        return Err(RelayError::Quote);
    }
    Ok(())
}

/// What a source is told whose packet was too big: nothing, if it can be carried in fragments.
fn too_big(inner: &[u8], protocol: Protocol, path_mtu: u32, header_len: usize) -> Option<Answer> {
    // The path MTU is at least 1,280 and the headers in a quote are far shorter than that.
    let mtu = path_mtu.saturating_sub(header_len as u32);
    match protocol {
        Protocol::Ipv4 => ipv4::Packet::new_unchecked(inner).dont_fragment().then(|| {
            let mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
            Answer::V4(ErrorV4::FragmentationNeeded { mtu })
        }),
        Protocol::Ipv6 => {
            let len = ipv6::Packet::new_unchecked(inner).total_len();
            let mtu = mtu.max(IPV6_MINIMUM);
            (len > IPV6_MINIMUM as usize).then_some(Answer::V6(ErrorV6::PacketTooBig { mtu }))
        }
    }
}

/// Why an ICMPv6 packet is not relayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum RelayError {
    /// Extension headers of the message or of the quote are wrong.
    #[error(transparent)]
    Extension(#[from] ExtError),
    /// The message cannot be read.
    #[error("{0}")]
    Malformed(WireError),
    /// RFC 2473 section 8 has no rule for this type and code.
    #[error("icmpv6 type {kind} code {code} is not relayed")]
    NoRule {
        /// The ICMPv6 type.
        kind: u8,
        /// The ICMPv6 code.
        code: u8,
    },
    /// Not an ICMPv6 packet.
    #[error("next header {next_header} is not icmpv6")]
    NotIcmp {
        /// The next header value.
        next_header: u8,
    },
    /// The quoted packet did not go through this tunnel.
    #[error("quoted packet went from {from} to {to}, not through this tunnel")]
    NotOurs {
        /// The quoted source.
        from: Ipv6Addr,
        /// The quoted destination.
        to: Ipv6Addr,
    },
    /// The quote is too short, or not of a tunnel packet.
    #[error("the quoted packet does not show an inner header")]
    Quote,
}
