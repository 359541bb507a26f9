//! Parent links of ipvlan and macvlan networks. The kernel keeps one mode per parent.

use std::collections::HashMap;

use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::model::{Driver, IpvlanMode, Network, Project};
use crate::options::{Dialect, Options};
use crate::span::Spanned;
use crate::text::shorten;

pub(super) fn check(project: &Project, options: &Options, sink: &mut Sink) {
    let mut seen: HashMap<&str, &Network> = HashMap::new();
    for network in &project.networks {
        let Some(parent) = network.parent() else {
            continue;
        };
        link(parent, sink);
        if network.external || network.is_internal() {
            continue;
        }
        if let Some(other) = seen.get(parent.value.as_str()) {
            shared(network, parent, other, project.dialect, sink);
        } else {
            seen.insert(&parent.value, network);
        }
        if network.driver == Driver::Ipvlan && network.ipvlan.mode != IpvlanMode::L2 {
            parent_subnet(network, options, sink);
        }
    }
}

/// The name of a link, `name` or `name.vlan`.
fn link(parent: &Spanned<String>, sink: &mut Sink) {
    let name = parent.value.as_str();
    let shown = shorten(name);
    let (base, vlan) = match name.rsplit_once('.') {
        Some((base, vlan)) => (base, Some(vlan)),
        None => (name, None),
    };
    let problem = if name == "lo" || base == "lo" {
        Some((
            "`lo` cannot be a parent: it is no Ethernet link".to_owned(),
            None,
        ))
    } else if name.len() > 15 {
        Some((
            format!("`{shown}` is longer than the 15 bytes of a link name"),
            Some("rename the link, or make the VLAN link yourself under a shorter name".to_owned()),
        ))
    } else if name.contains(['/', ' ']) || name == "." || name == ".." {
        Some((format!("`{shown}` cannot be the name of a link"), None))
    } else {
        match vlan.map(|v| (v, v.parse::<u16>())) {
            Some((_, Ok(id))) if (1..=4094).contains(&id) => None,
            Some((text, _)) if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() => {
                Some((
                    format!(
                        "`{shown}` has the VLAN {}, but VLANs are 1 to 4094",
                        shorten(text)
                    ),
                    None,
                ))
            }
            _ => None,
        }
    };
    if let Some((message, help)) = problem {
        let mut d = Diagnostic::new(Code::BAD_PARENT, parent.span, message);
        d.help = help;
        sink.push(d);
    }
}

/// Two networks on one parent.
fn shared(
    network: &Network,
    parent: &Spanned<String>,
    other: &Network,
    dialect: Dialect,
    sink: &mut Sink,
) {
    let (a, b) = (shorten(&other.key.value), shorten(&network.key.value));
    let on = shorten(&parent.value);
    let problem = if network.driver != other.driver {
        Some(format!(
            "networks `{a}` ({}) and `{b}` ({}) are both on `{on}`, which takes one of the two only",
            other.driver, network.driver
        ))
    } else if network.driver != Driver::Ipvlan {
        None
    } else if network.ipvlan.mode != other.ipvlan.mode {
        Some(format!(
            "networks `{a}` ({}) and `{b}` ({}) are both on `{on}`, and the later one flips the mode \
             of the other",
            other.ipvlan.mode, network.ipvlan.mode
        ))
    } else if network.ipvlan.flag != other.ipvlan.flag {
        Some(format!(
            "networks `{a}` ({}) and `{b}` ({}) are both on `{on}`, and the later one flips the flag \
             of the other",
            other.ipvlan.flag, network.ipvlan.flag
        ))
    } else {
        None
    };
    let message = match (problem, dialect) {
        (Some(message), _) => message,
        // One mode, one flag: the kernel has nothing against it, the docker engine has.
        (None, Dialect::Kraud) => return,
        (None, Dialect::Docker) => format!(
            "networks `{a}` and `{b}` are both on `{on}`; docker gives a parent to one network only"
        ),
    };
    let mut d = Diagnostic::new(Code::SHARED_PARENT, parent.span, message);
    if let Some(first) = other.parent() {
        d = d.also(first.span, format!("`{a}` is on it"));
    }
    sink.push(d.help("give each its own parent, for instance a VLAN `eth0.20`, or make them one network with several subnets"));
}

/// In L3 the containers' subnet must not be that of the parent: the router would look for them on
/// the link itself.
fn parent_subnet(network: &Network, options: &Options, sink: &mut Sink) {
    let Some(parent) = network.parent() else {
        return;
    };
    let on_link = options
        .parent_subnets
        .iter()
        .filter(|(link, _)| *link == parent.value);
    for (_, taken) in on_link {
        for subnet in network.ipam.pools.iter().filter_map(|p| p.subnet) {
            if super::overlap(subnet.value, *taken) {
                let d = Diagnostic::new(
                    Code::PARENT_SUBNET,
                    subnet.span,
                    format!(
                        "{subnet} is the subnet of the parent `{}` ({taken}); an ipvlan {} network \
                         needs one of its own",
                        shorten(&parent.value),
                        network.ipvlan.mode
                    ),
                );
                sink.push(
                    d.also(parent.span, "the parent").help(
                        "choose another subnet and route it to the host, or use ipvlan_mode l2",
                    ),
                );
            }
        }
    }
}
