//! Who may send what (row A1): an external ip6tnl takes packets from anybody, and ipvlan checks no source.
//!
//! ```text
//! VPC namespace  in from another host, out from a pod: only what is inside of the VPC
//! pod, input     a packet in a packet: only from a peer's VPC address with that very peer's overlay address inside
//! pod, output    only with its own VPC address
//! ```
//!
//! The pod's rules stand where a neighbour on the same host is seen too, which the VPC's namespace never does.

use std::net::Ipv6Addr;

use ipnet::{IpNet, Ipv6Net};
use kraud_netlink::{NftChain, NftFamily, NftHook, NftMatch, NftRule, NftTable};

use super::{POD_DEVICE, WIREGUARD};
use crate::model::{Deployment, Host, Pod};

/// The table of a pod, and of a VPC's namespace.
pub const GUARD_TABLE: &str = "kraud-guard";

/// Protocol numbers of IPv4 and IPv6 inside of a packet.
const IPIP: u8 = 4;
const IPV6: u8 = 41;
/// Where the source of the inner packet is, behind an IPv6 header without options.
const INNER_SOURCE_4: u32 = 40 + 12;
const INNER_SOURCE_6: u32 = 40 + 8;

/// The table of a VPC's namespace.
pub(super) fn vpc(deployment: &Deployment, host: &Host) -> NftTable {
    let outside = |net: Ipv6Net, source: bool| {
        let (net, not) = (IpNet::V6(net), true);
        match source {
            true => NftMatch::Source { net, not },
            false => NftMatch::Destination { net, not },
        }
    };
    let dropped = |condition| NftRule::drop().when(condition).counter();
    let from_peers = NftChain::filter("prerouting", NftHook::Prerouting)
        .rule(dropped(outside(deployment.vpc, true)).r#in(WIREGUARD))
        .rule(dropped(outside(host.prefix, false)).r#in(WIREGUARD));
    // What a pod sends passes here as if this namespace sent it.
    let from_pods = NftChain::filter("output", NftHook::Output)
        .rule(dropped(outside(host.prefix, true)).out(WIREGUARD))
        .rule(dropped(outside(deployment.vpc, false)).out(WIREGUARD));
    NftTable::new(NftFamily::Ip6, GUARD_TABLE)
        .chain(from_peers)
        .chain(from_pods)
}

/// The table of a pod. Its size is that of the pod's routes.
pub(super) fn pod(deployment: &Deployment, pod: &Pod, address: Ipv6Addr) -> NftTable {
    let own = NftMatch::Source {
        net: IpNet::V6(address.into()),
        not: true,
    };
    let output = NftChain::filter("output", NftHook::Output)
        .rule(NftRule::drop().out(POD_DEVICE).when(own).counter());
    let mut input = NftChain::filter("input", NftHook::Input);
    for (peer, _, theirs) in deployment.neighbours(pod) {
        let Some(outer) = peer.address else { continue };
        for inner in theirs.destinations() {
            for (offset, value) in prefixes(inner) {
                let protocol = if offset == INNER_SOURCE_4 { IPIP } else { IPV6 };
                let inside = NftMatch::NetworkHeader {
                    offset,
                    value,
                    not: false,
                };
                input = input.rule(
                    NftRule::accept()
                        .when(NftMatch::Protocol(protocol))
                        .from(IpNet::V6(outer.into()))
                        .when(inside),
                );
            }
        }
    }
    for protocol in [IPIP, IPV6] {
        let rest = NftRule::drop().when(NftMatch::Protocol(protocol));
        input = input.rule(rest.counter());
    }
    NftTable::new(NftFamily::Ip6, GUARD_TABLE)
        .chain(input)
        .chain(output)
}

/// The first bytes of an inner source inside of a prefix, and where they are. A prefix that ends within a byte is as many
/// as that byte has values.
fn prefixes(net: IpNet) -> Vec<(u32, Vec<u8>)> {
    let (offset, bytes) = match net.trunc() {
        IpNet::V4(net) => (INNER_SOURCE_4, net.network().octets().to_vec()),
        IpNet::V6(net) => (INNER_SOURCE_6, net.network().octets().to_vec()),
    };
    let len = usize::from(net.prefix_len());
    let (whole, bits) = (len / 8, len % 8);
    let whole_bytes = bytes.get(..whole).unwrap_or(&bytes);
    match bytes.get(whole).filter(|_| bits > 0) {
        None => vec![(offset, whole_bytes.to_vec())],
        Some(first) => {
            let last = first | (0xff >> bits);
            let value = |byte: u8| (offset, [whole_bytes, &[byte]].concat());
            (*first..=last).map(value).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inside(net: &str) -> Vec<(u32, Vec<u8>)> {
        prefixes(net.parse().unwrap())
    }

    #[test]
    fn an_inner_source_is_matched_where_it_is() {
        assert_eq!(inside("10.1.2.3/32"), [(52, vec![10, 1, 2, 3])]);
        assert_eq!(inside("10.1.2.0/24"), [(52, vec![10, 1, 2])]);
        let (offset, bytes) = inside("fd00::7/128").remove(0);
        assert_eq!((offset, bytes.len(), bytes[15]), (48, 16, 7));
    }

    #[test]
    fn a_prefix_within_a_byte_is_all_of_its_values() {
        let expected = [
            vec![10, 1, 4],
            vec![10, 1, 5],
            vec![10, 1, 6],
            vec![10, 1, 7],
        ];
        let found: Vec<Vec<u8>> = inside("10.1.4.0/22")
            .into_iter()
            .map(|(_, value)| value)
            .collect();
        assert_eq!(found, expected);
    }
}
