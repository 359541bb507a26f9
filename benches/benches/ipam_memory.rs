//! How much memory the structures of kraud-ipam take; each figure is held against its goal.

use std::alloc::System;

use kraud_ipam::{
    AllocRequest, Subnet,
    set::{BlockSet, NumberSet},
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The bytes that are live behind what `make` returns, the value itself included.
fn measure<T>(make: impl FnOnce() -> T) -> (usize, T) {
    let region = Region::new(GLOBAL);
    let made = make();
    let stats = region.change();
    // What a reallocation adds or frees is in these two already.
    let grown = stats.bytes_allocated as isize - stats.bytes_deallocated as isize;
    (grown.max(0) as usize + size_of::<T>(), made)
}

fn report(case: &str, bytes: f64, unit: &str, goal: f64) {
    println!("ipam/memory/{case}/kraud: {bytes:.3} {unit} (goal {goal})");
    assert!(bytes <= goal, "{case}: {bytes} {unit} is more than {goal}");
}

fn main() {
    const MILLION: u64 = 1_000_000;
    for (case, prefix) in [
        ("v4_8", "10.0.0.0/8"),
        ("v6_64", "fd00::/64"),
        ("v6_0", "::/0"),
    ] {
        let (bytes, _set) = measure(|| BlockSet::new(prefix.parse().expect("a prefix")));
        report(&format!("create_blocks_{case}"), bytes as f64, "B", 256.0);
    }
    let (bytes, _set) = measure(NumberSet::<u128>::new);
    report("create_set_v6_0", bytes as f64, "B", 256.0);

    // Every other number of a /12: no range is longer than one.
    let (bytes, set) = measure(|| {
        let mut set = NumberSet::<u64>::new();
        (0..1u64 << 20).step_by(2).for_each(|at| {
            set.insert(at);
        });
        set
    });
    assert_eq!(set.count(0, u64::MAX), 1 << 19);
    report(
        "v4_12_alternating",
        bytes as f64 * 8.0 / f64::from(1 << 20),
        "bit per address",
        1.15,
    );

    let (bytes, set) = measure(|| {
        let mut set = NumberSet::<u64>::new();
        (0..MILLION).for_each(|at| {
            set.insert(at);
        });
        set
    });
    assert_eq!(set.count(0, u64::MAX), u128::from(MILLION));
    report(
        "v6_64_dense",
        bytes as f64 / MILLION as f64,
        "B per live",
        0.2,
    );

    let (bytes, set) = measure(|| {
        let mut set = NumberSet::<u64>::new();
        let mut at = 0u64;
        for _ in 0..MILLION {
            at = at.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (at ^ (at >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            set.insert(z ^ (z >> 27));
        }
        set
    });
    assert_eq!(set.count(0, u64::MAX), u128::from(MILLION));
    report(
        "v6_64_random",
        bytes as f64 / MILLION as f64,
        "B per live",
        12.0,
    );

    let names: Vec<kraud_ipam::Owner> = (0..MILLION)
        .map(|n| format!("tenant/pod.{n}").into())
        .collect();
    let (bytes, net) = measure(|| {
        let mut net = Subnet::new("fd42:0:0:1::/64".parse().expect("a prefix")).expect("a subnet");
        for name in &names {
            let _ = net
                .allocate(name, AllocRequest::lowest())
                .expect("there is room");
        }
        net
    });
    assert_eq!(net.usage().held, u128::from(MILLION));
    report(
        "owners_million",
        bytes as f64 / MILLION as f64,
        "B per live beside the key",
        400.0,
    );
}
