//! What is asked of a subnet, and what comes back.

use alloc::boxed::Box;
use core::net::IpAddr;

use ipnet::IpNet;

use super::{Holder, SubnetEdit, Usage};
use crate::{Change, Count, Owner, family, ledger::Entry};

/// Which address is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pick {
    Exact(IpAddr),
    LongestIdle,
    Lowest,
    Next,
    Nth(u128),
    Prefix(IpNet),
    PrefixLen(u8),
    Random(u128),
    Stable,
    StablePrefix(u8),
}

/// A request for an address, or for a prefix that is delegated to its owner.
///
/// Made by one of the constructors, refined by the builder methods. All of it is a plain value: the
/// answer depends on the subnet's state and on this alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllocRequest {
    pub(crate) pick: Pick,
    pub(crate) within: Option<(IpAddr, IpAddr)>,
    pub(crate) inside: Option<Owner>,
    pub(crate) now: u64,
    pub(crate) expires: Option<u64>,
    pub(crate) additional: bool,
}

impl AllocRequest {
    const fn of(pick: Pick) -> Self {
        Self {
            pick,
            within: None,
            inside: None,
            now: 0,
            expires: None,
            additional: false,
        }
    }

    /// This address and no other. May lie outside the subnet's range, but not outside the subnet;
    /// takes an address that rests in quarantine at once.
    pub const fn exact(address: IpAddr) -> Self {
        Self::of(Pick::Exact(address))
    }

    /// The lowest free address.
    pub const fn lowest() -> Self {
        Self::of(Pick::Lowest)
    }

    /// The next free address behind the one that was given out last this way, starting over at the end.
    pub const fn next() -> Self {
        Self::of(Pick::Next)
    }

    /// The `n`-th usable address, counted from 0, of the subnet or of the prefix named by
    /// [`inside`](Self::inside): replica `n` of a service gets it.
    pub const fn nth(n: u128) -> Self {
        Self::of(Pick::Nth(n))
    }

    /// A free address drawn evenly, by a random number that the caller supplies.
    pub const fn random(entropy: u128) -> Self {
        Self::of(Pick::Random(entropy))
    }

    /// The address that follows from the owner's key: the same key gets the same address whenever
    /// that is free, whatever else was asked for before.
    pub const fn stable() -> Self {
        Self::of(Pick::Stable)
    }

    /// The free address that was released longest ago; one that was never used comes first. Knows of
    /// releases only when the subnet was built to [`remember`](super::SubnetBuilder::remember) them.
    pub const fn longest_idle() -> Self {
        Self::of(Pick::LongestIdle)
    }

    /// This prefix as a whole. The owner's own address is its first usable one, and others may be
    /// given addresses [`inside`](Self::inside) it.
    pub const fn prefix(prefix: IpNet) -> Self {
        Self::of(Pick::Prefix(prefix))
    }

    /// The lowest free prefix of this length.
    pub const fn prefix_len(len: u8) -> Self {
        Self::of(Pick::PrefixLen(len))
    }

    /// The prefix of this length that follows from the owner's key, or the first free one in the order
    /// of [`walk`](crate::walk): a host's own block of an overlay, say.
    pub const fn stable_prefix(len: u8) -> Self {
        Self::of(Pick::StablePrefix(len))
    }

    /// Only addresses of this prefix.
    #[must_use]
    pub fn within(self, prefix: IpNet) -> Self {
        let (first, last) = family::bounds(prefix);
        let family = family::Family::of_prefix(prefix);
        self.between(
            family::address(family, first),
            family::address(family, last),
        )
    }

    /// Only addresses from `first` to `last`, both included.
    #[must_use]
    pub fn between(self, first: IpAddr, last: IpAddr) -> Self {
        Self {
            within: Some((first, last)),
            ..self
        }
    }

    /// Only addresses of the prefix that was delegated to this owner.
    #[must_use]
    pub fn inside(self, owner: impl Into<Owner>) -> Self {
        Self {
            inside: Some(owner.into()),
            ..self
        }
    }

    /// The time of the request, in any unit that never runs backwards. Quarantines and leases that
    /// ended by now are over; without it nothing ends.
    #[must_use]
    pub fn at(self, now: u64) -> Self {
        Self { now, ..self }
    }

    /// The grant ends at this time unless it is renewed by asking again.
    #[must_use]
    pub fn until(self, expires: u64) -> Self {
        Self {
            expires: Some(expires),
            ..self
        }
    }

    /// Grant another address although the owner has one already.
    #[must_use]
    pub fn additional(self) -> Self {
        Self {
            additional: true,
            ..self
        }
    }
}

/// What an owner holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct Holding {
    /// The address, or the delegated prefix. A single address is a /32 or /128.
    pub prefix: IpNet,
    /// The owner's own address: of a delegated prefix the first usable one.
    pub address: IpAddr,
    /// Who holds it.
    pub owner: Owner,
    /// Whose delegated prefix it lies in.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub inside: Option<Owner>,
    /// The subnet's revision that made the grant: tells it from any later grant of the same address.
    pub revision: u64,
    /// When the grant ends.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub expires: Option<u64>,
}

impl Entry for Holding {
    fn first(&self) -> u128 {
        family::bounds(self.prefix).0
    }

    fn owner(&self) -> &Owner {
        &self.owner
    }
}

impl Holding {
    /// Whether it is a delegated prefix rather than one address.
    pub fn is_prefix(&self) -> bool {
        self.prefix.prefix_len() < self.prefix.max_prefix_len()
    }
}

/// The answer to a request: what is held now, and what changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub(crate) holding: Holding,
    pub(crate) why: Why,
    pub(crate) change: Change<SubnetEdit>,
}

impl Grant {
    /// The owner's address.
    pub const fn address(&self) -> IpAddr {
        self.holding.address
    }

    /// The address as a host route, or the delegated prefix.
    pub const fn prefix(&self) -> IpNet {
        self.holding.prefix
    }

    /// All of it.
    pub const fn holding(&self) -> &Holding {
        &self.holding
    }

    /// Whether it is new, rather than what the owner held already.
    pub fn is_new(&self) -> bool {
        self.why != Why::AlreadyHeld
    }

    /// Why it is this address and no other.
    pub const fn why(&self) -> Why {
        self.why
    }

    /// What changed.
    pub const fn change(&self) -> &Change<SubnetEdit> {
        &self.change
    }

    /// What changed, for a log.
    pub fn into_change(self) -> Change<SubnetEdit> {
        self.change
    }
}

/// Why a grant is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// The owner held it already.
    AlreadyHeld,
    /// It was asked for by name, or by its number among the usable ones.
    Asked,
    /// It follows from the owner's key.
    Hashed {
        /// How many places were not free before.
        attempt: u32,
    },
    /// None of the places that follow from the owner's key was free; it is the next free one.
    NextToHashed,
    /// It has been free for longest; `None` if it was never held.
    LongestIdle {
        /// The revision that released it.
        since: Option<u64>,
    },
    /// It is the lowest free one.
    Lowest,
    /// It is the next free one.
    Next {
        /// Whether the search started over at the beginning.
        wrapped: bool,
    },
    /// It was drawn from the free ones.
    Drawn {
        /// How many were free.
        from: Count,
    },
    /// Nothing was free, and its quarantine was the oldest.
    OldestQuarantine,
}

impl core::fmt::Display for Why {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::AlreadyHeld => f.write_str("the owner held it already"),
            Self::Asked => f.write_str("it was asked for"),
            Self::Hashed { attempt: 0 } => f.write_str("it follows from the owner's key"),
            Self::Hashed { attempt } => write!(
                f,
                "it follows from the owner's key, after {attempt} that were taken"
            ),
            Self::NextToHashed => {
                f.write_str("what follows from the owner's key is taken; it is the next free one")
            }
            Self::LongestIdle { since: None } => f.write_str("it was never held"),
            Self::LongestIdle { since: Some(since) } => {
                write!(f, "it has been free for longest, since revision {since}")
            }
            Self::Lowest => f.write_str("it is the lowest free one"),
            Self::Next { wrapped: false } => f.write_str("it is the next free one"),
            Self::Next { wrapped: true } => {
                f.write_str("it is the next free one, from the start again")
            }
            Self::Drawn { from } => write!(f, "it was drawn from {from} free ones"),
            Self::OldestQuarantine => {
                f.write_str("nothing was free, and its quarantine was the oldest")
            }
        }
    }
}

/// Why a request was turned down. The subnet is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AllocError {
    /// The owner holds something else here.
    #[error(
        "{owner} holds {} already and cannot get {} too; release the first, or ask for an additional one",
        Plain(*.held), Plain(*.wanted)
    )]
    AlreadyHolds {
        /// Who asked.
        owner: Owner,
        /// What the owner holds.
        held: IpNet,
        /// What was asked for.
        wanted: IpNet,
    },
    /// No address, or no prefix of the length, is free where it was looked for.
    #[error("{0}")]
    Exhausted(Box<Shortage>),
    /// IPv4 was asked of an IPv6 subnet, or the other way round.
    #[error("{address} is not of the family of {subnet}")]
    Family {
        /// What was asked for.
        address: IpAddr,
        /// The subnet.
        subnet: IpNet,
    },
    /// Somebody else has it.
    #[error("{} cannot go to {owner}: it is held by {holder}{}", Plain(*.wanted), Nearest(*.nearest))]
    Held {
        /// What was asked for.
        wanted: IpNet,
        /// Who asked.
        owner: Owner,
        /// Who has it, or part of it.
        holder: Holder,
        /// The nearest address that is free.
        nearest: Option<IpAddr>,
    },
    /// The prefix has host bits set.
    #[error("{given} has host bits set; write {masked}")]
    HostBits {
        /// As given.
        given: IpNet,
        /// What may be meant.
        masked: IpNet,
    },
    /// Prefixes are delegated out of the subnet, not out of other delegated prefixes.
    #[error(
        "a part of the delegated prefix {parent} cannot be delegated again; ask for single addresses inside it"
    )]
    Nested {
        /// The delegated prefix.
        parent: IpNet,
    },
    /// No prefix is delegated to the owner named by `inside`.
    #[error("no prefix of {subnet} is delegated to {parent}")]
    NotDelegated {
        /// The subnet.
        subnet: IpNet,
        /// The owner that was named.
        parent: Owner,
    },
    /// It lies outside the subnet, or outside the delegated prefix.
    #[error("{} is outside {subnet}{}", Plain(*.wanted), Nearest(*.nearest))]
    Outside {
        /// What was asked for.
        wanted: IpNet,
        /// Where it ought to be.
        subnet: IpNet,
        /// The nearest address that is free.
        nearest: Option<IpAddr>,
    },
}

/// What there is where nothing was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shortage {
    /// The subnet.
    pub subnet: IpNet,
    /// Where it was looked for.
    pub first: IpAddr,
    /// The end of that, included.
    pub last: IpAddr,
    /// The addresses there, by state.
    pub usage: Usage,
    /// Free addresses in the whole subnet.
    pub free: Count,
    /// The largest free prefix of the whole subnet.
    pub largest: Option<IpNet>,
}

impl core::fmt::Display for Shortage {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self {
            subnet,
            first,
            last,
            usage,
            free,
            ..
        } = self;
        write!(
            f,
            "nothing that fits is free between {first} and {last} of {subnet}: "
        )?;
        let Usage {
            reserved,
            held,
            resting,
            free: left,
            ..
        } = usage;
        write!(
            f,
            "{held} held, {reserved} reserved, {resting} in quarantine, {left} free; "
        )?;
        match self.largest {
            Some(largest) => write!(
                f,
                "the whole subnet has {free} free, the largest block being {largest}"
            ),
            None => write!(f, "the whole subnet is full"),
        }
    }
}

/// A prefix; of a single address, only the address.
struct Plain(IpNet);

impl core::fmt::Display for Plain {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            write!(f, "{}", self.0.addr())
        } else {
            write!(f, "{}", self.0)
        }
    }
}

struct Nearest(Option<IpAddr>);

impl core::fmt::Display for Nearest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            Some(address) => write!(f, "; the nearest free address is {address}"),
            None => Ok(()),
        }
    }
}

/// Why nothing was released. The subnet is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// Others hold addresses of the delegated prefix.
    #[error("{prefix} of {owner} is still in use by {by}; release that first")]
    InUse {
        /// The delegated prefix.
        prefix: IpNet,
        /// Its owner.
        owner: Owner,
        /// One of those who hold addresses of it.
        by: Owner,
    },
    /// Nobody holds it: it was released before, or never given out.
    #[error("{address} is not held by anybody; it may have been released before")]
    NotHeld {
        /// What was to be released.
        address: IpAddr,
    },
    /// Somebody else holds it.
    #[error("{address} is held by {holder}, not by {owner}")]
    NotOwner {
        /// What was to be released.
        address: IpAddr,
        /// Who asked.
        owner: Owner,
        /// Who holds it.
        holder: Holder,
    },
    /// It was released and given out again since.
    #[error("{address} was granted anew at revision {found}, the release is for revision {wanted}")]
    Revision {
        /// What was to be released.
        address: IpAddr,
        /// The revision that the caller knows.
        wanted: u64,
        /// The revision of the present grant.
        found: u64,
    },
}
