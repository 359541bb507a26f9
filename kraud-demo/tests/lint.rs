//! `lint`: findings for people and for programs, and the exit code.

mod common;

use common::{TextFile, file, kraud};

#[test]
fn a_clean_file_gets_nothing_and_0() {
    let example = TextFile::new("nextcloud.yaml", include_str!("../examples/nextcloud.yaml"));
    let run = kraud(["lint", "-f", &example.path()]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{}", run.stderr);
}

#[test]
fn b13_an_error_has_its_code_and_place_in_every_format() {
    let path = file("undefined_network.yaml");
    let lint = |format: &str| {
        let run = kraud(["lint", "-f", &path, "-o", format]);
        assert_eq!(run.code, 1, "{}", run.stderr);
        run.stdout
    };
    assert!(lint("table").contains("error[KC0301]"));
    assert!(lint("table").contains("undefined_network.yaml:7:9"));
    let json: serde_json::Value = serde_json::from_str(&lint("json")).unwrap();
    let finding = json["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["code"] == "KC0301")
        .unwrap();
    assert_eq!(
        (&finding["line"], &finding["column"]),
        (&7.into(), &9.into())
    );
    let sarif: serde_json::Value = serde_json::from_str(&lint("sarif")).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    assert!(
        sarif["runs"][0]["results"]
            .as_array()
            .unwrap()
            .iter()
            .any(|result| result["ruleId"] == "KC0301")
    );
}

#[test]
fn a_file_with_warnings_only_gets_2() {
    let text = "networks: {v: {ipam: {config: [{subnet: 10.7.0.0/24}]}}}\n\
                services: {db: {image: postgres, networks: {v: {ipv4_address: 10.7.0.9}}}, web: {image: nginx, networks: [v]}}\n";
    let old = TextFile::new("mixed.yaml", text);
    let run = kraud(["lint", "-f", &old.path()]);
    assert_eq!(run.code, 2, "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("warning[KC"), "{}", run.stdout);
}

#[test]
fn a18_the_dialect_decides_about_an_address_given_as_a_prefix() {
    let post = TextFile::new(
        "post.yaml",
        "networks: {v: {driver: ipip, ipam: {config: [{subnet: 192.168.0.0/16}]}}}\n\
         services: {k2: {image: k2, networks: {v: {ipv4_address: 192.168.2.0/24}}}}\n",
    );
    let lint = |dialect: &[&str]| kraud([&["lint", "-f", &post.path()], dialect].concat());
    assert_eq!(
        lint(&[]).code,
        0,
        "the file uses ipip: {}",
        lint(&[]).stdout
    );
    assert_eq!(lint(&["--dialect", "kraud"]).code, 0);
    let docker = lint(&["--dialect", "docker"]);
    assert_eq!(docker.code, 1);
    assert!(
        docker.stdout.contains("post.yaml:2:57"),
        "{}",
        docker.stdout
    );
}
