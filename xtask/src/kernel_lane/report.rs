//! The judge's report, as it comes over the serial line.
//!
//! ```text
//! KRAUD-START name                  a check begins
//! | …                               a line that it printed
//! KRAUD-TEST name ok                how it ended,
//! KRAUD-TEST name FAILED reason       or
//! KRAUD-TEST name skipped reason      or
//! KRAUD-END                         no more checks: without it the report has broken off
//! ```
//!
//! The judge writes these lines with [`start`], [`output`] and [`end`]. What a check prints is
//! prefixed, so it cannot be taken for a verdict; lines that are neither are dropped.

use std::fmt;
use std::time::Duration;

use crate::verdict::Verdict;

pub(crate) const END: &str = "KRAUD-END";

pub(crate) fn start(name: &str) -> String {
    format!("KRAUD-START {name}")
}

pub(crate) fn output(line: &str) -> String {
    format!("| {line}")
}

pub(crate) fn end(name: &str, verdict: &Verdict) -> String {
    // A reason of several lines has its rest in the output.
    let reason = verdict.reason().lines().next().unwrap_or_default();
    format!("KRAUD-TEST {name} {verdict} {reason}")
        .trim_end()
        .to_owned()
}

/// One check: its name has no spaces.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) verdict: Verdict,
    pub(crate) took: Option<Duration>,
    pub(crate) output: Vec<String>,
}

impl Check {
    pub(crate) fn new(name: String, verdict: Verdict) -> Self {
        Self {
            name,
            verdict,
            took: None,
            output: Vec::new(),
        }
    }
}

/// A line, and for what failed all that it printed.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "test {} ... {}", self.name, self.verdict)?;
        if let Some(took) = self.took {
            write!(f, " <{:.1}s>", took.as_secs_f32())?;
        }
        if !self.verdict.reason().is_empty() {
            write!(f, ": {}", self.verdict.reason())?;
        }
        if matches!(self.verdict, Verdict::Failed(_)) {
            for line in &self.output {
                write!(f, "\n    {line}")?;
            }
        }
        Ok(())
    }
}

/// A report, as far as it has come.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) checks: Vec<Check>,
    /// The check that has begun and not ended.
    pub(crate) running: Option<String>,
    output: Vec<String>,
    pub(crate) finished: bool,
}

impl Report {
    /// Takes the next line; returns the check that it ends.
    pub(crate) fn line(&mut self, line: &str) -> Option<&mut Check> {
        if line == END {
            self.finished = true;
        } else if let Some(name) = line.strip_prefix("KRAUD-START ") {
            self.running = Some(name.to_owned());
            self.output.clear();
        } else if let Some(text) = line.strip_prefix('|') {
            self.output
                .push(text.strip_prefix(' ').unwrap_or(text).to_owned());
        } else if let Some(check) = line.strip_prefix("KRAUD-TEST ").and_then(parse_end) {
            self.running = None;
            let output = std::mem::take(&mut self.output);
            self.checks.push(Check { output, ..check });
            return self.checks.last_mut();
        }
        None
    }
}

fn parse_end(line: &str) -> Option<Check> {
    let mut words = line.splitn(3, ' ');
    let (name, word) = (words.next()?, words.next()?);
    let reason = words.next().unwrap_or_default().to_owned();
    let verdict = match word {
        "ok" => Verdict::Passed,
        "FAILED" => Verdict::Failed(reason),
        "skipped" => Verdict::Skipped(reason),
        _ => return None,
    };
    Some(Check::new(name.to_owned(), verdict))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[String]) -> Report {
        let mut report = Report::default();
        for line in lines {
            report.line(line);
        }
        report
    }

    #[test]
    fn what_the_judge_writes_is_read_back() {
        let failed = Verdict::Failed("no reply\nat all".into());
        let skipped = Verdict::Skipped("no module x".into());
        let report = read(&[
            start("a"),
            output("KRAUD-TEST a ok"),
            end("a", &failed),
            end("b", &skipped),
            end("c", &Verdict::Passed),
            END.to_owned(),
        ]);
        let verdicts: Vec<_> = report.checks.iter().map(|check| &check.verdict).collect();
        let one_line = Verdict::Failed("no reply".into());
        assert_eq!(verdicts, [&one_line, &skipped, &Verdict::Passed]);
        assert_eq!(report.checks[0].output, ["KRAUD-TEST a ok"]);
        assert!(report.finished && report.running.is_none());
    }

    #[test]
    fn a_report_that_breaks_off_tells_where() {
        let report = read(&[
            end("a", &Verdict::Passed),
            start("b"),
            "KRAUD-TEST b".to_owned(),
        ]);
        assert!(!report.finished);
        assert_eq!(report.running.as_deref(), Some("b"));
    }
}
