//! What a host has before anything is planned on it: the links that networks can stand on, and what is taken.

use std::net::IpAddr;

use ipnet::IpNet;
use kraud_netlink::{
    AddressInfo, Handle, Ipvlan, Link, LinkInfo, LinkKind, LinkState, Netns, Result, RouteInfo,
    Scope,
};

use crate::model::{Family, NOTE};

/// The state of a host's network namespace. Reading it needs no privilege.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// Its links.
    pub links: Vec<LinkInfo>,
    /// Their addresses.
    pub addresses: Vec<AddressInfo>,
    /// Its routes.
    pub routes: Vec<RouteInfo>,
    /// The ipvlan slaves that other namespaces have on its links.
    pub slaves: Vec<Slave>,
}

/// An ipvlan slave in another namespace. The mode of its parent is as much its own as everybody's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slave {
    /// The namespace.
    pub netns: String,
    /// The parent's index on the host.
    pub parent: u32,
    /// Its mode and flag.
    pub is: Ipvlan,
}

impl Site {
    /// Reads it from the kernel.
    ///
    /// # Errors
    ///
    /// Those of netlink dumps.
    pub fn read(kernel: &mut Handle) -> Result<Self> {
        Ok(Self {
            links: kernel.links()?,
            addresses: kernel.addresses()?,
            routes: kernel.routes()?,
            slaves: slaves(kernel)?,
        })
    }

    /// A host that is yet to be made, with links of these names and the MTU of Ethernet.
    #[must_use]
    pub fn with_links(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let links = names.into_iter().zip(2..);
        Self {
            links: links
                .map(|(name, index)| ethernet(name.into(), index))
                .collect(),
            ..Self::default()
        }
    }

    /// The site as it would be without what carries the note `owner`: a second run plans the same as the first.
    #[must_use]
    pub fn without(mut self, owner: &str) -> Self {
        let (ours, links) = self
            .links
            .into_iter()
            .partition(|info| info.link.alias.as_deref() == Some(owner));
        self.links = links;
        let ours: Vec<LinkInfo> = ours;
        let is_ours = |index: u32| ours.iter().any(|info| info.index == index);
        self.addresses.retain(|info| !is_ours(info.index));
        self.routes.retain(|info| {
            !info.index.is_some_and(is_ours) && info.route.protocol != crate::plan::PROTOCOL
        });
        self
    }

    /// The links that an ipvlan network may take as its parent as they are. What kraud made, for whatever project, is
    /// not among them: each project asks for it, so that it stays as long as one of them does.
    #[must_use]
    pub fn foreign_links(&self) -> Vec<LinkInfo> {
        let is_ours = |info: &LinkInfo| {
            let note = info.link.alias.as_deref();
            note.is_some_and(|note| note.starts_with(NOTE))
        };
        let links = self.links.iter().filter(|info| !is_ours(info));
        links.cloned().collect()
    }

    /// The link of that name.
    #[must_use]
    pub fn link(&self, name: &str) -> Option<&LinkInfo> {
        self.links.iter().find(|info| info.link.name == name)
    }

    /// A link's first address of that family that others can send to.
    #[must_use]
    pub fn address(&self, link: &str, family: Family) -> Option<IpAddr> {
        let mut own = self
            .addresses
            .iter()
            .filter(|info| info.address.dev == link);
        let found = own.find(|info| {
            let global = matches!(info.address.scope, None | Some(Scope::GLOBAL));
            global && Family::of(info.address.net.addr()) == family
        });
        found.map(|info| info.address.net.addr())
    }

    /// The subnets of a link's addresses.
    pub fn subnets<'a>(&'a self, link: &'a str) -> impl Iterator<Item = IpNet> + 'a {
        let own = self
            .addresses
            .iter()
            .filter(move |info| info.address.dev == link);
        own.map(|info| info.address.net.trunc())
    }

    /// The link that packets for elsewhere leave by.
    #[must_use]
    pub fn uplink(&self, family: Family) -> Option<&str> {
        let is_default = |info: &&RouteInfo| {
            let dst = info.route.dst;
            dst.prefix_len() == 0 && Family::of_prefix(dst) == family
        };
        let best = self.routes.iter().filter(is_default);
        let best = best.min_by_key(|info| info.route.metric.unwrap_or(0));
        best?.route.dev.as_deref()
    }
}

/// The slaves in named namespaces; what may not be entered is left to the kernel to refuse.
fn slaves(kernel: &mut Handle) -> Result<Vec<Slave>> {
    let here = kernel.netns().clone();
    let mut slaves = Vec::new();
    for name in Netns::names()? {
        let Ok(mut other) = Netns::open(&name).and_then(|netns| netns.handle()) else {
            continue;
        };
        for info in other.links()? {
            let (LinkKind::Ipvlan(is), Some(parent), Some(id)) =
                (info.link.kind, info.parent_index, info.parent_netns_id)
            else {
                continue;
            };
            // A namespace that holds a parent has a number there already.
            if other.netns_id(&here)? == id {
                slaves.push(Slave {
                    netns: name.clone(),
                    parent,
                    is,
                });
            }
        }
    }
    Ok(slaves)
}

fn ethernet(name: String, index: u32) -> LinkInfo {
    LinkInfo {
        index,
        link: Link::new(name, LinkKind::Physical).mtu(crate::plan::ETHERNET),
        state: LinkState {
            up: true,
            ..LinkState::default()
        },
        parent_index: None,
        parent_netns_id: None,
        master_index: None,
        bridge_port: None,
        alt_names: Vec::new(),
        other: Vec::new(),
    }
}
