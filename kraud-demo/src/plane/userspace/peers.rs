//! The WireGuard half of the userspace plane: one boringtun session per peer host, all on one UDP socket.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};

use boringtun::noise::handshake::parse_handshake_anon;
use boringtun::noise::{Packet, Tunn, TunnResult};
use boringtun::x25519::{PublicKey, StaticSecret};
use ipnet::Ipv6Net;
use nix::sys::socket::{setsockopt, sockopt};

use super::outbox::Outbox;

/// Room that boringtun wants beyond the packet: header and tag, and never less than a handshake message.
const WIREGUARD_ROOM: usize = 160;

/// The largest packet that is encrypted.
const LARGEST_PACKET: usize = 65_535;

/// What the socket keeps while its host is busy.
const SOCKET_BUFFER: usize = 4 << 20;

/// The message type of a cookie reply, which is the whole of a cookie's first byte.
const COOKIE_REPLY: u8 = 3;

/// A peer host as the plan describes it.
#[derive(Clone, Debug)]
pub struct PeerSpec {
    /// Its public key.
    pub public_key: [u8; 32],
    /// Where its UDP socket is on the underlay.
    pub endpoint: SocketAddr,
    /// The only inner source addresses that it may send from: its pods' prefix.
    pub allowed: Ipv6Net,
}

/// The sessions with all peer hosts.
pub(super) struct Peers {
    private: StaticSecret,
    public: PublicKey,
    peers: Vec<Peer>,
    outbox: Outbox,
}

struct Peer {
    spec: PeerSpec,
    session: Tunn,
}

impl Peers {
    pub(super) fn new(private_key: [u8; 32], specs: Vec<PeerSpec>) -> Self {
        let private = StaticSecret::from(private_key);
        let public = PublicKey::from(&private);
        let peers = (0u32..).zip(specs).map(|(index, mut spec)| {
            spec.endpoint = for_socket(spec.endpoint);
            let theirs = PublicKey::from(spec.public_key);
            let session = Tunn::new(private.clone(), theirs, None, None, index, None);
            Peer { spec, session }
        });
        let peers = peers.collect();
        Self {
            private,
            public,
            peers,
            outbox: Outbox::new(LARGEST_PACKET + WIREGUARD_ROOM),
        }
    }

    /// The peer whose pods have `address`.
    pub(super) fn route(&self, address: Ipv6Addr) -> Option<usize> {
        self.peers
            .iter()
            .position(|peer| peer.spec.allowed.contains(&address))
    }

    /// Encrypts `packet` for a peer; it leaves with the next [`flush`](Self::flush), if not before. Without a session yet
    /// it is queued and a handshake begins.
    pub(super) fn send(&mut self, socket: &UdpSocket, peer: usize, packet: &[u8]) {
        let Some(peer) = self.peers.get_mut(peer) else {
            return;
        };
        let room = self.outbox.room();
        if packet.len().saturating_add(WIREGUARD_ROOM) > room.len() {
            return;
        }
        if let TunnResult::WriteToNetwork(datagram) = peer.session.encapsulate(packet, room) {
            let length = datagram.len();
            self.outbox.push(socket, peer.spec.endpoint, length);
        }
    }

    /// Sends everything that was collected.
    pub(super) fn flush(&mut self, socket: &UdpSocket) {
        self.outbox.flush(socket);
    }

    /// Decrypts a datagram into `plain`; returns the packet's length where it carried one that its peer may send.
    pub(super) fn receive(
        &mut self,
        socket: &UdpSocket,
        datagram: &[u8],
        from: SocketAddr,
        plain: &mut [u8],
    ) -> Option<usize> {
        let index = self.sender(datagram)?;
        let peer = self.peers.get_mut(index)?;
        match peer.session.decapsulate(Some(from.ip()), datagram, plain) {
            TunnResult::WriteToTunnelV6(packet, source) => {
                // Only an authenticated packet moves a peer to another endpoint.
                peer.spec.endpoint = from;
                peer.spec.allowed.contains(&source).then_some(packet.len())
            }
            TunnResult::WriteToNetwork(answer) => {
                // A cookie is the answer to somebody who has shown nothing yet.
                if answer.first() != Some(&COOKIE_REPLY) {
                    peer.spec.endpoint = from;
                }
                transmit(socket, answer, from);
                while let TunnResult::WriteToNetwork(queued) =
                    peer.session.decapsulate(None, &[], self.outbox.room())
                {
                    let length = queued.len();
                    self.outbox.push(socket, from, length);
                }
                None
            }
            TunnResult::WriteToTunnelV4(..) | TunnResult::Done | TunnResult::Err(_) => None,
        }
    }

    /// Runs the protocol's timers: handshake retries, rekeys, keepalives.
    pub(super) fn tick(&mut self, socket: &UdpSocket) {
        for peer in &mut self.peers {
            if let TunnResult::WriteToNetwork(datagram) =
                peer.session.update_timers(self.outbox.room())
            {
                let length = datagram.len();
                self.outbox.push(socket, peer.spec.endpoint, length);
            }
        }
        self.outbox.flush(socket);
    }

    /// Which peer sent a datagram: by the receiver index that we gave it, or by the key in its first handshake message.
    fn sender(&self, datagram: &[u8]) -> Option<usize> {
        let index = match Tunn::parse_incoming_packet(datagram).ok()? {
            Packet::HandshakeInit(message) => {
                let half = parse_handshake_anon(&self.private, &self.public, &message).ok()?;
                return self
                    .peers
                    .iter()
                    .position(|peer| peer.spec.public_key == half.peer_static_public);
            }
            Packet::HandshakeResponse(message) => message.receiver_idx,
            Packet::PacketCookieReply(message) => message.receiver_idx,
            Packet::PacketData(message) => message.receiver_idx,
        };
        // boringtun keeps the low 8 bits for the session, the rest is the index given at the start.
        usize::try_from(index >> 8).ok()
    }
}

impl fmt::Debug for Peers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Peers")
            .field("peers", &self.peers.len())
            .finish_non_exhaustive()
    }
}

/// Sends a datagram; a lost one is the peers' to send again, as on any network.
fn transmit(socket: &UdpSocket, datagram: &[u8], to: SocketAddr) {
    let _: io::Result<usize> = socket.send_to(datagram, to);
}

/// An IPv6 socket reaches an IPv4 endpoint by its IPv4-mapped address (RFC 4291 section 2.5.5.2).
fn for_socket(endpoint: SocketAddr) -> SocketAddr {
    match endpoint.ip() {
        IpAddr::V4(address) => SocketAddr::new(address.to_ipv6_mapped().into(), endpoint.port()),
        IpAddr::V6(_) => endpoint,
    }
}

/// Opens the WireGuard port in the calling thread's network namespace, for both families.
///
/// # Errors
///
/// Those of `bind(2)`.
pub(in crate::plane) fn open_socket(port: u16) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port))?;
    socket.set_nonblocking(true)?;
    // Two superpackets fill a default buffer. Beyond the system's limit only root may go; whoever may not gets that.
    if setsockopt(&socket, sockopt::RcvBufForce, &SOCKET_BUFFER).is_err() {
        setsockopt(&socket, sockopt::RcvBuf, &SOCKET_BUFFER)?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    /// A host with one peer, on loopback.
    struct End {
        socket: UdpSocket,
        peers: Peers,
    }

    fn pair() -> (End, End) {
        let socket = || UdpSocket::bind("[::1]:0").unwrap();
        let sockets = [socket(), socket()];
        let keys = [[1; 32], [2; 32]];
        let spec = |other: usize, allowed: &str| PeerSpec {
            public_key: PublicKey::from(&StaticSecret::from(keys[other])).to_bytes(),
            endpoint: sockets[other].local_addr().unwrap(),
            allowed: allowed.parse().unwrap(),
        };
        let one = Peers::new(keys[0], vec![spec(1, "fd00:0:0:2::/64")]);
        let other = Peers::new(keys[1], vec![spec(0, "fd00:0:0:1::/64")]);
        let [first, second] = sockets;
        for socket in [&first, &second] {
            socket
                .set_read_timeout(Some(Duration::from_millis(20)))
                .unwrap();
        }
        (
            End {
                socket: first,
                peers: one,
            },
            End {
                socket: second,
                peers: other,
            },
        )
    }

    fn packet(source: &str, destination: &str) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0, 0, 8, 17, 64];
        for address in [source, destination] {
            packet.extend(address.parse::<Ipv6Addr>().unwrap().octets());
        }
        packet.extend([0; 8]);
        packet
    }

    /// Lets both ends talk until one of them has received a packet.
    fn exchange(ends: &mut (End, End), patience: Duration) -> Option<Vec<u8>> {
        let (mut datagram, mut plain) = (vec![0; 2000], vec![0; 2000]);
        let started = Instant::now();
        while started.elapsed() < patience {
            for end in [&mut ends.0, &mut ends.1] {
                while let Ok((length, from)) = end.socket.recv_from(&mut datagram) {
                    let received =
                        end.peers
                            .receive(&end.socket, &datagram[..length], from, &mut plain);
                    end.peers.flush(&end.socket);
                    if let Some(length) = received {
                        return Some(plain[..length].to_vec());
                    }
                }
            }
        }
        None
    }

    #[test]
    fn a03_the_first_packet_waits_for_the_handshake_and_arrives() {
        let mut ends = pair();
        let sent = packet("fd00:0:0:1::1", "fd00:0:0:2::1");
        let peer = ends
            .0
            .peers
            .route("fd00:0:0:2::1".parse().unwrap())
            .unwrap();
        ends.0.peers.send(&ends.0.socket, peer, &sent);
        ends.0.peers.flush(&ends.0.socket);
        let received = exchange(&mut ends, Duration::from_secs(5));
        assert_eq!(received.as_deref(), Some(&sent[..]));
    }

    #[test]
    fn a_peer_speaks_only_for_its_own_prefix() {
        let mut ends = pair();
        ends.0
            .peers
            .send(&ends.0.socket, 0, &packet("fd00:0:0:9::1", "fd00:0:0:2::1"));
        ends.0.peers.flush(&ends.0.socket);
        assert_eq!(exchange(&mut ends, Duration::from_millis(500)), None);
    }

    #[test]
    fn hostile_datagrams_are_nobodys() {
        let (_, mut end) = pair();
        let from = end.socket.local_addr().unwrap();
        let mut plain = vec![0; 2000];
        for length in [0, 1, 3, 4, 31, 32, 64, 92, 148, 1500] {
            for kind in 0..6 {
                let mut datagram = vec![0xff; length];
                if let Some(first) = datagram.get_mut(..4) {
                    first.copy_from_slice(&[kind, 0, 0, 0]);
                }
                assert_eq!(
                    end.peers.receive(&end.socket, &datagram, from, &mut plain),
                    None
                );
            }
        }
    }
}
