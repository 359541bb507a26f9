//! The commands other than `lab`: pure, they need no privilege and touch nothing.

mod lint;
mod mtu;

use std::io::{self, Write, stdout};

use kraud_compose::Project;
use serde::Serialize;

use crate::allocate::{HostSpec, allocate};
use crate::cli::{
    Command, Input, ListArgs, ListCommand, Output, PlanArgs, PlanOutput, PlaneChoice, Topology,
};
use crate::error::{Error, exit};
use crate::identity::Scope;
use crate::input;
use crate::lab;
use crate::listings::Listings;
use crate::model::Deployment;
use crate::plan::{Plan, Plane, underlay_addresses};

/// The first UDP port of a host's WireGuard devices, one for each VPC.
const WIREGUARD_PORT: u16 = 51820;

/// Runs a command and tells its exit code.
///
/// # Errors
///
/// What stopped it; [`Error::exit_code`] tells the exit code then.
pub fn run(command: Command) -> Result<u8, Error> {
    match command {
        Command::Lint(args) => return lint::run(&args),
        Command::Lab(args) => lab::run(&args),
        Command::Mtu(args) => mtu::run(&args),
        Command::Plan(args) => plan(&args),
        Command::Overlay(ListCommand::Ls(args)) => {
            let all = listings(&args.input)?;
            print(&args, &all.overlays, &all.overlay_table())
        }
        Command::Network(ListCommand::Ls(args)) => {
            let all = listings(&args.input)?;
            print(&args, &all.networks, &all.network_table())
        }
        Command::Ns(ListCommand::Ls(args)) => {
            let all = listings(&args.input)?;
            print(&args, &all.namespaces, &all.namespace_table())
        }
    }?;
    Ok(exit::OK)
}

/// Gives a project its addresses on hosts named `host1`, `host2` and so on.
///
/// # Errors
///
/// Those of [`allocate`].
pub fn deployment(
    project: &Project,
    input: &Input,
    topology: Topology,
) -> Result<Deployment, Error> {
    let scope = Scope {
        tenant: input.tenant.clone(),
        vpc: input.vpc.clone(),
    };
    let host = |number: u8| HostSpec {
        name: format!("host{number}"),
        underlay: underlay_addresses(number, topology.underlay),
        port: WIREGUARD_PORT,
    };
    let hosts = (1..=topology.hosts).map(host).collect();
    let deployment = allocate(project, scope, hosts)?;
    for note in &deployment.notes {
        eprintln!("note: {note}");
    }
    Ok(deployment)
}

fn plan(args: &PlanArgs) -> Result<(), Error> {
    let project = input::load(&args.input)?;
    let deployment = deployment(&project, &args.input, args.topology)?;
    let plane = match args.plane {
        PlaneChoice::Auto | PlaneChoice::Kernel => Plane::Kernel,
        PlaneChoice::Userspace => Plane::Userspace,
        PlaneChoice::Mixed => Plane::Mixed,
    };
    let plan = Plan::new(&deployment, plane)?;
    match args.output {
        PlanOutput::Table => print_text(&plan.table()),
        PlanOutput::Json => print_json(&plan.data(plane)),
        PlanOutput::Sh => print_text(&plan.script()),
    }
}

/// The lists of what the file would make; without a file they are empty.
fn listings(input: &Input) -> Result<Listings, Error> {
    match input::load_if_any(input)? {
        // Which hosts there are changes no overlay: their names have no part in it.
        Some(project) => Ok(Listings::of(&deployment(
            &project,
            input,
            Topology::default(),
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

/// Writes data to stdout; a reader that has seen enough (`| head`) is no error.
///
/// # Errors
///
/// Those of `write(2)`, but for `EPIPE`.
pub fn print_text(text: &str) -> Result<(), Error> {
    match stdout()
        .write_all(text.as_bytes())
        .and_then(|()| stdout().flush())
    {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(Error::io("cannot write to stdout")),
    }
}

/// Writes data to stdout as indented JSON.
///
/// # Errors
///
/// As [`print_text`].
pub fn print_json(data: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(data)
        .map_err(|error| Error::Unplannable(error.to_string()))?;
    print_text(&(text + "\n"))
}
