//! A subnet the obvious way: every address looked at, nothing clever. What [`Subnet`] answers is
//! compared with this, and its whole state.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use kraud_ipam::Subnet;

pub mod bytes;
mod compare;
mod rules;

/// Which kind of subnet is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Setup {
    pub v6: bool,
    /// From 0 (a single address) to 4 (16 addresses).
    pub host_bits: u8,
    pub gateway: bool,
    pub whole: bool,
    /// Automatic requests keep to these offsets.
    pub range: Option<(u8, u8)>,
    pub exclude: Option<(u8, u8)>,
    pub quarantine: u8,
    pub pressure: bool,
    pub remember: bool,
}

impl Setup {
    pub const fn plain(v6: bool, host_bits: u8) -> Self {
        Self {
            v6,
            host_bits,
            gateway: false,
            whole: false,
            range: None,
            exclude: None,
            quarantine: 0,
            pressure: false,
            remember: false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    Exact(u8),
    LongestIdle,
    Lowest,
    Next,
    Nth(u8),
    Prefix(u8, u8),
    PrefixLen(u8),
    Random(u128),
    Stable,
}

/// One call. Addresses are offsets from the subnet's first, prefixes have an offset and host bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Allocate {
        owner: u8,
        pick: Pick,
        within: Option<(u8, u8)>,
        inside: Option<u8>,
        until: Option<u64>,
        additional: bool,
        now: u64,
    },
    Release {
        owner: u8,
        at: u8,
        revision: Option<u64>,
        now: u64,
    },
    ReleaseOwner {
        owner: u8,
        now: u64,
    },
    Expire {
        now: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    AlreadyHolds,
    Exhausted,
    Held,
    HostBits,
    InUse,
    Nested,
    NotDelegated,
    NotHeld,
    NotOwner,
    Outside,
    Revision,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Held {
    last: u128,
    own: u128,
    owner: u8,
    parent: Option<u8>,
    revision: u64,
    expires: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    setup: Setup,
    first: u128,
    last: u128,
    low: u128,
    high: u128,
    /// The reserved addresses, and whether that follows from the prefix.
    reserved: BTreeMap<u128, bool>,
    held: BTreeMap<u128, Held>,
    guests: BTreeMap<u128, Held>,
    /// Last address, owner and end.
    resting: BTreeMap<u128, (u128, u8, u64)>,
    idle: BTreeMap<u128, u64>,
    cursor: Option<u128>,
    revision: u64,
}

const BASE4: u128 = 0x0a00_0010;
const BASE6: u128 = 0xfd42_01a8_0000_2a09_0000_0000_0000_0010;

fn name(owner: u8) -> String {
    format!("o{owner}")
}

impl Reference {
    /// The subnet and its reference.
    pub fn pair(setup: Setup) -> (Self, Subnet) {
        let bits = setup.host_bits.min(4);
        let (base, len) = if setup.v6 {
            (BASE6, 128 - bits)
        } else {
            (BASE4, 32 - bits)
        };
        let size = 1u128 << bits;
        let (first, last) = (base, base + size - 1);
        let to_ip = |at: u128| address(setup.v6, at);
        let clip = |(a, b): (u8, u8)| {
            let (a, b) = (first + u128::from(a) % size, first + u128::from(b) % size);
            (a.min(b), a.max(b))
        };

        let mut builder = Subnet::builder(IpNet::new(to_ip(first), len).expect("a length"))
            .quarantine(u64::from(setup.quarantine))
            .key(b"k");
        let (mut low, mut high) = (first, last);
        let mut reserved = BTreeMap::new();
        if bits > 1 {
            low = first + 1;
            high = if setup.v6 { last } else { last - 1 };
        }
        let usable_low = low;
        if setup.whole {
            builder = builder.whole();
            (low, high) = (first, last);
        } else {
            reserved.extend((first..low).map(|at| (at, true)));
            reserved.extend((high + 1..=last).map(|at| (at, true)));
        }
        if setup.gateway {
            builder = builder.default_gateway();
            reserved.insert(usable_low, false);
        }
        if let Some(exclude) = setup.exclude {
            let (from, to) = clip(exclude);
            builder = builder.exclude("x", to_ip(from), to_ip(to));
            reserved.extend((from..=to).map(|at| (at, false)));
        }
        if let Some(range) = setup.range {
            (low, high) = clip(range);
            builder = builder.range_between(to_ip(low), to_ip(high));
        }
        if setup.pressure {
            builder = builder.break_quarantine_under_pressure();
        }
        if setup.remember {
            builder = builder.remember();
        }
        let subnet = builder.build().expect("an acceptable subnet");
        let reference = Self {
            setup,
            first,
            last,
            low,
            high,
            reserved,
            held: BTreeMap::new(),
            guests: BTreeMap::new(),
            resting: BTreeMap::new(),
            idle: BTreeMap::new(),
            cursor: None,
            revision: 0,
        };
        (reference, subnet)
    }

    /// The state with revisions replaced by their order: what tells states apart.
    pub fn shape(&self) -> Self {
        let mut revisions: Vec<u64> = self
            .held
            .values()
            .chain(self.guests.values())
            .map(|held| held.revision)
            .collect();
        revisions.extend(self.idle.values());
        revisions.sort_unstable();
        revisions.dedup();
        let rank = |revision: &mut u64| {
            *revision = revisions.binary_search(revision).unwrap_or_default() as u64;
        };
        let mut shape = self.clone();
        shape
            .held
            .values_mut()
            .chain(shape.guests.values_mut())
            .for_each(|held| rank(&mut held.revision));
        shape.idle.values_mut().for_each(rank);
        shape.revision = 0;
        shape
    }

    fn ip(&self, at: u128) -> IpAddr {
        address(self.setup.v6, at)
    }

    fn net(&self, at: u128, host_bits: u8) -> IpNet {
        let width: u8 = if self.setup.v6 { 128 } else { 32 };
        IpNet::new(self.ip(at), width - host_bits.min(width)).expect("a length")
    }
}

fn address(v6: bool, at: u128) -> IpAddr {
    if v6 {
        IpAddr::V6(at.into())
    } else {
        IpAddr::V4((at as u32).into())
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}
