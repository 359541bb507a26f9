//! A Debian cloud kernel, fetched with apt and unpacked; never installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::debian::{Apt, only_entry, remove};
use crate::shell::{self, Result};

/// A kernel that the lane can boot.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// As one names it: `6.1`.
    pub(crate) version: &'static str,
    /// The Debian release that carries it.
    release: &'static str,
}

pub(crate) const KERNELS: &[Kernel] = &[
    Kernel {
        version: "6.1",
        release: "bookworm",
    },
    Kernel {
        version: "6.12",
        release: "trixie",
    },
];

/// Always depends on the newest kernel for virtual machines.
const META_PACKAGE: &str = "linux-image-cloud-amd64";

/// A kernel on disk, its modules indexed.
#[derive(Debug)]
pub(crate) struct Unpacked {
    /// What QEMU boots.
    pub(crate) image: PathBuf,
    /// The folder with `kernel/` and `modules.dep`.
    pub(crate) modules: PathBuf,
}

/// Returns the unpacked `kernel` in `folder`; fetches it when this has not been done before.
pub(crate) fn unpacked(kernel: &Kernel, folder: &Path) -> Result<Unpacked> {
    let done = folder.join("unpacked");
    if !done.is_dir() {
        if std::env::consts::ARCH != "x86_64" {
            return Err("the lane's kernels and programs are for x86_64".into());
        }
        let package = download(kernel, folder)?;
        let half_done = folder.join("unpacking");
        remove(&half_done)?;
        shell::run(Command::new("dpkg").arg("-x").args([&package, &half_done]))?;
        index_modules(&half_done)?;
        fs::rename(&half_done, &done)?;
    }
    let image = only_entry(&done.join("boot"), "vmlinuz-")?;
    Ok(Unpacked {
        image,
        modules: modules_folder(&done)?,
    })
}

fn modules_folder(unpacked: &Path) -> Result<PathBuf> {
    only_entry(&unpacked.join("lib/modules"), "")
}

/// Writes `modules.dep`, as the package's installation would have done.
fn index_modules(unpacked: &Path) -> Result<()> {
    // Newer packages have them under usr/ only, where depmod does not look.
    if !unpacked.join("lib").exists() {
        std::os::unix::fs::symlink("usr/lib", unpacked.join("lib"))?;
    }
    let modules = modules_folder(unpacked)?;
    let release = modules.file_name().unwrap_or_default();
    shell::run(
        Command::new(shell::path("depmod")?)
            .arg("-b")
            .args([unpacked.as_os_str(), release]),
    )
}

/// Downloads the package with the kernel that [`META_PACKAGE`] depends on.
fn download(kernel: &Kernel, folder: &Path) -> Result<PathBuf> {
    let apt = Apt::of_release(kernel.release, folder)?;
    let mut show = apt.command("apt-cache", "show");
    let record = shell::read(show.args(["--no-all-versions", META_PACKAGE]))?;
    let name = dependency(&record)
        .ok_or_else(|| format!("{META_PACKAGE} of {} names no kernel", kernel.release))?;
    apt.download(&name, &folder.join("packages"))
}

/// The kernel's package in a record as `apt-cache show` prints it.
fn dependency(record: &str) -> Option<String> {
    let depends = record
        .lines()
        .find_map(|line| line.strip_prefix("Depends: "))?;
    let first = depends.split([',', ' ']).next()?;
    first.starts_with("linux-image-").then(|| first.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_meta_package_names_the_kernel() {
        let record = "Package: linux-image-cloud-amd64\n\
                      Depends: linux-image-6.1.0-56-cloud-amd64 (= 6.1.192-2)\n";
        assert_eq!(
            dependency(record).unwrap(),
            "linux-image-6.1.0-56-cloud-amd64"
        );
        assert_eq!(dependency("Depends: libc6\n"), None);
    }
}
