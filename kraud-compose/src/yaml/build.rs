//! From what a reader finds to the tree: anchors, merge keys, duplicate keys, budgets.

use std::collections::HashMap;

use super::tree::{Entry, Kind, NodeId, Tag, Tree};
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::span::{FileId, Span};

/// What is left of the budget of a load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Nodes, counted after expansion of aliases and merge keys.
    pub(crate) nodes: usize,
    /// Nested collections.
    pub(crate) depth: usize,
}

/// What a file contained.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    /// The documents with content.
    pub(crate) documents: Vec<NodeId>,
    /// Scalars in value position with a `$`, waiting for interpolation.
    pub(crate) dollars: Vec<NodeId>,
    /// Anchored nodes: the name's place and the node.
    pub(crate) anchors: Vec<(Span, NodeId)>,
    /// There is a `!reset` or `!override`.
    pub(crate) tags: bool,
    /// The file is not YAML; what came before the error is there.
    pub(crate) broken: bool,
}

#[derive(Clone, Copy)]
struct Anchor {
    span: Span,
    /// `None` while the anchored node is still being read.
    node: Option<NodeId>,
    /// Nodes it stands for.
    weight: usize,
    /// Nested collections in it.
    height: usize,
}

struct Open {
    is_map: bool,
    span: Span,
    tag: Tag,
    anchor: usize,
    /// Where its children start in `nodes`.
    base: usize,
    /// The weight counter when it was opened.
    weight: usize,
    /// The highest of its children so far.
    height: usize,
}

/// The reader stops here; the finding has been made.
pub(super) struct Stop;

pub(super) struct Builder<'a> {
    pub(super) tree: &'a mut Tree,
    pub(super) file: FileId,
    pub(super) text: &'a str,
    pub(super) limits: &'a mut Limits,
    pub(super) sink: &'a mut Sink,
    anchors: HashMap<usize, Anchor>,
    stack: Vec<Open>,
    nodes: Vec<NodeId>,
    /// The entries of the mapping that is being closed; kept for its room.
    scratch: Vec<Entry>,
    pub(super) out: Parsed,
}

impl<'a> Builder<'a> {
    pub(super) fn new(
        tree: &'a mut Tree,
        file: FileId,
        text: &'a str,
        limits: &'a mut Limits,
        sink: &'a mut Sink,
    ) -> Self {
        Self {
            tree,
            file,
            text,
            limits,
            sink,
            anchors: HashMap::new(),
            stack: Vec::new(),
            nodes: Vec::new(),
            scratch: Vec::new(),
            out: Parsed::default(),
        }
    }

    pub(super) fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.file, start, end)
    }

    /// Room for the node of a scalar; `make` puts it into the tree.
    pub(super) fn scalar(
        &mut self,
        span: Span,
        anchor: usize,
        make: impl FnOnce(&mut Tree) -> NodeId,
    ) -> Result<(), Stop> {
        self.spend(1, span)?;
        let id = make(self.tree);
        self.attach(id, anchor, 1, 0);
        let is_key = self
            .stack
            .last()
            .is_some_and(|open| open.is_map && (self.nodes.len() - open.base) % 2 == 0);
        let dollar = |text: &str| text.as_bytes().contains(&b'$');
        if !is_key && self.tree.str(id).is_some_and(dollar) {
            self.out.dollars.push(id);
        }
        self.nodes.push(id);
        self.finish_document();
        Ok(())
    }

    pub(super) fn tagged(&mut self, tag: Tag) {
        self.out.tags |= matches!(tag, Tag::Reset | Tag::Override);
    }

    /// The place of the name of an anchor, told after its node.
    pub(super) fn anchor(&mut self, id: usize, span: Span) {
        if let Some(anchor) = self.anchors.get_mut(&id) {
            anchor.span = span;
            if let Some(node) = anchor.node {
                self.out.anchors.push((span, node));
            }
        }
    }

    pub(super) fn alias(&mut self, id: usize, span: Span) -> Result<(), Stop> {
        let node = match self.anchors.get(&id).copied() {
            Some(Anchor {
                node: Some(node),
                weight,
                height,
                span: definition,
            }) => {
                self.spend_alias(weight, span, definition)?;
                self.not_too_deep(self.stack.len() + height, span)?;
                self.raise(height);
                self.tree.alias(span, node)
            }
            Some(Anchor {
                span: definition, ..
            }) => {
                let d = Diagnostic::new(
                    Code::ALIAS,
                    span,
                    "this alias lies inside of the anchor that it refers to",
                );
                self.sink
                    .push(d.also(definition, "the anchor is defined here"));
                self.tree.scalar(span, Tag::None, true, "")
            }
            None => self.tree.scalar(span, Tag::None, true, ""),
        };
        self.nodes.push(node);
        self.finish_document();
        Ok(())
    }

    pub(super) fn unresolved_alias(&mut self, name: &str, span: Span) {
        self.sink.push(Diagnostic::new(
            Code::ALIAS,
            span,
            format!("there is no anchor `&{name}` before this alias"),
        ));
        // What stands in for it gives no cause for further findings.
        self.sink.poison(span);
        let node = self.tree.scalar(span, Tag::Other, false, "");
        self.nodes.push(node);
        self.finish_document();
    }

    pub(super) fn new_document(&mut self) {
        self.anchors.clear();
    }

    fn attach(&mut self, node: NodeId, anchor: usize, weight: usize, height: usize) {
        if anchor != 0 {
            let span = self.tree.span(node);
            let entry = self.anchors.entry(anchor).or_insert(Anchor {
                span,
                node: None,
                weight,
                height,
            });
            entry.node = Some(node);
            entry.weight = weight;
            entry.height = height;
            if entry.span != span {
                self.out.anchors.push((entry.span, node));
            }
        }
    }

    pub(super) fn open(
        &mut self,
        is_map: bool,
        span: Span,
        anchor: usize,
        tag: Tag,
    ) -> Result<(), Stop> {
        self.not_too_deep(self.stack.len() + 1, span)?;
        let weight = self.limits.nodes;
        self.spend(1, span)?;
        if anchor != 0 {
            self.anchors.insert(
                anchor,
                Anchor {
                    span,
                    node: None,
                    weight: 1,
                    height: 0,
                },
            );
        }
        self.tagged(tag);
        self.stack.push(Open {
            is_map,
            span,
            tag,
            anchor,
            base: self.nodes.len(),
            weight,
            height: 0,
        });
        Ok(())
    }

    /// What walks the tree may recurse, so the depth counts with aliases followed.
    pub(super) fn not_too_deep(&mut self, depth: usize, span: Span) -> Result<(), Stop> {
        let limit = self.limits.depth;
        if depth <= limit {
            return Ok(());
        }
        self.sink.push(Diagnostic::new(
            Code::BUDGET,
            span,
            format!("collections are nested deeper than {limit} levels"),
        ));
        Err(Stop)
    }

    /// Tells the collection that is being read how high one of its children is.
    fn raise(&mut self, height: usize) {
        if let Some(open) = self.stack.last_mut() {
            open.height = open.height.max(height);
        }
    }

    pub(super) fn close(&mut self, end: u32) -> Result<(), Stop> {
        let Some(open) = self.stack.pop() else {
            return Ok(());
        };
        let children = self.nodes.get(open.base..).unwrap_or_default();
        // Block collections end where their last child ends, not at the next token.
        let last = children.last().map(|&id| self.tree.span(id));
        let text = self.text.as_bytes();
        let flow = matches!(text.get(open.span.start as usize), Some(b'[' | b'{'))
            && text
                .get((end as usize).wrapping_sub(1))
                .is_some_and(|b| matches!(b, b']' | b'}'));
        let end = match last {
            Some(last) if !flow && last.file == open.span.file => last.end,
            _ => end,
        };
        let mut span = open.span;
        span.end = span.end.max(end);
        let id = if open.is_map {
            let mut entries = std::mem::take(&mut self.scratch);
            entries.clear();
            let mut merges = false;
            for pair in children.chunks_exact(2) {
                if let &[key, value] = pair {
                    merges |= self.is_merge_key(key);
                    entries.push(Entry { key, value });
                }
            }
            self.refuse_duplicates(&mut entries);
            if merges {
                entries = self.merge_keys(&entries)?;
            }
            let id = self.tree.map(span, open.tag, &entries);
            self.scratch = entries;
            id
        } else {
            self.tree.seq(span, open.tag, children)
        };
        self.nodes.truncate(open.base);
        let weight = open.weight.saturating_sub(self.limits.nodes);
        self.attach(id, open.anchor, weight, open.height + 1);
        self.raise(open.height + 1);
        self.nodes.push(id);
        self.finish_document();
        Ok(())
    }

    /// Ends what is open when the file breaks off.
    pub(super) fn close_all(&mut self) {
        while let Some(open) = self.stack.last() {
            // A key without its value has nothing to say.
            if open.is_map && (self.nodes.len() - open.base) % 2 == 1 {
                self.nodes.pop();
            }
            let end = self.nodes.last().map_or(0, |&id| self.tree.span(id).end);
            if self.close(end).is_err() {
                self.nodes.clear();
                self.stack.clear();
            }
        }
    }

    fn finish_document(&mut self) {
        if self.stack.is_empty() {
            if let Some(id) = self.nodes.pop() {
                if !self.tree.is_null(id) {
                    self.out.documents.push(id);
                }
            }
        }
    }

    fn is_merge_key(&self, key: NodeId) -> bool {
        self.tree.str(key) == Some("<<") && self.tree.is_plain(key)
    }

    /// Reports keys that a mapping has twice; the first one stays.
    fn refuse_duplicates(&mut self, entries: &mut Vec<Entry>) {
        let mut twice: Vec<(usize, usize)> = Vec::new();
        let mut seen = Seen::default();
        for (i, entry) in entries.iter().enumerate() {
            if let Some(first) = self.tree.str(entry.key).and_then(|key| seen.insert(key, i)) {
                twice.push((first, i));
            }
        }
        for &(first, second) in twice.iter().rev() {
            let (Some(a), Some(b)) = (entries.get(first), entries.get(second)) else {
                continue;
            };
            let (first, second_key) = (self.tree.span(a.key), b.key);
            let key = self.tree.str(second_key).unwrap_or_default();
            let d = Diagnostic::new(
                Code::DUPLICATE_KEY,
                self.tree.span(second_key),
                format!("the key `{key}` is already defined in this mapping"),
            );
            self.sink.push(
                d.label("second definition")
                    .also(first, "first definition")
                    .help("remove one of them, or join their contents"),
            );
            entries.remove(second);
        }
    }

    /// Puts the entries of `<<` where it stands; keys of the mapping itself win.
    fn merge_keys(&mut self, entries: &[Entry]) -> Result<Vec<Entry>, Stop> {
        // Own entries and, in the place of each `<<`, what it brings along.
        let mut all: Vec<(Entry, bool)> = Vec::with_capacity(entries.len() + 8);
        for entry in entries {
            if !self.is_merge_key(entry.key) {
                all.push((*entry, true));
                continue;
            }
            let sources: Vec<NodeId> = match self.tree.get(entry.value).kind {
                Kind::Seq { .. } => self.tree.items(entry.value).unwrap_or_default().to_vec(),
                _ => vec![entry.value],
            };
            for source in sources {
                let span = self.tree.span(source);
                let Some(inherited) = self.tree.entries(source) else {
                    let found = self.tree.describe(source);
                    self.sink.push(Diagnostic::new(
                        Code::MERGE_KEY,
                        span,
                        format!("`<<` merges mappings, but this is {found}"),
                    ));
                    continue;
                };
                all.extend(inherited.iter().map(|&e| (e, false)));
                let count = inherited.len();
                self.spend(count, span)?;
            }
        }
        let mut seen = Seen::default();
        for (entry, _) in all.iter().filter(|(_, own)| *own) {
            if let Some(key) = self.tree.str(entry.key) {
                seen.insert(key, 0);
            }
        }
        let mut out = Vec::with_capacity(all.len());
        for (entry, own) in all {
            let new = |key| seen.insert(key, 0).is_none();
            if own || self.tree.str(entry.key).is_some_and(new) {
                out.push(entry);
            }
        }
        Ok(out)
    }

    fn spend(&mut self, nodes: usize, span: Span) -> Result<(), Stop> {
        match self.limits.nodes.checked_sub(nodes) {
            Some(left) => {
                self.limits.nodes = left;
                Ok(())
            }
            None => {
                self.sink.push(Diagnostic::new(
                    Code::BUDGET,
                    span,
                    "the files have more values than the budget allows",
                ));
                Err(Stop)
            }
        }
    }

    fn spend_alias(&mut self, nodes: usize, span: Span, definition: Span) -> Result<(), Stop> {
        match self.limits.nodes.checked_sub(nodes) {
            Some(left) => {
                self.limits.nodes = left;
                Ok(())
            }
            None => {
                let d = Diagnostic::new(
                    Code::BUDGET,
                    span,
                    format!("this alias stands for {nodes} values, more than the budget allows"),
                );
                self.sink
                    .push(d.also(definition, "the anchor is defined here"));
                Err(Stop)
            }
        }
    }
}

/// Keys and where they were first seen. Most mappings have few keys: those are compared one by
/// one, without hashing and without a place on the heap.
#[derive(Default)]
struct Seen<'a> {
    few: [(&'a str, usize); 12],
    length: usize,
    many: HashMap<&'a str, usize>,
}

impl<'a> Seen<'a> {
    /// Notes a key; where it was seen before, if it was.
    fn insert(&mut self, key: &'a str, at: usize) -> Option<usize> {
        let known = self.few.iter().take(self.length);
        if let Some((_, first)) = known.into_iter().find(|(old, _)| *old == key) {
            return Some(*first);
        }
        if let Some(slot) = self.few.get_mut(self.length) {
            *slot = (key, at);
            self.length += 1;
            return None;
        }
        match self.many.entry(key) {
            std::collections::hash_map::Entry::Occupied(first) => Some(*first.get()),
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(at);
                None
            }
        }
    }
}
