//! The top level of a project, and its name.

use std::collections::HashMap;
use std::sync::Arc;

use super::endpoint::Known;
use super::{Context, keys};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Network, Project, Service};
use crate::options::Dialect;
use crate::span::{SourceMap, Span, Spanned};
use crate::text::shorten;
use crate::yaml::{Entry, NodeId};

/// A project name as docker compose derives it from any text: lower case, only letters, digits,
/// `_` and `-`, and none of the two in front. Empty when nothing is left.
///
/// ```
/// assert_eq!(kraud_compose::normalize_project_name("_My.Project"), "myproject");
/// ```
#[must_use]
pub fn project_name(text: &str) -> String {
    let lower = text.to_lowercase();
    let kept = lower
        .chars()
        .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'));
    let kept: String = kept.collect();
    kept.trim_start_matches(['_', '-']).to_owned()
}

/// What the caller knows about the project before the file is read.
pub(crate) struct Naming<'a> {
    /// Chosen by option or environment.
    pub(crate) chosen: Option<&'a str>,
    /// From the directory.
    pub(crate) directory: Option<&'a str>,
    pub(crate) active: &'a dyn Fn(&[Spanned<String>]) -> bool,
}

/// The model of a tree. `dialect` decides unless it is `None`: then the drivers do.
pub(crate) fn lower(
    cx: &mut Context<'_>,
    root: Option<NodeId>,
    dialect: Option<Dialect>,
    naming: &Naming<'_>,
    sources: &Arc<SourceMap>,
) -> Project {
    let top = match root {
        Some(root) => cx.entries(root, "a compose file"),
        None => Vec::new(),
    };
    let find = |cx: &Context<'_>, key: &str| {
        top.iter()
            .copied()
            .find(|e| cx.tree.str(e.key) == Some(key))
    };
    let has_services = find(cx, "services").is_some();
    for e in &top {
        let key = cx.tree.str(e.key).unwrap_or_default();
        if keys::TOP.binary_search(&key).is_err() {
            cx.top_key(*e, has_services);
        }
    }
    if !has_services {
        cx.v1(&top);
    }
    let name_entry = find(cx, "name");
    let version = find(cx, "version").and_then(|e| cx.version(e));
    let name = cx.name(naming, name_entry);
    let network_entries = match find(cx, "networks") {
        Some(e) => cx.entries(e.value, "`networks`"),
        None => Vec::new(),
    };
    cx.dialect = dialect.unwrap_or_else(|| {
        let ipip = network_entries.iter().any(|e| {
            let driver = cx.tree.find(e.value, "driver");
            driver.is_some_and(|d| matches!(cx.tree.str(d.value), Some("ipip" | "ip6ip")))
        });
        if ipip {
            Dialect::Kraud
        } else {
            Dialect::Docker
        }
    });
    let extension =
        |cx: &Context<'_>, e: &Entry| cx.tree.str(e.key).is_some_and(|k| k.starts_with("x-"));
    let mut networks: Vec<Network> = Vec::with_capacity(network_entries.len() + 1);
    for e in network_entries {
        if !(extension(cx, &e) && cx.tree.is_null(e.value)) {
            networks.push(cx.network(e, &name));
        }
    }
    let known = Known {
        index: networks
            .iter()
            .enumerate()
            .map(|(i, n)| (n.key.value.as_str(), i))
            .collect::<HashMap<_, _>>(),
        networks: &networks,
        implicit: networks.len(),
    };
    let service_entries = match find(cx, "services") {
        Some(e) => cx.entries(e.value, "`services`"),
        None => Vec::new(),
    };
    let mut services: Vec<Service> = Vec::with_capacity(service_entries.len());
    for e in service_entries {
        if !(extension(cx, &e) && cx.tree.entries(e.value).is_none()) {
            let mut service = cx.service(e, &known);
            service.active = (naming.active)(&service.profiles);
            services.push(service);
        }
    }
    let implicit = networks.len();
    let mut joined = services.iter().flat_map(|s| &s.endpoints);
    if let Some(first) = joined.find(|e| e.network_index == implicit) {
        networks.push(cx.default_network(first.network.span, &name));
    }
    Project {
        name,
        name_span: name_entry
            .filter(|_| naming.chosen.is_none())
            .map(|e| cx.tree.span(e.value)),
        version,
        dialect: cx.dialect,
        networks,
        services,
        sources: Arc::clone(sources),
        tree: crate::yaml::Tree::default(),
        root,
        anchors: Vec::new(),
        variables: Vec::new(),
    }
}

impl Context<'_> {
    fn version(&mut self, entry: Entry) -> Option<Spanned<String>> {
        let version = self.string(entry.value, "`version`")?;
        let extent = self.extent(entry);
        let d = Diagnostic::new(
            Code::OBSOLETE_VERSION,
            extent,
            "`version` is obsolete and ignored; all attributes of all versions are understood",
        );
        self.sink
            .push(d.fix("remove it", self.whole_line(extent), ""));
        Some(version)
    }

    /// The span up to the end of its line when nothing else stands on the line.
    fn whole_line(&self, span: Span) -> Span {
        let Some(file) = self.sources.file(span.file) else {
            return span;
        };
        let text = file.text();
        let before = text.get(..span.start as usize).unwrap_or_default();
        let after = text.get(span.end as usize..).unwrap_or_default();
        let starts = before.is_empty() || before.ends_with('\n');
        match after.find('\n') {
            Some(end) if starts && after.get(..end).is_some_and(|s| s.trim().is_empty()) => {
                Span::new(span.file, span.start as usize, span.end as usize + end + 1)
            }
            _ => span,
        }
    }

    fn top_key(&mut self, entry: Entry, has_services: bool) {
        let key = self.key(entry);
        if !self.looks_like_service(entry) {
            self.unknown_key(entry, "a compose file", keys::TOP);
        } else if has_services {
            let d = Diagnostic::new(
                Code::MISPLACED_KEY,
                key.span,
                format!("`{}` belongs under `services`", shorten(&key.value)),
            );
            self.sink.push(d.help("indent it like the other services"));
        }
    }

    fn looks_like_service(&self, entry: Entry) -> bool {
        let has = |key: &str| self.tree.find(entry.value, key).is_some();
        let key = self.tree.str(entry.key).unwrap_or_default();
        (has("image") || has("build")) && !key.starts_with("x-")
    }

    /// Services at the root of the file: says so once, and how the whole file is mended.
    fn v1(&mut self, top: &[Entry]) {
        let Some(first) = top.iter().find(|e| self.looks_like_service(**e)) else {
            return;
        };
        let key = self.key(*first);
        let mut d = Diagnostic::new(
            Code::V1_FILE,
            key.span,
            format!(
                "service `{}` stands at the root of the file, as in the format of 2014",
                shorten(&key.value)
            ),
        )
        .help("write `services:` in the first line and indent everything below");
        let all = top.iter().all(|e| self.looks_like_service(*e));
        if let Some(file) = self.sources.file(key.span.file).filter(|_| all) {
            let text = file.text();
            let mut mended = String::with_capacity(text.len() * 2);
            mended.push_str("services:\n");
            for line in text.split_inclusive('\n') {
                if !line.trim().is_empty() {
                    mended.push_str("  ");
                }
                mended.push_str(line);
            }
            // Documents, tabs and what follows a mark at the start of a line want human eyes.
            let simple =
                !text.contains("---") && !text.contains('\t') && !text.starts_with('\u{feff}');
            if simple {
                d = d.fix(
                    "put everything under `services`",
                    Span::new(key.span.file, 0, text.len()),
                    mended,
                );
            }
        }
        self.sink.push(d);
    }

    fn name(&mut self, naming: &Naming<'_>, entry: Option<Entry>) -> String {
        let written = entry.and_then(|e| {
            let text = self.string(e.value, "`name`")?;
            Some((e, text)).filter(|(_, text)| !text.value.is_empty())
        });
        if let Some(chosen) = naming.chosen {
            let normal = project_name(chosen);
            if normal != chosen || chosen.is_empty() {
                let place = Span::new(crate::span::FileId(0), 0, 0);
                self.bad_name(place, chosen, &normal);
            }
            return normal;
        }
        if let Some((e, text)) = written {
            let normal = project_name(&text.value);
            if normal != text.value {
                let shown = self.shown(e.value);
                self.bad_name(text.span, &shown, &normal);
            }
            return normal;
        }
        match naming.directory {
            None => "project".to_owned(),
            Some(directory) => {
                let normal = project_name(directory);
                if normal.is_empty() {
                    let place = Span::new(crate::span::FileId(0), 0, 0);
                    self.bad_name(place, directory, &normal);
                }
                normal
            }
        }
    }

    fn bad_name(&mut self, span: Span, name: &str, normal: &str) {
        let d = Diagnostic::new(
            Code::PROJECT_NAME,
            span,
            format!(
                "`{}` is no project name: it has to be of lower-case letters, digits, `-` and `_`, \
                 and to start with a letter or digit",
                shorten(name)
            ),
        );
        let d = if normal.is_empty() {
            d.help("give the project a `name`")
        } else {
            d.help(format!("write `{normal}`"))
        };
        self.sink.push(d);
    }
}
