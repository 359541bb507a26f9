//! Defects that users of other allocators reported, by their numbers there.

use ipnet::IpNet;
use kraud_ipam::{
    AllocError, AllocRequest, CarveRequest, Holder, Ipam, IpamError, PoolBase, Subnet, SubnetPool,
    set::BlockSet,
};

fn net(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}

fn ip(text: &str) -> std::net::IpAddr {
    text.parse().expect("an address")
}

/// A fixed address may be any of the 2^64 of its subnet, not only of the first 2^63.
#[test]
fn moby_45402_an_exact_request_may_use_all_128_bits() {
    let mut six = Subnet::new(net("fd00:1:2:3::/64")).expect("a subnet");
    for address in [
        "fd00:1:2:3:8000::1",
        "fd00:1:2:3:ffff:ffff:ffff:ffff",
        "fd00:1:2:3:7fff:ffff:ffff:ffff",
    ] {
        let grant = six
            .allocate(address, AllocRequest::exact(ip(address)))
            .expect("it is free");
        assert_eq!(grant.address(), ip(address));
    }
    let mut wide = Subnet::new(net("fd00::/16")).expect("a subnet");
    let last = ip("fd00:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    assert_eq!(
        wide.allocate("last", AllocRequest::exact(last))
            .expect("it is free")
            .address(),
        last
    );
}

/// A pool that divides into 2^88 subnets costs what one of two costs.
#[test]
fn moby_40275_a_pool_of_any_number_of_subnets_is_made_at_once() {
    let mut pool = SubnetPool::builder()
        .base(PoolBase::new(net("fd00::/8"), 96))
        .build()
        .expect("a pool");
    assert_eq!(
        pool.carve("one", CarveRequest::default_size())
            .expect("there is room")
            .prefix(),
        net("fd00::/96")
    );
    let second = pool
        .carve("two", CarveRequest::default_size())
        .expect("there is room")
        .prefix();
    assert_eq!(second, net("fd00::1:0:0/96"));
    assert_eq!(
        pool.free_prefixes().count(),
        87,
        "one block of each length but two"
    );
    assert_eq!(BlockSet::new(net("::/0")).first(128), Some(net("::/128")));
}

/// libnetwork#988, moby#24269, podman#15708: an address of one family stays taken after its container
/// has gone, and the container cannot come back.
#[test]
fn moby_24269_libnetwork_988_podman_15708_a_container_comes_back_to_its_addresses() {
    let mut ipam = Ipam::new();
    let start = |ipam: &mut Ipam| {
        ipam.transaction(|tx| -> Result<_, IpamError> {
            let four = tx
                .allocate("v4", "c1", AllocRequest::exact(ip("10.0.0.50")))?
                .address();
            let six = tx
                .allocate("v6", "c1", AllocRequest::exact(ip("fd00::50")))?
                .address();
            Ok((four, six))
        })
    };
    ipam.transaction(|tx| {
        tx.insert_subnet("v4", Subnet::new(net("10.0.0.0/24")).expect("a subnet"))?;
        tx.insert_subnet("v6", Subnet::new(net("fd00::/64")).expect("a subnet"))
    })
    .expect("the names are free");
    let (first, _) = start(&mut ipam).expect("all of it is free");
    // A restart without a stop in between is the same container.
    assert_eq!(start(&mut ipam).expect("it is its own").0, first);
    for _ in 0..3 {
        ipam.transaction(|tx| tx.release_owner("c1", 0))
            .expect("nothing is inside");
        assert_eq!(start(&mut ipam).expect("it is free again").0, first);
    }
    // Whoever else asks is told who has it.
    let taken = ipam
        .transaction(|tx| tx.allocate("v6", "c2", AllocRequest::exact(ip("fd00::50"))))
        .unwrap_err();
    assert!(
        matches!(taken, IpamError::Allocate(AllocError::Held { holder: Holder::Owner(holder), .. }) if holder.as_str() == "c1")
    );
}

/// calico#3940: when one family is refused, the other must not stay allocated.
#[test]
fn calico_3940_a_refusal_of_one_family_leaves_nothing_of_the_other() {
    let mut ipam = Ipam::new();
    ipam.transaction(|tx| -> Result<(), IpamError> {
        tx.insert_subnet("v4", Subnet::new(net("10.0.0.0/24")).expect("a subnet"))?;
        tx.insert_subnet("v6", Subnet::new(net("fd00::/128")).expect("a subnet"))?;
        tx.allocate("v6", "first", AllocRequest::lowest()).map(drop)
    })
    .expect("the names are free");
    let before = ipam.clone();
    for _ in 0..300 {
        let refused = ipam.transaction(|tx| -> Result<(), IpamError> {
            tx.allocate("v4", "pod", AllocRequest::lowest())?;
            tx.allocate("v6", "pod", AllocRequest::lowest()).map(drop)
        });
        assert!(matches!(
            refused,
            Err(IpamError::Allocate(AllocError::Exhausted(_)))
        ));
    }
    assert_eq!(ipam, before);
}

/// moby: a reserved prefix inside another makes it hand out the outer one.
#[test]
fn moby_nested_reserved_prefixes_are_both_kept_clear() {
    for (base, size, reserved, expected) in [
        (
            "192.168.0.0/16",
            24,
            ["192.168.0.0/22", "192.168.0.1/32"],
            "192.168.4.0/24",
        ),
        (
            "10.0.0.0/8",
            24,
            ["10.0.0.0/16", "10.0.0.2/32"],
            "10.1.0.0/24",
        ),
        (
            "172.16.0.0/12",
            16,
            ["172.16.0.0/14", "172.16.0.53/32"],
            "172.20.0.0/16",
        ),
    ] {
        for order in [[0, 1], [1, 0]] {
            let builder = SubnetPool::builder().base(PoolBase::new(net(base), size));
            let builder = order.iter().fold(builder, |builder, at| {
                builder.reserve("host", net(reserved[*at]))
            });
            let mut pool = builder.build().expect("a pool");
            assert_eq!(
                pool.carve("new", CarveRequest::default_size())
                    .expect("room")
                    .prefix(),
                net(expected)
            );
        }
    }
}
