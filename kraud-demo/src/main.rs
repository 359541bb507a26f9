//! The command line of kraud; everything it does is in the library beside it and in the four crates below that.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use kraud_demo::cli::Cli;
use kraud_demo::commands;
use kraud_demo::error::exit;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and the version are data, a mistake is talk; clap knows which stream is which.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() {
                exit::USAGE
            } else {
                exit::OK
            });
        }
    };
    match commands::run(cli.command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
