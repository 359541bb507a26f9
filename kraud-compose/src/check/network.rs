//! Networks as a whole: drivers, families, names, `external`, `internal`.

use std::collections::HashMap;

use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::model::{Driver, IpvlanMode, Network, Project};
use crate::options::Dialect;
use crate::span::Span;
use crate::text::{list, shorten};

pub(super) fn check(project: &Project, sink: &mut Sink) {
    let mut members = vec![0_usize; project.networks.len()];
    for endpoint in project.services.iter().flat_map(|s| &s.endpoints) {
        if let Some(count) = members.get_mut(endpoint.network_index) {
            *count += 1;
        }
    }
    let mut names: HashMap<&str, &Network> = HashMap::with_capacity(project.networks.len());
    for (network, members) in project.networks.iter().zip(members) {
        drivers(network, project.dialect, sink);
        families(network, sink);
        external(network, sink);
        if members == 0 && !network.implicit && network.key.value != "default" {
            let key = shorten(&network.key.value);
            sink.push(Diagnostic::new(
                Code::UNUSED_NETWORK,
                network.key.span,
                format!("no service joins network `{key}`, so it is not made"),
            ));
        }
        if let Some(other) = names.insert(&network.name.value, network) {
            if !(network.external && other.external) {
                same_name(network, other, sink);
            }
        }
    }
}

fn drivers(network: &Network, dialect: Dialect, sink: &mut Sink) {
    let Some(written) = &network.written_driver else {
        return;
    };
    let key = shorten(&network.key.value);
    match &network.driver {
        Driver::Overlay if dialect == Dialect::Kraud => sink.push(Diagnostic::new(
            Code::OVERLAY_NOTE,
            written.span,
            format!("network `{key}` is built as `ipip`, kraud's overlay"),
        )),
        Driver::Overlay => sink.push(
            Diagnostic::new(
                Code::OVERLAY_NOTE,
                written.span,
                format!("network `{key}` is a swarm overlay in docker; kraud builds it as `ipip`"),
            )
            .help("in docker, containers that are no services need `attachable: true`"),
        ),
        Driver::Host | Driver::None if !network.external => {
            let d = Diagnostic::new(
                Code::PREDEFINED,
                written.span,
                format!("the network of driver `{written}` is predefined; there is only one of it"),
            );
            sink.push(d.help(format!(
                "use `network_mode: {written}` in the service instead"
            )));
        }
        Driver::Other(name) => sink.push(Diagnostic::new(
            Code::UNKNOWN_DRIVER,
            written.span,
            format!(
                "`{}` is no driver of docker or kraud; a plugin has to provide it",
                shorten(name)
            ),
        )),
        Driver::Ipvlan
            if network.ipvlan.mode != IpvlanMode::L2 && !network.internal_or_orphan() =>
        {
            sink.push(Diagnostic::new(
                Code::NO_MULTICAST,
                written.span,
                format!(
                    "network `{key}` is ipvlan {}: it carries neither broadcast nor multicast, and \
                     others reach it only by a route to the host",
                    network.ipvlan.mode
                ),
            ));
        }
        _ => {}
    }
    if network.is_internal() && network.driver.has_parent() {
        if let (Some(internal), Some(parent)) = (network.internal, network.parent()) {
            let d = Diagnostic::new(
                Code::INTERNAL_PARENT,
                parent.span,
                format!(
                    "`internal` wins over the parent `{}`",
                    shorten(&parent.value)
                ),
            );
            sink.push(
                d.label("not used")
                    .also(internal.span, "`internal` is here")
                    .help("remove one of them; without a parent the network is isolated on a dummy link"),
            );
        }
    }
}

fn families(network: &Network, sink: &mut Sink) {
    let off = |switch: Option<crate::Spanned<bool>>| switch.filter(|b| !b.value);
    if let (Some(v4), Some(v6)) = (off(network.enable_ipv4), off(network.enable_ipv6)) {
        let d = Diagnostic::new(
            Code::NO_FAMILY,
            v4.span,
            format!(
                "network `{}` has both families switched off",
                shorten(&network.key.value)
            ),
        );
        sink.push(d.also(v6.span, "IPv6 is switched off here"));
    } else if let Some(v4) = off(network.enable_ipv4) {
        if !network.has_ipv6() && network.enable_ipv6.is_none() {
            let d = Diagnostic::new(
                Code::NO_FAMILY,
                v4.span,
                format!(
                    "network `{}` has IPv4 switched off and IPv6 not switched on",
                    shorten(&network.key.value)
                ),
            );
            sink.push(d.help("add `enable_ipv6: true`"));
        }
    }
}

fn external(network: &Network, sink: &mut Sink) {
    if !network.external {
        return;
    }
    let mut ignored: Vec<(&str, Span)> = Vec::new();
    if let Some(driver) = &network.written_driver {
        ignored.push(("driver", driver.span));
    }
    if let Some((key, _)) = network.driver_opts.first() {
        ignored.push(("driver_opts", key.span));
    }
    if let Some(pool) = network.ipam.pools.first() {
        ignored.push(("ipam", pool.span));
    }
    for (name, flag) in [
        ("attachable", network.attachable),
        ("enable_ipv4", network.ipv4_key),
        ("enable_ipv6", network.ipv6_key),
        ("internal", network.internal),
    ] {
        if let Some(flag) = flag {
            ignored.push((name, flag.span));
        }
    }
    if let Some((key, _)) = network.labels.first() {
        ignored.push(("labels", key.span));
    }
    if let Some((_, span)) = ignored.first() {
        let names: Vec<String> = ignored
            .iter()
            .map(|(name, _)| format!("`{name}`"))
            .collect();
        let d = Diagnostic::new(
            Code::EXTERNAL_ATTRIBUTES,
            *span,
            format!(
                "network `{}` is external, so {} has no effect here",
                shorten(&network.key.value),
                list(&names)
            ),
        );
        sink.push(
            d.also(network.key.span, "the network")
                .help("whoever makes the network decides them"),
        );
    }
}

fn same_name(network: &Network, other: &Network, sink: &mut Sink) {
    let d = Diagnostic::new(
        Code::SAME_NAME,
        network.name.span,
        format!(
            "networks `{}` and `{}` have the same name `{}`",
            shorten(&other.key.value),
            shorten(&network.key.value),
            shorten(&network.name.value)
        ),
    );
    sink.push(d.also(
        other.name.span,
        format!("`{}` is named here", shorten(&other.key.value)),
    ));
}

impl Network {
    /// The parent link that ipvlan or macvlan names.
    pub(crate) fn parent(&self) -> Option<&crate::Spanned<String>> {
        match self.driver {
            Driver::Ipvlan => self.ipvlan.parent.as_ref(),
            Driver::Macvlan => self.macvlan.parent.as_ref(),
            _ => None,
        }
    }

    fn internal_or_orphan(&self) -> bool {
        self.is_internal() || self.parent().is_none()
    }
}
