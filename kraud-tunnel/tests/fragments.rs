//! Cutting outer packets and putting them together again.

mod common;

use common::{in_buffer, ipv4_packet, rows, tunnel};
use kraud_tunnel::ecn::{self, Ecn};
use kraud_tunnel::fragment::{FragmentError, Fragments, Layout};
use kraud_tunnel::reassemble::{LIFETIME, MAX_FRAGMENTS, Reassembler, ReassemblyError, Slot};
use kraud_tunnel::wire::ext::FragmentHeader;
use kraud_tunnel::wire::ipv6;
use kraud_tunnel::{DecapError, Decapsulator, Encapsulator};
use proptest::prelude::*;

/// All fragments of a packet.
fn cut(packet: &[u8], mtu: usize, identification: u32, layout: Layout) -> Vec<Vec<u8>> {
    let mut fragments =
        Fragments::new(packet, mtu, identification, layout).expect("a packet to cut");
    let count = fragments.count();
    let mut out = vec![0; mtu.max(packet.len())];
    let mut all = Vec::new();
    while let Some(fragment) = fragments.next_into(&mut out).expect("room") {
        all.push(fragment.to_vec());
    }
    assert_eq!(all.len(), count);
    all
}

/// A tunnel packet around an IPv4 packet of `len` bytes without DF.
fn tunnel_packet(len: usize, limit: Option<u8>, traffic_class: u8) -> Vec<u8> {
    let (mut buf, inner) = in_buffer(&ipv4_packet(len, traffic_class, false), 48, 0);
    let how = Encapsulator::new().encap_limit(limit);
    let outer = how
        .encapsulate(&mut buf, inner, &tunnel())
        .expect("a good packet");
    buf[outer].to_vec()
}

/// Feeds the packets to a reassembler with ample room; the result, or the error of the last one.
fn assemble(packets: &[Vec<u8>]) -> Result<Option<Vec<u8>>, ReassemblyError> {
    let (mut slots, mut memory) = ([Slot::EMPTY; 8], vec![0; 8 * 16384]);
    let mut reassembler = Reassembler::new(&mut slots, &mut memory);
    let mut result = Ok(None);
    let mut first_error = None;
    for (now, packet) in packets.iter().enumerate() {
        match reassembler
            .insert(packet, now as u64)
            .map(|whole| whole.map(|w| w.to_vec()))
        {
            Ok(Some(whole)) => result = Ok(Some(whole)),
            Ok(None) => {}
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    match first_error {
        Some(error) if result == Ok(None) => Err(error),
        _ => result,
    }
}

fn decapsulated(mut packet: Vec<u8>) -> Vec<u8> {
    let len = packet.len();
    let found = Decapsulator::new()
        .decapsulate(&mut packet, 0..len)
        .expect("a tunnel packet");
    packet[found.inner].to_vec()
}

#[test]
fn rfc2473_7_fragments_are_byte_exact() {
    let all = rows("fragment");
    assert!(all.len() >= 18);
    for row in all {
        let cfg = row.cfg();
        let number = |key: &str| cfg[key].as_u64().expect("a number");
        let layout = if cfg["layout"] == "rfc8200" {
            Layout::Rfc8200
        } else {
            Layout::Linux
        };
        let whole = row.bytes("whole");
        let fragments = cut(
            &whole,
            number("mtu") as usize,
            number("frag_id") as u32,
            layout,
        );
        assert_eq!(fragments, row.packets("fragments"), "{}", row.name());
        let again = assemble(&fragments).expect("no error").expect("whole");
        assert_eq!(again, whole, "{}", row.name());
        assert_eq!(decapsulated(again), row.bytes("inner"), "{}", row.name());
    }
}

#[test]
fn rfc2473_7_what_linux_cut_is_put_together() {
    let mut cut_by_linux = 0;
    for row in rows("kernel_tx") {
        let packets = row.packets("packets");
        if packets.len() < 2 {
            continue;
        }
        cut_by_linux += 1;
        let whole = assemble(&packets).expect("no error").expect("whole");
        // The same packet cut by us, as Linux does it, is the same to the byte.
        let id = FragmentHeader::parse(&packets[0][fragment_header_at(&packets[0])..])
            .expect("a header");
        let mtu = row.json()["meta"]["mtu"].as_u64().expect("a number") as usize;
        assert_eq!(
            cut(&whole, mtu, id.identification, Layout::Linux),
            packets,
            "{}",
            row.name()
        );
        assert_eq!(decapsulated(whole), row.bytes("output"), "{}", row.name());
    }
    assert!(cut_by_linux >= 4);
}

fn fragment_header_at(packet: &[u8]) -> usize {
    if packet[6] == 44 { 40 } else { 48 }
}

#[test]
fn rfc2473_7_reassembly_follows_the_vectors() {
    let all = rows("reassembly");
    assert!(all.len() >= 8);
    for row in all {
        let result = assemble(&row.packets("packets"));
        if row.expects_ok() {
            let whole = result
                .unwrap_or_else(|e| panic!("{}: {e}", row.name()))
                .expect("whole");
            assert_eq!(decapsulated(whole), row.bytes("output"), "{}", row.name());
            continue;
        }
        let fits = match row.str("reason") {
            "FirstFragmentHeaderChain" => matches!(result, Err(ReassemblyError::HeaderChain)),
            "Incomplete" => matches!(result, Ok(None)),
            "InconsistentEnd" => matches!(result, Err(ReassemblyError::InconsistentEnd { .. })),
            "Overlap" => matches!(result, Err(ReassemblyError::Overlap { .. })),
            other => panic!("unknown reason {other}"),
        };
        assert!(fits, "{}: {result:?}", row.name());
    }
}

#[test]
fn rfc9601_5_the_ecn_field_of_fragments_comes_together() {
    for row in rows("reassembly_ecn") {
        let fields: Vec<Ecn> = row.json()["frags"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|n| Ecn::from_bits(n.as_u64().expect("a number") as u8))
            .collect();
        let together = ecn::reassemble(fields[0], fields[1]).map(|field| u64::from(field.bits()));
        assert_eq!(together, row.json()["rfc9601"].as_u64(), "{}", row.json());
    }
    // And in packets: the mark of one fragment reaches the whole, and a mix is dropped.
    let mut fragments = cut(&tunnel_packet(2000, None, 2), 1280, 1, Layout::Rfc8200);
    ipv6::Packet::new_unchecked(&mut fragments[1][..]).set_traffic_class(3);
    let whole = assemble(&fragments).expect("no error").expect("whole");
    assert_eq!(ipv6::Packet::new_unchecked(&whole).traffic_class() & 3, 3);
    ipv6::Packet::new_unchecked(&mut fragments[1][..]).set_traffic_class(0);
    assert_eq!(assemble(&fragments), Err(ReassemblyError::MixedEcn));
}

#[test]
fn every_fragment_has_the_traffic_class_of_the_whole() {
    let packet = tunnel_packet(3000, Some(4), 1);
    for layout in [Layout::Linux, Layout::Rfc8200] {
        for fragment in cut(&packet, 1280, 1, layout) {
            assert_eq!(
                ipv6::Packet::new_checked(&fragment)
                    .expect("a packet")
                    .traffic_class(),
                1
            );
        }
    }
}

#[test]
fn a_packet_that_fits_is_not_cut_and_a_fragment_not_again() {
    let packet = tunnel_packet(1240, None, 0);
    assert!(cut(&packet, 1280, 1, Layout::Rfc8200).iter().eq([&packet]));
    let fragments = cut(&packet, 1000, 1, Layout::Rfc8200);
    let again = Fragments::new(&fragments[0], 500, 1, Layout::Rfc8200);
    assert!(matches!(
        again,
        Err(FragmentError::AlreadyFragment { offset: 40 })
    ));
    let small = Fragments::new(&packet, 55, 1, Layout::Rfc8200);
    assert!(matches!(
        small,
        Err(FragmentError::MtuTooSmall { mtu: 55, least: 56 })
    ));
    let mut fragments = Fragments::new(&packet, 1000, 1, Layout::Rfc8200).expect("a packet to cut");
    assert!(matches!(
        fragments.next_into(&mut [0; 100]),
        Err(FragmentError::OutOfRoom { .. })
    ));
}

#[test]
fn a_fragment_is_not_decapsulated_by_itself() {
    let mut fragments = cut(&tunnel_packet(2000, None, 0), 1280, 9, Layout::Rfc8200);
    let len = fragments[0].len();
    let result = Decapsulator::new().decapsulate(&mut fragments[0], 0..len);
    assert_eq!(
        result,
        Err(DecapError::Fragment {
            offset: 40,
            identification: 9
        })
    );
}

#[test]
fn rfc5722_after_an_overlap_the_rest_is_thrown_away() {
    let fragments = cut(&tunnel_packet(3000, None, 0), 1280, 1, Layout::Rfc8200);
    let mut overlapping = fragments[1].clone();
    overlapping[100] ^= 1;
    let (mut slots, mut memory) = ([Slot::EMPTY; 2], vec![0; 2 * 8192]);
    let mut reassembler = Reassembler::new(&mut slots, &mut memory);
    assert_eq!(reassembler.insert(&fragments[0], 0), Ok(None));
    assert_eq!(reassembler.insert(&fragments[1], 0), Ok(None));
    let overlap = reassembler.insert(&overlapping, 0);
    assert!(
        matches!(overlap, Err(ReassemblyError::Overlap { .. })),
        "{overlap:?}"
    );
    let late = reassembler.insert(&fragments[2], 0);
    assert!(
        matches!(late, Err(ReassemblyError::Spoiled { identification: 1 })),
        "{late:?}"
    );
    // Its time over, the same identification is a new packet.
    assert_eq!(reassembler.insert(&fragments[2], LIFETIME), Ok(None));
}

#[test]
fn time_is_bounded() {
    let fragments = cut(&tunnel_packet(2000, None, 0), 1280, 1, Layout::Rfc8200);
    let (mut slots, mut memory) = ([Slot::EMPTY; 2], vec![0; 2 * 8192]);
    let mut reassembler = Reassembler::new(&mut slots, &mut memory).lifetime(100);
    assert_eq!(reassembler.insert(&fragments[0], 5), Ok(None));
    assert_eq!((reassembler.expire(104), reassembler.len()), (0, 1));
    assert_eq!((reassembler.expire(105), reassembler.len()), (1, 0));
    assert_eq!(reassembler.insert(&fragments[1], 106), Ok(None));
}

#[test]
fn a_flood_of_one_peer_leaves_the_others_their_share() {
    let packet = tunnel_packet(2000, None, 0);
    let from = |peer: u8, id: u32| {
        let mut packet = packet.clone();
        packet[20] = peer;
        cut(&packet, 1280, id, Layout::Rfc8200)
    };
    let (mut slots, mut memory) = ([Slot::EMPTY; 8], vec![0; 8 * 4096]);
    let mut reassembler = Reassembler::new(&mut slots, &mut memory).per_peer(4);
    let honest = from(1, 7);
    assert_eq!(reassembler.insert(&honest[0], 0), Ok(None));
    for id in 0..1000 {
        let _ = reassembler.insert(&from(2, id)[0], 1);
        assert!(reassembler.len() <= 5, "a peer has at most its share");
    }
    assert_eq!(reassembler.evicted(), 996);
    assert!(
        reassembler
            .insert(&honest[1], 2)
            .expect("no error")
            .is_some()
    );
    // Many peers at once: the table is full, and stays as it is.
    for peer in 3..40 {
        let _ = reassembler.insert(&from(peer, 1)[0], 3);
        assert!(reassembler.len() <= 8);
    }
}

#[test]
fn bytes_and_fragments_are_bounded() {
    let (mut slots, mut memory) = ([Slot::EMPTY; 1], vec![0; 1128]);
    let mut reassembler = Reassembler::new(&mut slots, &mut memory);
    let fragments = cut(&tunnel_packet(2000, None, 0), 1280, 1, Layout::Rfc8200);
    let too_long = reassembler.insert(&fragments[0], 0);
    assert!(
        matches!(too_long, Err(ReassemblyError::TooLong { room: 1000, .. })),
        "{too_long:?}"
    );
    let small = cut(&tunnel_packet(900, None, 0), 56, 1, Layout::Rfc8200);
    let results: Vec<_> = small
        .iter()
        .rev()
        .map(|f| reassembler.insert(f, 0).map(|_| ()))
        .collect();
    assert_eq!(
        results[MAX_FRAGMENTS],
        Err(ReassemblyError::TooManyFragments)
    );
    // No slots at all is an error, not a division by zero.
    let mut nothing = Reassembler::new(&mut [], &mut []);
    assert!(nothing.insert(&fragments[0], 0).is_err());
}

proptest! {
    /// Whatever the order, and with duplicates in between, the packet comes out once and as it was.
    #[test]
    fn cut_shuffled_and_put_together_is_the_same(
        len in 1500usize..9000,
        mtu in 1280usize..1500,
        limit in any::<Option<u8>>(),
        linux in any::<bool>(),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let packet = tunnel_packet(len, limit, 0);
        let layout = if linux { Layout::Linux } else { Layout::Rfc8200 };
        let mut fragments = cut(&packet, mtu, 77, layout);
        let count = fragments.len();
        for (i, index) in order.iter().enumerate() {
            fragments.swap(i % count, index.index(count));
        }
        // A duplicate of all but the last to come changes nothing.
        let mut sequence = Vec::new();
        for fragment in &fragments[..count - 1] {
            sequence.push(fragment.clone());
            sequence.push(fragment.clone());
        }
        sequence.push(fragments[count - 1].clone());
        prop_assert_eq!(assemble(&sequence), Ok(Some(packet)));
    }
}
