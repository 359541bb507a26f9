//! `apply` that fails, or ends, at every step: taken back the first time, made whole by the next run.
//!
//! On a kernel with bridges and nf_tables, in namespaces that the test makes.

mod common;
mod machine;

use std::panic::{AssertUnwindSafe, catch_unwind};

use common::{EmptyFolder, deployed};
use kraud_demo::apply::{Machine, Share, apply, apply_through, destroy};
use kraud_demo::cli::Global;
use kraud_demo::keys::Keys;
use kraud_demo::model::Deployment;
use kraud_demo::talk::Talk;
use kraud_netlink::{Error, Executor, Namespaces, Result, Step, transact};
use machine::sh;

const PROJECT: &str = "
name: faulty
services:
  a: {networks: [one, two]}
  b: {networks: {one: {ipv4_address: 172.29.1.9}}}
networks:
  one: {driver: bridge, enable_ipv6: true, ipam: {config: [{subnet: 172.29.1.0/24}, {subnet: 'fd29::/64'}]}}
  two: {driver: bridge, internal: true}
";
const HOST: &str = "kraud-faults";

/// Lets so many steps pass, and then fails.
struct Failing<'a> {
    system: &'a mut Namespaces,
    left: usize,
}

impl Executor for Failing<'_> {
    fn apply(&mut self, step: &Step) -> Result<()> {
        if self.left == 0 {
            self.left = usize::MAX;
            let source = std::io::Error::other("the test says no");
            let what = step.to_string();
            return Err(Error::Io { what, source });
        }
        self.left -= 1;
        self.system.apply(step)
    }

    fn inverse(&mut self, step: &Step) -> Result<Vec<Step>> {
        Executor::inverse(self.system, step)
    }
}

struct Fixture {
    folder: EmptyFolder,
    deployment: Deployment,
}

impl Fixture {
    fn new() -> Self {
        sh(&format!(
            "ip netns add {HOST} && ip -n {HOST} link set lo up"
        ));
        Self {
            folder: EmptyFolder::new(),
            deployment: deployed(PROJECT, "default"),
        }
    }

    fn machine(&self) -> Machine {
        let machine = Machine::open(Some(HOST), self.folder.path()).unwrap();
        machine.lock().unwrap()
    }

    fn share(&self, machine: &mut Machine) -> Share {
        let site = machine.site(&self.deployment.owner()).unwrap();
        Share::of(&self.deployment, 0, &site, &Keys::default()).unwrap()
    }

    fn run(&self, act: impl FnOnce(&mut Machine, &Share) -> usize) -> usize {
        let mut machine = self.machine();
        let share = self.share(&mut machine);
        act(&mut machine, &share)
    }

    fn apply(&self) -> usize {
        self.run(|machine, share| apply(machine, share, &talk()).unwrap().changes.len())
    }

    fn destroy(&self) -> usize {
        let (scope, name) = (&self.deployment.scope, &self.deployment.namespace);
        let nothing = Share::nothing(&self.deployment.hosts[0].name, scope, name);
        self.run(|machine, _| destroy(machine, &nothing).unwrap().changes.len())
    }

    /// What the host has, but for what the kernel numbers, draws or finds out by itself.
    fn state(&self) -> String {
        let filters = [
            "s/^[0-9]*: //",
            "s/@if[0-9]*//",
            "s/link-netnsid [0-9]*//",
            "s/link.ether [^ ]*//",
            "s/state [A-Z]*//",
            "s/<[^>]*>//",
            "s/ linkdown//",
            "s/packets [0-9]* bytes [0-9]*//",
            "/proto kernel/d",
        ];
        let filters = filters.map(|filter| format!("-e '{filter}'")).join(" ");
        sh(&format!(
            "(for what in link addr 'route show table all' '-6 route show table all' rule; do ip -n {HOST} -o $what; done; \
             ip netns exec {HOST} nft list ruleset; \
             ip netns exec {HOST} cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding; \
             ls /run/netns | grep ^faulty- || true) | sed {filters}"
        ))
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = machine::attempt(&format!(
            "for name in $(ls /run/netns | grep -e ^faulty- -e ^{HOST}$); do ip netns del $name; done"
        ));
    }
}

fn talk() -> Talk {
    Talk::new(Global {
        color: clap::ColorChoice::Never,
        quiet: true,
        verbose: false,
    })
}

#[test]
#[ignore = "needs a network namespace of its own: cargo xtask ci runs it"]
fn d09_wherever_it_fails_everything_is_as_before_and_wherever_it_ends_the_next_run_makes_it_whole()
{
    let fixture = Fixture::new();
    let before = fixture.state();
    let steps = fixture.apply();
    assert!(steps > 20, "{steps}");
    assert_eq!(fixture.apply(), 0, "the second time there is nothing to do");
    let whole = fixture.state();
    assert!(
        whole.contains("172.29.1.1/24") && whole.contains("masquerade"),
        "{whole}"
    );
    assert!(fixture.destroy() > 0);
    assert_eq!(fixture.state(), before);

    for at in 0..steps {
        // A step fails: everything is taken back.
        fixture.run(|machine, share| {
            let mut make = |system: &mut Namespaces, steps: &[Step]| {
                transact(&mut Failing { system, left: at }, steps)
            };
            let error = apply_through(machine, share, &talk(), &mut make).unwrap_err();
            let text = error.to_string();
            assert!(text.contains("the test says no"), "{text}");
            assert!(
                text.contains("everything before it was taken back"),
                "{text}"
            );
            0
        });
        assert_eq!(fixture.state(), before, "failed at step {at}");

        // The process ends: nothing is taken back, and nothing is written any more.
        let ended = catch_unwind(AssertUnwindSafe(|| {
            fixture.run(|machine, share| {
                let mut make = |system: &mut Namespaces, steps: &[Step]| {
                    for step in steps.iter().take(at) {
                        system.apply(step).unwrap();
                    }
                    std::panic::resume_unwind(Box::new("killed"))
                };
                let _ = apply_through(machine, share, &talk(), &mut make);
                0
            })
        }));
        assert!(ended.is_err());
        fixture.apply();
        assert_eq!(fixture.state(), whole, "ended at step {at}");
        assert_eq!(fixture.apply(), 0);
        fixture.destroy();
        assert_eq!(fixture.state(), before);
    }
}
