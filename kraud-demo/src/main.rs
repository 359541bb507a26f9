//! The command line of kraud; everything it does is in the library beside it and in the four crates below that.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use kraud_demo::cli::Cli;
use kraud_demo::commands;
use kraud_demo::error::exit;
use kraud_demo::talk::{self, Talk};

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
    let talk = Talk::new(cli.global);
    match commands::run(&cli, &talk) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            talk::error(format_args!("error: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}
