use std::net::{IpAddr, Ipv4Addr};

use super::{LinkNames, link_name, split};
use crate::message::consts::*;
use crate::spec::{MacAddr, Neighbour, NeighbourState};
use crate::wire::{Malformed, attrs};

/// A neighbour entry as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct NeighbourInfo {
    /// The index of its link.
    pub index: u32,
    /// What would add it again.
    pub neighbour: Neighbour,
}

impl NeighbourInfo {
    /// Reads the body of an `RTM_NEWNEIGH` message; `None` for an entry without an address, such as a bridge's.
    ///
    /// # Errors
    ///
    /// [`Malformed`] for a body that is cut.
    pub fn parse(body: &[u8], names: &dyn LinkNames) -> Result<Option<Self>, Malformed> {
        let (header, rest) = split::<12>("neighbour message", body)?;
        let [
            _family,
            _,
            _,
            _,
            i,
            j,
            k,
            l,
            state_low,
            state_high,
            flags,
            _kind,
        ] = *header;
        let index = u32::from_ne_bytes([i, j, k, l]);
        let mut neighbour = Neighbour {
            dev: link_name(names, index),
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            lladdr: None,
            state: NeighbourState::from_wire(u16::from_ne_bytes([state_low, state_high])),
            router: flags & NTF_ROUTER != 0,
            proxy: flags & NTF_PROXY != 0,
            other: Vec::new(),
        };
        let mut found = false;
        for attr in attrs(rest) {
            let attr = attr?;
            match attr.kind() {
                NDA_DST => {
                    neighbour.address = attr.ip()?;
                    found = true;
                }
                NDA_LLADDR if attr.payload.len() == 6 => {
                    neighbour.lladdr = attr.chunk().ok().map(MacAddr);
                }
                // When it was used, and how often it was asked for.
                NDA_CACHEINFO | NDA_PROBES => {}
                _ => neighbour.other.push(attr.into()),
            }
        }
        if neighbour.proxy {
            neighbour.state = NeighbourState::Permanent;
        }
        Ok(found.then_some(Self { index, neighbour }))
    }
}
