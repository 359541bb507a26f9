//! A subnet as data.
//!
//! Everything is sorted and nothing is stored twice, so equal subnets give equal bytes. What follows
//! from the rest (free space, counts, indices) is not stored but built anew and checked on loading.

use alloc::{string::String, vec::Vec};
use core::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Holding, Reservation, Rest, Subnet, SubnetBuilder, SubnetEdit, builder::Gateway};
use crate::{
    Policy,
    change::Journaled,
    family::{Family, address},
    hex,
    snapshot::{self, SnapshotError, Unknown, VERSION},
};

#[derive(Serialize, Deserialize)]
struct Wire {
    version: u32,
    revision: u64,
    prefix: IpNet,
    #[serde(default, skip_serializing_if = "is_default")]
    allowed: Policy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    range: Option<(IpAddr, IpAddr)>,
    #[serde(default, skip_serializing_if = "is_default")]
    whole: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    without_reserved_interface_ids: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    quarantine: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    break_quarantine_under_pressure: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    remember: bool,
    /// In hexadecimal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    key: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reserved: Vec<Reservation>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    held: Vec<Holding>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    resting: Vec<Rest>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    idle: Vec<(IpAddr, u64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<IpAddr>,
    #[serde(flatten, skip_serializing)]
    unknown: Unknown,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl From<&Subnet> for Wire {
    fn from(net: &Subnet) -> Self {
        let family = Family::of_prefix(net.prefix);
        let explicit = |r: &&Reservation| !r.role.is_structural() && r.role != super::Role::Gateway;
        Self {
            version: VERSION,
            revision: net.revision,
            prefix: net.prefix,
            allowed: net.policy,
            gateway: net.gateway,
            range: net
                .range
                .map(|(first, last)| (address(family, first), address(family, last))),
            whole: net.whole,
            without_reserved_interface_ids: net.interface_ids,
            quarantine: net.quarantine,
            break_quarantine_under_pressure: net.under_pressure,
            remember: net.remember,
            key: hex::encode(&net.key),
            reserved: net.reservations.iter().filter(explicit).cloned().collect(),
            held: net.holdings().cloned().collect(),
            resting: net.resting.values().cloned().collect(),
            idle: net
                .idle
                .iter()
                .map(|(&at, &since)| (address(family, at), since))
                .collect(),
            cursor: net.cursor.map(|at| address(family, at)),
            unknown: Unknown::new(),
        }
    }
}

impl TryFrom<Wire> for Subnet {
    type Error = SnapshotError;

    fn try_from(wire: Wire) -> Result<Self, SnapshotError> {
        snapshot::check(wire.version, &wire.unknown)?;
        let mut net = SubnetBuilder {
            prefix: wire.prefix,
            policy: wire.allowed,
            gateway: wire.gateway.map_or(Gateway::None, Gateway::At),
            range: wire.range,
            reservations: explicit_only(wire.reserved)?,
            whole: wire.whole,
            interface_ids: wire.without_reserved_interface_ids,
            quarantine: wire.quarantine,
            under_pressure: wire.break_quarantine_under_pressure,
            remember: wire.remember,
            key: hex::decode(&wire.key).ok_or(SnapshotError::Key)?,
        }
        .build()?;
        let held = wire
            .held
            .into_iter()
            .map(|holding| (holding.prefix, SubnetEdit::Hold(holding)));
        let resting = wire
            .resting
            .into_iter()
            .map(|rest| (rest.prefix, SubnetEdit::Rest(rest)));
        let idle = wire
            .idle
            .into_iter()
            .map(|(address, since)| (address.into(), SubnetEdit::Idle { address, since }));
        let cursor = wire.cursor.into_iter().map(|at| {
            (
                at.into(),
                SubnetEdit::Cursor {
                    before: None,
                    after: Some(at),
                },
            )
        });
        for (what, edit) in held.chain(resting).chain(idle).chain(cursor) {
            net.apply(&edit)
                .map_err(|_| SnapshotError::Contradiction { what })?;
        }
        net.revision = wire.revision;
        if let Some(late) = net
            .holdings()
            .find(|holding| holding.revision > wire.revision)
        {
            return Err(SnapshotError::Contradiction { what: late.prefix });
        }
        Ok(net)
    }
}

/// Structural reservations follow from the prefix and are not stored.
fn explicit_only(reserved: Vec<Reservation>) -> Result<Vec<Reservation>, SnapshotError> {
    match reserved
        .iter()
        .find(|r| r.role.is_structural() || r.role == super::Role::Gateway)
    {
        Some(wrong) => Err(SnapshotError::Contradiction {
            what: wrong.first.into(),
        }),
        None => Ok(reserved),
    }
}

impl Serialize for Subnet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Wire::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Subnet {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(Wire::deserialize(deserializer)?).map_err(SnapshotError::refuse)
    }
}
