//! Many packets at once: the front of each is touched before any is worked on, so that the memory system fetches
//! them side by side instead of one after the other.
//!
//! With packets that are in the cache already this gains nothing and loses nothing; with packets that a device has
//! just written it saves most of the time.
//!
//! ```
//! use kraud_tunnel::{Decapsulator, batch};
//! # let mut packet = vec![0u8; 60];
//! # packet[0] = 0x60; packet[5] = 20; packet[6] = 4;
//! # packet[40..].copy_from_slice(&[0x45, 0, 0, 20, 0x12, 0x34, 0x40, 0, 64, 253, 0x96, 0x22, 10, 198, 62, 5, 10, 198, 62, 6]);
//! let mut received = vec![packet.clone(), packet];
//! let mut inner = Vec::new();
//! batch::decapsulate(&Decapsulator::new(), &mut received, |index, buf, result| {
//!     inner.push((index, result.map(|found| found.inner)));
//! });
//! assert_eq!(inner, [(0, Ok(40..60)), (1, Ok(40..60))]);
//! ```

use core::hint::black_box;
use core::ops::Range;

use crate::decap::{DecapError, Decapsulated, Decapsulator};
use crate::encap::{EncapError, Encapsulator};
use crate::endpoints::Endpoints;

/// How many packets are touched ahead. More gain little and start to push each other out of the nearest cache.
pub const AHEAD: usize = 64;

/// Decapsulates the packets, each of which fills its buffer, and hands each result to `sink` with the packet's
/// number and buffer.
pub fn decapsulate<B: AsMut<[u8]>>(
    how: &Decapsulator,
    packets: &mut [B],
    mut sink: impl FnMut(usize, &mut [u8], Result<Decapsulated, DecapError>),
) {
    for (number, chunk) in packets.chunks_mut(AHEAD).enumerate() {
        // One byte of each line that the headers lie in: the outer header with the inner one is 60 or 68 bytes.
        let mut touched = 0;
        for packet in &mut *chunk {
            let bytes = packet.as_mut();
            touched ^= bytes.first().unwrap_or(&0) ^ bytes.get(64).unwrap_or(&0);
        }
        black_box(touched);
        for (index, packet) in chunk.iter_mut().enumerate() {
            let buf = packet.as_mut();
            let result = how.decapsulate(buf, 0..buf.len());
            sink(number * AHEAD + index, buf, result);
        }
    }
}

/// Encapsulates the packets, each of which starts at `headroom` and fills its buffer, and hands each result to
/// `sink` with the packet's number and buffer. `route` says which tunnel a packet goes into; a packet without one
/// is left out.
pub fn encapsulate<'e, B: AsMut<[u8]>>(
    how: &Encapsulator,
    packets: &mut [B],
    headroom: usize,
    mut route: impl FnMut(usize, &[u8]) -> Option<&'e Endpoints>,
    mut sink: impl FnMut(usize, &mut [u8], Result<Range<usize>, EncapError>),
) {
    for (number, chunk) in packets.chunks_mut(AHEAD).enumerate() {
        let mut touched = 0;
        for packet in &mut *chunk {
            touched ^= packet.as_mut().get(headroom).unwrap_or(&0);
        }
        black_box(touched);
        for (index, packet) in chunk.iter_mut().enumerate() {
            let (index, buf) = (number * AHEAD + index, packet.as_mut());
            if let Some(to) = route(index, buf.get(headroom..).unwrap_or_default()) {
                let result = how.encapsulate(buf, headroom..buf.len(), to);
                sink(index, buf, result);
            }
        }
    }
}
