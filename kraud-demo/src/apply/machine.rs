//! This machine: its namespaces, and the state that says what of it is ours.

use std::path::{Path, PathBuf};

use kraud_netlink::{Error as NetlinkError, Namespaces, Netns, NetnsKind, Step, Want};

use super::holdings::Holdings;
use super::objects::is_foreign;
use super::share::{Paper, Share};
use crate::error::Error;
use crate::site::Site;
use crate::state::records::{Made, made_for_project, made_for_vpc};
use crate::state::{FileStore, Folder, Lock, Store, Swap};

/// A machine that networks are made on.
#[derive(Debug)]
pub struct Machine {
    pub(super) system: Namespaces,
    store: FileStore<Folder>,
    state: PathBuf,
    lock: Option<Lock>,
}

impl Machine {
    /// The machine whose own namespace is `netns`, or the one of this process, with its state in `state`.
    ///
    /// # Errors
    ///
    /// [`Error::Netlink`] if the namespace is not there or may not be entered.
    pub fn open(netns: Option<&str>, state: &Path) -> Result<Self, Error> {
        let here = netns.map_or_else(Netns::current, Netns::find);
        let context = || Error::netlink(netns.unwrap_or("this namespace"));
        let here = here.map_err(context())?;
        Ok(Self {
            system: Namespaces::start(here, NetnsKind::Named).map_err(context())?,
            store: FileStore::new(Folder::new(state)),
            state: state.to_owned(),
            lock: None,
        })
    }

    /// Makes sure that no other run changes the state meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::State`] if one does.
    pub fn lock(mut self) -> Result<Self, Error> {
        self.lock = Some(Lock::take(&self.state)?);
        Ok(self)
    }

    /// What its state holds.
    pub fn store(&mut self) -> &mut impl Store {
        &mut self.store
    }

    /// What it has without the project of that note.
    ///
    /// # Errors
    ///
    /// [`Error::Netlink`].
    pub fn site(&mut self, owner: &str) -> Result<Site, Error> {
        let site = Site::read(self.system.here()).map_err(Error::netlink("this namespace"))?;
        Ok(site.without(owner))
    }

    pub(super) fn holdings(&mut self, share: &Share) -> Result<Holdings, Error> {
        let snapshot = self.store.load(&format!("made/{}/", share.host))?;
        Ok(Holdings::new(&snapshot, share)?)
    }

    /// Makes the namespaces of pods known that are somebody else's. One of an earlier run may be gone by now.
    pub(super) fn meet(&mut self, share: &Share, holdings: &Holdings) -> Result<(), Error> {
        for (pod, how) in &holdings.project.given {
            if let Ok(netns) = Netns::find(how) {
                self.system.insert(pod, netns);
            }
        }
        for (pod, how) in &share.given {
            if holdings.project.namespaces.contains(pod) {
                return Err(Error::Usage(format!(
                    "{pod} has a namespace of its own since an earlier run: `destroy` first, then give it {how}"
                )));
            }
            let netns = Netns::find(how).map_err(Error::netlink(pod))?;
            self.system.insert(pod, netns);
        }
        Ok(())
    }

    /// Refuses namespaces that are there and not ours.
    pub(super) fn refuse_foreign(&self, share: &Share, holdings: &Holdings) -> Result<(), Error> {
        let there = Netns::names().map_err(Error::netlink(&share.host))?;
        for want in share.wants.iter().map(|(_, want)| want) {
            let Want::Netns(name) = want else { continue };
            let ours = holdings.vpc.namespaces.contains(name)
                || holdings.project.namespaces.contains(name)
                || share.given.contains_key(name)
                || holdings.project.given.contains_key(name);
            if ours {
                continue;
            }
            let whose = match holdings.others_with_namespace(name) {
                Some(other) => format!("belongs to {other}"),
                None if there.contains(name) => "is there already and not ours".to_owned(),
                None => continue,
            };
            return Err(Error::Held(format!(
                "{}: network namespace {name:?} {whose}\n  help: choose another project name (-p), or hand the namespace over with --netns SERVICE={name}",
                share.host
            )));
        }
        Ok(())
    }

    /// Removes names of namespaces that an interrupted run, or a reboot, left without a namespace behind them.
    pub(super) fn heal(&self, holdings: &Holdings) -> Result<(), Error> {
        let ours = holdings
            .vpc
            .namespaces
            .iter()
            .chain(&holdings.project.namespaces);
        for name in ours {
            if matches!(Netns::open(name), Err(NetlinkError::Invalid { .. })) {
                Netns::delete(name).map_err(Error::netlink(name))?;
            }
        }
        Ok(())
    }

    /// A wish for the host's own namespace, and what is to be remembered of it.
    pub(super) fn shared(
        &mut self,
        share: &Share,
        holdings: &Holdings,
        want: Want,
    ) -> Result<(Option<Want>, Option<Want>), Error> {
        let context = || Error::netlink(&share.host);
        Ok(match want {
            Want::Link(link) if link.netns.is_some() => (Some(Want::Link(link)), None),
            Want::Link(mut link) => match self.system.here().link(&link.name) {
                Err(error) if error.is_not_found() => {
                    let want = Want::Link(link);
                    (Some(want.clone()), Some(want))
                }
                found => {
                    let found = found.map_err(context())?.link;
                    if is_foreign(&found) {
                        let other_parent = link.parent.is_some() && link.parent != found.parent;
                        if found.kind.name() != link.kind.name() || other_parent {
                            return Err(Error::Held(format!(
                                "{}: link {:?} is there already and not ours: it is of kind {:?}, not {:?}{}",
                                share.host,
                                link.name,
                                found.kind.name(),
                                link.kind.name(),
                                if other_parent {
                                    ", or on another parent"
                                } else {
                                    ""
                                },
                            )));
                        }
                        // It is as its owner wants it.
                        (None, None)
                    } else {
                        // Several projects may share it; the last one takes it away.
                        link.alias = found.alias;
                        let want = Want::Link(link);
                        (Some(want.clone()), Some(want))
                    }
                }
            },
            Want::Sysctl(sysctl) => {
                let before = match holdings.setting_before(&sysctl.key) {
                    Some(before) => before,
                    None => {
                        let mut before = sysctl.clone();
                        let netns = self.system.here().netns();
                        before.value = netns.read_sysctl(&sysctl.key).map_err(context())?;
                        before
                    }
                };
                (Some(Want::Sysctl(sysctl)), Some(Want::Sysctl(before)))
            }
            Want::Address(address) => {
                let all = self.system.here().addresses().map_err(context())?;
                let foreign = all.iter().any(|info| {
                    let is = &info.address;
                    (&is.dev, is.net) == (&address.dev, address.net)
                        && is.protocol != address.protocol
                });
                let want = Want::Address(address);
                let ours = !foreign || holdings.project.here.contains(&want);
                (Some(want.clone()), ours.then_some(want))
            }
            want => (Some(want.clone()), Some(want)),
        })
    }

    /// Writes what this machine is about to be given, before it is.
    pub(super) fn remember(
        &mut self,
        share: &Share,
        seen: &Holdings,
        now: &Holdings,
    ) -> Result<Holdings, Error> {
        let vpc = made_for_vpc(&share.host, &share.scope);
        let project = made_for_project(&share.host, &share.scope, &share.namespace);
        let mut swaps = Vec::new();
        for (key, seen, made) in [
            (vpc, seen.vpc_seen, &now.vpc),
            (project, seen.project_seen, &now.project),
        ] {
            match (seen, made.is_empty()) {
                (None, true) => {}
                (Some(seen), true) => swaps.push(Swap::remove(key, seen)),
                (seen, false) => swaps.push(Swap::put(key, seen, made)?),
            }
        }
        if (&seen.vpc, &seen.project) != (&now.vpc, &now.project) {
            self.store.compare_and_swap(&swaps)?;
        }
        self.holdings(share)
    }

    /// How the namespace of a pod is found, `None` for one that was not applied here.
    ///
    /// # Errors
    ///
    /// [`Error::State`].
    pub fn namespace_of(&mut self, pod: &str) -> Result<Option<String>, Error> {
        for entry in self.store.load("made/")?.entries {
            let made: Made = entry.record()?;
            if let Some(how) = made.given.get(pod) {
                return Ok(Some(how.clone()));
            }
            if made.namespaces.iter().any(|name| name == pod) {
                return Ok(Some(pod.to_owned()));
            }
        }
        Ok(None)
    }

    /// Writes documents; gives back what they said before.
    pub(super) fn file(&mut self, papers: &[Paper]) -> Result<Vec<Paper>, Error> {
        let known = self.store.load("")?;
        let (mut before, mut swaps) = (Vec::new(), Vec::new());
        for Paper { key, value } in papers {
            let was = known.entries.iter().find(|entry| entry.key == *key);
            let (was, seen) = was
                .map(|entry| (entry.value.clone(), entry.revision))
                .unzip();
            if was != *value {
                swaps.push(Swap {
                    key: key.clone(),
                    seen,
                    value: value.clone(),
                });
            }
            before.push(Paper {
                key: key.clone(),
                value: was,
            });
        }
        if !swaps.is_empty() {
            self.store.compare_and_swap(&swaps)?;
        }
        Ok(before)
    }

    /// Applies steps that cannot be taken back, as many as can be; gives back those that failed.
    pub(super) fn clear(&mut self, steps: &[Step]) -> Vec<(Step, NetlinkError)> {
        let mut left = Vec::new();
        for step in steps {
            match self.system.apply(step) {
                // A link goes with its parent or its other end.
                Err(error) if !error.is_not_found() => left.push((step.clone(), error)),
                _ => {}
            }
        }
        left
    }
}
