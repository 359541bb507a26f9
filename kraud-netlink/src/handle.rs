//! Operations and dumps in one network namespace.

use std::collections::HashMap;

use zeroize::Zeroize;

use crate::command::CommandContext;
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::explain;
use crate::message::consts::*;
use crate::message::{FAMILY, Protocol, Resolve, family_request, get_device, parse_family};
use crate::namespaces::NetnsLookup;
use crate::netns::Netns;
use crate::op::Op;
use crate::read::{
    AddressInfo, LinkInfo, NeighbourInfo, RouteInfo, RuleInfo, WireguardInfo, WireguardReader,
};
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
                Op::DeleteLink(_) | Op::MoveLink { .. } | Op::RenameLink { .. } => names.clear(),
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
        crate::spec::check_link_name("link name", name)?;
        let mut request = Vec::with_capacity(64);
        let mut w = Writer::new(&mut request);
        let message = w.begin(RTM_GETLINK, NLM_F_REQUEST, &[0; 16]);
        w.u32(IFLA_EXT_MASK, SKIP_STATS);
        w.str(IFLA_IFNAME, name);
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

    /// All links, in the order of their indexes.
    ///
    /// # Errors
    ///
    /// [`Error::Kernel`], [`Error::DumpInterrupted`].
    pub fn links(&mut self) -> Result<Vec<LinkInfo>> {
        let mut request = dump(RTM_GETLINK, &[0; 16], |w| w.u32(IFLA_EXT_MASK, SKIP_STATS));
        let mut links = collect(&mut self.route, &mut request, "list links", &mut |body| {
            LinkInfo::parse(body).map(Some)
        })?;
        let names: HashMap<u32, String> = links
            .iter()
            .map(|info| (info.index, info.link.name.clone()))
            .collect();
        for info in &mut links {
            info.name_links(&names);
        }
        Ok(links)
    }

    fn link_names(&mut self) -> Result<HashMap<u32, String>> {
        Ok(self
            .links()?
            .into_iter()
            .map(|info| (info.index, info.link.name))
            .collect())
    }

    /// All addresses.
    ///
    /// # Errors
    ///
    /// As [`Self::links`].
    pub fn addresses(&mut self) -> Result<Vec<AddressInfo>> {
        let names = self.link_names()?;
        let mut request = dump(RTM_GETADDR, &[0; 8], |_| ());
        collect(
            &mut self.route,
            &mut request,
            "list addresses",
            &mut |body| AddressInfo::parse(body, &names).map(Some),
        )
    }

    /// All routes of all tables, IPv4 and then IPv6.
    ///
    /// # Errors
    ///
    /// As [`Self::links`].
    pub fn routes(&mut self) -> Result<Vec<RouteInfo>> {
        let mut routes = self.routes_where(&RouteFilter::v4())?;
        routes.extend(self.routes_where(&RouteFilter::v6())?);
        Ok(routes)
    }

    /// The routes that the filter lets through; the kernel leaves out the others.
    ///
    /// None at all is no error, nor is a table or an address family that the kernel does not have.
    ///
    /// # Errors
    ///
    /// As [`Self::links`].
    pub fn routes_where(&mut self, filter: &RouteFilter) -> Result<Vec<RouteInfo>> {
        let names = self.link_names()?;
        let mut request = self.route_dump(filter)?;
        let found = collect(&mut self.route, &mut request, "list routes", &mut |body| {
            let info = RouteInfo::parse(body, &names)?;
            Ok(filter.lets(&info).then_some(info))
        });
        match found {
            Err(error) if error.is_unsupported() || error.is_not_found() => Ok(Vec::new()),
            found => found,
        }
    }

    /// Hands the routes that the filter lets through to `each`, one after the other as they arrive.
    ///
    /// Needs no memory for the table as a whole. What was handed out cannot be taken back: where
    /// [`Self::routes_where`] would start again, this ends with [`Error::DumpInterrupted`].
    ///
    /// # Errors
    ///
    /// As [`Self::links`].
    pub fn visit_routes(
        &mut self,
        filter: &RouteFilter,
        each: &mut dyn FnMut(RouteInfo),
    ) -> Result<()> {
        let names = self.link_names()?;
        let mut request = self.route_dump(filter)?;
        let visited = self
            .route
            .dump_once(&mut request, &"list routes", &mut |_, body| {
                let info = RouteInfo::parse(body, &names)?;
                if filter.lets(&info) {
                    each(info);
                }
                Ok(())
            });
        match visited {
            Err(error) if error.is_unsupported() || error.is_not_found() => Ok(()),
            visited => visited,
        }
    }

    fn route_dump(&mut self, filter: &RouteFilter) -> Result<Vec<u8>> {
        let mut header = family_header::<12>(if filter.ipv6 { AF_INET6 } else { AF_INET });
        header[5] = filter.protocol.unwrap_or(0);
        let index = filter.dev.as_ref().map(|dev| self.index(dev)).transpose()?;
        Ok(dump(RTM_GETROUTE, &header, |w| {
            if let Some(table) = filter.table {
                w.u32(RTA_TABLE, table);
            }
            if let Some(index) = index {
                w.u32(RTA_OIF, index);
            }
        }))
    }

    /// All policy routing rules, IPv4 and then IPv6.
    ///
    /// # Errors
    ///
    /// As [`Self::links`].
    pub fn rules(&mut self) -> Result<Vec<RuleInfo>> {
        let mut rules = Vec::new();
        for family in [AF_INET, AF_INET6] {
            let mut request = dump(RTM_GETRULE, &family_header::<12>(family), |_| ());
            match collect(
                &mut self.route,
                &mut request,
                "list rules",
                &mut RuleInfo::parse,
            ) {
                Err(error) if error.is_unsupported() => {}
                found => rules.extend(found?),
            }
        }
        Ok(rules)
    }

    /// All neighbour entries, and the proxy entries after them.
    ///
    /// # Errors
    ///
    /// As [`Self::links`].
    pub fn neighbours(&mut self) -> Result<Vec<NeighbourInfo>> {
        let names = self.link_names()?;
        let mut neighbours = Vec::new();
        for flags in [0, NTF_PROXY] {
            let mut header = [0; 12];
            header[10] = flags;
            let mut request = dump(RTM_GETNEIGH, &header, |_| ());
            neighbours.extend(collect(
                &mut self.route,
                &mut request,
                "list neighbours",
                &mut |body| NeighbourInfo::parse(body, &names),
            )?);
        }
        Ok(neighbours)
    }

    /// A WireGuard device with its peers.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such link or this kernel has no WireGuard; [`Error::Kernel`].
    pub fn wireguard(&mut self, dev: &str) -> Result<WireguardInfo> {
        crate::spec::check_link_name("wireguard device", dev)?;
        let family = self.family("wireguard")?;
        let mut request = Vec::new();
        let mut w = Writer::new(&mut request);
        get_device(&mut w, family, dev);
        let reader = std::cell::RefCell::new(WireguardReader::default());
        let op = format!("read wireguard device {dev:?}");
        let answer =
            self.generic()?
                .dump(&mut request, &op, &mut || reader.take_(), &mut |_, body| {
                    reader.borrow_mut().read(body)
                });
        match answer {
            Err(error) if error.is_not_found() => Err(link_not_found(dev)),
            answer => answer.map(|()| reader.into_inner().finish()),
        }
    }
}

/// Which routes of one address family to list.
///
/// ```no_run
/// use kraud_netlink::{Handle, RouteFilter};
///
/// let ours = Handle::current()?.routes_where(&RouteFilter::v4().protocol(75))?;
/// # Ok::<(), kraud_netlink::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RouteFilter {
    /// IPv6 instead of IPv4.
    pub ipv6: bool,
    /// Only this owner's.
    pub protocol: Option<u8>,
    /// Only this table's.
    pub table: Option<u32>,
    /// Only those out of this link.
    pub dev: Option<String>,
}

impl RouteFilter {
    /// All IPv4 routes.
    #[must_use]
    pub fn v4() -> Self {
        Self::default()
    }

    /// All IPv6 routes.
    #[must_use]
    pub fn v6() -> Self {
        Self {
            ipv6: true,
            ..Self::default()
        }
    }

    /// Only this owner's.
    #[must_use]
    pub fn protocol(mut self, protocol: u8) -> Self {
        self.protocol = Some(protocol);
        self
    }

    /// Only this table's.
    #[must_use]
    pub fn table(mut self, table: u32) -> Self {
        self.table = Some(table);
        self
    }

    /// Only those out of this link.
    #[must_use]
    pub fn dev(mut self, dev: impl Into<String>) -> Self {
        self.dev = Some(dev.into());
        self
    }

    /// Kernels before 4.20 list everything, whatever was asked for.
    fn lets(&self, info: &RouteInfo) -> bool {
        let route = &info.route;
        self.protocol
            .is_none_or(|protocol| protocol == route.protocol)
            && self.table.is_none_or(|table| table == route.table)
            && self.dev.as_ref().is_none_or(|dev| {
                route.dev.as_ref() == Some(dev)
                    || route
                        .nexthops
                        .iter()
                        .any(|hop| hop.dev.as_ref() == Some(dev))
            })
    }
}

/// `RTEXT_FILTER_SKIP_STATS`: half of a link's message is counters that nobody asked for.
const SKIP_STATS: u32 = 8;

trait Restart {
    fn take_(&self);
}

impl Restart for std::cell::RefCell<WireguardReader> {
    fn take_(&self) {
        self.take();
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

fn family_header<const N: usize>(family: u8) -> [u8; N] {
    let mut header = [0; N];
    if let Some(first) = header.first_mut() {
        *first = family;
    }
    header
}

fn dump(kind: u16, header: &[u8], attrs: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut request = Vec::with_capacity(64);
    let mut w = Writer::new(&mut request);
    let message = w.begin(kind, NLM_F_REQUEST | NLM_F_DUMP, header);
    attrs(&mut w);
    w.end(message);
    request
}

/// What becomes of the body of each message of a dump; `None` is left out.
type Parse<'a, T> = dyn FnMut(&[u8]) -> Result<Option<T>, Malformed> + 'a;

fn collect<T>(
    connection: &mut Connection,
    request: &mut [u8],
    op: &str,
    parse: &mut Parse<'_, T>,
) -> Result<Vec<T>> {
    let found = std::cell::RefCell::new(Vec::new());
    connection.dump(
        request,
        &op,
        &mut || found.borrow_mut().clear(),
        &mut |_, body| {
            found.borrow_mut().extend(parse(body)?);
            Ok(())
        },
    )?;
    Ok(found.into_inner())
}

/// Asks the kernel for what messages need to know.
pub(crate) struct Resolver<'a> {
    pub(crate) handle: &'a mut Handle,
    pub(crate) lookup: &'a dyn NetnsLookup,
    /// Namespaces whose descriptors are in the message and must live until it is sent.
    pub(crate) held: Vec<Netns>,
}

impl Resolve for Resolver<'_> {
    fn link(&mut self, name: &str) -> Result<u32> {
        self.handle.index(name)
    }

    fn netns(&mut self, name: &str) -> Result<i32> {
        let netns = self.lookup.netns(name)?;
        let fd = netns.raw_fd();
        self.held.push(netns);
        Ok(fd)
    }

    fn netns_id(&mut self, name: &str) -> Result<i32> {
        let netns = self.lookup.netns(name)?;
        self.handle.netns_id(&netns)
    }

    fn link_in(&mut self, netns: &str, name: &str) -> Result<u32> {
        self.lookup.netns(netns)?.handle()?.index(name)
    }

    fn family(&mut self, name: &'static str) -> Result<u16> {
        self.handle.family(name)
    }
}

impl Handle {
    /// The id by which this namespace knows another one (`ip netns list-id`), given to it if it had none.
    ///
    /// # Errors
    ///
    /// [`Error::Kernel`].
    pub fn netns_id(&mut self, other: &Netns) -> Result<i32> {
        if let Some(id) = self.known_netns_id(other)? {
            return Ok(id);
        }
        let mut request = Vec::new();
        let mut w = Writer::new(&mut request);
        let message = w.begin(RTM_NEWNSID, NLM_F_REQUEST | NLM_F_ACK, &[0; 4]);
        w.i32(NETNSA_FD, other.raw_fd());
        w.u32(NETNSA_NSID, u32::MAX);
        w.end(message);
        match self
            .route
            .request(&mut request, &"number a network namespace")
        {
            // Somebody else was faster.
            Err(error) if error.is_exists() => {}
            result => result?,
        }
        let missing = || Error::NotFound {
            what: "network namespace id",
            name: String::new(),
            hint: None,
        };
        self.known_netns_id(other)?.ok_or_else(missing)
    }

    fn known_netns_id(&mut self, other: &Netns) -> Result<Option<i32>> {
        let mut request = Vec::new();
        let mut w = Writer::new(&mut request);
        let message = w.begin(RTM_GETNSID, NLM_F_REQUEST, &[0; 4]);
        w.i32(NETNSA_FD, other.raw_fd());
        w.end(message);
        let mut id = -1;
        self.route.query(
            &mut request,
            &"look up a network namespace's number",
            &mut |_, body| {
                for attr in crate::wire::attrs(body.get(4..).unwrap_or(&[])) {
                    let attr = attr?;
                    if attr.kind() == NETNSA_NSID {
                        id = attr.i32()?;
                    }
                }
                Ok(())
            },
        )?;
        Ok((id >= 0).then_some(id))
    }
}
