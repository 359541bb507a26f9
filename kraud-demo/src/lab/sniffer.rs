//! Watches the underlay: nothing but WireGuard may be seen there (row A3).

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, socket};
use std::os::fd::AsFd;

/// What went over the underlay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Seen {
    /// UDP datagrams to or from a WireGuard port.
    pub wireguard: u64,
    /// Neighbour discovery and ARP of the underlay itself.
    pub neighbour: u64,
    /// Anything else: an unencrypted packet.
    pub plaintext: u64,
}

/// A packet socket and the thread that reads it.
#[derive(Debug)]
pub struct Sniffer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Seen>>,
}

/// A packet socket of the calling thread's network namespace that sees every frame.
///
/// # Errors
///
/// `EPERM` without `CAP_NET_RAW`.
pub fn packet_socket() -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    Ok(socket(
        AddressFamily::Packet,
        SockType::Raw,
        flags,
        SockProtocol::EthAll,
    )?)
}

impl Sniffer {
    /// Reads `socket` until [`Sniffer::finish`].
    pub fn start(socket: OwnedFd, wireguard_port: u16) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || watch(&socket, wireguard_port, &stopped));
        Self {
            stop,
            thread: Some(thread),
        }
    }

    /// Stops watching and tells what was seen.
    pub fn finish(mut self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread
            .take()
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default()
    }
}

impl Drop for Sniffer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn watch(socket: &OwnedFd, port: u16, stop: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    let mut frame = vec![0; 65_536];
    loop {
        match recv(socket.as_raw_fd(), &mut frame, MsgFlags::empty()) {
            Ok(length) => seen.count(&frame[..length], port),
            Err(Errno::EAGAIN) => {
                if stop.load(Ordering::Relaxed) {
                    return seen;
                }
                let mut ready = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
                let _ = poll(&mut ready, PollTimeout::from(50u8));
            }
            Err(Errno::EINTR | Errno::ENETDOWN) => {}
            Err(_) => return seen,
        }
    }
}

impl Seen {
    fn count(&mut self, frame: &[u8], port: u16) {
        match classify(frame, port) {
            Frame::Wireguard => self.wireguard += 1,
            Frame::Neighbour => self.neighbour += 1,
            Frame::Plaintext => self.plaintext += 1,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Frame {
    Wireguard,
    Neighbour,
    Plaintext,
}

/// Tells what an Ethernet frame carries.
fn classify(frame: &[u8], port: u16) -> Frame {
    let payload = frame.get(14..).unwrap_or_default();
    let (protocol, transport) = match frame.get(12..14) {
        Some([0x08, 0x06]) => return Frame::Neighbour,
        Some([0x08, 0x00]) => {
            let header = payload
                .first()
                .map_or(0, |first| usize::from(first & 0x0f) * 4);
            (
                payload.get(9).copied(),
                payload.get(header..).unwrap_or_default(),
            )
        }
        Some([0x86, 0xdd]) => (
            payload.get(6).copied(),
            payload.get(40..).unwrap_or_default(),
        ),
        _ => return Frame::Plaintext,
    };
    match (protocol, transport) {
        (Some(17), [s1, s2, d1, d2, ..]) => {
            let ports = [
                u16::from_be_bytes([*s1, *s2]),
                u16::from_be_bytes([*d1, *d2]),
            ];
            if ports.contains(&port) {
                Frame::Wireguard
            } else {
                Frame::Plaintext
            }
        }
        // Hop-by-hop options in front of MLD reports, and ICMPv6 types 130 to 137 and 143: RFC 4861, 2710, 3810.
        (Some(0), [58, ..]) | (Some(58), [130..=137 | 143, ..]) => Frame::Neighbour,
        _ => Frame::Plaintext,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ipv6(next_header: u8, transport: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; 12];
        frame.extend([
            0x86,
            0xdd,
            0x60,
            0,
            0,
            0,
            0,
            transport.len() as u8,
            next_header,
            64,
        ]);
        frame.extend([0; 32]);
        frame.extend(transport);
        frame
    }

    #[test]
    fn a03_only_the_wireguard_port_is_not_plaintext() {
        let to_port = |port: u16| [&[0x30, 0x39][..], &port.to_be_bytes(), &[0, 8, 0, 0]].concat();
        assert_eq!(
            classify(&ipv6(17, &to_port(51820)), 51820),
            Frame::Wireguard
        );
        assert_eq!(classify(&ipv6(17, &to_port(53)), 51820), Frame::Plaintext);
        assert_eq!(
            classify(&ipv6(4, &[0x45; 20]), 51820),
            Frame::Plaintext,
            "IPv4 in IPv6"
        );
        assert_eq!(
            classify(&ipv6(58, &[128, 0, 0, 0]), 51820),
            Frame::Plaintext,
            "an echo request"
        );
        assert_eq!(
            classify(&ipv6(58, &[135, 0, 0, 0]), 51820),
            Frame::Neighbour
        );
        assert_eq!(classify(&[], 51820), Frame::Plaintext);
    }
}
