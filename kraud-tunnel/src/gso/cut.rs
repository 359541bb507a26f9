//! What the segments of a superpacket have in common, and what sets each apart.

use core::ops::Range;

use super::GsoError;
use crate::checksum;
use crate::inspect;
use crate::wire::{Fault, Layer, Protocol, WireError, array_or_zero, ipv4, ipv6, put};

const TCP: u8 = 6;
const UDP: u8 = 17;
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;

/// The longest IPv4 header and the longest TCP header.
pub(super) const MAX_HEADERS: usize = 60 + 60;

/// How a superpacket is cut, and how far that has come.
#[derive(Debug, Clone)]
pub(super) struct Cut {
    /// The bytes of IP and transport header in front of each segment: at most [`MAX_HEADERS`].
    pub(super) headers_len: usize,
    /// The bytes of payload in all.
    payload_len: usize,
    size: usize,
    ip_len: usize,
    protocol: Protocol,
    tcp: bool,
    /// The sum over the transport header without what differs between segments, and over the addresses.
    pub(super) base: u64,
    at: usize,
    index: u16,
    done: bool,
}

impl Cut {
    /// Reads the headers of a superpacket; `packet` may be longer than it.
    pub(super) fn new(packet: &[u8], size: usize) -> Result<Self, GsoError> {
        let (protocol, ip_len, transport) = ip_header(packet)?;
        let whole = inspect::declared_len(packet).unwrap_or(0);
        let packet = packet.get(..whole).ok_or_else(|| {
            let fault = Fault::LengthBeyondData {
                declared: whole,
                available: packet.len(),
            };
            GsoError::Malformed(WireError::new(layer(protocol), 0, fault))
        })?;
        let rest = packet.get(ip_len..).unwrap_or_default();
        let transport_len = match transport {
            TCP => usize::from(array_or_zero::<1>(rest, 12)[0] >> 4) * 4,
            UDP => 8,
            other => return Err(GsoError::NotSplittable { protocol: other }),
        };
        let tcp = transport == TCP;
        let least = if tcp { 20 } else { 8 };
        if transport_len < least || rest.len() < transport_len {
            let fault = Fault::Truncated {
                required: transport_len.max(least),
                available: rest.len(),
            };
            let layer = if tcp { Layer::Tcp } else { Layer::Udp };
            return Err(GsoError::Malformed(WireError::new(layer, ip_len, fault)));
        }
        if size == 0 {
            return Err(GsoError::ZeroSize);
        }
        let headers_len = ip_len + transport_len;
        let headers = packet.get(..headers_len).unwrap_or_default();
        Ok(Self {
            headers_len,
            payload_len: packet.len() - headers_len,
            size,
            ip_len,
            protocol,
            tcp,
            base: invariant_sum(headers, ip_len, protocol, tcp),
            at: 0,
            index: 0,
            done: false,
        })
    }

    /// How many segments there are in all; one if there is no payload.
    pub(super) const fn count(&self) -> usize {
        let count = self.payload_len.div_ceil(self.size);
        if count == 0 { 1 } else { count }
    }

    /// The longest segment, headers included.
    pub(super) fn longest(&self) -> usize {
        self.headers_len + self.payload_len.min(self.size)
    }

    /// Where the next segment's data lies in the payload; `None` when there is no more.
    pub(super) fn data(&self) -> Option<Range<usize>> {
        let rest = self.payload_len - self.at;
        (!self.done).then(|| self.at..self.at + rest.min(self.size))
    }

    /// Makes a copy of the superpacket's headers those of the segment that [`data`](Self::data) names, and goes on to
    /// the next. `sum` is [`base`](Self::base) with the segment's data added.
    #[inline]
    pub(super) fn finish(&mut self, headers: &mut [u8], sum: u64, data_len: usize) {
        let len = self.headers_len + data_len;
        let last = self.at + data_len >= self.payload_len;
        self.finish_ip(headers, len);
        self.finish_transport(headers, sum, len, last);
        self.at += data_len;
        self.index = self.index.wrapping_add(1);
        self.done = last;
    }

    /// Lengths, identification and checksum of the IP header.
    #[inline]
    fn finish_ip(&self, headers: &mut [u8], len: usize) {
        match self.protocol {
            Protocol::Ipv4 => {
                let id = u16::from_be_bytes(array_or_zero(headers, 4)).wrapping_add(self.index);
                put(headers, 2, (len as u16).to_be_bytes());
                put(headers, 4, id.to_be_bytes());
                put(headers, 10, [0, 0]);
                let sum = checksum::of(headers.get(..self.ip_len).unwrap_or_default());
                put(headers, 10, sum.to_be_bytes());
            }
            Protocol::Ipv6 => put(headers, 4, ((len - ipv6::HEADER_LEN) as u16).to_be_bytes()),
        }
    }

    /// Sequence number, flags, length and checksum of the transport header; `sum` has all the rest.
    #[inline]
    fn finish_transport(&self, headers: &mut [u8], sum: u64, len: usize, last: bool) {
        let transport = headers.get_mut(self.ip_len..).unwrap_or_default();
        let len = (len - self.ip_len) as u32;
        // Small numbers in the machine's byte order, so that they can be added to the sum as they are.
        let word = |value: u16| u64::from(value.to_be());
        // Folded first: the words added below must not carry out of the top.
        let mut sum = u64::from(checksum::fold(sum).to_be());
        sum += word(len as u16) + word((len >> 16) as u16);
        if self.tcp {
            let sequence =
                u32::from_be_bytes(array_or_zero(transport, 4)).wrapping_add(self.at as u32);
            put(transport, 4, sequence.to_be_bytes());
            let [offset, mut flags] = array_or_zero::<2>(transport, 12);
            if !last {
                flags &= !(FIN | PSH);
            }
            if self.index > 0 {
                flags &= !CWR;
            }
            put(transport, 13, [flags]);
            sum += u64::from(sequence.to_be()) + u64::from(u16::from_ne_bytes([offset, flags]));
            put(transport, 16, (!checksum::fold(sum)).to_be_bytes());
        } else {
            put(transport, 4, (len as u16).to_be_bytes());
            sum += word(len as u16);
            // Zero means "no checksum" in UDP.
            let sum = match !checksum::fold(sum) {
                0 => 0xffff,
                sum => sum,
            };
            put(transport, 6, sum.to_be_bytes());
        }
    }
}

/// The sum over what all segments have in common: addresses, protocol, and the transport header but for
/// sequence number, flags, length and checksum.
fn invariant_sum(headers: &[u8], ip_len: usize, protocol: Protocol, tcp: bool) -> u64 {
    let addresses = match protocol {
        Protocol::Ipv4 => headers.get(12..20),
        Protocol::Ipv6 => headers.get(8..40),
    };
    let sum = checksum::pseudo_header(
        addresses.unwrap_or_default(),
        if tcp { TCP } else { UDP },
        0,
    );
    let part = |from, to| headers.get(ip_len + from..ip_len + to).unwrap_or_default();
    let mut sum = checksum::accumulate(sum, part(0, 4));
    if tcp {
        sum = checksum::accumulate(sum, part(8, 12));
        sum = checksum::accumulate(sum, part(14, 16));
        sum = checksum::accumulate(sum, headers.get(ip_len + 18..).unwrap_or_default());
    }
    // Folded, so that the few words added per segment cannot overflow.
    u64::from(checksum::fold(sum).to_be())
}

/// The IP version, the IP header's length and the transport protocol.
fn ip_header(packet: &[u8]) -> Result<(Protocol, usize, u8), GsoError> {
    let Some(protocol) = inspect::version(packet) else {
        return Err(GsoError::NotSplittable { protocol: 0 });
    };
    let fail = |required| {
        let fault = Fault::Truncated {
            required,
            available: packet.len(),
        };
        GsoError::Malformed(WireError::new(layer(protocol), 0, fault))
    };
    match protocol {
        Protocol::Ipv4 => {
            let view = ipv4::Packet::new_unchecked(packet);
            let len = view.header_len();
            if len < ipv4::HEADER_LEN || packet.len() < len {
                return Err(fail(len.max(ipv4::HEADER_LEN)));
            }
            if view.is_fragment() {
                return Err(GsoError::Fragment);
            }
            Ok((protocol, len, view.protocol()))
        }
        Protocol::Ipv6 => {
            if packet.len() < ipv6::HEADER_LEN {
                return Err(fail(ipv6::HEADER_LEN));
            }
            Ok((
                protocol,
                ipv6::HEADER_LEN,
                ipv6::Packet::new_unchecked(packet).next_header(),
            ))
        }
    }
}

const fn layer(protocol: Protocol) -> Layer {
    match protocol {
        Protocol::Ipv4 => Layer::Ipv4,
        Protocol::Ipv6 => Layer::Ipv6,
    }
}
