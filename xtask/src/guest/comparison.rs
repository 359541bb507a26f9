//! The known truth: what `kraud-demo plan -o sh` prints, run by hand with iproute2 and wg, makes the
//! same as `kraud-demo lab` makes through netlink.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

use crate::shell::Result;
use crate::verdict::Verdict;

use super::process::{self, Running};
use super::readback::{self, Readback};
use super::{Check, DEMO, EXAMPLES, Transcript};

/// Both ways use the hosts' keys from here, so that keys can be compared as well.
const KEYS: &str = "/tmp/keys";

/// One check for each example and each of these ways to place it.
const PLACES: &[(&str, &[&str])] = &[
    ("two_hosts", &[]),
    ("ipv4_underlay", &["--underlay", "v4"]),
    ("three_hosts", &["--hosts", "3", "--underlay", "dual"]),
];

pub(super) fn checks() -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for example in fs::read_dir(EXAMPLES)? {
        let example = example?.path();
        for &(place, options) in PLACES {
            let file = example.file_stem().unwrap_or_default().to_string_lossy();
            let name = format!("comparison::{file}::{place}");
            let mut arguments = vec!["--file".to_owned(), example.to_string_lossy().into_owned()];
            arguments.extend(options.iter().copied().map(str::to_owned));
            checks.push(Check::new(name, move |transcript| {
                compare(&arguments, transcript)
            }));
        }
    }
    Ok(checks)
}

fn compare(options: &[String], transcript: &mut Transcript) -> Result<Verdict> {
    let script = plan_script(options)?;
    let by_hand = by_hand(&script)?;
    let by_netlink = by_netlink(options, &script, transcript)?;
    let lines: usize = by_hand
        .values()
        .flat_map(|parts| parts.values())
        .map(Vec::len)
        .sum();
    transcript.add(&format!("{} namespaces, {lines} lines", by_hand.len()));

    let difference = readback::difference(&by_hand, &by_netlink);
    if difference.is_empty() {
        return Ok(Verdict::Passed);
    }
    let what = "by hand (-) and through netlink (+) differ";
    Ok(Verdict::Failed(format!(
        "{what}:\n{}",
        difference.join("\n")
    )))
}

fn plan_script(options: &[String]) -> Result<String> {
    let output = process::run(
        Command::new(DEMO)
            .args(["plan", "-o", "sh"])
            .args(options)
            .current_dir("/tmp"),
    )?;
    good("plan -o sh", &output)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs `script`, asks about every namespace that it made, and deletes them.
fn by_hand(script: &str) -> Result<Readback> {
    fs::write("/tmp/plan.sh", script)?;
    let made = process::run(
        Command::new("sh")
            .arg("/tmp/plan.sh")
            .env("KEYS", KEYS)
            .current_dir("/tmp"),
    );
    let names = named_namespaces()?;
    let namespaces: Vec<_> = names
        .iter()
        .map(|name| (name.clone(), format!("/run/netns/{name}")))
        .collect();
    let readback = made.and_then(|output| {
        good("the script", &output)?;
        readback::of(&namespaces, script)
    });
    for name in &names {
        process::run(Command::new("ip").args(["netns", "del", name]))?;
    }
    readback
}

fn named_namespaces() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir("/run/netns")? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Brings the lab up, asks about every namespace that it names, and stops it.
fn by_netlink(options: &[String], script: &str, transcript: &mut Transcript) -> Result<Readback> {
    let mut command = Command::new(DEMO);
    command.args([
        "lab", "--plane", "kernel", "--keep", "--keys", KEYS, "-o", "json",
    ]);
    let mut lab = Running::start(command.args(options).current_dir("/tmp"))?;
    let mut namespaces = Vec::new();
    let ended = lab.wait_until(|lab| {
        namespaces = kept_namespaces(&lab.said()?[0]);
        Ok(!namespaces.is_empty())
    })?;
    let readback = match ended {
        None => readback::of(&namespaces, script),
        Some(status) => Err(format!("lab --keep: {status}, without naming its namespaces").into()),
    };
    if ended.is_none() {
        lab.signal("INT")?;
        let status = lab.wait()?;
        if !status.success() {
            transcript.add(&format!("lab --keep, interrupted: {status}"));
        }
    }
    transcript.add(&String::from_utf8_lossy(&lab.said()?[1]));
    readback
}

/// Names and paths in the lab's report, once that is complete.
fn kept_namespaces(stdout: &[u8]) -> Vec<(String, String)> {
    let report: Value = serde_json::from_slice(stdout).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut namespaces: Vec<_> = report["namespaces"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|namespace| (text(&namespace["name"]), text(&namespace["path"])))
        .collect();
    namespaces.sort();
    namespaces
}

fn good(what: &str, output: &Output) -> Result<()> {
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{what}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    )
    .into())
}
