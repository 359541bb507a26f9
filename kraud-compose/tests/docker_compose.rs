//! The same files, read by a real docker compose: `docker compose config --format json`.
//!
//! Needs the program, no engine. Debian's package `docker-compose` (2.x) has it; without installing:
//! `apt-get download docker-compose && dpkg-deb -x docker-compose_*.deb root`, then
//! `DOCKER_COMPOSE=root/usr/libexec/docker/cli-plugins/docker-compose cargo test -p kraud-compose
//! --all-features --test docker_compose -- --ignored`.
#![cfg(feature = "serde")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use kraud_compose::{Code, Diagnostics, Options, Project, Sources, StdProvider};
use serde_json::Value;

fn program() -> PathBuf {
    match std::env::var_os("DOCKER_COMPOSE") {
        Some(path) => path.into(),
        None => panic!("set DOCKER_COMPOSE to a docker compose 2.x program"),
    }
}

/// Docker's answer to the files of a folder: the project, or why not.
fn docker(folder: &Path, files: &[&str]) -> Result<Value, String> {
    let mut command = Command::new(program());
    command
        .current_dir(folder)
        .env_clear()
        .args(["--profile", "*", "-p", "sample"]);
    for file in files {
        command.args(["-f", file]);
    }
    command.args([
        "config",
        "--format",
        "json",
        "--no-path-resolution",
        "--no-env-resolution",
    ]);
    let output = command.output().expect("the program runs");
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).expect("JSON"))
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// Our answer, without a variable of this process.
fn ours(folder: &Path, files: &[&str]) -> (Option<Project>, Diagnostics) {
    struct Files(StdProvider);
    impl kraud_compose::Provider for Files {
        fn read(&self, path: &str) -> Result<String, kraud_compose::ProviderError> {
            self.0.read(path)
        }
        fn variable(&self, _: &str) -> Option<String> {
            None
        }
    }
    let provider = Files(StdProvider::new(folder));
    let mut sources = Sources::new(&provider);
    for file in files {
        sources = sources.with(*file, std::fs::read_to_string(folder.join(file)).unwrap());
    }
    Project::load(
        sources,
        &Options::new().project_name("sample").profiles(["*"]),
    )
}

/// What both print: the networks in use, and of services what is about networks.
fn comparable(mut json: Value) -> Value {
    const OWNED: [&str; 17] = [
        "container_name",
        "depends_on",
        "dns",
        "dns_opt",
        "dns_search",
        "domainname",
        "expose",
        "external_links",
        "extra_hosts",
        "hostname",
        "links",
        "mac_address",
        "network_mode",
        "networks",
        "ports",
        "profiles",
        "scale",
    ];
    let mut used = BTreeSet::new();
    if let Some(services) = json["services"].as_object_mut() {
        for service in services.values_mut() {
            let service = service.as_object_mut().unwrap();
            service.retain(|key, _| OWNED.contains(&key.as_str()));
            if let Some(networks) = service.get("networks").and_then(Value::as_object) {
                used.extend(networks.keys().cloned());
            }
            if let Some(hosts) = service.get_mut("extra_hosts").and_then(Value::as_array_mut) {
                hosts.sort_by_key(|h| h.as_str().map(str::to_owned));
            }
        }
    }
    if let Some(networks) = json["networks"].as_object_mut() {
        networks.retain(|key, _| used.contains(key));
    }
    let object = json.as_object_mut().unwrap();
    object.retain(|key, value| {
        ["name", "networks", "services"].contains(&key.as_str())
            && !value.is_null()
            && value.as_object().is_none_or(|o| !o.is_empty())
    });
    json
}

fn compare(folder: &Path, files: &[&str]) -> Result<(), String> {
    let theirs = docker(folder, files).map_err(|e| format!("docker refuses: {e}"))?;
    let (project, diagnostics) = ours(folder, files);
    if diagnostics.has_errors() {
        return Err(format!("we refuse: {diagnostics}"));
    }
    let ours = serde_json::to_value(project.ok_or("nothing loaded")?).unwrap();
    let (ours, theirs) = (comparable(ours), comparable(theirs));
    if ours == theirs {
        return Ok(());
    }
    let mut lines = String::new();
    for section in ["networks", "services"] {
        let keys = |v: &Value| {
            v[section]
                .as_object()
                .map(|o| o.keys().cloned().collect::<BTreeSet<_>>())
        };
        for key in keys(&ours)
            .into_iter()
            .chain(keys(&theirs))
            .flatten()
            .collect::<BTreeSet<_>>()
        {
            let (a, b) = (&ours[section][&key], &theirs[section][&key]);
            if a != b {
                lines += &format!("{section}.{key}\n  ours   {a}\n  docker {b}\n");
            }
        }
    }
    Err(lines)
}

#[test]
#[ignore = "needs docker compose: see the head of this file"]
fn every_test_file_reads_as_docker_compose_reads_it() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut wrong = Vec::new();
    let mut equal = 0;
    for folder in ["files", "seed"] {
        let folder = tests.join(folder);
        let mut names: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        names.sort();
        for name in names {
            let name = name.to_string_lossy().into_owned();
            // These two are wrong on purpose.
            if !name.ends_with(".yaml") || ["mangled.yaml", "beef.yaml"].contains(&name.as_str()) {
                continue;
            }
            match compare(&folder, &[&name]) {
                Ok(()) => equal += 1,
                Err(why) => wrong.push(format!("{name}:\n{why}")),
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        wrong.len() + equal,
        wrong.join("\n")
    );
    println!("{equal} files equal");
}

/// A code, `wrong` or `right`, and the files by name.
type Example = (Code, &'static str, Vec<(String, String)>);

/// The YAML blocks of a page, by kind, with the files that belong to them.
fn pages() -> Vec<Example> {
    let mut out: Vec<Example> = Vec::new();
    for code in Code::all() {
        let mut open: Option<(String, String)> = None;
        let mut files: Vec<(String, String)> = Vec::new();
        let mut kind = None;
        for line in code.page().lines() {
            match (line.strip_prefix("```"), &mut open) {
                (Some(_), Some(_)) => files.extend(open.take()),
                (Some(words), None) => {
                    let next = if words.starts_with("yaml wrong") {
                        Some("wrong")
                    } else if words.starts_with("yaml right") {
                        Some("right")
                    } else {
                        None
                    };
                    if next.is_some() || words.starts_with("text finding") {
                        if let Some(kind) = kind {
                            out.push((code, kind, std::mem::take(&mut files)));
                        }
                        files.clear();
                        kind = next;
                    }
                    let name = words
                        .split_once("file=")
                        .map_or("compose.yaml", |(_, name)| name);
                    open = Some((name.to_owned(), String::new()));
                }
                (None, Some((_, text))) => {
                    text.push_str(line);
                    text.push('\n');
                }
                (None, None) => {}
            }
        }
        if let Some(kind) = kind {
            out.push((code, kind, files));
        }
    }
    out
}

#[test]
#[ignore = "needs docker compose: see the head of this file"]
fn what_docker_compose_refuses_we_refuse_and_corrections_are_equal() {
    let root = std::env::temp_dir().join(format!("kraud-compose-pages-{}", std::process::id()));
    let mut wrong = Vec::new();
    let (mut equal, mut refused) = (0, 0);
    for (code, kind, files) in pages() {
        let folder = root.join(format!("{code}-{kind}"));
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in &files {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let has_override = files.iter().any(|(name, _)| name == "override.yaml");
        let names: &[&str] = if has_override {
            &["compose.yaml", "override.yaml"]
        } else {
            &["compose.yaml"]
        };
        // Files without services are fine for a library of networks; the program wants services.
        let services = files.iter().any(|(_, text)| text.contains("services:"));
        if kind == "right" && services {
            match compare(&folder, names) {
                Ok(()) => equal += 1,
                Err(why) => wrong.push(format!("{code} {kind}:\n{why}")),
            }
        } else if kind == "wrong" && docker(&folder, names).is_err() && services {
            refused += 1;
            if !ours(&folder, names).1.has_errors() {
                wrong.push(format!(
                    "{code}: docker refuses: {}",
                    docker(&folder, names).unwrap_err()
                ));
            }
        }
    }
    std::fs::remove_dir_all(&root).unwrap();
    assert!(
        wrong.is_empty(),
        "{} ({equal} equal, {refused} refused):\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    println!("{equal} corrections equal, {refused} examples refused by both");
}
