//! All states that a few calls can lead to, none left out.
//!
//! Breadth first from the empty subnet; a state seen before (up to the names of revisions) is not
//! looked at again. Every edge is compared with the reference, in full.

mod reference;

use std::collections::BTreeSet;

use reference::{Op, Pick, Reference, Setup};

const DEPTH: usize = 7;

fn allocate(owner: u8, pick: Pick) -> Op {
    Op::Allocate {
        owner,
        pick,
        within: None,
        inside: None,
        until: None,
        additional: false,
        now: 0,
    }
}

/// Follows every call from every state, up to `depth` calls. Returns how many states there are.
fn explore(setup: Setup, ops: &[Op], depth: usize) -> usize {
    let mut seen = BTreeSet::new();
    let (reference, subnet) = Reference::pair(setup);
    seen.insert(reference.shape());
    let mut frontier = vec![(reference, subnet)];
    for _ in 0..depth {
        let mut next = Vec::new();
        for (reference, subnet) in &frontier {
            for &op in ops {
                let (mut reference, mut subnet) = (reference.clone(), subnet.clone());
                reference.checked_step(&mut subnet, op);
                if seen.insert(reference.shape()) {
                    next.push((reference, subnet));
                }
            }
        }
        frontier = next;
    }
    seen.len()
}

/// Exact, lowest, next, stable and prefixes for each owner, and every release.
fn calls(host_bits: u8, owners: u8, exact: &[u8]) -> Vec<Op> {
    let mut ops = Vec::new();
    for owner in 0..owners {
        ops.extend(
            [Pick::Lowest, Pick::Next, Pick::Stable, Pick::LongestIdle]
                .map(|pick| allocate(owner, pick)),
        );
        ops.extend(exact.iter().map(|at| allocate(owner, Pick::Exact(*at))));
        ops.extend(exact.iter().map(|&at| Op::Release {
            owner,
            at,
            revision: None,
            now: 0,
        }));
        ops.push(Op::ReleaseOwner { owner, now: 0 });
        if host_bits > 0 {
            ops.push(allocate(owner, Pick::Prefix(0, 1)));
            ops.push(allocate(owner, Pick::PrefixLen(1)));
        }
    }
    ops
}

#[test]
fn every_state_of_a_31_and_a_127_within_seven_calls() {
    for v6 in [false, true] {
        let mut ops = calls(1, 3, &[0, 1, 2]);
        ops.push(Op::Allocate {
            owner: 1,
            pick: Pick::Nth(0),
            within: None,
            inside: Some(0),
            until: None,
            additional: false,
            now: 0,
        });
        let states = explore(
            Setup {
                remember: true,
                ..Setup::plain(v6, 1)
            },
            &ops,
            DEPTH,
        );
        assert!(states > 30, "{states}");
    }
}

#[test]
fn every_state_of_a_30_and_a_126_within_seven_calls() {
    for v6 in [false, true] {
        let states = explore(Setup::plain(v6, 2), &calls(2, 3, &[0, 1, 2, 3]), DEPTH);
        assert!(states > 50, "{states}");
    }
}

#[test]
fn every_state_of_a_29_and_a_125_with_gateway_within_seven_calls() {
    for v6 in [false, true] {
        let setup = Setup {
            gateway: true,
            ..Setup::plain(v6, 3)
        };
        let states = explore(setup, &calls(3, 2, &[0, 1, 2, 5]), DEPTH);
        assert!(states > 100, "{states}");
    }
}

#[test]
fn every_state_of_a_28_and_a_124_within_seven_calls() {
    for v6 in [false, true] {
        let mut ops = vec![
            allocate(0, Pick::Prefix(4, 2)),
            allocate(1, Pick::PrefixLen(2)),
        ];
        for owner in 0..3 {
            ops.extend(
                [Pick::Lowest, Pick::Next, Pick::Random(u128::MAX)]
                    .map(|pick| allocate(owner, pick)),
            );
            ops.push(Op::ReleaseOwner { owner, now: 0 });
        }
        let states = explore(Setup::plain(v6, 4), &ops, DEPTH);
        assert!(states > 500, "{states}");
    }
}

/// Time passes: leases and quarantines end.
#[test]
fn every_state_with_leases_and_quarantine_within_seven_calls() {
    for pressure in [false, true] {
        let setup = Setup {
            quarantine: 2,
            pressure,
            ..Setup::plain(false, 2)
        };
        let mut ops = Vec::new();
        for owner in 0..2 {
            for now in [0, 1, 3] {
                ops.push(Op::Allocate {
                    owner,
                    pick: Pick::Lowest,
                    within: None,
                    inside: None,
                    until: Some(now + 1),
                    additional: false,
                    now,
                });
                ops.push(Op::ReleaseOwner { owner, now });
            }
            ops.push(allocate(owner, Pick::Exact(1)));
            ops.push(allocate(owner, Pick::Stable));
        }
        ops.push(Op::Expire { now: 2 });
        let states = explore(setup, &ops, DEPTH);
        assert!(states > 100, "{states}");
    }
}
