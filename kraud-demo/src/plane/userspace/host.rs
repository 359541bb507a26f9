//! The loop that moves one host's packets: poll, read until empty, pass on.

use std::io;
use std::net::{IpAddr, Ipv6Addr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kraud_tunnel::inspect;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tun_rs::SyncDevice;

use super::peers::{LARGEST_DATAGRAM, Peers};
use super::pod::Pod;

/// Room in front of a packet for what the tunnel adds.
const HEADROOM: usize = 128;
/// Packets taken from one device before the others get their turn.
const BATCH: usize = 64;
/// How often WireGuard's timers run.
const TICK: Duration = Duration::from_millis(100);

/// One host's share of the plane.
pub(super) struct Host {
    pub(super) socket: UdpSocket,
    pub(super) peers: Peers,
    pub(super) pods: Vec<Pod>,
}

#[derive(Clone, Copy)]
enum Port {
    Underlay,
    Vpc(usize),
    Overlay(usize),
}

impl Host {
    /// Moves packets until `stop`.
    pub(super) fn run(mut self, stop: &AtomicBool) {
        let mut buffer = vec![0; HEADROOM + LARGEST_DATAGRAM];
        let mut datagram = vec![0; LARGEST_DATAGRAM];
        let ports = self.ports();
        let mut ticked = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            for port in self.ready(&ports) {
                for _ in 0..BATCH {
                    let moved = match port {
                        Port::Underlay => self.take_from_underlay(&mut datagram, &mut buffer),
                        Port::Vpc(pod) => self.take_from_vpc(pod, &mut buffer),
                        Port::Overlay(pod) => self.take_from_overlay(pod, &mut buffer),
                    };
                    if !moved {
                        break;
                    }
                }
            }
            if ticked.elapsed() >= TICK {
                self.peers.tick(&self.socket);
                ticked = Instant::now();
            }
        }
    }

    fn ports(&self) -> Vec<Port> {
        let mut ports = vec![Port::Underlay];
        for (index, pod) in self.pods.iter().enumerate() {
            ports.push(Port::Vpc(index));
            if pod.overlay.is_some() {
                ports.push(Port::Overlay(index));
            }
        }
        ports
    }

    /// The ports that have something to read, after at most one tick.
    fn ready(&self, ports: &[Port]) -> Vec<Port> {
        let fd = |port: &Port| match *port {
            Port::Underlay => Some(self.socket.as_fd()),
            Port::Vpc(pod) => self.pods.get(pod).map(|pod| pod.vpc.as_fd()),
            Port::Overlay(pod) => self
                .pods
                .get(pod)
                .and_then(|pod| pod.overlay.as_ref())
                .map(SyncDevice::as_fd),
        };
        let mut polled: Vec<PollFd<'_>> = ports
            .iter()
            .filter_map(fd)
            .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
            .collect();
        let timeout = PollTimeout::try_from(TICK).unwrap_or(PollTimeout::ZERO);
        if poll(&mut polled, timeout).is_err() {
            return Vec::new();
        }
        let readable = |polled: &PollFd<'_>| {
            polled
                .revents()
                .is_some_and(|events| events.contains(PollFlags::POLLIN))
        };
        ports
            .iter()
            .zip(&polled)
            .filter(|(_, polled)| readable(polled))
            .map(|(port, _)| *port)
            .collect()
    }

    /// One datagram from another host. Tells whether there was one.
    fn take_from_underlay(&mut self, datagram: &mut [u8], buffer: &mut [u8]) -> bool {
        let Ok((length, from)) = self.socket.recv_from(datagram) else {
            return false;
        };
        let Some((_, plain)) = buffer.split_at_mut_checked(HEADROOM) else {
            return false;
        };
        let received = datagram.get(..length).unwrap_or_default();
        if let Some(length) = self.peers.receive(&self.socket, received, from, plain) {
            let packet = HEADROOM..HEADROOM + length;
            let destination = buffer.get(packet.clone()).and_then(destination);
            if let Some(pod) = destination.and_then(|address| self.pod(address)) {
                pod.deliver(buffer, packet);
            }
        }
        true
    }

    /// One packet that a pod sends into the VPC. Tells whether there was one.
    fn take_from_vpc(&mut self, pod: usize, buffer: &mut [u8]) -> bool {
        let Some(pod) = self.pods.get(pod) else {
            return false;
        };
        let Some(length) = read(&pod.vpc, buffer) else {
            return false;
        };
        let packet = HEADROOM..HEADROOM + length;
        if buffer
            .get(packet.clone())
            .is_some_and(|packet| pod.may_send(packet))
        {
            self.forward(buffer, packet);
        }
        true
    }

    /// One packet that a pod sends into an overlay. Tells whether there was one.
    fn take_from_overlay(&mut self, pod: usize, buffer: &mut [u8]) -> bool {
        let Some(pod) = self.pods.get(pod) else {
            return false;
        };
        let Some(length) = pod
            .overlay
            .as_ref()
            .and_then(|overlay| read(overlay, buffer))
        else {
            return false;
        };
        if let Some(packet) = pod.encapsulate(buffer, HEADROOM..HEADROOM + length) {
            self.forward(buffer, packet);
        }
        true
    }

    /// Routes a VPC packet: to a pod of this host, else to the host whose prefix holds its destination.
    fn forward(&mut self, buffer: &mut [u8], packet: std::ops::Range<usize>) {
        let Some(bytes) = buffer.get(packet.clone()) else {
            return;
        };
        let Some(destination) = destination(bytes) else {
            return;
        };
        if let Some(peer) = self.peers.route(destination) {
            self.peers.send(&self.socket, peer, bytes);
        } else if let Some(pod) = self.pod(destination) {
            pod.deliver(buffer, packet);
        }
    }

    fn pod(&self, address: Ipv6Addr) -> Option<&Pod> {
        self.pods.iter().find(|pod| pod.spec.address == address)
    }
}

fn destination(packet: &[u8]) -> Option<Ipv6Addr> {
    match inspect::destination(packet) {
        Some(IpAddr::V6(address)) => Some(address),
        _ => None,
    }
}

/// Reads one packet behind the headroom.
fn read(device: &SyncDevice, buffer: &mut [u8]) -> Option<usize> {
    let received: io::Result<usize> = device.recv(buffer.get_mut(HEADROOM..)?);
    received.ok()
}
