//! A pod's two devices, and which of its packets may pass between them and the VPC.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;

use ipnet::IpNet;
use kraud_tunnel::{Decapsulator, Endpoints, inspect};

use super::tun::Tun;

/// One pod as the plan describes it.
#[derive(Clone, Debug)]
pub struct PodSpec {
    /// Its address in the VPC.
    pub address: Ipv6Addr,
    /// What it may send from in its overlays: its own addresses and the prefixes delegated to it.
    pub sources: Vec<IpNet>,
    /// Who has which overlay address or prefix, as the pod's `encap ip6` routes would say.
    pub routes: Vec<(IpNet, Ipv6Addr)>,
}

/// A pod's ports in the userspace plane.
#[derive(Debug)]
pub(super) struct Pod {
    pub(super) spec: PodSpec,
    /// `eth0`: the VPC.
    pub(super) vpc: Tun,
    /// The overlay device, if the pod joins any.
    pub(super) overlay: Option<Tun>,
    hosts: HashMap<IpAddr, Ipv6Addr>,
    prefixes: Vec<(IpNet, Ipv6Addr)>,
}

/// One of a pod's devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// `eth0`.
    Vpc,
    /// The device of all overlays.
    Overlay,
}

impl Pod {
    pub(super) fn new(spec: PodSpec, vpc: Tun, overlay: Option<Tun>) -> Self {
        let is_host = |(net, _): &(IpNet, Ipv6Addr)| net.prefix_len() == net.max_prefix_len();
        let (hosts, mut prefixes): (Vec<_>, Vec<_>) =
            spec.routes.iter().copied().partition(is_host);
        // The longest prefix is asked first.
        prefixes.sort_by_key(|(net, _)| std::cmp::Reverse(net.prefix_len()));
        let hosts = hosts
            .into_iter()
            .map(|(net, peer)| (net.addr(), peer))
            .collect();
        Self {
            spec,
            vpc,
            overlay,
            hosts,
            prefixes,
        }
    }

    /// One of its devices.
    pub(super) fn device(&self, side: Side) -> Option<&Tun> {
        match side {
            Side::Vpc => Some(&self.vpc),
            Side::Overlay => self.overlay.as_ref(),
        }
    }

    /// The pod that has an overlay address.
    fn peer(&self, address: IpAddr) -> Option<Ipv6Addr> {
        let by_prefix = || {
            self.prefixes
                .iter()
                .find(|(net, _)| net.contains(&address))
                .map(|(_, peer)| *peer)
        };
        self.hosts.get(&address).copied().or_else(by_prefix)
    }

    /// The ends of the tunnel for a packet that the pod sends into an overlay.
    ///
    /// `None` drops it: nobody has its destination, or its source is not the pod's.
    pub(super) fn tunnel(&self, packet: &[u8]) -> Option<Endpoints> {
        let source = inspect::source(packet)?;
        let peer = self.peer(inspect::destination(packet)?)?;
        let own = self.spec.sources.iter().any(|net| net.contains(&source));
        if own {
            Endpoints::new(self.spec.address, peer).ok()
        } else {
            None
        }
    }

    /// Whether the pod may send this packet into the VPC: only from its own address.
    pub(super) fn may_send(&self, packet: &[u8]) -> bool {
        inspect::source(packet) == Some(IpAddr::V6(self.spec.address))
    }

    /// Where a packet to the pod's VPC address goes: what is inside of it to the overlay device where it is tunnelled,
    /// else the whole of it to `eth0`. `None` drops it.
    pub(super) fn accept(
        &self,
        buffer: &mut [u8],
        packet: Range<usize>,
    ) -> Option<(Side, Range<usize>)> {
        if !is_tunnelled(buffer.get(packet.clone())?) {
            return Some((Side::Vpc, packet));
        }
        let found = Decapsulator::new().decapsulate(buffer, packet).ok()?;
        // The inner source must be an address of the pod that the outer source names, or anyone in the VPC could
        // speak for anyone in the overlay.
        let speaker =
            inspect::source(buffer.get(found.inner.clone())?).and_then(|source| self.peer(source));
        (speaker == Some(found.source)).then_some((Side::Overlay, found.inner))
    }
}

/// Next headers 4 and 41, also behind destination options, where the encapsulation limit lives (RFC 2473).
fn is_tunnelled(packet: &[u8]) -> bool {
    matches!(
        (packet.get(6), packet.get(40)),
        (Some(4 | 41), _) | (Some(60), Some(4 | 41))
    )
}
