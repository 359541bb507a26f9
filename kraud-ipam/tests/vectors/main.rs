//! What the tests of other allocators expect, line by line.
//!
//! Every case whose stance is `agree` or `must` holds. Those where kraud-ipam does otherwise are in
//! [`DIFFERS`], each with its reason; the list is exact, so a change of behaviour shows up here.

use std::collections::BTreeMap;

use serde_json::Value;

mod answers;
mod made;
mod scripts;

use answers::answer;

/// Cases that are answered otherwise, and why.
const DIFFERS: &[(&str, &str)] = &[
    (
        "coredhcp-010",
        "differences are 128 bits wide and do not overflow",
    ),
    ("go_ipam-007", "a /32 holds one usable address"),
    ("kubernetes-007", "a /32 holds one usable address"),
    (
        "kubernetes-013",
        "both addresses of a /127 are usable (RFC 6164)",
    ),
    ("kubernetes-016", "counts are exact beyond 64 bits"),
    (
        "go_ipam-031",
        "host bits are an error that names the masked prefix; masking is the caller's choice",
    ),
    (
        "moby-010",
        "host bits are an error that names the masked prefix",
    ),
    (
        "moby-025",
        "host bits are an error that names the masked prefix",
    ),
    (
        "moby-028",
        "host bits are an error that names the masked prefix",
    ),
    (
        "moby-049",
        "::/0 means itself; any prefix of a length is a request of its own",
    ),
    (
        "netavark-016",
        "the gateway of a /31 is its first address (RFC 3021)",
    ),
    // Optional features that are not offered.
    (
        "kubernetes-043",
        "no static band: ranges and exclusions serve the purpose",
    ),
    (
        "kubernetes-046",
        "no static band: ranges and exclusions serve the purpose",
    ),
    (
        "kubernetes-049",
        "no static band: ranges and exclusions serve the purpose",
    ),
    (
        "kubernetes-052",
        "no static band: ranges and exclusions serve the purpose",
    ),
    ("moby-145", "no import of libnetwork's bitmaps"),
];

#[test]
fn every_case_holds_but_those_named() {
    let mut failures = Vec::new();
    let mut differs: BTreeMap<&str, &str> = DIFFERS.iter().copied().collect();
    let mut count = 0;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("a file").path())
        .collect();
    files.sort();
    for file in files
        .iter()
        .filter(|file| file.extension().is_some_and(|ext| ext == "jsonl"))
    {
        for line in std::fs::read_to_string(file).expect("a text").lines() {
            let case: Value = serde_json::from_str(line).expect("a case");
            let id = case["id"].as_str().expect("an id").to_owned();
            let stance = case["stance"].as_str().expect("a stance");
            let outcome = answer(&case);
            count += 1;
            let holds = agrees(&case["expect"], &outcome);
            match (holds, differs.remove(id.as_str())) {
                (true, None) => {}
                (false, Some(_)) if !matches!(stance, "agree" | "must") => {}
                (_, listed) => failures.push(format!(
                    "{id} ({stance}, listed: {listed:?}): {outcome} for {case}"
                )),
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {count}:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(differs.is_empty(), "no such cases: {differs:?}");
    assert_eq!(count, 174);
}

/// Everything that is expected is there; what else the answer has does not matter.
fn agrees(expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => expected
            .iter()
            .all(|(key, value)| got.get(key).is_some_and(|other| agrees(value, other))),
        (Value::Array(expected), Value::Array(got)) => {
            expected.len() == got.len()
                && expected
                    .iter()
                    .zip(got)
                    .all(|(expected, got)| agrees(expected, got))
        }
        // Counts are written as numbers or as text.
        (Value::String(text), Value::Number(number))
        | (Value::Number(number), Value::String(text)) => *text == number.to_string(),
        _ => expected == got,
    }
}
