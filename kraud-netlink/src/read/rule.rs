use ipnet::IpNet;

use super::split;
use crate::message::consts::*;
use crate::spec::{PortRange, Rule, RuleAction};
use crate::wire::{Attr, Malformed, attrs};

/// A policy routing rule as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RuleInfo {
    /// What would add it again.
    pub rule: Rule,
}

impl RuleInfo {
    /// Reads the body of an `RTM_NEWRULE` message; `None` for an action or family that this crate has no words for.
    ///
    /// # Errors
    ///
    /// [`Malformed`] for a body that is cut.
    pub fn parse(body: &[u8]) -> Result<Option<Self>, Malformed> {
        let (header, rest) = split::<12>("rule message", body)?;
        let [
            family,
            dst_len,
            src_len,
            _tos,
            table,
            _,
            _,
            action,
            flags @ ..,
        ] = *header;
        let mut rule = match family {
            AF_INET => Rule::v4(RuleAction::Table(u32::from(table))),
            AF_INET6 => Rule::v6(RuleAction::Table(u32::from(table))),
            _ => return Ok(None),
        };
        rule.invert = u32::from_ne_bytes(flags) & FIB_RULE_INVERT != 0;
        let (mut mark, mut mask, mut full_table) = (None, None, None);
        for attr in attrs(rest) {
            let attr = attr?;
            match attr.kind() {
                FRA_DST => rule.to = Some(net(attr, dst_len)?),
                FRA_SRC => rule.from = Some(net(attr, src_len)?),
                FRA_IIFNAME => rule.iif = Some(attr.text()),
                FRA_OIFNAME => rule.oif = Some(attr.text()),
                FRA_PRIORITY => rule.priority = Some(attr.u32()?),
                FRA_FWMARK => mark = Some(attr.u32()?),
                FRA_FWMASK => mask = Some(attr.u32()?),
                FRA_TABLE => full_table = Some(attr.u32()?),
                FRA_SUPPRESS_PREFIXLEN => {
                    rule.suppress_prefix_length =
                        Some(attr.u32()?).filter(|&length| length != u32::MAX);
                }
                FRA_L3MDEV => rule.l3mdev = attr.u8()? != 0,
                FRA_PROTOCOL => rule.protocol = Some(attr.u8()?).filter(|&protocol| protocol != 0),
                FRA_IP_PROTO => rule.ip_protocol = Some(attr.u8()?),
                FRA_SPORT_RANGE => rule.source_ports = Some(ports(attr)?),
                FRA_DPORT_RANGE => rule.destination_ports = Some(ports(attr)?),
                FRA_UID_RANGE => {
                    let [a, b, c, d, e, f, g, h] = attr.chunk()?;
                    rule.uid_range = Some((
                        u32::from_ne_bytes([a, b, c, d]),
                        u32::from_ne_bytes([e, f, g, h]),
                    ));
                }
                // A mask that hides nothing says nothing.
                FRA_SPORT_MASK | FRA_DPORT_MASK if attr.u16()? == u16::MAX => {}
                _ => rule.other.push(attr.into()),
            }
        }
        rule.fwmark = match (mark.unwrap_or(0), mask) {
            (0, None | Some(0)) => None,
            // Without a mask the kernel compares all bits, but those of no mark at all.
            (mark, mask) => Some((mark, mask.filter(|&mask| mask != u32::MAX || mark == 0))),
        };
        rule.action = match action {
            1 => RuleAction::Table(full_table.unwrap_or(u32::from(table))),
            6 => RuleAction::Blackhole,
            7 => RuleAction::Unreachable,
            8 => RuleAction::Prohibit,
            _ => return Ok(None),
        };
        Ok(Some(Self { rule }))
    }
}

fn net(attr: Attr<'_>, prefix_len: u8) -> Result<IpNet, Malformed> {
    let bad = |_| Malformed {
        what: "rule prefix",
        offset: 1,
        needed: 0,
        found: usize::from(prefix_len),
    };
    IpNet::new(attr.ip()?, prefix_len).map_err(bad)
}

fn ports(attr: Attr<'_>) -> Result<PortRange, Malformed> {
    let [a, b, c, d] = attr.chunk()?;
    Ok(PortRange {
        first: u16::from_ne_bytes([a, b]),
        last: u16::from_ne_bytes([c, d]),
    })
}
