//! Joining segments of one flow into a superpacket, so that the kernel takes many in one write.
//!
//! What is joined is what Linux's GRO would join: consecutive TCP segments, or UDP datagrams of one length, whose
//! headers agree, with right checksums. [`Segments`](crate::gso::Segments) is the way back.
//!
//! ```
//! use kraud_tunnel::gro::{Coalescer, Push};
//! use kraud_tunnel::gso::Segments;
//! # let mut superpacket = vec![0u8; 28 + 2500];
//! # superpacket[0] = 0x45; superpacket[2..4].copy_from_slice(&2528u16.to_be_bytes()); superpacket[9] = 17;
//! # superpacket[6] = 0x40; superpacket[24..26].copy_from_slice(&2508u16.to_be_bytes());
//! let mut memory = [0u8; 4096];
//! let mut joined = Coalescer::new(&mut memory);
//! let mut segments = Segments::new(&superpacket, 1000)?;
//! let mut segment = [0u8; 1500];
//! while let Some(range) = segments.next_into(&mut segment, 0)? {
//!     assert_ne!(joined.push(&segment[range]), Push::Refused);
//! }
//! let whole = joined.take().ok_or("nothing")?;
//! assert_eq!((whole.segments, whole.segment_size, whole.packet.len()), (3, 1000, 2528));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::checksum;
use crate::inspect;
use crate::wire::{Protocol, array_or_zero, ipv4, ipv6, put};

const TCP: u8 = 6;
const UDP: u8 = 17;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Push {
    /// It is the first, or was joined to those before.
    Taken,
    /// It does not go with what is there: [`Coalescer::take`] that, then push it again.
    Refused,
}

/// Joins segments in a buffer of the caller's.
#[derive(Debug)]
pub struct Coalescer<'b> {
    memory: &'b mut [u8],
    len: usize,
    /// What the packet in `memory` is, if others can be joined to it.
    flow: Option<Flow>,
    segments: u16,
}

/// A superpacket, or a single packet as it came.
#[derive(Debug, PartialEq, Eq)]
pub struct Coalesced<'b> {
    /// The packet. With more than one segment its lengths and IP checksum are right, and its transport checksum
    /// field holds the sum of the pseudo-header, as `VIRTIO_NET_HDR_F_NEEDS_CSUM` wants it.
    pub packet: &'b mut [u8],
    /// How many packets it was.
    pub segments: u16,
    /// The payload of each but the last: `gso_size` of the virtio header. Zero for a single packet.
    pub segment_size: u16,
    /// The length of IP and transport header: `hdr_len`. Zero for a single packet.
    pub header_len: u16,
    /// Where the transport header starts: `csum_start`. Zero for a single packet.
    pub transport: u16,
    /// Whether it is TCP, else UDP; only of interest with more than one segment.
    pub tcp: bool,
}

/// What a packet must agree in to be joined.
#[derive(Debug, Clone, Copy)]
struct Flow {
    protocol: Protocol,
    tcp: bool,
    ip_len: usize,
    header_len: usize,
    /// Payload of each segment but the last.
    size: usize,
    /// The sequence number that comes next.
    next: u32,
    /// Nothing comes behind this: it was short, or pushed.
    closed: bool,
}

impl<'b> Coalescer<'b> {
    /// A coalescer for superpackets of up to `memory.len()` bytes; more than 65,535 are never used.
    #[must_use]
    pub fn new(memory: &'b mut [u8]) -> Self {
        Self {
            memory,
            len: 0,
            flow: None,
            segments: 0,
        }
    }

    /// Whether there is nothing to take.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.segments == 0
    }

    /// Adds a packet: one IP packet, exactly as long as it says.
    ///
    /// The first packet is always taken, if it fits into the memory at all; it stays alone if it is nothing
    /// that can be joined. Linear in its length, for the checksum.
    pub fn push(&mut self, packet: &[u8]) -> Push {
        if self.segments == 0 {
            let Some(place) = self.memory.get_mut(..packet.len()) else {
                return Push::Refused;
            };
            place.copy_from_slice(packet);
            self.len = packet.len();
            self.segments = 1;
            self.flow = Flow::of(packet);
            return Push::Taken;
        }
        if self.join(packet).is_some() {
            Push::Taken
        } else {
            Push::Refused
        }
    }

    /// Takes out what is there, made ready for the kernel.
    pub fn take(&mut self) -> Option<Coalesced<'_>> {
        let (segments, len) = (
            core::mem::take(&mut self.segments),
            core::mem::take(&mut self.len),
        );
        let flow = self.flow.take();
        if segments == 0 {
            return None;
        }
        let packet = self.memory.get_mut(..len)?;
        let single = Coalesced {
            packet: &mut [],
            segments: 1,
            segment_size: 0,
            header_len: 0,
            transport: 0,
            tcp: false,
        };
        match flow {
            Some(flow) if segments > 1 => {
                flow.finish(packet);
                Some(Coalesced {
                    packet,
                    segments,
                    segment_size: flow.size as u16,
                    header_len: flow.header_len as u16,
                    transport: flow.ip_len as u16,
                    tcp: flow.tcp,
                })
            }
            _ => Some(Coalesced { packet, ..single }),
        }
    }

    /// Joins a packet to what is there; `None` if it does not go.
    fn join(&mut self, packet: &[u8]) -> Option<()> {
        let flow = self.flow.as_mut().filter(|flow| !flow.closed)?;
        let other = Flow::of(packet)?;
        let here = self.memory.get(..flow.header_len)?;
        let there = packet.get(..other.header_len)?;
        if other.header_len != flow.header_len || !flow.agrees(here, there, self.segments) {
            return None;
        }
        let data = packet.get(other.header_len..)?;
        let fits = data.len() <= flow.size && self.len + data.len() <= usize::from(u16::MAX);
        if !fits || (flow.tcp && sequence(there, flow.ip_len) != flow.next) {
            return None;
        }
        let push = flow.tcp && there.get(flow.ip_len + 13)? & PSH != 0;
        self.memory
            .get_mut(self.len..self.len + data.len())?
            .copy_from_slice(data);
        if push {
            let at = flow.ip_len + 13;
            let flags = array_or_zero::<1>(self.memory, at)[0] | PSH;
            put(self.memory, at, [flags]);
        }
        self.len += data.len();
        self.segments += 1;
        flow.next = flow.next.wrapping_add(data.len() as u32);
        flow.closed = push || data.len() < flow.size;
        Some(())
    }
}

impl Flow {
    /// What the packet is, if others can be joined to it: a right TCP segment with data and no flags of note, or a
    /// UDP datagram, whole and with a right checksum.
    fn of(packet: &[u8]) -> Option<Self> {
        let protocol = inspect::version(packet)?;
        if inspect::declared_len(packet)? != packet.len() {
            return None;
        }
        let (ip_len, transport) = match protocol {
            Protocol::Ipv4 => {
                let view = ipv4::Packet::new_checked(packet).ok()?;
                if view.header_len() != ipv4::HEADER_LEN || view.is_fragment() {
                    return None;
                }
                (ipv4::HEADER_LEN, view.protocol())
            }
            Protocol::Ipv6 => {
                let view = ipv6::Packet::new_checked(packet).ok()?;
                (ipv6::HEADER_LEN, view.next_header())
            }
        };
        let body = packet.get(ip_len..)?;
        let tcp = transport == TCP;
        let transport_len = match transport {
            TCP if body.get(13)? & !PSH == ACK => usize::from(body.get(12)? >> 4) * 4,
            UDP if usize::from(u16::from_be_bytes(array_or_zero(body, 4))) == body.len() => 8,
            _ => return None,
        };
        let size = body
            .len()
            .checked_sub(transport_len)
            .filter(|size| *size > 0)?;
        if tcp && transport_len < 20 || !has_right_checksum(packet, body, protocol, transport) {
            return None;
        }
        let next = sequence(packet, ip_len).wrapping_add(size as u32);
        let closed = tcp && body.get(13)? & PSH != 0;
        Some(Self {
            protocol,
            tcp,
            ip_len,
            header_len: ip_len + transport_len,
            size,
            next,
            closed,
        })
    }

    /// Whether the headers agree in everything that one superpacket has once.
    fn agrees(&self, here: &[u8], there: &[u8], segments: u16) -> bool {
        let same = |from: usize, to: usize| here.get(from..to) == there.get(from..to);
        let ip = match self.protocol {
            Protocol::Ipv4 => {
                let id = |header: &[u8]| u16::from_be_bytes(array_or_zero(header, 4));
                let dont_fragment = here.get(6).is_some_and(|flags| flags & 0x40 != 0);
                // Version, TOS; flags, TTL, protocol; addresses. Identifications count up, or do not matter.
                same(0, 2)
                    && same(6, 10)
                    && same(12, 20)
                    && (dont_fragment || id(there) == id(here).wrapping_add(segments))
            }
            Protocol::Ipv6 => same(0, 4) && same(6, 40),
        };
        let at = self.ip_len;
        let ports = same(at, at + 4);
        // Acknowledgement, offset, window, options. Flags were looked at by themselves.
        let tcp = !self.tcp
            || (same(at + 8, at + 13) && same(at + 14, at + 16) && same(at + 18, self.header_len));
        ip && ports && tcp
    }

    /// Brings lengths and checksums of the superpacket up to date.
    fn finish(&self, packet: &mut [u8]) {
        let len = packet.len();
        match self.protocol {
            Protocol::Ipv4 => {
                put(packet, 2, (len as u16).to_be_bytes());
                ipv4::Packet::new_unchecked(&mut *packet).fill_checksum();
            }
            Protocol::Ipv6 => put(packet, 4, ((len - ipv6::HEADER_LEN) as u16).to_be_bytes()),
        }
        let body = (len - self.ip_len) as u32;
        let (protocol, field) = if self.tcp {
            (TCP, self.ip_len + 16)
        } else {
            (UDP, self.ip_len + 6)
        };
        if !self.tcp {
            put(packet, self.ip_len + 4, (body as u16).to_be_bytes());
        }
        let sum = checksum::fold(checksum::pseudo_header(
            addresses(packet, self.protocol),
            protocol,
            body,
        ));
        put(packet, field, sum.to_be_bytes());
    }
}

fn addresses(packet: &[u8], protocol: Protocol) -> &[u8] {
    match protocol {
        Protocol::Ipv4 => packet.get(12..20),
        Protocol::Ipv6 => packet.get(8..40),
    }
    .unwrap_or_default()
}

fn sequence(packet: &[u8], ip_len: usize) -> u32 {
    u32::from_be_bytes(array_or_zero(packet, ip_len + 4))
}

/// Whether the transport checksum is there and right.
fn has_right_checksum(packet: &[u8], body: &[u8], protocol: Protocol, transport: u8) -> bool {
    if transport == UDP && array_or_zero::<2>(body, 6) == [0, 0] {
        return false;
    }
    let pseudo = checksum::pseudo_header(addresses(packet, protocol), transport, body.len() as u32);
    checksum::fold(checksum::accumulate(pseudo, body)) == 0xffff
}
