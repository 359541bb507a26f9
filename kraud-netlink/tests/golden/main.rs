//! Every change that iproute2 and `wg` were recorded making, made by this crate: the same bytes.
//!
//! Each entry is a command as it was recorded and the operation that stands for it. Where this crate sends
//! something else on purpose the entry says what differs and why, attribute by attribute where both send a message; a
//! recorded change without an entry fails the test.

mod links;
mod network;
mod wireguard;

use kraud_netlink::{Error, Op, Resolve, Result, wire};
use serde_json::Value;

/// What this crate does about a recorded command.
pub(crate) enum Expect {
    /// The same bytes.
    Same(Op),
    /// The same bytes but for padding, which `ip` leaves as it finds it.
    SameButPadding(Op),
    /// The same attributes but for those named, theirs with `-` and ours with `+`, for a reason.
    Near(Op, &'static [&'static str], &'static str),
    /// Something else, for a reason.
    Differs(&'static str),
}

pub(crate) use Expect::{Differs, Near, Same, SameButPadding};

/// The links of the recording's namespace.
struct Recorded;

impl Resolve for Recorded {
    fn link(&mut self, name: &str) -> Result<u32> {
        Ok(match name {
            "lo" => 1,
            "eth0" => 10,
            "eth0p" => 11,
            "eth0.10" => 12,
            "x12" => 13,
            "br0" => 14,
            _ => {
                return Err(Error::NotFound {
                    what: "link",
                    name: name.to_owned(),
                    hint: None,
                });
            }
        })
    }

    fn netns(&mut self, _name: &str) -> Result<i32> {
        Ok(0x7fff)
    }

    fn netns_id(&mut self, _name: &str) -> Result<i32> {
        Ok(0)
    }

    fn link_in(&mut self, _netns: &str, name: &str) -> Result<u32> {
        self.link(name)
    }

    fn family(&mut self, _name: &'static str) -> Result<u16> {
        Ok(31)
    }
}

/// A recorded command and the messages by which it changed something.
pub(crate) struct Vector {
    pub(crate) command: String,
    pub(crate) changes: Vec<Vec<u8>>,
}

pub(crate) fn vectors(json: &str) -> Vec<Vector> {
    let Value::Array(entries) = serde_json::from_str(json).unwrap() else {
        panic!("no array")
    };
    let vector = |entry: &Value| Vector {
        command: entry["cmd"].as_str().unwrap().to_owned(),
        changes: entry["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(bytes)
            .filter(|bytes| is_change(bytes))
            .collect(),
    };
    entries.iter().map(vector).collect()
}

fn bytes(message: &Value) -> Vec<u8> {
    let hex = message["hex"].as_str().unwrap();
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

/// Is it a change, and not a look-up or `ip`'s empty question for what the kernel supports?
fn is_change(message: &[u8]) -> bool {
    const LOOK_UPS: [u16; 7] = [18, 22, 26, 30, 34, 90, 106];
    let kind = u16::from_ne_bytes([message[4], message[5]]);
    let family_look_up =
        kind == 16 && u16::from_ne_bytes([message[6], message[7]]) == 5 && message[16] == 3;
    let empty = kind == 16 && message.len() == 32 && message[16..].iter().all(|&byte| byte == 0);
    !(LOOK_UPS.contains(&kind) || family_look_up || empty)
}

/// The operation's messages.
fn encode(op: &Op) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    op.encode(&mut Recorded, &mut out)
        .unwrap_or_else(|error| panic!("{op}: {error}"));
    split(&out)
}

pub(crate) fn split(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let len = u32::from_ne_bytes(bytes[..4].try_into().unwrap()) as usize;
        messages.push(bytes[..len].to_vec());
        bytes = &bytes[len.next_multiple_of(4).min(bytes.len())..];
    }
    messages
}

/// Checks every vector of a file against its entry, and that no entry is without a vector.
pub(crate) fn check(json: &str, entries: Vec<(&str, Expect)>) {
    let vectors = vectors(json);
    for (command, _) in &entries {
        assert!(
            vectors.iter().any(|vector| vector.command == *command),
            "nothing was recorded for `{command}`"
        );
    }
    for vector in &vectors {
        if vector.changes.is_empty() {
            continue;
        }
        let entry = entries
            .iter()
            .find(|(command, _)| *command == vector.command);
        let Some((_, expect)) = entry else {
            panic!("no entry for `{}`", vector.command)
        };
        let (op, padding) = match expect {
            Same(op) => (op, false),
            SameButPadding(op) => (op, true),
            Near(op, expected, why) => {
                println!("differs: `{}`: {why}", vector.command);
                let (ours, mut theirs) = (encode(op), vector.changes.clone());
                theirs
                    .iter_mut()
                    .for_each(|message| mask_descriptor(message));
                assert_eq!(
                    difference(&theirs, &ours),
                    *expected,
                    "`{}`",
                    vector.command
                );
                continue;
            }
            Differs(why) => {
                println!("differs: `{}`: {why}", vector.command);
                continue;
            }
        };
        let (mut ours, mut theirs) = (encode(op), vector.changes.clone());
        for (ours, theirs) in ours.iter_mut().zip(&mut theirs) {
            mask_descriptor(theirs);
            if padding {
                clear_padding(ours);
                clear_padding(theirs);
            }
        }
        assert_eq!(hex(&ours), hex(&theirs), "`{}`", vector.command);
    }
}

/// What differs between messages, attribute by attribute.
fn difference(theirs: &[Vec<u8>], ours: &[Vec<u8>]) -> Vec<String> {
    let lines = |messages: &[Vec<u8>]| -> Vec<String> {
        messages.iter().flat_map(|message| tree(message)).collect()
    };
    let (theirs, ours) = (lines(theirs), lines(ours));
    let only = |these: &[String], others: &[String], sign: char| -> Vec<String> {
        let only = these.iter().filter(|line| !others.contains(line));
        only.map(|line| format!("{sign} {line}")).collect()
    };
    let mut lines = only(&theirs, &ours, '-');
    lines.extend(only(&ours, &theirs, '+'));
    lines
}

/// A message as lines: its flags, its fixed header, and each attribute with the path of its numbers.
fn tree(message: &[u8]) -> Vec<String> {
    let kind = u16::from_ne_bytes([message[4], message[5]]);
    let flags = u16::from_ne_bytes([message[6], message[7]]);
    let start = match kind {
        16 | 17 => 32,
        20 | 21 => 24,
        _ => 28,
    };
    let mut lines = vec![
        format!("flags {flags:#x}"),
        format!("header {}", hex(&[message[16..start].to_vec()])[0]),
    ];
    attributes(kind, &message[start..], "", &mut lines);
    lines
}

fn attributes(kind: u16, bytes: &[u8], path: &str, lines: &mut Vec<String>) {
    for attr in wire::attrs(bytes) {
        let attr = attr.unwrap();
        let path = format!("{path}{}", attr.kind());
        // IFLA_LINKINFO and its IFLA_INFO_DATA.
        if kind == 16 && ["18", "18.2"].contains(&path.as_str()) {
            attributes(kind, attr.payload, &format!("{path}."), lines);
        } else {
            lines.push(format!("{path} {}", hex(&[attr.payload.to_vec()])[0]));
        }
    }
}

/// Replaces the descriptor of a namespace, which is the recording process's own, by this test's.
fn mask_descriptor(message: &mut [u8]) {
    let kind = u16::from_ne_bytes([message[4], message[5]]);
    let (start, attr) = match kind {
        16 => (32, [8, 0, 28, 0]),
        88 => (20, [8, 0, 3, 0]),
        _ => return,
    };
    let mut at = start;
    while at + 8 <= message.len() {
        let len = u16::from_ne_bytes([message[at], message[at + 1]]) as usize;
        if message[at..at + 4] == attr {
            message[at + 4..at + 8].copy_from_slice(&0x7fff_u32.to_ne_bytes());
        }
        at += len.max(4).next_multiple_of(4);
    }
}

/// Zeroes the padding behind a route's attributes and those inside its encapsulation.
fn clear_padding(message: &mut [u8]) {
    fn level(bytes: &mut [u8]) {
        let mut at = 0;
        while at + 4 <= bytes.len() {
            let len = u16::from_ne_bytes([bytes[at], bytes[at + 1]]) as usize;
            let kind = u16::from_ne_bytes([bytes[at + 2], bytes[at + 3]]);
            if kind & 0x8000 != 0 {
                level(&mut bytes[at + 4..at + len]);
            }
            let end = len.next_multiple_of(4).min(bytes.len() - at);
            bytes[at + len..at + end].fill(0);
            at += end.max(4);
        }
    }
    level(&mut message[28..]);
}

pub(crate) fn hex(messages: &[Vec<u8>]) -> Vec<String> {
    messages
        .iter()
        .map(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect())
        .collect()
}
