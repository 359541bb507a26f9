//! From what is wanted and what is there to the steps between.

use std::collections::{BTreeMap, HashMap};

use super::compare::{address_serves, route_over, route_serves, wireguard_change};
use super::inverse::{RouteKey, conflict, route_key};
use super::link::link_change;
use crate::error::Result;
use crate::handle::Handle;
use crate::namespaces::{Namespaces, Step};
use crate::nft::Table;
use crate::op::Op;
use crate::read::{AddressInfo, LinkInfo, RouteInfo};
use crate::spec::{Address, Link, LinkChange, LinkKind, Route, Rule, Sysctl, Veth, Wireguard};

/// Something that should be there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
#[non_exhaustive]
pub enum Want {
    /// An address.
    Address(Address),
    /// A link; what is `None` in it may be anything.
    Link(Link),
    /// A namespace.
    Netns(String),
    /// A table of packet filter rules.
    Nft(Table),
    /// A route; one of the same prefix, table and metric is replaced.
    Route(Route),
    /// A policy routing rule.
    Rule(Rule),
    /// A kernel setting.
    Sysctl(Sysctl),
    /// A WireGuard device's settings and exactly its peers.
    Wireguard(Wireguard),
}

/// Whose things may be removed when they are not wanted any more.
///
/// Nothing else is ever deleted: a route, rule or address of another protocol number, or a link with another note, is
/// somebody else's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Owner {
    /// The protocol number of our routes, rules and addresses.
    pub protocol: u8,
    /// The note that our links have (`IFLA_IFALIAS`).
    pub alias: String,
}

/// What should be there, namespace by namespace, in the order in which it is to be made.
///
/// ```no_run
/// use kraud_netlink::{Address, Link, Namespaces, Want, Wanted};
///
/// let mut wanted = Wanted::new();
/// wanted.here(Want::Link(Link::bridge("br0").alias("kraud").up()));
/// wanted.here(Want::Address(Address::new("br0", "10.0.0.1/24".parse()?)));
///
/// let mut system = Namespaces::named()?;
/// wanted.ensure(&mut system)?;
/// assert!(wanted.diff(&mut system)?.is_empty(), "the second time there is nothing to do");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Wanted {
    pub(super) wants: Vec<(Option<String>, Want)>,
    #[cfg_attr(feature = "serde", serde(default))]
    pub(super) unwanted: Vec<(Option<String>, Want)>,
    recreate: bool,
    owner: Option<Owner>,
    #[cfg_attr(feature = "serde", serde(default))]
    owners: BTreeMap<Option<String>, Owner>,
}

/// The steps from what is there to what is wanted, in two parts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Difference {
    /// What [`transact`](crate::transact) can take back: first routes, addresses, rules and tables that go, then what
    /// comes and changes.
    pub make: Vec<Step>,
    /// Links and namespaces that go, and settings that get their old value. A namespace that is gone stays gone, so
    /// these come last.
    pub clear: Vec<Step>,
}

impl Difference {
    /// Is everything as wanted?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.make.is_empty() && self.clear.is_empty()
    }
}

impl Wanted {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Wants something where it all starts.
    pub fn here(&mut self, want: Want) -> &mut Self {
        self.wants.push((None, want));
        self
    }

    /// Wants something in the namespace of that name.
    pub fn in_netns(&mut self, netns: impl Into<String>, want: Want) -> &mut Self {
        self.wants.push((Some(netns.into()), want));
        self
    }

    /// Allows links that cannot be changed in place to be deleted and made again, with all that is lost by it.
    pub fn recreate(&mut self) -> &mut Self {
        self.recreate = true;
        self
    }

    /// Removes what this owner has and nobody wants, in the namespaces that are named.
    pub fn owned_by(&mut self, owner: Owner) -> &mut Self {
        self.owner = Some(owner);
        self
    }

    /// Removes what this owner has in that one namespace and nobody wants, whoever owns the others.
    pub fn owned_in(&mut self, netns: Option<&str>, owner: Owner) -> &mut Self {
        self.owners.insert(netns.map(str::to_owned), owner);
        self
    }

    /// Wants something to be gone that was wanted before, first what was named last.
    ///
    /// Only what still is as it was made goes: a link with another note or a route with another protocol number is
    /// somebody else's by now. A kernel setting is given the value that is named here, the one from before. What the
    /// kernel removes along with something else, such as the settings of a WireGuard device, is not looked for.
    pub fn without(&mut self, netns: Option<&str>, want: Want) -> &mut Self {
        self.unwanted.push((netns.map(str::to_owned), want));
        self
    }

    /// The steps from what is there to what is wanted: none if it is all there.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`](crate::Error::Conflict) where a link would have to be made again without leave, where the mode of an ipvlan parent
    /// would change under somebody else's slaves, or where macvlan holds the parent; and the errors of reading.
    pub fn diff(&self, system: &mut Namespaces) -> Result<Vec<Step>> {
        let Difference { mut make, clear } = self.difference(system)?;
        make.extend(clear);
        Ok(make)
    }

    /// As [`Self::diff`], with the removal of links and namespaces apart from the rest.
    ///
    /// # Errors
    ///
    /// As [`Self::diff`].
    pub fn difference(&self, system: &mut Namespaces) -> Result<Difference> {
        let mut snapshots: HashMap<Option<String>, Snapshot> = HashMap::new();
        let mut steps = Vec::new();
        for (netns, want) in &self.wants {
            if let Want::Netns(name) = want {
                if system.netns(name).is_err() {
                    steps.push(Step::here(Op::AddNetns(name.clone())));
                }
                continue;
            }
            let key = match want {
                // A link that is born elsewhere is looked for there.
                Want::Link(Link {
                    netns: Some(netns), ..
                }) => Some(netns.clone()),
                _ => netns.clone(),
            };
            if !snapshots.contains_key(&key) {
                let snapshot = Snapshot::read(system, key.as_deref())?;
                snapshots.insert(key.clone(), snapshot);
            }
            let Some(snapshot) = snapshots.get_mut(&key) else {
                continue;
            };
            let ops = self.ops(system, key.as_deref(), snapshot, want)?;
            let is_there = !ops.iter().any(|op| matches!(op, Op::AddLink(_)));
            steps.extend(ops.into_iter().map(|op| {
                let netns = if matches!(op, Op::AddLink(_)) {
                    netns
                } else {
                    &key
                };
                Step {
                    netns: netns.clone(),
                    op,
                }
            }));
            if let (Want::Link(link), true) = (want, is_there) {
                steps.extend(peer_change(system, &mut snapshots, netns, link)?);
            }
        }
        self.check_ipvlan()?;
        for netns in self
            .owners
            .keys()
            .chain(self.unwanted.iter().map(|(netns, _)| netns))
        {
            if !snapshots.contains_key(netns) {
                snapshots.insert(netns.clone(), Snapshot::read(system, netns.as_deref())?);
            }
        }
        let mut gone = Vec::new();
        let mut keys: Vec<_> = snapshots.iter().collect();
        keys.sort_by_key(|(netns, _)| *netns);
        for (netns, snapshot) in keys {
            let Some(owner) = self.owners.get(netns).or(self.owner.as_ref()) else {
                continue;
            };
            let purge = self.purge(owner, netns.as_deref(), snapshot);
            gone.extend(purge.into_iter().map(|op| Step {
                netns: netns.clone(),
                op,
            }));
        }
        for step in self.removals(system, &snapshots)? {
            if !gone.contains(&step) {
                gone.push(step);
            }
        }
        // What stands in the way of something new, such as an address that moves, goes before it.
        let whole = |step: &Step| {
            matches!(
                step.op,
                Op::DeleteLink(_) | Op::DeleteNetns(_) | Op::WriteSysctl(_)
            )
        };
        let (clear, mut make): (Vec<_>, Vec<_>) = gone.into_iter().partition(whole);
        make.extend(steps);
        Ok(Difference { make, clear })
    }

    /// Makes it so: works out the steps and applies all of them, or none. Gives back what takes them back.
    ///
    /// # Errors
    ///
    /// As [`Self::diff`], and [`Error::Transact`](crate::Error::Transact) for a step that failed.
    pub fn ensure(&self, system: &mut Namespaces) -> Result<super::Undo> {
        let steps = self.diff(system)?;
        super::transact(system, &steps).map_err(|error| Box::new(error).into())
    }

    fn ops(
        &self,
        system: &mut Namespaces,
        netns: Option<&str>,
        there: &mut Snapshot,
        want: &Want,
    ) -> Result<Vec<Op>> {
        Ok(match want {
            Want::Netns(_) => Vec::new(),
            Want::Address(wanted) => {
                let found = there.addresses.iter().map(|info| &info.address);
                let mut same = found.filter(|a| {
                    a.dev == wanted.dev && a.net == wanted.net && a.peer == wanted.peer
                });
                match same.next() {
                    None => vec![Op::AddAddress(wanted.clone())],
                    Some(found) if address_serves(found, wanted) => Vec::new(),
                    Some(_) => vec![Op::ReplaceAddress(wanted.clone())],
                }
            }
            Want::Route(wanted) => match there.routes.get(&route_key(wanted)) {
                None => vec![Op::AddRoute(wanted.clone())],
                Some(found) if route_serves(found, wanted) => Vec::new(),
                Some(found) if found.protocol != wanted.protocol => {
                    let metric = route_key(wanted).metric;
                    let what = format!("route to {} with metric {metric}", wanted.dst);
                    return Err(conflict(
                        what,
                        format!("one of protocol {} is there", found.protocol),
                    ));
                }
                Some(found) => vec![Op::ReplaceRoute(route_over(found, wanted))],
            },
            Want::Rule(wanted) => {
                let found = there.rules.contains(wanted);
                if found {
                    Vec::new()
                } else {
                    vec![Op::AddRule(wanted.clone())]
                }
            }
            Want::Sysctl(wanted) => {
                let value = there
                    .netns
                    .as_ref()
                    .and_then(|netns| netns.read_sysctl(&wanted.key).ok());
                let same = value.is_some_and(|value| {
                    value.split_whitespace().eq(wanted.value.split_whitespace())
                });
                if same {
                    Vec::new()
                } else {
                    vec![Op::WriteSysctl(wanted.clone())]
                }
            }
            Want::Link(wanted) => match there
                .links
                .iter()
                .find(|info| info.link.name == wanted.name)
            {
                // The kernel makes loopback and hardware; all that can be wanted of them is a change.
                None if matches!(wanted.kind, LinkKind::Physical) => {
                    self.link_ops(there, &LinkInfo::fresh(&wanted.name), wanted)?
                }
                None => {
                    self.check_parent(there, wanted)?;
                    vec![Op::AddLink(wanted.clone())]
                }
                Some(found) => self.link_ops(there, found, wanted)?,
            },
            Want::Wireguard(wanted) => {
                let found = if there.links.iter().any(|info| info.link.name == wanted.dev) {
                    Some(handle(system, netns)?.wireguard(&wanted.dev)?)
                } else {
                    None
                };
                wireguard_change(wanted, found.as_ref())
                    .map(Op::SetWireguard)
                    .into_iter()
                    .collect()
            }
            Want::Nft(wanted) => {
                let same = match netns {
                    Some(_) if there.netns.is_none() => false,
                    _ => handle(system, netns)?.nft_matches(wanted)?,
                };
                if same {
                    Vec::new()
                } else {
                    vec![Op::SetNft(wanted.clone())]
                }
            }
        })
    }

    fn link_ops(&self, there: &Snapshot, found: &LinkInfo, wanted: &Link) -> Result<Vec<Op>> {
        let recreate = |why: &str| -> Result<Vec<Op>> {
            if !self.recreate {
                let what = format!("link {:?}", wanted.name);
                return Err(conflict(
                    what,
                    format!("{why}; it would have to be deleted and made again"),
                ));
            }
            if matches!(found.link.kind, LinkKind::Physical) {
                return Err(conflict(
                    format!("link {:?}", wanted.name),
                    "it is hardware and cannot be made again",
                ));
            }
            Ok(vec![
                Op::DeleteLink(wanted.name.clone()),
                Op::AddLink(wanted.clone()),
            ])
        };
        let change = match link_change(found, wanted) {
            Ok(change) => change,
            Err(why) => return recreate(&why),
        };
        if matches!(change.kind, Some(LinkKind::Ipvlan(_))) {
            self.check_siblings(there, found.parent_index, wanted)?;
        }
        let nothing = change == LinkChange::new(&wanted.name);
        Ok(if nothing {
            Vec::new()
        } else {
            vec![Op::SetLink(change)]
        })
    }

    /// Refuses an ipvlan slave on a parent whose mode it would change, or that macvlan holds.
    fn check_parent(&self, there: &Snapshot, wanted: &Link) -> Result<()> {
        let (LinkKind::Ipvlan(_), Some(parent), None) =
            (&wanted.kind, &wanted.parent, &wanted.link_netns)
        else {
            return Ok(());
        };
        let Some(parent) = there.links.iter().find(|info| info.link.name == *parent) else {
            return Ok(());
        };
        self.check_siblings(there, Some(parent.index), wanted)
    }

    fn check_siblings(&self, there: &Snapshot, parent: Option<u32>, wanted: &Link) -> Result<()> {
        let LinkKind::Ipvlan(want) = &wanted.kind else {
            return Ok(());
        };
        let on_parent =
            |info: &&LinkInfo| info.parent_index == parent && info.parent_netns_id.is_none();
        for sibling in there
            .links
            .iter()
            .filter(on_parent)
            .filter(|info| info.link.name != wanted.name)
        {
            let name = &sibling.link.name;
            match &sibling.link.kind {
                LinkKind::Ipvlan(is) if is != want => {
                    let agrees = self.wants.iter().any(|(_, other)| {
                        matches!(other, Want::Link(link) if link.name == *name && link.kind == wanted.kind)
                    });
                    if !agrees {
                        let why = format!(
                            "{name:?} on the same parent is in mode {} {}, and the mode belongs to the parent",
                            is.mode, is.flag
                        );
                        return Err(conflict(format!("ipvlan link {:?}", wanted.name), why));
                    }
                }
                LinkKind::Other { name: kind, .. }
                    if matches!(kind.as_str(), "macvlan" | "macvtap") =>
                {
                    let why = format!(
                        "{name:?} is a {kind} of the same parent, which ipvlan does not share"
                    );
                    return Err(conflict(format!("ipvlan link {:?}", wanted.name), why));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Refuses two modes on one parent within what is wanted.
    fn check_ipvlan(&self) -> Result<()> {
        let mut modes: HashMap<(&Option<String>, &String), (&Link, &LinkKind)> = HashMap::new();
        for (netns, want) in &self.wants {
            let Want::Link(link) = want else { continue };
            let (LinkKind::Ipvlan(_), Some(parent)) = (&link.kind, &link.parent) else {
                continue;
            };
            let home = if link.link_netns.is_some() {
                &link.link_netns
            } else {
                netns
            };
            let (first, kind) = *modes.entry((home, parent)).or_insert((link, &link.kind));
            if *kind != link.kind {
                let why = format!(
                    "{:?} wants another mode of the parent {parent:?}, which has one",
                    first.name
                );
                return Err(conflict(format!("ipvlan link {:?}", link.name), why));
            }
        }
        Ok(())
    }
}

/// What the far end of a veth pair that is there needs to be as wanted.
fn peer_change(
    system: &mut Namespaces,
    snapshots: &mut HashMap<Option<String>, Snapshot>,
    near: &Option<String>,
    link: &Link,
) -> Result<Option<Step>> {
    let LinkKind::Veth(peer) = &link.kind else {
        return Ok(None);
    };
    let Some(name) = &peer.name else {
        return Ok(None);
    };
    let far = peer.netns.as_ref().or(near.as_ref()).cloned();
    if !snapshots.contains_key(&far) {
        snapshots.insert(far.clone(), Snapshot::read(system, far.as_deref())?);
    }
    let found = snapshots
        .get(&far)
        .and_then(|there| there.links.iter().find(|info| info.link.name == *name));
    let Some(found) = found else {
        // The pair is there and this end is not where it should be: somebody moved or renamed it.
        let what = format!("link {:?}", link.name);
        let far = far.as_deref().unwrap_or("this namespace");
        return Err(conflict(
            what,
            format!("its other end {name:?} is not in {far}"),
        ));
    };
    let wanted = Link {
        mtu: peer.mtu,
        address: peer.address,
        up: peer.up,
        noarp: peer.noarp,
        addr_gen_mode: peer.addr_gen_mode,
        ..Link::new(name, Veth::default())
    };
    let change =
        link_change(found, &wanted).map_err(|why| conflict(format!("link {name:?}"), why))?;
    let step = Step {
        netns: far,
        op: Op::SetLink(change.clone()),
    };
    Ok((change != LinkChange::new(name)).then_some(step))
}

pub(super) fn handle<'a>(
    system: &'a mut Namespaces,
    netns: Option<&str>,
) -> Result<&'a mut Handle> {
    match netns {
        None => Ok(system.here()),
        Some(netns) => system.handle(netns),
    }
}

/// What is there in one namespace; nothing in one that does not exist yet.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    pub(super) netns: Option<crate::netns::Netns>,
    pub(super) links: Vec<LinkInfo>,
    pub(super) addresses: Vec<AddressInfo>,
    pub(super) routes: HashMap<RouteKey, Route>,
    pub(super) rules: Vec<Rule>,
}

impl Snapshot {
    fn read(system: &mut Namespaces, netns: Option<&str>) -> Result<Self> {
        let kernel = match handle(system, netns) {
            Err(error) if error.is_not_found() => return Ok(Self::default()),
            kernel => kernel?,
        };
        let keyed = |info: RouteInfo| (route_key(&info.route), info.route);
        Ok(Self {
            netns: Some(kernel.netns().clone()),
            links: kernel.links()?,
            addresses: kernel.addresses()?,
            routes: kernel
                .routes()?
                .into_iter()
                .filter(|info| info.route.table != 255)
                .map(keyed)
                .collect(),
            rules: kernel.rules()?.into_iter().map(|info| info.rule).collect(),
        })
    }
}
