//! Linux's own `ip6tnl` at the other end: with and without the encapsulation limit, IPv4 and IPv6 inside, whole and in
//! fragments, both ways. It puts together what we cut; itself it only cuts what goes in. What the kernel cuts outside is
//! in `kernel_judge.rs`. Its underlay is a TUN device of ours. Runs in the real-kernel lane.
#![cfg(target_os = "linux")]

mod common;

use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use kraud_tunnel::fragment::{Fragments, Layout};
use kraud_tunnel::reassemble::{Reassembler, Slot};
use kraud_tunnel::wire::{ext, ipv4, ipv6};
use kraud_tunnel::{DecapError, Decapsulator, Encapsulator, Endpoints, checksum, inspect};
use tun_rs::{DeviceBuilder, SyncDevice};

/// Our end of the tunnel, and the kernel's.
const OURS: Ipv6Addr = Ipv6Addr::new(0xfd42, 0x1a8, 0, 0x2a09, 0, 0, 0, 1);
const KERNELS: Ipv6Addr = Ipv6Addr::new(0xfd42, 0x1a8, 0, 0x2a09, 0, 0, 0, 2);

/// What talks inside of it: our addresses and the kernel's, IPv4 and IPv6.
const INSIDE: [[&str; 2]; 2] = [["10.198.62.5", "10.198.62.6"], ["fd99::5", "fd99::6"]];

/// The least that IPv6 permits.
const UNDERLAY_MTU: u16 = 1280;

#[test]
#[ignore = "needs a network namespace of its own: the real-kernel lane runs it"]
fn a07_ip6tnl_on_a_full_kernel_understands_us_and_we_it() {
    common::in_own_namespace("in_a_namespace_of_its_own");
}

#[test]
#[ignore = "started by a07_ip6tnl_on_a_full_kernel_understands_us_and_we_it, in a namespace of its own"]
fn in_a_namespace_of_its_own() {
    let underlay = DeviceBuilder::new()
        .name("underlay0")
        .mtu(UNDERLAY_MTU)
        .ipv6(KERNELS, 64u8)
        .build_sync()
        .expect("a TUN device");
    underlay.set_nonblocking(true).expect("a flag");
    for limit in [None, Some(4)] {
        let kernel = Kernel::new(&underlay, limit);
        for family in [0, 1] {
            for size in [8, 100, 1000] {
                kernel.takes_ours_whole(family, size);
                kernel.sends_whole(family, size);
            }
            for size in [1300, 3000, 8000] {
                kernel.takes_our_fragments(family, size);
            }
        }
        kernel.loses_what_it_would_have_to_cut_outside();
        kernel.sends_fragments_of_the_inner_packet();
        println!("judged: ip6tnl with limit {limit:?}");
    }
}

/// An `ip6tnl` device, its underlay, and sockets at its inner addresses.
struct Kernel<'u> {
    underlay: &'u SyncDevice,
    limit: Option<u8>,
    sockets: [UdpSocket; 2],
}

impl Drop for Kernel<'_> {
    fn drop(&mut self) {
        ip("link del t0", false);
    }
}

impl<'u> Kernel<'u> {
    fn new(underlay: &'u SyncDevice, limit: Option<u8>) -> Self {
        let limit_text = limit.map_or("none".to_owned(), |limit| limit.to_string());
        ip(
            &format!(
                "link add name t0 type ip6tnl local {KERNELS} remote {OURS} mode any hoplimit 64 encaplimit {limit_text}"
            ),
            true,
        );
        ip("link set t0 mtu 1280 up", true);
        let sockets = INSIDE.map(|[ours, kernels]| {
            let (len, nodad) = if ours.contains(':') {
                (64, " nodad")
            } else {
                (24, "")
            };
            ip(&format!("addr add {kernels}/{len} dev t0{nodad}"), true);
            let socket = UdpSocket::bind((kernels, 0)).expect("an own address");
            socket
                .set_read_timeout(Some(Duration::from_secs(2)))
                .expect("a timeout");
            socket
        });
        Self {
            underlay,
            limit,
            sockets,
        }
    }

    /// What we encapsulate arrives inside, in both forms of the outer header.
    fn takes_ours_whole(&self, family: usize, size: usize) {
        for ours in [None, Some(4)] {
            let payload = payload(size);
            let (buf, outer) = self.encapsulated(family, &payload, ours);
            self.underlay.send(&buf[outer]).expect("it is up");
            self.arrives(family, &payload);
        }
    }

    /// What we cut arrives inside, in both orders of headers.
    fn takes_our_fragments(&self, family: usize, size: usize) {
        for (id, (ours, layout)) in (1u32..).zip([
            (None, Layout::Rfc8200),
            (Some(4), Layout::Rfc8200),
            (Some(4), Layout::Linux),
        ]) {
            let payload = payload(size);
            let (buf, outer) = self.encapsulated(family, &payload, ours);
            let id = id << 16 | size as u32;
            let mtu = usize::from(UNDERLAY_MTU);
            let mut fragments = Fragments::new(&buf[outer], mtu, id, layout).expect("to be cut");
            let (mut wire, mut count) = ([0; UNDERLAY_MTU as usize], 0);
            while let Some(fragment) = fragments.next_into(&mut wire).expect("room") {
                self.underlay.send(fragment).expect("it is up");
                count += 1;
            }
            assert!(count > 1);
            self.arrives(family, &payload);
        }
    }

    /// What the kernel encapsulates comes out as it went in, with the limit that it was told.
    fn sends_whole(&self, family: usize, size: usize) {
        let payload = payload(size);
        self.send(family, &payload);
        let (inner, fragments) = self.receive();
        assert_eq!((fragments, udp_payload(&inner)), (0, &payload[..]));
    }

    /// An IPv6 packet of 1,280 bytes would have to be cut outside (RFC 2473 section 7.1 b). Linux lets it in and loses it:
    /// `ip6tnl` gives the outer packet no leave to be fragmented.
    fn loses_what_it_would_have_to_cut_outside(&self) {
        self.send(1, &payload(1280 - 48));
        assert_eq!(self.try_receive(), None);
        // One that fits whole follows it.
        self.sends_whole(1, 1000);
    }

    /// A long datagram is cut before it goes in: each piece is a tunnel packet of its own.
    fn sends_fragments_of_the_inner_packet(&self) {
        let payload = payload(3000);
        // The first piece may be too long for the underlay: then the kernel tells itself the MTU, and nothing else.
        let started = Instant::now();
        loop {
            self.send(0, &payload);
            let mut datagram = vec![None; payload.len() + 8];
            while let Some((inner, fragments)) = self.try_receive() {
                assert_eq!(fragments, 0);
                let view = ipv4::Packet::new_checked(&inner[..]).expect("a right header");
                let at = view.fragment_offset();
                for (byte, place) in view.payload().iter().zip(&mut datagram[at..]) {
                    *place = Some(*byte);
                }
            }
            let came: Option<Vec<u8>> = datagram.into_iter().collect();
            if let Some(datagram) = came {
                assert_eq!(datagram[8..], payload);
                return;
            }
            assert!(
                started.elapsed() < Duration::from_secs(5),
                "not all pieces came"
            );
        }
    }

    /// A UDP datagram to the kernel's inner address, in the tunnel.
    fn encapsulated(
        &self,
        family: usize,
        payload: &[u8],
        limit: Option<u8>,
    ) -> (Vec<u8>, std::ops::Range<usize>) {
        let inner = udp(family, self.address(family).port(), payload);
        let (mut buf, range) = common::in_buffer(&inner, 48, 0);
        let to = Endpoints::new(OURS, KERNELS).expect("a possible tunnel");
        let how = Encapsulator::new().encap_limit(limit);
        let outer = how
            .encapsulate(&mut buf, range, &to)
            .expect("a good packet");
        (buf, outer)
    }

    fn address(&self, family: usize) -> SocketAddr {
        self.sockets[family].local_addr().expect("bound")
    }

    fn arrives(&self, family: usize, payload: &[u8]) {
        let mut buf = [0; 9000];
        let (len, from) = self.sockets[family]
            .recv_from(&mut buf)
            .unwrap_or_else(|error| panic!("{} bytes: {error}", payload.len()));
        assert_eq!(from.ip().to_string(), INSIDE[family][0]);
        assert_eq!(&buf[..len], payload);
    }

    fn send(&self, family: usize, payload: &[u8]) {
        let to = (INSIDE[family][0], 9);
        // The first time the path's MTU may not be known yet.
        if self.sockets[family].send_to(payload, to).is_err() {
            self.sockets[family].send_to(payload, to).expect("a route");
        }
    }

    #[track_caller]
    fn receive(&self) -> (Vec<u8>, usize) {
        self.try_receive().expect("the kernel's tunnel packet")
    }

    /// The next UDP packet out of the tunnel, and how many fragments it came in.
    fn try_receive(&self) -> Option<(Vec<u8>, usize)> {
        let (mut slots, mut memory) = ([Slot::EMPTY; 2], [0; 8192]);
        let mut reassembler = Reassembler::new(&mut slots, &mut memory);
        let how = Decapsulator::new()
            .only_from(Endpoints::new(KERNELS, OURS).expect("a possible tunnel"));
        let (mut buf, mut fragments) = ([0; 2048], 0);
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(500) {
            let Ok(len) = self.underlay.recv(&mut buf) else {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            };
            // The kernel has things of its own to say: neighbours, routers, groups.
            let Ok(chain) = ext::walk(&buf[..len]) else {
                continue;
            };
            if buf[24..40] != OURS.octets() || !matches!(chain.next_header, 4 | 41) {
                continue;
            }
            assert_eq!(chain.limit.map(|option| option.value), self.limit);
            let packet = match how.decapsulate(&mut buf, 0..len) {
                Ok(found) => buf[found.inner].to_vec(),
                Err(DecapError::Fragment { .. }) => {
                    fragments += 1;
                    let whole = reassembler.insert(&buf[..len], 0).expect("a good fragment");
                    let Some(whole) = whole else { continue };
                    let len = whole.len();
                    let found = how.decapsulate(whole, 0..len).expect("a good packet");
                    whole[found.inner].to_vec()
                }
                Err(error) => panic!("the kernel's packet: {error}"),
            };
            let destination = inspect::destination(&packet).map(|address| address.to_string());
            let ours = INSIDE
                .iter()
                .any(|[ours, _]| destination.as_deref() == Some(ours));
            if ours && transport(&packet).0 == 17 {
                return Some((packet, fragments));
            }
        }
        None
    }
}

fn payload(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8).collect()
}

/// The transport protocol, and where its header is.
fn transport(packet: &[u8]) -> (u8, usize) {
    if packet[0] >> 4 == 4 {
        (packet[9], 20)
    } else {
        (packet[6], 40)
    }
}

fn udp_payload(packet: &[u8]) -> &[u8] {
    &packet[transport(packet).1 + 8..]
}

/// A datagram from our inner address to the kernel's, with its checksum.
fn udp(family: usize, port: u16, payload: &[u8]) -> Vec<u8> {
    let [source, destination] = INSIDE[family].map(|text| text.parse().expect("an address"));
    let len = (8 + payload.len()) as u16;
    let mut datagram = vec![0; 8];
    datagram[..2].copy_from_slice(&7u16.to_be_bytes());
    datagram[2..4].copy_from_slice(&port.to_be_bytes());
    datagram[4..6].copy_from_slice(&len.to_be_bytes());
    datagram.extend_from_slice(payload);
    let mut packet;
    let addresses = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            packet = vec![0; 20];
            let header = ipv4::Repr {
                traffic_class: 0,
                identification: 75,
                dont_fragment: true,
                ttl: 64,
                protocol: 17,
                source,
                destination,
                payload_len: len,
            };
            header.emit(&mut packet).expect("room");
            12..20
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            packet = vec![0; 40];
            let header = ipv6::Repr {
                traffic_class: 0,
                flow_label: 0,
                payload_len: len,
                next_header: 17,
                hop_limit: 64,
                source,
                destination,
            };
            header.emit(&mut packet).expect("room");
            8..40
        }
        _ => panic!("two families"),
    };
    let sum = checksum::pseudo_header(&packet[addresses], 17, u32::from(len));
    let sum = !checksum::fold(checksum::accumulate(sum, &datagram));
    datagram[6..8].copy_from_slice(&sum.to_be_bytes());
    packet.extend(datagram);
    packet
}

/// Runs iproute2.
fn ip(arguments: &str, must: bool) {
    let output = Command::new("ip")
        .args(arguments.split_whitespace())
        .output()
        .expect("iproute2");
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(!must || output.status.success(), "ip {arguments}: {talk}");
}
