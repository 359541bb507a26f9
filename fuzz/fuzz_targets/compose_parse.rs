//! Any bytes as a compose file, under every profile and dialect: no panic, findings in order, every
//! span inside of its file, and the same tree by the quick and by the full YAML reader.
#![no_main]

use kraud_compose::{Budget, Dialect, Options, Profile, Project, Sources};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&switches, rest)) = data.split_last() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(rest) else {
        return;
    };
    assert_eq!(kraud_compose::disagreement_of_readers(text), None);
    let profile = match switches & 3 {
        0 => Profile::Compat,
        1 => Profile::Lint,
        2 => Profile::Strict,
        _ => Profile::Plan,
    };
    let mut budget = Budget::default();
    budget.nodes = 20_000;
    let mut options = Options::new()
        .project_name("fuzz")
        .profile(profile)
        .budget(budget);
    match switches >> 2 & 3 {
        0 => options = options.dialect(Dialect::Docker),
        1 => options = options.dialect(Dialect::Kraud),
        _ => {}
    }
    let (project, diagnostics) = Project::load(Sources::from_text("f", text), &options);
    let found = diagnostics.as_slice();
    assert!(found.windows(2).all(|w| w[0].span <= w[1].span));
    for d in found {
        for span in d.labels.iter().map(|l| l.span).chain([d.span]) {
            let file = diagnostics
                .sources()
                .file(span.file)
                .expect("a span has a file");
            assert!(file.text().get(span.range()).is_some(), "{d:?}");
        }
        for edit in d.fixes.iter().flat_map(|f| &f.edits) {
            assert!(text.get(edit.span.range()).is_some());
        }
    }
    assert!(project.is_some() || diagnostics.has_errors());
    if let Some(project) = project {
        for service in &project.services {
            for endpoint in &service.endpoints {
                assert!(project.networks.get(endpoint.network_index).is_some());
            }
        }
    }
    assert_eq!(diagnostics.to_string().is_empty(), diagnostics.is_empty());
});
