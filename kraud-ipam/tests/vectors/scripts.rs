//! Cases of several steps.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use kraud_ipam::{
    AllocError, AllocRequest, CarveError, CarveRequest, Policy, ReleaseError, Subnet, SubnetPool,
};
use serde_json::{Value, json};

use super::{answers::*, made::*};

/// Runs the steps of a script; every automatic grant has an owner of its own.
pub(crate) fn script(input: &Value) -> Value {
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

pub(crate) fn refusal(error: &AllocError) -> &'static str {
    match error {
        AllocError::Exhausted(_) => "err:exhausted",
        AllocError::Held { .. } => "err:in_use",
        AllocError::Outside { .. } | AllocError::Family { .. } => "err:out_of_range",
        _ => "err",
    }
}
