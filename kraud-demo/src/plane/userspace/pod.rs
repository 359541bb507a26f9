//! A pod's two TUN devices, and which of its packets may pass between them and the VPC.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;

use ipnet::IpNet;
use kraud_tunnel::{Decapsulator, Encapsulator, Endpoints, inspect};
use tun_rs::{DeviceBuilder, SyncDevice};

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
pub(super) struct Pod {
    pub(super) spec: PodSpec,
    /// `eth0`: the VPC.
    pub(super) vpc: SyncDevice,
    /// The overlay device, if the pod joins any.
    pub(super) overlay: Option<SyncDevice>,
    hosts: HashMap<IpAddr, Ipv6Addr>,
    prefixes: Vec<(IpNet, Ipv6Addr)>,
}

impl Pod {
    pub(super) fn new(spec: PodSpec, vpc: SyncDevice, overlay: Option<SyncDevice>) -> Self {
        let is_host = |(destination, _): &(IpNet, Ipv6Addr)| {
            destination.prefix_len() == destination.max_prefix_len()
        };
        let (hosts, mut prefixes): (Vec<_>, Vec<_>) =
            spec.routes.iter().copied().partition(is_host);
        // The longest prefix is asked first.
        prefixes.sort_by_key(|(destination, _)| std::cmp::Reverse(destination.prefix_len()));
        let hosts = hosts
            .into_iter()
            .map(|(destination, peer)| (destination.addr(), peer))
            .collect();
        Self {
            spec,
            vpc,
            overlay,
            hosts,
            prefixes,
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

    /// Puts the outer header in front of a packet that the pod sends into an overlay.
    ///
    /// `None` drops it: nobody has its destination, or its source is not the pod's.
    pub(super) fn encapsulate(
        &self,
        buffer: &mut [u8],
        packet: Range<usize>,
    ) -> Option<Range<usize>> {
        let inner = buffer.get(packet.clone())?;
        let source = inspect::source(inner)?;
        let peer = self.peer(inspect::destination(inner)?)?;
        if !self.spec.sources.iter().any(|net| net.contains(&source)) {
            return None;
        }
        let tunnel = Endpoints::new(self.spec.address, peer).ok()?;
        Encapsulator::new()
            .encapsulate(buffer, packet, &tunnel)
            .ok()
    }

    /// Whether the pod may send this packet into the VPC: only from its own address.
    pub(super) fn may_send(&self, packet: &[u8]) -> bool {
        inspect::source(packet) == Some(IpAddr::V6(self.spec.address))
    }

    /// Hands the pod a packet that was sent to its VPC address: to its overlay device where it is tunnelled, else to
    /// `eth0`.
    pub(super) fn deliver(&self, buffer: &mut [u8], packet: Range<usize>) {
        let Some(bytes) = buffer.get(packet.clone()) else {
            return;
        };
        if !is_tunnelled(bytes) {
            write(&self.vpc, bytes);
            return;
        }
        let Some(overlay) = &self.overlay else { return };
        let Ok(found) = Decapsulator::new().decapsulate(buffer, packet) else {
            return;
        };
        let Some(inner) = buffer.get(found.inner) else {
            return;
        };
        // The inner source must be an address of the pod that the outer source names, or anyone in the VPC could
        // speak for anyone in the overlay.
        let speaker = inspect::source(inner).and_then(|source| self.peer(source));
        if speaker == Some(found.source) {
            write(overlay, inner);
        }
    }
}

/// Next headers 4 and 41, also behind destination options, where the encapsulation limit lives (RFC 2473).
fn is_tunnelled(packet: &[u8]) -> bool {
    matches!(
        (packet.get(6), packet.get(40)),
        (Some(4 | 41), _) | (Some(60), Some(4 | 41))
    )
}

/// A TUN device refuses a packet only when it is down or its queue is full: then the packet is lost, as on a wire.
fn write(device: &SyncDevice, packet: &[u8]) {
    let _: io::Result<usize> = device.send(packet);
}

/// Makes a TUN device in the calling thread's network namespace, down and without addresses.
///
/// # Errors
///
/// `EACCES` where `/dev/net/tun` is not for this user, `EPERM` without `CAP_NET_ADMIN`.
pub(in crate::plane) fn open_tun(name: &str) -> io::Result<SyncDevice> {
    let device = DeviceBuilder::new()
        .name(name)
        .inherit_enable_state()
        .build_sync()?;
    device.set_nonblocking(true)?;
    Ok(device)
}
