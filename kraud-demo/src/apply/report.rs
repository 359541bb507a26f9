//! What a run changed, or would.

use std::fmt::Write;

use kraud_netlink::{Difference, Op, Step};
use serde::Serialize;

use super::hosts::FileChange;

/// The changes of one machine.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The version of this form.
    pub schema: &'static str,
    /// The host.
    pub host: String,
    /// The changes, in order; none if everything was as wanted.
    pub changes: Vec<StepRow>,
}

/// One change.
#[derive(Clone, Debug, Serialize)]
pub struct StepRow {
    /// Where; `None` is the host's own namespace.
    pub namespace: Option<String>,
    /// What, in words.
    pub does: String,
    /// The commands that do the same.
    pub commands: Vec<String>,
    #[serde(skip)]
    sign: char,
}

impl Outcome {
    pub(super) fn new(host: &str, difference: &Difference, files: &[FileChange]) -> Self {
        let steps = difference.make.iter().chain(&difference.clear);
        Self {
            schema: crate::SCHEMA,
            host: host.to_owned(),
            changes: steps
                .map(StepRow::of)
                .chain(files.iter().map(StepRow::of_file))
                .collect(),
        }
    }

    /// Whether there was nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The changes by namespace, for a person.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = String::new();
        let mut current = None;
        for row in &self.changes {
            let place = row.namespace.as_deref().unwrap_or(&self.host);
            if current != Some(place) {
                let _ = writeln!(text, "{place}");
                current = Some(place);
            }
            let _ = writeln!(text, "  {} {}", row.sign, row.does);
        }
        let count = self.changes.len();
        let plural = if count == 1 { "" } else { "s" };
        let _ = writeln!(text, "{}: {count} change{plural}", self.host);
        text
    }
}

impl StepRow {
    fn of_file(change: &FileChange) -> Self {
        Self {
            namespace: None,
            does: change.description(),
            commands: Vec::new(),
            sign: '~',
        }
    }

    fn of(step: &Step) -> Self {
        Self {
            namespace: step.netns.clone(),
            does: step.op.to_string(),
            commands: step.commands(),
            sign: sign(&step.op),
        }
    }
}

/// Whether something comes, changes or goes.
fn sign(op: &Op) -> char {
    match op {
        Op::AddAddress(_)
        | Op::AddLink(_)
        | Op::AddNetns(_)
        | Op::AddNeighbour(_)
        | Op::AddRoute(_)
        | Op::AddRule(_)
        | Op::AppendRoute(_) => '+',
        Op::DeleteAddress(_)
        | Op::DeleteLink(_)
        | Op::DeleteLinkGroup(_)
        | Op::DeleteNetns(_)
        | Op::DeleteNeighbour(_)
        | Op::DeleteNft(_)
        | Op::DeleteRoute(_)
        | Op::DeleteRule(_) => '-',
        _ => '~',
    }
}
