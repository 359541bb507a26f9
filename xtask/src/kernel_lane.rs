//! `cargo xtask kernel-lane`: tests on real Debian kernels, under QEMU emulation.
//!
//! The kernel of a build machine often lacks ipvlan, ip6_tunnel or wireguard. Here a Debian cloud
//! kernel, which has them all, boots with our programs in its initial RAM file system; this very
//! binary runs inside as the judge ([`crate::guest`]) and reports over a serial line.

mod boot;
mod cpio;
mod fetch;
mod initramfs;
mod modules;
mod programs;
pub(crate) mod report;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::chore::{nothing_left, take_flag, take_values};
use crate::packages;
use crate::results::Recorder;
use crate::shell::Result;
use crate::verdict::{Tally, Verdict};
use crate::workspace::target;

use fetch::{KERNELS, Kernel};
use programs::Program;
use report::Check;

/// Programs of this machine that the lane runs, or copies into the virtual machine.
pub(crate) const TOOLS: &[&str] = &[
    "apt-get",
    "busybox",
    "cc",
    "depmod",
    "dpkg",
    "ip",
    "nft",
    "ping",
    "qemu-system-x86_64",
    "wg",
    "xz",
];

pub(crate) fn main(mut arguments: Vec<String>) -> Result<ExitCode> {
    let versions = take_values(&mut arguments, "--kernel")?;
    let only = take_values(&mut arguments, "--only")?;
    let shell = take_flag(&mut arguments, "--shell");
    nothing_left(&arguments)?;
    for version in &versions {
        if KERNELS.iter().all(|kernel| kernel.version != version) {
            let known: Vec<_> = KERNELS.iter().map(|kernel| kernel.version).collect();
            return Err(format!("kernel {version}: the lane knows {}", known.join(" and ")).into());
        }
    }
    if let Some(missing) = packages::missing(TOOLS) {
        return Err(
            format!("this machine has no {missing}; `cargo xtask ci --only install`").into(),
        );
    }

    let asked =
        |kernel: &&Kernel| versions.is_empty() || versions.iter().any(|v| kernel.version == v);
    let kernels: Vec<_> = KERNELS.iter().filter(asked).collect();
    if shell {
        return open_shell(kernels[0]);
    }
    let verdicts = run(&kernels, &only)?;
    Ok(match Tally::of(&verdicts) {
        Tally {
            failed: 0,
            passed: 1..,
            ..
        } => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// The whole lane, as a step of `ci`.
pub(crate) fn all() -> Result<Verdict> {
    let kernels: Vec<_> = KERNELS.iter().collect();
    let verdicts = run(&kernels, &[])?;
    let tally = Tally::of(&verdicts);
    let first = |wanted: fn(&Verdict) -> bool| {
        verdicts
            .iter()
            .find(|verdict| wanted(verdict))
            .map_or("", Verdict::reason)
            .to_owned()
    };
    Ok(match tally {
        Tally { failed: 1.., .. } => Verdict::Failed(tally.to_string()),
        Tally { passed: 0, .. } => Verdict::Skipped(first(|v| matches!(v, Verdict::Skipped(_)))),
        _ => Verdict::Passed,
    })
}

/// Runs the checks on each of `kernels` and prints how they went.
fn run(kernels: &[&Kernel], only: &[String]) -> Result<Vec<Verdict>> {
    let programs = programs::build()?;
    let mut verdicts = Vec::new();
    for kernel in kernels {
        println!("\n── Linux {} ──", kernel.version);
        let checks = run_on(kernel, &programs, only)?;
        if only.is_empty() {
            let mut recorder = Recorder::new(&format!("kernel-{}", kernel.version))?;
            for check in &checks {
                recorder.verdict(&check.name, &check.verdict)?;
            }
        }
        verdicts.extend(checks.into_iter().map(|check| check.verdict));
    }
    println!("\nkernel lane: {}", Tally::of(&verdicts));
    Ok(verdicts)
}

fn run_on(kernel: &Kernel, programs: &[Program], only: &[String]) -> Result<Vec<Check>> {
    let folder = folder(kernel)?;
    let unpacked = match fetch::unpacked(kernel, &folder) {
        Ok(unpacked) => unpacked,
        Err(error) => {
            let name = format!("kernel {}", kernel.version);
            let check = Check::new(name, Verdict::Skipped(format!("not to be had: {error}")));
            println!("{check}");
            return Ok(vec![check]);
        }
    };
    let initramfs = folder.join("initramfs.cpio");
    initramfs::write(&initramfs, &unpacked, programs, only)?;
    boot::run(&unpacked.image, &initramfs, &folder)
}

/// Boots with the same contents, but gives the console to whoever sits here.
fn open_shell(kernel: &Kernel) -> Result<ExitCode> {
    let programs = programs::build()?;
    let folder = folder(kernel)?;
    let unpacked = fetch::unpacked(kernel, &folder)?;
    let initramfs = folder.join("initramfs.cpio");
    initramfs::write(&initramfs, &unpacked, &programs, &[])?;
    boot::shell(&unpacked.image, &initramfs)?;
    Ok(ExitCode::SUCCESS)
}

/// Where everything of this kernel is kept, so that the next run is quick.
fn folder(kernel: &Kernel) -> Result<PathBuf> {
    let folder = target().join("kernel-lane").join(kernel.version);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}
