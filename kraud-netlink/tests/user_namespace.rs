//! Everything but names under `/run/netns` works without privilege, in a user namespace of one's own.
//!
//! One test alone in its program: only a process with a single thread may enter a user namespace. So the test starts
//! this program again, as an ordinary user where it can, with a namespace around it.

use std::process::Command;

use kraud_netlink::{
    Address, Handle, Link, Namespaces, Netns, NetnsKind, NftChain, NftFamily, NftRule, NftTable,
    Op, Route, Step, Sysctl, Veth, probe,
};

mod common;
use common::{ip, net};

const INSIDE: &str = "KRAUD_INSIDE_A_USER_NAMESPACE";

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn a_laboratory_needs_no_privilege() {
    if std::env::var_os(INSIDE).is_some() {
        return laboratory();
    }
    // Nobody in particular, and root only in a user namespace that owns a network namespace.
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user", "--net", "--"])
        .arg(program)
        .args(["--exact", "--nocapture"]);
    command
        .arg("a_laboratory_needs_no_privilege")
        .env(INSIDE, "1");
    if nix::unistd::geteuid().is_root() {
        let ordinary = Command::new("setpriv")
            .args([
                "--reuid",
                "65534",
                "--regid",
                "65534",
                "--clear-groups",
                "--inh-caps=-all",
                "--",
            ])
            .arg("unshare")
            .args(command.get_args())
            .env(INSIDE, "1")
            .env("RUST_BACKTRACE", "0")
            .output();
        match ordinary {
            Ok(output) if output.status.success() => return,
            Ok(output) => println!("as nobody: {}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => println!("no `setpriv`: {error}"),
        }
    }
    match command.output() {
        Err(error) => common::skip(&format!("no `unshare`: {error}")),
        Ok(output) if String::from_utf8_lossy(&output.stderr).contains("unshare:") => {
            common::skip(&String::from_utf8_lossy(&output.stderr));
        }
        Ok(output) => assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        ),
    }
}

fn laboratory() {
    let here = Netns::current().unwrap();
    let mut lab = Namespaces::start(here, NetnsKind::Anonymous).unwrap();
    let table = NftTable::new(NftFamily::Ip6, "nat").chain(
        NftChain::nat_postrouting("post").rule(NftRule::masquerade().from(net("fd00::/80"))),
    );
    let steps = [
        Step::here(Op::AddNetns("a".into())),
        Step::here(Op::AddNetns("b".into())),
        Step::in_netns(
            "a",
            Op::AddLink(
                Link::veth("eth0", Veth::peer("eth0").netns("b").up())
                    .mtu(1400)
                    .up(),
            ),
        ),
        Step::in_netns(
            "a",
            Op::AddAddress(Address::new("eth0", net("fd00::1/64")).nodad()),
        ),
        Step::in_netns(
            "b",
            Op::AddAddress(Address::new("eth0", net("fd00::2/64")).nodad()),
        ),
        Step::in_netns(
            "b",
            Op::AddRoute(Route::new(net("fd01::/64")).via(ip("fd00::1")).protocol(75)),
        ),
        Step::in_netns("b", Op::WriteSysctl(Sysctl::forwarding6(true))),
        Step::here(Op::AddLink(Link::veth("v0", "v1"))),
        Step::here(Op::MoveLink {
            name: "v0".into(),
            netns: "b".into(),
            rename: None,
            up: true,
        }),
    ];
    lab.apply_all(&steps)
        .unwrap_or_else(|(at, error)| panic!("{}: {error}", steps[at]));
    match lab.apply(&Step::in_netns("b", Op::SetNft(table))) {
        Err(error) if error.is_unsupported() || error.is_not_found() => println!("{error}"),
        result => result.unwrap(),
    }
    let bind = |netns: &str, text: &str| {
        lab.netns(netns)
            .unwrap()
            .run(|| std::net::UdpSocket::bind(text).unwrap())
            .unwrap()
    };
    let (a, b) = (bind("a", "[fd00::1]:0"), bind("b", "[fd00::2]:0"));
    a.send_to(b"hello", b.local_addr().unwrap()).unwrap();
    b.set_read_timeout(Some(std::time::Duration::from_secs(5)))
        .unwrap();
    assert_eq!(b.recv(&mut [0; 8]).unwrap(), 5);
    println!("{}", probe().unwrap());

    // The namespaces outside are not ours.
    if let Ok(outside) = Netns::open_pid(1) {
        let error = outside.run(|| ()).unwrap_err();
        assert!(error.is_permission(), "{error}");
    }
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn without_privilege_the_refusal_says_what_is_missing() {
    if !nix::unistd::geteuid().is_root() {
        let mut kernel = Handle::current().unwrap();
        let error = kernel
            .apply(&Op::AddLink(Link::bridge("kr-none")))
            .unwrap_err();
        assert!(
            error.is_permission() && error.to_string().contains("CAP_NET_ADMIN"),
            "{error}"
        );
    }
}
