//! The programs that the chores need, and the Debian packages they come from.

use std::process::Command;

use crate::shell::{self, Result};
use crate::verdict::Verdict;
use crate::workspace::cargo;

/// A program, and how to get it.
struct Tool {
    program: &'static str,
    from: From,
}

enum From {
    /// The package of this name, in Debian and its relatives.
    Debian(&'static str),
    /// The component of this name, of rustup's toolchain.
    Rustup(&'static str),
    /// The crate of this name.
    Cargo(&'static str),
}

#[rustfmt::skip]
const TOOLS: &[Tool] = &[
    Tool { program: "cc", from: From::Debian("gcc") },
    Tool { program: "c++", from: From::Debian("g++") }, // libFuzzer is C++
    Tool { program: "busybox", from: From::Debian("busybox-static") },
    Tool { program: "docker", from: From::Debian("docker.io") }, // its client; nothing needs the daemon
    Tool { program: "depmod", from: From::Debian("kmod") },
    Tool { program: "ip", from: From::Debian("iproute2") },
    Tool { program: "nft", from: From::Debian("nftables") },
    Tool { program: "ping", from: From::Debian("iputils-ping") },
    Tool { program: "qemu-system-x86_64", from: From::Debian("qemu-system-x86") },
    Tool { program: "valgrind", from: From::Debian("valgrind") },
    Tool { program: "wg", from: From::Debian("wireguard-tools") },
    Tool { program: "xz", from: From::Debian("xz-utils") },
    Tool { program: "cargo-clippy", from: From::Rustup("clippy") },
    Tool { program: "cargo-fmt", from: From::Rustup("rustfmt") },
    Tool { program: "cargo-fuzz", from: From::Cargo("cargo-fuzz") },
];

/// Installs what is missing, as far as this machine and user can.
///
/// What stays missing is named; the steps that need it say so again when they are skipped.
pub(crate) fn install() -> Result<Verdict> {
    install_debian()?;
    for tool in TOOLS.iter().filter(|tool| !tool.is_here()) {
        let installed = match tool.from {
            From::Debian(_) => continue,
            From::Rustup(component) => {
                shell::run(Command::new("rustup").args(["component", "add", component]))
            }
            From::Cargo(name) => shell::run(&mut cargo(&["install", name, "--locked"])),
        };
        if let Err(error) = installed {
            println!("{error}");
        }
    }
    let all: Vec<_> = TOOLS.iter().map(|tool| tool.program).collect();
    Ok(match missing(&all) {
        None => Verdict::Passed,
        Some(missing) => Verdict::Skipped(format!("could not install {missing}")),
    })
}

fn install_debian() -> Result<()> {
    let wanted: Vec<_> = TOOLS
        .iter()
        .filter(|tool| !tool.is_here())
        .filter_map(|tool| match tool.from {
            From::Debian(package) => Some(package),
            _ => None,
        })
        .collect();
    if wanted.is_empty() {
        println!("the Debian packages are all here");
    } else if shell::find("apt-get").is_none() {
        println!(
            "no apt-get here: please install what Debian calls {}",
            wanted.join(" ")
        );
    } else if !shell::is_root() {
        println!(
            "not root: please run `apt-get install {}`",
            wanted.join(" ")
        );
    } else {
        let apt = |arguments: &[&str]| {
            let mut command = Command::new("apt-get");
            command
                .env("DEBIAN_FRONTEND", "noninteractive")
                .args(arguments);
            command
        };
        shell::run(&mut apt(&["update", "-qq"]))?;
        shell::run(apt(&["install", "-qq", "--no-install-recommends"]).args(wanted))?;
    }
    Ok(())
}

/// The programs among `wanted` that this machine lacks, with their origins; `None` if it has all.
pub(crate) fn missing(wanted: &[&str]) -> Option<String> {
    let missing: Vec<_> = wanted
        .iter()
        .filter(|program| shell::find(program).is_none())
        .map(
            |program| match TOOLS.iter().find(|tool| tool.program == *program) {
                None => format!("`{program}`"),
                Some(tool) => match tool.from {
                    From::Debian(name) => format!("`{program}` (Debian package {name})"),
                    From::Rustup(name) => format!("`{program}` (rustup component {name})"),
                    From::Cargo(name) => format!("`{program}` (cargo install {name})"),
                },
            },
        )
        .collect();
    if missing.is_empty() {
        None
    } else {
        Some(missing.join(", "))
    }
}

impl Tool {
    fn is_here(&self) -> bool {
        shell::find(self.program).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        assert_eq!(missing(&["sh"]), None);
        assert_eq!(
            missing(&["sh", "no-such-program"]).unwrap(),
            "`no-such-program`"
        );
    }
}
