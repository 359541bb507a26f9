//! IPv4 and IPv6 address management as plain data: pools, subnets, addresses and who holds them.
//!
//! No input or output, no clock, no randomness, no globals: every answer follows from the state and
//! the request. Two types to know:
//!
//! - [`SubnetPool`]: one address space. Subnets are carved from it and never overlap.
//! - [`Subnet`]: the addresses of one subnet, each free, reserved, held or resting.
//!
//! [`Ipam`] holds several of both and changes them together or not at all.
//!
//! Both know who holds what by [`Owner`] keys, answer a repeated request with the same grant, return
//! every change as a [`Change`] that can be replayed or undone, and (feature `serde`) write themselves
//! as canonical snapshots.
//!
//! ```
//! use kraud_ipam::{AllocRequest, CarveRequest, Subnet, SubnetPool, embed, ula};
//!
//! // A VPC's own /48, the same wherever it is computed, and a /64 in it for one overlay.
//! let mut vpc = SubnetPool::new([ula::prefix48(b"acme\0production").into()])?;
//! let net6 = vpc.carve("nextcloud/v", CarveRequest::stable(64))?.prefix();
//!
//! // The overlay's IPv4 side, with a fixed address for the database.
//! let mut net4 = Subnet::new("192.168.0.0/16".parse()?)?;
//! let db = net4.allocate("db", AllocRequest::exact("192.168.2.2".parse()?))?;
//!
//! // Its IPv6 address is computed, not stored.
//! let (ipnet::IpNet::V6(net6), std::net::IpAddr::V4(db)) = (net6, db.address()) else { unreachable!() };
//! let db6 = embed::overlay_v6(net6, db)?;
//! assert_eq!(embed::overlay_v4(net6, db6), Some(db));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | what is in it |
//! |---|---|
//! | [`embed`] | IPv4 addresses inside IPv6 prefixes (RFC 6052), both ways |
//! | [`ula`] | unique local prefixes (RFC 4193) from a seed |
//!
//! The default policy: special-purpose space is refused ([`Policy`]); host bits are an error; the
//! network, broadcast and subnet-router anycast address are never given out ([`usable_count`]); a
//! fixed address does not move the cursor of [`AllocRequest::next`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod change;
mod count;
pub mod embed;
mod family;
#[cfg(feature = "serde")]
mod hex;
mod ipam;
mod owner;
mod owners;
mod pool;
mod prefixes;
mod ranges;
pub mod set;
mod space;
mod special;
mod stable;
mod subnet;
pub mod ula;
mod usable;

pub use change::{Change, ReplayError};
pub use count::Count;
pub use family::Family;
pub use ipam::{Ipam, IpamEdit, IpamError, OverlayRequest, PodGrant, Transaction};
pub use owner::Owner;
#[cfg(feature = "serde")]
pub use pool::PoolSnapshotError;
pub use pool::{
    CarveError, CarveGrant, CarveRequest, Carved, Conflict, PoolBase, PoolBuilder, PoolEdit,
    PoolError, ReservedPrefix, SubnetPool, UncarveError,
};
pub use prefixes::{
    address_after, aggregate, cover_range, nth_subnet, subnet_index, supernet, walk,
};
pub use special::{Policy, Special};
#[cfg(feature = "serde")]
pub use subnet::SnapshotError;
pub use subnet::{
    AllocError, AllocRequest, Explanation, Grant, Holder, Holding, Release, ReleaseError,
    Reservation, Rest, Role, Shortage, Subnet, SubnetBuilder, SubnetEdit, SubnetError, Usage, Why,
};
pub use usable::{first_usable, last_usable, nth_usable, usable_count};
