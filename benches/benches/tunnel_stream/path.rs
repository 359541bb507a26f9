//! Two network namespaces and something between them that carries packets.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use kraud_demo::cli::{Cli, Command as Subcommand, PlaneChoice};
use kraud_demo::keys::Keys;
use kraud_demo::lab::Interrupt;
use kraud_demo::model::Deployment;
use kraud_demo::plan::Plan;
use kraud_demo::plane::{Machine, choose};
use kraud_demo::talk::Talk;
use kraud_demo::{commands, input, keys, privilege};
use kraud_netlink::{Address, Link, LinkChange, Namespaces, Op, Step, Veth};

/// How long a link or a handshake may take to come up.
const PATIENCE: Duration = Duration::from_secs(10);

/// A way from one namespace to another.
pub(crate) struct Path {
    name: String,
    ends: Ends,
    /// What the receiver listens on.
    to: IpAddr,
    /// What runs as long as it is there.
    _programs: Vec<Program>,
}

enum Ends {
    Lab { machine: Machine, pods: [String; 2] },
    Bare(Namespaces),
}

/// A program that ends with the path.
struct Program(Child, PathBuf);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        // It was killed, and had no time to.
        let _ = std::fs::remove_file(&self.1);
    }
}

/// Whether this user may make namespaces; becomes root of a namespace of its own where that is needed.
pub(crate) fn permitted() -> Result<(), String> {
    privilege::acquire().map_err(|error| error.to_string())?;
    choose(PlaneChoice::Userspace).map_err(|error| error.to_string())?;
    Ok(())
}

/// A program on the search path or where this bench's documentation has it installed.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/rivals/bin");
    let search = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&search)
        .chain([here])
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// A veth between the two, and nothing else.
pub(crate) fn plain() -> Path {
    let [_, to] = OUTSIDE;
    Path {
        name: "no-tunnel".into(),
        ends: Ends::Bare(joined()),
        to: to.parse().expect("an address"),
        _programs: Vec::new(),
    }
}

/// IPv4 in the overlay: kraud-tunnel and boringtun.
pub(crate) fn kraud_overlay() -> Path {
    let lab = Lab::up();
    let pod = lab.pods[1].clone();
    let to = lab.deployment.pods.iter().find(|other| other.name == pod);
    let to = to.and_then(|pod| pod.memberships.first()?.v4);
    lab.path("kraud-overlay", to.expect("an overlay address").into())
}

/// IPv6 in the VPC: boringtun only, as the rivals have it.
pub(crate) fn kraud_vpc() -> Path {
    let lab = Lab::up();
    let pod = lab.pods[1].clone();
    let to = lab.deployment.pods.iter().find(|other| other.name == pod);
    let to = to.and_then(|pod| pod.address);
    lab.path("kraud-vpc", to.expect("an address of the VPC").into())
}

/// A userspace WireGuard program at both ends, over a veth.
pub(crate) fn rival(program: &std::path::Path) -> Path {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let mut namespaces = joined();
    let keys = Lab::keys();
    let mut programs = Vec::new();
    for end in 0..NAMES.len() {
        // Rivals run side by side, and each is configured by a socket of its device's name.
        let device = &*format!("{name}{end}");
        let socket = socket(device);
        let _ = std::fs::remove_file(&socket);
        let mut command = Command::new(program);
        command
            .args(["--foreground", "--disable-drop-privileges", device])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let started = within(&namespaces, NAMES[end], || command.spawn());
        programs.push(Program(started.expect("the program starts"), socket));
        configure(device, &keys, end);
        for op in [
            Op::AddAddress(Address::new(device, INSIDE[end].parse().expect("a prefix"))),
            Op::SetLink(LinkChange::new(device).mtu(1420).up()),
        ] {
            let step = Step::in_netns(NAMES[end], op);
            // A program may listen for its configuration before it has made its device.
            let started = Instant::now();
            while let Err(error) = namespaces.apply(&step) {
                assert!(started.elapsed() < PATIENCE, "{device}: {error}");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
    Path {
        name: name.into_owned(),
        ends: Ends::Bare(namespaces),
        to: address(INSIDE[1]),
        _programs: programs,
    }
}

impl Path {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A listener at the receiving end.
    pub(crate) fn listen(&self) -> TcpListener {
        let to = self.to;
        self.inside(1, move || TcpListener::bind((to, 0)))
            .expect("an own address")
    }

    /// A connection from the sending end; the first one waits for the path to come up.
    pub(crate) fn connect(&self, to: SocketAddr) -> TcpStream {
        self.inside(0, || TcpStream::connect_timeout(&to, PATIENCE))
            .expect("the path is up")
    }

    fn inside<R: Send>(&self, end: usize, what: impl FnOnce() -> R + Send) -> R {
        match &self.ends {
            Ends::Bare(namespaces) => within(namespaces, NAMES[end], what),
            Ends::Lab { machine, pods } => {
                machine.run_in(&pods[end], what).expect("the pod is there")
            }
        }
    }
}

const NAMES: [&str; 2] = ["one", "other"];
const OUTSIDE: [&str; 2] = ["198.18.75.1", "198.18.75.2"];
const INSIDE: [&str; 2] = ["10.75.0.1/24", "10.75.0.2/24"];

fn address(prefix: &str) -> IpAddr {
    let (address, _) = prefix.split_once('/').expect("a prefix");
    address.parse().expect("an address")
}

fn within<R: Send>(namespaces: &Namespaces, name: &str, what: impl FnOnce() -> R + Send) -> R {
    let netns = namespaces.netns(name).expect("it was made");
    netns.run(what).expect("it can be entered")
}

/// Two namespaces and a veth from one to the other.
fn joined() -> Namespaces {
    let mut namespaces = Namespaces::anonymous().expect("netlink");
    let mut apply = |step| namespaces.apply(&step).expect("permitted");
    for name in NAMES {
        apply(Step::here(Op::AddNetns(name.into())));
    }
    let [one, other] = NAMES;
    let peer = Veth::peer("eth0").netns(other).up();
    apply(Step::in_netns(
        one,
        Op::AddLink(Link::veth("eth0", peer).up()),
    ));
    for (name, address) in NAMES.into_iter().zip(OUTSIDE) {
        let prefix = format!("{address}/24").parse().expect("a prefix");
        apply(Step::in_netns(
            name,
            Op::AddAddress(Address::new("eth0", prefix)),
        ));
    }
    namespaces
}

/// Where WireGuard's cross-platform interface has the socket of a device.
fn socket(device: &str) -> PathBuf {
    format!("/var/run/wireguard/{device}.sock").into()
}

/// Tells a program its key and its peer, by WireGuard's cross-platform interface (a Unix socket).
fn configure(device: &str, keys: &Keys, end: usize) {
    let path = socket(device);
    let started = Instant::now();
    let mut socket = loop {
        match UnixStream::connect(&path) {
            Ok(socket) => break socket,
            Err(error) if started.elapsed() > PATIENCE => panic!("{}: {error}", path.display()),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let hosts = ["host1", "host2"];
    let own = hex(keys.private(hosts[end]).expect("a key").expose());
    let peer = hex(&keys.public(hosts[1 - end]).expect("a key").0);
    let endpoint = OUTSIDE[1 - end];
    let request = format!(
        "set=1\nprivate_key={own}\nlisten_port=51820\npublic_key={peer}\nendpoint={endpoint}:51820\nallowed_ip=0.0.0.0/0\n\n"
    );
    socket.write_all(request.as_bytes()).expect("it listens");
    let mut answer = [0; 64];
    let length = socket.read(&mut answer).expect("it answers");
    assert!(answer[..length].starts_with(b"errno=0"), "{device} refuses");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Two pods of the example on two hosts, in the userspace plane.
struct Lab {
    deployment: Deployment,
    machine: Machine,
    pods: [String; 2],
}

impl Lab {
    fn up() -> Self {
        let (deployment, keys) = Self::plan();
        let (plane, _) = choose(PlaneChoice::Userspace).expect("permitted");
        let plan = Plan::new(&deployment, plane).expect("a plan");
        let interrupt = Interrupt::watch().expect("signals");
        let machine =
            Machine::up(&plan, &deployment, &keys, plane, &interrupt).expect("everything is up");
        let pods = [0, 1].map(|host| {
            let pod = deployment
                .pods_on(host)
                .find(|pod| pod.memberships.iter().any(|in_it| in_it.overlay == 0))
                .expect("a pod on each host");
            pod.name.clone()
        });
        Self {
            deployment,
            machine,
            pods,
        }
    }

    /// The keys of its two hosts.
    fn keys() -> Keys {
        Self::plan().1
    }

    fn plan() -> (Deployment, Keys) {
        let example = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/benches/tunnel_stream/pods.yaml"
        );
        let cli = Cli::parse_from(["kraud-demo", "--quiet", "lab", "-f", example]);
        let Subcommand::Lab(lab) = &cli.command else {
            panic!("another command");
        };
        let talk = Talk::new(cli.global);
        let project = input::load(&lab.input, &talk).expect("a good file");
        let deployment = commands::deployment(&project, &lab.input, lab.topology, &talk);
        let deployment = deployment.expect("addresses");
        let keys = keys::of_hosts(&deployment.hosts, None).expect("random bytes");
        (deployment, keys)
    }

    fn path(self, name: &str, to: IpAddr) -> Path {
        Path {
            name: name.into(),
            ends: Ends::Lab {
                machine: self.machine,
                pods: self.pods,
            },
            to,
            _programs: Vec::new(),
        }
    }
}
