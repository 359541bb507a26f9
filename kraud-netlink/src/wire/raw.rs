use super::{Attr, Writer};

/// An attribute as it stands in a message: its number and payload.
///
/// What this crate has no field for is kept in this form when it is read and sent again as it was: in the same order,
/// as often, and byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RawAttr {
    /// The number with its two flag bits.
    pub kind: u16,
    /// The payload without padding.
    pub payload: Vec<u8>,
}

impl From<Attr<'_>> for RawAttr {
    fn from(attr: Attr<'_>) -> Self {
        Self {
            kind: attr.raw_kind,
            payload: attr.payload.to_vec(),
        }
    }
}

impl Writer<'_> {
    /// Attributes as they were read.
    #[inline]
    pub fn attrs(&mut self, attrs: &[RawAttr]) {
        for attr in attrs {
            self.bytes(attr.kind, &attr.payload);
        }
    }
}
