//! Requests and their answers over a [`Transport`].

use std::fmt;
use std::io;

use crate::error::{Error, KernelError, Result};
use crate::explain;
use crate::message::Protocol;
use crate::message::consts::*;
use crate::transport::{Socket, Transport};
use crate::wire::{HEADER_LEN, Header, Malformed, attrs, messages};

/// The receive buffer. The kernel makes the parts of a dump as large as the largest buffer seen so far, 32 KiB at
/// most, and what does not fit its first guess of about 4 KiB would be lost without a word; see [`Connection::new`].
const BUFFER: usize = 64 * 1024;

/// How often an interrupted dump is tried again.
const DUMP_ATTEMPTS: u32 = 10;

/// How many datagrams that answer something else are passed over while waiting.
const STRAYS: u32 = 4096;

/// What ends the answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// An acknowledgement.
    Ack,
    /// The first message, or an error.
    First,
    /// The end of a dump.
    Done,
}

/// What is done with the body of each message of an answer.
pub type OnMessage<'a> = dyn FnMut(Header, &[u8]) -> Result<(), Malformed> + 'a;

/// A conversation with the kernel: one request at a time, answers matched by sequence and port.
pub struct Connection {
    transport: Box<dyn Transport>,
    buffer: Vec<u8>,
    sequence: u32,
    primed: bool,
    pub(crate) requests: u64,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("sequence", &self.sequence)
            .finish_non_exhaustive()
    }
}

/// One line of an answer: a refusal with its extended acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) errno: i32,
    pub(crate) message: Option<String>,
    pub(crate) offset: Option<u32>,
    pub(crate) missing: Option<u32>,
}

impl Connection {
    /// A conversation over `transport`.
    #[must_use]
    pub fn new(transport: Box<dyn Transport>) -> Self {
        Self {
            transport,
            buffer: vec![0; BUFFER],
            sequence: 0,
            primed: false,
            requests: 0,
        }
    }

    /// A conversation over a socket of the calling thread's network namespace.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the kernel gives no socket.
    pub fn open(protocol: Protocol) -> Result<Self> {
        Ok(Self::new(Box::new(Socket::open(protocol)?)))
    }

    /// Sends one request and waits for its acknowledgement.
    ///
    /// `request` holds one message; its sequence is set here. `op` names it in errors.
    ///
    /// # Errors
    ///
    /// [`Error::Kernel`] when the kernel refuses, and the errors of the conversation itself.
    pub fn request(&mut self, request: &mut [u8], op: &dyn fmt::Display) -> Result<()> {
        self.exchange(request, Until::Ack, op, &mut |_, _| Ok(()))
            .map(drop)
    }

    /// Sends one request, hands the body of each answer to `each`, and waits for the acknowledgement.
    ///
    /// # Errors
    ///
    /// As [`Self::request`]; and what `each` finds malformed.
    pub fn request_with(
        &mut self,
        request: &mut [u8],
        op: &dyn fmt::Display,
        each: &mut OnMessage<'_>,
    ) -> Result<()> {
        self.exchange(request, Until::Ack, op, each).map(drop)
    }

    /// Sends one request and hands the body of its one answer to `each`.
    ///
    /// # Errors
    ///
    /// As [`Self::request`]; and what `each` finds malformed.
    pub fn query(
        &mut self,
        request: &mut [u8],
        op: &dyn fmt::Display,
        each: &mut OnMessage<'_>,
    ) -> Result<()> {
        self.exchange(request, Until::First, op, each).map(drop)
    }

    /// Sends a dump request and hands the body of each message to `each`.
    ///
    /// A dump that the kernel marks as interrupted is started again, ten times at most; `restart` is called before
    /// each further attempt, so that what was collected can be dropped.
    ///
    /// # Errors
    ///
    /// As [`Self::request`]; [`Error::DumpInterrupted`]; and what `each` finds malformed.
    pub fn dump(
        &mut self,
        request: &mut [u8],
        op: &dyn fmt::Display,
        restart: &mut dyn FnMut(),
        each: &mut OnMessage<'_>,
    ) -> Result<()> {
        self.prime()?;
        for attempt in 0..DUMP_ATTEMPTS {
            if attempt > 0 {
                restart();
            }
            if !self.exchange(request, Until::Done, op, each)? {
                return Ok(());
            }
        }
        Err(Error::DumpInterrupted {
            op: op.to_string(),
            attempts: DUMP_ATTEMPTS,
        })
    }

    /// Sends a dump request once and hands the body of each message to `each`.
    ///
    /// # Errors
    ///
    /// As [`Self::dump`], with [`Error::DumpInterrupted`] after the first attempt.
    pub fn dump_once(
        &mut self,
        request: &mut [u8],
        op: &dyn fmt::Display,
        each: &mut OnMessage<'_>,
    ) -> Result<()> {
        self.prime()?;
        if self.exchange(request, Until::Done, op, each)? {
            return Err(Error::DumpInterrupted {
                op: op.to_string(),
                attempts: 1,
            });
        }
        Ok(())
    }

    /// Lets the kernel see the large receive buffer before the first dump, whose first part it sizes when it is
    /// requested. A no-op message is answered by an acknowledgement alone.
    fn prime(&mut self) -> Result<()> {
        if self.primed {
            return Ok(());
        }
        let mut noop = [0; HEADER_LEN];
        noop[..4].copy_from_slice(&16_u32.to_ne_bytes());
        noop[4..6].copy_from_slice(&NLMSG_NOOP.to_ne_bytes());
        noop[6..8].copy_from_slice(&(NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
        self.request(&mut noop, &"prime the socket")
    }

    fn exchange(
        &mut self,
        request: &mut [u8],
        until: Until,
        op: &dyn fmt::Display,
        each: &mut OnMessage<'_>,
    ) -> Result<bool> {
        let sequence = self.next_sequence();
        patch_sequence(request, sequence);
        self.send(request, op)?;
        let mut interrupted = false;
        let mut strays = 0;
        while strays < STRAYS {
            let len = self.receive(op)?;
            let port = self.transport.port();
            // A dump may be any number of datagrams long; only those that answer something else are counted.
            strays += 1;
            for message in messages(self.buffer.get(..len).unwrap_or(&[])) {
                let malformed = |source| Error::Malformed {
                    op: op.to_string(),
                    source,
                };
                let (header, body) = message.map_err(malformed)?;
                if header.sequence != sequence || (port != 0 && header.port != port) {
                    continue;
                }
                strays = 0;
                interrupted |= header.flags & NLM_F_DUMP_INTR != 0;
                match header.kind {
                    NLMSG_NOOP => {}
                    NLMSG_OVERRUN => return Err(Error::Overrun { op: op.to_string() }),
                    NLMSG_ERROR | NLMSG_DONE => {
                        let refusal = refusal(header, body).map_err(malformed)?;
                        return match refusal {
                            None => Ok(interrupted),
                            Some(refusal) => Err(explain::error(&refusal, request, op)),
                        };
                    }
                    _ => {
                        each(header, body).map_err(malformed)?;
                        if until == Until::First && header.flags & NLM_F_MULTI == 0 {
                            return Ok(false);
                        }
                    }
                }
            }
        }
        Err(Error::Timeout {
            op: op.to_string(),
            millis: 0,
        })
    }

    pub(crate) fn next_sequence(&mut self) -> u32 {
        // Zero is what the kernel's own notifications carry.
        self.sequence = self.sequence.checked_add(1).unwrap_or(1);
        self.sequence
    }

    /// Takes that many sequence numbers in a row, none of them 0, and says the first.
    pub(crate) fn reserve_sequences(&mut self, count: usize) -> u32 {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let last = self.sequence.checked_add(count).unwrap_or(count);
        let first = last.saturating_sub(count).saturating_add(1);
        self.sequence = last;
        first
    }

    pub(crate) fn send(&mut self, datagram: &[u8], op: &dyn fmt::Display) -> Result<()> {
        self.requests = self.requests.wrapping_add(1);
        self.transport
            .send(datagram)
            .map_err(|source| Error::io(format!("{op}: send"), source))
    }

    /// Receives one datagram into the buffer.
    pub(crate) fn receive(&mut self, op: &dyn fmt::Display) -> Result<usize> {
        let len =
            self.transport
                .receive(&mut self.buffer)
                .map_err(|source| match source.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::Timeout {
                        op: op.to_string(),
                        millis: crate::transport::TIMEOUT
                            .as_millis()
                            .try_into()
                            .unwrap_or(u64::MAX),
                    },
                    _ if source.raw_os_error() == Some(nix::libc::ENOBUFS) => {
                        Error::Overrun { op: op.to_string() }
                    }
                    _ => Error::io(format!("{op}: receive"), source),
                })?;
        self.primed = true;
        if len > self.buffer.len() {
            return Err(Error::Truncated {
                op: op.to_string(),
                len,
                buffer: self.buffer.len(),
            });
        }
        Ok(len)
    }

    pub(crate) fn received(&self, len: usize) -> &[u8] {
        self.buffer.get(..len).unwrap_or(&[])
    }

    pub(crate) fn port(&self) -> u32 {
        self.transport.port()
    }
}

/// Writes the sequence number of the first message in `request`.
pub(crate) fn patch_sequence(request: &mut [u8], sequence: u32) {
    if let Some(field) = request.get_mut(8..12) {
        field.copy_from_slice(&sequence.to_ne_bytes());
    }
}

/// Reads the body of an `NLMSG_ERROR` or `NLMSG_DONE`; `None` is success.
pub(crate) fn refusal(header: Header, body: &[u8]) -> Result<Option<Refusal>, Malformed> {
    let code = match body.first_chunk() {
        Some(code) => i32::from_ne_bytes(*code),
        // Old kernels end a dump with an empty message.
        None if header.kind == NLMSG_DONE => 0,
        None => {
            return Err(Malformed {
                what: "error message",
                offset: 0,
                needed: 4,
                found: body.len(),
            });
        }
    };
    // A dump's end may carry a count, which is positive.
    if code >= 0 {
        return Ok(None);
    }
    let mut refusal = Refusal {
        errno: code.saturating_neg(),
        message: None,
        offset: None,
        missing: None,
    };
    if header.flags & NLM_F_ACK_TLVS != 0 {
        let skip = if header.kind == NLMSG_DONE {
            4
        } else {
            let echoed = body
                .get(4..)
                .and_then(<[u8]>::first_chunk)
                .map_or(16, |len| u32::from_ne_bytes(*len));
            let echoed = if header.flags & NLM_F_CAPPED != 0 {
                16
            } else {
                echoed as usize
            };
            4_usize.saturating_add(crate::wire::align(echoed))
        };
        // An unreadable explanation is no reason to lose the error number.
        for attr in attrs(body.get(skip..).unwrap_or(&[])).map_while(Result::ok) {
            match attr.kind() {
                1 => refusal.message = Some(attr.text()),
                2 => refusal.offset = attr.u32().ok(),
                5 => refusal.missing = attr.u32().ok(),
                _ => {}
            }
        }
    }
    Ok(Some(refusal))
}

impl From<KernelError> for Error {
    fn from(error: KernelError) -> Self {
        Self::Kernel(Box::new(error))
    }
}
