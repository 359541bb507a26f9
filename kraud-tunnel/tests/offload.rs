//! Superpackets: split, joined, and in batches.

mod common;

use common::{in_buffer, ipv4_packet, tunnel};
use kraud_tunnel::gro::{Coalescer, Push};
use kraud_tunnel::gso::{GsoError, InPlace, Segments};
use kraud_tunnel::wire::{ipv4, ipv6};
use kraud_tunnel::{Decapsulator, DropReason, Encapsulator, batch, checksum};
use proptest::prelude::*;

const FIN: u8 = 1;
const PSH: u8 = 8;
const ACK: u8 = 0x10;
const CWR: u8 = 0x80;

/// A TCP packet of any length, with a right checksum.
fn tcp(v6: bool, flags: u8, options: usize, payload: &[u8]) -> Vec<u8> {
    let mut segment = vec![0; 20 + options];
    segment[..4].copy_from_slice(&[0x30, 0x39, 0, 80]);
    segment[4..8].copy_from_slice(&0xffff_fc00u32.to_be_bytes());
    segment[8..12].copy_from_slice(&77u32.to_be_bytes());
    segment[12] = ((20 + options) as u8 / 4) << 4;
    segment[13] = flags;
    segment[14..16].copy_from_slice(&[0x10, 0]);
    segment[20..].fill(1);
    segment.extend_from_slice(payload);
    around(v6, 6, segment, 16)
}

fn udp(v6: bool, payload: &[u8]) -> Vec<u8> {
    let mut datagram = vec![0x30, 0x39, 0, 53];
    datagram.extend_from_slice(&((payload.len() + 8) as u16).to_be_bytes());
    datagram.extend_from_slice(&[0, 0]);
    datagram.extend_from_slice(payload);
    around(v6, 17, datagram, 6)
}

/// An IP header around a transport packet, and its checksum at `field`.
fn around(v6: bool, protocol: u8, body: Vec<u8>, field: usize) -> Vec<u8> {
    let mut packet = if v6 {
        common::ipv6_packet(protocol, 0, &body)
    } else {
        let mut packet = ipv4_packet(20 + body.len(), 0, true);
        packet[9] = protocol;
        packet[20..].copy_from_slice(&body);
        ipv4::Packet::new_unchecked(&mut packet[..]).fill_checksum();
        packet
    };
    let at = packet.len() - body.len();
    let sum = !transport_sum(&packet);
    packet[at + field..at + field + 2].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// The sum over pseudo-header and transport packet: 0xffff if the checksum is right.
fn transport_sum(packet: &[u8]) -> u16 {
    let (addresses, protocol, at) = if packet[0] >> 4 == 4 {
        (&packet[12..20], packet[9], 20)
    } else {
        (&packet[8..40], packet[6], 40)
    };
    let body = &packet[at..];
    let pseudo = checksum::pseudo_header(addresses, protocol, body.len() as u32);
    checksum::fold(checksum::accumulate(pseudo, body))
}

fn ip_len(packet: &[u8]) -> usize {
    if packet[0] >> 4 == 4 { 20 } else { 40 }
}

fn right_header(packet: &[u8]) -> bool {
    if packet[0] >> 4 == 4 {
        ipv4::Packet::new_checked(packet).is_ok_and(|p| p.total_len() == packet.len())
    } else {
        ipv6::Packet::new_checked(packet).is_ok_and(|p| p.total_len() == packet.len())
    }
}

fn split(packet: &[u8], size: usize) -> Vec<Vec<u8>> {
    let mut segments = Segments::new(packet, size).expect("a superpacket");
    let (count, longest) = (segments.count(), segments.longest());
    let mut out = vec![0; longest + 10];
    let mut all = Vec::new();
    while let Some(range) = segments.next_into(&mut out, 10).expect("room") {
        all.push(out[range].to_vec());
    }
    assert_eq!(all.len(), count);
    all
}

/// The same without a copy, behind `headroom` bytes.
fn split_in_place(packet: &[u8], size: usize, headroom: usize) -> Vec<Vec<u8>> {
    let mut buf = vec![0xee; headroom];
    buf.extend_from_slice(packet);
    let whole = headroom..buf.len();
    let mut segments = InPlace::new(&buf, whole, size).expect("a superpacket");
    let mut all = Vec::new();
    while let Some(range) = segments.next(&mut buf).expect("the same buffer") {
        all.push(buf[range].to_vec());
    }
    assert_eq!(all.len(), segments.count());
    assert!(all.iter().all(|part| part.len() <= segments.longest()));
    all
}

#[test]
fn tcp_flags_and_sequence_numbers_go_where_they_belong() {
    let payload = vec![7; 2500];
    let parts = split(&tcp(false, ACK | PSH | FIN | CWR, 12, &payload), 1000);
    let flags: Vec<u8> = parts.iter().map(|p| p[33]).collect();
    assert_eq!(flags, [ACK | CWR, ACK, ACK | PSH | FIN]);
    let sequences: Vec<u32> = parts
        .iter()
        .map(|p| u32::from_be_bytes([p[24], p[25], p[26], p[27]]))
        .collect();
    // It wraps round in the middle.
    assert_eq!(sequences, [0xffff_fc00, 0xffff_ffe8, 0x3d0]);
    let ids: Vec<u16> = parts
        .iter()
        .map(|p| u16::from_be_bytes([p[4], p[5]]))
        .collect();
    assert_eq!(ids, [0x1234, 0x1235, 0x1236]);
}

#[test]
fn a_sum_close_to_the_top_does_not_lose_a_carry() {
    // Found by fuzzing: the payload alone fills the sum, and length and sequence number come on top.
    for is_tcp in [true, false] {
        for low in 0..=u16::MAX {
            let mut payload = [0xff; 8];
            payload[..2].copy_from_slice(&low.to_ne_bytes());
            let superpacket = if is_tcp {
                tcp(false, ACK, 0, &payload)
            } else {
                udp(true, &payload)
            };
            for part in split(&superpacket, 8) {
                assert_eq!(transport_sum(&part), 0xffff, "{low:#x}");
            }
        }
    }
}

#[test]
fn what_cannot_be_split_says_why() {
    let icmp = {
        let mut packet = ipv4_packet(100, 0, true);
        packet[9] = 1;
        packet
    };
    assert_eq!(
        Segments::new(&icmp, 10).err(),
        Some(GsoError::NotSplittable { protocol: 1 })
    );
    let whole = tcp(false, ACK, 0, &[1; 100]);
    assert_eq!(Segments::new(&whole, 0).err(), Some(GsoError::ZeroSize));
    let mut fragment = whole.clone();
    fragment[6] = 0x20;
    assert_eq!(Segments::new(&fragment, 10).err(), Some(GsoError::Fragment));
    for len in 0..whole.len() {
        assert!(Segments::new(&whole[..len], 10).is_err(), "cut at {len}");
    }
    let mut segments = Segments::new(&whole, 50).expect("a superpacket");
    let error = segments.next_into(&mut [0; 89], 0);
    assert_eq!(
        error,
        Err(GsoError::OutOfRoom {
            required: 90,
            available: 89
        })
    );
    // The same segment comes again.
    assert_eq!(segments.next_into(&mut [0; 90], 0), Ok(Some(0..90)));
    assert_eq!(split(&tcp(false, ACK, 0, &[]), 50).len(), 1);
}

#[test]
fn segments_go_straight_into_the_tunnel() {
    let superpacket = tcp(false, ACK, 0, &vec![9; 4000]);
    let mut segments = Segments::new(&superpacket, 1340).expect("a superpacket");
    let how = Encapsulator::new();
    let mut out = [0; 1500];
    let mut seen = 0;
    while let Some(range) = segments
        .next_encapsulated(&how, &tunnel(), &mut out, 64)
        .expect("room")
    {
        let found = Decapsulator::new()
            .decapsulate(&mut out, range)
            .expect("our own packet");
        assert_eq!(transport_sum(&out[found.inner]), 0xffff);
        seen += 1;
    }
    assert_eq!(seen, 3);
    let mut segments = Segments::new(&superpacket, 1340).expect("a superpacket");
    assert!(matches!(
        segments.next_encapsulated(&how, &tunnel(), &mut out, 39),
        Err(GsoError::Encap(_))
    ));
}

#[test]
fn segments_go_into_the_tunnel_where_they_lie() {
    let superpacket = tcp(true, ACK, 4, &vec![9; 4000]);
    // Smaller than the headers as well: they reach back over several segments.
    for size in [7, 40, 63, 64, 65, 1340, 4000, 5000] {
        for how in [
            Encapsulator::new(),
            Encapsulator::new().encap_limit(Some(4)),
        ] {
            let mut buf = vec![0; how.header_len()];
            buf.extend_from_slice(&superpacket);
            let whole = how.header_len()..buf.len();
            let mut segments = InPlace::new(&buf, whole, size).expect("a superpacket");
            for expected in split(&superpacket, size) {
                let range = segments
                    .next_encapsulated(&how, &tunnel(), &mut buf)
                    .expect("room")
                    .expect("one more");
                let found = Decapsulator::new()
                    .decapsulate(&mut buf, range)
                    .expect("our own packet");
                assert_eq!(buf[found.inner], expected[..]);
            }
            let end = segments.next_encapsulated(&how, &tunnel(), &mut buf);
            assert_eq!(end, Ok(None));
        }
    }
}

#[test]
fn a_buffer_that_is_not_the_superpackets_is_an_error() {
    let superpacket = udp(false, &[1; 100]);
    assert!(matches!(
        InPlace::new(&superpacket, 0..129, 50),
        Err(GsoError::OutOfRoom { .. })
    ));
    let mut segments = InPlace::new(&superpacket, 0..128, 50).expect("a superpacket");
    let error = segments.next(&mut [0; 77]);
    let (required, available) = (78, 77);
    assert_eq!(
        error,
        Err(GsoError::OutOfRoom {
            required,
            available
        })
    );
    let mut buf = superpacket.clone();
    let error = segments.next_encapsulated(&Encapsulator::new(), &tunnel(), &mut buf);
    assert!(matches!(error, Err(GsoError::Encap(_))), "no headroom");
}

#[test]
fn only_what_belongs_together_is_joined() {
    let first = tcp(false, ACK, 0, &[1; 100]);
    let mut memory = [0; 4096];
    let after = |change: fn(&mut Vec<u8>)| {
        // The segment that follows, with one thing changed and the checksums mended.
        let mut second = tcp(false, ACK, 0, &[2; 100]);
        second[24..28].copy_from_slice(&0xffff_fc64u32.to_be_bytes());
        change(&mut second);
        second[36..38].fill(0);
        let sum = !transport_sum(&second);
        second[36..38].copy_from_slice(&sum.to_be_bytes());
        ipv4::Packet::new_unchecked(&mut second[..]).fill_checksum();
        second
    };
    let mut joined = |second: &[u8]| {
        let mut coalescer = Coalescer::new(&mut memory);
        assert_eq!(coalescer.push(&first), Push::Taken);
        coalescer.push(second) == Push::Taken
    };
    assert!(joined(&after(|_| {})));
    assert!(joined(&after(|p| p[33] |= PSH)));
    for (what, change) in [
        ("sequence", (|p| p[27] ^= 1) as fn(&mut Vec<u8>)),
        ("source", |p| p[15] ^= 1),
        ("port", |p| p[21] ^= 1),
        ("traffic class", |p| p[1] ^= 2),
        ("ttl", |p| p[8] ^= 1),
        ("acknowledgement", |p| p[31] ^= 1),
        ("window", |p| p[34] ^= 1),
        ("fin", |p| p[33] |= FIN),
        ("syn", |p| p[33] |= 2),
        ("don't fragment", |p| p[6] = 0),
    ] {
        assert!(!joined(&after(change)), "{what}");
    }
    let mut damaged = after(|_| {});
    damaged[60] ^= 1;
    assert!(!joined(&damaged), "a wrong checksum");
}

#[test]
fn a_short_or_pushed_segment_is_the_last() {
    let parts = split(&udp(false, &[5; 2500]), 1000);
    let mut memory = [0; 8192];
    let mut coalescer = Coalescer::new(&mut memory);
    for part in &parts {
        assert_eq!(coalescer.push(part), Push::Taken);
    }
    assert_eq!(coalescer.push(&parts[0]), Push::Refused);
    assert_eq!(coalescer.take().map(|whole| whole.segments), Some(3));
    assert!(coalescer.is_empty() && coalescer.take().is_none());
    // What can never be joined is taken and comes out as it is.
    let icmp = ipv4_packet(100, 0, true);
    assert_eq!(coalescer.push(&icmp), Push::Taken);
    assert_eq!(coalescer.push(&parts[0]), Push::Refused);
    let single = coalescer.take().expect("a packet");
    assert_eq!(
        (&*single.packet, single.segments, single.segment_size),
        (&icmp[..], 1, 0)
    );
}

#[test]
fn a_batch_does_what_one_call_each_does() {
    let how = Encapsulator::new();
    let to = tunnel();
    let mut packets: Vec<Vec<u8>> = (0..150)
        .map(|i| in_buffer(&ipv4_packet(20 + i, i as u8, false), 48, 0).0)
        .collect();
    packets[7][48] = 0x75;
    let mut alone = packets.clone();
    let mut results = Vec::new();
    batch::encapsulate(
        &how,
        &mut packets,
        48,
        |i, _| (i != 9).then_some(&to),
        |i, _, result| {
            results.push((i, result));
        },
    );
    assert_eq!(results.len(), 149);
    for (i, result) in &results {
        let len = alone[*i].len();
        assert_eq!(how.encapsulate(&mut alone[*i], 48..len, &to), *result);
    }
    assert_eq!(packets, alone);
    assert_eq!(
        results[7]
            .1
            .as_ref()
            .map_err(kraud_tunnel::EncapError::reason),
        Err(DropReason::InnerVersion)
    );

    let mut received: Vec<Vec<u8>> = results
        .iter()
        .filter_map(|(i, r)| Some(packets[*i][r.clone().ok()?].to_vec()))
        .collect();
    let mut one_by_one = received.clone();
    let mut seen = 0;
    batch::decapsulate(&Decapsulator::new(), &mut received, |i, buf, result| {
        let len = one_by_one[i].len();
        assert_eq!(
            Decapsulator::new().decapsulate(&mut one_by_one[i], 0..len),
            result
        );
        assert_eq!(*buf, one_by_one[i][..]);
        seen += 1;
    });
    assert_eq!(seen, 148);
}

proptest! {
    /// Every segment is a right packet, the payloads make up the whole, and joining gives the superpacket back.
    #[test]
    fn split_and_joined_is_the_same(
        v6 in any::<bool>(),
        is_tcp in any::<bool>(),
        options in 0usize..11,
        payload in prop::collection::vec(any::<u8>(), 1..9000),
        size in 400usize..3000,
    ) {
        let superpacket =
            if is_tcp { tcp(v6, ACK | PSH, options * 4, &payload) } else { udp(v6, &payload) };
        let parts = split(&superpacket, size);
        prop_assert_eq!(&split_in_place(&superpacket, size, 3), &parts);
        let header = ip_len(&superpacket) + if is_tcp { 20 + options * 4 } else { 8 };
        let mut data = Vec::new();
        for part in &parts {
            prop_assert!(right_header(part));
            prop_assert_eq!(transport_sum(part), 0xffff);
            data.extend_from_slice(&part[header..]);
        }
        prop_assert_eq!(&data, &payload);
        let mut memory = vec![0; 65_535];
        let mut coalescer = Coalescer::new(&mut memory);
        for part in &parts {
            prop_assert_eq!(coalescer.push(part), Push::Taken);
        }
        let whole = coalescer.take().expect("a packet");
        prop_assert_eq!(usize::from(whole.segments), parts.len());
        prop_assert!(right_header(whole.packet));
        if parts.len() > 1 {
            prop_assert_eq!(usize::from(whole.segment_size), size);
            prop_assert_eq!(usize::from(whole.header_len), header);
            // The checksum field holds the pseudo-header's sum; all else is as it was.
            let field = usize::from(whole.transport) + if is_tcp { 16 } else { 6 };
            let mut expected = superpacket.clone();
            expected[field..field + 2].copy_from_slice(&whole.packet[field..field + 2]);
            prop_assert_eq!(&*whole.packet, &expected[..]);
            let mut finished = whole.packet.to_vec();
            let body = &finished[usize::from(whole.transport)..];
            let sum = (!checksum::sum(body)).to_be_bytes();
            finished[field..field + 2].copy_from_slice(&sum);
            prop_assert_eq!(transport_sum(&finished), 0xffff);
        } else {
            prop_assert_eq!(&*whole.packet, &parts[0][..]);
        }
    }

    /// With and without a copy the segments are the same, however short they are.
    #[test]
    fn both_ways_to_split_are_one(
        v6 in any::<bool>(),
        is_tcp in any::<bool>(),
        payload in prop::collection::vec(any::<u8>(), 0..300),
        size in 1usize..100,
        behind in 0usize..9,
    ) {
        let mut superpacket =
            if is_tcp { tcp(v6, ACK | PSH | FIN | CWR, 8, &payload) } else { udp(v6, &payload) };
        superpacket.extend(vec![0xee; behind]);
        prop_assert_eq!(split_in_place(&superpacket, size, 0), split(&superpacket, size));
    }
}
