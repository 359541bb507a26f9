//! The whole state as data: version 1. Sorted by name, nothing twice: equal states give equal bytes.

use alloc::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::Ipam;
use crate::{Owner, Subnet, SubnetPool};

const VERSION: u32 = 1;

#[derive(Serialize)]
struct Write<'a> {
    version: u32,
    revision: u64,
    pools: &'a BTreeMap<Owner, SubnetPool>,
    subnets: &'a BTreeMap<Owner, Subnet>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    version: u32,
    revision: u64,
    #[serde(default)]
    pools: BTreeMap<Owner, SubnetPool>,
    #[serde(default)]
    subnets: BTreeMap<Owner, Subnet>,
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
        } = Read::deserialize(deserializer)?;
        if version != VERSION {
            return Err(D::Error::custom(alloc::format!(
                "the snapshot is of version {version}, known are versions up to {VERSION}; use a newer kraud-ipam"
            )));
        }
        Ok(Self {
            pools,
            subnets,
            revision,
        })
    }
}
