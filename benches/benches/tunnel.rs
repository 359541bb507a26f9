//! Benchmarks of kraud-tunnel. Every case asserts its result before it is timed.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kraud_tunnel::gso::{InPlace, Segments};
use kraud_tunnel::{Decapsulator, Encapsulator, Endpoints, batch, checksum, inspect, wire};

#[cfg(feature = "rivals")]
#[path = "tunnel/rivals.rs"]
mod rivals;

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
            #[cfg(feature = "rivals")]
            if case == "40" {
                let (source, destination) = (to.source(), to.destination());
                assert_eq!(
                    rivals::etherparse_encap(&mut buf, HEADROOM, source, destination),
                    Some(88)
                );
                group.bench_function("etherparse+checksum", |b| {
                    b.iter(|| {
                        rivals::etherparse_encap(black_box(&mut buf), HEADROOM, source, destination)
                    });
                });
                assert_eq!(
                    rivals::smoltcp_encap(&mut buf, HEADROOM, source, destination),
                    Some(88)
                );
                group.bench_function("smoltcp+checksum", |b| {
                    b.iter(|| {
                        rivals::smoltcp_encap(black_box(&mut buf), HEADROOM, source, destination)
                    });
                });
            }
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
            #[cfg(feature = "rivals")]
            {
                let found = rivals::etherparse_decap(&buf, outer.start).expect("a good packet");
                assert_eq!(found.inner, HEADROOM..end);
                assert_eq!(
                    (found.source, found.destination),
                    (to.source(), to.destination())
                );
                assert_eq!(found.hop_limit, 64);
                group.bench_function("etherparse", |b| {
                    b.iter(|| rivals::etherparse_decap(black_box(&buf), outer.start));
                });
                if case == "40" {
                    let found = rivals::smoltcp_decap(&buf, outer.start).expect("a good packet");
                    assert_eq!(found.inner, HEADROOM..end);
                    group.bench_function("smoltcp+checksum", |b| {
                        b.iter(|| rivals::smoltcp_decap(black_box(&buf), outer.start));
                    });
                }
            }
            group.finish();
        }
    }
}

/// A superpacket of 64 KB into segments of 1,340 bytes, checksummed and encapsulated: where it lies, copied out in one
/// pass, and in two steps, with the checksum after the copy.
fn split(c: &mut Criterion) {
    let (how, to) = (Encapsulator::new(), tunnel());
    const SIZE: usize = 1300;
    let mut superpacket = vec![0x5a; 40 + 49 * SIZE];
    let len = superpacket.len();
    superpacket[..20].copy_from_slice(&packet(len)[HEADROOM..HEADROOM + 20]);
    superpacket[9] = 6;
    superpacket[32] = 0x50;
    superpacket[33] = 0x10;
    let mut out = [0; HEADROOM + 40 + SIZE];

    let mut group = c.benchmark_group("tunnel/split/1340");
    group.throughput(Throughput::Elements(49));
    let mut buf = vec![0; HEADROOM];
    buf.extend_from_slice(&superpacket);
    let mut run = || {
        // As it was read: the last run has written headers over it. Only the superpacket's own are needed again.
        buf[HEADROOM..HEADROOM + 40].copy_from_slice(&superpacket[..40]);
        let mut segments =
            InPlace::new(black_box(&buf), HEADROOM..HEADROOM + len, SIZE).expect("a superpacket");
        let mut count = 0;
        while let Some(range) = segments
            .next_encapsulated(&how, &to, &mut buf)
            .expect("room")
        {
            black_box(&buf[range]);
            count += 1;
        }
        count
    };
    assert_eq!(run(), 49);
    group.bench_function("kraud-in-place", |b| b.iter(&mut run));

    let mut run = || {
        let mut segments = Segments::new(black_box(&superpacket), SIZE).expect("a superpacket");
        let mut count = 0;
        while let Some(range) = segments
            .next_encapsulated(&how, &to, &mut out, HEADROOM)
            .expect("room")
        {
            black_box(&out[range]);
            count += 1;
        }
        count
    };
    assert_eq!(run(), 49);
    group.bench_function("kraud-copied", |b| b.iter(&mut run));

    let mut out = [0; HEADROOM + 40 + SIZE];
    let mut run = || {
        let superpacket = black_box(&superpacket);
        let mut count = 0;
        for data in superpacket[40..].chunks(SIZE) {
            let end = HEADROOM + 40 + data.len();
            out[HEADROOM..HEADROOM + 40].copy_from_slice(&superpacket[..40]);
            out[HEADROOM + 40..end].copy_from_slice(data);
            let inner = &mut out[HEADROOM..end];
            inner[2..4].copy_from_slice(&((40 + data.len()) as u16).to_be_bytes());
            wire::ipv4::Packet::new_unchecked(&mut *inner).fill_checksum();
            inner[36..38].fill(0);
            let pseudo = checksum::pseudo_header(&inner[12..20], 6, (20 + data.len()) as u32);
            let sum = !checksum::fold(checksum::accumulate(pseudo, &inner[20..]));
            inner[36..38].copy_from_slice(&sum.to_be_bytes());
            let range = how
                .encapsulate(&mut out, HEADROOM..end, &to)
                .expect("a good packet");
            black_box(&out[range]);
            count += 1;
        }
        count
    };
    assert_eq!(run(), 49);
    group.bench_function("two-steps", |b| b.iter(&mut run));
    group.finish();
}

/// Packets that are in no cache, 64 at a time: touched ahead, and one after the other.
fn cold(c: &mut Criterion) {
    const PACKETS: usize = 48 * 1024;
    let mut buf = packet(64);
    let end = buf.len();
    let outer = Encapsulator::new()
        .encapsulate(&mut buf, HEADROOM..end, &tunnel())
        .expect("a good packet");
    let mut packets: Vec<Vec<u8>> = (0..PACKETS)
        .map(|_| {
            let mut packet = Vec::with_capacity(2048);
            packet.extend_from_slice(&buf[outer.clone()]);
            packet
        })
        .collect();
    // Neighbours in the list are no neighbours in memory.
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for i in (1..PACKETS).rev() {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        packets.swap(i, (random >> 33) as usize % (i + 1));
    }
    let how = Decapsulator::new();
    let mut group = c.benchmark_group("tunnel/decapsulate_cold/64");
    group.throughput(Throughput::Elements(64));
    let mut at = 0;
    let mut next = move || {
        at = (at + 64) % PACKETS;
        at..at + 64
    };
    group.bench_function("batch", |b| {
        b.iter(|| {
            let mut good = 0;
            batch::decapsulate(&how, &mut packets[next()], |_, _, result| {
                good += usize::from(result.is_ok());
            });
            assert_eq!(good, 64);
        });
    });
    group.bench_function("scalar", |b| {
        b.iter(|| {
            let mut good = 0;
            for packet in &mut packets[next()] {
                let len = packet.len();
                good += usize::from(black_box(how.decapsulate(packet, 0..len)).is_ok());
            }
            assert_eq!(good, 64);
        });
    });
    group.finish();
}

criterion_group! {
    name = tunnel_codec;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = encapsulate, decapsulate, split, cold
}
criterion_main!(tunnel_codec);
