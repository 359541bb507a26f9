//! Several files at once: overrides, `extends`, `include` and an environment file, each any text.
//! No panic; every finding has a place; what loads also serialises.
#![no_main]

use kraud_compose::{Budget, MemoryProvider, Options, Profile, Project, Sources};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    // A line of `=====` divides the files.
    let mut parts = text.split("\n=====\n");
    let first = parts.next().unwrap_or_default();
    let second = parts.next();
    let mut around = MemoryProvider::new().set("A", "10.1.0.0").set("B", "");
    if let Some(env) = parts.next() {
        around = around.file(".env", env);
    }
    for (name, part) in ["b.yaml", "sub/c.yaml", "d.yaml"].into_iter().zip(parts) {
        around = around.file(name, part);
    }
    let mut sources = Sources::new(&around).with("a.yaml", first);
    if let Some(second) = second {
        sources = sources.with("override.yaml", second);
    }
    let mut budget = Budget::default();
    budget.nodes = 20_000;
    budget.includes = 16;
    let options = Options::new()
        .directory_name("fuzz")
        .profile(Profile::Lint)
        .budget(budget);
    let (project, diagnostics) = Project::load(sources, &options);
    for d in &diagnostics {
        for span in d.labels.iter().map(|l| l.span).chain([d.span]) {
            let file = diagnostics
                .sources()
                .file(span.file)
                .expect("a span has a file");
            assert!(file.text().get(span.range()).is_some(), "{d:?}");
        }
    }
    if let Some(project) = project {
        for service in &project.services {
            let _ = project.provenance(service.span);
            let _ = service.attachment_order();
        }
    }
});
