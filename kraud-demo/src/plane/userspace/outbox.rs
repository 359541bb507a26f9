//! Datagrams for one peer, collected so that the kernel splits them (UDP GSO): one call for up to 64 of them.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, sendmsg};

/// The kernel's limit on segments of one send (`UDP_MAX_SEGMENTS` before Linux 6.9).
const MOST_SEGMENTS: usize = 64;
/// The longest payload of an IPv6 datagram that still has its UDP header.
const MOST_BYTES: usize = 65_527 - 40;

/// Equally long datagrams in one buffer, the last of which may be shorter.
#[derive(Debug)]
pub(super) struct Outbox {
    buffer: Vec<u8>,
    used: usize,
    segment: usize,
    count: usize,
    to: Option<SocketAddr>,
    /// Whether the kernel refused segmentation once: then every datagram goes by itself.
    one_by_one: bool,
}

impl Outbox {
    pub(super) fn new(room: usize) -> Self {
        Self {
            buffer: vec![0; MOST_BYTES + room],
            used: 0,
            segment: 0,
            count: 0,
            to: None,
            one_by_one: false,
        }
    }

    /// Where the next datagram is to be written: at least as long as the `room` that it was made with.
    pub(super) fn room(&mut self) -> &mut [u8] {
        self.buffer.get_mut(self.used..).unwrap_or_default()
    }

    /// Takes in the datagram of `length` bytes that was written to [`room`](Self::room), and sends what cannot wait.
    pub(super) fn push(&mut self, socket: &UdpSocket, to: SocketAddr, length: usize) {
        let fits =
            self.to == Some(to) && length <= self.segment && self.used + length <= MOST_BYTES;
        if self.count > 0 && !fits {
            let written = self.used..self.used + length;
            self.flush(socket);
            self.buffer.copy_within(written, 0);
        }
        if self.count == 0 {
            self.segment = length;
            self.to = Some(to);
        }
        self.used += length;
        self.count += 1;
        if length < self.segment || self.count == MOST_SEGMENTS {
            self.flush(socket);
        }
    }

    /// Sends everything. A datagram that the kernel does not take is lost, as on any network.
    pub(super) fn flush(&mut self, socket: &UdpSocket) {
        let (used, count) = (
            std::mem::take(&mut self.used),
            std::mem::take(&mut self.count),
        );
        let (Some(to), Some(bytes)) = (self.to, self.buffer.get(..used)) else {
            return;
        };
        if count == 0 {
            return;
        }
        if count > 1 && !self.one_by_one {
            match send_segments(socket, bytes, self.segment, to) {
                // No segmentation on this path, for instance a device without checksum offload.
                Err(Errno::EIO | Errno::EINVAL | Errno::EOPNOTSUPP) => self.one_by_one = true,
                _ => return,
            }
        }
        for datagram in bytes.chunks(self.segment.max(1)) {
            let _: io::Result<usize> = socket.send_to(datagram, to);
        }
    }
}

fn send_segments(
    socket: &UdpSocket,
    bytes: &[u8],
    segment: usize,
    to: SocketAddr,
) -> Result<usize, Errno> {
    let size = u16::try_from(segment).map_err(|_| Errno::EINVAL)?;
    let address = SockaddrStorage::from(to);
    let parts = [io::IoSlice::new(bytes)];
    let control = [ControlMessage::UdpGsoSegments(&size)];
    sendmsg(
        socket.as_raw_fd(),
        &parts,
        &control,
        MsgFlags::empty(),
        Some(&address),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive_all(socket: &UdpSocket) -> Vec<Vec<u8>> {
        let mut buffer = vec![0; 2000];
        std::iter::from_fn(|| {
            socket
                .recv(&mut buffer)
                .ok()
                .map(|length| buffer[..length].to_vec())
        })
        .collect()
    }

    fn pair() -> (UdpSocket, UdpSocket) {
        let sockets = (
            UdpSocket::bind("[::1]:0").unwrap(),
            UdpSocket::bind("[::1]:0").unwrap(),
        );
        sockets
            .1
            .set_read_timeout(Some(std::time::Duration::from_millis(50)))
            .unwrap();
        sockets
    }

    #[test]
    fn datagrams_arrive_one_by_one_in_order_whatever_their_lengths() {
        let (from, to) = pair();
        let address = to.local_addr().unwrap();
        let mut outbox = Outbox::new(2000);
        let lengths = [100, 100, 40, 1000, 1000, 1000, 7, 1, 2000, 100, 100];
        for (index, length) in lengths.iter().enumerate() {
            outbox.room()[..*length].fill(index as u8);
            outbox.push(&from, address, *length);
        }
        outbox.flush(&from);
        let received = receive_all(&to);
        let expected: Vec<Vec<u8>> = lengths
            .iter()
            .enumerate()
            .map(|(index, length)| vec![index as u8; *length])
            .collect();
        assert_eq!(received, expected);
    }

    #[test]
    fn the_kernels_limits_are_kept() {
        let (from, to) = pair();
        let address = to.local_addr().unwrap();
        let mut outbox = Outbox::new(2000);
        // More than fit into one send, and few enough for a default receive buffer.
        for index in 0..70_u8 {
            outbox.room()[..1400].fill(index);
            outbox.push(&from, address, 1400);
        }
        outbox.flush(&from);
        let received = receive_all(&to);
        assert_eq!(received.len(), 70);
        assert!(
            (0..70_u8)
                .zip(&received)
                .all(|(index, datagram)| datagram == &vec![index; 1400])
        );
    }
}
