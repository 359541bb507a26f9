//! `ipam ls` and `ipam export`: every prefix and address, with its owner.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use super::{Listed, Row};
use crate::model::{Deployment, Pod};

/// A row of `ipam ls`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct IpamRow {
    /// The prefix, or the address without a prefix length.
    pub prefix: String,
    /// `vpc`, `host`, `subnet`, `address` or `delegated`.
    pub kind: &'static str,
    /// `vpc`, or `<namespace>/<network>`.
    pub network: String,
    /// Whose it is: a VPC, host, network or pod.
    pub owner: String,
    #[serde(skip)]
    namespace: String,
}

impl IpamRow {
    /// Everything that the deployments hold; what two of them share is there once.
    #[must_use]
    pub fn of(listed: &[Listed<'_>]) -> Vec<Self> {
        let mut seen = BTreeSet::new();
        let mut rows: Vec<Self> = listed
            .iter()
            .flat_map(|listed| of_deployment(listed.deployment))
            .collect();
        rows.retain(|row| {
            seen.insert((row.prefix.clone(), row.network.clone(), row.owner.clone()))
        });
        rows
    }
}

fn of_deployment(deployment: &Deployment) -> Vec<IpamRow> {
    let mut rows = Vec::new();
    let mut add = |prefix: String, kind, network: &str, owner: &str| {
        rows.push(IpamRow {
            prefix,
            kind,
            network: network.to_owned(),
            owner: owner.to_owned(),
            namespace: deployment.namespace.clone(),
        });
    };
    add(
        deployment.vpc.to_string(),
        "vpc",
        "vpc",
        &deployment.scope.vpc,
    );
    for host in &deployment.hosts {
        add(host.prefix.to_string(), "host", "vpc", &host.name);
    }
    for place in places(deployment) {
        for subnet in &place.subnets {
            add(subnet.to_string(), "subnet", &place.network, &place.network);
        }
        for (pod, addresses, delegated) in &place.members {
            for address in addresses {
                add(address.to_string(), "address", &place.network, &pod.name);
            }
            if let Some(prefix) = delegated {
                add(prefix.to_string(), "delegated", &place.network, &pod.name);
            }
        }
    }
    rows
}

/// A network with the addresses in it.
struct Place<'a> {
    /// `vpc`, or `<namespace>/<network>`.
    network: String,
    /// The subnets that belong to it as a whole.
    subnets: Vec<IpNet>,
    /// Each with its own addresses and the prefix that is routed to it.
    members: Vec<(&'a Pod, Vec<IpAddr>, Option<IpNet>)>,
}

/// The VPC, whose prefixes are listed by host, and every network.
fn places(deployment: &Deployment) -> Vec<Place<'_>> {
    let in_vpc = deployment
        .pods
        .iter()
        .filter_map(|pod| Some((pod, vec![IpAddr::V6(pod.address?)], None)));
    let vpc = Place {
        network: "vpc".to_owned(),
        subnets: Vec::new(),
        members: in_vpc.collect(),
    };
    let overlays = deployment.overlays.iter().enumerate();
    let overlays = overlays.map(|(index, overlay)| {
        let member = |pod: &'_ Pod| {
            let mut memberships = pod.memberships.iter();
            let here = memberships.find(|membership| membership.overlay == index)?;
            Some((here.addresses().collect(), here.delegated.map(IpNet::V4)))
        };
        let members = deployment.pods.iter().filter_map(|pod| {
            let (addresses, delegated) = member(pod)?;
            Some((pod, addresses, delegated))
        });
        Place {
            network: overlay.full_name(),
            subnets: [overlay.net4.map(IpNet::V4), overlay.net6.map(IpNet::V6)]
                .into_iter()
                .flatten()
                .collect(),
            members: members.collect(),
        }
    });
    let networks = deployment.networks.iter().enumerate();
    let networks = networks.map(|(index, network)| {
        let member = |pod| {
            let here = Pod::attachment(pod, index)?;
            let addresses = here.addresses.iter().map(IpNet::addr);
            Some((pod, addresses.collect(), None))
        };
        Place {
            network: network.full_name(),
            subnets: network.subnets.iter().map(|subnet| subnet.net).collect(),
            members: deployment.pods.iter().filter_map(member).collect(),
        }
    });
    std::iter::once(vpc)
        .chain(overlays)
        .chain(networks)
        .collect()
}

impl Row for IpamRow {
    const COLUMNS: &'static [(&'static str, &'static str)] = &[
        ("prefix", "Prefix"),
        ("kind", "Kind"),
        ("network", "Network"),
        ("owner", "Owner"),
    ];
    const FIELDS: &'static [&'static str] = &["Prefix", "Kind", "Network", "Owner"];
    const FILTERS: &'static [&'static str] = &["kind", "name", "namespace", "network"];

    fn short_id(&self) -> &str {
        &self.prefix
    }

    /// By network, the widest prefixes first.
    fn sort_key(&self) -> String {
        let rank = match self.kind {
            "vpc" => 0,
            "host" => 1,
            "subnet" => 2,
            _ => 3,
        };
        format!("{}\0{rank}\0{}\0{}", self.network, self.owner, self.prefix)
    }

    fn filter_values(&self, key: &str) -> Vec<String> {
        match key {
            "kind" => vec![self.kind.to_owned()],
            "name" => vec![self.owner.clone()],
            "namespace" => vec![self.namespace.clone()],
            "network" => vec![self.network.clone()],
            _ => Vec::new(),
        }
    }
}

/// Definitions for an nftables ruleset: for each network its subnets, and for each service in it its addresses.
///
/// nft has its own idea of a name, so what is not a letter or digit becomes `_`; where two would be the same, the
/// later one has a number behind it.
#[must_use]
pub fn export_nft(listed: &[Listed<'_>]) -> String {
    let mut text =
        "# The addresses of kraud's networks: include this file in a ruleset.\n".to_owned();
    let mut taken = BTreeSet::new();
    for Listed { deployment, .. } in listed {
        let namespace = &deployment.namespace;
        let vpc = [IpNet::V6(deployment.vpc)];
        let whole = format!("vpc {}", deployment.scope.vpc);
        define(
            &mut text,
            &mut taken,
            &whole,
            &format!("vpc_{}", deployment.scope.vpc),
            &vpc,
        );
        for place in places(deployment) {
            let name = match place.network.as_str() {
                "vpc" => format!("{namespace}_vpc"),
                network => network.to_owned(),
            };
            let what = format!("network {} of namespace {namespace}", place.network);
            define(&mut text, &mut taken, &what, &name, &place.subnets);
            let mut services: BTreeMap<&str, Vec<IpNet>> = BTreeMap::new();
            for (pod, addresses, delegated) in &place.members {
                let nets = services.entry(&pod.service).or_default();
                // A delegated prefix has the pod's own IPv4 address in it: nft refuses intervals that overlap.
                let outside =
                    |address: &&IpAddr| !delegated.is_some_and(|net| net.contains(*address));
                nets.extend(addresses.iter().filter(outside).copied().map(IpNet::from));
                nets.extend(*delegated);
            }
            for (service, nets) in services {
                let what = format!("service {service} in {what}");
                define(
                    &mut text,
                    &mut taken,
                    &what,
                    &format!("{name}_{service}"),
                    &nets,
                );
            }
        }
    }
    text
}

/// One definition for each family that there is anything of.
fn define(text: &mut String, taken: &mut BTreeSet<String>, what: &str, name: &str, nets: &[IpNet]) {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = name.chars().map(letter).collect();
    for (suffix, is_v4) in [("4", true), ("6", false)] {
        let nets: Vec<String> = nets
            .iter()
            .filter(|net| net.addr().is_ipv4() == is_v4)
            .map(shortest)
            .collect();
        if nets.is_empty() {
            continue;
        }
        let base = format!("{name}_v{suffix}");
        let mut unique = base.clone();
        let mut number = 2;
        while !taken.insert(unique.clone()) {
            unique = format!("{base}_{number}");
            number += 1;
        }
        let _ = writeln!(
            text,
            "\n# {what}\ndefine {unique} = {{ {} }}",
            nets.join(", ")
        );
    }
}

/// An address without its prefix length where that says nothing.
fn shortest(net: &IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() {
        net.addr().to_string()
    } else {
        net.to_string()
    }
}

/// A hosts(5) file for somebody outside: full names alone, with every address that a pod has.
#[must_use]
pub fn export_hosts(listed: &[Listed<'_>]) -> String {
    let mut text = String::new();
    for Listed { deployment, .. } in listed {
        for place in places(deployment) {
            for (pod, addresses, _) in &place.members {
                let full = |name: &String| format!("{name}.{}", deployment.namespace);
                let names: Vec<String> = pod.names.iter().map(full).collect();
                for address in addresses {
                    let _ = writeln!(text, "{address} {}", names.join(" "));
                }
            }
        }
    }
    text
}
