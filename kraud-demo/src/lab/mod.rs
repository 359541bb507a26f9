//! `lab`: hosts made of network namespaces, everything brought up on them, looked at, and taken down.
//!
//! The namespaces have no name: they live as long as a file descriptor of this process, so that nothing is left
//! behind however the process ends.

pub mod checks;
pub mod names;
pub mod ping;
pub mod report;
pub mod signals;
pub mod sniffer;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cli::LabArgs;
use crate::commands::{deployment, print_as};
use crate::error::Error;
use crate::input;
use crate::keys::{self, Keys};
use crate::model::Deployment;
use crate::names::Names;
use crate::plan::{Plan, Plane, ROUTER};
use crate::plane::{self, Machine};
use crate::privilege::{self, Privilege};
use crate::talk::{self, Talk};

use self::names::Responders;
use ping::Pinger;
use report::{HostRow, NamespacePath, PeerRow, Report, pod_rows};
pub use signals::Interrupt;
use sniffer::Sniffer;

/// Runs the lab.
///
/// # Errors
///
/// Bad input, a missing privilege or kernel capability, a refused change, a failed check, or a signal. Whatever it
/// was, everything is down again afterwards.
pub fn run(args: &LabArgs, talk: &Talk) -> Result<(), Error> {
    let project = input::load_or_example(&args.input, talk)?;
    let deployment = deployment(&project, &args.input, args.topology, talk)?;
    // Nothing is touched before the plan stands.
    Plan::new(&deployment, Plane::Kernel)?;

    if privilege::acquire()? == Privilege::UserNamespace {
        talk.say("not root: working inside a user namespace of our own");
    }
    let interrupt = Interrupt::watch().map_err(Error::io("cannot watch for signals"))?;
    let (plane, reason) = match deployment.has_vpc() {
        true => plane::choose(args.plane)?,
        // Bridges and ipvlan are always the kernel's.
        false => (Plane::Kernel, "no pod is in the VPC".to_owned()),
    };
    talk.say(format_args!("plane: {} ({reason})", plane.name()));

    let plan = Plan::new(&deployment, plane)?;
    let keys = keys::of_hosts(&deployment.hosts, args.keys.as_deref())?;
    talk.say(format_args!(
        "bringing up {} pods on {} hosts: {} changes in {} namespaces",
        deployment.pods.len(),
        deployment.hosts.len(),
        plan.steps.len(),
        plan.namespaces.len()
    ));
    let machine = Machine::up(&plan, &deployment, &keys, plane, &interrupt)?;
    let names = Names::in_vpc(&deployment.scope, [&deployment]);
    let responders = args
        .dns
        .then(|| Responders::start(&machine, &deployment, names.clone()))
        .transpose()?;
    let mut report = examine(
        &deployment,
        &plan,
        &keys,
        &machine,
        plane,
        reason,
        args,
        &interrupt,
        talk,
    )?;
    if responders.is_some() {
        report.names = names::check(&machine, &deployment, &names)?;
        report.ok = report.tally().1 == 0;
    }
    print_as(args.output, &report, || report.text())?;
    if args.keep {
        keep(&report, &interrupt);
    }
    // Their sockets keep the namespaces.
    drop(responders);
    drop(machine);
    talk.say("everything is down again");
    let (total, failed) = report.tally();
    if failed == 0 {
        Ok(())
    } else {
        Err(Error::Checks { failed, total })
    }
}

/// Looks at what is up: pings, counters, listings.
#[allow(
    clippy::too_many_arguments,
    reason = "the lab's whole state, used once"
)]
fn examine(
    deployment: &Deployment,
    plan: &Plan,
    keys: &Keys,
    machine: &Machine,
    plane: Plane,
    reason: String,
    args: &LabArgs,
    interrupt: &Interrupt,
    talk: &Talk,
) -> Result<Report, Error> {
    let packets = machine
        .run_in(ROUTER, sniffer::packet_socket)?
        .map_err(Error::io("cannot watch the underlay"))?;
    let port = deployment.hosts.first().map_or(0, |host| host.port);
    let sniffer = Sniffer::start(packets, port);

    let mut pingers = BTreeMap::new();
    let joined = deployment.pods.iter().filter(|pod| pod.is_networked());
    for (identifier, pod) in (1u16..).zip(joined) {
        let pinger = machine.run_in(&pod.name, move || Pinger::open(identifier))?;
        pingers.insert(
            pod.name.clone(),
            pinger.map_err(Error::io(format!("cannot ping from {}", pod.name)))?,
        );
    }
    let of_vpc = checks::plan(deployment, plan.mtu);
    let mut of_networks = checks::networks(deployment, plan);
    of_networks.extend(checks::outside(deployment));
    talk.say(format_args!(
        "sending {} echo requests",
        of_vpc.len() + of_networks.len()
    ));
    let progress = talk.progress("echo requests", of_vpc.len(), args.output);
    let mut pings = checks::run(of_vpc, &mut pingers, interrupt, progress)?;
    // What leaves by a bridge or a VLAN is in the clear, as it should be.
    let underlay = sniffer.finish();
    let progress = talk.progress("echo requests", of_networks.len(), args.output);
    pings.extend(checks::run(of_networks, &mut pingers, interrupt, progress)?);

    let hosts = deployment.hosts.iter().map(|host| HostRow {
        name: host.name.clone(),
        prefix: host.prefix.to_string(),
        underlay: host.underlay.clone(),
        public_key: keys
            .public(&host.name)
            .map(|key| key.to_string())
            .unwrap_or_default(),
    });
    let namespaces = if args.keep {
        machine.paths(plan)?
    } else {
        Vec::new()
    };
    let mut report = Report {
        schema: crate::SCHEMA,
        plane: plane.name(),
        reason,
        mtu: plan.mtu,
        hosts: hosts.collect(),
        pods: pod_rows(deployment),
        listings: crate::listings::Listings::of(deployment),
        pings,
        names: Vec::new(),
        peers: peers(deployment, machine, plane, keys)?,
        underlay,
        namespaces: namespaces
            .into_iter()
            .map(|(name, path)| NamespacePath { name, path })
            .collect(),
        ok: false,
    };
    report.ok = report.tally().1 == 0;
    Ok(report)
}

/// The kernel's counters for every pair of hosts.
fn peers(
    deployment: &Deployment,
    machine: &Machine,
    plane: Plane,
    keys: &Keys,
) -> Result<Vec<PeerRow>, Error> {
    let mut rows = Vec::new();
    let hosts = deployment.hosts.iter().enumerate();
    let in_kernel = |index| deployment.has_vpc() && plane.is_kernel(index);
    for (_, host) in hosts.filter(|(index, _)| in_kernel(*index)) {
        for peer in machine.wireguard_peers(deployment, host)? {
            let name = keys.host_of(peer.public_key).map(str::to_owned);
            rows.push(PeerRow {
                host: host.name.clone(),
                peer: name.unwrap_or_else(|| peer.public_key.to_string()),
                handshake: peer.last_handshake.is_some(),
                rx_bytes: peer.rx_bytes,
                tx_bytes: peer.tx_bytes,
            });
        }
    }
    Ok(rows)
}

/// Waits for a signal, with everything up.
fn keep(report: &Report, interrupt: &Interrupt) {
    for namespace in &report.namespaces {
        talk::error(format_args!(
            "nsenter --net={}  # {}",
            namespace.path, namespace.name
        ));
    }
    talk::error("up until interrupted (Ctrl-C)");
    while !interrupt.is_set() {
        std::thread::sleep(Duration::from_millis(50));
    }
}
