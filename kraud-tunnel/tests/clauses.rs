//! The table of clauses names tests: each of them has to be there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn every_test_that_the_table_names_is_there() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeSet::new();
    for file in fs::read_dir(here.join("tests"))
        .expect("the tests")
        .flatten()
    {
        let Ok(text) = fs::read_to_string(file.path()) else {
            continue;
        };
        let names = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("fn "));
        tests.extend(names.filter_map(|rest| Some(rest.split_once('(')?.0.to_owned())));
    }
    let table = fs::read_to_string(here.join("docs/RFC2473.md")).expect("the table");
    let named: Vec<&str> = table
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| name.contains('_') && !name.contains(['/', ':']))
        .collect();
    assert!(named.len() > 30, "{} tests named", named.len());
    let missing: Vec<_> = named
        .iter()
        .filter(|name| !tests.contains(**name))
        .collect();
    assert!(missing.is_empty(), "not there: {missing:?}");
}
