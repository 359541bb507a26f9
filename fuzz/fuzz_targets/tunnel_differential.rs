//! The walk over extension headers against etherparse, the IPv4 header check against smoltcp.
#![no_main]

use kraud_tunnel::wire::ext::{self, ExtError, MAX_HEADERS};
use kraud_tunnel::wire::{ipv4, ipv6};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    ipv4_header(data);
    extension_headers(data);
});

fn ipv4_header(data: &[u8]) {
    let ours = ipv4::Packet::new_checked(data).is_ok();
    // smoltcp leaves the version and the least header length to its caller, and takes any checksum when it is
    // fuzzed; that one is checked by the definition.
    let theirs = smoltcp::wire::Ipv4Packet::new_checked(data).is_ok_and(|p| {
        let right = || sum(&data[..usize::from(p.header_len())]) == 0xffff;
        p.version() == 4 && p.header_len() >= 20 && right()
    });
    assert_eq!(ours, theirs, "ipv4 header");
    if let (Ok(ours), Ok(theirs)) = (
        ipv4::Packet::new_checked(data),
        smoltcp::wire::Ipv4Packet::new_checked(data),
    ) {
        assert_eq!(ours.header_len(), usize::from(theirs.header_len()));
        assert_eq!(ours.total_len(), usize::from(theirs.total_len()));
        assert_eq!(ours.fragment_offset(), usize::from(theirs.frag_offset()));
        assert_eq!(ours.more_fragments(), theirs.more_frags());
        assert_eq!(ours.dont_fragment(), theirs.dont_frag());
        assert_eq!(ours.payload(), theirs.payload());
        assert_eq!(
            (ours.source(), ours.destination()),
            (theirs.src_addr(), theirs.dst_addr())
        );
    }
}

/// The one's complement sum, word by word.
fn sum(header: &[u8]) -> u32 {
    let words = header
        .chunks_exact(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    words.fold(0, |sum, word| {
        (sum + word) % 0x1_0000 + (sum + word) / 0x1_0000
    })
}

fn extension_headers(data: &[u8]) {
    let Ok(view) = ipv6::Packet::new_checked(data) else {
        return;
    };
    let theirs = smoltcp::wire::Ipv6Packet::new_checked(data).expect("smoltcp takes it too");
    assert_eq!(view.flow_label(), theirs.flow_label());
    assert_eq!(view.traffic_class(), theirs.traffic_class());
    assert_eq!(view.payload(), theirs.payload());
    // etherparse reads a payload length of zero as "the rest of the slice".
    if view.payload_len() == 0 {
        return;
    }
    let packet = &data[..view.total_len()];
    let theirs = etherparse::Ipv6Slice::from_slice(packet);
    match ext::walk(packet) {
        Ok(chain) => {
            assert!(chain.offset <= packet.len());
            // etherparse steps over an Authentication header, behind which we do not look; and it reads
            // on behind the Fragment header of a first fragment.
            if chain.next_header == 51 || chain.fragment.is_some() {
                return;
            }
            let theirs = theirs.expect("what we take, etherparse takes");
            let payload = theirs.payload();
            assert_eq!(payload.ip_number.0, chain.next_header, "next header");
            assert_eq!(payload.payload.len(), packet.len() - chain.offset, "offset");
        }
        // What is cut off is cut off for both.
        Err(ExtError::Malformed(_)) => assert!(theirs.is_err(), "truncated for us only"),
        // Limits and options, which etherparse does not look at.
        Err(_) => {}
    }
    // The scan of RFC 2473 section 4.1.1 finds what the walk finds, if the walk gets there.
    if let Ok(chain) = ext::walk(packet) {
        if chain.fragment.is_none() && !has_options_elsewhere(packet) {
            assert_eq!(ext::find_limit(packet), chain.limit);
        }
    }
    assert!(MAX_HEADERS <= 8);
}

/// Whether a Hop-by-Hop header is there: a limit in it counts for the walk, but not for RFC 2473.
fn has_options_elsewhere(packet: &[u8]) -> bool {
    packet[6] == ext::HOP_BY_HOP
}
