//! Instructions per packet, counted by valgrind, against a budget.
//!
//! `cargo bench -p kraud-benches --bench tunnel_instructions` runs every case twice under `valgrind --tool=cachegrind`, with
//! N and with 2N packets; the difference, divided by N, is exact and the same on every run. It fails when
//! a budget is exceeded. With `--features rivals` the same work done with etherparse and smoltcp is
//! counted beside it, and the ratios are held to theirs. Without valgrind it says so and checks
//! only that the cases work.

use std::hint::black_box;
use std::process::ExitCode;

use kraud_benches::instructions::{self, Case};
use kraud_tunnel::{Decapsulator, Encapsulator, Endpoints, wire};

#[cfg(feature = "rivals")]
#[path = "tunnel/rivals.rs"]
mod rivals;

const HEADROOM: usize = 128;
const PACKETS: u64 = 2_000;

const CASES: &[Case] = &[
    Case {
        name: "harness",
        budget: None,
        run: harness,
    },
    Case {
        name: "encapsulate/40/kraud",
        budget: Some(120.0),
        run: |n| encapsulate(n, None),
    },
    Case {
        name: "encapsulate/48/kraud",
        budget: Some(123.0),
        run: |n| encapsulate(n, Some(4)),
    },
    Case {
        name: "decapsulate/40/kraud",
        budget: Some(103.0),
        run: |n| decapsulate(n, None),
    },
    Case {
        name: "decapsulate/48/kraud",
        budget: Some(115.0),
        run: |n| decapsulate(n, Some(4)),
    },
    #[cfg(feature = "rivals")]
    Case {
        name: "encapsulate/40/etherparse+checksum",
        budget: None,
        run: counted::etherparse_encap,
    },
    #[cfg(feature = "rivals")]
    Case {
        name: "encapsulate/40/smoltcp+checksum",
        budget: None,
        run: counted::smoltcp_encap,
    },
    #[cfg(feature = "rivals")]
    Case {
        name: "decapsulate/40/etherparse",
        budget: None,
        run: |n| counted::etherparse_decap(n, None),
    },
    #[cfg(feature = "rivals")]
    Case {
        name: "decapsulate/48/etherparse",
        budget: None,
        run: |n| counted::etherparse_decap(n, Some(4)),
    },
    #[cfg(feature = "rivals")]
    Case {
        name: "decapsulate/40/smoltcp+checksum",
        budget: None,
        run: counted::smoltcp_decap,
    },
];

/// Ours may take at most this share of the rival's instructions.
const RATIOS: &[(&str, &str, f64)] = &[
    (
        "encapsulate/40/kraud",
        "encapsulate/40/etherparse+checksum",
        0.55,
    ),
    (
        "encapsulate/40/kraud",
        "encapsulate/40/smoltcp+checksum",
        0.9,
    ),
    (
        "decapsulate/40/kraud",
        "decapsulate/40/smoltcp+checksum",
        0.7,
    ),
    ("decapsulate/40/kraud", "decapsulate/40/etherparse", 0.66),
    ("decapsulate/48/kraud", "decapsulate/48/etherparse", 0.66),
];

fn main() -> ExitCode {
    instructions::main("tunnel", CASES, RATIOS, PACKETS)
}

fn tunnel() -> Endpoints {
    let end = |last| std::net::Ipv6Addr::new(0xfd42, 0x1a8, 0, 0x2a09, 0, 0, 0, last);
    Endpoints::new(end(1), end(2)).expect("a possible tunnel")
}

/// An IPv4 UDP packet behind the headroom.
fn inner() -> Vec<u8> {
    let mut buf = vec![0x5a; HEADROOM + 64];
    let header = wire::ipv4::Repr {
        traffic_class: 0,
        identification: 0x1234,
        dont_fragment: true,
        ttl: 64,
        protocol: 17,
        source: [10, 198, 62, 5].into(),
        destination: [10, 198, 62, 6].into(),
        payload_len: 44,
    };
    header
        .emit(&mut buf[HEADROOM..])
        .expect("room for the header");
    buf
}

/// The same packet in the tunnel, at the end of the buffer, and where it starts.
fn outer(limit: Option<u8>) -> (Vec<u8>, usize) {
    let mut buf = inner();
    let end = buf.len();
    let how = Encapsulator::new().encap_limit(limit);
    let range = how
        .encapsulate(&mut buf, HEADROOM..end, &tunnel())
        .expect("a good packet");
    (buf, range.start)
}

/// What the loop itself costs.
fn harness(packets: u64) {
    let mut buf = inner();
    for _ in 0..packets {
        black_box(&mut buf);
    }
}

fn encapsulate(packets: u64, limit: Option<u8>) {
    let (mut buf, to) = (inner(), tunnel());
    let how = black_box(Encapsulator::new().encap_limit(limit));
    // Where the packet lies is no constant for whoever receives packets.
    let (start, end) = black_box((HEADROOM, buf.len()));
    for _ in 0..packets {
        let buf = black_box(buf.as_mut_slice());
        let range = encapsulate_one(&how, buf, start..end, &to).expect("a good packet");
        black_box(range.start);
    }
    assert_eq!(buf[HEADROOM - how.header_len()] >> 4, 6);
}

#[inline(never)]
fn encapsulate_one(
    how: &Encapsulator,
    buf: &mut [u8],
    inner: std::ops::Range<usize>,
    to: &Endpoints,
) -> Result<std::ops::Range<usize>, kraud_tunnel::EncapError> {
    how.encapsulate(buf, inner, to)
}

fn decapsulate(packets: u64, limit: Option<u8>) {
    let (mut buf, start) = outer(limit);
    let how = black_box(Decapsulator::new());
    for _ in 0..packets {
        let buf = black_box(buf.as_mut_slice());
        let found = decapsulate_one(&how, buf, start).expect("a good packet");
        black_box((&found.source, &found.destination, &found.hop_limit));
        assert_eq!(found.inner.start, HEADROOM);
    }
}

#[inline(never)]
fn decapsulate_one(
    how: &Decapsulator,
    buf: &mut [u8],
    start: usize,
) -> Result<kraud_tunnel::Decapsulated, kraud_tunnel::DecapError> {
    let end = buf.len();
    how.decapsulate(buf, start..end)
}

/// The rivals' work, counted as ours is.
#[cfg(feature = "rivals")]
mod counted {
    use super::rivals::{self, Found};
    use super::{HEADROOM, black_box, inner, outer, tunnel};

    pub(crate) fn encapsulate(
        packets: u64,
        one: fn(&mut [u8], usize, std::net::Ipv6Addr, std::net::Ipv6Addr) -> Option<usize>,
    ) {
        let (mut buf, to) = (inner(), tunnel());
        let start = black_box(HEADROOM);
        for _ in 0..packets {
            let buf = black_box(buf.as_mut_slice());
            black_box(one(buf, start, to.source(), to.destination())).expect("a good packet");
        }
        assert_eq!(buf[HEADROOM - 40] >> 4, 6);
    }

    pub(crate) fn decapsulate(
        packets: u64,
        limit: Option<u8>,
        one: fn(&[u8], usize) -> Option<Found>,
    ) {
        let (mut buf, start) = outer(limit);
        for _ in 0..packets {
            let buf = black_box(buf.as_mut_slice());
            let found = one(buf, start).expect("a good packet");
            // Every field is looked at, so that none is optimised away.
            black_box((&found.source, &found.destination, &found.hop_limit));
            assert_eq!(found.inner.start, HEADROOM);
        }
    }

    pub(crate) fn etherparse_encap(packets: u64) {
        encapsulate(packets, rivals::etherparse_encap);
    }

    pub(crate) fn smoltcp_encap(packets: u64) {
        encapsulate(packets, rivals::smoltcp_encap);
    }

    pub(crate) fn etherparse_decap(packets: u64, limit: Option<u8>) {
        decapsulate(packets, limit, rivals::etherparse_decap);
    }

    pub(crate) fn smoltcp_decap(packets: u64) {
        decapsulate(packets, None, rivals::smoltcp_decap);
    }
}
