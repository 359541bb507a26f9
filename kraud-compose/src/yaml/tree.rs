//! The arena.

use std::sync::Arc;

use crate::span::{FileId, Span};

/// The number of a node in its [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(pub(crate) u32);

/// The tags that mean something in a compose file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    None,
    Reset,
    Override,
    /// `!!str` and quotes: never null, never a boolean.
    Str,
    Other,
}

/// Text as a range, either of a file or of the tree's own buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text {
    start: u32,
    end: u32,
    own: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) key: NodeId,
    pub(crate) value: NodeId,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Scalar { text: Text, plain: bool },
    Seq { start: u32, len: u32 },
    Map { start: u32, len: u32 },
    Alias(NodeId),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) kind: Kind,
    pub(crate) tag: Tag,
}

/// All nodes of all files of a load.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    items: Vec<NodeId>,
    entries: Vec<Entry>,
    buffer: String,
    texts: Vec<Arc<str>>,
}

impl Tree {
    /// Makes room for a file's text; files must be added in the order of their numbers.
    pub(crate) fn add_text(&mut self, file: FileId, text: Arc<str>) {
        debug_assert_eq!(self.texts.len(), file.index());
        // About one node per 12 bytes of a usual file.
        self.nodes.reserve(text.len() / 12);
        self.texts.push(text);
    }

    pub(crate) fn node(&self, id: NodeId) -> Node {
        // Numbers are only made by this arena and never outlive it.
        self.nodes[id.0 as usize]
    }

    /// Follows aliases to the node that is meant.
    pub(crate) fn resolve(&self, mut id: NodeId) -> NodeId {
        // An alias always points to an older node, so this ends.
        while let Kind::Alias(target) = self.node(id).kind {
            id = target;
        }
        id
    }

    /// The node that is meant, aliases followed.
    pub(crate) fn get(&self, id: NodeId) -> Node {
        self.node(self.resolve(id))
    }

    /// The tag of the node itself, or of what an alias means.
    pub(crate) fn tag(&self, id: NodeId) -> Tag {
        self.get(id).tag
    }

    /// Where the node is written: for an alias the place of the alias.
    pub(crate) fn span(&self, id: NodeId) -> Span {
        self.node(id).span
    }

    fn push(&mut self, node: Node) -> NodeId {
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.nodes.push(node);
        id
    }

    /// A scalar whose text is `range` of its file.
    pub(crate) fn scalar_at(
        &mut self,
        span: Span,
        tag: Tag,
        plain: bool,
        start: usize,
        end: usize,
    ) -> NodeId {
        let Span { start, end, .. } = Span::new(span.file, start, end);
        self.push(Node {
            span,
            tag,
            kind: Kind::Scalar {
                text: Text {
                    start,
                    end,
                    own: false,
                },
                plain,
            },
        })
    }

    /// A scalar with a text of its own.
    pub(crate) fn scalar(&mut self, span: Span, tag: Tag, plain: bool, value: &str) -> NodeId {
        let text = self.intern(value);
        self.push(Node {
            span,
            tag,
            kind: Kind::Scalar { text, plain },
        })
    }

    fn intern(&mut self, value: &str) -> Text {
        let start = self.buffer.len();
        self.buffer.push_str(value);
        let clamp = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Text {
            start: clamp(start),
            end: clamp(self.buffer.len()),
            own: true,
        }
    }

    /// Gives a scalar another text: what interpolation made of it.
    pub(crate) fn set_text(&mut self, id: NodeId, value: &str) {
        let text = self.intern(value);
        if let Some(Node {
            kind: Kind::Scalar { text: old, plain },
            ..
        }) = self.nodes.get_mut(id.0 as usize)
        {
            *old = text;
            // A variable makes a string: blank is not null, `true` not yet a boolean.
            *plain = false;
        }
    }

    pub(crate) fn seq(&mut self, span: Span, tag: Tag, items: &[NodeId]) -> NodeId {
        let start = u32::try_from(self.items.len()).unwrap_or(u32::MAX);
        self.items.extend_from_slice(items);
        let len = u32::try_from(items.len()).unwrap_or(u32::MAX);
        self.push(Node {
            span,
            tag,
            kind: Kind::Seq { start, len },
        })
    }

    pub(crate) fn map(&mut self, span: Span, tag: Tag, entries: &[Entry]) -> NodeId {
        let start = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.entries.extend_from_slice(entries);
        let len = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        self.push(Node {
            span,
            tag,
            kind: Kind::Map { start, len },
        })
    }

    pub(crate) fn alias(&mut self, span: Span, target: NodeId) -> NodeId {
        self.push(Node {
            span,
            tag: Tag::None,
            kind: Kind::Alias(target),
        })
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(super) fn text(&self, span: Span, text: Text) -> &str {
        let range = text.start as usize..text.end as usize;
        let from = if text.own {
            Some(self.buffer.as_str())
        } else {
            self.texts.get(span.file.index()).map(AsRef::as_ref)
        };
        from.and_then(|s| s.get(range)).unwrap_or_default()
    }

    /// The text of a scalar, aliases followed; `None` for collections.
    pub(crate) fn str(&self, id: NodeId) -> Option<&str> {
        let node = self.get(id);
        match node.kind {
            Kind::Scalar { text, .. } => Some(self.text(node.span, text)),
            _ => None,
        }
    }

    /// The items of a sequence, aliases followed; `None` for anything else.
    pub(crate) fn items(&self, id: NodeId) -> Option<&[NodeId]> {
        match self.get(id).kind {
            Kind::Seq { start, len } => self.items_at(start, len),
            _ => None,
        }
    }

    pub(super) fn items_at(&self, start: u32, len: u32) -> Option<&[NodeId]> {
        self.items
            .get(start as usize..start as usize + len as usize)
    }

    /// The entries of a mapping, aliases followed; `None` for anything else.
    pub(crate) fn entries(&self, id: NodeId) -> Option<&[Entry]> {
        match self.get(id).kind {
            Kind::Map { start, len } => self.entries_at(start, len),
            _ => None,
        }
    }

    pub(super) fn entries_at(&self, start: u32, len: u32) -> Option<&[Entry]> {
        let start = start as usize;
        self.entries.get(start..start + len as usize)
    }

    /// The entry of a mapping with this key. O(entries).
    pub(crate) fn find(&self, map: NodeId, key: &str) -> Option<Entry> {
        let entries = self.entries(map)?;
        entries
            .iter()
            .copied()
            .find(|e| self.str(e.key) == Some(key))
    }

    /// Whether the node is YAML's null: empty, `~` or `null`, not quoted.
    pub(crate) fn is_null(&self, id: NodeId) -> bool {
        let node = self.get(id);
        match node.kind {
            Kind::Scalar { text, plain: true } if node.tag != Tag::Str => {
                matches!(
                    self.text(node.span, text),
                    "" | "~" | "null" | "Null" | "NULL"
                )
            }
            _ => false,
        }
    }

    /// Whether the node is a plain (unquoted) scalar.
    pub(crate) fn is_plain(&self, id: NodeId) -> bool {
        let node = self.get(id);
        matches!(node.kind, Kind::Scalar { plain: true, .. }) && node.tag != Tag::Str
    }

    /// Whether two values are equal, the order of keys aside.
    pub(crate) fn same(&self, a: NodeId, b: NodeId) -> bool {
        let (a, b) = (self.resolve(a), self.resolve(b));
        if a == b {
            return true;
        }
        if let (Some(x), Some(y)) = (self.entries(a), self.entries(b)) {
            let long = x.len() > 16;
            let keyed = y
                .iter()
                .filter(|_| long)
                .filter_map(|e| Some((self.str(e.key)?, *e)));
            let index: std::collections::HashMap<&str, Entry> = keyed.collect();
            let find = |key| {
                let key = self.str(key)?;
                if long {
                    index.get(key).copied()
                } else {
                    self.find(b, key)
                }
            };
            return x.len() == y.len()
                && x.iter()
                    .all(|e| find(e.key).is_some_and(|other| self.same(e.value, other.value)));
        }
        if let (Some(x), Some(y)) = (self.items(a), self.items(b)) {
            return x.len() == y.len() && x.iter().zip(y).all(|(&x, &y)| self.same(x, y));
        }
        self.str(a).is_some() && self.str(a) == self.str(b) && self.is_null(a) == self.is_null(b)
    }

    /// What the node is, for messages.
    pub(crate) fn describe(&self, id: NodeId) -> &'static str {
        match self.get(id).kind {
            Kind::Scalar { .. } if self.is_null(id) => "nothing",
            Kind::Scalar { .. } => "a single value",
            Kind::Seq { .. } => "a list",
            Kind::Map { .. } => "a mapping",
            Kind::Alias(_) => "an alias",
        }
    }
}
