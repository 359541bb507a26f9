//! Text as prefixes: builders and arithmetic never panic, and their laws hold.
#![no_main]

use ipnet::IpNet;
use kraud_ipam::{Count, Policy, Subnet, SubnetPool, embed, set::BlockSet};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let prefixes: Vec<IpNet> = text
        .split_whitespace()
        .take(8)
        .filter_map(|word| word.parse().ok())
        .collect();
    let Some(&first) = prefixes.first() else {
        return;
    };
    let merged = kraud_ipam::aggregate(prefixes.iter().copied());
    assert!(
        prefixes
            .iter()
            .all(|prefix| merged.iter().any(|outer| outer.contains(&prefix.trunc())))
    );
    assert_eq!(kraud_ipam::aggregate(merged.iter().copied()), merged);
    for &prefix in &prefixes {
        let net = prefix.trunc();
        if let Some(outer) = kraud_ipam::supernet(first, net) {
            assert!(outer.contains(&first.trunc()) && outer.contains(&net));
        }
        let cover: Vec<IpNet> = kraud_ipam::cover_range(net.network(), net.broadcast()).collect();
        assert_eq!(cover, [net]);
        for index in [0, 1, 0xffff, u128::MAX] {
            for len in [net.prefix_len(), 32, 64, 128, 255] {
                if let Some(inner) = kraud_ipam::nth_subnet(net, len, index) {
                    assert_eq!(kraud_ipam::subnet_index(net, inner), Some(index));
                }
            }
            if let Some(address) = kraud_ipam::nth_usable(net, index) {
                assert!(net.contains(&address));
            }
        }
        assert!(kraud_ipam::usable_count(net) <= Count::of(net));
        let _ = Subnet::new(prefix);
        let open = Subnet::builder(prefix)
            .policy(Policy::permissive())
            .default_gateway()
            .range(first)
            .build();
        if let Ok(subnet) = open {
            assert_eq!(subnet.usage().size, Count::of(net));
        }
        if let (IpNet::V6(net6), std::net::IpAddr::V4(v4)) = (net, first.addr()) {
            if let Ok(address) = embed::overlay_v6(net6, v4) {
                assert_eq!(embed::overlay_v4(net6, address), Some(v4));
            }
            if let Ok(address) = embed::rfc6052(net6, v4) {
                assert_eq!(embed::rfc6052_extract(net6, address), Some(v4));
            }
        }
        let _ = kraud_ipam::walk(net, net.prefix_len().saturating_add(4), text).count();
        let mut blocks = BlockSet::new(net);
        blocks.take_all(first.trunc());
        blocks.give(if first.contains(&net) {
            net
        } else {
            first.trunc()
        });
        assert_eq!(blocks, BlockSet::new(net));
    }
    let _ = SubnetPool::new(prefixes.iter().copied());
});
