//! The project's own chores. `cargo xtask` lists them.
//!
//! ```text
//! ci ─────────▶ steps, one after the other, and a table of how each went
//! kernel-lane ▶ fetch a kernel ─▶ programs ─▶ initramfs ─▶ QEMU ─▶ report
//!                                                            │ guest: the same
//!                                                            ▼ binary, as /init's child
//! rows ───────▶ which test shows which capability row      checks, one by one
//! ```

#![forbid(unsafe_code)]

mod chore;
mod ci;
mod debian;
mod docker_compose;
mod fuzz;
mod guest;
mod kernel_lane;
mod lab;
mod no_std;
mod packages;
mod results;
mod rows;
mod shell;
mod verdict;
mod workspace;

use std::process::ExitCode;

use chore::{CHORES, Chore};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        chore::list();
        return ExitCode::SUCCESS;
    };
    let Some(Chore { run, .. }) = CHORES.iter().find(|chore| chore.name == name) else {
        eprintln!("error: no chore is called `{name}`\n");
        chore::list();
        return ExitCode::from(chore::USAGE);
    };
    match run(arguments.collect()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
