//! The `tests/kernel*.rs` of all crates: each test is one check, in a process of its own.
//!
//! On a build machine they are ignored, or do what its kernel allows; here `KRAUD_REAL_KERNEL` tells
//! them that they may do as they please, and `KRAUD_DEMO` where the binary is. A test that finds it cannot run prints `skipped: ` and why, and returns.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::shell::{self, Result};
use crate::verdict::Verdict;
use crate::workspace::CASES;

use super::{Check, DEMO, TESTS, Transcript, process};

pub(super) fn checks() -> Result<Vec<Check>> {
    let mut programs = fs::read_dir(TESTS)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    programs.sort();
    let mut checks = Vec::new();
    for program in programs {
        let file = program
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let list = shell::read(Command::new(&program).args(["--list", "--format", "terse"]))?;
        for test in list.lines().filter_map(|line| line.strip_suffix(": test")) {
            let (program, test) = (program.clone(), test.to_owned());
            let name = format!("{file}::{test}");
            checks.push(Check::new(name, move |transcript| {
                run(&program, &test, transcript)
            }));
        }
    }
    Ok(checks)
}

fn run(program: &Path, test: &str, transcript: &mut Transcript) -> Result<Verdict> {
    let mut command = Command::new(program);
    command.args([
        test,
        "--exact",
        "--include-ignored",
        "--nocapture",
        "--test-threads=1",
    ]);
    command
        .env("KRAUD_REAL_KERNEL", "1")
        .env(CASES.0, CASES.1)
        .env("KRAUD_DEMO", DEMO)
        .current_dir("/tmp");
    let output = process::run(&mut command)?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    transcript.add(&stdout);
    transcript.add(&String::from_utf8_lossy(&output.stderr));
    Ok(if !output.status.success() {
        Verdict::Failed(output.status.to_string())
    } else if let Some(reason) = stdout.lines().find_map(skip_reason) {
        Verdict::Skipped(reason.to_owned())
    } else {
        Verdict::Passed
    })
}

/// The reason in a line that begins with `skipped: `, libtest's own words before it or not.
fn skip_reason(line: &str) -> Option<&str> {
    let (before, reason) = line.split_once("skipped: ")?;
    (before.is_empty() || before.ends_with("... ")).then_some(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_may_skip_itself() {
        assert_eq!(skip_reason("skipped: no vrf"), Some("no vrf"));
        assert_eq!(skip_reason("test a ... skipped: no vrf"), Some("no vrf"));
        assert_eq!(skip_reason("2 skipped: and so on"), None);
    }
}
