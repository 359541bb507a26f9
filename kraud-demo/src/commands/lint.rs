//! `lint`: what is wrong with compose files.

use kraud_compose::Report;

use super::{print_json, print_text, print_yaml};
use crate::cli::{LintArgs, LintOutput};
use crate::diagnostics;
use crate::error::Error;
use crate::input;
use crate::talk::Talk;

/// Prints every finding; 0 if there is none, 1 if one is an error, 2 if there are only warnings.
pub(super) fn run(args: &LintArgs, talk: &Talk) -> Result<u8, Error> {
    let findings = input::lint(&args.input)?;
    let report = Report::new(&findings);
    match args.output {
        LintOutput::Table => print_text(&diagnostics::render(&findings, talk.colors_stdout()))?,
        LintOutput::Json => print_json(&report)?,
        LintOutput::Yaml => print_yaml(&report)?,
        LintOutput::Sarif => print_json(&report.to_sarif())?,
    }
    Ok(report.exit_code())
}
