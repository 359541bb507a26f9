//! Which machine a command is for, and a project's share of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use kraud_compose::Project;

use crate::allocate::{Memory, allocate_again};
use crate::apply::{Machine, Paper, Share};
use crate::cli::{self, Input};
use crate::cluster::{Cluster, check_name};
use crate::error::Error;
use crate::identity::Scope;
use crate::keys::{self, Keys};
use crate::model::Deployment;
use crate::names::Names;
use crate::plan::upstream_routes;
use crate::state::records::{self, addresses};
use crate::state::{FileStore, Folder, Snapshot, Store};
use crate::talk::Talk;

/// This machine, as the command line and the cluster file have it.
pub(super) struct Place {
    pub(super) host: String,
    pub(super) scope: Scope,
    pub(super) state: PathBuf,
    cluster: Cluster,
    netns: Option<String>,
    given: Vec<(String, String)>,
}

/// A project with its addresses, and what is to be remembered of it.
pub(super) struct Allocated {
    pub(super) deployment: Deployment,
    papers: Vec<Paper>,
    /// The other projects of the VPC.
    others: Vec<Deployment>,
}

impl Place {
    pub(super) fn of(args: &cli::Machine, input: &Input) -> Result<Self, Error> {
        let (mut netns, mut given) = (None, Vec::new());
        for value in &args.netns {
            match value.split_once('=') {
                Some((service, how)) => given.push((service.to_owned(), how.to_owned())),
                None if netns.is_some() => {
                    return Err(Error::Usage(format!(
                        "--netns {value}: the host has one namespace; a pod's is given as SERVICE={value}"
                    )));
                }
                None => netns = Some(value.clone()),
            }
        }
        let cluster = Cluster::load(args.cluster.as_deref())?;
        Ok(Self {
            host: cluster.this_host(args.host.as_deref())?,
            scope: scope(input)?,
            state: state(input),
            cluster,
            netns,
            given,
        })
    }

    pub(super) fn machine(&self) -> Result<Machine, Error> {
        Machine::open(self.netns.as_deref(), &self.state)
    }

    /// Gives the project its addresses, those of earlier runs first.
    pub(super) fn allocate(
        &self,
        project: &Project,
        machine: &mut Machine,
        talk: &Talk,
    ) -> Result<Allocated, Error> {
        let store = machine.store();
        let known = store.load("")?;
        let now = now();
        let key = addresses(&self.scope);
        let memory = known.record::<Memory>(&key)?.map(|(_, memory)| memory);
        let mut memory = memory.unwrap_or_default().at(now);
        let hosts = self.cluster.hosts(&self.scope, &self.host);
        let vpc = self.cluster.vpc(&self.scope)?;
        let deployment = allocate_again(project, &vpc, hosts, &mut memory)?;
        for note in &deployment.notes {
            talk.say(format_args!("note: {note}"));
        }
        let others = others(&known, &self.scope, &project.name)?;
        refuse_shared_prefix(&known, &deployment)?;

        let record_key = records::project(&self.scope, &project.name);
        let before = known.record::<records::Project>(&record_key)?;
        let created = before.as_ref().map(|(_, before)| before.created);
        let record = records::Project {
            created: created.unwrap_or(i64::try_from(now).unwrap_or(i64::MAX)),
            deployment: Deployment {
                notes: Vec::new(),
                ..deployment.clone()
            },
        };
        let papers = match before {
            Some((_, before)) if before == record => Vec::new(),
            _ => vec![Paper::put(key, &memory)?, Paper::put(record_key, &record)?],
        };
        Ok(Allocated {
            deployment,
            papers,
            others,
        })
    }

    /// This machine's share of the project, and a word on the routes to it that the network outside needs. With `make`
    /// its key is made if absent, else one is made up.
    pub(super) fn share(
        &self,
        allocated: Allocated,
        machine: &mut Machine,
        make: bool,
        talk: &Talk,
    ) -> Result<Share, Error> {
        let Allocated {
            deployment,
            papers,
            others,
        } = allocated;
        let mut hosts = deployment.hosts.iter();
        let index = hosts.position(|host| host.name == self.host).unwrap_or(0);
        let keys = self.keys(&deployment, make)?;
        let site = machine.site(&deployment.owner())?;
        for route in upstream_routes(&deployment, index, &site) {
            talk.say(format_args!("{route}"));
        }
        let share = Share::of(&deployment, index, &site, &keys)?;
        let share = share.given(&deployment, &self.given)?;
        let files = self.hosts_files(others.iter().chain([&deployment]));
        Ok(share.remembering(papers).with_hosts_files(files))
    }

    /// No share of a namespace, and what is to be remembered of that.
    pub(super) fn nothing(&self, namespace: &str, machine: &mut Machine) -> Result<Share, Error> {
        let known = machine.store().load("")?;
        let share = Share::nothing(&self.host, &self.scope, namespace);
        let others = others(&known, &self.scope, namespace)?;
        let share = share.with_hosts_files(self.hosts_files(&others));
        let own = records::made_for_project(&self.host, &self.scope, namespace);
        let elsewhere = known.entries.iter().any(|entry| {
            entry.key != own && records::is_made_for_project(&entry.key, &self.scope, namespace)
        });
        if elsewhere {
            return Ok(share);
        }
        let mut papers = vec![Paper::remove(records::project(&self.scope, namespace))];
        let key = addresses(&self.scope);
        if let Some((_, memory)) = known.record::<Memory>(&key)? {
            let mut memory = memory.at(now());
            memory.forget(namespace);
            papers.push(match memory.is_empty() {
                true => Paper::remove(key),
                false => Paper::put(key, &memory)?,
            });
        }
        Ok(share.remembering(papers))
    }

    fn hosts_files<'a>(
        &self,
        deployments: impl IntoIterator<Item = &'a Deployment> + Clone,
    ) -> BTreeMap<String, String> {
        let names = Names::in_vpc(&self.scope, deployments.clone());
        let pods = deployments.into_iter().flat_map(|deployment| {
            let mut hosts = deployment.hosts.iter();
            let this = hosts.position(|host| host.name == self.host);
            this.into_iter().flat_map(|this| deployment.pods_on(this))
        });
        pods.map(|pod| (pod.name.clone(), names.hosts_file(&pod.name)))
            .collect()
    }

    fn keys(&self, deployment: &Deployment, make: bool) -> Result<Keys, Error> {
        let mut all = Keys::default();
        // A host without peers needs no key.
        if deployment.hosts.len() < 2 {
            return Ok(all);
        }
        for (host, public) in self.cluster.public_keys(&self.scope) {
            all.insert_public(host, public);
        }
        let written = all.public(&self.host).ok();
        let file = self.key_file();
        let private = match make {
            true => keys::load_or_make(&self.key_folder(), &file)?,
            false => keys::load_or_make_up(&self.key_folder(), &file)?,
        };
        all.insert_private(&self.host, private);
        let own = all.public(&self.host)?;
        if make && written.is_some_and(|written| written != own) {
            return Err(Error::Usage(format!(
                "the cluster file has another public key for host `{}` than its own, {own}: put that one into the \
                 cluster file of every host",
                self.host
            )));
        }
        Ok(all)
    }

    /// The folder of the private keys.
    pub(super) fn key_folder(&self) -> PathBuf {
        self.state.join("keys")
    }

    /// The name of this machine's key for the VPC.
    pub(super) fn key_file(&self) -> String {
        match &self.scope {
            scope if *scope == Scope::default() => self.host.clone(),
            Scope { tenant, vpc } => format!("{}-{tenant}.{vpc}", self.host),
        }
    }
}

/// The other projects of a VPC.
fn others(known: &Snapshot, scope: &Scope, namespace: &str) -> Result<Vec<Deployment>, Error> {
    let prefix = records::projects(scope);
    let own = records::project(scope, namespace);
    let entries = known.entries.iter();
    let others = entries.filter(|entry| entry.key.starts_with(&prefix) && entry.key != own);
    let record = |entry: &crate::state::Entry| Ok(entry.record::<records::Project>()?.deployment);
    others.map(record).collect()
}

/// Refuses a VPC whose addresses another one has (row A1).
fn refuse_shared_prefix(known: &Snapshot, deployment: &Deployment) -> Result<(), Error> {
    let projects = known.entries.iter();
    for entry in projects.filter(|entry| entry.key.starts_with(records::PROJECTS)) {
        let other = entry.record::<records::Project>()?.deployment;
        if other.scope != deployment.scope && other.vpc == deployment.vpc {
            return Err(Error::Held(format!(
                "VPC {}/{} has {}, and so has {}/{}: give one of them another `prefix` in the cluster file",
                deployment.scope.tenant,
                deployment.scope.vpc,
                deployment.vpc,
                other.scope.tenant,
                other.scope.vpc
            )));
        }
    }
    Ok(())
}

/// Everything that was applied, with the time of the first run in seconds since 1970.
pub(super) fn applied(input: &Input) -> Result<Vec<(Deployment, i64)>, Error> {
    let known = FileStore::new(Folder::new(state(input))).load(records::PROJECTS)?;
    let record = |entry: &crate::state::Entry| {
        let record: records::Project = entry.record()?;
        Ok((record.deployment, record.created))
    };
    known.entries.iter().map(record).collect()
}

fn scope(input: &Input) -> Result<Scope, Error> {
    check_name("tenant", &input.tenant).map_err(Error::Usage)?;
    check_name("VPC", &input.vpc).map_err(Error::Usage)?;
    Ok(Scope {
        tenant: input.tenant.clone(),
        vpc: input.vpc.clone(),
    })
}

/// Where the state is.
fn state(input: &Input) -> PathBuf {
    if let Some(state) = &input.state {
        return state.clone();
    }
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/var/lib/kraud");
    }
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    let base = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let base = base.filter(|base| base.is_absolute()).or_else(home);
    base.unwrap_or_default().join("kraud")
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
