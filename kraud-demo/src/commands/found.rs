//! What the lists are made from.

use jiff::Timestamp;

use super::deployment;
use crate::cli::{Input, Topology};
use crate::error::Error;
use crate::input;
use crate::listings::Listed;
use crate::model::Deployment;
use crate::talk::Talk;

/// The deployments that a command is about.
#[derive(Debug, Default)]
pub(super) struct Found(Vec<(Deployment, Option<Timestamp>)>);

impl Found {
    /// What the file would make; nothing without a file.
    pub(super) fn by(input: &Input, talk: &Talk) -> Result<Self, Error> {
        let Some(project) = input::load_if_any(input, talk)? else {
            return Ok(Self::default());
        };
        // Which hosts there are changes no overlay: their names have no part in it.
        let deployment = deployment(&project, input, Topology::default(), talk)?;
        Ok(Self(vec![(deployment, None)]))
    }

    /// Them, as the lists take them.
    pub(super) fn listed(&self) -> Vec<Listed<'_>> {
        let all = self.0.iter();
        all.map(|(deployment, created)| Listed {
            deployment,
            created: *created,
        })
        .collect()
    }
}
