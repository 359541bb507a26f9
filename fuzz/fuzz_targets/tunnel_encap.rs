//! Any configuration and any bytes: what goes into a tunnel comes out of it, or is refused without a trace.
#![no_main]

use arbitrary::Arbitrary;
use kraud_tunnel::ecn::Ingress;
use kraud_tunnel::flow::{FlowKey, FlowLabel};
use kraud_tunnel::wire::{ipv4, ipv6};
use kraud_tunnel::{Decapsulator, DscpIn, EncapError, Encapsulator, Endpoints, HopLimit};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    hop_limit: Option<u8>,
    dscp: Option<u8>,
    ecn: u8,
    label: Result<u32, Option<[u8; 16]>>,
    limit: Option<u8>,
    headroom: u8,
    tail: u8,
    mend: bool,
    packet: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    let how = Encapsulator::new()
        .hop_limit(input.hop_limit.map_or(HopLimit::Inherit, HopLimit::Fixed))
        .dscp(input.dscp.map_or(DscpIn::Inherit, DscpIn::Fixed))
        .ecn(
            [Ingress::Normal, Ingress::Compatibility, Ingress::Rfc3168][usize::from(input.ecn % 3)],
        )
        .flow_label(match input.label {
            Ok(label) => FlowLabel::Fixed(label),
            Err(Some(key)) => FlowLabel::Hash(FlowKey::new(key)),
            Err(None) => FlowLabel::Inherit,
        })
        .encap_limit(input.limit);
    let to = Endpoints::new([0xfd; 16].into(), [0xfc; 16].into()).expect("two nodes");

    let headroom = usize::from(input.headroom % 64);
    let mut buf = vec![0xee; headroom];
    buf.extend_from_slice(input.packet);
    let end = buf.len();
    buf.extend(std::iter::repeat_n(0xdd, usize::from(input.tail % 8)));
    if input.mend {
        mend(&mut buf[headroom..end]);
    }
    let before = buf.clone();
    let outer = match how.encapsulate(&mut buf, headroom..end, &to) {
        Ok(outer) => outer,
        Err(error) => {
            assert_eq!(buf, before, "a refusal changed the buffer: {error}");
            if let EncapError::LimitExceeded { pointer } = error {
                assert_eq!(before[headroom + pointer], 0);
            }
            return;
        }
    };
    // Nothing but the headroom directly in front of the packet was written.
    assert_eq!(buf[..outer.start], before[..outer.start]);
    assert_eq!(buf[headroom..], before[headroom..]);
    assert!(outer.start < headroom && outer.end <= end);
    let view = ipv6::Packet::new_checked(&buf[outer.clone()]).expect("a right outer header");
    assert_eq!(
        (view.source(), view.destination()),
        (to.source(), to.destination())
    );
    assert_eq!(view.total_len(), outer.len());

    // And out again: the same bytes, unless RFC 6040 has something to say about the fields.
    let inner_class = |buf: &[u8]| buf[headroom] << 4 | buf[headroom + 1] >> 4;
    let mut sent = buf.clone();
    let found = Decapsulator::new()
        .decapsulate(&mut sent, outer)
        .expect("our own packet");
    assert_eq!(found.inner.start, headroom);
    assert_eq!(sent, buf, "class {:#x}", inner_class(&buf));
});

/// Makes the front of the packet a right IPv4 or IPv6 header, so that more of it is reached.
fn mend(packet: &mut [u8]) {
    let len = packet.len() as u16;
    match packet.first() {
        Some(first) if first & 1 == 0 && packet.len() >= 20 => {
            packet[0] = 0x45;
            packet[2..4].copy_from_slice(&len.to_be_bytes());
            ipv4::Packet::new_unchecked(packet).fill_checksum();
        }
        Some(_) if packet.len() >= 40 => {
            packet[0] = 0x60;
            packet[4..6].copy_from_slice(&(len - 40).to_be_bytes());
        }
        _ => {}
    }
}
