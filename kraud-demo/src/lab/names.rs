//! `lab --dns`: a responder in every pod's namespace, and what each pod is told by its own.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::dns::client;
use crate::dns::server::{self, ADDRESS, Responder};
use crate::error::Error;
use crate::lab::report::NameRow;
use crate::model::{Deployment, Pod};
use crate::names::Names;
use crate::plane::Machine;
use crate::talk;

/// A name that nobody has.
const NOBODY: &str = "nobody.nowhere";

/// Responders that answer as long as this value lives.
#[derive(Debug)]
pub struct Responders {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Responders {
    /// Starts one in the namespace of each pod that has a network.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where its port is taken.
    pub fn start(machine: &Machine, deployment: &Deployment, names: Names) -> Result<Self, Error> {
        let open = |pod: &Pod| {
            let opened = machine.run_in(&pod.name, || Responder::open(&pod.name, ADDRESS))?;
            opened.map_err(Error::io(format!("{}: DNS at {ADDRESS}", pod.name)))
        };
        let responders = deployment.pods.iter().filter(|pod| pod.is_networked());
        let mut responders: Vec<Responder> = responders.map(open).collect::<Result<_, _>>()?;
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&over);
        let serve = move || {
            let ended = server::run(&mut responders, &names, || seen.load(Ordering::Relaxed));
            if let Err(error) = ended {
                talk::error(format_args!("warning: the DNS responders stopped: {error}"));
            }
        };
        let thread = thread::Builder::new().name("dns".to_owned()).spawn(serve);
        Ok(Self {
            over,
            thread: Some(thread.map_err(Error::io("cannot start the DNS responders"))?),
        })
    }
}

impl Drop for Responders {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Lets every pod ask for every service of its namespace by the short and the full name, and for somebody who is not
/// there.
///
/// # Errors
///
/// [`Error::Netlink`] for a namespace that cannot be entered.
pub fn check(
    machine: &Machine,
    deployment: &Deployment,
    names: &Names,
) -> Result<Vec<NameRow>, Error> {
    let mut services: Vec<&str> = deployment.pods.iter().map(|pod| &*pod.service).collect();
    services.dedup();
    let full = |service: &&str| format!("{service}.{}", deployment.namespace);
    let mut asked: Vec<String> = services.iter().map(full).collect();
    asked.extend(services.iter().map(|service| (*service).to_owned()));
    asked.push(NOBODY.to_owned());
    let mut rows = Vec::new();
    for pod in deployment.pods.iter().filter(|pod| pod.is_networked()) {
        let ask = || {
            asked
                .iter()
                .map(|name| client::ask(ADDRESS, name))
                .collect::<Vec<_>>()
        };
        let answers = machine.run_in(&pod.name, ask)?;
        for (name, answer) in asked.iter().zip(answers) {
            let expected = names.ask(&pod.name, name);
            let addresses = expected.as_ref().map(|answer| {
                let v6 = answer.v6.iter().copied().map(IpAddr::V6);
                v6.chain(answer.v4.iter().copied().map(IpAddr::V4))
                    .collect()
            });
            rows.push(NameRow::new(&pod.name, name, addresses, answer));
        }
    }
    Ok(rows)
}
