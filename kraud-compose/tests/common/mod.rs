//! What the tests share: load a text, show the findings as lines.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses its own part"
)]

use kraud_compose::{Diagnostics, MemoryProvider, Options, Profile, Project, Sources};

pub(crate) fn options(profile: Profile) -> Options {
    Options::new().project_name("p").profile(profile)
}

/// Loads one file with docker's severities.
pub(crate) fn load(text: &str) -> (Option<Project>, Diagnostics) {
    load_as(text, &options(Profile::Compat))
}

pub(crate) fn load_as(text: &str, options: &Options) -> (Option<Project>, Diagnostics) {
    Project::load(Sources::from_text("f", text), options)
}

/// Loads one file with variables.
pub(crate) fn load_with(text: &str, variables: &[(&str, &str)]) -> (Option<Project>, Diagnostics) {
    let mut around = MemoryProvider::new();
    for (name, value) in variables {
        around = around.set(*name, *value);
    }
    Project::load(
        Sources::new(&around).with("f", text),
        &options(Profile::Compat),
    )
}

/// The project of a file that has no error.
pub(crate) fn good(text: &str) -> Project {
    let (project, diagnostics) = load(text);
    assert!(!diagnostics.has_errors(), "{diagnostics}");
    project.expect("a file without errors gives a project")
}

/// `code line:column` of each finding but notes about `version`.
pub(crate) fn codes(diagnostics: &Diagnostics) -> Vec<String> {
    let all = diagnostics
        .iter()
        .filter(|d| d.code.to_string() != "KC0008");
    let places = all.map(|d| format!("{} {}", d.code, diagnostics.sources().position(d.span)));
    places.collect()
}

/// Whether a finding with this code is there.
pub(crate) fn has(diagnostics: &Diagnostics, code: &str) -> bool {
    diagnostics.iter().any(|d| d.code.to_string() == code)
}
