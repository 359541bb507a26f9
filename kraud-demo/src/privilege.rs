//! The rights that `lab` needs, as root or inside a user namespace of its own.

use std::fs;
use std::io;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

use crate::error::Error;

/// Capabilities by their number in `linux/capability.h`: `NET_ADMIN`, `NET_RAW`, `SYS_ADMIN`.
const NEEDED: [u32; 3] = [12, 13, 21];

/// Where the rights come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// The process had them.
    Held,
    /// The process is root in a user namespace that it made.
    UserNamespace,
}

/// Makes sure that this process may create network namespaces and links.
///
/// A process without the capabilities moves into a user namespace where its user is root. That must happen before the
/// first thread is started (`unshare(2)`).
///
/// # Errors
///
/// [`Error::Unavailable`] where the system forbids user namespaces.
pub fn acquire() -> Result<Privilege, Error> {
    if has_capabilities() {
        return Ok(Privilege::Held);
    }
    let (uid, gid) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET).map_err(refused)?;
    // The kernel takes a group map from an unprivileged process only after it gave up setgroups(2).
    let maps = [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("0 {uid} 1")),
        ("/proc/self/gid_map", format!("0 {gid} 1")),
    ];
    for (file, content) in maps {
        fs::write(file, content)
            .map_err(|error| unavailable(&format!("cannot write {file}"), &error))?;
    }
    Ok(Privilege::UserNamespace)
}

fn has_capabilities() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = effective
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    NEEDED
        .iter()
        .all(|capability| mask & (1 << capability) != 0)
}

fn refused(errno: Errno) -> Error {
    unavailable("cannot make a user namespace", &io::Error::from(errno))
}

fn unavailable(what: &str, error: &io::Error) -> Error {
    Error::Unavailable {
        what: format!("{what}: {error}"),
        help:
            "run as root, or allow user namespaces: sysctl user.max_user_namespaces must not be 0, \
               kernel.unprivileged_userns_clone (Debian) must be 1 and \
               kernel.apparmor_restrict_unprivileged_userns (Ubuntu) must be 0"
                .to_owned(),
    }
}
