//! Fuzz smoke: every target from its corpus and a little further, on the toolchain that is here.

use std::fs;

use crate::shell::{self, Result};
use crate::verdict::Verdict;
use crate::workspace::{cargo, root, target};

/// Enough to replay the corpus and to mutate it a little; the long runs are done by hand.
const RUNS_PER_TARGET: u32 = 200_000;
/// Where a target is slow, it does the first part of the same runs.
const SECONDS_PER_TARGET: u32 = 15;
/// The same seed each time: one tree gives one verdict. What other seeds find is looked for in the long runs.
const SEED: u32 = 75;

/// Builds all targets and runs each from its committed corpus.
///
/// No sanitizer, so that a stable toolchain will do. What the fuzzer finds on the way goes to a
/// scratch folder: the committed corpus only changes when somebody means it.
pub(crate) fn smoke() -> Result<Verdict> {
    shell::run(&mut cargo(&["fuzz", "build", "--sanitizer", "none"]))?;
    let list = shell::read(&mut cargo(&["fuzz", "list"]))?;
    let mut failures = Vec::new();
    for name in list.lines() {
        if let Err(error) = smoke_one(name) {
            println!("{error}");
            failures.push(name);
        }
    }
    if failures.is_empty() {
        println!("{} targets found nothing", list.lines().count());
        Ok(Verdict::Passed)
    } else {
        Ok(Verdict::Failed(format!(
            "fuzz targets that failed: {}",
            failures.join(", ")
        )))
    }
}

fn smoke_one(name: &str) -> Result<()> {
    let corpus = root().join("fuzz/corpus").join(name);
    if !corpus
        .read_dir()
        .is_ok_and(|mut entries| entries.next().is_some())
    {
        return Err(format!("fuzz/corpus/{name} has no inputs: commit a seed corpus").into());
    }
    let scratch = target().join("fuzz-smoke").join(name);
    if scratch.exists() {
        fs::remove_dir_all(&scratch)?;
    }
    fs::create_dir_all(&scratch)?;
    // libFuzzer writes its findings to the first folder and only reads the others.
    let mut command = cargo(&["fuzz", "run", "--sanitizer", "none", name]);
    command.args([scratch, corpus]).arg("--");
    command
        .arg(format!("-runs={RUNS_PER_TARGET}"))
        .arg(format!("-max_total_time={SECONDS_PER_TARGET}"))
        .arg(format!("-seed={SEED}"))
        .arg("-verbosity=0")
        .arg("-print_final_stats=1");
    shell::run(&mut command)
}
