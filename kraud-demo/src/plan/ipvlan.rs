//! An ipvlan network: its parent, and the slaves in its members.
//!
//! ```text
//! HOST  parent: a link that is there, a VLAN made on one that is there, or a dummy
//! POD   ethN: a slave of it. L2: the default route via the gateway on the link; L3, L3S: the device is the way
//! ```

use kraud_netlink::{AddrGenMode, Ipvlan, Link, LinkInfo, LinkKind, Parent, Route, ipvlan_parent};
use kraud_tunnel::mtu::{Layer, Stack};
use uuid::Uuid;

use super::step::Step;
use super::{ETHERNET, PROTOCOL};
use crate::error::Error;
use crate::model::{Attachment, NOTE, Network, Pod};
use crate::site::{Site, Slave};

/// The parent of an ipvlan network on one host, and what its slaves are like.
pub(super) struct Port {
    parent: Parent,
    /// The largest packet that the parent carries.
    parent_mtu: u32,
    /// The largest packet of the network.
    pub(super) mtu: u32,
    slave: Ipvlan,
}

impl Port {
    /// Finds the parent on a host, or what is to be made in its place.
    pub(super) fn of(
        network: &Network,
        slave: Ipvlan,
        parent: Option<&str>,
        host: &str,
        owner: &str,
        site: &Site,
        pods: &[Pod],
    ) -> Result<Self, Error> {
        let named = parent.filter(|_| network.leaves());
        let context = || Error::netlink(format!("{host}: network `{}`", network.name));
        // A VLAN that another project made is made by this one as well: it goes with the last of them.
        let stays = |info: &&LinkInfo| named != Some(&*info.link.name) || !was_made(info);
        let links: Vec<LinkInfo> = site.links.iter().filter(stays).cloned().collect();
        let parent = ipvlan_parent(named, &network.aid(), owner, &links).map_err(context())?;
        let below = match &parent {
            Parent::Existing(name) => Some(name),
            Parent::Made(link) => link.parent.as_ref(),
        };
        if let Some(below) = below.and_then(|name| site.link(name))
            && !below.state.up
        {
            return Err(Error::Unplannable(format!(
                "{host}: network `{}` is on {:?}, which is down: ip link set {} up",
                network.name, below.link.name, below.link.name
            )));
        }
        if let Some(other) = in_another_mode(site, parent.name(), slave, pods) {
            return Err(Error::Address {
                held: true,
                message: format!(
                    "{host}: network `{}` would flip {} to ipvlan {} {}, and namespace {:?} has it in {} {}: mode and flag \
                     belong to the parent, so give the network another one, such as a VLAN",
                    network.name,
                    parent.name(),
                    slave.mode,
                    slave.flag,
                    other.netns,
                    other.is.mode,
                    other.is.flag
                ),
            });
        }
        let link_mtu = |name: &str| site.link(name).and_then(|info| info.link.mtu);
        let parent_mtu = match &parent {
            Parent::Existing(name) => link_mtu(name),
            Parent::Made(link) => {
                let below = link.parent.as_deref().and_then(link_mtu);
                below.and_then(|mtu| Stack::new(mtu, &[Layer::Vlan]).mtu())
            }
        };
        let parent_mtu = parent_mtu.unwrap_or(ETHERNET);
        Ok(Self {
            parent,
            parent_mtu,
            mtu: network
                .mtu
                .map_or(parent_mtu, |asked| asked.min(parent_mtu)),
            slave,
        })
    }

    /// The parent's name.
    pub(super) fn parent(&self) -> &str {
        self.parent.name()
    }

    /// The parent, if it has to be made: networks on one VLAN make it once.
    pub(super) fn made(&self) -> Option<Link> {
        match &self.parent {
            Parent::Existing(_) => None,
            Parent::Made(link) => {
                let link = (**link).clone();
                Some(link.mtu(self.parent_mtu).addr_gen_mode(AddrGenMode::None))
            }
        }
    }

    /// The way to an L3 network's subnets by the parent (row C21). The host itself still does not reach the slaves.
    pub(super) fn host(&self, host: &str, network: &Network, steps: &mut Vec<Step>) {
        if network.is_routed_at_the_device() && network.leaves() {
            for subnet in &network.subnets {
                let route = Route::new(subnet.net).dev(self.parent());
                steps.push(Step::add_route(host, route.protocol(PROTOCOL)));
            }
        }
    }

    /// The pod's slave. All slaves have their parent's hardware address, so none makes a link-local address of it.
    pub(super) fn pod(
        &self,
        host: &str,
        network: &Network,
        pod: &Pod,
        attachment: &Attachment,
        steps: &mut Vec<Step>,
    ) {
        let link = Link::new(&attachment.device, self.slave)
            .parent(self.parent())
            .netns(&pod.name)
            .mtu(self.mtu)
            .addr_gen_mode(AddrGenMode::None)
            .up();
        let link = Link {
            index: Some(index(network, &pod.name)),
            ..link
        };
        steps.push(Step::add_link(host, link));
    }
}

/// Whether some project made the link as a parent on the fly.
fn was_made(info: &LinkInfo) -> bool {
    let note = info.link.alias.as_deref().unwrap_or_default();
    matches!(info.link.kind, LinkKind::Vlan(_)) && note.starts_with(NOTE)
}

/// The interface index to ask for. A host has an `eth0` too, and the kernel refuses that name for a link which is made
/// from there, unless the request names an index: then it looks for nothing else. Those that it gives out by itself
/// begin at 1, so these are far away.
fn index(network: &Network, pod: &str) -> u32 {
    let (_, hash) = Uuid::new_v5(&network.id, pod.as_bytes()).as_u64_pair();
    0x4000_0000 | u32::try_from(hash & 0x3fff_ffff).unwrap_or(0)
}

/// A slave of somebody else that the kernel would silently give the mode and flag of ours (row C28).
fn in_another_mode<'a>(
    site: &'a Site,
    parent: &str,
    wanted: Ipvlan,
    pods: &[Pod],
) -> Option<&'a Slave> {
    let parent = site.link(parent)?.index;
    let is_own = |slave: &Slave| pods.iter().any(|pod| pod.name == slave.netns);
    let mut slaves = site.slaves.iter();
    slaves.find(|slave| slave.parent == parent && slave.is != wanted && !is_own(slave))
}
