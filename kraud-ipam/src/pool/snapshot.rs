//! A pool as data: version 1. Sorted, nothing twice: equal pools give equal bytes.

use alloc::{string::String, vec::Vec};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Carved, PoolBase, PoolBuilder, PoolEdit, PoolError, ReservedPrefix, SubnetPool};
use crate::{Policy, change::Journaled, hex};

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    version: u32,
    revision: u64,
    bases: Vec<PoolBase>,
    #[serde(default)]
    allowed: Policy,
    /// In hexadecimal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    key: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reserved: Vec<ReservedPrefix>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    held: Vec<Carved>,
}

/// Why a snapshot of a pool does not load.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolSnapshotError {
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
    /// It is of a version that this crate does not know.
    #[error(
        "the snapshot is of version {found}, known are versions up to {VERSION}; use a newer kraud-ipam"
    )]
    Version {
        /// The version it has.
        found: u32,
    },
}

impl From<&SubnetPool> for Wire {
    fn from(pool: &SubnetPool) -> Self {
        Self {
            version: VERSION,
            revision: pool.revision,
            bases: pool.bases.clone(),
            allowed: pool.policy,
            key: hex::encode(&pool.key),
            reserved: pool.reservations.clone(),
            held: pool.held.iter().cloned().collect(),
        }
    }
}

impl TryFrom<Wire> for SubnetPool {
    type Error = PoolSnapshotError;

    fn try_from(wire: Wire) -> Result<Self, PoolSnapshotError> {
        if wire.version != VERSION {
            return Err(PoolSnapshotError::Version {
                found: wire.version,
            });
        }
        let key = hex::decode(&wire.key).ok_or(PoolSnapshotError::Key)?;
        let spec = PoolBuilder {
            bases: wire.bases,
            reservations: wire.reserved,
            policy: wire.allowed,
            key,
        };
        let mut pool = spec.build()?;
        for carved in wire.held {
            let what = carved.prefix;
            let known = carved.revision <= wire.revision;
            if !known || pool.apply(&PoolEdit::Hold(carved)).is_err() {
                return Err(PoolSnapshotError::Contradiction { what });
            }
        }
        pool.revision = wire.revision;
        Ok(pool)
    }
}

impl Serialize for SubnetPool {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Wire::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SubnetPool {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(Wire::deserialize(deserializer)?).map_err(|error| {
            use core::error::Error;
            match error.source() {
                Some(source) => serde::de::Error::custom(alloc::format!("{error}: {source}")),
                None => serde::de::Error::custom(error),
            }
        })
    }
}
