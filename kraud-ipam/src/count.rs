//! Exact sizes, up to and including 2^128.

use core::fmt;

/// How many addresses: exact from 0 to 2^128, which is one more than a `u128` holds.
///
/// ```
/// use kraud_ipam::Count;
///
/// let all: ipnet::IpNet = "::/0".parse()?;
/// assert_eq!(Count::of(all).to_string(), "340282366920938463463374607431768211456");
/// assert_eq!(Count::of(all).to_u128(), None);
/// assert_eq!(Count::of("10.0.0.0/23".parse()?).to_u128(), Some(512));
/// # Ok::<(), ipnet::AddrParseError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Count {
    /// Set for 2^128 alone; `low` is zero then.
    whole: bool,
    low: u128,
}

impl Count {
    /// Nothing.
    pub const ZERO: Self = Self {
        whole: false,
        low: 0,
    };
    /// 2^128: every IPv6 address.
    pub const WHOLE: Self = Self {
        whole: true,
        low: 0,
    };

    /// A count that fits a `u128`.
    pub const fn new(count: u128) -> Self {
        Self {
            whole: false,
            low: count,
        }
    }

    /// The size of a prefix.
    pub fn of(prefix: ipnet::IpNet) -> Self {
        let (first, last) = crate::family::bounds(prefix);
        Self::between(first, last)
    }

    /// The numbers from `first` to `last`, both included.
    pub(crate) const fn between(first: u128, last: u128) -> Self {
        match last.checked_sub(first) {
            None => Self::ZERO,
            Some(u128::MAX) => Self::WHOLE,
            Some(span) => Self::new(span + 1),
        }
    }

    /// The count, unless it is 2^128.
    pub const fn to_u128(self) -> Option<u128> {
        if self.whole { None } else { Some(self.low) }
    }

    /// The count; 2^128 becomes `u128::MAX`.
    pub const fn saturating_u128(self) -> u128 {
        if self.whole { u128::MAX } else { self.low }
    }

    /// Whether nothing is counted.
    pub const fn is_zero(self) -> bool {
        !self.whole && self.low == 0
    }

    /// The sum, never more than 2^128.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        if self.whole || other.whole {
            return Self::WHOLE;
        }
        match self.low.checked_add(other.low) {
            Some(low) => Self::new(low),
            None => Self::WHOLE,
        }
    }

    /// The difference, never less than zero.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        match (self.whole, other.whole) {
            (_, true) => Self::ZERO,
            (true, false) if other.low == 0 => Self::WHOLE,
            (true, false) => Self::new(u128::MAX - (other.low - 1)),
            (false, false) => Self::new(self.low.saturating_sub(other.low)),
        }
    }
}

impl From<u128> for Count {
    fn from(count: u128) -> Self {
        Self::new(count)
    }
}

impl PartialEq<u128> for Count {
    fn eq(&self, other: &u128) -> bool {
        self.to_u128() == Some(*other)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.whole {
            f.pad("340282366920938463463374607431768211456")
        } else {
            fmt::Display::fmt(&self.low, f)
        }
    }
}

impl fmt::Debug for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edge_at_two_to_the_128_is_exact() {
        assert_eq!(Count::between(0, u128::MAX), Count::WHOLE);
        assert_eq!(Count::between(1, u128::MAX), Count::new(u128::MAX));
        assert_eq!(Count::between(1, 0), Count::ZERO);
        assert_eq!(Count::WHOLE.minus(Count::new(1)), Count::new(u128::MAX));
        assert_eq!(Count::new(u128::MAX).plus(Count::new(1)), Count::WHOLE);
        assert_eq!(Count::WHOLE.minus(Count::WHOLE), Count::ZERO);
        assert!(Count::WHOLE > Count::new(u128::MAX));
    }
}
