//! Bytes as lower-case hexadecimal, for snapshots.

use alloc::{string::String, vec::Vec};

pub(crate) fn encode(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| alloc::format!("{byte:02x}"))
        .collect()
}

pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let canonical = text
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if text.len() % 2 != 0 || !canonical {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}
