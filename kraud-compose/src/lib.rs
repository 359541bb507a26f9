//! The networks of compose files: typed, with the place of every value, and with everything that
//! is wrong about them said at once.
//!
//! [`Project::load`] reads compose files of any age (`version` 1 to none) the way docker compose
//! does (interpolation, anchors, several files, profiles) and gives two things:
//!
//! - a [`Project`]: [`Network`]s with parsed subnets, [`Service`]s with parsed addresses, each
//!   value [`Spanned`], defaults filled in;
//! - [`Diagnostics`]: all findings in a stable order, with a [`Code`] that has a documentation
//!   page, both sides of a clash, and ready fixes. Rendering is yours; [`Diagnostics`] prints as
//!   `file:line:column: error[KC0104]: …`.
//!
//! What a networks parser does not own (`build`, `volumes`, …) never makes a file fail. From the
//! project follow the order of start ([`Project::start_order`]), the names that are answered in a
//! network ([`Project::host_names`]), and what each replica gets ([`Ipv4Assignment::for_replica`]).
//!
//! ```
//! use kraud_compose::{Driver, Ipv4Assignment, Options, Project, Sources};
//!
//! let file = "
//! networks:
//!   v:
//!     driver: ipip
//!     ipam:
//!       config:
//!         - subnet: 192.168.0.0/16
//! services:
//!   k2:
//!     image: busybox
//!     networks:
//!       v:
//!         ipv4_address: 192.168.2.0/24
//! ";
//! let sources = Sources::from_text("docker-compose.yaml", file);
//! let (project, diagnostics) = Project::load(sources, &Options::new().project_name("nextcloud"));
//! assert!(!diagnostics.has_errors());
//! let project = project.unwrap();
//! assert_eq!(project.network("v").unwrap().driver, Driver::Ipip);
//! let endpoint = &project.services[0].endpoints[0];
//! let prefix = endpoint.ipv4_address.unwrap();
//! assert_eq!(prefix.value, Ipv4Assignment::Prefix("192.168.2.0/24".parse().unwrap()));
//! assert_eq!(project.sources().position(prefix.span).to_string(), "13:23");
//! ```
//!
//! # Modules
//!
//! Everything public is at the root: the model ([`Project`], [`Network`], [`Pool`], [`Service`],
//! [`Endpoint`], [`Driver`]), the findings ([`Diagnostics`], [`Diagnostic`], [`Code`],
//! [`Severity`]), the places ([`Span`], [`Spanned`], [`SourceMap`]), and the way in ([`Sources`],
//! [`Provider`], [`Options`]).
#![forbid(unsafe_code)]

mod check;
mod daemon;
mod diagnostic;
mod dotenv;
mod interpolate;
#[cfg(feature = "serde")]
mod json;
mod load;
mod lower;
mod merge;
mod model;
mod options;
#[cfg(feature = "serde")]
mod report;
mod source;
mod span;
mod text;
mod yaml;

pub use daemon::{AddressPool, Daemon, Ipv6Decision};
pub use diagnostic::{
    Code, Diagnostic, Diagnostics, Edit, Fix, Label, ParseCodeError, Severity, Short,
};
pub use dotenv::{EnvFileError, EnvFileReason, parse_env_file};
pub use interpolate::{InterpolateError, interpolate};
pub use lower::project_name as normalize_project_name;
pub use model::{
    DependsOn, Driver, Endpoint, ExtraHost, HostName, HostNameKind, Ipam, IpipOptions,
    Ipv4Assignment, Ipv6Assignment, IpvlanFlag, IpvlanMode, IpvlanOptions, Link, MacAddr,
    MacvlanMode, MacvlanOptions, Network, NetworkMode, Pairs, ParseMacError, ParsePortError, Pool,
    Port, PortRange, PrivateName, Project, Protocol, Provenance, ReplicaAddress, Service,
};
pub use options::{Budget, Dialect, Options, Profile};
#[cfg(feature = "serde")]
pub use report::{
    Finding, Place, Related, Repair, Replace, Report, Sarif, SarifArtifactChange, SarifContent,
    SarifDriver, SarifFix, SarifLocation, SarifMessage, SarifPhysicalLocation, SarifRegion,
    SarifReplacement, SarifResult, SarifRule, SarifRun, SarifTool, SarifUri, lint,
};
/// Where the two YAML readers differ on a text: asked by the fuzz targets, nothing for users.
#[cfg(fuzzing)]
#[doc(hidden)]
#[must_use]
pub fn disagreement_of_readers(text: &str) -> Option<String> {
    yaml::disagreement(text)
}
pub use source::{MemoryProvider, NoProvider, Provider, ProviderError, Sources, StdProvider};
pub use span::{FileId, Location, Position, SourceFile, SourceMap, Span, Spanned};
