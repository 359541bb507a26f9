use std::path::PathBuf;

use crate::error::{Error, Result};

/// A kernel setting of a network namespace: `net.ipv4.ip_forward = 1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Sysctl {
    /// The key, with dots or slashes; a dot inside a link's name is written as a slash, as in `sysctl`:
    /// `net.ipv4.conf.eth0/10.forwarding`, or with slashes throughout.
    pub key: String,
    /// The value to write.
    pub value: String,
}

impl Sysctl {
    /// The setting `key` = `value`.
    #[must_use]
    pub fn new(key: impl Into<String>, value: impl ToString) -> Self {
        Self {
            key: key.into(),
            value: value.to_string(),
        }
    }

    /// IPv4 forwarding of the namespace.
    #[must_use]
    pub fn forwarding4(on: bool) -> Self {
        Self::new("net.ipv4.ip_forward", u8::from(on))
    }

    /// IPv6 forwarding of the namespace.
    #[must_use]
    pub fn forwarding6(on: bool) -> Self {
        Self::new("net.ipv6.conf.all.forwarding", u8::from(on))
    }

    /// The file below `/proc/sys` that holds it.
    ///
    /// As in `sysctl`, the first separator decides: where it is a dot, dots separate and slashes stand for dots.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a key outside `net`, or one with an empty or `..` part.
    pub fn path(&self) -> Result<PathBuf> {
        let bad = |why| Err(Error::invalid("sysctl key", self.key.as_str(), why));
        let dotted = self
            .key
            .find(['.', '/'])
            .is_some_and(|at| self.key.as_bytes().get(at) == Some(&b'.'));
        let parts: Vec<String> = if dotted {
            self.key
                .split('.')
                .map(|part| part.replace('/', "."))
                .collect()
        } else {
            self.key.split('/').map(str::to_owned).collect()
        };
        if parts.first().map(String::as_str) != Some("net") || parts.len() < 2 {
            return bad("only keys below `net` belong to a network namespace");
        }
        if parts
            .iter()
            .any(|part| matches!(part.as_str(), "" | "." | "..") || part.contains(['/', '\0']))
        {
            return bad("a part of it is empty or no file name");
        }
        Ok(std::iter::once("/proc/sys".to_owned())
            .chain(parts)
            .collect())
    }
}
