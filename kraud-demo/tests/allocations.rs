//! The userspace plane allocates nothing while packets flow.
//!
//! As in `lab.rs`, this runs on request: `cargo test -p kraud-demo --test allocations -- --ignored`, as `cargo xtask ci`
//! does. It is a program of its own because every allocation in it is counted.

mod common;
mod ends;

use std::alloc::System;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ends::{Ends, PATIENCE};
use kraud_demo::cli::PlaneChoice;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What is sent before the counting starts: handshakes, and whatever grows once.
const WARM: u64 = 8 << 20;
/// At least 48,000 packets of the overlay.
const MEASURED: u64 = 64 << 20;
const DATAGRAMS: usize = 5000;

#[test]
#[ignore = "needs root and /dev/net/tun"]
fn no_packet_costs_an_allocation() {
    let ends = Ends::up(PlaneChoice::Userspace);
    assert_eq!(allocations(superpackets(&ends)), 0, "a stream of TCP");
    assert_eq!(allocations(single_packets(&ends)), 0, "datagrams");
}

fn allocations(change: Stats) -> usize {
    change.allocations + change.reallocations
}

/// A TCP stream: superpackets in, rows of datagrams, superpackets out.
fn superpackets(ends: &Ends) -> Stats {
    let [to, _] = ends.addresses(1);
    let listener = ends.inside(1, || TcpListener::bind((to, 0)).expect("an own address"));
    let address = listener.local_addr().expect("bound");
    let mut sender = ends.inside(0, || TcpStream::connect(address).expect("a way"));
    let (mut receiver, _) = listener.accept().expect("a connection");
    receiver
        .set_read_timeout(Some(PATIENCE))
        .expect("a timeout");
    let received = AtomicU64::new(0);
    let (sent, mut buffer) = ([0x5a; 1 << 16], vec![0; 1 << 16]);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while received.load(Ordering::Relaxed) < WARM + MEASURED {
                let length = receiver.read(&mut buffer).expect("it flows");
                assert!(length > 0, "the stream ended early");
                received.fetch_add(length as u64, Ordering::Relaxed);
            }
        });
        let mut send = |bytes: u64, total: u64| {
            for _ in 0..bytes / sent.len() as u64 {
                sender.write_all(&sent).expect("it flows");
            }
            while received.load(Ordering::Relaxed) < total {
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        send(WARM, WARM);
        let region = Region::new(COUNTED);
        send(MEASURED, WARM + MEASURED);
        region.change()
    })
}

/// Datagrams and their echoes: one packet per read, one datagram per send.
fn single_packets(ends: &Ends) -> Stats {
    let [one, other] = [0, 1].map(|end| {
        let [own, _] = ends.addresses(end);
        let socket = ends.inside(end, || UdpSocket::bind((own, 0)).expect("an own address"));
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        socket
    });
    one.connect(other.local_addr().expect("bound"))
        .expect("a way");
    other
        .connect(one.local_addr().expect("bound"))
        .expect("a way");
    let mut buffer = [0; 2000];
    let region = Region::new(COUNTED);
    for round in 0..DATAGRAMS {
        let length = 20 + round % 1300;
        for (from, to) in [(&one, &other), (&other, &one)] {
            from.send(&[7; 2000][..length]).expect("sent");
            assert_eq!(to.recv(&mut buffer).expect("it arrives"), length);
        }
    }
    region.change()
}
