//! SARIF 2.1.0 (OASIS), the part that code scanning services read.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Finding, Place, Report};
use crate::diagnostic::Code;

/// A SARIF log with one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Sarif {
    /// Where the format is described.
    #[serde(rename = "$schema")]
    pub schema: &'static str,
    /// `2.1.0`.
    pub version: &'static str,
    /// The one run.
    pub runs: Vec<SarifRun>,
}

/// One run of the tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SarifRun {
    /// Who made the findings.
    pub tool: SarifTool,
    /// Columns count characters.
    pub column_kind: &'static str,
    /// The findings.
    pub results: Vec<SarifResult>,
}

/// Who made the findings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SarifTool {
    /// The tool itself.
    pub driver: SarifDriver,
}

/// The tool and the codes that it used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SarifDriver {
    /// The name of the tool.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The codes among the findings, in ascending order.
    pub rules: Vec<SarifRule>,
}

/// A code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SarifRule {
    /// `KC0104`.
    pub id: String,
    /// `outside-subnet`.
    pub name: String,
    /// What it means.
    pub short_description: SarifMessage,
    /// The documentation page.
    pub help: SarifMessage,
}

/// A text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SarifMessage {
    /// The text.
    pub text: String,
    /// The same in Markdown, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub markdown: Option<String>,
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SarifResult {
    /// The code.
    pub rule_id: String,
    /// Its place in the rules of the driver.
    pub rule_index: usize,
    /// `error`, `warning` or `note`.
    pub level: &'static str,
    /// What is wrong, and what to do.
    pub message: SarifMessage,
    /// Where.
    pub locations: Vec<SarifLocation>,
    /// Other places.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related_locations: Vec<SarifLocation>,
    /// Ready repairs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fixes: Vec<SarifFix>,
}

/// A place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SarifLocation {
    /// File and range.
    pub physical_location: SarifPhysicalLocation,
    /// What is to be seen there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<SarifMessage>,
}

/// File and range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SarifPhysicalLocation {
    /// The file.
    pub artifact_location: SarifUri,
    /// The range.
    pub region: SarifRegion,
}

/// A file by its relative reference, percent-encoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SarifUri {
    /// The reference.
    pub uri: String,
}

/// A range; lines and columns count from 1, the end column is behind the last character.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SarifRegion {
    /// The first line.
    pub start_line: usize,
    /// The first column.
    pub start_column: usize,
    /// The last line.
    pub end_line: usize,
    /// The column behind the last character.
    pub end_column: usize,
}

/// A ready repair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SarifFix {
    /// What it does.
    pub description: SarifMessage,
    /// The edits, by file.
    pub artifact_changes: Vec<SarifArtifactChange>,
}

/// The edits of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SarifArtifactChange {
    /// The file.
    pub artifact_location: SarifUri,
    /// The edits.
    pub replacements: Vec<SarifReplacement>,
}

/// One edit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SarifReplacement {
    /// What goes.
    pub deleted_region: SarifRegion,
    /// What comes.
    pub inserted_content: SarifContent,
}

/// A piece of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SarifContent {
    /// The text.
    pub text: String,
}

impl Report {
    /// The report as a SARIF log.
    #[must_use]
    pub fn to_sarif(&self) -> Sarif {
        let codes: BTreeMap<&str, usize> =
            self.findings.iter().map(|f| (f.code.as_str(), 0)).collect();
        let codes: BTreeMap<&str, usize> = codes.into_keys().zip(0..).collect();
        Sarif {
            schema: "https://json.schemastore.org/sarif-2.1.0.json",
            version: "2.1.0",
            runs: vec![SarifRun {
                tool: SarifTool {
                    driver: SarifDriver {
                        name: "kraud",
                        version: env!("CARGO_PKG_VERSION"),
                        rules: codes.keys().filter_map(|code| rule(code)).collect(),
                    },
                },
                column_kind: "unicodeCodePoints",
                results: self.findings.iter().map(|f| result(f, &codes)).collect(),
            }],
        }
    }
}

fn rule(code: &str) -> Option<SarifRule> {
    let code: Code = code.parse().ok()?;
    Some(SarifRule {
        id: code.to_string(),
        name: code.slug(),
        short_description: message(code.title()),
        help: SarifMessage {
            text: code.title().to_owned(),
            markdown: Some(code.page().to_owned()),
        },
    })
}

fn message(text: impl Into<String>) -> SarifMessage {
    SarifMessage {
        text: text.into(),
        markdown: None,
    }
}

fn result(finding: &Finding, codes: &BTreeMap<&str, usize>) -> SarifResult {
    let text = match &finding.help {
        Some(help) => format!("{}\n{help}", finding.message),
        None => finding.message.clone(),
    };
    let fixes = finding.fixes.iter().map(|fix| SarifFix {
        description: message(&fix.title),
        artifact_changes: fix
            .edits
            .iter()
            .map(|edit| SarifArtifactChange {
                artifact_location: uri(&edit.place),
                replacements: vec![SarifReplacement {
                    deleted_region: region(&edit.place),
                    inserted_content: SarifContent {
                        text: edit.text.clone(),
                    },
                }],
            })
            .collect(),
    });
    let related = finding.related.iter();
    SarifResult {
        rule_id: finding.code.clone(),
        rule_index: codes
            .get(finding.code.as_str())
            .copied()
            .unwrap_or_default(),
        level: finding.severity,
        message: message(text),
        locations: vec![location(&finding.place, None)],
        related_locations: related.map(|r| location(&r.place, Some(&r.text))).collect(),
        fixes: fixes.collect(),
    }
}

fn location(place: &Place, text: Option<&str>) -> SarifLocation {
    SarifLocation {
        physical_location: SarifPhysicalLocation {
            artifact_location: uri(place),
            region: region(place),
        },
        message: text.map(message),
    }
}

fn region(place: &Place) -> SarifRegion {
    SarifRegion {
        start_line: place.line,
        start_column: place.column,
        end_line: place.end_line,
        end_column: place.end_column,
    }
}

/// The file's name as a URI reference (RFC 3986): everything but unreserved characters and `/`
/// encoded.
fn uri(place: &Place) -> SarifUri {
    let mut uri = String::with_capacity(place.file.len());
    for byte in place.file.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    SarifUri { uri }
}
