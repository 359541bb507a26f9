use std::net::IpAddr;

use super::{HEADER_LEN, TooLong, align};

/// The nested flag that newer families want on a nest (`NLA_F_NESTED`).
const NESTED: u16 = 1 << 15;

/// Where an unfinished message or nest began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "an unfinished nest has no length"]
pub struct Mark(usize);

/// Appends netlink messages to a buffer that the caller keeps, so that a second message costs no allocation.
///
/// ```
/// use kraud_netlink::wire::{Writer, messages};
///
/// let mut buf = Vec::new();
/// let mut w = Writer::new(&mut buf);
/// let message = w.begin(16, 0x5, &[0; 16]);
/// w.str(3, "eth0");
/// w.end(message);
/// w.finish()?;
/// let (header, body) = messages(&buf).next().unwrap()?;
/// assert_eq!((header.kind, body.len()), (16, 16 + 12));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Writer<'b> {
    buf: &'b mut Vec<u8>,
    error: Option<TooLong>,
}

impl<'b> Writer<'b> {
    /// A writer that appends to `buf`.
    #[must_use]
    #[inline]
    pub fn new(buf: &'b mut Vec<u8>) -> Self {
        Self { buf, error: None }
    }

    /// How many bytes the buffer holds.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.buf.len()
    }

    /// Is the buffer empty?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// Starts a message of type `kind` with `family` as its fixed header; sequence and port are 0.
    #[inline]
    pub fn begin(&mut self, kind: u16, flags: u16, family: &[u8]) -> Mark {
        let mark = Mark(self.buf.len());
        let mut header = [0; HEADER_LEN];
        header[4..6].copy_from_slice(&kind.to_ne_bytes());
        header[6..8].copy_from_slice(&flags.to_ne_bytes());
        self.buf.reserve(256);
        self.buf.extend_from_slice(&header);
        self.buf.extend_from_slice(family);
        self.pad();
        mark
    }

    /// Ends the message that [`Self::begin`] started.
    #[inline]
    pub fn end(&mut self, mark: Mark) {
        let len = self.buf.len().saturating_sub(mark.0);
        let Ok(wire) = u32::try_from(len) else {
            self.fail(0, len, u32::MAX as usize);
            return;
        };
        if let Some(field) = self.buf.get_mut(mark.0..mark.0.saturating_add(4)) {
            field.copy_from_slice(&wire.to_ne_bytes());
        }
    }

    /// Reports the first length that did not fit, if any.
    ///
    /// # Errors
    ///
    /// [`TooLong`] when a nest or a payload outgrew its 16-bit length. The buffer must not be sent then.
    #[inline]
    pub fn finish(self) -> Result<(), TooLong> {
        match self.error {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    /// An attribute with any payload.
    #[inline]
    pub fn bytes(&mut self, kind: u16, payload: &[u8]) {
        let len = payload.len().saturating_add(4);
        let Ok(wire) = u16::try_from(len) else {
            self.fail(kind, len, usize::from(u16::MAX));
            return;
        };
        self.attr_header(wire, kind);
        self.buf.extend_from_slice(payload);
        self.pad();
    }

    /// A nest whose attributes are given as bytes.
    #[inline]
    pub fn bytes_flagged(&mut self, kind: u16, payload: &[u8]) {
        self.bytes(kind | NESTED, payload);
    }

    /// A flag: an attribute without payload.
    #[inline]
    pub fn flag(&mut self, kind: u16) {
        self.attr_header(4, kind);
    }

    /// One byte.
    #[inline]
    pub fn u8(&mut self, kind: u16, value: u8) {
        self.small(5, kind, [value, 0, 0, 0]);
    }

    /// Two bytes in native order.
    #[inline]
    pub fn u16(&mut self, kind: u16, value: u16) {
        let [a, b] = value.to_ne_bytes();
        self.small(6, kind, [a, b, 0, 0]);
    }

    /// Two bytes in network order.
    #[inline]
    pub fn u16_be(&mut self, kind: u16, value: u16) {
        let [a, b] = value.to_be_bytes();
        self.small(6, kind, [a, b, 0, 0]);
    }

    /// Four bytes in native order.
    #[inline]
    pub fn u32(&mut self, kind: u16, value: u32) {
        self.small(8, kind, value.to_ne_bytes());
    }

    /// Four bytes in native order, signed.
    #[inline]
    pub fn i32(&mut self, kind: u16, value: i32) {
        self.small(8, kind, value.to_ne_bytes());
    }

    /// Four bytes in network order.
    #[inline]
    pub fn u32_be(&mut self, kind: u16, value: u32) {
        self.small(8, kind, value.to_be_bytes());
    }

    /// Eight bytes in network order.
    #[inline]
    pub fn u64_be(&mut self, kind: u16, value: u64) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// A string with its final NUL.
    #[inline]
    pub fn str(&mut self, kind: u16, value: &str) {
        let len = value.len().saturating_add(5);
        let Ok(wire) = u16::try_from(len) else {
            self.fail(kind, len, usize::from(u16::MAX));
            return;
        };
        self.attr_header(wire, kind);
        self.buf.extend_from_slice(value.as_bytes());
        self.buf.push(0);
        self.pad();
    }

    /// A string without a final NUL, as iproute2 writes link kinds.
    #[inline]
    pub fn str_bare(&mut self, kind: u16, value: &str) {
        self.bytes(kind, value.as_bytes());
    }

    /// An address of four or sixteen bytes.
    #[inline]
    pub fn ip(&mut self, kind: u16, value: IpAddr) {
        match value {
            IpAddr::V4(v4) => self.small(8, kind, v4.octets()),
            IpAddr::V6(v6) => self.ip6(kind, v6.octets()),
        }
    }

    /// The sixteen bytes of an IPv6 address, written in one go.
    #[inline]
    pub fn ip6(&mut self, kind: u16, octets: [u8; 16]) {
        let mut raw = [0; 20];
        raw[..2].copy_from_slice(&20_u16.to_ne_bytes());
        raw[2..4].copy_from_slice(&kind.to_ne_bytes());
        raw[4..].copy_from_slice(&octets);
        self.buf.extend_from_slice(&raw);
    }

    /// Starts a nest without the nested flag, as rtnetlink's older attributes are written.
    #[inline]
    pub fn nest(&mut self, kind: u16) -> Mark {
        let mark = Mark(self.buf.len());
        self.attr_header(0, kind);
        mark
    }

    /// Starts a nest with the nested flag.
    #[inline]
    pub fn nest_flagged(&mut self, kind: u16) -> Mark {
        self.nest(kind | NESTED)
    }

    /// Ends the innermost nest that is still open.
    #[inline]
    pub fn close(&mut self, mark: Mark) {
        let len = self.buf.len().saturating_sub(mark.0);
        let kind = self
            .buf
            .get(mark.0.saturating_add(2)..)
            .and_then(<[u8]>::first_chunk);
        let kind = kind.map_or(0, |kind| u16::from_ne_bytes(*kind) & !NESTED);
        let Ok(wire) = u16::try_from(len) else {
            self.fail(kind, len, usize::from(u16::MAX));
            return;
        };
        if let Some(field) = self.buf.get_mut(mark.0..mark.0.saturating_add(2)) {
            field.copy_from_slice(&wire.to_ne_bytes());
        }
    }

    /// Drops a nest that turned out to be empty, or ends it.
    #[inline]
    pub fn close_or_drop(&mut self, mark: Mark) {
        if self.buf.len() == mark.0.saturating_add(4) {
            self.buf.truncate(mark.0);
        } else {
            self.close(mark);
        }
    }

    /// Bytes that are no attribute: a fixed header inside a nest.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
        self.pad();
    }

    /// Takes everything back that was written since `mark`.
    #[inline]
    pub fn rewind(&mut self, mark: Mark) {
        self.buf.truncate(mark.0);
    }

    /// The present end, for [`Self::rewind`] and [`Self::since`].
    #[inline]
    pub fn mark(&self) -> Mark {
        Mark(self.buf.len())
    }

    /// How many bytes were written since `mark`.
    #[must_use]
    #[inline]
    pub fn since(&self, mark: Mark) -> usize {
        self.buf.len().saturating_sub(mark.0)
    }

    #[inline]
    fn attr_header(&mut self, len: u16, kind: u16) {
        let [a, b] = len.to_ne_bytes();
        let [c, d] = kind.to_ne_bytes();
        self.buf.extend_from_slice(&[a, b, c, d]);
    }

    #[inline]
    fn small(&mut self, len: u16, kind: u16, payload: [u8; 4]) {
        let [a, b] = len.to_ne_bytes();
        let [c, d] = kind.to_ne_bytes();
        let [e, f, g, h] = payload;
        self.buf.extend_from_slice(&[a, b, c, d, e, f, g, h]);
    }

    #[inline]
    fn pad(&mut self) {
        let padded = align(self.buf.len());
        if padded != self.buf.len() {
            self.buf.resize(padded, 0);
        }
    }

    #[cold]
    fn fail(&mut self, attr: u16, len: usize, max: usize) {
        self.error.get_or_insert(TooLong { attr, len, max });
    }
}
