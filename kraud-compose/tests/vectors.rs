//! The answers of compose-go 2.13, recorded; where we answer differently the difference is listed.
#![cfg(feature = "serde")]

mod common;

use std::collections::BTreeMap;

use common::{load, options};
use kraud_compose::{
    Profile, Project, Severity, Sources, interpolate, normalize_project_name, parse_env_file,
};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Case {
    kind: String,
    #[serde(rename = "in")]
    input: String,
    env: BTreeMap<String, String>,
    out: Option<Value>,
    err: Option<String>,
}

fn cases(kind: &str) -> Vec<Case> {
    let all: Vec<Case> = serde_json::from_str(include_str!("vectors/unit-cases.json")).unwrap();
    all.into_iter().filter(|c| c.kind == kind).collect()
}

#[test]
fn interpolation_answers_as_compose_go() {
    // A default may contain a line break: compose-go's pattern does not match it by accident.
    let deviations = ["${X:-\n}"];
    let all = cases("interp");
    assert!(all.len() > 1400);
    for case in all {
        let lookup = |name: &str| case.env.get(name).cloned();
        let ours = interpolate(&case.input, lookup).map(std::borrow::Cow::into_owned);
        if deviations.contains(&case.input.as_str()) {
            assert!(ours.is_ok());
            continue;
        }
        match (case.out, case.err) {
            (Some(out), _) => {
                assert_eq!(ours.as_deref(), Ok(out.as_str().unwrap()), "{}", case.input);
            }
            (None, Some(err)) => {
                assert_eq!(
                    ours.unwrap_err().to_string(),
                    err,
                    "{} {:?}",
                    case.input,
                    case.env
                );
            }
            (None, None) => unreachable!("a case has an answer"),
        }
    }
}

#[test]
fn project_names_answer_as_compose_go() {
    for case in cases("project") {
        assert_eq!(
            normalize_project_name(&case.input),
            case.out.unwrap().as_str().unwrap()
        );
    }
}

#[test]
fn env_files_answer_as_compose_go() {
    for case in cases("dotenv") {
        let ours = parse_env_file(&case.input, |name| case.env.get(name).cloned());
        match (case.out, case.err) {
            (Some(out), _) => {
                let ours: BTreeMap<String, String> = ours.unwrap().into_iter().collect();
                assert_eq!(serde_json::to_value(ours).unwrap(), out, "{:?}", case.input);
            }
            (None, Some(err)) => {
                assert_eq!(ours.unwrap_err().to_string(), err, "{:?}", case.input);
            }
            (None, None) => unreachable!("a case has an answer"),
        }
    }
}

fn service(body: &str) -> (Value, bool) {
    let (project, diagnostics) = load(&format!("services: {{s: {{image: x, {body}}}}}"));
    let json = serde_json::to_value(project.expect("YAML")).unwrap();
    (json["services"]["s"].clone(), diagnostics.has_errors())
}

#[test]
fn ports_answer_as_compose_go() {
    for case in cases("port") {
        let (json, failed) = service(&format!("ports: [{:?}]", case.input));
        assert_eq!(failed, case.err.is_some(), "{:?}", case.input);
        if let Some(out) = case.out {
            assert_eq!(json["ports"], out, "{:?}", case.input);
        }
    }
}

#[test]
fn extra_hosts_answer_as_compose_go() {
    for case in cases("host") {
        let (json, failed) = service(&format!("extra_hosts: [{:?}]", case.input));
        assert_eq!(failed, case.err.is_some(), "{:?}", case.input);
        if let Some(out) = case.out {
            assert_eq!(json["extra_hosts"], out, "{:?}", case.input);
        }
    }
}

#[derive(Deserialize)]
struct Merge {
    id: String,
    #[serde(rename = "a.yaml")]
    a: String,
    #[serde(rename = "b.yaml")]
    b: String,
    out: Option<Value>,
    err: Option<String>,
}

/// What compose-go prints but a networks parser does not own.
fn owned(mut json: Value) -> Value {
    for service in json["services"].as_object_mut().unwrap().values_mut() {
        for key in ["command", "entrypoint", "image"] {
            service.as_object_mut().unwrap().remove(key);
        }
    }
    json
}

/// Whether compose-go's merge of several pools is involved: it loses and mixes them.
fn several_pools(json: &Value, other: &Value) -> bool {
    let pools = |json: &Value| {
        let networks = json["networks"].as_object().unwrap().clone();
        networks
            .into_iter()
            .map(|(k, n)| (k, n["ipam"]["config"].clone()))
            .collect::<BTreeMap<_, _>>()
    };
    pools(json) != pools(other)
}

fn without_pools(mut json: Value) -> Value {
    for network in json["networks"].as_object_mut().unwrap().values_mut() {
        network["ipam"].as_object_mut().unwrap().remove("config");
    }
    json
}

#[test]
fn merges_answer_as_compose_go() {
    let all: Vec<Merge> = serde_json::from_str(include_str!("vectors/merges.json")).unwrap();
    let (mut equal, mut pools, mut refused) = (0, Vec::new(), 0);
    for case in &all {
        let sources = Sources::from_text("a.yaml", &case.a).with("b.yaml", &case.b);
        let options = options(Profile::Compat).project_name("proj");
        let (project, diagnostics) = Project::load(sources, &options);
        if let Some(err) = &case.err {
            // One of the errors that compose-go finds, whichever it finds first.
            let ours: Vec<String> = diagnostics
                .iter()
                .filter(|d| d.severity == Severity::Error)
                .map(|d| d.code.to_string())
                .collect();
            let meant = |part: &str| match part {
                part if part.contains("mutually exclusive") => "KC0302",
                part if part.contains("undefined network") => "KC0301",
                _ => "KC0001",
            };
            for part in err.split("---") {
                assert!(
                    ours.contains(&meant(part).to_owned()),
                    "{}: {part}\n{diagnostics}",
                    case.id
                );
            }
            refused += 1;
            continue;
        }
        let theirs = owned(case.out.clone().unwrap());
        let project = project.unwrap_or_else(|| panic!("{}: {diagnostics}", case.id));
        let ours = serde_json::to_value(&project).unwrap();
        // The library keeps networks that nobody uses, and so does compose-go without the CLI.
        if several_pools(&ours, &theirs) {
            pools.push(case.id.as_str());
            assert_eq!(without_pools(ours), without_pools(theirs), "{}", case.id);
        } else {
            equal += 1;
            assert_eq!(ours, theirs, "{}", case.id);
        }
    }
    // The deliberate deviation: with several pools compose-go loses some and moves gateways from
    // one to another; ours are those of the override, each over the pool of the same subnet.
    assert_eq!(pools, POOLS);
    assert_eq!(all.len(), equal + pools.len() + refused);
}

const POOLS: [&str; 11] = [
    "0064", "0156", "0176", "0216", "0260", "0328", "0340", "0392", "0400", "0444", "0552",
];
