use core::ops::Range;

use super::GsoError;
use super::cut::Cut;
use crate::checksum;
use crate::encap::Encapsulator;
use crate::endpoints::Endpoints;

/// The segments of a superpacket, copied out one after the other; copy and checksum are one pass.
#[derive(Debug, Clone)]
pub struct Segments<'a> {
    headers: &'a [u8],
    payload: &'a [u8],
    cut: Cut,
}

impl<'a> Segments<'a> {
    /// Prepares to split `packet` (IPv4 or IPv6, TCP or UDP) into segments of `size` bytes of payload.
    ///
    /// IP checksum, transport checksum and UDP length of the superpacket are not looked at: the kernel leaves
    /// them unfinished. IPv6 extension headers and IPv4 fragments cannot be split.
    ///
    /// # Errors
    /// See [`GsoError`].
    pub fn new(packet: &'a [u8], size: usize) -> Result<Self, GsoError> {
        let cut = Cut::new(packet, size)?;
        let (headers, payload) = packet.split_at_checked(cut.headers_len).unwrap_or_default();
        Ok(Self {
            headers,
            payload,
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

    /// Writes the next segment to `out[start..]`, complete with lengths and checksums, and returns where it lies;
    /// `None` when there is no more.
    ///
    /// # Errors
    /// It does not fit. The same segment comes again then.
    pub fn next_into(
        &mut self,
        out: &mut [u8],
        start: usize,
    ) -> Result<Option<Range<usize>>, GsoError> {
        let Some(data) = self.cut.data() else {
            return Ok(None);
        };
        let data = self.payload.get(data).unwrap_or_default();
        let len = self.headers.len() + data.len();
        let available = out.len().saturating_sub(start);
        let end = start.saturating_add(len);
        let Some(segment) = out.get_mut(start..end) else {
            return Err(GsoError::OutOfRoom {
                required: len,
                available,
            });
        };
        let (headers, body) = segment.split_at_mut(self.headers.len());
        headers.copy_from_slice(self.headers);
        let sum = checksum::copy_accumulate(self.cut.base, body, data);
        self.cut.finish(headers, sum, data.len());
        Ok(Some(start..end))
    }

    /// Writes the next segment to `out[headroom..]` and encapsulates it there; returns where the tunnel packet
    /// lies, `None` when there is no more.
    ///
    /// # Errors
    /// It does not fit, or cannot be encapsulated.
    pub fn next_encapsulated(
        &mut self,
        how: &Encapsulator,
        to: &Endpoints,
        out: &mut [u8],
        headroom: usize,
    ) -> Result<Option<Range<usize>>, GsoError> {
        match self.next_into(out, headroom)? {
            Some(inner) => Ok(Some(how.encapsulate(out, inner, to)?)),
            None => Ok(None),
        }
    }
}
