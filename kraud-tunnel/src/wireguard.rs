//! WireGuard's transport data message, around what is encrypted: header, padding, lengths.
//!
//! A tunnel packet that goes through WireGuard needs [`HEADER_LEN`] bytes in front, [`TAG_LEN`] behind, and
//! up to 15 bytes of zeros in between. With those in the buffer from the start, a packet goes
//! from the TUN device to the UDP socket without being copied.
//!
//! ```
//! use kraud_tunnel::wireguard::{DataHeader, padding, message_len};
//! // 1,405 bytes on a device with an MTU of 1,420 are padded to 1,408.
//! assert_eq!(padding(1405, 1420), 3);
//! assert_eq!(message_len(1405, 1420), 16 + 1408 + 16);
//! // A full packet is not padded beyond the MTU.
//! assert_eq!(padding(1420, 1420), 0);
//! let mut front = [0; 16];
//! DataHeader { receiver: 7, counter: 1 }.emit(&mut front)?;
//! assert_eq!(front[..8], [4, 0, 0, 0, 7, 0, 0, 0]);
//! # Ok::<(), kraud_tunnel::wire::WireError>(())
//! ```

use crate::wire::{Fault, Layer, WireError, array_at, put};

/// The length of the header of a transport data message.
pub const HEADER_LEN: usize = 16;

/// The length of the authentication tag behind the ciphertext.
pub const TAG_LEN: usize = 16;

/// Plaintext is padded to a multiple of this.
pub const PADDING_MULTIPLE: usize = 16;

/// No counter at or above this is sent or taken: 2⁶⁴ - 2¹³ - 1 (WireGuard paper section 6.2).
pub const REJECT_AFTER_MESSAGES: u64 = u64::MAX - (1 << 13);

/// The message type of transport data.
pub const TYPE_DATA: u32 = 4;

/// The header of a transport data message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DataHeader {
    /// The receiver's index of the session.
    pub receiver: u32,
    /// The nonce.
    pub counter: u64,
}

impl DataHeader {
    /// Reads the header of a datagram.
    ///
    /// # Errors
    /// The datagram is shorter than header and tag, or of another type.
    pub fn parse(datagram: &[u8]) -> Result<Self, WireError> {
        let fail = |fault| WireError::new(Layer::WireGuard, 0, fault);
        let required = HEADER_LEN + TAG_LEN;
        let (true, Some(kind), Some(receiver), Some(counter)) = (
            datagram.len() >= required,
            array_at::<4>(datagram, 0),
            array_at::<4>(datagram, 4),
            array_at::<8>(datagram, 8),
        ) else {
            return Err(fail(Fault::Truncated {
                required,
                available: datagram.len(),
            }));
        };
        if u32::from_le_bytes(kind) != TYPE_DATA {
            return Err(fail(Fault::BadVersion {
                found: kind[0],
                expected: TYPE_DATA as u8,
            }));
        }
        Ok(Self {
            receiver: u32::from_le_bytes(receiver),
            counter: u64::from_le_bytes(counter),
        })
    }

    /// How many bytes [`emit`](Self::emit) writes.
    #[must_use]
    pub const fn buffer_len(&self) -> usize {
        HEADER_LEN
    }

    /// Writes the header to the front of `bytes`.
    ///
    /// # Errors
    /// `bytes` is shorter than the header.
    pub fn emit(&self, bytes: &mut [u8]) -> Result<(), WireError> {
        let available = bytes.len();
        if available < HEADER_LEN {
            let fault = Fault::Truncated {
                required: HEADER_LEN,
                available,
            };
            return Err(WireError::new(Layer::WireGuard, 0, fault));
        }
        put(bytes, 0, TYPE_DATA.to_le_bytes());
        put(bytes, 4, self.receiver.to_le_bytes());
        put(bytes, 8, self.counter.to_le_bytes());
        Ok(())
    }
}

/// How many zeros follow `len` bytes of plaintext on a device with this MTU: up to the next multiple of 16, but not
/// beyond the MTU.
///
/// A superpacket that is longer than the MTU is padded as its last part would be, like Linux does
/// (`drivers/net/wireguard/send.c`, `calculate_skb_padding`).
#[must_use]
pub const fn padding(len: usize, mtu: usize) -> usize {
    if mtu == 0 {
        return len.next_multiple_of(PADDING_MULTIPLE) - len;
    }
    let last = if len > mtu { len % mtu } else { len };
    let padded = last.next_multiple_of(PADDING_MULTIPLE);
    let padded = if padded > mtu { mtu } else { padded };
    padded - last
}

/// The length of the datagram for `len` bytes of plaintext.
#[must_use]
pub const fn message_len(len: usize, mtu: usize) -> usize {
    HEADER_LEN + len + padding(len, mtu) + TAG_LEN
}
