//! The list of chores, and how their command lines are read.

use std::process::ExitCode;

use crate::shell::Result;
use crate::{ci, guest, kernel_lane, rows};

/// The exit code of a command line that makes no sense, as `sysexits.h` has it.
pub(crate) const USAGE: u8 = 64;

/// One word after `cargo xtask`.
pub(crate) struct Chore {
    pub(crate) name: &'static str,
    options: &'static str,
    about: &'static str,
    /// Runs by itself inside the virtual machine; nobody types it.
    hidden: bool,
    pub(crate) run: fn(Vec<String>) -> Result<ExitCode>,
}

pub(crate) const CHORES: &[Chore] = &[
    Chore {
        name: "ci",
        options: "[--only STEP]… [--skip STEP]…",
        about: "everything that must hold before a change goes in; `.ci/run` is this",
        hidden: false,
        run: ci::main,
    },
    Chore {
        name: "kernel-lane",
        options: "[--kernel 6.1|6.12]… [--only PART]… [--shell]",
        about: "boot real Debian kernels under QEMU and run the tests that need their modules",
        hidden: false,
        run: kernel_lane::main,
    },
    Chore {
        name: "rows",
        options: "",
        about: "which test shows which row of the seed documents",
        hidden: false,
        run: rows::main,
    },
    Chore {
        name: "guest",
        options: "",
        about: "the checks inside the virtual machine",
        hidden: true,
        run: guest::main,
    },
];

/// Prints a line or two for each chore.
pub(crate) fn list() {
    println!("The project's chores:\n");
    for chore in CHORES.iter().filter(|chore| !chore.hidden) {
        println!("  cargo xtask {} {}", chore.name, chore.options);
        println!("      {}", chore.about);
    }
}

/// Takes every `name VALUE` (or `name=VALUE`) out of `arguments`.
pub(crate) fn take_values(arguments: &mut Vec<String>, name: &str) -> Result<Vec<String>> {
    let mut values = Vec::new();
    let mut rest = Vec::new();
    let mut words = arguments.drain(..);
    while let Some(word) = words.next() {
        if word == name {
            values.push(
                words
                    .next()
                    .ok_or_else(|| format!("{name} needs a value"))?,
            );
        } else if let Some(value) = word
            .strip_prefix(name)
            .and_then(|end| end.strip_prefix('='))
        {
            values.push(value.to_owned());
        } else {
            rest.push(word);
        }
    }
    drop(words);
    *arguments = rest;
    Ok(values)
}

/// Takes the flag `name` out of `arguments`; true if it was there.
pub(crate) fn take_flag(arguments: &mut Vec<String>, name: &str) -> bool {
    let before = arguments.len();
    arguments.retain(|word| word != name);
    arguments.len() != before
}

/// Fails if `arguments` holds anything that nobody took.
pub(crate) fn nothing_left(arguments: &[String]) -> Result<()> {
    match arguments.first() {
        None => Ok(()),
        Some(word) => {
            Err(format!("`{word}` is not understood; `cargo xtask` lists what is").into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn values_are_taken_in_both_spellings_and_leave_the_rest() {
        let mut arguments = words("--kernel 6.1 --shell --kernel=6.12");
        assert_eq!(
            take_values(&mut arguments, "--kernel").unwrap(),
            ["6.1", "6.12"]
        );
        assert!(take_flag(&mut arguments, "--shell"));
        assert!(nothing_left(&arguments).is_ok());
    }

    #[test]
    fn a_missing_value_and_an_unknown_word_are_errors() {
        assert!(take_values(&mut words("--only"), "--only").is_err());
        let error = nothing_left(&words("--fast")).unwrap_err();
        assert!(error.to_string().starts_with("`--fast`"));
    }
}
