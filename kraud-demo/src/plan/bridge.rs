//! A bridge network on its host, and its members.
//!
//! ```text
//! HOST  br-AID: the gateways' addresses, fe80::1; a port per pod
//! POD   ethN -- veth -- HOST: its addresses, the default route via the gateway
//! ```

use std::net::Ipv6Addr;

use ipnet::{IpNet, Ipv6Net};
use kraud_netlink::{AddrGenMode, Link, Veth};
use uuid::Uuid;

use super::step::Step;
use crate::model::{Attachment, Family, Network, Pod};

/// The router's link-local address on each of its bridges. Neighbours are solicited from it, so that it must not be
/// tentative; a bridge without ports, which a new one is, never finishes duplicate detection.
const LINK_LOCAL: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1), 64);

/// The bridge, with the gateways of its subnets. An internal one has no address of the host, and a family that does not
/// leave has none either.
pub(super) fn host(
    host: &str,
    network: &Network,
    link: &str,
    mtu: u32,
    owner: &str,
    steps: &mut Vec<Step>,
) {
    let bridge = Link::bridge(link)
        .mtu(mtu)
        .alias(owner)
        .addr_gen_mode(AddrGenMode::None)
        .up();
    steps.push(Step::add_link(host, bridge));
    if routes(network, Family::V6) {
        steps.push(Step::add_address(host, link, IpNet::V6(LINK_LOCAL)));
    }
    for subnet in &network.subnets {
        let gateway = subnet
            .gateway
            .map(|address| IpNet::new(address, subnet.net.prefix_len()));
        if let Some(Ok(gateway)) = gateway {
            steps.push(Step::add_address(host, link, gateway));
        }
    }
}

/// Whether the host is to be a router between this bridge and others.
pub(super) fn routes(network: &Network, family: Family) -> bool {
    let mut subnets = network.subnets.iter();
    subnets.any(|subnet| Family::of_prefix(subnet.net) == family && subnet.gateway.is_some())
}

/// A port of the bridge, whose other end is the pod's device.
pub(super) fn port(
    network: &Network,
    link: &str,
    mtu: u32,
    owner: &str,
    pod: &Pod,
    attachment: &Attachment,
) -> Link {
    let mut peer = Veth::peer(&attachment.device)
        .netns(&pod.name)
        .mtu(mtu)
        .up();
    peer.address = attachment.mac;
    Link::veth(port_name(network.id, &pod.name), peer)
        .mtu(mtu)
        .master(link)
        .alias(owner)
        .addr_gen_mode(AddrGenMode::None)
        .up()
}

/// The name of a pod's port: the same on every run, and within the kernel's 15 bytes.
fn port_name(network: Uuid, pod: &str) -> String {
    let id = Uuid::new_v5(&network, pod.as_bytes()).simple().to_string();
    format!("veth{}", id.get(..11).unwrap_or(&id))
}
