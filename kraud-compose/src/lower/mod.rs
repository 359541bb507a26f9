//! From the tree to the model: types, names, defaults.
//!
//! Everything here reads one value at a time; what needs two of them is in `check`.

mod endpoint;
pub(crate) mod keys;
mod network;
mod project;
mod scalar;
mod service;
mod service_lists;

pub(crate) use endpoint::first_usable;
pub use project::project_name;
pub(crate) use project::{Naming, lower};

use crate::diagnostic::{Code, Diagnostic, Sink, closest};
use crate::options::Dialect;
use crate::span::{SourceMap, Span, Spanned};
use crate::yaml::{Entry, NodeId, Tree};

/// What the readers of values share.
pub(crate) struct Context<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) sources: &'a SourceMap,
    pub(crate) sink: &'a mut Sink,
    pub(crate) dialect: Dialect,
    /// Spans of scalars with variables in them, sorted.
    pub(crate) variables: &'a [crate::diagnostic::Replaced],
}

impl Context<'_> {
    /// The text of a value for a message: as the file has it where a variable gave it, so that
    /// nothing of the environment leaks.
    fn shown(&self, id: NodeId) -> String {
        let target = self.tree.resolve(id);
        let span = self.tree.span(target);
        let text = if self
            .variables
            .binary_search_by_key(&span, |(s, _)| *s)
            .is_ok()
        {
            self.sources.slice(span).trim_matches(['"', '\''])
        } else {
            self.tree.str(id).unwrap_or_default()
        };
        crate::text::shorten(text)
    }

    /// Whether variables were replaced in a scalar.
    fn is_variable(&self, id: NodeId) -> bool {
        let span = self.tree.span(self.tree.resolve(id));
        self.variables
            .binary_search_by_key(&span, |(s, _)| *s)
            .is_ok()
    }

    fn wrong_type(&mut self, id: NodeId, what: &str, expected: &str) -> Diagnostic {
        let found = self.tree.describe(id);
        Diagnostic::new(
            Code::WRONG_TYPE,
            self.place(id),
            format!("{what} has to be {expected}, but this is {found}"),
        )
    }

    /// The place of a value for a message: the first line of a collection is enough.
    fn place(&self, id: NodeId) -> Span {
        let span = self.tree.span(id);
        let text = self.sources.slice(span);
        let first = text.lines().next().map_or(0, str::len);
        Span::new(span.file, span.start as usize, span.start as usize + first)
    }

    /// The entries of a mapping; reports anything else but null.
    fn entries(&mut self, id: NodeId, what: &str) -> Vec<Entry> {
        if let Some(entries) = self.tree.entries(id) {
            return entries.to_vec();
        }
        if !self.tree.is_null(id) {
            let d = self.wrong_type(id, what, "a mapping");
            self.sink.push(d);
        }
        Vec::new()
    }

    /// The key of an entry with its place.
    fn key(&self, entry: Entry) -> Spanned<String> {
        let text = self.tree.str(entry.key).unwrap_or_default();
        Spanned::new(text.to_owned(), self.tree.span(entry.key))
    }

    /// From the first byte of the key to the last of the value.
    fn extent(&self, entry: Entry) -> Span {
        let key = self.tree.span(entry.key);
        let value = self.tree.span(entry.value);
        let end = if value.file == key.file && value.end > key.end {
            value.end
        } else {
            key.end
        };
        Span { end, ..key }
    }

    /// A key that nobody knows here: says where it belongs or what is meant.
    fn unknown_key(&mut self, entry: Entry, place: &str, known: &[&str]) {
        let key = self.key(entry);
        if key.value.starts_with("x-") {
            return;
        }
        let mut d = Diagnostic::new(
            Code::UNKNOWN_KEY,
            key.span,
            format!(
                "{place} has no attribute `{}`",
                crate::text::shorten(&key.value)
            ),
        );
        if let Some(meant) = closest(&key.value, known.iter().copied()) {
            d = d.help(format!("did you mean `{meant}`?")).fix(
                format!("write `{meant}`"),
                key.span,
                meant,
            );
        }
        self.sink.push(d);
    }
}
