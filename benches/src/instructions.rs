//! Instructions of a piece of work, counted by valgrind and held to a budget.

use std::process::{Command, ExitCode};

/// A case: its name, the most instructions that one turn may take, and the work of some turns.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// `<operation>/<case>/<implementation>`.
    pub name: &'static str,
    /// The most instructions of a turn; `None` for what is only reported.
    pub budget: Option<f64>,
    /// Does the work so many times.
    pub run: fn(u64),
}

/// Ours, the other one, and the largest share of its instructions that ours may take.
pub type Ratio = (&'static str, &'static str, f64);

/// The whole of a bench: runs every case twice under `valgrind --tool=cachegrind`, with `turns` and
/// with twice as many, so that the difference is exact and the same on every run; prints what a
/// turn takes and fails when a budget or a ratio is exceeded. Without valgrind it says so and only
/// sees to it that the cases work.
///
/// # Panics
///
/// When a case fails.
#[must_use]
pub fn main(group: &str, cases: &[Case], ratios: &[Ratio], turns: u64) -> ExitCode {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"))
        .collect();
    if let [name, count] = args.as_slice() {
        let case = cases
            .iter()
            .find(|case| case.name == name)
            .expect("a case of this name");
        (case.run)(count.parse().expect("a number of turns"));
        return ExitCode::SUCCESS;
    }
    let mut results = Vec::new();
    for case in cases {
        (case.run)(1);
        match (count(case.name, turns), count(case.name, 2 * turns)) {
            (Some(once), Some(twice)) => {
                results.push((case, (twice - once) as f64 / turns as f64));
            }
            _ => println!(
                "{group}/{}: works; not counted, valgrind is not installed",
                case.name
            ),
        }
    }
    report(group, &results, ratios)
}

fn report(group: &str, results: &[(&Case, f64)], ratios: &[Ratio]) -> ExitCode {
    let mut failed = false;
    for (case, instructions) in results {
        let over = case.budget.is_some_and(|budget| *instructions > budget);
        failed |= over;
        let budget = case
            .budget
            .map_or(String::new(), |b| format!("  budget {b}"));
        let verdict = if over { "  EXCEEDED" } else { "" };
        println!(
            "{group}/{:<38} {instructions:>13.1} instructions{budget}{verdict}",
            case.name
        );
    }
    let find = |name| {
        results
            .iter()
            .find(|(case, _)| case.name == name)
            .map(|(_, count)| *count)
    };
    for (ours, rival, most) in ratios {
        let (Some(a), Some(b)) = (find(*ours), find(*rival)) else {
            continue;
        };
        let over = a / b > *most;
        failed |= over;
        let verdict = if over { "  EXCEEDED" } else { "" };
        println!(
            "{group}/{ours} : {rival} = {:.3}  at most {most}{verdict}",
            a / b
        );
    }
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Instructions of this program running one case, or `None` without valgrind.
fn count(name: &str, turns: u64) -> Option<u64> {
    let output = Command::new("valgrind")
        .args([
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
        ])
        .arg(std::env::current_exe().ok()?)
        .args([name, &turns.to_string()])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{name} failed under valgrind:\n{text}"
    );
    let line = text.lines().find(|line| line.contains("refs:"))?;
    line.rsplit(' ').next()?.replace(',', "").parse().ok()
}
