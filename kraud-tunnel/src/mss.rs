//! Clamping the maximum segment size of TCP connections that go through a tunnel (RFC 4459 section 3.2's kin), so
//! that they never send a segment that does not fit.
//!
//! ```
//! use kraud_tunnel::mss;
//! // A SYN from 10.0.0.1 with an MSS of 1,460 is about to enter a tunnel with an MTU of 1,380.
//! let mut syn = [
//!     0x45, 0, 0, 44, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, // IPv4
//!     0x30, 0x39, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x60, 0x02, 0xff, 0xff, 0, 0, 0, 0, // TCP
//!     2, 4, 0x05, 0xb4, // MSS 1460
//! ];
//! assert_eq!(mss::clamp(&mut syn, 1380), Some(1460));
//! assert_eq!(syn[42..], 1340u16.to_be_bytes());
//! assert_eq!(mss::clamp(&mut syn, 1380), None);
//! ```

use crate::checksum;
use crate::inspect;
use crate::wire::{Protocol, array_at, ipv4, ipv6, put};

const TCP: u8 = 6;
const SYN: u8 = 0x02;

/// Lowers the MSS option of a SYN so that segments fit into `mtu` bytes with their IP and TCP headers; corrects the
/// checksum for it. Returns the old value, or `None` if nothing was to be done.
///
/// Looks at unfragmented IPv4 and at IPv6 without extension headers. Never raises an MSS, and never adds one. Linear
/// in the length of the TCP options.
pub fn clamp(packet: &mut [u8], mtu: u16) -> Option<u16> {
    let (tcp, fixed) = match inspect::version(packet)? {
        Protocol::Ipv4 => {
            let view = ipv4::Packet::new_unchecked(&*packet);
            if view.protocol() != TCP || view.is_fragment() || view.header_len() < ipv4::HEADER_LEN
            {
                return None;
            }
            (view.header_len(), 40)
        }
        Protocol::Ipv6 => {
            let view = ipv6::Packet::new_unchecked(&*packet);
            if view.next_header() != TCP {
                return None;
            }
            (ipv6::HEADER_LEN, 60)
        }
    };
    let most = mtu.checked_sub(fixed)?;
    let [offset, flags] = array_at::<2>(packet, tcp + 12)?;
    if flags & SYN == 0 {
        return None;
    }
    let end = tcp + usize::from(offset >> 4) * 4;
    let mut at = tcp + 20;
    while at < end {
        match (packet.get(at)?, packet.get(at + 1)) {
            (0, _) => return None,
            (1, _) => at += 1,
            (2, Some(4)) if at + 4 <= end => {
                let old = u16::from_be_bytes(array_at(packet, at + 2)?);
                if old <= most {
                    return None;
                }
                let sum = u16::from_be_bytes(array_at(packet, tcp + 16)?);
                put(packet, at + 2, most.to_be_bytes());
                put(
                    packet,
                    tcp + 16,
                    updated(sum, old, most, at % 2 != tcp % 2).to_be_bytes(),
                );
                return Some(old);
            }
            (_, Some(len)) if *len >= 2 => at += usize::from(*len),
            _ => return None,
        }
    }
    None
}

/// The checksum after a 16-bit field changed that may lie across two words.
const fn updated(sum: u16, old: u16, new: u16, odd: bool) -> u16 {
    if odd {
        checksum::update(sum, old.swap_bytes(), new.swap_bytes())
    } else {
        checksum::update(sum, old, new)
    }
}

#[cfg(test)]
mod tests {
    use super::clamp;
    use crate::checksum;
    use crate::wire::put;

    /// A SYN with these options, its checksum right.
    fn syn<const N: usize>(options: [u8; N]) -> ([u8; 80], usize) {
        let mut packet = [0; 80];
        let len = 40 + N;
        packet[0] = 0x45;
        packet[9] = 6;
        packet[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        packet[32] = (5 + N as u8 / 4) << 4;
        packet[33] = 2;
        packet[40..len].copy_from_slice(&options);
        let sum = !total(&packet[..len]);
        put(&mut packet, 36, sum.to_be_bytes());
        (packet, len)
    }

    fn total(packet: &[u8]) -> u16 {
        let pseudo = checksum::pseudo_header(&packet[12..20], 6, packet.len() as u32 - 20);
        checksum::fold(checksum::accumulate(pseudo, &packet[20..]))
    }

    #[test]
    fn the_checksum_follows_wherever_the_option_stands() {
        for options in [
            [2, 4, 0x05, 0xb4, 1, 1, 1, 0],
            [1, 2, 4, 0x05, 0xb4, 1, 1, 0],
            [1, 1, 2, 4, 0x05, 0xb4, 1, 0],
        ] {
            let (mut packet, len) = syn(options);
            assert_eq!(clamp(&mut packet[..len], 1380), Some(1460));
            assert_eq!(total(&packet[..len]), 0xffff, "{options:?}");
        }
    }

    #[test]
    fn what_is_no_syn_or_damaged_is_left_alone() {
        let (packet, len) = syn([2, 4, 0x05, 0xb4]);
        let with = |at: usize, value: u8| {
            let mut changed = packet;
            changed[at] = value;
            let before = changed;
            assert_eq!(clamp(&mut changed[..len], 1380), None, "byte {at}");
            assert_eq!(changed, before);
        };
        for (at, value) in [
            (33, 0x10),
            (9, 17),
            (7, 1),
            (0, 0x44),
            (0, 0x55),
            (40, 0),
            (41, 3),
            (41, 0),
        ] {
            with(at, value);
        }
        for cut in 0..len {
            let mut short = packet;
            assert_eq!(clamp(&mut short[..cut], 1380), None, "cut at {cut}");
        }
        assert_eq!(clamp(&mut { packet }[..len], 1500), None);
        assert_eq!(clamp(&mut { packet }[..len], 39), None);
    }
}
