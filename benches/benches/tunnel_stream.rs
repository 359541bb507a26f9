//! One TCP stream between two network namespaces of this machine: through the userspace plane, through the userspace
//! WireGuard programs that others use, and without any tunnel; one after the other, several rounds, in one run.
//!
//! ```sh
//! cargo install --root target/rivals boringtun-cli@0.7.1 gotatun-cli@0.10.2
//! sudo -E cargo bench -p kraud-benches --bench tunnel_stream --features plane
//! ```
//!
//! Every block that arrives is checked for its place in the stream, and every byte is counted. The run fails when the
//! overlay's median is less than [`LEAST`] times that of a rival. What cannot run is named as skipped, with the
//! reason: a rival that is not installed, or all of it where this user may not make namespaces. Both ends and all planes
//! share the machine's cores, so figures of different machines do not compare; ratios do.

#[path = "tunnel_stream/path.rs"]
mod path;
#[path = "tunnel_stream/stream.rs"]
mod stream;

use std::process::ExitCode;
use std::time::Duration;

use path::Path;

/// The overlay has to carry this many times what a rival carries.
const LEAST: f64 = 4.0;
/// How often each path is measured.
const ROUNDS: usize = 3;
/// How long a stream is fed.
const LENGTH: Duration = Duration::from_secs(2);
/// The programs to compare with, as cargo installs them.
const RIVALS: [(&str, &str); 2] = [
    ("boringtun-cli", "boringtun-cli@0.7.1"),
    ("gotatun", "gotatun-cli@0.10.2"),
];

fn main() -> ExitCode {
    if let Err(reason) = path::permitted() {
        println!("tunnel/stream: skipped: {reason}");
        return ExitCode::SUCCESS;
    }
    let mut paths = vec![path::plain(), path::kraud_overlay(), path::kraud_vpc()];
    let mut skipped = 0;
    for (program, package) in RIVALS {
        match path::find(program) {
            Some(program) => paths.push(path::rival(&program)),
            None => {
                println!(
                    "tunnel/stream/{program}: skipped: not installed; cargo install --root target/rivals {package}"
                );
                skipped += 1;
            }
        }
    }
    let mut results = vec![Vec::new(); paths.len()];
    for _ in 0..ROUNDS {
        for (path, rates) in paths.iter().zip(&mut results) {
            rates.push(measure(path));
        }
    }
    let medians: Vec<(&str, f64)> = paths
        .iter()
        .zip(&mut results)
        .map(|(path, rates)| {
            rates.sort_by(f64::total_cmp);
            let (low, median, high) = (rates[0], rates[ROUNDS / 2], rates[ROUNDS - 1]);
            println!(
                "tunnel/stream/{:<14} {median:>6.2} Gbit/s  ({low:.2} to {high:.2}, {ROUNDS} rounds)",
                path.name()
            );
            (path.name(), median)
        })
        .collect();
    println!("tunnel/stream: {skipped} skipped");
    judge(&medians)
}

/// A stream's rate in Gbit/s.
fn measure(path: &Path) -> f64 {
    let (listener, connect) = (path.listen(), |address| path.connect(address));
    let measured = stream::run(listener, connect, LENGTH);
    assert_eq!(measured.received, measured.sent, "{}", path.name());
    measured.received as f64 * 8.0 / measured.time.as_secs_f64() / 1e9
}

/// Holds the overlay against each of the others.
fn judge(medians: &[(&str, f64)]) -> ExitCode {
    let of = |name| medians.iter().find(|(other, _)| *other == name);
    let Some((_, overlay)) = of("kraud-overlay") else {
        return ExitCode::FAILURE;
    };
    let mut verdict = ExitCode::SUCCESS;
    for (name, rate) in medians {
        if RIVALS.iter().any(|(program, _)| program == name) {
            let ratio = overlay / rate;
            let missed = if ratio < LEAST { "  MISSED" } else { "" };
            println!("tunnel/stream: overlay : {name} = {ratio:.1}  at least {LEAST}{missed}");
            if ratio < LEAST {
                verdict = ExitCode::FAILURE;
            }
        }
    }
    if let Some((_, plain)) = of("no-tunnel") {
        println!(
            "tunnel/stream: overlay : no-tunnel = {:.2}",
            overlay / plain
        );
    }
    verdict
}
