//! Several files: overrides, tags, `extends`, `include`, environment files, profiles.

mod common;

use common::{codes, has, options};
use kraud_compose::{
    Diagnostics, MemoryProvider, Options, Profile, Project, Severity, Sources, StdProvider,
};

fn two(a: &str, b: &str) -> (Project, Diagnostics) {
    let sources = Sources::from_text("a", a).with("b", b);
    let (project, diagnostics) = Project::load(sources, &options(Profile::Compat));
    (project.expect("both are YAML"), diagnostics)
}

fn around(provider: &MemoryProvider, text: &str) -> (Option<Project>, Diagnostics) {
    let sources = Sources::new(provider).with("compose.yaml", text);
    Project::load(sources, &options(Profile::Compat))
}

#[test]
fn a_list_of_networks_joins_a_mapping() {
    let (project, diagnostics) = two(
        "services: {a: {image: x, networks: [n]}}\nnetworks: {n: {ipam: {config: [{subnet: 10.0.0.0/24}]}}}",
        "services: {a: {networks: {n: {ipv4_address: 10.0.0.9}, m: }}}\nnetworks: {m: }",
    );
    assert!(diagnostics.is_empty(), "{diagnostics}");
    let a = project.service("a").unwrap();
    assert_eq!(a.endpoints.len(), 2);
    let address = a.endpoint("n").unwrap().ipv4_address.unwrap();
    assert_eq!(project.sources().locate(address.span).to_string(), "b:1:45");
}

#[test]
fn a_clash_between_files_names_both() {
    let (_, diagnostics) = two(
        "services: {a: {image: x, networks: [n]}}\nnetworks: {n: }",
        "services: {a: {network_mode: host}}",
    );
    assert_eq!(codes(&diagnostics), ["KC0302 1:16"]);
    let d = &diagnostics.as_slice()[0];
    assert_eq!(diagnostics.sources().locate(d.span).file, "b");
    assert_eq!(diagnostics.sources().locate(d.labels[0].span).file, "a");
}

#[test]
fn reset_takes_away_and_override_replaces() {
    let base = "services: {a: {image: x, networks: {n: , m: }, ports: ['80:80'], hostname: h}}\nnetworks: {n: {driver: ipvlan, internal: true}, m: }";
    let (project, diagnostics) = two(
        base,
        "services: {a: {networks: !override {m: }, ports: !reset [], hostname: !reset null}}\nnetworks: {n: !override {driver: bridge}}",
    );
    assert!(diagnostics.is_empty(), "{diagnostics}");
    let a = project.service("a").unwrap();
    assert_eq!(a.endpoints.len(), 1);
    assert!(a.ports.is_empty() && a.hostname.is_none());
    let n = project.network("n").unwrap();
    assert_eq!((n.driver.as_str(), n.is_internal()), ("bridge", false));

    let (project, _) = two(base, "services: {a: !reset null}\nnetworks: {n: !reset {}}");
    assert!(project.services.is_empty());
    assert_eq!(project.networks.len(), 1);
}

#[test]
fn documents_of_one_file_merge_like_files() {
    let text = "services: {a: {image: x}}\n---\nservices: {a: {hostname: h}, b: {image: y}}\n";
    let (project, diagnostics) = common::load(text);
    assert!(diagnostics.is_empty(), "{diagnostics}");
    let project = project.unwrap();
    assert_eq!(project.services.len(), 2);
    assert_eq!(
        project
            .service("a")
            .unwrap()
            .hostname
            .as_ref()
            .unwrap()
            .value,
        "h"
    );
}

#[test]
fn pools_of_an_override_inherit_by_subnet_and_leak_nothing() {
    let base = "networks: {n: {ipam: {config: [{subnet: 10.1.0.0/24, gateway: 10.1.0.1}, {subnet: 10.2.0.0/24, gateway: 10.2.0.1}]}}}";
    let (project, diagnostics) = two(
        base,
        "networks: {n: {ipam: {config: [{subnet: 10.1.0.0/24, ip_range: 10.1.0.128/25}]}}}",
    );
    let [pool] = project.networks[0].ipam.pools.as_slice() else {
        panic!()
    };
    assert_eq!(pool.gateway.unwrap().to_string(), "10.1.0.1");
    assert_eq!(pool.ip_range.unwrap().to_string(), "10.1.0.128/25");
    assert_eq!(
        codes(&diagnostics),
        ["KC0505 1:74"],
        "the dropped pool is noted"
    );
    assert_eq!(diagnostics.max_severity(), Some(Severity::Note));

    let (project, _) = two(
        base,
        "networks: {n: {ipam: {config: [{subnet: 10.3.0.0/24}]}}}",
    );
    let [pool] = project.networks[0].ipam.pools.as_slice() else {
        panic!()
    };
    assert!(pool.gateway.is_none(), "no gateway of another subnet");
}

#[test]
fn extends_builds_on_a_service_of_this_or_another_file() {
    let provider = MemoryProvider::new().file(
        "common/base.yaml",
        "services:\n  web: {image: x, networks: [front], extends: deep}\n  deep: {image: y, hostname: '${NAME:-deep}'}\n",
    );
    let (project, diagnostics) = around(
        &provider,
        "services:
  a: {extends: {file: common/base.yaml, service: web}, networks: [back]}
  b: {extends: a, hostname: b}
networks: {front: , back: }
",
    );
    assert!(diagnostics.is_empty(), "{diagnostics}");
    let project = project.unwrap();
    for (name, hostname) in [("a", "deep"), ("b", "b")] {
        let service = project.service(name).unwrap();
        assert_eq!(service.endpoints.len(), 2, "{name}");
        assert_eq!(service.hostname.as_ref().unwrap().value, hostname);
    }
    let hostname = project.service("a").unwrap().hostname.as_ref().unwrap();
    let provenance = project.provenance(hostname.span);
    assert_eq!(provenance.variables, ["NAME"]);
    assert_eq!(
        project.sources().slice(provenance.included_at[0]),
        "common/base.yaml"
    );
}

#[test]
fn extends_that_leads_nowhere_or_round_is_reported() {
    let (_, diagnostics) = around(
        &MemoryProvider::new(),
        "services:
  a: {extends: b, image: x}
  b: {extends: a, image: x}
  c: {extends: {service: nope}, image: x}
  d: {extends: {file: gone.yaml, service: x}, image: x}
",
    );
    assert_eq!(
        codes(&diagnostics),
        ["KC0503 2:7", "KC0502 4:26", "KC0502 5:23"]
    );
    assert!(diagnostics.as_slice()[0].message.ends_with("a -> b -> a"));
}

#[test]
fn include_brings_networks_and_services_along() {
    let provider = MemoryProvider::new()
        .file("db/compose.yaml", "include: [inner.yaml]\nservices: {db: {image: x, networks: [back]}}\nnetworks: {back: {ipam: {config: [{subnet: $NET}]}}}")
        .file("db/.env", "NET=10.7.0.0/24\n")
        .file("db/inner.yaml", "services: {cache: {image: x, networks: [back]}}");
    let (project, diagnostics) = around(
        &provider,
        "include:\n  - db/compose.yaml\nservices: {web: {image: x, networks: [back]}}\n",
    );
    assert!(diagnostics.is_empty(), "{diagnostics}");
    let project = project.unwrap();
    assert_eq!(project.services.len(), 3);
    let back = project.network("back").unwrap();
    assert_eq!(back.subnets().next().unwrap().to_string(), "10.7.0.0/24");
    let chain = project
        .provenance(project.service("cache").unwrap().key.span)
        .included_at;
    assert_eq!(chain.len(), 2);
}

#[test]
fn include_conflicts_and_circles_are_reported() {
    let provider = MemoryProvider::new()
        .file(
            "b.yaml",
            "include: [c.yaml]\nnetworks: {n: {internal: true}, same: {driver: bridge}}",
        )
        .file("c.yaml", "include: [b.yaml]\n");
    let (_, diagnostics) = around(
        &provider,
        "include: [b.yaml, gone.yaml]\nservices: {a: {image: x, networks: [n, same]}}\nnetworks: {n: , same: {driver: bridge}}",
    );
    assert_eq!(
        codes(&diagnostics),
        ["KC0501 1:19", "KC0504 3:12", "KC0503 1:11"]
    );
}

#[test]
fn std_files_are_confined_to_the_project() {
    let root = std::env::temp_dir().join(format!("kraud-compose-{}", std::process::id()));
    let inside = root.join("project");
    std::fs::create_dir_all(&inside).unwrap();
    std::fs::write(root.join("outside.yaml"), "networks: {n: }").unwrap();
    std::fs::write(inside.join("ok.yaml"), "networks: {m: }").unwrap();
    let text = "include: [../outside.yaml, ok.yaml]\nservices: {a: {image: x, networks: [m]}}";
    let load = |provider: &StdProvider| {
        let sources = Sources::new(provider).with("compose.yaml", text);
        Project::load(sources, &options(Profile::Compat))
    };
    let (project, confined) = load(&StdProvider::new(&inside));
    let (_, free) = load(&StdProvider::new(&inside).unconfined());
    std::fs::remove_dir_all(&root).unwrap();
    assert!(has(&confined, "KC0501") && confined.to_string().contains("lies outside of"));
    assert!(project.unwrap().network("m").is_some());
    assert!(!free.has_errors(), "{free}");
}

#[test]
fn the_env_file_fills_in_and_the_environment_wins() {
    let provider = MemoryProvider::new()
        .file(
            ".env",
            "A=10.1\nB=${A}.0.0\nCOMPOSE_PROJECT_NAME=named\nCOMPOSE_PROFILES=x,y\n",
        )
        .set("A", "10.2");
    let sources = Sources::new(&provider).with(
        "f",
        "services: {a: {image: x, profiles: [y], container_name: $COMPOSE_PROJECT_NAME-a}}\nnetworks: {n: {ipam: {config: [{subnet: $B/16}, {subnet: $A.9.0/24}]}}}",
    );
    let (project, diagnostics) = Project::load(sources, &Options::new().directory_name("dir"));
    let project = project.unwrap_or_else(|| panic!("{diagnostics}"));
    assert_eq!(project.name, "named");
    assert!(project.services[0].active);
    assert_eq!(
        project.services[0].container_name.as_ref().unwrap().value,
        "named-a"
    );
    let subnets: Vec<_> = project.networks[0]
        .subnets()
        .map(|s| s.to_string())
        .collect();
    assert_eq!(subnets, ["10.2.0.0/16", "10.2.9.0/24"]);

    let broken = MemoryProvider::new().file(".env", "A=1\nB='x\n");
    let (_, diagnostics) = around(&broken, "services: {a: {image: x}}");
    assert_eq!(
        diagnostics.to_string(),
        ".env:2:1: error[KC0018]: a quote is not closed\n"
    );
}

#[test]
fn profiles_decide_who_is_active() {
    let text = "services: {a: {image: x}, b: {image: x, profiles: [test, debug]}}";
    let active = |names: &[&str]| {
        let options = options(Profile::Compat).profiles(names.iter().copied());
        let (project, _) = common::load_as(text, &options);
        project
            .unwrap()
            .services
            .iter()
            .filter(|s| s.active)
            .count()
    };
    assert_eq!(
        (
            active(&[]),
            active(&["debug"]),
            active(&["*"]),
            active(&["other"])
        ),
        (1, 2, 2, 1)
    );
}

#[test]
fn the_project_is_named_by_option_variable_file_or_directory() {
    let name = |options: Options, variable: Option<&str>, file: &str| {
        let mut provider = MemoryProvider::new();
        if let Some(value) = variable {
            provider = provider.set("COMPOSE_PROJECT_NAME", value);
        }
        let text = format!("{file}services: {{a: {{image: x}}}}");
        let (project, d) = Project::load(Sources::new(&provider).with("f", text), &options);
        (project.unwrap().name, d.has_errors())
    };
    let directory = || Options::new().directory_name("My.App");
    assert_eq!(name(directory(), None, ""), ("myapp".into(), false));
    assert_eq!(
        name(directory(), None, "name: filed\n"),
        ("filed".into(), false)
    );
    assert_eq!(
        name(directory(), None, "name: ${X:-var}\n"),
        ("var".into(), false)
    );
    assert_eq!(
        name(directory(), Some("env"), "name: filed\n"),
        ("env".into(), false)
    );
    assert_eq!(
        name(directory().project_name("opt"), Some("env"), ""),
        ("opt".into(), false)
    );
    assert_eq!(
        name(directory(), None, "name: Not.Good\n"),
        ("notgood".into(), true)
    );
    assert_eq!(
        name(Options::new().directory_name("..."), None, ""),
        (String::new(), true)
    );
}

#[test]
fn a_file_of_2014_is_recognised_and_mended() {
    let text = "web:\n  image: nginx\n  ports: ['80:80']\n\ndb:\n  image: postgres\n";
    let (_, diagnostics) = common::load(text);
    assert_eq!(codes(&diagnostics), ["KC0009 1:1"]);
    let edit = &diagnostics.as_slice()[0].fixes[0].edits[0];
    assert_eq!(edit.span.range(), 0..text.len());
    assert_eq!(common::good(&edit.text).services.len(), 2);
}
