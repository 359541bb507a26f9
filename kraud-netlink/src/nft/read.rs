use std::cell::RefCell;
use std::collections::BTreeMap;

use super::decode;
use super::encode::{GET_CHAIN, GET_RULE, GET_TABLE, header, write_rule};
use super::{Chain, ChainKind, Family, Hook, Rule, Table};
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::message::consts::{NLM_F_DUMP, NLM_F_REQUEST};
use crate::wire::{Attr, Malformed, Writer, attrs};

/// A rule's counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    /// The chain.
    pub chain: String,
    /// The rule's place in the chain, from 0.
    pub rule: usize,
    /// Packets so far.
    pub packets: u64,
    /// Bytes so far.
    pub bytes: u64,
}

/// A rule as its expressions: names, and attributes by number with nests taken apart.
pub(super) type Expressions = Vec<(String, Attributes)>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Payload {
    Bytes(Vec<u8>),
    Nest(Attributes),
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Attributes(pub(super) BTreeMap<u16, Payload>);

impl Attributes {
    /// Which attributes hold others: the kernel does not say, it sends nests without their flag.
    fn is_nest(expression: &str, depth: usize, kind: u16) -> bool {
        match expression {
            "cmp" => depth == 0 && kind == 3,
            "bitwise" => depth == 0 && matches!(kind, 4 | 5),
            "immediate" => depth < 2 && kind == 2,
            _ => false,
        }
    }

    fn read(attr: &Attr<'_>, expression: &str, depth: usize) -> Result<Self, Malformed> {
        let mut attributes = Self::default();
        for part in attr.nested() {
            let part = part?;
            let payload = if Self::is_nest(expression, depth, part.kind()) {
                Payload::Nest(Self::read(&part, expression, depth + 1)?)
            } else {
                Payload::Bytes(part.payload.to_vec())
            };
            attributes.0.insert(part.kind(), payload);
        }
        Ok(attributes)
    }
}

fn expressions(nest: &Attr<'_>) -> Result<Expressions, Malformed> {
    let mut found = Vec::new();
    for element in nest.nested() {
        let (mut name, mut data) = (String::new(), None);
        for part in element?.nested() {
            let part = part?;
            match part.kind() {
                1 => name = part.text(),
                2 => data = Some(part),
                _ => {}
            }
        }
        let data = data
            .map(|data| Attributes::read(&data, &name, 0))
            .transpose()?;
        found.push((name, data.unwrap_or_default()));
    }
    Ok(found)
}

/// What matters of a base chain: type, hook, priority and policy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Base {
    kind: String,
    hook: u32,
    priority: u32,
    policy: u32,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    chains: BTreeMap<String, Base>,
    rules: Vec<(String, Expressions)>,
}

impl Found {
    /// What a kernel that has the table would list, in normal form.
    fn of(table: &Table) -> Result<Self> {
        let mut found = Self::default();
        for chain in &table.chains {
            let base = Base {
                kind: chain.kind.to_string(),
                hook: chain.hook.wire(),
                priority: u32::from_ne_bytes(chain.priority.to_ne_bytes()),
                policy: u32::from(!chain.drop),
            };
            found.chains.insert(chain.name.clone(), base);
            for rule in &chain.rules {
                let rule = expressions_of(table.family, rule)?;
                found.rules.push((chain.name.clone(), rule));
            }
        }
        Ok(found.normal())
    }

    /// Without counts, and with rules by chain: the kernel groups them in its own order.
    fn normal(&self) -> Self {
        let mut rules = self.rules.clone();
        rules.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (_, data) in rules
            .iter_mut()
            .flat_map(|(_, rule)| rule)
            .filter(|(name, _)| name == "counter")
        {
            *data = Attributes::default();
        }
        Self {
            chains: self.chains.clone(),
            rules,
        }
    }

    /// The table like `like` that holds this, if this crate has words for it.
    fn table(&self, like: &Table) -> Option<Table> {
        let chain = |(name, base): (&String, &Base)| {
            let rules = self.rules.iter().filter(|(chain, _)| chain == name);
            Some(Chain {
                name: name.clone(),
                kind: [ChainKind::Filter, ChainKind::Nat]
                    .into_iter()
                    .find(|kind| kind.to_string() == base.kind)?,
                hook: Hook::from_wire(base.hook)?,
                priority: i32::from_ne_bytes(base.priority.to_ne_bytes()),
                drop: base.policy == 0,
                rules: rules
                    .map(|(_, rule)| decode::rule(like.family, rule))
                    .collect::<Option<_>>()?,
            })
        };
        Some(Table {
            chains: self.chains.iter().map(chain).collect::<Option<_>>()?,
            ..like.clone()
        })
    }
}

/// The expressions that a rule is sent as.
pub(super) fn expressions_of(family: Family, rule: &Rule) -> Result<Expressions> {
    let mut bytes = Vec::new();
    let mut w = Writer::new(&mut bytes);
    let nest = w.nest_flagged(4);
    write_rule(&mut w, family, rule)?;
    w.close(nest);
    let parsed = attrs(&bytes).next().and_then(std::result::Result::ok);
    Ok(parsed
        .and_then(|nest| expressions(&nest).ok())
        .unwrap_or_default())
}

impl Handle {
    /// Is the table there exactly as described, counters aside?
    ///
    /// # Errors
    ///
    /// As [`Handle::links`], and [`Error::Invalid`](crate::Error::Invalid) for a table that cannot be encoded.
    pub fn nft_matches(&mut self, table: &Table) -> Result<bool> {
        let found = self.nft_read(table)?.normal();
        Ok(!table.chains.is_empty() && found == Found::of(table)?)
    }

    /// The table of the same family and name as it is there, counters at zero; `None` if there is none.
    ///
    /// # Errors
    ///
    /// As [`Handle::links`], and [`Error::Conflict`](crate::Error::Conflict) for a table that holds what this crate has no
    /// words for, such as sets or chains without a hook.
    pub fn nft_table(&mut self, like: &Table) -> Result<Option<Table>> {
        let Some(uses) = self.nft_uses(like)? else {
            return Ok(None);
        };
        let found = self.nft_read(like)?;
        let table = found.table(like);
        let whole = |table: &Table| {
            table.chains.len() == uses as usize
                && Found::of(table).is_ok_and(|again| again == found.normal())
        };
        match table.filter(|table| whole(table)) {
            Some(table) => Ok(Some(table)),
            None => Err(Error::Conflict {
                what: format!("nft table {} {}", like.family, like.name),
                why: "it holds what could not be put back".to_owned(),
            }),
        }
    }

    /// Is there a table of that family and name, whatever is in it?
    ///
    /// # Errors
    ///
    /// As [`Handle::links`].
    pub fn nft_exists(&mut self, table: &Table) -> Result<bool> {
        Ok(self.nft_uses(table)?.is_some())
    }

    /// How many chains, sets and other things a table has; `None` if it is not there.
    fn nft_uses(&mut self, table: &Table) -> Result<Option<u32>> {
        let mut request = Vec::new();
        let mut w = Writer::new(&mut request);
        let message = w.begin(GET_TABLE, NLM_F_REQUEST, &header(table.family.wire(), 0));
        w.str(1, &table.name);
        w.end(message);
        let mut uses = 0;
        let asked =
            self.netfilter()?
                .query(&mut request, &"look up an nft table", &mut |_, body| {
                    for attr in attrs(body.get(4..).unwrap_or(&[])) {
                        let attr = attr?;
                        if attr.kind() == 3 {
                            uses = attr.u32_be()?;
                        }
                    }
                    Ok(())
                });
        match asked {
            Err(error) if error.is_not_found() => Ok(None),
            asked => asked.map(|()| Some(uses)),
        }
    }

    /// The counters of a table's rules, chain by chain in the order of the rules.
    ///
    /// # Errors
    ///
    /// As [`Handle::links`].
    pub fn nft_counters(&mut self, table: &Table) -> Result<Vec<Counter>> {
        let number = |payload: Option<&Payload>| match payload {
            Some(Payload::Bytes(bytes)) => {
                bytes.first_chunk().map_or(0, |b| u64::from_be_bytes(*b))
            }
            _ => 0,
        };
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        let mut counters = Vec::new();
        for (chain, rule) in self.nft_read(table)?.rules {
            let place = places.entry(chain.clone()).or_default();
            if let Some((_, data)) = rule.iter().find(|(name, _)| name == "counter") {
                counters.push(Counter {
                    chain: chain.clone(),
                    rule: *place,
                    packets: number(data.0.get(&2)),
                    bytes: number(data.0.get(&1)),
                });
            }
            *place += 1;
        }
        Ok(counters)
    }

    fn nft_read(&mut self, table: &Table) -> Result<Found> {
        let found = RefCell::new(Found::default());
        for (kind, what) in [(GET_CHAIN, "list nft chains"), (GET_RULE, "list nft rules")] {
            let mut request = Vec::new();
            let mut w = Writer::new(&mut request);
            let message = w.begin(
                kind,
                NLM_F_REQUEST | NLM_F_DUMP,
                &header(table.family.wire(), 0),
            );
            // Kernels that do not filter chains by table are filtered here.
            if kind == GET_RULE {
                w.str(1, &table.name);
            }
            w.end(message);
            let read = self.netfilter()?.dump(
                &mut request,
                &what,
                &mut || {
                    let mut found = found.borrow_mut();
                    if kind == GET_CHAIN {
                        found.chains.clear();
                    } else {
                        found.rules.clear();
                    }
                },
                &mut |_, body| read_message(&mut found.borrow_mut(), &table.name, kind, body),
            );
            match read {
                Err(error) if error.is_not_found() => {}
                read => read?,
            }
        }
        Ok(found.into_inner())
    }
}

fn read_message(found: &mut Found, table: &str, kind: u16, body: &[u8]) -> Result<(), Malformed> {
    let (mut name, mut base, mut owner) = (String::new(), Base::default(), String::new());
    let (mut hooked, mut rule) = (false, Expressions::new());
    for attr in attrs(body.get(4..).unwrap_or(&[])) {
        let attr = attr?;
        match (kind, attr.kind()) {
            (_, 1) => owner = attr.text(),
            (GET_CHAIN, 3) | (GET_RULE, 2) => name = attr.text(),
            (GET_CHAIN, 4) => {
                hooked = true;
                for part in attr.nested() {
                    let part = part?;
                    match part.kind() {
                        1 => base.hook = part.u32_be()?,
                        2 => base.priority = part.u32_be()?,
                        _ => {}
                    }
                }
            }
            (GET_CHAIN, 5) => base.policy = attr.u32_be()?,
            (GET_CHAIN, 7) => base.kind = attr.text(),
            (GET_RULE, 4) => rule = expressions(&attr)?,
            _ => {}
        }
    }
    if owner != table {
        return Ok(());
    }
    if kind == GET_RULE {
        found.rules.push((name, rule));
    } else if hooked {
        found.chains.insert(name, base);
    } else {
        // A chain without a hook is none of ours.
        found.chains.insert(name, Base::default());
    }
    Ok(())
}
