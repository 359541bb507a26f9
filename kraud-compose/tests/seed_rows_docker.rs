//! The rows of the docker documents: the IPv6 guide (B) and ipvlan (C).

mod common;

use common::{codes, good, has, load_as, options};
use kraud_compose::{
    Daemon, Diagnostics, Dialect, Ipv6Decision, IpvlanFlag, IpvlanMode, Options, Profile, Project,
};

const APP_NET: &str = include_str!("seed/app_net.yaml");
const BEEF: &str = include_str!("seed/beef.yaml");
const WORDPRESS: &str = include_str!("seed/wordpress.yaml");
const DAEMON: &str = r#"{
  "ipv6": true,
  "fixed-cidr-v6": "fd00::/80"
}
"#;

fn lint(text: &str) -> (Project, Diagnostics) {
    let (project, diagnostics) = load_as(text, &options(Profile::Lint));
    (project.expect("YAML"), diagnostics)
}

fn daemon(text: &str) -> Daemon {
    let (daemon, diagnostics) = Daemon::load("daemon.json", text, Profile::Compat);
    assert!(!diagnostics.has_errors(), "{diagnostics}");
    daemon.expect("JSON")
}

#[test]
fn a20_a_network_may_lack_either_family() {
    let project = good(
        "networks:
  both: {driver: ipip}
  six: {driver: ipip, enable_ipv4: false}
  four: {driver: ipip, enable_ipv6: false}",
    );
    let families = |key: &str| {
        let n = project.network(key).unwrap();
        (n.has_ipv4(), n.has_ipv6())
    };
    assert_eq!(families("both"), (true, true));
    assert_eq!(families("six"), (false, true));
    assert_eq!(families("four"), (true, false));
}

#[test]
fn b1_daemon_json_gives_docker0_its_ipv6_subnet() {
    let read = daemon(DAEMON);
    assert_eq!(read.docker0_ipv6().unwrap().to_string(), "fd00::/80");
    let (_, diagnostics) = Daemon::load("daemon.json", DAEMON, Profile::Lint);
    assert_eq!(codes(&diagnostics), ["KC0228 3:20"]);

    let all = daemon(
        r#"{"ipv6": false, "ip6tables": true, "bip": "10.1.0.1/24", "bip6": "fd12:3456:789a::1/64",
            "fixed-cidr": "10.1.0.128/25", "log-driver": "journald",
            "default-address-pools": [{"base": "10.200.0.0/16", "size": 24}, {"base": "fd12:3456:789b::/48", "size": 64}]}"#,
    );
    assert_eq!(all.docker0_ipv6(), None, "switched off");
    assert_eq!(all.docker0_ipv4().unwrap().to_string(), "10.1.0.0/24");
    assert_eq!(
        all.default_address_pools[1].base.to_string(),
        "fd12:3456:789b::/48"
    );
}

#[test]
fn b1_prefixes_that_the_engine_refuses_are_refused() {
    for (prefix, why) in [
        ("fe80::/63", "link-local"),
        ("10.0.0.0/8", "IPv6 prefix"),
        ("::ffff:0:0/96", "IPv4 in disguise"),
        ("ff05::/64", "multicast"),
        ("nonsense", "IPv6 prefix"),
    ] {
        let text = format!("{{\"ipv6\": true, \"fixed-cidr-v6\": \"{prefix}\"}}");
        let (_, diagnostics) = Daemon::load("daemon.json", &text, Profile::Compat);
        assert!(
            diagnostics.to_string().contains(why),
            "{prefix}: {diagnostics}"
        );
    }
    for prefix in ["fe80::/64", "2001:db8::/80", "fd12:3456:789a::/64"] {
        daemon(&format!(
            "{{\"ipv6\": true, \"fixed-cidr-v6\": \"{prefix}\"}}"
        ));
    }
    for text in [
        "",
        "[]",
        "ipv6: true",
        "{\"ipv6\": \"yes\"}",
        "{\"ipv6\": tru",
    ] {
        let (_, diagnostics) = Daemon::load("daemon.json", text, Profile::Compat);
        assert!(has(&diagnostics, "KC0601"), "{text}");
    }
}

#[test]
fn b2_a_clash_with_docker0_is_named() {
    let text = "services: {a: {image: x, networks: [n]}}\nnetworks: {n: {enable_ipv6: true, ipam: {config: [{subnet: 'fd00::/64'}]}}}";
    let (_, diagnostics) = load_as(text, &daemon(DAEMON).reserve(options(Profile::Compat)));
    assert_eq!(
        diagnostics.to_string(),
        "f:2:60: warning[KC0206]: fd00::/64 of network `n` overlaps with fd00::/80, which docker0 holds\n"
    );
}

#[test]
fn b3_only_docker0_carries_ipv6_and_the_reason_is_given() {
    let project = good(
        "services: {a: {image: x}}\nnetworks: {on: {enable_ipv6: true}, off: {enable_ipv6: false}}",
    );
    let decide = |daemon: &Daemon, key: &str| daemon.network_ipv6(project.network(key).unwrap());
    let plain = daemon(DAEMON);
    assert_eq!(decide(&plain, "default"), Ipv6Decision::Nobody);
    assert!(
        !decide(&plain, "default").is_on(),
        "`ipv6` of the daemon is about docker0 alone"
    );
    let Ipv6Decision::Network(true, span) = decide(&plain, "on") else {
        panic!()
    };
    assert_eq!(project.sources().slice(span), "true");

    let wide = daemon(
        r#"{"default-network-opts": {"bridge": {"com.docker.network.enable_ipv6": "true"}}}"#,
    );
    assert!(matches!(
        decide(&wide, "default"),
        Ipv6Decision::DefaultOption(true, _)
    ));
    assert!(!decide(&wide, "off").is_on(), "the file wins");
}

#[test]
fn b6_the_network_of_a_file_without_networks_carries_ipv6_by_policy() {
    // Docker: off, unless the daemon's defaults say otherwise (b3). Kraud: every overlay does.
    let docker = good(WORDPRESS);
    assert!(!docker.networks[0].has_ipv6());
    let options = Options::new().project_name("p").dialect(Dialect::Kraud);
    let (kraud, _) = load_as(WORDPRESS, &options);
    assert!(kraud.unwrap().networks[0].has_ipv6());
}

#[test]
fn b8_a_network_of_a_file_is_never_on_docker0() {
    let project = good(APP_NET);
    assert_eq!(project.network("app_net").unwrap().bridge_name(), None);
    let named = good("networks: {n: {driver_opts: {com.docker.network.bridge.name: br-app}}}");
    assert_eq!(
        named.network("n").unwrap().bridge_name().unwrap().value,
        "br-app"
    );
}

#[test]
fn b14_a_squatted_global_prefix_is_pointed_out() {
    let (_, diagnostics) = lint(BEEF);
    assert!(
        codes(&diagnostics).contains(&"KC0221 28:18".to_owned()),
        "{diagnostics}"
    );
    for ours in [
        "fd4e:81c2:9b37::/64",
        "2001:db8:1::/64",
        "10.1.0.0/16",
        "198.51.100.0/24",
    ] {
        let text = format!(
            "networks: {{n: {{enable_ipv6: true, ipam: {{config: [{{subnet: '{ours}'}}]}}}}}}"
        );
        assert!(!has(&lint(&text).1, "KC0221"), "{ours}");
    }
    assert!(has(
        &lint("networks: {n: {ipam: {config: [{subnet: 193.167.0.0/24}]}}}").1,
        "KC0221"
    ));
}

#[test]
fn b17_the_gateway_is_the_first_usable_address() {
    let beef = lint(BEEF).0;
    let network = beef.network("beef").unwrap();
    let pool = &network.ipam.pools[0];
    assert_eq!(pool.gateway, None, "the file does not say");
    assert_eq!(
        network.gateway(pool).unwrap().to_string(),
        "2001:3984:3989::1"
    );
    let app = good(APP_NET);
    let network = app.network("app_net").unwrap();
    assert_eq!(
        network.gateway(&network.ipam.pools[0]).unwrap().to_string(),
        "2001:3984:3989::1"
    );
}

#[test]
fn b18_a_network_may_be_ipv6_only() {
    let project = good(
        "services: {a: {image: x, networks: {n: {ipv6_address: 'fd4e:81c2:9b37::5'}}}}
networks: {n: {enable_ipv4: false, enable_ipv6: true, ipam: {config: [{subnet: 'fd4e:81c2:9b37::/64'}]}}}",
    );
    let n = project.network("n").unwrap();
    assert!(!n.has_ipv4() && n.has_ipv6());
}

fn ipvlan(body: &str) -> String {
    format!(
        "services: {{a: {{image: x, networks: [n]}}}}\nnetworks: {{n: {{driver: ipvlan, {body}}}}}"
    )
}

#[test]
fn c1_the_mode_is_l2_unless_the_file_says_l3() {
    let options = |body: &str| good(&ipvlan(body)).network("n").unwrap().ipvlan.clone();
    let plain = options("driver_opts: {parent: eth0}");
    assert_eq!(
        (plain.mode, plain.flag),
        (IpvlanMode::L2, IpvlanFlag::Bridge)
    );
    assert_eq!(plain.parent.unwrap().value, "eth0");
    assert_eq!(
        options("driver_opts: {ipvlan_mode: l3}").mode,
        IpvlanMode::L3
    );
    let vepa = options("driver_opts: {ipvlan_mode: l3s, ipvlan_flag: vepa}");
    assert_eq!((vepa.mode, vepa.flag), (IpvlanMode::L3s, IpvlanFlag::Vepa));
    let (_, wrong) = lint(&ipvlan("driver_opts: {ipvlan_mode: L3}"));
    let d = wrong
        .iter()
        .find(|d| d.code.to_string() == "KC0229")
        .unwrap();
    assert_eq!(d.help.as_deref(), Some("did you mean `l3`?"));
}

#[test]
fn c3_an_l2_network_shares_the_subnet_of_its_parent() {
    let text = ipvlan(
        "driver_opts: {parent: eth0}, ipam: {config: [{subnet: 192.168.1.0/24, gateway: 192.168.1.1}]}",
    );
    let options = options(Profile::Lint).parent_subnet("eth0", "192.168.1.250/24".parse().unwrap());
    let (_, diagnostics) = load_as(&text, &options);
    assert!(diagnostics.is_empty(), "{diagnostics}");
}

#[test]
fn c4_an_empty_gateway_is_the_first_usable_address() {
    for gateway in ["", ", gateway: ", ", gateway: ''"] {
        let project = good(&ipvlan(&format!(
            "driver_opts: {{parent: eth0}}, ipam: {{config: [{{subnet: 192.168.1.0/24{gateway}}}]}}"
        )));
        let n = project.network("n").unwrap();
        assert_eq!(
            n.gateway(&n.ipam.pools[0]).unwrap().to_string(),
            "192.168.1.1"
        );
    }
}

#[test]
fn c16_an_l3_subnet_is_not_the_one_of_the_parent() {
    let text = ipvlan(
        "driver_opts: {parent: eth0, ipvlan_mode: l3}, ipam: {config: [{subnet: 192.168.1.0/24}]}",
    );
    let options =
        options(Profile::Compat).parent_subnet("eth0", "192.168.1.250/24".parse().unwrap());
    let (_, diagnostics) = load_as(&text, &options);
    assert_eq!(codes(&diagnostics), ["KC0226 2:103"]);
    let (_, elsewhere) = load_as(&text.replace("parent: eth0", "parent: eth1"), &options);
    assert!(elsewhere.is_empty(), "{elsewhere}");
}

#[test]
fn c18_a_gateway_is_ignored_in_l3() {
    let text = ipvlan(
        "driver_opts: {parent: eth0, ipvlan_mode: l3}, ipam: {config: [{subnet: 192.168.214.0/24, gateway: 192.168.214.1}, {subnet: 10.1.214.0/24}]}",
    );
    let (project, diagnostics) = lint(&text);
    assert!(
        has(&diagnostics, "KC0211") && !diagnostics.has_errors(),
        "{diagnostics}"
    );
    let n = project.network("n").unwrap();
    assert!(
        n.ipam.pools.iter().all(|p| n.gateway(p).is_none()),
        "the default route is the device"
    );
}

#[test]
fn c22_an_ipv6_network_has_ipv4_too_unless_switched_off() {
    let body = "enable_ipv6: true, driver_opts: {parent: eth0.139}, ipam: {config: [{subnet: '2001:db8:abc2::/64', gateway: '2001:db8:abc2::22'}]}";
    let classic = good(&ipvlan(body));
    let n = classic.network("n").unwrap();
    assert!(n.has_ipv4() && n.has_ipv6());
    assert_eq!(
        n.gateway(&n.ipam.pools[0]).unwrap().to_string(),
        "2001:db8:abc2::22"
    );
    let only = good(&ipvlan(&format!("enable_ipv4: false, {body}")));
    assert!(!only.network("n").unwrap().has_ipv4());
}

#[test]
fn c23_each_subnet_has_its_own_gateway() {
    let project = good(&ipvlan(
        "enable_ipv6: true, driver_opts: {parent: eth0.140}, ipam: {config: [{subnet: 192.168.140.0/24}, {subnet: 192.168.142.0/24, gateway: 192.168.142.254}, {subnet: '2001:db8:abc9::/64', gateway: '2001:db8:abc9::22'}]}",
    ));
    let n = project.network("n").unwrap();
    let gateway = |address: &str| {
        n.gateway(n.pool_of(address.parse().unwrap()).unwrap())
            .unwrap()
            .to_string()
    };
    assert_eq!(gateway("192.168.140.9"), "192.168.140.1");
    assert_eq!(gateway("192.168.142.9"), "192.168.142.254");
    assert_eq!(gateway("2001:db8:abc9::9"), "2001:db8:abc9::22");
}

#[test]
fn c29_loopback_is_no_parent() {
    let (_, diagnostics) = lint(&ipvlan("driver_opts: {parent: lo}"));
    assert!(has(&diagnostics, "KC0225"), "{diagnostics}");
    for fine in ["eth0", "bond0", "eth0.20", "eth0.4094", "wlan-1"] {
        assert!(
            !has(
                &lint(&ipvlan(&format!("driver_opts: {{parent: {fine}}}"))).1,
                "KC0225"
            ),
            "{fine}"
        );
    }
    for bad in ["eth0.0", "eth0.4095", "lo.5", "a/b"] {
        assert!(
            has(
                &lint(&ipvlan(&format!("driver_opts: {{parent: '{bad}'}}"))).1,
                "KC0225"
            ),
            "{bad}"
        );
    }
}
