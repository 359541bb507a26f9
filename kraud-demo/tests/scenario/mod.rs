//! What every run of `lab` has to show, whatever the plane.

#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) fn pings(report: &Value) -> Vec<&Value> {
    report["pings"].as_array().expect("pings").iter().collect()
}

/// Every ping as expected; and that the matrix has no hole: both directions of every pair, three sizes each.
pub(crate) fn all_as_expected(report: &Value) {
    assert_eq!(report["schema"], "kraud/v1");
    assert_eq!(report["ok"], true, "{report:#}");
    let pings = pings(report);
    assert!(pings.iter().all(|ping| ping["ok"] == true));
    let name = |pod: &Value| pod["name"].as_str().unwrap().to_owned();
    let pods = report["pods"].as_array().expect("pods");
    let mut expected = BTreeSet::new();
    for from in pods.iter().filter(|pod| !pod["address"].is_null()) {
        for to in pods
            .iter()
            .filter(|to| !to["address"].is_null() && name(to) != name(from))
        {
            expected.insert(("vpc".to_owned(), name(from), name(to)));
            for overlay in overlays(from).intersection(&overlays(to)) {
                expected.insert((overlay.clone(), name(from), name(to)));
            }
        }
    }
    for size in ["reply", "too-big"] {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let of_size = pings.iter().filter(|ping| ping["expect"] == size);
        let seen: BTreeSet<_> = of_size
            .map(|ping| {
                (
                    text(&ping["network"]),
                    text(&ping["from"]),
                    text(&ping["to"]),
                )
            })
            .collect();
        assert_eq!(seen, expected);
    }
    assert_eq!(pings.len(), expected.len() * 3);
}

fn overlays(pod: &Value) -> BTreeSet<String> {
    let overlays = pod["overlays"].as_array().expect("overlays").iter();
    overlays
        .map(|membership| membership["overlay"].as_str().unwrap().to_owned())
        .collect()
}

/// The links of this network namespace and the named network namespaces, to be the same before and after.
pub(crate) fn network_state() -> (BTreeSet<String>, BTreeSet<String>) {
    let names = |folder: &str| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    };
    (names("/sys/class/net"), names("/run/netns"))
}

/// Processes of that name, once those that are about to end have ended.
pub(crate) fn settled_processes(name: &str) -> Vec<String> {
    let started = Instant::now();
    loop {
        let found = processes(name);
        if found.is_empty() || started.elapsed() > Duration::from_secs(5) {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn processes(name: &str) -> Vec<String> {
    let running = |pid: &str| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let parent = format!("\nPPid:\t{}\n", std::process::id());
        status.starts_with(&format!("Name:\t{name}\n"))
            && status.contains(&parent)
            && !status.contains("State:\tZ")
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|pid| running(pid))
        .collect()
}
