//! Data on stdout.

use std::io::{self, Write, stdout};

use serde::Serialize;

use crate::cli::Output;
use crate::error::Error;

/// Writes data to stdout; a reader that has seen enough (`| head`) is no error.
///
/// # Errors
///
/// Those of `write(2)`, but for `EPIPE`.
pub fn print_text(text: &str) -> Result<(), Error> {
    match stdout()
        .write_all(text.as_bytes())
        .and_then(|()| stdout().flush())
    {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(Error::io("cannot write to stdout")),
    }
}

/// Writes data to stdout as indented JSON.
///
/// # Errors
///
/// As [`print_text`].
pub fn print_json(data: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(data)
        .map_err(|error| Error::Unplannable(error.to_string()))?;
    print_text(&(text + "\n"))
}

/// Writes data to stdout as YAML.
///
/// # Errors
///
/// As [`print_text`].
pub fn print_yaml(data: &impl Serialize) -> Result<(), Error> {
    let text =
        yaml_serde::to_string(data).map_err(|error| Error::Unplannable(error.to_string()))?;
    print_text(&text)
}

/// Writes data to stdout in the form that was asked for; `table` makes the one for people.
///
/// # Errors
///
/// As [`print_text`].
pub fn print_as(
    output: Output,
    data: &impl Serialize,
    table: impl FnOnce() -> String,
) -> Result<(), Error> {
    match output {
        Output::Table => print_text(&table()),
        Output::Json => print_json(data),
        Output::Yaml => print_yaml(data),
    }
}
