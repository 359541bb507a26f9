//! `cargo xtask rows`: which test shows which capability row of the seed documents, and how it went the last time.
//!
//! A test shows the rows that its name begins with: `a18_a_prefix_is_delegated`, or
//! `a13_a14_listings_look_as_posted`. Results are those of the last run of each lane by `cargo xtask ci`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::chore::nothing_left;
use crate::results::Results;
use crate::shell::Result;
use crate::workspace::{files, root};

/// The last row of each section.
const SECTIONS: &[(char, u8)] = &[('a', 21), ('b', 19), ('c', 33)];

type Row = (char, u8);

pub(crate) fn main(arguments: Vec<String>) -> Result<ExitCode> {
    nothing_left(&arguments)?;
    let results = Results::read()?;
    let mut shown: BTreeMap<Row, Vec<String>> = BTreeMap::new();
    let mut failed = 0;
    let is_source = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    for path in files()?.into_iter().filter(is_source) {
        let file = path.strip_prefix(root())?;
        for (name, ignored) in functions(&fs::read_to_string(&path)?) {
            let mut rows = rows_of(name).peekable();
            failed += usize::from(rows.peek().is_some() && results.failed(name));
            for row in rows {
                let lane = lane(file, ignored);
                let line = format!("{} {name} ({lane}): {}", file.display(), results.of(name));
                shown.entry(row).or_default().push(line);
            }
        }
    }
    print!("{}", table(&shown));
    if failed > 0 {
        println!("{failed} of these tests failed when they last ran.");
    }
    Ok(if failed == 0 && shown.len() == total() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// How many rows there are.
fn total() -> usize {
    SECTIONS.iter().map(|(_, last)| usize::from(*last)).sum()
}

/// A function, and whether it is a test that runs on request only.
fn functions(source: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut ignored = false;
    source.lines().map(str::trim_start).filter_map(move |line| {
        ignored |= line.starts_with("#[ignore");
        let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
        let name = line.strip_prefix("fn ")?.split('(').next()?;
        Some((name, std::mem::take(&mut ignored)))
    })
}

/// The rows that a test of this name shows.
fn rows_of(name: &str) -> impl Iterator<Item = Row> {
    name.split('_').map_while(row)
}

/// `a18`, if there is such a row.
fn row(word: &str) -> Option<Row> {
    let letter = word.chars().next()?;
    let (_, last) = SECTIONS.iter().find(|(section, _)| *section == letter)?;
    let number = word[1..].parse().ok()?;
    (1..=*last).contains(&number).then_some((letter, number))
}

/// Where a test in this file runs.
fn lane(file: &Path, ignored: bool) -> &'static str {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    match (name.starts_with("kernel"), ignored) {
        (true, true) => "real kernel",
        (true, false) => "host and real kernel",
        (false, _) => "host",
    }
}

fn table(shown: &BTreeMap<Row, Vec<String>>) -> String {
    let mut table = String::new();
    for &(letter, last) in SECTIONS {
        for number in 1..=last {
            let name = format!("{}{number}", letter.to_ascii_uppercase());
            let tests = shown.get(&(letter, number));
            for (index, test) in tests.into_iter().flatten().enumerate() {
                let name = if index == 0 { &*name } else { "" };
                let _ = writeln!(table, "{name:<5}{test}");
            }
            if tests.is_none() {
                let _ = writeln!(table, "{name:<5}-");
            }
        }
    }
    let _ = writeln!(
        table,
        "\n{} of {} rows have a test that names them.",
        shown.len(),
        total()
    );
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_shows_all_the_rows_it_begins_with() {
        let rows: Vec<_> = rows_of("a13_a14_listings_of_a15").collect();
        assert_eq!(rows, [('a', 13), ('a', 14)]);
    }

    #[test]
    fn what_is_ignored_runs_in_the_other_lane() {
        let source = "#[test]\n#[ignore = \"x\"]\nfn a1_x() {\n}\n#[test]\nfn a2_y() {}\n";
        assert_eq!(
            functions(source).collect::<Vec<_>>(),
            [("a1_x", true), ("a2_y", false)]
        );
        assert_eq!(lane(Path::new("tests/kernel_x.rs"), true), "real kernel");
    }

    #[test]
    fn other_names_show_nothing() {
        for name in [
            "a_name",
            "a22_there_is_none",
            "address_parses",
            "b0_x",
            "c",
            "é_x",
        ] {
            assert_eq!(rows_of(name).count(), 0, "{name}");
        }
    }

    #[test]
    fn the_table_has_every_row() {
        let table = table(&BTreeMap::from([(('a', 2), vec!["x".into(), "y".into()])]));
        assert!(table.starts_with("A1   -\nA2   x\n     y\nA3   -\n"));
        assert!(table.ends_with("1 of 73 rows have a test that names them.\n"));
    }
}
