//! Datagrams for one peer, collected so that the kernel splits them (UDP GSO): one call for up to 64 of them.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};

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
    /// The segment size that the socket is set to; 0 if it does not segment.
    socket_segment: usize,
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
            socket_segment: 0,
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
        let Some(to) = self.to.filter(|_| count > 0) else {
            return;
        };
        let segment = self.segment.max(1);
        if !self.one_by_one {
            match self.send_segments(socket, used, segment, to) {
                // No segmentation in this kernel, or not on this path: a device without checksum offload.
                Err(Errno::EIO | Errno::ENOPROTOOPT | Errno::EOPNOTSUPP) => self.one_by_one = true,
                // Longer than the path's MTU: to be cut into fragments, which segments never are.
                Err(Errno::EINVAL | Errno::EMSGSIZE) => {}
                _ => return,
            }
        }
        let _ = self.set_segment(socket, 0);
        for datagram in self.buffer.get(..used).unwrap_or_default().chunks(segment) {
            let _: io::Result<usize> = socket.send_to(datagram, to);
        }
    }

    /// Sends a row of datagrams in one call.
    fn send_segments(
        &mut self,
        socket: &UdpSocket,
        used: usize,
        segment: usize,
        to: SocketAddr,
    ) -> Result<(), Errno> {
        // One datagram that is no longer than the socket's segments stays whole, so the setting may stay too.
        let whole = used <= segment;
        if !whole {
            self.set_segment(socket, segment)?;
        } else if used > self.socket_segment {
            self.set_segment(socket, 0)?;
        }
        let bytes = self.buffer.get(..used).unwrap_or_default();
        match socket.send_to(bytes, to) {
            Ok(_) => Ok(()),
            Err(error) => Err(Errno::from_raw(error.raw_os_error().unwrap_or(0))),
        }
    }

    /// Sets the length at which the socket cuts what it sends; 0 for never. It is an option of the socket rather than a
    /// control message beside each send, because nix allocates for those.
    fn set_segment(&mut self, socket: &UdpSocket, segment: usize) -> Result<(), Errno> {
        if segment != self.socket_segment {
            let size = i32::try_from(segment).map_err(|_| Errno::EINVAL)?;
            setsockopt(socket, sockopt::UdpGsoSegment, &size)?;
            self.socket_segment = segment;
        }
        Ok(())
    }
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
