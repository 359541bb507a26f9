//! One subnet: its addresses, who holds them, and why the others are not free.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::{fmt, net::IpAddr};

use ipnet::IpNet;

use crate::{
    Change, Count, Owner, Policy,
    change::Journaled,
    family::{Family, address, bounds, number},
    ledger::Ledger,
    ranges::RangeSet,
    space::Space,
    usable,
};

mod allocate;
mod builder;
mod edit;
mod explain;
mod release;
mod request;
#[cfg(feature = "serde")]
mod snapshot;

pub use builder::{SubnetBuilder, SubnetError};
pub use edit::{Rest, SubnetEdit};
pub use explain::Explanation;
pub use release::Release;
pub use request::{AllocError, AllocRequest, Grant, Holding, ReleaseError, Shortage, Why};

/// The addresses of one subnet, IPv4 or IPv6.
///
/// Every address is in exactly one state: free, reserved, held or resting in quarantine. A call
/// either succeeds and says what changed, or fails and leaves everything as it was.
///
/// ```
/// use kraud_ipam::{AllocError, AllocRequest, Subnet};
///
/// let mut net = Subnet::builder("192.168.0.0/16".parse()?).default_gateway().build()?;
///
/// let db = net.allocate("db", AllocRequest::exact("192.168.0.7".parse()?))?;
/// assert_eq!(db.address().to_string(), "192.168.0.7");
///
/// // The same key gets the same address, until it is released.
/// let web = net.allocate("web", AllocRequest::lowest())?.address();
/// assert_eq!(web.to_string(), "192.168.0.2", "behind the gateway");
/// assert_eq!(net.allocate("web", AllocRequest::lowest())?.address(), web);
///
/// // Somebody else's address is refused, and both owners are named.
/// let error = net.allocate("app", AllocRequest::exact("192.168.0.7".parse()?)).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "192.168.0.7 cannot go to app: it is held by db; the nearest free address is 192.168.0.8"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    prefix: IpNet,
    policy: Policy,
    gateway: Option<IpAddr>,
    range: Option<(u128, u128)>,
    whole: bool,
    interface_ids: bool,
    quarantine: u64,
    under_pressure: bool,
    remember: bool,
    key: Vec<u8>,

    /// Sorted, without duplicates; structural ones included.
    reservations: Vec<Reservation>,
    reserved: RangeSet,
    /// Everything that is not free: reserved, held (delegated prefixes as a whole) or resting.
    taken: Space,
    /// What is held inside delegated prefixes.
    inner: Space,
    held: Ledger<Holding>,
    /// What is held inside delegated prefixes.
    inside: Ledger<Holding>,
    /// Leases by their end.
    leases: BTreeSet<(u64, bool, u128)>,
    resting: BTreeMap<u128, Rest>,
    wakes: BTreeSet<(u64, u128)>,
    /// Free addresses that were held before, with the revision that set them free.
    idle: BTreeMap<u128, u64>,
    idle_order: BTreeSet<(u64, u128)>,
    cursor: Option<u128>,
    revision: u64,
}

/// What keeps an address from being given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Role {
    /// The IPv6 subnet-router anycast address.
    Anycast,
    /// Used by something the allocator does not manage.
    Auxiliary,
    /// The IPv4 broadcast address.
    Broadcast,
    /// Kept out of use.
    Excluded,
    /// The gateway.
    Gateway,
    /// A reserved IPv6 interface id.
    InterfaceId,
    /// The IPv4 network address.
    Network,
}

impl Role {
    /// Whether it follows from the prefix alone. Such addresses may be covered by a delegated
    /// prefix; they stay reserved nevertheless.
    const fn is_structural(self) -> bool {
        matches!(
            self,
            Self::Anycast | Self::Broadcast | Self::InterfaceId | Self::Network
        )
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anycast => "the subnet-router anycast address",
            Self::Auxiliary => "an auxiliary address",
            Self::Broadcast => "the broadcast address",
            Self::Excluded => "an excluded range",
            Self::Gateway => "the gateway",
            Self::InterfaceId => "a reserved interface id",
            Self::Network => "the network address",
        })
    }
}

/// Addresses that are not given out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Reservation {
    /// The first address.
    pub first: IpAddr,
    /// The last address.
    pub last: IpAddr,
    /// Why.
    pub role: Role,
    /// For whom or what; empty where the role says it all.
    pub name: Owner,
}

/// Who or what has an address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Holder {
    /// An owner.
    Owner(Owner),
    /// A reservation.
    Reserved {
        /// Why.
        role: Role,
        /// For whom or what; empty where the role says it all.
        name: Owner,
    },
    /// Nobody; it rests after a release.
    Resting {
        /// Who held it.
        last: Owner,
        /// When the quarantine ends.
        until: u64,
    },
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(owner) => write!(f, "{owner}"),
            Self::Reserved { role, name } if name.is_empty() => write!(f, "{role}"),
            Self::Reserved { role, name } => write!(f, "{role} ({name})"),
            Self::Resting { last, until } => {
                write!(f, "nobody; it rests until {until} after {last}")
            }
        }
    }
}

impl Subnet {
    /// Starts to describe a subnet.
    pub const fn builder(prefix: IpNet) -> SubnetBuilder {
        SubnetBuilder::new(prefix)
    }

    /// A subnet with the default rules and nothing reserved but what its prefix demands.
    ///
    /// # Errors
    /// See [`SubnetError`].
    pub fn new(prefix: IpNet) -> Result<Self, SubnetError> {
        Self::builder(prefix).build()
    }

    fn assemble(spec: SubnetBuilder, gateway: Option<IpAddr>) -> Self {
        let family = Family::of_prefix(spec.prefix);
        let (first, last) = bounds(spec.prefix);
        let mut reservations = spec.reservations;
        let mut structural = |from: u128, to: u128, role: Role| {
            reservations.push(Reservation {
                first: address(family, from),
                last: address(family, to),
                role,
                name: Owner::from(""),
            });
        };
        if !spec.whole {
            let (low, high) = usable::usable_bounds(spec.prefix);
            let start = match family {
                Family::V4 => Role::Network,
                Family::V6 => Role::Anycast,
            };
            if first < low {
                structural(first, first, start);
            }
            if high < last {
                structural(last, last, Role::Broadcast);
            }
        }
        if spec.interface_ids {
            for (from, to) in usable::reserved_interface_ids(spec.prefix) {
                structural(from, to, Role::InterfaceId);
            }
        }
        if let Some(gateway) = gateway.map(number) {
            structural(gateway, gateway, Role::Gateway);
        }
        reservations.sort();
        reservations.dedup();
        let (mut reserved, mut taken) = (RangeSet::new(), Space::new(spec.prefix));
        for reservation in &reservations {
            reserved.insert(number(reservation.first), number(reservation.last));
            taken.insert(number(reservation.first), number(reservation.last));
        }
        Self {
            prefix: spec.prefix,
            policy: spec.policy,
            gateway,
            range: spec
                .range
                .map(|(first, last)| (number(first), number(last))),
            whole: spec.whole,
            interface_ids: spec.interface_ids,
            quarantine: spec.quarantine,
            under_pressure: spec.under_pressure,
            remember: spec.remember,
            key: spec.key,
            reservations,
            taken,
            reserved,
            inner: Space::new(spec.prefix),
            held: Ledger::new(),
            inside: Ledger::new(),
            leases: BTreeSet::new(),
            resting: BTreeMap::new(),
            wakes: BTreeSet::new(),
            idle: BTreeMap::new(),
            idle_order: BTreeSet::new(),
            cursor: None,
            revision: 0,
        }
    }

    /// The subnet's prefix.
    pub const fn prefix(&self) -> IpNet {
        self.prefix
    }

    /// The gateway, if one is reserved.
    pub const fn gateway(&self) -> Option<IpAddr> {
        self.gateway
    }

    /// How many changes there were.
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// What is reserved, by address.
    pub fn reservations(&self) -> &[Reservation] {
        &self.reservations
    }

    /// Everything held, by address; what lies inside delegated prefixes comes last.
    pub fn holdings(&self) -> impl Iterator<Item = &Holding> + '_ {
        self.held.iter().chain(self.inside.iter())
    }

    /// What an owner holds. O(log n) to the first.
    pub fn holdings_of(&self, owner: &str) -> impl Iterator<Item = &Holding> + '_ {
        self.held.of(owner).chain(self.inside.of(owner))
    }

    /// The first address of an owner here.
    pub fn address_of(&self, owner: &str) -> Option<IpAddr> {
        self.holdings_of(owner)
            .next()
            .map(|holding| holding.address)
    }

    /// Who or what has an address; `None` when it is free or outside the subnet. O(log n).
    ///
    /// Inside a delegated prefix the holder of the single address is named, else the prefix's owner.
    pub fn holder(&self, address: IpAddr) -> Option<Holder> {
        if !self.prefix.contains(&address) {
            return None;
        }
        self.holder_at(number(address))
    }

    /// Whether an address is in the subnet and free.
    pub fn is_free(&self, address: IpAddr) -> bool {
        self.prefix.contains(&address) && !self.taken.contains(number(address))
    }

    /// How many addresses are free, regardless of the range of automatic requests.
    pub fn free_count(&self) -> Count {
        let (first, last) = bounds(self.prefix);
        Count::between(first, last).minus(self.taken.count(first, last))
    }

    /// How many addresses are reserved, held and resting.
    pub fn usage(&self) -> Usage {
        let (first, last) = bounds(self.prefix);
        self.usage_between(first, last)
    }

    /// The same for the part of the subnet that lies in a prefix.
    pub fn usage_within(&self, prefix: IpNet) -> Usage {
        let (first, last) = bounds(self.prefix);
        let (low, high) = bounds(prefix);
        let same = Family::of_prefix(prefix) == Family::of_prefix(self.prefix);
        if !same || low.max(first) > high.min(last) {
            return Usage::default();
        }
        self.usage_between(low.max(first), high.min(last))
    }

    /// Where automatic requests look, as first and last address; reserved ones in it are skipped.
    pub fn range(&self) -> (IpAddr, IpAddr) {
        let family = Family::of_prefix(self.prefix);
        let (first, last) = self.region();
        (address(family, first), address(family, last))
    }

    /// Moves the range of automatic requests. What is held outside of it stays held.
    ///
    /// # Errors
    /// [`SubnetError`] when the range runs backwards or leaves the subnet; nothing has changed then.
    pub fn set_range(
        &mut self,
        first: IpAddr,
        last: IpAddr,
    ) -> Result<Change<SubnetEdit>, SubnetError> {
        for address in [first, last] {
            if Family::of(address) != Family::of_prefix(self.prefix) {
                return Err(SubnetError::Family {
                    what: "range",
                    address,
                    prefix: self.prefix,
                });
            }
            if !self.prefix.contains(&address) {
                return Err(SubnetError::Outside {
                    what: "range",
                    address,
                    prefix: self.prefix,
                });
            }
        }
        if last < first {
            return Err(SubnetError::Backwards { first, last });
        }
        let family = Family::of_prefix(self.prefix);
        let before = self
            .range
            .map(|(first, last)| (address(family, first), address(family, last)));
        let mut edits = Vec::new();
        if before != Some((first, last)) {
            self.step(
                SubnetEdit::Range {
                    before,
                    after: Some((first, last)),
                },
                &mut edits,
            );
        }
        Ok(self.finish(edits))
    }

    /// The free ranges, in order, as pairs of first and last address. O(log n) for each.
    pub fn free_ranges(&self) -> impl Iterator<Item = (IpAddr, IpAddr)> + '_ {
        let family = Family::of_prefix(self.prefix);
        let (first, last) = bounds(self.prefix);
        self.taken
            .gaps(first, last)
            .map(move |(from, to)| (address(family, from), address(family, to)))
    }

    /// The largest free prefix, the first of several equally large ones.
    pub fn largest_free(&self) -> Option<IpNet> {
        let family = Family::of_prefix(self.prefix);
        let (first, last) = bounds(self.prefix);
        let gaps = self.taken.gaps(first, last);
        let blocks = gaps.flat_map(|(from, to)| crate::prefixes::cover(family, from, to));
        blocks.reduce(|best, next| {
            if next.prefix_len() < best.prefix_len() {
                next
            } else {
                best
            }
        })
    }

    fn usage_between(&self, first: u128, last: u128) -> Usage {
        let size = Count::between(first, last);
        let taken = self.taken.count(first, last);
        let reserved = self.reserved.count(first, last);
        let resting = self.resting.values().fold(Count::ZERO, |sum, rest| {
            let (from, to) = bounds(rest.prefix);
            let (from, to) = (from.max(first), to.min(last));
            sum.plus(Count::between(from, to).minus(self.reserved.count(from, to)))
        });
        Usage {
            size,
            reserved,
            resting,
            held: taken.minus(reserved).minus(resting),
            free: size.minus(taken),
        }
    }

    fn holding_at(&self, inside: bool, first: u128) -> Option<&Holding> {
        if inside {
            self.inside.get(first)
        } else {
            self.held.get(first)
        }
    }

    /// The holding, outside delegated prefixes, that covers a number.
    fn covering(&self, number: u128) -> Option<&Holding> {
        let holding = self.held.at_or_before(number)?;
        (number <= bounds(holding.prefix).1).then_some(holding)
    }

    fn reservation_at(&self, at: u128) -> Option<&Reservation> {
        if !self.reserved.contains(at) {
            return None;
        }
        self.reservations
            .iter()
            .find(|r| number(r.first) <= at && at <= number(r.last))
    }

    fn holder_at(&self, at: u128) -> Option<Holder> {
        if let Some(guest) = self.inside.get(at) {
            return Some(Holder::Owner(guest.owner.clone()));
        }
        if let Some(reservation) = self.reservation_at(at) {
            return Some(Holder::Reserved {
                role: reservation.role,
                name: reservation.name.clone(),
            });
        }
        if let Some(holding) = self.covering(at) {
            return Some(Holder::Owner(holding.owner.clone()));
        }
        self.resting_at(at).map(|rest| Holder::Resting {
            last: rest.owner.clone(),
            until: rest.until,
        })
    }

    fn resting_at(&self, at: u128) -> Option<&Rest> {
        let (_, rest) = self.resting.range(..=at).next_back()?;
        (at <= bounds(rest.prefix).1).then_some(rest)
    }

    /// Where automatic requests look.
    fn region(&self) -> (u128, u128) {
        match self.range {
            Some(range) => range,
            None if self.whole => bounds(self.prefix),
            None => usable::usable_bounds(self.prefix),
        }
    }
}

/// Exact numbers of addresses by state; `size` is the sum of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All of them.
    pub size: Count,
    /// Free ones.
    pub free: Count,
    /// Held ones; a delegated prefix counts as a whole.
    pub held: Count,
    /// Reserved ones.
    pub reserved: Count,
    /// Those in quarantine.
    pub resting: Count,
}
