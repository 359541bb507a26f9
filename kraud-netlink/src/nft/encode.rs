use ipnet::IpNet;

use super::{Chain, ChainKind, Family, Hook, Match, Rule, Table, Verdict};
use crate::error::{Error, Result};
use crate::message::consts::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_REQUEST};
use crate::spec::check_link_name;
use crate::wire::Writer;

const SUBSYSTEM: u16 = 10 << 8;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const NEW_TABLE: u16 = SUBSYSTEM;
const DELETE_TABLE: u16 = SUBSYSTEM | 2;
const NEW_CHAIN: u16 = SUBSYSTEM | 3;
const NEW_RULE: u16 = SUBSYSTEM | 6;
pub(super) const GET_TABLE: u16 = SUBSYSTEM | 1;
pub(super) const GET_CHAIN: u16 = SUBSYSTEM | 4;
pub(super) const GET_RULE: u16 = SUBSYSTEM | 7;

pub(super) const META_OIFNAME: u32 = 7;
pub(super) const META_IIFNAME: u32 = 6;
pub(super) const META_NFPROTO: u32 = 15;
pub(super) const META_L4PROTO: u32 = 16;
/// `NFT_PAYLOAD_NETWORK_HEADER`.
pub(super) const NETWORK_HEADER: u32 = 1;
/// `NFT_REG_1`.
pub(super) const REGISTER: u32 = 1;

impl Family {
    pub(super) fn wire(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Ip => 2,
            Self::Ip6 => 10,
        }
    }
}

impl Hook {
    pub(super) fn wire(self) -> u32 {
        match self {
            Self::Prerouting => 0,
            Self::Input => 1,
            Self::Forward => 2,
            Self::Output => 3,
            Self::Postrouting => 4,
        }
    }

    pub(super) fn from_wire(value: u32) -> Option<Self> {
        let all = [
            Self::Prerouting,
            Self::Input,
            Self::Forward,
            Self::Output,
            Self::Postrouting,
        ];
        all.into_iter().find(|hook| hook.wire() == value)
    }
}

/// `struct nfgenmsg`.
pub(super) fn header(family: u8, resource: u16) -> [u8; 4] {
    let [a, b] = resource.to_be_bytes();
    [family, 0, a, b]
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty()
        || name.len() > 255
        || !name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-/.".contains(c))
    {
        let why = "a table's or chain's name is 1 to 255 letters, digits, `_`, `-`, `/` or `.`";
        return Err(Error::invalid("nft name", name, why));
    }
    Ok(())
}

fn batch(w: &mut Writer<'_>, inside: impl FnOnce(&mut Writer<'_>) -> Result<()>) -> Result<()> {
    let message = w.begin(BATCH_BEGIN, NLM_F_REQUEST, &header(0, 10));
    w.end(message);
    inside(w)?;
    let message = w.begin(BATCH_END, NLM_F_REQUEST, &header(0, 10));
    w.end(message);
    Ok(())
}

impl Table {
    /// Appends the transaction that adds the table and what is in it; with `replace` whatever it held before goes.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a bad name, a prefix of another family than the table's, or header bytes that are not 1 to
    /// 16 long.
    pub fn encode(&self, replace: bool, out: &mut Vec<u8>) -> Result<()> {
        let mut w = Writer::new(out);
        self.write(&mut w, replace)?;
        w.finish().map_err(|source| Error::TooLarge {
            op: format!("set nft table {:?}", self.name),
            source,
        })
    }

    pub(crate) fn write(&self, w: &mut Writer<'_>, replace: bool) -> Result<()> {
        check_name(&self.name)?;
        batch(w, |w| {
            self.new_table(w);
            if replace {
                self.delete_table(w);
                self.new_table(w);
            }
            self.chains
                .iter()
                .try_for_each(|chain| self.new_chain(w, chain))
        })
    }

    /// Appends the transaction that deletes the table.
    pub(crate) fn write_delete(&self, w: &mut Writer<'_>) -> Result<()> {
        check_name(&self.name)?;
        batch(w, |w| {
            self.delete_table(w);
            Ok(())
        })
    }

    fn new_table(&self, w: &mut Writer<'_>) {
        let message = w.begin(NEW_TABLE, NLM_F_REQUEST, &header(self.family.wire(), 0));
        w.str(1, &self.name);
        w.u32_be(2, 0);
        w.end(message);
    }

    fn delete_table(&self, w: &mut Writer<'_>) {
        let message = w.begin(DELETE_TABLE, NLM_F_REQUEST, &header(self.family.wire(), 0));
        w.str(1, &self.name);
        w.end(message);
    }

    fn new_chain(&self, w: &mut Writer<'_>, chain: &Chain) -> Result<()> {
        check_name(&chain.name)?;
        let message = w.begin(
            NEW_CHAIN,
            NLM_F_REQUEST | NLM_F_CREATE,
            &header(self.family.wire(), 0),
        );
        w.str(1, &self.name);
        w.str(3, &chain.name);
        if chain.drop {
            w.u32_be(5, 0);
        }
        w.str(
            7,
            if chain.kind == ChainKind::Nat {
                "nat"
            } else {
                "filter"
            },
        );
        let hook = w.nest_flagged(4);
        w.u32_be(1, chain.hook.wire());
        w.bytes(2, &chain.priority.to_be_bytes());
        w.close(hook);
        w.end(message);
        for rule in &chain.rules {
            let flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_APPEND;
            let message = w.begin(NEW_RULE, flags, &header(self.family.wire(), 0));
            w.str(1, &self.name);
            w.str(2, &chain.name);
            let expressions = w.nest_flagged(4);
            write_rule(w, self.family, rule)?;
            w.close(expressions);
            w.end(message);
        }
        Ok(())
    }
}

/// A rule's expressions.
pub(super) fn write_rule(w: &mut Writer<'_>, family: Family, rule: &Rule) -> Result<()> {
    let mut narrowed = None;
    for condition in &rule.matches {
        match condition {
            Match::Source { net, not } => address(w, family, &mut narrowed, net, *not, [12, 8])?,
            Match::Destination { net, not } => {
                address(w, family, &mut narrowed, net, *not, [16, 24])?;
            }
            Match::InLink { name, not } => link(w, META_IIFNAME, name, *not)?,
            Match::OutLink { name, not } => link(w, META_OIFNAME, name, *not)?,
            Match::NetworkHeader { offset, value, not } => {
                if !(1..=16).contains(&value.len()) {
                    let why = "1 to 16 bytes can be compared at once";
                    return Err(Error::invalid(
                        "nft header bytes",
                        format!("{} bytes", value.len()),
                        why,
                    ));
                }
                payload(w, *offset, value.len());
                compare(w, *not, value);
            }
            Match::Protocol(number) => {
                meta(w, META_L4PROTO);
                compare(w, false, &[*number]);
            }
        }
    }
    if rule.counter {
        expression(w, "counter", |w| {
            w.u64_be(1, 0);
            w.u64_be(2, 0);
        });
    }
    match rule.verdict {
        Verdict::Masquerade => expression(w, "masq", |_| ()),
        Verdict::Accept => verdict(w, 1),
        Verdict::Drop => verdict(w, 0),
    }
    Ok(())
}

fn expression(w: &mut Writer<'_>, name: &str, data: impl FnOnce(&mut Writer<'_>)) {
    let element = w.nest_flagged(1);
    w.str(1, name);
    let nest = w.nest_flagged(2);
    data(w);
    w.close(nest);
    w.close(element);
}

fn value(w: &mut Writer<'_>, kind: u16, bytes: &[u8]) {
    let nest = w.nest_flagged(kind);
    w.bytes(1, bytes);
    w.close(nest);
}

fn meta(w: &mut Writer<'_>, key: u32) {
    expression(w, "meta", |w| {
        w.u32_be(2, key);
        w.u32_be(1, REGISTER);
    });
}

fn payload(w: &mut Writer<'_>, offset: u32, len: usize) {
    expression(w, "payload", |w| {
        w.u32_be(1, REGISTER);
        w.u32_be(2, NETWORK_HEADER);
        w.u32_be(3, offset);
        w.u32_be(4, u32::try_from(len).unwrap_or(0));
    });
}

fn compare(w: &mut Writer<'_>, not: bool, bytes: &[u8]) {
    expression(w, "cmp", |w| {
        w.u32_be(1, REGISTER);
        w.u32_be(2, u32::from(not));
        value(w, 3, bytes);
    });
}

fn mask(w: &mut Writer<'_>, mask: &[u8]) {
    expression(w, "bitwise", |w| {
        w.u32_be(1, REGISTER);
        w.u32_be(2, REGISTER);
        w.u32_be(3, u32::try_from(mask.len()).unwrap_or(0));
        w.u32_be(6, 0);
        value(w, 4, mask);
        value(w, 5, &vec![0; mask.len()]);
    });
}

fn verdict(w: &mut Writer<'_>, code: u32) {
    expression(w, "immediate", |w| {
        // NFT_REG_VERDICT.
        w.u32_be(1, 0);
        let data = w.nest_flagged(2);
        let nest = w.nest_flagged(2);
        w.u32_be(1, code);
        w.close(nest);
        w.close(data);
    });
}

/// The name of a link, filled up to sixteen bytes.
fn link(w: &mut Writer<'_>, key: u32, name: &str, not: bool) -> Result<()> {
    check_link_name("link name", name)?;
    let mut bytes = [0; 16];
    for (byte, letter) in bytes.iter_mut().zip(name.bytes()) {
        *byte = letter;
    }
    meta(w, key);
    compare(w, not, &bytes);
    Ok(())
}

/// An address prefix; `offsets` are those of the field in IPv4 and IPv6. Whole bytes are loaded by themselves, other
/// prefixes are masked, as `nft` does.
fn address(
    w: &mut Writer<'_>,
    family: Family,
    narrowed: &mut Option<u8>,
    net: &IpNet,
    not: bool,
    offsets: [u32; 2],
) -> Result<()> {
    let (own, offset, octets) = match net.trunc() {
        IpNet::V4(net) => (Family::Ip, offsets[0], net.addr().octets().to_vec()),
        IpNet::V6(net) => (Family::Ip6, offsets[1], net.addr().octets().to_vec()),
    };
    if family == Family::Inet {
        // Once a rule is about one family, it stays so.
        if *narrowed != Some(own.wire()) {
            meta(w, META_NFPROTO);
            compare(w, false, &[own.wire()]);
            *narrowed = Some(own.wire());
        }
    } else if family != own {
        let why = "a table of one family holds addresses of that family";
        return Err(Error::invalid("nft address", net.to_string(), why));
    }
    let bits = usize::from(net.prefix_len());
    if bits == 0 {
        return Ok(());
    }
    if bits % 8 == 0 {
        let bytes = octets.get(..bits / 8).unwrap_or(&octets);
        payload(w, offset, bytes.len());
        compare(w, not, bytes);
    } else {
        payload(w, offset, octets.len());
        let netmask = match net {
            IpNet::V4(net) => net.netmask().octets().to_vec(),
            IpNet::V6(net) => net.netmask().octets().to_vec(),
        };
        mask(w, &netmask);
        compare(w, not, &octets);
    }
    Ok(())
}
