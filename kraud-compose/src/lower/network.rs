//! `networks.<key>`.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Context, keys};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{
    Driver, Ipam, IpipOptions, IpvlanFlag, IpvlanMode, IpvlanOptions, MacvlanMode, MacvlanOptions,
    Network, Pool,
};
use crate::options::Dialect;
use crate::span::{Span, Spanned};
use crate::text::shorten;
use crate::yaml::{Entry, NodeId};

const ENABLE_IPV4: &str = "com.docker.network.enable_ipv4";
const ENABLE_IPV6: &str = "com.docker.network.enable_ipv6";

impl Context<'_> {
    /// The network of an entry of `networks`.
    pub(super) fn network(&mut self, entry: Entry, project: &str) -> Network {
        let key = self.key(entry);
        self.network_key(&key);
        let mut network = empty(key, self.extent(entry));
        let place = format!("network `{}`", shorten(&network.key.value));
        let mut name = None;
        let mut external = None;
        for e in self.entries(entry.value, &place) {
            match self.tree.str(e.key).unwrap_or_default() {
                "attachable" => network.attachable = self.boolean(e.value, "`attachable`"),
                "driver" => network.written_driver = self.optional(e.value, "`driver`"),
                "driver_opts" => network.driver_opts = self.driver_opts(e.value),
                "enable_ipv4" => network.ipv4_key = self.boolean(e.value, "`enable_ipv4`"),
                "enable_ipv6" => network.ipv6_key = self.boolean(e.value, "`enable_ipv6`"),
                "external" => external = self.external(e),
                "internal" => network.internal = self.boolean(e.value, "`internal`"),
                "ipam" => network.ipam = self.ipam(e.value),
                "labels" => network.labels = self.labels(e.value),
                "name" => name = self.optional(e.value, "`name`"),
                "config" | "subnet" | "gateway" | "ip_range" | "aux_addresses" => {
                    self.misplaced(e, "ipam.config");
                }
                _ => self.unknown_key(e, "a network", keys::NETWORK),
            }
        }
        network.external = external.is_some();
        network.has_name = name.is_some();
        network.name = match (name, external) {
            (Some(name), Some(Some(old))) => {
                if name.value != old.value {
                    let d = Diagnostic::new(
                        Code::INVALID_VALUE,
                        old.span,
                        "`external.name` and `name` disagree; `external.name` is obsolete",
                    );
                    self.sink.push(d.also(name.span, "`name` is here"));
                }
                name
            }
            (Some(name), _) | (None, Some(Some(name))) => name,
            (None, Some(None)) => network.key.clone(),
            (None, None) => network.key.clone().map(|key| format!("{project}_{key}")),
        };
        self.families(&mut network);
        self.drive(&mut network);
        network
    }

    /// The `default` that no file declares.
    pub(super) fn default_network(&mut self, span: Span, project: &str) -> Network {
        let key = Spanned::new("default".to_owned(), span);
        let mut network = empty(key, span);
        network.name.value = format!("{project}_default");
        network.implicit = true;
        self.drive(&mut network);
        network
    }

    fn network_key(&mut self, key: &Spanned<String>) {
        let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if key.value.is_empty() || !key.value.chars().all(good) {
            self.sink.push(Diagnostic::new(
                Code::NETWORK_KEY,
                key.span,
                format!(
                    "the network key `{}` may only have letters, digits and `._-`",
                    shorten(&key.value)
                ),
            ));
        }
    }

    fn optional(&mut self, id: NodeId, what: &str) -> Option<Spanned<String>> {
        if self.tree.is_null(id) {
            return None;
        }
        self.string(id, what).filter(|s| !s.value.is_empty())
    }

    fn misplaced(&mut self, entry: Entry, belongs: &str) {
        let key = self.key(entry);
        let d = Diagnostic::new(
            Code::MISPLACED_KEY,
            key.span,
            format!("`{}` belongs under `{belongs}`", key.value),
        );
        self.sink.push(d.help(format!(
            "write\n    ipam:\n      config:\n        - {}: …",
            if key.value == "config" {
                "subnet"
            } else {
                &key.value
            }
        )));
    }

    /// `external: true`, or the old `external: {name: …}`; the inner `None` is "no name".
    #[expect(
        clippy::option_option,
        reason = "not external, external, external with a name"
    )]
    fn external(&mut self, entry: Entry) -> Option<Option<Spanned<String>>> {
        if self.tree.entries(entry.value).is_none() {
            let on = self.boolean(entry.value, "`external`")?;
            return on.value.then_some(None);
        }
        let mut name = None;
        for e in self.entries(entry.value, "`external`") {
            match self.tree.str(e.key).unwrap_or_default() {
                "name" => name = self.optional(e.value, "`external.name`"),
                _ => self.unknown_key(e, "`external`", &["name"]),
            }
        }
        Some(name)
    }

    fn driver_opts(&mut self, id: NodeId) -> Vec<(Spanned<String>, Spanned<String>)> {
        let opts = self.string_map(id, "`driver_opts`");
        for e in self.tree.entries(id).unwrap_or_default().to_vec() {
            // Docker's schema: texts and numbers; a bare `true` is refused.
            let text = self.tree.str(e.value).unwrap_or_default();
            if self.tree.is_plain(e.value) && matches!(text, "true" | "false") {
                let span = self.tree.span(e.value);
                let key = self.key(e).value;
                let d = Diagnostic::new(
                    Code::INVALID_VALUE,
                    span,
                    format!(
                        "the driver option `{key}` has to be a text or a number, not a boolean"
                    ),
                );
                self.sink.push(d.help("put it in quotes").fix(
                    "put it in quotes",
                    span,
                    format!("\"{text}\""),
                ));
            }
        }
        opts
    }

    /// Which of the two spellings of each family's switch holds.
    fn families(&mut self, network: &mut Network) {
        let option = |name: &str| {
            let found = network.driver_opts.iter().find(|(k, _)| k.value == name);
            found.map(|(_, v)| v.clone())
        };
        for (key, option, slot) in [
            (
                network.ipv4_key,
                option(ENABLE_IPV4),
                &mut network.enable_ipv4,
            ),
            (
                network.ipv6_key,
                option(ENABLE_IPV6),
                &mut network.enable_ipv6,
            ),
        ] {
            let by_option =
                option
                    .as_ref()
                    .and_then(|value| match value.value.to_ascii_lowercase().as_str() {
                        "1" | "t" | "true" => Some(Spanned::new(true, value.span)),
                        "0" | "f" | "false" => Some(Spanned::new(false, value.span)),
                        other => {
                            self.sink.push(Diagnostic::new(
                                Code::DRIVER_OPTION,
                                value.span,
                                format!(
                                    "`{}` is no boolean; write \"true\" or \"false\"",
                                    shorten(other)
                                ),
                            ));
                            None
                        }
                    });
            // The engine takes the option where it is given.
            *slot = by_option.or(key);
        }
    }

    /// The driver in effect and its typed options.
    fn drive(&mut self, network: &mut Network) {
        network.driver = match (&network.written_driver, self.dialect) {
            (Some(written), _) => Driver::from(written.value.as_str()),
            (None, Dialect::Kraud) => Driver::Ipip,
            (None, Dialect::Docker) => Driver::Bridge,
        };
        match network.driver {
            Driver::Ipvlan => network.ipvlan = self.ipvlan(&network.driver_opts),
            Driver::Macvlan => network.macvlan = self.macvlan(&network.driver_opts),
            Driver::Ipip | Driver::Overlay => network.ipip = self.ipip(&network.driver_opts),
            _ => {}
        }
    }

    fn ipvlan(&mut self, opts: &[(Spanned<String>, Spanned<String>)]) -> IpvlanOptions {
        let mut out = IpvlanOptions::default();
        for (key, value) in opts {
            match key.value.as_str() {
                "ipvlan_mode" | "mode" => {
                    out.mode = self.keyword(value, IpvlanMode::NAMES).unwrap_or_default();
                }
                "ipvlan_flag" | "flag" => {
                    out.flag = self.keyword(value, IpvlanFlag::NAMES).unwrap_or_default();
                }
                "parent" => out.parent = Some(value.clone()).filter(|p| !p.value.is_empty()),
                _ => {}
            }
        }
        out
    }

    fn macvlan(&mut self, opts: &[(Spanned<String>, Spanned<String>)]) -> MacvlanOptions {
        let mut out = MacvlanOptions::default();
        for (key, value) in opts {
            match key.value.as_str() {
                "macvlan_mode" | "mode" => {
                    out.mode = self.keyword(value, MacvlanMode::NAMES).unwrap_or_default();
                }
                "parent" => out.parent = Some(value.clone()).filter(|p| !p.value.is_empty()),
                _ => {}
            }
        }
        out
    }

    fn ipip(&mut self, opts: &[(Spanned<String>, Spanned<String>)]) -> IpipOptions {
        let mut out = IpipOptions::default();
        for (key, value) in opts {
            match key.value.as_str() {
                "com.docker.network.driver.mtu" | "mtu" => {
                    out.mtu = self.number(value, "the MTU", 1280, 65535);
                }
                "hop_limit" => {
                    let limit = self.number(value, "the hop limit", 1, 255);
                    out.hop_limit = limit.map(|n| n.map(|n| u8::try_from(n).unwrap_or(u8::MAX)));
                }
                _ => {}
            }
        }
        out
    }

    fn number(
        &mut self,
        value: &Spanned<String>,
        what: &str,
        min: u32,
        max: u32,
    ) -> Option<Spanned<u32>> {
        let n = value.value.parse().ok().filter(|n| (min..=max).contains(n));
        if n.is_none() {
            self.sink.push(Diagnostic::new(
                Code::DRIVER_OPTION,
                value.span,
                format!("{what} has to be a number from {min} to {max}"),
            ));
        }
        n.map(|n| Spanned::new(n, value.span))
    }

    fn ipam(&mut self, id: NodeId) -> Ipam {
        let mut ipam = Ipam::default();
        for e in self.entries(id, "`ipam`") {
            match self.tree.str(e.key).unwrap_or_default() {
                "config" => ipam.pools = self.pools(e.value),
                "driver" => ipam.driver = self.optional(e.value, "`ipam.driver`"),
                "options" => ipam.options = self.string_map(e.value, "`ipam.options`"),
                "subnet" | "gateway" | "ip_range" | "aux_addresses" => {
                    self.misplaced(e, "ipam.config");
                }
                _ => self.unknown_key(e, "`ipam`", keys::IPAM),
            }
        }
        ipam
    }

    fn pools(&mut self, id: NodeId) -> Vec<Pool> {
        if self.tree.is_null(id) {
            return Vec::new();
        }
        let Some(items) = self.tree.items(id).map(<[NodeId]>::to_vec) else {
            let mut d = self.wrong_type(id, "`ipam.config`", "a list of mappings");
            let has_subnet = self.find(id, "subnet").is_some();
            if has_subnet {
                d = d.help("put `- ` before `subnet`");
            }
            self.sink.push(d);
            // What is meant is plain: one pool.
            return if has_subnet {
                self.pool(id).into_iter().collect()
            } else {
                Vec::new()
            };
        };
        items
            .into_iter()
            .filter_map(|item| self.pool(item))
            .collect()
    }

    fn pool(&mut self, id: NodeId) -> Option<Pool> {
        if self.tree.entries(id).is_none() {
            let mut d = self.wrong_type(id, "an entry of `ipam.config`", "a mapping");
            if self
                .tree
                .str(id)
                .is_some_and(|s| s.parse::<IpNet>().is_ok())
            {
                let span = self.tree.span(id);
                let start = Span {
                    end: span.start,
                    ..span
                };
                d = d.help("write `subnet: ` before it").fix(
                    "name the attribute",
                    start,
                    "subnet: ",
                );
            }
            self.sink.push(d);
            return None;
        }
        let mut pool = Pool {
            subnet: None,
            gateway: None,
            ip_range: None,
            aux_addresses: Vec::new(),
            span: self.tree.span(id),
            node: id,
        };
        for e in self.entries(id, "an entry of `ipam.config`") {
            match self.tree.str(e.key).unwrap_or_default() {
                "aux_addresses" => {
                    for aux in self.entries(e.value, "`aux_addresses`") {
                        let name = self.key(aux);
                        if let Some(ip) = self.ip(aux.value, Code::BAD_AUX, "an auxiliary address")
                        {
                            pool.aux_addresses.push((name, ip));
                        }
                    }
                }
                "gateway" => pool.gateway = self.gateway(e),
                "ip_range" => pool.ip_range = self.net(e, Code::BAD_RANGE, "`ip_range`"),
                "subnet" => pool.subnet = self.net(e, Code::BAD_SUBNET, "the subnet"),
                _ => self.unknown_key(e, "an entry of `ipam.config`", keys::POOL),
            }
        }
        Some(pool)
    }

    fn gateway(&mut self, entry: Entry) -> Option<Spanned<IpAddr>> {
        // An empty gateway is the engine's business: it takes the first usable address.
        if self.tree.is_null(entry.value) || self.tree.str(entry.value) == Some("") {
            return None;
        }
        self.ip(entry.value, Code::BAD_GATEWAY, "the gateway")
    }

    fn ip(&mut self, id: NodeId, code: Code, what: &str) -> Option<Spanned<IpAddr>> {
        let text = self.tree.str(id).unwrap_or_default();
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Some(Spanned::new(ip, self.tree.span(id)));
        }
        let mut d = Diagnostic::new(
            code,
            self.place(id),
            format!("{what} `{}` is not an IP address", self.shown(id)),
        );
        if let Some(Ok(ip)) = text.split_once('/').map(|(ip, _)| ip.parse::<IpAddr>()) {
            let span = self.tree.span(id);
            d = d.help("leave the prefix length out").fix(
                "leave the prefix length out",
                span,
                ip.to_string(),
            );
        }
        self.sink.push(d);
        None
    }

    /// A prefix in canonical form; host bits are reported, then cleared.
    fn net(&mut self, entry: Entry, code: Code, what: &str) -> Option<Spanned<IpNet>> {
        let id = entry.value;
        let span = self.tree.span(id);
        let text = self.tree.str(id).unwrap_or_default();
        let blank = self.tree.is_null(id) || (text.is_empty() && self.tree.str(id).is_some());
        if blank {
            let variable = self.is_variable(id);
            let mut d = Diagnostic::new(
                if code == Code::BAD_SUBNET {
                    Code::EMPTY_SUBNET
                } else {
                    code
                },
                if variable {
                    span
                } else {
                    self.tree.span(entry.key)
                },
                format!("{what} is empty"),
            );
            d = if variable {
                d.help("its variable is not set; give it a default as in `${SUBNET:-10.7.0.0/24}`")
            } else {
                d.help("write a prefix such as 10.7.0.0/24, or leave the entry out for an automatic one")
            };
            self.sink.push(d);
            return None;
        }
        let Ok(net) = text.parse::<IpNet>() else {
            let mut d = Diagnostic::new(
                code,
                self.place(id),
                format!(
                    "{what} `{}` is not a prefix such as 10.7.0.0/24",
                    self.shown(id)
                ),
            );
            let length = text.split_once('/').map(|(_, length)| length);
            match (text.parse::<IpAddr>(), length) {
                (Ok(ip), _) => {
                    let bits = if ip.is_ipv4() { 24 } else { 64 };
                    d = d.help(format!("add the prefix length, as in {ip}/{bits}"));
                }
                (_, Some(length)) if length.parse::<u32>().is_ok_and(|n| n > 32) => {
                    d = d.help("a prefix length is at most 32 for IPv4 and 128 for IPv6");
                }
                _ => {}
            }
            self.sink.push(d);
            return None;
        };
        let canonical = net.trunc();
        if canonical != net {
            let subject = if code == Code::BAD_RANGE {
                "the range"
            } else {
                "the subnet"
            };
            let d = Diagnostic::new(
                Code::HOST_BITS,
                span,
                format!(
                    "{subject} {} has host bits set; it is taken as {canonical}",
                    self.shown(id)
                ),
            );
            self.sink
                .push(d.help("current docker engines refuse it").fix(
                    format!("write {canonical}"),
                    span,
                    canonical.to_string(),
                ));
        }
        Some(Spanned::new(canonical, span))
    }
}

fn empty(key: Spanned<String>, span: Span) -> Network {
    Network {
        name: key.clone(),
        key,
        driver: Driver::Bridge,
        written_driver: None,
        driver_opts: Vec::new(),
        ipvlan: IpvlanOptions::default(),
        macvlan: MacvlanOptions::default(),
        ipip: IpipOptions::default(),
        ipam: Ipam::default(),
        internal: None,
        external: false,
        attachable: None,
        enable_ipv4: None,
        enable_ipv6: None,
        labels: Vec::new(),
        implicit: false,
        span,
        ipv4_key: None,
        ipv6_key: None,
        has_name: false,
    }
}
