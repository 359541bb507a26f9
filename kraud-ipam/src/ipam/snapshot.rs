//! The whole state as data. Sorted by name, nothing twice: equal states give equal bytes.

use alloc::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Ipam;
use crate::{
    Owner, Subnet, SubnetPool,
    snapshot::{self, SnapshotError, Unknown, VERSION},
};

#[derive(Serialize)]
struct Write<'a> {
    version: u32,
    revision: u64,
    pools: &'a BTreeMap<Owner, SubnetPool>,
    subnets: &'a BTreeMap<Owner, Subnet>,
}

#[derive(Deserialize)]
struct Read {
    version: u32,
    revision: u64,
    #[serde(default)]
    pools: BTreeMap<Owner, SubnetPool>,
    #[serde(default)]
    subnets: BTreeMap<Owner, Subnet>,
    #[serde(flatten)]
    unknown: Unknown,
}

impl Serialize for Ipam {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            pools,
            subnets,
            revision,
        } = self;
        Write {
            version: VERSION,
            revision: *revision,
            pools,
            subnets,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Ipam {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Read {
            version,
            revision,
            pools,
            subnets,
            unknown,
        } = Read::deserialize(deserializer)?;
        snapshot::check(version, &unknown).map_err(SnapshotError::refuse)?;
        Ok(Self {
            pools,
            subnets,
            revision,
        })
    }
}
