//! `cargo xtask ci`: the steps, in order, and a table of how each went.
//!
//! A failing step fails the whole, but the others still run: one run tells everything. A step whose
//! tools this machine lacks is skipped, and the table says what is missing.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::chore::{nothing_left, take_values};
use crate::results::Recorder;
use crate::shell::{self, Result};
use crate::verdict::{Tally, Verdict};
use crate::workspace::{CASES, LIBRARIES, cargo};
use crate::{docker_compose, fuzz, kernel_lane, lab, no_std, packages};

struct Step {
    name: &'static str,
    about: &'static str,
    /// Programs without which the step cannot run.
    tools: &'static [&'static str],
    run: fn() -> Result<Verdict>,
}

const STEPS: &[Step] = &[
    Step {
        name: "install",
        about: "what the other steps need on this machine",
        tools: &[],
        run: packages::install,
    },
    Step {
        name: "fmt",
        about: "formatting",
        tools: &["cargo-fmt"],
        run: fmt,
    },
    Step {
        name: "clippy",
        about: "lints, warnings are errors",
        tools: &["cargo-clippy"],
        run: clippy,
    },
    Step {
        name: "test",
        about: "unit, integration and doc tests",
        tools: &["cc"],
        run: test,
    },
    Step {
        name: "docker",
        about: "docker's own client asks our API",
        tools: &["cc", "docker"],
        run: docker,
    },
    Step {
        name: "compose",
        about: "compose files read as a real docker compose reads them",
        tools: docker_compose::TOOLS,
        run: docker_compose::compare,
    },
    Step {
        name: "features",
        about: "each library alone: default features, and none",
        tools: &["cc"],
        run: features,
    },
    Step {
        name: "no-std",
        about: "kraud-ipam and kraud-tunnel need no standard library",
        tools: &["cc"],
        run: no_std::prove,
    },
    Step {
        name: "doc",
        about: "API documentation, warnings are errors",
        tools: &["cc"],
        run: doc,
    },
    Step {
        name: "bench",
        about: "each benchmark once, with its assertions; instructions against their budgets",
        tools: &["cc", "valgrind"],
        run: bench,
    },
    Step {
        name: "fuzz",
        about: "each fuzz target some way from its committed corpus, the same way each time",
        tools: &["cargo-fuzz", "c++"],
        run: fuzz::smoke,
    },
    Step {
        name: "lab",
        about: "the default lab on this machine's own kernel",
        tools: &["cc"],
        run: lab::on_this_kernel,
    },
    Step {
        name: "kernel-lane",
        about: "tests, lab and comparison with iproute2 on real Debian kernels, under QEMU",
        tools: kernel_lane::TOOLS,
        run: kernel_lane::all,
    },
];

pub(crate) fn main(mut arguments: Vec<String>) -> Result<ExitCode> {
    let only = take_values(&mut arguments, "--only")?;
    let skip = take_values(&mut arguments, "--skip")?;
    nothing_left(&arguments)?;
    for name in only.iter().chain(&skip) {
        if STEPS.iter().all(|step| step.name != name) {
            let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
            return Err(
                format!("no step is called `{name}`; there are {}", names.join(", ")).into(),
            );
        }
    }
    let asked = |step: &&Step| {
        let is = |name: &String| name == step.name;
        (only.is_empty() || only.iter().any(is)) && !skip.iter().any(is)
    };

    let ends: Vec<End> = STEPS.iter().filter(asked).map(run).collect();
    println!("\n{}", table(&ends));
    if only.is_empty() && skip.is_empty() {
        println!("All {} steps were asked for.", STEPS.len());
    } else {
        println!("{} of {} steps were asked for.", ends.len(), STEPS.len());
    }
    let failed = Tally::of(ends.iter().map(|end| &end.verdict)).failed;
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

struct End {
    name: &'static str,
    verdict: Verdict,
    took: Duration,
}

fn run(step: &Step) -> End {
    println!("\n━━ {} ━━ {}", step.name, step.about);
    let begin = Instant::now();
    let verdict = match packages::missing(step.tools) {
        Some(missing) => Verdict::Skipped(format!("this machine has no {missing}")),
        None => (step.run)().unwrap_or_else(|error| Verdict::Failed(error.to_string())),
    };
    let took = begin.elapsed();
    println!(
        "━━ {}: {verdict} after {:.1} s",
        step.name,
        took.as_secs_f32()
    );
    if !verdict.reason().is_empty() {
        println!("{}", verdict.reason());
    }
    End {
        name: step.name,
        verdict,
        took,
    }
}

fn table(ends: &[End]) -> String {
    let mut table = format!("{:<13}{:<9}{:>8}\n", "STEP", "RESULT", "SECONDS");
    for End {
        name,
        verdict,
        took,
    } in ends
    {
        let result = verdict.to_string();
        let reason = verdict.reason().lines().next().unwrap_or_default();
        let row = format!("{name:<13}{result:<9}{:>8.1}  {reason}", took.as_secs_f32());
        table.push_str(row.trim_end());
        table.push('\n');
    }
    table
}

fn fmt() -> Result<Verdict> {
    shell::run(&mut cargo(&["fmt", "--all", "--check"]))?;
    // A workspace of its own.
    shell::run(&mut cargo(&[
        "fmt",
        "--manifest-path",
        "fuzz/Cargo.toml",
        "--check",
    ]))?;
    Ok(Verdict::Passed)
}

fn clippy() -> Result<Verdict> {
    let arguments = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ];
    shell::run(&mut cargo(&arguments))?;
    Ok(Verdict::Passed)
}

fn test() -> Result<Verdict> {
    // The benchmarks have a step of their own, and no test; their rivals take minutes to build.
    let arguments = [
        "test",
        "--workspace",
        "--exclude",
        "kraud-benches",
        "--all-features",
    ];
    let (seed, value) = CASES;
    Recorder::new("host")?.run(cargo(&arguments).env(seed, value))?;
    Ok(Verdict::Passed)
}

fn docker() -> Result<Verdict> {
    let arguments = ["test", "--package", "kraud-demo", "--test", "docker"];
    Recorder::new("docker")?.run(cargo(&arguments).args(["--", "--ignored"]))?;
    Ok(Verdict::Passed)
}

fn features() -> Result<Verdict> {
    for library in LIBRARIES {
        shell::run(&mut cargo(&["build", "--package", library]))?;
        shell::run(&mut cargo(&[
            "build",
            "--package",
            library,
            "--no-default-features",
        ]))?;
    }
    Ok(Verdict::Passed)
}

fn doc() -> Result<Verdict> {
    let arguments = ["doc", "--workspace", "--no-deps", "--all-features"];
    shell::run(cargo(&arguments).env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Verdict::Passed)
}

fn bench() -> Result<Verdict> {
    const ONCE: [&str; 5] = ["compose", "ipam", "ipam_memory", "netlink", "tunnel"];
    let mut once = vec!["bench", "--package", "kraud-benches"];
    for bench in ONCE {
        once.extend(["--bench", bench]);
    }
    // Nothing is measured by these: the tests' profile, because most of it has been built already.
    once.extend(["--profile", "dev", "--", "--test"]);
    shell::run(&mut cargo(&once))?;
    // Instructions are counted, of what users would run.
    let counted = [
        "bench",
        "--package",
        "kraud-benches",
        "--bench",
        "tunnel_instructions",
        "--bench",
        "compose_instructions",
        "--bench",
        "ipam_instructions",
    ];
    shell::run(&mut cargo(&counted))?;
    Ok(Verdict::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_row_per_step_and_one_line_of_reason() {
        let seconds = Duration::from_secs;
        let ends = [
            End {
                name: "fmt",
                verdict: Verdict::Passed,
                took: seconds(1),
            },
            End {
                name: "test",
                verdict: Verdict::Failed("a\nb".into()),
                took: seconds(120),
            },
        ];
        let table = table(&ends);
        let rows: Vec<_> = table.lines().collect();
        assert_eq!(rows[0], "STEP         RESULT    SECONDS");
        assert_eq!(rows[1], "fmt          ok            1.0");
        assert_eq!(rows[2], "test         FAILED      120.0  a");
    }
}
