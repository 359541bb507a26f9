//! What a host was given, for this project and for others.

use kraud_netlink::{Sysctl, Want};

use super::objects::same_object;
use super::share::Share;
use crate::state::records::{Made, made_for_project, made_for_projects, made_for_vpc};
use crate::state::{Revision, Snapshot, StoreError};

/// The records of one host.
#[derive(Clone, Debug, Default)]
pub(super) struct Holdings {
    /// What the project was given.
    pub(super) project: Made,
    pub(super) project_seen: Option<Revision>,
    /// What all projects of its VPC share.
    pub(super) vpc: Made,
    pub(super) vpc_seen: Option<Revision>,
    /// What others were given, by the keys of their records.
    pub(super) others: Vec<(String, Made)>,
    /// Whether the VPC has another project here.
    pub(super) is_shared: bool,
}

impl Holdings {
    /// Reads the records of the share's host.
    pub(super) fn new(snapshot: &Snapshot, share: &Share) -> Result<Self, StoreError> {
        let vpc = made_for_vpc(&share.host, &share.scope);
        let project = made_for_project(&share.host, &share.scope, &share.namespace);
        let siblings = made_for_projects(&share.host, &share.scope);
        let mut holdings = Self::default();
        for entry in &snapshot.entries {
            let made: Made = entry.record()?;
            let seen = Some(entry.revision);
            if entry.key == vpc {
                (holdings.vpc, holdings.vpc_seen) = (made, seen);
            } else if entry.key == project {
                (holdings.project, holdings.project_seen) = (made, seen);
            } else {
                holdings.is_shared |= entry.key.starts_with(&siblings);
                holdings.others.push((entry.key.clone(), made));
            }
        }
        Ok(holdings)
    }

    /// The same records with other contents for this project.
    pub(super) fn with(&self, vpc: Made, project: Made) -> Self {
        Self {
            vpc,
            project,
            ..self.clone()
        }
    }

    /// Whether somebody else was given the object as well.
    pub(super) fn others_have(&self, want: &Want) -> bool {
        let mut all = self.others.iter().flat_map(|(_, made)| &made.here);
        all.any(|other| same_object(other, want))
    }

    /// Who else was given a namespace of that name.
    pub(super) fn others_with_namespace(&self, name: &str) -> Option<&str> {
        let has = |(_, made): &&(String, Made)| made.namespaces.iter().any(|other| other == name);
        let (key, _) = self.others.iter().find(has)?;
        Some(
            key.split_once('/')
                .and_then(|(_, rest)| rest.split_once('/'))
                .map_or(key, |(_, who)| who),
        )
    }

    /// A kernel setting as it was before any project changed it.
    pub(super) fn setting_before(&self, key: &str) -> Option<Sysctl> {
        let others = self.others.iter().map(|(_, made)| made);
        let all = [&self.project, &self.vpc].into_iter().chain(others);
        all.flat_map(|made| &made.here).find_map(|want| match want {
            Want::Sysctl(before) if before.key == key => Some(before.clone()),
            _ => None,
        })
    }
}
