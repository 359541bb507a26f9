//! `overlay`, `network`, `ns`: the lists.

use clap::{Args, Subcommand};

use super::{Input, Output};

/// What can be asked of a list.
#[derive(Debug, Subcommand)]
pub enum ListCommand {
    /// List what the file would make; without a file, what the store holds
    Ls(ListArgs),
}

/// Arguments of the lists.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// The compose file.
    #[command(flatten)]
    pub input: Input,
    /// Format of the list
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}
