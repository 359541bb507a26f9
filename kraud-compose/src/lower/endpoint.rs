//! A service's `networks`: endpoints and their addresses.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{Context, keys};
use crate::diagnostic::{Code, Diagnostic, closest};
use crate::model::{Endpoint, Ipv4Assignment, Ipv6Assignment, MacAddr, Network};
use crate::options::Dialect;
use crate::span::Spanned;
use crate::text::shorten;
use crate::yaml::{Entry, NodeId};

/// The declared networks, for references.
pub(super) struct Known<'a> {
    pub(super) networks: &'a [Network],
    pub(super) index: HashMap<&'a str, usize>,
    /// The index that an implicit `default` will have.
    pub(super) implicit: usize,
}

impl Known<'_> {
    pub(super) fn find(&self, key: &str) -> Option<usize> {
        let found = self.index.get(key).copied();
        found.or_else(|| (key == "default").then_some(self.implicit))
    }
}

impl Context<'_> {
    /// The endpoints that `networks` of a service asks for, in file order.
    pub(super) fn endpoints(
        &mut self,
        id: NodeId,
        service: &Spanned<String>,
        known: &Known<'_>,
    ) -> Vec<Endpoint> {
        let mut out: Vec<Endpoint> = Vec::new();
        if let Some(entries) = self.tree.entries(id).map(<[Entry]>::to_vec) {
            for entry in entries {
                let key = self.key(entry);
                if key.value.starts_with("x-") && known.find(&key.value).is_none() {
                    continue;
                }
                if let Some(mut endpoint) = self.resolve(key, service, known) {
                    self.fill(&mut endpoint, entry.value, known);
                    out.push(endpoint);
                }
            }
            return out;
        }
        for key in self.strings(id, "`networks` of a service") {
            if let Some(first) = out.iter().find(|e| e.network.value == key.value) {
                let d = Diagnostic::new(
                    Code::DUPLICATE_NETWORK,
                    key.span,
                    format!(
                        "service `{}` names the network `{}` twice",
                        shorten(&service.value),
                        shorten(&key.value)
                    ),
                );
                self.sink.push(d.also(first.network.span, "first here"));
            } else if let Some(endpoint) = self.resolve(key, service, known) {
                out.push(endpoint);
            }
        }
        out
    }

    /// The bare endpoint in a network; reports a network that nobody defines.
    fn resolve(
        &mut self,
        key: Spanned<String>,
        service: &Spanned<String>,
        known: &Known<'_>,
    ) -> Option<Endpoint> {
        if let Some(index) = known.find(&key.value) {
            return Some(bare(key, index));
        }
        let mut d = Diagnostic::new(
            Code::UNDEFINED_NETWORK,
            key.span,
            format!(
                "service `{}` refers to undefined network `{}`",
                shorten(&service.value),
                shorten(&key.value)
            ),
        )
        .label("not defined under `networks`");
        let declared = || known.networks.iter();
        let names = declared().map(|n| n.key.value.as_str()).chain(["default"]);
        let near = closest(&key.value, names);
        // With one network in the file there is nothing else that could be meant.
        let only = || match known.networks {
            [only] => Some(only.key.value.as_str()),
            _ => None,
        };
        if let Some(meant) = near.or_else(only) {
            d = d.help(format!("did you mean `{meant}`?")).fix(
                format!("write `{meant}`"),
                key.span,
                meant,
            );
            if let Some(network) = declared().find(|n| n.key.value == meant) {
                d = d.also(network.key.span, format!("`{meant}` is defined here"));
            }
        } else if known.networks.is_empty() {
            d = d.help(format!(
                "define it at the end of the file:\nnetworks:\n  {}:",
                shorten(&key.value)
            ));
        }
        self.sink.push(d);
        None
    }

    fn fill(&mut self, endpoint: &mut Endpoint, id: NodeId, known: &Known<'_>) {
        let network = known.networks.get(endpoint.network_index);
        endpoint.node = Some(id).filter(|&id| !self.tree.is_null(id));
        for e in self.entries(id, "a network of a service") {
            let value = e.value;
            match self.tree.str(e.key).unwrap_or_default() {
                "aliases" => {
                    let aliases = self.strings(value, "`aliases`");
                    endpoint.aliases = self.unique(aliases, "`aliases`");
                }
                "driver_opts" => endpoint.driver_opts = self.string_map(value, "`driver_opts`"),
                "gw_priority" => endpoint.gw_priority = self.integer(value, "`gw_priority`"),
                "interface_name" => {
                    endpoint.interface_name = self.string(value, "`interface_name`");
                }
                "ipv4_address" => endpoint.ipv4_address = self.ipv4(e, network),
                "ipv6_address" => endpoint.ipv6_address = self.ipv6(e, network),
                "link_local_ips" => {
                    for ip in self.strings(value, "`link_local_ips`") {
                        match ip.value.parse::<IpAddr>() {
                            Ok(address) => {
                                endpoint.link_local_ips.push(ip.map(|_| address));
                            }
                            Err(_) => self.sink.push(Diagnostic::new(
                                Code::BAD_ADDRESS,
                                ip.span,
                                format!("`{}` is not an IP address", shorten(&ip.value)),
                            )),
                        }
                    }
                }
                "mac_address" => endpoint.mac_address = self.mac(value),
                "priority" => endpoint.priority = self.integer(value, "`priority`"),
                _ => self.unknown_key(e, "a network of a service", keys::ENDPOINT),
            }
        }
    }

    /// A MAC address; blank is none.
    pub(super) fn mac(&mut self, id: NodeId) -> Option<Spanned<MacAddr>> {
        let text = self.string(id, "`mac_address`")?;
        if text.value.is_empty() {
            return None;
        }
        match text.value.parse() {
            Ok(mac) => Some(text.map(|_| mac)),
            Err(error) => {
                let d = Diagnostic::new(
                    Code::BAD_MAC,
                    text.span,
                    format!("`{}` is not a MAC address: {error}", self.shown(id)),
                );
                self.sink.push(d);
                None
            }
        }
    }

    /// The text of an address, when there is one.
    fn address_text(&mut self, entry: Entry) -> Option<Spanned<String>> {
        let key = self.tree.str(entry.key).unwrap_or_default();
        let what = format!("`{key}`");
        if self.tree.is_null(entry.value) {
            let d = Diagnostic::new(
                Code::BAD_ADDRESS,
                self.tree.span(entry.key),
                format!("{what} is empty"),
            );
            self.sink
                .push(d.help("write an address, or leave it out for an automatic one"));
            return None;
        }
        let text = self.string(entry.value, &what)?;
        if text.value.is_empty() {
            let d = Diagnostic::new(Code::BAD_ADDRESS, text.span, format!("{what} is blank"));
            let help = if self.is_variable(entry.value) {
                "its variable is not set; give it a default, or use `${NAME:?…}` to insist on one"
            } else {
                "write an address, or leave it out for an automatic one"
            };
            self.sink.push(d.help(help));
            return None;
        }
        Some(text)
    }

    fn ipv4(&mut self, entry: Entry, network: Option<&Network>) -> Option<Spanned<Ipv4Assignment>> {
        let text = self.address_text(entry)?;
        if let Ok(ip) = text.value.parse::<Ipv4Addr>() {
            return Some(text.map(|_| Ipv4Assignment::Address(ip)));
        }
        if let Ok(net) = text.value.parse::<Ipv4Net>() {
            let subnets = subnets(network).filter_map(|s| match s {
                IpNet::V4(net) => Some(net),
                IpNet::V6(_) => None,
            });
            let mut around = subnets.filter(|s| s.contains(&net.addr()));
            let around = around.next().map(IpNet::V4);
            let read = self.prefix(entry.value, net.into(), around)?;
            return match read {
                Reading::Address(IpAddr::V4(ip)) => Some(text.map(|_| Ipv4Assignment::Address(ip))),
                Reading::Prefix(IpNet::V4(net)) => Some(text.map(|_| Ipv4Assignment::Prefix(net))),
                _ => None,
            };
        }
        self.refuse(
            entry,
            &text,
            text.value.parse::<Ipv6Addr>().is_ok(),
            "IPv4",
            "ipv6_address",
        );
        None
    }

    fn ipv6(&mut self, entry: Entry, network: Option<&Network>) -> Option<Spanned<Ipv6Assignment>> {
        let text = self.address_text(entry)?;
        if let Ok(ip) = text.value.parse::<Ipv6Addr>() {
            if ip.to_ipv4_mapped().is_some() {
                let d = Diagnostic::new(
                    Code::BAD_ADDRESS,
                    text.span,
                    format!(
                        "`{}` is an IPv4 address in disguise",
                        self.shown(entry.value)
                    ),
                );
                self.sink.push(d.help("write it as `ipv4_address`"));
                return None;
            }
            return Some(text.map(|_| Ipv6Assignment::Address(ip)));
        }
        if let Ok(net) = text.value.parse::<Ipv6Net>() {
            let subnets = subnets(network).filter_map(|s| match s {
                IpNet::V6(net) => Some(net),
                IpNet::V4(_) => None,
            });
            let mut around = subnets.filter(|s| s.contains(&net.addr()));
            let around = around.next().map(IpNet::V6);
            let read = self.prefix(entry.value, net.into(), around)?;
            return match read {
                Reading::Address(IpAddr::V6(ip)) => Some(text.map(|_| Ipv6Assignment::Address(ip))),
                Reading::Prefix(IpNet::V6(net)) => Some(text.map(|_| Ipv6Assignment::Prefix(net))),
                _ => None,
            };
        }
        self.refuse(
            entry,
            &text,
            text.value.parse::<Ipv4Addr>().is_ok(),
            "IPv6",
            "ipv4_address",
        );
        None
    }

    /// An address that is no address of its family.
    fn refuse(
        &mut self,
        entry: Entry,
        text: &Spanned<String>,
        other_family: bool,
        family: &str,
        other_key: &str,
    ) {
        let shown = self.shown(entry.value);
        let d = if other_family {
            let key = self.tree.span(entry.key);
            Diagnostic::new(
                Code::WRONG_FAMILY,
                text.span,
                format!("`{shown}` is not an {family} address"),
            )
            .help(format!("write it as `{other_key}`"))
            .fix(format!("write it as `{other_key}`"), key, other_key)
        } else {
            let d = Diagnostic::new(
                Code::BAD_ADDRESS,
                text.span,
                format!("`{shown}` is not an {family} address"),
            );
            match why_bad(&text.value) {
                Some(why) => d.help(why),
                None => d,
            }
        };
        self.sink.push(d);
    }

    /// What an address with a prefix length means.
    ///
    /// Kraud's dialect: host bits zero and longer than the subnet, the prefix is delegated to the
    /// service; host bits set and the length of the subnet, it is the address. Everything else,
    /// and all of it in docker's dialect, is an error that names both readings.
    fn prefix(&mut self, id: NodeId, net: IpNet, around: Option<IpNet>) -> Option<Reading> {
        let span = self.tree.span(id);
        let full = net.trunc() == net;
        let longer = around.is_none_or(|s| net.prefix_len() > s.prefix_len());
        let same = around.is_some_and(|s| net.prefix_len() == s.prefix_len());
        let address = if full { first_usable(net) } else { net.addr() };
        if self.dialect == Dialect::Kraud {
            if full && longer {
                return Some(Reading::Prefix(net));
            }
            if !full && same {
                let d = Diagnostic::new(
                    Code::PREFIX_NOTE,
                    span,
                    format!(
                        "{} is taken as the address {address} in its subnet",
                        self.shown(id)
                    ),
                );
                let bare = address.to_string();
                self.sink
                    .push(d.fix("leave the prefix length out", span, bare));
                return Some(Reading::Address(address));
            }
        }
        let shown = self.shown(id);
        let delegated = net.trunc();
        let mut d = Diagnostic::new(
            Code::PREFIX_ADDRESS,
            span,
            format!(
                "`{shown}` is a prefix, not an address: it can mean the address {address}, or the \
                 whole of {delegated} for this service"
            ),
        );
        d = match self.dialect {
            Dialect::Docker => d.help(format!(
                "docker takes addresses only, so write {address}; in kraud's dialect (driver \
                 `ipip`) {delegated} would be routed to the service"
            )),
            Dialect::Kraud => d.help(match around {
                Some(subnet) if full => format!(
                    "a delegated prefix has to be longer than its subnet {subnet}; for one \
                     address write {address}"
                ),
                _ => format!("write {address} for the address, or {delegated} for the prefix"),
            }),
        };
        d = d.fix(
            format!("take it as the address {address}"),
            span,
            address.to_string(),
        );
        if self.dialect == Dialect::Kraud && !full {
            d = d.fix(
                format!("take it as the prefix {delegated}"),
                span,
                delegated.to_string(),
            );
        }
        self.sink.push(d);
        None
    }
}

enum Reading {
    Address(IpAddr),
    Prefix(IpNet),
}

fn subnets(network: Option<&Network>) -> impl Iterator<Item = IpNet> + '_ {
    network.into_iter().flat_map(Network::subnets)
}

pub(super) fn bare(network: Spanned<String>, network_index: usize) -> Endpoint {
    Endpoint {
        network,
        network_index,
        implicit: false,
        ipv4_address: None,
        ipv6_address: None,
        link_local_ips: Vec::new(),
        aliases: Vec::new(),
        mac_address: None,
        interface_name: None,
        driver_opts: Vec::new(),
        priority: None,
        gw_priority: None,
        node: None,
    }
}

/// The first host of a prefix; of one or two addresses the first address.
pub(crate) fn first_usable(net: IpNet) -> IpAddr {
    let tiny = net.max_prefix_len() - net.prefix_len() <= 1;
    match net {
        _ if tiny => net.network(),
        IpNet::V4(net) => Ipv4Addr::from_bits(net.network().to_bits().saturating_add(1)).into(),
        IpNet::V6(net) => Ipv6Addr::from_bits(net.network().to_bits().saturating_add(1)).into(),
    }
}

/// What is wrong with the text of an address, where that is easy to say.
fn why_bad(text: &str) -> Option<String> {
    if text.contains('%') {
        return Some("a zone cannot be given".to_owned());
    }
    let parts: Vec<&str> = text.split('.').collect();
    if parts.len() == 4 && !text.contains(':') {
        for part in parts {
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            if !digits {
                return Some(format!("`{}` is not a number from 0 to 255", shorten(part)));
            }
            if part.len() > 1 && part.starts_with('0') {
                return Some(format!("`{}` has a leading zero", shorten(part)));
            }
            if part.parse::<u8>().is_err() {
                return Some(format!("`{}` is more than 255", shorten(part)));
            }
        }
    }
    None
}
