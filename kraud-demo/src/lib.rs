//! What the `kraud-demo` binary is made of: it reads compose files, gives out addresses, plans, and runs plans.
//!
//! Data flows one way: [`input`] → [`allocate`] → [`plan`] → [`plane`], and [`lab`] drives all of it and looks at the
//! result. Planning is pure; files, sockets and namespaces are touched by `input`, `plane` and `lab` alone.
//!
//! The crate is a program first: its library half carries no promise of stability.

#![forbid(unsafe_code)]

pub mod allocate;
pub mod apply;
pub mod cli;
pub mod cluster;
pub mod commands;
pub mod conflicts;
pub mod decode;
pub mod diagnostics;
pub mod dns;
pub mod docker_api;
pub mod error;
pub mod graph;
pub mod identity;
pub mod input;
pub mod keys;
pub mod lab;
pub mod listings;
pub mod model;
pub mod names;
pub mod natural;
pub mod plan;
pub mod plane;
pub mod privilege;
pub mod site;
pub mod state;
pub mod table;
pub mod talk;
pub mod template;
pub mod wgconf;

/// The version of the JSON that the commands print.
pub const SCHEMA: &str = "kraud/v1";
