//! Findings as data.
#![cfg(feature = "serde")]

mod common;

use common::options;
use kraud_compose::{Profile, Sources, lint};
use serde_json::{Value, json};

const FILE: &str = "services:\n  wéb: {image: x}\n  a: {image: x, networks: {n: {ipv4_address: 10.0.1.5}}}\nnetworks:\n  n: {ipam: {config: [{subnet: 10.0.0.1/24}]}}\n";

fn report() -> kraud_compose::Report {
    lint(
        Sources::from_text("my file.yaml", FILE),
        &options(Profile::Lint),
    )
}

#[test]
fn the_report_has_places_for_editors() {
    let json = serde_json::to_value(report()).unwrap();
    assert_eq!(json["schema"], "kraud-lint/v1");
    assert_eq!((&json["errors"], &json["warnings"]), (&json!(2), &json!(1)));
    let codes: Vec<&Value> = json["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| &f["code"])
        .collect();
    assert_eq!(codes, ["KC0311", "KC0104", "KC0203"]);
    let host_bits = &json["findings"][2];
    assert_eq!(host_bits["name"], "host-bits");
    assert_eq!(host_bits["severity"], "warning");
    assert_eq!(
        (&host_bits["line"], &host_bits["column"]),
        (&json!(5), &json!(32))
    );
    assert_eq!(host_bits["end_column"], 43);
    assert_eq!(
        &FILE[host_bits["start"].as_u64().unwrap() as usize
            ..host_bits["end"].as_u64().unwrap() as usize],
        "10.0.0.1/24"
    );
    assert_eq!(host_bits["fixes"][0]["edits"][0]["text"], "10.0.0.0/24");
    assert_eq!(json["findings"][1]["related"][0]["line"], 5);
    assert_eq!(report().exit_code(), 1);
}

#[test]
fn sarif_names_rules_and_regions() {
    let json = serde_json::to_value(report().to_sarif()).unwrap();
    assert_eq!(json["version"], "2.1.0");
    let run = &json["runs"][0];
    let rules: Vec<&Value> = run["tool"]["driver"]["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["id"])
        .collect();
    assert_eq!(rules, ["KC0104", "KC0203", "KC0311"]);
    let outside = &run["results"][1];
    assert_eq!(
        (&outside["ruleId"], &outside["ruleIndex"], &outside["level"]),
        (&json!("KC0104"), &json!(0), &json!("error"))
    );
    let place = &outside["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "my%20file.yaml");
    assert_eq!(place["region"]["startLine"], 3);
    let fix = &run["results"][2]["fixes"][0]["artifactChanges"][0]["replacements"][0];
    assert_eq!(fix["insertedContent"]["text"], "10.0.0.0/24");
    assert_eq!(run["results"].as_array().unwrap().len(), 3);
}

#[test]
fn a_clean_file_has_nothing_to_say() {
    let report = lint(
        Sources::from_text("f", "services: {a: {image: x}}"),
        &options(Profile::Lint),
    );
    assert_eq!((report.exit_code(), report.findings.len()), (0, 0));
}
