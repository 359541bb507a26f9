use std::net::IpAddr;

use ipnet::IpNet;

use super::{CommandContext, Line};
use crate::spec::{
    Address, Encap, Neighbour, NeighbourState, NextHopObject, NextHopTo, PortRange, Route,
    RouteKind, Rule, RuleAction, protocol, table,
};

impl Address {
    /// The `ip addr VERB` line.
    #[must_use]
    pub fn command(&self, verb: &str, context: &CommandContext<'_>) -> String {
        let mut line = context.ip(None);
        line.word("addr").word(verb);
        match self.peer {
            None => line.word(self.net),
            Some(peer) => line
                .word(self.net.addr())
                .opt("peer", format_args!("{peer}/{}", self.net.prefix_len())),
        };
        line.maybe("label", self.label.as_ref())
            .maybe("metric", self.metric);
        line.maybe("proto", self.protocol)
            .maybe("scope", self.scope);
        line.when(self.home, "home")
            .when(self.optimistic, "optimistic");
        line.when(self.nodad, "nodad")
            .when(self.noprefixroute, "noprefixroute");
        match (self.broadcast, self.net) {
            (Some(broadcast), IpNet::V4(net)) if net.broadcast() == broadcast => {
                line.opt("brd", "+")
            }
            (broadcast, _) => line.maybe("brd", broadcast),
        };
        if let Some((preferred, valid)) = self.lifetime {
            line.opt("valid_lft", valid).opt("preferred_lft", preferred);
        }
        line.opt("dev", &self.dev).take()
    }
}

impl Route {
    /// The `ip route VERB` line.
    #[must_use]
    pub fn command(&self, verb: &str, context: &CommandContext<'_>) -> String {
        let v6 = matches!(self.dst, IpNet::V6(_));
        let mut line = context.ip(v6.then_some("-6"));
        line.word("route").word(verb);
        if self.kind != RouteKind::Unicast {
            line.word(self.kind);
        }
        prefix(&mut line, self.dst.trunc());
        line.maybe("from", self.from.map(|from| from.trunc()));
        if let Some(via) = self.via {
            via_words(&mut line, via, v6);
        }
        line.maybe("src", self.src).maybe("metric", self.metric);
        line.maybe(
            "pref",
            self.pref.map(|pref| match pref {
                1 => "high",
                3 => "low",
                _ => "medium",
            }),
        );
        line.maybe("expires", self.expires)
            .maybe("nhid", self.nexthop_id);
        if self.table != table::MAIN {
            line.opt("table", self.table);
        }
        if self.protocol != protocol::BOOT {
            line.opt("proto", self.protocol);
        }
        line.maybe("scope", self.scope);
        if self.tos != 0 {
            line.opt("tos", format_args!("0x{:x}", self.tos));
        }
        line.when(self.onlink, "onlink")
            .maybe("dev", self.dev.as_ref());
        let metrics = &self.metrics;
        let locked = |number: u16| {
            metrics
                .lock
                .is_some_and(|lock| lock & (1_u32 << number) != 0)
        };
        for (word, number, value) in [
            ("mtu", 2_u16, metrics.mtu),
            ("advmss", 8, metrics.advmss),
            ("hoplimit", 10, metrics.hop_limit),
        ] {
            if let Some(value) = value {
                line.word(word).when(locked(number), "lock").word(value);
            }
        }
        line.maybe(
            "features",
            metrics
                .features
                .map(|bits| if bits & 1 == 1 { "ecn" } else { "0" }),
        );
        // Last: iproute2 takes every `src`, `tos` or `hoplimit` that follows for the encapsulation's.
        if let Some(encap) = &self.encap {
            encap_words(&mut line, encap);
        }
        for hop in &self.nexthops {
            line.word("nexthop");
            if let Some(encap) = &hop.encap {
                encap_words(&mut line, encap);
            }
            if let Some(via) = hop.via {
                via_words(&mut line, via, v6);
            }
            line.maybe("dev", hop.dev.as_ref())
                .opt("weight", hop.weight.max(1))
                .when(hop.onlink, "onlink");
        }
        line.take()
    }
}

impl NextHopObject {
    /// The `ip nexthop VERB` line.
    #[must_use]
    pub fn command(&self, verb: &str, context: &CommandContext<'_>) -> String {
        let v6 = matches!(self.to, NextHopTo::Blackhole { ipv6: true });
        let mut line = context.ip(v6.then_some("-6"));
        line.word("nexthop").word(verb).opt("id", self.id);
        match &self.to {
            NextHopTo::Blackhole { .. } => {
                line.word("blackhole");
            }
            NextHopTo::Group(members) => {
                let member = |&(id, weight): &(u32, u16)| match weight {
                    0 | 1 => id.to_string(),
                    weight => format!("{id},{weight}"),
                };
                let members: Vec<_> = members.iter().map(member).collect();
                line.opt("group", members.join("/"));
            }
            NextHopTo::Link {
                dev,
                via,
                onlink,
                encap,
            } => {
                line.maybe("via", *via).opt("dev", dev);
                line.when(*onlink, "onlink");
                if let Some(encap) = encap {
                    encap_words(&mut line, encap);
                }
            }
        }
        line.maybe("proto", (self.protocol != 0).then_some(self.protocol))
            .take()
    }
}

fn prefix(line: &mut Line, net: IpNet) {
    if net.prefix_len() == 0 {
        line.word("default");
    } else if net.prefix_len() == net.max_prefix_len() {
        line.word(net.addr());
    } else {
        line.word(net);
    }
}

fn via_words(line: &mut Line, via: IpAddr, v6: bool) {
    line.word("via")
        .when(via.is_ipv6() && !v6, "inet6")
        .word(via);
}

fn encap_words(line: &mut Line, encap: &Encap) {
    let nonzero = |value: u8| (value != 0).then_some(value);
    match encap {
        Encap::Ip6(encap) => {
            line.opt("encap", "ip6");
            line.maybe("id", (encap.id != 0).then_some(encap.id))
                .maybe("src", encap.src)
                .opt("dst", encap.dst);
            line.maybe("hoplimit", nonzero(encap.hop_limit));
            line.maybe(
                "tc",
                nonzero(encap.traffic_class).map(|tc| format!("0x{tc:x}")),
            );
        }
        Encap::Ip(encap) => {
            line.opt("encap", "ip");
            line.maybe("id", (encap.id != 0).then_some(encap.id))
                .maybe("src", encap.src)
                .opt("dst", encap.dst);
            line.maybe("ttl", nonzero(encap.ttl))
                .maybe("tos", nonzero(encap.tos));
        }
        Encap::Other { kind, .. } => {
            line.opt("encap", format_args!("kind-{kind}"));
        }
    }
}

impl Rule {
    /// The `ip rule VERB` line.
    #[must_use]
    pub fn command(&self, verb: &str, context: &CommandContext<'_>) -> String {
        let mut line = context.ip(self.ipv6.then_some("-6"));
        line.word("rule").word(verb).when(self.invert, "not");
        line.maybe("from", self.from.map(|net| net.trunc()))
            .maybe("to", self.to.map(|net| net.trunc()));
        line.maybe("iif", self.iif.as_ref())
            .maybe("oif", self.oif.as_ref());
        if let Some((mark, mask)) = self.fwmark {
            let mask = mask.map(|mask| format!("/0x{mask:x}")).unwrap_or_default();
            line.opt("fwmark", format_args!("0x{mark:x}{mask}"));
        }
        line.maybe("ipproto", self.ip_protocol);
        let ports = |range: PortRange| {
            if range.first == range.last {
                range.first.to_string()
            } else {
                format!("{}-{}", range.first, range.last)
            }
        };
        line.maybe("sport", self.source_ports.map(ports))
            .maybe("dport", self.destination_ports.map(ports));
        line.maybe(
            "uidrange",
            self.uid_range
                .map(|(first, last)| format!("{first}-{last}")),
        );
        line.when(self.l3mdev, "l3mdev");
        match self.action {
            RuleAction::Table(0) => {}
            RuleAction::Table(table) => {
                line.opt("table", table);
            }
            RuleAction::Blackhole => {
                line.word("blackhole");
            }
            RuleAction::Unreachable => {
                line.word("unreachable");
            }
            RuleAction::Prohibit => {
                line.word("prohibit");
            }
        }
        line.maybe("suppress_prefixlength", self.suppress_prefix_length);
        line.maybe("protocol", self.protocol)
            .maybe("priority", self.priority)
            .take()
    }
}

impl Neighbour {
    /// The `ip neigh VERB` line.
    #[must_use]
    pub fn command(&self, verb: &str, context: &CommandContext<'_>) -> String {
        let mut line = context.ip(None);
        line.word("neigh")
            .word(verb)
            .when(self.proxy, "proxy")
            .word(self.address);
        line.maybe("lladdr", self.lladdr).opt("dev", &self.dev);
        if !self.proxy && self.state != NeighbourState::Permanent {
            match self.state.word() {
                Some(word) => line.opt("nud", word),
                None => line.opt("nud", self.state.wire()),
            };
        }
        line.when(self.router, "router").take()
    }
}
