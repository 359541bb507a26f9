//! Any bytes as a tunnel packet: no panic, and what comes out is inside what the packet declared.
#![no_main]

use kraud_tunnel::wire::{Protocol, ipv4, ipv6};
use kraud_tunnel::{Decapsulator, DscpOut};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let strict = Decapsulator::new().martians(true);
    let uniform = Decapsulator::new().dscp(DscpOut::CopyOuter);
    for decapsulator in [Decapsulator::new(), strict, uniform] {
        check(decapsulator, data);
    }
});

fn check(decapsulator: Decapsulator, data: &[u8]) {
    let mut buf = data.to_vec();
    let found = match decapsulator.decapsulate(&mut buf, 0..data.len()) {
        Ok(found) => found,
        Err(_) => {
            assert_eq!(buf, data, "a refusal changed the buffer");
            return;
        }
    };
    let outer =
        ipv6::Packet::new_checked(data).expect("an accepted packet has a right outer header");
    assert!(found.inner.start >= 40 && found.inner.end <= outer.total_len());
    assert_eq!(
        (found.source, found.destination),
        (outer.source(), outer.destination())
    );
    // Only the traffic class and the checksum of the inner header may change.
    let (before, after) = (&data[found.inner.clone()], &buf[found.inner.clone()]);
    let changed = |at: usize| before[at] != after[at];
    match found.protocol {
        Protocol::Ipv4 => {
            let view = ipv4::Packet::new_checked(after).expect("the inner header is right");
            assert_eq!(view.total_len(), after.len());
            assert!((0..after.len()).all(|at| !changed(at) || matches!(at, 1 | 10 | 11)));
        }
        Protocol::Ipv6 => {
            let view = ipv6::Packet::new_checked(after).expect("the inner header is right");
            assert_eq!(view.total_len(), after.len());
            assert!((0..after.len()).all(|at| !changed(at) || at < 2));
        }
    }
    assert_eq!(buf[..found.inner.start], data[..found.inner.start]);
    assert_eq!(buf[found.inner.end..], data[found.inner.end..]);
    // What lies behind the declared length does not matter.
    let mut cut = data[..outer.total_len()].to_vec();
    let len = cut.len();
    let again = decapsulator
        .decapsulate(&mut cut, 0..len)
        .expect("the same without the padding");
    assert_eq!(again, found);
}
