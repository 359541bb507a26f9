//! `extends`: a service on top of another, of the same file or of a further one.

use std::collections::HashMap;

use super::{Loader, Scope, environment};
use crate::diagnostic::{Code, Diagnostic, closest};
use crate::merge::Place;
use crate::span::{FileId, Span, Spanned};
use crate::text::shorten;
use crate::yaml::{Entry, NodeId, Tag};

/// What has been resolved, and what is being resolved, in one document.
#[derive(Default)]
struct Progress {
    done: HashMap<String, NodeId>,
    /// The services that extend one another down to the current one.
    chain: Vec<(String, String)>,
}

impl Loader<'_> {
    /// The document with every `extends` of its services followed.
    pub(super) fn extends(&mut self, document: NodeId, file: FileId, scope: &Scope) -> NodeId {
        let name = self.sources.file(file).map_or("", |f| f.name()).to_owned();
        let Some(services) = self.tree.find(document, "services") else {
            return document;
        };
        let entries = self.tree.entries(services.value).unwrap_or_default();
        if entries
            .iter()
            .all(|e| self.tree.find(e.value, "extends").is_none())
        {
            return document;
        }
        let entries = entries.to_vec();
        let mut progress = Progress::default();
        let mut out = Vec::with_capacity(entries.len());
        for e in entries {
            let key = self.tree.str(e.key).unwrap_or_default().to_owned();
            let value = self.extended(document, &key, &name, scope, &mut progress);
            out.push(Entry {
                value: value.unwrap_or(e.value),
                ..e
            });
        }
        let span = self.tree.span(services.value);
        let services_map = self.tree.map(span, Tag::None, &out);
        let mut top = self.tree.entries(document).unwrap_or_default().to_vec();
        for e in &mut top {
            if self.tree.str(e.key) == Some("services") {
                e.value = services_map;
            }
        }
        self.tree.map(self.tree.span(document), Tag::None, &top)
    }

    /// A service of a document with its `extends` followed; `None` when there is no such service.
    fn extended(
        &mut self,
        document: NodeId,
        key: &str,
        file: &str,
        scope: &Scope,
        progress: &mut Progress,
    ) -> Option<NodeId> {
        let memo = format!("{file}\n{}\n{key}", document.0);
        if let Some(&done) = progress.done.get(&memo) {
            return Some(done);
        }
        let services = self.tree.find(document, "services")?;
        let service = self.tree.find(services.value, key)?;
        let Some(extends) = self.tree.find(service.value, "extends") else {
            return Some(service.value);
        };
        let step = (file.to_owned(), key.to_owned());
        if let Some(at) = progress.chain.iter().position(|s| *s == step) {
            let circle = progress.chain.iter().skip(at).chain([&step]);
            let names: Vec<&str> = circle.map(|(_, key)| key.as_str()).collect();
            self.sink.push(Diagnostic::new(
                Code::EXTENDS_CYCLE,
                self.tree.span(extends.key),
                format!(
                    "services extend each other in a circle: {}",
                    shorten(&names.join(" -> "))
                ),
            ));
            return Some(self.without_extends(service.value));
        }
        if progress.chain.len() >= self.options.budget.includes {
            self.sink.push(Diagnostic::new(
                Code::BUDGET,
                self.tree.span(extends.key),
                "too many services extend one another",
            ));
            return Some(self.without_extends(service.value));
        }
        let own = self.without_extends(service.value);
        progress.chain.push(step);
        let base = self.base(document, extends, file, scope, progress);
        progress.chain.pop();
        let merged = match base {
            Some(base) => self.merger().merge(base, own, Place::Service),
            None => own,
        };
        progress.done.insert(memo, merged);
        Some(merged)
    }

    /// The service that an `extends` names.
    fn base(
        &mut self,
        document: NodeId,
        extends: Entry,
        file: &str,
        scope: &Scope,
        progress: &mut Progress,
    ) -> Option<NodeId> {
        let (service, from) = self.target(extends)?;
        let (found, place) = match &from {
            None => (
                self.extended(document, &service.value, file, scope, progress),
                String::new(),
            ),
            Some(path) => {
                let full = environment::join(&scope.directory, &path.value);
                let base = self.base_file(&full, path.span, scope)?;
                let inner = Scope {
                    directory: environment::parent(&full).to_owned(),
                    ..scope.clone()
                };
                let found = self.extended(base, &service.value, &full, &inner, progress);
                (found, format!(" in `{}`", shorten(&path.value)))
            }
        };
        if found.is_none() {
            let mut d = Diagnostic::new(
                Code::EXTENDS,
                service.span,
                format!(
                    "there is no service `{}`{place} to extend",
                    shorten(&service.value)
                ),
            );
            let near = match from {
                Some(_) => None,
                None => self.tree.find(document, "services").and_then(|services| {
                    let entries = self.tree.entries(services.value).unwrap_or_default();
                    let names = entries.iter().filter_map(|e| self.tree.str(e.key));
                    closest(&service.value, names).map(str::to_owned)
                }),
            };
            if let Some(near) = near {
                d = d.help(format!("did you mean `{near}`?"));
            }
            self.sink.push(d);
        }
        found
    }

    /// The service and file of an `extends`, short or long.
    fn target(&mut self, extends: Entry) -> Option<(Spanned<String>, Option<Spanned<String>>)> {
        let text = |this: &Self, id: NodeId| {
            let text = this.tree.str(id).filter(|t| !t.is_empty())?;
            Some(Spanned::new(text.to_owned(), this.tree.span(id)))
        };
        if let Some(service) = text(self, extends.value) {
            return Some((service, None));
        }
        let service = self.tree.find(extends.value, "service");
        let service = service.and_then(|e| text(self, e.value));
        let file = self.tree.find(extends.value, "file");
        let file = file.and_then(|e| text(self, e.value));
        if service.is_none() {
            self.sink.push(Diagnostic::new(
                Code::EXTENDS,
                self.tree.span(extends.key),
                "`extends` needs the name of a `service`",
            ));
        }
        service.map(|service| (service, file))
    }

    /// The document of a file that services extend.
    fn base_file(&mut self, path: &str, at: Span, scope: &Scope) -> Option<NodeId> {
        if let Some(known) = self.bases.get(path) {
            return *known;
        }
        let here = Scope {
            directory: String::new(),
            ..scope.clone()
        };
        let parsed = self.fetch(path, at, Code::EXTENDS, &here);
        let root = parsed.and_then(|parsed| {
            self.interpolate(&parsed.dollars, scope);
            let mut root = None;
            for document in parsed.documents {
                root = Some(match root {
                    None => document,
                    Some(base) => self.merger().merge(base, document, Place::Root),
                });
            }
            root
        });
        self.bases.insert(path.to_owned(), root);
        root
    }

    fn without_extends(&mut self, service: NodeId) -> NodeId {
        let Some(entries) = self.tree.entries(service) else {
            return service;
        };
        let kept = entries.iter().copied();
        let kept: Vec<Entry> = kept
            .filter(|e| self.tree.str(e.key) != Some("extends"))
            .collect();
        self.tree.map(self.tree.span(service), Tag::None, &kept)
    }
}
