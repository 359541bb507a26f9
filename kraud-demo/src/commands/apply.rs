//! `apply`, `diff` and `destroy`: the machine's share of a project.

use super::place::Place;
use super::print_as;
use crate::apply::{self, Machine, Outcome, Share};
use crate::cli::{ApplyArgs, DestroyArgs, Output};
use crate::error::{Error, exit};
use crate::input;
use crate::talk::Talk;

pub(super) fn apply(args: &ApplyArgs, talk: &Talk) -> Result<(), Error> {
    let place = Place::of(&args.machine, &args.input)?;
    let mut machine = place.machine()?.lock()?;
    let share = share(args, &place, &mut machine, true, talk)?;
    let outcome = apply::apply(&mut machine, &share, talk)?;
    print(&outcome, args.output)
}

pub(super) fn diff(args: &ApplyArgs, talk: &Talk) -> Result<u8, Error> {
    let place = Place::of(&args.machine, &args.input)?;
    let mut machine = place.machine()?;
    let share = share(args, &place, &mut machine, false, talk)?;
    let outcome = apply::diff(&mut machine, &share)?;
    print(&outcome, args.output)?;
    Ok(if outcome.is_empty() {
        exit::OK
    } else {
        exit::CHANGES
    })
}

pub(super) fn destroy(args: &DestroyArgs, talk: &Talk) -> Result<(), Error> {
    let place = Place::of(&args.machine, &args.input)?;
    let namespace = match (&args.input.project_name, args.input.files.is_empty()) {
        (Some(name), true) => name.clone(),
        _ => input::load(&args.input, talk)?.name,
    };
    let mut machine = place.machine()?.lock()?;
    let share = place.nothing(&namespace, &mut machine)?;
    let outcome = apply::destroy(&mut machine, &share)?;
    print(&outcome, args.output)
}

fn share(
    args: &ApplyArgs,
    place: &Place,
    machine: &mut Machine,
    make: bool,
    talk: &Talk,
) -> Result<Share, Error> {
    let project = input::load(&args.input, talk)?;
    let allocated = place.allocate(&project, machine, talk)?;
    place.share(allocated, machine, make, talk)
}

fn print(outcome: &Outcome, output: Output) -> Result<(), Error> {
    print_as(output, outcome, || outcome.table())
}
