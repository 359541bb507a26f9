//! What needs no privilege: plans, lists, and what is said about bad input.

mod common;

use common::{EmptyFolder, file, kraud};

#[test]
fn a21_mangled_yaml_is_named_with_its_place_and_nothing_is_touched() {
    let file = file("mangled.yaml");
    for command in ["lab", "plan"] {
        let run = kraud([command, "-f", &file]);
        assert_eq!(run.code, 1, "{}", run.stderr);
        assert_eq!(run.stdout, "");
        assert!(run.stderr.contains("mangled.yaml:4:"), "{}", run.stderr);
        assert!(run.stderr.contains("nothing was touched"), "{}", run.stderr);
    }
}

#[test]
fn b13_an_undefined_network_is_named_with_both_places() {
    let file = file("undefined_network.yaml");
    let run = kraud(["plan", "-f", &file]);
    assert_eq!(run.code, 1);
    assert_eq!(run.stdout, "");
    assert!(
        run.stderr.contains("undefined_network.yaml:7:9"),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.contains("app_net") && run.stderr.contains("beef"),
        "{}",
        run.stderr
    );
}

#[test]
fn an_address_outside_its_subnet_is_named_with_its_place() {
    let file = file("outside.yaml");
    let run = kraud(["lab", "-f", &file]);
    assert_eq!(run.code, 1);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.contains("outside.yaml:13:23"), "{}", run.stderr);
    assert!(
        run.stderr.contains("10.0.0.2") && run.stderr.contains("192.168.0.0/16"),
        "{}",
        run.stderr
    );
}

#[test]
fn an_address_given_twice_names_both_services() {
    let file = file("taken_twice.yaml");
    let run = kraud(["plan", "-f", &file]);
    assert_ne!(run.code, 0);
    assert_eq!(run.stdout, "");
    assert!(
        run.stderr.contains("db") && run.stderr.contains("cache"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_driver_that_is_not_carried_is_refused() {
    let run = kraud(["plan", "-f", &file("macvlan.yaml")]);
    assert_eq!(run.code, 1);
    assert!(
        run.stderr.contains("`m` has driver `macvlan`"),
        "{}",
        run.stderr
    );
}

#[test]
fn without_a_file_the_lists_have_their_headers() {
    for (list, header) in [
        ("overlay", "aid  namespace  name  driver  net4  net6  \n"),
        ("network", "NETWORK ID   NAME      DRIVER    SCOPE\n"),
        ("ns", "NAME  CREATED  \n"),
    ] {
        let run = kraud([list, "ls"]);
        assert_eq!(
            (run.code, run.stdout.as_str()),
            (0, header),
            "{}",
            run.stderr
        );
        let data = kraud([list, "ls", "-o", "json"]).json();
        assert_eq!(data, serde_json::json!({"schema": "kraud/v1", "items": []}));
    }
}

#[test]
fn without_a_file_a_plan_says_what_is_missing() {
    let run = kraud(["plan"]);
    assert_eq!(run.code, 1);
    assert!(
        run.stderr.contains("compose.yaml") && run.stderr.contains("-f FILE"),
        "{}",
        run.stderr
    );
}

#[test]
fn the_compose_file_of_the_current_folder_is_found() {
    let folder = EmptyFolder::new();
    std::fs::write(
        folder.path().join("docker-compose.yaml"),
        include_str!("../examples/nextcloud.yaml"),
    )
    .unwrap();
    let output = std::process::Command::new(common::binary())
        .args(["ns", "ls"])
        .current_dir(folder.path())
        .output();
    let run = common::finished(output.unwrap());
    assert_eq!(
        run.stdout, "NAME       CREATED  \nnextcloud  -\n",
        "{}",
        run.stderr
    );
}

#[test]
fn a_mistake_on_the_command_line_is_a_usage_error() {
    for arguments in [
        &["lab", "--hosts", "0"][..],
        &["plan", "-o", "xml"],
        &["frobnicate"],
        &[],
    ] {
        let run = kraud(arguments);
        assert_eq!(run.code, 64, "{arguments:?}: {}", run.stderr);
        assert_eq!(run.stdout, "");
    }
    assert_eq!(kraud(["--help"]).code, 0);
}

#[test]
fn what_is_read_otherwise_than_written_is_said() {
    let run = kraud(["plan", "-f", &file("ported.yaml")]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    for note in [
        "network `swarm`: driver `overlay` is taken as `ipip`",
        "service `web`: published ports are not applied",
        "service `agent` has `network_mode: host`",
    ] {
        assert!(run.stderr.contains(note), "{note}: {}", run.stderr);
    }
    let list = kraud(["network", "ls", "-f", &file("ported.yaml")]);
    assert!(
        list.stdout.contains("ported/swarm     ipip      global"),
        "{}",
        list.stdout
    );
}

#[test]
fn a11_the_cost_of_each_layer_is_explained() {
    let run = kraud(["mtu"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(
        run.stdout,
        "\
link                                                  1500
wireguard over ipv6                              -80  1420
  IPv6 header                                   40
  UDP header                                     8
  WireGuard data header                         16
  Poly1305 tag                                  16
ip6ip                                            -40  1380
  IPv6 header                                   40
TCP segment: 1340 over IPv4, 1320 over IPv6
"
    );
    let mtu = |arguments: &[&str]| {
        kraud([&["mtu", "-o", "json"], arguments].concat()).json()["mtu"].clone()
    };
    assert_eq!(mtu(&["--underlay", "v4"]), 1400);
    assert_eq!(mtu(&["--encap-limit"]), 1372);
    assert_eq!(mtu(&["--link", "9000", "--underlay", "v4", "--vlan"]), 8896);
    assert_eq!(kraud(["mtu", "--link", "100"]).code, 64);
}

#[test]
fn an_absurd_scale_is_refused_at_once() {
    let file = common::TextFile::new(
        "absurd.yaml",
        "services: {db: {image: postgres, scale: 4000000000}}\n",
    );
    let run = kraud(["plan", "-f", &file.path()]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("4000000000 replicas"), "{}", run.stderr);
}

#[test]
fn a_plan_tells_by_its_exit_code_that_there_is_something_to_do() {
    let file = common::TextFile::new("nextcloud.yaml", include_str!("../examples/nextcloud.yaml"));
    let plan = |arguments: &[&str]| kraud([&["plan", "-f", &file.path()], arguments].concat()).code;
    assert_eq!(plan(&[]), 0);
    assert_eq!(plan(&["--detailed-exitcode"]), 2);
}
