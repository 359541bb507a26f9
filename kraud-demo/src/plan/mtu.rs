//! The predicted MTU of each layer.

use kraud_tunnel::mtu::{Layer, Stack};
use serde::Serialize;

use super::underlay::endpoint_towards;
use crate::error::Error;
use crate::model::Host;

/// The MTU of plain Ethernet, which the lab's underlay has.
pub const ETHERNET: u32 = 1500;

/// How large a packet each layer carries, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Mtu {
    /// Between the hosts.
    pub underlay: u32,
    /// Inside WireGuard: between pods by their VPC addresses.
    pub vpc: u32,
    /// Inside ip6ip: between pods by their overlay addresses.
    pub overlay: u32,
}

impl Mtu {
    /// The largest packets that pass between any two of these hosts.
    pub(super) fn predict(hosts: &[Host]) -> Result<Self, Error> {
        let mut over_ipv6 = hosts.len() < 2;
        for (index, host) in hosts.iter().enumerate() {
            for peer in &hosts[index + 1..] {
                // One device serves all peers, so the largest header in use decides.
                over_ipv6 |= endpoint_towards(host, peer)?.is_ipv6();
            }
        }
        let wireguard = if over_ipv6 {
            Layer::WireGuardOverIpv6
        } else {
            Layer::WireGuardOverIpv4
        };
        let left = |layers: &[Layer]| {
            let none = || {
                Error::Unplannable(format!(
                    "no packet fits into {ETHERNET} bytes below {layers:?}"
                ))
            };
            Stack::new(ETHERNET, layers).mtu().ok_or_else(none)
        };
        Ok(Self {
            underlay: ETHERNET,
            vpc: left(&[wireguard])?,
            overlay: left(&[wireguard, Layer::Ip6Ip])?,
        })
    }
}
