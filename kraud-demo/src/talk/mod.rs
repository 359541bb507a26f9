//! What is said on stderr while a command runs. Data goes to stdout, by [`crate::commands::print_text`].

mod progress;

use std::fmt::Display;
use std::io::{IsTerminal, Write, stderr, stdout};

use clap::ColorChoice;

use crate::cli::{Global, Output};

pub use progress::{Form, Progress};

/// How much is said, and whether in colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Talk {
    level: Level,
    color: ColorChoice,
    no_color: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Quiet,
    Normal,
    Verbose,
}

impl Talk {
    /// As the command line and `NO_COLOR` (no-color.org) have it.
    #[must_use]
    pub fn new(global: Global) -> Self {
        Self {
            level: match global {
                Global { quiet: true, .. } => Level::Quiet,
                Global { verbose: true, .. } => Level::Verbose,
                _ => Level::Normal,
            },
            color: global.color,
            no_color: std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()),
        }
    }

    /// Says something unless `--quiet`.
    pub fn say(&self, text: impl Display) {
        if self.level >= Level::Normal {
            error(text);
        }
    }

    /// Says something with `--verbose` only.
    pub fn detail(&self, text: impl Display) {
        if self.level >= Level::Verbose {
            error(text);
        }
    }

    /// Shows where work of `total` parts is, once it takes longer than a second: as events where the result is data.
    #[must_use]
    pub fn progress(&self, what: &'static str, total: usize, output: Output) -> Progress {
        let form = match output {
            _ if self.is_quiet() => Form::Silent,
            Output::Json => Form::Events,
            _ if stderr().is_terminal() => Form::Terminal,
            _ => Form::Lines,
        };
        Progress::new(form, what, total)
    }

    /// Whether only what is essential is wanted.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.level == Level::Quiet
    }

    /// Whether stdout is to be coloured.
    #[must_use]
    pub fn colors_stdout(&self) -> bool {
        self.colors(stdout().is_terminal())
    }

    /// Whether stderr is to be coloured.
    #[must_use]
    pub fn colors_stderr(&self) -> bool {
        self.colors(stderr().is_terminal())
    }

    fn colors(&self, is_terminal: bool) -> bool {
        match self.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => is_terminal && !self.no_color,
        }
    }
}

/// Says something whatever was asked for. Nobody may be listening any more: unlike `eprintln!` that ends nothing.
pub fn error(text: impl Display) {
    let _ = writeln!(stderr(), "{text}");
}
