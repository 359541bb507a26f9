//! `graph`, `wg`, `completions` and `man`: what is printed for other programs.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::{Input, Topology};

/// Arguments of `graph`.
#[derive(Debug, Args)]
pub struct GraphArgs {
    /// The compose file.
    #[command(flatten)]
    pub input: Input,
    /// The hosts.
    #[command(flatten)]
    pub topology: Topology,
    /// The language of the picture
    #[arg(short, long, value_enum, default_value_t = Picture::Dot)]
    pub output: Picture,
}

/// How a picture is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Picture {
    /// For graphviz: pipe it to `dot -T svg`
    Dot,
    /// For a browser
    Svg,
}

/// WireGuard.
#[derive(Debug, Subcommand)]
pub enum WgCommand {
    /// Print a host's configuration as `wg setconf` takes it, without the private key
    Showconf(ShowconfArgs),
}

/// Arguments of `wg showconf`.
#[derive(Debug, Args)]
pub struct ShowconfArgs {
    /// The host
    #[arg(value_name = "HOST")]
    pub host: String,
    /// Folder of the hosts' private keys (`HOST.key`), from which the public ones are computed; none is made here
    #[arg(long, value_name = "DIR")]
    pub keys: PathBuf,
    /// Print the private key as well
    #[arg(long)]
    pub with_private_key: bool,
    /// The compose file.
    #[command(flatten)]
    pub input: Input,
    /// The hosts.
    #[command(flatten)]
    pub topology: Topology,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// For which shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The command whose page is printed, such as `network ls` [default: that of all]
    #[arg(value_name = "COMMAND")]
    pub command: Vec<String>,
    /// Write a page for each command into this folder instead
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    pub all: Option<PathBuf>,
}
