//! The running kernel as a judge of the outer half, without any tunnel module: what is written to a TUN device
//! is a tunnel packet that arrives, and a raw socket of protocol 4 or 41 gets what the kernel finds inside. The
//! other way round, what is sent through the raw socket is encapsulated, and cut, by the kernel.
//!
//! Runs in a network namespace of its own, made with `unshare`.
#![cfg(target_os = "linux")]

mod common;

use std::io::Read;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::time::Duration;

use common::{in_buffer, ipv4_packet, rows};
use kraud_tunnel::fragment::{Fragments, Layout};
use kraud_tunnel::reassemble::{Reassembler, Slot};
use kraud_tunnel::wire::ext::{self, ExtError};
use kraud_tunnel::{DecapError, Decapsulator, DropReason, Encapsulator, Endpoints};
use socket2::{Domain, Protocol, Socket, Type};
use tun_rs::{DeviceBuilder, SyncDevice};

const PEER: Ipv6Addr = Ipv6Addr::new(0xfd42, 0x1a8, 0, 0x2a09, 0, 0, 0, 1);
const LOCAL: Ipv6Addr = Ipv6Addr::new(0xfd42, 0x1a8, 0, 0x2a09, 0, 0, 0, 2);

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn a7_the_running_kernel_agrees() {
    common::in_own_namespace("in_a_namespace_of_its_own");
}

#[test]
#[ignore = "started by a7_the_running_kernel_agrees, in a namespace of its own"]
fn in_a_namespace_of_its_own() {
    let device = DeviceBuilder::new()
        .name("judge0")
        .mtu(1500)
        .ipv6(LOCAL, 64u8)
        .build_sync()
        .expect("a TUN device");
    let judge = Judge::new(device);
    judge.whole_packets();
    judge.damaged_packets();
    judge.our_fragments();
    judge.the_vectors_fragments();
    judge.what_the_kernel_sends();
}

struct Judge {
    device: SyncDevice,
    /// Sockets that get what the kernel finds in tunnel packets, and send what it is to encapsulate.
    ipv4: Socket,
    ipv6: Socket,
    to_local: Endpoints,
}

impl Judge {
    fn new(device: SyncDevice) -> Self {
        device.set_nonblocking(true).expect("a flag");
        let raw = |protocol: i32| {
            let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::from(protocol)))
                .expect("root here");
            socket
                .set_read_timeout(Some(Duration::from_millis(300)))
                .expect("a timeout");
            socket.set_recv_buffer_size(1 << 20).expect("a size");
            socket
        };
        let to_local = Endpoints::new(PEER, LOCAL).expect("a possible tunnel");
        Self {
            device,
            ipv4: raw(4),
            ipv6: raw(41),
            to_local,
        }
    }

    /// Lets a packet arrive.
    fn arrive(&self, packet: &[u8]) {
        // The kernel refuses at once what has no IP version.
        let _ = self.device.send(packet);
    }

    /// What the kernel has found in what arrived: delivery through a TUN device is synchronous, so it is
    /// there already or never will be. A marker that is always delivered shows which of the two.
    fn found(&self) -> Option<Vec<u8>> {
        self.arrive(&self.marker());
        let mut first = None;
        loop {
            let mut buf = vec![0; 70_000];
            let len = (&self.ipv4).read(&mut buf).expect("the marker at least");
            buf.truncate(len);
            if buf == MARKER {
                break;
            }
            first = first.or(Some(buf));
        }
        self.ipv6.set_nonblocking(true).expect("a flag");
        let mut buf = vec![0; 70_000];
        while let Ok(len) = (&self.ipv6).read(&mut buf) {
            first = first.or(Some(buf[..len].to_vec()));
        }
        first
    }

    fn marker(&self) -> Vec<u8> {
        let mut packet = vec![0; 40];
        packet.extend(MARKER);
        let header = kraud_tunnel::wire::ipv6::Repr {
            traffic_class: 0,
            flow_label: 0,
            payload_len: MARKER.len() as u16,
            next_header: 4,
            hop_limit: 64,
            source: PEER,
            destination: LOCAL,
        };
        header.emit(&mut packet).expect("room");
        packet
    }

    /// Our verdict on the outer half: the inner bytes, or why not. What is wrong inside does not count, the kernel
    /// does not look at it here.
    fn ours(&self, packet: &[u8]) -> Result<Vec<u8>, DecapError> {
        let mut buf = packet.to_vec();
        let how = Decapsulator::new().only_from(self.to_local);
        match how.decapsulate(&mut buf, 0..packet.len()) {
            Ok(found) => Ok(packet[found.inner].to_vec()),
            Err(error) => Err(error),
        }
    }

    /// Every whole packet of the vectors: what we take, the kernel takes, with the same inside.
    fn whole_packets(&self) {
        let (mut taken, mut refused) = (0, 0);
        for name in ["decap", "ecn_packets", "malformed"] {
            for row in rows(name) {
                let packet = row.bytes("input");
                self.arrive(&packet);
                let kernel = self.found();
                let expected = row.json()["oracle_outer"]["outer_accepted"] == true;
                assert_eq!(
                    kernel.is_some(),
                    expected,
                    "{}: the kernel has changed its mind",
                    row.name()
                );
                match self.ours(&packet) {
                    Ok(inner) => {
                        let kernel = kernel
                            .unwrap_or_else(|| panic!("{}: the kernel refuses it", row.name()));
                        assert!(kernel.starts_with(&inner), "{}", row.name());
                        taken += 1;
                    }
                    Err(error) => {
                        assert!(
                            !outer_is_wrong(&error) || kernel.is_none(),
                            "{}: {error}",
                            row.name()
                        );
                        refused += 1;
                    }
                }
            }
        }
        println!("judged: {taken} packets of the vectors taken by both, {refused} refused by us");
        assert!(taken > 70 && refused > 30);
    }

    /// Good packets with bytes changed at random in the outer half.
    fn damaged_packets(&self) {
        let (mut both, mut neither) = (0, 0);
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = |below: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random >> 33) as usize % below
        };
        let chains: [&[u8]; 4] = [
            &[],
            &[4, 0, 4, 1, 4, 1, 1, 0],
            &[60, 0, 1, 4, 0, 0, 0, 0, 4, 0, 4, 1, 4, 1, 1, 0],
            &[
                60, 0, 0, 0, 0, 0, 0, 9, 4, 1, 0x1e, 2, 7, 7, 1, 0, 4, 1, 3, 1, 3, 0, 0, 0,
            ],
        ];
        for round in 0..4000 {
            let chain = chains[round % 4];
            let mut payload = chain.to_vec();
            payload.extend(ipv4_packet(60, 0, false));
            let first = [4, 60, 60, 44][round % 4];
            let mut packet = common::ipv6_packet(first, 0, &payload);
            packet[8..24].copy_from_slice(&PEER.octets());
            packet[24..40].copy_from_slice(&LOCAL.octets());
            for _ in 0..1 + next(2) {
                // Anything but the addresses, or the kernel would have to route it somewhere.
                let at = next(8 + chain.len());
                let at = if at < 8 { at } else { at + 32 };
                packet[at] = if next(2) == 0 {
                    next(256) as u8
                } else {
                    packet[at] ^ (1 << next(8))
                };
            }
            self.arrive(&packet);
            match (self.ours(&packet), self.found()) {
                (Ok(inner), Some(kernel)) => {
                    assert!(kernel.starts_with(&inner), "{packet:02x?}");
                    both += 1;
                }
                (Ok(_), None) => panic!("taken by us only: {packet:02x?}"),
                (Err(error), Some(_)) => {
                    assert!(
                        !outer_is_wrong(&error),
                        "refused by us only: {error}: {packet:02x?}"
                    );
                }
                (Err(_), None) => neither += 1,
            }
        }
        println!("judged: 4000 damaged packets, {both} taken by both, {neither} by neither");
        assert!(both > 500 && neither > 500);
    }

    /// What we cut, the kernel puts together.
    fn our_fragments(&self) {
        let mut count = 0;
        for (id, len) in [1241, 1500, 2000, 4000, 9000, 40_000]
            .into_iter()
            .enumerate()
        {
            for (layout, limit) in [
                (Layout::Linux, None),
                (Layout::Rfc8200, None),
                (Layout::Linux, Some(4)),
                (Layout::Rfc8200, Some(4)),
            ] {
                let inner = ipv4_packet(len, 0, false);
                let (mut buf, range) = in_buffer(&inner, 48, 0);
                let how = Encapsulator::new().encap_limit(limit);
                let outer = how
                    .encapsulate(&mut buf, range, &self.to_local)
                    .expect("a good packet");
                let id = (id * 4 + count) as u32;
                let mut fragments =
                    Fragments::new(&buf[outer], 1280, id, layout).expect("a packet to cut");
                let mut wire = [0; 1280];
                while let Some(fragment) = fragments.next_into(&mut wire).expect("room") {
                    self.arrive(fragment);
                }
                assert_eq!(
                    self.found().as_deref(),
                    Some(&inner[..]),
                    "{len} bytes, {layout:?}, {limit:?}"
                );
                count += 1;
            }
        }
        println!("judged: {count} packets of ours, cut, put together by the kernel");
    }

    /// What the vectors cut, both put together or neither; where the kernel is lenient, the vectors say so.
    fn the_vectors_fragments(&self) {
        for row in rows("reassembly") {
            let id = row.json()["id"].as_str().unwrap_or_default();
            let packets = row.packets("packets");
            let (mut slots, mut memory) = ([Slot::EMPTY; 4], vec![0; 4 * 8192]);
            let mut reassembler = Reassembler::new(&mut slots, &mut memory);
            let mut ours = None;
            for packet in &packets {
                // An identification of its own for each row, so that leftovers do not meet.
                let mut packet = packet.clone();
                let number: u8 = id.trim_start_matches("reasm-").parse().expect("a number");
                packet[44] = packet[44].wrapping_add(number);
                self.arrive(&packet);
                if let Ok(Some(whole)) = reassembler.insert(&packet, 0) {
                    ours = Some(whole.to_vec());
                }
            }
            let kernel = self.found();
            let lenient = matches!(id, "reasm-09" | "reasm-13");
            assert_eq!(
                ours.is_some(),
                kernel.is_some() && !lenient,
                "{}",
                row.name()
            );
            if let (Some(ours), Some(kernel)) = (ours, kernel) {
                assert_eq!(
                    self.ours(&ours).as_deref(),
                    Ok(&kernel[..]),
                    "{}",
                    row.name()
                );
            }
        }
    }

    /// What the kernel encapsulates, and cuts, comes out as it went in.
    fn what_the_kernel_sends(&self) {
        let to = SocketAddrV6::new(PEER, 0, 0, 0).into();
        let mut cut = 0;
        for len in [20, 28, 100, 1000, 1460, 1461, 3000, 9000, 40_000] {
            let inner = ipv4_packet(len, 0, false);
            self.ipv4.send_to(&inner, &to).expect("a route");
            let (mut slots, mut memory) = ([Slot::EMPTY; 1], vec![0; 66_000]);
            let mut reassembler = Reassembler::new(&mut slots, &mut memory);
            let mut buf = [0; 1500];
            let mut result = None;
            for _ in 0..200 {
                let Ok(received) = self.device.recv(&mut buf) else {
                    std::thread::sleep(Duration::from_millis(1));
                    continue;
                };
                // The kernel has things of its own to say: neighbours, routers, groups.
                let Ok(chain) = ext::walk(&buf[..received]) else {
                    continue;
                };
                if buf[24..40] != PEER.octets() || chain.next_header != 4 {
                    continue;
                }
                match Decapsulator::new().decapsulate(&mut buf, 0..received) {
                    Ok(found) => result = Some(buf[found.inner].to_vec()),
                    Err(DecapError::Fragment { .. }) => {
                        cut += 1;
                        if let Some(whole) = reassembler
                            .insert(&buf[..received], 0)
                            .expect("a good fragment")
                        {
                            let len = whole.len();
                            let found = Decapsulator::new()
                                .decapsulate(whole, 0..len)
                                .expect("a good packet");
                            result = Some(whole[found.inner].to_vec());
                        }
                    }
                    Err(error) => panic!("{len} bytes: {error}"),
                }
                if result.is_some() {
                    break;
                }
            }
            assert_eq!(result, Some(inner), "{len} bytes");
        }
        println!("judged: 9 packets of the kernel, {cut} fragments among them");
        assert!(cut > 30);
    }
}

/// What the kernel is asked for to know that it has seen everything before.
const MARKER: [u8; 8] = *b"judgment";

/// Whether the kernel must refuse it as well: something is wrong outside, and not by a limit of ours.
fn outer_is_wrong(error: &DecapError) -> bool {
    use DropReason as R;
    match error {
        // The kernel accepts more headers and options, and a limit option of any length.
        DecapError::Extension(
            ExtError::TooManyHeaders { .. }
            | ExtError::TooManyOptions { .. }
            | ExtError::LimitLength { .. }
            | ExtError::Padding { .. },
        ) => false,
        _ => matches!(
            error.reason(),
            R::OuterLength
                | R::OuterTruncated
                | R::OuterVersion
                | R::Extension
                | R::UnrecognizedOption
                | R::RoutingHeader
                | R::Fragment
                | R::NotTunnelPayload
        ),
    }
}
