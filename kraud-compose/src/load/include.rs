//! `include`: further files, each a project of its own, whose parts join this one.

use std::rc::Rc;

use super::{Loader, Scope, environment};
use crate::diagnostic::{Code, Diagnostic};
use crate::span::{Span, Spanned};
use crate::text::shorten;
use crate::yaml::{Entry, NodeId, Tag};

/// The sections that an included file brings along.
const SECTIONS: &[&str] = &[
    "configs", "models", "networks", "secrets", "services", "volumes",
];

impl Loader<'_> {
    /// The document with its `include`s followed.
    pub(super) fn include(&mut self, document: NodeId, scope: &Scope) -> NodeId {
        let Some(include) = self.tree.find(document, "include") else {
            return document;
        };
        let items = match self.tree.items(include.value) {
            Some(items) => items.to_vec(),
            None if self.tree.is_null(include.value) => Vec::new(),
            None => {
                self.bad(include.key, "`include` has to be a list");
                Vec::new()
            }
        };
        let top = self
            .tree
            .entries(document)
            .unwrap_or_default()
            .iter()
            .copied();
        let top: Vec<Entry> = top
            .filter(|e| self.tree.str(e.key) != Some("include"))
            .collect();
        let mut document = self.tree.map(self.tree.span(document), Tag::None, &top);
        for item in items {
            if let Some(included) = self.included(item, scope) {
                document = self.join(document, included, self.tree.span(item));
            }
        }
        document
    }

    fn bad(&mut self, at: NodeId, message: &str) {
        let span = self.tree.span(at);
        self.sink
            .push(Diagnostic::new(Code::INCLUDE, span, message));
    }

    /// The merged files of one entry.
    fn included(&mut self, item: NodeId, scope: &Scope) -> Option<NodeId> {
        let (paths, directory, env_files) = if self.tree.entries(item).is_some() {
            (
                self.names(item, "path"),
                self.names(item, "project_directory").pop(),
                self.names(item, "env_file"),
            )
        } else {
            let path = self.tree.str(item).unwrap_or_default().to_owned();
            (
                vec![Spanned::new(path, self.tree.span(item))],
                None,
                Vec::new(),
            )
        };
        let Some(first) = paths.first().filter(|p| !p.value.is_empty()) else {
            self.bad(item, "an entry of `include` needs a `path`");
            return None;
        };
        let full = environment::join(&scope.directory, &first.value);
        if scope.chain.contains(&full) {
            let mut names = scope.chain.clone();
            names.push(full);
            let circle = shorten(&names.join(" -> "));
            self.sink.push(Diagnostic::new(
                Code::EXTENDS_CYCLE,
                first.span,
                format!("files include each other in a circle: {circle}"),
            ));
            return None;
        }
        let directory = match directory {
            Some(directory) => environment::join(&scope.directory, &directory.value),
            None => environment::parent(&full).to_owned(),
        };
        let optional = env_files.is_empty();
        let files: Vec<String> = if optional {
            // The project's own `.env` has been read.
            let own = environment::join(&directory, ".env");
            if directory.is_empty() {
                Vec::new()
            } else {
                vec![own]
            }
        } else {
            let files = env_files.iter();
            files
                .map(|f| environment::join(&scope.directory, &f.value))
                .collect()
        };
        let inner = self.inner_environment(&scope.environment, &files, optional, first.span);
        let mut chain = scope.chain.clone();
        chain.push(full);
        let inner = Scope {
            directory,
            environment: Rc::new(inner),
            chain,
        };
        let mut root = None;
        for path in paths {
            let parsed = self.fetch(&path.value, path.span, Code::INCLUDE, scope)?;
            root = self.layer(root, parsed, &inner);
        }
        root
    }

    /// A text or a list of texts under a key.
    fn names(&self, map: NodeId, key: &str) -> Vec<Spanned<String>> {
        let Some(entry) = self.tree.find(map, key) else {
            return Vec::new();
        };
        let items = match self.tree.items(entry.value) {
            Some(items) => items.to_vec(),
            None => vec![entry.value],
        };
        let texts = items.into_iter().filter_map(|id| {
            let text = self.tree.str(id)?;
            Some(Spanned::new(text.to_owned(), self.tree.span(id)))
        });
        texts.collect()
    }

    /// Adds the parts of an included file; what both define has to be the same.
    fn join(&mut self, document: NodeId, included: NodeId, at: Span) -> NodeId {
        let mut top: Vec<Entry> = self.tree.entries(document).unwrap_or_default().to_vec();
        let inner: Vec<Entry> = self.tree.entries(included).unwrap_or_default().to_vec();
        for section in inner {
            let name = self.tree.str(section.key).unwrap_or_default();
            if !SECTIONS.contains(&name) {
                continue;
            }
            let known = top.iter().position(|e| self.tree.str(e.key) == Some(name));
            let Some(slot) = known.and_then(|i| top.get_mut(i)) else {
                top.push(section);
                continue;
            };
            let mut mine = self.tree.entries(slot.value).unwrap_or_default().to_vec();
            let theirs = self
                .tree
                .entries(section.value)
                .unwrap_or_default()
                .to_vec();
            let spent = mine.len() + theirs.len();
            self.limits.nodes = self.limits.nodes.saturating_sub(spent);
            let mut index = std::collections::HashMap::with_capacity(mine.len());
            for e in &mine {
                index.insert(self.tree.str(e.key).unwrap_or_default().to_owned(), *e);
            }
            for e in theirs {
                let key = self.tree.str(e.key).unwrap_or_default();
                match index.get(key) {
                    None => mine.push(e),
                    Some(old) if self.tree.same(old.value, e.value) => {}
                    Some(old) => {
                        let d = Diagnostic::new(
                            Code::INCLUDE_CONFLICT,
                            self.tree.span(old.key),
                            format!(
                                "`{}` is defined here and, differently, in an included file",
                                shorten(key)
                            ),
                        );
                        self.sink.push(
                            d.also(self.tree.span(e.key), "the other definition")
                                .also(at, "included here")
                                .help("move your changes to an override file"),
                        );
                    }
                }
            }
            let span = self.tree.span(slot.value);
            slot.value = self.tree.map(span, Tag::None, &mine);
        }
        self.tree.map(self.tree.span(document), Tag::None, &top)
    }
}
