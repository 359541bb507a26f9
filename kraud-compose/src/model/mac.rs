//! MAC addresses as compose files write them.

use std::fmt;
use std::str::FromStr;

/// A 48-bit hardware address.
///
/// ```
/// use kraud_compose::MacAddr;
///
/// let mac: MacAddr = "02-42-AC-11-00-02".parse().unwrap();
/// assert_eq!(mac.to_string(), "02:42:ac:11:00:02");
/// assert!(!mac.is_multicast());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// Whether the group bit is set; no interface can have such an address.
    #[must_use]
    pub fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// The text is not a MAC address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected six bytes in hexadecimal such as 02:42:ac:11:00:02")]
pub struct ParseMacError;

impl FromStr for MacAddr {
    type Err = ParseMacError;

    /// Reads six pairs joined by `:` or `-`, or three groups of four digits joined by `.`.
    fn from_str(s: &str) -> Result<Self, ParseMacError> {
        let (separator, width) = match s.as_bytes().get(2) {
            Some(b':') => (':', 2),
            Some(b'-') => ('-', 2),
            _ => ('.', 4),
        };
        let mut bytes = [0_u8; 6];
        let mut slots = bytes.iter_mut();
        for group in s.split(separator) {
            if group.len() != width || !group.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(ParseMacError);
            }
            for pair in group.as_bytes().chunks(2) {
                let digits = std::str::from_utf8(pair).map_err(|_| ParseMacError)?;
                let slot = slots.next().ok_or(ParseMacError)?;
                *slot = u8::from_str_radix(digits, 16).map_err(|_| ParseMacError)?;
            }
        }
        match slots.next() {
            None => Ok(Self(bytes)),
            Some(_) => Err(ParseMacError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_notations_are_one_address_and_the_rest_is_refused() {
        let mac = MacAddr([2, 0x42, 0xac, 0x11, 0, 2]);
        for text in ["02:42:ac:11:00:02", "02-42-AC-11-00-02", "0242.ac11.0002"] {
            assert_eq!(text.parse(), Ok(mac), "{text}");
        }
        for text in [
            "",
            "zz",
            "02:42:ac:11:00",
            "02:42:ac:11:00:02:03",
            "2:42:ac:11:0:2",
            "02:42-ac:11:00:02",
            "+2:42:ac:11:00:02",
        ] {
            assert_eq!(text.parse::<MacAddr>(), Err(ParseMacError), "{text}");
        }
    }
}
