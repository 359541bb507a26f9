//! Into the tunnel.

use core::ops::Range;

use thiserror::Error;

use crate::ecn::{Ecn, Ingress};
use crate::endpoints::Endpoints;
use crate::flow::{self, FlowKey, FlowLabel};
use crate::wire::ext::{self, DESTINATION_OPTIONS, UNIT};
use crate::wire::ipv6::{self, HEADER_LEN};
use crate::wire::{Fault, Layer, Protocol, WireError, array_or_zero, ipv4};

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
    template: Template,
}

/// What of the headers does not depend on the packet, worked out when the configuration is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Template {
    /// For each inner ECN field the first eight bytes of the header as a number: version, ECN, and DSCP and hop
    /// limit where they are fixed.
    base: [u64; 4],
    /// The key of the flow label's hash.
    key: FlowKey,
    /// The same for IPv4, with the next header and the length of the options header in it.
    ipv4: [u64; 4],
    /// The options header in front of an IPv4 packet, where there is one.
    options: [u8; UNIT],
    /// The longest IPv4 packet whose length, with the options header, can be written; zero, so that no packet is short
    /// enough, where more of the inner header goes into the outer one than the ECN field and the hash of the flow.
    longest: u16,
}

impl Template {
    const fn new(how: &Encapsulator) -> Self {
        let (hops, inherit_hops) = match how.hop_limit {
            HopLimit::Fixed(value) => (value, false),
            HopLimit::Inherit => (0, true),
        };
        let (dscp, inherit_dscp) = match how.dscp {
            DscpIn::Fixed(value) => (value << 2, false),
            DscpIn::Inherit => (0, true),
        };
        let mut base = [0; 4];
        let mut i = 0;
        while i < 4 {
            let class = dscp | how.ecn.outer(Ecn::ALL[i]).bits();
            base[i] = 6 << 60 | (class as u64) << 52 | hops as u64;
            i += 1;
        }
        let (key, longest) = match how.flow_label {
            FlowLabel::Hash(key) if !inherit_hops && !inherit_dscp => {
                (key, u16::MAX - (how.header_len() - HEADER_LEN) as u16)
            }
            _ => (FlowKey::DEFAULT, 0),
        };
        let inside = Protocol::Ipv4.next_header();
        let (added, options) = match how.encap_limit {
            Some(limit) => (
                (UNIT as u64) << 16 | (DESTINATION_OPTIONS as u64) << 8,
                ext::limit_header(inside, limit),
            ),
            None => ((inside as u64) << 8, [0; UNIT]),
        };
        let mut ipv4 = base;
        i = 0;
        while i < 4 {
            ipv4[i] += added;
            i += 1;
        }
        Self {
            base,
            key,
            ipv4,
            options,
            longest,
        }
    }

    const EMPTY: Self = Self {
        base: [0; 4],
        key: FlowKey::DEFAULT,
        ipv4: [0; 4],
        options: [0; UNIT],
        longest: 0,
    };
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
            template: Template::EMPTY,
        }
        .prepared()
    }

    /// Works the template out anew.
    const fn prepared(mut self) -> Self {
        self.template = Template::new(&self);
        self
    }

    /// Sets the hop limit; the default is 64 (RFC 2473 section 6.3).
    #[must_use]
    pub const fn hop_limit(mut self, hop_limit: HopLimit) -> Self {
        self.hop_limit = hop_limit;
        self.prepared()
    }

    /// Sets the DSCP; the default is 0 (RFC 2473 section 6.4).
    #[must_use]
    pub const fn dscp(mut self, dscp: DscpIn) -> Self {
        self.dscp = dscp;
        self.prepared()
    }

    /// Sets the ECN mode; the default is [`Ingress::Normal`].
    #[must_use]
    pub const fn ecn(mut self, mode: Ingress) -> Self {
        self.ecn = mode;
        self.prepared()
    }

    /// Sets the flow label; the default is a hash with a public key.
    #[must_use]
    pub const fn flow_label(mut self, label: FlowLabel) -> Self {
        self.flow_label = label;
        self.prepared()
    }

    /// Sets how many further encapsulations are permitted, or that nothing is said about it.
    ///
    /// A packet that itself came with a limit gets the option with one less in any case (RFC 2473
    /// section 4.1.1).
    #[must_use]
    pub const fn encap_limit(mut self, limit: Option<u8>) -> Self {
        self.encap_limit = limit;
        self.prepared()
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
        match self.plain_ipv4(buf, &inner, to) {
            Some(outer) => Ok(outer),
            None => self.encapsulate_any(buf, inner, to),
        }
    }

    /// The common case, without a detour: a right IPv4 packet with a header of 20 bytes and room in front of
    /// it, of which only ECN and the flow go into the outer header. `None`, with the buffer unchanged, for
    /// everything else.
    #[inline(always)]
    fn plain_ipv4(
        &self,
        buf: &mut [u8],
        inner: &Range<usize>,
        to: &Endpoints,
    ) -> Option<Range<usize>> {
        let start = inner.start.checked_sub(self.header_len())?;
        let packet = buf.get(inner.clone())?;
        let header = packet.first_chunk::<{ ipv4::HEADER_LEN }>()?;
        let len = u16::from_be_bytes(array_or_zero(header, 2));
        // One comparison for both ends: a length below the header's wraps round to a huge one.
        let fits =
            usize::from(len).wrapping_sub(ipv4::HEADER_LEN) <= packet.len() - ipv4::HEADER_LEN;
        if header[0] != 0x45 || !fits || !ipv4::sums_to_zero(header) {
            return None;
        }
        if len > self.template.longest {
            return None;
        }
        let flow_label = flow::ipv4_label(&self.template.key, packet, header, ipv4::HEADER_LEN);
        // The index has two bits and the table four entries. Length and next header are added at once.
        let front = self.template.ipv4[usize::from(header[1] & 3)]
            + (u64::from(flow_label) << 32)
            + (u64::from(len) << 16);
        let place = buf.get_mut(start..inner.start)?;
        let (outer, options) = place.split_first_chunk_mut::<HEADER_LEN>()?;
        write_header(outer, front, to);
        if let Some(options) = options.first_chunk_mut::<UNIT>() {
            *options = self.template.options;
        }
        Some(start..inner.start + usize::from(len))
    }

    /// The first eight bytes of the outer header as a number, less what is copied from the inner one.
    #[inline(always)]
    fn front(&self, class: u8, flow_label: u32, payload_len: u16, next_header: u8) -> u64 {
        // The index has two bits and the table four entries.
        self.template.base[usize::from(class & 3)]
            | u64::from(flow_label) << 32
            | u64::from(payload_len) << 16
            | u64::from(next_header) << 8
    }

    /// The flow label where it is not a hash; `inner` is the packet's own.
    #[inline]
    const fn unhashed_label(&self, inner: u32) -> u32 {
        match self.flow_label {
            FlowLabel::Fixed(label) => label & 0xf_ffff,
            _ => inner,
        }
    }

    /// Every case, and every error.
    #[inline(never)]
    fn encapsulate_any(
        &self,
        buf: &mut [u8],
        inner: Range<usize>,
        to: &Endpoints,
    ) -> Result<Range<usize>, EncapError> {
        let bad_range = EncapError::BadRange {
            start: inner.start,
            end: inner.end,
            len: buf.len(),
        };
        let start = inner.start;
        let Some((head, tail)) = buf.split_at_mut_checked(start) else {
            return Err(bad_range);
        };
        let Some(packet) = inner.end.checked_sub(start).and_then(|len| tail.get(..len)) else {
            return Err(bad_range);
        };
        let plan = match packet.first() {
            Some(first) if first >> 4 == 4 => self.plan_ipv4(packet)?,
            _ => self.plan_ipv6(packet, to)?,
        };
        let end = start + plan.inner_len;
        let next_header = plan.protocol.next_header();
        let options_len = if plan.limit.is_some() { UNIT } else { 0 };
        let Ok(payload_len) = u16::try_from(plan.inner_len + options_len) else {
            return Err(EncapError::TooLong {
                len: plan.inner_len + options_len,
            });
        };
        let no_room = EncapError::Headroom {
            required: HEADER_LEN + options_len,
            available: start,
        };
        let Some(limit) = plan.limit else {
            let place = head.last_chunk_mut::<HEADER_LEN>().ok_or(no_room)?;
            write_header(place, plan.front(self, payload_len, next_header), to);
            return Ok(start - HEADER_LEN..end);
        };
        let place = head
            .last_chunk_mut::<{ HEADER_LEN + UNIT }>()
            .ok_or(no_room)?;
        let (header, options) = place.split_first_chunk_mut::<HEADER_LEN>().ok_or(no_room)?;
        write_header(
            header,
            plan.front(self, payload_len, DESTINATION_OPTIONS),
            to,
        );
        options.copy_from_slice(&ext::limit_header(next_header, limit));
        Ok(start - HEADER_LEN - UNIT..end)
    }

    /// Checks an IPv4 packet and works out its outer header.
    fn plan_ipv4(&self, packet: &[u8]) -> Result<Plan, EncapError> {
        let checked = ipv4::check(packet)
            .map_err(|fault| EncapError::Malformed(WireError::new(Layer::Ipv4, 0, fault)))?;
        let flow_label = match self.flow_label {
            FlowLabel::Hash(key) => {
                flow::ipv4_label(&key, packet, &checked.header, checked.header_len)
            }
            _ => self.unhashed_label(0),
        };
        let [_, class, _, _, _, _, _, _, ttl, ..] = checked.header;
        Ok(Plan {
            protocol: Protocol::Ipv4,
            class,
            ttl,
            flow_label,
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
            _ => self.unhashed_label(view.flow_label()),
        };
        Ok(Plan {
            protocol: Protocol::Ipv6,
            class: view.traffic_class(),
            ttl: view.hop_limit(),
            flow_label,
            inner_len,
            limit,
        })
    }
}

/// A checked packet, and what its outer header is made of.
struct Plan {
    protocol: Protocol,
    class: u8,
    ttl: u8,
    flow_label: u32,
    inner_len: usize,
    limit: Option<u8>,
}

impl Plan {
    fn front(&self, how: &Encapsulator, payload_len: u16, next_header: u8) -> u64 {
        let mut front = how.front(self.class, self.flow_label, payload_len, next_header);
        if how.dscp == DscpIn::Inherit {
            front |= u64::from(self.class & 0xfc) << 52;
        }
        if how.hop_limit == HopLimit::Inherit {
            front |= u64::from(self.ttl);
        }
        front
    }
}

/// Writes the fixed header: its first eight bytes at once, then both addresses.
#[inline(always)]
fn write_header(place: &mut [u8; HEADER_LEN], front: u64, to: &Endpoints) {
    let (fixed, addresses) = place.split_at_mut(8);
    fixed.copy_from_slice(&front.to_be_bytes());
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

#[cfg(test)]
mod tests {
    use super::{DscpIn, Encapsulator, HopLimit};
    use crate::ecn::Ingress;
    use crate::endpoints::Endpoints;
    use crate::flow::{FlowKey, FlowLabel};
    use crate::wire::ipv4;
    use proptest::prelude::*;

    extern crate std;
    use std::vec::Vec;

    fn any_encapsulator() -> impl Strategy<Value = Encapsulator> {
        let hops = prop_oneof![
            any::<u8>().prop_map(HopLimit::Fixed),
            Just(HopLimit::Inherit)
        ];
        let dscp = prop_oneof![any::<u8>().prop_map(DscpIn::Fixed), Just(DscpIn::Inherit)];
        let ecn = prop_oneof![
            Just(Ingress::Normal),
            Just(Ingress::Compatibility),
            Just(Ingress::Rfc3168)
        ];
        let label = prop_oneof![
            3 => any::<[u8; 16]>().prop_map(|key| FlowLabel::Hash(FlowKey::new(key))),
            1 => any::<u32>().prop_map(FlowLabel::Fixed),
            1 => Just(FlowLabel::Inherit),
        ];
        (hops, dscp, ecn, label, any::<Option<u8>>()).prop_map(|(hops, dscp, ecn, label, limit)| {
            Encapsulator::new()
                .hop_limit(hops)
                .dscp(dscp)
                .ecn(ecn)
                .flow_label(label)
                .encap_limit(limit)
        })
    }

    proptest! {
        /// The way for the common case and the way for every case agree, to the byte and to the error.
        #[test]
        fn both_ways_are_one(
            how in any_encapsulator(),
            mut bytes in prop::collection::vec(any::<u8>(), 0..120),
            headroom in 0usize..60,
            mend in any::<[bool; 3]>(),
        ) {
            // Random bytes are hardly ever a packet: mend what is looked at first, mostly.
            let [version, length, sum] = mend;
            let total = bytes.len() as u16;
            if version && !bytes.is_empty() { bytes[0] = 0x45; }
            if length && bytes.len() >= 4 { bytes[2..4].copy_from_slice(&total.to_be_bytes()); }
            if sum { ipv4::Packet::new_unchecked(&mut bytes[..]).fill_checksum(); }
            let mut buf: Vec<u8> = std::vec![0; headroom];
            buf.extend_from_slice(&bytes);
            let (inner, mut other) = (headroom..buf.len(), buf.clone());
            let to = Endpoints::new("fd42::1".parse().unwrap(), "fd42::2".parse().unwrap()).unwrap();
            let first = how.encapsulate(&mut buf, inner.clone(), &to);
            let second = how.encapsulate_any(&mut other, inner, &to);
            prop_assert_eq!(first, second);
            prop_assert_eq!(buf, other);
        }
    }
}
