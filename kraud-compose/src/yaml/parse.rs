//! Events to tree: anchors, merge keys, duplicate keys, budgets.

use std::collections::HashMap;
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span as YamlSpan, Tag as YamlTag};

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

/// Reads one file into the tree.
pub(crate) fn parse(
    tree: &mut Tree,
    file: FileId,
    text: &Arc<str>,
    limits: &mut Limits,
    sink: &mut Sink,
) -> Parsed {
    let mut builder = Builder {
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
    };
    builder.run();
    builder.out
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

struct Builder<'a> {
    tree: &'a mut Tree,
    file: FileId,
    text: &'a Arc<str>,
    limits: &'a mut Limits,
    sink: &'a mut Sink,
    anchors: HashMap<usize, Anchor>,
    stack: Vec<Open>,
    nodes: Vec<NodeId>,
    /// The entries of the mapping that is being closed; kept for its room.
    scratch: Vec<Entry>,
    out: Parsed,
}

/// The reader stops here; the finding has been made.
struct Stop;

impl Builder<'_> {
    fn run(&mut self) {
        let text: &str = &Arc::clone(self.text);
        let mut options = granit_parser::options! {
            emit_unresolved_aliases: true,
            emit_anchor_events: true,
            block_nesting_limit: self.limits.depth,
            flow_nesting_limit: self.limits.depth,
        };
        options.set_emit_comments(false);
        // A byte order mark is allowed in front, and only there.
        let skip = if text.starts_with('\u{feff}') { 3 } else { 0 };
        let body = text.get(skip..).unwrap_or_default();
        for event in Parser::new_from_str_with_options(body, options) {
            let step = match event {
                Ok((event, span)) => self.event(event, &span, skip),
                Err(error) => {
                    self.syntax(&error, skip);
                    Err(Stop)
                }
            };
            if step.is_err() {
                self.out.broken = true;
                self.close_all();
                return;
            }
        }
    }

    fn span(&self, span: &YamlSpan, skip: usize) -> Span {
        let start = span.start.byte_offset().unwrap_or_default() + skip;
        let end = span.end.byte_offset().unwrap_or_default() + skip;
        Span::new(self.file, start, end)
    }

    fn event(&mut self, event: Event<'_>, at: &YamlSpan, skip: usize) -> Result<(), Stop> {
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                let span = self.span(at, skip);
                self.spend(1, span)?;
                let tag = self.tag(tag.as_deref());
                let plain = matches!(style, ScalarStyle::Plain);
                let id = self.scalar(&value, span, tag, plain);
                self.attach(id, anchor, 1, 0);
                let is_key = self
                    .stack
                    .last()
                    .is_some_and(|open| open.is_map && (self.nodes.len() - open.base) % 2 == 0);
                if !is_key && value.as_bytes().contains(&b'$') {
                    self.out.dollars.push(id);
                }
                self.nodes.push(id);
                self.finish_document();
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.open(false, at, skip, anchor, tag.as_deref())?;
            }
            Event::MappingStart(_, anchor, tag) => {
                self.open(true, at, skip, anchor, tag.as_deref())?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let end = self.span(at, skip).end;
                self.close(end)?;
            }
            Event::Anchor(id, _) => {
                let span = self.span(at, skip);
                if let Some(anchor) = self.anchors.get_mut(&id) {
                    anchor.span = span;
                    if let Some(node) = anchor.node {
                        self.out.anchors.push((span, node));
                    }
                }
            }
            Event::Alias(id) => {
                let span = self.span(at, skip);
                let anchor = self.anchors.get(&id).copied();
                let node = match anchor {
                    Some(Anchor {
                        node: Some(node),
                        weight,
                        span: definition,
                        ..
                    }) => {
                        self.spend_alias(weight, span, definition)?;
                        let height = anchor.map_or(0, |a| a.height);
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
            }
            Event::UnresolvedAlias(name) => {
                let span = self.span(at, skip);
                self.sink.push(Diagnostic::new(
                    Code::ALIAS,
                    span,
                    format!("there is no anchor `&{name}` before this alias"),
                ));
                let node = self.nothing(span);
                self.nodes.push(node);
                self.finish_document();
            }
            Event::DocumentStart(..) => self.anchors.clear(),
            _ => {}
        }
        Ok(())
    }

    fn tag(&mut self, tag: Option<&YamlTag>) -> Tag {
        let tag = tag_of(tag);
        self.out.tags |= matches!(tag, Tag::Reset | Tag::Override);
        tag
    }

    /// What stands in for an alias that leads nowhere.
    fn nothing(&mut self, span: Span) -> NodeId {
        self.sink.poison(span);
        self.tree.scalar(span, Tag::Other, false, "")
    }

    fn scalar(&mut self, value: &str, span: Span, tag: Tag, plain: bool) -> NodeId {
        // The parser lends the text where it needs no unescaping: keep the range, not a copy.
        let base = self.text.as_ptr() as usize;
        let offset = (value.as_ptr() as usize).wrapping_sub(base);
        let end = offset.wrapping_add(value.len());
        if !value.is_empty() && offset < self.text.len() && end <= self.text.len() {
            self.tree.scalar_at(span, tag, plain, offset, end)
        } else {
            self.tree.scalar(span, tag, plain, value)
        }
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

    fn open(
        &mut self,
        is_map: bool,
        at: &YamlSpan,
        skip: usize,
        anchor: usize,
        tag: Option<&YamlTag>,
    ) -> Result<(), Stop> {
        let span = self.span(at, skip);
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
        let tag = self.tag(tag);
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
    fn not_too_deep(&mut self, depth: usize, span: Span) -> Result<(), Stop> {
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

    fn close(&mut self, end: u32) -> Result<(), Stop> {
        let Some(open) = self.stack.pop() else {
            return Ok(());
        };
        let children = self.nodes.get(open.base..).unwrap_or_default();
        // Block collections end where their last child ends, not at the next token.
        let last = children.last().map(|&id| self.tree.span(id));
        let flow = matches!(
            self.text.as_bytes().get(open.span.start as usize),
            Some(b'[' | b'{')
        ) && self
            .text
            .as_bytes()
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
            let id = if merges {
                let merged = self.merge_keys(&entries)?;
                self.tree.map(span, open.tag, &merged)
            } else {
                self.tree.map(span, open.tag, &entries)
            };
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

    fn close_all(&mut self) {
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
        self.tree.is_plain(key) && self.tree.str(key) == Some("<<")
    }

    /// Reports keys that a mapping has twice; the first one stays.
    fn refuse_duplicates(&mut self, entries: &mut Vec<Entry>) {
        let mut twice: Vec<(usize, usize)> = Vec::new();
        if entries.len() <= 12 {
            for (i, a) in entries.iter().enumerate().skip(1) {
                let Some(key) = self.tree.str(a.key) else {
                    continue;
                };
                let before = entries.iter().take(i);
                let same = before
                    .enumerate()
                    .find(|(_, b)| self.tree.str(b.key) == Some(key));
                if let Some((j, _)) = same {
                    twice.push((j, i));
                }
            }
        } else {
            let mut seen: HashMap<&str, usize> = HashMap::with_capacity(entries.len());
            for (i, a) in entries.iter().enumerate() {
                if let Some(key) = self.tree.str(a.key) {
                    match seen.entry(key) {
                        std::collections::hash_map::Entry::Occupied(first) => {
                            twice.push((*first.get(), i));
                        }
                        std::collections::hash_map::Entry::Vacant(free) => {
                            free.insert(i);
                        }
                    }
                }
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
        let mut out: Vec<Entry> = Vec::with_capacity(entries.len() + 8);
        let own: std::collections::HashSet<String> = entries
            .iter()
            .filter(|e| !self.is_merge_key(e.key))
            .filter_map(|e| self.tree.str(e.key).map(str::to_owned))
            .collect();
        let mut taken: std::collections::HashSet<String> = std::collections::HashSet::new();
        for entry in entries {
            if !self.is_merge_key(entry.key) {
                out.push(*entry);
                continue;
            }
            let sources: Vec<NodeId> = match self.tree.get(entry.value).kind {
                Kind::Seq { .. } => self.tree.items(entry.value).unwrap_or_default().to_vec(),
                _ => vec![entry.value],
            };
            for source in sources {
                let Some(inherited) = self.tree.entries(source).map(<[Entry]>::to_vec) else {
                    let span = self.tree.span(source);
                    self.sink.push(Diagnostic::new(
                        Code::MERGE_KEY,
                        span,
                        format!(
                            "`<<` merges mappings, but this is {}",
                            self.tree.describe(source)
                        ),
                    ));
                    continue;
                };
                self.spend(inherited.len(), self.tree.span(source))?;
                for e in inherited {
                    let Some(key) = self.tree.str(e.key) else {
                        continue;
                    };
                    if !own.contains(key) && taken.insert(key.to_owned()) {
                        out.push(e);
                    }
                }
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

    fn syntax(&mut self, error: &ScanError, skip: usize) {
        let marker = error.marker();
        let at = marker.byte_offset().unwrap_or_default() + skip;
        let at = at.min(self.text.len());
        // An empty span shows badly: take the character that the parser stumbled over.
        let width = self
            .text
            .get(at..)
            .and_then(|rest| rest.chars().next())
            .map_or(0, char::len_utf8);
        let span = Span::new(self.file, at, at + width);
        if matches!(
            error.kind(),
            granit_parser::ErrorKind::RecursionLimitExceeded
        ) {
            let _ = self.not_too_deep(usize::MAX, span);
            return;
        }
        let mut d = Diagnostic::new(
            Code::SYNTAX,
            span,
            format!("this is not valid YAML: {}", error.info()),
        );
        if let Some(help) = super::hint::hint(self.text, at) {
            d = d.help(help);
        }
        self.sink.push(d);
    }
}

fn tag_of(tag: Option<&YamlTag>) -> Tag {
    let Some(tag) = tag else { return Tag::None };
    match (tag.handle(), tag.suffix()) {
        ("!", "reset") => Tag::Reset,
        ("!", "override") => Tag::Override,
        _ if tag.is_yaml_core_schema_tag("str") => Tag::Str,
        _ => Tag::Other,
    }
}
