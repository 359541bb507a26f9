//! Several steps as one: all of them, or none.

mod compare;
mod diff;
mod inverse;
mod link;
mod removal;
mod whole;

pub use diff::{Difference, Owner, Want, Wanted};

use std::fmt;

use crate::error::{Error, Result};
use crate::namespaces::{Namespaces, Step};
use crate::op::Op;

/// Applies steps and knows how to take them back.
///
/// [`Namespaces`] is the real one; a test can put itself between and fail wherever it likes.
pub trait Executor {
    /// Applies one step.
    fn apply(&mut self, step: &Step) -> Result<()>;

    /// The steps that take `step` back, as things are before it is applied.
    fn inverse(&mut self, step: &Step) -> Result<Vec<Step>>;

    /// Applies steps that do not depend on each other, and stops at nothing.
    ///
    /// Gives back the place and the reason of each failure; whatever is not named was done.
    fn apply_independent(&mut self, steps: &[Step]) -> Result<Vec<(usize, Error)>> {
        let attempt = |(place, step)| self.apply(step).err().map(|error| (place, error));
        Ok(steps.iter().enumerate().filter_map(attempt).collect())
    }
}

impl Executor for Namespaces {
    fn apply(&mut self, step: &Step) -> Result<()> {
        Self::apply(self, step)
    }

    fn inverse(&mut self, step: &Step) -> Result<Vec<Step>> {
        inverse::inverse(self, step)
    }

    fn apply_independent(&mut self, steps: &[Step]) -> Result<Vec<(usize, Error)>> {
        self.apply_batch(steps)
    }
}

/// What takes a transaction back: steps in the order in which they are to be applied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Undo {
    steps: Vec<Step>,
}

impl Undo {
    /// The steps, first to be applied first.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Takes everything back. What cannot be taken back is reported, and the rest is done all the same.
    ///
    /// What fails is tried again after the rest, as long as that helps: a route may need an address that comes later.
    #[must_use]
    pub fn apply(self, executor: &mut dyn Executor) -> Vec<(Step, Error)> {
        let mut steps = self.steps;
        let mut failures = steps.len();
        loop {
            let mut left: Vec<(Step, Option<Error>)> = Vec::new();
            for step in steps {
                match executor.apply(&step) {
                    Err(error) if !is_gone(&step, &error) => left.push((step, Some(error))),
                    _ => {
                        // What failed before would undo this if it were tried again.
                        left.retain(|(earlier, _)| !same_object(earlier, &step));
                        if left
                            .iter()
                            .any(|(earlier, _)| same_settings(earlier, &step))
                        {
                            left.push((step, None));
                        }
                    }
                }
            }
            let failed = left.iter().filter(|(_, error)| error.is_some()).count();
            if failed == 0 || failed == failures {
                let failed = |(step, error): (Step, Option<Error>)| Some((step, error?));
                return left.into_iter().filter_map(failed).collect();
            }
            failures = failed;
            steps = left.into_iter().map(|(step, _)| step).collect();
        }
    }
}

/// Do both steps write settings of the same thing, so that the later one is to be done again after the earlier one?
fn same_settings(a: &Step, b: &Step) -> bool {
    a.netns == b.netns
        && match (&a.op, &b.op) {
            (Op::SetLink(a), Op::SetLink(b)) => a.name == b.name,
            (Op::SetNft(a), Op::SetNft(b)) => (a.family, &a.name) == (b.family, &b.name),
            (Op::WriteSysctl(a), Op::WriteSysctl(b)) => a.key == b.key,
            _ => false,
        }
}

/// Do both steps settle the same address, neighbour, next hop or route, so that the later one has the last word?
fn same_object(a: &Step, b: &Step) -> bool {
    a.netns == b.netns && Object::of(a).is_some() && Object::of(a) == Object::of(b)
}

/// What a step settles, where that can be settled twice.
#[derive(PartialEq, Eq)]
enum Object<'a> {
    Address(&'a str, ipnet::IpNet),
    Neighbour(&'a str, std::net::IpAddr, bool),
    NextHop(u32),
    Route(inverse::RouteKey),
}

impl<'a> Object<'a> {
    fn of(step: &'a Step) -> Option<Self> {
        Some(match &step.op {
            Op::AddAddress(a) | Op::DeleteAddress(a) | Op::ReplaceAddress(a) => {
                Self::Address(&a.dev, a.net)
            }
            Op::AddNeighbour(n) | Op::DeleteNeighbour(n) | Op::ReplaceNeighbour(n) => {
                Self::Neighbour(&n.dev, n.address, n.proxy)
            }
            Op::AddNextHop(object) | Op::ReplaceNextHop(object) => Self::NextHop(object.id),
            Op::DeleteNextHop(id) => Self::NextHop(*id),
            Op::AddRoute(r) | Op::DeleteRoute(r) | Op::ReplaceRoute(r) => {
                Self::Route(inverse::route_key(r))
            }
            _ => return None,
        })
    }
}

/// Is there nothing left of what the step was to remove?
fn is_gone(step: &Step, error: &Error) -> bool {
    let removes = matches!(
        step.op,
        Op::DeleteAddress(_)
            | Op::DeleteAltName { .. }
            | Op::DeleteLink(_)
            | Op::DeleteNeighbour(_)
            | Op::DeleteNetns(_)
            | Op::DeleteNextHop(_)
            | Op::DeleteNft(_)
            | Op::DeleteRoute(_)
            | Op::DeleteRule(_)
    );
    removes && error.is_not_found()
}

/// A transaction that did not happen.
#[derive(Debug)]
pub struct TransactError {
    /// The place of the step that failed.
    pub at: usize,
    /// The step that failed.
    pub step: Box<Step>,
    /// Why.
    pub source: Error,
    /// What could not be taken back, and why; empty when everything is as before.
    pub left: Vec<(Step, Error)>,
}

impl std::error::Error for TransactError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl fmt::Display for TransactError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {} ({}) failed, ", self.at + 1, self.step)?;
        if self.left.is_empty() {
            return write!(f, "everything before it was taken back: {}", self.source);
        }
        write!(f, "and this could not be taken back:")?;
        for (step, error) in &self.left {
            write!(f, " {step} ({error});")?;
        }
        write!(f, " the failure itself: {}", self.source)
    }
}

/// Applies steps in order; where one fails, takes those before it back in reverse order.
///
/// Steps that only add routes, addresses, rules or neighbours share datagrams as long as they stand together and in one
/// namespace: they do not depend on each other. A step that overwrites or removes something reads it first, with what the
/// kernel removes along with it: links on top, addresses, neighbours, next hops, routes, keys. Not taken back are the
/// deletion of a namespace, the number that one has in another, and what a deleted link had in other namespaces or as
/// kernel settings.
///
/// # Errors
///
/// [`TransactError`] names the step and what, if anything, could not be taken back.
///
/// ```no_run
/// use kraud_netlink::{Address, Link, LinkChange, Namespaces, Op, Step, transact};
///
/// let mut system = Namespaces::named()?;
/// let steps = [
///     Step::here(Op::AddLink(Link::bridge("br0").up())),
///     Step::here(Op::AddAddress(Address::new("br0", "10.0.0.1/24".parse()?))),
/// ];
/// let undo = transact(&mut system, &steps)?;
/// assert!(undo.apply(&mut system).is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn transact(executor: &mut dyn Executor, steps: &[Step]) -> Result<Undo, TransactError> {
    // In the order of the steps, so to be applied from the back.
    let mut inverses: Vec<Vec<Step>> = Vec::with_capacity(steps.len());
    let mut at = 0;
    while let Some(step) = steps.get(at) {
        let run = independent(steps.get(at..).unwrap_or(&[]));
        let failure = if run.len() > 1 {
            independent_run(executor, run, &mut inverses).map(|(place, error)| (at + place, error))
        } else {
            single(executor, step, &mut inverses).map(|error| (at, error))
        };
        if let Some((at, source)) = failure {
            let left = undo_of(inverses).apply(executor);
            let step = steps.get(at).unwrap_or(step).clone();
            return Err(TransactError {
                at,
                step: Box::new(step),
                source,
                left,
            });
        }
        at += run.len().max(1);
    }
    Ok(undo_of(inverses))
}

fn undo_of(inverses: Vec<Vec<Step>>) -> Undo {
    Undo {
        steps: inverses.into_iter().rev().flatten().collect(),
    }
}

fn single(
    executor: &mut dyn Executor,
    step: &Step,
    inverses: &mut Vec<Vec<Step>>,
) -> Option<Error> {
    let inverse = match executor.inverse(step) {
        Ok(inverse) => inverse,
        Err(error) => return Some(error),
    };
    match executor.apply(step) {
        Ok(()) => {
            inverses.push(inverse);
            None
        }
        Err(error) => Some(error),
    }
}

fn independent_run(
    executor: &mut dyn Executor,
    run: &[Step],
    inverses: &mut Vec<Vec<Step>>,
) -> Option<(usize, Error)> {
    let failed = match executor.apply_independent(run) {
        Ok(failed) => failed,
        // The conversation ended: it is not known what was done. What was not done is gone already when taken back.
        Err(error) => {
            inverses.extend(
                run.iter()
                    .map(|step| inverse::of_addition(step).into_iter().collect()),
            );
            return Some((0, error));
        }
    };
    for (place, step) in run.iter().enumerate() {
        if !failed.iter().any(|(other, _)| *other == place) {
            inverses.push(inverse::of_addition(step).into_iter().collect());
        }
    }
    failed.into_iter().next()
}

/// The steps at the front that add the same kind of thing in the same namespace.
fn independent(steps: &[Step]) -> &[Step] {
    let Some(first) = steps.first() else {
        return &[];
    };
    let same = |step: &&Step| {
        step.netns == first.netns
            && inverse::is_independent(&step.op)
            && std::mem::discriminant(&step.op) == std::mem::discriminant(&first.op)
    };
    let count = steps.iter().take_while(same).count();
    steps.get(..count).unwrap_or(&[])
}
