//! Where a project comes from, and the hosts that carry it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use kraud_compose::Dialect;

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
    /// Whose rules hold [default: kraud; for `lint`, kraud where the file uses driver `ipip`, else docker]
    #[arg(long, value_enum)]
    pub dialect: Option<DialectChoice>,
    /// Owner of the VPC
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub tenant: String,
    /// VPC that the namespace lives in
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub vpc: String,
    /// Folder of the state and the private keys [default: /var/lib/kraud, without root $XDG_STATE_HOME/kraud]
    #[arg(long, value_name = "DIR", env = "KRAUD_STATE", hide_env = true)]
    pub state: Option<PathBuf>,
}

/// Whose rules a compose file follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DialectChoice {
    /// What docker compose and the docker engine take
    Docker,
    /// Docker's rules with kraud's additions
    Kraud,
}

impl From<DialectChoice> for Dialect {
    fn from(choice: DialectChoice) -> Self {
        match choice {
            DialectChoice::Docker => Self::Docker,
            DialectChoice::Kraud => Self::Kraud,
        }
    }
}

/// The hosts of the lab, which `plan` shows as well.
#[derive(Clone, Copy, Debug, Args)]
pub struct Topology {
    /// How many hosts carry the pods [default: 2, or 1 where nothing spans hosts]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub hosts: Option<u8>,
    /// What the hosts are joined by
    #[arg(long, value_enum, default_value_t = Underlay::V6)]
    pub underlay: Underlay,
}

impl Default for Topology {
    fn default() -> Self {
        Self {
            hosts: None,
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
