//! What there is to say about a file: codes, severities, spans, fixes.

mod code;
mod suggest;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

pub use code::{Code, ParseCodeError};
pub(crate) use suggest::closest;

use crate::options::Profile;
use crate::span::{SourceMap, Span};

/// How much a [`Diagnostic`] matters under the chosen [`Profile`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; nothing has to change.
    Note,
    /// Works, but hardly as meant, or not for long.
    Warning,
    /// Does not work.
    Error,
}

impl Severity {
    /// `note`, `warning` or `error`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A second place that explains a [`Diagnostic`]: the other side of a clash, the definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What is to be seen there.
    pub text: String,
}

/// Replace the bytes of `span` with `text`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What to replace; an empty span inserts.
    pub span: Span,
    /// The replacement.
    pub text: String,
}

/// A mechanical repair: applying all edits makes the finding go away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What the fix does, as an imperative.
    pub title: String,
    /// The edits, not overlapping, in file order.
    pub edits: Vec<Edit>,
}

/// One finding.
///
/// Rendering is left to the caller: `span`, `label` and `labels` are what renderers such as
/// annotate-snippets, codespan-reporting or an editor want. [`Diagnostics::short`] gives the
/// one-line form.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// The stable code, with a documentation page: [`Code::page`].
    pub code: Code,
    /// How much it matters under the profile of the load.
    pub severity: Severity,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// Where.
    pub span: Span,
    /// A short text for the primary span; empty where the message says it all.
    pub label: String,
    /// Other places that matter.
    pub labels: Vec<Label>,
    /// What to do about it.
    pub help: Option<String>,
    /// Ready repairs, the best one first.
    pub fixes: Vec<Fix>,
}

impl Diagnostic {
    pub(crate) fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            span,
            label: String::new(),
            labels: Vec::new(),
            help: None,
            fixes: Vec::new(),
        }
    }

    pub(crate) fn label(mut self, text: impl Into<String>) -> Self {
        self.label = text.into();
        self
    }

    pub(crate) fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label {
            span,
            text: text.into(),
        });
        self
    }

    pub(crate) fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    pub(crate) fn fix(
        mut self,
        title: impl Into<String>,
        span: Span,
        text: impl Into<String>,
    ) -> Self {
        self.fixes.push(Fix {
            title: title.into(),
            edits: vec![Edit {
                span,
                text: text.into(),
            }],
        });
        self
    }
}

/// All findings of a load, ordered by file, then by place, then by code.
///
/// Prints as one line per finding: `file:line:column: severity[code]: message`.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    items: Vec<Diagnostic>,
    sources: Arc<SourceMap>,
}

impl Diagnostics {
    /// The findings in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.items.iter()
    }

    /// The findings in order.
    #[must_use]
    pub fn as_slice(&self) -> &[Diagnostic] {
        &self.items
    }

    /// How many findings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is nothing to say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether at least one finding is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.max_severity() == Some(Severity::Error)
    }

    /// The worst severity; `None` when there is nothing to say.
    #[must_use]
    pub fn max_severity(&self) -> Option<Severity> {
        self.items.iter().map(|d| d.severity).max()
    }

    /// The files that the spans refer to, for rendering.
    #[must_use]
    pub fn sources(&self) -> &SourceMap {
        &self.sources
    }

    /// The one-line form of a finding: `compose.yaml:12:23: error[KC0104]: …`.
    #[must_use]
    pub fn short<'a>(&'a self, diagnostic: &'a Diagnostic) -> Short<'a> {
        Short {
            diagnostic,
            sources: &self.sources,
        }
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnostic in &self.items {
            writeln!(f, "{}", self.short(diagnostic))?;
        }
        Ok(())
    }
}

/// The one-line form of a [`Diagnostic`], from [`Diagnostics::short`].
#[derive(Clone, Copy, Debug)]
pub struct Short<'a> {
    diagnostic: &'a Diagnostic,
    sources: &'a SourceMap,
}

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Diagnostic {
            code,
            severity,
            message,
            span,
            ..
        } = self.diagnostic;
        let place = self.sources.locate(*span);
        write!(f, "{place}: {severity}[{code}]: {message}")
    }
}

/// A scalar with variables in it: its place, and their names and values.
pub(crate) type Replaced = (Span, Vec<(String, String)>);

fn replaced(variables: &[Replaced], span: Span) -> Option<&[(String, String)]> {
    let at = variables.binary_search_by_key(&span, |(s, _)| *s).ok()?;
    variables.get(at).map(|(_, list)| list.as_slice())
}

/// Puts `${NAME}` for the values of variables in the texts of a finding about them. Addresses and
/// numbers stay: they are no secrets, and without them there is nothing to say.
fn redact(diagnostic: &mut Diagnostic, variables: &[Replaced]) {
    let spans = diagnostic
        .labels
        .iter()
        .map(|l| l.span)
        .chain([diagnostic.span]);
    let found: Vec<&(String, String)> = spans
        .filter_map(|span| replaced(variables, span))
        .flatten()
        .filter(|(_, value)| value.len() > 2 && !harmless(value))
        .collect();
    for (name, value) in found {
        let hide = |text: &mut String| {
            if text.contains(value.as_str()) {
                *text = text.replace(value.as_str(), &format!("${{{name}}}"));
            }
        };
        hide(&mut diagnostic.message);
        hide(&mut diagnostic.label);
        diagnostic.labels.iter_mut().for_each(|l| hide(&mut l.text));
        diagnostic.help.iter_mut().for_each(hide);
    }
}

fn harmless(value: &str) -> bool {
    value.parse::<std::net::IpAddr>().is_ok()
        || value.parse::<ipnet::IpNet>().is_ok()
        || value
            .bytes()
            .all(|b| b.is_ascii_digit() || b == b'.' || b == b'/')
}

/// Keeps quotes where there are some, puts them where the new text needs them, and drops a fix that
/// would write a variable's value into the file.
fn mend_fixes(diagnostic: &mut Diagnostic, sources: &SourceMap, variables: &[Replaced]) {
    let plain = |edit: &Edit| replaced(variables, edit.span).is_none();
    diagnostic.fixes.retain(|fix| fix.edits.iter().all(plain));
    for edit in diagnostic.fixes.iter_mut().flat_map(|fix| &mut fix.edits) {
        let quote = sources
            .slice(edit.span)
            .chars()
            .next()
            .filter(|c| matches!(c, '"' | '\''));
        let colons =
            (edit.text.contains("::") || edit.text.ends_with(':')) && !edit.text.contains('\n');
        let quoted = edit.text.starts_with(['"', '\'']);
        match quote {
            Some(quote) if !quoted => edit.text = format!("{quote}{}{quote}", edit.text),
            None if colons && !quoted => edit.text = format!("'{}'", edit.text),
            _ => {}
        }
    }
}

/// Collects findings; sets their severity by profile and drops those a profile does not want.
#[derive(Debug)]
pub(crate) struct Sink {
    profile: Profile,
    items: Vec<Diagnostic>,
    muted: bool,
    poisoned: HashSet<Span>,
}

impl Sink {
    pub(crate) fn new(profile: Profile) -> Self {
        Self {
            profile,
            items: Vec::new(),
            muted: false,
            poisoned: HashSet::new(),
        }
    }

    /// A value that has been found wrong: what follows from that is not worth saying.
    pub(crate) fn poison(&mut self, span: Span) {
        self.poisoned.insert(span);
    }

    /// From here on findings are dropped: what follows works on a file known to be broken.
    pub(crate) fn mute(&mut self) {
        self.muted = true;
    }

    /// Whether a finding with this code would be kept; lets a costly check be skipped.
    pub(crate) fn wants(&self, code: Code) -> bool {
        !self.muted && code.severity(self.profile).is_some()
    }

    pub(crate) fn push(&mut self, mut diagnostic: Diagnostic) {
        if self.muted || self.poisoned.contains(&diagnostic.span) {
            return;
        }
        if let Some(severity) = diagnostic.code.severity(self.profile) {
            diagnostic.severity = severity;
            self.items.push(diagnostic);
        }
    }

    /// The findings in order, what came from the environment taken back to the file's words.
    pub(crate) fn finish(mut self, sources: Arc<SourceMap>, variables: &[Replaced]) -> Diagnostics {
        for diagnostic in &mut self.items {
            redact(diagnostic, variables);
            mend_fixes(diagnostic, &sources, variables);
        }
        let key = |d: &Diagnostic| (d.span, d.code);
        self.items
            .sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| a.message.cmp(&b.message)));
        // Anchors and merges can show the same place to the same check more than once.
        self.items
            .dedup_by(|a, b| key(a) == key(b) && a.message == b.message);
        Diagnostics {
            items: self.items,
            sources,
        }
    }
}
