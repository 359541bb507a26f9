//! What is asked of a pool, and what comes back.

use ipnet::IpNet;

use super::PoolEdit;
use crate::{Change, Count, Owner, Special, family::bounds, ledger::Entry};

/// Which subnet is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pick {
    Exact(IpNet),
    /// Of this length, or of the length that the base gives out.
    Some(Strategy, Option<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strategy {
    Best,
    First,
    Sparse,
    Stable,
}

/// A request for a subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarveRequest {
    pub(crate) pick: Pick,
    pub(crate) within: Option<IpNet>,
    pub(crate) anywhere: bool,
    pub(crate) despite_reservations: bool,
    pub(crate) additional: bool,
}

impl CarveRequest {
    const fn of(pick: Pick) -> Self {
        Self {
            pick,
            within: None,
            anywhere: false,
            despite_reservations: false,
            additional: false,
        }
    }

    /// This prefix and no other.
    pub const fn exact(prefix: IpNet) -> Self {
        Self::of(Pick::Exact(prefix))
    }

    /// The first free prefix of this length; bases are searched in the order they were given.
    pub const fn first(len: u8) -> Self {
        Self::of(Pick::Some(Strategy::First, Some(len)))
    }

    /// A free prefix of this length out of the smallest free block that has room for it.
    pub const fn best(len: u8) -> Self {
        Self::of(Pick::Some(Strategy::Best, Some(len)))
    }

    /// A free prefix of this length, as far as possible from the others, so that each can grow
    /// (RFC 3531: the leftmost bits vary first).
    pub const fn sparse(len: u8) -> Self {
        Self::of(Pick::Some(Strategy::Sparse, Some(len)))
    }

    /// The prefix of this length that follows from the owner's key: the same key gets the same prefix
    /// whenever that is free, whatever else was asked for before.
    pub const fn stable(len: u8) -> Self {
        Self::of(Pick::Some(Strategy::Stable, Some(len)))
    }

    /// The first free prefix, of the length that its base gives out (docker's
    /// `default-address-pools`).
    pub const fn default_size() -> Self {
        Self::of(Pick::Some(Strategy::First, None))
    }

    /// Like [`stable`](Self::stable), of the length that the first base gives out.
    pub const fn stable_default_size() -> Self {
        Self::of(Pick::Some(Strategy::Stable, None))
    }

    /// Only prefixes inside this one.
    #[must_use]
    pub fn within(self, prefix: IpNet) -> Self {
        Self {
            within: Some(prefix),
            ..self
        }
    }

    /// An exact prefix may lie outside the bases: the user's own subnet.
    #[must_use]
    pub fn anywhere(self) -> Self {
        Self {
            anywhere: true,
            ..self
        }
    }

    /// An exact prefix may overlap reserved space.
    #[must_use]
    pub fn despite_reservations(self) -> Self {
        Self {
            despite_reservations: true,
            ..self
        }
    }

    /// Carve another subnet although the owner has one already.
    #[must_use]
    pub fn additional(self) -> Self {
        Self {
            additional: true,
            ..self
        }
    }
}

/// A subnet that an owner holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct Carved {
    /// The subnet.
    pub prefix: IpNet,
    /// Who holds it.
    pub owner: Owner,
    /// The pool's revision that made the grant: tells it from any later grant of the same prefix.
    pub revision: u64,
}

impl Entry for Carved {
    fn first(&self) -> u128 {
        bounds(self.prefix).0
    }

    fn owner(&self) -> &Owner {
        &self.owner
    }
}

/// The answer to a request: what is held now, and what changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarveGrant {
    pub(crate) carved: Carved,
    pub(crate) fresh: bool,
    pub(crate) change: Change<PoolEdit>,
}

impl CarveGrant {
    /// The subnet.
    pub const fn prefix(&self) -> IpNet {
        self.carved.prefix
    }

    /// All of it.
    pub const fn carved(&self) -> &Carved {
        &self.carved
    }

    /// Whether it is new, rather than what the owner held already.
    pub const fn is_new(&self) -> bool {
        self.fresh
    }

    /// What changed.
    pub const fn change(&self) -> &Change<PoolEdit> {
        &self.change
    }

    /// What changed, for a log.
    pub fn into_change(self) -> Change<PoolEdit> {
        self.change
    }
}

/// Who or what is in the way of a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Conflict {
    /// A subnet that overlaps.
    Carved(Carved),
    /// Reserved space that overlaps.
    Reserved {
        /// The reserved prefix.
        prefix: IpNet,
        /// For whom or what.
        name: Owner,
    },
}

impl Conflict {
    /// The prefix that overlaps.
    pub const fn prefix(&self) -> IpNet {
        match self {
            Self::Carved(carved) => carved.prefix,
            Self::Reserved { prefix, .. } => *prefix,
        }
    }

    /// Who holds it, or the name of the reservation.
    pub const fn owner(&self) -> &Owner {
        match self {
            Self::Carved(carved) => &carved.owner,
            Self::Reserved { name, .. } => name,
        }
    }
}

impl core::fmt::Display for Conflict {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Carved(carved) => write!(f, "{} of {}", carved.prefix, carved.owner),
            Self::Reserved { prefix, name } => write!(f, "{prefix}, reserved for {name}"),
        }
    }
}

/// Why a request was turned down. The pool is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CarveError {
    /// The owner holds another subnet here.
    #[error("{owner} holds {held} already; release it first, or ask for an additional one")]
    AlreadyHolds {
        /// Who asked.
        owner: Owner,
        /// What the owner holds.
        held: IpNet,
    },
    /// No prefix of the length is free.
    #[error("no /{len} is free: {free} addresses are, {}", Largest(*.largest))]
    Exhausted {
        /// The length asked for.
        len: u8,
        /// Free addresses in the bases.
        free: Count,
        /// The largest free prefix.
        largest: Option<IpNet>,
    },
    /// The prefix is not of the pool's family.
    #[error("{prefix} is not of the family of this pool")]
    Family {
        /// What was asked for.
        prefix: IpNet,
    },
    /// The prefix has host bits set.
    #[error("{given} has host bits set; write {masked}")]
    HostBits {
        /// As given.
        given: IpNet,
        /// What may be meant.
        masked: IpNet,
    },
    /// No base gives out prefixes of the length.
    #[error("no base of this pool has room for a /{len}")]
    NoMatchingBase {
        /// The length asked for.
        len: u8,
    },
    /// The prefix lies outside every base.
    #[error("{prefix} is in no base of this pool; ask for it anywhere, or add a base")]
    Outside {
        /// What was asked for.
        prefix: IpNet,
    },
    /// The prefix overlaps what somebody holds, or reserved space.
    #[error("{prefix} cannot go to {owner}: it overlaps {conflict}")]
    Overlap {
        /// What was asked for.
        prefix: IpNet,
        /// Who asked.
        owner: Owner,
        /// What is in the way.
        conflict: Conflict,
    },
    /// The prefix overlaps space with a special purpose.
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

struct Largest(Option<IpNet>);

impl core::fmt::Display for Largest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            Some(prefix) => write!(f, "the largest free block is {prefix}"),
            None => f.write_str("and no block"),
        }
    }
}

/// Why nothing was released. The pool is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UncarveError {
    /// Nobody holds exactly this prefix: it was released before, or never given out.
    #[error("{prefix} is not held by anybody; it may have been released before")]
    NotHeld {
        /// What was to be released.
        prefix: IpNet,
    },
    /// Somebody else holds it.
    #[error("{prefix} is held by {holder}, not by {owner}")]
    NotOwner {
        /// What was to be released.
        prefix: IpNet,
        /// Who asked.
        owner: Owner,
        /// Who holds it.
        holder: Owner,
    },
    /// It was released and given out again since.
    #[error("{prefix} was granted anew at revision {found}, the release is for revision {wanted}")]
    Revision {
        /// What was to be released.
        prefix: IpNet,
        /// The revision that the caller knows.
        wanted: u64,
        /// The revision of the present grant.
        found: u64,
    },
}
