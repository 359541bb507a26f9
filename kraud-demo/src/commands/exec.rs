//! `exec`: a command inside a pod's network namespace, with the pod's hosts file, as `ip netns exec` would run it.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use kraud_netlink::Netns;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};

use super::place::Place;
use crate::apply::ETC_NETNS;
use crate::cli::ExecArgs;
use crate::error::Error;

/// Does not return if the command could be started.
pub(super) fn run(args: &ExecArgs) -> Result<(), Error> {
    let place = Place::of(&args.machine, &args.input)?;
    let mut machine = place.machine()?;
    let found = machine.namespace_of(&args.pod)?;
    let name = found.ok_or_else(|| {
        Error::Usage(format!(
            "{} was not applied on this machine; `overlay show` lists pods, `exec` wants one as NAMESPACE-SERVICE-REPLICA",
            args.pod
        ))
    })?;
    let netns = Netns::find(&name).map_err(Error::netlink(&args.pod))?;
    let context = |errno: nix::Error| Error::Io {
        what: format!("cannot enter {}", args.pod),
        source: errno.into(),
    };
    setns(netns.as_fd(), CloneFlags::CLONE_NEWNET).map_err(context)?;
    unshare(CloneFlags::CLONE_NEWNS).map_err(context)?;
    own_files(&args.pod).map_err(context)?;
    let (program, arguments) = args.command.split_first().unzip();
    let program = program
        .map(std::ffi::OsString::as_os_str)
        .unwrap_or_default();
    let error = Command::new(program)
        .args(arguments.unwrap_or_default())
        .exec();
    Err(Error::Io {
        what: format!("cannot run {}", program.display()),
        source: error,
    })
}

/// Puts the files of `/etc/netns/POD` in the place of those in `/etc`, for this process and its children, and lets `/sys`
/// show the links of its namespace.
fn own_files(pod: &str) -> nix::Result<()> {
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_SLAVE | MsFlags::MS_REC, none)?;
    if umount2("/sys", MntFlags::MNT_DETACH).is_ok() {
        mount(Some(pod), "/sys", Some("sysfs"), MsFlags::empty(), none)?;
    }
    let files = fs::read_dir(Path::new(ETC_NETNS).join(pod));
    for file in files.into_iter().flatten().flatten() {
        let target = Path::new("/etc").join(file.file_name());
        if target.exists() {
            mount(Some(&file.path()), &target, none, MsFlags::MS_BIND, none)?;
        }
    }
    Ok(())
}
