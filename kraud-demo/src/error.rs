//! What ends a command early, and the exit code that it ends with.

use std::io;
use std::path::PathBuf;

use kraud_netlink::Step;
use thiserror::Error;

use crate::decode::CaptureError;
use crate::state::StoreError;

/// Exit codes, as the manual page documents them.
pub mod exit {
    /// Everything that was asked for was done.
    pub const OK: u8 = 0;
    /// Something failed: bad input, a failed check, a refused operation.
    pub const ERROR: u8 = 1;
    /// Changes are pending (`plan --detailed-exitcode`, `diff`, `verify`), or `lint` has warnings only.
    pub const CHANGES: u8 = 2;
    /// An address or object is held by somebody else.
    pub const HELD: u8 = 3;
    /// A privilege or a capability of the kernel is missing.
    pub const UNAVAILABLE: u8 = 4;
    /// The command line makes no sense (`EX_USAGE` of `sysexits.h`).
    pub const USAGE: u8 = 64;
}

/// A failure of a command.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// No address could be given.
    #[error("{message}")]
    Address {
        /// What was asked for and what stands in its way.
        message: String,
        /// Whether somebody else holds it.
        held: bool,
    },
    /// A capture that cannot be read, or not to its end.
    #[error("{}: {source}", path.display())]
    Capture {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: CaptureError,
    },
    /// Checks of `lab` did not end as they should.
    #[error("{failed} of {total} checks were not as expected")]
    Checks {
        /// How many failed.
        failed: usize,
        /// How many were made.
        total: usize,
    },
    /// The cluster file cannot be used.
    #[error("{}: {why}", path.display())]
    Cluster {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The compose files have errors; the diagnostics were printed already.
    #[error("{errors} error{} in the compose files; nothing was touched", if *errors == 1 { "" } else { "s" })]
    Compose {
        /// How many diagnostics are errors.
        errors: usize,
    },
    /// A file or device could not be used.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
    /// Something that is needed is held by somebody else.
    #[error("{0}")]
    Held(String),
    /// Not everything could be taken away; the rest is gone.
    #[error(
        "{host}: this could not be taken away:{}\n  help: run the same command again, or remove it by hand",
        left(steps)
    )]
    Left {
        /// The host.
        host: String,
        /// What is left, and why.
        steps: Vec<(Step, kraud_netlink::Error)>,
    },
    /// A signal asked for the end.
    #[error("interrupted: everything was taken down")]
    Interrupted,
    /// The kernel refused a change.
    #[error("{context}: {source}")]
    Netlink {
        /// Which host or pod was being changed.
        context: String,
        /// What the kernel said.
        source: kraud_netlink::Error,
    },
    /// No compose file was named and none lies in the current folder.
    #[error("no compose file: neither {0} exists; name one with -f FILE")]
    NoComposeFile(String),
    /// What was asked for by name is not there, or the name fits several.
    #[error("{0}")]
    NotFound(String),
    /// The same file was given in a form that cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The kernel refused a change, and what was done before it was taken back.
    #[error("{host}: {error}")]
    Refused {
        /// The host.
        host: String,
        /// Which change, what the kernel said, and what could not be taken back.
        error: Box<kraud_netlink::TransactError>,
    },
    /// What is remembered between runs cannot be used.
    #[error(transparent)]
    State(#[from] StoreError),
    /// The project cannot be carried as asked.
    #[error("{0}")]
    Unplannable(String),
    /// A privilege or a capability of the kernel is missing.
    #[error("{what}\n  help: {help}")]
    Unavailable {
        /// What is missing.
        what: String,
        /// What to do.
        help: String,
    },
    /// Options that contradict each other.
    #[error("{0}")]
    Usage(String),
}

impl Error {
    /// Wraps an [`io::Error`] with what was being done.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// Wraps the kernel's refusal with the host or pod that was being changed.
    pub fn netlink(context: impl Into<String>) -> impl FnOnce(kraud_netlink::Error) -> Self {
        let context = context.into();
        move |source| Self::Netlink { context, source }
    }

    /// The exit code for this failure; see [`exit`].
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Address { held: true, .. }
            | Self::Held(_)
            | Self::State(StoreError::Locked { .. }) => exit::HELD,
            Self::Refused { error, .. } => of_kernel(&error.source),
            Self::Netlink { source, .. } => of_kernel(source),
            Self::Unavailable { .. } => exit::UNAVAILABLE,
            Self::Usage(_) => exit::USAGE,
            _ => exit::ERROR,
        }
    }
}

fn of_kernel(error: &kraud_netlink::Error) -> u8 {
    if error.is_permission() || error.is_unsupported() {
        exit::UNAVAILABLE
    } else if error.is_busy() {
        exit::HELD
    } else {
        exit::ERROR
    }
}

fn left(steps: &[(Step, kraud_netlink::Error)]) -> String {
    let line = |(step, error): &(Step, kraud_netlink::Error)| format!("\n  {step}: {error}");
    steps.iter().map(line).collect()
}
