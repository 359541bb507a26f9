//! The commands other than `lab`: pure, they need no privilege and touch nothing.

mod apply;
mod decode;
mod exec;
mod export;
mod found;
mod key;
mod lint;
mod lists;
mod mtu;
mod place;
mod plan;
mod print;
mod serve;
mod verify;

use kraud_compose::Project;

use crate::allocate::{HostSpec, allocate};
use crate::cli::{Cli, Command, Input, Topology};
use crate::cluster::WIREGUARD_PORT;
use crate::error::{Error, exit};
use crate::identity::Scope;
use crate::lab;
use crate::model::Deployment;
use crate::plan::underlay_addresses;
use crate::talk::Talk;

use found::Found;
pub use print::{print_as, print_json, print_text, print_yaml};

/// Runs a command and tells its exit code.
///
/// # Errors
///
/// What stopped it; [`Error::exit_code`] tells the exit code then.
pub fn run(cli: &Cli, talk: &Talk) -> Result<u8, Error> {
    match &cli.command {
        Command::Apply(args) => apply::apply(args, talk),
        Command::Destroy(args) => apply::destroy(args, talk),
        Command::Diff(args) => return apply::diff(args, talk),
        Command::Exec(args) => exec::run(args),
        Command::Key(command) => key::run(command),
        Command::Lint(args) => return lint::run(args, talk),
        Command::Lab(args) => lab::run(args, talk),
        Command::Mtu(args) => mtu::run(args),
        Command::Plan(args) => return plan::run(args, talk),
        Command::Decode(args) => decode::run(args),
        Command::Graph(args) => export::graph(args, talk),
        Command::Wg(command) => export::wg(command, talk),
        Command::Completions(args) => export::completions(args),
        Command::Man(args) => export::man(args),
        Command::Ipam(command) => lists::ipam(command, talk),
        Command::Network(command) => lists::network(command, talk),
        Command::Ns(command) => lists::namespace(command, talk),
        Command::Overlay(command) => lists::overlay(command, talk),
        Command::Serve(command) => serve::run(command, talk),
        Command::Verify(args) => return verify::run(args, talk),
        Command::Vpc(command) => lists::vpc(command, talk),
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
    talk: &Talk,
) -> Result<Deployment, Error> {
    let scope = Scope {
        tenant: input.tenant.clone(),
        vpc: input.vpc.clone(),
    };
    let host = |number: u8| HostSpec {
        name: format!("host{number}"),
        underlay: underlay_addresses(number, topology.underlay),
        port: WIREGUARD_PORT,
        keepalive: None,
    };
    let count = topology
        .hosts
        .unwrap_or(if spans_hosts(project) { 2 } else { 1 });
    let hosts = (1..=count).map(host).collect();
    let deployment = allocate(project, scope, hosts)?;
    for note in &deployment.notes {
        talk.say(format_args!("note: {note}"));
    }
    Ok(deployment)
}

/// Whether any service is in a network that more than one host carries.
fn spans_hosts(project: &Project) -> bool {
    let services = project.services.iter().filter(|service| service.active);
    let mut endpoints = services.flat_map(|service| &service.endpoints);
    endpoints.any(|endpoint| {
        let network = project.networks.get(endpoint.network_index);
        network.is_some_and(|network| network.driver.is_kraud_overlay())
    })
}
