//! The docker daemon's configuration, as far as it decides about networks: `daemon.json`.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv6Net};

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Sink};
use crate::model::{Driver, Network, Pairs};
use crate::options::{Options, Profile};
use crate::span::{SourceMap, Span, Spanned};
use crate::text::shorten;
use crate::yaml::{self, Entry, Limits, NodeId, Tree};

/// What `daemon.json` says about networks.
///
/// ```
/// use kraud_compose::{Daemon, Profile};
///
/// let text = r#"{"ipv6": true, "fixed-cidr-v6": "fd00::/80"}"#;
/// let (daemon, diagnostics) = Daemon::load("daemon.json", text, Profile::Lint);
/// let docker0 = daemon.unwrap().docker0_ipv6().unwrap();
/// assert_eq!(docker0.to_string(), "fd00::/80");
/// // The prefix works, but its forty bits are not random.
/// assert_eq!(diagnostics.as_slice()[0].code.to_string(), "KC0228");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Daemon {
    /// `ipv6`: docker0 carries IPv6.
    pub ipv6: Option<Spanned<bool>>,
    /// `ip6tables`: the engine writes IPv6 packet filter rules; on since docker 27.
    pub ip6tables: Option<Spanned<bool>>,
    /// `bip`: address and prefix of docker0.
    pub bip: Option<Spanned<IpNet>>,
    /// `bip6`: IPv6 address and prefix of docker0.
    pub bip6: Option<Spanned<IpNet>>,
    /// `fixed-cidr`: the part of `bip` that containers take addresses from.
    pub fixed_cidr: Option<Spanned<IpNet>>,
    /// `fixed-cidr-v6`: the IPv6 subnet of docker0.
    pub fixed_cidr_v6: Option<Spanned<IpNet>>,
    /// `default-address-pools`: what networks without a subnet are carved from.
    pub default_address_pools: Vec<AddressPool>,
    /// `default-network-opts`: options for new networks, by driver.
    pub default_network_opts: Vec<(String, Pairs)>,
}

/// One of `default-address-pools`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AddressPool {
    /// The prefix that subnets are carved from.
    pub base: Spanned<IpNet>,
    /// The length of each.
    pub size: u8,
}

/// Whether a network carries IPv6, and who decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ipv6Decision {
    /// The network's `enable_ipv6` or driver option, at this place of the compose file.
    Network(bool, Span),
    /// The daemon's `default-network-opts`, at this place of `daemon.json`.
    DefaultOption(bool, Span),
    /// Nobody: off. The daemon's `ipv6` is about docker0 alone.
    Nobody,
}

impl Ipv6Decision {
    /// Whether IPv6 is on.
    #[must_use]
    pub fn is_on(self) -> bool {
        match self {
            Self::Network(on, _) | Self::DefaultOption(on, _) => on,
            Self::Nobody => false,
        }
    }
}

impl Daemon {
    /// Reads a `daemon.json`; keys that are not about networks are passed over.
    #[must_use]
    pub fn load(name: &str, text: &str, profile: Profile) -> (Option<Self>, Diagnostics) {
        let mut sources = SourceMap::default();
        let mut tree = Tree::default();
        let text: Arc<str> = text.into();
        let file = sources.add(name.to_owned(), Arc::clone(&text), None);
        tree.add_text(file, Arc::clone(&text));
        let mut sink = Sink::new(profile);
        let mut quiet = Sink::new(profile);
        let budget = Options::new().budget;
        let mut limits = Limits {
            nodes: budget.nodes,
            depth: budget.depth,
        };
        // JSON is YAML, so one reader serves both; what is no JSON object is refused here.
        let parsed = yaml::parse(&mut tree, file, &text, &mut limits, &mut quiet);
        let object = text.trim_start().starts_with('{');
        let root = parsed.documents.first().copied();
        let root = root.filter(|_| object && !parsed.broken && parsed.documents.len() == 1);
        let Some(root) = root else {
            let found = quiet.finish(Arc::default(), &[]);
            let span = found
                .iter()
                .next()
                .map_or(Span::new(file, 0, 0), |d| d.span);
            sink.push(Diagnostic::new(
                Code::DAEMON_SYNTAX,
                span,
                "this is not a JSON object",
            ));
            return (None, sink.finish(Arc::new(sources), &[]));
        };
        let mut reader = Reader {
            tree: &tree,
            sink: &mut sink,
        };
        let daemon = reader.daemon(root);
        (Some(daemon), sink.finish(Arc::new(sources), &[]))
    }

    /// The IPv6 subnet of docker0: `fixed-cidr-v6`, else that of `bip6`; none without `ipv6`.
    #[must_use]
    pub fn docker0_ipv6(&self) -> Option<IpNet> {
        let on = self.ipv6.is_some_and(|b| b.value);
        let prefix = self.fixed_cidr_v6.or(self.bip6).filter(|_| on)?;
        Some(prefix.trunc())
    }

    /// The IPv4 subnet of docker0 where the file fixes it.
    #[must_use]
    pub fn docker0_ipv4(&self) -> Option<IpNet> {
        Some(self.bip.or(self.fixed_cidr)?.trunc())
    }

    /// `options` with the daemon's own subnets as foreign pools, so that a project's networks are
    /// checked against them.
    #[must_use]
    pub fn reserve(&self, mut options: Options) -> Options {
        for net in [self.docker0_ipv4(), self.docker0_ipv6()]
            .into_iter()
            .flatten()
        {
            options = options.foreign_pool("docker0", net);
        }
        options
    }

    /// Whether a network of a compose file carries IPv6 under this daemon, and who decided.
    #[must_use]
    pub fn network_ipv6(&self, network: &Network) -> Ipv6Decision {
        if let Some(on) = network.enable_ipv6 {
            return Ipv6Decision::Network(on.value, on.span);
        }
        let driver = match &network.driver {
            Driver::Ipip => Driver::Overlay,
            driver => driver.clone(),
        };
        let mut opts = self.default_network_opts.iter();
        let opts = opts.find(|(name, _)| name == driver.as_str());
        let option = opts.and_then(|(_, opts)| {
            let mut opts = opts.iter();
            opts.find(|(key, _)| key.value == "com.docker.network.enable_ipv6")
        });
        match option {
            Some((key, value)) => Ipv6Decision::DefaultOption(value.value == "true", key.span),
            None => Ipv6Decision::Nobody,
        }
    }
}

struct Reader<'a> {
    tree: &'a Tree,
    sink: &'a mut Sink,
}

impl Reader<'_> {
    fn daemon(&mut self, root: NodeId) -> Daemon {
        let mut daemon = Daemon::default();
        for e in self.tree.entries(root).unwrap_or_default() {
            match self.tree.str(e.key).unwrap_or_default() {
                "bip" => daemon.bip = self.cidr(e, Some(true)),
                "bip6" => daemon.bip6 = self.cidr(e, Some(false)),
                "default-address-pools" => {
                    for &item in self.tree.items(e.value).unwrap_or_default() {
                        daemon.default_address_pools.extend(self.pool(item));
                    }
                }
                "default-network-opts" => {
                    for driver in self.tree.entries(e.value).unwrap_or_default() {
                        let name = self.tree.str(driver.key).unwrap_or_default().to_owned();
                        let opts = self.tree.entries(driver.value).unwrap_or_default();
                        let text = |id| {
                            let text = self.tree.str(id).unwrap_or_default();
                            Spanned::new(text.to_owned(), self.tree.span(id))
                        };
                        let opts = opts.iter().map(|o| (text(o.key), text(o.value))).collect();
                        daemon.default_network_opts.push((name, opts));
                    }
                }
                "fixed-cidr" => daemon.fixed_cidr = self.cidr(e, Some(true)),
                "fixed-cidr-v6" => daemon.fixed_cidr_v6 = self.fixed_v6(e),
                "ip6tables" => daemon.ip6tables = self.boolean(e),
                "ipv6" => daemon.ipv6 = self.boolean(e),
                _ => {}
            }
        }
        if let (Some(on), None, None) = (
            daemon.ipv6.filter(|b| b.value),
            daemon.fixed_cidr_v6,
            daemon.bip6,
        ) {
            let empty = daemon
                .default_address_pools
                .iter()
                .all(|p| p.base.addr().is_ipv4());
            if empty {
                let d = Diagnostic::new(
                    Code::DAEMON_CIDR,
                    on.span,
                    "`ipv6` without `fixed-cidr-v6`: docker before 27 does not start with this",
                );
                self.sink
                    .push(d.help("add a unique local prefix as `fixed-cidr-v6`"));
            }
        }
        daemon
    }

    fn boolean(&mut self, entry: &Entry) -> Option<Spanned<bool>> {
        let span = self.tree.span(entry.value);
        let plain = self.tree.is_plain(entry.value);
        match self.tree.str(entry.value) {
            Some("true") if plain => Some(Spanned::new(true, span)),
            Some("false") if plain => Some(Spanned::new(false, span)),
            _ => {
                let key = self.tree.str(entry.key).unwrap_or_default();
                self.sink.push(Diagnostic::new(
                    Code::DAEMON_SYNTAX,
                    span,
                    format!("`{key}` has to be true or false"),
                ));
                None
            }
        }
    }

    fn cidr(&mut self, entry: &Entry, v4: Option<bool>) -> Option<Spanned<IpNet>> {
        let span = self.tree.span(entry.value);
        let text = self.tree.str(entry.value).unwrap_or_default();
        let key = self.tree.str(entry.key).unwrap_or_default();
        let net = text.parse::<IpNet>().ok();
        match net.filter(|n| v4.is_none_or(|v4| n.addr().is_ipv4() == v4)) {
            Some(net) => Some(Spanned::new(net, span)),
            None => {
                let family = match v4 {
                    Some(true) => "an IPv4 prefix such as 10.7.0.0/24",
                    Some(false) => "an IPv6 prefix such as fd12:3456:789a::/64",
                    None => "a prefix such as 10.7.0.0/24",
                };
                self.sink.push(Diagnostic::new(
                    Code::DAEMON_CIDR,
                    span,
                    format!("`{key}` has to be {family}, not `{}`", shorten(text)),
                ));
                None
            }
        }
    }

    /// The rules of the engine: IPv6, not mapped IPv4, not multicast, and of the link-local space
    /// nothing beyond fe80::/64.
    fn fixed_v6(&mut self, entry: &Entry) -> Option<Spanned<IpNet>> {
        let prefix = self.cidr(entry, Some(false))?;
        let IpNet::V6(net) = prefix.value else {
            return None;
        };
        let first = net.network();
        let link_local = Ipv6Net::new(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10);
        let link_local = link_local.is_ok_and(|l| l.contains(&net));
        let only = Ipv6Net::new(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 64);
        let problem = if first.to_ipv4_mapped().is_some() {
            Some("is IPv4 in disguise")
        } else if first.is_multicast() {
            Some("is multicast")
        } else if link_local && !only.is_ok_and(|only| only.contains(&net)) {
            Some("is link-local, but not inside of fe80::/64")
        } else {
            None
        };
        if let Some(problem) = problem {
            self.sink.push(Diagnostic::new(
                Code::DAEMON_CIDR,
                prefix.span,
                format!("`fixed-cidr-v6` {net} {problem}"),
            ));
            return None;
        }
        crate::check::weak_ula(prefix, self.sink);
        Some(prefix)
    }

    fn pool(&mut self, item: NodeId) -> Option<AddressPool> {
        let base = self.tree.find(item, "base");
        let size = self.tree.find(item, "size");
        let (Some(base_entry), Some(size)) = (base, size) else {
            self.sink.push(Diagnostic::new(
                Code::DAEMON_POOL,
                self.tree.span(item),
                "a default address pool needs `base` and `size`",
            ));
            return None;
        };
        let base = self.cidr(&base_entry, None)?;
        let length = self.tree.str(size.value).and_then(|s| s.parse::<u8>().ok());
        let max = if matches!(base.addr(), IpAddr::V4(_)) {
            32
        } else {
            128
        };
        let Some(length) = length.filter(|n| (base.prefix_len()..=max).contains(n)) else {
            self.sink.push(
                Diagnostic::new(
                    Code::DAEMON_POOL,
                    self.tree.span(size.value),
                    format!(
                        "the size has to be a prefix length from {} to {max}",
                        base.prefix_len()
                    ),
                )
                .also(base.span, "the base"),
            );
            return None;
        };
        Some(AddressPool {
            base: base.map(|b| b.trunc()),
            size: length,
        })
    }
}
