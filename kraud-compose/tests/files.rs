//! The sample files have nothing wrong with them, in any profile but for what they are about.

mod common;

use kraud_compose::{Options, Profile, Project, Severity, Sources};

#[test]
fn the_sample_files_have_no_error() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let profile = Options::new().profile(Profile::Compat).profiles(["*"]);
        let (project, diagnostics) = Project::load(Sources::from_text(name, text), &profile);
        assert!(project.is_some_and(|p| !p.services.is_empty()));
        let worst = diagnostics.max_severity();
        assert!(worst < Some(Severity::Error), "{diagnostics}");
        count += 1;
    }
    assert_eq!(count, 10);
}
