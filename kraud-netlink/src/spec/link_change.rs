use super::{AddrGenMode, BridgePort, LinkKind, MacAddr};
use crate::setters::setters;

/// A change to a link that exists; only what is `Some` changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default)
)]
pub struct LinkChange {
    /// The link's present name.
    pub name: String,
    /// The largest packet.
    pub mtu: Option<u32>,
    /// Up or down.
    pub up: Option<bool>,
    /// ARP and neighbour discovery on or off.
    pub arp: Option<bool>,
    /// Promiscuous or not.
    pub promisc: Option<bool>,
    /// The hardware address.
    pub address: Option<MacAddr>,
    /// The length of the transmit queue.
    pub txqueuelen: Option<u32>,
    /// The bridge or bond that it becomes a port of; the empty string takes it out (`nomaster`).
    pub master: Option<String>,
    /// The link group.
    pub group: Option<u32>,
    /// A note; the empty string removes it.
    pub alias: Option<String>,
    /// How it makes its link-local address.
    pub addr_gen_mode: Option<AddrGenMode>,
    /// Options as the port of a bridge.
    pub bridge_port: Option<BridgePort>,
    /// Options of its kind, all of them: the kernel zeroes those of a tunnel that are not sent.
    pub kind: Option<LinkKind>,
    /// The underlay of a tunnel, which belongs to the options of its kind.
    pub parent: Option<String>,
}

impl LinkChange {
    /// No change to the link of that name, yet.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    setters! {
        /// Up.
        up;
    }

    /// Down.
    #[must_use]
    pub fn down(mut self) -> Self {
        self.up = Some(false);
        self
    }

    setters! {
        /// To that MTU.
        mtu: u32;
        /// To that hardware address.
        address: into MacAddr;
        /// Into that bridge or bond.
        master: into String;
    }

    /// Out of its bridge or bond.
    #[must_use]
    pub fn nomaster(mut self) -> Self {
        self.master = Some(String::new());
        self
    }

    setters! {
        /// Into that link group.
        group: u32;
        /// With that note.
        alias: into String;
        /// Making its link-local address in that way.
        addr_gen_mode: AddrGenMode;
        /// With those options as the port of a bridge.
        bridge_port: BridgePort;
        /// With those options of its kind.
        kind: into LinkKind;
    }

    /// The kernel sets a link up before it looks at how link-local addresses are made, and one is made at once: so `up`
    /// follows in a message of its own.
    pub(crate) fn split(&self) -> Option<(Self, Self)> {
        if self.addr_gen_mode.is_none() || self.up != Some(true) {
            return None;
        }
        Some((
            Self {
                up: None,
                ..self.clone()
            },
            Self::new(&self.name).up(),
        ))
    }
}
