//! `lab` on this machine's own kernel, in whatever plane it has.
//!
//! These need root or user namespaces, and `/dev/net/tun` where the kernel lacks the links, so they run on request:
//! `cargo test -p kraud-demo --test lab -- --ignored`, as `cargo xtask ci` does.

mod common;
mod scenario;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{TextFile, binary, kraud};
use scenario::{all_as_expected, network_state, pings, settled_processes};

const WHY: &str = "needs root or a user namespace, and /dev/net/tun";

#[test]
#[ignore = "needs root or a user namespace, and /dev/net/tun"]
fn a07_every_pair_of_pods_talks_over_both_networks_up_to_the_mtu() {
    let before = network_state();
    for _ in 0..2 {
        let report = kraud(["lab", "-o", "json"]).json();
        all_as_expected(&report);
        assert_eq!(report["pods"].as_array().unwrap().len(), 6, "{WHY}");
    }
    assert_eq!(network_state(), before, "nothing is left behind");
}

#[test]
#[ignore = "needs root or a user namespace, and /dev/net/tun"]
fn a02_hosts_on_different_subnets_and_families_join_one_vpc() {
    for underlay in ["v4", "mixed", "dual"] {
        let report = kraud(["lab", "-o", "json", "--underlay", underlay]).json();
        all_as_expected(&report);
        let hosts = report["hosts"].as_array().unwrap();
        assert_ne!(hosts[0]["underlay"], hosts[1]["underlay"]);
    }
}

#[test]
#[ignore = "needs root or a user namespace, and /dev/net/tun"]
fn a03_nothing_is_seen_on_the_underlay_but_wireguard() {
    let report = kraud(["lab", "-o", "json", "--hosts", "3"]).json();
    all_as_expected(&report);
    assert!(report["underlay"]["wireguard"].as_u64().unwrap() > 100);
    assert_eq!(report["underlay"]["plaintext"], 0);
}

#[test]
#[ignore = "needs root or a user namespace, and /dev/net/tun"]
fn a04_a_packet_larger_than_the_vpc_carries_is_refused_not_fragmented() {
    let report = kraud(["lab", "-o", "json"]).json();
    let refused = pings(&report)
        .into_iter()
        .filter(|ping| ping["expect"] == "too-big");
    let vpc: Vec<_> = refused.filter(|ping| ping["network"] == "vpc").collect();
    assert!(
        !vpc.is_empty()
            && vpc
                .iter()
                .all(|ping| ping["ok"] == true && ping["bytes"] == 1421)
    );
}

#[test]
#[ignore = "needs root or a user namespace, and /dev/net/tun"]
fn a13_a14_a15_the_lab_prints_the_lists() {
    let file = TextFile::new("nextcloud.yaml", include_str!("../examples/nextcloud.yaml"));
    let lab = kraud(["lab", "-f", &file.path()]);
    assert_eq!(lab.code, 0, "{}", lab.stderr);
    for list in ["overlay", "network", "ns"] {
        let alone = kraud([list, "ls", "-f", &file.path()]);
        assert!(lab.stdout.contains(&alone.stdout), "{list}: {}", lab.stdout);
    }
}

#[test]
#[ignore = "needs root or a user namespace, and /dev/net/tun"]
fn an_interrupted_run_leaves_nothing_behind() {
    let before = network_state();
    // By what it says it is about to do: how fast it is decides nothing.
    for (signal, moment) in [
        ("INT", "plane:"),
        ("TERM", "bringing up"),
        ("INT", "sending"),
        ("KILL", "bringing up"),
        ("KILL", "sending"),
    ] {
        let mut lab = std::process::Command::new(binary())
            .args(["lab", "--hosts", "64"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(lab.stderr.take().unwrap()).lines();
        let begun = said.by_ref().any(|line| line.unwrap().starts_with(moment));
        assert!(begun, "it never said `{moment}`");
        let kill = std::process::Command::new("kill")
            .args([format!("-{signal}"), lab.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
        let asked = Instant::now();
        let status = lab.wait().unwrap();
        assert!(!status.success(), "{signal} at `{moment}`");
        assert!(
            asked.elapsed() < Duration::from_secs(10),
            "it ends soon after the signal"
        );
        assert!(settled_processes("kraud-demo").is_empty());
    }
    assert_eq!(network_state(), before);
}

#[test]
#[ignore = "needs root or a user namespace, and /dev/net/tun"]
fn keys_are_kept_in_files_that_only_their_owner_reads() {
    use std::os::unix::fs::PermissionsExt;
    let folder = common::EmptyFolder::new();
    let keys = folder.path().join("keys");
    let run = || kraud(["lab", "-o", "json", "--keys", keys.to_str().unwrap()]);
    let (first, second) = (run().json(), run().json());
    assert_eq!(
        first["hosts"], second["hosts"],
        "the second run has the keys of the first"
    );
    for host in ["host1", "host2"] {
        let file = keys.join(format!("{host}.key"));
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let private = fs::read_to_string(&file).unwrap();
        assert!(!first.to_string().contains(private.trim()));
    }
}

#[test]
#[ignore = "needs root, to become an ordinary user"]
fn an_ordinary_user_gets_the_lab_or_exit_4_and_what_to_do() {
    use std::os::unix::fs::PermissionsExt;
    let folder = common::EmptyFolder::new();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = folder.path().join("kraud-demo");
    fs::copy(binary(), &copy).unwrap();
    let nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let lab = |arguments: &[&str]| {
        let mut command = std::process::Command::new("setpriv");
        command
            .args(nobody)
            .arg(&copy)
            .arg("lab")
            .args(arguments)
            .current_dir("/");
        common::finished(command.output().expect("setpriv runs"))
    };
    let everybodys =
        fs::metadata("/dev/net/tun").is_ok_and(|tun| tun.permissions().mode() & 0o006 == 0o006);
    let run = lab(&["--plane", "userspace"]);
    if everybodys {
        assert_eq!(run.code, 0, "{}", run.stderr);
    } else {
        assert_eq!(run.code, 4, "{}", run.stderr);
        assert!(
            run.stderr.contains("/dev/net/tun") && run.stderr.contains("help:"),
            "{}",
            run.stderr
        );
    }
}

#[test]
#[ignore = "needs root, to forbid user namespaces to itself"]
fn where_user_namespaces_are_forbidden_it_says_so_and_what_to_do() {
    let forbid =
        "echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-all \"$0\" lab";
    let mut command = std::process::Command::new("unshare");
    command.args(["-Ur", "sh", "-c", forbid]).arg(binary());
    let run = common::finished(command.output().expect("unshare runs"));
    assert_eq!(run.code, 4, "{}", run.stderr);
    assert!(
        run.stderr.contains("user namespace") && run.stderr.contains("sysctl"),
        "{}",
        run.stderr
    );
}

#[test]
#[ignore = "needs root or a user namespace, and /dev/net/tun"]
fn a05_a06_every_pod_is_told_by_dns_what_the_table_says() {
    let report = kraud(["lab", "--dns", "-o", "json"]).json();
    all_as_expected(&report);
    let names = report["names"].as_array().unwrap();
    assert!(names.iter().all(|name| name["ok"] == true));
    let answers = |pod: &str, name: &str| {
        let row = names
            .iter()
            .find(|row| row["pod"] == pod && row["name"] == name);
        row.unwrap()["expect"].clone()
    };
    let both = answers("nextcloud-app-1", "db");
    assert_eq!(both.as_array().unwrap().len(), 2, "VPC and overlay");
    assert_eq!(both[1], "192.168.2.2");
    assert_eq!(both, answers("nextcloud-app-1", "db.nextcloud"));
    let vpc_only = answers("nextcloud-redis-1", "db");
    assert_eq!(
        vpc_only.as_array().unwrap().len(),
        1,
        "no overlay is shared"
    );
    assert!(answers("nextcloud-db-1", "nobody.nowhere").is_null());
}

/// The C library's resolver, by `getent`, with nothing but our responder in its `resolv.conf`.
#[test]
#[ignore = "needs root, to put another resolv.conf in place, and /dev/net/tun"]
fn a05_a06_the_c_library_resolves_names_in_a_pod() {
    use std::io::{BufRead, BufReader};
    let mut lab = std::process::Command::new(binary())
        .args(["lab", "--dns", "--keep", "-o", "json"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut paths = std::collections::BTreeMap::new();
    for line in BufReader::new(lab.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some((path, pod)) = line
            .strip_prefix("nsenter --net=")
            .and_then(|rest| rest.split_once("  # "))
        {
            paths.insert(pod.to_owned(), path.to_owned());
        }
        if line.starts_with("up until interrupted") {
            break;
        }
    }
    let resolv = TextFile::new("resolv.conf", "nameserver 127.127.127.127\n");
    let nsswitch = TextFile::new("nsswitch.conf", "hosts: dns\n");
    let getent = |pod: &str, arguments: &str| {
        let script = format!(
            "mount --bind {} /etc/resolv.conf && mount --bind {} /etc/nsswitch.conf && nsenter --net={} getent {arguments}",
            resolv.path(),
            nsswitch.path(),
            paths[pod],
        );
        let mut command = std::process::Command::new("unshare");
        command.args(["-m", "sh", "-c", &script]);
        let run = common::finished(command.output().unwrap());
        (run.code, run.stdout)
    };
    let results = [
        getent("nextcloud-app-1", "ahostsv4 db"),
        getent("nextcloud-app-1", "ahostsv6 db.nextcloud"),
        getent("nextcloud-redis-1", "ahostsv4 db"),
        getent("nextcloud-redis-1", "ahosts nobody"),
    ];
    let id = lab.id().to_string();
    assert!(
        std::process::Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    assert!(lab.wait().unwrap().success());
    assert_eq!(results[0].0, 0);
    assert!(results[0].1.starts_with("192.168.2.2 "), "{results:?}");
    assert!(
        results[1].0 == 0 && results[1].1.starts_with("fd"),
        "{results:?}"
    );
    assert_eq!(results[2].0, 2, "it exists, but not over IPv4: {results:?}");
    assert_eq!(results[3].0, 2, "nobody is nobody: {results:?}");
}
