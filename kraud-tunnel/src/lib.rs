//! IPv4-in-IPv6 and IPv6-in-IPv6 tunnels (RFC 2473, RFC 6040): a packet codec that works in place in
//! one buffer of the caller's, without allocation, without `std`, without `unsafe` and without state.
//!
//! Two types do the work: [`Encapsulator`] puts an outer IPv6 header in front of a packet, in the
//! headroom that the caller left there; [`Decapsulator`] checks a tunnel packet and says where in the
//! same buffer the inner packet lies. Both are plain values: share them, copy them, keep one for
//! a thousand peers. The peer is named in each call, as Linux's `ip6tnl external` does.
//!
//! ```
//! use core::net::IpAddr;
//! use kraud_tunnel::{Decapsulator, Encapsulator, Endpoints, Protocol, inspect};
//!
//! // An IPv4 packet, 10.198.62.5 → 10.198.62.6, with 40 bytes of headroom in front of it.
//! let mut buf = [0u8; 60];
//! buf[40..].copy_from_slice(&[
//!     0x45, 0, 0, 20, 0x12, 0x34, 0x40, 0, 64, 253, 0x96, 0x22, 10, 198, 62, 5, 10, 198, 62, 6,
//! ]);
//!
//! let tunnel = Endpoints::new("fd42:1a8::1".parse()?, "fd42:1a8::2".parse()?)?;
//! let outer = Encapsulator::new().encapsulate(&mut buf, 40..60, &tunnel)?;
//! assert_eq!(outer, 0..60);
//!
//! let found = Decapsulator::new().decapsulate(&mut buf, outer)?;
//! assert_eq!(found.inner, 40..60);
//! assert_eq!(found.source, tunnel.source());
//! assert_eq!(found.protocol, Protocol::Ipv4);
//! assert_eq!(inspect::destination(&buf[found.inner]), Some(IpAddr::from([10, 198, 62, 6])));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Map
//! - [`Encapsulator`], [`Decapsulator`], [`Endpoints`]: the two directions, and the ends of a tunnel.
//! - [`EncapError`], [`DecapError`], [`DropReason`], [`Counters`]: why a packet was not passed on.
//! - [`wire`]: the packet formats: a checked view and a plain `Repr` for each.
//! - [`ecn`]: the tables of RFC 6040; [`flow`]: the flow label from a hash of the inner flow.
//! - [`mtu`]: how many bytes a stack of layers leaves, as `const fn`, and what to do with a packet
//!   that is too big.
//! - [`fragment`], [`reassemble`]: cutting outer packets and putting them together, in bounded memory.
//! - [`relay`]: an error from inside the tunnel, told to the source of the packet (RFC 2473 section 8).
//! - [`gso`], [`gro`]: splitting superpackets of a TUN device and joining segments; [`batch`]: many packets at once.
//! - [`sources`]: which peer may send from which inner addresses.
//! - [`mss`]: clamping the segment size of TCP connections.
//! - [`wireguard`]: the framing and padding of WireGuard's data messages.
//! - [`icmp`]: the messages that a tunnel sends to the source of a packet.
//! - [`inspect`]: version, source and destination of a raw packet, for routing it.
//! - [`checksum`]: the internet checksum, whole and incremental.
//!
//! # Panics
//! Nothing in this crate panics, whatever the input: no accessor, no parser, no builder. All arithmetic
//! on lengths is checked; ranges outside the buffer are errors.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "std")]
extern crate std;

pub mod batch;
pub mod checksum;
mod counters;
mod decap;
pub mod ecn;
mod encap;
mod endpoints;
pub mod flow;
pub mod fragment;
pub mod gro;
pub mod gso;
pub mod icmp;
pub mod inspect;
pub mod mss;
pub mod mtu;
pub mod reassemble;
pub mod relay;
pub mod sources;
pub mod wire;
pub mod wireguard;

pub use counters::{Counters, DropReason};
pub use decap::{DecapError, Decapsulated, Decapsulator, DscpOut};
pub use encap::{DscpIn, EncapError, Encapsulator, HopLimit};
pub use endpoints::{EndpointError, Endpoints};
pub use wire::Protocol;

/// Compiles and runs the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[derive(Debug)]
pub struct ReadmeDoctests;
