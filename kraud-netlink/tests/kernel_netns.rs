//! Namespaces with a name, in a mount namespace of the test's own: the machine's `/run/netns` is not touched.

use std::fs;
use std::process::{Command, Stdio};

use kraud_netlink::{
    Error, Link, Namespaces, Netns, NetnsKind, Op, RUN_NETNS, Step, Veth, Want, Wanted, transact,
};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

mod common;
use common::namespace;

/// Runs `inside` on a thread that sees an empty `/run`.
fn with_own_run(inside: impl FnOnce() + Send) {
    let Some(netns) = namespace() else { return };
    let none: Option<&str> = None;
    std::thread::scope(|scope| {
        let inside = move || {
            unshare(CloneFlags::CLONE_NEWNS).unwrap();
            mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
            mount(Some("run"), "/run", Some("tmpfs"), MsFlags::empty(), none).unwrap();
            netns.run(inside).unwrap();
        };
        let result = scope.spawn(inside).join();
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    });
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn a_name_outlives_its_maker_and_is_found_by_name_path_and_process() {
    with_own_run(|| {
        assert_eq!(Netns::names().unwrap(), [""; 0]);
        let made = Netns::create("pod").unwrap();
        let id = made.id();
        made.handle()
            .unwrap()
            .apply(&Op::AddLink(Link::bridge("br0")))
            .unwrap();
        drop(made);
        assert_eq!(Netns::names().unwrap(), ["pod"]);
        let opened = Netns::open("pod").unwrap();
        assert_eq!(opened.id(), id);
        assert!(opened.handle().unwrap().link("br0").is_ok(), "it was kept");
        assert_eq!(Netns::find(&format!("{RUN_NETNS}/pod")).unwrap(), opened);

        // A process that lives in it, as a container does.
        let sleep = || {
            let mut command = Command::new("sleep");
            command.arg("60").stdout(Stdio::null()).spawn().unwrap()
        };
        let mut process = opened.run(sleep).unwrap();
        let found = Netns::find(&process.id().to_string());
        process.kill().unwrap();
        process.wait().unwrap();
        assert_eq!(found.unwrap(), opened);

        // An anonymous one gets a name later.
        let anonymous = Netns::new().unwrap();
        anonymous.persist("later").unwrap();
        assert_eq!(Netns::names().unwrap(), ["later", "pod"]);
        for name in ["later", "pod"] {
            Netns::delete(name).unwrap();
        }
        assert_eq!(Netns::names().unwrap(), [""; 0]);
        assert!(Netns::open("pod").unwrap_err().is_not_found());
    });
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn names_that_are_taken_missing_or_none_are_refused() {
    with_own_run(|| {
        Netns::create("pod").unwrap();
        let taken = Netns::create("pod").unwrap_err();
        assert!(taken.is_exists(), "{taken}");
        let missing = Netns::find("nobody").unwrap_err();
        assert!(missing.is_not_found(), "{missing}");
        assert!(missing.to_string().contains("`ip netns list`"), "{missing}");
        for name in ["", ".", "..", "a/b", "nul\0"] {
            let error = Netns::create(name).unwrap_err();
            assert!(matches!(error, Error::Invalid { .. }), "{name:?}: {error}");
        }
        // Another kind of namespace, and a file that is none.
        for path in ["/proc/self/ns/uts", "/etc/passwd"] {
            let error = Netns::open_path(path).unwrap_err();
            assert!(matches!(error, Error::Invalid { .. }), "{path}: {error}");
        }
        // What a dead maker left, a file that nothing is mounted on, goes as well.
        fs::write(format!("{RUN_NETNS}/left"), "").unwrap();
        assert!(Netns::open("left").is_err());
        Netns::delete("left").unwrap();
        assert_eq!(Netns::names().unwrap(), ["pod"]);
    });
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn a_plan_makes_named_namespaces_and_finds_them_the_next_time() {
    with_own_run(|| {
        let mut wanted = Wanted::new();
        wanted
            .here(Want::Netns("pod".into()))
            .here(Want::Link(
                Link::veth("v0", Veth::peer("eth0").netns("pod").up()).up(),
            ))
            .in_netns("pod", Want::Link(Link::bridge("br0").alias("kraud")));
        let system = || Namespaces::start(Netns::current().unwrap(), NetnsKind::Named).unwrap();
        wanted.ensure(&mut system()).unwrap();
        // Another process, as it were: it knows nothing but the names.
        assert_eq!(wanted.diff(&mut system()).unwrap(), []);
        assert_eq!(Netns::names().unwrap(), ["pod"]);

        // One that is there already is used and, on the way back, not deleted.
        let mut more = Wanted::new();
        more.here(Want::Netns("pod".into()))
            .in_netns("pod", Want::Link(Link::bridge("br1")));
        let undo = more.ensure(&mut system()).unwrap();
        assert!(undo.apply(&mut system()).is_empty());
        assert_eq!(wanted.diff(&mut system()).unwrap(), []);

        // One that the failing plan made goes again.
        let steps = [
            Step::here(Op::AddNetns("brief".into())),
            Step::in_netns("brief", Op::AddLink(Link::bridge("br0"))),
            Step::here(Op::DeleteLink("nothing".into())),
        ];
        let error = transact(&mut system(), &steps).unwrap_err();
        assert!(error.left.is_empty(), "{error}");
        assert_eq!(Netns::names().unwrap(), ["pod"]);
        Netns::delete("pod").unwrap();
    });
}
