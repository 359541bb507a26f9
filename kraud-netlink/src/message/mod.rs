//! From operations to bytes: pure functions, no socket.
//!
//! The layout is the one that iproute2 and `wg` use, so that a trace of either can be compared byte for byte.

pub(crate) mod consts;
mod generic;
mod link;
mod network;
mod wireguard;

use std::collections::HashMap;

use consts::{NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST};

use crate::error::{Error, Result};
use crate::op::Op;
use crate::wire::Writer;

pub use generic::{family_request, parse_family};
pub use wireguard::WIREGUARD_CHUNK;
pub(crate) use wireguard::get_device;

/// `struct ifinfomsg` of a link.
#[cfg(test)]
pub(crate) fn link_header(index: u32) -> [u8; 16] {
    link::ifinfo(index, 0, 0)
}

/// How a missing generic-netlink family is named in [`Error::NotFound`].
pub(crate) const FAMILY: &str = "generic netlink family";

/// What messages need to know of the system: names to numbers.
///
/// [`Handle`](crate::Handle) asks the kernel; a `HashMap` of link names will do for a test.
pub trait Resolve {
    /// The index of the link of that name, in the namespace of the request.
    fn link(&mut self, name: &str) -> Result<u32>;

    /// A file descriptor of the namespace of that name, valid until the request is sent.
    fn netns(&mut self, name: &str) -> Result<i32>;

    /// The id by which the request's namespace knows the namespace of that name.
    fn netns_id(&mut self, name: &str) -> Result<i32>;

    /// The index of a link in another namespace than the request's.
    fn link_in(&mut self, netns: &str, name: &str) -> Result<u32>;

    /// The number of the generic-netlink family of that name.
    fn family(&mut self, name: &'static str) -> Result<u16>;
}

impl Resolve for HashMap<String, u32> {
    fn link(&mut self, name: &str) -> Result<u32> {
        self.get(name).copied().ok_or_else(|| Error::NotFound {
            what: "link",
            name: name.to_owned(),
            hint: None,
        })
    }

    fn netns(&mut self, name: &str) -> Result<i32> {
        Err(Error::NotFound {
            what: "namespace",
            name: name.to_owned(),
            hint: None,
        })
    }

    fn netns_id(&mut self, name: &str) -> Result<i32> {
        self.netns(name)
    }

    fn link_in(&mut self, _netns: &str, name: &str) -> Result<u32> {
        self.link(name)
    }

    fn family(&mut self, name: &'static str) -> Result<u16> {
        Err(Error::NotFound {
            what: FAMILY,
            name: name.to_owned(),
            hint: None,
        })
    }
}

/// The netlink family that a request goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// `NETLINK_ROUTE`.
    Route,
    /// `NETLINK_GENERIC`.
    Generic,
    /// `NETLINK_NETFILTER`.
    Netfilter,
}

const ADD: u16 = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
const REPLACE: u16 = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
const APPEND: u16 = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_APPEND;
const CHANGE: u16 = NLM_F_REQUEST | NLM_F_ACK;

impl Op {
    /// Appends the operation's messages to `out`, each with sequence and port 0, and says where they are to be sent.
    ///
    /// Usually there is one message. Some links need more ([`Link::follow_ups`](crate::Link::follow_ups), those of this
    /// namespace), and a large WireGuard configuration is split; they belong in that order, each in a datagram of its own.
    /// `None` means that the operation is no netlink request (namespaces and kernel settings).
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a value that the kernel would refuse or misread, [`Error::TooLarge`] for one that does
    /// not fit, and whatever `resolve` reports. `out` must not be sent then.
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use kraud_netlink::{Op, Protocol, Route};
    ///
    /// let mut links = HashMap::from([("eth0".to_owned(), 10)]);
    /// let mut bytes = Vec::new();
    /// let op = Op::AddRoute(Route::new("10.1.0.0/16".parse()?).dev("eth0"));
    /// assert_eq!(op.encode(&mut links, &mut bytes)?, Some(Protocol::Route));
    /// assert_eq!(bytes.len(), 44);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn encode(&self, resolve: &mut dyn Resolve, out: &mut Vec<u8>) -> Result<Option<Protocol>> {
        let mut w = Writer::new(out);
        match self {
            Self::AddAddress(address) => {
                network::address(&mut w, resolve, consts::RTM_NEWADDR, ADD, address)?;
            }
            Self::AddAltName { link, alt_name } => {
                let how = (
                    consts::RTM_NEWLINKPROP,
                    NLM_F_EXCL | NLM_F_CREATE | NLM_F_APPEND,
                );
                link::alt_name(&mut w, resolve, how, link, alt_name)?;
            }
            Self::DeleteAltName { link, alt_name } => {
                // `ip` 6.1 says NLM_F_EXCL, which newer kernels take for a bulk deletion and refuse.
                let how = (consts::RTM_DELLINKPROP, 0);
                link::alt_name(&mut w, resolve, how, link, alt_name)?;
            }
            Self::AddNextHop(object) => network::next_hop_object(&mut w, resolve, ADD, object)?,
            Self::ReplaceNextHop(object) => {
                network::next_hop_object(&mut w, resolve, REPLACE, object)?;
            }
            Self::DeleteNextHop(id) => network::delete_next_hop_object(&mut w, *id),
            Self::AddLink(link) => link::add(&mut w, resolve, link)?,
            Self::AddNeighbour(neighbour) => {
                network::neighbour(&mut w, resolve, consts::RTM_NEWNEIGH, ADD, neighbour)?;
            }
            Self::AddRoute(route) => {
                network::route(&mut w, resolve, consts::RTM_NEWROUTE, ADD, route)?;
            }
            Self::AddRule(rule) => network::rule(&mut w, consts::RTM_NEWRULE, ADD, rule)?,
            Self::AppendRoute(route) => {
                network::route(&mut w, resolve, consts::RTM_NEWROUTE, APPEND, route)?;
            }
            Self::DeleteAddress(address) => {
                network::address(&mut w, resolve, consts::RTM_DELADDR, CHANGE, address)?;
            }
            Self::DeleteLink(name) => link::delete(&mut w, resolve, name)?,
            Self::DeleteLinkGroup(group) => link::delete_group(&mut w, *group)?,
            Self::DeleteNeighbour(neighbour) => {
                network::neighbour(&mut w, resolve, consts::RTM_DELNEIGH, CHANGE, neighbour)?;
            }
            Self::DeleteRoute(route) => {
                network::route(&mut w, resolve, consts::RTM_DELROUTE, CHANGE, route)?;
            }
            Self::DeleteRule(rule) => network::rule(&mut w, consts::RTM_DELRULE, CHANGE, rule)?,
            Self::MoveLink {
                name,
                netns,
                rename,
                up,
            } => {
                link::r#move(&mut w, resolve, name, netns, rename.as_deref(), *up)?;
            }
            Self::RenameLink { name, to } => link::rename(&mut w, resolve, name, to)?,
            Self::ReplaceAddress(address) => {
                network::address(&mut w, resolve, consts::RTM_NEWADDR, REPLACE, address)?;
            }
            Self::ReplaceNeighbour(neighbour) => {
                network::neighbour(&mut w, resolve, consts::RTM_NEWNEIGH, REPLACE, neighbour)?;
            }
            Self::ReplaceRoute(route) => {
                network::route(&mut w, resolve, consts::RTM_NEWROUTE, REPLACE, route)?;
            }
            Self::SetLink(change) => link::set(&mut w, resolve, change)?,
            Self::DeleteNft(table) => {
                table.write_delete(&mut w)?;
                return self.finish(w, Protocol::Netfilter);
            }
            Self::SetNft(table) => {
                table.write(&mut w, true)?;
                return self.finish(w, Protocol::Netfilter);
            }
            Self::SetNetnsId { netns, id } => {
                let message = w.begin(consts::RTM_NEWNSID, CHANGE, &[0; 4]);
                w.i32(consts::NETNSA_FD, resolve.netns(netns)?);
                w.u32(consts::NETNSA_NSID, id.unwrap_or(u32::MAX));
                w.end(message);
            }
            Self::SetWireguard(wireguard) => {
                let family = resolve.family("wireguard")?;
                wireguard::set(&mut w, family, wireguard, WIREGUARD_CHUNK)?;
                return self.finish(w, Protocol::Generic);
            }
            Self::AddNetns(_) | Self::DeleteNetns(_) | Self::WriteSysctl(_) => return Ok(None),
        }
        self.finish(w, Protocol::Route)
    }

    fn finish(&self, w: Writer<'_>, protocol: Protocol) -> Result<Option<Protocol>> {
        match w.finish() {
            Ok(()) => Ok(Some(protocol)),
            Err(source) => Err(Error::TooLarge {
                op: self.to_string(),
                source,
            }),
        }
    }
}

impl crate::spec::Wireguard {
    /// Appends the `WG_CMD_SET_DEVICE` messages, none longer than `chunk` bytes where that is possible.
    ///
    /// Peers, and the prefixes of one peer, are spread over as many messages as it takes; only the first one replaces.
    /// `wg` uses the page size, 4096; [`WIREGUARD_CHUNK`] is what [`Op::encode`] uses.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a bad device name.
    pub fn encode(&self, family: u16, chunk: usize, out: &mut Vec<u8>) -> Result<()> {
        let mut w = Writer::new(out);
        wireguard::set(&mut w, family, self, chunk)?;
        w.finish().map_err(|source| Error::TooLarge {
            op: format!("set wireguard device {:?}", self.dev),
            source,
        })
    }
}
