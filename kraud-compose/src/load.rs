//! `Project::load`: files to tree, tree to model, model to findings.

use std::sync::Arc;

use crate::check;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Sink};
use crate::interpolate::{InterpolateError, Interpolation};
use crate::lower::{self, Context};
use crate::model::Anchored;
use crate::model::Project;
use crate::options::{Dialect, Options};
use crate::source::{Provider, Sources};
use crate::span::{SourceMap, Span, Spanned};
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
        for (name, text) in sources.files {
            loader.file(name, text);
        }
        loader.finish()
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
    documents: Vec<NodeId>,
    anchors: Vec<Anchored>,
    variables: Vec<(Span, Vec<String>)>,
    broken: bool,
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
            documents: Vec::new(),
            anchors: Vec::new(),
            variables: Vec::new(),
            broken: false,
        }
    }

    fn file(&mut self, name: String, text: String) {
        let text: Arc<str> = text.into();
        let id = self.sources.add(name, Arc::clone(&text), None);
        self.tree.add_text(id, Arc::clone(&text));
        if text.len() > self.options.budget.bytes {
            let limit = self.options.budget.bytes;
            self.sink.push(Diagnostic::new(
                Code::BUDGET,
                Span::new(id, 0, 0),
                format!("the file is larger than {limit} bytes"),
            ));
            self.broken = true;
            return;
        }
        let parsed = yaml::parse(&mut self.tree, id, &text, &mut self.limits, &mut self.sink);
        self.broken |= parsed.broken;
        for (name, node) in parsed.anchors {
            let extent = self.tree.span(node);
            self.anchors.push(Anchored { name, extent });
        }
        self.interpolate(&parsed.dollars);
        if parsed.documents.is_empty() && !parsed.broken {
            self.sink.push(Diagnostic::new(
                Code::EMPTY_FILE,
                Span::new(id, 0, 0),
                "the file is empty",
            ));
        }
        self.documents.extend(parsed.documents);
    }

    fn interpolate(&mut self, dollars: &[NodeId]) {
        for &id in dollars {
            let span = self.tree.span(id);
            let template = self.tree.str(id).unwrap_or_default().to_owned();
            let mut names: Vec<String> = Vec::new();
            let mut missing: Vec<String> = Vec::new();
            let mut interpolation = Interpolation {
                lookup: &mut |name, quiet| {
                    let value = self.provider.variable(name);
                    if value.is_none() && !quiet {
                        missing.push(name.to_owned());
                    }
                    names.push(name.to_owned());
                    value
                },
                depth: self.options.budget.interpolation_depth,
                left: self.interpolation_left,
            };
            let value = interpolation.substitute(&template);
            self.interpolation_left = interpolation.left;
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
                            // The reason may quote other variables' values: show the file's words.
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

    fn finish(mut self) -> (Option<Project>, Diagnostics) {
        let sources = Arc::new(std::mem::take(&mut self.sources));
        self.variables.sort_by_key(|(span, _)| *span);
        if self.broken {
            self.sink.mute();
        }
        let root = self.documents.first().copied();
        let environment = self.provider.variable("COMPOSE_PROJECT_NAME");
        let chosen = self.options.project_name.clone();
        let chosen = chosen.or(environment.filter(|name| !name.is_empty()));
        let active_profiles = &self.options.profiles;
        let active = |profiles: &[Spanned<String>]| {
            profiles.is_empty()
                || active_profiles.iter().any(|a| a == "*")
                || profiles.iter().any(|p| active_profiles.contains(&p.value))
        };
        let naming = lower::Naming {
            chosen: chosen.as_deref(),
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
        project.tree = self.tree;
        project.anchors = self.anchors;
        project.variables = self.variables;
        let project = (!self.broken && root.is_some()).then_some(project);
        (project, self.sink.finish(sources))
    }
}
