//! YAML: anchors, merge keys, duplicate keys, documents, limits.

mod common;

use common::{codes, good, load, load_as, options};
use kraud_compose::{Budget, Profile};

#[test]
fn anchors_and_merge_keys_give_what_they_stand_for() {
    let project = good(
        "x-net: &net {driver: ipvlan, driver_opts: {parent: eth0}}
x-base: &base
  image: x
  networks: &where [n]
services:
  a: {<<: *base, hostname: mine}
  b: {image: y, networks: *where}
  c:
    <<: [*base, {hostname: second, image: z}]
networks:
  n: {<<: *net, internal: true}
",
    );
    let n = project.network("n").unwrap();
    assert_eq!(n.driver.as_str(), "ipvlan");
    assert_eq!(n.ipvlan.parent.as_ref().unwrap().value, "eth0");
    assert!(n.is_internal());
    for service in ["a", "b", "c"] {
        assert_eq!(
            project.service(service).unwrap().endpoints.len(),
            1,
            "{service}"
        );
    }
    assert_eq!(
        project
            .service("c")
            .unwrap()
            .hostname
            .as_ref()
            .unwrap()
            .value,
        "second"
    );
    let parent = n.ipvlan.parent.as_ref().unwrap();
    let anchor = project.provenance(parent.span).anchor.unwrap();
    assert_eq!(project.sources().slice(anchor), "&net");
}

#[test]
fn a_key_that_stands_twice_shows_both_places() {
    let (_, diagnostics) = load("services:\n  a: {image: x}\n  b: {image: x}\n  a: {image: y}\n");
    assert_eq!(codes(&diagnostics), ["KC0002 4:3"]);
    let first = diagnostics.as_slice()[0].labels[0].span;
    assert_eq!(diagnostics.sources().position(first).to_string(), "2:3");
}

#[test]
fn unknown_and_circular_aliases_are_reported_together() {
    let (_, diagnostics) =
        load("services:\n  a: {image: *none}\n  b: &b {x-me: *b}\n  c: *later\n");
    assert_eq!(
        codes(&diagnostics)[..3],
        ["KC0003 2:14", "KC0003 3:16", "KC0003 4:6"]
    );
}

#[test]
fn a_billion_laughs_are_refused_and_many_aliases_are_not() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..12 {
        let p = i - 1;
        let list = vec![format!("*a{p}"); 10].join(", ");
        bomb += &format!("a{i}: &a{i} [{list}]\n");
    }
    let (project, diagnostics) = load(&bomb);
    assert!(project.is_none());
    assert!(
        codes(&diagnostics)[0].starts_with("KC0004 "),
        "{diagnostics}"
    );

    let mut many = "x-net: &n {n: {aliases: [a, b, c]}}\nnetworks: {n: }\nservices:\n".to_owned();
    for i in 0..2000 {
        many += &format!("  s{i}: {{image: x, networks: *n}}\n");
    }
    assert_eq!(good(&many).services.len(), 2000);
}

#[test]
fn merge_keys_spend_the_same_budget() {
    let mut text = "x-big: &big\n".to_owned();
    for i in 0..1000 {
        text += &format!("  k{i}: 1\n");
    }
    text += "x-all:\n";
    for _ in 0..1000 {
        text += "  - {<<: *big}\n";
    }
    let mut small = Budget::default();
    small.nodes = 100_000;
    let (_, diagnostics) = load_as(&text, &options(Profile::Compat).budget(small));
    assert!(
        codes(&diagnostics)[0].starts_with("KC0004 "),
        "{diagnostics}"
    );
}

#[test]
fn deep_nesting_is_refused() {
    let text = format!("a: {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let (project, diagnostics) = load(&text);
    assert!(project.is_none() && diagnostics.has_errors());
}

#[test]
fn a_byte_order_mark_and_windows_lines_do_no_harm() {
    let project = good("\u{feff}services:\r\n  a:\r\n    image: x\r\n    hostname: h\r\n");
    let hostname = project.service("a").unwrap().hostname.as_ref().unwrap();
    assert_eq!(hostname.value, "h");
    assert_eq!(project.sources().slice(hostname.span), "h");
}

#[test]
fn an_empty_file_is_no_project() {
    for text in ["", "# only a comment\n", "---\n", "~"] {
        let (project, diagnostics) = load(text);
        assert!(project.is_none());
        assert_eq!(codes(&diagnostics), ["KC0015 1:1"], "{text:?}");
    }
}

#[test]
fn tabs_are_named() {
    let (_, diagnostics) = load("services:\n\ta:\n\t\timage: x\n");
    let help = diagnostics.as_slice()[0].help.as_deref();
    assert_eq!(help, Some("YAML is indented with spaces, never with tabs"));
}
