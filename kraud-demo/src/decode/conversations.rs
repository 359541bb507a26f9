//! Who talked to whom inside of which tunnel.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use kraud_tunnel::wire::{ipv4, ipv6};
use kraud_tunnel::{Decapsulated, Protocol, inspect};
use serde::Serialize;

const TCP: u8 = 6;
const UDP: u8 = 17;
const NANOSECONDS: u128 = 1_000_000_000;

/// Packets between two inner ends, both ways, inside of one tunnel. Index 0 of every pair is the end that the first
/// packet came from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Conversation {
    /// The ends of the tunnel.
    pub tunnel: [Ipv6Addr; 2],
    /// The ends of the conversation.
    pub ends: [IpAddr; 2],
    /// `icmp`, `tcp`, `udp`, or the protocol's number.
    pub protocol: String,
    /// The ports, where the protocol has them and the first packet shows them.
    pub ports: Option<[u16; 2]>,
    /// How many packets went there and back.
    pub packets: [u64; 2],
    /// How many bytes the inner packets had.
    pub bytes: [u64; 2],
    /// When the first packet was captured, in seconds since the epoch.
    pub first: Option<f64>,
    /// The time from the first packet to the last, in seconds.
    pub duration: Option<f64>,
}

/// What makes two packets belong together: the ends in ascending order, with those of the tunnel beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    low: End,
    high: End,
    protocol: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct End {
    address: IpAddr,
    port: Option<u16>,
    outer: Ipv6Addr,
}

/// Conversations while a capture is read.
#[derive(Debug, Default)]
pub struct Conversations {
    by_key: BTreeMap<Key, usize>,
    all: Vec<(Conversation, Times)>,
}

#[derive(Debug, Default)]
struct Times {
    first: Option<u128>,
    last: Option<u128>,
}

impl Conversations {
    /// Counts a packet that came out of a tunnel.
    pub fn add(&mut self, packet: &[u8], found: &Decapsulated, time: Option<u128>) {
        let inner = packet.get(found.inner.clone()).unwrap_or_default();
        let (Some(source), Some(destination)) =
            (inspect::source(inner), inspect::destination(inner))
        else {
            return;
        };
        let (protocol, payload) = transport(found.protocol, inner);
        let ports = ports(protocol, payload);
        let end = |address, port, outer| End {
            address,
            port,
            outer,
        };
        let from = end(source, ports.map(|ports| ports[0]), found.source);
        let to = end(destination, ports.map(|ports| ports[1]), found.destination);
        let key = Key {
            low: from.min(to),
            high: from.max(to),
            protocol,
        };
        let index = *self.by_key.entry(key).or_insert_with(|| {
            let conversation = Conversation {
                tunnel: [from.outer, to.outer],
                ends: [source, destination],
                protocol: name(protocol),
                ports,
                packets: [0; 2],
                bytes: [0; 2],
                first: None,
                duration: None,
            };
            self.all.push((conversation, Times::default()));
            self.all.len() - 1
        });
        let Some((conversation, times)) = self.all.get_mut(index) else {
            return;
        };
        let forth = conversation.ends[0] == source
            && conversation.ports.map(|ports| ports[0]) == from.port
            && conversation.tunnel[0] == from.outer;
        let direction = usize::from(!forth);
        conversation.packets[direction] += 1;
        conversation.bytes[direction] += inner.len() as u64;
        times.first = times.first.or(time);
        times.last = time.or(times.last);
    }

    /// All of them, in the order of their first packets.
    #[must_use]
    pub fn finish(self) -> Vec<Conversation> {
        let finished = self
            .all
            .into_iter()
            .map(|(conversation, times)| Conversation {
                first: times.first.map(seconds),
                duration: times
                    .first
                    .zip(times.last)
                    .map(|(first, last)| seconds(last.saturating_sub(first))),
                ..conversation
            });
        finished.collect()
    }
}

/// To the microsecond, which is what captures have and a float can hold.
#[allow(clippy::cast_precision_loss, reason = "a display of seconds")]
fn seconds(nanoseconds: u128) -> f64 {
    let micros = nanoseconds / 1000;
    micros as f64 / (NANOSECONDS / 1000) as f64
}

/// The transport protocol of an inner packet, and what follows its header. Extension headers of inner IPv6 are not
/// walked: their number stands for the protocol then.
fn transport(protocol: Protocol, inner: &[u8]) -> (u8, &[u8]) {
    match protocol {
        Protocol::Ipv4 => match ipv4::Packet::new_checked(inner) {
            // Only the first fragment has the ports.
            Ok(packet) if packet.fragment_offset() > 0 => (packet.protocol(), &[]),
            Ok(packet) => {
                let payload = inner.get(packet.header_len()..).unwrap_or_default();
                (packet.protocol(), payload)
            }
            Err(_) => (0, &[]),
        },
        Protocol::Ipv6 => match ipv6::Packet::new_checked(inner) {
            Ok(packet) => (packet.next_header(), inner.get(40..).unwrap_or_default()),
            Err(_) => (0, &[]),
        },
    }
}

fn ports(protocol: u8, payload: &[u8]) -> Option<[u16; 2]> {
    if protocol != TCP && protocol != UDP {
        return None;
    }
    let [a, b, c, d] = *payload.first_chunk::<4>()?;
    Some([u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])])
}

fn name(protocol: u8) -> String {
    match protocol {
        1 => "icmp".to_owned(),
        58 => "icmpv6".to_owned(),
        TCP => "tcp".to_owned(),
        UDP => "udp".to_owned(),
        other => other.to_string(),
    }
}

impl Conversation {
    /// A row for people; counts are there/back.
    pub(super) fn cells(&self) -> [String; 7] {
        let end = |index: usize| match (self.ends[index], self.ports) {
            (IpAddr::V4(address), Some(ports)) => format!("{address}:{}", ports[index]),
            (IpAddr::V6(address), Some(ports)) => format!("[{address}]:{}", ports[index]),
            (address, None) => address.to_string(),
        };
        let [there, back] = self.packets;
        let [bytes_there, bytes_back] = self.bytes;
        [
            format!("{} > {}", self.tunnel[0], self.tunnel[1]),
            end(0),
            end(1),
            self.protocol.clone(),
            format!("{there}/{back}"),
            format!("{bytes_there}/{bytes_back}"),
            self.duration
                .map(|seconds| format!("{seconds:.6}"))
                .unwrap_or_default(),
        ]
    }
}
