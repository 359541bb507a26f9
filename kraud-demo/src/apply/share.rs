//! What one machine is to carry of one project.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::wanted::{self, Notes, Placed};
use crate::error::Error;
use crate::identity::Scope;
use crate::keys::Keys;
use crate::model::Deployment;
use crate::plan::{Plan, vpc_namespace};
use crate::site::Site;
use crate::state::Swap;

/// One host's share of a project, and the names that go with it.
#[derive(Clone, Debug)]
pub struct Share {
    pub(super) host: String,
    pub(super) scope: Scope,
    pub(super) namespace: String,
    pub(super) notes: Notes,
    /// The VPC's namespace on this host.
    pub(super) vpc: String,
    pub(super) wants: Vec<Placed>,
    /// Pods that use a namespace of somebody else's, by name, and how that is found.
    pub(super) given: BTreeMap<String, String>,
    /// What is to be remembered along with it.
    pub(super) papers: Vec<Paper>,
    /// What the hosts files of pods say, those of the VPC's other projects among them.
    pub(super) hosts_files: BTreeMap<String, String>,
}

/// A document of the store as it is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Paper {
    pub(super) key: String,
    pub(super) value: Option<Value>,
}

impl Paper {
    /// A document that says that.
    ///
    /// # Errors
    ///
    /// [`Error::State`] for what is no document.
    pub fn put(key: String, record: &impl Serialize) -> Result<Self, Error> {
        let Swap { key, value, .. } = Swap::put(key, None, record)?;
        Ok(Self { key, value })
    }

    /// No document.
    #[must_use]
    pub fn remove(key: String) -> Self {
        Self { key, value: None }
    }
}

impl Share {
    /// The share of the host of that index, which has `site` without it.
    ///
    /// # Errors
    ///
    /// Those of planning, and of [`Self::given`].
    pub fn of(
        deployment: &Deployment,
        host: usize,
        site: &Site,
        keys: &Keys,
    ) -> Result<Self, Error> {
        let plan = Plan::of_host(deployment, host, site)?;
        let Some(this) = deployment.hosts.get(host) else {
            return Err(Error::Unplannable(format!("there is no host {host}")));
        };
        let wants = wanted::of_plan(&plan, deployment, this, keys)?;
        Ok(Self {
            wants,
            ..Self::nothing(&this.name, &deployment.scope, &deployment.namespace)
        })
    }

    /// No share at all of that project: what `destroy` makes of it.
    #[must_use]
    pub fn nothing(host: &str, scope: &Scope, namespace: &str) -> Self {
        Self {
            host: host.to_owned(),
            scope: scope.clone(),
            namespace: namespace.to_owned(),
            notes: Notes::of(scope, namespace),
            vpc: vpc_namespace(scope, host),
            wants: Vec::new(),
            given: BTreeMap::new(),
            papers: Vec::new(),
            hosts_files: BTreeMap::new(),
        }
    }

    /// Has pods use namespaces that are there: each `SERVICE`, for its only pod, or `SERVICE-REPLICA`, and how the
    /// namespace is found.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for what is no pod of this host.
    pub fn given(
        mut self,
        deployment: &Deployment,
        given: &[(String, String)],
    ) -> Result<Self, Error> {
        for (name, netns) in given {
            let of_service = || deployment.pods.iter().filter(|pod| pod.service == *name);
            let full = format!("{}-{name}", deployment.namespace);
            let by_name = deployment.pods.iter().find(|pod| pod.name == full);
            let pod = by_name.or_else(|| of_service().next()).ok_or_else(|| {
                Error::Usage(format!(
                    "--netns {name}={netns}: there is no service `{name}`"
                ))
            })?;
            if by_name.is_none() && of_service().count() > 1 {
                return Err(Error::Usage(format!(
                    "--netns {name}={netns}: `{name}` has {} replicas; name one, such as {name}-1",
                    of_service().count()
                )));
            }
            let host = deployment.hosts.get(pod.host);
            if host.is_none_or(|host| host.name != self.host) {
                return Err(Error::Usage(format!(
                    "--netns {name}={netns}: {} is on another host",
                    pod.name
                )));
            }
            self.given.insert(pod.name.clone(), netns.clone());
        }
        Ok(self)
    }

    /// Remembers these documents as well.
    #[must_use]
    pub fn remembering(mut self, papers: Vec<Paper>) -> Self {
        self.papers.extend(papers);
        self
    }

    /// Gives pods, by name, hosts files that say that.
    #[must_use]
    pub fn with_hosts_files(mut self, files: BTreeMap<String, String>) -> Self {
        self.hosts_files = files;
        self
    }

    /// How a pod's namespace is found.
    #[must_use]
    pub fn namespace_of<'a>(&'a self, pod: &'a str) -> &'a str {
        self.given.get(pod).map_or(pod, String::as_str)
    }
}
