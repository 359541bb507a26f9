//! `overlay`, `vpc`, `ns`, `network`, `ipam`: the lists.

use clap::{Args, Subcommand, ValueEnum};

use super::{Input, Output};

/// Overlays.
#[derive(Debug, Subcommand)]
pub enum OverlayCommand {
    /// List what the file would make
    #[command(visible_alias = "list")]
    Ls(ListArgs),
    /// Show one as data
    #[command(visible_alias = "inspect", alias = "get")]
    Show(ShowArgs),
}

/// VPCs.
#[derive(Debug, Subcommand)]
pub enum VpcCommand {
    /// List the VPCs
    #[command(visible_alias = "list")]
    Ls(ListArgs),
    /// Show the hosts and pods of one
    #[command(visible_alias = "inspect", alias = "get")]
    Show(ShowArgs),
}

/// Namespaces.
#[derive(Debug, Subcommand)]
pub enum NamespaceCommand {
    /// List the namespaces
    #[command(visible_alias = "list")]
    Ls(ListArgs),
}

/// Networks of every driver.
#[derive(Debug, Subcommand)]
pub enum NetworkCommand {
    /// List them as docker does
    #[command(visible_alias = "list")]
    Ls(ListArgs),
    /// Show some of them as docker does
    Inspect(InspectArgs),
}

/// Addresses.
#[derive(Debug, Subcommand)]
pub enum IpamCommand {
    /// List every prefix and address with its owner
    #[command(visible_alias = "list")]
    Ls(ListArgs),
    /// Write the addresses for firewalls and hosts files
    Export(ExportArgs),
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
    /// As docker's: `table`, `table TEMPLATE`, `json` (one object a line) or a Go TEMPLATE
    #[arg(long, value_name = "FORMAT", conflicts_with = "output")]
    pub format: Option<String>,
    /// As docker's, whose `-f` is `--file` here: any of several values for one KEY, and every KEY
    #[arg(short = 'F', long, value_name = "KEY=VALUE")]
    pub filter: Vec<String>,
    /// Accepted as docker's: ids are short, nothing is ever cut
    #[arg(long)]
    pub no_trunc: bool,
}

/// Arguments of `overlay show` and `vpc show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Its name, short id or UUID; an overlay's name may have its namespace in front, as in `shop/default`
    #[arg(default_value = "default")]
    pub query: String,
    /// The compose file.
    #[command(flatten)]
    pub input: Input,
    /// Format of the data [default: json for an overlay, table for a VPC]
    #[arg(short, long, value_enum)]
    pub output: Option<Output>,
}

/// Arguments of `network inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// Names, ids, or beginnings of ids
    #[arg(required = true, value_name = "NETWORK")]
    pub queries: Vec<String>,
    /// The compose file.
    #[command(flatten)]
    pub input: Input,
    /// Format of the data
    #[arg(short, long, value_enum, default_value_t = Data::Json)]
    pub output: Data,
    /// A Go template for each network, as docker's
    #[arg(long, value_name = "TEMPLATE", conflicts_with = "output")]
    pub format: Option<String>,
}

/// The forms of data that has no table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Data {
    /// Indented JSON
    Json,
    /// YAML
    Yaml,
}

/// Arguments of `ipam export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The compose file.
    #[command(flatten)]
    pub input: Input,
    /// What the addresses are for
    #[arg(long, value_enum, default_value_t = ExportFormat::Nft)]
    pub format: ExportFormat,
    /// With `--format hosts`: as this pod sees it, short names included
    #[arg(long, value_name = "POD")]
    pub pod: Option<String>,
}

/// What addresses are exported for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Definitions for an nftables ruleset
    Nft,
    /// A hosts(5) file
    Hosts,
    /// What `ipam ls` lists, as data
    Json,
}
