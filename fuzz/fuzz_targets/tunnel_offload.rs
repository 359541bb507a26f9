//! Any bytes as a superpacket, split in both ways, as segments to join, and as a packet whose MSS is clamped.
#![no_main]

use arbitrary::Arbitrary;
use kraud_tunnel::gro::{Coalescer, Push};
use kraud_tunnel::gso::{InPlace, Segments};
use kraud_tunnel::wire::{ipv4, ipv6};
use kraud_tunnel::{checksum, mss};
use libfuzzer_sys::fuzz_target;

/// Longer superpackets only repeat what shorter ones show.
const LONGEST: usize = 512;
const HEADROOM: usize = 4;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    size: u8,
    mtu: u16,
    kind: u8,
    packet: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    let len = input.packet.len().min(LONGEST);
    let (mut buffer, mut clamped) = ([0; HEADROOM + LONGEST], [0; LONGEST]);
    buffer[HEADROOM..HEADROOM + len].copy_from_slice(&input.packet[..len]);
    mend(&mut buffer[HEADROOM..HEADROOM + len], input.kind);
    let packet = buffer;
    let packet = &packet[HEADROOM..HEADROOM + len];
    let clamped = &mut clamped[..len];
    clamped.copy_from_slice(packet);
    if let Some(old) = mss::clamp(clamped, input.mtu) {
        assert!(old > input.mtu.saturating_sub(60));
        assert_eq!(sum(clamped), sum(packet), "the checksum follows");
        assert_eq!(mss::clamp(clamped, input.mtu), None);
    }
    let size = usize::from(input.size);
    let segments = Segments::new(packet, size);
    let in_place = InPlace::new(&buffer, HEADROOM..HEADROOM + len, size);
    let (mut segments, mut in_place) = match (segments, in_place) {
        (Ok(segments), Ok(in_place)) => (segments, in_place),
        (segments, in_place) => return assert_eq!(segments.err(), in_place.err()),
    };
    let (mut left, longest) = (segments.count(), segments.longest());
    let (mut memory, mut out) = ([0; 1024], [0; HEADROOM + LONGEST]);
    let mut joined = Coalescer::new(&mut memory);
    let (mut together, mut alone) = (0, 0);
    while let Some(range) = segments.next_into(&mut out, HEADROOM).expect("room") {
        let segment = &out[range];
        let same = in_place.next(&mut buffer).expect("its buffer");
        assert_eq!(&buffer[same.expect("as many")], segment);
        left -= 1;
        assert!(segment.len() <= longest && right_header(segment));
        assert_eq!(sum(segment), 0xffff, "transport checksum");
        match joined.push(segment) {
            Push::Taken => together += 1,
            Push::Refused => {
                let whole = joined.take().expect("something refused it");
                assert!(right_header(whole.packet) || whole.segments == 1);
                alone += 1;
                assert_eq!(joined.push(segment), Push::Taken);
            }
        }
    }
    assert_eq!(in_place.next(&mut buffer), Ok(None));
    assert_eq!(left, 0);
    assert!(together + alone > 0 && joined.take().is_some());
});

/// Makes the front a right TCP or UDP packet of either family.
fn mend(packet: &mut [u8], kind: u8) {
    let protocol = if kind & 1 == 0 { 6 } else { 17 };
    let (ip, least) = if kind & 2 == 0 { (20, 40) } else { (40, 60) };
    if kind & 4 != 0 || packet.len() < least {
        return;
    }
    let len = packet.len() as u16;
    if ip == 20 {
        packet[0] = 0x45;
        packet[2..4].copy_from_slice(&len.to_be_bytes());
        packet[6..8].copy_from_slice(&[0x40, 0]);
        packet[9] = protocol;
        ipv4::Packet::new_unchecked(&mut *packet).fill_checksum();
    } else {
        packet[0] = 0x60;
        packet[4..6].copy_from_slice(&(len - 40).to_be_bytes());
        packet[6] = protocol;
    }
    if protocol == 6 && kind & 8 == 0 {
        packet[ip + 12] = 0x50;
        packet[ip + 13] = 0x10;
    }
}

fn right_header(packet: &[u8]) -> bool {
    if packet[0] >> 4 == 4 {
        ipv4::Packet::new_checked(packet).is_ok_and(|p| p.total_len() == packet.len())
    } else {
        ipv6::Packet::new_checked(packet).is_ok_and(|p| p.total_len() == packet.len())
    }
}

/// The sum over pseudo-header and transport packet; zero counts as 0xffff.
fn sum(packet: &[u8]) -> u16 {
    let (addresses, protocol, at) = if packet[0] >> 4 == 4 {
        (12..20, packet[9], usize::from(packet[0] & 15) * 4)
    } else {
        (8..40, packet[6], 40)
    };
    let body = &packet[at..];
    let pseudo = checksum::pseudo_header(&packet[addresses], protocol, body.len() as u32);
    checksum::fold(checksum::accumulate(pseudo, body))
}
