//! Strategies of [proptest](https://docs.rs/proptest), for tests of what is built on this crate.
//!
//! ```
//! use kraud_ipam::{Family, strategies};
//! use proptest::prelude::*;
//!
//! proptest!(|(
//!     mut net in strategies::subnet(Family::V4, 24..=30),
//!     steps in proptest::collection::vec((strategies::owner(4), strategies::alloc_request()), 0..20),
//! )| {
//!     for (owner, request) in steps {
//!         if let Ok(grant) = net.allocate(owner, request) {
//!             prop_assert!(net.prefix().contains(&grant.address()));
//!         }
//!     }
//! });
//! ```

use core::ops::RangeInclusive;

use ipnet::IpNet;
use proptest::{prelude::*, sample::Index};

use crate::{
    AllocRequest, CarveRequest, Family, Owner, Policy, Subnet, SubnetBuilder, SubnetPool,
    address_after, family::host_mask,
};

/// One of `count` owners, `o0`, `o1` and so on: few enough to meet each other.
pub fn owner(count: u8) -> impl Strategy<Value = Owner> {
    (0..count.max(1)).prop_map(|n| Owner::from(std::format!("o{n}")))
}

/// A prefix of one of these lengths that is good for a subnet: private IPv4 space (RFC 1918), or unique
/// local IPv6 space (RFC 4193). Lengths are at least 12 and 7.
pub fn prefix(family: Family, lengths: RangeInclusive<u8>) -> impl Strategy<Value = IpNet> {
    let (space, least) = match family {
        Family::V4 => (0xac10_0000, 12),
        Family::V6 => (0xfd << 120, 8),
    };
    let most = (*lengths.end()).clamp(least, family.bits());
    let least = (*lengths.start()).clamp(least, most);
    (least..=most, any::<u128>()).prop_map(move |(len, bits)| {
        let free = host_mask(family, if family == Family::V4 { 12 } else { 8 });
        crate::family::prefix(family, space | bits & free & !host_mask(family, len), len)
    })
}

/// A subnet with some of the rules that a builder knows: gateway, range, exclusion, quarantine, memory.
pub fn subnet(family: Family, lengths: RangeInclusive<u8>) -> impl Strategy<Value = Subnet> {
    let rules = (any::<[bool; 4]>(), any::<[Index; 4]>(), 0u64..8);
    (prefix(family, lengths), rules).prop_map(
        |(prefix, ([gateway, range, exclude, remember], at, quarantine))| {
            let place = |at: Index| place_in(prefix, at);
            let plain = Subnet::builder(prefix).quarantine(quarantine);
            let ordered = |a: Index, b: Index| (place(a).min(place(b)), place(a).max(place(b)));
            let apply = |builder: SubnetBuilder,
                         on: bool,
                         rule: &dyn Fn(SubnetBuilder) -> SubnetBuilder| {
                if on { rule(builder) } else { builder }
            };
            let builder = apply(plain.clone(), gateway, &SubnetBuilder::default_gateway);
            let builder = apply(builder, range, &|builder| {
                let (first, last) = ordered(at[0], at[1]);
                builder.range_between(first, last)
            });
            let builder = apply(builder, exclude, &|builder| {
                let (first, last) = ordered(at[2], at[3]);
                builder.exclude("excluded", first, last)
            });
            let builder = apply(builder, remember, &SubnetBuilder::remember);
            // A gateway may fall into the exclusion: then it is left at the plain rules.
            builder
                .build()
                .or_else(|_| plain.build())
                .unwrap_or_else(|error| {
                    unreachable!("a plain subnet of {prefix} is acceptable: {error}")
                })
        },
    )
}

/// A request for any address: lowest, next, stable, random, longest idle, n-th, or a small prefix.
pub fn alloc_request() -> impl Strategy<Value = AllocRequest> {
    let pick = prop_oneof![
        Just(AllocRequest::lowest()),
        Just(AllocRequest::next()),
        Just(AllocRequest::stable()),
        Just(AllocRequest::longest_idle()),
        any::<u128>().prop_map(AllocRequest::random),
        (0u128..64).prop_map(AllocRequest::nth),
        (0u8..=128).prop_map(AllocRequest::prefix_len),
    ];
    refined(pick)
}

/// A request for one address of a prefix.
pub fn exact_request(prefix: IpNet) -> impl Strategy<Value = AllocRequest> {
    refined(any::<Index>().prop_map(move |at| AllocRequest::exact(place_in(prefix, at))))
}

/// A request for a subnet of one of these lengths, by any strategy.
pub fn carve_request(lengths: RangeInclusive<u8>) -> impl Strategy<Value = CarveRequest> {
    (lengths, 0..4, any::<bool>()).prop_map(|(len, how, additional)| {
        let request = match how {
            0 => CarveRequest::first(len),
            1 => CarveRequest::best(len),
            2 => CarveRequest::sparse(len),
            _ => CarveRequest::stable(len),
        };
        if additional {
            request.additional()
        } else {
            request
        }
    })
}

/// A pool of one base of one of these lengths, with up to three reserved prefixes in it.
pub fn pool(family: Family, lengths: RangeInclusive<u8>) -> impl Strategy<Value = SubnetPool> {
    let reserved = proptest::collection::vec((0u8..16, any::<Index>()), 0..=3);
    (prefix(family, lengths), reserved).prop_map(|(base, reserved)| {
        let plain = SubnetPool::builder().base(base).policy(Policy::new());
        let builder = reserved.into_iter().fold(plain, |builder, (longer, at)| {
            let len = (base.prefix_len() + longer).min(base.max_prefix_len());
            let inside = IpNet::new_assert(place_in(base, at), len).trunc();
            builder.reserve("reserved", inside)
        });
        builder
            .build()
            .unwrap_or_else(|error| unreachable!("a pool of {base} is acceptable: {error}"))
    })
}

/// With a time, a lease and more than one address for an owner, or without.
fn refined(pick: impl Strategy<Value = AllocRequest>) -> impl Strategy<Value = AllocRequest> {
    (pick, 0u64..32, proptest::option::of(1u64..8), any::<bool>()).prop_map(
        |(request, now, lease, additional)| {
            let request = request.at(now);
            let request = match lease {
                Some(lease) => request.until(now + lease),
                None => request,
            };
            if additional {
                request.additional()
            } else {
                request
            }
        },
    )
}

/// Any of the first 2^63 addresses of a prefix.
fn place_in(prefix: IpNet, at: Index) -> core::net::IpAddr {
    let size =
        host_mask(Family::of_prefix(prefix), prefix.prefix_len()).min(u128::from(u64::MAX >> 1));
    address_after(prefix.network(), at.index(size as usize + 1) as u128).unwrap_or(prefix.network())
}
