//! The loop that moves one host's packets: wait, take what is there, pass it on. Nothing is allocated on the way.

use std::io;
use std::net::{IpAddr, Ipv6Addr, UdpSocket};
use std::ops::Range;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kraud_tunnel::gso::InPlace;
use kraud_tunnel::reassemble::{Reassembler, Slot};
use kraud_tunnel::{Encapsulator, Endpoints, inspect};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::delivery::Delivery;
use super::inbox::{self, Inbox};
use super::peers::Peers;
use super::pod::{Pod, Side, is_tunnel_fragment};
use super::tun::{self, Read};

/// Room in front of a packet for what the tunnel adds, and for the virtio header.
const HEADROOM: usize = 128;
/// Packets taken from one device before the others get their turn.
const BATCH: usize = 64;
/// Tunnel packets that are put together from fragments at a time, and the longest of them with its headers. Nobody here
/// sends such fragments; whoever else speaks RFC 2473 may.
const REASSEMBLED: usize = 16;
const LONGEST_REASSEMBLED: usize = 16 << 10;
/// How often WireGuard's timers run.
const TICK: Duration = Duration::from_millis(100);

/// One host's share of the plane.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) socket: UdpSocket,
    pub(super) inbox: Inbox,
    pub(super) peers: Peers,
    pub(super) pods: Vec<Pod>,
}

/// Where packets come from.
#[derive(Clone, Copy, Debug)]
enum Port {
    Underlay,
    Pod(usize, Side),
}

/// Where a packet of the VPC goes.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// To the host of that index.
    Peer(usize),
    /// To the pod of that index, on this host.
    Pod(usize),
}

/// The memory that packets pass through.
struct Buffers<'m> {
    /// What was read or decrypted, behind the headroom.
    packet: Vec<u8>,
    /// What is coalesced for a device.
    coalesced: Vec<u8>,
    /// Tunnel packets of which a part has come.
    fragments: Reassembler<'m>,
    /// When the thread began, which its clock counts from.
    born: Instant,
}

impl Host {
    /// Moves packets until `stop`.
    ///
    /// # Errors
    ///
    /// Those of `epoll_create1(2)` and `epoll_ctl(2)`, before any packet was moved.
    pub(super) fn run(mut self, stop: &AtomicBool) -> io::Result<()> {
        let ports = self.ports();
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        for (port, index) in ports.iter().zip(0..) {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, index);
            match *port {
                Port::Underlay => epoll.add(&self.socket, event)?,
                Port::Pod(pod, side) => {
                    if let Some(device) = self.pods.get(pod).and_then(|pod| pod.device(side)) {
                        epoll.add(device.as_fd(), event)?;
                    }
                }
            }
        }
        let mut slots = [Slot::EMPTY; REASSEMBLED];
        let mut memory = vec![0; REASSEMBLED * LONGEST_REASSEMBLED];
        let mut buffers = Buffers {
            packet: vec![0; HEADROOM + tun::LONGEST.max(inbox::LONGEST)],
            coalesced: vec![0; tun::LONGEST],
            fragments: Reassembler::new(&mut slots, &mut memory),
            born: Instant::now(),
        };
        let mut events = [EpollEvent::empty(); 64];
        let timeout = EpollTimeout::try_from(TICK).unwrap_or(EpollTimeout::ZERO);
        let mut ticked = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            let ready = epoll.wait(&mut events, timeout).unwrap_or(0);
            for event in events.iter().take(ready) {
                let port = usize::try_from(event.data())
                    .ok()
                    .and_then(|index| ports.get(index));
                if let Some(port) = port {
                    self.drain(*port, &mut buffers);
                }
            }
            if ticked.elapsed() >= TICK {
                self.peers.tick(&self.socket);
                ticked = Instant::now();
            }
        }
        Ok(())
    }

    fn ports(&self) -> Vec<Port> {
        let sides = |(index, pod): (usize, &Pod)| {
            let overlay = pod
                .overlay
                .is_some()
                .then_some(Port::Pod(index, Side::Overlay));
            std::iter::once(Port::Pod(index, Side::Vpc)).chain(overlay)
        };
        std::iter::once(Port::Underlay)
            .chain(self.pods.iter().enumerate().flat_map(sides))
            .collect()
    }

    /// Takes what a port has, up to a batch, and sends what was collected meanwhile.
    fn drain(&mut self, port: Port, buffers: &mut Buffers<'_>) {
        for _ in 0..BATCH {
            let taken = match port {
                Port::Underlay => self.take_from_underlay(buffers),
                Port::Pod(pod, side) => self.take_from_pod(pod, side, buffers),
            };
            if taken.is_none() {
                break;
            }
        }
        self.peers.flush(&self.socket);
    }

    /// A row of datagrams from another host. `None` when there is none.
    fn take_from_underlay(&mut self, buffers: &mut Buffers<'_>) -> Option<()> {
        let received = self.inbox.receive(&self.socket)?;
        let mut delivery = Delivery::new(&mut buffers.coalesced);
        for datagram in received.bytes.chunks(received.segment) {
            let Some(plain) = buffers.packet.get_mut(HEADROOM..) else {
                break;
            };
            let length = self
                .peers
                .receive(&self.socket, datagram, received.from, plain);
            let Some(packet) = length.map(|length| HEADROOM..HEADROOM + length) else {
                continue;
            };
            let Some(bytes) = buffers.packet.get(packet.clone()) else {
                continue;
            };
            let Some(pod) = destination(bytes).and_then(|address| pod_of(&self.pods, address))
            else {
                continue;
            };
            if !is_tunnel_fragment(bytes) {
                delivery.deliver(&self.pods, pod, &mut buffers.packet, packet);
                continue;
            }
            // The exit point puts together first (RFC 2473 section 7). What is wrong with a fragment is the sender's affair.
            let now = u64::try_from(buffers.born.elapsed().as_millis()).unwrap_or(u64::MAX);
            if let Ok(Some(whole)) = buffers.fragments.insert(bytes, now) {
                let packet = 0..whole.len();
                delivery.deliver(&self.pods, pod, whole, packet);
            }
        }
        delivery.flush(&self.pods);
        Some(())
    }

    /// A packet or superpacket from a pod's device. `None` when there is none.
    fn take_from_pod(&mut self, index: usize, side: Side, buffers: &mut Buffers<'_>) -> Option<()> {
        let pod = self.pods.get(index)?;
        let (packet, segment) = match pod.device(side)?.read(&mut buffers.packet, HEADROOM)? {
            Read::Packet(packet) => (packet, None),
            Read::Super(packet, segment) => (packet, Some(segment)),
            Read::Nonsense => return Some(()),
        };
        let mut delivery = Delivery::new(&mut buffers.coalesced);
        let bytes = buffers.packet.get(packet.clone())?;
        // All segments of a superpacket have the same addresses, so they are judged and routed once.
        let tunnel = match side {
            Side::Vpc if pod.policy.may_send(bytes) => None,
            Side::Vpc => return Some(()),
            Side::Overlay => match pod.policy.tunnel(bytes) {
                Some(tunnel) => Some(tunnel),
                None => return Some(()),
            },
        };
        let outer = tunnel
            .as_ref()
            .map(Endpoints::destination)
            .or_else(|| destination(bytes));
        let Some(way) = outer.and_then(|address| self.way(address)) else {
            return Some(());
        };
        let how = Encapsulator::new();
        match segment {
            None => {
                let packet = match &tunnel {
                    None => Some(packet),
                    Some(tunnel) => how.encapsulate(&mut buffers.packet, packet, tunnel).ok(),
                };
                if let Some(packet) = packet {
                    self.pass(way, &mut buffers.packet, packet, &mut delivery);
                }
            }
            Some(size) => {
                let Ok(mut segments) = InPlace::new(&buffers.packet, packet, size) else {
                    return Some(());
                };
                // Each segment is encrypted from where it lies before the next takes its place.
                while let Ok(Some(packet)) = match &tunnel {
                    None => segments.next(&mut buffers.packet),
                    Some(tunnel) => segments.next_encapsulated(&how, tunnel, &mut buffers.packet),
                } {
                    self.pass(way, &mut buffers.packet, packet, &mut delivery);
                }
            }
        }
        delivery.flush(&self.pods);
        Some(())
    }

    /// The way to an address of the VPC: the host whose prefix holds it, or a pod of this host.
    fn way(&self, address: Ipv6Addr) -> Option<Way> {
        let peer = self.peers.route(address).map(Way::Peer);
        peer.or_else(|| pod_of(&self.pods, address).map(Way::Pod))
    }

    fn pass(
        &mut self,
        way: Way,
        buffer: &mut [u8],
        packet: Range<usize>,
        delivery: &mut Delivery<'_>,
    ) {
        match way {
            Way::Pod(pod) => delivery.deliver(&self.pods, pod, buffer, packet),
            Way::Peer(peer) => {
                if let Some(packet) = buffer.get(packet) {
                    self.peers.send(&self.socket, peer, packet);
                }
            }
        }
    }
}

fn pod_of(pods: &[Pod], address: Ipv6Addr) -> Option<usize> {
    pods.iter().position(|pod| pod.policy.address == address)
}

fn destination(packet: &[u8]) -> Option<Ipv6Addr> {
    match inspect::destination(packet) {
        Some(IpAddr::V6(address)) => Some(address),
        _ => None,
    }
}
