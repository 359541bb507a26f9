//! `overlay`, `vpc`, `ns`, `network`, `ipam`: the lists.

use serde::Serialize;
use serde_json::Value;

use super::{Found, print_as, print_json, print_text, print_yaml};
use crate::cli::{
    Data, ExportArgs, ExportFormat, InspectArgs, IpamCommand, ListArgs, NamespaceCommand,
    NetworkCommand, Output, OverlayCommand, ShowArgs, VpcCommand,
};
use crate::error::Error;
use crate::listings::{
    Filters, Format, IpamRow, Listed, NamespaceRow, NetworkInspect, NetworkRow, NetworkView,
    OverlayRow, Row, VpcRow, VpcView, export_hosts, export_nft, render, select,
};
use crate::names::Names;
use crate::talk::Talk;
use crate::template::Template;

/// A list as data.
#[derive(Debug, Serialize)]
struct Items<R> {
    schema: &'static str,
    items: Vec<R>,
}

/// One object as data.
#[derive(Debug, Serialize)]
struct Object<T> {
    schema: &'static str,
    #[serde(flatten)]
    object: T,
}

/// `overlay`.
pub(super) fn overlay(command: &OverlayCommand, talk: &Talk) -> Result<(), Error> {
    match command {
        OverlayCommand::Ls(args) => list(args, OverlayRow::of, talk),
        OverlayCommand::Show(args) => show_overlay(args, talk),
    }
}

/// `vpc`.
pub(super) fn vpc(command: &VpcCommand, talk: &Talk) -> Result<(), Error> {
    match command {
        VpcCommand::Ls(args) => list(args, VpcRow::of, talk),
        VpcCommand::Show(args) => show_vpc(args, talk),
    }
}

/// `ns`.
pub(super) fn namespace(command: &NamespaceCommand, talk: &Talk) -> Result<(), Error> {
    match command {
        NamespaceCommand::Ls(args) => list(args, NamespaceRow::of, talk),
    }
}

/// `network`.
pub(super) fn network(command: &NetworkCommand, talk: &Talk) -> Result<(), Error> {
    match command {
        NetworkCommand::Ls(args) => list(args, NetworkRow::of, talk),
        NetworkCommand::Inspect(args) => inspect(args, talk),
    }
}

/// `ipam`.
pub(super) fn ipam(command: &IpamCommand, talk: &Talk) -> Result<(), Error> {
    match command {
        IpamCommand::Ls(args) => list(args, IpamRow::of, talk),
        IpamCommand::Export(args) => export(args, talk),
    }
}

fn list<R: Row>(
    args: &ListArgs,
    rows: impl Fn(&[Listed<'_>]) -> Vec<R>,
    talk: &Talk,
) -> Result<(), Error> {
    let filters = Filters::parse::<R>(&args.filter)?;
    let format = args
        .format
        .as_deref()
        .unwrap_or_default()
        .parse::<Format>()?;
    let found = Found::by(&args.input, talk)?;
    let rows = select(rows(&found.listed()), &filters);
    match args.output {
        Output::Table => print_text(&render(&rows, &format, talk.is_quiet())?),
        output => print_as(
            output,
            &Items {
                schema: crate::SCHEMA,
                items: rows,
            },
            String::new,
        ),
    }
}

fn show_overlay(args: &ShowArgs, talk: &Talk) -> Result<(), Error> {
    let found = Found::by(&args.input, talk)?;
    let rows = OverlayRow::of(&found.listed());
    let overlay = one(
        rows,
        |row| row.is_meant_by(&args.query),
        "overlay",
        &args.query,
    )?;
    let rows = [overlay.clone()];
    let object = Object {
        schema: crate::SCHEMA,
        object: overlay,
    };
    match args.output.unwrap_or(Output::Json) {
        Output::Table => print_text(&render(&rows, &Format::Table, talk.is_quiet())?),
        output => print_as(output, &object, String::new),
    }
}

fn show_vpc(args: &ShowArgs, talk: &Talk) -> Result<(), Error> {
    let found = Found::by(&args.input, talk)?;
    let listed = found.listed();
    let rows = VpcRow::of(&listed);
    let vpc = one(rows, |row| row.is_meant_by(&args.query), "VPC", &args.query)?;
    let object = Object {
        schema: crate::SCHEMA,
        object: VpcView::of(vpc, &listed),
    };
    print_as(args.output.unwrap_or(Output::Table), &object, || {
        object.object.text()
    })
}

fn inspect(args: &InspectArgs, talk: &Talk) -> Result<(), Error> {
    let found = Found::by(&args.input, talk)?;
    let views = NetworkView::of(&found.listed());
    let mut networks: Vec<NetworkInspect> = Vec::new();
    for query in &args.queries {
        let found = NetworkView::find(&views, query);
        let network = found.map_err(|matches| ambiguous("network", query, matches))?;
        networks.push(network.inspect());
    }
    let Some(format) = &args.format else {
        return match args.output {
            Data::Json => print_json(&networks),
            Data::Yaml => print_yaml(&networks),
        };
    };
    let usage = |error: crate::template::TemplateError| Error::Usage(error.to_string());
    let template = Template::parse(format).map_err(usage)?;
    let mut text = String::new();
    for network in &networks {
        let data: Value = serde_json::to_value(network).unwrap_or_default();
        text.push_str(&template.render(&data).map_err(usage)?);
        text.push('\n');
    }
    print_text(&text)
}

fn export(args: &ExportArgs, talk: &Talk) -> Result<(), Error> {
    let found = Found::by(&args.input, talk)?;
    let listed = found.listed();
    match (args.format, &args.pod) {
        (ExportFormat::Hosts, Some(pod)) => {
            let mut deployments = listed.iter().map(|listed| listed.deployment);
            let own = deployments
                .find(|deployment| deployment.pods.iter().any(|other| other.name == *pod))
                .ok_or_else(|| Error::NotFound(format!("no pod is called `{pod}`")))?;
            let all = listed.iter().map(|listed| listed.deployment);
            print_text(&Names::in_vpc(&own.scope, all).hosts_file(pod))
        }
        (_, Some(_)) => Err(Error::Usage("--pod goes with --format hosts".to_owned())),
        (ExportFormat::Hosts, None) => print_text(&export_hosts(&listed)),
        (ExportFormat::Nft, None) => print_text(&export_nft(&listed)),
        (ExportFormat::Json, None) => print_json(&Items {
            schema: crate::SCHEMA,
            items: select(IpamRow::of(&listed), &Filters::default()),
        }),
    }
}

/// The only one of `all` that is meant.
fn one<T>(all: Vec<T>, meant: impl Fn(&T) -> bool, kind: &str, query: &str) -> Result<T, Error> {
    let mut found: Vec<T> = all.into_iter().filter(meant).collect();
    match (found.len(), found.pop()) {
        (1, Some(only)) => Ok(only),
        (matches, _) => Err(ambiguous(kind, query, matches)),
    }
}

fn ambiguous(kind: &str, query: &str, matches: usize) -> Error {
    Error::NotFound(match matches {
        0 => format!("no {kind} is called `{query}`"),
        _ => format!(
            "`{query}` names {matches} {kind}s: give the whole id, or the namespace as well"
        ),
    })
}
