//! The part of YAML that nearly all compose files are written in, read in one pass.
//!
//! Block mappings and sequences, plain and quoted values on one line, flow collections, literal
//! blocks, comments, anchors and aliases. Whatever else there is (tags, folded and continued text,
//! explicit keys, tabs, several documents, …), and every error, makes [`read`] give up: the full
//! parser then takes the file from its start. So this reader decides nothing on its own: what it
//! does read, it reads as the full parser does, which the tests of [`super`] and the fuzz targets
//! hold it to.

mod flow;
mod scalar;

use std::collections::HashMap;

/// What was read, in the order of the file. Offsets are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Open {
        is_map: bool,
        start: u32,
        end: u32,
        /// Number of the anchor, from 1; 0 for none.
        anchor: u32,
    },
    Close {
        /// Where a flow collection ends; 0 for a block collection, which ends with its last child.
        end: u32,
    },
    Scalar(Scalar),
    /// A value that is not there.
    Null {
        at: u32,
    },
    Alias {
        anchor: u32,
        start: u32,
        end: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scalar {
    /// With its quotes.
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) text: Text,
    pub(super) plain: bool,
    pub(super) anchor: u32,
}

/// The text of a scalar: a range of the file or, where that has escapes or indentation in it, of
/// [`Events::unescaped`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    File(u32, u32),
    Unescaped(u32, u32),
}

#[derive(Debug, Default)]
pub(super) struct Events {
    pub(super) list: Vec<Event>,
    /// The places of the names of the anchors, by number.
    pub(super) anchors: Vec<(u32, u32)>,
    pub(super) unescaped: String,
}

/// Reads a file; `None` when it is for the full parser. `depth` limits nested collections.
pub(super) fn read(text: &str, depth: usize) -> Option<Events> {
    if u32::try_from(text.len()).is_err() || !is_simple(text) {
        return None;
    }
    let mut reader = Reader {
        text,
        bytes: text.as_bytes(),
        at: 0,
        line: 0,
        column: 0,
        // What recurses here has to end, whatever the caller's budget.
        depth: depth.min(64),
        names: HashMap::new(),
        begins: true,
        out: Events::default(),
    };
    reader.out.list.reserve(text.len() / 10);
    reader.document()?;
    Some(reader.out)
}

/// Whether there are only line feeds and characters that YAML gives no role of their own.
fn is_simple(text: &str) -> bool {
    let fine = |b: u8| (b >= b' ' && b != 0x7f) || b == b'\n';
    // Whole chunks at a time, without an early exit, so that it is done in vectors.
    let mut chunks = text.as_bytes().chunks(64);
    if !chunks.all(|chunk| chunk.iter().fold(true, |all, &b| all & fine(b))) {
        return false;
    }
    text.is_ascii()
        || text.chars().all(|c| {
            !matches!(
                c,
                '\u{80}'
                    ..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
            )
        })
}

/// An implicit key may take 1,024 characters; further ones are for the full parser to refuse.
const KEY_LENGTH: usize = 1000;

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Where the current line starts.
    line: usize,
    /// After [`Reader::end_of_line`]: the column of the next content, −1 at the end of the file.
    column: i32,
    /// Collections that may still be opened.
    depth: usize,
    /// The anchors that are complete, by name; 0 while one is being read.
    names: HashMap<&'a [u8], u32>,
    /// Nothing has been read but comments: the one place where a `---` is welcome.
    begins: bool,
    out: Events,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Option<()> {
        self.next_content()?;
        self.begins = false;
        if self.marked() {
            if self.here() != b'-' {
                return None;
            }
            self.at += 3;
            self.end_of_line()?;
        }
        if self.column != 0 {
            return None;
        }
        self.node(-1, 0)?;
        (self.column == -1).then_some(())
    }

    /// The byte at an offset; behind the end of the file there is one more line break.
    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(b'\n')
    }

    fn here(&self) -> u8 {
        self.byte(self.at)
    }

    /// Whether the byte at an offset ends a token: a space or the end of the line.
    fn blank(&self, at: usize) -> bool {
        matches!(self.byte(at), b' ' | b'\n')
    }

    fn skip_spaces(&mut self) {
        self.at = self.next(self.at, |b| b != b' ');
    }

    /// Passes over what may follow a value on its line, and over lines without content.
    fn end_of_line(&mut self) -> Option<()> {
        let before = self.at;
        self.skip_spaces();
        match self.here() {
            b'\n' => {}
            b'#' if self.at > before => self.skip_line(),
            _ => return None,
        }
        self.at += 1;
        self.next_content()
    }

    /// From the start of a line to the next content.
    fn next_content(&mut self) -> Option<()> {
        while self.at < self.bytes.len() {
            self.line = self.at;
            self.skip_spaces();
            match self.here() {
                b'\n' => {}
                b'#' => self.skip_line(),
                _ => {
                    self.column = self.column_of(self.at)?;
                    return (self.begins || !self.marked()).then_some(());
                }
            }
            self.at += 1;
        }
        self.column = -1;
        Some(())
    }

    /// Whether a `---` or `...` is here, which ends a document wherever it stands.
    fn marked(&self) -> bool {
        let next = self.bytes.get(self.at..self.at + 3);
        self.column == 0 && matches!(next, Some(b"---" | b"..."))
    }

    fn skip_line(&mut self) {
        self.at = self.next(self.at, |b| b == b'\n');
    }

    /// The first byte from `at` on that `stops`, or the end of the file.
    fn next(&self, at: usize, stops: impl Fn(u8) -> bool) -> usize {
        let rest = self.bytes.get(at..).unwrap_or_default();
        at + rest.iter().position(|&b| stops(b)).unwrap_or(rest.len())
    }

    /// Only spaces and `-` come before a column that is asked for, so bytes are characters.
    fn column_of(&self, at: usize) -> Option<i32> {
        i32::try_from(at - self.line).ok()
    }

    fn push(&mut self, event: Event) {
        self.out.list.push(event);
    }

    fn open(&mut self, is_map: bool, start: u32, end: u32, anchor: u32) -> Option<()> {
        self.depth = self.depth.checked_sub(1)?;
        self.push(Event::Open {
            is_map,
            start,
            end,
            anchor,
        });
        Some(())
    }

    fn close(&mut self, end: u32) {
        self.depth += 1;
        self.push(Event::Close { end });
    }

    /// A value on its own line or behind a `-`: it may start a collection on that line.
    fn node(&mut self, parent: i32, anchor: u32) -> Option<()> {
        let column = self.column_of(self.at)?;
        match self.here() {
            b'-' if self.blank(self.at + 1) => {
                return self.sequence(column, offset(self.at)?, anchor);
            }
            b'[' | b'{' | b'*' | b'|' | b'&' => {
                // Anchors and literals on lines of their own are rare.
                if anchor != 0
                    || (self.at == self.next(self.line, |b| b != b' ')
                        && matches!(self.here(), b'&' | b'|'))
                {
                    return None;
                }
                return self.value(parent);
            }
            _ => {}
        }
        let scalar = self.scalar(false)?;
        if self.colon(scalar.start as usize).is_some() {
            return self.mapping(column, scalar, anchor);
        }
        if anchor != 0 {
            return None;
        }
        self.push(Event::Scalar(scalar));
        self.finish(parent)
    }

    /// After a value: nothing may go on with it on a further line.
    fn finish(&mut self, parent: i32) -> Option<()> {
        self.end_of_line()?;
        (self.column <= parent).then_some(())
    }

    /// The `:` behind a key that starts at `key`; `None`, and nothing is read, where there is none.
    fn colon(&self, key: usize) -> Option<usize> {
        let at = self.next(self.at, |b| b != b' ');
        let found = self.byte(at) == b':' && self.blank(at + 1) && at < self.bytes.len();
        (found && at - key <= KEY_LENGTH).then_some(at)
    }

    fn mapping(&mut self, indent: i32, first: Scalar, anchor: u32) -> Option<()> {
        self.open(true, first.start, first.start, anchor)?;
        let mut key = first;
        loop {
            let colon = self.colon(key.start as usize)?;
            self.push(Event::Scalar(key));
            self.at = colon + 1;
            self.skip_spaces();
            if self.ends_here() {
                self.end_of_line()?;
                if self.column > indent {
                    self.node(indent, 0)?;
                } else if self.column == indent && self.here() == b'-' && self.blank(self.at + 1) {
                    // One that is not indented starts, to the full parser, with its first item.
                    let start = self.at;
                    self.at += 1;
                    self.skip_spaces();
                    let first = offset(self.at)?;
                    if self.ends_here() {
                        return None;
                    }
                    self.at = start;
                    self.sequence(indent, first, 0)?;
                } else {
                    self.push(Event::Null { at: offset(colon)? });
                }
            } else {
                self.value(indent)?;
            }
            if self.column < indent {
                break;
            }
            if self.column > indent {
                return None;
            }
            key = self.scalar(false)?;
        }
        self.close(0);
        Some(())
    }

    /// Whether only a comment is left on the line; spaces have been passed over.
    fn ends_here(&mut self) -> bool {
        let comment = self.here() == b'#' && self.byte(self.at.wrapping_sub(1)) == b' ';
        if comment {
            // `end_of_line` wants to see the space.
            self.at -= 1;
        }
        comment || self.here() == b'\n'
    }

    fn sequence(&mut self, indent: i32, start: u32, anchor: u32) -> Option<()> {
        self.open(false, start, start, anchor)?;
        while self.column <= indent && self.here() == b'-' && self.blank(self.at + 1) {
            self.at += 1;
            self.skip_spaces();
            if self.ends_here() {
                // Where there is no item, the end of the line is its place.
                self.skip_line();
                let at = offset(self.at)?;
                self.end_of_line()?;
                if self.column > indent {
                    self.node(indent, 0)?;
                } else if self.column < 0 {
                    return None;
                } else {
                    self.push(Event::Null { at });
                }
            } else {
                self.node(indent, 0)?;
            }
            if self.column < indent {
                break;
            }
            if self.column > indent {
                return None;
            }
        }
        self.close(0);
        Some(())
    }

    /// A value behind a `:` or `-` that is no block collection on the same line.
    fn value(&mut self, parent: i32) -> Option<()> {
        let anchor = self.anchor()?;
        if anchor.is_some() && self.ends_here() {
            self.end_of_line()?;
            if self.column <= parent {
                return None;
            }
            self.node(parent, anchor.unwrap_or_default())?;
        } else {
            match self.here() {
                b'[' | b'{' => {
                    self.flow(parent, anchor.unwrap_or_default())?;
                    self.finish(parent)?;
                }
                b'*' if anchor.is_none() => {
                    self.alias()?;
                    self.finish(parent)?;
                }
                b'|' => self.literal(parent, anchor.unwrap_or_default())?,
                _ => {
                    let mut scalar = self.scalar(false)?;
                    scalar.anchor = anchor.unwrap_or_default();
                    self.push(Event::Scalar(scalar));
                    self.finish(parent)?;
                }
            }
        }
        if let Some(anchor) = anchor {
            let &(start, end) = self.out.anchors.get(anchor as usize - 1)?;
            let name = self.bytes.get(start as usize + 1..end as usize)?;
            self.names.insert(name, anchor);
        }
        Some(())
    }

    /// The `&name` in front of a value; the inner `None` where there is none.
    #[expect(clippy::option_option, reason = "give up, no anchor, an anchor")]
    fn anchor(&mut self) -> Option<Option<u32>> {
        if self.here() != b'&' {
            return Some(None);
        }
        let start = self.at;
        let name = self.name()?;
        // A name within its own anchor, or one that is taken again, is for the full parser.
        if self.names.insert(name, 0).is_some() {
            return None;
        }
        self.out.anchors.push((offset(start)?, offset(self.at)?));
        if !self.blank(self.at) {
            return None;
        }
        self.skip_spaces();
        Some(Some(u32::try_from(self.out.anchors.len()).ok()?))
    }

    /// The name behind a `&` or `*`.
    fn name(&mut self) -> Option<&'a [u8]> {
        let rest = self.bytes.get(self.at + 1..)?;
        let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        let length = rest.iter().take_while(|b| plain(b)).count();
        self.at += 1 + length;
        rest.get(..length).filter(|name| !name.is_empty())
    }

    fn alias(&mut self) -> Option<()> {
        let start = offset(self.at)?;
        let name = self.name()?;
        let anchor = self
            .names
            .get(name)
            .copied()
            .filter(|&anchor| anchor != 0)?;
        let end = offset(self.at)?;
        self.push(Event::Alias { anchor, start, end });
        Some(())
    }
}

fn offset(at: usize) -> Option<u32> {
    u32::try_from(at).ok()
}
