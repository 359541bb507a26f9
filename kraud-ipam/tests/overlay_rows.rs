//! What an overlay needs of its allocator, row by row.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::{IpNet, Ipv6Net};
use kraud_ipam::{
    AllocError, AllocRequest, CarveError, CarveRequest, Holder, ReleaseError, Role, Subnet,
    SubnetPool, embed, ula,
};
use proptest::prelude::*;

fn net(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Fixed addresses are honoured, and a conflict names both owners.
#[test]
fn a08_a12_a_fixed_address_is_the_owners_and_nobody_elses() -> Result<(), Box<dyn std::error::Error>>
{
    let mut v = Subnet::new(net("192.168.0.0/16"))?;
    let db = v.allocate("nextcloud/db", AllocRequest::exact(ip("192.168.2.2")))?;
    assert!(db.is_new());
    let again = v.allocate("nextcloud/db", AllocRequest::exact(ip("192.168.2.2")))?;
    assert!(!again.is_new());
    assert_eq!(again.holding(), db.holding());
    assert!(again.change().is_empty());

    let error = v
        .allocate("nextcloud/app", AllocRequest::exact(ip("192.168.2.2")))
        .unwrap_err();
    assert!(
        matches!(&error, AllocError::Held { owner, holder: Holder::Owner(holder), .. }
        if owner.as_str() == "nextcloud/app" && holder.as_str() == "nextcloud/db")
    );
    assert_eq!(
        error.to_string(),
        "192.168.2.2 cannot go to nextcloud/app: it is held by nextcloud/db; the nearest free address is 192.168.2.3"
    );
    Ok(())
}

#[cfg(feature = "serde")]
#[test]
fn a12_fixed_and_stable_addresses_survive_restart_release_and_reuse()
-> Result<(), Box<dyn std::error::Error>> {
    let mut v = Subnet::builder(net("192.168.0.0/16"))
        .default_gateway()
        .build()?;
    let db = v
        .allocate("db", AllocRequest::exact(ip("192.168.2.2")))?
        .address();
    let app = v.allocate("app", AllocRequest::stable())?.address();

    // Restart.
    let stored = serde_json::to_string(&v)?;
    let mut v: Subnet = serde_json::from_str(&stored)?;
    assert_eq!(
        serde_json::to_string(&v)?,
        stored,
        "a snapshot is canonical"
    );
    assert_eq!(v.address_of("db"), Some(db));
    assert_eq!(v.allocate("app", AllocRequest::stable())?.address(), app);

    // Release and reuse, with others in between.
    let _ = v.release_owner("db", 0)?;
    let _ = v.release_owner("app", 0)?;
    for name in ["one", "two", "three"] {
        let _ = v.allocate(name, AllocRequest::stable())?;
    }
    assert_eq!(v.allocate("app", AllocRequest::stable())?.address(), app);
    assert_eq!(v.allocate("db", AllocRequest::exact(db))?.address(), db);
    Ok(())
}

/// The sample of the post: net4 10.198.62.0/23, net6 fd42:1a8:0:2a09::/64.
#[test]
fn a16_the_sample_is_a_valid_carve() -> Result<(), Box<dyn std::error::Error>> {
    let mut four = SubnetPool::new([net("10.0.0.0/8")])?;
    let mut six = SubnetPool::new([net("fd42:1a8::/48")])?;
    let net4 = four.carve(
        "nextcloud/default",
        CarveRequest::exact(net("10.198.62.0/23")),
    )?;
    let net6 = six.carve(
        "nextcloud/default",
        CarveRequest::exact(net("fd42:1a8:0:2a09::/64")),
    )?;
    assert_eq!(net4.prefix().to_string(), "10.198.62.0/23");
    assert_eq!(
        kraud_ipam::subnet_index(net("fd42:1a8::/48"), net6.prefix()),
        Some(0x2a09),
        "a 16-bit subnet id"
    );
    assert_eq!(
        ula::global_id("fd42:1a8::/48".parse()?),
        Some(0x42_01a8_0000)
    );
    Ok(())
}

/// The user's own subnet is taken as it is; the overlay's IPv6 side is still carved.
#[test]
fn a17_a_user_subnet_is_exact_and_net6_is_still_assigned() -> Result<(), Box<dyn std::error::Error>>
{
    let vpc = ula::prefix48(b"acme\0production");
    let mut four = SubnetPool::new([net("10.0.0.0/8")])?;
    let mut six = SubnetPool::new([vpc.into()])?;
    let request = CarveRequest::exact(net("192.168.0.0/16")).anywhere();
    assert_eq!(
        four.carve("nextcloud/v", request)?.prefix(),
        net("192.168.0.0/16")
    );
    let net6 = six.carve("nextcloud/v", CarveRequest::stable(64))?.prefix();
    assert!(IpNet::V6(vpc).contains(&net6));
    assert_eq!(net6.prefix_len(), 64);

    // Without `anywhere` it is refused, and so is a second one that overlaps.
    let outside = four
        .carve("shop/v", CarveRequest::exact(net("172.16.0.0/16")))
        .unwrap_err();
    assert!(matches!(outside, CarveError::Outside { .. }));
    let overlap = four
        .carve(
            "shop/v",
            CarveRequest::exact(net("192.168.128.0/17")).anywhere(),
        )
        .unwrap_err();
    assert_eq!(
        overlap.to_string(),
        "192.168.128.0/17 cannot go to shop/v: it overlaps 192.168.0.0/16 of nextcloud/v"
    );
    Ok(())
}

#[test]
fn a18_a_delegated_prefix_belongs_to_its_owner_and_starts_with_the_owners_address()
-> Result<(), Box<dyn std::error::Error>> {
    let mut v = Subnet::new(net("192.168.0.0/16"))?;
    let db = v.allocate("db", AllocRequest::prefix(net("192.168.2.0/24")))?;
    assert_eq!(
        (db.prefix(), db.address()),
        (net("192.168.2.0/24"), ip("192.168.2.1"))
    );

    let error = v
        .allocate("app", AllocRequest::exact(ip("192.168.2.77")))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("192.168.2.77 cannot go to app: it is held by db;"),
        "{error}"
    );

    // With replicas: the i-th usable address each, inside what the service holds.
    for (replica, expected) in ["192.168.2.1", "192.168.2.2", "192.168.2.3"]
        .iter()
        .enumerate()
    {
        let request = AllocRequest::nth(replica as u128).inside("db");
        assert_eq!(
            v.allocate(format!("db.{}", replica + 1), request)?
                .address(),
            ip(expected)
        );
    }
    let twice = v
        .allocate("db.9", AllocRequest::nth(1).inside("db"))
        .unwrap_err();
    assert!(twice.to_string().contains("it is held by db.2"), "{twice}");
    assert!(
        matches!(v.release_owner("db", 0), Err(ReleaseError::InUse { by, .. }) if by.as_str() == "db.1")
    );
    for replica in 1..=3 {
        let _ = v.release_owner(&format!("db.{replica}"), 0)?;
    }
    let _ = v.release_owner("db", 0)?;
    assert_eq!(
        v.allocate("app", AllocRequest::exact(ip("192.168.2.77")))?
            .address(),
        ip("192.168.2.77")
    );
    Ok(())
}

/// A release frees the IPv6 address too, and an exact request gets it at once, quarantine or not.
#[test]
fn c26_a_released_address_is_free_at_once_for_an_exact_request()
-> Result<(), Box<dyn std::error::Error>> {
    let mut six = Subnet::builder(net("fd19:eb21:5a4b:abc9::/64"))
        .quarantine(60)
        .build()?;
    let wanted = ip("fd19:eb21:5a4b:abc9::50");
    let first = six.allocate("c1", AllocRequest::exact(wanted).at(0))?;
    let gone = six.release("c1", wanted, Some(first.holding().revision), 10)?;
    assert_eq!(gone.released.len(), 1);

    // Released twice: a typed error; by owner: nothing happens.
    assert!(matches!(
        six.release("c1", wanted, None, 10),
        Err(ReleaseError::NotHeld { .. })
    ));
    assert!(six.release_owner("c1", 10)?.change.is_empty());

    // An automatic request leaves it alone, an exact one does not.
    assert_ne!(
        six.allocate(
            "other",
            AllocRequest::lowest()
                .within(net("fd19:eb21:5a4b:abc9::50/127"))
                .at(11)
        )?
        .address(),
        wanted
    );
    let again = six.allocate("c2", AllocRequest::exact(wanted).at(11))?;
    assert_eq!(again.address(), wanted);

    // The late release of the first grant does not hit the second.
    let late = six.release("c2", wanted, Some(first.holding().revision), 12);
    assert!(
        matches!(late, Err(ReleaseError::Revision { .. })),
        "{late:?}"
    );
    let foreign = six.release("c1", wanted, None, 12);
    assert!(
        matches!(foreign, Err(ReleaseError::NotOwner { .. })),
        "{foreign:?}"
    );
    Ok(())
}

#[test]
fn b17_c04_the_default_gateway_is_the_first_usable_address()
-> Result<(), Box<dyn std::error::Error>> {
    for (subnet, gateway) in [
        ("192.168.1.0/24", "192.168.1.1"),
        ("2001:3984:3989::/64", "2001:3984:3989::1"),
        ("10.0.0.0/31", "10.0.0.0"),
        ("10.0.0.0/32", "10.0.0.0"),
        ("fd00::/127", "fd00::"),
    ] {
        let made = Subnet::builder(net(subnet)).default_gateway().build()?;
        assert_eq!(made.gateway(), Some(ip(gateway)), "{subnet}");
        assert_eq!(
            made.holder(ip(gateway)),
            Some(Holder::Reserved {
                role: Role::Gateway,
                name: "".into()
            }),
            "{subnet}"
        );
    }
    Ok(())
}

#[test]
fn c07_docker_pools_come_in_dockers_order() -> Result<(), Box<dyn std::error::Error>> {
    let mut pool = SubnetPool::docker_default().build()?;
    let mut names = (0..31).map(|n| format!("network{n}"));
    let mut carved = Vec::new();
    for name in names.by_ref() {
        carved.push(
            pool.carve(name, CarveRequest::default_size())?
                .prefix()
                .to_string(),
        );
    }
    assert_eq!(
        carved[..3],
        ["172.17.0.0/16", "172.18.0.0/16", "172.19.0.0/16"]
    );
    assert_eq!(
        carved[14..17],
        ["172.31.0.0/16", "192.168.0.0/20", "192.168.16.0/20"]
    );
    assert!(matches!(
        pool.carve("one too many", CarveRequest::default_size()),
        Err(CarveError::Exhausted { largest: None, .. })
    ));
    Ok(())
}

#[test]
fn c24_an_address_outside_names_the_subnet_and_the_nearest()
-> Result<(), Box<dyn std::error::Error>> {
    let mut net6 = Subnet::new(net("fd42:0:0:abc9::/64"))?;
    let error = net6
        .allocate("c", AllocRequest::exact(ip("fd42:0:0:abc2::51")))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "fd42:0:0:abc2::51 is outside fd42:0:0:abc9::/64; the nearest free address is fd42:0:0:abc9::1"
    );
    Ok(())
}

/// Two subnets on one network: each address has the gateway of its own subnet.
#[test]
fn c13_c23_gateways_belong_to_their_subnets_in_both_families()
-> Result<(), Box<dyn std::error::Error>> {
    let subnets = [
        ("192.168.114.0/24", "192.168.114.254"),
        ("192.168.116.0/24", "192.168.116.254"),
        ("fd42:0:0:140::/64", "fd42:0:0:140::22"),
    ];
    for (subnet, gateway) in subnets {
        let mut made = Subnet::builder(net(subnet)).gateway(ip(gateway)).build()?;
        let refused = made
            .allocate("c", AllocRequest::exact(ip(gateway)))
            .unwrap_err();
        assert!(
            refused.to_string().contains("held by the gateway"),
            "{refused}"
        );
        for (other, foreign) in subnets.iter().filter(|(other, _)| *other != subnet) {
            let error = Subnet::builder(net(subnet))
                .gateway(ip(foreign))
                .build()
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(foreign) && error.contains(subnet),
                "{other}: {error}"
            );
        }
    }
    Ok(())
}

#[test]
fn c14_host_bits_are_an_error_that_names_the_canonical_prefix() {
    for (given, masked) in [
        ("172.16.50.0/22", "172.16.48.0/22"),
        ("10.1.100.0/16", "10.1.0.0/16"),
    ] {
        let error = Subnet::new(net(given)).unwrap_err().to_string();
        assert_eq!(error, format!("{given} has host bits set; write {masked}"));
        let mut pool = SubnetPool::new([net("10.0.0.0/8")]).expect("a pool");
        let error = pool
            .carve("vlan", CarveRequest::exact(net(given)).anywhere())
            .unwrap_err()
            .to_string();
        assert_eq!(error, format!("{given} has host bits set; write {masked}"));
        let inside = Subnet::builder(net(masked))
            .gateway(kraud_ipam::first_usable(net(given).trunc()))
            .build();
        assert!(inside.is_ok(), "its gateway is still inside");
    }
}

/// Four containers with exact addresses of both families.
#[test]
fn c25_exact_addresses_of_both_families() -> Result<(), Box<dyn std::error::Error>> {
    let mut four = Subnet::new(net("192.168.112.0/24"))?;
    let mut six = Subnet::new(net("fd42:0:0:abc8::/64"))?;
    for host in ["50", "51", "52", "53"] {
        let addresses = (
            ip(&format!("192.168.112.{host}")),
            ip(&format!("fd42:0:0:abc8::{host}")),
        );
        assert_eq!(
            four.allocate(host, AllocRequest::exact(addresses.0))?
                .address(),
            addresses.0
        );
        assert_eq!(
            six.allocate(host, AllocRequest::exact(addresses.1))?
                .address(),
            addresses.1
        );
    }
    Ok(())
}

/// RFC 2526 and 5453: anycast ids at the top of each /64, and the block derived from Ethernet addresses.
#[test]
fn reserved_interface_ids_are_kept_clear_on_request() -> Result<(), Box<dyn std::error::Error>> {
    let reserved = [
        "fd42::fdff:ffff:ffff:ff80",
        "fd42::fdff:ffff:ffff:ffff",
        "fd42::200:5eff:fe00:5213",
    ];
    let mut open = Subnet::new(net("fd42::/64"))?;
    let mut strict = Subnet::builder(net("fd42::/64"))
        .without_reserved_interface_ids()
        .build()?;
    for address in reserved {
        assert!(
            open.allocate(address, AllocRequest::exact(ip(address)))
                .is_ok()
        );
        let error = strict
            .allocate(address, AllocRequest::exact(ip(address)))
            .unwrap_err();
        assert!(
            error.to_string().contains("a reserved interface id"),
            "{error}"
        );
    }
    for address in [
        "fd42::fdff:ffff:ffff:ff7f",
        "fd42::fe00:0:0:0",
        "fd42::200:5efe:ffff:ffff",
        "fd42::200:5eff:ff00:0",
    ] {
        assert!(
            strict
                .allocate(address, AllocRequest::exact(ip(address)))
                .is_ok(),
            "{address}"
        );
    }
    Ok(())
}

/// A host's own block of an overlay: found by its name, used by its pods alone.
#[test]
fn a_host_has_a_block_of_its_own_in_an_overlay() -> Result<(), Box<dyn std::error::Error>> {
    let mut v = Subnet::new(net("10.198.0.0/16"))?;
    let mut blocks = BTreeSet::new();
    for host in ["ha", "hb", "hc"] {
        let block = v.allocate(host, AllocRequest::stable_prefix(26))?.prefix();
        assert_eq!(
            v.allocate(host, AllocRequest::stable_prefix(26))?.prefix(),
            block
        );
        assert!(blocks.insert(block));
        for pod in 0..62 {
            let address = v
                .allocate(format!("{host}/{pod}"), AllocRequest::lowest().inside(host))?
                .address();
            assert!(block.contains(&address));
        }
        let full = v
            .allocate(format!("{host}/62"), AllocRequest::lowest().inside(host))
            .unwrap_err();
        assert!(matches!(full, AllocError::Exhausted(_)), "{full}");
    }
    // A host that joins later does not move the others, and finds its own block again after a break.
    let mut again = Subnet::new(net("10.198.0.0/16"))?;
    for host in ["hc", "ha", "hb"] {
        assert!(
            blocks.contains(
                &again
                    .allocate(host, AllocRequest::stable_prefix(26))?
                    .prefix()
            )
        );
    }
    Ok(())
}

#[test]
fn reserved_addresses_say_what_they_are_for() -> Result<(), Box<dyn std::error::Error>> {
    let mut v = Subnet::builder(net("10.0.0.0/29"))
        .default_gateway()
        .auxiliary("router", ip("10.0.0.3"))
        .exclude("printers", ip("10.0.0.4"), ip("10.0.0.5"))
        .build()?;
    let mut refusal = |address: &str| {
        v.allocate("c", AllocRequest::exact(ip(address)))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refusal("10.0.0.0"),
        "10.0.0.0 cannot go to c: it is held by the network address; the nearest free address is 10.0.0.2"
    );
    assert!(refusal("10.0.0.1").contains("held by the gateway;"));
    assert!(refusal("10.0.0.3").contains("held by an auxiliary address (router);"));
    assert!(refusal("10.0.0.5").contains("held by an excluded range (printers);"));
    assert!(refusal("10.0.0.7").contains("held by the broadcast address;"));
    for expected in ["10.0.0.2", "10.0.0.6"] {
        let address = v.allocate(expected, AllocRequest::lowest())?.address();
        assert_eq!(address, ip(expected));
    }
    let full = v.allocate("late", AllocRequest::lowest()).unwrap_err();
    assert_eq!(
        full.to_string(),
        "nothing that fits is free between 10.0.0.1 and 10.0.0.6 of 10.0.0.0/29: \
         2 held, 4 reserved, 0 in quarantine, 0 free; the whole subnet is full"
    );
    Ok(())
}

proptest! {
    /// Carved subnets never overlap, whatever is asked for in whatever order.
    #[test]
    fn a16_carved_subnets_are_disjoint(
        requests in proptest::collection::vec((0u8..40, 20u8..=26, 0u8..4, any::<u16>()), 1..60)
    ) {
        let mut pool = SubnetPool::new([net("10.0.0.0/18")]).expect("a pool");
        for (owner, len, kind, place) in requests {
            let owner = format!("o{owner}");
            let exact = kraud_ipam::nth_subnet(net("10.0.0.0/18"), len, u128::from(place) % (1 << (len - 18)));
            let request = match kind {
                0 => CarveRequest::first(len),
                1 => CarveRequest::best(len),
                2 => CarveRequest::stable(len),
                _ => CarveRequest::exact(exact.expect("in the pool")),
            };
            match pool.carve(owner.as_str(), request) {
                Ok(_) => {}
                Err(CarveError::AlreadyHolds { .. }) if place % 2 == 0 => { pool.release_owner(&owner); }
                Err(_) => {}
            }
            let held: Vec<IpNet> = pool.subnets().map(|carved| carved.prefix).collect();
            for pair in held.windows(2) {
                prop_assert!(pair[0].broadcast() < pair[1].network(), "{} and {}", pair[0], pair[1]);
            }
            let held_size: u128 = held.iter().map(|net| kraud_ipam::Count::of(*net).saturating_u128()).sum();
            prop_assert_eq!(pool.free_count().saturating_u128() + held_size, 1 << 14);
        }
    }

    /// The same names get the same /64s in any order, for a realistic number of projects.
    #[test]
    fn b11_prefixes_by_name_do_not_depend_on_the_order(
        names in proptest::collection::btree_set("[a-z]{1,8}/[a-z]{1,8}", 1..40),
        seed in any::<u64>(),
    ) {
        let vpc: IpNet = ula::prefix48(&seed.to_be_bytes()).into();
        let mut shuffled: Vec<&String> = names.iter().collect();
        shuffled.sort_by_key(|name| name.bytes().fold(seed, |hash, byte| hash.rotate_left(5) ^ u64::from(byte).wrapping_mul(0x9e37_79b9)));
        let carve = |names: &mut dyn Iterator<Item = &String>| {
            let mut pool = SubnetPool::new([vpc]).expect("a pool");
            let requests = names.map(|name| (name.as_str(), CarveRequest::stable(64)));
            pool.carve_all(requests).expect("room for all");
            pool
        };
        let one = carve(&mut names.iter());
        let other = carve(&mut shuffled.into_iter());
        for name in &names {
            prop_assert_eq!(one.prefix_of(name), other.prefix_of(name));
        }
        let distinct: BTreeSet<IpNet> = one.subnets().map(|carved| carved.prefix).collect();
        prop_assert_eq!(distinct.len(), names.len());
    }

    /// Overlay addresses map both ways, and only overlay addresses do.
    #[test]
    fn overlay_addresses_map_both_ways(bits in any::<u32>(), subnet in any::<u16>(), stray in any::<u64>()) {
        let net6 = Ipv6Net::new_assert(std::net::Ipv6Addr::from_bits((0xfd42_01a8_0000 << 80) | u128::from(subnet) << 64), 64);
        let v4 = std::net::Ipv4Addr::from_bits(bits);
        let v6 = embed::overlay_v6(net6, v4).expect("a /64 has room");
        prop_assert!(net6.contains(&v6));
        prop_assert_eq!(embed::overlay_v4(net6, v6), Some(v4));
        let other = std::net::Ipv6Addr::from_bits(net6.network().to_bits() | u128::from(stray));
        prop_assert_eq!(embed::overlay_v4(net6, other).is_some(), stray >> 32 == 0);
        for len in [32, 40, 48, 56, 64, 96] {
            let prefix = Ipv6Net::new_assert(net6.network(), len).trunc();
            let v6 = embed::rfc6052(prefix, v4).expect("a length of the table");
            prop_assert_eq!(embed::rfc6052_extract(prefix, v6), Some(v4), "/{}", len);
            prop_assert_eq!(v6.to_bits() >> 56 & 0xff, if len == 96 { v6.to_bits() >> 56 & 0xff } else { 0 });
        }
    }
}
