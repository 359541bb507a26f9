//! Echo requests over raw ICMP sockets (RFC 792, RFC 4443), of an exact size and never fragmented.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::{
    Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto, recvfrom, sendto,
    socket_with,
};

const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;
const ICMP_HEADER: usize = 8;

/// What became of an echo request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The reply came, with the same payload, after this time.
    Reply(Duration),
    /// The packet is larger than the path's MTU; it was refused by the sender's own kernel or by an ICMP error.
    TooBig,
    /// Nothing came back in time.
    Silence,
    /// The kernel refused to send for another reason.
    Failed(String),
}

/// Two raw sockets in the network namespace where it was made.
#[derive(Debug)]
pub struct Pinger {
    v4: OwnedFd,
    v6: OwnedFd,
    identifier: u16,
    sequence: u16,
}

impl Pinger {
    /// Opens the sockets in the calling thread's network namespace.
    ///
    /// # Errors
    ///
    /// `EPERM` without `CAP_NET_RAW` in the user namespace that owns the network namespace.
    pub fn open(identifier: u16) -> io::Result<Self> {
        let raw = |family, protocol| {
            socket_with(
                family,
                SocketType::RAW,
                SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
                Some(protocol),
            )
        };
        let v4 = raw(AddressFamily::INET, ipproto::ICMP)?;
        let v6 = raw(AddressFamily::INET6, ipproto::ICMPV6)?;
        set_ip_mtu_discover(&v4, Ipv4PathMtuDiscovery::DO)?;
        set_ipv6_mtu_discover(&v6, Ipv6PathMtuDiscovery::DO)?;
        // Without it a raw IPv6 socket fragments what is too big instead of refusing it.
        setsockopt(&v6, sockopt::Ipv6DontFrag, &true)?;
        // The kernel queues ICMP errors about our packets here, so that a send reports EMSGSIZE.
        setsockopt(&v4, sockopt::Ipv4RecvErr, &true)?;
        setsockopt(&v6, sockopt::Ipv6RecvErr, &true)?;
        Ok(Self {
            v4,
            v6,
            identifier,
            sequence: 0,
        })
    }

    /// Sends one echo request in an IP packet of `bytes` bytes in all and waits for its reply.
    pub fn ping(&mut self, to: IpAddr, bytes: usize, patience: Duration) -> Outcome {
        self.sequence = self.sequence.wrapping_add(1);
        let request = self.request(to, bytes);
        let socket = if to.is_ipv4() { &self.v4 } else { &self.v6 };
        let started = Instant::now();
        match sendto(
            socket,
            &request,
            SendFlags::empty(),
            &SocketAddr::new(to, 0),
        ) {
            Ok(_) => self.await_reply(to, &request, started, patience),
            Err(Errno::MSGSIZE) => Outcome::TooBig,
            Err(errno) => Outcome::Failed(io::Error::from(errno).to_string()),
        }
    }

    fn request(&self, to: IpAddr, bytes: usize) -> Vec<u8> {
        let (header, kind) = if to.is_ipv4() {
            (IPV4_HEADER, 8)
        } else {
            (IPV6_HEADER, 128)
        };
        let payload = bytes.saturating_sub(header + ICMP_HEADER);
        let mut message = vec![kind, 0, 0, 0];
        message.extend_from_slice(&self.identifier.to_be_bytes());
        message.extend_from_slice(&self.sequence.to_be_bytes());
        message.extend((0..payload).map(|offset| (offset % 251) as u8));
        // The kernel fills in the checksum of ICMPv6, which covers its pseudo header, but not that of ICMP.
        if to.is_ipv4() {
            let sum = internet_checksum(&message);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        message
    }

    fn await_reply(
        &self,
        to: IpAddr,
        request: &[u8],
        started: Instant,
        patience: Duration,
    ) -> Outcome {
        let socket = if to.is_ipv4() { &self.v4 } else { &self.v6 };
        let mut buffer = vec![0; 65_536];
        loop {
            let Some(left) = patience.checked_sub(started.elapsed()) else {
                return Outcome::Silence;
            };
            let timeout = Timespec {
                tv_sec: left.as_secs() as i64,
                tv_nsec: left.subsec_nanos().into(),
            };
            let mut ready = [PollFd::new(socket, PollFlags::IN)];
            match poll(&mut ready, Some(&timeout)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Outcome::Failed(io::Error::from(errno).to_string()),
            }
            match recvfrom(socket, &mut buffer[..], RecvFlags::empty()) {
                Ok((length, _, from)) => {
                    let from = from
                        .and_then(|address| SocketAddr::try_from(address).ok())
                        .map(|address| address.ip());
                    if from == Some(to) && is_reply(&buffer[..length], to, request) {
                        return Outcome::Reply(started.elapsed());
                    }
                }
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(Errno::MSGSIZE) => return Outcome::TooBig,
                Err(errno) => return Outcome::Failed(io::Error::from(errno).to_string()),
            }
        }
    }
}

/// Whether `received` answers `request`: same identifier, sequence and payload.
fn is_reply(received: &[u8], to: IpAddr, request: &[u8]) -> bool {
    let (message, kind) = if to.is_ipv4() {
        let header = received
            .first()
            .map_or(0, |first| usize::from(first & 0x0f) * 4);
        (received.get(header..).unwrap_or_default(), 0)
    } else {
        (received, 129)
    };
    message.first() == Some(&kind) && message.get(4..) == request.get(4..)
}

/// The Internet checksum (RFC 1071) of an ICMP message.
fn internet_checksum(message: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in message.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_an_echo_request_as_tcpdump_shows_it() {
        // `ping -c1 -s0 127.0.0.1`, identifier 1, sequence 1.
        let message = [8, 0, 0, 0, 0, 1, 0, 1];
        assert_eq!(internet_checksum(&message), 0xf7fd);
    }

    #[test]
    fn only_the_matching_reply_counts() {
        let to: IpAddr = "fd00::1".parse().unwrap();
        let request = [128, 0, 0, 0, 0, 7, 0, 9, 1, 2];
        assert!(is_reply(&[129, 0, 5, 5, 0, 7, 0, 9, 1, 2], to, &request));
        assert!(
            !is_reply(&[129, 0, 5, 5, 0, 7, 0, 8, 1, 2], to, &request),
            "another sequence"
        );
        assert!(
            !is_reply(&[129, 0, 5, 5, 0, 7, 0, 9, 1, 3], to, &request),
            "another payload"
        );
        assert!(
            !is_reply(&[128, 0, 5, 5, 0, 7, 0, 9, 1, 2], to, &request),
            "the request itself"
        );
        assert!(!is_reply(&[], to, &request));
    }
}
