//! A Debian cloud kernel, fetched with apt and unpacked; never installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

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

/// The one entry of `folder` whose name begins with `prefix`.
fn only_entry(folder: &Path, prefix: &str) -> Result<PathBuf> {
    let cannot_read = |error| format!("{}: {error}", folder.display());
    for entry in folder.read_dir().map_err(cannot_read)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            return Ok(entry.path());
        }
    }
    Err(format!("{} has no {prefix}*", folder.display()).into())
}

/// Downloads the package with the kernel that [`META_PACKAGE`] depends on.
fn download(kernel: &Kernel, folder: &Path) -> Result<PathBuf> {
    let sources = source_line(&mirror(folder)?, kernel.release);
    let apt = Apt::new(&folder.join("apt"), Some(&sources))?;
    shell::run(apt.command("apt-get", "update").arg("-qq"))?;
    let mut show = apt.command("apt-cache", "show");
    let record = shell::read(show.args(["--no-all-versions", META_PACKAGE]))?;
    let name = dependency(&record)
        .ok_or_else(|| format!("{META_PACKAGE} of {} names no kernel", kernel.release))?;

    let packages = folder.join("packages");
    remove(&packages)?;
    fs::create_dir_all(&packages)?;
    shell::run(
        apt.command("apt-get", "download")
            .arg(&name)
            .current_dir(&packages),
    )?;
    only_entry(&packages, &name)
}

/// The kernel's package in a record as `apt-cache show` prints it.
fn dependency(record: &str) -> Option<String> {
    let depends = record
        .lines()
        .find_map(|line| line.strip_prefix("Depends: "))?;
    let first = depends.split([',', ' ']).next()?;
    first.starts_with("linux-image-").then(|| first.to_owned())
}

fn source_line(mirror: &str, release: &str) -> String {
    const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
    let options = if Path::new(KEYRING).exists() {
        format!("[signed-by={KEYRING}] ")
    } else {
        String::new()
    };
    format!("deb {options}{mirror} {release} main\n")
}

/// The Debian archive that this system is set up to use.
fn mirror(folder: &Path) -> Result<String> {
    const TARGETS: &[&str] = &[
        "--format",
        "$(LABEL) $(COMPONENT) $(REPO_URI)",
        "Created-By: Packages",
    ];
    let mut targets = shell::read(Command::new("apt-get").arg("indextargets").args(TARGETS))?;
    if targets.is_empty() {
        // The system's own lists were never fetched, or were cleaned away: fetch some for us.
        let system = Apt::new(&folder.join("system"), None)?;
        shell::run(system.command("apt-get", "update").arg("-qq"))?;
        targets = shell::read(system.command("apt-get", "indextargets").args(TARGETS))?;
    }
    archive(&targets).ok_or_else(|| "apt is not set up for a Debian archive on this machine".into())
}

fn archive(targets: &str) -> Option<String> {
    targets
        .lines()
        .find_map(|line| line.strip_prefix("Debian main "))
        .map(str::to_owned)
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        Ok(fs::remove_dir_all(folder)?)
    } else {
        Ok(())
    }
}

/// apt with lists and a cache of its own: it needs no privilege and leaves the system's alone.
struct Apt {
    configuration: PathBuf,
}

impl Apt {
    /// Keeps everything in `folder`. Without `sources`, the system's are used.
    fn new(folder: &Path, sources: Option<&str>) -> Result<Self> {
        for part in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(part))?;
        }
        let folder = folder.canonicalize()?;
        let at = folder.display();
        let mut options = format!(
            "Dir::State::lists \"{at}/lists\";\n\
             Dir::Cache \"{at}/cache\";\n\
             Acquire::Languages \"none\";\n\
             Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n\
             // As root, apt would otherwise become a user who may not write here.\n\
             APT::Sandbox::User \"root\";\n"
        );
        if let Some(sources) = sources {
            fs::write(folder.join("sources.list"), sources)?;
            options.push_str(&format!("Dir::Etc::sourcelist \"{at}/sources.list\";\n"));
            options.push_str("Dir::Etc::sourceparts \"-\";\n");
        }
        let configuration = folder.join("apt.conf");
        fs::write(&configuration, options)?;
        Ok(Self { configuration })
    }

    fn command(&self, program: &str, verb: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", &self.configuration).arg(verb);
        command
    }
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

    #[test]
    fn the_archive_is_debians_main_one() {
        let targets = "Debian-Security main http://a.example/debian-security/\n\
                       Other main http://b.example/debian/\n\
                       Debian main http://c.example/debian/\n";
        assert_eq!(archive(targets).unwrap(), "http://c.example/debian/");
        assert_eq!(archive("Ubuntu main http://d.example/ubuntu/\n"), None);
    }
}
