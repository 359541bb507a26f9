//! The lists, as a user asks for them.

mod common;

use common::{TextFile, kraud};
use serde_json::json;

const SHOP: &str = "
name: shop
networks:
  v: {driver: ipip, ipam: {config: [{subnet: 192.168.0.0/16}]}}
services:
  db: {image: x, networks: {v: {ipv4_address: 192.168.2.2}}}
  legacy: {image: x, networks: {v: {ipv4_address: 192.168.3.0/24}}}
  app: {image: x, networks: [v, default]}
";

fn shop() -> TextFile {
    TextFile::new("shop.yaml", SHOP)
}

#[test]
fn a15_an_overlay_is_shown_by_every_name_that_it_has() {
    let file = shop();
    let show = |query: &str| kraud(["overlay", "show", query, "-f", &file.path()]).json();
    let v = show("v");
    assert_eq!(v["schema"], "kraud/v1");
    assert_eq!(v["Net4"], "192.168.0.0/16");
    for query in [
        "shop/v",
        v["AID"].as_str().unwrap(),
        v["ID"].as_str().unwrap(),
    ] {
        assert_eq!(show(query), v, "{query}");
    }
    let default = kraud(["overlay", "show", "-f", &file.path()]).json();
    assert_eq!(default["Name"], "default");
    let missing = kraud(["overlay", "show", "w", "-f", &file.path()]);
    assert_eq!(missing.code, 1);
    assert!(
        missing.stderr.contains("no overlay is called `w`"),
        "{}",
        missing.stderr
    );
}

#[test]
fn a15_the_data_has_the_field_names_of_the_api_as_json_and_as_yaml() {
    let file = shop();
    let list = kraud(["overlay", "ls", "-f", &file.path(), "-o", "json"]).json();
    let mut fields: Vec<&String> = list["items"][0].as_object().unwrap().keys().collect();
    fields.sort();
    assert_eq!(
        fields,
        ["AID", "Driver", "ID", "Name", "Namespace", "Net4", "Net6"]
    );
    let yaml = kraud(["overlay", "ls", "-f", &file.path(), "-o", "yaml"]).stdout;
    let read: serde_json::Value = yaml_serde::from_str(&yaml).unwrap();
    assert_eq!(read, list);
}

#[test]
fn a01_a_vpc_lists_its_hosts_and_pods() {
    let file = shop();
    let list = kraud(["vpc", "ls", "-f", &file.path(), "--vpc", "prod"]);
    let aid = kraud(["vpc", "ls", "-q", "-f", &file.path(), "--vpc", "prod"]).stdout;
    assert_eq!(
        list.stdout,
        format!("aid          name  \n{}  prod\n", aid.trim())
    );
    let show = ["vpc", "show", "prod", "-f", &file.path(), "--vpc", "prod"].map(str::to_owned);
    let text = kraud(&show).stdout;
    for part in [
        "public networks:\nid     segment",
        "\npods:\nid ",
        "shop-app-1.shop\n",
        "\nservices:\nid  vpc  overlay  name  \n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let data = kraud(show.iter().map(String::as_str).chain(["-o", "json"])).json();
    assert_eq!(data["Pods"].as_array().unwrap().len(), 3);
    let app = &data["Pods"][0];
    assert_eq!(
        (&app["Name"], app["Overlays"].as_array().unwrap().len()),
        (&"shop-app-1".into(), 2)
    );
    assert_ne!(
        kraud(["vpc", "ls", "-q", "-f", &file.path()]).stdout,
        aid,
        "another VPC is another id"
    );
}

#[test]
fn a13_network_inspect_has_the_shape_of_docker() {
    let file = shop();
    let networks = kraud([
        "network",
        "inspect",
        "shop/v",
        "shop/default",
        "-f",
        &file.path(),
    ])
    .json();
    let v = &networks[0];
    assert_eq!(
        (
            &v["Name"],
            &v["Driver"],
            &v["Scope"],
            &v["Created"],
            &v["Internal"],
            &v["EnableIPv6"]
        ),
        (
            &json!("shop/v"),
            &json!("ipip"),
            &json!("global"),
            &json!("0001-01-01T00:00:00Z"),
            &json!(false),
            &json!(true)
        )
    );
    assert_eq!(v["IPAM"]["Config"][0], json!({"Subnet": "192.168.0.0/16"}));
    let containers = v["Containers"].as_object().unwrap();
    let db = containers
        .values()
        .find(|member| member["Name"] == "shop-db-1")
        .unwrap();
    assert_eq!(db["IPv4Address"], "192.168.2.2/16");
    assert!(db["IPv6Address"].as_str().unwrap().ends_with("/64"));
    assert_eq!(containers.len(), 3);
    assert_eq!(networks[1]["Containers"].as_object().unwrap().len(), 1);

    let id = v["Id"].as_str().unwrap();
    let template = "{{range .IPAM.Config}}{{.Subnet}} {{end}}{{len .Containers}}";
    let run = kraud([
        "network",
        "inspect",
        &id[..6],
        "-f",
        &file.path(),
        "--format",
        template,
    ]);
    assert!(
        run.stdout.starts_with("192.168.0.0/16 fd") && run.stdout.ends_with("/64 3\n"),
        "{}",
        run.stdout
    );
    assert_eq!(
        kraud(["network", "inspect", "nobody", "-f", &file.path()]).code,
        1
    );
}

#[test]
fn a13_network_ls_takes_the_options_of_docker() {
    let file = shop();
    let ls = |arguments: &[&str]| {
        let run = kraud([&["network", "ls", "-f", &file.path()], arguments].concat());
        (run.code, run.stdout)
    };
    let (_, names) = ls(&["--format", "{{.Name}}"]);
    assert_eq!(names, "shop/default\nshop/v\n");
    assert_eq!(
        ls(&["-F", "name=v$", "--format", "{{.Driver}} {{.Scope}}"]).1,
        "ipip global\n"
    );
    assert_eq!(ls(&["--filter", "driver=bridge", "-q"]).1, "");
    assert_eq!(
        ls(&["-q"]).1.lines().map(str::len).collect::<Vec<_>>(),
        [11, 11]
    );
    assert_eq!(ls(&["-q"]), ls(&["-q", "--no-trunc"]));
    assert_eq!(ls(&["--filter", "colour=red"]).0, 64);
    assert_eq!(ls(&["--format", "{{.Nam}}"]).0, 64);
    assert_eq!(
        ls(&["--format", "json", "-o", "json"]).0,
        64,
        "one of the two"
    );
}

#[test]
fn a12_every_address_is_listed_with_its_owner() {
    let file = shop();
    let list = kraud([
        "ipam",
        "ls",
        "-f",
        &file.path(),
        "-F",
        "network=shop/v",
        "--format",
        "{{.Kind}} {{.Prefix}} {{.Owner}}",
    ])
    .stdout;
    for row in [
        "subnet 192.168.0.0/16 shop/v",
        "address 192.168.2.2 shop-db-1",
        "address 192.168.3.1 shop-legacy-1",
        "delegated 192.168.3.0/24 shop-legacy-1",
    ] {
        assert!(list.lines().any(|line| line == row), "{row}: {list}");
    }
    let json = kraud(["ipam", "export", "--format", "json", "-f", &file.path()]).json();
    let listed = kraud(["ipam", "ls", "-o", "json", "-f", &file.path()]).json();
    assert_eq!(json, listed);
}

#[test]
fn b10_the_prefixes_are_exported_for_firewalls() {
    let file = shop();
    let export = kraud(["ipam", "export", "-f", &file.path()]).stdout;
    for line in [
        "define shop_v_v4 = { 192.168.0.0/16 }",
        "define shop_v_db_v4 = { 192.168.2.2 }",
        "define shop_v_legacy_v4 = { 192.168.3.0/24 }",
    ] {
        assert!(
            export.lines().any(|other| other == line),
            "{line}: {export}"
        );
    }
}

#[test]
#[ignore = "needs nft and root or a user namespace"]
fn b10_nft_takes_the_exported_prefixes() {
    let file = shop();
    let mut ruleset = kraud(["ipam", "export", "-f", &file.path()]).stdout;
    let names: Vec<String> = ruleset
        .lines()
        .filter_map(|line| Some(line.strip_prefix("define ")?.split(' ').next()?.to_owned()))
        .collect();
    assert!(names.len() > 8, "{ruleset}");
    ruleset.push_str("table inet t {\n chain c {\n");
    for name in &names {
        let family = if name.contains("_v4") { "ip" } else { "ip6" };
        ruleset.push_str(&format!("  {family} saddr ${name} counter\n"));
    }
    ruleset.push_str(" }\n}\n");
    let rules = TextFile::new("rules.nft", &ruleset);
    let mut check = std::process::Command::new("unshare");
    check.args(["-Urn", "nft", "-c", "-f", &rules.path()]);
    let run = common::finished(check.output().expect("unshare runs"));
    assert_eq!(run.code, 0, "{}\n{ruleset}", run.stderr);
}

#[test]
fn a05_hosts_files_are_exported_for_outsiders_and_as_a_pod_sees_them() {
    let file = shop();
    let hosts = |arguments: &[&str]| {
        kraud(
            [
                &["ipam", "export", "--format", "hosts", "-f", &file.path()],
                arguments,
            ]
            .concat(),
        )
    };
    let outside = hosts(&[]).stdout;
    assert!(
        outside.contains("192.168.2.2 db.shop shop-db-1.shop\n"),
        "{outside}"
    );
    let inside = hosts(&["--pod", "shop-app-1"]).stdout;
    assert!(
        inside.contains("192.168.2.2 db shop-db-1 db.shop shop-db-1.shop\n"),
        "{inside}"
    );
    assert_eq!(hosts(&["--pod", "nobody"]).code, 1);
}

#[test]
fn a_compose_file_comes_from_standard_input_as_well() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut child = Command::new(common::binary())
        .args(["ns", "ls", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(SHOP.as_bytes())
        .unwrap();
    let run = common::finished(child.wait_with_output().unwrap());
    assert_eq!(run.stdout, "NAME  CREATED  \nshop  -\n", "{}", run.stderr);
}
