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
//! | [`set`] | the sets of numbers and of free blocks that the books are kept in |
//! | `strategies` | what [proptest](https://docs.rs/proptest) makes up (feature `proptest-support`) |
//! | [`ula`] | unique local prefixes (RFC 4193) from a seed |
//!
//! # Default policy
//!
//! | question | answer | otherwise |
//! |---|---|---|
//! | multicast, loopback, class E, IPv4-mapped, unspecified, link-local, documentation space | refused | [`Policy`] |
//! | host bits in a prefix | an error that names the masked prefix | `IpNet::trunc` |
//! | overlapping bases of a pool | an error that names both | |
//! | network and broadcast address (IPv4 up to /30), subnet-router anycast (IPv6 up to /126) | never given out, never released | [`SubnetBuilder::whole`] |
//! | /31, /32, /127, /128 | every address is usable (RFC 3021, 6164) | |
//! | reserved IPv6 interface ids (RFC 2526, 5453) | given out | [`SubnetBuilder::without_reserved_interface_ids`] |
//! | gateway | none; by [`SubnetBuilder::default_gateway`] the first usable address, also of a /31 | [`SubnetBuilder::gateway`] |
//! | `.0` and `.255` of a range inside a larger subnet | ordinary addresses | |
//! | a fixed address outside the range of automatic ones | given out | |
//! | a fixed address and the cursor of [`AllocRequest::next`] | the cursor stays | |
//! | a second request of the same owner | the same answer, or an error if that does not fit | [`AllocRequest::additional`] |
//! | reuse after release | at once | [`SubnetBuilder::quarantine`] |
//! | an exact request for an address in quarantine | granted | |
//! | an exact subnet outside the bases of a pool | refused | [`CarveRequest::anywhere`] |
//! | an exact subnet over reserved space | refused | [`CarveRequest::despite_reservations`] |
//! | release of what is not held | a typed error; by owner: nothing happens | |
//!
//! # Complexity
//!
//! `n` is what is held, `b` the bits of an address, `r` the reservations.
//!
//! | call | time |
//! |---|---|
//! | [`Subnet::allocate`] exact, lowest, next, random | O(log n + b + r) at any occupancy |
//! | … stable | the same and up to 16 hashes |
//! | … longest idle | O(free ranges) when most free addresses were held before |
//! | … prefix of a length | O(free ranges) |
//! | [`Subnet::release`], [`Subnet::holder`], [`Subnet::explain`] | O(log n + r) |
//! | [`Subnet::free_count`], free ranges one by one | O(b) |
//! | [`SubnetPool::carve`] first, best, exact | O(log n + b + r) |
//! | … sparse | O(free blocks of the largest size) |
//! | [`SubnetPool::overlapping`], [`SubnetPool::holder`] | O(b + r) |
//! | undo, replay | as the call that made the change |
//! | making a subnet or pool of any size, `::/0` included | O(r) |
//!
//! # Numbers
//!
//! Instructions a call, counted by valgrind with the rivals in the same run (x86-64, Rust 1.95, fat LTO;
//! `cargo bench -p kraud-benches --bench ipam_instructions --features rivals`; CI holds them to budgets). A
//! pair is the release of a random member and one allocation; the 21 instructions of the dice are in all
//! rows.
//!
//! | what | here | others |
//! |---|---|---|
//! | first-fit pair, /16 at 50, 90, 99.99 % | 265, 266, 267 | at 90 %: hibitset 228, `BTreeSet` of the free 298, range-set-blaze 813, roaring 2,017 |
//! | evenly drawn pair, /16 at 90 % | 632 | |
//! | IPv6 /64, dense, one more | 135 | roaring 93 |
//! | IPv6 /64, random interface ids, pair | 647 | `BTreeSet` 818 |
//! | carve a /26 of a /8, first fit | 705 | |
//! | give back and carve, 10^5 held | 1,786 | |
//! | overlap query over 10^5 subnets | 372 | prefix-trie 234 |
//! | the same owner asks again, of 10^5 | 761 | |
//! | release by owner and allocate, of 10^5 | 6,828 | |
//!
//! One structure does not win every row. [`set::NumberSet`] keeps a count of each slot, which is what makes
//! an even draw, an exact count and any question about a range take the same few steps at any occupancy;
//! hibitset has no counts and saves 38 instructions a pair, roaring appends to a run without them. The
//! overlap query also tells *which* subnet is met and who holds it. Bytes (`--bench ipam_memory`): 176 for
//! the blocks of a /8, a /64 or `::/0`; 1.143 bit an address in the worst pattern; 0.144 a live address in
//! a dense /64, 10.97 with random interface ids; 198 an owner of 10^6, beside the key.
//!
//! # Snapshots
//!
//! With the feature `serde`, [`Subnet`], [`SubnetPool`] and [`Ipam`] are written as a map with a
//! `version` (now 1), the `revision`, how they were built, and the sorted lists of what is `held`,
//! `resting` and `idle`; what follows from these is built anew and checked on loading. Equal states give
//! equal bytes. Defaults are left out; unknown fields, contradictions and newer versions are errors
//! (`SnapshotError`), and what older versions wrote goes on to load. `SnapshotVersion` reads the version
//! alone.
//!
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod arena;
mod change;
mod count;
pub mod embed;
mod family;
#[cfg(feature = "serde")]
mod hex;
mod ipam;
mod ledger;
mod owner;
mod pool;
mod prefixes;
mod ranges;
pub mod set;
#[cfg(feature = "serde")]
mod snapshot;
mod space;
mod special;
mod stable;
#[cfg(feature = "proptest-support")]
pub mod strategies;
mod subnet;
pub mod ula;
mod usable;

pub use change::{Change, ReplayError};
pub use count::Count;
pub use family::Family;
pub use ipam::{Ipam, IpamEdit, IpamError, OverlayRequest, PodGrant, Transaction};
pub use owner::Owner;
pub use pool::{
    CarveError, CarveGrant, CarveRequest, Carved, Conflict, PoolBase, PoolBuilder, PoolEdit,
    PoolError, ReservedPrefix, SubnetPool, UncarveError,
};
pub use prefixes::{
    address_after, aggregate, cover_range, nth_subnet, subnet_index, supernet, walk,
};
#[cfg(feature = "serde")]
pub use snapshot::{SnapshotError, SnapshotVersion};
pub use special::{Policy, Special};
pub use subnet::{
    AllocError, AllocRequest, Explanation, Grant, Holder, Holding, Release, ReleaseError,
    Reservation, Rest, Role, Shortage, Subnet, SubnetBuilder, SubnetEdit, SubnetError, Usage, Why,
};
pub use usable::{first_usable, last_usable, nth_usable, usable_count};

/// Plain data: it can go to other threads and be shared among them.
const _: () = {
    const fn plain<T: Send + Sync + Clone>() {}
    plain::<Ipam>();
    plain::<Subnet>();
    plain::<SubnetPool>();
    plain::<AllocError>();
    plain::<Change<IpamEdit>>();
};
