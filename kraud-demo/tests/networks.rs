//! What a plan makes of bridge and ipvlan networks, by its commands.

mod common;

use common::{Run, TextFile, kraud};
use serde_json::Value;

/// A compose file of one network with these attributes, and these services in it.
fn one(network: &str, services: &str) -> String {
    format!("name: p\nservices:\n{services}networks:\n  n: {network}\n")
}

fn plan_as(dialect: &str, text: &str) -> Run {
    let file = TextFile::new("compose.yaml", text);
    kraud([
        "plan",
        "-f",
        &file.path(),
        "-o",
        "json",
        "--dialect",
        dialect,
    ])
}

fn plan(text: &str) -> Value {
    plan_as("kraud", text).json()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

/// The commands of one namespace, without the `ip -n NAMESPACE` before them.
fn commands(plan: &Value, namespace: &str) -> Vec<String> {
    let steps = plan["steps"].as_array().expect("steps").iter();
    let own = steps.filter(|step| step["namespace"] == namespace);
    let lines = own.flat_map(|step| step["commands"].as_array().expect("commands").clone());
    let prefixes = [
        format!("ip -n {namespace} "),
        format!("ip netns exec {namespace} "),
    ];
    lines
        .map(|line| {
            let line = text(&line);
            let short = prefixes.iter().find_map(|prefix| line.strip_prefix(prefix));
            short.unwrap_or(&line).to_owned()
        })
        .collect()
}

/// Those of them that have `part` in them.
fn with(plan: &Value, namespace: &str, part: &str) -> Vec<String> {
    let mut lines = commands(plan, namespace);
    lines.retain(|line| line.contains(part));
    lines
}

fn subnets(plan: &Value) -> Vec<(String, String, String)> {
    let mut subnets = Vec::new();
    for network in plan["networks"].as_array().unwrap() {
        for subnet in network["subnets"].as_array().unwrap() {
            let gateway = subnet["gateway"].as_str().unwrap_or("-").to_owned();
            subnets.push((text(&subnet["subnet"]), gateway, text(&subnet["egress"])));
        }
    }
    subnets
}

fn row(subnet: &str, gateway: &str, egress: &str) -> (String, String, String) {
    (subnet.to_owned(), gateway.to_owned(), egress.to_owned())
}

const WORDPRESS: &str = "\
name: blog
services:
  wordpress: {image: wordpress, ports: ['8080:80']}
  db: {image: 'mysql:5.7'}
";

const BUSY: &str = "  busy: {image: busybox, networks: [n]}\n";

#[test]
fn b6_b16_a_file_without_networks_gets_one_of_its_own_and_ipv6_by_policy() {
    let file = TextFile::new("compose.yaml", WORDPRESS);
    let run = kraud([
        "plan",
        "-f",
        &file.path(),
        "-o",
        "json",
        "--dialect",
        "docker",
    ]);
    assert!(
        run.stderr.contains("published ports are not applied"),
        "{}",
        run.stderr
    );
    let docker = run.json();
    assert_eq!(
        subnets(&docker),
        [row("172.18.0.0/16", "172.18.0.1", "masqueraded")],
        "docker's policy is IPv4 alone"
    );
    for pod in ["blog-db-1", "blog-wordpress-1"] {
        assert_eq!(with(&docker, pod, "addr add 172.18.0.").len(), 1);
    }
    // Kraud's: every network of the project has a /64 of the VPC's unique local /48.
    let rows = kraud(["overlay", "ls", "-f", &file.path(), "-o", "json"]).json();
    let net6 = text(&rows["items"][0]["Net6"]);
    assert!(net6.starts_with("fd") && net6.ends_with("::/64"), "{net6}");
    let switched = one("{driver: bridge, enable_ipv6: true}", BUSY);
    let bridge = plan(&switched);
    let [v4, v6] = &subnets(&bridge)[..] else {
        panic!("{bridge:#}")
    };
    assert!(v4.0.starts_with("10.") && v4.0.ends_with("/23"), "{v4:?}");
    assert!(v6.0.starts_with("fd") && v6.0.ends_with("/64"), "{v6:?}");
    assert_eq!(v6.0[..14], net6[..14], "out of the same /48");
}

#[test]
fn b11_a_network_more_moves_no_other() {
    let network = |name: &str| format!("  {name}: {{driver: bridge, enable_ipv6: true}}\n");
    let service = |name: &str| format!("  {name}: {{image: x, networks: [{name}]}}\n");
    let of = |names: &[&str]| {
        let services: String = names.iter().map(|name| service(name)).collect();
        let networks: String = names.iter().map(|name| network(name)).collect();
        let plan = plan(&format!(
            "name: p\nservices:\n{services}networks:\n{networks}"
        ));
        let networks = plan["networks"].as_array().unwrap().clone();
        let mut named: Vec<(String, String)> = networks
            .iter()
            .map(|network| (text(&network["name"]), network["subnets"].to_string()))
            .collect();
        named.sort();
        named
    };
    let few = of(&["a", "b"]);
    let more = of(&["z", "b", "m", "a"]);
    assert_eq!(few[..], more[..2], "stable by name, whatever the order");
    let mut different: Vec<&String> = more.iter().map(|(_, subnets)| subnets).collect();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), 4);
}

#[test]
fn b4_b8_b17_each_bridge_is_masqueraded_by_its_own_name() {
    let plan = plan(&one(
        "{driver: bridge, enable_ipv4: false, enable_ipv6: true, ipam: {config: [{subnet: 'fd00::/80'}]}}",
        BUSY,
    ));
    assert_eq!(subnets(&plan), [row("fd00::/80", "fd00::1", "masqueraded")]);
    let link = text(&plan["networks"][0]["link"]);
    assert!(link.len() <= 15 && link.starts_with("br-v"), "{link}");
    let nft = with(&plan, "host1", "nft");
    assert_eq!(nft.len(), 1);
    assert!(
        nft[0].contains(&format!(
            "ip6 saddr fd00::/80 oifname != \"{link}\" counter masquerade"
        )),
        "{nft:?}"
    );
    assert!(!nft[0].contains("docker0"));
    assert_eq!(
        with(
            &plan,
            "host1",
            &format!("addr add fd00::1/80 nodad dev {link}")
        )
        .len(),
        1
    );
}

#[test]
fn b10_b12_every_subnet_says_whether_it_is_routed_or_masqueraded() {
    let egress = |options: &str, more: &str| {
        let network = format!(
            "{{driver: bridge, enable_ipv6: true, driver_opts: {{{options}}}{more}, \
             ipam: {{config: [{{subnet: 10.7.0.0/24}}, {{subnet: '2001:3984:3989::/64'}}]}}}}"
        );
        let plan = plan(&one(&network, BUSY));
        let rules = with(&plan, "host1", "masquerade")
            .join("")
            .matches("masquerade")
            .count();
        let kinds: Vec<String> = subnets(&plan)
            .into_iter()
            .map(|(_, _, egress)| egress)
            .collect();
        (kinds.join(" "), rules)
    };
    let masqueraded = ("masqueraded masqueraded".to_owned(), 2);
    assert_eq!(egress("", ""), masqueraded, "a global prefix as well");
    assert_eq!(
        egress(
            "com.docker.network.bridge.enable_ip_masquerade: 'false'",
            ""
        ),
        ("routed routed".to_owned(), 0)
    );
    assert_eq!(
        egress("com.docker.network.bridge.gateway_mode_ipv6: routed", ""),
        ("masqueraded routed".to_owned(), 1)
    );
    assert_eq!(
        egress("com.docker.network.bridge.gateway_mode_ipv4: isolated", ""),
        ("isolated masqueraded".to_owned(), 1)
    );
    assert_eq!(egress("kraud.masquerade: 'true'", ""), masqueraded);
    assert_eq!(
        egress("", ", internal: true"),
        ("isolated isolated".to_owned(), 0)
    );
    let wrong = plan_as(
        "kraud",
        &one(
            "{driver: bridge, enable_ipv6: true, driver_opts: {com.docker.network.bridge.gateway_mode_ipv6: natted}}",
            BUSY,
        ),
    );
    assert_eq!(wrong.code, 1);
    assert!(
        wrong
            .stderr
            .contains("not nat, nat-unprotected, routed or isolated"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn b10_routed_prefixes_are_listed_for_the_network_outside() {
    let text = one(
        "{driver: bridge, enable_ipv6: true, driver_opts: {com.docker.network.bridge.gateway_mode_ipv6: routed}, \
         ipam: {config: [{subnet: 10.7.0.0/24}, {subnet: '2001:db8:7::/64'}]}}",
        BUSY,
    );
    let file = TextFile::new("compose.yaml", &text);
    let table = kraud(["plan", "-f", &file.path()]).stdout;
    assert!(
        table.contains("  10.7.0.0/24, gateway 10.7.0.1, masqueraded\n"),
        "{table}"
    );
    assert!(
        table.contains("  2001:db8:7::/64, gateway 2001:db8:7::1, routed\n"),
        "{table}"
    );
    assert!(
        table.contains("upstream route: 2001:db8:7::/64 via "),
        "{table}"
    );
    assert!(!table.contains("upstream route: 10.7.0.0/24"), "{table}");
    let options =
        kraud(["network", "inspect", "p/n", "-f", &file.path()]).json()[0]["Options"].clone();
    assert_eq!(
        options["com.docker.network.bridge.gateway_mode_ipv4"],
        "nat"
    );
    assert_eq!(
        options["com.docker.network.bridge.gateway_mode_ipv6"],
        "routed"
    );
}

#[test]
fn b12_what_cannot_be_masqueraded_is_refused_with_what_could_be() {
    let with_mode = |mode: &str| {
        plan_as(
            "kraud",
            &one(
                &format!(
                    "{{driver: ipvlan, driver_opts: {{parent: eth0, ipvlan_mode: {mode}, kraud.masquerade: 'true'}}, \
                     ipam: {{config: [{{subnet: 10.7.0.0/24}}]}}}}"
                ),
                BUSY,
            ),
        )
    };
    for mode in ["l2", "l3"] {
        let run = with_mode(mode);
        assert_eq!(run.code, 1, "{mode}");
        assert!(
            run.stderr.contains("set `ipvlan_mode: l3s`"),
            "{}",
            run.stderr
        );
    }
    let l3s = with_mode("l3s").json();
    let nft = with(&l3s, "host1", "masquerade");
    assert!(
        nft[0].contains("ip saddr 10.7.0.0/24 oifname \"eth0\" counter masquerade"),
        "{nft:?}"
    );
}

#[test]
fn b18_a_network_may_be_ipv6_only() {
    let plan = plan(&one(
        "{driver: bridge, enable_ipv4: false, enable_ipv6: true}",
        BUSY,
    ));
    assert_eq!(subnets(&plan).len(), 1);
    let pod = commands(&plan, "p-busy-1");
    assert!(
        pod.iter()
            .all(|line| !line.contains("0.0.0.0") && !line.contains("addr add 1")),
        "{pod:?}"
    );
    assert_eq!(with(&plan, "host1", "ip_forward").len(), 0);
}

#[test]
fn c4_the_gateway_is_the_first_usable_address_but_for_todays_docker() {
    let text = one(
        "{driver: ipvlan, driver_opts: {parent: eth0}, ipam: {config: [{subnet: 192.168.1.0/24}]}}",
        BUSY,
    );
    let kraud = plan(&text);
    assert_eq!(
        subnets(&kraud),
        [row("192.168.1.0/24", "192.168.1.1", "routed")]
    );
    assert_eq!(
        with(&kraud, "p-busy-1", "route add"),
        ["route add default via 192.168.1.1 proto 75 dev eth0"]
    );
    let run = plan_as("docker", &text);
    assert!(
        run.stderr.contains("network `n` has no default route"),
        "{}",
        run.stderr
    );
    assert_eq!(subnets(&run.json()), [row("192.168.1.0/24", "-", "routed")]);
    assert!(with(&run.json(), "p-busy-1", "route add").is_empty());
}

#[test]
fn c7_docker_pools_are_taken_in_dockers_order() {
    let names: Vec<String> = (1..=16).map(|number| format!("isolated{number}")).collect();
    let list = |line: fn(&String) -> String| names.iter().map(line).collect::<String>();
    let text = format!(
        "name: p\nservices:\n  all: {{image: x, networks: [{}]}}\nnetworks:\n{}",
        names.join(", "),
        list(|name| format!("  {name}: {{driver: ipvlan}}\n"))
    );
    let plan = plan_as("docker", &text).json();
    let nets: Vec<String> = subnets(&plan).into_iter().map(|(net, _, _)| net).collect();
    let mut expected: Vec<String> = (18..=31)
        .map(|second| format!("172.{second}.0.0/16"))
        .collect();
    expected.extend(["192.168.0.0/20".to_owned(), "192.168.16.0/20".to_owned()]);
    assert_eq!(nets, expected, "172.17.0.0/16 is docker0's");
    assert_eq!(
        with(&plan, "host1", "type dummy").len(),
        16,
        "each on a dummy of its own"
    );
    assert!(
        with(&plan, "p-all-1", "route add default").is_empty(),
        "cut off"
    );
}

#[test]
fn c6_internal_wins_over_the_parent() {
    for network in [
        "{driver: ipvlan, internal: true, driver_opts: {parent: eth0.20}, ipam: {config: [{subnet: 10.7.0.0/24}]}}",
        "{driver: ipvlan, ipam: {config: [{subnet: 10.7.0.0/24}]}}",
    ] {
        let plan = plan(&one(network, BUSY));
        let dummy = with(&plan, "host1", "type dummy");
        assert_eq!(dummy.len(), 1, "{dummy:?}");
        let name = text(&plan["networks"][0]["link"]);
        assert!(name.starts_with("di-v") && name.len() <= 15, "{name}");
        assert!(with(&plan, "host1", "vlan id").is_empty());
        assert!(with(&plan, "p-busy-1", "route add").is_empty());
        assert_eq!(subnets(&plan), [row("10.7.0.0/24", "-", "isolated")]);
    }
}

#[test]
fn c8_c29_a_missing_vlan_is_made_on_its_parent_and_lo_is_none() {
    let on = |parent: &str| {
        one(
            &format!(
                "{{driver: ipvlan, driver_opts: {{parent: {parent}}}, ipam: {{config: [{{subnet: 10.7.0.0/24}}]}}}}"
            ),
            BUSY,
        )
    };
    let made = plan(&on("eth0.20"));
    let vlan = with(&made, "host1", "type vlan");
    assert_eq!(
        vlan,
        ["link add link eth0 name eth0.20 mtu 1500 type vlan id 20"],
        "{vlan:?}"
    );
    let lo = plan_as("kraud", &on("lo"));
    assert_eq!(lo.code, 1);
    assert!(
        lo.stderr.contains("KC0225") && lo.stderr.contains("`lo` cannot be a parent"),
        "{}",
        lo.stderr
    );
}

#[test]
fn c13_c23_each_subnet_has_its_gateway_in_both_families() {
    let services = "  \
  low: {image: x, networks: {n: {ipv4_address: 192.168.140.9, ipv6_address: '2001:db8:abc9::9'}}}
  high: {image: x, networks: {n: {ipv4_address: 192.168.142.9, ipv6_address: '2001:db8:abc9::a'}}}
";
    let plan = plan(&one(
        "{driver: ipvlan, enable_ipv6: true, driver_opts: {parent: eth0.140}, ipam: {config: [{subnet: 192.168.140.0/24}, \
         {subnet: 192.168.142.0/24, gateway: 192.168.142.254}, {subnet: '2001:db8:abc9::/64', gateway: '2001:db8:abc9::22'}]}}",
        services,
    ));
    let routes = |pod: &str| with(&plan, pod, "route add");
    assert_eq!(
        routes("p-low-1"),
        [
            "route add default via 192.168.140.1 proto 75 dev eth0",
            "-6 route add default via 2001:db8:abc9::22 proto 75 dev eth0",
        ]
    );
    assert_eq!(
        routes("p-high-1")[0],
        "route add default via 192.168.142.254 proto 75 dev eth0"
    );
    // One VLAN, made once, for both of them.
    assert_eq!(with(&plan, "host1", "type vlan").len(), 1);
}

#[test]
fn c14_host_bits_are_cleared_with_a_warning() {
    let run = plan_as(
        "kraud",
        &one(
            "{driver: ipvlan, driver_opts: {parent: eth0.20}, ipam: {config: [{subnet: 172.16.50.0/22, gateway: 172.16.51.254}]}}",
            BUSY,
        ),
    );
    assert!(
        run.stderr.contains("it is taken as 172.16.48.0/22"),
        "{}",
        run.stderr
    );
    assert_eq!(
        subnets(&run.json()),
        [row("172.16.48.0/22", "172.16.51.254", "routed")]
    );
}

#[test]
fn c18_in_l3_the_device_is_the_way_and_a_gateway_is_ignored_with_a_warning() {
    let network = "{driver: ipvlan, driver_opts: {parent: eth0, ipvlan_mode: l3}, ipam: {config: [{subnet: 192.168.214.0/24, \
                   gateway: 192.168.214.1}, {subnet: 10.1.214.0/24}]}}";
    let services = "  busy: {image: x, networks: {n: {ipv4_address: 192.168.214.10}}}\n";
    let run = plan_as("kraud", &one(network, services));
    assert!(run.stderr.contains("KC0211"), "{}", run.stderr);
    assert_eq!(
        with(&run.json(), "p-busy-1", "route add"),
        ["route add default proto 75 dev eth0"]
    );
}

#[test]
fn c20_c21_an_l3_network_has_its_routes_on_the_host_and_for_upstream() {
    let network = "{driver: ipvlan, enable_ipv6: true, driver_opts: {parent: eth0, ipvlan_mode: l3}, \
                   ipam: {config: [{subnet: 192.168.214.0/24}, {subnet: '2001:db8:214::/64'}]}}";
    let file = TextFile::new("compose.yaml", &one(network, BUSY));
    let plan = kraud([
        "plan",
        "-f",
        &file.path(),
        "-o",
        "json",
        "--underlay",
        "dual",
    ])
    .json();
    assert_eq!(
        with(&plan, "host1", "proto 75 dev eth0")[2..],
        [
            "route add 192.168.214.0/24 proto 75 dev eth0",
            "-6 route add 2001:db8:214::/64 proto 75 dev eth0",
        ]
    );
    let upstream = plan["upstream_routes"].as_array().unwrap();
    let shown: Vec<String> = upstream
        .iter()
        .map(|route| {
            format!(
                "{} via {}",
                text(&route["destination"]),
                text(&route["via"])
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "192.168.214.0/24 via 198.18.1.2",
            "2001:db8:214::/64 via 2001:db8:1::2"
        ]
    );
    // On two hosts each member is somewhere else, and gets a route of its own.
    let replicas = BUSY.replace("image: busybox", "image: busybox, scale: 2");
    let two = TextFile::new("compose.yaml", &one(network, &replicas));
    let plan = kraud(["plan", "-f", &two.path(), "-o", "json", "--hosts", "2"]).json();
    let upstream = plan["upstream_routes"].as_array().unwrap();
    assert_eq!(upstream.len(), 4);
    assert!(upstream.iter().all(|route| {
        let destination = text(&route["destination"]);
        destination.ends_with("/32") || destination.ends_with("/128")
    }));
}

#[test]
fn c22_ipv6_alone_gets_ipv4_too_unless_that_is_switched_off() {
    let network = |more: &str| {
        one(
            &format!(
                "{{driver: ipvlan, enable_ipv6: true{more}, driver_opts: {{parent: eth0.139}}, \
                 ipam: {{config: [{{subnet: '2001:db8:abc2::/64', gateway: '2001:db8:abc2::22'}}]}}}}"
            ),
            BUSY,
        )
    };
    let classic = plan_as("docker", &network(""));
    assert!(
        classic.stderr.contains("say `enable_ipv4: false`"),
        "{}",
        classic.stderr
    );
    let classic = classic.json();
    assert_eq!(
        with(&classic, "p-busy-1", "addr add 172.18.0."),
        ["addr add 172.18.0.1/16 dev eth0"]
    );
    let only = plan(&network(", enable_ipv4: false"));
    assert!(with(&only, "p-busy-1", "addr add 1").is_empty());
    assert_eq!(
        with(&only, "p-busy-1", "route add"),
        ["-6 route add default via 2001:db8:abc2::22 proto 75 dev eth0"]
    );
}

#[test]
fn c24_an_address_outside_of_every_subnet_is_an_error_that_names_the_nearest() {
    let run = plan_as(
        "kraud",
        &one(
            "{driver: ipvlan, enable_ipv6: true, driver_opts: {parent: eth0.140}, ipam: {config: [{subnet: 192.168.140.0/24}, \
             {subnet: '2001:db8:abc9::/64', gateway: '2001:db8:abc9::22'}]}}",
            "  busy: {image: x, networks: {n: {ipv6_address: '2001:db8:abc2::51'}}}\n",
        ),
    );
    assert_eq!(run.code, 1);
    assert!(
        run.stderr.contains("KC0104") && run.stderr.contains("2001:db8:abc9::/64"),
        "{}",
        run.stderr
    );
}

#[test]
fn c25_fixed_addresses_of_both_families_are_exact() {
    let plan = plan(&one(
        "{driver: ipvlan, enable_ipv6: true, driver_opts: {ipvlan_mode: l3}, ipam: {config: [{subnet: 192.168.110.0/24}, \
         {subnet: 192.168.112.0/24}, {subnet: '2001:db8:abc4::/64'}]}}",
        "  a: {image: x, networks: {n: {ipv4_address: 192.168.112.50, ipv6_address: '2001:db8:abc4::50'}}}\n",
    ));
    assert_eq!(
        with(&plan, "p-a-1", "addr add"),
        [
            "addr add 192.168.112.50/24 dev eth0",
            "addr add 2001:db8:abc4::50/64 nodad dev eth0"
        ]
    );
}

#[test]
fn c28_c32_one_pod_is_on_a_bridge_an_ipvlan_and_an_ipip_network_at_once() {
    let text = "\
name: p
services:
  app: {image: x, networks: [flat, front, spans]}
  db: {image: x, networks: [flat, front, spans]}
networks:
  front: {driver: bridge, enable_ipv6: true}
  flat: {driver: ipvlan, driver_opts: {parent: eth0.30}, ipam: {config: [{subnet: 192.168.30.0/24}]}}
  spans: {driver: ipip, ipam: {config: [{subnet: 192.168.0.0/16}]}}
";
    let file = TextFile::new("compose.yaml", text);
    let plan = kraud(["plan", "-f", &file.path(), "-o", "json", "--hosts", "1"]).json();
    let devices: Vec<String> = with(&plan, "p-app-1", "addr add")
        .iter()
        .map(|line| line.rsplit(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(
        devices,
        ["eth0", "overlay", "overlay", "eth1", "eth2", "eth2"]
    );
    // One way out for each family, in docker's order of names: `flat` before `front`; the VPC keeps its own prefix.
    let defaults = with(&plan, "p-app-1", "route add default");
    assert_eq!(
        defaults[0],
        "route add default via 192.168.30.1 proto 75 dev eth1"
    );
    assert_eq!(defaults.len(), 2);
    assert!(
        defaults[1].starts_with("-6 route add default via fd") && defaults[1].ends_with("dev eth2")
    );
    let vpc = with(&plan, "p-app-1", "/48 proto 75 dev eth0");
    assert_eq!(vpc.len(), 1, "{:?}", commands(&plan, "p-app-1"));
}

#[test]
fn c28_two_modes_on_one_parent_are_refused() {
    let text = "\
name: p
services:
  app: {image: x, networks: [a]}
  db: {image: x, networks: [b]}
networks:
  a: {driver: ipvlan, driver_opts: {parent: eth0}, ipam: {config: [{subnet: 192.168.30.0/24}]}}
  b: {driver: ipvlan, driver_opts: {parent: eth0, ipvlan_mode: l3}, ipam: {config: [{subnet: 192.168.31.0/24}]}}
";
    let run = plan_as("kraud", text);
    assert_eq!(run.code, 1);
    assert!(
        run.stderr.contains("KC0218") && run.stderr.contains("flips the mode"),
        "{}",
        run.stderr
    );
}

#[test]
fn c33_asked_for_scale_the_planner_takes_l3_and_says_what_that_costs() {
    let network = |options: &str| {
        one(
            &format!(
                "{{driver: ipvlan, driver_opts: {{parent: eth0{options}}}, ipam: {{config: [{{subnet: 10.7.0.0/24}}]}}}}"
            ),
            BUSY,
        )
    };
    let scaled = plan_as("kraud", &network(", kraud.scale: 'true'"));
    assert!(
        scaled.stderr.contains("scales with its routes"),
        "{}",
        scaled.stderr
    );
    assert!(
        scaled.stderr.contains("neither broadcast nor multicast"),
        "{}",
        scaled.stderr
    );
    assert_eq!(scaled.json()["networks"][0]["driver"], "ipvlan l3");
    assert_eq!(plan(&network(""))["networks"][0]["driver"], "ipvlan l2");
    let written = plan(&network(", kraud.scale: 'true', ipvlan_mode: l2"));
    assert_eq!(
        written["networks"][0]["driver"], "ipvlan l2",
        "what is written holds"
    );
}

#[test]
fn an_address_is_given_once() {
    let run = plan_as(
        "kraud",
        &one(
            "{driver: bridge, ipam: {config: [{subnet: 10.7.0.0/30}]}}",
            "  busy: {image: x, networks: {n: {ipv4_address: 10.7.0.2}}}\n  other: {image: x, scale: 2, networks: [n]}\n",
        ),
    );
    assert_ne!(run.code, 0);
    assert!(run.stderr.contains("10.7.0.0/30"), "{}", run.stderr);
}
