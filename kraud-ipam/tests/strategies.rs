//! What the strategies make up is what they say, and holds the invariants of a subnet and a pool.

use ipnet::IpNet;
use kraud_ipam::{CarveError, Count, Family, strategies};
use proptest::prelude::*;

fn any_family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::V4), Just(Family::V6)]
}

proptest! {
    #[test]
    fn prefixes_have_the_lengths_asked_for(
        (family, prefix) in any_family().prop_flat_map(|family| (Just(family), strategies::prefix(family, 20..=28))),
    ) {
        prop_assert!((20..=28).contains(&prefix.prefix_len()), "{}", prefix);
        prop_assert_eq!(prefix, prefix.trunc());
        prop_assert_eq!(matches!(prefix, IpNet::V4(_)), family == Family::V4);
    }

    #[test]
    fn any_requests_of_any_subnet_keep_the_sums(
        (mut net, steps) in any_family()
            .prop_flat_map(|family| strategies::subnet(family, 26..=128))
            .prop_flat_map(|net| {
                let request = prop_oneof![strategies::alloc_request(), strategies::exact_request(net.prefix())];
                (Just(net), proptest::collection::vec((strategies::owner(5), request), 0..40))
            }),
    ) {
        let mut granted = 0;
        for (owner, request) in steps {
            let before = net.clone();
            match net.allocate(owner.clone(), request) {
                Ok(grant) => {
                    granted += 1;
                    prop_assert!(net.holdings_of(&owner).any(|holding| holding == grant.holding()));
                    let mut other = net.clone();
                    other.undo(grant.change()).expect("the latest change");
                    prop_assert_eq!(&other, &before);
                }
                Err(_) => prop_assert_eq!(&net, &before),
            }
            let usage = net.usage();
            let sum = usage.free.plus(usage.held).plus(usage.reserved).plus(usage.resting);
            prop_assert_eq!(sum, Count::of(net.prefix()));
        }
        prop_assert_eq!(granted == 0, net.revision() == 0);
    }

    #[test]
    fn carved_subnets_never_overlap(
        mut pool in any_family().prop_flat_map(|family| strategies::pool(family, 16..=24)),
        steps in proptest::collection::vec((strategies::owner(9), strategies::carve_request(16..=30)), 0..40),
    ) {
        for (owner, request) in steps {
            match pool.carve(owner, request) {
                Ok(_) | Err(CarveError::AlreadyHolds { .. } | CarveError::Exhausted { .. }) => {}
                Err(CarveError::NoMatchingBase { .. }) => {}
                Err(other) => prop_assert!(false, "{}", other),
            }
        }
        let subnets: Vec<IpNet> = pool.subnets().map(|carved| carved.prefix).collect();
        prop_assert!(subnets.windows(2).all(|pair| pair[0].broadcast() < pair[1].network()));
        for reservation in pool.reservations() {
            prop_assert!(!pool.overlaps(reservation.prefix));
        }
    }
}
