//! Findings as data: a plain report, and SARIF for code scanning services.

mod sarif;

use serde::Serialize;

pub use sarif::{
    Sarif, SarifArtifactChange, SarifContent, SarifDriver, SarifFix, SarifLocation, SarifMessage,
    SarifPhysicalLocation, SarifRegion, SarifReplacement, SarifResult, SarifRule, SarifRun,
    SarifTool, SarifUri,
};

use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::model::Project;
use crate::options::Options;
use crate::source::Sources;
use crate::span::Span;

/// Loads the files of a project and gives the findings as data.
///
/// The profile of the options holds; [`Profile::Lint`](crate::Profile::Lint) says the most.
///
/// ```
/// use kraud_compose::{Options, Profile, Sources, lint};
///
/// let sources = Sources::from_text("compose.yaml", "services: {web: {image: x, networks: [lan]}}");
/// let report = lint(sources, &Options::new().profile(Profile::Lint));
/// assert_eq!((report.errors, report.warnings), (1, 0));
/// let finding = &report.findings[0];
/// assert_eq!((finding.code.as_str(), finding.place.line, finding.place.column), ("KC0301", 1, 39));
/// assert_eq!(report.exit_code(), 1);
/// ```
#[must_use]
pub fn lint(sources: Sources<'_>, options: &Options) -> Report {
    let (_, diagnostics) = Project::load(sources, options);
    Report::new(&diagnostics)
}

/// All findings of a load, ready for JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// `kraud-lint/v1`; another shape gets another number.
    pub schema: &'static str,
    /// How many errors.
    pub errors: usize,
    /// How many warnings.
    pub warnings: usize,
    /// How many notes.
    pub notes: usize,
    /// The findings in the order of files and places.
    pub findings: Vec<Finding>,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The code, `KC0104`.
    pub code: String,
    /// The code's name, `outside-subnet`.
    pub name: String,
    /// `error`, `warning` or `note`.
    pub severity: &'static str,
    /// What is wrong.
    pub message: String,
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// Other places that matter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Ready repairs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fixes: Vec<Repair>,
}

/// A range of a file; lines and columns count from 1, columns in characters, bytes from 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Place {
    /// The name of the file.
    pub file: String,
    /// The line of the first character.
    pub line: usize,
    /// The column of the first character.
    pub column: usize,
    /// The line behind the last character.
    pub end_line: usize,
    /// The column behind the last character.
    pub end_column: usize,
    /// The first byte.
    pub start: usize,
    /// The byte behind the last one.
    pub end: usize,
}

/// A second place of a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Related {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// What is to be seen there.
    pub text: String,
}

/// A ready repair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Repair {
    /// What it does.
    pub title: String,
    /// The edits.
    pub edits: Vec<Replace>,
}

/// Put `text` in the place of a range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Replace {
    /// The range.
    #[serde(flatten)]
    pub place: Place,
    /// The new text.
    pub text: String,
}

impl Report {
    /// The report of a load's findings.
    #[must_use]
    pub fn new(diagnostics: &Diagnostics) -> Self {
        let count = |severity| {
            diagnostics
                .iter()
                .filter(|d| d.severity == severity)
                .count()
        };
        Self {
            schema: "kraud-lint/v1",
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            notes: count(Severity::Note),
            findings: diagnostics
                .iter()
                .map(|d| finding(diagnostics, d))
                .collect(),
        }
    }

    /// What a command line tool exits with: 1 for errors, 2 for warnings only, 0 else.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match (self.errors, self.warnings) {
            (0, 0) => 0,
            (0, _) => 2,
            _ => 1,
        }
    }
}

fn finding(all: &Diagnostics, d: &Diagnostic) -> Finding {
    let related = d.labels.iter().map(|label| Related {
        place: place(all, label.span),
        text: label.text.clone(),
    });
    let fixes = d.fixes.iter().map(|fix| Repair {
        title: fix.title.clone(),
        edits: fix
            .edits
            .iter()
            .map(|edit| Replace {
                place: place(all, edit.span),
                text: edit.text.clone(),
            })
            .collect(),
    });
    Finding {
        code: d.code.to_string(),
        name: d.code.slug(),
        severity: d.severity.as_str(),
        message: d.message.clone(),
        place: place(all, d.span),
        related: related.collect(),
        help: d.help.clone(),
        fixes: fixes.collect(),
    }
}

fn place(all: &Diagnostics, span: Span) -> Place {
    let sources = all.sources();
    let start = sources.position(span);
    let end = sources
        .file(span.file)
        .map_or(start, |f| f.position(span.end as usize));
    Place {
        file: sources.locate(span).file.to_owned(),
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
        start: span.start as usize,
        end: span.end as usize,
    }
}
