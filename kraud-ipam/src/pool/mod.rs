//! Pools: prefixes that subnets are carved out of.

use alloc::vec::Vec;

use ipnet::IpNet;

use crate::{
    Count, Owner, Policy, Special,
    family::{Family, bounds},
    ledger::Ledger,
    ranges::RangeSet,
    set::BlockSet,
};

mod carve;
mod edit;
mod request;
#[cfg(feature = "serde")]
mod snapshot;

pub use edit::PoolEdit;
pub use request::{CarveError, CarveGrant, CarveRequest, Carved, Conflict, UncarveError};

/// One address space of one family, the bases that subnets are carved from, and who holds which.
///
/// No two subnets overlap. A user's own subnet may lie [`anywhere`](CarveRequest::anywhere); bases
/// only say where automatic ones come from. Two address spaces (say, of two VPCs) are two pools, and
/// may hold the same prefixes.
///
/// ```
/// use kraud_ipam::{CarveRequest, SubnetPool};
///
/// let vpc = kraud_ipam::ula::prefix48(b"acme\0production");
/// let mut six = SubnetPool::new([vpc.into()])?;
/// let overlay = six.carve("overlay nextcloud/v", CarveRequest::stable(64))?.prefix();
/// let host = six.carve("host ha", CarveRequest::stable(64))?.prefix();
/// assert_ne!(overlay, host);
/// assert_eq!(six.carve("overlay nextcloud/v", CarveRequest::stable(64))?.prefix(), overlay);
///
/// let mut four = SubnetPool::new(["10.0.0.0/8".parse()?])?;
/// four.carve("nextcloud/v", CarveRequest::exact("192.168.0.0/16".parse()?).anywhere())?;
/// let error = four
///     .carve("shop/v", CarveRequest::exact("192.168.4.0/24".parse()?).anywhere())
///     .unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "192.168.4.0/24 cannot go to shop/v: it overlaps 192.168.0.0/16 of nextcloud/v"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubnetPool {
    family: Family,
    policy: Policy,
    key: Vec<u8>,
    bases: Vec<PoolBase>,
    /// Sorted, without duplicates.
    reservations: Vec<ReservedPrefix>,
    reserved: RangeSet,
    held: Ledger<Carved>,
    /// What is neither held nor reserved, for each base.
    free: Vec<BlockSet>,
    revision: u64,
}

/// Where automatic subnets come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct PoolBase {
    /// The prefix.
    pub prefix: IpNet,
    /// The length of its subnets when a request names none.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub size: Option<u8>,
}

impl PoolBase {
    /// A base that gives out prefixes of this length by default.
    pub const fn new(prefix: IpNet, size: u8) -> Self {
        Self {
            prefix,
            size: Some(size),
        }
    }
}

impl From<IpNet> for PoolBase {
    fn from(prefix: IpNet) -> Self {
        Self { prefix, size: None }
    }
}

/// Space that automatic subnets keep clear of: host routes, name servers, another tool's networks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct ReservedPrefix {
    /// The space.
    pub prefix: IpNet,
    /// For whom or what.
    pub name: Owner,
}

/// Describes a pool before it is made; see [`SubnetPool::builder`].
#[derive(Clone, Debug, Default)]
#[must_use = "call build()"]
pub struct PoolBuilder {
    bases: Vec<PoolBase>,
    reservations: Vec<ReservedPrefix>,
    policy: Policy,
    key: Vec<u8>,
}

impl PoolBuilder {
    /// Adds a base. The order of bases is the order in which they are searched.
    pub fn base(mut self, base: impl Into<PoolBase>) -> Self {
        self.bases.push(base.into());
        self
    }

    /// Keeps automatic subnets clear of this prefix, under a name that errors will mention.
    /// Reservations may overlap, nest or repeat, and come in any order.
    pub fn reserve(mut self, name: impl Into<Owner>, prefix: IpNet) -> Self {
        self.reservations.push(ReservedPrefix {
            prefix,
            name: name.into(),
        });
        self
    }

    /// Which special-purpose space is allowed; by default none.
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// The key of the hash behind stable subnets; those of different keys have nothing in common.
    pub fn key(self, key: &[u8]) -> Self {
        Self {
            key: key.to_vec(),
            ..self
        }
    }

    /// Makes the pool. O(bases² + reservations).
    ///
    /// # Errors
    /// See [`PoolError`].
    pub fn build(self) -> Result<SubnetPool, PoolError> {
        let first = self.bases.first().ok_or(PoolError::Empty)?.prefix;
        let family = Family::of_prefix(first);
        let all = self
            .bases
            .iter()
            .map(|base| base.prefix)
            .chain(self.reservations.iter().map(|r| r.prefix));
        for prefix in all {
            if Family::of_prefix(prefix) != family {
                return Err(PoolError::Family { prefix, first });
            }
            if prefix.addr() != prefix.network() {
                return Err(PoolError::HostBits {
                    given: prefix,
                    masked: prefix.trunc(),
                });
            }
        }
        for (index, base) in self.bases.iter().enumerate() {
            if let Some(special) = self.policy.refuses(base.prefix) {
                return Err(PoolError::SpecialPurpose {
                    prefix: base.prefix,
                    special,
                });
            }
            if let Some(size) = base
                .size
                .filter(|size| *size < base.prefix.prefix_len() || *size > family.bits())
            {
                return Err(PoolError::Size {
                    base: base.prefix,
                    size,
                });
            }
            let (low, high) = bounds(base.prefix);
            let earlier = self.bases.iter().take(index).find(|other| {
                let (first, last) = bounds(other.prefix);
                first <= high && low <= last
            });
            if let Some(other) = earlier {
                return Err(PoolError::OverlappingBases {
                    one: other.prefix,
                    other: base.prefix,
                });
            }
        }
        let mut reservations = self.reservations;
        reservations.sort();
        reservations.dedup();
        let mut reserved = RangeSet::new();
        for reservation in &reservations {
            let (first, last) = bounds(reservation.prefix);
            reserved.insert(first, last);
        }
        let mut free: Vec<BlockSet> = self
            .bases
            .iter()
            .map(|base| BlockSet::new(base.prefix))
            .collect();
        for (first, last) in reserved.iter() {
            for block in crate::prefixes::cover(family, first, last) {
                free.iter_mut().for_each(|free| {
                    free.take_all(block);
                });
            }
        }
        Ok(SubnetPool {
            family,
            policy: self.policy,
            key: self.key,
            bases: self.bases,
            free,
            reservations,
            reserved,
            held: Ledger::new(),
            revision: 0,
        })
    }
}

/// Why a pool cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// There is no base.
    #[error("a pool needs at least one base")]
    Empty,
    /// IPv4 and IPv6 are mixed.
    #[error("{prefix} is not of the family of {first}; make one pool per family")]
    Family {
        /// The prefix of the other family.
        prefix: IpNet,
        /// The first base.
        first: IpNet,
    },
    /// A prefix has host bits set.
    #[error("{given} has host bits set; write {masked}")]
    HostBits {
        /// As given.
        given: IpNet,
        /// What may be meant.
        masked: IpNet,
    },
    /// Two bases overlap.
    #[error("the bases {one} and {other} overlap; drop one of them")]
    OverlappingBases {
        /// The earlier one.
        one: IpNet,
        /// The later one.
        other: IpNet,
    },
    /// A base cannot give out prefixes of its size.
    #[error("{base} cannot be divided into /{size}")]
    Size {
        /// The base.
        base: IpNet,
        /// The size.
        size: u8,
    },
    /// A base overlaps space with a special purpose.
    #[error(
        "{prefix} overlaps {special} space; choose another prefix, or allow that purpose in the policy"
    )]
    SpecialPurpose {
        /// The prefix.
        prefix: IpNet,
        /// The purpose.
        special: Special,
    },
}

impl SubnetPool {
    /// A pool of these bases with the default rules.
    ///
    /// # Errors
    /// See [`PoolError`].
    pub fn new(bases: impl IntoIterator<Item = IpNet>) -> Result<Self, PoolError> {
        bases
            .into_iter()
            .fold(Self::builder(), PoolBuilder::base)
            .build()
    }

    /// Starts to describe a pool.
    pub fn builder() -> PoolBuilder {
        PoolBuilder::default()
    }

    /// The pools of a docker engine that is not told otherwise: 172.17.0.0/16 to 172.31.0.0/16 as they
    /// are, then 192.168.0.0/16 in /20.
    pub fn docker_default() -> PoolBuilder {
        let base = |base: u32, len: u8, size: u8| {
            PoolBase::new(
                crate::family::prefix(Family::V4, u128::from(base), len),
                size,
            )
        };
        Self::builder()
            .base(base(0xac11_0000, 16, 16))
            .base(base(0xac12_0000, 15, 16))
            .base(base(0xac14_0000, 14, 16))
            .base(base(0xac18_0000, 13, 16))
            .base(base(0xc0a8_0000, 16, 20))
    }

    /// The family of all its prefixes.
    pub const fn family(&self) -> Family {
        self.family
    }

    /// Where automatic subnets come from.
    pub fn bases(&self) -> &[PoolBase] {
        &self.bases
    }

    /// What automatic subnets keep clear of.
    pub fn reservations(&self) -> &[ReservedPrefix] {
        &self.reservations
    }

    /// How many changes there were.
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// Every subnet held, by address.
    pub fn subnets(&self) -> impl Iterator<Item = &Carved> + '_ {
        self.held.iter()
    }

    /// The subnets of an owner, by address.
    pub fn subnets_of(&self, owner: &str) -> impl Iterator<Item = &Carved> + '_ {
        self.held.of(owner)
    }

    /// The first subnet of an owner.
    pub fn prefix_of(&self, owner: &str) -> Option<IpNet> {
        self.subnets_of(owner).next().map(|carved| carved.prefix)
    }

    /// Who holds the subnet that contains an address. O(log n).
    pub fn holder(&self, address: core::net::IpAddr) -> Option<&Carved> {
        if Family::of(address) != self.family {
            return None;
        }
        let carved = self.held.at_or_before(crate::family::number(address))?;
        carved.prefix.contains(&address).then_some(carved)
    }

    /// Everything that overlaps a prefix: subnets first, by address, then reserved space.
    ///
    /// O(log n) to the first subnet.
    pub fn overlapping(&self, prefix: IpNet) -> impl Iterator<Item = Conflict> + '_ {
        let (first, last) = bounds(prefix);
        let same = Family::of_prefix(prefix) == self.family;
        let before = first
            .checked_sub(1)
            .and_then(|before| self.held.at_or_before(before));
        let before = before.filter(|carved| bounds(carved.prefix).1 >= first);
        let carved = before.into_iter().chain(self.held.range(first, last));
        let carved = carved.map(|carved| Conflict::Carved(carved.clone()));
        let reserved = self.reservations.iter().filter(move |reservation| {
            let (low, high) = bounds(reservation.prefix);
            low <= last && first <= high
        });
        let reserved = reserved.map(|r| Conflict::Reserved {
            prefix: r.prefix,
            name: r.name.clone(),
        });
        carved.chain(reserved).filter(move |_| same)
    }

    /// Whether a prefix overlaps a subnet. O(log n).
    pub fn overlaps(&self, prefix: IpNet) -> bool {
        Family::of_prefix(prefix) == self.family && self.held_overlap(prefix).is_some()
    }

    /// How many addresses of the bases are free. O(bases).
    pub fn free_count(&self) -> Count {
        self.free
            .iter()
            .fold(Count::ZERO, |sum, free| sum.plus(free.free_count()))
    }

    /// The free prefixes of the bases: the fewest that cover all free space, by base and address.
    pub fn free_prefixes(&self) -> impl Iterator<Item = IpNet> + '_ {
        self.free.iter().flat_map(BlockSet::iter)
    }

    /// The largest free prefix of the bases, the first of several equally large ones.
    pub fn largest_free(&self) -> Option<IpNet> {
        let largest = self.free.iter().filter_map(BlockSet::largest);
        largest.reduce(|best, next| {
            if next.prefix_len() < best.prefix_len() {
                next
            } else {
                best
            }
        })
    }
}
