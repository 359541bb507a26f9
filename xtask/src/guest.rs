//! The judge: runs the checks one by one inside the virtual machine and reports on each.
//!
//! Checks are the `tests/kernel*.rs` of all crates, test by test, the scenarios of [`labs`], and
//! the [`comparison`] with iproute2.
//! After each, nothing may be left: no namespace, link, route, rule or process.

mod comparison;
mod labs;
mod leftovers;
mod libtests;
mod process;
mod readback;

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::kernel_lane::report;
use crate::shell::Result;
use crate::verdict::Verdict;

use leftovers::Snapshot;

/// Where this program lies in the virtual machine.
pub(crate) const JUDGE: &str = "/usr/bin/xtask";
/// Where `kraud-demo` lies.
pub(crate) const DEMO: &str = "/usr/bin/kraud-demo";
/// The folder of the compose files that come with `kraud-demo`.
pub(crate) const EXAMPLES: &str = "/kraud/examples";
/// The folder of the test programs, each named `package::file`.
pub(crate) const TESTS: &str = "/kraud/tests";
/// The file with the parts of names by which checks are chosen, one a line; empty for all.
pub(crate) const ONLY: &str = "/kraud/only";
/// The user and group number of somebody without privileges.
pub(crate) const ORDINARY_USER: u32 = 1000;

/// One thing to find out.
struct Check {
    /// Without spaces.
    name: String,
    run: Box<Judgement>,
}

type Judgement = dyn FnOnce(&mut Transcript) -> Result<Verdict>;

impl Check {
    fn new(
        name: impl Into<String>,
        run: impl FnOnce(&mut Transcript) -> Result<Verdict> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            run: Box::new(run),
        }
    }
}

pub(crate) fn main(_: Vec<String>) -> Result<ExitCode> {
    let only = fs::read_to_string(ONLY).unwrap_or_default();
    let asked =
        |check: &Check| only.is_empty() || only.lines().any(|part| check.name.contains(part));
    let mut checks = libtests::checks()?;
    checks.extend(labs::checks());
    checks.extend(comparison::checks()?);
    for check in checks.into_iter().filter(asked) {
        judge(check);
    }
    say(report::END);
    Ok(ExitCode::SUCCESS)
}

fn judge(check: Check) {
    say(&report::start(&check.name));
    let before = Snapshot::take();
    let mut transcript = Transcript;
    let mut verdict =
        (check.run)(&mut transcript).unwrap_or_else(|error| Verdict::Failed(error.to_string()));
    let left = before.left_behind();
    if !left.is_empty() {
        transcript.add(&format!("left behind:\n{}", left.join("\n")));
        if !matches!(verdict, Verdict::Failed(_)) {
            verdict = Verdict::Failed(format!("left behind: {}", left.join("; ")));
        }
    }
    // The verdict's line has room for one line of the reason.
    if let Some((_, rest)) = verdict.reason().split_once('\n') {
        transcript.add(rest);
    }
    say(&report::end(&check.name, &verdict));
}

/// What a check prints; it goes into the report at once.
struct Transcript;

impl Transcript {
    fn add(&mut self, text: &str) {
        for line in text.lines() {
            say(&report::output(line));
        }
    }
}

fn say(line: &str) {
    // If the serial line is gone, so is everybody who could be told.
    let _ = writeln!(io::stdout(), "{line}");
}
