//! Operations and dumps in one network namespace.

mod list;
mod resolve;

pub use list::RouteFilter;

pub(crate) use resolve::Resolver;

use std::collections::HashMap;

use zeroize::Zeroize;

use crate::command::CommandContext;
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::explain;
use crate::message::consts::*;
use crate::message::{FAMILY, Protocol, family_request, parse_family};
use crate::namespaces::NetnsLookup;
use crate::netns::Netns;
use crate::op::Op;
use crate::read::LinkInfo;
use crate::spec::{FollowUp, Link};
use crate::wire::{Malformed, Writer};

/// Talks to the kernel in one network namespace: applies operations, reads the state back.
///
/// Sockets are opened when first needed and kept. Names of links are looked up for each operation, unless
/// [`Handle::cache_names`] says that nobody else changes links meanwhile.
///
/// ```no_run
/// use kraud_netlink::{Address, Handle, Link, Op};
///
/// let mut kernel = Handle::current()?;
/// kernel.apply(&Op::AddLink(Link::veth("v0", "v1").up()))?;
/// kernel.apply(&Op::AddAddress(Address::new("v0", "10.0.0.1/24".parse().unwrap())))?;
/// for link in kernel.links()? {
///     println!("{} {:?}", link.link.name, link.link.kind);
/// }
/// # Ok::<(), kraud_netlink::Error>(())
/// ```
#[derive(Debug)]
pub struct Handle {
    netns: Netns,
    pub(crate) route: Connection,
    generic: Option<Connection>,
    netfilter: Option<Connection>,
    families: HashMap<&'static str, u16>,
    pub(crate) names: Option<HashMap<String, u32>>,
    buffer: Vec<u8>,
}

impl Handle {
    /// In the calling thread's network namespace.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the kernel gives no socket.
    pub fn current() -> Result<Self> {
        Self::open(Netns::current()?)
    }

    pub(crate) fn open(netns: Netns) -> Result<Self> {
        let route = netns.run(|| Connection::open(Protocol::Route))??;
        Ok(Self::with_connection(netns, route))
    }

    /// In that namespace, over a route connection of one's own: for tests that answer in the kernel's place.
    #[must_use]
    pub fn with_connection(netns: Netns, route: Connection) -> Self {
        Self {
            netns,
            route,
            generic: None,
            netfilter: None,
            families: HashMap::new(),
            names: None,
            buffer: Vec::new(),
        }
    }

    /// The namespace.
    #[must_use]
    pub fn netns(&self) -> &Netns {
        &self.netns
    }

    /// Keeps the indexes of links that were looked up, or forgets them.
    ///
    /// With `true` an operation on a known link is one request instead of two. Own changes of links are heeded; a link
    /// that somebody else renames or replaces meanwhile is not noticed.
    pub fn cache_names(&mut self, on: bool) {
        self.names = on.then(HashMap::new);
    }

    /// How many datagrams were sent so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.route
            .requests
            .wrapping_add(self.generic.as_ref().map_or(0, |generic| generic.requests))
    }

    /// Applies one operation; other namespaces are looked up under `/run/netns`.
    ///
    /// An operation of several messages that fails half-way is taken back where that is possible: a link whose note
    /// cannot be set is removed again.
    ///
    /// # Errors
    ///
    /// [`Error::Kernel`] with the kernel's words, the equivalent command and a hint; [`Error::Invalid`] and
    /// [`Error::NotFound`] before anything is sent.
    pub fn apply(&mut self, op: &Op) -> Result<()> {
        self.apply_in(op, &crate::namespaces::RunNetns)
    }

    /// Applies operations in order, up to the first that fails; says how many were done.
    ///
    /// # Errors
    ///
    /// The index of the operation that failed, and why.
    pub fn apply_all<'a>(
        &mut self,
        ops: impl IntoIterator<Item = &'a Op>,
    ) -> Result<usize, (usize, Error)> {
        let mut done = 0;
        for op in ops {
            self.apply(op).map_err(|error| (done, error))?;
            done += 1;
        }
        Ok(done)
    }

    /// As [`Self::apply`], with the names of other namespaces resolved by `lookup`.
    ///
    /// # Errors
    ///
    /// As [`Self::apply`].
    pub fn apply_in(&mut self, op: &Op, lookup: &dyn NetnsLookup) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let result = self.apply_with(op, lookup, &mut buffer);
        if matches!(op, Op::SetWireguard(_)) {
            buffer.zeroize();
        }
        self.buffer = buffer;
        result.map_err(|error| explain::complete(error, op, &CommandContext::here()))
    }

    fn apply_with(
        &mut self,
        op: &Op,
        lookup: &dyn NetnsLookup,
        buffer: &mut Vec<u8>,
    ) -> Result<()> {
        match op {
            Op::AddNetns(name) => return Netns::create(name).map(drop),
            Op::DeleteNetns(name) => return Netns::delete(name),
            Op::WriteSysctl(sysctl) => return self.netns.write_sysctl(sysctl),
            _ => {}
        }
        let mut resolver = Resolver {
            handle: self,
            lookup,
            held: Vec::new(),
        };
        let protocol = op.encode(&mut resolver, buffer)?;
        let held = resolver.held;
        if protocol == Some(Protocol::Netfilter) {
            return self.transaction(op, buffer);
        }
        let connection = match protocol {
            None => return Ok(()),
            Some(Protocol::Generic) => self.generic()?,
            Some(_) => &mut self.route,
        };
        let mut rest = buffer.as_mut_slice();
        let mut sent = 0_u32;
        let mut result = Ok(());
        while !rest.is_empty() && result.is_ok() {
            let len = rest.first_chunk().map_or(0, |len| u32::from_ne_bytes(*len)) as usize;
            let Some((message, tail)) = rest.split_at_mut_checked(len.max(16)) else {
                break;
            };
            result = connection.request(message, op);
            sent += 1;
            rest = tail;
        }
        drop(held);
        if let Op::AddLink(link) = op {
            if result.is_ok() {
                result = follow_up_elsewhere(link, lookup);
                sent += 1;
            }
            if result.is_err() && sent > 1 {
                self.take_back(link, lookup);
            }
        }
        if let Some(names) = &mut self.names {
            match op {
                Op::AddLink(_) | Op::DeleteLinkGroup(_) => names.clear(),
                Op::DeleteAltName { .. }
                | Op::DeleteLink(_)
                | Op::MoveLink { .. }
                | Op::RenameLink { .. } => names.clear(),
                _ => {}
            }
        }
        result
    }

    /// Sends an nf_tables transaction, which happens as a whole or not at all.
    fn transaction(&mut self, op: &Op, buffer: &mut [u8]) -> Result<()> {
        let mut starts = Vec::new();
        let mut at = 0;
        while let Some(len) = buffer.get(at..).and_then(<[u8]>::first_chunk) {
            starts.push((at, 0));
            at += crate::wire::align(u32::from_ne_bytes(*len) as usize).max(16);
        }
        // The message that ends the transaction is not answered; the one before it is.
        let ack = starts.len().saturating_sub(2);
        let refusals = self
            .netfilter()?
            .exchange_batch(buffer, &starts, Some(ack))?;
        match refusals.first() {
            None => Ok(()),
            Some((at, refusal)) => {
                let start = starts.get(*at).map_or(0, |(start, _)| *start);
                Err(explain::error(
                    refusal,
                    buffer.get(start..).unwrap_or(&[]),
                    op,
                ))
            }
        }
    }

    pub(crate) fn netfilter(&mut self) -> Result<&mut Connection> {
        if self.netfilter.is_none() {
            self.netfilter = Some(self.netns.run(|| Connection::open(Protocol::Netfilter))??);
        }
        self.netfilter
            .as_mut()
            .ok_or_else(|| Error::invalid("socket", "netfilter", "it was not opened"))
    }

    /// Removes a link whose making failed half-way.
    fn take_back(&mut self, link: &Link, lookup: &dyn NetnsLookup) {
        let delete = Op::DeleteLink(link.name.clone());
        let _ = match &link.netns {
            None => self.apply_with(&delete, lookup, &mut Vec::new()),
            Some(netns) => lookup
                .netns(netns)
                .and_then(|netns| netns.handle())
                .and_then(|mut there| there.apply(&delete)),
        };
    }

    fn generic(&mut self) -> Result<&mut Connection> {
        if self.generic.is_none() {
            self.generic = Some(self.netns.run(|| Connection::open(Protocol::Generic))??);
        }
        self.generic
            .as_mut()
            .ok_or_else(|| Error::invalid("socket", "generic", "it was not opened"))
    }

    /// The number of a generic-netlink family.
    fn family(&mut self, name: &'static str) -> Result<u16> {
        if let Some(number) = self.families.get(name) {
            return Ok(*number);
        }
        let mut request = Vec::new();
        family_request(name, &mut request);
        let mut number = None;
        let missing = || Error::NotFound {
            what: FAMILY,
            name: name.to_owned(),
            hint: Some(explain::module_hint(name)),
        };
        let asked = self.generic()?.request_with(
            &mut request,
            &format_args!("look up {name:?}"),
            &mut |_, body| {
                number = parse_family(body)?.or(number);
                Ok(())
            },
        );
        match asked {
            Err(error) if error.is_not_found() => return Err(missing()),
            asked => asked?,
        }
        let number = number.ok_or_else(missing)?;
        self.families.insert(name, number);
        Ok(number)
    }

    /// The link of that name.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; [`Error::Kernel`].
    pub fn link(&mut self, name: &str) -> Result<LinkInfo> {
        let mut info = None;
        self.query_link(name, &mut |body| {
            info = Some(LinkInfo::parse(body)?);
            Ok(())
        })?;
        let mut info = info.ok_or_else(|| link_not_found(name))?;
        if info.parent_index.is_some() || info.master_index.is_some() {
            let names = self.link_names()?;
            info.name_links(&names);
        }
        Ok(info)
    }

    /// The index of the link of that name.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; [`Error::Kernel`].
    pub fn index(&mut self, name: &str) -> Result<u32> {
        if let Some(index) = self.names.as_ref().and_then(|names| names.get(name)) {
            return Ok(*index);
        }
        let mut index = 0;
        self.query_link(name, &mut |body| {
            let (header, _) = crate::read::split::<16>("link message", body)?;
            let [_, _, _, _, a, b, c, d, ..] = *header;
            index = u32::from_ne_bytes([a, b, c, d]);
            Ok(())
        })?;
        if let Some(names) = &mut self.names {
            names.insert(name.to_owned(), index);
        }
        Ok(index)
    }

    fn query_link(
        &mut self,
        name: &str,
        each: &mut dyn FnMut(&[u8]) -> Result<(), Malformed>,
    ) -> Result<()> {
        // Only names beside a link's own are longer.
        let kind = if name.len() > crate::spec::LINK_NAME_MAX {
            crate::spec::check_alt_name(name)?;
            IFLA_ALT_IFNAME
        } else {
            crate::spec::check_link_name("link name", name)?;
            IFLA_IFNAME
        };
        let mut request = Vec::with_capacity(64);
        let mut w = Writer::new(&mut request);
        let message = w.begin(RTM_GETLINK, NLM_F_REQUEST, &[0; 16]);
        w.u32(IFLA_EXT_MASK, list::SKIP_STATS);
        w.str(kind, name);
        w.end(message);
        match self.route.query(
            &mut request,
            &format_args!("look up link {name:?}"),
            &mut |_, body| each(body),
        ) {
            Err(error) if error.is_not_found() => Err(link_not_found(name)),
            result => result,
        }
    }
}

/// Finishes a link in the namespaces that it or its peer was born in.
fn follow_up_elsewhere(link: &Link, lookup: &dyn NetnsLookup) -> Result<()> {
    for FollowUp { netns, change } in link.follow_ups() {
        if let Some(netns) = netns {
            lookup
                .netns(&netns)?
                .handle()?
                .apply(&Op::SetLink(change))?;
        }
    }
    Ok(())
}

fn link_not_found(name: &str) -> Error {
    Error::NotFound {
        what: "link",
        name: name.to_owned(),
        hint: None,
    }
}
