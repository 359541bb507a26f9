//! A pod's two devices, and which of its packets may pass between them and the VPC.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;

use ipnet::IpNet;
use kraud_tunnel::wire::ext;
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
    /// What it may send and receive.
    pub(super) policy: Policy,
    /// `eth0`: the VPC.
    pub(super) vpc: Tun,
    /// The overlay device, if the pod joins any.
    pub(super) overlay: Option<Tun>,
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
    /// One of its devices.
    pub(super) fn device(&self, side: Side) -> Option<&Tun> {
        match side {
            Side::Vpc => Some(&self.vpc),
            Side::Overlay => self.overlay.as_ref(),
        }
    }
}

/// Which packets pass between a pod's devices and the VPC.
#[derive(Debug)]
pub(super) struct Policy {
    /// The pod's address in the VPC.
    pub(super) address: Ipv6Addr,
    sources: Vec<IpNet>,
    hosts: HashMap<IpAddr, Ipv6Addr>,
    prefixes: Vec<(IpNet, Ipv6Addr)>,
}

impl From<PodSpec> for Policy {
    fn from(spec: PodSpec) -> Self {
        let is_host = |(net, _): &(IpNet, Ipv6Addr)| net.prefix_len() == net.max_prefix_len();
        let (hosts, mut prefixes): (Vec<_>, Vec<_>) = spec.routes.into_iter().partition(is_host);
        // The longest prefix is asked first.
        prefixes.sort_by_key(|(net, _)| std::cmp::Reverse(net.prefix_len()));
        let hosts = hosts
            .into_iter()
            .map(|(net, peer)| (net.addr(), peer))
            .collect();
        Self {
            address: spec.address,
            sources: spec.sources,
            hosts,
            prefixes,
        }
    }
}

impl Policy {
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
        let own = self.sources.iter().any(|net| net.contains(&source));
        if own {
            Endpoints::new(self.address, peer).ok()
        } else {
            None
        }
    }

    /// Whether the pod may send this packet into the VPC: only from its own address.
    pub(super) fn may_send(&self, packet: &[u8]) -> bool {
        inspect::source(packet) == Some(IpAddr::V6(self.address))
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

/// Whether this is a part of a tunnel packet, with the Fragment header in front of the options or behind them.
pub(super) fn is_tunnel_fragment(packet: &[u8]) -> bool {
    let Ok(chain) = ext::walk(packet) else {
        return false;
    };
    chain.fragment.is_some_and(|(_, header)| {
        // Options inside of the fragments are the limit's: they are in front of nothing else on the way to a pod.
        matches!(header.next_header, 4 | 41 | ext::DESTINATION_OPTIONS)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use kraud_tunnel::Encapsulator;
    use kraud_tunnel::fragment::{Fragments, Layout};

    const OWN: &str = "fd00:0:0:1::1";
    const PEER: &str = "fd00:0:0:2::1";
    const STRANGER: &str = "fd00:0:0:2::bad";

    fn v6(address: &str) -> Ipv6Addr {
        address.parse().unwrap()
    }

    /// 192.168.2.1 in an overlay with 192.168.2.2, who also has 192.168.3.0/24, and 192.168.3.7 of a third pod.
    fn policy() -> Policy {
        let route = |net: &str, peer: &str| (net.parse().unwrap(), v6(peer));
        Policy::from(PodSpec {
            address: v6(OWN),
            sources: vec!["192.168.2.1/32".parse().unwrap()],
            routes: vec![
                route("192.168.3.0/24", PEER),
                route("192.168.2.2/32", PEER),
                route("192.168.3.7/32", "fd00:0:0:3::1"),
            ],
        })
    }

    fn ipv4(source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 20, 0, 0, 0x40, 0, 64, 253, 0, 0];
        packet.extend(source);
        packet.extend(destination);
        let sum = kraud_tunnel::checksum::of(&packet);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet
    }

    /// What `from` would have sent through the VPC.
    fn tunnelled(from: &str, inner: &[u8]) -> (Vec<u8>, Range<usize>) {
        let mut buffer = vec![0; 64];
        buffer.extend_from_slice(inner);
        let ends = Endpoints::new(v6(from), v6(OWN)).unwrap();
        let packet = 64..buffer.len();
        let outer = Encapsulator::new()
            .encapsulate(&mut buffer, packet, &ends)
            .unwrap();
        (buffer, outer)
    }

    #[test]
    fn a07_a_packet_is_tunnelled_to_who_has_its_destination() {
        let to = |destination| {
            policy()
                .tunnel(&ipv4([192, 168, 2, 1], destination))
                .map(|ends| ends.destination())
        };
        assert_eq!(to([192, 168, 2, 2]), Some(v6(PEER)));
        assert_eq!(to([192, 168, 3, 9]), Some(v6(PEER)), "a delegated prefix");
        assert_eq!(
            to([192, 168, 3, 7]),
            Some(v6("fd00:0:0:3::1")),
            "the longest prefix wins"
        );
        assert_eq!(to([192, 168, 9, 9]), None);
    }

    #[test]
    fn a01_a_pod_speaks_only_for_itself() {
        assert!(
            policy()
                .tunnel(&ipv4([192, 168, 2, 9], [192, 168, 2, 2]))
                .is_none()
        );
        let mut packet = vec![0x60, 0, 0, 0, 0, 0, 59, 64];
        packet.extend(v6(OWN).octets());
        packet.extend(v6(PEER).octets());
        assert!(policy().may_send(&packet));
        packet[8..24].copy_from_slice(&v6(STRANGER).octets());
        assert!(!policy().may_send(&packet));
    }

    #[test]
    fn a01_an_overlay_source_counts_only_from_the_pod_that_has_it() {
        let inner = ipv4([192, 168, 2, 2], [192, 168, 2, 1]);
        let accept = |from: &str| {
            let (mut buffer, outer) = tunnelled(from, &inner);
            let accepted = policy().accept(&mut buffer, outer);
            accepted.map(|(side, range)| (side, buffer[range].to_vec()))
        };
        assert_eq!(accept(PEER), Some((Side::Overlay, inner.clone())));
        assert_eq!(accept(STRANGER), None, "the injection of another pod");
    }

    #[test]
    fn fragments_of_tunnel_packets_are_told_from_others() {
        for limit in [None, Some(4)] {
            for layout in [Layout::Linux, Layout::Rfc8200] {
                let mut inner = ipv4([192, 168, 2, 2], [192, 168, 2, 1]);
                inner.resize(2000, 0);
                inner[2..4].copy_from_slice(&2000u16.to_be_bytes());
                inner[10..12].fill(0);
                let sum = kraud_tunnel::checksum::of(&inner[..20]);
                inner[10..12].copy_from_slice(&sum.to_be_bytes());
                let mut buffer = vec![0; 64];
                buffer.extend_from_slice(&inner);
                let whole = 64..buffer.len();
                let ends = Endpoints::new(v6(PEER), v6(OWN)).unwrap();
                let how = Encapsulator::new().encap_limit(limit);
                let outer = how.encapsulate(&mut buffer, whole, &ends).unwrap();
                assert!(!is_tunnel_fragment(&buffer[outer.clone()]));
                let mut fragments = Fragments::new(&buffer[outer], 1280, 7, layout).unwrap();
                let (mut wire, mut count) = ([0; 1280], 0);
                while let Some(fragment) = fragments.next_into(&mut wire).unwrap() {
                    assert!(is_tunnel_fragment(fragment), "{limit:?}, {layout:?}");
                    count += 1;
                }
                assert_eq!(count, 2);
            }
        }
        // A fragment of UDP is the pod's kernel's.
        let mut udp = vec![0x60, 0, 0, 0, 0, 16, 44, 64];
        udp.extend(v6(PEER).octets());
        udp.extend(v6(OWN).octets());
        udp.extend([17, 0, 0, 1, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert!(!is_tunnel_fragment(&udp));
    }

    #[test]
    fn what_is_not_tunnelled_goes_to_the_vpc_device() {
        let mut buffer = vec![0x60, 0, 0, 0, 0, 0, 59, 64];
        buffer.extend(v6(PEER).octets());
        buffer.extend(v6(OWN).octets());
        let whole = 0..buffer.len();
        assert_eq!(
            policy().accept(&mut buffer, whole.clone()),
            Some((Side::Vpc, whole))
        );
    }
}
