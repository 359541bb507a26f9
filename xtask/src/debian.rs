//! Packages of Debian releases, fetched with apt and unpacked; never installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{self, Result};

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

pub(crate) fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        Ok(fs::remove_dir_all(folder)?)
    } else {
        Ok(())
    }
}

/// apt with lists and a cache of its own: it needs no privilege and leaves the system's alone.
pub(crate) struct Apt {
    configuration: PathBuf,
}

impl Apt {
    /// The packages of a Debian release, from the archive that this system uses.
    pub(crate) fn of_release(release: &str, folder: &Path) -> Result<Self> {
        let sources = source_line(&mirror(folder)?, release);
        let apt = Self::new(&folder.join("apt"), Some(&sources))?;
        shell::run(apt.command("apt-get", "update").arg("-qq"))?;
        Ok(apt)
    }

    /// Puts the newest package of this name into a folder of its own.
    pub(crate) fn download(&self, name: &str, folder: &Path) -> Result<PathBuf> {
        remove(folder)?;
        fs::create_dir_all(folder)?;
        shell::run(
            self.command("apt-get", "download")
                .arg(name)
                .current_dir(folder),
        )?;
        only_entry(folder, name)
    }

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

    pub(crate) fn command(&self, program: &str, verb: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", &self.configuration).arg(verb);
        command
    }
}

/// The one entry of `folder` whose name begins with `prefix`.
pub(crate) fn only_entry(folder: &Path, prefix: &str) -> Result<PathBuf> {
    let cannot_read = |error| format!("{}: {error}", folder.display());
    for entry in folder.read_dir().map_err(cannot_read)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            return Ok(entry.path());
        }
    }
    Err(format!("{} has no {prefix}*", folder.display()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_debians_main_one() {
        let targets = "Debian-Security main http://a.example/debian-security/\n\
                       Other main http://b.example/debian/\n\
                       Debian main http://c.example/debian/\n";
        assert_eq!(archive(targets).unwrap(), "http://c.example/debian/");
        assert_eq!(archive("Ubuntu main http://d.example/ubuntu/\n"), None);
    }
}
