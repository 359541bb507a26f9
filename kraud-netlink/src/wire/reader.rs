use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{HEADER_LEN, Malformed, align};

/// The fields of a netlink header, without the length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// `nlmsg_type`.
    pub kind: u16,
    /// `nlmsg_flags`.
    pub flags: u16,
    /// `nlmsg_seq`.
    pub sequence: u32,
    /// `nlmsg_pid`: the port that the message answers.
    pub port: u32,
}

/// The messages of one datagram, each with its body behind the netlink header.
///
/// Ends after the first message that does not fit what is left; that one is an error.
#[must_use]
pub fn messages(datagram: &[u8]) -> Messages<'_> {
    Messages {
        rest: datagram,
        offset: 0,
    }
}

/// The iterator of [`messages`].
#[derive(Debug, Clone)]
pub struct Messages<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<(Header, &'a [u8]), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let found = self.rest.len();
        let offset = self.offset;
        let bad = |needed| Malformed {
            what: "netlink message",
            offset,
            needed,
            found,
        };
        let Some(header) = self.rest.first_chunk::<HEADER_LEN>() else {
            self.rest = &[];
            return Some(Err(bad(HEADER_LEN)));
        };
        let len = u32_at(header, 0) as usize;
        let Some(body) = self.rest.get(HEADER_LEN..len) else {
            self.rest = &[];
            return Some(Err(bad(len.max(HEADER_LEN))));
        };
        let header = Header {
            kind: u16_at(header, 4),
            flags: u16_at(header, 6),
            sequence: u32_at(header, 8),
            port: u32_at(header, 12),
        };
        self.rest = self.rest.get(align(len)..).unwrap_or(&[]);
        self.offset = offset.saturating_add(align(len));
        Some(Ok((header, body)))
    }
}

/// The attributes in `bytes`, which start at an attribute and hold nothing else.
#[must_use]
pub fn attrs(bytes: &[u8]) -> Attrs<'_> {
    Attrs {
        rest: bytes,
        offset: 0,
    }
}

/// The iterator of [`attrs`]; ends after the first attribute that does not fit, which is an error.
#[derive(Debug, Clone)]
pub struct Attrs<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Iterator for Attrs<'a> {
    type Item = Result<Attr<'a>, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (offset, found) = (self.offset, self.rest.len());
        let len = self
            .rest
            .first_chunk()
            .map_or(4, |len| usize::from(u16::from_ne_bytes(*len)));
        let (Some(kind), Some(payload)) = (self.rest.get(2..4), self.rest.get(4..len)) else {
            self.rest = &[];
            return Some(Err(Malformed {
                what: "netlink attribute",
                offset,
                needed: len.max(4),
                found,
            }));
        };
        self.rest = self.rest.get(align(len)..).unwrap_or(&[]);
        self.offset = offset.saturating_add(align(len));
        Some(Ok(Attr {
            raw_kind: u16_at(kind, 0),
            payload,
        }))
    }
}

/// One attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attr<'a> {
    /// The type with its two flag bits.
    pub raw_kind: u16,
    /// The payload without padding.
    pub payload: &'a [u8],
}

impl<'a> Attr<'a> {
    /// The type without the nested and byte-order flags.
    #[must_use]
    #[inline]
    pub fn kind(&self) -> u16 {
        self.raw_kind & 0x3fff
    }

    /// The attributes inside a nest.
    #[must_use]
    pub fn nested(&self) -> Attrs<'a> {
        attrs(self.payload)
    }

    /// One byte.
    #[inline]
    pub fn u8(&self) -> Result<u8, Malformed> {
        self.chunk::<1>().map(|[byte]| byte)
    }

    /// Two bytes in native order.
    #[inline]
    pub fn u16(&self) -> Result<u16, Malformed> {
        self.chunk().map(u16::from_ne_bytes)
    }

    /// Two bytes in network order.
    #[inline]
    pub fn u16_be(&self) -> Result<u16, Malformed> {
        self.chunk().map(u16::from_be_bytes)
    }

    /// Four bytes in native order.
    #[inline]
    pub fn u32(&self) -> Result<u32, Malformed> {
        self.chunk().map(u32::from_ne_bytes)
    }

    /// Four bytes in native order, signed.
    #[inline]
    pub fn i32(&self) -> Result<i32, Malformed> {
        self.chunk().map(i32::from_ne_bytes)
    }

    /// Four bytes in network order.
    #[inline]
    pub fn u32_be(&self) -> Result<u32, Malformed> {
        self.chunk().map(u32::from_be_bytes)
    }

    /// Eight bytes in native order.
    #[inline]
    pub fn u64(&self) -> Result<u64, Malformed> {
        self.chunk().map(u64::from_ne_bytes)
    }

    /// Eight bytes in network order.
    #[inline]
    pub fn u64_be(&self) -> Result<u64, Malformed> {
        self.chunk().map(u64::from_be_bytes)
    }

    /// An address, by the payload's length.
    #[inline]
    pub fn ip(&self) -> Result<IpAddr, Malformed> {
        if self.payload.len() == 4 {
            return self.chunk::<4>().map(|b| IpAddr::V4(Ipv4Addr::from(b)));
        }
        self.ip6().map(IpAddr::V6)
    }

    /// An IPv6 address.
    #[inline]
    pub fn ip6(&self) -> Result<Ipv6Addr, Malformed> {
        self.chunk::<16>().map(Ipv6Addr::from)
    }

    /// The text up to the first NUL; bytes that are not UTF-8 become U+FFFD.
    #[must_use]
    pub fn text(&self) -> String {
        let end = self
            .payload
            .iter()
            .position(|&byte| byte == 0)
            .unwrap_or(self.payload.len());
        String::from_utf8_lossy(self.payload.get(..end).unwrap_or(&[])).into_owned()
    }

    /// The first `N` bytes; more is allowed, as kernels grow their structures.
    #[inline]
    pub fn chunk<const N: usize>(&self) -> Result<[u8; N], Malformed> {
        self.payload.first_chunk().copied().ok_or(Malformed {
            what: "netlink attribute payload",
            offset: 0,
            needed: N,
            found: self.payload.len(),
        })
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes
        .get(at..)
        .and_then(<[u8]>::first_chunk)
        .map_or(0, |b| u16::from_ne_bytes(*b))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..)
        .and_then(<[u8]>::first_chunk)
        .map_or(0, |b| u32::from_ne_bytes(*b))
}
