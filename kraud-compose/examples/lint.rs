//! Says what is wrong with compose files: `cargo run --example lint -- compose.yaml [override.yaml …]`.
//!
//! Exit code 0: nothing to say or only notes, 1: errors, 2: warnings.

use std::process::ExitCode;

use kraud_compose::{Options, Profile, Project, Severity, Sources, StdProvider};

fn main() -> ExitCode {
    let files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() {
        eprintln!("usage: lint FILE…");
        return ExitCode::from(64);
    }
    let provider = StdProvider::new(".");
    let mut sources = Sources::new(&provider);
    for file in files {
        match std::fs::read_to_string(&file) {
            Ok(text) => sources = sources.with(file, text),
            Err(error) => {
                eprintln!("{file}: {error}");
                return ExitCode::from(1);
            }
        }
    }
    let mut options = Options::new().profile(Profile::Lint);
    if let Some(name) = provider.directory_name() {
        options = options.directory_name(name);
    }
    let (_, diagnostics) = Project::load(sources, &options);
    for diagnostic in &diagnostics {
        println!("{}", diagnostics.short(diagnostic));
        for label in &diagnostic.labels {
            println!(
                "  {}: {}",
                diagnostics.sources().locate(label.span),
                label.text
            );
        }
        if let Some(help) = &diagnostic.help {
            println!("  help: {help}");
        }
    }
    match diagnostics.max_severity() {
        Some(Severity::Error) => ExitCode::from(1),
        Some(Severity::Warning) => ExitCode::from(2),
        _ => ExitCode::SUCCESS,
    }
}
