//! Space that is not for ordinary networks (IANA special-purpose registries).

use core::fmt;

use ipnet::IpNet;

use crate::family::{Family, bounds};

/// A special purpose that part of the address space has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Special {
    /// 240.0.0.0/4, with the limited broadcast address (RFC 1112).
    ClassE,
    /// 192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24, 2001:db8::/32 and 3fff::/20 (RFC 5737, 3849, 9637).
    Documentation,
    /// 169.254.0.0/16 and fe80::/10 (RFC 3927, 4291).
    LinkLocal,
    /// 127.0.0.0/8 and ::1 (RFC 1122, 4291).
    Loopback,
    /// ::ffff:0:0/96, IPv4 written as IPv6 (RFC 4291).
    Mapped,
    /// 224.0.0.0/4 and ff00::/8 (RFC 5771, 4291).
    Multicast,
    /// 0.0.0.0/8 and :: (RFC 791, 4291).
    Unspecified,
}

/// Each special block: first bits, length, purpose.
const V4: [(u32, u8, Special); 8] = [
    (0x0000_0000, 8, Special::Unspecified),
    (0x7f00_0000, 8, Special::Loopback),
    (0xa9fe_0000, 16, Special::LinkLocal),
    (0xc000_0200, 24, Special::Documentation),
    (0xc633_6400, 24, Special::Documentation),
    (0xcb00_7100, 24, Special::Documentation),
    (0xe000_0000, 4, Special::Multicast),
    (0xf000_0000, 4, Special::ClassE),
];

const V6: [(u128, u8, Special); 7] = [
    (0, 128, Special::Unspecified),
    (1, 128, Special::Loopback),
    (0xffff << 32, 96, Special::Mapped),
    (0x2001_0db8 << 96, 32, Special::Documentation),
    (0x3fff << 112, 20, Special::Documentation),
    (0xfe80 << 112, 10, Special::LinkLocal),
    (0xff << 120, 8, Special::Multicast),
];

impl Special {
    /// The first special block that overlaps `prefix`, in order of address.
    ///
    /// ```
    /// use kraud_ipam::Special;
    ///
    /// assert_eq!(Special::of("224.1.0.0/16".parse()?), Some(Special::Multicast));
    /// assert_eq!(Special::of("10.0.0.0/8".parse()?), None);
    /// # Ok::<(), ipnet::AddrParseError>(())
    /// ```
    pub fn of(prefix: IpNet) -> Option<Self> {
        Self::overlapping(prefix).next()
    }

    /// Every special purpose that `prefix` overlaps.
    pub fn overlapping(prefix: IpNet) -> impl Iterator<Item = Self> {
        let family = Family::of_prefix(prefix);
        let (first, last) = bounds(prefix);
        let v4 = V4
            .iter()
            .map(|&(base, len, special)| (Family::V4, u128::from(base), len, special));
        let v6 = V6
            .iter()
            .map(|&(base, len, special)| (Family::V6, base, len, special));
        v4.chain(v6)
            .filter(move |&(of, base, len, _)| {
                of == family && base <= last && first <= base | crate::family::host_mask(of, len)
            })
            .map(|(_, _, _, special)| special)
    }
}

impl fmt::Display for Special {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClassE => "class E",
            Self::Documentation => "documentation",
            Self::LinkLocal => "link-local",
            Self::Loopback => "loopback",
            Self::Mapped => "IPv4-mapped",
            Self::Multicast => "multicast",
            Self::Unspecified => "unspecified",
        })
    }
}

/// Which prefixes may be used at all.
///
/// By default every special purpose is refused; allow single ones by name.
///
/// ```
/// use kraud_ipam::{Policy, Special};
///
/// let lab = Policy::new().allow(Special::LinkLocal).allow(Special::Documentation);
/// assert_eq!(lab.refuses("192.0.2.0/24".parse()?), None);
/// assert_eq!(lab.refuses("224.0.0.0/24".parse()?), Some(Special::Multicast));
/// # Ok::<(), ipnet::AddrParseError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Policy {
    allowed: u16,
}

impl Policy {
    /// Refuses every special purpose.
    pub const fn new() -> Self {
        Self { allowed: 0 }
    }

    /// Allows everything.
    pub const fn permissive() -> Self {
        Self { allowed: 0x7f }
    }

    /// Allows this purpose too.
    #[must_use]
    pub const fn allow(self, special: Special) -> Self {
        Self {
            allowed: self.allowed | 1 << special as u16,
        }
    }

    /// Whether this purpose is allowed.
    pub const fn allows(self, special: Special) -> bool {
        self.allowed & (1 << special as u16) != 0
    }

    /// The purpose for which a prefix is refused, if it is.
    pub fn refuses(self, prefix: IpNet) -> Option<Special> {
        Special::overlapping(prefix).find(|&special| !self.allows(special))
    }
}

#[cfg(feature = "serde")]
mod wire {
    use alloc::vec::Vec;

    use super::{Policy, Special};

    const ALL: [Special; 7] = [
        Special::ClassE,
        Special::Documentation,
        Special::LinkLocal,
        Special::Loopback,
        Special::Mapped,
        Special::Multicast,
        Special::Unspecified,
    ];

    /// As a sorted list of the allowed purposes.
    impl serde::Serialize for Policy {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(ALL.iter().filter(|special| self.allows(**special)))
        }
    }

    impl<'de> serde::Deserialize<'de> for Policy {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let list = Vec::<Special>::deserialize(deserializer)?;
            Ok(list.into_iter().fold(Self::new(), Self::allow))
        }
    }
}
