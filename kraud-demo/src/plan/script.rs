//! A plan as the shell commands that do the same.

use std::fmt::Write;

use kraud_netlink::CommandContext;

use super::step::{Action, Mesh, Step};
use super::{Plan, loopback_up};

/// The commands of one step. Private keys are named by their file in `$KEYS`, never written out.
impl Step {
    /// The equivalent commands, to be run by a POSIX shell outside of the step's namespace.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        let inside = format!("ip netns exec {}", self.namespace);
        match &self.action {
            Action::Netlink(op) => op.commands(&CommandContext::in_netns(&self.namespace)),
            Action::Mesh(mesh) => mesh_commands(mesh, &inside),
            Action::Tun { device } => vec![format!(
                "ip -n {} tuntap add dev {device} mode tun",
                self.namespace
            )],
        }
    }
}

fn mesh_commands(mesh: &Mesh, inside: &str) -> Vec<String> {
    let Mesh {
        device,
        host,
        port,
        keepalive,
        peers,
    } = mesh;
    let keepalive = keepalive.map_or_else(String::new, |seconds| {
        format!(" persistent-keepalive {seconds}")
    });
    let own =
        format!("{inside} wg set {device} listen-port {port} private-key \"$KEYS/{host}.key\"");
    let peers = peers.iter().map(|peer| {
        let (key, endpoint, allowed) = (&peer.host, peer.endpoint, peer.allowed);
        format!(
            "{inside} wg set {device} peer \"$(wg pubkey < \"$KEYS/{key}.key\")\" endpoint {endpoint}{keepalive} allowed-ips {allowed}"
        )
    });
    std::iter::once(own).chain(peers).collect()
}

impl Plan {
    /// A script that makes what the plan makes, with named network namespaces.
    ///
    /// Hosts' private keys are taken from `$KEYS` (default `./keys`) and made there if absent.
    #[must_use]
    pub fn script(&self) -> String {
        let mut script = String::from(PROLOGUE);
        let _ = writeln!(
            script,
            "# Undo: for ns in {}; do ip netns del $ns; done\n",
            self.namespaces.join(" ")
        );
        for mesh in self.steps.iter().filter_map(|step| match &step.action {
            Action::Mesh(mesh) => Some(mesh),
            _ => None,
        }) {
            let _ = writeln!(
                script,
                "[ -e \"$KEYS/{0}.key\" ] || wg genkey > \"$KEYS/{0}.key\"",
                mesh.host
            );
        }
        script.push('\n');
        for namespace in &self.namespaces {
            let _ = writeln!(script, "ip netns add {namespace}");
            for command in loopback_up().commands(&CommandContext::in_netns(namespace)) {
                let _ = writeln!(script, "{command}");
            }
        }
        let mut current = "";
        for step in &self.steps {
            if step.namespace != current {
                current = &step.namespace;
                let _ = writeln!(script, "\n# {current}");
            }
            for command in step.commands() {
                let _ = writeln!(script, "{command}");
            }
        }
        script
    }
}

const PROLOGUE: &str = "\
#!/bin/sh
set -eu
umask 077
KEYS=\"${KEYS:-keys}\"
mkdir -p \"$KEYS\"
";
