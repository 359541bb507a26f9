//! `verify`: is everything as it was applied, and does everybody reach whom they should?

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;

use kraud_netlink::Netns;
use serde::Serialize;

use super::place::Place;
use super::print_as;
use crate::apply::{self, Outcome};
use crate::cli::VerifyArgs;
use crate::error::{Error, exit};
use crate::input;
use crate::lab::Interrupt;
use crate::lab::checks;
use crate::lab::ping::Pinger;
use crate::lab::report::PingRow;
use crate::model::Deployment;
use crate::plan::Plan;
use crate::talk::{Progress, Talk};

/// What was found.
#[derive(Debug, Serialize)]
struct Verdict {
    schema: &'static str,
    host: String,
    /// What differs from the file; empty if nothing does.
    changes: Outcome,
    /// The pings from this host's pods.
    pings: Vec<PingRow>,
    ok: bool,
}

/// 0 if all is well, 2 if something differs from the file, and an error if somebody is not reached.
pub(super) fn run(args: &VerifyArgs, talk: &Talk) -> Result<u8, Error> {
    let place = Place::of(&args.machine, &args.input)?;
    let mut machine = place.machine()?;
    let project = input::load(&args.input, talk)?;
    let allocated = place.allocate(&project, &mut machine, talk)?;
    let deployment = allocated.deployment.clone();
    let site = machine.site(&deployment.owner())?;
    let share = place.share(allocated, &mut machine, false, talk)?;
    let changes = apply::diff(&mut machine, &share)?;
    let mut pings = Vec::new();
    if changes.is_empty() {
        let mut hosts = deployment.hosts.iter();
        let host = hosts.position(|host| host.name == place.host).unwrap_or(0);
        let plan = Plan::of_host(&deployment, host, &site)?;
        let progress = |total| talk.progress("echo requests", total, args.output);
        pings = ask(&deployment, host, &plan, &share, &args.outside, progress)?;
    }
    let failed = pings.iter().filter(|ping| !ping.ok).count();
    let total = pings.len();
    let verdict = Verdict {
        schema: crate::SCHEMA,
        host: place.host,
        ok: changes.is_empty() && failed == 0,
        changes,
        pings,
    };
    print_as(args.output, &verdict, || verdict.table())?;
    match (verdict.changes.is_empty(), failed) {
        (false, _) => Ok(exit::CHANGES),
        (true, 0) => Ok(exit::OK),
        (true, failed) => Err(Error::Checks { failed, total }),
    }
}

/// Pings from every pod of the host to all that it should reach.
fn ask(
    deployment: &Deployment,
    host: usize,
    plan: &Plan,
    share: &apply::Share,
    outside: &[IpAddr],
    progress: impl FnOnce(usize) -> Progress,
) -> Result<Vec<PingRow>, Error> {
    let interrupt = Interrupt::watch().map_err(Error::io("cannot watch for signals"))?;
    let mut pingers = BTreeMap::new();
    let joined = deployment.pods_on(host).filter(|pod| pod.is_networked());
    for (identifier, pod) in (1_u16..).zip(joined) {
        let netns =
            Netns::find(share.namespace_of(&pod.name)).map_err(Error::netlink(&pod.name))?;
        let pinger = netns.run(move || Pinger::open(identifier));
        let pinger = pinger.map_err(Error::netlink(&pod.name))?;
        let pinger = pinger.map_err(Error::io(format!("cannot ping from {}", pod.name)))?;
        pingers.insert(pod.name.clone(), pinger);
    }
    let mut planned = checks::plan(deployment, plan.mtu);
    planned.extend(checks::networks(deployment, plan));
    planned.retain(|ping| pingers.contains_key(&ping.from));
    for address in outside {
        planned.extend(checks::reaches(deployment, host, *address));
    }
    let progress = progress(planned.len());
    checks::run(planned, &mut pingers, &interrupt, progress)
}

impl Verdict {
    fn table(&self) -> String {
        let mut text = String::new();
        if !self.changes.is_empty() {
            text.push_str("not as in the file:\n");
            text.push_str(&self.changes.table());
        }
        for ping in self.pings.iter().filter(|ping| !ping.ok) {
            let _ = writeln!(
                text,
                "{}: {} did not get to {} ({}, {} bytes): {}",
                ping.network,
                ping.from,
                ping.to,
                ping.address,
                ping.bytes,
                ping.instead.as_deref().unwrap_or("nothing came back")
            );
        }
        let good = self.pings.iter().filter(|ping| ping.ok).count();
        let _ = writeln!(
            text,
            "{}: {good} of {} pings as expected",
            self.host,
            self.pings.len()
        );
        text
    }
}
