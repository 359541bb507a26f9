//! What the lists are made from.

use jiff::Timestamp;

use super::deployment;
use super::place::applied;
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
    /// What the file would make; without a file what was applied.
    pub(super) fn by(input: &Input, talk: &Talk) -> Result<Self, Error> {
        let Some(project) = input::load_if_any(input, talk)? else {
            let applied = applied(input)?.into_iter();
            let found = applied
                .map(|(deployment, created)| (deployment, Timestamp::from_second(created).ok()));
            return Ok(Self(found.collect()));
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
