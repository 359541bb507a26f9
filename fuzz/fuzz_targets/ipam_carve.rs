//! Carving with random reservations, against one bit for each address.
#![no_main]

use std::collections::BTreeMap;

use ipnet::IpNet;
use kraud_ipam::{CarveError, CarveRequest, Policy, SubnetPool};

const BITS: u8 = 6;

/// The bits of a prefix.
const fn mask(first: u128, size: u128) -> u64 {
    (u64::MAX >> (64 - size)) << first
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.iter().copied();
    let v6 = bytes.next().unwrap_or(0) & 1 != 0;
    let base: IpNet = if v6 { "fd00::/122" } else { "10.0.0.0/26" }
        .parse()
        .expect("a literal");
    let width = base.max_prefix_len();
    let mut prefix = |first: u8| {
        let len = base.prefix_len() + first % (BITS + 1);
        let index = u128::from(bytes.next()?) % (1 << (len - base.prefix_len()));
        Some((
            kraud_ipam::nth_subnet(base, len, index)?,
            index << (width - len),
            1u128 << (width - len),
        ))
    };
    // The addresses that are reserved or held, a bit each.
    let mut taken = 0u64;
    let mut builder = SubnetPool::builder()
        .base(base)
        .policy(Policy::permissive());
    let Some(reservations) = prefix(BITS).map(|(_, at, _)| at % 8) else {
        return;
    };
    for turn in 0..reservations {
        let Some((net, first, size)) = prefix(turn as u8) else {
            return;
        };
        builder = builder.reserve("reserved", net);
        taken |= mask(first, size);
    }
    let mut pool = builder.build().expect("a pool");
    let mut live: BTreeMap<usize, IpNet> = BTreeMap::new();
    for turn in 1usize.. {
        let Some((net, first, size)) = prefix((turn as u8).wrapping_mul(5)) else {
            return;
        };
        let len = net.prefix_len();
        let free = |first: u128| taken & mask(first, size) == 0;
        let room = (0..1u128 << BITS)
            .step_by(size as usize)
            .find(|at| free(*at));
        let owner = format!("o{turn}");
        let (request, exact) = match turn % 6 {
            0 => (CarveRequest::exact(net), true),
            1 => (CarveRequest::best(len), false),
            2 => (CarveRequest::sparse(len), false),
            3 => (CarveRequest::stable(len), false),
            4 if !live.is_empty() => {
                let (&gone, &net) = live
                    .iter()
                    .nth(first as usize % live.len())
                    .expect("one of them");
                let change = pool
                    .release(&format!("o{gone}"), net, None)
                    .expect("it is held");
                pool.undo(&change).expect("the latest change");
                pool.replay(&change).expect("undone just now");
                live.remove(&gone);
                let at = kraud_ipam::subnet_index(base, net).expect("inside");
                let size = 1u128 << (width - net.prefix_len());
                taken &= !mask(at * size, size);
                continue;
            }
            _ => (CarveRequest::first(len), false),
        };
        let tried = pool.dry_run(owner.as_str(), request.clone());
        match pool.carve(owner.as_str(), request.clone()) {
            Ok(grant) => {
                assert_eq!(tried, Ok(grant.prefix()));
                let at = kraud_ipam::subnet_index(base, grant.prefix()).expect("inside")
                    << (width - grant.prefix().prefix_len());
                assert!(free(at), "{} is free", grant.prefix());
                if request == CarveRequest::first(len) {
                    assert_eq!(room, Some(at), "the first");
                }
                taken |= mask(at, size);
                live.insert(turn, grant.prefix());
            }
            Err(CarveError::Overlap { .. }) => assert!(exact && !free(first)),
            Err(CarveError::Exhausted { .. }) => assert!(!exact && room.is_none(), "{room:?}"),
            Err(other) => panic!("{other}"),
        }
        assert_eq!(pool.free_count(), u128::from(taken.count_zeros()));
    }
});
