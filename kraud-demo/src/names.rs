//! Who answers to which name, as a pod sees it (rows A5, A6).
//!
//! | asked for        | inside the namespace | elsewhere in the VPC | in another VPC |
//! |------------------|----------------------|----------------------|----------------|
//! | `db`             | yes                  | no                   | no             |
//! | `db.nextcloud`   | yes                  | yes                  | no             |
//!
//! AAAA is the pod's address in the VPC; A are its addresses in the overlays that the asker has joined too. The addresses
//! of bridge and ipvlan networks are told, in both families, to those who are in the same network (row C31). A name
//! that is known but has no address of the asked family exists nevertheless: `NOERROR` without an answer, not
//! `NXDOMAIN`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::identity::Scope;
use crate::model::{Deployment, Pod};

/// The names of one VPC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    pods: Vec<Entry>,
    /// Indices into `pods`, by namespace and lower-case name.
    by_name: BTreeMap<(String, String), Vec<usize>>,
    by_pod: BTreeMap<String, usize>,
}

/// A pod with all that it may be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    namespace: String,
    names: Vec<String>,
    vpc: Option<Ipv6Addr>,
    /// What it is called in each overlay and network that it joins, by their full names: in an overlay its IPv4 address,
    /// in a bridge or ipvlan network all of them.
    joined: BTreeMap<String, Vec<IpAddr>>,
}

/// What a name stands for; both lists may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// In ascending order.
    pub v6: Vec<Ipv6Addr>,
    /// In ascending order.
    pub v4: Vec<Ipv4Addr>,
}

impl Names {
    /// The names of those deployments that are in the VPC; the others are left out, so that no name leaks.
    pub fn in_vpc<'a>(
        scope: &Scope,
        deployments: impl IntoIterator<Item = &'a Deployment>,
    ) -> Self {
        let mut names = Self::default();
        let inside = deployments
            .into_iter()
            .filter(|deployment| deployment.scope == *scope);
        for deployment in inside {
            for pod in &deployment.pods {
                names.add(deployment, pod);
            }
        }
        names
    }

    fn add(&mut self, deployment: &Deployment, pod: &Pod) {
        if pod.address.is_none() && pod.attachments.is_empty() {
            return;
        }
        let index = self.pods.len();
        let namespace = &deployment.namespace;
        for name in &pod.names {
            let key = (namespace.to_ascii_lowercase(), name.to_ascii_lowercase());
            self.by_name.entry(key).or_default().push(index);
        }
        self.by_pod.insert(pod.name.clone(), index);
        let overlays = pod.memberships.iter().map(|membership| {
            let overlay = &deployment.overlays[membership.overlay];
            let v4 = membership.v4.map(IpAddr::V4);
            (overlay.full_name(), v4.into_iter().collect())
        });
        let networks = pod.attachments.iter().map(|attachment| {
            let network = &deployment.networks[attachment.network];
            let addresses = attachment.addresses.iter().map(IpNet::addr);
            (network.full_name(), addresses.collect())
        });
        self.pods.push(Entry {
            namespace: namespace.clone(),
            names: pod.names.clone(),
            vpc: pod.address,
            joined: overlays.chain(networks).collect(),
        });
    }

    /// What `name` means to the pod `asker`; `None` if there is no such name, or no such pod.
    ///
    /// A name is first taken for one of the asker's own namespace, then for `name.namespace`; neither case nor a
    /// trailing dot matters. O(log n) in the names.
    #[must_use]
    pub fn ask(&self, asker: &str, name: &str) -> Option<Answer> {
        let asker = self.entry(asker)?;
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let found = self.find(&asker.namespace, &name).or_else(|| {
            let (name, namespace) = name.rsplit_once('.')?;
            self.find(namespace, name)
        })?;
        let mut answer = Answer::default();
        for entry in found.iter().map(|index| &self.pods[*index]) {
            for address in entry.seen_by(asker) {
                match address {
                    IpAddr::V4(v4) => answer.v4.push(v4),
                    IpAddr::V6(v6) => answer.v6.push(v6),
                }
            }
        }
        answer.v6.sort_unstable();
        answer.v4.sort_unstable();
        Some(answer)
    }

    /// The hosts(5) file of a pod: what [`ask`](Self::ask) answers to it, for programs that ask no server. A pod
    /// without any network gets the loopback lines alone.
    #[must_use]
    pub fn hosts_file(&self, asker: &str) -> String {
        let mut text = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n".to_owned();
        let Some(asker) = self.entry(asker) else {
            return text;
        };
        // The own namespace first: where two lines give one name, the first one is taken for the way back.
        let own = |entry: &&Entry| entry.namespace == asker.namespace;
        let (near, far): (Vec<_>, Vec<_>) = self.pods.iter().partition(own);
        for entry in near.into_iter().chain(far) {
            let names = entry.names_for(asker);
            for address in entry.seen_by(asker) {
                let _ = writeln!(text, "{address} {names}");
            }
        }
        text
    }

    fn entry(&self, pod: &str) -> Option<&Entry> {
        self.by_pod.get(pod).map(|index| &self.pods[*index])
    }

    fn find(&self, namespace: &str, name: &str) -> Option<&Vec<usize>> {
        self.by_name
            .get(&(namespace.to_ascii_lowercase(), name.to_owned()))
    }
}

impl Entry {
    /// Its address in the VPC, if the asker is there too, and those in the overlays and networks that they share.
    fn seen_by(&self, asker: &Self) -> impl Iterator<Item = IpAddr> {
        let vpc = self.vpc.filter(|_| asker.vpc.is_some()).map(IpAddr::V6);
        let shared = self
            .joined
            .iter()
            .filter(|(network, _)| asker.joined.contains_key(*network));
        vpc.into_iter()
            .chain(shared.flat_map(|(_, addresses)| addresses.iter().copied()))
    }

    /// Every form in which the asker may write its names.
    fn names_for(&self, asker: &Self) -> String {
        let mut forms: Vec<String> = Vec::new();
        if self.namespace == asker.namespace {
            forms.extend(self.names.iter().cloned());
        }
        let full = |name: &String| format!("{name}.{}", self.namespace);
        forms.extend(self.names.iter().map(full));
        forms.join(" ")
    }
}

/// The names that a pod answers to inside its namespace, in the given order and without repetition.
///
/// What cannot be asked for (blanks, line ends, more than 255 bytes) is left out: a hosts file has no way to quote it.
#[must_use]
pub fn of_pod<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let is_askable = |name: &&str| {
        let usual = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        (1..=255).contains(&name.len()) && name.bytes().all(usual)
    };
    let mut seen = BTreeSet::new();
    let fresh = names
        .into_iter()
        .filter(is_askable)
        .filter(|name| seen.insert(name.to_ascii_lowercase()));
    fresh.map(str::to_owned).collect()
}
