//! A project's networks on this machine: made, compared, taken away.
//!
//! ```text
//! Project ─▶ Deployment ─▶ Plan of this host ─▶ wishes ─┬─▶ difference ─▶ transaction ─▶ kernel
//!                                    kernel, state ─────┘
//! ```
//!
//! The state says what this machine was given, and is written before the kernel is touched: whatever happens in between,
//! the next run knows what is ours. Nothing is taken for ours by its name.

mod holdings;
mod hosts;
mod machine;
mod objects;
mod report;
mod share;
mod wanted;

use std::path::Path;

use kraud_netlink::{
    Difference, Error as NetlinkError, Namespaces, NftFamily, NftTable, Owner, Step, TransactError,
    Undo, Want, Wanted, transact,
};

use holdings::Holdings;
pub use hosts::ETC_NETNS;
use hosts::FileChange;
pub use machine::Machine;
use objects::same_object;
pub use report::{Outcome, StepRow};
pub use share::{Paper, Share};
pub use wanted::Notes;

use crate::error::Error;
use crate::plan::{GUARD_TABLE, PROTOCOL};
use crate::state::records::Made;
use crate::talk::Talk;

/// Makes the share of this machine as it is to be: all of it, or nothing.
///
/// # Errors
///
/// What the kernel refused, with everything that was done before taken back; a name or link that is held by somebody
/// else; a state that cannot be used.
pub fn apply(machine: &mut Machine, share: &Share, talk: &Talk) -> Result<Outcome, Error> {
    let mut make = |system: &mut Namespaces, steps: &[Step]| transact(system, steps);
    apply_through(machine, share, talk, &mut make)
}

/// What makes steps real: all of them, or none.
pub type Transact<'a> = dyn FnMut(&mut Namespaces, &[Step]) -> Result<Undo, TransactError> + 'a;

/// As [`apply`], with the steps made by `make`: a test can put itself between, and fail wherever it likes.
///
/// # Errors
///
/// As [`apply`].
pub fn apply_through(
    machine: &mut Machine,
    share: &Share,
    talk: &Talk,
    make: &mut Transact<'_>,
) -> Result<Outcome, Error> {
    let before = machine.holdings(share)?;
    machine.meet(share, &before)?;
    machine.refuse_foreign(share, &before)?;
    machine.heal(&before)?;
    let (wanted, after) = wishes(machine, share, &before)?;
    let difference = difference(machine, share, &wanted)?;
    talk.detail(format_args!(
        "{} changes, {} removals",
        difference.make.len(),
        difference.clear.len()
    ));
    let files = file_changes(share, &before, &after)?;
    let papers = machine.file(&share.papers)?;
    // What may be there at the end of a run that is cut short.
    let intended = before.with(
        before.vpc.clone().union(after.vpc.clone()),
        before.project.clone().union(after.project.clone()),
    );
    let noted = machine.remember(share, &before, &intended)?;
    if let Err(error) = make(&mut machine.system, &difference.make) {
        if error.left.is_empty() {
            machine.remember(share, &noted, &before)?;
            machine.file(&papers)?;
        }
        return Err(Error::Refused {
            host: share.host.clone(),
            error: Box::new(error),
        });
    }
    let left = machine.clear(&difference.clear);
    write(share, &files)?;
    if left.is_empty() {
        machine.remember(share, &noted, &after)?;
    }
    finish(share, &difference, &files, left)
}

/// What [`apply`] would do.
///
/// # Errors
///
/// As [`apply`].
pub fn diff(machine: &mut Machine, share: &Share) -> Result<Outcome, Error> {
    let before = machine.holdings(share)?;
    machine.meet(share, &before)?;
    machine.refuse_foreign(share, &before)?;
    let (wanted, after) = wishes(machine, share, &before)?;
    let difference = difference(machine, share, &wanted)?;
    let files = file_changes(share, &before, &after)?;
    finish(share, &difference, &files, Vec::new())
}

/// Takes away what a project was given here, with a share that is [nothing](Share::nothing), and what its VPC was given if no other project is left.
///
/// # Errors
///
/// [`Error::Left`] names everything that could not be taken away, and why; the rest is gone.
pub fn destroy(machine: &mut Machine, share: &Share) -> Result<Outcome, Error> {
    let before = machine.holdings(share)?;
    machine.meet(share, &before)?;
    machine.heal(&before)?;
    let (wanted, after) = wishes(machine, share, &before)?;
    let difference = difference(machine, share, &wanted)?;
    let files = file_changes(share, &before, &after)?;
    let mut left = machine.clear(&difference.make);
    left.extend(machine.clear(&difference.clear));
    write(share, &files)?;
    if left.is_empty() {
        machine.file(&share.papers)?;
        machine.remember(share, &before, &after)?;
    }
    finish(share, &difference, &files, left)
}

/// What is wanted and what is to go, and the records of a machine where that is so.
fn wishes(
    machine: &mut Machine,
    share: &Share,
    before: &Holdings,
) -> Result<(Wanted, Holdings), Error> {
    let owner = |alias: &str| Owner {
        protocol: PROTOCOL,
        alias: alias.to_owned(),
    };
    let (mut vpc, mut project) = (Made::default(), Made::default());
    let mut wanted = Wanted::new();
    project.given.extend(before.project.given.clone());
    project.given.extend(share.given.clone());
    for (place, want) in share.wants.iter().cloned() {
        match (place, want) {
            (_, Want::Netns(name)) if project.given.contains_key(&name) => {
                wanted.owned_in(Some(&name), owner(&share.notes.project));
            }
            (_, Want::Netns(name)) => {
                let is_vpc = name == share.vpc;
                let note = if is_vpc {
                    &share.notes.vpc
                } else {
                    &share.notes.project
                };
                wanted.owned_in(Some(&name), owner(note));
                let made = if is_vpc { &mut vpc } else { &mut project };
                made.namespaces.push(name.clone());
                wanted.here(Want::Netns(name));
            }
            (Some(netns), want) => {
                wanted.in_netns(netns, want);
            }
            (None, want) => {
                let (wish, record) = machine.shared(share, before, want)?;
                project.here.extend(record);
                if let Some(wish) = wish {
                    wanted.here(wish);
                }
            }
        }
    }
    if share.wants.is_empty() && before.is_shared {
        vpc = before.vpc.clone();
    }
    let is_pod = |pod: &String| {
        share
            .wants
            .iter()
            .any(|(_, want)| *want == Want::Netns(pod.clone()))
    };
    project.given.retain(|pod, _| is_pod(pod));
    remove(&mut wanted, before, &before.vpc, &vpc, &share.notes.vpc);
    remove(
        &mut wanted,
        before,
        &before.project,
        &project,
        &share.notes.project,
    );
    Ok((wanted, before.with(vpc, project)))
}

/// Wants gone what was made and is not any more.
fn remove(wanted: &mut Wanted, holdings: &Holdings, before: &Made, after: &Made, note: &str) {
    let owner = || Owner {
        protocol: PROTOCOL,
        alias: note.to_owned(),
    };
    let pods = before
        .namespaces
        .iter()
        .filter(|name| !after.namespaces.contains(name));
    for name in pods {
        wanted.without(None, Want::Netns(name.clone()));
        wanted.owned_in(Some(name), owner());
    }
    for pod in before
        .given
        .keys()
        .filter(|pod| !after.given.contains_key(*pod))
    {
        wanted.owned_in(Some(pod), owner());
        let guard = NftTable::new(NftFamily::Ip6, GUARD_TABLE);
        wanted.without(Some(pod), Want::Nft(guard));
    }
    for want in &before.here {
        let stays = after.here.iter().any(|other| same_object(other, want));
        if !stays && !holdings.others_have(want) {
            wanted.without(None, want.clone());
        }
    }
}

fn difference(machine: &mut Machine, share: &Share, wanted: &Wanted) -> Result<Difference, Error> {
    let difference = wanted.difference(&mut machine.system);
    difference.map_err(Error::netlink(&share.host))
}

/// The hosts files that are not as they should be. A namespace of somebody else's has them only under its own name.
fn file_changes(
    share: &Share,
    before: &Holdings,
    after: &Holdings,
) -> Result<Vec<FileChange>, Error> {
    let is_name = |how: &str| !how.contains('/') && how.parse::<u32>().is_err();
    let name = |pod: &str| match after.project.given.get(pod) {
        Some(how) => is_name(how).then(|| how.clone()),
        None => Some(pod.to_owned()),
    };
    let files = share.hosts_files.iter();
    let wanted = files
        .filter_map(|(pod, text)| Some((name(pod)?, text.clone())))
        .collect();
    let given = before.project.given.values().filter(|how| is_name(how));
    let gone = before.project.namespaces.iter().chain(given).cloned();
    hosts::changes(Path::new(ETC_NETNS), &wanted, gone).map_err(Error::io(format!(
        "{}: cannot read hosts files",
        share.host
    )))
}

fn write(share: &Share, files: &[FileChange]) -> Result<(), Error> {
    for change in files {
        hosts::make(change).map_err(Error::io(format!(
            "{}: the networks are as wanted, but the names are not: cannot {}",
            share.host,
            change.description()
        )))?;
    }
    Ok(())
}

fn finish(
    share: &Share,
    difference: &Difference,
    files: &[FileChange],
    left: Vec<(Step, NetlinkError)>,
) -> Result<Outcome, Error> {
    if left.is_empty() {
        return Ok(Outcome::new(&share.host, difference, files));
    }
    Err(Error::Left {
        host: share.host.clone(),
        steps: left,
    })
}
