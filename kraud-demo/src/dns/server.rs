//! The sockets of responders, all of them served by one thread.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::{Transport, respond};
use crate::names::Names;

/// Where a pod's responder listens: an address of the loopback network that nothing else is likely to have.
pub const ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(127, 127, 127, 127)), 53);
/// How soon the end is noticed.
const PULSE: Duration = Duration::from_millis(100);
/// The largest datagram that is read: more is no query of ours.
const LARGEST: usize = 4096;
/// How many streams one pod may have open.
const MAX_STREAMS: usize = 16;
/// How long a stream may last.
const PATIENCE: Duration = Duration::from_secs(10);

/// The sockets of one pod. They stay in the network namespace in which they were opened.
#[derive(Debug)]
pub struct Responder {
    pod: String,
    datagrams: UdpSocket,
    listener: TcpListener,
    streams: Vec<Stream>,
}

/// A client on TCP: queries with their length in front (RFC 7766).
#[derive(Debug)]
struct Stream {
    socket: TcpStream,
    buffer: Vec<u8>,
    begin: Instant,
}

impl Responder {
    /// Opens the sockets of `pod` in the network namespace of this thread.
    ///
    /// # Errors
    ///
    /// Those of `bind(2)`.
    pub fn open(pod: &str, address: SocketAddr) -> io::Result<Self> {
        let datagrams = UdpSocket::bind(address)?;
        // Where any port will do, the same one for both.
        let listener = TcpListener::bind(datagrams.local_addr()?)?;
        datagrams.set_nonblocking(true)?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            pod: pod.to_owned(),
            datagrams,
            listener,
            streams: Vec::new(),
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// Those of `getsockname(2)`.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.datagrams.local_addr()
    }

    fn serve(&mut self, names: &Names) {
        self.answer_datagrams(names);
        while let Ok((socket, _)) = self.listener.accept() {
            if self.streams.len() < MAX_STREAMS && socket.set_nonblocking(true).is_ok() {
                self.streams.push(Stream {
                    socket,
                    buffer: Vec::new(),
                    begin: Instant::now(),
                });
            }
        }
        let pod = &self.pod;
        self.streams.retain_mut(|stream| stream.serve(names, pod));
    }

    fn answer_datagrams(&self, names: &Names) {
        let mut buffer = [0; LARGEST];
        while let Ok((length, client)) = self.datagrams.recv_from(&mut buffer) {
            if let Some(response) = respond(&buffer[..length], Transport::Udp, names, &self.pod) {
                // A client that went away, or whose buffer is full, asks again.
                let _ = self.datagrams.send_to(&response, client);
            }
        }
    }
}

impl Stream {
    /// Answers what is there; tells whether to go on with this client.
    fn serve(&mut self, names: &Names, pod: &str) -> bool {
        let mut chunk = [0; 2048];
        loop {
            while let Some((query, rest)) = framed(&self.buffer) {
                let Some(response) = respond(query, Transport::Tcp, names, pod) else {
                    return false;
                };
                let Ok(length) = u16::try_from(response.len()) else {
                    return false;
                };
                let framed = [&length.to_be_bytes()[..], &response].concat();
                let rest = rest.to_vec();
                // A client that does not read its answers is not waited for.
                if self.socket.write_all(&framed).is_err() {
                    return false;
                }
                self.buffer = rest;
            }
            match self.socket.read(&mut chunk) {
                Ok(0) => return false,
                Ok(count) => self.buffer.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return self.begin.elapsed() < PATIENCE;
                }
                Err(_) => return false,
            }
        }
    }
}

/// The first query of a stream and what follows it.
fn framed(buffer: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = buffer.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// Serves all responders until `is_over`.
///
/// # Errors
///
/// Those of `poll(2)`.
pub fn run(
    responders: &mut [Responder],
    names: &Names,
    is_over: impl Fn() -> bool,
) -> io::Result<()> {
    let pulse = Timespec::try_from(PULSE).map_err(io::Error::other)?;
    while !is_over() {
        let mut ready = Vec::new();
        for responder in responders.iter() {
            ready.push(PollFd::new(&responder.datagrams, PollFlags::IN));
            ready.push(PollFd::new(&responder.listener, PollFlags::IN));
            let streams = responder.streams.iter();
            ready.extend(streams.map(|stream| PollFd::new(&stream.socket, PollFlags::IN)));
        }
        match poll(&mut ready, Some(&pulse)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        drop(ready);
        for responder in responders.iter_mut() {
            responder.serve(names);
        }
    }
    Ok(())
}
