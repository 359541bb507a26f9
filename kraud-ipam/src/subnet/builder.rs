//! Making a subnet.

use alloc::vec::Vec;
use core::net::IpAddr;

use ipnet::IpNet;

use super::{Reservation, Role, Subnet};
use crate::{
    Owner, Policy, Special,
    family::{self, Family},
    usable,
};

/// Describes a subnet before it is made; see [`Subnet::builder`].
#[derive(Clone, Debug)]
#[must_use = "call build()"]
pub struct SubnetBuilder {
    pub(crate) prefix: IpNet,
    pub(crate) policy: Policy,
    pub(crate) gateway: Gateway,
    pub(crate) range: Option<(IpAddr, IpAddr)>,
    pub(crate) reservations: Vec<Reservation>,
    pub(crate) whole: bool,
    pub(crate) interface_ids: bool,
    pub(crate) quarantine: u64,
    pub(crate) under_pressure: bool,
    pub(crate) remember: bool,
    pub(crate) key: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Gateway {
    None,
    FirstUsable,
    At(IpAddr),
}

impl SubnetBuilder {
    pub(crate) const fn new(prefix: IpNet) -> Self {
        Self {
            prefix,
            policy: Policy::new(),
            gateway: Gateway::None,
            range: None,
            reservations: Vec::new(),
            whole: false,
            interface_ids: false,
            quarantine: 0,
            under_pressure: false,
            remember: false,
            key: Vec::new(),
        }
    }

    /// Which special-purpose space is allowed; by default none.
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// Reserves the first usable address for the gateway.
    pub fn default_gateway(self) -> Self {
        Self {
            gateway: Gateway::FirstUsable,
            ..self
        }
    }

    /// Reserves this address for the gateway.
    pub fn gateway(self, address: IpAddr) -> Self {
        Self {
            gateway: Gateway::At(address),
            ..self
        }
    }

    /// Reserves an address for something outside the allocator's reach, under a name that errors
    /// will mention (`aux_addresses` of a compose file).
    pub fn auxiliary(mut self, name: impl Into<Owner>, address: IpAddr) -> Self {
        self.reservations.push(Reservation {
            first: address,
            last: address,
            role: Role::Auxiliary,
            name: name.into(),
        });
        self
    }

    /// Keeps the addresses from `first` to `last` out of use, under a name that errors will mention.
    /// Exclusions may overlap, nest or repeat, and come in any order.
    pub fn exclude(mut self, name: impl Into<Owner>, first: IpAddr, last: IpAddr) -> Self {
        self.reservations.push(Reservation {
            first,
            last,
            role: Role::Excluded,
            name: name.into(),
        });
        self
    }

    /// Automatic requests stay in this prefix (`ip_range`). Its first and last address are ordinary
    /// ones unless they are the subnet's own.
    pub fn range(self, prefix: IpNet) -> Self {
        let family = Family::of_prefix(prefix);
        let (first, last) = family::bounds(prefix);
        self.range_between(
            family::address(family, first),
            family::address(family, last),
        )
    }

    /// Automatic requests stay between these addresses, both included.
    pub fn range_between(self, first: IpAddr, last: IpAddr) -> Self {
        Self {
            range: Some((first, last)),
            ..self
        }
    }

    /// Makes every address usable, also network, broadcast and anycast address.
    pub fn whole(self) -> Self {
        Self {
            whole: true,
            ..self
        }
    }

    /// Keeps reserved IPv6 interface ids (RFC 2526, 5453) out of use, in the first and in the last
    /// /64 of the subnet.
    pub fn without_reserved_interface_ids(self) -> Self {
        Self {
            interface_ids: true,
            ..self
        }
    }

    /// A released address rests for this long before an automatic request gets it.
    pub fn quarantine(self, time: u64) -> Self {
        Self {
            quarantine: time,
            ..self
        }
    }

    /// When nothing else is left, an automatic request gets the address that has rested longest.
    pub fn break_quarantine_under_pressure(self) -> Self {
        Self {
            under_pressure: true,
            ..self
        }
    }

    /// Remembers the order of releases for [`AllocRequest::longest_idle`](super::AllocRequest::longest_idle).
    pub fn remember(self) -> Self {
        Self {
            remember: true,
            ..self
        }
    }

    /// The key of the hash behind stable addresses; those of different keys have nothing in common.
    pub fn key(self, key: &[u8]) -> Self {
        Self {
            key: key.to_vec(),
            ..self
        }
    }

    /// Makes the subnet. O(number of reservations).
    ///
    /// # Errors
    /// See [`SubnetError`].
    pub fn build(self) -> Result<Subnet, SubnetError> {
        let prefix = self.prefix;
        if prefix.addr() != prefix.network() {
            return Err(SubnetError::HostBits {
                given: prefix,
                masked: prefix.trunc(),
            });
        }
        if let Some(special) = self.policy.refuses(prefix) {
            return Err(SubnetError::SpecialPurpose { prefix, special });
        }
        let check = |what: &'static str, address: IpAddr| {
            if Family::of(address) != Family::of_prefix(prefix) {
                return Err(SubnetError::Family {
                    what,
                    address,
                    prefix,
                });
            }
            if !prefix.contains(&address) {
                return Err(SubnetError::Outside {
                    what,
                    address,
                    prefix,
                });
            }
            Ok(())
        };
        if let Some((first, last)) = self.range {
            check("range", first)?;
            check("range", last)?;
            if last < first {
                return Err(SubnetError::Backwards { first, last });
            }
        }
        for reservation in &self.reservations {
            let what = match reservation.role {
                Role::Auxiliary => "auxiliary address",
                _ => "excluded range",
            };
            check(what, reservation.first)?;
            check(what, reservation.last)?;
            if reservation.last < reservation.first {
                return Err(SubnetError::Backwards {
                    first: reservation.first,
                    last: reservation.last,
                });
            }
        }
        let gateway = match self.gateway {
            Gateway::None => None,
            Gateway::FirstUsable => Some(usable::first_usable(prefix)),
            Gateway::At(address) => {
                check("gateway", address)?;
                Some(address)
            }
        };
        Ok(Subnet::assemble(self, gateway))
    }
}

/// Why a subnet cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubnetError {
    /// A range ends before it starts.
    #[error("the range from {first} to {last} runs backwards; swap its ends")]
    Backwards {
        /// As given.
        first: IpAddr,
        /// As given.
        last: IpAddr,
    },
    /// An address is of the other family.
    #[error("the {what} {address} is not of the family of {prefix}")]
    Family {
        /// What the address is for.
        what: &'static str,
        /// The address.
        address: IpAddr,
        /// The subnet.
        prefix: IpNet,
    },
    /// The prefix has host bits set.
    #[error("{given} has host bits set; write {masked}")]
    HostBits {
        /// As given.
        given: IpNet,
        /// What may be meant.
        masked: IpNet,
    },
    /// An address lies outside the subnet.
    #[error("the {what} {address} is outside {prefix}")]
    Outside {
        /// What the address is for.
        what: &'static str,
        /// The address.
        address: IpAddr,
        /// The subnet.
        prefix: IpNet,
    },
    /// The prefix overlaps space with a special purpose.
    #[error(
        "{prefix} overlaps {special} space; choose another prefix, or allow that purpose in the policy"
    )]
    SpecialPurpose {
        /// The prefix.
        prefix: IpNet,
        /// The purpose.
        special: Special,
    },
}
