//! Several pools and subnets as one state: transactions, release everywhere, one snapshot.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::Ipv6Net;

use crate::{
    AllocError, AllocRequest, CarveError, Change, Holding, Owner, PoolEdit, ReleaseError,
    ReplayError, Subnet, SubnetEdit, SubnetPool, UncarveError,
    change::{Journaled, Misfit},
    embed,
};

#[cfg(feature = "serde")]
mod snapshot;
mod transaction;

pub use transaction::Transaction;

/// Pools and subnets by name, changed together or not at all.
///
/// ```
/// use kraud_ipam::{AllocRequest, CarveRequest, Ipam, IpamError, Subnet, SubnetPool, ula};
///
/// let mut ipam = Ipam::new();
/// let vpc = ula::prefix48(b"acme\0production");
/// let (net6, _change) = ipam.transaction(|tx| -> Result<_, Box<dyn std::error::Error>> {
///     tx.insert_pool("acme/production", SubnetPool::new([vpc.into()])?)?;
///     let net6 = tx.carve("acme/production", "nextcloud/v", CarveRequest::stable(64))?.prefix();
///     tx.insert_subnet("nextcloud/v", Subnet::new("192.168.0.0/16".parse()?)?)?;
///     tx.allocate("nextcloud/v", "db", AllocRequest::exact("192.168.2.2".parse()?))?;
///     Ok(net6)
/// })?;
/// assert_eq!(ipam.pool("acme/production").unwrap().prefix_of("nextcloud/v"), Some(net6));
///
/// // The second request fails, so the first did not happen.
/// let before = ipam.clone();
/// let failed = ipam.transaction(|tx| {
///     tx.allocate("nextcloud/v", "app", AllocRequest::lowest())?;
///     tx.allocate("nextcloud/v", "web", AllocRequest::exact("192.168.2.2".parse().unwrap()))
/// });
/// assert!(matches!(failed, Err(IpamError::Allocate(_))));
/// assert_eq!(ipam, before);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ipam {
    pools: BTreeMap<Owner, SubnetPool>,
    subnets: BTreeMap<Owner, Subnet>,
    revision: u64,
}

/// One step of a [`Change`] of an [`Ipam`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(rename_all = "kebab-case", deny_unknown_fields)
)]
#[non_exhaustive]
pub enum IpamEdit {
    /// A pool is added.
    InsertPool {
        /// Its name.
        name: Owner,
        /// The pool.
        pool: Box<SubnetPool>,
    },
    /// A subnet is added.
    InsertSubnet {
        /// Its name.
        name: Owner,
        /// The subnet.
        subnet: Box<Subnet>,
    },
    /// A pool changes.
    Pool {
        /// Its name.
        name: Owner,
        /// How.
        change: Change<PoolEdit>,
    },
    /// A pool is removed.
    RemovePool {
        /// Its name.
        name: Owner,
        /// The pool as it was.
        pool: Box<SubnetPool>,
    },
    /// A subnet is removed.
    RemoveSubnet {
        /// Its name.
        name: Owner,
        /// The subnet as it was.
        subnet: Box<Subnet>,
    },
    /// A subnet changes.
    Subnet {
        /// Its name.
        name: Owner,
        /// How.
        change: Change<SubnetEdit>,
    },
}

/// Why a step of a transaction was turned down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IpamError {
    /// An address was refused.
    #[error(transparent)]
    Allocate(#[from] AllocError),
    /// A subnet was refused.
    #[error(transparent)]
    Carve(#[from] CarveError),
    /// The computed IPv6 address does not fit its prefix.
    #[error(transparent)]
    Embed(#[from] embed::EmbedError),
    /// There is a pool or subnet of that name already.
    #[error("there is a pool or subnet named {name} already")]
    Exists {
        /// The name.
        name: Owner,
    },
    /// An overlay's own network gave an IPv6 address where an IPv4 address is needed, or vice versa.
    #[error("{name} gave {address}, which is not of the family that is needed there")]
    Family {
        /// The subnet.
        name: Owner,
        /// What it gave.
        address: IpAddr,
    },
    /// There is no pool or subnet of that name.
    #[error("there is no pool or subnet named {name}")]
    NoSuchName {
        /// The name.
        name: Owner,
    },
    /// An address was not released.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// A subnet was not released.
    #[error(transparent)]
    Uncarve(#[from] UncarveError),
}

/// What a pod asks of one overlay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverlayRequest<'a> {
    /// The name of the overlay's IPv4 subnet.
    pub subnet: &'a str,
    /// The overlay's IPv6 prefix.
    pub net6: Ipv6Net,
    /// Which IPv4 address.
    pub request: AllocRequest,
}

/// All addresses of one pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodGrant {
    /// Its address in the VPC.
    pub vpc: Ipv6Addr,
    /// Its addresses in the overlays, in the order of the request: IPv4, and the IPv6 computed from it.
    pub overlays: Vec<(Ipv4Addr, Ipv6Addr)>,
}

impl Ipam {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self {
            pools: BTreeMap::new(),
            subnets: BTreeMap::new(),
            revision: 0,
        }
    }

    /// How many transactions changed something.
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// A pool.
    pub fn pool(&self, name: &str) -> Option<&SubnetPool> {
        self.pools.get(name)
    }

    /// A subnet.
    pub fn subnet(&self, name: &str) -> Option<&Subnet> {
        self.subnets.get(name)
    }

    /// All pools, by name.
    pub fn pools(&self) -> impl Iterator<Item = (&Owner, &SubnetPool)> + '_ {
        self.pools.iter()
    }

    /// All subnets, by name.
    pub fn subnets(&self) -> impl Iterator<Item = (&Owner, &Subnet)> + '_ {
        self.subnets.iter()
    }

    /// What an owner holds in all subnets, by the subnet's name. O(subnets · log n).
    pub fn holdings_of<'a>(
        &'a self,
        owner: &'a str,
    ) -> impl Iterator<Item = (&'a Owner, &'a Holding)> + 'a {
        self.subnets.iter().flat_map(move |(name, subnet)| {
            subnet
                .holdings_of(owner)
                .map(move |holding| (name, holding))
        })
    }

    /// Runs steps that all happen or do not happen at all: when `steps` fails, everything is as it was.
    ///
    /// # Errors
    /// Whatever `steps` returns.
    pub fn transaction<T, E>(
        &mut self,
        steps: impl FnOnce(&mut Transaction<'_>) -> Result<T, E>,
    ) -> Result<(T, Change<IpamEdit>), E> {
        let mut transaction = Transaction {
            ipam: self,
            edits: Vec::new(),
        };
        let outcome = steps(&mut transaction);
        let edits = core::mem::take(&mut transaction.edits);
        match outcome {
            Ok(value) => Ok((value, self.finish(edits))),
            Err(error) => {
                self.take_back(&edits);
                Err(error)
            }
        }
    }

    /// What a transaction would do, without doing it.
    ///
    /// # Errors
    /// Whatever `steps` returns.
    pub fn dry_run<T, E>(
        &mut self,
        steps: impl FnOnce(&mut Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let (value, change) = self.transaction(steps)?;
        let undone = self.undo(&change);
        debug_assert!(undone.is_ok(), "the change was made just now");
        Ok(value)
    }

    /// Replays a change that an equal state made.
    ///
    /// # Errors
    /// [`ReplayError`]; the state is as it was then, whatever the change contains.
    pub fn replay(&mut self, change: &Change<IpamEdit>) -> Result<(), ReplayError> {
        self.replay_change(change)
    }

    /// Takes the latest change back: afterwards the state equals what it was before.
    ///
    /// # Errors
    /// [`ReplayError`]; the state is as it was then.
    pub fn undo(&mut self, change: &Change<IpamEdit>) -> Result<(), ReplayError> {
        self.undo_change(change)
    }
}

impl Journaled for Ipam {
    type Edit = IpamEdit;

    fn revision_mut(&mut self) -> &mut u64 {
        &mut self.revision
    }

    fn apply(&mut self, edit: &IpamEdit) -> Result<(), Misfit> {
        match edit {
            IpamEdit::InsertPool { name, pool } => insert(&mut self.pools, name, pool),
            IpamEdit::InsertSubnet { name, subnet } => insert(&mut self.subnets, name, subnet),
            IpamEdit::RemovePool { name, pool } => remove(&mut self.pools, name, pool),
            IpamEdit::RemoveSubnet { name, subnet } => remove(&mut self.subnets, name, subnet),
            IpamEdit::Pool { name, change } => {
                fitting(self.pools.get_mut(name), |pool| pool.replay(change))
            }
            IpamEdit::Subnet { name, change } => {
                fitting(self.subnets.get_mut(name), |subnet| subnet.replay(change))
            }
        }
    }

    fn unapply(&mut self, edit: &IpamEdit) -> Result<(), Misfit> {
        match edit {
            IpamEdit::InsertPool { name, pool } => remove(&mut self.pools, name, pool),
            IpamEdit::InsertSubnet { name, subnet } => remove(&mut self.subnets, name, subnet),
            IpamEdit::RemovePool { name, pool } => insert(&mut self.pools, name, pool),
            IpamEdit::RemoveSubnet { name, subnet } => insert(&mut self.subnets, name, subnet),
            IpamEdit::Pool { name, change } => {
                fitting(self.pools.get_mut(name), |pool| pool.undo(change))
            }
            IpamEdit::Subnet { name, change } => {
                fitting(self.subnets.get_mut(name), |subnet| subnet.undo(change))
            }
        }
    }
}

fn insert<T: Clone>(map: &mut BTreeMap<Owner, T>, name: &Owner, value: &T) -> Result<(), Misfit> {
    if map.contains_key(name) {
        return Err(Misfit);
    }
    map.insert(name.clone(), value.clone());
    Ok(())
}

fn remove<T: PartialEq>(
    map: &mut BTreeMap<Owner, T>,
    name: &Owner,
    value: &T,
) -> Result<(), Misfit> {
    if map.get(name) != Some(value) {
        return Err(Misfit);
    }
    map.remove(name);
    Ok(())
}

fn fitting<T>(
    state: Option<&mut T>,
    change: impl FnOnce(&mut T) -> Result<(), ReplayError>,
) -> Result<(), Misfit> {
    change(state.ok_or(Misfit)?).map_err(|_| Misfit)
}
