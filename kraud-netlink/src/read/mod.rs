//! From the kernel's messages back to values.
//!
//! Parsing takes any bytes, panics on none, and keeps what it does not know.

mod address;
mod link;
mod neighbour;
mod nexthop;
mod route;
mod rule;
mod wireguard;

pub use address::AddressInfo;
pub use link::{LinkInfo, LinkState};
pub use neighbour::NeighbourInfo;
pub use route::RouteInfo;
pub use rule::RuleInfo;
pub use wireguard::{PeerInfo, WireguardInfo, WireguardReader};

/// Link names by index, for turning the kernel's numbers into names.
pub trait LinkNames {
    /// The name of the link of that index.
    fn name(&self, index: u32) -> Option<String>;
}

impl LinkNames for std::collections::HashMap<u32, String> {
    fn name(&self, index: u32) -> Option<String> {
        self.get(&index).cloned()
    }
}

/// No names: links are called `if` and their index, which `ip` understands as well.
impl LinkNames for () {
    fn name(&self, _index: u32) -> Option<String> {
        None
    }
}

/// The name of a link, or `if` and its index.
pub(crate) fn link_name(names: &dyn LinkNames, index: u32) -> String {
    names.name(index).unwrap_or_else(|| format!("if{index}"))
}

/// The fixed header and the attributes behind it.
pub(crate) fn split<'a, const N: usize>(
    what: &'static str,
    body: &'a [u8],
) -> Result<(&'a [u8; N], &'a [u8]), crate::wire::Malformed> {
    body.split_first_chunk::<N>().ok_or(crate::wire::Malformed {
        what,
        offset: 0,
        needed: N,
        found: body.len(),
    })
}
