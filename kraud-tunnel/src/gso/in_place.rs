use core::ops::Range;

use super::GsoError;
use super::cut::{Cut, MAX_HEADERS};
use crate::checksum;
use crate::encap::Encapsulator;
use crate::endpoints::Endpoints;

/// The segments of a superpacket, made one after the other where their payload lies already.
///
/// A segment's headers, and what encapsulation puts before them, are written over the end of the segment before it. So
/// use a segment up before you ask for the next, and do not use the superpacket afterwards. The buffer is named in
/// each call, so that it is yours in between; it must be the one that the value was made for, unmoved.
#[derive(Debug, Clone)]
pub struct InPlace {
    headers: [u8; MAX_HEADERS],
    /// Where the payload starts in the buffer.
    payload: usize,
    cut: Cut,
}

impl InPlace {
    /// Prepares to split the superpacket at `buf[packet]` (IPv4 or IPv6, TCP or UDP) into segments of `size` bytes of
    /// payload.
    ///
    /// What is checked and what is not is the same as in [`Segments::new`](super::Segments::new).
    ///
    /// # Errors
    /// See [`GsoError`].
    pub fn new(buf: &[u8], packet: Range<usize>, size: usize) -> Result<Self, GsoError> {
        let start = packet.start;
        let bytes = buf.get(packet).ok_or(GsoError::OutOfRoom {
            required: start,
            available: buf.len(),
        })?;
        let cut = Cut::new(bytes, size)?;
        let mut headers = [0; MAX_HEADERS];
        let originals = bytes.get(..cut.headers_len);
        if let (Some(copy), Some(originals)) = (headers.get_mut(..cut.headers_len), originals) {
            copy.copy_from_slice(originals);
        }
        Ok(Self {
            headers,
            payload: start + cut.headers_len,
            cut,
        })
    }

    /// How many segments there are in all; one if there is no payload.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.cut.count()
    }

    /// The longest segment, headers included.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.cut.longest()
    }

    /// Completes the next segment, lengths and checksums included, and returns where it lies; `None` when there is
    /// no more.
    ///
    /// # Errors
    /// The buffer is shorter than the one that the value was made for.
    pub fn next(&mut self, buf: &mut [u8]) -> Result<Option<Range<usize>>, GsoError> {
        let Some(data) = self.cut.data() else {
            return Ok(None);
        };
        let available = buf.len();
        let (start, end) = (
            self.payload + data.start - self.cut.headers_len,
            self.payload + data.end,
        );
        let parts = buf
            .get_mut(start..end)
            .and_then(|segment| segment.split_at_mut_checked(self.cut.headers_len));
        let (Some((headers, data)), Some(originals)) =
            (parts, self.headers.get(..self.cut.headers_len))
        else {
            return Err(GsoError::OutOfRoom {
                required: end,
                available,
            });
        };
        headers.copy_from_slice(originals);
        let sum = checksum::accumulate(self.cut.base, data);
        let len = data.len();
        self.cut.finish(headers, sum, len);
        Ok(Some(start..end))
    }

    /// Completes the next segment and encapsulates it where it lies; returns where the tunnel packet lies, `None`
    /// when there is no more. In front of the superpacket there must be headroom for one
    /// [encapsulation](Encapsulator::encapsulate).
    ///
    /// # Errors
    /// The headroom or the buffer is too short, or the segment cannot be encapsulated.
    pub fn next_encapsulated(
        &mut self,
        how: &Encapsulator,
        to: &Endpoints,
        buf: &mut [u8],
    ) -> Result<Option<Range<usize>>, GsoError> {
        match self.next(buf)? {
            Some(inner) => Ok(Some(how.encapsulate(buf, inner, to)?)),
            None => Ok(None),
        }
    }
}
