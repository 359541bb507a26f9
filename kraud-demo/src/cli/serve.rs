//! `serve`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};

use super::Input;

/// What is served.
#[derive(Debug, Subcommand)]
pub enum ServeCommand {
    /// Answer `docker network ls` and `docker network inspect`, read-only, until interrupted
    DockerApi(DockerApiArgs),
    /// Answer to names in pods' namespaces, at 127.127.127.127, until interrupted
    Dns(DnsArgs),
}

/// Arguments of `serve dns`.
#[derive(Debug, Args)]
pub struct DnsArgs {
    /// The pods, by name; each lives in the named network namespace of the same name, or in `POD=PATH`
    #[arg(required = true, value_name = "POD[=PATH]")]
    pub pods: Vec<String>,
    /// The compose file.
    #[command(flatten)]
    pub input: Input,
}

/// Arguments of `serve docker-api`.
#[derive(Debug, Args)]
pub struct DockerApiArgs {
    /// Where to listen: `unix:PATH`; only this user may connect
    #[arg(long, value_name = "unix:PATH")]
    pub listen: UnixAddress,
    /// The compose file.
    #[command(flatten)]
    pub input: Input,
}

/// `unix:PATH`, also in docker's notation `unix:///PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixAddress(pub PathBuf);

impl FromStr for UnixAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = text
            .strip_prefix("unix:")
            .map(|path| path.strip_prefix("//").unwrap_or(path));
        match path {
            Some(path) if !path.is_empty() => Ok(Self(PathBuf::from(path))),
            _ => Err("write unix:PATH".to_owned()),
        }
    }
}
