//! `lint`.

use clap::{Args, ValueEnum};

use super::Input;

/// Arguments of `lint`.
#[derive(Debug, Args)]
pub struct LintArgs {
    /// The compose file.
    #[command(flatten)]
    pub input: Input,
    /// Format of the findings
    #[arg(short, long, value_enum, default_value_t = LintOutput::Table)]
    pub output: LintOutput,
}

/// The forms of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LintOutput {
    /// For people, with the source lines
    Table,
    /// For programs
    Json,
    /// The same as YAML
    Yaml,
    /// For code scanners (SARIF 2.1.0)
    Sarif,
}
