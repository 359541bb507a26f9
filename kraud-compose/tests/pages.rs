//! The documentation page of each code: its example has the finding that the page prints, and the
//! corrected one has not.
//!
//! After a change of a message: `BLESS=1 cargo test -p kraud-compose --test pages`, then read the
//! difference.

use kraud_compose::{
    Code, Daemon, Diagnostics, Fix, MemoryProvider, Options, Profile, Project, Sources,
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

/// An example of a page, ready to be loaded.
struct Example {
    layers: Vec<(String, String)>,
    around: MemoryProvider,
    options: Options,
    /// The one file is the daemon's configuration.
    daemon: bool,
}

impl Example {
    /// The example that starts with a block of this kind.
    fn of(all: &[(Vec<&str>, String)], kind: &str) -> Option<Self> {
        let start = all.iter().position(|(words, _)| words.contains(&kind))?;
        let (words, main) = &all[start];
        if words.contains(&"skip") {
            return None;
        }
        let mut example = Self {
            layers: vec![("compose.yaml".to_owned(), main.clone())],
            around: MemoryProvider::new(),
            options: Options::new()
                .directory_name("example")
                .profile(Profile::Lint),
            daemon: words[0] == "json",
        };
        for (words, text) in &all[start + 1..] {
            let Some(name) = words.iter().find_map(|w| w.strip_prefix("file=")) else {
                break;
            };
            if name == "override.yaml" {
                example.layers.push((name.to_owned(), text.clone()));
            } else {
                example.around = example.around.file(name, text);
            }
        }
        for word in words {
            let options = example.options;
            example.options = match *word {
                "plan" => options.profile(Profile::Plan),
                "foreign" => options.foreign_pool("docker0", "10.9.0.0/16".parse().unwrap()),
                "parent" => options.parent_subnet("eth0", "192.168.1.0/24".parse().unwrap()),
                _ => options,
            };
        }
        Some(example)
    }

    fn load(&self) -> Diagnostics {
        if self.daemon {
            return Daemon::load("daemon.json", &self.layers[0].1, Profile::Lint).1;
        }
        let mut sources = Sources::new(&self.around);
        for (name, text) in &self.layers {
            sources = sources.with(name, text);
        }
        Project::load(sources, &self.options).1
    }

    /// The same with a fix applied; `None` where that is for another file.
    fn mended(&self, fix: &Fix, found: &Diagnostics) -> Option<Self> {
        let mut layers = self.layers.clone();
        for edit in fix.edits.iter().rev() {
            let file = found.sources().file(edit.span.file).unwrap().name();
            let name = if self.daemon { "compose.yaml" } else { file };
            let (_, text) = layers.iter_mut().find(|(layer, _)| layer == name)?;
            text.replace_range(edit.span.range(), &edit.text);
        }
        Some(Self {
            layers,
            around: self.around.clone(),
            options: self.options.clone(),
            daemon: self.daemon,
        })
    }
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
        let Some(example) = Example::of(&all, "wrong") else {
            continue;
        };
        let diagnostics = example.load();
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
        if let Some(example) = Example::of(&all, "right") {
            let diagnostics = example.load();
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

/// Byte edits are only worth something when the file is what they say afterwards.
#[test]
fn every_fix_of_every_page_mends_its_finding_and_breaks_nothing() {
    let count = |found: &Diagnostics, code: Code| found.iter().filter(|d| d.code == code).count();
    let syntax: Code = "KC0001".parse().unwrap();
    let mut applied = std::collections::BTreeSet::new();
    for code in Code::all() {
        let all = blocks(code.page());
        let Some(example) = Example::of(&all, "wrong") else {
            continue;
        };
        let found = example.load();
        for finding in &found {
            for fix in &finding.fixes {
                let Some(mended) = example.mended(fix, &found) else {
                    continue;
                };
                let after = mended.load();
                let text = &mended.layers;
                assert_eq!(count(&after, syntax), 0, "{code}: {fix:?}\n{text:?}");
                assert!(
                    count(&after, finding.code) < count(&found, finding.code),
                    "{code}: {fix:?}\n{text:?}\n{after}"
                );
                applied.insert(finding.code);
            }
        }
    }
    assert!(applied.len() >= 9, "{applied:?}");
}
