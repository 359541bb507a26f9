//! `lab`.

use std::path::PathBuf;

use clap::Args;

use super::{Input, Output, PlaneChoice, Topology};

/// Arguments of `lab`.
#[derive(Debug, Args)]
pub struct LabArgs {
    /// The compose file.
    #[command(flatten)]
    pub input: Input,
    /// The hosts.
    #[command(flatten)]
    pub topology: Topology,
    /// What carries the packets
    #[arg(long, value_enum, default_value_t = PlaneChoice::Auto)]
    pub plane: PlaneChoice,
    /// Folder of the hosts' private keys (`HOST.key`, made if absent) [default: fresh keys in memory]
    #[arg(long, value_name = "DIR")]
    pub keys: Option<PathBuf>,
    /// Stay up after the checks until interrupted; prints the path of every namespace
    #[arg(long)]
    pub keep: bool,
    /// Let a DNS responder answer in every pod's namespace, at 127.127.127.127
    #[arg(long)]
    pub dns: bool,
    /// Format of the result
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}
