//! Out of the tunnel.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::ops::Range;

use thiserror::Error;

use crate::checksum;
use crate::ecn::{Alarm, Verdict};
use crate::endpoints::Endpoints;
use crate::wire::ext::{self, Chain, DESTINATION_OPTIONS, ExtError, LimitOption, UNIT};
use crate::wire::ipv6::HEADER_LEN;
use crate::wire::{Layer, Protocol, WireError, array_or_zero, ipv4, ipv6, put};

/// Takes packets out of tunnels: checks them from the outer header to the inner one, and applies RFC 6040.
///
/// By default packets of every peer are taken, since one device may serve many; [`Decapsulated`] says who
/// sent it. [`only_from`](Self::only_from) pins one tunnel, [`martians`](Self::martians) filters addresses
/// that no packet may carry, [`SourceFilter`](crate::sources::SourceFilter) ties inner sources to peers.
///
/// ```
/// use kraud_tunnel::{Counters, DecapError, Decapsulator, Encapsulator, Endpoints};
/// let tunnel = Endpoints::new("fd42::1".parse()?, "fd42::2".parse()?)?;
/// let mut buf = [0u8; 68];
/// buf[48..].copy_from_slice(&[
///     0x45, 0, 0, 20, 0x12, 0x34, 0x40, 0, 64, 253, 0x96, 0x22, 10, 198, 62, 5, 10, 198, 62, 6,
/// ]);
/// let outer = Encapsulator::new().encap_limit(Some(4)).encapsulate(&mut buf, 48..68, &tunnel)?;
///
/// let ours = Decapsulator::new().only_from(tunnel).martians(true);
/// let found = ours.decapsulate(&mut buf, outer.clone())?;
/// assert_eq!((found.inner, found.limit, found.hop_limit), (48..68, Some(4), 64));
///
/// // The same packet is nothing for another tunnel, and is counted as such.
/// let mut counters = Counters::new();
/// let theirs = Decapsulator::new().only_from(tunnel.reversed());
/// let error = theirs.decapsulate(&mut buf, outer).expect_err("not theirs");
/// assert!(matches!(error, DecapError::WrongEndpoint { .. }));
/// counters.dropped(error.reason());
/// assert_eq!(counters.iter().map(|(reason, n)| (reason.name(), n)).collect::<Vec<_>>(), [("wrong_endpoint", 1)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decapsulator {
    dscp: DscpOut,
    tunnel: Option<Endpoints>,
    martians: bool,
    /// Whether any of the above is not the default.
    filters: bool,
}

/// What the inner DSCP becomes (RFC 2983).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum DscpOut {
    /// It stays (pipe).
    #[default]
    Keep,
    /// It becomes the outer one (uniform).
    CopyOuter,
}

/// A packet that came out of a tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decapsulated {
    /// Where the inner packet lies in the buffer: exactly as long as it says itself.
    pub inner: Range<usize>,
    /// What the inner packet is.
    pub protocol: Protocol,
    /// The peer: source of the outer header.
    pub source: Ipv6Addr,
    /// Our own end: destination of the outer header.
    pub destination: Ipv6Addr,
    /// The hop limit that was left in the outer header.
    pub hop_limit: u8,
    /// The encapsulation limit option, if the packet had one.
    pub limit: Option<u8>,
    /// Whether the ECN fields of outer and inner header were an odd couple.
    pub alarm: Alarm,
}

impl Default for Decapsulator {
    fn default() -> Self {
        Self::new()
    }
}

impl Decapsulator {
    /// A decapsulator with the defaults: all peers, DSCP kept, no martian filter.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            dscp: DscpOut::Keep,
            tunnel: None,
            martians: false,
            filters: false,
        }
    }

    /// Takes only packets from the source to the destination of `tunnel`: the peer comes first, then we.
    #[must_use]
    pub const fn only_from(mut self, tunnel: Endpoints) -> Self {
        self.tunnel = Some(tunnel);
        self.filters = true;
        self
    }

    /// Sets what becomes of the DSCP; the default is [`DscpOut::Keep`].
    #[must_use]
    pub const fn dscp(mut self, dscp: DscpOut) -> Self {
        self.dscp = dscp;
        self.filters |= !matches!(dscp, DscpOut::Keep);
        self
    }

    /// Whether to drop inner packets with an address that cannot be on a wire: loopback and unspecified on
    /// either side, multicast and broadcast as source, class E. Off by default.
    #[must_use]
    pub const fn martians(mut self, drop: bool) -> Self {
        self.martians = drop;
        self.filters |= drop;
        self
    }

    /// Takes the tunnel packet at `buf[outer]` apart, in place.
    ///
    /// `outer` may be longer than the packet (link padding). Everything in front of the inner packet is
    /// checked: version, lengths, extension headers and their options; of the inner packet, its header.
    /// Only the ECN field and, if asked for, the DSCP of the inner header are changed, with the checksum.
    ///
    /// # Errors
    /// See [`DecapError`]; the buffer is unchanged then. A fragment is an error too: give it to a
    /// reassembler and come back with the whole. The 40-byte header, and the 48-byte one with a limit
    /// as Linux sends it, take constant time; other extension headers are walked within the limits of
    /// [`ext`](crate::wire::ext).
    #[inline]
    pub fn decapsulate(
        &self,
        buf: &mut [u8],
        outer: Range<usize>,
    ) -> Result<Decapsulated, DecapError> {
        match self.plain_ipv4(buf, &outer) {
            Some(found) => Ok(found),
            None => self.decapsulate_any(buf, outer),
        }
    }

    /// The common case, without a detour: one IPv4 packet with a header of 20 bytes, behind 40 bytes or behind
    /// the 48 that Linux sends by default, whose traffic class stays as it is. `None` for everything else.
    #[inline(always)]
    fn plain_ipv4(&self, buf: &[u8], outer: &Range<usize>) -> Option<Decapsulated> {
        if self.filters {
            return None;
        }
        let packet = buf.get(outer.start..outer.end)?;
        let (header, rest) = packet.split_first_chunk::<HEADER_LEN>()?;
        if header[0] >> 4 != 6 {
            return None;
        }
        let payload = rest.get(..usize::from(u16::from_be_bytes(array_or_zero(header, 4))))?;
        let start = outer.start + HEADER_LEN;
        if header[6] == Protocol::Ipv4.next_header() {
            return plain_inner(header, payload, start, None);
        }
        let (options, inner) = payload.split_first_chunk::<UNIT>()?;
        let expected = ext::limit_header(Protocol::Ipv4.next_header(), options[4]);
        if header[6] != DESTINATION_OPTIONS || *options != expected {
            return None;
        }
        plain_inner(header, inner, start + UNIT, Some(options[4]))
    }

    /// Every case, and every error.
    #[inline(never)]
    fn decapsulate_any(
        &self,
        buf: &mut [u8],
        outer: Range<usize>,
    ) -> Result<Decapsulated, DecapError> {
        let Range { start, end } = outer;
        let len = buf.len();
        let Some(packet) = buf.get_mut(start..end) else {
            return Err(DecapError::BadRange { start, end, len });
        };
        let header = match ipv6::check(packet) {
            Ok(header) => *header,
            Err(fault) => return Err(DecapError::Outer(WireError::new(Layer::Ipv6, 0, fault))),
        };
        let [_, _, _, _, l0, l1, next_header, hop_limit, ..] = header;
        if let Some(tunnel) = &self.tunnel {
            if header.get(8..) != Some(tunnel.octets()) {
                return Err(wrong_endpoint(&header));
            }
        }
        let payload_len = usize::from(u16::from_be_bytes([l0, l1]));
        let whole = HEADER_LEN + payload_len;
        let packet = packet.get_mut(..whole).unwrap_or_default();

        let (at, protocol, limit) = match next_header {
            4 => (HEADER_LEN, Protocol::Ipv4, None),
            41 => (HEADER_LEN, Protocol::Ipv6, None),
            _ => walk(packet)?,
        };
        let outer_class = header[0] << 4 | header[1] >> 4;
        let inner = packet.get_mut(at..).unwrap_or_default();
        let (inner_len, alarm) = match protocol {
            Protocol::Ipv4 => self.finish_ipv4(inner, at, outer_class)?,
            Protocol::Ipv6 => self.finish_ipv6(inner, at, outer_class)?,
        };
        Ok(Decapsulated {
            inner: start + at..start + at + inner_len,
            protocol,
            source: address(&header, 8),
            destination: address(&header, 24),
            hop_limit,
            limit,
            alarm,
        })
    }

    /// Checks the inner IPv4 header and brings the outer traffic class into it.
    fn finish_ipv4(
        &self,
        inner: &mut [u8],
        at: usize,
        outer: u8,
    ) -> Result<(usize, Alarm), DecapError> {
        let checked = match ipv4::check(inner) {
            Ok(checked) => checked,
            Err(fault) => return Err(DecapError::Inner(WireError::new(Layer::Ipv4, at, fault))),
        };
        let [b0, class, _, _, _, _, _, _, _, _, s0, s1, ..] = checked.header;
        if self.martians {
            let view = ipv4::Packet::new_unchecked(checked.header.as_slice());
            martian_v4(view.source(), view.destination(), at)?;
        }
        let (new, alarm) = self.traffic_class(class, outer, at)?;
        if new != class {
            let (old, new_word) = (
                u16::from_be_bytes([b0, class]),
                u16::from_be_bytes([b0, new]),
            );
            let sum = checksum::update(u16::from_be_bytes([s0, s1]), old, new_word);
            put(inner, 1, [new]);
            put(inner, 10, sum.to_be_bytes());
        }
        Ok((checked.total_len, alarm))
    }

    /// Checks the inner IPv6 header and brings the outer traffic class into it.
    fn finish_ipv6(
        &self,
        inner: &mut [u8],
        at: usize,
        outer: u8,
    ) -> Result<(usize, Alarm), DecapError> {
        let header = match ipv6::check(inner) {
            Ok(header) => *header,
            Err(fault) => return Err(DecapError::Inner(WireError::new(Layer::Ipv6, at, fault))),
        };
        let mut view = ipv6::Packet::new_unchecked(header);
        if self.martians {
            martian_v6(view.source(), view.destination(), at)?;
        }
        let class = view.traffic_class();
        let (new, alarm) = self.traffic_class(class, outer, at)?;
        if new != class {
            view.set_traffic_class(new);
            let [b0, b1, ..] = view.into_inner();
            put(inner, 0, [b0, b1]);
        }
        Ok((view.total_len(), alarm))
    }

    /// The inner traffic class after the tunnel, or a drop.
    #[inline(always)]
    fn traffic_class(&self, inner: u8, outer: u8, at: usize) -> Result<(u8, Alarm), DecapError> {
        let verdict = Verdict::of(inner, outer);
        if verdict.is_drop() {
            return Err(DecapError::Congestion { offset: at });
        }
        let dscp = match self.dscp {
            DscpOut::Keep => inner & 0xfc,
            DscpOut::CopyOuter => outer & 0xfc,
        };
        Ok((dscp | verdict.field(), verdict.alarm()))
    }
}

/// The inner packet of the common case, which starts at `at` in the buffer.
#[inline(always)]
fn plain_inner(
    header: &[u8; HEADER_LEN],
    payload: &[u8],
    at: usize,
    limit: Option<u8>,
) -> Option<Decapsulated> {
    let inner = payload.first_chunk::<{ ipv4::HEADER_LEN }>()?;
    let len = usize::from(u16::from_be_bytes(array_or_zero(inner, 2)));
    // One comparison for both ends: a length below the header's wraps round to a huge one.
    let fits = len.wrapping_sub(ipv4::HEADER_LEN) <= payload.len() - ipv4::HEADER_LEN;
    if inner[0] != 0x45 || !fits || !ipv4::sums_to_zero(inner) {
        return None;
    }
    // Mostly both fields are the same, and then they stay so.
    let outer_class = header[0] << 4 | header[1] >> 4;
    if (outer_class ^ inner[1]) & 3 != 0 && !Verdict::of(inner[1], outer_class).leaves(inner[1]) {
        return None;
    }
    Some(Decapsulated {
        inner: at..at + len,
        protocol: Protocol::Ipv4,
        source: address(header, 8),
        destination: address(header, 24),
        hop_limit: header[7],
        limit,
        alarm: Alarm::None,
    })
}

/// Finds the inner packet behind extension headers: its place, what it is, and the limit on the way.
fn walk(packet: &[u8]) -> Result<(usize, Protocol, Option<u8>), DecapError> {
    let Chain {
        next_header,
        offset,
        pointer,
        limit,
        fragment,
    } = ext::walk(packet)?;
    if let Some((offset, header)) = fragment {
        return Err(DecapError::Fragment {
            offset,
            identification: header.identification,
        });
    }
    match Protocol::from_next_header(next_header) {
        Some(protocol) => Ok((
            offset,
            protocol,
            limit.map(|LimitOption { value, .. }| value),
        )),
        None => Err(DecapError::NotTunnelPayload {
            next_header,
            pointer,
        }),
    }
}

#[inline(always)]
fn address(header: &[u8; HEADER_LEN], at: usize) -> Ipv6Addr {
    array_or_zero::<16>(header, at).into()
}

#[cold]
fn wrong_endpoint(header: &[u8; HEADER_LEN]) -> DecapError {
    DecapError::WrongEndpoint {
        from: address(header, 8),
        to: address(header, 24),
    }
}

fn martian_v4(source: Ipv4Addr, destination: Ipv4Addr, at: usize) -> Result<(), DecapError> {
    // 0.0.0.0/8, 127.0.0.0/8, class E with the limited broadcast; multicast only as source.
    let [first, ..] = source.octets();
    if first == 0 || first == 127 || first >= 224 {
        return Err(DecapError::MartianSource {
            offset: at,
            address: source.into(),
        });
    }
    let [first, ..] = destination.octets();
    if first == 0 || first == 127 || first >= 240 && !destination.is_broadcast() {
        return Err(DecapError::MartianDestination {
            offset: at,
            address: destination.into(),
        });
    }
    Ok(())
}

fn martian_v6(source: Ipv6Addr, destination: Ipv6Addr, at: usize) -> Result<(), DecapError> {
    if source.is_unspecified() || source.is_loopback() || source.is_multicast() || mapped(source) {
        return Err(DecapError::MartianSource {
            offset: at,
            address: source.into(),
        });
    }
    if destination.is_unspecified() || destination.is_loopback() || mapped(destination) {
        return Err(DecapError::MartianDestination {
            offset: at,
            address: destination.into(),
        });
    }
    Ok(())
}

fn mapped(address: Ipv6Addr) -> bool {
    address.to_ipv4_mapped().is_some()
}

/// Why a packet was not decapsulated. Offsets count from the start of the outer packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum DecapError {
    /// `outer` is not a range of the buffer.
    #[error("outer packet {start}..{end} is not a range of the buffer's {len} bytes")]
    BadRange {
        /// Start of the range.
        start: usize,
        /// End of the range.
        end: usize,
        /// Length of the buffer.
        len: usize,
    },
    /// Congestion was met in the tunnel and the inner transport could not be told (RFC 6040 section 4.2).
    #[error(
        "outer header says congestion experienced, the inner packet at byte {offset} is not ecn-capable"
    )]
    Congestion {
        /// Where the inner packet is.
        offset: usize,
    },
    /// The extension headers are wrong.
    #[error(transparent)]
    Extension(#[from] ExtError),
    /// An inner source that does not live behind the peer ([`SourceFilter`](crate::sources::SourceFilter)).
    #[error("inner source {address} does not live behind the peer {peer}")]
    ForeignSource {
        /// The outer source.
        peer: Ipv6Addr,
        /// The inner source.
        address: IpAddr,
    },
    /// A fragment of a tunnel packet: to be reassembled first (RFC 2473 section 7).
    #[error(
        "fragment {identification:#010x}, header at byte {offset}; reassemble before decapsulating"
    )]
    Fragment {
        /// Where the Fragment header is.
        offset: usize,
        /// What the fragments of the packet have in common.
        identification: u32,
    },
    /// The inner packet's header is wrong.
    #[error("inner {0}")]
    Inner(WireError),
    /// An inner destination that cannot be on a wire.
    #[error(
        "inner packet at byte {offset} has the destination {address}, which cannot be on a wire"
    )]
    MartianDestination {
        /// Where the inner packet is.
        offset: usize,
        /// The address.
        address: IpAddr,
    },
    /// An inner source that cannot be on a wire.
    #[error("inner packet at byte {offset} has the source {address}, which cannot be on a wire")]
    MartianSource {
        /// Where the inner packet is.
        offset: usize,
        /// The address.
        address: IpAddr,
    },
    /// Something else than IPv4 or IPv6 inside.
    #[error("next header {next_header} is not a tunneled packet, expected 4 or 41")]
    NotTunnelPayload {
        /// The next header value.
        next_header: u8,
        /// Where it stands.
        pointer: usize,
    },
    /// The outer header is wrong.
    #[error("outer {0}")]
    Outer(WireError),
    /// The outer addresses are not those of the tunnel.
    #[error("outer packet from {from} to {to} does not belong to this tunnel")]
    WrongEndpoint {
        /// The outer source.
        from: Ipv6Addr,
        /// The outer destination.
        to: Ipv6Addr,
    },
}

#[cfg(test)]
mod tests {
    use super::Decapsulator;
    use crate::encap::Encapsulator;
    use crate::endpoints::Endpoints;
    use crate::wire::ipv4;
    use proptest::prelude::*;

    extern crate std;

    proptest! {
        /// The way for the common case and the way for every case agree, to the byte and to the error.
        #[test]
        fn both_ways_are_one(
            limit in any::<Option<u8>>(),
            inner in prop::collection::vec(any::<u8>(), 20..90),
            damage in prop::collection::vec((0usize..138, any::<u8>()), 0..3),
            classes in any::<(u8, u8)>(),
            cut in 0usize..6,
        ) {
            let mut buf = std::vec![0; 48];
            buf.extend_from_slice(&inner);
            let total = inner.len() as u16;
            buf[48] = 0x45;
            buf[49] = classes.0;
            buf[50..52].copy_from_slice(&total.to_be_bytes());
            ipv4::Packet::new_unchecked(&mut buf[48..]).fill_checksum();
            let to = Endpoints::new("fd42::1".parse().unwrap(), "fd42::2".parse().unwrap()).unwrap();
            let end = buf.len();
            let outer = Encapsulator::new().encap_limit(limit).encapsulate(&mut buf, 48..end, &to).unwrap();
            buf[outer.start] |= classes.1 >> 4;
            for (at, value) in damage {
                if let Some(byte) = buf.get_mut(at) { *byte = value; }
            }
            let outer = outer.start..outer.end - cut;
            let mut other = buf.clone();
            let how = Decapsulator::new();
            let first = how.decapsulate(&mut buf, outer.clone());
            let second = how.decapsulate_any(&mut other, outer);
            prop_assert_eq!(first, second);
            prop_assert_eq!(buf, other);
        }
    }
}
