//! How the tests went, the last time that they ran: one file for each lane, which `cargo xtask rows` reads.
//!
//! A line has the test's name and its end, as libtest prints them: `a18_a_prefix_is_delegated ok`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::shell::{self, Result};
use crate::verdict::Verdict;
use crate::workspace::target;

/// The ends of a lane's tests, from the beginning of a run on.
#[derive(Debug)]
pub(crate) struct Recorder {
    path: PathBuf,
    text: String,
}

impl Recorder {
    /// Forgets the last run of this lane.
    pub(crate) fn new(lane: &str) -> Result<Self> {
        let folder = folder();
        fs::create_dir_all(&folder)?;
        let recorder = Self {
            path: folder.join(lane),
            text: String::new(),
        };
        recorder.save()?;
        Ok(recorder)
    }

    /// Runs a `cargo test` on the terminal and notes how each test ends; anything but exit code 0 is an error.
    pub(crate) fn run(&mut self, command: &mut Command) -> Result<()> {
        println!("$ {}", shell::line(command));
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        for line in BufReader::new(output).lines() {
            let line = line?;
            println!("{line}");
            if let Some((name, end)) = end_of_test(&line) {
                self.note(name, end);
            }
        }
        let status = child.wait()?;
        self.save()?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("`{}`: {status}", shell::line(command)).into())
        }
    }

    /// Notes how a check of the kernel lane ended.
    pub(crate) fn verdict(&mut self, name: &str, verdict: &Verdict) -> Result<()> {
        self.note(name, &verdict.to_string());
        self.save()
    }

    fn note(&mut self, name: &str, end: &str) {
        self.text.push_str(&format!("{} {end}\n", function(name)));
    }

    fn save(&self) -> Result<()> {
        Ok(fs::write(&self.path, &self.text)?)
    }
}

/// The last end of each test in each lane: by the test's function, then by lane.
#[derive(Debug, Default)]
pub(crate) struct Results(BTreeMap<String, BTreeMap<String, String>>);

impl Results {
    /// What all lanes have noted; empty where no test ran yet.
    pub(crate) fn read() -> Result<Self> {
        let mut results = Self::default();
        let Ok(lanes) = fs::read_dir(folder()) else {
            return Ok(results);
        };
        for lane in lanes {
            let path = lane?.path();
            results.add(&path, &fs::read_to_string(&path)?);
        }
        Ok(results)
    }

    fn add(&mut self, lane: &Path, text: &str) {
        let lane = lane.file_name().unwrap_or_default().to_string_lossy();
        for (name, end) in text.lines().filter_map(|line| line.split_once(' ')) {
            // What a lane only counts as ignored is another lane's to run.
            if end != "ignored" {
                let ends = self.0.entry(name.to_owned()).or_default();
                ends.insert(lane.clone().into_owned(), end.to_owned());
            }
        }
    }

    /// How a test ended, lane by lane; `not run` if it did not.
    pub(crate) fn of(&self, test: &str) -> String {
        let Some(ends) = self.0.get(test) else {
            return "not run".to_owned();
        };
        let ends: Vec<_> = ends
            .iter()
            .map(|(lane, end)| format!("{end} on {lane}"))
            .collect();
        ends.join(", ")
    }

    /// Whether a test failed in any lane.
    pub(crate) fn failed(&self, test: &str) -> bool {
        let ends = self.0.get(test);
        ends.is_some_and(|ends| ends.values().any(|end| end == "FAILED"))
    }
}

fn folder() -> PathBuf {
    target().join("test-results")
}

/// The name and end of a test in a line of libtest's: `test a::b ... ok`.
fn end_of_test(line: &str) -> Option<(&str, &str)> {
    let (name, end) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let end = ["ok", "FAILED", "ignored"]
        .into_iter()
        .find(|word| end.starts_with(word))?;
    // A test that should panic has a remark behind its name.
    Some((name.split(' ').next()?, end))
}

/// The function, without the modules around it.
fn function(name: &str) -> &str {
    name.rsplit("::").next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_test_is_read_from_its_line() {
        for (line, expected) in [
            ("test a::b ... ok", Some(("a::b", "ok"))),
            ("test b ... FAILED", Some(("b", "FAILED"))),
            ("test c ... ignored, needs root", Some(("c", "ignored"))),
            ("test d - should panic ... ok", Some(("d", "ok"))),
            ("test result: ok. 4 passed", None),
            ("running 4 tests", None),
        ] {
            assert_eq!(end_of_test(line), expected, "{line}");
        }
    }

    #[test]
    fn a_failure_in_any_lane_is_seen() {
        let mut results = Results::default();
        results.add(Path::new("x/host"), "a1_x ok\na2_y ignored\n");
        results.add(Path::new("x/kernel-6.1"), "a1_x FAILED\na2_y ok\n");
        assert_eq!(results.of("a1_x"), "ok on host, FAILED on kernel-6.1");
        assert!(results.failed("a1_x") && !results.failed("a2_y"));
        assert_eq!(results.of("a2_y"), "ok on kernel-6.1");
        assert_eq!(results.of("a3_z"), "not run");
    }

    #[test]
    fn a_test_is_known_by_its_function() {
        assert_eq!(function("kernel_lab::a07_x"), "a07_x");
        assert_eq!(function("a07_x"), "a07_x");
    }
}
