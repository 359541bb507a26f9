//! Several network namespaces by name, and operations that know where they belong.

use std::collections::BTreeMap;
use std::fmt;

use crate::command::CommandContext;
use crate::error::{Error, Result};
use crate::explain;
use crate::handle::Handle;
use crate::netns::Netns;
use crate::op::Op;

/// Finds the namespaces that operations name.
pub trait NetnsLookup {
    /// The namespace of that name.
    fn netns(&self, name: &str) -> Result<Netns>;
}

/// Names under `/run/netns`, process ids and paths, as a user would give them.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunNetns;

impl NetnsLookup for RunNetns {
    fn netns(&self, name: &str) -> Result<Netns> {
        Netns::find(name)
    }
}

/// The name under which [`Namespaces`] know the namespace where it all starts, for moving a link back to it.
pub const HERE: &str = ".";

/// An operation and the namespace that it is done in.
///
/// ```
/// use kraud_netlink::{Link, Op, Step};
///
/// let step = Step::in_netns("pod-a", Op::AddLink(Link::bridge("br0")));
/// assert_eq!(step.commands(), ["ip -n pod-a link add name br0 type bridge"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Step {
    /// The namespace; `None` is the one where it all starts.
    pub netns: Option<String>,
    /// What is done there.
    pub op: Op,
}

impl Step {
    /// In the namespace where it all starts.
    #[must_use]
    pub fn here(op: Op) -> Self {
        Self { netns: None, op }
    }

    /// In the namespace of that name.
    #[must_use]
    pub fn in_netns(netns: impl Into<String>, op: Op) -> Self {
        Self {
            netns: Some(netns.into()),
            op,
        }
    }

    /// Where it is done, for [`Op::commands`].
    #[must_use]
    pub fn context(&self) -> CommandContext<'_> {
        self.netns
            .as_deref()
            .map_or_else(CommandContext::here, CommandContext::in_netns)
    }

    /// The shell lines that do the same, keys in files of the present folder.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        self.op.commands(&self.context())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.netns {
            None => self.op.fmt(f),
            Some(netns) => write!(f, "{netns}: {}", self.op),
        }
    }
}

/// Whether [`Op::AddNetns`] leaves a name on the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NetnsKind {
    /// Held by this process only, so that even a killed process leaves nothing behind.
    #[default]
    Anonymous,
    /// Under `/run/netns`.
    Named,
}

/// A set of namespaces by name with a conversation in each; what steps are applied to.
///
/// The same steps build a throw-away laboratory ([`Namespaces::anonymous`]) or lasting namespaces
/// ([`Namespaces::named`]).
///
/// ```no_run
/// use kraud_netlink::{Link, Namespaces, Op, Step, Veth};
///
/// let mut lab = Namespaces::anonymous()?;
/// lab.apply(&Step::here(Op::AddNetns("a".into())))?;
/// lab.apply(&Step::here(Op::AddNetns("b".into())))?;
/// lab.apply(&Step::in_netns("a", Op::AddLink(Link::veth("eth0", Veth::peer("eth0").netns("b").up()).up())))?;
/// assert_eq!(lab.handle("b")?.links()?.len(), 2);
/// # Ok::<(), kraud_netlink::Error>(())
/// ```
#[derive(Debug)]
pub struct Namespaces {
    kind: NetnsKind,
    here: Handle,
    members: Members,
    handles: BTreeMap<String, Handle>,
}

#[derive(Debug, Default)]
struct Members {
    kind: NetnsKind,
    here: Option<Netns>,
    by_name: BTreeMap<String, Netns>,
}

impl NetnsLookup for Members {
    fn netns(&self, name: &str) -> Result<Netns> {
        if let (HERE, Some(here)) = (name, &self.here) {
            return Ok(here.clone());
        }
        match (self.by_name.get(name), self.kind) {
            (Some(netns), _) => Ok(netns.clone()),
            (None, NetnsKind::Named) => Netns::find(name),
            (None, NetnsKind::Anonymous) => Err(Error::NotFound {
                what: "network namespace",
                name: name.to_owned(),
                hint: Some("it was not made by an earlier step".to_owned()),
            }),
        }
    }
}

impl Namespaces {
    /// Namespaces that only this process holds; it all starts in the calling thread's.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn anonymous() -> Result<Self> {
        Self::start(Netns::current()?, NetnsKind::Anonymous)
    }

    /// Namespaces under `/run/netns`; those that are there already can be named as well.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn named() -> Result<Self> {
        Self::start(Netns::current()?, NetnsKind::Named)
    }

    /// Namespaces of that kind, starting in a given one.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn start(here: Netns, kind: NetnsKind) -> Result<Self> {
        Ok(Self::start_with(here.handle()?, kind))
    }

    /// Namespaces of that kind, starting over a conversation of one's own: for tests that put themselves between.
    #[must_use]
    pub fn start_with(here: Handle, kind: NetnsKind) -> Self {
        let members = Members {
            kind,
            here: Some(here.netns().clone()),
            by_name: BTreeMap::new(),
        };
        Self {
            kind,
            here,
            members,
            handles: BTreeMap::new(),
        }
    }

    /// Gives a namespace that exists a name in this set, for instance a running container's.
    pub fn insert(&mut self, name: impl Into<String>, netns: Netns) {
        let name = name.into();
        self.handles.remove(&name);
        self.members.by_name.insert(name, netns);
    }

    /// The namespace of that name.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`].
    pub fn netns(&self, name: &str) -> Result<Netns> {
        self.members.netns(name)
    }

    /// The names in this set, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.by_name.keys().map(String::as_str)
    }

    /// The conversation where it all starts.
    pub fn here(&mut self) -> &mut Handle {
        &mut self.here
    }

    /// The conversation in the namespace of that name.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; [`Error::Io`].
    pub fn handle(&mut self, name: &str) -> Result<&mut Handle> {
        if !self.handles.contains_key(name) {
            let handle = self.members.netns(name)?.handle()?;
            self.handles.insert(name.to_owned(), handle);
        }
        self.handles
            .get_mut(name)
            .ok_or_else(|| Error::invalid("network namespace", name, "it has no handle"))
    }

    /// Applies a step.
    ///
    /// # Errors
    ///
    /// As [`Handle::apply`].
    pub fn apply(&mut self, step: &Step) -> Result<()> {
        match &step.op {
            Op::AddNetns(name) => {
                if self.members.by_name.contains_key(name) {
                    let taken = std::io::Error::from_raw_os_error(nix::libc::EEXIST);
                    return Err(Error::io(step.to_string(), taken));
                }
                let netns = match self.kind {
                    NetnsKind::Anonymous => Netns::new()?,
                    NetnsKind::Named => Netns::create(name)?,
                };
                self.insert(name.clone(), netns);
                Ok(())
            }
            Op::DeleteNetns(name) => {
                self.handles.remove(name);
                let known = self.members.by_name.remove(name).is_some();
                match self.kind {
                    NetnsKind::Anonymous if known => Ok(()),
                    NetnsKind::Anonymous => self.members.netns(name).map(drop),
                    NetnsKind::Named => Netns::delete(name),
                }
            }
            op => {
                if let Some(netns) = &step.netns {
                    self.handle(netns)?;
                }
                let handle = match &step.netns {
                    None => &mut self.here,
                    Some(netns) => self.handles.get_mut(netns).ok_or_else(|| {
                        Error::invalid("network namespace", netns.as_str(), "it has no handle")
                    })?,
                };
                handle
                    .apply_in(op, &self.members)
                    .map_err(|error| explain::place(error, step))
            }
        }
    }

    /// Applies steps of one namespace that do not depend on each other, in few datagrams; see
    /// [`Handle::apply_batch`]. Gives back the place and the reason of each failure.
    pub(crate) fn apply_batch(&mut self, steps: &[Step]) -> Result<Vec<(usize, Error)>> {
        let Some(first) = steps.first() else {
            return Ok(Vec::new());
        };
        if let Some(netns) = &first.netns {
            self.handle(netns)?;
        }
        let handle = match &first.netns {
            None => &mut self.here,
            Some(netns) => self.handles.get_mut(netns).ok_or_else(|| {
                Error::invalid("network namespace", netns.as_str(), "it has no handle")
            })?,
        };
        let report = handle.apply_batch_in(steps.iter().map(|step| &step.op), &self.members)?;
        let placed = |(place, error): (usize, Error)| match steps.get(place) {
            Some(step) => (place, explain::place(error, step)),
            None => (place, error),
        };
        Ok(report.failed.into_iter().map(placed).collect())
    }

    /// Applies steps in order, up to the first that fails; says how many were done.
    ///
    /// # Errors
    ///
    /// The index of the step that failed, and why.
    pub fn apply_all<'a>(
        &mut self,
        steps: impl IntoIterator<Item = &'a Step>,
    ) -> Result<usize, (usize, Error)> {
        let mut done = 0;
        for step in steps {
            self.apply(step).map_err(|error| (done, error))?;
            done += 1;
        }
        Ok(done)
    }
}
