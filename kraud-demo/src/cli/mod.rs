//! The command line: a file for each group of commands.

mod apply;
mod decode;
mod exec;
mod input;
mod key;
mod lab;
mod lint;
mod lists;
mod mtu;
mod output;
mod plan;
mod print;
mod serve;

use clap::{Parser, Subcommand};

pub use apply::{ApplyArgs, DestroyArgs, Machine};
pub use decode::DecodeArgs;
pub use exec::{ExecArgs, VerifyArgs};
pub use input::{DialectChoice, Input, PlaneChoice, Topology, Underlay};
pub use key::{KeyArgs, KeyCommand};
pub use lab::LabArgs;
pub use lint::{LintArgs, LintOutput};
pub use lists::{
    Data, ExportArgs, ExportFormat, InspectArgs, IpamCommand, ListArgs, NamespaceCommand,
    NetworkCommand, OverlayCommand, ShowArgs, VpcCommand,
};
pub use mtu::{Family, MtuArgs};
pub use output::{Global, Output};
pub use plan::{PlanArgs, PlanOutput};
pub use print::{CompletionsArgs, GraphArgs, ManArgs, Picture, ShowconfArgs, WgCommand};
pub use serve::{DnsArgs, DockerApiArgs, ServeCommand, UnixAddress};

/// Networks of compose files, with fixed addresses, across hosts.
#[derive(Debug, Parser)]
#[command(name = "kraud-demo", version, propagate_version = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 ok, 1 error, 2 changes pending, or only warnings, 3 held by somebody else, \
4 privilege or kernel capability missing, 64 usage. Data goes to stdout, talk to stderr.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the file's networks on this machine: all of them, or none; the second time there is nothing to do
    Apply(ApplyArgs),
    /// Take away what was made for a project on this machine
    Destroy(DestroyArgs),
    /// Show what `apply` would change; exit code 2 if anything
    Diff(ApplyArgs),
    /// Run a command in a pod's network namespace, where it sees the pod's names
    Exec(ExecArgs),
    /// The keys of this machine's WireGuard devices
    #[command(subcommand)]
    Key(KeyCommand),
    /// Bring the file's networks up across hosts made of network namespaces, ping, list, and take it all down
    Lab(LabArgs),
    /// Say what is wrong with compose files, every finding with its code and place
    Lint(LintArgs),
    /// Explain how many bytes each layer takes from a packet
    Mtu(MtuArgs),
    /// Show what would be done, without any privilege
    Plan(PlanArgs),
    /// Overlays: a namespace's networks that span hosts
    #[command(subcommand, alias = "overlays")]
    Overlay(OverlayCommand),
    /// VPCs: what pods of any namespace are joined by
    #[command(subcommand, alias = "vpcs")]
    Vpc(VpcCommand),
    /// Networks of every driver, as docker lists them
    #[command(subcommand, alias = "networks")]
    Network(NetworkCommand),
    /// Namespaces: compose projects
    #[command(subcommand, aliases = ["namespace", "namespaces"])]
    Ns(NamespaceCommand),
    /// Prefixes and addresses, with their owners
    #[command(subcommand)]
    Ipam(IpamCommand),
    /// Say who talks to whom inside of the tunnels of a capture
    Decode(DecodeArgs),
    /// Compare this machine with the file, then ping from every pod of it to all that it should reach
    Verify(VerifyArgs),
    /// Draw hosts, pods and networks
    Graph(GraphArgs),
    /// WireGuard configurations
    #[command(subcommand)]
    Wg(WgCommand),
    /// Print a shell's completion script
    Completions(CompletionsArgs),
    /// Print a manual page
    Man(ManArgs),
    /// Answer to other programs
    #[command(subcommand)]
    Serve(ServeCommand),
}
