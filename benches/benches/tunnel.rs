//! Benchmarks of kraud-tunnel. Every case asserts its result before it is timed.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kraud_tunnel::{Decapsulator, Encapsulator, Endpoints, inspect, wire};

const HEADROOM: usize = 128;

fn tunnel() -> Endpoints {
    let end = |last| std::net::Ipv6Addr::new(0xfd42, 0x1a8, 0, 0x2a09, 0, 0, 0, last);
    Endpoints::new(end(1), end(2)).expect("a possible tunnel")
}

/// An IPv4 UDP packet of `len` bytes behind the headroom.
fn packet(len: usize) -> Vec<u8> {
    let mut buf = vec![0x5a; HEADROOM + len];
    let header = wire::ipv4::Repr {
        traffic_class: 0,
        identification: 0x1234,
        dont_fragment: true,
        ttl: 64,
        protocol: 17,
        source: [10, 198, 62, 5].into(),
        destination: [10, 198, 62, 6].into(),
        payload_len: (len - 20) as u16,
    };
    header
        .emit(&mut buf[HEADROOM..])
        .expect("room for the header");
    buf
}

fn encapsulate(c: &mut Criterion) {
    let to = tunnel();
    for (case, how) in [
        ("40", Encapsulator::new()),
        ("48", Encapsulator::new().encap_limit(Some(4))),
    ] {
        for len in [64, 1380] {
            let mut buf = packet(len);
            let end = buf.len();
            let outer = how
                .encapsulate(&mut buf, HEADROOM..end, &to)
                .expect("a good packet");
            assert_eq!(outer, HEADROOM - how.header_len()..end);
            assert_eq!(inspect::destination_v6(&buf[outer]), Some(to.destination()));
            let mut group = c.benchmark_group(format!("tunnel/encapsulate/{case}+{len}"));
            group.throughput(Throughput::Elements(1));
            group.bench_function("kraud", |b| {
                b.iter(|| how.encapsulate(black_box(&mut buf), HEADROOM..end, &to));
            });
            group.finish();
        }
    }
}

fn decapsulate(c: &mut Criterion) {
    let to = tunnel();
    let decapsulator = Decapsulator::new();
    for (case, how) in [
        ("40", Encapsulator::new()),
        ("48", Encapsulator::new().encap_limit(Some(4))),
    ] {
        for len in [64, 1380] {
            let mut buf = packet(len);
            let end = buf.len();
            let outer = how
                .encapsulate(&mut buf, HEADROOM..end, &to)
                .expect("a good packet");
            let found = decapsulator
                .decapsulate(&mut buf, outer.clone())
                .expect("a good packet");
            assert_eq!(found.inner, HEADROOM..end);
            let mut group = c.benchmark_group(format!("tunnel/decapsulate/{case}+{len}"));
            group.throughput(Throughput::Elements(1));
            group.bench_function("kraud", |b| {
                b.iter(|| decapsulator.decapsulate(black_box(&mut buf), outer.clone()));
            });
            group.finish();
        }
    }
}

criterion_group! {
    name = tunnel_codec;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = encapsulate, decapsulate
}
criterion_main!(tunnel_codec);
