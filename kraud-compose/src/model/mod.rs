//! The typed networks of a project.

mod address;
mod driver;
mod mac;
mod names;
mod network;
mod order;
mod port;
mod project;
mod service;

pub use address::{Ipv4Assignment, Ipv6Assignment, ReplicaAddress};
pub use driver::{
    Driver, IpipOptions, IpvlanFlag, IpvlanMode, IpvlanOptions, MacvlanMode, MacvlanOptions,
};
pub use mac::{MacAddr, ParseMacError};
pub use names::{HostName, HostNameKind, PrivateName};
pub use network::{Ipam, Network, Pairs, Pool};
pub use port::{ParsePortError, Port, PortRange, Protocol};
pub(crate) use project::Anchored;
pub use project::{Project, Provenance};
pub use service::{DependsOn, Endpoint, ExtraHost, Link, NetworkMode, Service};
