//! TUN devices with a virtio header in front of every packet (`IFF_VNET_HDR`): up to 64 KiB of one flow in one call.
//!
//! The header is that of `linux/virtio_net.h` in its 10-byte form, in the machine's byte order.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};

use kraud_tunnel::checksum;
use kraud_tunnel::gro::Coalesced;
use tun_rs::{DeviceBuilder, SyncDevice};

/// The bytes of the virtio header.
const HEADER: usize = 10;
/// `VIRTIO_NET_HDR_F_NEEDS_CSUM`: the transport checksum holds the pseudo header's sum only.
const NEEDS_CHECKSUM: u8 = 1;
/// `VIRTIO_NET_HDR_GSO_TCPV4`.
const GSO_TCP4: u8 = 1;
/// `VIRTIO_NET_HDR_GSO_TCPV6`.
const GSO_TCP6: u8 = 4;
/// `VIRTIO_NET_HDR_GSO_UDP_L4`.
const GSO_UDP: u8 = 5;
/// `VIRTIO_NET_HDR_GSO_ECN`, a flag beside the type.
const GSO_ECN: u8 = 0x80;

/// The longest packet that a device hands over.
pub(super) const LONGEST: usize = 65_535;

/// A pod's device.
pub(in crate::plane) struct Tun(SyncDevice);

/// What a device handed over, by its place in the buffer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// One packet, complete.
    Packet(Range<usize>),
    /// A superpacket of one flow and the payload of each of its segments.
    Super(Range<usize>, usize),
    /// Something that no kernel sends: dropped.
    Nonsense,
}

impl Tun {
    /// Makes a device in the calling thread's network namespace, down and without addresses.
    ///
    /// # Errors
    ///
    /// `EACCES` where `/dev/net/tun` is not for this user, `EPERM` without `CAP_NET_ADMIN`.
    pub(in crate::plane) fn open(name: &str) -> io::Result<Self> {
        let device = DeviceBuilder::new()
            .name(name)
            .offload(true)
            .inherit_enable_state()
            .build_sync()?;
        device.set_nonblocking(true)?;
        Ok(Self(device))
    }

    /// Takes one packet or superpacket and puts it at `at`, which must leave room for the header before it; `None`
    /// when there is none, or the device is down.
    pub(super) fn read(&self, buffer: &mut [u8], at: usize) -> Option<Read> {
        let start = at.checked_sub(HEADER)?;
        let length = self.0.recv(buffer.get_mut(start..)?).ok()?;
        Some(understand(buffer, at..start + length).unwrap_or(Read::Nonsense))
    }

    /// Gives the kernel one packet. It refuses only when the device is down or its queue is full: then the packet is
    /// lost, as on a wire.
    pub(super) fn write(&self, packet: &[u8]) {
        let _: io::Result<usize> = self
            .0
            .send_vectored(&[IoSlice::new(&[0; HEADER]), IoSlice::new(packet)]);
    }

    /// Gives the kernel what was coalesced, in one call.
    pub(super) fn write_coalesced(&self, coalesced: &Coalesced<'_>) {
        let header = header_of(coalesced);
        let _: io::Result<usize> = self
            .0
            .send_vectored(&[IoSlice::new(&header), IoSlice::new(coalesced.packet)]);
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl std::fmt::Debug for Tun {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Tun").finish_non_exhaustive()
    }
}

/// Reads the virtio header in front of `packet`, and completes the checksum that the kernel left to the device.
fn understand(buffer: &mut [u8], packet: Range<usize>) -> Option<Read> {
    let header: [u8; HEADER] = buffer
        .get(packet.start.checked_sub(HEADER)?..packet.start)?
        .try_into()
        .ok()?;
    let field = |at: usize| usize::from(u16::from_ne_bytes([header[at], header[at + 1]]));
    let (gso_size, checksum_start, checksum_offset) = (field(4), field(6), field(8));
    match header[1] & !GSO_ECN {
        0 => {
            if header[0] & NEEDS_CHECKSUM != 0 {
                complete_checksum(
                    buffer.get_mut(packet.clone())?,
                    checksum_start,
                    checksum_offset,
                )?;
            }
            Some(Read::Packet(packet))
        }
        GSO_TCP4 | GSO_TCP6 | GSO_UDP => Some(Read::Super(packet, gso_size)),
        _ => None,
    }
}

/// Sums from `start` to the end, the pseudo header's sum in the field included, and writes the result there.
fn complete_checksum(packet: &mut [u8], start: usize, offset: usize) -> Option<()> {
    let sum = checksum::of(packet.get(start..)?);
    let field = packet.get_mut(start.checked_add(offset)?..)?.get_mut(..2)?;
    // In UDP zero means "no checksum" (RFC 768); all ones is the same number. TCP does not mind.
    let sum = if sum == 0 { 0xffff } else { sum };
    field.copy_from_slice(&sum.to_be_bytes());
    Some(())
}

fn header_of(coalesced: &Coalesced<'_>) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    if coalesced.segments < 2 {
        return header;
    }
    let is_ipv4 = coalesced
        .packet
        .first()
        .is_some_and(|first| first >> 4 == 4);
    header[0] = NEEDS_CHECKSUM;
    header[1] = match (coalesced.tcp, is_ipv4) {
        (true, true) => GSO_TCP4,
        (true, false) => GSO_TCP6,
        (false, _) => GSO_UDP,
    };
    let checksum_offset = if coalesced.tcp { 16 } else { 6 };
    let fields = [
        coalesced.header_len,
        coalesced.segment_size,
        coalesced.transport,
        checksum_offset,
    ];
    for (field, value) in header[2..].chunks_exact_mut(2).zip(fields) {
        field.copy_from_slice(&value.to_ne_bytes());
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use kraud_tunnel::gro::{Coalescer, Push};
    use kraud_tunnel::gso::Segments;

    const AT: usize = 16;

    /// A virtio header in front of a packet.
    fn with_header(flags: u8, gso: u8, fields: [u16; 4], packet: &[u8]) -> Vec<u8> {
        let mut buffer = vec![0; AT - HEADER];
        buffer.extend([flags, gso]);
        buffer.extend(fields.iter().flat_map(|field| field.to_ne_bytes()));
        buffer.extend_from_slice(packet);
        buffer
    }

    /// An IPv4/UDP datagram with a right IP checksum and an empty UDP checksum.
    fn udp(payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45, 0];
        packet.extend(((28 + payload.len()) as u16).to_be_bytes());
        packet.extend([
            0, 7, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 9, 0, 9,
        ]);
        packet.extend(((8 + payload.len()) as u16).to_be_bytes());
        packet.extend([0, 0]);
        packet.extend_from_slice(payload);
        let sum = checksum::of(&packet[..20]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet
    }

    #[test]
    fn a_checksum_that_the_kernel_left_open_is_completed() {
        let mut packet = udp(b"payload");
        // What the kernel leaves: the sum of the pseudo header.
        let pseudo = checksum::fold(checksum::pseudo_header(&packet[12..20], 17, 15));
        packet[26..28].copy_from_slice(&pseudo.to_be_bytes());
        let mut buffer = with_header(NEEDS_CHECKSUM, 0, [0, 0, 20, 6], &packet);
        let whole = AT..buffer.len();
        assert_eq!(
            understand(&mut buffer, whole.clone()),
            Some(Read::Packet(whole))
        );
        // One segment of the same datagram, checksummed by the codec.
        let mut expected = vec![0; 64];
        let range = Segments::new(&packet, 1000)
            .unwrap()
            .next_into(&mut expected, 0)
            .unwrap()
            .unwrap();
        assert_eq!(buffer[AT + 26..AT + 28], expected[range][26..28]);
    }

    #[test]
    fn superpackets_are_told_by_their_type() {
        for (gso, known) in [
            (GSO_TCP4, true),
            (GSO_TCP6 | GSO_ECN, true),
            (GSO_UDP, true),
            (3, false),
            (7, false),
        ] {
            let mut buffer = with_header(0, gso, [0, 1340, 0, 0], &udp(b"payload"));
            let whole = AT..buffer.len();
            let expected = known.then(|| Read::Super(whole.clone(), 1340));
            assert_eq!(understand(&mut buffer, whole), expected, "type {gso}");
        }
    }

    #[test]
    fn offsets_beyond_the_packet_are_nonsense() {
        for fields in [
            [0, 0, 2000, 6],
            [0, 0, 20, 2000],
            [0, 0, 34, 0],
            [0, 0, u16::MAX, u16::MAX],
        ] {
            let mut buffer = with_header(NEEDS_CHECKSUM, 0, fields, &udp(b"payload"));
            let whole = AT..buffer.len();
            assert_eq!(understand(&mut buffer, whole), None, "{fields:?}");
        }
        assert_eq!(understand(&mut [0; 5], 5..5), None);
    }

    #[test]
    fn what_is_joined_is_announced_as_what_it_was_split_from() {
        let superpacket = udp(&[7; 2500]);
        let mut segments = Segments::new(&superpacket, 1000).unwrap();
        let (mut out, mut memory) = (vec![0; 2000], vec![0; LONGEST]);
        let mut coalescer = Coalescer::new(&mut memory);
        while let Some(range) = segments.next_into(&mut out, 0).unwrap() {
            assert_eq!(coalescer.push(&out[range]), Push::Taken);
        }
        let joined = coalescer.take().unwrap();
        let header = header_of(&joined);
        assert_eq!(header[..2], [NEEDS_CHECKSUM, GSO_UDP]);
        let fields: Vec<u16> = header[2..]
            .chunks(2)
            .map(|field| u16::from_ne_bytes([field[0], field[1]]))
            .collect();
        assert_eq!(fields, [28, 1000, 20, 6]);
    }
}
