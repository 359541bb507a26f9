//! `kraud-demo lab`: what counts as a good end of it, here and in the virtual machine.

use std::process::{Output, Stdio};

use serde_json::Value;

use crate::results::Recorder;
use crate::shell::{self, Result};
use crate::verdict::Verdict;
use crate::workspace::{CASES, cargo};

/// The exit code by which kraud-demo says that a privilege or a kernel capability is missing.
const NOT_CAPABLE: i32 = 4;

/// Runs the default lab as a newcomer would, in whatever plane this kernel allows; then its tests.
pub(crate) fn on_this_kernel() -> Result<Verdict> {
    let mut command = cargo(&["run", "--package", "kraud-demo", "--", "lab", "-o", "json"]);
    println!("$ {}", shell::line(&command));
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    if output.status.code() == Some(NOT_CAPABLE) && !capable() {
        let reason = "kraud-demo finds neither the privilege nor the capability for a lab here";
        return Ok(Verdict::Skipped(reason.to_owned()));
    }
    println!("{}", judge(&output)?);
    own_kernel_tests()?;
    Ok(Verdict::Passed)
}

/// The tests that need a namespace of their own and nothing that this kernel may lack; they are ignored unless asked for.
/// The names of those that want a full kernel say so: the real-kernel lane runs them.
///
/// Those of kraud-demo that use the plane as a library cannot go into a user namespace, which a program must do before
/// it starts a thread: an ordinary user's run leaves them out and says so.
fn own_kernel_tests() -> Result<()> {
    const TESTS: [(&str, &[&str]); 3] = [
        (
            "kraud-demo",
            &["kernel_bridge", "lab", "lists", "traffic", "allocations"],
        ),
        (
            "kraud-netlink",
            &[
                "dumps",
                "kernel",
                "kernel_nft",
                "kernel_plan",
                "kernel_robust",
                "user_namespace",
            ],
        ),
        ("kraud-tunnel", &["kernel_judge"]),
    ];
    let mut recorder = Recorder::new("own-kernel")?;
    for (package, tests) in TESTS {
        let mut arguments = vec!["test", "--package", package];
        for test in tests {
            if matches!(*test, "traffic" | "allocations") && !shell::is_root() {
                println!("skipped: the tests of {test}, which need root");
                continue;
            }
            arguments.extend(["--test", test]);
        }
        arguments.extend(["--", "--ignored", "--skip", "on_a_full_kernel"]);
        // Started by another test, in a namespace that it makes.
        arguments.extend(["--skip", "in_a_namespace_of_its_own"]);
        recorder.run(cargo(&arguments).env(CASES.0, CASES.1))?;
    }
    Ok(())
}

/// Whether this is root on a machine with TUN: then "not capable" is no excuse.
fn capable() -> bool {
    let tun = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun");
    shell::is_root() && tun.is_ok()
}

/// Holds the lab to its promise: exit code 0, and data that says the same.
///
/// Returns a line on what was seen.
pub(crate) fn judge(output: &Output) -> Result<String> {
    let talk = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!("lab: {}\n{}", output.status, talk.trim_end()).into());
    }
    let data: Value = serde_json::from_slice(&output.stdout).map_err(|error| {
        format!(
            "lab: its output is not JSON ({error}):\n{}",
            talk.trim_end()
        )
    })?;
    let pings = data["pings"].as_array().map_or(&[][..], Vec::as_slice);
    let as_expected = pings.iter().filter(|ping| ping["ok"] == true).count();
    if data["ok"] != true || pings.is_empty() || as_expected != pings.len() {
        let said = serde_json::to_string_pretty(&data)?;
        return Err(format!("lab: exit code 0, but its data do not say so:\n{said}").into());
    }
    let plane = data["plane"].as_str().unwrap_or("unknown");
    Ok(format!(
        "lab: {as_expected} of {} pings as expected, {plane} plane",
        pings.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    fn output(code: i32, stdout: &str) -> Output {
        let status = ExitStatus::from_raw(code << 8);
        Output {
            status,
            stdout: stdout.into(),
            stderr: Vec::new(),
        }
    }

    #[test]
    fn a_good_lab_says_so_in_both_ways() {
        let good = r#"{"ok":true,"plane":"kernel","pings":[{"ok":true}]}"#;
        let line = judge(&output(0, good)).unwrap();
        assert_eq!(line, "lab: 1 of 1 pings as expected, kernel plane");
    }

    #[test]
    fn exit_code_0_alone_is_not_enough() {
        assert!(judge(&output(0, "")).is_err());
        assert!(judge(&output(0, r#"{"ok":true,"pings":[]}"#)).is_err());
        assert!(judge(&output(0, r#"{"ok":true,"pings":[{"ok":false}]}"#)).is_err());
        assert!(judge(&output(1, r#"{"ok":true,"pings":[{"ok":true}]}"#)).is_err());
    }
}
