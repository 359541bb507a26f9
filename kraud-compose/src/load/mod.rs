//! `Project::load`: files to tree, tree to model, model to findings.

mod environment;
mod extends;
mod include;

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use environment::Environment;

use crate::check;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Sink};
use crate::interpolate::{InterpolateError, Interpolation};
use crate::lower::{self, Context};
use crate::merge::{Merger, Place};
use crate::model::{Anchored, Project};
use crate::options::{Dialect, Options};
use crate::source::{Provider, ProviderError, Sources};
use crate::span::{FileId, SourceMap, Span, Spanned};
use crate::text::shorten;
use crate::yaml::{self, Limits, NodeId, Tree};

impl Project {
    /// Reads the files of a project.
    ///
    /// Gives everything there is to say about them, in the order of files and places, and the
    /// project as far as it can be understood: with errors it is partial (what is wrong is left
    /// out), and `None` when a file is not YAML at all.
    ///
    /// No file is touched and no variable read but through the provider of `sources`. Linear in the
    /// size of the files.
    ///
    /// ```
    /// use kraud_compose::{Options, Project, Sources};
    ///
    /// let file = "
    /// services:
    ///   db:
    ///     image: postgres
    ///     networks: {back: {ipv4_address: 10.9.0.5}}
    /// networks:
    ///   back: {ipam: {config: [{subnet: 10.8.0.0/24}]}}
    /// ";
    /// let sources = Sources::from_text("compose.yaml", file);
    /// let (project, diagnostics) = Project::load(sources, &Options::new());
    /// assert_eq!(project.unwrap().services[0].endpoints.len(), 1);
    /// assert_eq!(
    ///     diagnostics.to_string(),
    ///     "compose.yaml:5:37: error[KC0104]: 10.9.0.5 is outside of every subnet of network \
    ///      `back` (10.8.0.0/24)\n",
    /// );
    /// ```
    #[must_use]
    pub fn load(sources: Sources<'_>, options: &Options) -> (Option<Self>, Diagnostics) {
        let mut loader = Loader::new(sources.provider, options);
        let parsed: Vec<Parsed> = sources
            .files
            .into_iter()
            .map(|(name, text)| loader.parse(name, text, None))
            .collect();
        let environment = loader.environment();
        let chosen = loader.chosen_name(&environment, &parsed);
        let environment = Rc::new(environment);
        let mut root = None;
        for file in parsed {
            root = loader.layer(root, file, &Scope::root(&environment));
        }
        loader.finish(root, chosen.as_deref(), &environment)
    }
}

/// A file's documents before interpolation.
struct Parsed {
    file: FileId,
    documents: Vec<NodeId>,
    dollars: Vec<NodeId>,
}

/// Where a file belongs: what its relative paths start from and its variables come from.
#[derive(Clone)]
struct Scope {
    directory: String,
    environment: Rc<Environment>,
    /// The paths of the files that include one another down to this one.
    chain: Vec<String>,
}

impl Scope {
    fn root(environment: &Rc<Environment>) -> Self {
        Self {
            directory: String::new(),
            environment: Rc::clone(environment),
            chain: Vec::new(),
        }
    }
}

struct Loader<'a> {
    provider: &'a dyn Provider,
    options: &'a Options,
    sources: SourceMap,
    tree: Tree,
    sink: Sink,
    limits: Limits,
    interpolation_left: usize,
    files_left: usize,
    anchors: Vec<Anchored>,
    variables: Vec<crate::diagnostic::Replaced>,
    tags: bool,
    broken: bool,
    /// Files that `extends` has loaded, by path and directory of variables.
    bases: HashMap<String, Option<NodeId>>,
}

impl<'a> Loader<'a> {
    fn new(provider: &'a dyn Provider, options: &'a Options) -> Self {
        Self {
            provider,
            options,
            sources: SourceMap::default(),
            tree: Tree::default(),
            sink: Sink::new(options.profile),
            limits: Limits {
                nodes: options.budget.nodes,
                depth: options.budget.depth,
            },
            interpolation_left: options.budget.interpolation_bytes,
            files_left: options.budget.includes,
            anchors: Vec::new(),
            variables: Vec::new(),
            tags: false,
            broken: false,
            bases: HashMap::new(),
        }
    }

    fn add(&mut self, name: String, text: String, from: Option<Span>) -> (FileId, Arc<str>) {
        let text: Arc<str> = text.into();
        let id = self.sources.add(name, Arc::clone(&text), from);
        self.tree.add_text(id, Arc::clone(&text));
        (id, text)
    }

    fn parse(&mut self, name: String, text: String, from: Option<Span>) -> Parsed {
        let (file, text) = self.add(name, text, from);
        if text.len() > self.options.budget.bytes {
            let limit = self.options.budget.bytes;
            self.sink.push(Diagnostic::new(
                Code::BUDGET,
                Span::new(file, 0, 0),
                format!("the file is larger than {limit} bytes"),
            ));
            self.broken = true;
            return Parsed {
                file,
                documents: Vec::new(),
                dollars: Vec::new(),
            };
        }
        let parsed = yaml::parse(
            &mut self.tree,
            file,
            &text,
            &mut self.limits,
            &mut self.sink,
        );
        self.broken |= parsed.broken;
        self.tags |= parsed.tags;
        for (name, node) in parsed.anchors {
            let extent = self.tree.span(node);
            self.anchors.push(Anchored { name, extent });
        }
        if parsed.documents.is_empty() && !parsed.broken {
            self.sink.push(Diagnostic::new(
                Code::EMPTY_FILE,
                Span::new(file, 0, 0),
                "the file is empty",
            ));
        }
        Parsed {
            file,
            documents: parsed.documents,
            dollars: parsed.dollars,
        }
    }

    /// The project name by option, environment or the last file that has one; it counts as a
    /// variable of the files.
    fn chosen_name(&self, environment: &Environment, files: &[Parsed]) -> Option<String> {
        let by_variable = || environment.find(self.provider, "COMPOSE_PROJECT_NAME");
        let chosen = self.options.project_name.clone();
        let chosen = chosen.or_else(|| by_variable().filter(|name| !name.is_empty()));
        let documents = files.iter().flat_map(|f| &f.documents);
        let mut written = None;
        for &document in documents {
            let name = self.tree.find(document, "name");
            if let Some(text) = name.and_then(|e| self.tree.str(e.value)) {
                let lookup = |name: &str| environment.find(self.provider, name);
                written = crate::interpolate::interpolate(text, lookup).ok();
            }
        }
        let directory = self.options.directory_name.as_deref();
        let name = chosen.as_deref().or(written.as_deref()).or(directory);
        environment.name_project(lower::project_name(name.unwrap_or("project")));
        chosen
    }

    /// Puts a file on top of what is there: variables, `extends`, `include`, then the merge.
    fn layer(&mut self, mut root: Option<NodeId>, file: Parsed, scope: &Scope) -> Option<NodeId> {
        self.interpolate(&file.dollars, scope);
        for document in file.documents {
            let document = self.extends(document, file.file, scope);
            let document = self.include(document, scope);
            root = Some(match root {
                None if self.tags => self.merger().strip(document),
                None => document,
                Some(base) => self.merger().merge(base, document, Place::Root),
            });
        }
        root
    }

    fn merger(&mut self) -> Merger<'_> {
        Merger {
            tree: &mut self.tree,
            sink: &mut self.sink,
            left: &mut self.limits.nodes,
        }
    }

    /// Reads a file that another one asks for.
    fn fetch(&mut self, path: &str, at: Span, code: Code, scope: &Scope) -> Option<Parsed> {
        let full = environment::join(&scope.directory, path);
        if self.files_left == 0 {
            let limit = self.options.budget.includes;
            self.sink.push(Diagnostic::new(
                Code::BUDGET,
                at,
                format!("more than {limit} files are included or extended"),
            ));
            return None;
        }
        self.files_left -= 1;
        match self.provider.read(&full) {
            Ok(text) => {
                let before = self.broken;
                let parsed = self.parse(full, text, Some(at));
                (before == self.broken).then_some(parsed)
            }
            Err(error) => {
                self.unreadable(&error, at, code);
                None
            }
        }
    }

    fn unreadable(&mut self, error: &ProviderError, at: Span, code: Code) {
        let message = shorten(&error.to_string());
        self.sink.push(Diagnostic::new(code, at, message));
    }

    fn interpolate(&mut self, dollars: &[NodeId], scope: &Scope) {
        for &id in dollars {
            let span = self.tree.span(id);
            let template = self.tree.str(id).unwrap_or_default().to_owned();
            let mut names: Vec<(String, String)> = Vec::new();
            let mut missing: Vec<String> = Vec::new();
            let mut interpolation = Interpolation {
                lookup: &mut |name, quiet| {
                    let value = scope.environment.find(self.provider, name);
                    if value.is_none() && !quiet {
                        missing.push(name.to_owned());
                    }
                    names.push((name.to_owned(), value.clone().unwrap_or_default()));
                    value
                },
                depth: self.options.budget.interpolation_depth,
                left: self.interpolation_left,
            };
            let value = interpolation.substitute(&template);
            self.interpolation_left = interpolation.left;
            missing.sort();
            missing.dedup();
            for name in missing {
                let d = Diagnostic::new(
                    Code::UNDEFINED_VARIABLE,
                    span,
                    format!("the variable `{name}` is not set; a blank takes its place"),
                );
                self.sink
                    .push(d.help(format!("give it a default as in `${{{name}:-…}}`")));
            }
            match value {
                Ok(value) => {
                    self.tree.set_text(id, &value);
                    if !names.is_empty() {
                        self.variables.push((span, names));
                    }
                }
                Err(error) => {
                    let (code, message) = match &error {
                        InterpolateError::Required { variable, .. } => (
                            Code::REQUIRED_VARIABLE,
                            // The reason may quote other variables' values: they stay unsaid.
                            format!("the required variable `{variable}` is missing a value"),
                        ),
                        InterpolateError::Invalid { .. } => (
                            Code::INVALID_TEMPLATE,
                            "this is no valid template; variables are `$NAME`, `${NAME}`, \
                             `${NAME:-default}`; a dollar is `$$`"
                                .to_owned(),
                        ),
                        InterpolateError::Budget => (Code::BUDGET, error.to_string()),
                    };
                    self.sink.push(Diagnostic::new(code, span, message));
                    self.sink.poison(span);
                    self.tree.set_text(id, "");
                    self.variables.push((span, names));
                }
            }
        }
    }

    fn finish(
        mut self,
        root: Option<NodeId>,
        chosen: Option<&str>,
        environment: &Environment,
    ) -> (Option<Project>, Diagnostics) {
        let sources = Arc::new(std::mem::take(&mut self.sources));
        self.variables.sort_by_key(|(span, _)| *span);
        if self.broken {
            self.sink.mute();
        }
        let by_variable = || {
            let names = environment.find(self.provider, "COMPOSE_PROFILES");
            let names = names.unwrap_or_default();
            let names = names.split(',').map(str::trim).filter(|n| !n.is_empty());
            names.map(str::to_owned).collect()
        };
        let wanted: Vec<String> = if self.options.profiles.is_empty() {
            by_variable()
        } else {
            self.options.profiles.clone()
        };
        let active = |profiles: &[Spanned<String>]| {
            profiles.is_empty()
                || wanted.iter().any(|a| a == "*")
                || profiles.iter().any(|p| wanted.contains(&p.value))
        };
        let naming = lower::Naming {
            chosen,
            directory: self.options.directory_name.as_deref(),
            active: &active,
        };
        let mut cx = Context {
            tree: &self.tree,
            sources: &sources,
            sink: &mut self.sink,
            dialect: self.options.dialect.unwrap_or(Dialect::Docker),
            variables: &self.variables,
        };
        let mut project = lower::lower(&mut cx, root, self.options.dialect, &naming, &sources);
        check::check(&project, self.options, &mut self.sink);
        let diagnostics = self.sink.finish(Arc::clone(&sources), &self.variables);
        project.tree = self.tree;
        project.anchors = self.anchors;
        project.variables = self.variables;
        let project = (!self.broken && root.is_some()).then_some(project);
        (project, diagnostics)
    }
}
