//! `decode`.

use std::path::PathBuf;

use clap::Args;

use super::Output;

/// Arguments of `decode`.
#[derive(Debug, Args)]
pub struct DecodeArgs {
    /// The capture, pcap or pcapng; `-` reads standard input, as from `tcpdump -w -`
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Format of the result
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}
