//! Where datagrams go: a kernel socket, or whatever a test puts in its place.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use netlink_sys::SocketAddr;
use nix::sys::socket::{MsgFlags, recv, send, setsockopt, sockopt};
use nix::sys::time::TimeVal;

use crate::error::{Error, Result};
use crate::message::Protocol;

/// Sends and receives whole netlink datagrams.
///
/// [`Socket`] is the real one; tests answer with bytes of their own choice.
pub trait Transport: Send {
    /// Sends one datagram.
    fn send(&mut self, datagram: &[u8]) -> io::Result<()>;

    /// Receives one datagram and says how long it was, which may be more than `buffer` holds.
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// The port number that replies carry; 0 if it is not known and nothing is to be checked.
    fn port(&self) -> u32;
}

/// How long a kernel may take to answer before [`Error::Timeout`]; a large request under load takes milliseconds.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// A netlink socket of the calling thread's network namespace.
///
/// It is connected to the kernel, so that no other process can put answers in; it asks for extended
/// acknowledgements, for errors without an echo of the request, and for strict checks of dump requests.
#[derive(Debug)]
pub struct Socket {
    inner: netlink_sys::Socket,
    port: u32,
}

impl Socket {
    /// Opens a socket in the calling thread's network namespace.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the kernel gives none.
    pub fn open(protocol: Protocol) -> Result<Self> {
        let (number, name) = match protocol {
            Protocol::Route => (netlink_sys::protocols::NETLINK_ROUTE, "route"),
            Protocol::Generic => (netlink_sys::protocols::NETLINK_GENERIC, "generic"),
            Protocol::Netfilter => (netlink_sys::protocols::NETLINK_NETFILTER, "netfilter"),
        };
        let open = || -> io::Result<Self> {
            let mut inner = netlink_sys::Socket::new(number)?;
            let port = inner.bind_auto()?.port_number();
            inner.connect(&SocketAddr::new(0, 0))?;
            inner.set_ext_ack(true)?;
            inner.set_cap_ack(true)?;
            // Since Linux 4.20; without it dumps are merely not filtered by the kernel.
            let _ = inner.set_netlink_get_strict_chk(true);
            let timeout = TimeVal::new(TIMEOUT.as_secs().try_into().unwrap_or(i64::MAX), 0);
            setsockopt(&inner, sockopt::ReceiveTimeout, &timeout)?;
            Ok(Self { inner, port })
        };
        open().map_err(|source| Error::io(format!("open a netlink socket ({name})"), source))
    }

    /// Sets how long to wait for an answer.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the kernel refuses.
    pub fn set_timeout(&self, timeout: Duration) -> Result<()> {
        let seconds = timeout.as_secs().try_into().unwrap_or(i64::MAX);
        let value = TimeVal::new(seconds, timeout.subsec_micros().into());
        setsockopt(&self.inner, sockopt::ReceiveTimeout, &value)
            .map_err(|source| Error::io("set a socket's timeout", source))
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl Transport for Socket {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        loop {
            match send(self.inner.as_raw_fd(), datagram, MsgFlags::empty()) {
                Ok(_) => return Ok(()),
                // The kernel has not looked at the request yet when a signal interrupts it.
                Err(nix::Error::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match recv(self.inner.as_raw_fd(), buffer, MsgFlags::MSG_TRUNC) {
                Err(nix::Error::EINTR) => {}
                result => return result.map_err(io::Error::from),
            }
        }
    }

    fn port(&self) -> u32 {
        self.port
    }
}
