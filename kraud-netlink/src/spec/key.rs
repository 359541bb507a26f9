use std::fmt;
use std::str::FromStr;

use base64ct::{Base64, Encoding};
use zeroize::Zeroize;

/// A text that is no WireGuard key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a wireguard key is 32 bytes in base64: 44 characters, the last one `=`")]
pub struct KeyError;

fn decode(text: &str) -> Result<[u8; 32], KeyError> {
    let mut bytes = [0; 32];
    match Base64::decode(text, &mut bytes) {
        Ok(decoded) if decoded.len() == 32 => Ok(bytes),
        _ => Err(KeyError),
    }
}

/// A peer's or a device's public key; printed and parsed as base64, as `wg` does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Base64::encode_string(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        decode(text).map(Self)
    }
}

impl From<[u8; 32]> for PublicKey {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name([u8; 32]);

        impl $name {
            /// The key of these bytes.
            #[must_use]
            pub fn new(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The secret itself.
            #[must_use]
            pub fn expose(&self) -> &[u8; 32] {
                &self.0
            }

            /// Is every byte zero, which to the kernel means "no key"?
            #[must_use]
            pub fn is_zero(&self) -> bool {
                self.0.iter().fold(0, |all, byte| all | byte) == 0
            }
        }

        impl PartialEq for $name {
            /// Looks at every byte, whatever the first difference.
            fn eq(&self, other: &Self) -> bool {
                self.0.iter().zip(&other.0).fold(0, |all, (a, b)| all | (a ^ b)) == 0
            }
        }

        impl Eq for $name {}

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }

        impl FromStr for $name {
            type Err = KeyError;

            fn from_str(text: &str) -> Result<Self, KeyError> {
                decode(text).map(Self)
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                self.0.zeroize();
            }
        }
    };
}

secret! {
    /// A device's private key: wiped when dropped, never printed, never serialised.
    PrivateKey
}

impl PrivateKey {
    /// Is it the same key to the kernel, which clears and sets bits of what it is given (RFC 7748 section 5)?
    #[must_use]
    pub fn is_same_key(&self, other: &Self) -> bool {
        self.clamped() == other.clamped()
    }

    fn clamped(&self) -> Self {
        let mut key = self.clone();
        if !key.is_zero() {
            let [first, .., last] = &mut key.0;
            *first &= 248;
            *last = (*last & 127) | 64;
        }
        key
    }
}

secret! {
    /// A key that two peers share on top of their key pairs: wiped when dropped, never printed, never serialised.
    PresharedKey
}
