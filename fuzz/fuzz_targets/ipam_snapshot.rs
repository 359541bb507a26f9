//! Bytes as snapshots and change logs: never a panic, never a broken state.
#![no_main]

use kraud_ipam::{AllocRequest, Change, Count, Ipam, IpamEdit, Subnet, SubnetEdit, SubnetPool};
use libfuzzer_sys::fuzz_target;

fn whole(net: &Subnet) {
    let usage = net.usage();
    let sum = usage
        .free
        .plus(usage.held)
        .plus(usage.reserved)
        .plus(usage.resting);
    assert_eq!(sum, usage.size);
    assert_eq!(usage.size, Count::of(net.prefix()));
    for holding in net.holdings() {
        assert!(net.holder(holding.address).is_some());
        assert!(
            net.holdings_of(&holding.owner)
                .any(|other| other == holding)
        );
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(mut net) = serde_json::from_slice::<Subnet>(bytes) {
        whole(&net);
        let written = serde_json::to_vec(&net).expect("it is written");
        let again: Subnet = serde_json::from_slice(&written).expect("what was written is read");
        assert_eq!(again, net);
        assert_eq!(
            serde_json::to_vec(&again).expect("it is written"),
            written,
            "canonical"
        );
        for request in [
            AllocRequest::lowest(),
            AllocRequest::next(),
            AllocRequest::stable(),
            AllocRequest::prefix_len(30),
        ] {
            let before = net.clone();
            if let Ok(grant) = net.allocate("fuzz", request.additional().at(u64::MAX)) {
                whole(&net);
                net.undo(grant.change()).expect("the latest change");
            }
            assert_eq!(net, before);
        }
    }
    if let Ok(pool) = serde_json::from_slice::<SubnetPool>(bytes) {
        let subnets: Vec<_> = pool.subnets().map(|carved| carved.prefix).collect();
        assert!(
            subnets
                .windows(2)
                .all(|pair| pair[0].broadcast() < pair[1].network())
        );
        let written = serde_json::to_vec(&pool).expect("it is written");
        let again: SubnetPool = serde_json::from_slice(&written).expect("what was written is read");
        assert_eq!(again, pool);
    }
    let _ = serde_json::from_slice::<Ipam>(bytes);
    // A change of whatever history, on a subnet that knows nothing of it.
    if let Ok(change) = serde_json::from_slice::<Change<SubnetEdit>>(bytes) {
        let mut net = Subnet::builder("10.0.0.0/24".parse().expect("a prefix"))
            .remember()
            .quarantine(5)
            .build()
            .expect("a subnet");
        let _ = net.allocate("a", AllocRequest::lowest());
        let before = net.clone();
        match net.replay(&change) {
            Ok(()) => {
                whole(&net);
                net.undo(&change).expect("it was replayed just now");
                assert_eq!(net, before);
            }
            Err(_) => assert_eq!(net, before),
        }
    }
    if let Ok(change) = serde_json::from_slice::<Change<IpamEdit>>(bytes) {
        let mut ipam = Ipam::new();
        if ipam.replay(&change).is_err() {
            assert_eq!(ipam, Ipam::new());
        }
    }
});
