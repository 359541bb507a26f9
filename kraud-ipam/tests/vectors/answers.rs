//! What a case asks, asked of kraud-ipam.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use kraud_ipam::{
    AllocRequest, CarveRequest, Policy, PoolError, Subnet, SubnetError, SubnetPool, embed,
    set::{BlockSet, NumberSet},
};
use serde_json::{Value, json};

use super::{made::*, scripts::script};

pub(crate) fn answer(case: &Value) -> Value {
    let (kind, input) = (case["kind"].as_str().expect("a kind"), &case["in"]);
    match kind {
        "script" => script(input),
        "usable" => {
            let prefix = net(&input["subnet"]);
            json!({
                "count": serde_json::from_str::<Value>(&kraud_ipam::usable_count(prefix).to_string())
                    .ok().filter(Value::is_u64).unwrap_or_else(|| json!(kraud_ipam::usable_count(prefix).to_string())),
                "first": kraud_ipam::first_usable(prefix).to_string(),
                "last": kraud_ipam::last_usable(prefix).to_string(),
            })
        }
        "gateway_default" => {
            let made = open(net(&input["subnet"]))
                .default_gateway()
                .build()
                .expect("a subnet");
            json!({ "addr": made.gateway().expect("asked for").to_string() })
        }
        "last_addr" => {
            let prefix = net(&input["prefix"]);
            let whole = open(prefix.trunc()).whole().build().expect("a subnet");
            json!({ "addr": whole.range().1.to_string() })
        }
        "first_fit" | "first_fit_exclude" => match subnet(input) {
            Ok(mut made) => address_or_error(made.allocate("new", AllocRequest::lowest())),
            Err(error) => json!({ "error": error.to_string() }),
        },
        "first_fit_nth" => {
            let mut made = subnet(input).expect("a subnet");
            let count = input["count"].as_u64().expect("a count");
            let last = (0..count).map(|n| {
                made.allocate(format!("o{n}"), AllocRequest::lowest())
                    .expect("there is room")
                    .address()
            });
            json!({ "last": last.last().expect("at least one").to_string() })
        }
        "fill_count" => {
            let mut made = subnet(input).expect("a subnet");
            let count = fill(&mut made);
            let refused = |address: &&Value| {
                made.clone()
                    .allocate("late", AllocRequest::exact(ip(address)))
                    .is_err()
            };
            let refused: Vec<&Value> = list(&case["expect"]["not_allocatable"])
                .iter()
                .filter(refused)
                .collect();
            json!({ "count": count, "not_allocatable": refused })
        }
        "next_fit" | "iterate" => next_fit(kind, input),
        "iterate_range" | "iterate_range_count" => {
            let (first, last) = (ip(&input["first"]), ip(&input["last"]));
            let start =
                kraud_ipam::address_after(first, u128::from(input["offset"].as_u64().unwrap_or(0)))
                    .expect("in range");
            let space = kraud_ipam::supernet(first.into(), last.into()).expect("one family");
            let mut made = open(space)
                .whole()
                .range_between(first, last)
                .build()
                .expect("a subnet");
            let mut found = vec![
                made.allocate("0", AllocRequest::next().between(start, last))
                    .expect("room")
                    .address(),
            ];
            while let Ok(grant) = made.allocate(found.len().to_string(), AllocRequest::next()) {
                found.push(grant.address());
            }
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            json!({ "count": found.len(), "addrs": found })
        }
        "free_addrs" => {
            let made = subnet(input).expect("a subnet");
            let free: Vec<String> = made
                .free_ranges()
                .flat_map(|(first, last)| each(first, last))
                .map(|at| at.to_string())
                .collect();
            json!({ "count": free.len(), "first": free.first(), "free": free })
        }
        "utilisation" => {
            let made = subnet(input).expect("a subnet");
            let usage = made.usage();
            let usable = kraud_ipam::usable_count(made.prefix());
            let (usable, free) = (usable.saturating_u128(), usage.free.saturating_u128());
            json!({ "ratio": [(usable - free) as u64, usable as u64] })
        }
        "carve" => {
            let len = input["want_len"].as_u64();
            let made = match pool(
                &input["pools"],
                list(&input["allocated"]),
                list(&input["reserved"]),
            ) {
                Ok(made) => made,
                // Refused when the pool is made, not when something is asked of it.
                Err(PoolError::Size { .. }) => return json!({ "error": "no_matching_pool" }),
                Err(PoolError::HostBits { .. }) => return json!({ "error": "host_bits" }),
                Err(error) => return json!({ "error": error.to_string() }),
            };
            let request = match len {
                Some(len) => CarveRequest::first(u8::try_from(len).unwrap_or(u8::MAX)),
                None => CarveRequest::default_size(),
            };
            match made.dry_run("new", request) {
                Ok(prefix) => json!({ "prefix": prefix.to_string() }),
                Err(error) => json!({ "error": carve_error(&error) }),
            }
        }
        "carve_seq" => {
            let mut made = SubnetPool::builder()
                .policy(Policy::permissive())
                .base(net(&input["pool"]))
                .build()
                .expect("a pool");
            let count = list(&case["expect"]["prefixes"]).len();
            let carved = (0..count).map(|n| {
                made.carve(n.to_string(), CarveRequest::first(small(&input["len"])))
                    .expect("room")
                    .prefix()
                    .to_string()
            });
            json!({ "prefixes": carved.collect::<Vec<_>>() })
        }
        "overlap" => {
            let request = net(&input["request"]);
            let all: IpNet = if request.network().is_ipv4() {
                "0.0.0.0/0"
            } else {
                "::/0"
            }
            .parse()
            .expect("a literal");
            let mut made = SubnetPool::builder()
                .policy(Policy::permissive())
                .base(all)
                .build()
                .expect("a pool");
            for (index, existing) in list(&input["existing"]).iter().map(net).enumerate() {
                let _ = made
                    .carve(index.to_string(), CarveRequest::exact(existing))
                    .expect("they do not overlap each other");
            }
            let answer = made.dry_run("new", CarveRequest::exact(request));
            assert_eq!(answer.is_err(), made.overlaps(request));
            json!({ "ok": answer.is_ok() })
        }
        "free_list" | "free_blocks_of_4" => {
            let base = if input["pool"].is_null() {
                &input["subnet"]
            } else {
                &input["pool"]
            };
            let made =
                pool(&json!([{ "base": base }]), list(&input["allocated"]), &[]).expect("a pool");
            let free: Vec<String> = made
                .free_prefixes()
                .map(|prefix| prefix.to_string())
                .collect();
            let blocks = made
                .free_prefixes()
                .filter(|prefix| prefix.max_prefix_len() - prefix.prefix_len() >= 2);
            let blocks: Vec<String> = blocks.map(|prefix| prefix.to_string()).collect();
            json!({ "free": free, "blocks": blocks, "count": (made.free_count().saturating_u128() / 4) as u64 })
        }
        "free_carve" => {
            let free: Vec<IpNet> = list(&input["free"]).iter().map(net).collect();
            let mut set = BlockSet::new(free[0]);
            let found = set.best(small(&input["len"])).expect("there is room");
            assert!(set.take(found));
            json!({ "prefix": found.to_string(), "left": set.iter().map(|prefix| prefix.to_string()).collect::<Vec<_>>() })
        }
        "nth_subnet" => {
            let index = input["index"].as_u64().expect("an index");
            let found = kraud_ipam::nth_subnet(
                net(&input["pool"]),
                small(&input["len"]),
                u128::from(index),
            );
            json!({ "prefix": found.expect("it exists").to_string() })
        }
        "subnet_index" => {
            match kraud_ipam::subnet_index(net(&input["pool"]), net(&input["subnet"])) {
                Some(index) => json!({ "index": index as u64 }),
                None => json!({ "error": "out_of_range" }),
            }
        }
        "occupy_indices" => {
            let (base, len) = (net(&input["pool"]), small(&input["len"]));
            let mut free = BlockSet::new(base);
            free.take_all(net(&input["occupy"]));
            let taken = (0..1 << (len - base.prefix_len())).filter(|index| {
                !free.is_free(kraud_ipam::nth_subnet(base, len, *index).expect("it exists"))
            });
            let taken: Vec<u128> = taken.collect();
            json!({ "first": *taken.first().expect("some") as u64, "last": *taken.last().expect("some") as u64 })
        }
        "subnets_between" => {
            let index = |key: &str| {
                let all: IpNet = if ip(&input[key]).is_ipv4() {
                    "0.0.0.0/0"
                } else {
                    "::/0"
                }
                .parse()
                .expect("a literal");
                kraud_ipam::subnet_index(
                    all,
                    IpNet::new(ip(&input[key]), small(&input["len"]))
                        .expect("a length")
                        .trunc(),
                )
                .expect("inside")
            };
            json!({ "count": index("to").abs_diff(index("from")) as u64 })
        }
        "subnet_distance" => {
            // Whole subnets that fit between the two.
            let all: IpNet = "::/0".parse().expect("a literal");
            let index =
                |key: &str| kraud_ipam::subnet_index(all, ip(&input[key]).into()).expect("inside");
            let host_bits = 128 - u32::from(small(&input["len"]));
            let distance = index("b")
                .abs_diff(index("a"))
                .checked_shr(host_bits)
                .unwrap_or(0);
            json!({ "distance": distance.to_string() })
        }
        "prefix_after" => {
            let prefix = net(&input["prefix"]);
            let next = kraud_ipam::address_after(prefix.broadcast(), 1).expect("not the last");
            json!({ "prefix": IpNet::new(next, small(&input["len"])).expect("a length").to_string() })
        }
        "addr_add_shifted" => {
            let text = input["x"]
                .as_str()
                .map_or_else(|| input["x"].to_string(), str::to_owned);
            let (x, shift): (u128, u32) = (
                text.parse().expect("a number"),
                u32::from(small(&input["shift"])),
            );
            let offset = x.checked_mul(1u128.checked_shl(shift).unwrap_or(0));
            match offset.and_then(|offset| kraud_ipam::address_after(ip(&input["addr"]), offset)) {
                Some(address) => json!({ "addr": address.to_string() }),
                None => json!({ "error": "overflow" }),
            }
        }
        "nat64" => {
            let (IpNet::V6(prefix), IpAddr::V4(v4)) = (net(&input["prefix"]), ip(&input["v4"]))
            else {
                unreachable!()
            };
            let v6 = embed::rfc6052(prefix, v4).expect("a length of the table");
            assert_eq!(embed::rfc6052_extract(prefix, v6), Some(v4));
            json!({ "v6": v6.to_string() })
        }
        "block_walk" => {
            let (base, len, seed) = (
                net(&input["pool"]),
                small(&input["block_len"]),
                input["seed"].as_str().expect("a seed"),
            );
            let walk: Vec<IpNet> = kraud_ipam::walk(base, len, seed).collect();
            let distinct: std::collections::BTreeSet<&IpNet> = walk.iter().collect();
            json!({
                "count": walk.len(),
                "all_distinct": distinct.len() == walk.len(),
                "all_inside": walk.iter().all(|block| base.contains(block) && block.prefix_len() == len),
                "deterministic": walk == kraud_ipam::walk(base, len, seed).collect::<Vec<_>>(),
            })
        }
        "canonical_prefix" => match input["text"].as_str().expect("a text").parse::<IpNet>() {
            Err(_) => json!({ "error": "parse" }),
            Ok(prefix) => match open(prefix).build() {
                Ok(made) => json!({ "prefix": made.prefix().to_string() }),
                Err(error) => json!({ "error": error.to_string() }),
            },
        },
        "validate_network" => validate(input),
        "range_canon" => match subnet(input) {
            Ok(made) => json!({
                "start": made.range().0.to_string(),
                "end": made.range().1.to_string(),
                "gateway": kraud_ipam::first_usable(made.prefix()).to_string(),
            }),
            Err(SubnetError::Outside { .. }) => json!({ "error": "end:outside" }),
            Err(error) => json!({ "error": error.to_string() }),
        },
        "range_contains" => {
            let (first, last) = subnet(input).expect("a subnet").range();
            json!({ "contains": first <= ip(&input["addr"]) && ip(&input["addr"]) <= last })
        }
        "range_overlap" => {
            let ranges =
                [&input["a"], &input["b"]].map(|range| subnet(range).expect("a subnet").range());
            let meets = |a: (IpAddr, IpAddr), b: (IpAddr, IpAddr)| a.0 <= b.1 && b.0 <= a.1;
            assert_eq!(meets(ranges[0], ranges[1]), meets(ranges[1], ranges[0]));
            json!({ "overlap": meets(ranges[0], ranges[1]) })
        }
        "ranges_overlap_all" => {
            let mut pools = BTreeMap::new();
            for (set, prefixes) in list(&input["sets"]).iter().enumerate() {
                for prefix in list(prefixes).iter().map(net) {
                    if let Some(other) = pools.insert(prefix, set).filter(|other| *other != set) {
                        return json!({ "error": format!("sets {other} and {set} overlap") });
                    }
                }
            }
            json!({ "ok": true })
        }
        "range_set" => {
            let bits = |value: &Value| match ip(value) {
                IpAddr::V4(v4) => u64::from(v4.to_bits()),
                IpAddr::V6(_) => unreachable!("all are IPv4"),
            };
            let mut set = NumberSet::<u64>::new();
            for range in list(&input["ranges"]) {
                set.insert_range(bits(&range[0]), bits(&range[1]));
            }
            let mut changed: Vec<bool> = list(&input["add"])
                .iter()
                .map(|at| set.insert(bits(at)))
                .collect();
            changed.extend(list(&input["remove"]).iter().map(|at| set.remove(bits(at))));
            let text = |at: u64| std::net::Ipv4Addr::from_bits(at as u32).to_string();
            json!({ "changed": changed, "ranges": set.ranges().map(|(a, b)| [text(a), text(b)]).collect::<Vec<_>>() })
        }
        "static_band_size" | "bitmap_json_golden" => json!({ "not": "offered" }),
        other => panic!("no such kind: {other}"),
    }
}

pub(crate) fn each(first: IpAddr, last: IpAddr) -> impl Iterator<Item = IpAddr> {
    std::iter::successors(Some(first), move |at| {
        kraud_ipam::address_after(*at, 1).filter(|next| *next <= last)
    })
}

pub(crate) fn fill(net: &mut Subnet) -> u64 {
    (0..)
        .take_while(|n| {
            net.allocate(format!("fill{n}"), AllocRequest::lowest())
                .is_ok()
        })
        .count() as u64
}

/// Puts the cursor behind an address, then asks.
fn next_fit(kind: &str, input: &Value) -> Value {
    let prefixes: Vec<Value> = match &input["subnets"] {
        Value::Array(subnets) => subnets.clone(),
        _ => vec![input["subnet"].clone()],
    };
    let mut made: Vec<Subnet> = prefixes
        .iter()
        .map(|prefix| {
            subnet(&json!({ "subnet": prefix, "gateway": input["gateway"] })).expect("a subnet")
        })
        .collect();
    let mut start = 0;
    if !input["cursor_after"].is_null() {
        let cursor = ip(&input["cursor_after"]);
        start = made
            .iter()
            .position(|net| net.prefix().contains(&cursor))
            .expect("in one of them");
        let grant = made[start]
            .allocate("cursor", AllocRequest::next().between(cursor, cursor))
            .expect("it is free");
        assert_eq!(grant.address(), cursor);
        let _ = made[start]
            .release_owner("cursor", 0)
            .expect("nothing is inside");
    }
    for address in list(&input["used"]).iter().map(ip) {
        for net in &mut made {
            let _ = net.allocate(address.to_string(), AllocRequest::exact(address));
        }
    }
    // Behind the cursor in its own subnet, then the other subnets, then its own from the start.
    let count = made.len();
    let mut ask = |name: &str| {
        let (cursor, last) = (made[start].range(), made[start].range().1);
        let behind = match &input["cursor_after"] {
            Value::Null => cursor.0,
            value => kraud_ipam::address_after(ip(value), 1).expect("not the last"),
        };
        if count > 1 && behind <= last {
            let grant = made[start].allocate(name, AllocRequest::next().between(behind, last));
            if grant.is_ok() {
                return grant;
            }
        }
        let mut answer = None;
        for turn in usize::from(count > 1)..=count {
            let next = made[(start + turn) % count].allocate(name, AllocRequest::next());
            if next.is_ok() {
                return next;
            }
            answer = Some(next);
        }
        answer.expect("at least one was asked")
    };
    if kind == "next_fit" {
        return address_or_error(ask("new"));
    }
    let mut found = Vec::new();
    while let Ok(grant) = ask(&found.len().to_string()) {
        found.push(grant.address().to_string());
    }
    json!({ "addrs": found })
}

/// All that is wrong with a network, one builder call at a time.
fn validate(input: &Value) -> Value {
    let prefix = net(&input["subnet"]);
    let mut errors = Vec::new();
    let name = |what: &str, error: SubnetError| match error {
        SubnetError::Family { .. } => format!("{what}:family"),
        SubnetError::HostBits { .. } => format!("{what}:host_bits"),
        SubnetError::Outside { .. } => format!("{what}:outside"),
        SubnetError::SpecialPurpose { .. } => format!("{what}:special_purpose"),
        other => format!("{what}:{other}"),
    };
    let mut suggestion = Value::Null;
    let builder = Subnet::builder(prefix);
    match builder.clone().build() {
        Err(SubnetError::HostBits { masked, .. }) => {
            suggestion = json!(masked.network().to_string());
            errors.push("subnet:host_bits".to_owned());
        }
        Err(error) => errors.push(name("subnet", error)),
        Ok(_) => {
            if !input["ip_range"].is_null() {
                errors.extend(
                    builder
                        .clone()
                        .range(net(&input["ip_range"]))
                        .build()
                        .err()
                        .map(|error| name("ip_range", error)),
                );
            }
            if !input["gateway"].is_null() {
                errors.extend(
                    builder
                        .clone()
                        .gateway(ip(&input["gateway"]))
                        .build()
                        .err()
                        .map(|error| name("gateway", error)),
                );
            }
            for (key, address) in input["aux"].as_object().into_iter().flatten() {
                let made = builder.clone().auxiliary(key.as_str(), ip(address)).build();
                errors.extend(made.err().map(|error| name("aux", error)));
            }
        }
    }
    json!({ "errors": errors, "suggest_network": suggestion })
}
