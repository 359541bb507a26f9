//! What the snapshots of subnets, of pools and of several of both have in common: versions and errors.

use alloc::{collections::BTreeMap, format, string::String};
use core::error::Error;

use ipnet::IpNet;
use serde::{
    Deserialize,
    de::{self, IgnoredAny},
};

use crate::{PoolError, SubnetError};

/// The version that is written.
pub(crate) const VERSION: u32 = 1;

/// The version of a snapshot, read without the rest of it: whether it is worth trying.
///
/// ```
/// use kraud_ipam::{SnapshotError, SnapshotVersion, Subnet};
///
/// let net = Subnet::new("10.0.0.0/24".parse()?)?;
/// let stored = serde_json::to_string(&net)?;
/// let version: SnapshotVersion = serde_json::from_str(&stored)?;
/// assert_eq!(version.check(), Ok(()));
///
/// let newer: SnapshotVersion = serde_json::from_str(r#"{"version": 7, "shards": []}"#)?;
/// assert_eq!(newer.check(), Err(SnapshotError::Version { found: 7 }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct SnapshotVersion {
    version: u32,
}

impl SnapshotVersion {
    /// The version that this crate writes, and the newest that it reads.
    pub const NEWEST: Self = Self { version: VERSION };

    /// The number.
    pub const fn number(self) -> u32 {
        self.version
    }

    /// Whether this crate reads the version: every one up to [`NEWEST`](Self::NEWEST).
    ///
    /// # Errors
    /// [`SnapshotError::Version`].
    pub const fn check(self) -> Result<(), SnapshotError> {
        match self.version {
            1..=VERSION => Ok(()),
            found => Err(SnapshotError::Version { found }),
        }
    }
}

/// Why a snapshot does not load. Within a deserializer's own error it is its message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// Two of its entries contradict each other.
    #[error("the entry for {what} contradicts the rest of the snapshot")]
    Contradiction {
        /// The entry.
        what: IpNet,
    },
    /// The key is not hexadecimal.
    #[error("the key is not an even number of lower-case hexadecimal digits")]
    Key,
    /// The description of the pool is not acceptable.
    #[error("the pool is not acceptable")]
    Pool(#[from] PoolError),
    /// The description of the subnet is not acceptable.
    #[error("the subnet is not acceptable")]
    Subnet(#[from] SubnetError),
    /// Its version has no such field.
    #[error("unknown field `{name}`; it belongs to no version up to {VERSION}")]
    UnknownField {
        /// The field.
        name: String,
    },
    /// It is of a version that this crate does not know.
    #[error(
        "the snapshot is of version {found}, known are versions up to {VERSION}; use a newer kraud-ipam"
    )]
    Version {
        /// The version it has.
        found: u32,
    },
}

impl SnapshotError {
    /// As the error of a deserializer, which has no place for a cause.
    pub(crate) fn refuse<E: de::Error>(self) -> E {
        match self.source() {
            Some(source) => E::custom(format!("{self}: {source}")),
            None => E::custom(self),
        }
    }
}

/// The fields of a snapshot that no known version has, wherever they stand. They are not refused before
/// the version is known: a newer one may have more fields.
pub(crate) type Unknown = BTreeMap<String, IgnoredAny>;

/// Whether a snapshot of this version, with these fields beside the known ones, can be read.
///
/// A change of the format raises [`VERSION`], keeps reading what older versions wrote (each has its golden
/// file in `tests/snapshots/`), and turns it into what is written now before anything else looks at it.
pub(crate) fn check(version: u32, unknown: &Unknown) -> Result<(), SnapshotError> {
    SnapshotVersion { version }.check()?;
    match unknown.keys().next() {
        Some(name) => Err(SnapshotError::UnknownField { name: name.clone() }),
        None => Ok(()),
    }
}
