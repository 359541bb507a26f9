//! Reads the reference vectors, and makes small packets.
#![allow(dead_code, unreachable_pub)]

use std::net::Ipv6Addr;
use std::path::Path;

use kraud_tunnel::Endpoints;
use serde_json::Value;

/// One line of a vector file.
pub struct Row(Value);

/// All lines of `tests/vectors/<name>.jsonl`.
pub fn rows(name: &str) -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors")
        .join(name)
        .with_extension("jsonl");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.lines()
        .map(|line| Row(serde_json::from_str(line).expect("one JSON object per line")))
        .collect()
}

impl Row {
    /// What to call it in a failure.
    pub fn name(&self) -> String {
        format!(
            "{} ({})",
            self.0["id"].as_str().unwrap_or("-"),
            self.0["desc"].as_str().unwrap_or("-")
        )
    }

    pub fn json(&self) -> &Value {
        &self.0
    }

    pub fn str(&self, key: &str) -> &str {
        self.0[key]
            .as_str()
            .unwrap_or_else(|| panic!("{}: no text {key}", self.name()))
    }

    pub fn int(&self, key: &str) -> u64 {
        self.0[key]
            .as_u64()
            .unwrap_or_else(|| panic!("{}: no number {key}", self.name()))
    }

    pub fn bytes(&self, key: &str) -> Vec<u8> {
        hex(self.str(key))
    }

    /// A list of packets.
    pub fn packets(&self, key: &str) -> Vec<Vec<u8>> {
        let list = self.0[key]
            .as_array()
            .unwrap_or_else(|| panic!("{}: no list {key}", self.name()));
        list.iter()
            .map(|packet| hex(packet.as_str().expect("hex")))
            .collect()
    }

    pub fn expects_ok(&self) -> bool {
        self.str("expect") == "ok"
    }

    pub fn cfg(&self) -> &Value {
        &self.0["cfg"]
    }

    /// The tunnel from the row's `local` to its `remote`.
    pub fn tunnel(&self) -> Endpoints {
        Endpoints::new(self.address("local"), self.address("remote")).expect("a possible tunnel")
    }

    pub fn address(&self, key: &str) -> Ipv6Addr {
        self.cfg()[key]
            .as_str()
            .expect("an address")
            .parse()
            .expect("an address")
    }
}

pub fn hex(text: &str) -> Vec<u8> {
    assert_eq!(text.len() % 2, 0, "odd hex");
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("hex"))
        .collect()
}

/// The two ends that the tests talk about.
pub fn tunnel() -> Endpoints {
    let end = |last| Ipv6Addr::new(0xfd42, 0x1a8, 0, 0x2a09, 0, 0, 0, last);
    Endpoints::new(end(1), end(2)).expect("a possible tunnel")
}

/// An IPv4 packet of `len` bytes in all, UDP, with a right header checksum.
pub fn ipv4_packet(len: usize, traffic_class: u8, dont_fragment: bool) -> Vec<u8> {
    let mut packet: Vec<u8> = (0..len).map(|i| (i * 7) as u8).collect();
    let header = kraud_tunnel::wire::ipv4::Repr {
        traffic_class,
        identification: 0x1234,
        dont_fragment,
        ttl: 64,
        protocol: 17,
        source: [10, 198, 62, 5].into(),
        destination: [10, 198, 62, 6].into(),
        payload_len: (len - 20) as u16,
    };
    header.emit(&mut packet).expect("room for the header");
    packet
}

/// An IPv6 packet with this payload behind the fixed header.
pub fn ipv6_packet(next_header: u8, traffic_class: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; 40];
    packet.extend_from_slice(payload);
    let header = kraud_tunnel::wire::ipv6::Repr {
        traffic_class,
        flow_label: 0x12345,
        payload_len: payload.len() as u16,
        next_header,
        hop_limit: 64,
        source: Ipv6Addr::new(0xfd42, 0x1a8, 0, 0x2a09, 0xaaaa, 0, 0, 5),
        destination: Ipv6Addr::new(0xfd42, 0x1a8, 0, 0x2a09, 0xaaaa, 0, 0, 6),
    };
    header.emit(&mut packet).expect("room for the header");
    packet
}

/// The packet with `headroom` bytes in front and `tailroom` behind, and where it lies.
pub fn in_buffer(
    packet: &[u8],
    headroom: usize,
    tailroom: usize,
) -> (Vec<u8>, std::ops::Range<usize>) {
    let mut buf = vec![0xee; headroom];
    buf.extend_from_slice(packet);
    buf.resize(headroom + packet.len() + tailroom, 0xee);
    (buf, headroom..headroom + packet.len())
}

/// Runs another test of this program in a network namespace of its own; it panics where that is forbidden.
#[cfg(target_os = "linux")]
pub fn in_own_namespace(test: &str) {
    use std::process::Command;
    let this = std::env::current_exe().expect("a path");
    for unshare in [&["--net"][..], &["--user", "--map-root-user", "--net"]] {
        let probe = Command::new("unshare").args(unshare).arg("true").output();
        if !probe.is_ok_and(|output| output.status.success()) {
            continue;
        }
        let output = Command::new("unshare")
            .args(unshare)
            .arg(&this)
            .args(["--ignored", "--exact", "--nocapture", test])
            .output()
            .expect("unshare ran a moment ago");
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "{text}");
        println!("{text}");
        return;
    }
    panic!("this system forbids a network namespace");
}
