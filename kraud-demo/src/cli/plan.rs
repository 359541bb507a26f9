//! `plan`.

use clap::{Args, ValueEnum};

use super::{Input, PlaneChoice, Topology};

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The compose file.
    #[command(flatten)]
    pub input: Input,
    /// The hosts.
    #[command(flatten)]
    pub topology: Topology,
    /// What would carry the packets; `auto` stands for the kernel here
    #[arg(long, value_enum, default_value_t = PlaneChoice::Kernel)]
    pub plane: PlaneChoice,
    /// Exit with 2 if there is anything to do, with 0 if not
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Format of the plan; `sh` prints the equivalent commands
    #[arg(short, long, value_enum, default_value_t = PlanOutput::Table)]
    pub output: PlanOutput,
}

/// The forms of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PlanOutput {
    /// For people
    Table,
    /// For programs
    Json,
    /// The same as YAML
    Yaml,
    /// The `ip`, `wg` and `sysctl` commands that do the same
    Sh,
}
