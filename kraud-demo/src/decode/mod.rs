//! The tunnelled conversations in a capture.
//!
//! ```text
//! pcap, pcapng ─capture─▶ frames ─link─▶ IPv6 packets ─kraud-tunnel─▶ inner packets ─▶ conversations
//!                                              └ fragments ─reassembly─▲
//! ```
//!
//! Memory is linear in the conversations, which a capture pays for with a packet each; fragments have a fixed share.

mod capture;
mod conversations;
mod link;

use std::collections::BTreeMap;
use std::io::Read;

use kraud_tunnel::reassemble::{Reassembler, Slot};
use kraud_tunnel::{DecapError, Decapsulator, DropReason, inspect};
use serde::Serialize;
use thiserror::Error;

pub use capture::Frame;
pub use conversations::{Conversation, Conversations};

use crate::table::Table;

/// How many packets may be in pieces at a time.
const OPEN_PACKETS: usize = 32;
/// The longest packet that is put together.
const LONGEST: usize = 65_536 + 128;

/// Why a capture cannot be read to its end; what was in front of that place is told nevertheless.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CaptureError {
    /// It ends inside of a block.
    #[error("the capture is cut off inside of a block, after {frames} frames")]
    CutOff {
        /// How many frames were read.
        frames: u64,
    },
    /// It is neither pcap nor pcapng.
    #[error("this is no capture: neither pcap nor pcapng starts like that")]
    NotACapture,
    /// A block makes no sense, or is larger than any packet.
    #[error("a block of the capture is damaged, after {frames} frames")]
    Damaged {
        /// How many frames were read.
        frames: u64,
    },
    /// The file cannot be read.
    #[error("the capture cannot be read, after {frames} frames")]
    Unreadable {
        /// How many frames were read.
        frames: u64,
    },
}

/// What is in a capture.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`SCHEMA`](crate::SCHEMA).
    pub schema: &'static str,
    /// How many frames it has.
    pub frames: u64,
    /// How many of them are tunnel packets, or pieces of one.
    pub tunnelled: u64,
    /// How many of them have nothing to do with a tunnel.
    pub other: u64,
    /// Why tunnel packets were not understood, and how many.
    pub dropped: BTreeMap<&'static str, u64>,
    /// The conversations, in the order of their first packets.
    pub conversations: Vec<Conversation>,
    /// Why the rest is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Reads a capture. O(n log c) in its bytes and the number of conversations.
pub fn decode(capture: impl Read + Send) -> (Report, Result<(), CaptureError>) {
    let mut slots = vec![Slot::EMPTY; OPEN_PACKETS];
    let mut memory = vec![0; OPEN_PACKETS * LONGEST];
    let mut decoder = Decoder {
        fragments: Reassembler::new(&mut slots, &mut memory),
        conversations: Conversations::default(),
        dropped: BTreeMap::new(),
        frames: 0,
        tunnelled: 0,
    };
    let end = capture::read(capture, |frame| decoder.frame(&frame));
    let report = Report {
        schema: crate::SCHEMA,
        frames: decoder.frames,
        tunnelled: decoder.tunnelled,
        other: decoder.frames - decoder.tunnelled,
        dropped: decoder.dropped,
        conversations: decoder.conversations.finish(),
        error: end.as_ref().err().map(ToString::to_string),
    };
    (report, end)
}

struct Decoder<'m> {
    fragments: Reassembler<'m>,
    conversations: Conversations,
    dropped: BTreeMap<&'static str, u64>,
    frames: u64,
    tunnelled: u64,
}

impl Decoder<'_> {
    fn frame(&mut self, frame: &Frame<'_>) {
        self.frames += 1;
        let Some(packet) = link::ipv6(frame.link, frame.data) else {
            return;
        };
        // Decapsulation is in place: ECN may have to be marked in the inner header.
        let mut packet = packet.to_vec();
        match self.packet(&mut packet, frame.nanoseconds) {
            Ok(()) => self.tunnelled += 1,
            Err(DropReason::NotTunnelPayload | DropReason::OuterVersion) => {}
            Err(reason) => {
                self.tunnelled += 1;
                *self.dropped.entry(reason.name()).or_default() += 1;
            }
        }
    }

    fn packet(&mut self, packet: &mut [u8], time: Option<u128>) -> Result<(), DropReason> {
        let length = packet.len();
        let error = match Decapsulator::new().decapsulate(packet, 0..length) {
            Ok(found) => {
                self.conversations.add(packet, &found, time);
                return Ok(());
            }
            Err(error) => error,
        };
        if error.reason() != DropReason::Fragment {
            return Err(reason_of(packet, &error));
        }
        if !carries_a_tunnel(packet) {
            return Err(DropReason::NotTunnelPayload);
        }
        // The frames' number is a clock as good as any: pieces that are a thousand frames apart do not belong together.
        match self.fragments.insert(packet, self.frames) {
            Ok(None) => Ok(()),
            Ok(Some(whole)) => {
                let length = whole.len();
                let found = Decapsulator::new()
                    .decapsulate(whole, 0..length)
                    .map_err(|error| error.reason())?;
                self.conversations.add(whole, &found, time);
                Ok(())
            }
            Err(_) => Err(DropReason::Reassembly),
        }
    }
}

/// Why a packet was refused; one that is IPv6 but no tunnel's is nobody's mistake.
fn reason_of(packet: &[u8], error: &DecapError) -> DropReason {
    match error.reason() {
        // A damaged packet of somebody else is not ours to complain about.
        reason if inspect::source_v6(packet).is_none() || carries_a_tunnel(packet) => reason,
        _ => DropReason::NotTunnelPayload,
    }
}

/// Whether the fixed header, or one of the usual extension headers behind it, announces IPv4 or IPv6.
fn carries_a_tunnel(packet: &[u8]) -> bool {
    const IPV4: u8 = 4;
    const IPV6: u8 = 41;
    const FRAGMENT: u8 = 44;
    let mut next = packet.get(6).copied();
    let mut at = 40;
    // A real packet has three of them at most.
    for _ in 0..8 {
        let length = match next {
            Some(IPV4 | IPV6) => return true,
            Some(FRAGMENT) => 8,
            Some(0 | 43 | 60) => match packet.get(at + 1) {
                Some(units) => (usize::from(*units) + 1) * 8,
                None => return false,
            },
            _ => return false,
        };
        next = packet.get(at).copied();
        at += length;
    }
    false
}

impl Report {
    /// The form for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut table = Table::new([
            "tunnel", "from", "to", "protocol", "packets", "bytes", "seconds",
        ]);
        for conversation in &self.conversations {
            table.row(conversation.cells());
        }
        let mut text = table.kra();
        text.push_str(&format!(
            "\n{} of {} frames are tunnelled, in {} conversation{}\n",
            self.tunnelled,
            self.frames,
            self.conversations.len(),
            if self.conversations.len() == 1 {
                ""
            } else {
                "s"
            }
        ));
        for (reason, count) in &self.dropped {
            text.push_str(&format!("{count} not understood: {reason}\n"));
        }
        text
    }
}
