//! One change of the kernel's state each.

use std::fmt;

use crate::nft::Table;
use crate::spec::{
    Address, Link, LinkChange, Neighbour, NextHopObject, Route, Rule, Sysctl, Wireguard,
};

/// One change, as a plain value.
///
/// It is applied with [`Handle::apply`](crate::Handle::apply), printed as shell lines with
/// [`Op::commands`], and turned into bytes with [`Op::encode`](crate::Op::encode).
///
/// ```
/// use kraud_netlink::{CommandContext, Link, Op, Sysctl};
///
/// let op = Op::AddLink(Link::bridge("br0").up());
/// assert_eq!(op.to_string(), r#"add bridge link "br0""#);
/// let context = CommandContext::in_netns("pod-a");
/// assert_eq!(op.commands(&context), ["ip -n pod-a link add name br0 up type bridge"]);
/// assert_eq!(
///     Op::WriteSysctl(Sysctl::forwarding6(true)).commands(&context),
///     ["ip netns exec pod-a sysctl -w net.ipv6.conf.all.forwarding=1"],
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
#[non_exhaustive]
pub enum Op {
    /// Add an address.
    AddAddress(Address),
    /// Give a link a name beside its own (kernel 5.5).
    AddAltName {
        /// The link's name.
        link: String,
        /// The other name, of up to 127 bytes.
        alt_name: String,
    },
    /// Make a link.
    AddLink(Link),
    /// Make a network namespace of that name.
    AddNetns(String),
    /// Add a neighbour or proxy entry.
    AddNeighbour(Neighbour),
    /// Add a next-hop object; fails if its number is taken.
    AddNextHop(NextHopObject),
    /// Add a route; fails if one of that prefix, metric and type of service exists.
    AddRoute(Route),
    /// Add a policy routing rule.
    AddRule(Rule),
    /// Add a route beside others of the same prefix and metric.
    AppendRoute(Route),
    /// Remove an address.
    DeleteAddress(Address),
    /// Take a name beside its own away from a link.
    DeleteAltName {
        /// The link's name.
        link: String,
        /// The other name.
        alt_name: String,
    },
    /// Remove a link, and with a veth end its peer.
    DeleteLink(String),
    /// Remove all links of a group in one kernel transaction; 25 to 60 times faster than one by one.
    DeleteLinkGroup(u32),
    /// Remove a named network namespace.
    DeleteNetns(String),
    /// Remove a neighbour or proxy entry.
    DeleteNeighbour(Neighbour),
    /// Remove the next-hop object of that number and all routes that lead through it.
    DeleteNextHop(u32),
    /// Remove a packet filter table with everything in it.
    DeleteNft(Table),
    /// Remove a route.
    DeleteRoute(Route),
    /// Remove a policy routing rule.
    DeleteRule(Rule),
    /// Move a link to another network namespace.
    MoveLink {
        /// The link's name here.
        name: String,
        /// The namespace it goes to.
        netns: String,
        /// The name that it gets there, if another.
        rename: Option<String>,
        /// Set it up there.
        up: bool,
    },
    /// Rename a link, which must be down on kernels before 6.x unless it allows live renames.
    RenameLink {
        /// The present name.
        name: String,
        /// The new one.
        to: String,
    },
    /// Add an address or change the one that is there.
    ReplaceAddress(Address),
    /// Add a neighbour or change the one that is there.
    ReplaceNeighbour(Neighbour),
    /// Add a next-hop object or take the place of the one of that number.
    ReplaceNextHop(NextHopObject),
    /// Add a route or take the place of the one that is there.
    ReplaceRoute(Route),
    /// Change a link.
    SetLink(LinkChange),
    /// Make a packet filter table, in the place of the one that is there.
    SetNft(Table),
    /// Give another namespace a number by which this one knows it.
    SetNetnsId {
        /// The other namespace.
        netns: String,
        /// Its number here; `None` lets the kernel choose.
        id: Option<u32>,
    },
    /// Change a WireGuard device.
    SetWireguard(Wireguard),
    /// Write a kernel setting.
    WriteSysctl(Sysctl),
}

impl fmt::Display for Op {
    /// In words, for a person: ``add ipvlan link "eth0"``.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddAddress(a) => write!(f, "add address {} to {:?}", a.net, a.dev),
            Self::AddAltName { link, alt_name } => {
                write!(f, "add name {alt_name:?} to link {link:?}")
            }
            Self::AddLink(l) => write!(f, "add {} link {:?}", l.kind.name(), l.name),
            Self::AddNetns(name) => write!(f, "add namespace {name:?}"),
            Self::AddNeighbour(n) => write!(f, "add neighbour {} to {:?}", n.address, n.dev),
            Self::AddNextHop(n) => write!(f, "add next hop {}", n.id),
            Self::AddRoute(r) => write!(f, "add route to {}", r.dst),
            Self::AddRule(_) => write!(f, "add rule"),
            Self::AppendRoute(r) => write!(f, "append route to {}", r.dst),
            Self::DeleteAddress(a) => write!(f, "delete address {} from {:?}", a.net, a.dev),
            Self::DeleteAltName { link, alt_name } => {
                write!(f, "delete name {alt_name:?} of link {link:?}")
            }
            Self::DeleteLink(name) => write!(f, "delete link {name:?}"),
            Self::DeleteLinkGroup(group) => write!(f, "delete links of group {group}"),
            Self::DeleteNetns(name) => write!(f, "delete namespace {name:?}"),
            Self::DeleteNeighbour(n) => {
                write!(f, "delete neighbour {} from {:?}", n.address, n.dev)
            }
            Self::DeleteNextHop(id) => write!(f, "delete next hop {id}"),
            Self::DeleteNft(t) => write!(f, "delete nft table {} {}", t.family, t.name),
            Self::DeleteRoute(r) => write!(f, "delete route to {}", r.dst),
            Self::DeleteRule(_) => write!(f, "delete rule"),
            Self::MoveLink { name, netns, .. } => {
                write!(f, "move link {name:?} to namespace {netns:?}")
            }
            Self::RenameLink { name, to } => write!(f, "rename link {name:?} to {to:?}"),
            Self::ReplaceAddress(a) => write!(f, "replace address {} on {:?}", a.net, a.dev),
            Self::ReplaceNeighbour(n) => {
                write!(f, "replace neighbour {} on {:?}", n.address, n.dev)
            }
            Self::ReplaceNextHop(n) => write!(f, "replace next hop {}", n.id),
            Self::ReplaceRoute(r) => write!(f, "replace route to {}", r.dst),
            Self::SetLink(c) => write!(f, "set link {:?}", c.name),
            Self::SetNft(t) => write!(f, "set nft table {} {}", t.family, t.name),
            Self::SetNetnsId { netns, .. } => write!(f, "number namespace {netns:?}"),
            Self::SetWireguard(w) => write!(f, "set wireguard device {:?}", w.dev),
            Self::WriteSysctl(s) => write!(f, "set {} to {}", s.key, s.value),
        }
    }
}
