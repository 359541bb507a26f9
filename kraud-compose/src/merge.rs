//! Several files, several documents: the later ones override the earlier ones.
//!
//! Mappings merge key by key, lists append, single values give way; the exceptions are the rules
//! of [`Rule`]. `!reset` takes a value away, `!override` puts one in its place as a whole.

use std::collections::HashMap;

use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::span::Span;
use crate::text::shorten;
use crate::yaml::{Entry, NodeId, Tag, Tree};

/// Where in the file a value stands, as far as the rules care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Root,
    Networks,
    Network,
    Ipam,
    Services,
    Service,
    ServiceNetworks,
    Endpoint,
    HealthCheck,
    Other,
}

/// How two values of one place become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Mappings merge, lists append, single values give way.
    Default,
    /// The later one as a whole.
    Replace,
    /// A list of `name=value` is a mapping.
    Pairs,
    /// A list of names is a mapping of names to nothing.
    Names,
    /// A single value is a list of one.
    Sequence,
    /// As `Sequence`, but a mapping is a list of `name=address`.
    Hosts,
    /// Address pools, by subnet.
    Pools,
}

impl Place {
    fn child(self, key: &str) -> (Self, Rule) {
        match (self, key) {
            (Self::Root, "networks") => (Self::Networks, Rule::Default),
            (Self::Root, "services") => (Self::Services, Rule::Default),
            (Self::Networks, _) => (Self::Network, Rule::Default),
            (Self::Network, "ipam") => (Self::Ipam, Rule::Default),
            (Self::Ipam, "config") => (Self::Other, Rule::Pools),
            (Self::Services, _) => (Self::Service, Rule::Default),
            (Self::Service, "networks") => (Self::ServiceNetworks, Rule::Names),
            (Self::ServiceNetworks, _) => (Self::Endpoint, Rule::Default),
            (Self::Service, "depends_on") => (Self::Other, Rule::Names),
            (Self::Service, "command" | "entrypoint") => (Self::Other, Rule::Replace),
            (Self::Service, "healthcheck") => (Self::HealthCheck, Rule::Default),
            (Self::HealthCheck, "test") => (Self::Other, Rule::Replace),
            (Self::Service, "extra_hosts") => (Self::Other, Rule::Hosts),
            (
                Self::Service,
                "dns" | "dns_opt" | "dns_search" | "env_file" | "label_file" | "tmpfs" | "expose",
            ) => (Self::Other, Rule::Sequence),
            (Self::Service, "annotations" | "environment" | "labels" | "sysctls")
            | (Self::Network, "labels") => (Self::Other, Rule::Pairs),
            _ => (Self::Other, Rule::Default),
        }
    }
}

pub(crate) struct Merger<'a> {
    pub(crate) tree: &'a mut Tree,
    pub(crate) sink: &'a mut Sink,
    /// What is left of the budget of nodes.
    pub(crate) left: &'a mut usize,
}

impl Merger<'_> {
    /// `base` with `over` on top.
    pub(crate) fn merge(&mut self, base: NodeId, over: NodeId, place: Place) -> NodeId {
        self.value(base, over, place, Rule::Default, "the file")
    }

    /// The tree without what is tagged `!reset`.
    pub(crate) fn strip(&mut self, id: NodeId) -> NodeId {
        if let Some(entries) = self.tree.entries(id).map(<[Entry]>::to_vec) {
            if !self.spend(entries.len(), self.tree.span(id)) {
                return id;
            }
            let mut changed = false;
            let mut out = Vec::with_capacity(entries.len());
            for e in entries {
                if self.tree.tag(e.value) == Tag::Reset {
                    changed = true;
                    continue;
                }
                let value = self.strip(e.value);
                changed |= value != e.value;
                out.push(Entry { value, ..e });
            }
            if changed {
                return self.tree.map(self.tree.span(id), Tag::None, &out);
            }
        }
        id
    }

    fn value(&mut self, base: NodeId, over: NodeId, place: Place, rule: Rule, key: &str) -> NodeId {
        if self.tree.tag(over) == Tag::Override {
            return self.strip(over);
        }
        if self.tree.is_null(over) {
            return base;
        }
        if self.tree.is_null(base) {
            return self.strip(over);
        }
        match rule {
            Rule::Default => {}
            Rule::Replace => return self.strip(over),
            Rule::Pairs => {
                let base = self.pairs(base);
                let over = self.pairs(over);
                return self.mappings(base, over, place);
            }
            Rule::Names => {
                let base = self.names(base);
                let over = self.names(over);
                return self.mappings(base, over, place);
            }
            Rule::Sequence => {
                let base = self.sequence(base);
                let over = self.sequence(over);
                return self.append(base, over);
            }
            Rule::Hosts => {
                let base = self.hosts(base);
                let over = self.hosts(over);
                return self.append(base, over);
            }
            Rule::Pools => return self.pools(base, over),
        }
        let is_map = |tree: &Tree, id| tree.entries(id).is_some();
        let is_seq = |tree: &Tree, id| tree.items(id).is_some();
        match (is_map(self.tree, base), is_map(self.tree, over)) {
            (true, true) => self.mappings(base, over, place),
            (false, false) if is_seq(self.tree, base) && is_seq(self.tree, over) => {
                self.append(base, over)
            }
            (false, false) if !is_seq(self.tree, base) && !is_seq(self.tree, over) => over,
            _ if place == Place::Other && key != "ports" => over,
            _ => {
                let span = self.tree.span(over);
                let d = Diagnostic::new(
                    Code::WRONG_TYPE,
                    span,
                    format!(
                        "`{}` is {} here, but {} in the file that it overrides",
                        shorten(key),
                        self.tree.describe(over),
                        self.tree.describe(base)
                    ),
                );
                let d = d.also(self.tree.span(base), "overridden here");
                self.sink
                    .push(d.help("write both alike, or tag this one `!override`"));
                base
            }
        }
    }

    fn mappings(&mut self, base: NodeId, over: NodeId, place: Place) -> NodeId {
        let (Some(b), Some(o)) = (self.tree.entries(base), self.tree.entries(over)) else {
            return over;
        };
        let mut out: Vec<Entry> = b.to_vec();
        let over_entries: Vec<Entry> = o.to_vec();
        if !self.spend(out.len() + over_entries.len(), self.tree.span(over)) {
            return base;
        }
        let mut index: HashMap<String, usize> = HashMap::with_capacity(out.len());
        for (i, e) in out.iter().enumerate() {
            index.insert(self.tree.str(e.key).unwrap_or_default().to_owned(), i);
        }
        let mut gone = vec![false; out.len()];
        for e in over_entries {
            let key = self.tree.str(e.key).unwrap_or_default().to_owned();
            let known = index.get(&key).copied();
            let reset = self.tree.tag(e.value) == Tag::Reset;
            match known {
                Some(at) if reset => {
                    if let Some(flag) = gone.get_mut(at) {
                        *flag = true;
                    }
                }
                Some(at) => {
                    let (child, rule) = place.child(&key);
                    let Some(old) = out.get(at).copied() else {
                        continue;
                    };
                    let value = self.value(old.value, e.value, child, rule, &key);
                    // The key of the file that says more about it now.
                    let key = if value == old.value { old.key } else { e.key };
                    if let Some(slot) = out.get_mut(at) {
                        *slot = Entry { key, value };
                    }
                }
                None if reset => {}
                None => {
                    let value = self.strip(e.value);
                    index.insert(key, out.len());
                    out.push(Entry { value, ..e });
                    gone.push(false);
                }
            }
        }
        let mut gone = gone.into_iter();
        out.retain(|_| !gone.next().unwrap_or(false));
        self.tree.map(self.tree.span(over), Tag::None, &out)
    }

    fn append(&mut self, base: NodeId, over: NodeId) -> NodeId {
        let (Some(b), Some(o)) = (self.tree.items(base), self.tree.items(over)) else {
            return over;
        };
        let mut out = b.to_vec();
        out.extend_from_slice(o);
        if !self.spend(out.len(), self.tree.span(over)) {
            return base;
        }
        for &id in &out {
            if self.tree.tag(id) == Tag::Reset {
                let d = Diagnostic::new(
                    Code::MISPLACED_TAG,
                    self.tree.span(id),
                    "`!reset` has no effect on an entry of a list",
                );
                self.sink.push(d.help("use `!override` on the whole list"));
            }
        }
        self.tree.seq(self.tree.span(over), Tag::None, &out)
    }

    /// A list of `name=value` as a mapping. Nothing is a value here: it does override.
    fn pairs(&mut self, id: NodeId) -> NodeId {
        let Some(items) = self.tree.items(id).map(<[NodeId]>::to_vec) else {
            let mut entries = self.tree.entries(id).unwrap_or_default().to_vec();
            if entries.iter().all(|e| !self.tree.is_null(e.value)) {
                return id;
            }
            for e in &mut entries {
                if self.tree.is_null(e.value) && self.tree.tag(e.value) != Tag::Reset {
                    e.value = self.tree.scalar(self.tree.span(e.key), Tag::Str, false, "");
                }
            }
            return self.tree.map(self.tree.span(id), Tag::None, &entries);
        };
        if !self.spend(2 * items.len(), self.tree.span(id)) {
            return id;
        }
        let mut out: Vec<Entry> = Vec::with_capacity(items.len());
        let mut index: HashMap<String, usize> = HashMap::new();
        for item in items {
            let span = self.tree.span(item);
            let text = self.tree.str(item).unwrap_or_default().to_owned();
            let (key, value) = match text.split_once('=') {
                Some((key, value)) => (key, Some(value)),
                None => (text.as_str(), None),
            };
            let entry = Entry {
                key: self.tree.scalar(span, Tag::Str, false, key),
                value: match value {
                    Some(value) => self.tree.scalar(span, Tag::Str, false, value),
                    None => self.tree.scalar(span, Tag::None, true, ""),
                },
            };
            match index.get(key).and_then(|&at| out.get_mut(at)) {
                Some(slot) => *slot = entry,
                None => {
                    index.insert(key.to_owned(), out.len());
                    out.push(entry);
                }
            }
        }
        self.tree.map(self.tree.span(id), Tag::None, &out)
    }

    /// A list of names as a mapping to nothing.
    fn names(&mut self, id: NodeId) -> NodeId {
        let Some(items) = self.tree.items(id).map(<[NodeId]>::to_vec) else {
            return id;
        };
        if !self.spend(items.len(), self.tree.span(id)) {
            return id;
        }
        let mut out: Vec<Entry> = Vec::with_capacity(items.len());
        let mut seen: std::collections::HashSet<String> = std::collections::HashSet::new();
        for key in items {
            if seen.insert(self.tree.str(key).unwrap_or_default().to_owned()) {
                let value = self.tree.scalar(self.tree.span(key), Tag::None, true, "");
                out.push(Entry { key, value });
            }
        }
        self.tree.map(self.tree.span(id), Tag::None, &out)
    }

    fn sequence(&mut self, id: NodeId) -> NodeId {
        if self.tree.str(id).is_some() {
            return self.tree.seq(self.tree.span(id), Tag::None, &[id]);
        }
        id
    }

    /// `extra_hosts` as a list of `name=address`.
    fn hosts(&mut self, id: NodeId) -> NodeId {
        let Some(entries) = self.tree.entries(id).map(<[Entry]>::to_vec) else {
            return self.sequence(id);
        };
        if !self.spend(entries.len(), self.tree.span(id)) {
            return id;
        }
        let mut out = Vec::with_capacity(entries.len());
        for e in entries {
            let addresses = match self.tree.items(e.value) {
                Some(items) => items.to_vec(),
                None => vec![e.value],
            };
            for address in addresses {
                let name = self.tree.str(e.key).unwrap_or_default();
                let text = format!("{name}={}", self.tree.str(address).unwrap_or_default());
                let span = self.tree.span(address);
                out.push(self.tree.scalar(span, Tag::Str, false, &text));
            }
        }
        self.tree.seq(self.tree.span(id), Tag::None, &out)
    }

    /// Address pools: the later list holds; a pool with a subnet of the earlier list inherits from
    /// that one, and from no other.
    fn pools(&mut self, base: NodeId, over: NodeId) -> NodeId {
        let (Some(b), Some(o)) = (self.tree.items(base), self.tree.items(over)) else {
            return over;
        };
        let (b, o) = (b.to_vec(), o.to_vec());
        if o.is_empty() {
            return base;
        }
        let mut used = vec![false; b.len()];
        let mut out = Vec::with_capacity(o.len());
        for pool in o {
            let subnet = self.subnet(pool);
            let single = subnet.is_none() && b.len() == 1;
            let same = (0..b.len()).find(|&i| {
                let old = b.get(i).map(|&old| self.subnet(old));
                single || (subnet.is_some() && old == Some(subnet.clone()))
            });
            match same.and_then(|i| Some((i, *b.get(i)?))) {
                Some((i, old)) => {
                    if let Some(flag) = used.get_mut(i) {
                        *flag = true;
                    }
                    out.push(self.value(old, pool, Place::Other, Rule::Default, "config"));
                }
                None => out.push(self.strip(pool)),
            }
        }
        let span = self.tree.span(over);
        for (&old, _) in b.iter().zip(&used).filter(|(_, used)| !**used) {
            let d = Diagnostic::new(
                Code::DROPPED_POOL,
                self.tree.span(old),
                format!(
                    "the subnet {} is dropped: the file that overrides this one lists others",
                    shorten(
                        &self
                            .subnet(old)
                            .unwrap_or_else(|| "of this entry".to_owned())
                    )
                ),
            );
            self.sink.push(d.also(span, "overridden here"));
        }
        self.tree.seq(span, Tag::None, &out)
    }

    /// The canonical subnet of a pool; the bare text of one that cannot be read.
    fn subnet(&self, pool: NodeId) -> Option<String> {
        let text = self.tree.str(self.tree.find(pool, "subnet")?.value)?;
        Some(match text.parse::<ipnet::IpNet>() {
            Ok(net) => net.trunc().to_string(),
            Err(_) => text.to_owned(),
        })
    }

    fn spend(&mut self, nodes: usize, span: Span) -> bool {
        match self.left.checked_sub(nodes) {
            Some(left) => {
                *self.left = left;
                true
            }
            None => {
                *self.left = 0;
                self.sink.push(Diagnostic::new(
                    Code::BUDGET,
                    span,
                    "merging the files takes more values than the budget allows",
                ));
                false
            }
        }
    }
}
