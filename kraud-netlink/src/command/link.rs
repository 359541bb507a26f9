use super::{CommandContext, Line};
use crate::spec::{FollowUp, Ip6Tnl, Link, LinkChange, LinkKind, Veth};

impl Link {
    /// The lines that make the link: `ip link add`, and `ip link set` for what can only be set afterwards.
    #[must_use]
    pub fn commands(&self, context: &CommandContext<'_>) -> Vec<String> {
        let mut line = context.ip(None);
        line.word("link").word("add");
        let tunnel = matches!(self.kind, LinkKind::Ip6Tnl(_));
        line.maybe("link", self.parent.as_ref().filter(|_| !tunnel))
            .opt("name", &self.name);
        line.maybe("index", self.index)
            .maybe("netns", self.netns.as_ref())
            .maybe("link-netns", self.link_netns.as_ref())
            .maybe("mtu", self.mtu)
            .maybe("address", self.address)
            .maybe("txqueuelen", self.txqueuelen)
            .maybe("numtxqueues", self.numtxqueues)
            .maybe("numrxqueues", self.numrxqueues)
            .maybe("master", self.master.as_ref())
            .maybe("group", self.group);
        line.when(self.noarp, "arp").when(self.noarp, "off");
        line.when(self.up && !self.up_is_late(), "up");
        line.opt("type", self.kind.name());
        kind_words(&mut line, &self.kind, self.parent.as_deref());
        let mut lines = vec![line.take()];
        lines.extend(
            self.follow_ups()
                .iter()
                .flat_map(|FollowUp { netns, change }| {
                    let there = netns.as_deref().map(|netns| context.moved(netns));
                    change.commands(there.as_ref().unwrap_or(context))
                }),
        );
        lines
    }
}

impl LinkChange {
    /// The `ip link set` lines: two where the way of making link-local addresses must be set before `up`.
    #[must_use]
    pub fn commands(&self, context: &CommandContext<'_>) -> Vec<String> {
        match self.split() {
            None => vec![self.command(context)],
            Some((first, second)) => vec![first.command(context), second.command(context)],
        }
    }

    fn command(&self, context: &CommandContext<'_>) -> String {
        let mut line = context.ip(None);
        line.word("link").word("set").opt("dev", &self.name);
        line.maybe("mtu", self.mtu)
            .maybe("address", self.address)
            .maybe("txqueuelen", self.txqueuelen)
            .switch("promisc", self.promisc)
            .switch("arp", self.arp)
            .maybe("group", self.group)
            .maybe("alias", self.alias.as_ref())
            .maybe(
                "addrgenmode",
                self.addr_gen_mode
                    .map(super::super::spec::AddrGenMode::word),
            );
        match self.master.as_deref() {
            None => {}
            Some("") => {
                line.word("nomaster");
            }
            Some(master) => {
                line.opt("master", master);
            }
        }
        if let Some(up) = self.up {
            line.word(if up { "up" } else { "down" });
        }
        if let Some(kind) = &self.kind {
            line.opt("type", kind.name());
            kind_words(&mut line, kind, self.parent.as_deref());
        } else if let Some(port) = &self.bridge_port {
            line.opt("type", "bridge_slave")
                .switch("isolated", port.isolated)
                .switch("learning", port.learning)
                .switch("flood", port.flood)
                .switch("hairpin", port.hairpin)
                .switch("guard", port.guard);
        }
        line.take()
    }
}

fn kind_words(line: &mut Line, kind: &LinkKind, parent: Option<&str>) {
    match kind {
        LinkKind::Bridge(bridge) => {
            line.bit("mcast_snooping", bridge.mcast_snooping)
                .maybe("ageing_time", bridge.ageing_time)
                .maybe("priority", bridge.priority)
                .maybe("hello_time", bridge.hello_time)
                .maybe("max_age", bridge.max_age)
                .maybe("forward_delay", bridge.forward_delay)
                .bit("stp_state", bridge.stp)
                .bit("vlan_filtering", bridge.vlan_filtering);
        }
        LinkKind::Ip6Tnl(tunnel) => tunnel_words(line, tunnel, parent),
        LinkKind::Ipvlan(ipvlan) => {
            line.opt("mode", ipvlan.mode).word(ipvlan.flag);
        }
        LinkKind::Veth(peer) => peer_words(line, peer),
        LinkKind::Vlan(vlan) => {
            line.maybe("protocol", vlan.protocol).opt("id", vlan.id);
            for (word, _, state) in vlan.switches() {
                line.switch(word, state);
            }
            for (word, map) in [
                ("ingress-qos-map", &vlan.ingress_qos),
                ("egress-qos-map", &vlan.egress_qos),
            ] {
                if !map.is_empty() {
                    line.word(word);
                }
                for (from, to) in map {
                    line.word(format_args!("{from}:{to}"));
                }
            }
        }
        LinkKind::Dummy | LinkKind::Wireguard | LinkKind::Other { .. } | LinkKind::Physical => {}
    }
}

fn peer_words(line: &mut Line, peer: &Veth) {
    if peer.name.is_none() && *peer == Veth::default() {
        return;
    }
    line.word("peer")
        .maybe("name", peer.name.as_ref())
        .maybe("netns", peer.netns.as_ref())
        .maybe("mtu", peer.mtu)
        .maybe("address", peer.address)
        .maybe("numtxqueues", peer.numtxqueues)
        .maybe("numrxqueues", peer.numrxqueues);
    line.when(peer.noarp, "arp").when(peer.noarp, "off");
}

fn tunnel_words(line: &mut Line, tunnel: &Ip6Tnl, parent: Option<&str>) {
    line.opt("mode", tunnel.mode);
    if tunnel.external {
        line.word("external");
        return;
    }
    line.opt("local", tunnel.local)
        .opt("remote", tunnel.remote)
        .opt("hoplimit", tunnel.hop_limit);
    line.maybe("dev", parent);
    match tunnel.encap_limit {
        None => line.opt("encaplimit", "none"),
        Some(limit) => line.opt("encaplimit", limit),
    };
    let flags = tunnel.flags;
    if tunnel.traffic_class != 0 {
        line.opt("tclass", format_args!("0x{:x}", tunnel.traffic_class));
    }
    line.when(flags.inherit_traffic_class, "tclass")
        .when(flags.inherit_traffic_class, "inherit");
    if tunnel.flow_label != 0 {
        line.opt("flowlabel", format_args!("0x{:x}", tunnel.flow_label));
    }
    line.when(flags.inherit_flow_label, "flowlabel")
        .when(flags.inherit_flow_label, "inherit");
    line.when(flags.copy_dscp, "dscp")
        .when(flags.copy_dscp, "inherit");
    if tunnel.fwmark != 0 {
        line.opt("fwmark", format_args!("0x{:x}", tunnel.fwmark));
    }
    line.when(flags.inherit_fwmark, "fwmark")
        .when(flags.inherit_fwmark, "inherit");
    line.when(flags.allow_local_remote, "allow-localremote");
    if let Some(encap) = tunnel.encap {
        line.opt("encap", encap.kind);
        if encap.source_port != 0 {
            line.opt("encap-sport", encap.source_port);
        }
        line.opt("encap-dport", encap.destination_port);
        line.when(encap.csum, "encap-csum")
            .when(!encap.csum6, "noencap-udp6-csum")
            .when(encap.remcsum, "encap-remcsum");
    }
}
