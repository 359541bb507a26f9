//! `graph`, `wg showconf`, `completions` and `man`.

mod common;

use common::{EmptyFolder, TextFile, kraud};

const SHOP: &str = "
name: shop
networks:
  v: {driver: ipip, ipam: {config: [{subnet: 192.168.0.0/16}]}}
  b: {driver: bridge}
services:
  db: {image: x, networks: {v: {ipv4_address: 192.168.2.2}}}
  app: {image: x, networks: [v, b]}
";

#[test]
fn a_graph_has_every_pod_network_and_address() {
    let file = TextFile::new("shop.yaml", SHOP);
    let dot = kraud(["graph", "-f", &file.path()]).stdout;
    for part in [
        "graph \"shop in VPC default\" {",
        "subgraph cluster_0 {\n    label=\"host1\";",
        "\"shop-db-1\";",
        "label=\"shop/v\\nipip 192.168.0.0/16 fd",
        "label=\"shop/b\\nbridge ",
        "\"shop-db-1\" -- net1 [label=\"192.168.2.2\\nfd",
    ] {
        assert!(dot.contains(part), "{part}: {dot}");
    }
    let svg = kraud(["graph", "-f", &file.path(), "-o", "svg"]).stdout;
    assert!(
        svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\"") && svg.ends_with("</svg>\n")
    );
    for part in [
        "shop-db-1 in shop/v: 192.168.2.2 fd",
        ">shop/b</text>",
        ">host2</text>",
    ] {
        assert!(svg.contains(part), "{part}: {svg}");
    }
    assert_eq!(svg.matches("<path ").count(), dot.matches(" -- ").count());
}

#[test]
fn names_cannot_break_out_of_a_graph() {
    use kraud_demo::graph::{Edge, Graph, HostNode, NetworkNode, dot, svg};
    let name = "a\"]; b\\ <script>&\n\u{7}".to_owned();
    let graph = Graph {
        title: name.clone(),
        hosts: vec![HostNode {
            name: name.clone(),
            pods: vec![name.clone()],
        }],
        networks: vec![NetworkNode {
            name: name.clone(),
            details: name.clone(),
        }],
        edges: vec![
            Edge {
                pod: name.clone(),
                network: 0,
                label: name.clone(),
            },
            Edge {
                pod: name,
                network: 7,
                label: String::new(),
            },
        ],
    };
    let svg = svg(&graph);
    assert!(!svg.contains("<script>") && !svg.contains('\u{7}'));
    let dot = dot(&graph);
    // Without what is escaped, every quote opens or closes an id.
    let plain = dot.replace("\\\\", "").replace("\\\"", "");
    assert!(
        plain.lines().all(|line| line.matches('"').count() % 2 == 0),
        "{dot}"
    );
}

#[test]
fn a03_a_wireguard_configuration_has_its_private_key_only_on_request() {
    let file = TextFile::new("shop.yaml", SHOP);
    let folder = EmptyFolder::new();
    let keys = folder.path().display().to_string();
    let show = |arguments: &[&str]| {
        let base = [
            "wg",
            "showconf",
            "host1",
            "--hosts",
            "3",
            "-f",
            &file.path(),
            "--keys",
            &keys,
        ];
        kraud([&base[..], arguments].concat())
    };
    let missing = show(&[]);
    assert_eq!(missing.code, 1);
    assert!(
        missing.stderr.contains("host1.key is missing"),
        "{}",
        missing.stderr
    );
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "nothing is made"
    );

    // The pair of keys::tests, which `wg pubkey` computed.
    let private = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
    for host in ["host1", "host2", "host3"] {
        std::fs::write(folder.path().join(format!("{host}.key")), private).unwrap();
    }
    let public = show(&[]);
    assert_eq!(public.code, 0, "{}", public.stderr);
    assert!(!public.stdout.contains(private) && !public.stdout.contains("PrivateKey"));
    let lines: Vec<&str> = public.stdout.lines().collect();
    assert_eq!(
        lines[..6],
        [
            "[Interface]",
            "ListenPort = 51820",
            "",
            "# host2",
            "[Peer]",
            "PublicKey = B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHw=",
        ]
    );
    assert!(
        lines[6].starts_with("AllowedIPs = fd") && lines[6].ends_with("::/64"),
        "{lines:?}"
    );
    assert_eq!(lines[7], "Endpoint = [2001:db8:2::2]:51820");
    assert_eq!(public.stdout.matches("[Peer]").count(), 2);
    assert!(
        show(&["--with-private-key"])
            .stdout
            .contains(&format!("PrivateKey = {private}\n"))
    );
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = kraud(["completions", shell]).stdout;
        for command in ["overlay", "docker-api", "no-trunc", "decode"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    assert_eq!(kraud(["completions", "tcsh"]).code, 64);
}

#[test]
fn every_command_has_a_manual_page() {
    let page = kraud(["man"]).stdout;
    assert!(
        page.contains(".TH kraud-demo 1") && page.contains("Exit codes"),
        "{page}"
    );
    assert!(
        kraud(["man", "network", "ls"])
            .stdout
            .contains("no\\-trunc")
    );
    assert_eq!(kraud(["man", "nowhere"]).code, 64);
    let folder = EmptyFolder::new();
    let pages = folder.path().join("man1");
    let run = kraud(["man", "--all", pages.to_str().unwrap()]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    for page in [
        "kraud-demo.1",
        "kraud-demo-lab.1",
        "kraud-demo-network-ls.1",
    ] {
        assert!(pages.join(page).exists(), "{page}");
    }
}
