//! What is wanted, as plain values: compared, printed, serialised, turned into messages and read back.

mod address;
mod ip6tnl;
mod ipvlan;
mod key;
mod link;
mod link_change;
mod mac;
mod neighbour;
mod nexthop;
mod route;
mod rule;
mod sysctl;
mod vlan;
mod wireguard;

pub use address::Address;
pub use ip6tnl::{Ip6Tnl, Ip6TnlFlags, Ip6TnlMode, TunnelEncap, TunnelEncapKind};
pub use ipvlan::{Ipvlan, IpvlanFlag, IpvlanMode};
pub use key::{KeyError, PresharedKey, PrivateKey, PublicKey};
pub use link::{AddrGenMode, Bridge, BridgePort, FollowUp, Link, LinkKind, Veth};
pub use link_change::LinkChange;
pub use mac::{MacAddr, ParseMacError};
pub use neighbour::{Neighbour, NeighbourState};
pub use nexthop::{NextHopObject, NextHopTo};
pub use route::{
    Encap, EncapIp, EncapIp6, NextHop, Route, RouteKind, RouteMetrics, Scope, protocol, table,
};
pub use rule::{PortRange, Rule, RuleAction};
pub use sysctl::Sysctl;
pub use vlan::{Vlan, VlanProtocol};
pub use wireguard::{Peer, PeerAction, Wireguard};

use crate::error::{Error, Result};

/// The longest link name (`IFNAMSIZ` - 1).
pub const LINK_NAME_MAX: usize = 15;

/// The longest name beside a link's name (`ALTIFNAMSIZ` - 1).
pub const ALT_NAME_MAX: usize = 127;

/// Checks a name beside a link's name, which may be longer.
pub(crate) fn check_alt_name(name: &str) -> Result<()> {
    let bad = |why| Err(Error::invalid("alternative link name", name, why));
    match name {
        "" => bad("it is empty"),
        _ if name.len() > ALT_NAME_MAX => bad("it has at most 127 bytes"),
        _ if name.contains('\0') || name.contains(char::is_whitespace) => {
            bad("it holds no NUL or white space")
        }
        _ => Ok(()),
    }
}

/// Checks a link name as the kernel's `dev_valid_name` does, and that `ip` can take it as one word.
///
/// # Errors
///
/// [`Error::Invalid`] for a name that is empty, longer than 15 bytes, `.`, `..`, or that holds `/`, `:`, `%`
/// (a pattern to the kernel) or white space.
pub fn check_link_name(field: &'static str, name: &str) -> Result<()> {
    let bad = |why| Err(Error::invalid(field, name, why));
    match name {
        "" => bad("a link needs a name"),
        _ if name.len() > LINK_NAME_MAX => bad("a link's name has at most 15 bytes"),
        "." | ".." => bad("the kernel refuses this name"),
        _ if name.contains(['/', ':', '%', '\0']) || name.contains(char::is_whitespace) => {
            bad("a link's name holds no `/`, `:`, `%`, NUL or white space")
        }
        _ => Ok(()),
    }
}
