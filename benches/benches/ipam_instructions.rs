//! Instructions per call of kraud-ipam, counted by valgrind, against budgets and against rivals.
//!
//! `cargo bench -p kraud-benches --bench ipam_instructions`, with `--features rivals` beside hibitset,
//! roaring and prefix-trie. A "pair" is the release of a random member and one allocation; what the dice
//! and the list of members cost is counted with all of them, and by itself as `harness`.

use std::{collections::BTreeSet, hint::black_box, process::ExitCode};

use ipnet::IpNet;
use kraud_benches::instructions::{self, Case, Ratio};
use kraud_ipam::{
    AllocRequest, CarveRequest, Owner, Subnet, SubnetPool,
    set::{BlockSet, NumberSet},
};

#[path = "ipam/pools.rs"]
mod pools;

#[cfg(feature = "rivals")]
use pools::rivals;
use pools::{Dice, FreeTree, Kraud, Pool, all_differ, shuffled};

const ROUNDS: u64 = 20_000;
/// Members of the larger cases.
const MANY: u64 = 100_000;

const fn case(name: &'static str, budget: Option<f64>, run: fn(u64)) -> Case {
    Case { name, budget, run }
}

const CASES: &[Case] = &[
    case("harness", None, harness),
    case("first_fit_pair/v4_16_at_50/kraud", Some(275.0), |n| {
        first_fit::<Kraud>(n, 32_768);
    }),
    case("first_fit_pair/v4_16_at_90/kraud", Some(275.0), |n| {
        first_fit::<Kraud>(n, 58_982);
    }),
    case("first_fit_pair/v4_16_at_99.99/kraud", Some(275.0), |n| {
        first_fit::<Kraud>(n, 65_529);
    }),
    case("first_fit_pair/v4_16_at_90/btreeset", None, |n| {
        first_fit::<FreeTree>(n, 58_982);
    }),
    #[cfg(feature = "rivals")]
    case("first_fit_pair/v4_16_at_90/hibitset", None, |n| {
        first_fit::<rivals::Hibitset>(n, 58_982);
    }),
    #[cfg(feature = "rivals")]
    case("first_fit_pair/v4_16_at_90/roaring", None, |n| {
        first_fit::<rivals::Roaring>(n, 58_982);
    }),
    #[cfg(feature = "rivals")]
    case("first_fit_pair/v4_16_at_90/range-set-blaze", None, |n| {
        first_fit::<rivals::RangeSet>(n, 58_982);
    }),
    case("random_pair/v4_16_at_90/kraud", Some(660.0), random),
    case("v6_64_dense_alloc/kraud", Some(142.0), dense),
    #[cfg(feature = "rivals")]
    case("v6_64_dense_alloc/roaring", None, dense_roaring),
    case("v6_64_random_pair/kraud", Some(675.0), sparse),
    case("v6_64_random_pair/btreeset", None, sparse_tree),
    case("carve_100k/kraud", Some(740.0), carve),
    case("carve_churn/kraud", Some(1870.0), churn),
    case("overlap_100k/kraud", Some(390.0), overlap),
    #[cfg(feature = "rivals")]
    case("overlap_100k/prefix-trie", None, overlap_trie),
    case("owners_100k_ask_again/kraud", Some(800.0), ask_again),
    case("owners_100k_pair/kraud", Some(7150.0), owners),
];

/// Beside hibitset, which keeps no counts, a first fit is dearer; beside all others it is not.
const RATIOS: &[Ratio] = &[
    (
        "first_fit_pair/v4_16_at_90/kraud",
        "first_fit_pair/v4_16_at_90/btreeset",
        0.92,
    ),
    (
        "first_fit_pair/v4_16_at_90/kraud",
        "first_fit_pair/v4_16_at_90/hibitset",
        1.2,
    ),
    (
        "first_fit_pair/v4_16_at_90/kraud",
        "first_fit_pair/v4_16_at_90/roaring",
        0.14,
    ),
    (
        "first_fit_pair/v4_16_at_99.99/kraud",
        "first_fit_pair/v4_16_at_50/kraud",
        1.03,
    ),
    (
        "v6_64_random_pair/kraud",
        "v6_64_random_pair/btreeset",
        0.83,
    ),
    ("overlap_100k/kraud", "overlap_100k/prefix-trie", 1.65),
];

fn main() -> ExitCode {
    instructions::main("ipam", CASES, RATIOS, ROUNDS)
}

fn net(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}

fn harness(rounds: u64) {
    let mut dice = Dice(1);
    let mut members: Vec<u64> = (0..58_982).collect();
    for round in 0..rounds {
        let place = dice.below(58_982) as usize;
        black_box(members[place]);
        members[place] = black_box(round);
    }
}

fn first_fit<P: Pool>(rounds: u64, live: u64) {
    let mut dice = Dice(1);
    let (mut pool, mut members) = shuffled::<P>(1 << 16, live, &mut dice);
    for _ in 0..rounds {
        let place = dice.below(live) as usize;
        pool.release(members[place]);
        members[place] = pool.take_first();
    }
    all_differ(&members);
}

fn random(rounds: u64) {
    let mut dice = Dice(2);
    let (Kraud { mut set, .. }, mut members) = shuffled::<Kraud>(1 << 16, 58_982, &mut dice);
    for _ in 0..rounds {
        let place = dice.below(58_982) as usize;
        set.remove(members[place]);
        let free = (1 << 16) - 58_981;
        let at = set.nth_free(0, dice.below(free)).expect("there is room");
        set.insert(at);
        members[place] = at;
    }
    all_differ(&members);
}

fn dense(rounds: u64) {
    let mut set = NumberSet::<u64>::new();
    let mut next = 0;
    for _ in 0..rounds {
        next = set.take_next(next, u64::MAX).expect("there is room");
    }
    assert_eq!(set.count(0, u64::MAX), u128::from(rounds));
}

#[cfg(feature = "rivals")]
fn dense_roaring(rounds: u64) {
    let mut set = roaring::RoaringTreemap::new();
    for next in 0..rounds {
        assert!(set.insert(next));
    }
    assert_eq!(set.len(), rounds);
}

fn sparse(rounds: u64) {
    let mut dice = Dice(4);
    let mut members: Vec<u64> = (0..MANY).map(|_| dice.roll()).collect();
    let mut set = NumberSet::<u64>::new();
    members.iter().for_each(|at| assert!(set.insert(*at)));
    for _ in 0..rounds {
        let place = dice.below(MANY) as usize;
        assert!(set.remove(members[place]));
        members[place] = dice.roll();
        assert!(set.insert(members[place]));
    }
    assert_eq!(set.count(0, u64::MAX), u128::from(MANY));
}

fn sparse_tree(rounds: u64) {
    let mut dice = Dice(4);
    let mut members: Vec<u64> = (0..MANY).map(|_| dice.roll()).collect();
    let mut set: BTreeSet<u64> = members.iter().copied().collect();
    for _ in 0..rounds {
        let place = dice.below(MANY) as usize;
        assert!(set.remove(&members[place]));
        members[place] = dice.roll();
        assert!(set.insert(members[place]));
    }
    assert_eq!(set.len() as u64, MANY);
}

fn carve(rounds: u64) {
    let base = net("10.0.0.0/8");
    let mut free = BlockSet::new(base);
    for _ in 0..rounds {
        free.take_first(26).expect("there is room");
    }
    let next = kraud_ipam::nth_subnet(base, 26, u128::from(rounds));
    assert_eq!(free.first(26), next);
}

fn churn(rounds: u64) {
    let mut free = BlockSet::new(net("10.0.0.0/8"));
    let mut members: Vec<IpNet> = (0..MANY)
        .map(|_| free.take_first(26).expect("there is room"))
        .collect();
    let mut dice = Dice(5);
    for _ in 0..rounds {
        let place = dice.below(MANY) as usize;
        assert!(free.give(members[place]));
        members[place] = free.take_first(26).expect("there is room");
    }
    members.sort();
    members.dedup();
    assert_eq!(members.len() as u64, MANY);
}

/// Half of the probes meet one of the subnets.
fn probes() -> (SubnetPool, Vec<IpNet>) {
    let base = net("10.0.0.0/8");
    let mut pool = SubnetPool::new([base]).expect("a pool");
    for index in 0..MANY {
        let _ = pool
            .carve(index.to_string(), CarveRequest::first(26))
            .expect("there is room");
    }
    let mut dice = Dice(6);
    let probe =
        |_| kraud_ipam::nth_subnet(base, 28, u128::from(dice.below(1 << 20))).expect("it exists");
    (pool, (0..4096).map(probe).collect())
}

fn overlap(rounds: u64) {
    let (pool, probes) = probes();
    for probe in &probes {
        let first = pool.overlapping(*probe).next();
        assert_eq!(pool.overlaps(*probe), first.is_some());
    }
    for round in 0..rounds {
        black_box(pool.overlaps(black_box(probes[round as usize % 4096])));
    }
}

#[cfg(feature = "rivals")]
fn overlap_trie(rounds: u64) {
    let (pool, probes) = probes();
    let four = |net: &IpNet| match net {
        IpNet::V4(net) => *net,
        IpNet::V6(_) => unreachable!("all are IPv4"),
    };
    let set: prefix_trie::PrefixSet<ipnet::Ipv4Net> =
        pool.subnets().map(|carved| four(&carved.prefix)).collect();
    for probe in &probes {
        assert_eq!(set.get_lpm(&four(probe)).is_some(), pool.overlaps(*probe));
    }
    for round in 0..rounds {
        let probe = black_box(four(&probes[round as usize % 4096]));
        black_box(set.get_lpm(&probe));
    }
}

fn population() -> (Subnet, Vec<Owner>) {
    let names: Vec<Owner> = (0..MANY)
        .map(|n| format!("tenant/pod.{n}").into())
        .collect();
    let mut net6 = Subnet::new(net("fd42:0:0:1::/64")).expect("a subnet");
    for name in &names {
        let _ = net6
            .allocate(name, AllocRequest::lowest())
            .expect("there is room");
    }
    (net6, names)
}

fn ask_again(rounds: u64) {
    let (mut net6, names) = population();
    let mut dice = Dice(7);
    for _ in 0..rounds {
        let name = &names[dice.below(MANY) as usize];
        let grant = net6.allocate(name, AllocRequest::lowest());
        assert!(!grant.expect("it holds one").is_new());
    }
    assert_eq!(net6.usage().held, u128::from(MANY));
}

fn owners(rounds: u64) {
    let (mut net6, names) = population();
    let mut dice = Dice(7);
    for now in 0..rounds {
        let name = &names[dice.below(MANY) as usize];
        let _ = net6.release_owner(name, now).expect("nothing is inside");
        let _ = net6
            .allocate(name, AllocRequest::next())
            .expect("there is room");
    }
    assert_eq!(net6.usage().held, u128::from(MANY));
}
