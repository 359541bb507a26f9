//! `apply`, `diff` and `destroy`.

use std::path::PathBuf;

use clap::Args;

use super::{Input, Output};

/// Which machine.
#[derive(Clone, Debug, Args)]
pub struct Machine {
    /// Which host this machine is [default: the only one of the cluster]
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// The host's own network namespace [default: this one], or with SERVICE= (or SERVICE-REPLICA=) that of a pod, such as
    /// a running container's: a name under /run/netns, a process id, or a path; repeatable
    #[arg(long, value_name = "[SERVICE=]NETNS")]
    pub netns: Vec<String>,
    /// The hosts, their endpoints and keys, and the VPCs [default: kraud.toml here, else this host alone]
    #[arg(long, value_name = "FILE")]
    pub cluster: Option<PathBuf>,
}

/// Arguments of `apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// The compose file.
    #[command(flatten)]
    pub input: Input,
    /// The machine.
    #[command(flatten)]
    pub machine: Machine,
    /// Format of the result
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// Arguments of `destroy`.
#[derive(Debug, Args)]
pub struct DestroyArgs {
    /// The compose file, or with `-p` none: what was made is known.
    #[command(flatten)]
    pub input: Input,
    /// The machine.
    #[command(flatten)]
    pub machine: Machine,
    /// Format of the result
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}
