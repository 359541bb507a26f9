//! How many bytes a stack of layers leaves for the packet inside, and what to do with one that is too big.
//!
//! ```
//! use kraud_tunnel::mtu::{Layer, Stack};
//! // A kraud overlay: IPv4 in IPv6 in WireGuard on an IPv6 underlay.
//! const OVERLAY: Stack = Stack::new(1500, &[Layer::WireGuardOverIpv6, Layer::Ip6Ip]);
//! assert_eq!(OVERLAY.mtu(), Some(1380));
//! assert_eq!(OVERLAY.mss_ipv4(), Some(1340));
//! let explained: Vec<String> =
//!     OVERLAY.steps().map(|s| format!("{} {} -> {}", s.layer.name(), s.layer.overhead(), s.mtu)).collect();
//! assert_eq!(explained, ["wireguard over ipv6 80 -> 1420", "ip6ip 40 -> 1380"]);
//! ```

use crate::inspect;
use crate::wire::{Protocol, ipv4};

/// The smallest MTU that an IPv6 link may have (RFC 8200 section 5).
pub const IPV6_MINIMUM: u32 = 1280;

/// The smallest MTU that an IPv4 link may have (RFC 791).
pub const IPV4_MINIMUM: u32 = 68;

/// Something that takes bytes from every packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Layer {
    /// An IPv6 tunnel header without options: `ip6tnl external`, or `encaplimit none`.
    Ip6Ip,
    /// An IPv6 tunnel header with the encapsulation limit option: `ip6tnl` by default.
    Ip6IpLimit,
    /// An 802.1Q tag. The frame grows by 4 bytes and the MTU stays: Ethernet allows for the tag.
    Vlan,
    /// An 802.1Q tag on a link that counts it towards its MTU.
    VlanInsideMtu,
    /// WireGuard between IPv4 endpoints.
    WireGuardOverIpv4,
    /// WireGuard between IPv6 endpoints.
    WireGuardOverIpv6,
}

/// One header of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Part {
    /// What it is.
    pub name: &'static str,
    /// How long it is.
    pub bytes: u32,
}

const fn part(name: &'static str, bytes: u32) -> Part {
    Part { name, bytes }
}

impl Layer {
    /// The headers it consists of, from the outside in.
    #[must_use]
    pub const fn parts(self) -> &'static [Part] {
        const IPV4: Part = part("IPv4 header", 20);
        const IPV6: Part = part("IPv6 header", 40);
        const UDP: Part = part("UDP header", 8);
        const DATA: Part = part("WireGuard data header", 16);
        const TAG: Part = part("Poly1305 tag", 16);
        const LIMIT: Part = part("Destination Options header (encapsulation limit)", 8);
        const VLAN: Part = part("802.1Q tag", 4);
        match self {
            Self::Ip6Ip => &[IPV6],
            Self::Ip6IpLimit => &[IPV6, LIMIT],
            Self::Vlan | Self::VlanInsideMtu => &[VLAN],
            Self::WireGuardOverIpv4 => &[IPV4, UDP, DATA, TAG],
            Self::WireGuardOverIpv6 => &[IPV6, UDP, DATA, TAG],
        }
    }

    /// How many bytes it takes from the MTU: the sum of its parts, but nothing for [`Layer::Vlan`].
    #[must_use]
    pub const fn overhead(self) -> u32 {
        if matches!(self, Self::Vlan) {
            return 0;
        }
        let parts = self.parts();
        let (mut sum, mut i) = (0, 0);
        while i < parts.len() {
            sum += parts[i].bytes;
            i += 1;
        }
        sum
    }

    /// A short name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ip6Ip => "ip6ip",
            Self::Ip6IpLimit => "ip6ip with encapsulation limit",
            Self::Vlan => "vlan",
            Self::VlanInsideMtu => "vlan inside the mtu",
            Self::WireGuardOverIpv4 => "wireguard over ipv4",
            Self::WireGuardOverIpv6 => "wireguard over ipv6",
        }
    }
}

/// A link and the layers on it, from the outside in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stack<'a> {
    link_mtu: u32,
    layers: &'a [Layer],
}

/// A layer of a stack, and what is left inside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Step {
    /// The layer.
    pub layer: Layer,
    /// The MTU inside it; zero if nothing is left.
    pub mtu: u32,
}

impl<'a> Stack<'a> {
    /// The layers on a link of this MTU; the first layer is the outermost.
    #[must_use]
    pub const fn new(link_mtu: u32, layers: &'a [Layer]) -> Self {
        Self { link_mtu, layers }
    }

    /// The MTU of the link below.
    #[must_use]
    pub const fn link_mtu(&self) -> u32 {
        self.link_mtu
    }

    /// How many bytes all layers take together.
    #[must_use]
    pub const fn overhead(&self) -> u32 {
        let (mut sum, mut i) = (0, 0);
        while i < self.layers.len() {
            sum += self.layers[i].overhead();
            i += 1;
        }
        sum
    }

    /// The MTU inside all layers. `None` if the layers take more than the link has.
    #[must_use]
    pub const fn mtu(&self) -> Option<u32> {
        self.link_mtu.checked_sub(self.overhead())
    }

    /// The link MTU that is needed for `mtu` bytes inside.
    #[must_use]
    pub const fn link_mtu_for(&self, mtu: u32) -> Option<u32> {
        mtu.checked_add(self.overhead())
    }

    /// The TCP segment size for IPv4 inside: the MTU less two headers of 20 bytes (RFC 9293 section 3.7.1).
    #[must_use]
    pub const fn mss_ipv4(&self) -> Option<u32> {
        match self.mtu() {
            Some(mtu) => mtu.checked_sub(40),
            None => None,
        }
    }

    /// The TCP segment size for IPv6 inside: the MTU less 60 bytes.
    #[must_use]
    pub const fn mss_ipv6(&self) -> Option<u32> {
        match self.mtu() {
            Some(mtu) => mtu.checked_sub(60),
            None => None,
        }
    }

    /// The layers from the outside in, each with what it leaves.
    pub fn steps(&self) -> impl Iterator<Item = Step> + 'a {
        self.layers.iter().scan(self.link_mtu, |mtu, layer| {
            *mtu = mtu.saturating_sub(layer.overhead());
            Some(Step {
                layer: *layer,
                mtu: *mtu,
            })
        })
    }
}

/// What the entry-point does with a packet (RFC 2473 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Admission {
    /// It fits: encapsulate it.
    Encapsulate,
    /// It does not fit, and may not be refused: encapsulate it, then fragment the outer packet.
    EncapsulateThenFragment,
    /// Drop it, and tell its source this MTU: Fragmentation Needed for IPv4, Packet Too Big for IPv6.
    TooBig {
        /// The MTU to tell.
        mtu: u32,
    },
}

/// Decides on a packet that enters a tunnel whose path carries `path_mtu` bytes, of which `header_len` go to the
/// outer headers.
///
/// - IPv6 (section 7.1): longer than the tunnel MTU and than 1280: too big, tell the larger of the two.
///   Up to 1280 it is carried in fragments.
/// - IPv4 (section 7.2): longer than the tunnel MTU with DF set: too big. Without DF: carried in fragments.
///
/// `None` if `packet` has neither version.
///
/// ```
/// use kraud_tunnel::mtu::{Admission, admit};
/// let mut packet = [0u8; 1500];
/// packet[..8].copy_from_slice(&[0x45, 0, 0x05, 0xdc, 0, 0, 0x40, 0]);
/// assert_eq!(admit(&packet, 1420, 40), Some(Admission::TooBig { mtu: 1380 }));
/// packet[6] = 0;
/// assert_eq!(admit(&packet, 1420, 40), Some(Admission::EncapsulateThenFragment));
/// ```
#[must_use]
pub fn admit(packet: &[u8], path_mtu: u32, header_len: u32) -> Option<Admission> {
    // A path below the IPv6 minimum does not exist (RFC 8201 section 4); what says so is not believed.
    let tunnel_mtu = path_mtu.max(IPV6_MINIMUM).saturating_sub(header_len);
    let protocol = inspect::version(packet)?;
    let len = inspect::declared_len(packet).unwrap_or(packet.len());
    if len <= tunnel_mtu as usize {
        return Some(Admission::Encapsulate);
    }
    Some(match protocol {
        Protocol::Ipv4 if ipv4::Packet::new_unchecked(packet).dont_fragment() => {
            Admission::TooBig { mtu: tunnel_mtu }
        }
        Protocol::Ipv6 if len > IPV6_MINIMUM as usize => Admission::TooBig {
            mtu: tunnel_mtu.max(IPV6_MINIMUM),
        },
        _ => Admission::EncapsulateThenFragment,
    })
}
