//! What `lab` found, for people and for programs.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use crate::dns::client;
use crate::lab::ping::Outcome;
use crate::lab::sniffer::Seen;
use crate::listings::Listings;
use crate::model::Deployment;
use crate::plan::Mtu;

/// The result of a run of `lab`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`SCHEMA`](crate::SCHEMA).
    pub schema: &'static str,
    /// `kernel` or `userspace`.
    pub plane: &'static str,
    /// Why that plane.
    pub reason: String,
    /// The predicted MTUs.
    pub mtu: Mtu,
    /// The hosts.
    pub hosts: Vec<HostRow>,
    /// The pods.
    pub pods: Vec<PodRow>,
    /// What the list commands print.
    pub listings: Listings,
    /// Every echo request.
    pub pings: Vec<PingRow>,
    /// What the pods' DNS responders answered, with `--dns`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<NameRow>,
    /// WireGuard's counters, where the kernel keeps them.
    pub peers: Vec<PeerRow>,
    /// What was seen on the underlay while the pods talked.
    pub underlay: Seen,
    /// The network namespaces, while `--keep` keeps them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<NamespacePath>,
    /// Whether every check was as expected.
    pub ok: bool,
}

/// A host in a [`Report`].
#[derive(Clone, Debug, Serialize)]
pub struct HostRow {
    /// Its name.
    pub name: String,
    /// Its pods' prefix.
    pub prefix: String,
    /// Its addresses on the underlay.
    pub underlay: Vec<IpAddr>,
    /// The public half of its WireGuard key.
    pub public_key: String,
}

/// A network namespace that is kept up.
#[derive(Clone, Debug, Serialize)]
pub struct NamespacePath {
    /// Its name in the plan.
    pub name: String,
    /// A path that `nsenter --net=` takes.
    pub path: String,
}

/// A pod in a [`Report`].
#[derive(Clone, Debug, Serialize)]
pub struct PodRow {
    /// Its name.
    pub name: String,
    /// Its service.
    pub service: String,
    /// Its host.
    pub host: String,
    /// Its address in the VPC.
    pub address: Option<IpAddr>,
    /// Its addresses in overlays.
    pub overlays: Vec<OverlayAddress>,
    /// Its addresses in bridge and ipvlan networks.
    pub networks: Vec<NetworkAddress>,
}

/// An attachment in a [`Report`].
#[derive(Clone, Debug, Serialize)]
pub struct NetworkAddress {
    /// `<namespace>/<network>`.
    pub network: String,
    /// The device in the pod.
    pub device: String,
    /// Its addresses there.
    pub addresses: Vec<IpNet>,
}

/// A membership in a [`Report`].
#[derive(Clone, Debug, Serialize)]
pub struct OverlayAddress {
    /// `<namespace>/<overlay>`.
    pub overlay: String,
    /// Its IPv4 address there.
    pub v4: Option<IpAddr>,
    /// The IPv4 prefix that is routed to it.
    pub delegated: Option<String>,
    /// Its IPv6 address there.
    pub v6: Option<IpAddr>,
}

/// One echo request.
#[derive(Clone, Debug, Serialize)]
pub struct PingRow {
    /// `vpc`, or `<namespace>/<overlay>`.
    pub network: String,
    /// The sending pod.
    pub from: String,
    /// The answering pod.
    pub to: String,
    /// The address that was asked.
    pub address: IpAddr,
    /// The size of the IP packet.
    pub bytes: usize,
    /// What should happen.
    pub expect: Expect,
    /// Whether it did.
    pub ok: bool,
    /// Round trip in microseconds, if a reply came.
    pub rtt_us: Option<u64>,
    /// What happened instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead: Option<String>,
}

/// A name that a pod asked its DNS responder for.
#[derive(Clone, Debug, Serialize)]
pub struct NameRow {
    /// The asking pod.
    pub pod: String,
    /// The name.
    pub name: String,
    /// The addresses that it should stand for; none at all if it should not exist.
    pub expect: Option<Vec<IpAddr>>,
    /// Whether that was the answer.
    pub ok: bool,
    /// What the answer was instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead: Option<String>,
}

/// The fate of an echo request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expect {
    /// It is answered.
    Reply,
    /// It is refused, as larger than the MTU, and not fragmented.
    TooBig,
}

/// A WireGuard session in a [`Report`].
#[derive(Clone, Debug, Serialize)]
pub struct PeerRow {
    /// The host.
    pub host: String,
    /// Its peer.
    pub peer: String,
    /// Whether they have shaken hands.
    pub handshake: bool,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
}

impl NameRow {
    /// Compares an answer with what it should be.
    #[must_use]
    pub fn new(
        pod: &str,
        name: &str,
        expect: Option<Vec<IpAddr>>,
        answer: io::Result<client::Answer>,
    ) -> Self {
        let instead = match &answer {
            Ok(answer) if answer.exists == expect.is_some() => {
                let told = &answer.addresses;
                (*told != expect.clone().unwrap_or_default()).then(|| format!("{told:?}"))
            }
            Ok(answer) if answer.exists => Some("the name exists".to_owned()),
            Ok(_) => Some("the name does not exist".to_owned()),
            Err(error) => Some(error.to_string()),
        };
        Self {
            pod: pod.to_owned(),
            name: name.to_owned(),
            expect,
            ok: instead.is_none(),
            instead,
        }
    }
}

impl PingRow {
    /// Notes how an echo request ended.
    #[must_use]
    pub fn ended(mut self, outcome: &Outcome) -> Self {
        self.ok = match (self.expect, outcome) {
            (Expect::Reply, Outcome::Reply(rtt)) => {
                self.rtt_us = Some(u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX));
                true
            }
            (Expect::TooBig, Outcome::TooBig) => true,
            _ => false,
        };
        if !self.ok {
            self.instead = Some(match outcome {
                Outcome::Reply(_) => "a reply came".to_owned(),
                Outcome::TooBig => "too big".to_owned(),
                Outcome::Silence => "no reply".to_owned(),
                Outcome::Failed(why) => why.clone(),
            });
        }
        self
    }
}

impl Report {
    /// How many checks were made, and how many of them failed.
    #[must_use]
    pub fn tally(&self) -> (usize, usize) {
        let pings = self.pings.iter().filter(|ping| !ping.ok).count();
        let silent_peers = self.peers.iter().filter(|peer| !peer.handshake).count();
        let plaintext = usize::from(self.underlay.plaintext > 0);
        let names = self.names.iter().filter(|name| !name.ok).count();
        (
            self.pings.len() + self.peers.len() + self.names.len() + 1,
            pings + silent_peers + names + plaintext,
        )
    }

    /// The form for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for network in self.networks() {
            text.push_str(&self.matrix(network));
            text.push('\n');
        }
        let seen = self.underlay;
        text.push_str(&format!(
            "underlay: {} WireGuard datagrams, {} unencrypted packets\n",
            seen.wireguard, seen.plaintext
        ));
        for peer in &self.peers {
            let state = if peer.handshake {
                "handshake done"
            } else {
                "NO HANDSHAKE"
            };
            text.push_str(&format!(
                "wireguard: {} <- {}: {state}, {} B received, {} B sent\n",
                peer.host, peer.peer, peer.rx_bytes, peer.tx_bytes
            ));
        }
        if !self.names.is_empty() {
            let wrong: Vec<&NameRow> = self.names.iter().filter(|name| !name.ok).collect();
            text.push_str(&format!(
                "names: {} of {} answers as expected\n",
                self.names.len() - wrong.len(),
                self.names.len()
            ));
            for NameRow {
                pod, name, instead, ..
            } in wrong
            {
                let instead = instead.as_deref().unwrap_or_default();
                text.push_str(&format!("  {pod} asked for {name}: {instead}\n"));
            }
        }
        for (command, table) in self.listings.tables() {
            text.push_str(&format!("\n$ kraud-demo {command}\n{table}"));
        }
        let (total, failed) = self.tally();
        text.push_str(&format!(
            "\n{} plane: {} of {total} checks as expected\n",
            self.plane,
            total - failed
        ));
        text
    }

    /// The networks that were pinged over, in order of appearance.
    fn networks(&self) -> Vec<&str> {
        let mut networks: Vec<&str> = Vec::new();
        for ping in &self.pings {
            if !networks.contains(&ping.network.as_str()) {
                networks.push(&ping.network);
            }
        }
        networks
    }

    /// Who reaches whom in one network: the round trip of the small packet, or what went wrong.
    fn matrix(&self, network: &str) -> String {
        let pings: Vec<&PingRow> = self
            .pings
            .iter()
            .filter(|ping| ping.network == network)
            .collect();
        let sorted = |of: fn(&PingRow) -> &str| {
            let names: BTreeSet<&str> = pings.iter().map(|ping| of(ping)).collect();
            Vec::from_iter(names)
        };
        let senders = sorted(|ping| &ping.from);
        let receivers = sorted(|ping| &ping.to);
        let sizes = |expect: Expect| {
            let mut sizes: Vec<usize> = pings
                .iter()
                .filter(|ping| ping.expect == expect)
                .map(|ping| ping.bytes)
                .collect();
            sizes.sort_unstable();
            sizes.dedup();
            sizes
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" and ")
        };
        let mut rows = vec![vec!["from \\ to".to_owned()]];
        rows[0].extend(receivers.iter().map(|name| (*name).to_owned()));
        for from in &senders {
            let mut row = vec![(*from).to_owned()];
            row.extend(receivers.iter().map(|to| cell(&pings, from, to)));
            rows.push(row);
        }
        let width = |column: usize| {
            rows.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        let refused = match sizes(Expect::TooBig) {
            none if none.is_empty() => none,
            sizes => format!(", {sizes} bytes refused"),
        };
        let mut text = format!(
            "{network}: {} bytes answered{refused}\n",
            sizes(Expect::Reply)
        );
        for row in &rows {
            let cells: Vec<String> = row
                .iter()
                .enumerate()
                .map(|(column, cell)| format!("{cell:<width$}", width = width(column)))
                .collect();
            text.push_str(&format!("  {}\n", cells.join("  ").trim_end()));
        }
        text
    }
}

fn cell(pings: &[&PingRow], from: &str, to: &str) -> String {
    let pair: Vec<&&PingRow> = pings
        .iter()
        .filter(|ping| ping.from == from && ping.to == to)
        .collect();
    if let Some(failed) = pair.iter().find(|ping| !ping.ok) {
        return format!(
            "FAILED at {} B: {}",
            failed.bytes,
            failed.instead.as_deref().unwrap_or("?")
        );
    }
    match pair.iter().find_map(|ping| ping.rtt_us) {
        Some(rtt) => format!("ok {}.{:02} ms", rtt / 1000, rtt % 1000 / 10),
        None => "-".to_owned(),
    }
}

/// The pods of a deployment, as a [`Report`] shows them.
#[must_use]
pub fn pod_rows(deployment: &Deployment) -> Vec<PodRow> {
    let row = |pod: &crate::model::Pod| PodRow {
        name: pod.name.clone(),
        service: pod.service.clone(),
        host: deployment.hosts[pod.host].name.clone(),
        address: pod.address.map(IpAddr::V6),
        overlays: pod
            .memberships
            .iter()
            .map(|membership| OverlayAddress {
                overlay: deployment.overlays[membership.overlay].full_name(),
                v4: membership.v4.map(IpAddr::V4),
                delegated: membership.delegated.map(|net| net.to_string()),
                v6: membership.v6.map(IpAddr::V6),
            })
            .collect(),
        networks: pod
            .attachments
            .iter()
            .map(|attachment| NetworkAddress {
                network: deployment.networks[attachment.network].full_name(),
                device: attachment.device.clone(),
                addresses: attachment.addresses.clone(),
            })
            .collect(),
    };
    deployment.pods.iter().map(row).collect()
}
