//! `apply`, `diff` and `destroy`: the machine's share of a project.

use std::path::PathBuf;

use super::{WIREGUARD_PORT, print_as};
use crate::allocate::{HostSpec, allocate};
use crate::apply::{self, Machine, Outcome, Share};
use crate::cli::{self, ApplyArgs, DestroyArgs, Input, Output};
use crate::error::{Error, exit};
use crate::identity::Scope;
use crate::input;
use crate::keys::Keys;
use crate::talk::Talk;

/// The only host, where no cluster file names any.
const ONLY_HOST: &str = "local";

pub(super) fn apply(args: &ApplyArgs, talk: &Talk) -> Result<(), Error> {
    let place = Place::of(&args.machine)?;
    let mut machine = place.machine()?.lock()?;
    let share = share(args, &place, &mut machine, talk)?;
    let outcome = apply::apply(&mut machine, &share, talk)?;
    print(&outcome, args.output)
}

pub(super) fn diff(args: &ApplyArgs, talk: &Talk) -> Result<u8, Error> {
    let place = Place::of(&args.machine)?;
    let mut machine = place.machine()?;
    let share = share(args, &place, &mut machine, talk)?;
    let outcome = apply::diff(&mut machine, &share)?;
    print(&outcome, args.output)?;
    Ok(if outcome.is_empty() {
        exit::OK
    } else {
        exit::CHANGES
    })
}

pub(super) fn destroy(args: &DestroyArgs, talk: &Talk) -> Result<(), Error> {
    let place = Place::of(&args.machine)?;
    let namespace = match (&args.input.project_name, args.input.files.is_empty()) {
        (Some(name), true) => name.clone(),
        _ => input::load(&args.input, talk)?.name,
    };
    let share = Share::nothing(&place.host, &scope(&args.input), &namespace);
    let mut machine = place.machine()?.lock()?;
    let outcome = apply::destroy(&mut machine, &share)?;
    print(&outcome, args.output)
}

fn share(
    args: &ApplyArgs,
    place: &Place,
    machine: &mut Machine,
    talk: &Talk,
) -> Result<Share, Error> {
    let project = input::load(&args.input, talk)?;
    let host = HostSpec {
        name: place.host.clone(),
        underlay: Vec::new(),
        port: WIREGUARD_PORT,
        keepalive: None,
    };
    let deployment = allocate(&project, scope(&args.input), vec![host])?;
    for note in &deployment.notes {
        talk.say(format_args!("note: {note}"));
    }
    let keys = Keys::default();
    let site = machine.site(&deployment.owner())?;
    Share::of(&deployment, 0, &site, &keys)?.given(&deployment, &place.given)
}

fn scope(input: &Input) -> Scope {
    Scope {
        tenant: input.tenant.clone(),
        vpc: input.vpc.clone(),
    }
}

fn print(outcome: &Outcome, output: Output) -> Result<(), Error> {
    print_as(output, outcome, || outcome.table())
}

/// Which machine this is.
struct Place {
    host: String,
    netns: Option<String>,
    given: Vec<(String, String)>,
    state: PathBuf,
}

impl Place {
    fn machine(&self) -> Result<Machine, Error> {
        Machine::open(self.netns.as_deref(), &self.state)
    }

    fn of(args: &cli::Machine) -> Result<Self, Error> {
        let (mut netns, mut given) = (None, Vec::new());
        for value in &args.netns {
            match value.split_once('=') {
                Some((service, how)) => given.push((service.to_owned(), how.to_owned())),
                None if netns.is_some() => {
                    return Err(Error::Usage(format!(
                        "--netns {value}: the host has one namespace; a pod's is given as SERVICE={value}"
                    )));
                }
                None => netns = Some(value.clone()),
            }
        }
        Ok(Self {
            host: args.host.clone().unwrap_or_else(|| ONLY_HOST.to_owned()),
            netns,
            given,
            state: args.state.clone().unwrap_or_else(default_state),
        })
    }
}

/// Where the state is unless told otherwise.
fn default_state() -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/var/lib/kraud");
    }
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    let base = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let base = base.filter(|base| base.is_absolute()).or_else(home);
    base.unwrap_or_default().join("kraud")
}
