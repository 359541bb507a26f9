use super::{LinkNames, link_name, split};
use crate::message::consts::*;
use crate::spec::{
    AddrGenMode, Bridge, BridgePort, Ip6Tnl, Ip6TnlFlags, Ip6TnlMode, Ipvlan, IpvlanFlag,
    IpvlanMode, Link, LinkKind, MacAddr, TunnelEncap, TunnelEncapKind, Veth, Vlan, VlanProtocol,
};
use crate::wire::{Attr, Malformed, RawAttr, attrs};

/// A link as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LinkInfo {
    /// Its index.
    pub index: u32,
    /// What would make it again. A parent or veth peer in another namespace has no name here; see
    /// [`Self::parent_index`].
    pub link: Link,
    /// What it is doing.
    pub state: LinkState,
    /// The index of its parent, or of a veth's other end, in the namespace [`Self::parent_netns_id`].
    pub parent_index: Option<u32>,
    /// The id of the namespace that holds the parent, where it is another one.
    pub parent_netns_id: Option<i32>,
    /// The index of the bridge or bond that it is a port of.
    pub master_index: Option<u32>,
    /// Its options as the port of a bridge, if it is one.
    pub bridge_port: Option<BridgePort>,
    /// The permanent names beside its name.
    pub alt_names: Vec<String>,
    /// Attributes without a field of their own: mostly the link's state. A change of a link sends what it changes, so they
    /// stay as they are; unknown options of its kind are in [`Link::kind`].
    pub other: Vec<RawAttr>,
}

/// What a link is doing, from its flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LinkState {
    /// Set up by its administrator.
    pub up: bool,
    /// Ready to carry packets.
    pub running: bool,
    /// The layer below is up.
    pub lower_up: bool,
    /// It is loopback.
    pub loopback: bool,
    /// All of the kernel's flags (`IFF_*`).
    pub flags: u32,
}

impl LinkInfo {
    /// Reads the body of an `RTM_NEWLINK` message; parent and master are called `if` and their index until
    /// [`Self::name_links`] knows better.
    ///
    /// # Errors
    ///
    /// [`Malformed`] for a body that is cut.
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let (header, rest) = split::<16>("link message", body)?;
        let word = |at: usize| {
            header
                .get(at..)
                .and_then(<[u8]>::first_chunk)
                .map_or(0, |b| u32::from_ne_bytes(*b))
        };
        let (index, flags) = (word(4), word(8));
        let mut link = Link::new("", LinkKind::Physical);
        link.up = flags & IFF_UP != 0;
        link.noarp = flags & IFF_NOARP != 0;
        link.index = Some(index);
        let mut info = Self {
            index,
            link,
            state: LinkState {
                up: flags & IFF_UP != 0,
                running: flags & IFF_RUNNING != 0,
                lower_up: flags & IFF_LOWER_UP != 0,
                loopback: flags & 0x8 != 0,
                flags,
            },
            parent_index: None,
            parent_netns_id: None,
            master_index: None,
            bridge_port: None,
            alt_names: Vec::new(),
            other: Vec::new(),
        };
        for attr in attrs(rest) {
            info.attr(attr?)?;
        }
        Ok(info)
    }

    /// A link that the kernel makes by itself, as it is in a new namespace.
    pub(crate) fn fresh(name: &str) -> Self {
        Self {
            index: 0,
            link: Link::new(name, LinkKind::Physical),
            state: LinkState::default(),
            parent_index: None,
            parent_netns_id: None,
            master_index: None,
            bridge_port: None,
            alt_names: Vec::new(),
            other: Vec::new(),
        }
    }

    fn attr(&mut self, attr: Attr<'_>) -> Result<(), Malformed> {
        let link = &mut self.link;
        match attr.kind() {
            IFLA_ADDRESS if attr.payload.len() == 6 => {
                link.address = attr.chunk().ok().map(MacAddr);
            }
            IFLA_IFNAME => link.name = attr.text(),
            IFLA_MTU => link.mtu = Some(attr.u32()?),
            IFLA_LINK => self.parent_index = Some(attr.u32()?),
            IFLA_LINK_NETNSID => self.parent_netns_id = Some(attr.i32()?),
            IFLA_MASTER => self.master_index = Some(attr.u32()?),
            IFLA_TXQLEN => link.txqueuelen = Some(attr.u32()?),
            IFLA_NUM_TX_QUEUES => link.numtxqueues = Some(attr.u32()?),
            IFLA_NUM_RX_QUEUES => link.numrxqueues = Some(attr.u32()?),
            IFLA_GROUP => link.group = Some(attr.u32()?),
            IFLA_IFALIAS => link.alias = Some(attr.text()),
            IFLA_AF_SPEC => {
                for family in attr.nested() {
                    let family = family?;
                    if family.kind() != u16::from(AF_INET6) {
                        continue;
                    }
                    for option in family.nested() {
                        let option = option?;
                        if option.kind() == IFLA_INET6_ADDR_GEN_MODE {
                            link.addr_gen_mode = AddrGenMode::from_wire(option.u8()?);
                        }
                    }
                }
            }
            IFLA_LINKINFO => {
                let (mut name, mut data) = (None, None);
                let (mut port_of, mut port) = (None, None);
                for part in attr.nested() {
                    let part = part?;
                    match part.kind() {
                        IFLA_INFO_KIND => name = Some(part.text()),
                        IFLA_INFO_DATA => data = Some(part),
                        IFLA_INFO_SLAVE_KIND => port_of = Some(part.text()),
                        IFLA_INFO_SLAVE_DATA => port = Some(part),
                        _ => {}
                    }
                }
                if let Some(name) = name {
                    link.kind = kind(name, data)?;
                }
                if let (Some("bridge"), Some(port)) = (port_of.as_deref(), port) {
                    self.bridge_port = Some(bridge_port(&port)?);
                }
            }
            IFLA_PROP_LIST => {
                for name in attr.nested() {
                    self.alt_names.push(name?.text());
                }
            }
            _ => self.other.push(attr.into()),
        }
        Ok(())
    }

    /// Gives parent and master their names.
    pub fn name_links(&mut self, names: &dyn LinkNames) {
        let here = self.parent_netns_id.is_none();
        let parent = self
            .parent_index
            .filter(|&index| here && index != 0 && index != self.index);
        match &mut self.link.kind {
            // For a veth the "parent" is the other end.
            LinkKind::Veth(peer) => peer.name = parent.map(|index| link_name(names, index)),
            _ => self.link.parent = parent.map(|index| link_name(names, index)),
        }
        self.link.master = self.master_index.map(|index| link_name(names, index));
    }
}

fn kind(name: String, data: Option<Attr<'_>>) -> Result<LinkKind, Malformed> {
    let options = || data.map_or_else(|| attrs(&[]), |data| data.nested());
    Ok(match name.as_str() {
        "bridge" => {
            let mut bridge = Bridge::default();
            for option in options() {
                let option = option?;
                match option.kind() {
                    1 => bridge.forward_delay = Some(option.u32()?),
                    2 => bridge.hello_time = Some(option.u32()?),
                    3 => bridge.max_age = Some(option.u32()?),
                    4 => bridge.ageing_time = Some(option.u32()?),
                    5 => bridge.stp = Some(option.u32()? != 0),
                    6 => bridge.priority = Some(option.u16()?),
                    7 => bridge.vlan_filtering = Some(option.u8()? != 0),
                    23 => bridge.mcast_snooping = Some(option.u8()? != 0),
                    number if is_bridge_state(number) => {}
                    _ => bridge.other.push(option.into()),
                }
            }
            LinkKind::Bridge(bridge)
        }
        "dummy" => LinkKind::Dummy,
        "ip6tnl" => LinkKind::Ip6Tnl(ip6tnl(options())?),
        "ipvlan" => {
            let mut ipvlan = Ipvlan::default();
            for option in options() {
                let option = option?;
                match option.kind() {
                    1 => ipvlan.mode = IpvlanMode::from_wire(option.u16()?),
                    2 => ipvlan.flag = IpvlanFlag::from_wire(option.u16()?),
                    _ => {}
                }
            }
            LinkKind::Ipvlan(ipvlan)
        }
        "veth" => LinkKind::Veth(Veth::default()),
        "vlan" => LinkKind::Vlan(vlan(options())?),
        "wireguard" => LinkKind::Wireguard,
        _ => LinkKind::Other {
            name,
            options: options()
                .map(|option| option.map(RawAttr::from))
                .collect::<Result<_, _>>()?,
        },
    })
}

/// Is it what a bridge is doing, and nothing that could be set? Roots, ports and timers of the spanning tree, the order to
/// forget addresses, the querier that it heard and the number of addresses that it learned.
fn is_bridge_state(number: u16) -> bool {
    matches!(number, 10..=19 | 21 | 40 | 47 | 48)
}

fn bridge_port(data: &Attr<'_>) -> Result<BridgePort, Malformed> {
    let mut port = BridgePort::default();
    for option in data.nested() {
        let option = option?;
        let field = match option.kind() {
            4 => &mut port.hairpin,
            5 => &mut port.guard,
            8 => &mut port.learning,
            9 => &mut port.flood,
            33 => &mut port.isolated,
            _ => continue,
        };
        *field = Some(option.u8()? != 0);
    }
    Ok(port)
}

fn ip6tnl(options: crate::wire::Attrs<'_>) -> Result<Ip6Tnl, Malformed> {
    let mut tunnel = Ip6Tnl::default();
    let mut encap = TunnelEncap::new(TunnelEncapKind::Fou, 0);
    let mut encap_kind = None;
    let mut flags = 0;
    let mut limit = 0;
    for option in options {
        let option = option?;
        match option.kind() {
            2 => tunnel.local = option.ip6()?,
            3 => tunnel.remote = option.ip6()?,
            4 => tunnel.hop_limit = option.u8()?,
            6 => limit = option.u8()?,
            7 => {
                let info = option.u32_be()?;
                tunnel.flow_label = info & 0xf_ffff;
                tunnel.traffic_class = (info >> 20).to_le_bytes()[0];
            }
            8 => flags = option.u32()?,
            9 => tunnel.mode = Ip6TnlMode::from_wire(option.u8()?),
            15 => encap_kind = TunnelEncapKind::from_wire(option.u16()?),
            16 => {
                let bits = option.u16()?;
                encap.csum = bits & 1 != 0;
                encap.csum6 = bits & 2 != 0;
                encap.remcsum = bits & 4 != 0;
            }
            17 => encap.source_port = option.u16_be()?,
            18 => encap.destination_port = option.u16_be()?,
            19 => tunnel.external = true,
            20 => tunnel.fwmark = option.u32()?,
            // The underlay is the link's parent.
            1 => {}
            _ => tunnel.other.push(option.into()),
        }
    }
    let on = |bit| flags & bit != 0;
    tunnel.encap_limit = (!on(Ip6Tnl::IGN_ENCAP_LIMIT)).then_some(limit);
    tunnel.flags = Ip6TnlFlags {
        inherit_traffic_class: on(Ip6Tnl::USE_ORIG_TCLASS),
        inherit_flow_label: on(Ip6Tnl::USE_ORIG_FLOWLABEL),
        copy_dscp: on(Ip6Tnl::RCV_DSCP_COPY),
        inherit_fwmark: on(Ip6Tnl::USE_ORIG_FWMARK),
        allow_local_remote: on(Ip6Tnl::ALLOW_LOCAL_REMOTE),
        other: flags & !Ip6Tnl::KNOWN_FLAGS,
    };
    tunnel.encap = encap_kind.map(|kind| TunnelEncap { kind, ..encap });
    if tunnel.external {
        // Nothing but the mode is used, or can be set.
        tunnel = Ip6Tnl {
            mode: tunnel.mode,
            other: tunnel.other,
            ..Ip6Tnl::external()
        };
    }
    Ok(tunnel)
}

fn vlan(options: crate::wire::Attrs<'_>) -> Result<Vlan, Malformed> {
    let mut vlan = Vlan::new(0);
    for option in options {
        let option = option?;
        match option.kind() {
            1 => vlan.id = option.u16()?,
            2 => {
                let flags = option.u32()?;
                let on = |bit| Some(flags & bit != 0);
                vlan.reorder_header = on(0x1);
                vlan.gvrp = on(0x2);
                vlan.loose_binding = on(0x4);
                vlan.mvrp = on(0x8);
                vlan.bridge_binding = on(0x10);
            }
            number @ (3 | 4) => {
                for pair in option.nested() {
                    let [a, b, c, d, e, f, g, h] = pair?.chunk()?;
                    let pair = (
                        u32::from_ne_bytes([a, b, c, d]),
                        u32::from_ne_bytes([e, f, g, h]),
                    );
                    if number == 3 {
                        vlan.egress_qos.push(pair);
                    } else {
                        vlan.ingress_qos.push(pair);
                    }
                }
            }
            5 => {
                vlan.protocol = match option.u16_be()? {
                    0x88a8 => Some(VlanProtocol::Ad),
                    _ => Some(VlanProtocol::Q),
                }
            }
            _ => vlan.other.push(option.into()),
        }
    }
    Ok(vlan)
}
