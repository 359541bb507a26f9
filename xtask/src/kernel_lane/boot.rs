//! One virtual machine, from boot to its last word.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::shell::{self, Result};
use crate::verdict::Verdict;

use super::report::{Check, Report};

/// Emulation runs everywhere, also inside of other virtual machines.
///
/// Without cmpxchg16b: QEMU 7.2 sometimes leaves half of its operand in the flags register, and the
/// kernel, which allocates memory with it, dies of a double fault. It can do without.
const MACHINE: &str = "-accel tcg,thread=multi -cpu max,-cx16 -m 2048 -smp 2 \
    -nodefaults -display none -nic none -no-reboot";

/// Long enough for all checks under emulation on a busy machine.
const TIME_LIMIT: Duration = Duration::from_secs(1800);

/// Longer than any check may go on without a word: the judge ends those that hang before this.
const SILENCE_LIMIT: Duration = Duration::from_secs(300);

/// How much of the console is shown when the report breaks off.
const TAIL: usize = 40;

/// Boots `image` with `initramfs`, follows the report and returns its checks.
///
/// The console and the report are kept in `folder`. A report that breaks off adds a failed check.
pub(crate) fn run(image: &Path, initramfs: &Path, folder: &Path) -> Result<Vec<Check>> {
    let console = folder.join("console.log");
    let mut qemu = qemu(image, initramfs, "");
    // First serial line: the console. Second: the report.
    qemu.arg("-serial")
        .arg(format!("file:{}", console.display()))
        .args(["-serial", "stdio"]);
    println!("$ {}", shell::line(&qemu));
    let mut machine = Machine::start(&mut qemu)?;
    let mut report = Report::default();
    let mut transcript = String::new();
    let mut last_end = Instant::now();
    let end = machine.follow(|line| {
        transcript.push_str(line);
        transcript.push('\n');
        if let Some(check) = report.line(line) {
            check.took = Some(last_end.elapsed());
            last_end = Instant::now();
            println!("{check}");
        }
    });
    fs::write(folder.join("report.log"), transcript)?;

    let mut checks = report.checks;
    if !report.finished {
        let running = report
            .running
            .map(|name| format!(", while `{name}` ran"))
            .unwrap_or_default();
        let reason = format!("{end}{running}; the machine's last words are below");
        let mut check = Check::new("report".to_owned(), Verdict::Failed(reason));
        check.output = tail(&fs::read(&console).unwrap_or_default());
        println!("{check}");
        checks.push(check);
    }
    Ok(checks)
}

/// Boots to a shell on this terminal.
pub(crate) fn shell(image: &Path, initramfs: &Path) -> Result<()> {
    shell::run(qemu(image, initramfs, "kraud.shell").args([
        "-serial",
        "mon:stdio",
        "-serial",
        "null",
    ]))
}

fn qemu(image: &Path, initramfs: &Path, words: &str) -> Command {
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(MACHINE.split_whitespace());
    qemu.arg("-kernel").arg(image).arg("-initrd").arg(initramfs);
    let line = format!("console=ttyS0 panic=-1 quiet {words}");
    qemu.args(["-append", line.trim_end()]);
    qemu
}

/// A running QEMU; dropped, it is gone.
struct Machine(Child);

impl Machine {
    fn start(qemu: &mut Command) -> Result<Self> {
        let child = qemu.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        Ok(Self(
            child.map_err(|error| format!("cannot start QEMU: {error}"))?,
        ))
    }

    /// Calls `see` with each line of the report as it comes; returns how that ended.
    fn follow(&mut self, mut see: impl FnMut(&str)) -> &'static str {
        let deadline = Instant::now() + TIME_LIMIT;
        let Some(stdout) = self.0.stdout.take() else {
            return "QEMU has no output";
        };
        let lines = lines_of(stdout);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match lines.recv_timeout(left.min(SILENCE_LIMIT)) {
                Ok(line) => see(&line),
                Err(RecvTimeoutError::Disconnected) => return "the machine stopped early",
                Err(RecvTimeoutError::Timeout) => return "the machine took too long",
            }
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Already gone is fine.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn lines_of(from: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from
            .read_until(b'\n', &mut line)
            .is_ok_and(|length| length > 0)
        {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if sender.send(text).is_err() {
                break;
            }
            line.clear();
        }
    });
    receiver
}

fn tail(console: &[u8]) -> Vec<String> {
    let console = String::from_utf8_lossy(console);
    let lines: Vec<_> = console.lines().map(str::to_owned).collect();
    lines[lines.len().saturating_sub(TAIL)..].to_vec()
}
