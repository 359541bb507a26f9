//! A pool as data. Sorted, nothing twice: equal pools give equal bytes.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use super::{Carved, PoolBase, PoolBuilder, PoolEdit, ReservedPrefix, SubnetPool};
use crate::{
    Policy,
    change::Journaled,
    hex,
    snapshot::{self, SnapshotError, Unknown, VERSION},
};

#[derive(Serialize, Deserialize)]
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
    #[serde(flatten, skip_serializing)]
    unknown: Unknown,
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
            unknown: Unknown::new(),
        }
    }
}

impl TryFrom<Wire> for SubnetPool {
    type Error = SnapshotError;

    fn try_from(wire: Wire) -> Result<Self, SnapshotError> {
        snapshot::check(wire.version, &wire.unknown)?;
        let key = hex::decode(&wire.key).ok_or(SnapshotError::Key)?;
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
                return Err(SnapshotError::Contradiction { what });
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
        Self::try_from(Wire::deserialize(deserializer)?).map_err(SnapshotError::refuse)
    }
}
