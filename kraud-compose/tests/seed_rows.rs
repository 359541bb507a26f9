//! The rows of the three documents that kraud grew out of, one test per row.

mod common;

use std::net::IpAddr;

use common::{codes, good, load, load_as, options};
use kraud_compose::{
    Dialect, Driver, Ipv4Assignment, NetworkMode, Options, Profile, Project, Severity,
};

const K2: &str = include_str!("seed/k2.yaml");
const MANGLED: &str = include_str!("seed/mangled.yaml");
const WORDPRESS: &str = include_str!("seed/wordpress.yaml");
const APP_NET: &str = include_str!("seed/app_net.yaml");
const BEEF: &str = include_str!("seed/beef.yaml");

fn subnets(project: &Project, network: &str) -> Vec<String> {
    let network = project.network(network).expect("the network is there");
    network.subnets().map(|s| s.to_string()).collect()
}

#[test]
fn a17_the_user_chooses_driver_ipip_and_the_subnet() {
    let project = good(K2);
    let v = project.network("v").unwrap();
    assert_eq!(v.driver, Driver::Ipip);
    assert_eq!(v.name.value, "p_v");
    assert_eq!(subnets(&project, "v"), ["192.168.0.0/16"]);
    assert!(
        v.has_ipv6(),
        "every overlay of kraud gets an IPv6 prefix too"
    );

    let alias = good(&K2.replace("ipip", "ip6ip"));
    assert_eq!(alias.network("v").unwrap().driver, Driver::Ipip);
    assert_eq!(alias.dialect, Dialect::Kraud);

    let overlay =
        good("services: {a: {image: x, networks: [n]}}\nnetworks: {n: {driver: overlay}}");
    let n = overlay.network("n").unwrap();
    assert_eq!(n.driver, Driver::Overlay);
    assert!(n.driver.is_kraud_overlay());
    assert_eq!(overlay.dialect, Dialect::Docker);
}

#[test]
fn a18_a_prefix_is_delegated_in_krauds_dialect() {
    let project = good(K2);
    let address = project.services[0].endpoints[0].ipv4_address.unwrap();
    let prefix = Ipv4Assignment::Prefix("192.168.2.0/24".parse().unwrap());
    assert_eq!(address.value, prefix);
    assert_eq!(project.sources().slice(address.span), "192.168.2.0/24");
    assert_eq!(
        project.sources().locate(address.span).to_string(),
        "f:12:23"
    );

    let one = address.for_replica(0, 1).unwrap();
    assert_eq!(
        (one.address.to_string(), one.routed.is_some()),
        ("192.168.2.1".into(), true)
    );
    let second = address.for_replica(1, 3).unwrap();
    assert_eq!(
        (second.address.to_string(), second.routed),
        ("192.168.2.2".into(), None)
    );
}

#[test]
fn a18_the_address_with_the_subnets_length_is_the_address() {
    let (project, diagnostics) = load(&K2.replace("192.168.2.0/24", "192.168.2.9/16"));
    assert_eq!(codes(&diagnostics), ["KC0119 12:23"]);
    assert_eq!(diagnostics.max_severity(), Some(Severity::Note));
    let address = project.unwrap().services[0].endpoints[0]
        .ipv4_address
        .unwrap();
    assert_eq!(
        address.value,
        Ipv4Assignment::Address("192.168.2.9".parse().unwrap())
    );
}

#[test]
fn a18_docker_gets_an_error_that_names_both_readings() {
    let docker = options(Profile::Compat).dialect(Dialect::Docker);
    let (_, diagnostics) = load_as(K2, &docker);
    let [d] = diagnostics.as_slice() else {
        panic!("{diagnostics}");
    };
    assert_eq!(
        diagnostics.short(d).to_string(),
        "f:12:23: error[KC0103]: `192.168.2.0/24` is a prefix, not an address: it can mean the \
         address 192.168.2.1, or the whole of 192.168.2.0/24 for this service"
    );
    assert!(d.help.as_ref().unwrap().contains("kraud's dialect"));
    assert_eq!(d.fixes[0].edits[0].text, "192.168.2.1");

    // Neither reading fits: host bits, but not the subnet's length.
    let (_, both) = load(&K2.replace("192.168.2.0/24", "192.168.2.9/24"));
    assert_eq!(codes(&both), ["KC0103 12:23"]);
    assert_eq!(both.as_slice()[0].fixes.len(), 2);
}

#[test]
fn a19_what_is_not_about_networks_never_makes_a_file_fail() {
    let project = good(
        "version: '3.8'
x-anything: {goes: [here]}
services:
  a:
    image: x
    build: {context: ., args: {A: null, B: 1}, weird: [1, {2: 3}]}
    volumes: [a:/b, {type: tmpfs, target: /t}, 17]
    deploy: {resources: {limits: {cpus: '0.5'}}, placement: nonsense}
    healthcheck: {test: [CMD, 'true'], interval: 1m30s}
    x-mine: 1
volumes: {a: , b: {driver: [odd]}}
secrets: {s: {file: ./s}}
configs: {c: {content: hello}}
",
    );
    assert_eq!(project.services.len(), 1);
}

#[test]
fn a21_mangled_yaml_gets_a_place_and_a_hint() {
    let (project, diagnostics) = load(MANGLED);
    assert!(project.is_none());
    assert_eq!(codes(&diagnostics), ["KC0001 2:17"]);
    let help = diagnostics.as_slice()[0].help.as_deref().unwrap();
    assert!(help.contains("`driver` already has a value"), "{help}");
    assert!(help.contains("`ipam:` and `config:`"), "{help}");
}

#[test]
fn a21_an_empty_subnet_is_reported_where_it_stands() {
    let text = "networks:\n  v:\n    driver: ipip\n    ipam:\n      config:\n        - subnet:\n";
    let (project, diagnostics) = load(text);
    assert_eq!(
        diagnostics.to_string(),
        "f:6:11: error[KC0202]: the subnet is empty\n"
    );
    assert_eq!(project.unwrap().network("v").unwrap().ipam.pools.len(), 1);
}

#[test]
fn a21_a_list_in_place_of_the_network_is_told_from_a_mapping() {
    let (_, diagnostics) = load("networks:\n  v:\n    - subnet:\n");
    assert_eq!(
        diagnostics.to_string(),
        "f:3:5: error[KC0005]: network `v` has to be a mapping, but this is a list\n"
    );
}

#[test]
fn b7_both_spellings_of_ipv6_and_every_version_are_understood() {
    let (project, diagnostics) = load(APP_NET);
    assert_eq!(diagnostics.len(), 1, "{diagnostics}");
    assert_eq!(diagnostics.as_slice()[0].severity, Severity::Note);
    let project = project.unwrap();
    let app = project.network("app_net").unwrap();
    assert!(app.has_ipv6() && app.has_ipv4());
    assert_eq!(subnets(&project, "app_net"), ["2001:3984:3989::/64"]);
    let gateway = app.ipam.pools[0].gateway.unwrap();
    assert_eq!(
        gateway.value,
        "2001:3984:3989::1".parse::<IpAddr>().unwrap()
    );
    assert_eq!(project.version.unwrap().value, "2.1");

    for spelling in [
        "enable_ipv6: true",
        "enable_ipv6: \"true\"",
        "enable_ipv6: yes",
        "driver_opts: {com.docker.network.enable_ipv6: \"true\"}",
        "driver_opts: {com.docker.network.enable_ipv6: 1}",
    ] {
        let project = good(&format!("networks: {{n: {{{spelling}}}}}"));
        assert!(project.network("n").unwrap().has_ipv6(), "{spelling}");
    }
    for version in [
        "'1'", "2", "2.1", "'2.4'", "3", "'3.8'", "3.9", "'3.14'", "later",
    ] {
        good(&format!(
            "version: {version}\nservices: {{a: {{image: x}}}}"
        ));
    }
}

#[test]
fn b13_an_undefined_network_names_the_one_that_is_meant() {
    let (project, diagnostics) = load(BEEF);
    assert_eq!(codes(&diagnostics), ["KC0301 7:9"]);
    let d = diagnostics
        .iter()
        .find(|d| d.severity == Severity::Error)
        .unwrap();
    assert_eq!(
        d.message,
        "service `busy` refers to undefined network `app_net`"
    );
    assert_eq!(d.help.as_deref(), Some("did you mean `beef`?"));
    assert_eq!(diagnostics.sources().slice(d.span), "app_net");
    let [other] = d.labels.as_slice() else {
        panic!()
    };
    assert_eq!(diagnostics.sources().slice(other.span), "beef");
    assert_eq!(
        diagnostics.sources().position(other.span).to_string(),
        "20:3"
    );
    // What is left of the project is there, without the endpoint that leads nowhere.
    let project = project.unwrap();
    assert!(project.service("busy").unwrap().endpoints.is_empty());
    assert_eq!(project.networks.len(), 1);
}

#[test]
fn b13_a_typing_error_is_found_among_many_networks() {
    let (_, diagnostics) = load(
        "services: {a: {image: x, networks: [bakend]}, b: {image: x, networks: [defualt]}}
networks: {frontend: , backend: , storage: }",
    );
    let helps: Vec<_> = diagnostics
        .iter()
        .filter_map(|d| d.help.as_deref())
        .collect();
    assert_eq!(
        helps,
        ["did you mean `backend`?", "did you mean `default`?"]
    );
}

#[test]
fn b15_host_mode_has_no_endpoints_and_excludes_networks() {
    let (project, _) = load(BEEF);
    let project = project.unwrap();
    let ipv6 = project.service("ipv6").unwrap();
    assert_eq!(ipv6.network_mode.as_ref().unwrap().value, NetworkMode::Host);
    assert!(ipv6.endpoints.is_empty());

    let both = BEEF.replace(
        "network_mode: \"host\"",
        "network_mode: \"host\"\n    networks: [beef]",
    );
    let (_, diagnostics) = load(&both);
    assert!(
        codes(&diagnostics).contains(&"KC0302 13:5".to_owned()),
        "{diagnostics}"
    );
}

#[test]
fn b16_services_without_networks_join_the_implicit_default() {
    let project = good(WORDPRESS);
    let [default] = project.networks.as_slice() else {
        panic!()
    };
    assert_eq!(
        (default.key.value.as_str(), default.name.value.as_str()),
        ("default", "p_default")
    );
    assert!(default.implicit);
    assert_eq!(default.driver, Driver::Bridge);
    assert_eq!(project.members(0).count(), 2);
    let wordpress = project.service("wordpress").unwrap();
    assert!(wordpress.endpoints[0].implicit);
    let port = &wordpress.ports[0];
    assert_eq!(
        (port.published.unwrap().first, port.target.first),
        (8080, 80)
    );
    assert_eq!(port.to_string(), "8080:80");
}

#[test]
fn b16_the_default_network_can_be_declared() {
    let project =
        good("services: {a: {image: x}}\nnetworks: {default: {name: mine, internal: true}}");
    let [default] = project.networks.as_slice() else {
        panic!()
    };
    assert!(!default.implicit && default.is_internal());
    assert_eq!(default.name.value, "mine");
    // Kraud's default network is its overlay.
    let options = Options::new().project_name("p").dialect(Dialect::Kraud);
    let (project, _) = load_as(WORDPRESS, &options);
    assert_eq!(project.unwrap().networks[0].driver, Driver::Ipip);
}

#[test]
fn c14_host_bits_are_cleared_with_a_warning() {
    let (project, diagnostics) = load(
        "networks:
  vlan10: {ipam: {config: [{subnet: 172.16.80.0/24}]}}
  vlan20: {ipam: {config: [{subnet: 172.16.50.0/22, gateway: 172.16.50.1}]}}
  vlan30: {ipam: {config: [{subnet: 10.1.100.0/16}]}}
",
    );
    assert_eq!(codes(&diagnostics), ["KC0203 3:37", "KC0203 4:37"]);
    assert_eq!(diagnostics.max_severity(), Some(Severity::Warning));
    let first = &diagnostics.as_slice()[0];
    assert!(
        first.message.ends_with("it is taken as 172.16.48.0/22"),
        "{}",
        first.message
    );
    assert_eq!(first.fixes[0].edits[0].text, "172.16.48.0/22");
    let project = project.unwrap();
    assert_eq!(subnets(&project, "vlan20"), ["172.16.48.0/22"]);
    assert_eq!(subnets(&project, "vlan30"), ["10.1.0.0/16"]);
}

#[test]
fn c24_an_address_outside_of_every_subnet_names_the_nearest() {
    let (_, diagnostics) = load(
        "services:
  c: {image: x, networks: {ipvlan: {ipv6_address: '2001:db8:abc2::51'}}}
networks:
  ipvlan:
    driver: ipvlan
    enable_ipv6: true
    ipam:
      config:
        - subnet: 2001:db8:1::/64
        - subnet: 2001:db8:abc9::/64
        - subnet: 192.168.140.0/24
",
    );
    let [d] = diagnostics.as_slice() else {
        panic!("{diagnostics}")
    };
    assert_eq!(
        diagnostics.short(d).to_string(),
        "f:2:51: error[KC0104]: 2001:db8:abc2::51 is outside of every subnet of network `ipvlan` \
         (2001:db8:1::/64 and 2001:db8:abc9::/64)"
    );
    assert_eq!(d.labels[0].text, "the nearest subnet is 2001:db8:abc9::/64");
    assert_eq!(
        diagnostics.sources().position(d.labels[0].span).to_string(),
        "10:19"
    );
}
