//! `serve docker-api`, asked by docker's own client and by clients that mean no good.

mod common;

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{EmptyFolder, Run, finished, kraud};

const SHOP: &str = "
name: nextcloud
networks:
  v: {driver: ipip, ipam: {config: [{subnet: 192.168.0.0/16}]}}
services:
  db: {image: x, networks: {v: {ipv4_address: 192.168.2.2}}}
";

/// A server in a folder of its own, asked to end with this value.
struct Server {
    child: Child,
    folder: EmptyFolder,
}

impl Server {
    fn start() -> Self {
        let folder = EmptyFolder::new();
        std::fs::write(folder.path().join("compose.yaml"), SHOP).unwrap();
        let child = Command::new(common::binary())
            .args(["serve", "docker-api", "--listen", "unix:docker.sock"])
            .current_dir(folder.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, folder };
        let begin = Instant::now();
        while UnixStream::connect(server.socket()).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(10), "it listens");
            std::thread::sleep(Duration::from_millis(10));
        }
        server
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    /// Sends bytes and gives what comes back until the connection ends.
    fn talk(&self, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        // The server may be gone before it has read all of it.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn docker(&self, arguments: &[&str]) -> Run {
        let mut docker = Command::new("docker");
        docker
            .arg("--host")
            .arg(format!("unix://{}", self.socket().display()))
            .args(arguments)
            // Neither the contexts nor the settings of whoever runs the tests.
            .env("DOCKER_CONFIG", self.folder.path())
            .env_remove("DOCKER_CONTEXT")
            .env_remove("DOCKER_API_VERSION");
        finished(docker.output().expect("docker runs"))
    }

    /// Asks it to end, and gives its exit code.
    fn stop(&mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(status.success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "needs docker's client"]
fn a13_the_real_docker_cli_lists_and_inspects_our_networks() {
    let server = Server::start();
    let id = kraud([
        "network",
        "ls",
        "-q",
        "-F",
        "name=default",
        "-f",
        &server
            .folder
            .path()
            .join("compose.yaml")
            .display()
            .to_string(),
    ])
    .stdout;
    let id = id.trim();

    let list = server.docker(&["network", "ls"]);
    assert_eq!(list.code, 0, "{}", list.stderr);
    let mut lines = list.stdout.lines();
    assert_eq!(
        lines.next(),
        Some("NETWORK ID    NAME                DRIVER    SCOPE")
    );
    assert_eq!(
        lines.next(),
        Some(&*format!("{id}   nextcloud/default   ipip      global"))
    );

    for arguments in [
        &["network", "ls"][..],
        &["network", "ls", "-q"],
        &["network", "ls", "--no-trunc"],
        &["network", "ls", "--filter", "name=v$"],
        &["network", "ls", "--filter", "driver=bridge"],
        &[
            "network",
            "ls",
            "--filter",
            "label=com.docker.compose.network=v",
        ],
        &["network", "ls", "--format", "json"],
        &[
            "network",
            "ls",
            "--format",
            "table {{.ID}}\t{{.Name}}\t{{.IPv6}}\t{{.CreatedAt}}",
        ],
        &[
            "network",
            "ls",
            "--format",
            "{{.Label \"com.docker.compose.project\"}} {{upper .Name}} {{json .}}",
        ],
    ] {
        let theirs = server.docker(arguments);
        assert_eq!(theirs.code, 0, "{arguments:?}: {}", theirs.stderr);
        let file = server
            .folder
            .path()
            .join("compose.yaml")
            .display()
            .to_string();
        let ours = kraud([arguments, &["-f", &file]].concat());
        assert_eq!(
            without_label_order(&ours.stdout),
            without_label_order(&theirs.stdout),
            "{arguments:?}"
        );
    }

    let inspect = server.docker(&["network", "inspect", "nextcloud/v"]).json();
    assert_eq!(inspect[0]["IPAM"]["Config"][0]["Subnet"], "192.168.0.0/16");
    let members: Vec<_> = inspect[0]["Containers"]
        .as_object()
        .unwrap()
        .values()
        .collect();
    assert_eq!(members[0]["Name"], "nextcloud-db-1");
    assert_eq!(members[0]["IPv4Address"], "192.168.2.2/16");
    let template = "{{range .IPAM.Config}}{{.Subnet}} {{end}}{{.Driver}} {{len .Containers}}";
    let file = server
        .folder
        .path()
        .join("compose.yaml")
        .display()
        .to_string();
    let theirs = server
        .docker(&["network", "inspect", id, "--format", template])
        .stdout;
    let ours = kraud(["network", "inspect", id, "-f", &file, "--format", template]).stdout;
    assert_eq!(ours, theirs);

    let missing = server.docker(&["network", "inspect", "nobody"]);
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.contains("not found"), "{}", missing.stderr);
    let refused = server.docker(&["network", "rm", "nextcloud/v"]);
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains("read-only"), "{}", refused.stderr);
}

/// docker writes a network's labels in any order.
fn without_label_order(text: &str) -> String {
    let orders = [
        "com.docker.compose.network=v,com.docker.compose.project=nextcloud",
        "com.docker.compose.project=nextcloud,com.docker.compose.network=v",
        "com.docker.compose.network=default,com.docker.compose.project=nextcloud",
        "com.docker.compose.project=nextcloud,com.docker.compose.network=default",
    ];
    orders
        .iter()
        .fold(text.to_owned(), |text, order| text.replace(order, "LABELS"))
}

#[test]
fn a13_the_socket_answers_what_docker_asks_for() {
    let mut server = Server::start();
    let mode = std::fs::metadata(server.socket())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600, "nobody else connects");
    let answers = server.talk(
        b"HEAD /_ping HTTP/1.1\r\nHost: x\r\n\r\nGET /v1.43/networks HTTP/1.1\r\nHost: x\r\n\r\n",
    );
    assert!(
        answers.starts_with("HTTP/1.1 200 OK\r\nApi-Version: 1.43\r\n"),
        "{answers}"
    );
    let body = answers.rsplit("\r\n\r\n").next().unwrap();
    let networks: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(networks[1]["Name"], "nextcloud/default");

    // What the file says now is what is answered.
    std::fs::write(
        server.folder.path().join("compose.yaml"),
        SHOP.replace("nextcloud", "wiki"),
    )
    .unwrap();
    assert!(
        server
            .talk(b"GET /networks HTTP/1.0\r\n\r\n")
            .contains("wiki/default")
    );
    std::fs::write(server.folder.path().join("compose.yaml"), "networks: {").unwrap();
    assert!(
        server
            .talk(b"GET /networks HTTP/1.0\r\n\r\n")
            .starts_with("HTTP/1.1 500 ")
    );

    assert_eq!(server.stop(), Some(0));
    assert!(!server.socket().exists(), "it is gone with the server");
}

#[test]
fn a_live_socket_is_not_taken_over_and_a_dead_one_is() {
    let mut server = Server::start();
    let serve = |server: &Server| {
        let mut command = Command::new(common::binary());
        command
            .args(["serve", "docker-api", "--listen", "unix:docker.sock"])
            .current_dir(server.folder.path());
        command
    };
    let second = finished(serve(&server).output().unwrap());
    assert_eq!(second.code, 3, "{}", second.stderr);
    assert!(
        second.stderr.contains("in use by somebody else"),
        "{}",
        second.stderr
    );
    // A killed server leaves its socket behind.
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    assert!(server.socket().exists());
    server.child = serve(&server).stderr(Stdio::null()).spawn().unwrap();
    let begin = Instant::now();
    while UnixStream::connect(server.socket()).is_err() {
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "it takes the dead one's place"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    // What is no socket stays.
    let file = server.folder.path().join("kept");
    std::fs::write(&file, "mine").unwrap();
    let mut onto = Command::new(common::binary());
    onto.args(["serve", "docker-api", "--listen", "unix:kept"])
        .current_dir(server.folder.path());
    assert_eq!(finished(onto.output().unwrap()).code, 3);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn hostile_clients_neither_stop_nor_grow_the_server() {
    let mut server = Server::start();
    let resident = |server: &Server| -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let good = b"GET /networks HTTP/1.0\r\n\r\n";
    assert!(server.talk(good).contains("nextcloud/default"));
    let before = resident(&server);
    let endless = vec![b'a'; 4 << 20];
    let mut state = 7_u64;
    let noise: Vec<u8> = (0..100_000)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        })
        .collect();
    for _ in 0..20 {
        assert!(server.talk(&endless).starts_with("HTTP/1.1 4"));
        server.talk(&noise);
        server.talk(b"GET /networks HTTP/1.1\r\nContent-Length: 60000\r\n\r\n");
        server.talk(b"");
    }
    let pipelined = b"GET /v1.43/networks HTTP/1.1\r\nHost: x\r\n\r\n".repeat(500);
    assert_eq!(
        server.talk(&pipelined).matches("HTTP/1.1 200 OK").count(),
        500
    );
    // Clients that connect and say nothing: the one too many is told so, and a place that is left is given again.
    let mut silent: Vec<UnixStream> = (0..64)
        .map(|_| UnixStream::connect(server.socket()).unwrap())
        .collect();
    let begin = Instant::now();
    while !server.talk(good).starts_with("HTTP/1.1 503") {
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "there is a limit"
        );
    }
    silent.clear();
    let begin = Instant::now();
    while !server.talk(good).starts_with("HTTP/1.1 200") {
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "the places are given again"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let grown = resident(&server).saturating_sub(before);
    assert!(grown < 32 << 10, "{grown} KiB more after all that");
    assert_eq!(server.stop(), Some(0));
}
