//! A host's share of the VPC in the kernel plane: WireGuard to the other hosts and a port for ipvlan.
//!
//! ```text
//! HOST      only the underlay, and the UDP socket of WireGuard, which stays where the device was made
//! HOST-vpc  wg0, if there are other hosts: a route per peer host's prefix
//!           vpc0 -- veth -- vpc1: the own prefix; vpc1 is the parent of the pods' ipvlan links
//! ```
//!
//! ipvlan refuses a WireGuard parent, hence the veth; both ends have one MAC and no ARP, so that a packet routed to
//! vpc0 arrives at vpc1 and is taken there for one of the pods.

use std::net::SocketAddr;

use ipnet::IpNet;
use kraud_netlink::{AddrGenMode, Link, MacAddr, Route, Sysctl, Veth};

use super::step::{Action, Mesh, MeshPeer, Step};
use super::{Mtu, PROTOCOL, WIREGUARD, endpoint_towards, guard, vpc_namespace};
use crate::error::Error;
use crate::model::{Deployment, Host};

/// The end that routes to the pods.
const INNER: &str = "vpc0";
/// The end that carries the pods' ipvlan links.
pub(super) const PARENT: &str = "vpc1";
/// The MAC address of both ends, locally administered. It is never seen outside of its namespace.
const MAC: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0x4b]);

pub(super) fn plan(
    deployment: &Deployment,
    host: &Host,
    mtu: Mtu,
    steps: &mut Vec<Step>,
) -> Result<(), Error> {
    let vpc = vpc_namespace(&deployment.scope, &host.name);
    let others = || {
        deployment
            .hosts
            .iter()
            .filter(|other| other.name != host.name)
    };

    if others().next().is_some() {
        // Its UDP socket stays in the namespace that it is asked for in, so no name is taken there, however briefly.
        let link = Link::wireguard(WIREGUARD).netns(&vpc).mtu(mtu.vpc).up();
        steps.push(Step::add_link(&host.name, link));
        steps.push(Step {
            namespace: vpc.clone(),
            action: Action::Mesh(mesh(deployment, host)?),
        });
    }

    let port = Veth::peer(PARENT)
        .mtu(mtu.vpc)
        .address(MAC)
        .noarp()
        .addr_gen_mode(AddrGenMode::None)
        .up();
    let veth = Link::veth(INNER, port)
        .mtu(mtu.vpc)
        .address(MAC)
        .noarp()
        .up()
        .addr_gen_mode(AddrGenMode::None);
    steps.push(Step::add_link(&vpc, veth));
    steps.push(Step::write_sysctl(&vpc, Sysctl::forwarding6(true)));

    let route = |prefix, dev| Route::new(IpNet::V6(prefix)).dev(dev).protocol(PROTOCOL);
    steps.push(Step::add_route(&vpc, route(host.prefix, INNER)));
    for peer in others() {
        steps.push(Step::add_route(&vpc, route(peer.prefix, WIREGUARD)));
    }
    if others().next().is_some() {
        steps.push(Step::set_nft(&vpc, guard::vpc(deployment, host)));
    }
    Ok(())
}

/// The WireGuard configuration of a host: every other host is a peer.
///
/// # Errors
///
/// Those of [`endpoint_towards`].
pub fn mesh(deployment: &Deployment, host: &Host) -> Result<Mesh, Error> {
    let others = deployment
        .hosts
        .iter()
        .filter(|other| other.name != host.name);
    let peers = others.map(|peer| {
        let endpoint = SocketAddr::new(endpoint_towards(host, peer)?, peer.port);
        Ok(MeshPeer {
            host: peer.name.clone(),
            endpoint,
            allowed: peer.prefix,
        })
    });
    Ok(Mesh {
        device: WIREGUARD.to_owned(),
        host: host.name.clone(),
        port: host.port,
        keepalive: host.keepalive,
        peers: peers.collect::<Result<_, Error>>()?,
    })
}
