//! Who holds something.

use alloc::{string::String, sync::Arc};
use core::{borrow::Borrow, fmt, ops::Deref};

/// The key of whoever holds an address or a subnet: any text, compared byte by byte.
///
/// One key holds one thing of a kind: asking again under the same key gives the same answer. Put
/// into the key whatever makes the holder unique, for instance `nextcloud/db.1`. Cloning is cheap.
///
/// ```
/// let owner = kraud_ipam::Owner::from("nextcloud/db.1");
/// assert_eq!(owner.as_str(), "nextcloud/db.1");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner(Arc<str>);

impl Owner {
    /// The key itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Owner {
    fn from(key: &str) -> Self {
        Self(Arc::from(key))
    }
}

impl From<String> for Owner {
    fn from(key: String) -> Self {
        Self(Arc::from(key))
    }
}

impl From<&Self> for Owner {
    fn from(owner: &Self) -> Self {
        owner.clone()
    }
}

impl Deref for Owner {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Owner {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Owner {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Owner {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}
