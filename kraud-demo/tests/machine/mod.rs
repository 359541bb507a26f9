//! A machine for `apply`: its state folder, and everything that the kernel holds, as text.

#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{EmptyFolder, Run, binary, finished};

/// How long the kernel may take for what it does in the background.
const PATIENCE: Duration = Duration::from_secs(10);

/// A host: where it keeps its state, and its own network namespace unless it is the test's.
pub(crate) struct Host {
    pub(crate) state: EmptyFolder,
    arguments: Vec<String>,
}

impl Host {
    /// The machine itself.
    pub(crate) fn here() -> Self {
        Self {
            state: EmptyFolder::new(),
            arguments: Vec::new(),
        }
    }

    /// A host of that name in a network namespace of that name.
    pub(crate) fn in_netns(name: &str) -> Self {
        let arguments = ["--host", name, "--netns", name].map(str::to_owned);
        Self {
            state: EmptyFolder::new(),
            arguments: arguments.to_vec(),
        }
    }

    /// Runs a command of the program on it, such as `apply` or `ns ls`.
    pub(crate) fn run(&self, command: &str, arguments: &[&str]) -> Run {
        let state = self.state.path();
        let mut program = Command::new(binary());
        if command != "exec" {
            // What it does it does itself: it finds no other program (defect d10).
            program.env("PATH", "");
        }
        let output = program
            .args(command.split(' '))
            .args(&self.arguments)
            .arg("--state")
            .arg(state)
            .args(arguments)
            .current_dir(state)
            .env_remove("COMPOSE_PROJECT_NAME")
            .output();
        finished(output.expect("the binary runs"))
    }

    /// `apply`, `diff` or `destroy`, and the changes that it reports.
    pub(crate) fn changes(&self, command: &str, arguments: &[&str]) -> Vec<Change> {
        let run = self.run(command, &[arguments, &["-o", "json"]].concat());
        let expected = if command == "diff" { [0, 2] } else { [0, 0] };
        assert!(expected.contains(&run.code), "{command}: {}", run.stderr);
        let report: Value = serde_json::from_str(&run.stdout).expect("stdout is JSON");
        assert_eq!(report["schema"], "kraud/v1");
        let changes = report["changes"].as_array().expect("changes").iter();
        let changes: Vec<Change> = changes.map(Change::of).collect();
        assert_eq!(run.code == 2, command == "diff" && !changes.is_empty());
        changes
    }
}

/// A change that was reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) namespace: String,
    pub(crate) does: String,
}

impl Change {
    fn of(row: &Value) -> Self {
        Self {
            namespace: row["namespace"].as_str().unwrap_or("").to_owned(),
            does: row["does"].as_str().expect("does").to_owned(),
        }
    }
}

/// Runs a program that must succeed, and gives back what it prints.
pub(crate) fn sh(line: &str) -> String {
    let (ok, said) = attempt(line);
    assert!(ok, "{line}: {said}");
    said
}

/// Runs a program: whether it succeeded, and what it printed.
pub(crate) fn attempt(line: &str) -> (bool, String) {
    let output = Command::new("sh")
        .args(["-c", line])
        .output()
        .expect("a shell");
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

/// Whether `address` answers a ping of `bytes` in all from the namespace, which may take a few attempts while WireGuard
/// shakes hands.
pub(crate) fn answers(netns: &str, address: &str, attempts: u32) -> bool {
    let ping = format!("ip netns exec {netns} ping -n -c1 -W1 {address}");
    (0..attempts).any(|_| attempt(&ping).0)
}

/// Everything that the kernel holds in this namespace and whatever is seen from it.
pub(crate) fn everything() -> BTreeMap<&'static str, String> {
    let mut state = BTreeMap::new();
    for (what, command) in [
        ("links", "ip -d -j -p link"),
        ("addresses", "ip -d -j -p addr"),
        ("routes 4", "ip -d -j -p -4 route show table all"),
        ("routes 6", "ip -d -j -p -6 route show table all"),
        ("rules", "ip -d -j -p -4 rule; ip -d -j -p -6 rule"),
        ("namespaces", "ls /run/netns 2>/dev/null || true"),
        ("nft", "nft list ruleset"),
        ("wireguard", "wg show"),
    ] {
        state.insert(what, sh(command));
    }
    let mut settings = String::new();
    list_settings(Path::new("/proc/sys/net"), &mut settings);
    state.insert("settings", settings);
    state
}

/// Settings, but for those that count by themselves.
fn list_settings(folder: &Path, text: &mut String) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            list_settings(&path, text);
        } else if !path.ends_with("nf_conntrack_count") {
            let value = fs::read_to_string(&path).unwrap_or_default();
            text.push_str(&format!("{} = {}\n", path.display(), value.trim_end()));
        }
    }
}

/// Waits until everything is as it was: the kernel takes namespaces down in the background.
pub(crate) fn is_again(before: &BTreeMap<&'static str, String>) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = everything();
        if now == *before {
            return;
        }
        if Instant::now() > deadline {
            for (what, before) in before {
                assert_eq!(&now[what], before, "{what}");
            }
        }
        thread::sleep(Duration::from_millis(100));
    }
}
