//! `kraud-demo` on a kernel that has everything.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::lab;
use crate::shell::Result;
use crate::verdict::Verdict;

use super::process::{self, Running};
use super::{Check, DEMO, ORDINARY_USER, Transcript};

pub(super) fn checks() -> Vec<Check> {
    vec![
        Check::new("lab::twice_in_a_row", |transcript| {
            lab_passes(&mut lab_command(), transcript)?;
            lab_passes(&mut lab_command(), transcript)
        }),
        Check::new("lab::ordinary_user", |transcript| {
            lab_passes(
                lab_command()
                    .uid(ORDINARY_USER)
                    .gid(ORDINARY_USER)
                    .env("HOME", "/tmp"),
                transcript,
            )
        }),
        Check::new("lab::interrupted", |transcript| {
            interrupted("INT", transcript)
        }),
        Check::new("lab::terminated", |transcript| {
            interrupted("TERM", transcript)
        }),
    ]
}

fn lab_command() -> Command {
    let mut command = Command::new(DEMO);
    command
        .args(["lab", "--plane", "kernel", "-o", "json"])
        .current_dir("/tmp");
    command
}

fn lab_passes(command: &mut Command, transcript: &mut Transcript) -> Result<Verdict> {
    let output = process::run(command)?;
    transcript.add(&String::from_utf8_lossy(&output.stderr));
    transcript.add(&lab::judge(&output)?);
    Ok(Verdict::Passed)
}

/// Stops the lab once it has made namespaces; the judge looks at what is left.
fn interrupted(signal: &str, transcript: &mut Transcript) -> Result<Verdict> {
    let mut lab = Running::start(&mut lab_command())?;
    // Its own, and two more.
    let early = lab.wait_until(|lab| Ok(lab.network_namespaces() >= 3))?;
    if early.is_none() {
        lab.signal(signal)?;
    }
    let status = lab.wait()?;
    for said in lab.said()? {
        transcript.add(&String::from_utf8_lossy(&said));
    }
    if early.is_some() {
        return Err(format!("lab: {status}, before it could be stopped").into());
    }
    if status.success() {
        return Err("lab: exit code 0, although it was stopped".into());
    }
    transcript.add(&format!("lab: {status}"));
    Ok(Verdict::Passed)
}
