//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Networks of compose files, with fixed addresses, across hosts.
#[derive(Debug, Parser)]
#[command(name = "kraud-demo", version, propagate_version = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 ok, 1 error, 2 changes pending (only where asked for), 3 held by somebody else, \
4 privilege or kernel capability missing, 64 usage. Data goes to stdout, talk to stderr.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring the file's networks up across hosts made of network namespaces, ping, list, and take it all down
    Lab(LabArgs),
    /// Say what is wrong with compose files, every finding with its code and place
    Lint(LintArgs),
    /// Explain how many bytes each layer takes from a packet
    Mtu(MtuArgs),
    /// Show what would be done, without any privilege
    Plan(PlanArgs),
    /// Overlays: a namespace's networks
    #[command(subcommand)]
    Overlay(ListCommand),
    /// The same networks, as docker lists them
    #[command(subcommand)]
    Network(ListCommand),
    /// Namespaces: compose projects
    #[command(subcommand)]
    Ns(ListCommand),
}

/// What can be asked of a list.
#[derive(Debug, Subcommand)]
pub enum ListCommand {
    /// List what the file would make; without a file, what the store holds
    Ls(ListArgs),
}

/// Where the networks come from.
#[derive(Clone, Debug, Default, Args)]
pub struct Input {
    /// Compose file, repeatable; `-` reads standard input [default: compose.yaml or docker-compose.yaml here]
    #[arg(short, long = "file", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Namespace, instead of the file's `name` or its folder
    #[arg(
        short,
        long,
        value_name = "NAME",
        env = "COMPOSE_PROJECT_NAME",
        hide_env = true
    )]
    pub project_name: Option<String>,
    /// Owner of the VPC
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub tenant: String,
    /// VPC that the namespace lives in
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub vpc: String,
}

/// The hosts of the lab, which `plan` shows as well.
#[derive(Clone, Copy, Debug, Args)]
pub struct Topology {
    /// How many hosts carry the pods
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub hosts: u8,
    /// What the hosts are joined by
    #[arg(long, value_enum, default_value_t = Underlay::V6)]
    pub underlay: Underlay,
}

impl Default for Topology {
    fn default() -> Self {
        Self {
            hosts: 2,
            underlay: Underlay::V6,
        }
    }
}

/// The address family of the network below the VPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Underlay {
    /// IPv4 only
    V4,
    /// IPv6 only
    V6,
    /// Both; IPv6 is preferred
    Dual,
    /// The first host has both, the others by turns IPv4 only and IPv6 only
    Mixed,
}

/// What carries the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PlaneChoice {
    /// The kernel's links where it has them, else the userspace plane
    Auto,
    /// The kernel's wireguard, ipvlan and ip6tnl
    Kernel,
    /// TUN devices, kraud-tunnel and boringtun
    Userspace,
    /// The first, third… host in the kernel, the others in userspace
    Mixed,
}

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
    /// Format of the result
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// Arguments of `lint`.
#[derive(Debug, Args)]
pub struct LintArgs {
    /// The compose file.
    #[command(flatten)]
    pub input: Input,
    /// Whose rules hold [default: kraud where the file uses driver `ipip`, else docker]
    #[arg(long, value_enum)]
    pub dialect: Option<DialectChoice>,
    /// Format of the findings
    #[arg(short, long, value_enum, default_value_t = LintOutput::Table)]
    pub output: LintOutput,
}

/// Whose rules a compose file follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DialectChoice {
    /// What docker compose and the docker engine take
    Docker,
    /// Docker's rules with kraud's additions
    Kraud,
}

/// The forms of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LintOutput {
    /// For people, with the source lines
    Table,
    /// For programs
    Json,
    /// For code scanners (SARIF 2.1.0)
    Sarif,
}

/// Arguments of `mtu`.
#[derive(Debug, Args)]
pub struct MtuArgs {
    /// MTU of the link below
    #[arg(long, value_name = "BYTES", default_value_t = 1500)]
    pub link: u32,
    /// Address family of WireGuard's endpoints
    #[arg(long, value_enum, default_value_t = Family::V6)]
    pub underlay: Family,
    /// The link is a VLAN whose tag counts towards its MTU
    #[arg(long)]
    pub vlan: bool,
    /// The tunnel carries an encapsulation limit (RFC 2473 section 4.1.1), as `ip6tnl` does by default
    #[arg(long)]
    pub encap_limit: bool,
    /// Format of the explanation
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Family {
    /// IPv4
    V4,
    /// IPv6
    V6,
}

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
    /// Format of the plan; `sh` prints the equivalent commands
    #[arg(short, long, value_enum, default_value_t = PlanOutput::Table)]
    pub output: PlanOutput,
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

/// A table for people or data for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Table,
    /// For programs
    Json,
}

/// The forms of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PlanOutput {
    /// For people
    Table,
    /// For programs
    Json,
    /// The `ip`, `wg` and `sysctl` commands that do the same
    Sh,
}
