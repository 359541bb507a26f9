//! What is there: links, addresses, routes, rules, neighbours, WireGuard devices.

use std::cell::RefCell;
use std::collections::HashMap;

use super::{Handle, link_not_found};
use crate::connection::Connection;
use crate::error::Result;
use crate::message::consts::*;
use crate::message::get_device;
use crate::read::{
    AddressInfo, LinkInfo, NeighbourInfo, RouteInfo, RuleInfo, WireguardInfo, WireguardReader,
};
use crate::setters::setters;
use crate::spec::NextHopObject;
use crate::wire::{Malformed, Writer};

impl Handle {
    /// All links, in the order of their indexes.
    ///
    /// # Errors
    ///
    /// [`Error::Kernel`](crate::Error::Kernel), [`Error::DumpInterrupted`](crate::Error::DumpInterrupted).
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

    pub(super) fn link_names(&mut self) -> Result<HashMap<u32, String>> {
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
    /// [`Self::routes_where`] would start again, this ends with [`Error::DumpInterrupted`](crate::Error::DumpInterrupted).
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

    /// All next-hop objects, by number; none on a kernel without them.
    ///
    /// # Errors
    ///
    /// As [`Self::links`].
    pub fn next_hops(&mut self) -> Result<Vec<NextHopObject>> {
        let names = self.link_names()?;
        let mut request = dump(RTM_GETNEXTHOP, &[0; 8], |_| ());
        let found = collect(
            &mut self.route,
            &mut request,
            "list next hops",
            &mut |body| NextHopObject::parse(body, &names),
        );
        match found {
            Err(error) if error.is_unsupported() => Ok(Vec::new()),
            found => found,
        }
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
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such link or this kernel has no WireGuard; [`Error::Kernel`](crate::Error::Kernel).
    pub fn wireguard(&mut self, dev: &str) -> Result<WireguardInfo> {
        crate::spec::check_link_name("wireguard device", dev)?;
        let family = self.family("wireguard")?;
        let mut request = Vec::new();
        let mut w = Writer::new(&mut request);
        get_device(&mut w, family, dev);
        let reader = RefCell::new(WireguardReader::default());
        let op = format!("read wireguard device {dev:?}");
        let answer = self.generic()?.dump(
            &mut request,
            &op,
            &mut || drop(reader.take()),
            &mut |_, body| reader.borrow_mut().read(body),
        );
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

    setters! {
        /// Only this owner's.
        protocol: u8;
        /// Only this table's.
        table: u32;
        /// Only those out of this link.
        dev: into String;
    }

    /// Kernels before 4.20 list everything, whatever was asked for.
    fn lets(&self, info: &RouteInfo) -> bool {
        let route = &info.route;
        self.protocol
            .is_none_or(|protocol| protocol == route.protocol)
            && self.table.is_none_or(|table| table == route.table)
            && self.dev.as_ref().is_none_or(|dev| {
                route.nexthop_id.is_some()
                    || route.dev.as_ref() == Some(dev)
                    || route
                        .nexthops
                        .iter()
                        .any(|hop| hop.dev.as_ref() == Some(dev))
            })
    }
}

/// `RTEXT_FILTER_SKIP_STATS`: half of a link's message is counters that nobody asked for.
pub(super) const SKIP_STATS: u32 = 8;

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
    let found = RefCell::new(Vec::new());
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
