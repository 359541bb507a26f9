//! The documents of a store, and their keys.

use std::collections::BTreeMap;

use kraud_netlink::Want;
use serde::{Deserialize, Serialize};

use crate::identity::Scope;
use crate::model::Deployment;

/// What a host was given for one project, or for a VPC as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    /// The named network namespaces that were made for it.
    pub namespaces: Vec<String>,
    /// The pods that use a namespace of somebody else's, and how that is found.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub given: BTreeMap<String, String>,
    /// What was made in the host's own namespace. A kernel setting has the value from before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub here: Vec<Want>,
}

impl Made {
    /// What either of them names.
    #[must_use]
    pub fn union(mut self, other: Self) -> Self {
        let missing = |name: &String| !self.namespaces.contains(name);
        let namespaces: Vec<_> = other.namespaces.into_iter().filter(missing).collect();
        self.namespaces.extend(namespaces);
        self.given.extend(other.given);
        let missing = |want: &Want| !self.here.contains(want);
        let here: Vec<_> = other.here.into_iter().filter(missing).collect();
        self.here.extend(here);
        self
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.namespaces.is_empty() && self.given.is_empty() && self.here.is_empty()
    }
}

/// A project as it was last applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// When it was first applied, in seconds since 1970.
    pub created: i64,
    /// Everything in it, with its addresses.
    pub deployment: Deployment,
}

/// The key of the addresses of a VPC, an [`allocate::Memory`](crate::allocate::Memory).
#[must_use]
pub fn addresses(scope: &Scope) -> String {
    format!("addresses/{}/{}", scope.tenant, scope.vpc)
}

/// The prefix of all projects.
pub const PROJECTS: &str = "project/";

/// The prefix of the projects of a VPC.
#[must_use]
pub fn projects(scope: &Scope) -> String {
    format!("{PROJECTS}{}/{}/", scope.tenant, scope.vpc)
}

/// The key of a [`Project`].
#[must_use]
pub fn project(scope: &Scope, namespace: &str) -> String {
    format!("{}{namespace}", projects(scope))
}

/// Whether a key is that of what some host was given for a project.
#[must_use]
pub fn is_made_for_project(key: &str, scope: &Scope, namespace: &str) -> bool {
    let rest = key
        .strip_prefix("made/")
        .and_then(|rest| rest.split_once('/'));
    rest.is_some_and(|(_, what)| {
        what == format!("project/{}/{}/{namespace}", scope.tenant, scope.vpc)
    })
}

/// The key of what a host was given for a VPC.
#[must_use]
pub fn made_for_vpc(host: &str, scope: &Scope) -> String {
    format!("made/{host}/vpc/{}/{}", scope.tenant, scope.vpc)
}

/// The key of what a host was given for a project.
#[must_use]
pub fn made_for_project(host: &str, scope: &Scope, namespace: &str) -> String {
    format!("{}{namespace}", made_for_projects(host, scope))
}

/// The prefix of what a host was given for the projects of a VPC.
#[must_use]
pub fn made_for_projects(host: &str, scope: &Scope) -> String {
    format!("made/{host}/project/{}/{}/", scope.tenant, scope.vpc)
}
