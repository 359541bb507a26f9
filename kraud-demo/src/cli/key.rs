//! `key`: the keys of this machine's WireGuard devices.

use clap::{Args, Subcommand};

use super::{Input, Machine};

/// What can be asked of a key.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a new key pair and print its public half; the next `apply` takes it into use
    Rotate(KeyArgs),
    /// Print the public key, which the other hosts' cluster file needs; the pair is made if absent
    Show(KeyArgs),
}

/// Arguments of `key`.
#[derive(Debug, Args)]
pub struct KeyArgs {
    /// The VPC.
    #[command(flatten)]
    pub input: Input,
    /// The machine.
    #[command(flatten)]
    pub machine: Machine,
}
