//! `exec` and `verify`: looking at what was applied.

use clap::Args;

use super::{Input, Machine, Output};

/// Arguments of `exec`.
#[derive(Debug, Args)]
pub struct ExecArgs {
    /// The state.
    #[command(flatten)]
    pub input: Input,
    /// The machine.
    #[command(flatten)]
    pub machine: Machine,
    /// The pod, as `NAMESPACE-SERVICE-REPLICA`
    #[arg(value_name = "POD")]
    pub pod: String,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<std::ffi::OsString>,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The compose file.
    #[command(flatten)]
    pub input: Input,
    /// The machine.
    #[command(flatten)]
    pub machine: Machine,
    /// Addresses outside that every pod with a way out has to reach; repeatable
    #[arg(long, value_name = "ADDRESS")]
    pub outside: Vec<std::net::IpAddr>,
    /// Format of the result
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}
