//! Any bytes as an ICMPv6 error from the path, as a packet to send an error about, and as a packet to cut.
#![no_main]

use kraud_tunnel::fragment::{Fragments, Layout};
use kraud_tunnel::icmp::{ErrorV4, ErrorV6, error_v4, error_v6};
use kraud_tunnel::mtu::admit;
use kraud_tunnel::relay::Relay;
use kraud_tunnel::wire::{ipv4, ipv6};
use kraud_tunnel::{Endpoints, checksum};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let tunnel = ipv6::Packet::new_unchecked(data.get(48..).unwrap_or_default());
    let (mine, peer) = (tunnel.source(), tunnel.destination());
    if let Ok(tunnel) = Endpoints::new(mine, peer) {
        relay(data, &tunnel);
        // With the checksum mended more of it is reached.
        let mut mended = data.to_vec();
        if mended.len() > 48 && mended[6] == 58 {
            mended[4..6].copy_from_slice(&((data.len() - 40) as u16).to_be_bytes());
            mended[42..44].fill(0);
            let pseudo = checksum::pseudo_header(&mended[8..40], 58, (data.len() - 40) as u32);
            let sum = !checksum::fold(checksum::accumulate(pseudo, &mended[40..]));
            mended[42..44].copy_from_slice(&sum.to_be_bytes());
            relay(&mended, &tunnel);
        }
    }
    let mut out = [0; 1280];
    for error in [
        ErrorV4::HostUnreachable,
        ErrorV4::FragmentationNeeded { mtu: 1280 },
    ] {
        if let Ok(len) = error_v4(data, error, [10, 0, 0, 1].into(), &mut out) {
            check_v4(&out[..len]);
        }
    }
    if let Ok(len) = error_v6(
        data,
        ErrorV6::PacketTooBig { mtu: 1280 },
        [0xfd; 16].into(),
        &mut out,
    ) {
        check_v6(&out[..len]);
    }
    let _ = admit(data, 1280, 40);
    for layout in [Layout::Linux, Layout::Rfc8200] {
        cut(data, layout);
    }
});

fn relay(message: &[u8], tunnel: &Endpoints) {
    let Ok(relay) = Relay::new(message, tunnel) else {
        return;
    };
    assert!(relay.path_mtu.is_none_or(|mtu| mtu >= 1280));
    let mut out = [0; 1280];
    match relay.emit([10, 0, 0, 1].into(), [0xfd; 16].into(), &mut out) {
        Ok(0) | Err(_) => {}
        Ok(len) if out[0] >> 4 == 4 => check_v4(&out[..len]),
        Ok(len) => check_v6(&out[..len]),
    }
}

fn check_v4(packet: &[u8]) {
    let view = ipv4::Packet::new_checked(packet).expect("a right header");
    assert!(view.total_len() == packet.len() && packet.len() <= 576);
    assert_eq!(checksum::sum(view.payload()), 0xffff);
}

fn check_v6(packet: &[u8]) {
    let view = ipv6::Packet::new_checked(packet).expect("a right header");
    assert_eq!(view.total_len(), packet.len());
    let pseudo = checksum::pseudo_header(&packet[8..40], 58, view.payload_len() as u32);
    assert_eq!(
        checksum::fold(checksum::accumulate(pseudo, view.payload())),
        0xffff
    );
}

fn cut(packet: &[u8], layout: Layout) {
    let mtu = 128;
    let Ok(mut fragments) = Fragments::new(packet, mtu, 7, layout) else {
        return;
    };
    let (count, mut seen, mut data) = (fragments.count(), 0, 0);
    let mut out = [0; 70_000];
    while let Ok(Some(fragment)) = fragments.next_into(&mut out) {
        let view = ipv6::Packet::new_checked(&*fragment).expect("a right header");
        assert_eq!(view.total_len(), fragment.len());
        assert!(count == 1 || fragment.len() <= mtu);
        seen += 1;
        data += fragment.len();
    }
    assert_eq!(seen, count);
    assert!(data >= ipv6::Packet::new_unchecked(packet).total_len());
}
