//! Datagrams from the underlay, joined by the kernel where they came in a row (UDP GRO).

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrLike, SockaddrStorage, recvmsg, setsockopt, sockopt,
};

/// The longest datagram, or row of them.
pub(super) const LONGEST: usize = 65_535;

/// The buffers of a socket that is read.
#[derive(Debug)]
pub(super) struct Inbox {
    buffer: Vec<u8>,
    control: Vec<u8>,
}

/// What one call received.
pub(super) struct Received<'a> {
    /// The datagrams, one behind the other.
    pub(super) bytes: &'a [u8],
    /// How long each is; the last may be shorter.
    pub(super) segment: usize,
    /// Who sent them.
    pub(super) from: SocketAddr,
}

impl Inbox {
    /// Buffers for `socket`, which joins datagrams from now on if the kernel can.
    pub(super) fn new(socket: &UdpSocket) -> Self {
        // Before Linux 5.0 there is no GRO; then datagrams come one by one.
        let _ = setsockopt(socket, sockopt::UdpGroSegment, &true);
        Self {
            buffer: vec![0; LONGEST],
            control: nix::cmsg_space!(i32),
        }
    }

    /// Takes what is there; `None` when there is nothing.
    pub(super) fn receive(&mut self, socket: &UdpSocket) -> Option<Received<'_>> {
        let (length, segment, from) = {
            let mut parts = [io::IoSliceMut::new(&mut self.buffer)];
            let flags = MsgFlags::empty();
            let message = recvmsg::<SockaddrStorage>(
                socket.as_raw_fd(),
                &mut parts,
                Some(&mut self.control),
                flags,
            )
            .ok()?;
            let joined = message.cmsgs().ok()?.find_map(|control| match control {
                ControlMessageOwned::UdpGroSegments(size) => usize::try_from(size).ok(),
                _ => None,
            });
            let from = message.address.as_ref().and_then(address)?;
            (message.bytes, joined.unwrap_or(message.bytes), from)
        };
        Some(Received {
            bytes: self.buffer.get(..length)?,
            segment: segment.max(1),
            from,
        })
    }
}

fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    match storage.family()? {
        nix::sys::socket::AddressFamily::Inet => storage
            .as_sockaddr_in()
            .map(|v4| SocketAddr::V4((*v4).into())),
        nix::sys::socket::AddressFamily::Inet6 => storage
            .as_sockaddr_in6()
            .map(|v6| SocketAddr::V6((*v6).into())),
        _ => None,
    }
}
