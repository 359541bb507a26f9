//! What the kernel says about a network namespace, in a form that can be compared.
//!
//! Masked is only what cannot be the same twice: numbers of links and namespaces, hardware addresses
//! that nobody asked for (numbered, so that it still shows which are equal), and counters.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::shell::{self, Result};

/// Each part begins with a line `== title`.
const QUESTIONS: &str = r#"
set -e
echo "== ip -d -j address"; ip -d -j address
echo "== ip -d -4 route"; ip -d -4 route show table all
echo "== ip -d -6 route"; ip -d -6 route show table all
echo "== ip rule"; ip -4 rule; ip -6 rule
echo "== wg show all dump"; wg show all dump
echo "== nft list ruleset"; nft list ruleset
# Some settings cannot be read before they are written.
echo "== sysctl"; cd /proc/sys/net; grep -rs . ipv4/ip_forward ipv4/conf ipv6/conf || [ $? = 2 ]
"#;

/// Namespaces by name; of each, lines by title.
pub(super) type Readback = BTreeMap<String, BTreeMap<String, Vec<String>>>;

/// Asks about all `namespaces`, given as name and path. `script` names the hardware addresses that
/// are compared as they are.
pub(super) fn of(namespaces: &[(String, String)], script: &str) -> Result<Readback> {
    let mut mask = Mask {
        script,
        seen: Vec::new(),
    };
    let mut readback = Readback::new();
    for (name, path) in namespaces {
        let mut ask = Command::new("nsenter");
        ask.arg(format!("--net={path}"))
            .args(["sh", "-c", QUESTIONS]);
        let answers = shell::read(&mut ask)?;
        let mut parts = BTreeMap::new();
        for part in answers.split("== ").skip(1) {
            let (title, text) = part.split_once('\n').unwrap_or((part, ""));
            parts.insert(title.to_owned(), mask.part(title, text)?);
        }
        readback.insert(name.clone(), parts);
    }
    Ok(readback)
}

/// What differs, as lines with `-` for `expected` and `+` for `found`; empty if all is equal.
pub(super) fn difference(expected: &Readback, found: &Readback) -> Vec<String> {
    let mut lines = Vec::new();
    let names: std::collections::BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    for name in names {
        match (expected.get(name), found.get(name)) {
            (Some(expected), Some(found)) => {
                for (title, expected) in expected {
                    part_difference(
                        &format!("{name}: {title}"),
                        expected,
                        &found[title],
                        &mut lines,
                    );
                }
            }
            (Some(_), None) => lines.push(format!("- namespace {name}")),
            (None, _) => lines.push(format!("+ namespace {name}")),
        }
    }
    lines
}

fn part_difference(title: &str, expected: &[String], found: &[String], lines: &mut Vec<String>) {
    if expected == found {
        return;
    }
    lines.push(title.to_owned());
    let without = |these: &[String], others: &[String], sign: char| -> Vec<String> {
        let mut others = others.to_vec();
        let mut rest = Vec::new();
        for line in these {
            match others.iter().position(|other| other == line) {
                Some(index) => drop(others.swap_remove(index)),
                None => rest.push(format!("{sign} {line}")),
            }
        }
        rest
    };
    let before = lines.len();
    lines.extend(without(expected, found, '-'));
    lines.extend(without(found, expected, '+'));
    if lines.len() == before {
        lines.push("  the same lines in another order".to_owned());
    }
}

struct Mask<'a> {
    script: &'a str,
    /// Hardware addresses in the order of their first appearance.
    seen: Vec<String>,
}

impl Mask<'_> {
    fn part(&mut self, title: &str, text: &str) -> Result<Vec<String>> {
        let lines = || text.lines().map(|line| line.trim_end().to_owned());
        Ok(match title {
            // Links, with all that `ip -d -j link` tells, and their addresses.
            "ip -d -j address" => {
                let mut links: Vec<Value> = serde_json::from_str(text)
                    .map_err(|error| format!("{title}: {error}\n{text}"))?;
                links.iter_mut().for_each(|link| self.link(link));
                links.iter().flat_map(flat).collect()
            }
            "wg show all dump" => lines().map(|line| without_counters(&line)).collect(),
            // The kernel lists tables, and prefixes in them, in an order of its own.
            "ip -d -4 route" | "ip -d -6 route" => {
                let mut routes: Vec<_> = lines().collect();
                routes.sort();
                routes
            }
            _ => lines().collect(),
        })
    }

    fn link(&mut self, link: &mut Value) {
        let Some(link) = link.as_object_mut() else {
            return;
        };
        for (key, value) in link.iter_mut() {
            match &**key {
                // The last is a state, not a setting, and follows the carrier a while later.
                "ifindex" | "link_index" | "link_netnsid" | "permaddr" | "operstate" => {
                    *value = "masked".into();
                }
                // So does this one, among settings.
                "flags" => {
                    if let Some(flags) = value.as_array_mut() {
                        flags.retain(|flag| flag != "NO-CARRIER");
                    }
                }
                _ => {
                    if let Some(address) = value.as_str().filter(|text| is_hardware_address(text)) {
                        *value = self.hardware_address(address).into();
                    }
                }
            }
        }
    }

    fn hardware_address(&mut self, address: &str) -> String {
        const KNOWN: &[&str] = &["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"];
        if KNOWN.contains(&address) || self.script.contains(address) {
            return address.to_owned();
        }
        let known = self.seen.iter().position(|seen| seen == address);
        let number = known.unwrap_or_else(|| {
            self.seen.push(address.to_owned());
            self.seen.len() - 1
        });
        format!("random #{number}")
    }
}

fn is_hardware_address(text: &str) -> bool {
    let pair = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.contains(':') && text.split(':').all(pair)
}

/// A link as one line per value, `name: key.key = value`.
fn flat(link: &Value) -> Vec<String> {
    fn walk(path: &str, value: &Value, lines: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    walk(&format!("{path}.{key}"), value, lines);
                }
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                for (index, value) in items.iter().enumerate() {
                    walk(&format!("{path}.{index}"), value, lines);
                }
            }
            _ => lines.push(format!("{path} = {value}")),
        }
    }
    let mut lines = Vec::new();
    walk(link["ifname"].as_str().unwrap_or("?"), link, &mut lines);
    lines
}

/// A peer's line without the time of its handshake and its bytes (wg(8): fields 6 to 8 of 9).
fn without_counters(line: &str) -> String {
    let mut fields: Vec<_> = line.split('\t').collect();
    if let [_, _, _, _, _, handshake, received, sent, _] = &mut fields[..] {
        (*handshake, *received, *sent) = ("masked", "masked", "masked");
    }
    fields.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_nobody_asked_for_are_numbered() {
        let mut mask = Mask {
            script: "address 02:00:00:00:00:01",
            seen: Vec::new(),
        };
        let text = r#"[
            {"ifindex":7,"ifname":"a","address":"aa:bb:cc:dd:ee:ff"},
            {"ifindex":8,"ifname":"b","address":"aa:bb:cc:dd:ee:ff","linkinfo":{"info_kind":"veth"}},
            {"ifindex":9,"ifname":"c","address":"02:00:00:00:00:01"}]"#;
        let lines = mask.part("ip -d -j address", text).unwrap();
        assert_eq!(
            lines,
            [
                "a.address = \"random #0\"",
                "a.ifindex = \"masked\"",
                "a.ifname = \"a\"",
                "b.address = \"random #0\"",
                "b.ifindex = \"masked\"",
                "b.ifname = \"b\"",
                "b.linkinfo.info_kind = \"veth\"",
                "c.address = \"02:00:00:00:00:01\"",
                "c.ifindex = \"masked\"",
                "c.ifname = \"c\"",
            ]
        );
    }

    #[test]
    fn a_peers_counters_are_masked_and_its_keys_are_not() {
        let peer = "wg0\tkey\t(none)\t[2001:db8::1]:51820\tfd00::/64\t1700000000\t10\t20\toff";
        let masked = "wg0 key (none) [2001:db8::1]:51820 fd00::/64 masked masked masked off";
        assert_eq!(without_counters(peer), masked);
        assert_eq!(
            without_counters("wg0\tprivate\tpublic\t51820\toff"),
            "wg0 private public 51820 off"
        );
    }

    #[test]
    fn a_difference_names_the_place_and_both_sides() {
        let readback = |line: &str| {
            let lines =
                BTreeMap::from([("route".to_owned(), vec![line.to_owned(), "b".to_owned()])]);
            Readback::from([("pod".to_owned(), lines)])
        };
        let lines = difference(&readback("a"), &readback("c"));
        assert_eq!(lines, ["pod: route", "- a", "+ c"]);
        assert!(difference(&readback("a"), &readback("a")).is_empty());
        assert_eq!(
            difference(&readback("a"), &Readback::new()),
            ["- namespace pod"]
        );
    }
}
