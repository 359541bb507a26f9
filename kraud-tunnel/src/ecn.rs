//! Explicit congestion notification across a tunnel: the tables of RFC 6040.
//!
//! ```
//! use kraud_tunnel::ecn::{Alarm, Ecn, Ingress, egress};
//! // The entry-point in normal mode copies the field; Linux does not let CE out.
//! assert_eq!(Ingress::Normal.outer(Ecn::Ce), Ecn::Ce);
//! assert_eq!(Ingress::Rfc3168.outer(Ecn::Ce), Ecn::Ect0);
//! // The exit-point: congestion met inside the tunnel reaches the inner packet,
//! assert_eq!(egress(Ecn::Ect0, Ecn::Ce), (Some(Ecn::Ce), Alarm::None));
//! // or the packet is dropped, if its transport would not understand.
//! assert_eq!(egress(Ecn::NotEct, Ecn::Ce), (None, Alarm::Critical));
//! ```

/// The two ECN bits of a TOS octet or traffic class (RFC 3168 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Ecn {
    /// The transport does not understand ECN.
    NotEct = 0,
    /// The transport understands ECN; codepoint 01.
    Ect1 = 1,
    /// The transport understands ECN; codepoint 10.
    Ect0 = 2,
    /// Congestion experienced.
    Ce = 3,
}

impl Ecn {
    /// All four codepoints in the order of their bits.
    pub const ALL: [Self; 4] = [Self::NotEct, Self::Ect1, Self::Ect0, Self::Ce];

    /// The codepoint in the low two bits of a TOS octet or traffic class.
    #[must_use]
    pub const fn from_bits(traffic_class: u8) -> Self {
        match traffic_class & 3 {
            0 => Self::NotEct,
            1 => Self::Ect1,
            2 => Self::Ect0,
            _ => Self::Ce,
        }
    }

    /// The two bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self as u8
    }
}

/// What the entry-point writes into the outer header (RFC 6040 section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Ingress {
    /// Not-ECT always: for an exit-point that may not understand ECN.
    Compatibility,
    /// The inner field, copied. The default, and right towards an exit-point that follows RFC 6040,
    /// RFC 4301 or RFC 3168.
    #[default]
    Normal,
    /// The inner field, but CE becomes ECT(0): the full-functionality option of RFC 3168 section 9.1.1, as
    /// Linux's tunnels do.
    Rfc3168,
}

impl Ingress {
    /// The field of the outer header for a packet whose own field is `inner`.
    #[must_use]
    pub const fn outer(self, inner: Ecn) -> Ecn {
        Ecn::from_bits(self.table() >> (2 * inner.bits()))
    }

    /// The four results, two bits each, indexed by the inner field.
    pub(crate) const fn table(self) -> u8 {
        match self {
            Self::Compatibility => 0b00_00_00_00,
            Self::Normal => 0b11_10_01_00,
            Self::Rfc3168 => 0b10_10_01_00,
        }
    }
}

/// How much a combination of inner and outer field should worry (RFC 6040 section 4.2, figure 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Alarm {
    /// A combination that a working tunnel produces.
    #[default]
    None = 0,
    /// `(!)`: no current standard produces it; a future one may.
    Notable = 1,
    /// `(!!!)`: something on the path misuses the field. Log it, rarely.
    Critical = 2,
}

/// The result table, indexed by `inner << 2 | outer`: new field in bits 0 and 1, alarm in bits 2 and 3,
/// bit 7 = drop.
const EGRESS: [u8; 16] = {
    const N: u8 = Alarm::Notable as u8 * 4;
    const C: u8 = Alarm::Critical as u8 * 4;
    [
        // outer:  Not-ECT, ECT(1), ECT(0), CE
        0,
        C,
        C,
        DROP | C | 3, // inner Not-ECT
        1,
        1,
        1 | N,
        3, // inner ECT(1)
        2,
        1,
        2,
        3, // inner ECT(0)
        3,
        3 | C,
        3,
        3, // inner CE
    ]
};

const DROP: u8 = 0x80;

/// What the exit-point does with a packet (RFC 6040 section 4.2, figure 4): the new inner field, or `None` to
/// drop it, and the alarm.
#[must_use]
pub const fn egress(inner: Ecn, outer: Ecn) -> (Option<Ecn>, Alarm) {
    let verdict = Verdict::of(inner.bits(), outer.bits());
    let field = if verdict.is_drop() {
        None
    } else {
        Some(Ecn::from_bits(verdict.0))
    };
    (field, verdict.alarm())
}

/// The field of a packet whose fragments carry `a` and `b` (RFC 3168 section 5.3): congestion is kept, and
/// fragments with and without ECN do not go together (`None`: drop the packet). Both ECN-capable codepoints
/// together are ECT(1), so that no mark of a scalable congestion control is lost.
#[must_use]
pub const fn reassemble(a: Ecn, b: Ecn) -> Option<Ecn> {
    match (a, b) {
        (Ecn::NotEct, Ecn::NotEct) => Some(Ecn::NotEct),
        (Ecn::NotEct, _) | (_, Ecn::NotEct) => None,
        (Ecn::Ce, _) | (_, Ecn::Ce) => Some(Ecn::Ce),
        (Ecn::Ect1, _) | (_, Ecn::Ect1) => Some(Ecn::Ect1),
        (Ecn::Ect0, Ecn::Ect0) => Some(Ecn::Ect0),
    }
}

/// A cell of the egress table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verdict(u8);

impl Verdict {
    /// The cell for two octets, of which only the low two bits count.
    #[inline]
    pub(crate) const fn of(inner: u8, outer: u8) -> Self {
        // The index has four bits and the table sixteen cells.
        Self(EGRESS[((inner & 3) << 2 | (outer & 3)) as usize])
    }

    #[inline]
    pub(crate) const fn is_drop(self) -> bool {
        self.0 & DROP != 0
    }

    /// Whether the packet passes as it is, its field included, without an alarm.
    #[inline]
    pub(crate) const fn leaves(self, inner: u8) -> bool {
        self.0 == inner & 3
    }

    /// The new inner field.
    #[inline]
    pub(crate) const fn field(self) -> u8 {
        self.0 & 3
    }

    #[inline]
    pub(crate) const fn alarm(self) -> Alarm {
        match self.0 >> 2 & 3 {
            0 => Alarm::None,
            1 => Alarm::Notable,
            _ => Alarm::Critical,
        }
    }
}
