//! `decode`: the tunnelled conversations in a capture.

use std::fs::File;
use std::io::{Read, stdin};
use std::path::Path;

use super::print_as;
use crate::cli::DecodeArgs;
use crate::decode::decode;
use crate::error::Error;

/// Prints what is there, also of a capture that is damaged behind it.
pub(super) fn run(args: &DecodeArgs) -> Result<(), Error> {
    let capture: Box<dyn Read + Send> = if args.file == Path::new("-") {
        Box::new(stdin())
    } else {
        let opened = File::open(&args.file);
        Box::new(opened.map_err(|source| Error::Read {
            path: args.file.clone(),
            source,
        })?)
    };
    let (report, end) = decode(capture);
    if report.frames > 0 || end.is_ok() {
        print_as(args.output, &report, || report.text())?;
    }
    end.map_err(|source| Error::Capture {
        path: args.file.clone(),
        source,
    })
}
