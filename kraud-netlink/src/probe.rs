//! What this kernel can do, found out by trying in a namespace that is thrown away.

use std::fmt;

use ipnet::IpNet;

use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::netns::Netns;
use crate::nft::{Chain as NftChain, Family as NftFamily, Rule as NftRule, Table as NftTable};
use crate::op::Op;
use crate::spec::{Address, Encap, Ip6Tnl, IpvlanMode, Link, LinkChange, LinkKind, Route};

/// Something that a kernel may be built without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
#[non_exhaustive]
pub enum Capability {
    /// Bridges.
    Bridge,
    /// Dummy links.
    Dummy,
    /// Routes with `encap ip6`.
    EncapIp6,
    /// `ip6tnl external`.
    Ip6TnlExternal,
    /// ipvlan slaves.
    Ipvlan,
    /// nf_tables with masquerade.
    Nft,
    /// `/dev/net/tun`.
    Tun,
    /// veth pairs.
    Veth,
    /// VLAN sub-interfaces.
    Vlan,
    /// WireGuard, its generic-netlink family included.
    Wireguard,
}

impl Capability {
    /// All of them, in alphabetical order.
    pub const ALL: [Self; 10] = [
        Self::Bridge,
        Self::Dummy,
        Self::EncapIp6,
        Self::Ip6TnlExternal,
        Self::Ipvlan,
        Self::Nft,
        Self::Tun,
        Self::Veth,
        Self::Vlan,
        Self::Wireguard,
    ];
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bridge => "bridge",
            Self::Dummy => "dummy",
            Self::EncapIp6 => "route encap ip6",
            Self::Ip6TnlExternal => "ip6tnl external",
            Self::Ipvlan => "ipvlan",
            Self::Nft => "nft masquerade",
            Self::Tun => "tun",
            Self::Veth => "veth",
            Self::Vlan => "vlan",
            Self::Wireguard => "wireguard",
        })
    }
}

/// What was found out about a kernel.
#[derive(Debug)]
pub struct Probe {
    answers: Vec<(Capability, Option<Error>)>,
}

impl Probe {
    /// Does this kernel have it?
    #[must_use]
    pub fn has(&self, capability: Capability) -> bool {
        self.why_not(capability).is_none()
    }

    /// Why it does not, in the kernel's words.
    #[must_use]
    pub fn why_not(&self, capability: Capability) -> Option<&Error> {
        self.answers
            .iter()
            .find(|(asked, _)| *asked == capability)
            .and_then(|(_, error)| error.as_ref())
    }

    /// Each capability with the reason why it is missing, or `None`.
    pub fn answers(&self) -> impl Iterator<Item = (Capability, Option<&Error>)> {
        self.answers
            .iter()
            .map(|(capability, error)| (*capability, error.as_ref()))
    }

    /// Those of `wanted` that are missing.
    #[must_use]
    pub fn missing(&self, wanted: &[Capability]) -> Vec<Capability> {
        wanted
            .iter()
            .copied()
            .filter(|capability| !self.has(*capability))
            .collect()
    }
}

impl fmt::Display for Probe {
    /// One line for each capability: `ipvlan: no: add ipvlan link …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (capability, error) in self.answers() {
            match error {
                None => writeln!(f, "{capability}: yes")?,
                Some(error) => writeln!(f, "{capability}: no: {error}")?,
            }
        }
        Ok(())
    }
}

/// Finds out what this kernel can do, by doing it in an anonymous namespace that is gone afterwards.
///
/// Versions are never compared: features are built as modules, left out, or ported back. Making a link may load its
/// module. It takes some milliseconds.
///
/// # Errors
///
/// [`Error::Io`] when no namespace can be made (`CAP_SYS_ADMIN` is missing; a user namespace of one's own has it).
pub fn probe() -> Result<Probe> {
    let netns = Netns::new()?;
    let mut kernel = netns.handle()?;
    let answers = Capability::ALL
        .into_iter()
        .map(|capability| (capability, attempt(&mut kernel, capability).err()))
        .collect();
    Ok(Probe { answers })
}

fn attempt(kernel: &mut Handle, capability: Capability) -> Result<()> {
    let mut add = |link: Link| kernel.apply(&Op::AddLink(link));
    match capability {
        Capability::Bridge => add(Link::bridge("kr-br")),
        Capability::Dummy => add(Link::dummy("kr-dummy")),
        Capability::Ip6TnlExternal => add(Link::new("kr-tnl", Ip6Tnl::external())),
        Capability::Veth => add(Link::veth("kr-v0", "kr-v1")),
        Capability::Wireguard => {
            add(Link::wireguard("kr-wg"))?;
            kernel.wireguard("kr-wg").map(drop)
        }
        Capability::Ipvlan => {
            let parent = parent(kernel)?;
            kernel.apply(&Op::AddLink(Link::ipvlan(
                "kr-ipvl",
                parent,
                IpvlanMode::L3,
            )))
        }
        Capability::Vlan => {
            let parent = parent(kernel)?;
            kernel.apply(&Op::AddLink(Link::vlan("kr-vlan", parent, 1)))
        }
        Capability::EncapIp6 => encap_ip6(kernel),
        Capability::Nft => {
            let chain = NftChain::nat_postrouting("post").rule(NftRule::masquerade());
            kernel.apply(&Op::SetNft(
                NftTable::new(NftFamily::Ip6, "kr-nat").chain(chain),
            ))
        }
        Capability::Tun => std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/net/tun")
            .map(drop)
            .map_err(|source| Error::io("open /dev/net/tun", source)),
    }
}

/// A link to put others on: Ethernet, and up. Without veth a bridge serves as well.
fn parent(kernel: &mut Handle) -> Result<String> {
    for name in ["kr-p0", "kr-p-br"] {
        if kernel.link(name).is_ok() {
            return Ok(name.to_owned());
        }
    }
    let made = kernel.apply(&Op::AddLink(Link::veth("kr-p0", "kr-p1").up()));
    match made {
        Ok(()) => Ok("kr-p0".to_owned()),
        Err(_) => {
            kernel.apply(&Op::AddLink(
                Link::new("kr-p-br", LinkKind::Bridge(crate::spec::Bridge::default())).up(),
            ))?;
            Ok("kr-p-br".to_owned())
        }
    }
}

fn encap_ip6(kernel: &mut Handle) -> Result<()> {
    kernel.apply(&Op::SetLink(LinkChange::new("lo").up()))?;
    let net = |text: &str| {
        text.parse::<IpNet>()
            .map_err(|_| Error::invalid("prefix", text, "it is no prefix"))
    };
    kernel.apply(&Op::AddAddress(Address::new("lo", net("192.0.2.1/32")?)))?;
    let outer = std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
    kernel.apply(&Op::AddRoute(
        Route::new(net("192.0.2.2/32")?)
            .encap(Encap::ip6(outer))
            .dev("lo"),
    ))
}
