//! Our own programs for the virtual machine: the judge, the kernel tests, and `kraud-demo`.

use std::path::PathBuf;

use crate::guest;
use crate::shell::Result;
use crate::workspace;

/// A program, and its path inside.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) from: PathBuf,
    pub(crate) to: PathBuf,
}

/// Cargo's call for `kraud-demo` alone.
///
/// Features are unified as in `cargo test --workspace --all-features`, here and below: what that
/// has built is used again.
const DEMO: &[&str] = &[
    "build",
    "--workspace",
    "--all-features",
    "--bin",
    "kraud-demo",
];

/// Cargo's call for every `tests/kernel.rs` and `tests/kernel_*.rs`.
const TESTS: &[&str] = &[
    "test",
    "--workspace",
    "--all-features",
    "--no-run",
    "--test",
    "kernel*",
];

/// Builds them all.
pub(crate) fn build() -> Result<Vec<Program>> {
    let mut programs = vec![Program {
        from: own_program()?,
        to: guest::JUDGE.into(),
    }];
    for built in workspace::build(DEMO)? {
        programs.push(Program {
            from: built.path,
            to: guest::DEMO.into(),
        });
    }
    // The tests' packages have programs that cargo builds along with them.
    for built in workspace::build(TESTS)?
        .into_iter()
        .filter(|built| built.name.starts_with("kernel"))
    {
        let name = format!("{}::{}", built.package, built.name);
        programs.push(Program {
            from: built.path,
            to: PathBuf::from(guest::TESTS).join(name),
        });
    }
    Ok(programs)
}

/// This program's file. While it runs cargo may have built it anew, with other features of the same dependencies: then
/// the kernel says so behind the path (`proc(5)`), and the new file stands where the old one was.
fn own_program() -> Result<PathBuf> {
    let path = std::env::current_exe()?;
    let replaced = path
        .to_str()
        .and_then(|path| path.strip_suffix(" (deleted)"));
    Ok(replaced.map(PathBuf::from).unwrap_or(path))
}
