//! The documentation page of each code: its example has the finding that the page prints, and the
//! corrected one has not.
//!
//! After a change of a message: `BLESS=1 cargo test -p kraud-compose --test pages`, then read the
//! difference.

use kraud_compose::{
    Code, Daemon, Diagnostics, MemoryProvider, Options, Profile, Project, Sources,
};

/// A fenced block: the words behind the fence, and the text.
fn blocks(page: &str) -> Vec<(Vec<&str>, String)> {
    let mut out = Vec::new();
    let mut open: Option<(Vec<&str>, String)> = None;
    for line in page.split_inclusive('\n') {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => out.extend(open.take()),
            (Some(words), None) => open = Some((words.split_whitespace().collect(), String::new())),
            (None, Some((_, text))) => text.push_str(line),
            (None, None) => {}
        }
    }
    out
}

/// Loads the files of the example that starts with a block of this kind.
fn load(all: &[(Vec<&str>, String)], kind: &str) -> Option<(Vec<String>, Diagnostics)> {
    let start = all.iter().position(|(words, _)| words.contains(&kind))?;
    let (words, main) = &all[start];
    if words.contains(&"skip") {
        return None;
    }
    if words[0] == "json" {
        let (_, diagnostics) = Daemon::load("daemon.json", main, Profile::Lint);
        return Some((words.iter().map(ToString::to_string).collect(), diagnostics));
    }
    let mut provider = MemoryProvider::new();
    let mut layers = vec![("compose.yaml".to_owned(), main.clone())];
    for (words, text) in &all[start + 1..] {
        let Some(name) = words.iter().find_map(|w| w.strip_prefix("file=")) else {
            break;
        };
        if name == "override.yaml" {
            layers.push((name.to_owned(), text.clone()));
        } else {
            provider = provider.file(name, text);
        }
    }
    let mut options = Options::new()
        .directory_name("example")
        .profile(Profile::Lint);
    for word in words {
        options = match *word {
            "plan" => options.profile(Profile::Plan),
            "foreign" => options.foreign_pool("docker0", "10.9.0.0/16".parse().unwrap()),
            "parent" => options.parent_subnet("eth0", "192.168.1.0/24".parse().unwrap()),
            _ => options,
        };
    }
    let mut sources = Sources::new(&provider);
    for (name, text) in layers {
        sources = sources.with(name, text);
    }
    let (_, diagnostics) = Project::load(sources, &options);
    Some((words.iter().map(ToString::to_string).collect(), diagnostics))
}

fn lines(diagnostics: &Diagnostics, code: Code) -> String {
    let found = diagnostics.iter().filter(|d| d.code == code);
    let mut out = String::new();
    for d in found {
        out += &format!("{}\n", diagnostics.short(d));
        for label in &d.labels {
            out += &format!(
                "  {}: {}\n",
                diagnostics.sources().locate(label.span),
                label.text
            );
        }
        if let Some(help) = &d.help {
            out += &format!("  help: {}\n", help.replace('\n', "\n    "));
        }
    }
    out
}

#[test]
fn the_example_of_every_page_has_its_finding_and_the_correction_has_not() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    let mut checked = 0;
    for code in Code::all() {
        let page = code.page().to_owned();
        let all = blocks(&page);
        let Some((_, diagnostics)) = load(&all, "wrong") else {
            continue;
        };
        checked += 1;
        let ours = lines(&diagnostics, code);
        let finding = all.iter().find(|(words, _)| words.contains(&"finding"));
        let (_, theirs) = finding.expect("a page shows its finding");
        if ours.is_empty() {
            wrong.push(format!(
                "{code}: the example does not have the finding, but\n{diagnostics}"
            ));
        } else if ours != *theirs {
            if bless {
                let path = format!("{}/docs/codes/{code}.md", env!("CARGO_MANIFEST_DIR"));
                let old = format!("```text finding\n{theirs}```");
                let new = format!("```text finding\n{ours}```");
                std::fs::write(path, page.replace(&old, &new)).unwrap();
            } else {
                wrong.push(format!(
                    "{code}: the page prints\n{theirs}but there is\n{ours}"
                ));
            }
        }
        if let Some((_, diagnostics)) = load(&all, "right") {
            let left = lines(&diagnostics, code);
            if !left.is_empty() || diagnostics.has_errors() {
                wrong.push(format!("{code}: the correction still has\n{diagnostics}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} pages:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(checked >= Code::all().count() - 1);
}
