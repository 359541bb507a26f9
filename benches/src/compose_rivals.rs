//! The rivals of kraud-compose that the registry has, each by its fullest pipeline; `None` where it
//! refuses the file.

use compose_lens::interpolation::MapEnvironment;
use compose_lens::loader::{DocumentInput, DocumentOrigin, LoadedProject};
use compose_lens::merge::merge_project;
use compose_lens::project::build_project_view;
use compose_lens::source::SourceId;

/// A name, and what counts the services of a file.
pub type Rival = (&'static str, fn(&str) -> Option<usize>);

/// All of them.
pub const ALL: [Rival; 4] = [
    ("compose-lens", lens),
    ("compose_spec", spec),
    ("docker-compose-types", types),
    ("podup", podup),
];

fn lens(text: &str) -> Option<usize> {
    let origin = DocumentOrigin::new("compose.yaml", ".");
    let input = DocumentInput::new(SourceId::new(1), origin, text);
    let loaded = LoadedProject::load([input]).ok()?;
    let interpolated = loaded.interpolate(&MapEnvironment::new());
    let merged = merge_project(&loaded, Some(&interpolated));
    let view = build_project_view(merged.project()?, None);
    Some(view.view()?.services().len())
}

// These two know neither variables nor merge keys: both are taken out of the file first.
fn spec(text: &str) -> Option<usize> {
    let file: compose_spec::Compose = serde_yaml::from_str(&plain(text)).ok()?;
    Some(file.services.len())
}

fn types(text: &str) -> Option<usize> {
    let file: docker_compose_types::Compose = serde_yaml::from_str(&plain(text)).ok()?;
    Some(file.services.0.len())
}

fn plain(text: &str) -> String {
    text.replace("${TAG:-1.2.3}", "1.2.3")
        .replace("${DB_PASSWORD:-secret}", "secret")
        .replace("    <<: *common\n", "")
}

fn podup(text: &str) -> Option<usize> {
    Some(podup::parse_str(text).ok()?.services.len())
}
