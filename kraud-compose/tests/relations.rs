//! Services among each other: in which order they start, and by which names they are found.

use kraud_compose::{HostNameKind, Options, PrivateName, Profile, Project, Sources};

fn load(file: &str) -> (Project, String) {
    let options = Options::new().project_name("shop").profile(Profile::Lint);
    let (project, findings) = Project::load(Sources::from_text("f", file), &options);
    (project.expect("YAML"), findings.to_string())
}

fn order(file: &str) -> Vec<String> {
    let (project, _) = load(file);
    let order = project.start_order();
    order.iter().map(|s| s.key.value.clone()).collect()
}

#[test]
fn services_start_after_what_they_wait_for_whatever_says_so() {
    let file = "
services:
  g: {image: x, volumes_from: ['f:ro', 'container:old']}
  f: {image: x, ipc: 'service:e', pid: host}
  e: {image: x}
  a: {image: x, depends_on: [b, d]}
  b: {image: x, links: [c]}
  c: {image: x, network_mode: 'service:d'}
  d: {image: x}
";
    assert_eq!(order(file), ["e", "f", "g", "d", "c", "b", "a"]);
}

#[test]
fn a_circle_is_cut_where_it_closes_and_what_is_undefined_holds_nobody_up() {
    let file = "
services:
  a: {image: x, depends_on: [b, nobody]}
  b: {image: x, depends_on: [c]}
  c: {image: x, depends_on: [a, c]}
";
    assert_eq!(order(file), ["c", "b", "a"]);
}

#[test]
fn a_chain_of_any_length_has_an_order() {
    let mut file = String::from("services:\n  s0: {image: x}\n");
    for i in 1..20_000 {
        file += &format!("  s{i}: {{image: x, depends_on: [s{}]}}\n", i - 1);
    }
    let order = order(&file);
    assert_eq!(order.len(), 20_000);
    assert_eq!(order[19_999], "s19999");
}

#[test]
fn a_circle_is_reported_with_the_place_of_each_of_its_steps() {
    let file = "
services:
  a: {image: x, depends_on: [b]}
  b: {image: x, links: [c]}
  c: {image: x, network_mode: 'service:a'}
";
    let options = Options::new().project_name("shop");
    let (_, findings) = Project::load(Sources::from_text("f", file), &options);
    let [circle] = findings.as_slice() else {
        panic!("{findings}");
    };
    assert_eq!(circle.code.to_string(), "KC0306");
    let place = |span| findings.sources().position(span).line;
    assert_eq!(place(circle.span), 5);
    let steps: Vec<(usize, &str)> = circle
        .labels
        .iter()
        .map(|l| (place(l.span), l.text.as_str()))
        .collect();
    assert_eq!(steps, [(3, "`a` waits for `b`"), (4, "`b` waits for `c`")]);
}

#[test]
fn a_network_answers_to_keys_containers_host_names_and_aliases() {
    let file = "
services:
  db:
    image: x
    hostname: storage
    networks: {back: {aliases: [sql, db]}, front: }
  app: {image: x, scale: 2, networks: [back]}
  one: {image: x, container_name: single, networks: [back]}
  off: {image: x, profiles: [never], networks: [back]}
networks: {back: , front: }
";
    let (project, _) = load(file);
    let names = |network| -> Vec<(String, HostNameKind, Option<u32>)> {
        let names = project.host_names(network).into_iter();
        names
            .map(|n| (n.name.into_owned(), n.kind, n.replica))
            .collect()
    };
    use HostNameKind::{Alias, Container, Hostname, Service};
    let expected = [
        ("db", Service, None),
        ("shop-db-1", Container, Some(0)),
        ("storage", Hostname, None),
        ("sql", Alias, None),
        ("app", Service, None),
        ("shop-app-1", Container, Some(0)),
        ("shop-app-2", Container, Some(1)),
        ("one", Service, None),
        ("single", Container, None),
    ];
    assert_eq!(names(0), expected.map(|(n, k, r)| (n.to_owned(), k, r)));
    assert_eq!(names(1).len(), 3);
    assert_eq!(names(2), []);
}

#[test]
fn links_and_extra_hosts_are_names_of_one_service_alone() {
    let file = "
services:
  app:
    image: x
    links: ['db:sql', db]
    external_links: [old, 'older:legacy']
    extra_hosts: {gate: host-gateway, far: '[2001:db8::1]'}
  db: {image: x}
";
    let (project, _) = load(file);
    let names: Vec<_> = project.services[0].private_names().collect();
    assert_eq!(
        names,
        [
            ("sql", PrivateName::Service("db")),
            ("old", PrivateName::Container("old")),
            ("legacy", PrivateName::Container("older")),
            ("gate", PrivateName::Address("host-gateway")),
            ("far", PrivateName::Address("2001:db8::1")),
        ]
    );
}

/// docker's address management gives the first address to the gateway before any container starts.
#[test]
fn the_first_address_is_the_gateways_where_docker_needs_one_and_the_file_names_none() {
    let file = |network: &str| {
        format!(
            "services:\n  a: {{image: x, networks: {{n: {{ipv4_address: 10.9.0.1}}}}}}\nnetworks:\n  n: {{{network}}}\n"
        )
    };
    let config = "ipam: {config: [{subnet: 10.9.0.0/24}]}";
    let (_, found) = load(&file(config));
    assert!(
        found.contains("error[KC0106]: 10.9.0.1 is taken"),
        "{found}"
    );
    for free in [
        "ipam: {config: [{subnet: 10.9.0.0/24, gateway: 10.9.0.254}]}",
        "driver: ipip, ipam: {config: [{subnet: 10.9.0.0/24}]}",
        "driver: ipvlan, driver_opts: {ipvlan_mode: l3}, ipam: {config: [{subnet: 10.9.0.0/24}]}",
        "ipam: {config: [{subnet: 10.9.0.0/24, ip_range: 10.9.0.128/25}]}",
        "ipam: {driver: mine, config: [{subnet: 10.9.0.0/24}]}",
        "internal: true, ipam: {config: [{subnet: 10.9.0.0/24}]}",
    ] {
        let (_, found) = load(&file(free));
        assert!(!found.contains("KC0106"), "{free}: {found}");
    }
}
