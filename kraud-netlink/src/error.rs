//! What can go wrong, in the kernel's words and ours.

use std::fmt;
use std::io;

use crate::wire::{Malformed, TooLong};

/// The result of everything that talks to the kernel.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What is wanted does not go with what is there, or with itself.
    #[error("{what}: {why}")]
    Conflict {
        /// What was wanted.
        what: String,
        /// What stands against it.
        why: String,
    },
    /// A dump kept being interrupted by changes of others.
    #[error(
        "{op}: the kernel's tables changed during each of {attempts} dumps; try again when they are quiet"
    )]
    DumpInterrupted {
        /// What was read.
        op: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// A value that no kernel accepts, found before anything was sent.
    #[error("{field} {value:?} is not usable: {why}")]
    Invalid {
        /// The field of the specification.
        field: &'static str,
        /// What it holds.
        value: String,
        /// Why that cannot be.
        why: &'static str,
    },
    /// A system call other than the netlink request itself failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The kernel refused.
    #[error(transparent)]
    Kernel(Box<KernelError>),
    /// The kernel's answer was not understood.
    #[error("{op}: the answer cannot be read")]
    Malformed {
        /// What was asked.
        op: String,
        /// Where it went wrong.
        source: Malformed,
    },
    /// A link, namespace or generic-netlink family of that name does not exist.
    #[error("{what} {name:?} does not exist{}", Hint(hint.as_deref()))]
    NotFound {
        /// The kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The socket's receive buffer overflowed, so replies are lost (`ENOBUFS`).
    #[error(
        "{op}: the socket's receive buffer overflowed and replies are lost; read the state again"
    )]
    Overrun {
        /// What was under way.
        op: String,
    },
    /// The kernel did not answer in time.
    #[error("{op}: no answer from the kernel within {millis} ms")]
    Timeout {
        /// What was asked.
        op: String,
        /// How long it waited.
        millis: u64,
    },
    /// The request does not fit the format.
    #[error("{op}: the request is too large")]
    TooLarge {
        /// What was to be sent.
        op: String,
        /// Which part of it.
        source: TooLong,
    },
    /// A step failed and those before it were taken back.
    #[error(transparent)]
    Transact(#[from] Box<crate::plan::TransactError>),
    /// A reply was larger than the receive buffer.
    #[error("{op}: a reply of {len} bytes was cut at {buffer}")]
    Truncated {
        /// What was asked.
        op: String,
        /// The reply's length.
        len: usize,
        /// The buffer's.
        buffer: usize,
    },
}

/// An error number from the kernel and everything that explains it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KernelError {
    /// The error number, positive.
    pub errno: i32,
    /// The operation in words: ``add link "eth0"``.
    pub op: String,
    /// The kernel's extended acknowledgement.
    pub message: Option<String>,
    /// The attribute that the kernel points at, by name where known.
    pub attribute: Option<String>,
    /// The `ip`, `wg`, `nft` or `sysctl` line that asks for the same; never holds a key.
    pub command: Option<String>,
    /// What usually helps.
    pub hint: Option<String>,
}

impl std::error::Error for KernelError {}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}",
            self.op,
            io::Error::from_raw_os_error(self.errno)
        )?;
        if let Some(message) = &self.message {
            write!(f, ": kernel says {message:?}")?;
        }
        if let Some(attribute) = &self.attribute {
            write!(f, " at {attribute}")?;
        }
        if let Some(command) = &self.command {
            write!(f, " (as in `{command}`)")?;
        }
        write!(f, "{}", Hint(self.hint.as_deref()))
    }
}

struct Hint<'a>(Option<&'a str>);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

impl Error {
    pub(crate) fn io(what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::Io {
            what: what.into(),
            source: source.into(),
        }
    }

    pub(crate) fn invalid(
        field: &'static str,
        value: impl Into<String>,
        why: &'static str,
    ) -> Self {
        Self::Invalid {
            field,
            value: value.into(),
            why,
        }
    }

    /// The error number, where there is one.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Kernel(error) => Some(error.errno),
            Self::Io { source, .. } => source.raw_os_error(),
            Self::Overrun { .. } => Some(nix::libc::ENOBUFS),
            Self::Transact(error) => error.source.errno(),
            _ => None,
        }
    }

    /// The kernel's own words, where it gave some.
    #[must_use]
    pub fn kernel_message(&self) -> Option<&str> {
        match self {
            Self::Kernel(error) => error.message.as_deref(),
            Self::Transact(error) => error.source.kernel_message(),
            _ => None,
        }
    }

    /// Is what was to be made already there (`EEXIST`)?
    #[must_use]
    pub fn is_exists(&self) -> bool {
        self.errno() == Some(nix::libc::EEXIST)
    }

    /// Is the object of the operation absent (`ENODEV`, `ENOENT`, `ESRCH`, `EADDRNOTAVAIL`, or not found by name)?
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        use nix::libc::{EADDRNOTAVAIL, ENODEV, ENOENT, ESRCH};
        matches!(self, Self::NotFound { .. })
            || matches!(self.errno(), Some(ENODEV | ENOENT | ESRCH | EADDRNOTAVAIL))
    }

    /// Does this kernel lack the feature (`EOPNOTSUPP`, `EAFNOSUPPORT`, `EPROTONOSUPPORT`, or an absent family)?
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        use nix::libc::{EAFNOSUPPORT, EOPNOTSUPP, EPROTONOSUPPORT};
        matches!(
            self,
            Self::NotFound {
                what: crate::message::FAMILY,
                ..
            }
        ) || matches!(
            self.errno(),
            Some(EOPNOTSUPP | EAFNOSUPPORT | EPROTONOSUPPORT)
        )
    }

    /// Is a privilege missing (`EPERM`, `EACCES`)?
    #[must_use]
    pub fn is_permission(&self) -> bool {
        matches!(self.errno(), Some(nix::libc::EPERM | nix::libc::EACCES))
    }

    /// Is it held by somebody else (`EBUSY`, `EADDRINUSE`, or a conflict found beforehand)?
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Conflict { .. })
            || matches!(self.errno(), Some(nix::libc::EBUSY | nix::libc::EADDRINUSE))
    }
}
