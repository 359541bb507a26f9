//! Data on stdout.

use std::io::{self, Write, stdout};

use serde::Serialize;

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
