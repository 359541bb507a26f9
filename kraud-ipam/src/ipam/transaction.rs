//! The steps of a transaction.

use alloc::{boxed::Box, vec::Vec};
use core::net::IpAddr;

use super::{Ipam, IpamEdit, IpamError, OverlayRequest, PodGrant};
use crate::{
    AllocRequest, CarveGrant, CarveRequest, Change, Grant, Holding, Owner, PoolEdit, Release,
    Subnet, SubnetEdit, SubnetPool,
    change::{Journaled, Misfit},
    embed,
};

/// The steps of [`Ipam::transaction`]. Each sees what the earlier ones did.
#[derive(Debug)]
pub struct Transaction<'a> {
    pub(super) ipam: &'a mut Ipam,
    pub(super) edits: Vec<IpamEdit>,
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
        match self.ipam.apply(&edit) {
            Ok(()) => self.edits.push(edit),
            Err(Misfit) => return Err(otherwise),
        }
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
