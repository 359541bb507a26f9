//! Benchmarks of kraud-ipam: bare sets and blocks against the best crate of each column, then what a
//! user calls. A "pair" is the release of a random member and one allocation.
//!
//! Every case checks what it did, before or after the timed loop.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    hint::black_box,
};

use criterion::{
    BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use ipnet::IpNet;
use kraud_ipam::{
    AllocRequest, CarveRequest, Subnet, SubnetPool,
    set::{BlockSet, NumberSet},
};

#[path = "ipam/pools.rs"]
mod pools;

#[cfg(feature = "rivals")]
use pools::rivals;
use pools::{Dice, FreeTree, Kraud, Pool, all_differ, shuffled};

/// Pairs on a shuffled pool: the free numbers are spread over all of it from the start.
fn first_fit<P: Pool>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    case: &str,
    name: &str,
    size: u64,
    live: u64,
) {
    let mut dice = Dice(1);
    let (mut pool, mut members) = shuffled::<P>(size, live, &mut dice);
    group.bench_function(format!("{case}/{name}"), |bench| {
        bench.iter(|| {
            let place = dice.below(live) as usize;
            pool.release(members[place]);
            members[place] = pool.take_first();
        });
    });
    all_differ(&members);
}

fn first_fit_pairs(c: &mut Criterion) {
    let mut group = c.benchmark_group("ipam/first_fit_pair");
    for (case, size, live) in [
        ("v4_16_at_50", 1 << 16, 1 << 15),
        ("v4_16_at_90", 1 << 16, 58_982),
        ("v4_16_at_99", 1 << 16, 64_880),
        ("v4_16_at_99.99", 1 << 16, 65_529),
        ("v4_12_at_90", 1 << 20, 943_718),
    ] {
        first_fit::<Kraud>(&mut group, case, "kraud", size, live);
        first_fit::<FreeTree>(&mut group, case, "btreeset", size, live);
        #[cfg(feature = "rivals")]
        {
            first_fit::<rivals::Hibitset>(&mut group, case, "hibitset", size, live);
            first_fit::<rivals::Roaring>(&mut group, case, "roaring", size, live);
            first_fit::<rivals::RangeSet>(&mut group, case, "range-set-blaze", size, live);
        }
    }
}

fn random_pairs(c: &mut Criterion) {
    let mut group = c.benchmark_group("ipam/random_pair");
    for (case, live) in [
        ("v4_16_at_50", 1u64 << 15),
        ("v4_16_at_90", 58_982),
        ("v4_16_at_99.99", 65_529),
    ] {
        let last = u64::from(u16::MAX);
        let mut set = NumberSet::<u64>::new();
        set.insert_range(0, last);
        let mut dice = Dice(2);
        let mut members: Vec<u64> = (0..=last).collect();
        while members.len() as u64 > live {
            let place = dice.below(members.len() as u64) as usize;
            set.remove(members.swap_remove(place));
        }
        let free = last + 1 - live + 1;
        group.bench_function(format!("{case}/kraud"), |bench| {
            bench.iter(|| {
                let place = dice.below(live) as usize;
                set.remove(members[place]);
                let at = set.nth_free(0, dice.below(free)).expect("there is room");
                set.insert(at);
                members[place] = at;
            });
        });
        let distinct: HashSet<u64> = members.iter().copied().collect();
        assert_eq!(distinct.len() as u64, live);
        assert_eq!(set.count(0, last), u128::from(live));
    }
}

const MILLION: u64 = 1_000_000;

fn v6_dense(c: &mut Criterion) {
    let mut group = c.benchmark_group("ipam/v6_64_dense");
    group.bench_function("alloc/kraud", |bench| {
        let mut set = NumberSet::<u64>::new();
        let mut next = 0;
        bench.iter(|| {
            next = set.take_next(next, u64::MAX).expect("there is room");
        });
        assert_eq!(set.count(0, u64::MAX), u128::from(next) + 1);
    });
    let mut set = NumberSet::<u64>::new();
    set.insert_range(0, MILLION - 1);
    let mut dice = Dice(3);
    let mut members: Vec<u64> = (0..MILLION).collect();
    group.bench_function("pair/kraud", |bench| {
        bench.iter(|| {
            let place = dice.below(MILLION) as usize;
            set.remove(members[place]);
            members[place] = set.take_next(0, u64::MAX).expect("there is room");
        });
    });
    assert_eq!(set.count(0, u64::MAX), u128::from(MILLION));
    #[cfg(feature = "rivals")]
    {
        let mut next = 0;
        let mut set = roaring::RoaringTreemap::new();
        group.bench_function("alloc/roaring", |bench| {
            bench.iter(|| {
                assert!(set.insert(next));
                next += 1;
            });
        });
        let mut free: roaring::RoaringTreemap = (MILLION..2 * MILLION).collect();
        let mut members: Vec<u64> = (0..MILLION).collect();
        group.bench_function("pair/roaring", |bench| {
            bench.iter(|| {
                let place = dice.below(MILLION) as usize;
                free.insert(members[place]);
                let at = free.min().expect("there is room");
                free.remove(at);
                members[place] = at;
            });
        });
    }
}

fn v6_random(c: &mut Criterion) {
    let mut group = c.benchmark_group("ipam/v6_64_random");
    let mut dice = Dice(4);
    let members: Vec<u64> = (0..MILLION).map(|_| dice.roll()).collect();

    let mut set = NumberSet::<u64>::new();
    members.iter().for_each(|at| assert!(set.insert(*at)));
    group.bench_function("pair/kraud", |bench| {
        let (mut set, mut members, mut dice) = (set.clone(), members.clone(), dice.clone());
        bench.iter(|| {
            let place = dice.below(MILLION) as usize;
            set.remove(members[place]);
            members[place] = dice.roll();
            set.insert(members[place]);
        });
        assert_eq!(set.count(0, u64::MAX), u128::from(MILLION));
    });
    group.bench_function("fill_million/kraud", |bench| {
        bench.iter(|| {
            let mut set = NumberSet::<u64>::new();
            members.iter().for_each(|at| {
                set.insert(*at);
            });
            set
        });
    });

    let tree: BTreeSet<u64> = members.iter().copied().collect();
    group.bench_function("pair/btreeset", |bench| {
        let (mut set, mut members, mut dice) = (tree.clone(), members.clone(), dice.clone());
        bench.iter(|| {
            let place = dice.below(MILLION) as usize;
            set.remove(&members[place]);
            members[place] = dice.roll();
            set.insert(members[place]);
        });
        assert_eq!(set.len() as u64, MILLION);
    });
    group.bench_function("fill_million/btreeset", |bench| {
        bench.iter(|| {
            let mut set = BTreeSet::new();
            members.iter().for_each(|at| {
                set.insert(*at);
            });
            set
        });
    });
    group.bench_function("pair/hashset", |bench| {
        let (mut set, mut members, mut dice) = (
            members.iter().copied().collect::<HashSet<_>>(),
            members.clone(),
            dice.clone(),
        );
        bench.iter(|| {
            let place = dice.below(MILLION) as usize;
            set.remove(&members[place]);
            members[place] = dice.roll();
            set.insert(members[place]);
        });
        assert_eq!(set.len() as u64, MILLION);
    });
}

const CARVED: usize = 100_000;

fn net(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}

fn carve(c: &mut Criterion) {
    let mut group = c.benchmark_group("ipam/carve");
    for (case, base, len) in [
        ("v4_8_to_26", "10.0.0.0/8", 26),
        ("v6_8_to_64", "fd00::/8", 64),
    ] {
        group.bench_function(format!("{case}_fill_100k/kraud"), |bench| {
            bench.iter(|| {
                let mut free = BlockSet::new(net(base));
                for _ in 0..CARVED {
                    free.take_first(len).expect("there is room");
                }
                assert_eq!(
                    free.first(len),
                    kraud_ipam::nth_subnet(net(base), len, CARVED as u128)
                );
            });
        });
        let mut free = BlockSet::new(net(base));
        let mut members = Vec::new();
        for _ in 0..CARVED {
            let block = free.first(len).expect("there is room");
            free.take(block);
            members.push(block);
        }
        let mut dice = Dice(5);
        group.bench_function(format!("{case}_churn/kraud"), |bench| {
            bench.iter(|| {
                let place = dice.below(CARVED as u64) as usize;
                free.give(members[place]);
                members[place] = free.take_first(len).expect("there is room");
            });
        });
        assert_eq!(members.iter().collect::<HashSet<_>>().len(), CARVED);
    }

    // 100,000 holes of a /27 lie in front of the first place for a /26.
    let mut free = BlockSet::new(net("10.0.0.0/8"));
    for index in 0..CARVED as u128 {
        free.take(kraud_ipam::nth_subnet(net("10.0.0.0/8"), 27, index * 2).expect("it exists"));
    }
    let expected = kraud_ipam::nth_subnet(net("10.0.0.0/8"), 26, CARVED as u128);
    assert_eq!(free.first(26), expected);
    group.bench_function("v4_26_behind_100k_holes/kraud", |bench| {
        bench.iter(|| {
            let block = free.first(26).expect("there is room");
            free.take(block);
            free.give(block);
        });
    });
    assert_eq!(free.first(26), expected);

    // The usual home-made structure: free ranges in a tree, first fit.
    let mut ranges: BTreeMap<u32, u32> = (0..CARVED as u32)
        .map(|index| (index * 64 + 32, index * 64 + 63))
        .collect();
    ranges.insert(CARVED as u32 * 64, 0x00ff_ffff);
    group.sample_size(10);
    group.bench_function("v4_26_behind_100k_holes/btreemap-of-ranges", |bench| {
        bench.iter(|| {
            let found = ranges.iter().find_map(|(first, last)| {
                let base = first.checked_add(63)? & !63;
                (base + 63 <= *last).then_some(base)
            });
            assert_eq!(black_box(found), Some(CARVED as u32 * 64));
        });
    });
}

fn overlap(c: &mut Criterion) {
    let mut group = c.benchmark_group("ipam/overlap");
    let mut pool = SubnetPool::new([net("10.0.0.0/8")]).expect("a pool");
    for index in 0..CARVED {
        let _ = pool
            .carve(format!("o{index}"), CarveRequest::first(26))
            .expect("there is room");
    }
    let mut dice = Dice(6);
    let probes: Vec<IpNet> = (0..4096)
        .map(|_| {
            kraud_ipam::nth_subnet(net("10.0.0.0/8"), 28, u128::from(dice.below(1 << 20)))
                .expect("it exists")
        })
        .collect();
    let expected = probes.iter().filter(|probe| pool.overlaps(**probe)).count();
    assert!(expected > 1000 && expected < 4096, "{expected}");
    let mut at = 0;
    group.bench_function("100k/kraud", |bench| {
        bench.iter(|| {
            at = (at + 1) % 4096;
            pool.overlaps(probes[at])
        });
    });
    #[cfg(feature = "rivals")]
    {
        let four = |net: &IpNet| match net {
            IpNet::V4(net) => *net,
            IpNet::V6(_) => unreachable!("all are IPv4"),
        };
        let set: prefix_trie::PrefixSet<ipnet::Ipv4Net> =
            pool.subnets().map(|carved| four(&carved.prefix)).collect();
        let found = probes
            .iter()
            .filter(|probe| set.get_lpm(&four(probe)).is_some())
            .count();
        assert_eq!(found, expected, "no probe is larger than a member");
        group.bench_function("100k/prefix-trie", |bench| {
            bench.iter(|| {
                at = (at + 1) % 4096;
                set.get_lpm(&four(&probes[at])).is_some()
            });
        });
    }
}

fn create(c: &mut Criterion) {
    let mut group = c.benchmark_group("ipam/create");
    for (case, prefix) in [
        ("v4_24", "10.0.0.0/24"),
        ("v4_8", "10.0.0.0/8"),
        ("v6_64", "fd00::/64"),
        ("v6_0", "::/0"),
    ] {
        group.bench_function(format!("blocks_{case}/kraud"), |bench| {
            bench.iter(|| BlockSet::new(black_box(net(prefix))));
        });
        let spec = Subnet::builder(net(prefix)).policy(kraud_ipam::Policy::permissive());
        assert_eq!(spec.clone().build().expect("a subnet").usage().held, 0);
        group.bench_function(format!("subnet_{case}/kraud"), |bench| {
            bench.iter(|| black_box(spec.clone()).build());
        });
    }
}

/// What a user calls: owners, revisions, changes.
fn owners(c: &mut Criterion) {
    let mut group = c.benchmark_group("ipam/owners");
    let names: Vec<kraud_ipam::Owner> = (0..MILLION)
        .map(|n| format!("tenant/pod.{n}").into())
        .collect();
    for (case, quarantine) in [("million", 0), ("million_with_quarantine", 60)] {
        let mut net6 = Subnet::builder(net("fd42:0:0:1::/64"))
            .quarantine(quarantine)
            .build()
            .expect("a subnet");
        for name in &names {
            let _ = net6
                .allocate(name, AllocRequest::lowest())
                .expect("there is room");
        }
        let mut dice = Dice(7);
        group.bench_function(format!("{case}_ask_again/kraud"), |bench| {
            bench.iter(|| {
                let name = &names[dice.below(MILLION) as usize];
                net6.allocate(name, AllocRequest::lowest())
                    .expect("it holds one")
                    .address()
            });
        });
        let mut now = 0;
        group.bench_function(format!("{case}_pair/kraud"), |bench| {
            bench.iter(|| {
                now += 1;
                let name = &names[dice.below(MILLION) as usize];
                let _ = net6.release_owner(name, now).expect("nothing is inside");
                net6.allocate(name, AllocRequest::next().at(now))
                    .expect("there is room")
                    .address()
            });
        });
        assert_eq!(net6.usage().held, u128::from(MILLION));
    }
}

criterion_group!(
    benches,
    create,
    first_fit_pairs,
    random_pairs,
    v6_dense,
    v6_random,
    carve,
    overlap,
    owners
);
criterion_main!(benches);
