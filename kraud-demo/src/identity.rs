//! Names that every host computes alike: nothing needs a store to agree on them.
//!
//! UUIDs are version 5 (RFC 9562 section 5.5) of the path from the tenant down, the short `aid` is taken from the
//! UUID: one letter and ten digits, so that docker's 12-character cut never touches it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The UUID namespace of everything that kraud names.
const KRAUD: Uuid = Uuid::from_u128(0x6b72_6175_642d_4e53_8000_6b72_6175_6400);

/// Where an object lives: tenant, VPC and, for an overlay, its namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// The owner of one or more VPCs.
    pub tenant: String,
    /// The VPC's name within the tenant.
    pub vpc: String,
}

impl Default for Scope {
    fn default() -> Self {
        Self {
            tenant: "default".to_owned(),
            vpc: "default".to_owned(),
        }
    }
}

impl Scope {
    /// The bytes that the VPC's ULA global id (RFC 4193) is derived from.
    #[must_use]
    pub fn seed(&self) -> Vec<u8> {
        path(&[&self.tenant, &self.vpc])
    }

    /// The UUID of what the names below the VPC lead to; of the VPC itself without any.
    #[must_use]
    pub fn id(&self, names: &[&str]) -> Uuid {
        let names = [&[&*self.tenant, &self.vpc], names].concat();
        Uuid::new_v5(&KRAUD, &path(&names))
    }

    /// The UUID of an overlay.
    #[must_use]
    pub fn overlay_id(&self, namespace: &str, overlay: &str) -> Uuid {
        self.id(&[namespace, overlay])
    }

    /// The UUID of a pod. No overlay has an empty name, so that no overlay has the same.
    #[must_use]
    pub fn pod_id(&self, namespace: &str, pod: &str) -> Uuid {
        self.id(&[namespace, "", pod])
    }
}

/// The short id of an object: `v` and ten decimal digits.
#[must_use]
pub fn aid(id: Uuid) -> String {
    let (high, _) = id.as_u64_pair();
    format!("v{:010}", high % 10_000_000_000)
}

/// Joins names so that no two lists of names give the same bytes.
fn path(names: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for name in names {
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(0);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope {
            tenant: "default".into(),
            vpc: "default".into(),
        }
    }

    #[test]
    fn an_aid_is_one_letter_and_ten_digits() {
        let aid = aid(scope().overlay_id("nextcloud", "default"));
        assert_eq!(aid.len(), 11);
        assert!(aid.starts_with('v') && aid[1..].bytes().all(|digit| digit.is_ascii_digit()));
    }

    #[test]
    fn names_do_not_run_into_each_other() {
        assert_ne!(scope().overlay_id("ab", "c"), scope().overlay_id("a", "bc"));
    }

    #[test]
    fn the_same_name_in_two_tenants_is_two_overlays() {
        let other = Scope {
            tenant: "other".into(),
            ..scope()
        };
        assert_ne!(
            scope().overlay_id("nextcloud", "v"),
            other.overlay_id("nextcloud", "v")
        );
        assert_ne!(scope().seed(), other.seed());
    }
}
