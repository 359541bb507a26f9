//! What a check has left behind in the virtual machine.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::shell;

/// The kernel takes namespaces down in the background, after the last process has left.
const PATIENCE: Duration = Duration::from_secs(10);

/// Everything that a check could leave, a line each.
pub(super) struct Snapshot(BTreeSet<String>);

impl Snapshot {
    pub(super) fn take() -> Self {
        let mut lines = BTreeSet::new();
        for (kind, command) in [
            ("link", &["ip", "-brief", "link"][..]),
            ("address", &["ip", "-brief", "address"]),
            ("route", &["ip", "-4", "route", "show", "table", "all"]),
            ("route", &["ip", "-6", "route", "show", "table", "all"]),
            ("rule", &["ip", "-4", "rule"]),
            ("rule", &["ip", "-6", "rule"]),
            ("nft", &["nft", "list", "tables"]),
        ] {
            let said = shell::read(Command::new(command[0]).args(&command[1..]));
            let said = said.unwrap_or_else(|error| error.to_string());
            lines.extend(
                said.lines()
                    .map(|line| format!("{kind} {}", line.trim_end())),
            );
        }
        lines.extend(namespaces());
        lines.extend(processes());
        Self(lines)
    }

    /// What is there now and was not then; waits for it to go away.
    pub(super) fn left_behind(&self) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = Self::take();
            let left: Vec<_> = now.0.difference(&self.0).cloned().collect();
            if left.is_empty() || Instant::now() > deadline {
                return left;
            }
            thread::sleep(Duration::from_millis(200));
        }
    }
}

/// Namespaces that a mount keeps alive, and names whose namespace is gone.
fn namespaces() -> Vec<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounted = mounts
        .lines()
        .filter(|line| line.contains(" - nsfs "))
        .filter_map(|line| line.split(' ').nth(4))
        .map(|path| format!("namespace {path}"));
    let names = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    let names = names.map(|entry| format!("namespace {}", entry.path().display()));
    mounted.chain(names).collect()
}

/// Processes with a command line: all but the kernel's threads, and those that have ended.
fn processes() -> Vec<String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let process: u32 = entry.file_name().to_str()?.parse().ok()?;
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            (!line.is_empty()).then(|| format!("process {process} {}", line.trim_end()))
        })
        .collect()
}
