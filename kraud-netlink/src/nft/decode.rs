//! From the kernel's expressions back to rules.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::encode::{
    META_IIFNAME, META_L4PROTO, META_NFPROTO, META_OIFNAME, NETWORK_HEADER, REGISTER,
};
use super::read::{Attributes, Expressions, Payload};
use super::{Family, Match, Rule};

/// The rule that has these expressions, as far as its shape tells: the caller encodes it and compares.
///
/// `None` for expressions that no rule of this crate has.
pub(super) fn rule(family: Family, expressions: &Expressions) -> Option<Rule> {
    let mut rule = None;
    let mut matches = Vec::new();
    let mut counter = false;
    let mut protocol = match family {
        Family::Inet => None,
        Family::Ip | Family::Ip6 => Some(family.wire()),
    };
    let mut rest = expressions.iter();
    while let Some((name, data)) = rest.next() {
        match name.as_str() {
            "meta" => {
                let (not, value) = comparison(rest.next()?)?;
                match data.number(2)? {
                    META_NFPROTO if !not => {
                        protocol = value.first().copied();
                        // An address of that family follows, or any will do.
                        let (next, _) = rest.as_slice().first()?;
                        if next != "payload" {
                            matches.push(Match::Source {
                                net: any(protocol?)?,
                                not: false,
                            });
                        }
                    }
                    META_L4PROTO if !not => matches.push(Match::Protocol(*value.first()?)),
                    META_IIFNAME => matches.push(Match::InLink {
                        name: text(value)?,
                        not,
                    }),
                    META_OIFNAME => matches.push(Match::OutLink {
                        name: text(value)?,
                        not,
                    }),
                    _ => return None,
                }
            }
            "payload" => {
                if data.number(1)? != REGISTER || data.number(2)? != NETWORK_HEADER {
                    return None;
                }
                let mut next = rest.next()?;
                let mut mask = None;
                if next.0 == "bitwise" {
                    mask = Some(next.1.nested(4)?.bytes(1)?);
                    next = rest.next()?;
                }
                let (not, value) = comparison(next)?;
                matches.push(header_bytes(protocol, data.number(3)?, value, mask, not)?);
            }
            "counter" => counter = true,
            "masq" => rule = Some(Rule::masquerade()),
            "immediate" => {
                rule = Some(match data.nested(2)?.nested(2)?.number(1)? {
                    0 => Rule::drop(),
                    1 => Rule::accept(),
                    _ => return None,
                });
            }
            _ => return None,
        }
    }
    Some(Rule {
        matches,
        counter,
        verdict: rule.map(|rule| rule.verdict)?,
    })
}

/// What a `cmp` compares with, and whether it is the other way round.
fn comparison((name, data): &(String, Attributes)) -> Option<(bool, &[u8])> {
    let operation = data.number(2)?;
    let value = data.nested(3)?.bytes(1)?;
    (name == "cmp" && operation <= 1).then_some((operation == 1, value))
}

/// An address where the bytes are one, else the bytes themselves.
fn header_bytes(
    protocol: Option<u8>,
    offset: u32,
    value: &[u8],
    mask: Option<&[u8]>,
    not: bool,
) -> Option<Match> {
    let (source, destination) = match protocol {
        Some(2) => (12, 16),
        Some(10) => (8, 24),
        _ => (u32::MAX, u32::MAX),
    };
    if offset == source || offset == destination {
        let net = prefix(protocol? == 2, value, mask)?;
        return Some(if offset == source {
            Match::Source { net, not }
        } else {
            Match::Destination { net, not }
        });
    }
    mask.is_none().then(|| Match::NetworkHeader {
        offset,
        value: value.to_vec(),
        not,
    })
}

fn prefix(v4: bool, value: &[u8], mask: Option<&[u8]>) -> Option<IpNet> {
    let bits = match mask {
        None => value.len() * 8,
        Some(mask) => mask.iter().map(|byte| byte.leading_ones() as usize).sum(),
    };
    let bits = u8::try_from(bits).ok()?;
    let mut octets = [0; 16];
    octets.get_mut(..value.len())?.copy_from_slice(value);
    if v4 {
        let address = Ipv4Addr::from(*octets.first_chunk::<4>()?);
        return Ipv4Net::new(address, bits).ok().map(IpNet::V4);
    }
    Ipv6Net::new(Ipv6Addr::from(octets), bits)
        .ok()
        .map(IpNet::V6)
}

/// All addresses of a family.
fn any(protocol: u8) -> Option<IpNet> {
    match protocol {
        2 => prefix(true, &[], None),
        10 => prefix(false, &[], None),
        _ => None,
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    let end = bytes
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(bytes.len());
    String::from_utf8(bytes.get(..end)?.to_vec()).ok()
}

impl Attributes {
    fn bytes(&self, kind: u16) -> Option<&[u8]> {
        match self.0.get(&kind)? {
            Payload::Bytes(bytes) => Some(bytes),
            Payload::Nest(_) => None,
        }
    }

    fn nested(&self, kind: u16) -> Option<&Self> {
        match self.0.get(&kind)? {
            Payload::Nest(nest) => Some(nest),
            Payload::Bytes(_) => None,
        }
    }

    fn number(&self, kind: u16) -> Option<u32> {
        self.bytes(kind)?
            .first_chunk()
            .map(|bytes| u32::from_be_bytes(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::super::read::expressions_of;
    use super::*;

    #[test]
    fn every_rule_comes_back() {
        let net = |text: &str| text.parse::<IpNet>().unwrap();
        let at = |offset, value: &[u8]| Match::NetworkHeader {
            offset,
            value: value.to_vec(),
            not: true,
        };
        let cases = [
            (
                Family::Ip,
                Rule::masquerade().from(net("10.0.0.0/24")).not_out("br0"),
            ),
            (Family::Ip, Rule::drop().to(net("10.0.0.0/13")).counter()),
            (
                Family::Ip6,
                Rule::accept().from(net("fd00::/80")).to(net("fd00::7/128")),
            ),
            (
                Family::Ip6,
                Rule::drop()
                    .from(net("fd00::/61"))
                    .when(at(52, &[192, 168, 2, 2])),
            ),
            (
                Family::Inet,
                Rule::drop()
                    .from(net("fd00::/64"))
                    .to(net("fd01::/64"))
                    .r#in("wg0"),
            ),
            (
                Family::Inet,
                Rule::accept()
                    .from(net("0.0.0.0/0"))
                    .when(Match::Protocol(17)),
            ),
            (Family::Inet, Rule::accept().counter()),
        ];
        for (family, wanted) in cases {
            let found = rule(family, &expressions_of(family, &wanted).unwrap());
            assert_eq!(found, Some(wanted));
        }
    }
}
