//! Files that are YAML and nearly right: networks and services out of a small vocabulary. No
//! panic; a second load says the same; fixes apply and do not break the YAML.
#![no_main]

use std::fmt::Write as _;

use arbitrary::Arbitrary;
use kraud_compose::{Options, Profile, Project, Sources};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct File {
    networks: Vec<Network>,
    services: Vec<Service>,
    profile: u8,
}

#[derive(Arbitrary, Debug)]
struct Network {
    key: u8,
    driver: u8,
    pools: Vec<(u8, u8, u8)>,
    flags: u8,
    parent: u8,
}

#[derive(Arbitrary, Debug)]
struct Service {
    key: u8,
    mode: u8,
    endpoints: Vec<(u8, u8, u8)>,
    ports: Vec<u8>,
    depends: Vec<u8>,
    replicas: u8,
    profiles: u8,
}

const KEYS: &[&str] = &[
    "a", "b", "front", "back", "default", "x-n", "we ird", "frnt",
];
const DRIVERS: &[&str] = &[
    "", "bridge", "ipip", "ip6ip", "overlay", "ipvlan", "macvlan", "host", "odd",
];
const SUBNETS: &[&str] = &[
    "",
    "10.0.0.0/24",
    "10.0.0.5/24",
    "10.0.0.0/30",
    "10.0.0.0/31",
    "10.0.0.0/16",
    "fd00:1::/64",
    "2001:db8::/64",
    "172.17.0.0/16",
    "10.0.0.0/33",
    "foo",
    "0.0.0.0/0",
    "::/0",
];
const ADDRESSES: &[&str] = &[
    "",
    "10.0.0.1",
    "10.0.0.5",
    "10.0.0.255",
    "10.0.0.0/28",
    "10.0.0.5/24",
    "10.0.1.0/24",
    "fd00:1::5",
    "fd00:1::/80",
    "300.1.2.3",
    "::ffff:10.0.0.5",
    "${A:-10.0.0.7}",
    "$B",
];
const MODES: &[&str] = &[
    "",
    "host",
    "none",
    "bridge",
    "service:a",
    "service:b",
    "container:c",
    "odd",
];
const PORTS: &[&str] = &[
    "80",
    "80:80",
    "8000-8010:80",
    "8000-8010:90-100/udp",
    "127.0.0.1:80:80",
    "[::1]:80:80",
    "0",
    "x",
    "1-65535:1-65535",
];
const PARENTS: &[&str] = &[
    "",
    "eth0",
    "eth0.20",
    "eth0.5000",
    "lo",
    "a-very-long-link-name",
];

fn pick<'a>(list: &[&'a str], at: u8) -> &'a str {
    list[usize::from(at) % list.len()]
}

impl File {
    fn text(&self) -> String {
        let mut out = String::from("networks:\n");
        for n in self.networks.iter().take(8) {
            let _ = writeln!(
                out,
                "  {}:\n    driver: {}",
                pick(KEYS, n.key),
                pick(DRIVERS, n.driver)
            );
            let mode = ["l2", "l3", "l3s", "l4"][usize::from(n.flags & 3)];
            let _ = writeln!(
                out,
                "    driver_opts: {{ipvlan_mode: {mode}, parent: '{}'}}",
                pick(PARENTS, n.parent)
            );
            for (bit, key) in ["internal", "external", "enable_ipv6", "attachable"]
                .iter()
                .enumerate()
            {
                if n.flags >> (bit + 2) & 1 == 1 {
                    let _ = writeln!(out, "    {key}: true");
                }
            }
            let _ = writeln!(out, "    ipam:\n      config:");
            for &(subnet, gateway, range) in n.pools.iter().take(4) {
                let _ = writeln!(out, "        - subnet: '{}'", pick(SUBNETS, subnet));
                let _ = writeln!(out, "          gateway: '{}'", pick(ADDRESSES, gateway));
                if range & 1 == 1 {
                    let _ = writeln!(out, "          ip_range: '{}'", pick(SUBNETS, range >> 1));
                    let _ = writeln!(
                        out,
                        "          aux_addresses: {{h: '{}'}}",
                        pick(ADDRESSES, range >> 2)
                    );
                }
            }
        }
        out.push_str("services:\n");
        for s in self.services.iter().take(8) {
            let _ = writeln!(
                out,
                "  {}:\n    image: x\n    scale: {}",
                pick(KEYS, s.key),
                s.replicas % 6
            );
            if s.mode & 3 == 0 {
                let _ = writeln!(out, "    network_mode: '{}'", pick(MODES, s.mode >> 2));
            }
            if !s.endpoints.is_empty() {
                out.push_str("    networks:\n");
            }
            for &(network, v4, v6) in s.endpoints.iter().take(4) {
                let _ = writeln!(
                    out,
                    "      {}:\n        ipv4_address: '{}'\n        ipv6_address: '{}'\n        aliases: [{}]",
                    pick(KEYS, network),
                    pick(ADDRESSES, v4),
                    pick(ADDRESSES, v6),
                    pick(KEYS, v4)
                );
            }
            let ports: Vec<String> = s
                .ports
                .iter()
                .take(4)
                .map(|&p| format!("'{}'", pick(PORTS, p)))
                .collect();
            let depends: Vec<&str> = s.depends.iter().take(4).map(|&d| pick(KEYS, d)).collect();
            let _ = writeln!(
                out,
                "    ports: [{}]\n    depends_on: [{}]",
                ports.join(", "),
                depends.join(", ")
            );
            if s.profiles & 1 == 1 {
                let _ = writeln!(out, "    profiles: [p{}]", s.profiles >> 1 & 3);
            }
        }
        out
    }
}

fuzz_target!(|file: File| {
    let text = file.text();
    let profile = [
        Profile::Compat,
        Profile::Lint,
        Profile::Strict,
        Profile::Plan,
    ][usize::from(file.profile & 3)];
    let options = Options::new().project_name("fuzz").profile(profile);
    let load = |text: &str| Project::load(Sources::from_text("f", text), &options);
    let (project, found) = load(&text);
    assert_eq!(found.to_string(), load(&text).1.to_string());
    if found.iter().all(|d| d.code.to_string() != "KC0001") {
        assert!(project.is_some());
    }
    for fix in found.iter().flat_map(|d| &d.fixes).take(2) {
        let mut mended = text.clone();
        for edit in fix.edits.iter().rev() {
            mended.replace_range(edit.span.range(), &edit.text);
        }
        let (_, after) = load(&mended);
        assert!(
            after.iter().all(|d| d.code.to_string() != "KC0001")
                || found.iter().any(|d| d.code.to_string() == "KC0001"),
            "{fix:?} breaks\n{text}"
        );
    }
});
