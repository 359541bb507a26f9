//! The subnets and pools that cases describe.

use std::net::IpAddr;

use ipnet::IpNet;
use kraud_ipam::{
    AllocError, AllocRequest, CarveError, Policy, PoolBase, PoolError, Subnet, SubnetBuilder,
    SubnetError, SubnetPool,
};
use serde_json::{Value, json};

pub(crate) fn net(value: &Value) -> IpNet {
    value.as_str().expect("a text").parse().expect("a prefix")
}

pub(crate) fn ip(value: &Value) -> IpAddr {
    value.as_str().expect("a text").parse().expect("an address")
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(crate) fn small(value: &Value) -> u8 {
    value
        .as_u64()
        .and_then(|number| u8::try_from(number).ok())
        .unwrap_or(u8::MAX)
}

/// Documentation prefixes and the like are what these cases are about.
pub(crate) fn open(prefix: IpNet) -> SubnetBuilder {
    Subnet::builder(prefix).policy(Policy::permissive())
}

/// The subnet that a case describes.
pub(crate) fn subnet(input: &Value) -> Result<Subnet, SubnetError> {
    let prefix = net(&input["subnet"]);
    let mut builder = open(prefix);
    if input["flags"]["raw"] == true {
        builder = builder.whole();
    }
    match &input["gateway"] {
        Value::String(first) if first == "first" => builder = builder.default_gateway(),
        Value::String(_) => builder = builder.gateway(ip(&input["gateway"])),
        _ => {}
    }
    builder = with_range(builder, prefix, &input["range"]);
    if !input["start"].is_null() || !input["end"].is_null() {
        builder = with_range(builder, prefix, &json!([input["start"], input["end"]]));
    }
    for range in list(&input["reserved_ranges"]) {
        builder = builder.exclude("reserved", ip(&range[0]), ip(&range[1]));
    }
    for prefix in list(&input["reserved"])
        .iter()
        .chain(list(&input["exclude"]))
        .map(net)
    {
        builder = builder.exclude("reserved", prefix.network(), prefix.broadcast());
    }
    let mut made = builder.build()?;
    for address in list(&input["used"]).iter().map(ip) {
        // What is reserved is used already.
        let _ = made.allocate(address.to_string(), AllocRequest::exact(address));
    }
    Ok(made)
}

pub(crate) fn with_range(builder: SubnetBuilder, prefix: IpNet, range: &Value) -> SubnetBuilder {
    if range.is_null() {
        return builder;
    }
    let first = if range[0].is_null() {
        kraud_ipam::first_usable(prefix)
    } else {
        ip(&range[0])
    };
    let last = if range[1].is_null() {
        kraud_ipam::last_usable(prefix)
    } else {
        ip(&range[1])
    };
    builder.range_between(first, last)
}

pub(crate) fn address_or_error(answer: Result<kraud_ipam::Grant, AllocError>) -> Value {
    match answer {
        Ok(grant) => json!({ "addr": grant.address().to_string() }),
        Err(AllocError::Exhausted(_)) => json!({ "error": "exhausted" }),
        Err(error) => json!({ "error": error.to_string() }),
    }
}

/// The pool that a case describes, with `allocated` and `reserved` both kept out of the way: they may
/// overlap each other there.
pub(crate) fn pool(
    bases: &Value,
    allocated: &[Value],
    reserved: &[Value],
) -> Result<SubnetPool, PoolError> {
    let mut builder = SubnetPool::builder().policy(Policy::permissive());
    let mut kept: Vec<IpNet> = Vec::new();
    for base in list(bases) {
        let prefix = net(&base["base"]);
        // A base inside an earlier one is an error here; there it is dropped.
        if kept.iter().any(|other| other.contains(&prefix)) {
            let twice = builder.clone().base(prefix).build();
            assert!(
                matches!(
                    twice,
                    Err(PoolError::OverlappingBases { .. } | PoolError::HostBits { .. })
                ),
                "{twice:?}"
            );
            continue;
        }
        kept.push(prefix);
        builder = builder.base(PoolBase {
            prefix,
            size: base["size"].as_u64().map(|size| size as u8),
        });
    }
    for prefix in allocated.iter().chain(reserved).map(net) {
        if kept
            .iter()
            .any(|base| base.network().is_ipv4() == prefix.network().is_ipv4())
        {
            builder = builder.reserve("taken", prefix);
        }
    }
    builder.build()
}

pub(crate) fn carve_error(error: &CarveError) -> &'static str {
    match error {
        CarveError::Exhausted { .. } => "exhausted",
        CarveError::NoMatchingBase { .. } => "no_matching_pool",
        CarveError::Overlap { .. } => "overlap",
        CarveError::HostBits { .. } => "host_bits",
        _ => "other",
    }
}
