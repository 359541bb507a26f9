use ipnet::IpNet;

use crate::setters::setters;
use crate::wire::RawAttr;

/// A policy routing rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Rule {
    /// The family: is it a rule for IPv6?
    pub ipv6: bool,
    /// What to do.
    pub action: RuleAction,
    /// Match everything but what is described (`not`).
    pub invert: bool,
    /// The source prefix.
    pub from: Option<IpNet>,
    /// The destination prefix.
    pub to: Option<IpNet>,
    /// The link that the packet came in on.
    pub iif: Option<String>,
    /// The link that the packet's socket is bound to.
    pub oif: Option<String>,
    /// Mark and mask.
    pub fwmark: Option<(u32, Option<u32>)>,
    /// The transport protocol's number.
    pub ip_protocol: Option<u8>,
    /// Source ports.
    pub source_ports: Option<PortRange>,
    /// Destination ports.
    pub destination_ports: Option<PortRange>,
    /// Users (first, last).
    pub uid_range: Option<(u32, u32)>,
    /// Look in the table of the packet's VRF.
    pub l3mdev: bool,
    /// Reject results with a prefix length of at most this.
    pub suppress_prefix_length: Option<u32>,
    /// The rule's place; `None` lets the kernel put it before the others.
    pub priority: Option<u32>,
    /// The protocol that the rule belongs to (`FRA_PROTOCOL`), for telling one's own from foreign ones.
    pub protocol: Option<u8>,
    /// Attributes that have no field here, sent as they are; those of a rule that is read back are kept.
    pub other: Vec<RawAttr>,
}

/// What a rule does with what it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum RuleAction {
    /// Look up this table; 0 goes with `l3mdev`.
    Table(u32),
    /// Drop silently.
    Blackhole,
    /// Refuse: network unreachable.
    Unreachable,
    /// Refuse: administratively prohibited.
    Prohibit,
}

/// Ports, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PortRange {
    /// The first port.
    pub first: u16,
    /// The last port.
    pub last: u16,
}

impl Rule {
    fn new(ipv6: bool, action: RuleAction) -> Self {
        Self {
            ipv6,
            action,
            invert: false,
            from: None,
            to: None,
            iif: None,
            oif: None,
            fwmark: None,
            ip_protocol: None,
            source_ports: None,
            destination_ports: None,
            uid_range: None,
            l3mdev: false,
            suppress_prefix_length: None,
            priority: None,
            protocol: None,
            other: Vec::new(),
        }
    }

    /// An IPv4 rule that matches everything.
    #[must_use]
    pub fn v4(action: RuleAction) -> Self {
        Self::new(false, action)
    }

    /// An IPv6 rule that matches everything.
    #[must_use]
    pub fn v6(action: RuleAction) -> Self {
        Self::new(true, action)
    }

    setters! {
        /// Matches packets from a prefix.
        from: IpNet;
        /// Matches packets to a prefix.
        to: IpNet;
        /// With that place.
        priority: u32;
    }

    /// Matches packets with that mark.
    #[must_use]
    pub fn fwmark(mut self, mark: u32, mask: Option<u32>) -> Self {
        self.fwmark = Some((mark, mask));
        self
    }

    setters! {
        /// Of that owner.
        protocol: u8;
    }
}
