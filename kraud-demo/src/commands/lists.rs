//! `overlay`, `network`, `ns`: the lists.

use serde::Serialize;

use super::{deployment, print_json, print_text};
use crate::cli::{Input, ListArgs, Output, Topology};
use crate::error::Error;
use crate::input;
use crate::listings::Listings;
use crate::talk::Talk;

/// `overlay ls`.
pub(super) fn overlays(args: &ListArgs, talk: &Talk) -> Result<(), Error> {
    let all = listings(&args.input, talk)?;
    print(args, &all.overlays, &all.overlay_table())
}

/// `network ls`.
pub(super) fn networks(args: &ListArgs, talk: &Talk) -> Result<(), Error> {
    let all = listings(&args.input, talk)?;
    print(args, &all.networks, &all.network_table())
}

/// `ns ls`.
pub(super) fn namespaces(args: &ListArgs, talk: &Talk) -> Result<(), Error> {
    let all = listings(&args.input, talk)?;
    print(args, &all.namespaces, &all.namespace_table())
}

/// The lists of what the file would make; without a file they are empty.
fn listings(input: &Input, talk: &Talk) -> Result<Listings, Error> {
    match input::load_if_any(input, talk)? {
        // Which hosts there are changes no overlay: their names have no part in it.
        Some(project) => Ok(Listings::of(&deployment(
            &project,
            input,
            Topology::default(),
            talk,
        )?)),
        None => Ok(Listings::default()),
    }
}

fn print(args: &ListArgs, rows: &impl Serialize, table: &str) -> Result<(), Error> {
    match args.output {
        Output::Table => print_text(table),
        Output::Json => print_json(rows),
    }
}
