//! Packet filter and address translation rules over nf_tables' own netlink: no `nft` program.
//!
//! As much of nf_tables as a network needs around it: tables of base chains whose rules match addresses, links and
//! header bytes, and masquerade, accept or drop. A table is replaced as a whole in one kernel transaction.

mod decode;
mod encode;
mod read;

pub use read::Counter;

use std::fmt::{self, Write};

use ipnet::IpNet;

use crate::setters::setters;

/// A table with everything in it.
///
/// ```
/// use kraud_netlink::{CommandContext, NftChain, NftFamily, NftRule, NftTable, Op};
///
/// let table = NftTable::new(NftFamily::Ip6, "kraud").chain(
///     NftChain::nat_postrouting("post")
///         .rule(NftRule::masquerade().from("fd00::/80".parse()?).not_out("docker0")),
/// );
/// assert_eq!(
///     Op::SetNft(table).commands(&CommandContext::here()),
///     [
///         "nft 'add table ip6 kraud; delete table ip6 kraud; add table ip6 kraud; \
///          add chain ip6 kraud post { type nat hook postrouting priority 100; policy accept; }; \
///          add rule ip6 kraud post ip6 saddr fd00::/80 oifname != \"docker0\" masquerade'"
///     ],
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Table {
    /// What packets it sees.
    pub family: Family,
    /// Its name.
    pub name: String,
    /// Its chains.
    pub chains: Vec<Chain>,
}

/// The packets that a table sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum Family {
    /// IPv4 and IPv6.
    Inet,
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
}

/// A base chain: rules at a hook of the packets' way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// Filtering or address translation.
    pub kind: ChainKind,
    /// Where packets meet it.
    pub hook: Hook,
    /// Its place among the chains of that hook, lower ones first.
    pub priority: i32,
    /// Drop what no rule decides, instead of accepting it.
    pub drop: bool,
    /// Its rules, the first one first.
    pub rules: Vec<Rule>,
}

/// What a chain is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum ChainKind {
    /// Filtering.
    Filter,
    /// Address translation.
    Nat,
}

/// A place on the packets' way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum Hook {
    /// As they come in.
    Prerouting,
    /// For this host.
    Input,
    /// Through this host.
    Forward,
    /// From this host.
    Output,
    /// As they go out.
    Postrouting,
}

/// A rule: packets that match everything meet the verdict.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Rule {
    /// What must match, in order.
    pub matches: Vec<Match>,
    /// Count the packets and bytes.
    pub counter: bool,
    /// What happens then.
    pub verdict: Verdict,
}

/// Something that a packet must have, or must not have.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
pub enum Match {
    /// The source address is in this prefix.
    Source {
        /// The prefix.
        net: IpNet,
        /// Or rather is not.
        not: bool,
    },
    /// The destination address is in this prefix.
    Destination {
        /// The prefix.
        net: IpNet,
        /// Or rather is not.
        not: bool,
    },
    /// It came in on this link.
    InLink {
        /// The link's name.
        name: String,
        /// Or rather not on it.
        not: bool,
    },
    /// It goes out of this link.
    OutLink {
        /// The link's name.
        name: String,
        /// Or rather not out of it.
        not: bool,
    },
    /// The bytes at this place of the network header and what follows it (`@nh,BITS,BITS`).
    NetworkHeader {
        /// Where, in bytes from the header's start.
        offset: u32,
        /// What is there, 1 to 16 bytes.
        value: Vec<u8>,
        /// Or rather is not.
        not: bool,
    },
    /// The transport protocol's number (`meta l4proto`).
    Protocol(u8),
}

/// What happens to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum Verdict {
    /// It goes on.
    Accept,
    /// It is gone.
    Drop,
    /// Its source becomes the address of the link that it goes out of.
    Masquerade,
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new(family: Family, name: impl Into<String>) -> Self {
        Self {
            family,
            name: name.into(),
            chains: Vec::new(),
        }
    }

    setters! {
        /// With that chain.
        chain => chains: Chain;
    }

    pub(crate) fn add_script(&self, replace: bool) -> String {
        let table = format!("{} {}", self.family, self.name);
        let mut script = format!("add table {table}");
        if replace {
            let _ = write!(script, "; delete table {table}; add table {table}");
        }
        for chain in &self.chains {
            let Chain {
                name,
                kind,
                hook,
                priority,
                drop,
                ..
            } = chain;
            let policy = if *drop { "drop" } else { "accept" };
            let _ = write!(
                script,
                "; add chain {table} {name} {{ type {kind} hook {hook} priority {priority}; policy {policy}; }}"
            );
            for rule in &chain.rules {
                let _ = write!(script, "; add rule {table} {name} {rule}");
            }
        }
        script
    }
}

impl Chain {
    /// An empty chain that accepts.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: ChainKind, hook: Hook, priority: i32) -> Self {
        Self {
            name: name.into(),
            kind,
            hook,
            priority,
            drop: false,
            rules: Vec::new(),
        }
    }

    /// A chain where sources are translated, at the usual place.
    #[must_use]
    pub fn nat_postrouting(name: impl Into<String>) -> Self {
        Self::new(name, ChainKind::Nat, Hook::Postrouting, 100)
    }

    /// A filtering chain at the usual place.
    #[must_use]
    pub fn filter(name: impl Into<String>, hook: Hook) -> Self {
        Self::new(name, ChainKind::Filter, hook, 0)
    }

    setters! {
        /// With that rule behind the others.
        rule => rules: Rule;
    }
}

impl Rule {
    fn new(verdict: Verdict) -> Self {
        Self {
            matches: Vec::new(),
            counter: false,
            verdict,
        }
    }

    /// Lets packets go on.
    #[must_use]
    pub fn accept() -> Self {
        Self::new(Verdict::Accept)
    }

    /// Drops packets.
    #[must_use]
    pub fn drop() -> Self {
        Self::new(Verdict::Drop)
    }

    /// Gives packets the source address of the link that they go out of.
    #[must_use]
    pub fn masquerade() -> Self {
        Self::new(Verdict::Masquerade)
    }

    setters! {
        /// Of those that match so as well.
        when => matches: Match;
    }

    /// From that prefix.
    #[must_use]
    pub fn from(self, net: IpNet) -> Self {
        self.when(Match::Source { net, not: false })
    }

    /// To that prefix.
    #[must_use]
    pub fn to(self, net: IpNet) -> Self {
        self.when(Match::Destination { net, not: false })
    }

    /// In on that link.
    #[must_use]
    pub fn r#in(self, name: impl Into<String>) -> Self {
        self.when(Match::InLink {
            name: name.into(),
            not: false,
        })
    }

    /// Out of that link.
    #[must_use]
    pub fn out(self, name: impl Into<String>) -> Self {
        self.when(Match::OutLink {
            name: name.into(),
            not: false,
        })
    }

    /// Out of any link but that one.
    #[must_use]
    pub fn not_out(self, name: impl Into<String>) -> Self {
        self.when(Match::OutLink {
            name: name.into(),
            not: true,
        })
    }

    setters! {
        /// Counting packets and bytes.
        counter;
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inet => "inet",
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
        })
    }
}

impl fmt::Display for ChainKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Filter => "filter",
            Self::Nat => "nat",
        })
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prerouting => "prerouting",
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
            Self::Postrouting => "postrouting",
        })
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = |not: &bool| if *not { "!= " } else { "" };
        let ip = |net: &IpNet| {
            if matches!(net, IpNet::V4(_)) {
                "ip"
            } else {
                "ip6"
            }
        };
        let text = |net: &IpNet| {
            let net = net.trunc();
            if net.prefix_len() == net.max_prefix_len() {
                net.addr().to_string()
            } else {
                net.to_string()
            }
        };
        match self {
            Self::Source { net, not } => write!(f, "{} saddr {}{}", ip(net), sign(not), text(net)),
            Self::Destination { net, not } => {
                write!(f, "{} daddr {}{}", ip(net), sign(not), text(net))
            }
            Self::InLink { name, not } => write!(f, "iifname {}\"{name}\"", sign(not)),
            Self::OutLink { name, not } => write!(f, "oifname {}\"{name}\"", sign(not)),
            Self::NetworkHeader { offset, value, not } => {
                write!(
                    f,
                    "@nh,{},{} {}0x",
                    offset.saturating_mul(8),
                    value.len().saturating_mul(8),
                    sign(not)
                )?;
                value.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::Protocol(number) => write!(f, "meta l4proto {number}"),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for condition in &self.matches {
            write!(f, "{condition} ")?;
        }
        if self.counter {
            f.write_str("counter ")?;
        }
        f.write_str(match self.verdict {
            Verdict::Accept => "accept",
            Verdict::Drop => "drop",
            Verdict::Masquerade => "masquerade",
        })
    }
}
