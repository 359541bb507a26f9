//! The numbers that a set can hold.

use core::fmt::Debug;

/// `u64` or `u128`.
///
/// Sealed: the tree relies on every method to be what it is for the primitive.
pub trait Number: Copy + Ord + Debug + Send + Sync + 'static + sealed::Sealed {
    /// How many bits.
    const BITS: u32;
    /// Zero.
    const ZERO: Self;
    /// All bits set.
    const MAX: Self;

    /// From the low bits of a `u128`.
    fn truncate(wide: u128) -> Self;
    /// As a `u128`.
    fn widen(self) -> u128;
    /// Whether nothing is left after a shift to the right by six more than this.
    fn fits(self, shift: u32) -> bool;
    /// The low six bits after a shift to the right.
    fn slot(self, shift: u32) -> usize;
    /// A slot's number moved to the left.
    fn from_slot(slot: usize, shift: u32) -> Self;
    /// `1 << shift`; zero when that does not fit.
    fn power(shift: u32) -> Self;
    /// `2^bits - 1`.
    fn mask(bits: u32) -> Self;
    /// Bits that differ.
    fn differing(self, other: Self) -> Self;
    /// Bits of one that the other lacks.
    fn without(self, mask: Self) -> Self;
    /// Bits of either.
    fn with(self, bits: Self) -> Self;
    /// How many bits it takes to write the number.
    fn width(self) -> u32;
    /// Wrapping sum.
    fn plus(self, other: Self) -> Self;
    /// Wrapping difference.
    fn minus(self, other: Self) -> Self;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for u64 {}
    impl Sealed for u128 {}
}

macro_rules! number {
    ($type:ty) => {
        impl Number for $type {
            const BITS: u32 = <$type>::BITS;
            const ZERO: Self = 0;
            const MAX: Self = <$type>::MAX;

            #[inline]
            fn truncate(wide: u128) -> Self {
                wide as Self
            }

            #[inline]
            fn widen(self) -> u128 {
                u128::from(self)
            }

            #[inline]
            fn fits(self, shift: u32) -> bool {
                self >> shift >> 6 == 0
            }

            #[inline]
            fn slot(self, shift: u32) -> usize {
                (self >> shift) as usize & 63
            }

            #[inline]
            fn from_slot(slot: usize, shift: u32) -> Self {
                (slot as Self) << shift
            }

            #[inline]
            fn power(shift: u32) -> Self {
                if shift < Self::BITS { 1 << shift } else { 0 }
            }

            #[inline]
            fn mask(bits: u32) -> Self {
                Self::power(bits).wrapping_sub(1)
            }

            #[inline]
            fn differing(self, other: Self) -> Self {
                self ^ other
            }

            #[inline]
            fn without(self, mask: Self) -> Self {
                self & !mask
            }

            #[inline]
            fn with(self, bits: Self) -> Self {
                self | bits
            }

            #[inline]
            fn width(self) -> u32 {
                Self::BITS - self.leading_zeros()
            }

            #[inline]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            #[inline]
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
        }
    };
}

number!(u64);
number!(u128);
