//! Into the tunnel.

use core::ops::Range;

use thiserror::Error;

use crate::ecn::Ingress;
use crate::endpoints::Endpoints;
use crate::flow::{self, FlowKey, FlowLabel};
use crate::wire::ext::{self, DESTINATION_OPTIONS, UNIT};
use crate::wire::ipv6::{self, HEADER_LEN};
use crate::wire::{Fault, Layer, Protocol, WireError, ipv4};

/// Puts packets into tunnels: what an outer header looks like, whoever the peer is.
///
/// The defaults: hop limit 64, DSCP not copied, ECN by RFC 6040 normal mode, a flow label from the hash of the
/// inner flow, and (like Linux's `ip6tnl external`) no encapsulation limit option, so 40 bytes of overhead.
///
/// ```
/// use kraud_tunnel::{Encapsulator, HopLimit};
/// let plain = Encapsulator::new();
/// assert_eq!(plain.header_len(), 40);
/// // What `ip link add … type ip6tnl` makes: a limit of 4, eight bytes more.
/// let classic = Encapsulator::new().encap_limit(Some(4)).hop_limit(HopLimit::Fixed(64));
/// assert_eq!(classic.header_len(), 48);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encapsulator {
    hop_limit: HopLimit,
    dscp: DscpIn,
    ecn: Ingress,
    flow_label: FlowLabel,
    encap_limit: Option<u8>,
}

/// What the outer hop limit is (RFC 2473 section 6.3, RFC 2983's pipe and uniform models).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HopLimit {
    /// This value: the tunnel is one hop (pipe).
    Fixed(u8),
    /// The inner packet's own (uniform).
    Inherit,
}

/// What the outer DSCP is (RFC 2983).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DscpIn {
    /// This value; only the low six bits count (pipe).
    Fixed(u8),
    /// The inner packet's own (uniform).
    Inherit,
}

impl Default for Encapsulator {
    fn default() -> Self {
        Self::new()
    }
}

impl Encapsulator {
    /// An encapsulator with the defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            hop_limit: HopLimit::Fixed(64),
            dscp: DscpIn::Fixed(0),
            ecn: Ingress::Normal,
            flow_label: FlowLabel::Hash(FlowKey::DEFAULT),
            encap_limit: None,
        }
    }

    /// Sets the hop limit; the default is 64 (RFC 2473 section 6.3).
    #[must_use]
    pub const fn hop_limit(mut self, hop_limit: HopLimit) -> Self {
        self.hop_limit = hop_limit;
        self
    }

    /// Sets the DSCP; the default is 0 (RFC 2473 section 6.4).
    #[must_use]
    pub const fn dscp(mut self, dscp: DscpIn) -> Self {
        self.dscp = dscp;
        self
    }

    /// Sets the ECN mode; the default is [`Ingress::Normal`].
    #[must_use]
    pub const fn ecn(mut self, mode: Ingress) -> Self {
        self.ecn = mode;
        self
    }

    /// Sets the flow label; the default is a hash with a public key.
    #[must_use]
    pub const fn flow_label(mut self, label: FlowLabel) -> Self {
        self.flow_label = label;
        self
    }

    /// Sets how many further encapsulations are permitted, or that nothing is said about it.
    ///
    /// A packet that itself came with a limit gets the option with one less in any case (RFC 2473
    /// section 4.1.1).
    #[must_use]
    pub const fn encap_limit(mut self, limit: Option<u8>) -> Self {
        self.encap_limit = limit;
        self
    }

    /// How many bytes the outer headers take: 40, or 48 with the encapsulation limit.
    ///
    /// An IPv6 packet that carries a limit option itself takes 48 in any case: leave [`MAX_HEADER_LEN`]
    /// bytes of headroom when packets are not your own.
    ///
    /// [`MAX_HEADER_LEN`]: Self::MAX_HEADER_LEN
    #[must_use]
    pub const fn header_len(&self) -> usize {
        match self.encap_limit {
            Some(_) => HEADER_LEN + UNIT,
            None => HEADER_LEN,
        }
    }

    /// The most bytes that [`encapsulate`](Self::encapsulate) puts in front of a packet.
    pub const MAX_HEADER_LEN: usize = HEADER_LEN + UNIT;

    /// Encapsulates the packet at `buf[inner]` for the tunnel `to`, in place, and returns where the
    /// result lies: it ends where the inner packet ends and starts [`header_len`](Self::header_len) bytes
    /// before it. IPv4 or IPv6 is seen from the packet itself.
    ///
    /// The packet's header is checked (version, lengths, IPv4 checksum); its payload is not read. Bytes in
    /// `inner` behind the packet's own length are left out of the result.
    ///
    /// # Errors
    /// See [`EncapError`]; the buffer is unchanged then. Constant time for IPv4; for IPv6 it depends on
    /// the extension headers (at most [`ext::MAX_HEADERS`] are looked at).
    #[inline]
    pub fn encapsulate(
        &self,
        buf: &mut [u8],
        inner: Range<usize>,
        to: &Endpoints,
    ) -> Result<Range<usize>, EncapError> {
        let start = inner.start;
        let Some((head, tail)) = buf.split_at_mut_checked(start) else {
            return Err(EncapError::bad_range(buf, inner));
        };
        let Some(packet) = inner.end.checked_sub(start).and_then(|len| tail.get(..len)) else {
            return Err(EncapError::bad_range(buf, inner));
        };
        let plan = match packet.first() {
            Some(first) if first >> 4 == 4 => self.plan_ipv4(packet)?,
            _ => self.plan_ipv6(packet, to)?,
        };
        let end = start + plan.inner_len;
        let next_header = plan.protocol.next_header();
        let Some(limit) = plan.limit else {
            let Some(place) = head.last_chunk_mut::<HEADER_LEN>() else {
                return Err(EncapError::Headroom {
                    required: HEADER_LEN,
                    available: start,
                });
            };
            // At most 65,535 for IPv4; longer IPv6 packets were refused by the plan.
            write_header(place, &plan, next_header, plan.inner_len as u16, to);
            return Ok(start - HEADER_LEN..end);
        };
        let Some(place) = head.last_chunk_mut::<{ HEADER_LEN + UNIT }>() else {
            return Err(EncapError::Headroom {
                required: HEADER_LEN + UNIT,
                available: start,
            });
        };
        let Ok(payload_len) = u16::try_from(plan.inner_len + UNIT) else {
            return Err(EncapError::TooLong {
                len: plan.inner_len + UNIT,
            });
        };
        let (header, options) = place.split_at_mut(HEADER_LEN);
        if let Some(header) = header.first_chunk_mut() {
            write_header(header, &plan, DESTINATION_OPTIONS, payload_len, to);
        }
        options.copy_from_slice(&ext::limit_header(next_header, limit));
        Ok(start - HEADER_LEN - UNIT..end)
    }

    /// Checks an IPv4 packet and works out its outer header.
    #[inline(always)]
    fn plan_ipv4(&self, packet: &[u8]) -> Result<Plan, EncapError> {
        let checked = ipv4::check(packet)
            .map_err(|fault| EncapError::Malformed(WireError::new(Layer::Ipv4, 0, fault)))?;
        let flow_label = match self.flow_label {
            FlowLabel::Hash(key) => {
                flow::ipv4_label(key, packet, &checked.header, checked.header_len)
            }
            FlowLabel::Fixed(label) => label,
            FlowLabel::Inherit => 0,
        };
        let [_, traffic_class, _, _, _, _, _, _, ttl, ..] = checked.header;
        Ok(Plan {
            protocol: Protocol::Ipv4,
            first_word: ipv6::first_word(self.traffic_class(traffic_class), flow_label),
            hop_limit: self.hops(ttl),
            inner_len: checked.total_len,
            limit: self.encap_limit,
        })
    }

    /// Checks an IPv6 packet and works out its outer header.
    #[inline(never)]
    fn plan_ipv6(&self, packet: &[u8], to: &Endpoints) -> Result<Plan, EncapError> {
        let header = ipv6::check(packet).map_err(|fault| match fault {
            Fault::BadVersion { found, .. } => EncapError::NotIp { version: found },
            fault => EncapError::Malformed(WireError::new(Layer::Ipv6, 0, fault)),
        })?;
        let view = ipv6::Packet::new_unchecked(header.as_slice());
        let inner_len = view.total_len();
        let packet = packet.get(..inner_len).unwrap_or_default();
        if header.get(8..) == Some(to.octets()) {
            return Err(EncapError::Loopback);
        }
        let limit = match ext::find_limit(packet) {
            Some(found) => match found.value.checked_sub(1) {
                Some(less) => Some(less),
                None => {
                    return Err(EncapError::LimitExceeded {
                        pointer: found.offset,
                    });
                }
            },
            None => self.encap_limit,
        };
        let flow_label = match self.flow_label {
            FlowLabel::Hash(key) => flow::ipv6_label(key, packet, header),
            FlowLabel::Fixed(label) => label,
            FlowLabel::Inherit => view.flow_label(),
        };
        if inner_len > usize::from(u16::MAX) {
            return Err(EncapError::TooLong { len: inner_len });
        }
        Ok(Plan {
            protocol: Protocol::Ipv6,
            first_word: ipv6::first_word(self.traffic_class(view.traffic_class()), flow_label),
            hop_limit: self.hops(view.hop_limit()),
            inner_len,
            limit,
        })
    }

    /// The outer traffic class for an inner one.
    #[inline(always)]
    const fn traffic_class(&self, inner: u8) -> u8 {
        let dscp = match self.dscp {
            DscpIn::Fixed(value) => value << 2,
            DscpIn::Inherit => inner & 0xfc,
        };
        dscp | self.ecn.table() >> ((inner & 3) * 2) & 3
    }

    /// The outer hop limit for an inner one.
    #[inline(always)]
    const fn hops(&self, inner: u8) -> u8 {
        match self.hop_limit {
            HopLimit::Fixed(value) => value,
            HopLimit::Inherit => inner,
        }
    }
}

/// An outer header, worked out but not written.
struct Plan {
    protocol: Protocol,
    first_word: u32,
    hop_limit: u8,
    inner_len: usize,
    limit: Option<u8>,
}

#[inline(always)]
fn write_header(
    place: &mut [u8; HEADER_LEN],
    plan: &Plan,
    next_header: u8,
    payload_len: u16,
    to: &Endpoints,
) {
    let [a, b, c, d] = plan.first_word.to_be_bytes();
    let [e, f] = payload_len.to_be_bytes();
    let (fixed, addresses) = place.split_at_mut(8);
    fixed.copy_from_slice(&[a, b, c, d, e, f, next_header, plan.hop_limit]);
    addresses.copy_from_slice(to.octets());
}

/// Why a packet was not encapsulated. Offsets count from the start of the inner packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum EncapError {
    /// `inner` is not a range of the buffer.
    #[error("inner packet {start}..{end} is not a range of the buffer's {len} bytes")]
    BadRange {
        /// Start of the range.
        start: usize,
        /// End of the range.
        end: usize,
        /// Length of the buffer.
        len: usize,
    },
    /// There is no room for the outer headers in front of the packet.
    #[error("headroom is {available} bytes, {required} are needed in front of the packet")]
    Headroom {
        /// What the outer headers need.
        required: usize,
        /// What is there.
        available: usize,
    },
    /// The packet's encapsulation limit is zero (RFC 2473 section 4.1.1): drop it and send its source a
    /// Parameter Problem with this pointer.
    #[error("the packet's encapsulation limit, at byte {pointer}, is used up")]
    LimitExceeded {
        /// Where the limit stands in the inner packet.
        pointer: usize,
    },
    /// The packet already is between these very ends (RFC 2473 section 4.1.2).
    #[error("the packet's source and destination are the tunnel's own ends; it would loop")]
    Loopback,
    /// The packet's header is wrong.
    #[error("inner {0}")]
    Malformed(WireError),
    /// Neither IPv4 nor IPv6.
    #[error("inner packet has version {version}, expected 4 or 6")]
    NotIp {
        /// The version field.
        version: u8,
    },
    /// With the outer headers, the payload would be longer than its length field can say.
    #[error("tunnel payload of {len} bytes exceeds 65535")]
    TooLong {
        /// The outer payload's length.
        len: usize,
    },
}

impl EncapError {
    #[cold]
    fn bad_range(buf: &[u8], inner: Range<usize>) -> Self {
        Self::BadRange {
            start: inner.start,
            end: inner.end,
            len: buf.len(),
        }
    }
}
