//! How commands print and talk.

use clap::{Args, ColorChoice, ValueEnum};

/// A table for people or data for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Table,
    /// For programs
    Json,
    /// The same as YAML
    Yaml,
}

/// What holds for every command.
#[derive(Clone, Copy, Debug, Args)]
pub struct Global {
    /// When to colour; `auto` colours terminals, unless `NO_COLOR` is set
    #[arg(long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    pub color: ColorChoice,
    /// No talk on stderr but errors; lists print only ids
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// More talk on stderr
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

impl Global {
    /// Errors alone, without colours.
    #[must_use]
    pub fn quiet() -> Self {
        Self {
            color: ColorChoice::Never,
            quiet: true,
            verbose: false,
        }
    }
}
