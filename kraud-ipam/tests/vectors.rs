//! What the tests of other allocators expect, line by line.
//!
//! Every case whose stance is `agree` or `must` holds. Those where kraud-ipam does otherwise are in
//! [`DIFFERS`], each with its reason; the list is exact, so a change of behaviour shows up here.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use kraud_ipam::{
    AllocError, AllocRequest, CarveError, CarveRequest, Policy, PoolBase, PoolError, ReleaseError,
    Subnet, SubnetBuilder, SubnetError, SubnetPool, embed,
    set::{BlockSet, NumberSet},
};
use serde_json::{Value, json};

/// Cases that are answered otherwise, and why.
const DIFFERS: &[(&str, &str)] = &[
    (
        "coredhcp-010",
        "differences are 128 bits wide and do not overflow",
    ),
    ("go_ipam-007", "a /32 holds one usable address"),
    ("kubernetes-007", "a /32 holds one usable address"),
    (
        "kubernetes-013",
        "both addresses of a /127 are usable (RFC 6164)",
    ),
    ("kubernetes-016", "counts are exact beyond 64 bits"),
    (
        "go_ipam-031",
        "host bits are an error that names the masked prefix; masking is the caller's choice",
    ),
    (
        "moby-010",
        "host bits are an error that names the masked prefix",
    ),
    (
        "moby-025",
        "host bits are an error that names the masked prefix",
    ),
    (
        "moby-028",
        "host bits are an error that names the masked prefix",
    ),
    (
        "moby-049",
        "::/0 means itself; any prefix of a length is a request of its own",
    ),
    (
        "netavark-016",
        "the gateway of a /31 is its first address (RFC 3021)",
    ),
    // Optional features that are not offered.
    (
        "kubernetes-043",
        "no static band: ranges and exclusions serve the purpose",
    ),
    (
        "kubernetes-046",
        "no static band: ranges and exclusions serve the purpose",
    ),
    (
        "kubernetes-049",
        "no static band: ranges and exclusions serve the purpose",
    ),
    (
        "kubernetes-052",
        "no static band: ranges and exclusions serve the purpose",
    ),
    ("moby-145", "no import of libnetwork's bitmaps"),
];

#[test]
fn every_case_holds_but_those_named() {
    let mut failures = Vec::new();
    let mut differs: BTreeMap<&str, &str> = DIFFERS.iter().copied().collect();
    let mut count = 0;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("a file").path())
        .collect();
    files.sort();
    for file in files
        .iter()
        .filter(|file| file.extension().is_some_and(|ext| ext == "jsonl"))
    {
        for line in std::fs::read_to_string(file).expect("a text").lines() {
            let case: Value = serde_json::from_str(line).expect("a case");
            let id = case["id"].as_str().expect("an id").to_owned();
            let stance = case["stance"].as_str().expect("a stance");
            let outcome = answer(&case);
            count += 1;
            let holds = agrees(&case["expect"], &outcome);
            match (holds, differs.remove(id.as_str())) {
                (true, None) => {}
                (false, Some(_)) if !matches!(stance, "agree" | "must") => {}
                (_, listed) => failures.push(format!(
                    "{id} ({stance}, listed: {listed:?}): {outcome} for {case}"
                )),
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {count}:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(differs.is_empty(), "no such cases: {differs:?}");
    assert_eq!(count, 174);
}

/// Everything that is expected is there; what else the answer has does not matter.
fn agrees(expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => expected
            .iter()
            .all(|(key, value)| got.get(key).is_some_and(|other| agrees(value, other))),
        (Value::Array(expected), Value::Array(got)) => {
            expected.len() == got.len()
                && expected
                    .iter()
                    .zip(got)
                    .all(|(expected, got)| agrees(expected, got))
        }
        // Counts are written as numbers or as text.
        (Value::String(text), Value::Number(number))
        | (Value::Number(number), Value::String(text)) => *text == number.to_string(),
        _ => expected == got,
    }
}

fn net(value: &Value) -> IpNet {
    value.as_str().expect("a text").parse().expect("a prefix")
}

fn ip(value: &Value) -> IpAddr {
    value.as_str().expect("a text").parse().expect("an address")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn small(value: &Value) -> u8 {
    value
        .as_u64()
        .and_then(|number| u8::try_from(number).ok())
        .unwrap_or(u8::MAX)
}

/// Documentation prefixes and the like are what these cases are about.
fn open(prefix: IpNet) -> SubnetBuilder {
    Subnet::builder(prefix).policy(Policy::permissive())
}

/// The subnet that a case describes.
fn subnet(input: &Value) -> Result<Subnet, SubnetError> {
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

fn with_range(builder: SubnetBuilder, prefix: IpNet, range: &Value) -> SubnetBuilder {
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

fn address_or_error(answer: Result<kraud_ipam::Grant, AllocError>) -> Value {
    match answer {
        Ok(grant) => json!({ "addr": grant.address().to_string() }),
        Err(AllocError::Exhausted(_)) => json!({ "error": "exhausted" }),
        Err(error) => json!({ "error": error.to_string() }),
    }
}

/// The pool that a case describes, with `allocated` and `reserved` both kept out of the way: they may
/// overlap each other there.
fn pool(bases: &Value, allocated: &[Value], reserved: &[Value]) -> Result<SubnetPool, PoolError> {
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

fn carve_error(error: &CarveError) -> &'static str {
    match error {
        CarveError::Exhausted { .. } => "exhausted",
        CarveError::NoMatchingBase { .. } => "no_matching_pool",
        CarveError::Overlap { .. } => "overlap",
        CarveError::HostBits { .. } => "host_bits",
        _ => "other",
    }
}

fn answer(case: &Value) -> Value {
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

fn each(first: IpAddr, last: IpAddr) -> impl Iterator<Item = IpAddr> {
    std::iter::successors(Some(first), move |at| {
        kraud_ipam::address_after(*at, 1).filter(|next| *next <= last)
    })
}

fn fill(net: &mut Subnet) -> u64 {
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

/// Runs the steps of a script; every automatic grant has an owner of its own.
fn script(input: &Value) -> Value {
    let next = input["strategy"] == "next";
    let best = input["strategy"] == "best";
    let raw = input["flags"]["raw"] == true;
    let mut world = World {
        next,
        best,
        raw,
        ..World::default()
    };
    let results: Vec<Value> = list(&input["steps"])
        .iter()
        .map(|step| world.step(list(step)))
        .collect();
    json!({ "results": results })
}

#[derive(Default)]
struct World {
    next: bool,
    best: bool,
    raw: bool,
    net: Option<Subnet>,
    pool: Option<SubnetPool>,
    /// Which owners got something under a sequence number of the script's own.
    sequences: BTreeMap<u64, Vec<(String, IpAddr, u64)>>,
    stored: String,
    names: u32,
}

impl World {
    fn name(&mut self) -> String {
        self.names += 1;
        format!("owner{}", self.names)
    }

    fn net(&mut self) -> &mut Subnet {
        self.net.as_mut().expect("there is a subnet")
    }

    fn pool(&mut self) -> &mut SubnetPool {
        self.pool.as_mut().expect("there is a pool")
    }

    fn allocate(&mut self) -> Result<IpAddr, Value> {
        let request = if self.next {
            AllocRequest::next()
        } else {
            AllocRequest::lowest()
        };
        let name = self.name();
        self.net()
            .allocate(name, request)
            .map(|grant| grant.address())
            .map_err(|error| json!(refusal(&error)))
    }

    fn take(&mut self, address: &Value, owner: String, named: bool) -> Value {
        match self.net().allocate(owner, AllocRequest::exact(ip(address))) {
            Ok(grant) => json!(grant.address().to_string()),
            Err(AllocError::Held { holder, .. }) if named => {
                json!(format!("err:in_use_by:{holder}"))
            }
            Err(error) => json!(refusal(&error)),
        }
    }

    fn release(&mut self, address: IpAddr) -> Value {
        let net = self.net();
        let owner = net
            .holdings()
            .find(|holding| holding.address == address)
            .map(|holding| holding.owner.to_string());
        match net.release(owner.as_deref().unwrap_or("nobody"), address, None, 0) {
            Ok(_) => json!("ok"),
            Err(ReleaseError::NotHeld { .. } | ReleaseError::NotOwner { .. }) => {
                json!("err:not_allocated")
            }
            Err(error) => json!(error.to_string()),
        }
    }

    fn carve(&mut self, request: CarveRequest) -> Value {
        let name = self.name();
        match self.pool().carve(name, request) {
            Ok(grant) => json!(grant.prefix().to_string()),
            Err(error) => json!(format!("err:{}", carve_error(&error))),
        }
    }

    fn step(&mut self, step: &[Value]) -> Value {
        let null = Value::Null;
        let arg = |index: usize| step.get(index).unwrap_or(&null);
        match step[0].as_str().expect("an operation") {
            "pool" | "block" => {
                let (prefix, options) = (net(arg(1)), arg(2));
                // A second subnet must not overlap the first.
                let spaces = self.pool.get_or_insert_with(|| {
                    let all: IpNet = if prefix.network().is_ipv4() {
                        "0.0.0.0/0"
                    } else {
                        "::/0"
                    }
                    .parse()
                    .expect("a literal");
                    SubnetPool::builder()
                        .policy(Policy::permissive())
                        .base(all)
                        .build()
                        .expect("a pool")
                });
                if let Err(error) = spaces.carve(prefix.to_string(), CarveRequest::exact(prefix)) {
                    return json!(format!("err:{}", carve_error(&error)));
                }
                let mut builder = open(prefix);
                // Calico's blocks have no network or broadcast address.
                if self.raw || step[0] == "block" {
                    builder = builder.whole();
                }
                if options["gateway"] == "first" {
                    builder = builder.default_gateway();
                }
                if !options["ip_range"].is_null() {
                    builder = builder.range(net(&options["ip_range"]));
                }
                self.net = Some(
                    with_range(builder, prefix, &options["range"])
                        .build()
                        .expect("a subnet"),
                );
                json!("ok")
            }
            "pools" => {
                self.pool = Some(pool(arg(1), &[], &[]).expect("a pool"));
                json!("ok")
            }
            "tree" => {
                self.pool = Some(pool(&json!([{ "base": arg(1) }]), &[], &[]).expect("a pool"));
                json!("ok")
            }
            "alloc_in" => {
                // Addresses are given out of a subnet, and a subnet is carved: the prefix is held then.
                let prefix = net(arg(1));
                let _ = self
                    .pool()
                    .carve("tree", CarveRequest::exact(prefix))
                    .expect("it is free");
                self.net = Some(open(prefix).build().expect("a subnet"));
                self.allocate()
                    .map_or_else(|error| error, |address| json!(address.to_string()))
            }
            "carve_in" => match self
                .pool()
                .dry_run("child", CarveRequest::first(small(arg(2))))
            {
                Err(CarveError::Exhausted { .. }) => json!("err:has_addresses"),
                other => json!(format!("{other:?}")),
            },
            "pool_ranges" | "reconfigure_ranges" => {
                let ranges: Vec<(IpAddr, IpAddr)> = list(arg(1))
                    .iter()
                    .map(|range| (ip(&range[0]), ip(&range[1])))
                    .collect();
                let (first, last) = (ranges[0].0, ranges[ranges.len() - 1].1);
                if step[0] == "reconfigure_ranges" {
                    let _ = self.net().set_range(first, last).expect("a range");
                    return json!("ok");
                }
                let space: IpNet = "0.0.0.0/0".parse().expect("a literal");
                let mut builder = open(space).whole().range_between(first, last);
                for pair in ranges.windows(2) {
                    let after = kraud_ipam::address_after(pair[0].1, 1).expect("not the last");
                    let IpAddr::V4(next) = pair[1].0 else {
                        unreachable!("all are IPv4")
                    };
                    let before = std::net::Ipv4Addr::from_bits(next.to_bits() - 1);
                    builder = builder.exclude("between", after, before.into());
                }
                self.net = Some(builder.build().expect("a subnet"));
                json!("ok")
            }
            "alloc" => self
                .allocate()
                .map_or_else(|error| error, |address| json!(address.to_string())),
            "alloc_n" => {
                let count = arg(1).as_u64().expect("a count");
                let found: Result<Vec<String>, Value> = (0..count)
                    .map(|_| self.allocate().map(|at| at.to_string()))
                    .collect();
                found.map_or_else(|error| error, |found| json!(found))
            }
            "alloc_n_any" => {
                let count = arg(1).as_u64().expect("a count");
                json!((0..count).filter(|_| self.allocate().is_ok()).count())
            }
            "fill" => json!(fill(self.net())),
            "take" => {
                let name = self.name();
                self.take(arg(1), name, false)
            }
            "take_key" => self.take(arg(1), arg(2).as_str().expect("a key").to_owned(), true),
            "take_key_seq" => {
                let (address, key) = (ip(arg(1)), arg(2).as_str().expect("a key").to_owned());
                let grant = self
                    .net()
                    .allocate(key.as_str(), AllocRequest::exact(address).additional())
                    .expect("it is free");
                let entry = (key, address, grant.holding().revision);
                self.sequences
                    .entry(arg(3).as_u64().expect("a sequence"))
                    .or_default()
                    .push(entry);
                json!(address.to_string())
            }
            "release_key_if_seq" => {
                let entries = self
                    .sequences
                    .remove(&arg(2).as_u64().expect("a sequence"))
                    .unwrap_or_default();
                let net = self.net();
                let gone = entries.iter().filter(|(key, at, revision)| {
                    net.release(key, *at, Some(*revision), 0).is_ok()
                });
                json!(gone.count())
            }
            "release" => self.release(ip(arg(1))),
            "release_if_key" => {
                let key = arg(2).as_str().expect("a key");
                json!(
                    self.net()
                        .release(key, ip(arg(1)), None, 0)
                        .map_or("err", |_| "ok")
                )
            }
            "release_key" => json!(
                self.net()
                    .release_owner(arg(1).as_str().expect("a key"), 0)
                    .map_or("err", |_| "ok")
            ),
            "alloc_key" => {
                let key = arg(1).as_str().expect("a key");
                json!(
                    self.net()
                        .allocate(key, AllocRequest::lowest())
                        .expect("room")
                        .address()
                        .to_string()
                )
            }
            "count" => json!(self.net().holdings().count()),
            "used" => json!(
                self.net()
                    .holdings()
                    .map(|holding| holding.address.to_string())
                    .collect::<Vec<_>>()
            ),
            "is_used" => json!(self.net().holder(ip(arg(1))).is_some()),
            "count_in" => json!(self.net().usage_within(net(arg(1))).held.saturating_u128() as u64),
            "free_count" => json!(self.net().free_count().saturating_u128() as u64),
            "snapshot" => {
                self.stored = serde_json::to_string(self.net()).expect("a subnet is written");
                json!("ok")
            }
            "restore_into" => {
                self.net =
                    Some(serde_json::from_str(&self.stored).expect("what was written is read"));
                json!(if self.net().prefix() == net(arg(1)) {
                    "ok"
                } else {
                    "err"
                })
            }
            "release_pool" => {
                let prefix = net(arg(1));
                json!(
                    self.pool()
                        .release(&prefix.to_string(), prefix, None)
                        .map_or("err:no_such_pool", |_| "ok")
                )
            }
            "release_subnet" => {
                let prefix = net(arg(1));
                let owner = self
                    .pool()
                    .subnets()
                    .find(|carved| carved.prefix == prefix)
                    .map(|carved| carved.owner.to_string());
                json!(
                    self.pool()
                        .release(&owner.unwrap_or_default(), prefix, None)
                        .map_or("err:not_allocated", |_| "ok")
                )
            }
            "carve" => {
                let request = match (arg(1).as_u64(), self.best) {
                    (Some(len), true) => CarveRequest::best(len as u8),
                    (Some(len), false) => CarveRequest::first(len as u8),
                    (None, _) => CarveRequest::default_size(),
                };
                self.carve(request)
            }
            "carve_exact" => self.carve(CarveRequest::exact(net(arg(1)))),
            "carve_all" => {
                let mut found = Vec::new();
                while let Some(text) = self
                    .carve(CarveRequest::first(small(arg(1))))
                    .as_str()
                    .filter(|text| !text.starts_with("err"))
                {
                    found.push(text.to_owned());
                }
                let distinct: std::collections::BTreeSet<&String> = found.iter().collect();
                json!({ "count": found.len(), "first": found.first(), "last": found.last(), "distinct": distinct.len() == found.len() })
            }
            "free_list" => json!(
                self.pool()
                    .free_prefixes()
                    .map(|prefix| prefix.to_string())
                    .collect::<Vec<_>>()
            ),
            other => panic!("no such step: {other}"),
        }
    }
}

fn refusal(error: &AllocError) -> &'static str {
    match error {
        AllocError::Exhausted(_) => "err:exhausted",
        AllocError::Held { .. } => "err:in_use",
        AllocError::Outside { .. } | AllocError::Family { .. } => "err:out_of_range",
        _ => "err",
    }
}
