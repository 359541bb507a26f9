//! Several pools and subnets as one state: transactions, release everywhere, one snapshot.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::Ipv6Net;

use crate::{
    AllocError, AllocRequest, CarveError, CarveGrant, CarveRequest, Change, Grant, Holding, Owner,
    PoolEdit, Release, ReleaseError, ReplayError, Subnet, SubnetEdit, SubnetPool, UncarveError,
    embed,
};

#[cfg(feature = "serde")]
mod snapshot;

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
            Ok(value) => {
                let before = self.revision;
                self.revision += u64::from(!edits.is_empty());
                Ok((
                    value,
                    Change {
                        before,
                        after: self.revision,
                        edits,
                    },
                ))
            }
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
        if change.is_empty() && change.before == change.after {
            return Ok(());
        }
        if change.before != self.revision {
            return Err(ReplayError::Revision {
                wanted: change.before,
                found: self.revision,
            });
        }
        if change.after <= change.before {
            return Err(ReplayError::Contradiction { step: 0 });
        }
        for (step, edit) in change.edits.iter().enumerate() {
            if !self.apply(edit) {
                self.take_back(change.edits.get(..step).unwrap_or_default());
                return Err(ReplayError::Contradiction { step });
            }
        }
        self.revision = change.after;
        Ok(())
    }

    /// Takes the latest change back: afterwards the state equals what it was before.
    ///
    /// # Errors
    /// [`ReplayError`]; the state is as it was then.
    pub fn undo(&mut self, change: &Change<IpamEdit>) -> Result<(), ReplayError> {
        if change.is_empty() && change.before == change.after {
            return Ok(());
        }
        if change.after != self.revision {
            return Err(ReplayError::Revision {
                wanted: change.after,
                found: self.revision,
            });
        }
        for (step, edit) in change.edits.iter().enumerate().rev() {
            if !self.unapply(edit) {
                for edit in change.edits.get(step + 1..).unwrap_or_default() {
                    let redone = self.apply(edit);
                    debug_assert!(redone, "what was taken back fits again");
                }
                return Err(ReplayError::Contradiction { step });
            }
        }
        self.revision = change.before;
        Ok(())
    }

    fn take_back(&mut self, edits: &[IpamEdit]) {
        for edit in edits.iter().rev() {
            let undone = self.unapply(edit);
            debug_assert!(undone, "edits are taken back in reverse");
        }
    }

    /// Applies an edit, or leaves everything as it is and returns `false`.
    fn apply(&mut self, edit: &IpamEdit) -> bool {
        match edit {
            IpamEdit::InsertPool { name, pool } => {
                !self.pools.contains_key(name)
                    && self.pools.insert(name.clone(), (**pool).clone()).is_none()
            }
            IpamEdit::InsertSubnet { name, subnet } => {
                !self.subnets.contains_key(name)
                    && self
                        .subnets
                        .insert(name.clone(), (**subnet).clone())
                        .is_none()
            }
            IpamEdit::RemovePool { name, pool } => {
                self.pools.get(name) == Some(&**pool) && self.pools.remove(name).is_some()
            }
            IpamEdit::RemoveSubnet { name, subnet } => {
                self.subnets.get(name) == Some(&**subnet) && self.subnets.remove(name).is_some()
            }
            IpamEdit::Pool { name, change } => self
                .pools
                .get_mut(name)
                .is_some_and(|pool| pool.replay(change).is_ok()),
            IpamEdit::Subnet { name, change } => self
                .subnets
                .get_mut(name)
                .is_some_and(|subnet| subnet.replay(change).is_ok()),
        }
    }

    fn unapply(&mut self, edit: &IpamEdit) -> bool {
        match edit.clone() {
            IpamEdit::InsertPool { name, pool } => self.apply(&IpamEdit::RemovePool { name, pool }),
            IpamEdit::InsertSubnet { name, subnet } => {
                self.apply(&IpamEdit::RemoveSubnet { name, subnet })
            }
            IpamEdit::RemovePool { name, pool } => self.apply(&IpamEdit::InsertPool { name, pool }),
            IpamEdit::RemoveSubnet { name, subnet } => {
                self.apply(&IpamEdit::InsertSubnet { name, subnet })
            }
            IpamEdit::Pool { name, change } => self
                .pools
                .get_mut(&name)
                .is_some_and(|pool| pool.undo(&change).is_ok()),
            IpamEdit::Subnet { name, change } => self
                .subnets
                .get_mut(&name)
                .is_some_and(|subnet| subnet.undo(&change).is_ok()),
        }
    }
}

/// The steps of [`Ipam::transaction`]. Each sees what the earlier ones did.
#[derive(Debug)]
pub struct Transaction<'a> {
    ipam: &'a mut Ipam,
    edits: Vec<IpamEdit>,
}

impl Transaction<'_> {
    /// The state so far.
    pub const fn ipam(&self) -> &Ipam {
        self.ipam
    }

    /// Adds a pool.
    ///
    /// # Errors
    /// [`IpamError::Exists`].
    pub fn insert_pool(
        &mut self,
        name: impl Into<Owner>,
        pool: SubnetPool,
    ) -> Result<(), IpamError> {
        let name = name.into();
        self.edit(
            IpamEdit::InsertPool {
                name: name.clone(),
                pool: Box::new(pool),
            },
            IpamError::Exists { name },
        )
    }

    /// Adds a subnet.
    ///
    /// # Errors
    /// [`IpamError::Exists`].
    pub fn insert_subnet(
        &mut self,
        name: impl Into<Owner>,
        subnet: Subnet,
    ) -> Result<(), IpamError> {
        let name = name.into();
        self.edit(
            IpamEdit::InsertSubnet {
                name: name.clone(),
                subnet: Box::new(subnet),
            },
            IpamError::Exists { name },
        )
    }

    /// Removes a pool with all that is held in it.
    ///
    /// # Errors
    /// [`IpamError::NoSuchName`].
    pub fn remove_pool(&mut self, name: &str) -> Result<(), IpamError> {
        let missing = || IpamError::NoSuchName {
            name: Owner::from(name),
        };
        let pool = Box::new(self.ipam.pools.get(name).ok_or_else(missing)?.clone());
        self.edit(
            IpamEdit::RemovePool {
                name: Owner::from(name),
                pool,
            },
            missing(),
        )
    }

    /// Removes a subnet with all that is held in it.
    ///
    /// # Errors
    /// [`IpamError::NoSuchName`].
    pub fn remove_subnet(&mut self, name: &str) -> Result<(), IpamError> {
        let missing = || IpamError::NoSuchName {
            name: Owner::from(name),
        };
        let subnet = Box::new(self.ipam.subnets.get(name).ok_or_else(missing)?.clone());
        self.edit(
            IpamEdit::RemoveSubnet {
                name: Owner::from(name),
                subnet,
            },
            missing(),
        )
    }

    /// See [`SubnetPool::carve`].
    ///
    /// # Errors
    /// [`IpamError::Carve`] and [`IpamError::NoSuchName`].
    pub fn carve(
        &mut self,
        pool: &str,
        owner: impl Into<Owner>,
        request: CarveRequest,
    ) -> Result<CarveGrant, IpamError> {
        let grant = self.pool(pool)?.carve(owner, request)?;
        self.note_pool(pool, grant.change());
        Ok(grant)
    }

    /// See [`SubnetPool::release`].
    ///
    /// # Errors
    /// [`IpamError::Uncarve`] and [`IpamError::NoSuchName`].
    pub fn uncarve(
        &mut self,
        pool: &str,
        owner: &str,
        prefix: ipnet::IpNet,
        revision: Option<u64>,
    ) -> Result<(), IpamError> {
        let change = self.pool(pool)?.release(owner, prefix, revision)?;
        self.note_pool(pool, &change);
        Ok(())
    }

    /// See [`Subnet::allocate`].
    ///
    /// # Errors
    /// [`IpamError::Allocate`] and [`IpamError::NoSuchName`].
    pub fn allocate(
        &mut self,
        subnet: &str,
        owner: impl Into<Owner>,
        request: AllocRequest,
    ) -> Result<Grant, IpamError> {
        let grant = self.subnet(subnet)?.allocate(owner, request)?;
        self.note_subnet(subnet, grant.change());
        Ok(grant)
    }

    /// See [`Subnet::release`].
    ///
    /// # Errors
    /// [`IpamError::Release`] and [`IpamError::NoSuchName`].
    pub fn release(
        &mut self,
        subnet: &str,
        owner: &str,
        address: IpAddr,
        revision: Option<u64>,
        now: u64,
    ) -> Result<Release, IpamError> {
        let release = self
            .subnet(subnet)?
            .release(owner, address, revision, now)?;
        self.note_subnet(subnet, &release.change);
        Ok(release)
    }

    /// Releases the addresses of an owner in all subnets, of both families. Nothing to release is not
    /// an error. O(subnets · log n).
    ///
    /// # Errors
    /// [`IpamError::Release`] when others hold addresses of the owner's delegated prefix; undo the
    /// transaction then by returning the error.
    pub fn release_owner(&mut self, owner: &str, now: u64) -> Result<Vec<Holding>, IpamError> {
        let names: Vec<Owner> = self.ipam.subnets.keys().cloned().collect();
        let mut released = Vec::new();
        for name in names {
            let release = self.subnet(&name)?.release_owner(owner, now)?;
            self.note_subnet(&name, &release.change);
            released.extend(release.released);
        }
        Ok(released)
    }

    /// Gives a pod all its addresses: one in its host's subnet of the VPC, and in each overlay an IPv4
    /// address and the IPv6 address computed from it.
    ///
    /// # Errors
    /// As [`allocate`](Self::allocate), and [`IpamError::Family`] and [`IpamError::Embed`] when a subnet
    /// is not what it ought to be. What was given already is taken back when the transaction fails.
    pub fn allocate_pod<'a>(
        &mut self,
        owner: impl Into<Owner>,
        vpc: (&str, AllocRequest),
        overlays: impl IntoIterator<Item = OverlayRequest<'a>>,
    ) -> Result<PodGrant, IpamError> {
        let owner = owner.into();
        let IpAddr::V6(own) = self.allocate(vpc.0, &owner, vpc.1)?.address() else {
            let address = self.subnet(vpc.0)?.prefix().addr();
            return Err(IpamError::Family {
                name: Owner::from(vpc.0),
                address,
            });
        };
        let mut pod = PodGrant {
            vpc: own,
            overlays: Vec::new(),
        };
        for overlay in overlays {
            let v4 = match self
                .allocate(overlay.subnet, &owner, overlay.request)?
                .address()
            {
                IpAddr::V4(v4) => v4,
                address => {
                    return Err(IpamError::Family {
                        name: Owner::from(overlay.subnet),
                        address,
                    });
                }
            };
            pod.overlays
                .push((v4, embed::overlay_v6(overlay.net6, v4)?));
        }
        Ok(pod)
    }

    fn pool(&mut self, name: &str) -> Result<&mut SubnetPool, IpamError> {
        self.ipam
            .pools
            .get_mut(name)
            .ok_or_else(|| IpamError::NoSuchName {
                name: Owner::from(name),
            })
    }

    fn subnet(&mut self, name: &str) -> Result<&mut Subnet, IpamError> {
        self.ipam
            .subnets
            .get_mut(name)
            .ok_or_else(|| IpamError::NoSuchName {
                name: Owner::from(name),
            })
    }

    fn edit(&mut self, edit: IpamEdit, otherwise: IpamError) -> Result<(), IpamError> {
        if !self.ipam.apply(&edit) {
            return Err(otherwise);
        }
        self.edits.push(edit);
        Ok(())
    }

    fn note_pool(&mut self, name: &str, change: &Change<PoolEdit>) {
        if !change.is_empty() {
            self.edits.push(IpamEdit::Pool {
                name: Owner::from(name),
                change: change.clone(),
            });
        }
    }

    fn note_subnet(&mut self, name: &str, change: &Change<SubnetEdit>) {
        if !change.is_empty() {
            self.edits.push(IpamEdit::Subnet {
                name: Owner::from(name),
                change: change.clone(),
            });
        }
    }
}
