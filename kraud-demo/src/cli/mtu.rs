//! `mtu`.

use clap::{Args, ValueEnum};

use super::Output;

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
