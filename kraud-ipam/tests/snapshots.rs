//! The stored format: version 1, written and read as it is in `tests/snapshots/`.
//!
//! A file there never changes once a version is out; a new version gets new files, and the old ones go on
//! to load. `UPDATE_SNAPSHOTS=1 cargo test` writes them anew while a version is in the making.

use std::{fmt::Debug, fs};

use ipnet::IpNet;
use kraud_ipam::{
    AllocRequest, CarveRequest, Ipam, Policy, PoolBase, SnapshotError, SnapshotVersion, Special,
    Subnet, SubnetPool,
};
use serde::{Serialize, de::DeserializeOwned};

fn net(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}

fn ip(text: &str) -> std::net::IpAddr {
    text.parse().expect("an address")
}

/// One of everything that a subnet can have.
fn subnet() -> Subnet {
    let mut net4 = Subnet::builder(net("192.0.2.0/24"))
        .policy(Policy::new().allow(Special::Documentation))
        .default_gateway()
        .auxiliary("router", ip("192.0.2.3"))
        .exclude("printers", ip("192.0.2.200"), ip("192.0.2.210"))
        .range(net("192.0.2.0/25"))
        .quarantine(30)
        .remember()
        .key(b"\x00\xff")
        .build()
        .expect("a subnet");
    let requests = [
        ("db", AllocRequest::exact(ip("192.0.2.7"))),
        ("web", AllocRequest::prefix(net("192.0.2.64/28"))),
        ("web.2", AllocRequest::nth(1).inside("web")),
        ("app", AllocRequest::next().until(100)),
        ("gone", AllocRequest::next()),
        ("idle", AllocRequest::next()),
    ];
    for (owner, request) in requests {
        let _ = net4.allocate(owner, request).expect("it is free");
    }
    let _ = net4.release_owner("idle", 1).expect("nothing is inside");
    let _ = net4.expire(40);
    let _ = net4.release_owner("gone", 50).expect("nothing is inside");
    net4
}

fn pool() -> SubnetPool {
    let mut pool = SubnetPool::builder()
        .base(PoolBase::new(net("10.0.0.0/8"), 23))
        .base(net("172.16.0.0/12"))
        .reserve("lan", net("10.0.0.0/22"))
        .key(b"k")
        .build()
        .expect("a pool");
    let _ = pool
        .carve("nextcloud/default", CarveRequest::default_size())
        .expect("there is room");
    let _ = pool
        .carve(
            "nextcloud/v",
            CarveRequest::exact(net("192.168.0.0/16")).anywhere(),
        )
        .expect("it is free");
    pool
}

fn ipam() -> Ipam {
    let mut ipam = Ipam::new();
    ipam.transaction(|tx| -> Result<(), kraud_ipam::IpamError> {
        tx.insert_pool("vpc", pool())?;
        tx.insert_subnet("v", subnet())?;
        tx.allocate("v", "late", AllocRequest::stable().at(60))
            .map(drop)
    })
    .expect("it is free");
    ipam
}

fn golden<T: Serialize + DeserializeOwned + PartialEq + Debug>(file: &str, value: &T) {
    let path = format!("{}/tests/snapshots/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let written = serde_json::to_string_pretty(value).expect("it is written") + "\n";
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, &written).expect("the folder can be written");
    }
    let stored = fs::read_to_string(&path).expect("the file is there");
    assert_eq!(written, stored, "equal states give equal bytes");
    let read: T = serde_json::from_str(&stored).expect("it loads");
    assert_eq!(&read, value);
}

#[test]
fn version_1_of_everything_is_as_stored() {
    golden("subnet-1", &subnet());
    golden("pool-1", &pool());
    golden("ipam-1", &ipam());
    let mut net4 = subnet();
    let change = net4
        .allocate("new", AllocRequest::next().at(90))
        .expect("there is room")
        .into_change();
    golden("change-1", &change);
}

#[test]
fn a_broken_snapshot_says_what_is_wrong_with_it() {
    let good = serde_json::to_string(&subnet()).expect("it is written");
    let broken = |from: &str, to: &str| {
        assert!(good.contains(from), "{from} is in {good}");
        serde_json::from_str::<Subnet>(&good.replacen(from, to, 1))
            .unwrap_err()
            .to_string()
    };
    for (from, to, message) in [
        (
            "\"version\":1",
            "\"version\":2",
            "the snapshot is of version 2, known are versions up to 1",
        ),
        (
            "192.0.2.7/32",
            "192.0.3.7/32",
            "the entry for 192.0.3.7/32 contradicts the rest of the snapshot",
        ),
        (
            "192.0.2.64/28",
            "192.0.2.0/28",
            "the entry for 192.0.2.0/28 contradicts",
        ),
        (
            "192.0.2.7/32",
            "192.0.2.3/32",
            "the entry for 192.0.2.3/32 contradicts",
        ),
        (
            "192.0.2.0/24",
            "192.0.2.1/24",
            "the subnet is not acceptable: 192.0.2.1/24 has host bits set",
        ),
        (
            "\"allowed\":[\"documentation\"],",
            "",
            "overlaps documentation space",
        ),
        ("\"key\":\"00ff\"", "\"key\":\"0g\"", "the key is not"),
        (
            "\"quarantine\"",
            "\"quarantines\"",
            "unknown field `quarantines`",
        ),
    ] {
        let error = broken(from, to);
        assert!(error.contains(message), "{error}");
    }
}

/// What a newer version wrote is refused for its version, whatever else is in it and wherever the version
/// stands.
#[test]
fn a_newer_version_is_refused_as_such() {
    for newer in [
        r#"{"version":2,"revision":1,"prefix":"192.0.2.0/24","shards":{"a":[1]}}"#,
        r#"{"prefix":"192.0.2.0/24","revision":1,"shards":{"a":[1]},"version":2}"#,
    ] {
        let error = serde_json::from_str::<Subnet>(newer)
            .unwrap_err()
            .to_string();
        assert!(error.contains("is of version 2"), "{error}");
        let version: SnapshotVersion = serde_json::from_str(newer).expect("it has a version");
        assert!(version > SnapshotVersion::NEWEST);
        assert_eq!(version.check(), Err(SnapshotError::Version { found: 2 }));
    }
    let pool = r#"{"version":3,"revision":0,"bases":[],"zones":[]}"#;
    let error = serde_json::from_str::<SubnetPool>(pool)
        .unwrap_err()
        .to_string();
    assert!(error.contains("is of version 3"), "{error}");
    let ipam = r#"{"version":4,"revision":0,"leases":[]}"#;
    let error = serde_json::from_str::<Ipam>(ipam).unwrap_err().to_string();
    assert!(error.contains("is of version 4"), "{error}");
    let zeroth = r#"{"version":0,"revision":0}"#;
    assert!(
        serde_json::from_str::<Ipam>(zeroth).is_err(),
        "there never was one"
    );
}

/// A store that sorts the keys of a map changes nothing.
#[test]
fn the_order_of_fields_does_not_matter() {
    let sorted = serde_json::to_value(ipam()).expect("it is written");
    let read: Ipam = serde_json::from_value(sorted).expect("it loads");
    assert_eq!(read, ipam());
}

#[test]
fn every_prefix_of_the_bytes_is_an_error() {
    let good = serde_json::to_vec(&ipam()).expect("it is written");
    for end in 0..good.len() {
        assert!(serde_json::from_slice::<Ipam>(&good[..end]).is_err());
    }
}
