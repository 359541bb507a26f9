//! Fixed addresses: what is wrong with them is said at their place.

mod common;

use common::{codes, has, load, load_as, load_with, options};
use kraud_compose::{Profile, Severity};

/// A file with one network 10.0.0.0/24 (gateway .1, auxiliary .9) and these services.
fn file(services: &str) -> String {
    format!(
        "networks: {{n: {{ipam: {{config: [{{subnet: 10.0.0.0/24, gateway: 10.0.0.1, \
         aux_addresses: {{router: 10.0.0.9}}}}]}}}}}}\nservices:\n{services}"
    )
}

fn one(address: &str) -> Vec<String> {
    let text = file(&format!(
        "  a: {{image: x, networks: {{n: {{ipv4_address: {address}}}}}}}\n"
    ));
    let (_, diagnostics) = load(&text);
    diagnostics.iter().map(|d| d.code.to_string()).collect()
}

#[test]
fn unusable_addresses_are_told_apart() {
    assert_eq!(one("10.0.0.5"), [""; 0]);
    for bad in [
        "300.1.2.3",
        "10.0.0.05",
        "10.0.0",
        "x",
        "fe80::1%eth0",
        "''",
        "~",
        "10.0.0.5:80",
    ] {
        assert_eq!(one(bad), ["KC0101"], "{bad}");
    }
    assert_eq!(one("'fd00::1'"), ["KC0102"]);
    assert_eq!(one("10.0.0.5/24"), ["KC0103"]);
    assert_eq!(one("10.0.1.5"), ["KC0104"]);
    assert_eq!(one("10.0.0.0"), ["KC0105"]);
    assert_eq!(one("10.0.0.255"), ["KC0105"]);
    assert_eq!(one("10.0.0.1"), ["KC0106"]);
    assert_eq!(one("10.0.0.9"), ["KC0108"]);
}

#[test]
fn a_reason_is_given_for_a_bad_address() {
    let help = |address: &str| {
        let text = file(&format!(
            "  a: {{image: x, networks: {{n: {{ipv4_address: {address}}}}}}}\n"
        ));
        let (_, diagnostics) = load(&text);
        diagnostics.as_slice()[0].help.clone().unwrap_or_default()
    };
    assert_eq!(help("300.1.2.3"), "`300` is more than 255");
    assert_eq!(help("10.0.0.05"), "`05` has a leading zero");
    assert_eq!(help("10.0.x.5"), "`x` is not a number from 0 to 255");
}

#[test]
fn two_owners_of_one_address_are_both_named() {
    let text = file(
        "  a: {image: x, networks: {n: {ipv4_address: 10.0.0.5}}}\n  b: {image: x, networks: {n: {ipv4_address: 10.0.0.5}}}\n",
    );
    let (_, diagnostics) = load(&text);
    let [d] = diagnostics.as_slice() else {
        panic!("{diagnostics}")
    };
    assert_eq!(
        d.message,
        "services `a` and `b` both ask for 10.0.0.5 in network `n`"
    );
    assert_eq!(diagnostics.sources().position(d.span).line, 4);
    assert_eq!(diagnostics.sources().position(d.labels[0].span).line, 3);
    // A file may hold alternatives; whoever builds the networks cannot have both.
    assert_eq!(d.severity, Severity::Warning);
    let (_, plan) = load_as(&text, &options(Profile::Plan));
    assert_eq!(plan.max_severity(), Some(Severity::Error));
}

#[test]
fn services_of_different_profiles_may_share_an_address() {
    let text = file(
        "  a: {image: x, profiles: [main], networks: {n: {ipv4_address: 10.0.0.5}}}\n  b: {image: x, profiles: [test], networks: {n: {ipv4_address: 10.0.0.5}}}\n",
    );
    let (_, plan) = load_as(&text, &options(Profile::Plan));
    assert!(!has(&plan, "KC0107"), "{plan}");
}

#[test]
fn a_variable_is_shown_as_it_is_written() {
    let text = file("  a: {image: x, networks: {n: {ipv4_address: '${SECRET}'}}}\n");
    let (_, diagnostics) = load_with(&text, &[("SECRET", "hunter2")]);
    assert_eq!(codes(&diagnostics), ["KC0101 3:46"]);
    assert!(
        diagnostics
            .to_string()
            .contains("`${SECRET}` is not an IPv4 address")
    );
    assert!(!diagnostics.to_string().contains("hunter2"));
}

#[test]
fn defaults_of_variables_count() {
    for template in [
        "${A:-10.0.0.5}",
        "${A-10.0.0.5}",
        "10.0.0.${A:-5}",
        "${A:-${B:-10.0.0.5}}",
    ] {
        let text = file(&format!(
            "  a: {{image: x, networks: {{n: {{ipv4_address: '{template}'}}}}}}\n"
        ));
        let (project, diagnostics) = load(&text);
        assert!(diagnostics.is_empty(), "{template}: {diagnostics}");
        let address = project.unwrap().services[0].endpoints[0]
            .ipv4_address
            .unwrap();
        assert_eq!(address.to_string(), "10.0.0.5");
    }
}

#[test]
fn what_comes_from_the_environment_stays_there() {
    let (_, diagnostics) = load_with(
        "services:\n  a: {image: x, hostname: '${SECRET} x', networks: {n: {interface_name: \"$SECRET\"}}}\nnetworks:\n  n: {driver: \"$SECRET\", name: 'a-${SECRET}'}\n  m: {name: 'a-${SECRET}'}\n",
        &[("SECRET", "hunter2-hunter2-hunter2")],
    );
    assert!(
        has(&diagnostics, "KC0117") && has(&diagnostics, "KC0216"),
        "{diagnostics}"
    );
    assert!(
        !format!("{:?}", diagnostics.as_slice()).contains("hunter2"),
        "{diagnostics}"
    );
    assert!(
        diagnostics
            .to_string()
            .contains("the same name `a-${SECRET}`"),
        "{diagnostics}"
    );
}

#[test]
fn a_fix_keeps_quotes_and_adds_them_where_ipv6_needs_them() {
    for (written, fixed) in [("'fd12::1/64'", "'fd12::1'"), ("fd12::1/64", "'fd12::1'")] {
        let text = format!(
            "networks: {{n: {{ipam: {{config: [{{subnet: 'fd12::/64', gateway: {written}}}]}}}}}}"
        );
        let (_, diagnostics) = load(&text);
        let d = diagnostics
            .iter()
            .find(|d| d.code.to_string() == "KC0209")
            .unwrap();
        assert_eq!(d.fixes[0].edits[0].text, fixed);
    }
}
