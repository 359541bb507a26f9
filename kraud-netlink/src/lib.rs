//! Synchronous netlink for Linux: ipvlan, ip6tnl and WireGuard links, and the addresses, routes, rules and
//! namespaces around them. No async runtime, no helper program, no unsafe code.
//!
//! Two types to know: an [`Op`] is one change as a plain value, made of specifications such as [`Link`], [`Address`],
//! [`Route`] or [`Wireguard`]; a [`Handle`] applies it in one network namespace and reads the state back. With more than
//! one namespace, [`Step`] says where an operation belongs and [`Namespaces`] applies it there.
//!
//! ```no_run
//! use kraud_netlink::{Address, Handle, Link, Op, Route};
//!
//! let mut kernel = Handle::current()?;
//! let ops = [
//!     Op::AddLink(Link::veth("v0", "v1").mtu(1400).up()),
//!     Op::AddAddress(Address::new("v0", "fd00::1/64".parse()?).nodad()),
//!     Op::AddRoute(Route::new("fd01::/48".parse()?).via("fd00::2".parse()?).metric(75)),
//! ];
//! for op in &ops {
//!     // Every operation prints the command that does the same.
//!     println!("{}", op.commands(&Default::default()).join("\n"));
//!     kernel.apply(op)?;
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Three layers, each of use by itself:
//! - specifications (plain values) become messages in [`Op::encode`], which needs no socket and no privilege; the bytes
//!   are those that iproute2 and `wg` send;
//! - [`Connection`] sends requests and matches answers over a [`Transport`], of which [`Socket`] is the kernel's;
//! - [`Handle`] and [`Namespaces`] resolve names, apply operations and explain refusals: see [`KernelError`].
//!
//! [`probe()`] tells what the running kernel can do by trying, and [`Netns`] makes, opens and enters network namespaces.

#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]

mod batch;
mod command;
mod connection;
mod docker;
mod error;
mod explain;
mod handle;
#[cfg(feature = "netlink-packet-route")]
mod interop;
mod message;
mod namespaces;
mod netns;
mod nft;
mod op;
mod plan;
mod probe;
mod read;
mod setters;
mod spec;
mod transport;
pub mod wire;

pub use batch::BatchReport;
pub use command::{CommandContext, KeyFile};
pub use connection::{Connection, OnMessage};
pub use docker::{Parent, ipvlan_parent, owned_parents};
pub use error::{Error, KernelError, Result};
pub use handle::{Handle, RouteFilter};
pub use message::{Protocol, Resolve, WIREGUARD_CHUNK, family_request, parse_family};
pub use namespaces::{HERE, Namespaces, NetnsKind, NetnsLookup, RunNetns, Step};
pub use netns::{Netns, NetnsId, RUN_NETNS};
pub use nft::{
    Chain as NftChain, ChainKind as NftChainKind, Counter as NftCounter, Family as NftFamily,
    Hook as NftHook, Match as NftMatch, Rule as NftRule, Table as NftTable, Verdict as NftVerdict,
};
pub use op::Op;
pub use plan::{Difference, Executor, Owner, TransactError, Undo, Want, Wanted, transact};
pub use probe::{Capability, Probe, probe};
pub use read::{
    AddressInfo, LinkInfo, LinkNames, LinkState, NeighbourInfo, PeerInfo, RouteInfo, RuleInfo,
    WireguardInfo, WireguardReader,
};
pub use spec::*;
pub use transport::{Socket, TIMEOUT, Transport};
pub use wire::RawAttr;

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
