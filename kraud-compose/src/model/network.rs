//! A network and its address pools.

use std::net::IpAddr;

use ipnet::IpNet;

use super::driver::{Driver, IpipOptions, IpvlanMode, IpvlanOptions, MacvlanOptions};
use crate::span::{Span, Spanned};

/// Names and values in file order, each with its place.
pub type Pairs = Vec<(Spanned<String>, Spanned<String>)>;

/// A network of the project.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Network {
    /// The key in the file; for the implicit `default` the span is that of a service in it.
    pub key: Spanned<String>,
    /// The effective name: `name`, else `<project>_<key>`, else (external) the key.
    pub name: Spanned<String>,
    /// The driver in effect: as written, else `ipip` in kraud's dialect and `bridge` in docker's.
    pub driver: Driver,
    /// The driver as it is written, aliases kept; `None` when the file names none.
    pub written_driver: Option<Spanned<String>>,
    /// The driver's options as they are written.
    pub driver_opts: Pairs,
    /// The options of an ipvlan network; defaults for other drivers.
    pub ipvlan: IpvlanOptions,
    /// The options of a macvlan network; defaults for other drivers.
    pub macvlan: MacvlanOptions,
    /// The options of an ipip network; defaults for other drivers.
    pub ipip: IpipOptions,
    /// Address management.
    pub ipam: Ipam,
    /// No way out to other networks.
    pub internal: Option<Spanned<bool>>,
    /// Somebody else makes it.
    pub external: bool,
    /// Containers outside of the project may join it.
    pub attachable: Option<Spanned<bool>>,
    /// `enable_ipv4`, or docker's driver option of that name.
    pub enable_ipv4: Option<Spanned<bool>>,
    /// `enable_ipv6`, or docker's driver option of that name.
    pub enable_ipv6: Option<Spanned<bool>>,
    /// Labels.
    pub labels: Pairs,
    /// The file does not declare it: it is the `default` that a service without networks joins.
    pub implicit: bool,
    /// The whole declaration, the key included.
    pub span: Span,
    pub(crate) ipv4_key: Option<Spanned<bool>>,
    pub(crate) ipv6_key: Option<Spanned<bool>>,
    pub(crate) has_name: bool,
}

impl Network {
    /// Whether the network is cut off from others.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.internal.is_some_and(|b| b.value)
    }

    /// Whether it carries IPv4: yes unless switched off.
    #[must_use]
    pub fn has_ipv4(&self) -> bool {
        self.enable_ipv4.is_none_or(|b| b.value)
    }

    /// Whether it carries IPv6: as switched; else kraud's overlay does and docker's networks do
    /// not.
    #[must_use]
    pub fn has_ipv6(&self) -> bool {
        self.enable_ipv6
            .map_or(self.driver.is_kraud_overlay(), |b| b.value)
    }

    /// The name of the bridge link, where the file fixes it
    /// (`com.docker.network.bridge.name`); without it docker makes one up. Never `docker0` by
    /// itself: that is the link of the predefined `bridge` network alone.
    #[must_use]
    pub fn bridge_name(&self) -> Option<&Spanned<String>> {
        let mut opts = self.driver_opts.iter();
        let found = opts.find(|(key, _)| key.value == "com.docker.network.bridge.name");
        found.map(|(_, name)| name)
    }

    /// The address that a pool's members send to for other networks: the gateway as it is written,
    /// else the first usable address. `None` where there is no gateway: in ipvlan L3 and L3S (the
    /// route is the device), in internal networks, and in pools without a subnet.
    #[must_use]
    pub fn gateway(&self, pool: &Pool) -> Option<IpAddr> {
        let device = self.driver == Driver::Ipvlan && self.ipvlan.mode != IpvlanMode::L2;
        if device || self.is_internal() {
            return None;
        }
        let first = || Some(crate::lower::first_usable(pool.subnet?.value));
        pool.gateway.map(|g| g.value).or_else(first)
    }

    /// The canonical subnets in file order.
    pub fn subnets(&self) -> impl Iterator<Item = IpNet> + '_ {
        self.ipam.pools.iter().filter_map(|p| Some(p.subnet?.value))
    }

    /// The pool whose subnet contains the address; the longest prefix where several do.
    #[must_use]
    pub fn pool_of(&self, address: IpAddr) -> Option<&Pool> {
        let pools = self.ipam.pools.iter();
        pools
            .filter_map(|pool| Some((pool.subnet?, pool)))
            .filter(|(subnet, _)| subnet.contains(&address))
            .max_by_key(|(subnet, _)| subnet.prefix_len())
            .map(|(_, pool)| pool)
    }
}

/// The `ipam` of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ipam {
    /// The driver; docker's own is `default`.
    pub driver: Option<Spanned<String>>,
    /// `config`, in file order.
    pub pools: Vec<Pool>,
    /// Options for the driver.
    pub options: Pairs,
}

/// One entry of `ipam.config`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pool {
    /// The subnet in canonical form, host bits cleared. `None` where it is missing or unreadable.
    pub subnet: Option<Spanned<IpNet>>,
    /// The gateway as it is written. Without one it is up to whoever builds the network.
    pub gateway: Option<Spanned<IpAddr>>,
    /// Where addresses for those without a fixed one come from, in canonical form.
    pub ip_range: Option<Spanned<IpNet>>,
    /// Addresses that are taken by somebody outside, with their names.
    pub aux_addresses: Vec<(Spanned<String>, Spanned<IpAddr>)>,
    /// The whole entry.
    pub span: Span,
    pub(crate) node: crate::yaml::NodeId,
}
