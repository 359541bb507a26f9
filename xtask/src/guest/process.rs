//! Running programs that may hang, or leave children that hold their output open.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::shell::{self, Result};

/// Far longer than any program takes under emulation.
const TIME_LIMIT: Duration = Duration::from_secs(240);

const PAUSE: Duration = Duration::from_millis(20);

/// Runs `command` to its end and returns all that it said; hanging is an error.
pub(super) fn run(command: &mut Command) -> Result<Output> {
    let mut running = Running::start(command)?;
    let status = running.wait()?;
    let [stdout, stderr] = running.said()?;
    Ok(Output {
        status,
        stdout,
        stderr,
    })
}

/// A program in a process group of its own. Dropped, the whole group is gone.
pub(super) struct Running {
    line: String,
    child: Child,
    // Files rather than pipes: nobody has to read while it runs.
    files: [String; 2],
}

impl Running {
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        let line = shell::line(command);
        let folder = format!("/run/judge-{}", std::process::id());
        fs::create_dir_all(&folder)?;
        let files = ["stdout", "stderr"].map(|name| format!("{folder}/{name}"));
        for file in &files {
            // A program that still writes to the file of an earlier one keeps that.
            let _ = fs::remove_file(file);
        }
        command
            .stdin(Stdio::null())
            .stdout(File::create(&files[0])?)
            .stderr(File::create(&files[1])?);
        let child = command.process_group(0).spawn();
        let child = child.map_err(|error| format!("cannot start `{line}`: {error}"))?;
        Ok(Self { line, child, files })
    }

    /// What it has printed so far, to standard output and standard error.
    pub(super) fn said(&self) -> Result<[Vec<u8>; 2]> {
        let [stdout, stderr] = &self.files;
        Ok([fs::read(stdout)?, fs::read(stderr)?])
    }

    pub(super) fn wait(&mut self) -> Result<ExitStatus> {
        self.wait_until(|_| Ok(false))?
            .ok_or_else(|| "unreachable".into())
    }

    /// Waits until it ends, or until `there` holds (then the result is `None`).
    pub(super) fn wait_until(
        &mut self,
        mut there: impl FnMut(&Self) -> Result<bool>,
    ) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + TIME_LIMIT;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            if there(self)? {
                return Ok(None);
            }
            if Instant::now() > deadline {
                let [stdout, stderr] = self
                    .said()?
                    .map(|text| String::from_utf8_lossy(&text).into_owned());
                let limit = TIME_LIMIT.as_secs();
                return Err(format!("`{}` hangs ({limit} s)\n{stdout}{stderr}", self.line).into());
            }
            thread::sleep(PAUSE);
        }
    }

    /// How many network namespaces its threads are in, or hold by a file descriptor.
    pub(super) fn network_namespaces(&self) -> usize {
        let process = PathBuf::from(format!("/proc/{}", self.child.id()));
        let entries = |folder: &str| {
            fs::read_dir(process.join(folder))
                .into_iter()
                .flatten()
                .flatten()
        };
        let held = entries("fd").map(|entry| entry.path());
        let entered = entries("task").map(|entry| entry.path().join("ns/net"));
        let names = held
            .chain(entered)
            .filter_map(|path| fs::read_link(path).ok());
        names
            .filter(|name| name.to_string_lossy().starts_with("net:["))
            .collect::<BTreeSet<_>>()
            .len()
    }

    /// Sends `signal` (`INT`, `TERM`…) to the program, as a person would.
    pub(super) fn signal(&self, signal: &str) -> Result<()> {
        let process = self.child.id().to_string();
        shell::read(Command::new("kill").args(["-s", signal, &process])).map(drop)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Those that have ended are no error.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill")
            .args(["-s", "KILL", "--", &group])
            .stderr(Stdio::null())
            .status();
        let _ = self.child.wait();
    }
}
