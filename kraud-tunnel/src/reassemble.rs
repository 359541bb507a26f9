//! Putting the fragments of tunnel packets together, before decapsulation (RFC 2473 section 7, RFC 8200
//! section 4.5), in memory of the caller's and by the caller's clock.
//!
//! Everything is bounded: bytes by the memory that is given, packets by the number of slots, time by the
//! lifetime, one peer's share by a quota, fragments of one packet by [`MAX_FRAGMENTS`]. Overlap is handled
//! as RFC 5722 demands: the whole packet is given up, with the fragments of it that are still to come.
//!
//! ```
//! use kraud_tunnel::reassemble::{Reassembler, Slot};
//! use kraud_tunnel::fragment::{Fragments, Layout};
//! # let mut packet = vec![0u8; 1540];
//! # packet[0] = 0x60;
//! # packet[4..8].copy_from_slice(&[0x05, 0xdc, 4, 64]);
//! # packet[8] = 0xfd; packet[24] = 0xfd;
//! # packet[40] = 0x45;
//! // Room for 16 packets of 4 KiB.
//! let (mut slots, mut memory) = ([Slot::EMPTY; 16], vec![0; 16 * 4096]);
//! let mut reassembler = Reassembler::new(&mut slots, &mut memory);
//!
//! let mut fragments = Fragments::new(&packet, 1280, 7, Layout::Linux)?;
//! let mut wire = [0u8; 1280];
//! let first = fragments.next_into(&mut wire)?.ok_or("a fragment")?;
//! assert!(reassembler.insert(first, 0)?.is_none());
//! let second = fragments.next_into(&mut wire)?.ok_or("a fragment")?;
//! let whole = reassembler.insert(second, 5)?.ok_or("complete")?;
//! assert_eq!(whole, packet);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use core::net::Ipv6Addr;

use thiserror::Error;

use crate::ecn::{self, Ecn};
use crate::wire::ext::{self, Chain, ExtError, FragmentHeader, UNIT};
use crate::wire::ipv6::HEADER_LEN;
use crate::wire::{Fault, Layer, Protocol, WireError, array_or_zero, ipv6, put};

/// The most fragments of one packet.
pub const MAX_FRAGMENTS: usize = 64;

/// How long a packet may wait for its fragments, if nothing else is said: 60,000 ticks, so 60 seconds of a clock in
/// milliseconds (RFC 8200 section 4.5).
pub const LIFETIME: u64 = 60_000;

/// How many bytes of a slot are kept for the headers in front of the Fragment header.
const FRONT: usize = 128;

/// The state of one packet that is being put together.
#[derive(Debug, Clone, Copy)]
pub struct Slot {
    phase: Phase,
    key: Key,
    /// When the first fragment came, and when to give up.
    born: u64,
    deadline: u64,
    /// Where each fragment lies and how long it is, in the order of arrival.
    pieces: [(u16, u16); MAX_FRAGMENTS],
    count: u8,
    received: usize,
    /// The length of all data, once the last fragment is there.
    end: Option<usize>,
    /// The length of what stands in front of the Fragment header, and where the next header field is in it; from
    /// the first fragment.
    front: Option<(u8, u8)>,
    ecn: Ecn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Free,
    Open,
    /// Given up; fragments that still come are thrown away until the deadline.
    Spoiled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    source: Ipv6Addr,
    destination: Ipv6Addr,
    identification: u32,
}

impl Slot {
    /// A slot without a packet.
    pub const EMPTY: Self = Self {
        phase: Phase::Free,
        key: Key {
            source: Ipv6Addr::UNSPECIFIED,
            destination: Ipv6Addr::UNSPECIFIED,
            identification: 0,
        },
        born: 0,
        deadline: 0,
        pieces: [(0, 0); MAX_FRAGMENTS],
        count: 0,
        received: 0,
        end: None,
        front: None,
        ecn: Ecn::NotEct,
    };
}

impl Default for Slot {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// Puts fragments together.
#[derive(Debug)]
pub struct Reassembler<'m> {
    slots: &'m mut [Slot],
    memory: &'m mut [u8],
    per_slot: usize,
    per_peer: usize,
    lifetime: u64,
    evicted: u64,
}

impl<'m> Reassembler<'m> {
    /// A reassembler for as many packets as there are slots; each has its share of `memory`, of which 128 bytes
    /// are kept for headers. Packets that are longer than the share are refused.
    ///
    /// One peer may use half of the slots, at least one; a packet has [`LIFETIME`] ticks.
    #[must_use]
    pub fn new(slots: &'m mut [Slot], memory: &'m mut [u8]) -> Self {
        let per_slot = memory.len().checked_div(slots.len()).unwrap_or(0);
        let per_peer = (slots.len() / 2).max(1);
        slots.fill(Slot::EMPTY);
        Self {
            slots,
            memory,
            per_slot,
            per_peer,
            lifetime: LIFETIME,
            evicted: 0,
        }
    }

    /// Sets how many packets of one peer (outer source) may be open at once; at least one.
    #[must_use]
    pub fn per_peer(mut self, packets: usize) -> Self {
        self.per_peer = packets.max(1);
        self
    }

    /// Sets how many ticks of the caller's clock a packet may take.
    #[must_use]
    pub fn lifetime(mut self, ticks: u64) -> Self {
        self.lifetime = ticks;
        self
    }

    /// How many packets are open, those included that were given up and whose fragments may still come.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots
            .iter()
            .filter(|slot| slot.phase != Phase::Free)
            .count()
    }

    /// Whether no packet is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many open packets were given up for want of a slot or of the peer's share.
    #[must_use]
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Gives up packets whose time is over; returns how many of them were open.
    pub fn expire(&mut self, now: u64) -> usize {
        let mut expired = 0;
        for slot in self
            .slots
            .iter_mut()
            .filter(|slot| slot.phase != Phase::Free)
        {
            if slot.deadline <= now {
                expired += usize::from(slot.phase == Phase::Open);
                slot.phase = Phase::Free;
            }
        }
        expired
    }

    /// Takes a fragment at the time `now`. Returns the packet when it is whole: as it was before it was cut, in
    /// memory of the reassembler's that is free for others with the next call.
    ///
    /// An exact duplicate is nothing new. `now` must not run backwards.
    ///
    /// # Errors
    /// See [`ReassemblyError`]. Linear in the number of slots and of fragments of the packet, and in the
    /// length of the fragment.
    pub fn insert(
        &mut self,
        packet: &[u8],
        now: u64,
    ) -> Result<Option<&mut [u8]>, ReassemblyError> {
        self.expire(now);
        let fragment = Fragment::parse(packet)?;
        let room = self.per_slot.saturating_sub(FRONT);
        if fragment.end() > room {
            return Err(ReassemblyError::TooLong {
                len: fragment.end(),
                room,
            });
        }
        let index = match self
            .slots
            .iter()
            .position(|s| s.phase != Phase::Free && s.key == fragment.key)
        {
            Some(index) => index,
            None => self.open(&fragment, now)?,
        };
        let start = index * self.per_slot;
        let (Some(slot), Some(memory)) = (
            self.slots.get_mut(index),
            self.memory.get_mut(start..start + self.per_slot),
        ) else {
            return Err(ReassemblyError::NoRoom);
        };
        match slot.add(&fragment, memory) {
            Ok(false) => Ok(None),
            Ok(true) => {
                slot.phase = Phase::Free;
                Ok(Some(slot.finish(memory)))
            }
            Err(error) => {
                slot.phase = Phase::Spoiled;
                Err(error)
            }
        }
    }

    /// Finds a slot for a new packet; takes one from the peer itself at its quota, else from who has the most.
    fn open(&mut self, fragment: &Fragment<'_>, now: u64) -> Result<usize, ReassemblyError> {
        let peer = fragment.key.source;
        let own = self.held_by(peer);
        let free = self.slots.iter().position(|slot| slot.phase == Phase::Free);
        let index = match free {
            Some(index) if own < self.per_peer => index,
            _ if own >= self.per_peer => self.oldest_of(peer).ok_or(ReassemblyError::NoRoom)?,
            _ => {
                let greediest = self
                    .slots
                    .iter()
                    .map(|slot| slot.key.source)
                    .max_by_key(|p| self.held_by(*p));
                greediest
                    .and_then(|peer| self.oldest_of(peer))
                    .ok_or(ReassemblyError::NoRoom)?
            }
        };
        let slot = self.slots.get_mut(index).ok_or(ReassemblyError::NoRoom)?;
        self.evicted += u64::from(slot.phase == Phase::Open);
        *slot = Slot {
            phase: Phase::Open,
            key: fragment.key,
            born: now,
            deadline: now.saturating_add(self.lifetime),
            ecn: fragment.ecn,
            ..Slot::EMPTY
        };
        Ok(index)
    }

    fn held_by(&self, peer: Ipv6Addr) -> usize {
        self.slots
            .iter()
            .filter(|slot| slot.phase != Phase::Free && slot.key.source == peer)
            .count()
    }

    fn oldest_of(&self, peer: Ipv6Addr) -> Option<usize> {
        let of_peer = |slot: &Slot| slot.phase != Phase::Free && slot.key.source == peer;
        let all = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| of_peer(slot));
        all.min_by_key(|(_, slot)| (slot.phase == Phase::Open, slot.born))
            .map(|(index, _)| index)
    }
}

impl Slot {
    /// Adds a fragment; whether the packet is whole now. After an error the packet is to be given up.
    fn add(&mut self, fragment: &Fragment<'_>, memory: &mut [u8]) -> Result<bool, ReassemblyError> {
        if self.phase == Phase::Spoiled {
            return Err(ReassemblyError::Spoiled {
                identification: self.key.identification,
            });
        }
        let (start, end) = (usize::from(fragment.header.offset), fragment.end());
        let place = memory
            .get_mut(FRONT + start..FRONT + end)
            .ok_or(ReassemblyError::NoRoom)?;
        for &(at, len) in self.pieces.iter().take(usize::from(self.count)) {
            let (at, len) = (usize::from(at), usize::from(len));
            if (at, len) == (start, fragment.data.len()) {
                let same_end = fragment.header.more || self.end == Some(end);
                if *place == *fragment.data && same_end {
                    return Ok(false);
                }
            }
            if start < at + len && at < end {
                return Err(ReassemblyError::Overlap { offset: start });
            }
        }
        // Nothing lies behind the end, and there is one end only.
        let beyond = |known: usize| end > known || (!fragment.header.more && end != known);
        let reached = self.pieces.iter().take(usize::from(self.count));
        let reached = reached
            .map(|(at, len)| usize::from(*at) + usize::from(*len))
            .max()
            .unwrap_or(0);
        if self.end.is_some_and(beyond) || (!fragment.header.more && reached > end) {
            return Err(ReassemblyError::InconsistentEnd { offset: start });
        }
        let Some(piece) = self.pieces.get_mut(usize::from(self.count)) else {
            return Err(ReassemblyError::TooManyFragments);
        };
        if self.count == 0 {
            self.ecn = fragment.ecn;
        }
        self.ecn = ecn::reassemble(self.ecn, fragment.ecn).ok_or(ReassemblyError::MixedEcn)?;
        place.copy_from_slice(fragment.data);
        *piece = (fragment.header.offset, fragment.data.len() as u16);
        self.count += 1;
        self.received += fragment.data.len();
        if !fragment.header.more {
            self.end = Some(end);
        }
        if start == 0 {
            let front = fragment.front;
            let from = FRONT - front.len().min(FRONT);
            memory
                .get_mut(from..FRONT)
                .unwrap_or_default()
                .copy_from_slice(front);
            let packet = memory.get_mut(from..).unwrap_or_default();
            put(packet, fragment.pointer, [fragment.header.next_header]);
            self.front = Some((front.len() as u8, fragment.pointer as u8));
        }
        Ok(self.front.is_some() && self.end == Some(self.received))
    }

    /// The whole packet, its length and ECN field brought up to date.
    fn finish<'b>(&self, memory: &'b mut [u8]) -> &'b mut [u8] {
        let front = self.front.map_or(HEADER_LEN, |(len, _)| usize::from(len));
        let packet = memory
            .get_mut(FRONT - front..FRONT + self.received)
            .unwrap_or_default();
        let payload_len = packet.len().saturating_sub(HEADER_LEN);
        put(packet, 4, (payload_len as u16).to_be_bytes());
        let mut view = ipv6::Packet::new_unchecked(&mut *packet);
        let class = view.traffic_class() & 0xfc | self.ecn.bits();
        view.set_traffic_class(class);
        packet
    }
}

/// A fragment, taken apart and checked as far as it alone can be.
struct Fragment<'a> {
    key: Key,
    header: FragmentHeader,
    /// What stands in front of the Fragment header.
    front: &'a [u8],
    /// Where the field is in it that says that a Fragment header follows.
    pointer: usize,
    data: &'a [u8],
    ecn: Ecn,
}

impl<'a> Fragment<'a> {
    fn end(&self) -> usize {
        usize::from(self.header.offset) + self.data.len()
    }

    fn parse(packet: &'a [u8]) -> Result<Self, ReassemblyError> {
        let header = ipv6::check(packet)
            .map_err(|fault| ReassemblyError::Malformed(WireError::new(Layer::Ipv6, 0, fault)))?;
        let view = ipv6::Packet::new_unchecked(header.as_slice());
        let packet = packet.get(..view.total_len()).unwrap_or_default();
        let Chain {
            offset, fragment, ..
        } = ext::walk(packet)?;
        let Some((at, header)) = fragment else {
            return Err(ReassemblyError::NotFragment);
        };
        let (front, data) = (
            packet.get(..at).unwrap_or_default(),
            packet.get(offset..).unwrap_or_default(),
        );
        if front.len() > FRONT {
            let fault = Fault::Truncated {
                required: front.len(),
                available: FRONT,
            };
            return Err(ReassemblyError::Malformed(WireError::new(
                Layer::Fragment,
                at,
                fault,
            )));
        }
        // RFC 8200 section 4.5: every fragment but the last is a multiple of eight; Parameter Problem 0 at the
        // payload length. A fragment without data brings nothing.
        if data.is_empty() || (header.more && data.len() % 8 != 0) {
            return Err(ReassemblyError::OddLength {
                len: data.len(),
                pointer: 4,
            });
        }
        let payload = front.len() - HEADER_LEN + usize::from(header.offset) + data.len();
        if payload > usize::from(u16::MAX) {
            return Err(ReassemblyError::Oversize {
                len: payload,
                pointer: at + 2,
            });
        }
        let fragment = Self {
            key: Key {
                source: view.source(),
                destination: view.destination(),
                identification: header.identification,
            },
            header,
            front,
            pointer: field_before(front),
            data,
            ecn: Ecn::from_bits(view.traffic_class()),
        };
        if header.offset == 0 && !fragment.has_whole_chain() {
            return Err(ReassemblyError::HeaderChain);
        }
        Ok(fragment)
    }

    /// Whether the first fragment holds all headers up to the inner one, and that as well (RFC 7112).
    fn has_whole_chain(&self) -> bool {
        let mut next_header = self.header.next_header;
        let mut rest = self.data;
        for _ in 0..ext::MAX_HEADERS {
            let len = match next_header {
                ext::DESTINATION_OPTIONS | ext::ROUTING => {
                    let [_, words] = array_or_zero::<2>(rest, 0);
                    (usize::from(words) + 1) * UNIT
                }
                _ => {
                    let required = match Protocol::from_next_header(next_header) {
                        Some(Protocol::Ipv4) => 20,
                        Some(Protocol::Ipv6) => HEADER_LEN,
                        None => 1,
                    };
                    return rest.len() >= required;
                }
            };
            next_header = rest.first().copied().unwrap_or_default();
            match rest.get(len..) {
                Some(tail) if !rest.is_empty() => rest = tail,
                _ => return false,
            }
        }
        false
    }
}

/// Where the next header field is that says "fragment": that of the last header in `front`.
fn field_before(front: &[u8]) -> usize {
    let (mut field, mut at) = (6, HEADER_LEN);
    while at < front.len() {
        let [_, words] = array_or_zero::<2>(front, at);
        field = at;
        at += (usize::from(words) + 1) * UNIT;
    }
    field
}

/// Why a fragment was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum ReassemblyError {
    /// The headers in front of the Fragment header are wrong.
    #[error(transparent)]
    Extension(#[from] ExtError),
    /// The first fragment does not hold all headers (RFC 7112): Parameter Problem code 3, pointer 0.
    #[error("first fragment does not hold the whole header chain")]
    HeaderChain,
    /// Data behind the last fragment, or two last fragments.
    #[error("fragment at offset {offset} disagrees about the packet's end")]
    InconsistentEnd {
        /// The fragment's place in the packet.
        offset: usize,
    },
    /// The fragment cannot be read.
    #[error("fragment: {0}")]
    Malformed(WireError),
    /// Fragments with and without ECN (RFC 3168 section 5.3).
    #[error("fragments of one packet are partly ecn-capable and partly not")]
    MixedEcn,
    /// There is no slot, or no memory for it.
    #[error("no room for another packet; give the reassembler more slots and memory")]
    NoRoom,
    /// The packet is not a fragment, or the only one: decapsulate it directly.
    #[error("packet is not a fragment")]
    NotFragment,
    /// No data, or a length that is not a multiple of eight in front of the last fragment.
    #[error("fragment of {len} bytes is empty or not a multiple of 8")]
    OddLength {
        /// The length of its data.
        len: usize,
        /// What a Parameter Problem code 0 points at.
        pointer: usize,
    },
    /// The fragment overlaps another (RFC 5722).
    #[error("fragment at offset {offset} overlaps another; the packet is given up")]
    Overlap {
        /// The fragment's place in the packet.
        offset: usize,
    },
    /// The packet would be longer than 65,535 bytes.
    #[error("fragment would make a payload of {len} bytes, more than 65535")]
    Oversize {
        /// The payload's length.
        len: usize,
        /// What a Parameter Problem code 0 points at.
        pointer: usize,
    },
    /// The packet was given up before, and this is a late fragment of it.
    #[error("packet {identification:#010x} was given up")]
    Spoiled {
        /// What the fragments of the packet have in common.
        identification: u32,
    },
    /// The packet is longer than a slot's memory.
    #[error("packet of at least {len} bytes exceeds the {room} bytes of a slot")]
    TooLong {
        /// What the packet needs.
        len: usize,
        /// What a slot has.
        room: usize,
    },
    /// More fragments than [`MAX_FRAGMENTS`].
    #[error("packet has more than {MAX_FRAGMENTS} fragments")]
    TooManyFragments,
}
