use super::route::EncapParts;
use super::{LinkNames, link_name, split};
use crate::message::consts::*;
use crate::spec::{NextHopObject, NextHopTo};
use crate::wire::{Malformed, attrs};

impl NextHopObject {
    /// Reads the body of an `RTM_NEWNEXTHOP` message; `None` for an object without a number.
    ///
    /// # Errors
    ///
    /// [`Malformed`] for a body that is cut.
    pub fn parse(body: &[u8], names: &dyn LinkNames) -> Result<Option<Self>, Malformed> {
        let ([family, _scope, protocol, _, flags @ ..], rest) =
            split::<8>("next-hop message", body)?;
        let flags = u32::from_ne_bytes(*flags);
        let (mut id, mut index, mut via) = (0, None, None);
        let (mut group, mut blackhole) = (None, false);
        let mut encap = EncapParts::default();
        let mut other = Vec::new();
        for attr in attrs(rest) {
            let attr = attr?;
            match attr.kind() {
                NHA_ID => id = attr.u32()?,
                NHA_GROUP => {
                    let member = |[a, b, c, d, low, high, _, _]: [u8; 8]| {
                        // Kernels before 6.12 leave the high byte at zero.
                        let weight = u16::from_le_bytes([low, high]).saturating_add(1);
                        (u32::from_ne_bytes([a, b, c, d]), weight)
                    };
                    let chunks = attr.payload.chunks_exact(8);
                    group = Some(
                        chunks
                            .filter_map(|chunk| chunk.first_chunk().copied().map(member))
                            .collect(),
                    );
                }
                // Always sent, and 0 is what it is unless it is said.
                NHA_GROUP_TYPE if attr.u16()? == 0 => {}
                // About the answer, not the object.
                NHA_OP_FLAGS => {}
                NHA_BLACKHOLE => blackhole = true,
                NHA_OIF => index = Some(attr.u32()?),
                NHA_GATEWAY => via = Some(attr.ip()?),
                NHA_ENCAP => encap.data = Some(attr),
                NHA_ENCAP_TYPE => encap.kind = Some(attr.u16()?),
                _ => other.push(attr.into()),
            }
        }
        let to = match (group, index) {
            (Some(members), _) => NextHopTo::Group(members),
            (None, Some(index)) if !blackhole => NextHopTo::Link {
                dev: link_name(names, index),
                via,
                onlink: flags & u32::from(RTNH_F_ONLINK) != 0,
                encap: encap.parse()?,
            },
            _ => NextHopTo::Blackhole {
                ipv6: *family == AF_INET6,
            },
        };
        Ok((id != 0).then_some(Self {
            id,
            to,
            protocol: *protocol,
            other,
        }))
    }
}
