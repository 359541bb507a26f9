//! The same compose files read by kraud-compose and by a real docker compose, out of a Debian package.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::debian::{Apt, remove};
use crate::shell::{self, Result};
use crate::verdict::Verdict;
use crate::workspace::{cargo, target};

/// Programs of this machine that the comparison needs.
pub(crate) const TOOLS: &[&str] = &["apt-get", "cc", "dpkg"];

/// The release whose docker compose knows all attributes that kraud-compose does.
const RELEASE: &str = "sid";
/// Where the package has the program; it needs nothing but a C library.
const PROGRAM: &str = "usr/libexec/docker/cli-plugins/docker-compose";

/// Runs the comparison; skipped, with the reason, where the package is not to be had.
pub(crate) fn compare() -> Result<Verdict> {
    let folder = target().join("docker-compose");
    let done = folder.join("unpacked");
    if !done.is_dir()
        && let Err(error) = fetch(&folder, &done)
    {
        return Ok(Verdict::Skipped(format!("not to be had: {error}")));
    }
    let program = done.join(PROGRAM).canonicalize()?;
    match shell::read(Command::new(&program).arg("version")) {
        Ok(version) => print!("{version}"),
        Err(error) => return Ok(Verdict::Skipped(format!("does not run here: {error}"))),
    }
    let arguments = [
        "test",
        "--package",
        "kraud-compose",
        "--all-features",
        "--test",
        "docker_compose",
        "--",
        "--ignored",
        "--nocapture",
    ];
    shell::run(cargo(&arguments).env("DOCKER_COMPOSE", program))?;
    Ok(Verdict::Passed)
}

fn fetch(folder: &Path, done: &Path) -> Result<()> {
    let package =
        Apt::of_release(RELEASE, folder)?.download("docker-compose", &folder.join("packages"))?;
    let half_done = folder.join("unpacking");
    remove(&half_done)?;
    shell::run(Command::new("dpkg").arg("-x").args([&package, &half_done]))?;
    Ok(fs::rename(&half_done, done)?)
}
