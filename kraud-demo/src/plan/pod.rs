//! A pod's namespace: its address in the VPC, and one device for all of its overlays.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};
use kraud_netlink::{AddrGenMode, Encap, Ip6Tnl, IpvlanMode, Link, LinkChange, Route};

use super::host::PARENT;
use super::step::{Action, Step};
use super::{Mtu, OVERLAY_DEVICE, POD_DEVICE, PROTOCOL, guard, vpc_namespace};
use crate::model::{Deployment, Family, Membership, Pod};

/// Above the metrics of others.
const FIRST_METRIC: u32 = 1024;

pub(super) fn plan(
    deployment: &Deployment,
    pod: &Pod,
    in_kernel: bool,
    mtu: Mtu,
    steps: &mut Vec<Step>,
) {
    let Some(address) = pod.address else { return };
    vpc(deployment, pod, address, in_kernel, mtu, steps);
    if !pod.memberships.is_empty() {
        overlays(deployment, pod, address, in_kernel, mtu, steps);
    }
}

/// The pod's link into the VPC: there is nobody on it to resolve, so everything is routed at the device.
fn vpc(
    deployment: &Deployment,
    pod: &Pod,
    address: Ipv6Addr,
    in_kernel: bool,
    mtu: Mtu,
    steps: &mut Vec<Step>,
) {
    if in_kernel {
        let host = vpc_namespace(&deployment.scope, &deployment.hosts[pod.host].name);
        let link = Link::ipvlan(POD_DEVICE, PARENT, IpvlanMode::L3)
            .netns(&pod.name)
            .mtu(mtu.vpc)
            .addr_gen_mode(AddrGenMode::None)
            .up();
        steps.push(Step::add_link(host, link));
    } else {
        tun(&pod.name, POD_DEVICE, mtu.vpc, steps);
    }
    let net = IpNet::V6(Ipv6Net::from(address));
    steps.push(Step::add_address(&pod.name, POD_DEVICE, net));
    // The VPC is the way to everywhere, unless a bridge or ipvlan network is.
    let mut attachments = pod.attachments.iter();
    let route = match attachments.any(|attachment| attachment.default.contains(&Family::V6)) {
        true => Route::new(IpNet::V6(deployment.vpc)),
        false => Route::default_v6(),
    };
    steps.push(Step::add_route(
        &pod.name,
        route.dev(POD_DEVICE).protocol(PROTOCOL),
    ));
}

fn overlays(
    deployment: &Deployment,
    pod: &Pod,
    address: Ipv6Addr,
    in_kernel: bool,
    mtu: Mtu,
    steps: &mut Vec<Step>,
) {
    if in_kernel {
        let link = Link::new(OVERLAY_DEVICE, Ip6Tnl::external()).mtu(mtu.overlay);
        steps.push(Step::add_link(
            &pod.name,
            link.addr_gen_mode(AddrGenMode::None).up(),
        ));
    } else {
        tun(&pod.name, OVERLAY_DEVICE, mtu.overlay, steps);
    }
    for own in pod.memberships.iter().flat_map(Membership::addresses) {
        steps.push(Step::add_routeless_address(
            &pod.name,
            OVERLAY_DEVICE,
            own.into(),
        ));
    }
    for (peer, own, theirs) in deployment.neighbours(pod) {
        let Some(peer_address) = peer.address else {
            continue;
        };
        for destination in theirs.destinations() {
            // With several overlays on one device the kernel would pick the device's first address.
            let source = own
                .addresses()
                .find(|own| own.is_ipv4() == destination.addr().is_ipv4());
            let Some(source) = source else { continue };
            let mut route = Route::new(destination)
                .dev(OVERLAY_DEVICE)
                .src(source)
                .metric(metric(destination))
                .protocol(PROTOCOL);
            if in_kernel {
                route = route.encap(Encap::ip6(peer_address).src(address).hop_limit(64));
            }
            steps.push(Step::add_route(&pod.name, route));
        }
    }
    if in_kernel {
        steps.push(Step::set_nft(
            &pod.name,
            guard::pod(deployment, pod, address),
        ));
    }
}

/// Routes that share device and metric hash into one chain in the kernel, so each gets a metric of its own. It follows
/// from the address alone: a peer that comes or goes changes nobody else's route.
fn metric(destination: IpNet) -> u32 {
    let low = match destination.addr() {
        IpAddr::V4(address) => address.to_bits(),
        IpAddr::V6(address) => address.to_bits() as u32,
    };
    FIRST_METRIC + (low & 0x00ff_ffff)
}

fn tun(namespace: &str, device: &str, mtu: u32, steps: &mut Vec<Step>) {
    steps.push(Step {
        namespace: namespace.to_owned(),
        action: Action::Tun {
            device: device.to_owned(),
        },
    });
    let up = LinkChange::new(device)
        .mtu(mtu)
        .addr_gen_mode(AddrGenMode::None)
        .up();
    steps.push(Step::set_link(namespace, up));
}
