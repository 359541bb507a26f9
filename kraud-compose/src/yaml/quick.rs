//! The part of YAML that nearly all compose files are written in, read in one pass.
//!
//! Block mappings and sequences, plain and quoted values on one line, flow collections, literal
//! blocks, comments, anchors and aliases. Whatever else there is (tags, folded and continued text,
//! explicit keys, tabs, several documents, …), and every error, makes [`read`] give up: the full
//! parser then takes the file from its start. So this reader decides nothing on its own: what it
//! does read, it reads as the full parser does, which the tests of [`super`] and the fuzz targets
//! hold it to.

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
        while self.here() == b' ' {
            self.at += 1;
        }
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
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at += rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
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
                    || (self.at == self.line + self.indentation()
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

    fn indentation(&self) -> usize {
        let line = self.bytes.get(self.line..self.at).unwrap_or_default();
        line.iter().take_while(|&&b| b == b' ').count()
    }

    /// After a value: nothing may go on with it on a further line.
    fn finish(&mut self, parent: i32) -> Option<()> {
        self.end_of_line()?;
        (self.column <= parent).then_some(())
    }

    /// The `:` behind a key that starts at `key`; `None`, and nothing is read, where there is none.
    fn colon(&self, key: usize) -> Option<usize> {
        let mut at = self.at;
        while self.byte(at) == b' ' {
            at += 1;
        }
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

    /// A quoted or plain scalar on one line; what follows it has not been looked at.
    fn scalar(&mut self, flow: bool) -> Option<Scalar> {
        match self.here() {
            b'"' => self.double_quoted(),
            b'\'' => self.single_quoted(),
            _ => self.plain(flow),
        }
    }

    fn plain(&mut self, flow: bool) -> Option<Scalar> {
        let start = self.at;
        match self.here() {
            b'-' => {
                let next = self.byte(start + 1);
                if next == b' ' || next == b'\n' || (flow && is_flow(next)) {
                    return None;
                }
            }
            b'?' | b':' | b',' | b'[' | b']' | b'{' | b'}' | b'#' | b'&' | b'*' | b'!' | b'|'
            | b'>' | b'\'' | b'"' | b'%' | b'@' | b'`' | b' ' | b'\n' => return None,
            _ => {}
        }
        let mut at = start;
        loop {
            let rest = self.bytes.get(at..)?;
            at += rest
                .iter()
                .position(|&b| STOPS[usize::from(b)])
                .unwrap_or(rest.len());
            match self.byte(at) {
                b'\n' => break,
                b':' => {
                    let next = self.byte(at + 1);
                    if next == b' ' || next == b'\n' || (flow && is_flow(next)) {
                        break;
                    }
                }
                b'#' if self.byte(at - 1) == b' ' => break,
                b if flow && is_flow(b) => break,
                _ => {}
            }
            at += 1;
        }
        self.at = at;
        while self.byte(at - 1) == b' ' {
            at -= 1;
        }
        // A comment needs the space in front of it.
        if self.here() == b'#' {
            self.at = at;
        }
        let (start, end) = (offset(start)?, offset(at)?);
        Some(Scalar {
            start,
            end,
            text: Text::File(start, end),
            plain: true,
            anchor: 0,
        })
    }

    fn single_quoted(&mut self) -> Option<Scalar> {
        let start = self.at;
        let mut from = start + 1;
        let own = self.out.unescaped.len();
        let mut escaped = false;
        loop {
            let rest = self.bytes.get(from..)?;
            let end = from + rest.iter().position(|&b| matches!(b, b'\'' | b'\n'))?;
            if self.byte(end) != b'\'' {
                return None;
            }
            if self.byte(end + 1) == b'\'' {
                // The quote is kept, its double is not.
                self.out.unescaped.push_str(self.text.get(from..=end)?);
                escaped = true;
                from = end + 2;
                continue;
            }
            return self.quoted(start, from, end, escaped.then_some(own));
        }
    }

    fn double_quoted(&mut self) -> Option<Scalar> {
        let start = self.at;
        let mut from = start + 1;
        let own = self.out.unescaped.len();
        let mut escaped = false;
        loop {
            let rest = self.bytes.get(from..)?;
            let end = from
                + rest
                    .iter()
                    .position(|&b| matches!(b, b'"' | b'\\' | b'\n'))?;
            match self.byte(end) {
                b'"' => return self.quoted(start, from, end, escaped.then_some(own)),
                b'\\' => {
                    self.out.unescaped.push_str(self.text.get(from..end)?);
                    self.out.unescaped.push(match self.byte(end + 1) {
                        b'n' => '\n',
                        b't' => '\t',
                        b'"' => '"',
                        b'\\' => '\\',
                        b'/' => '/',
                        _ => return None,
                    });
                    escaped = true;
                    from = end + 2;
                }
                _ => return None,
            }
        }
    }

    /// A quoted scalar whose closing quote is at `end`, and whose text from `from` on is still to
    /// be taken; `own` is where the unescaped text before that starts, if there is some.
    fn quoted(
        &mut self,
        start: usize,
        from: usize,
        end: usize,
        own: Option<usize>,
    ) -> Option<Scalar> {
        let text = match own {
            None => Text::File(offset(from)?, offset(end)?),
            Some(own) => {
                self.out.unescaped.push_str(self.text.get(from..end)?);
                Text::Unescaped(offset(own)?, offset(self.out.unescaped.len())?)
            }
        };
        self.at = end + 1;
        Some(Scalar {
            start: offset(start)?,
            end: offset(end + 1)?,
            text,
            plain: false,
            anchor: 0,
        })
    }

    /// `|`, `|-` or `|+` and the lines that are indented below it.
    fn literal(&mut self, parent: i32, anchor: u32) -> Option<()> {
        self.at += 1;
        let chomp = self.here();
        if matches!(chomp, b'-' | b'+') {
            self.at += 1;
        }
        self.skip_spaces();
        if self.here() != b'\n' {
            return None;
        }
        self.at += 1;
        let own = self.out.unescaped.len();
        let first = self.bytes.get(self.at..)?;
        let indent = first.iter().take_while(|&&b| b == b' ').count();
        // A first line without content, and a text that the end of the file cuts, are rare.
        if i32::try_from(indent).ok()? <= parent || indent == 0 || first.get(indent) == Some(&b'\n')
        {
            return None;
        }
        let start = offset(self.at + indent)?;
        let mut content = own;
        loop {
            self.line = self.at;
            let line = self.bytes.get(self.at..)?;
            let spaces = line.iter().take_while(|&&b| b == b' ').count();
            let length = line.iter().position(|&b| b == b'\n');
            match length {
                // The end of the file, with or without spaces in front of it.
                None if line.is_empty() => break,
                None => return None,
                Some(length) if length == spaces && length <= indent => {
                    self.out.unescaped.push('\n');
                    self.at += length + 1;
                }
                Some(length) if spaces >= indent => {
                    let text = self.text.get(self.at + indent..=self.at + length)?;
                    self.out.unescaped.push_str(text);
                    content = self.out.unescaped.len();
                    self.at += length + 1;
                }
                Some(_) => break,
            }
        }
        match chomp {
            b'-' => self.out.unescaped.truncate(content - 1),
            b'+' => {}
            _ => self.out.unescaped.truncate(content),
        }
        let line = self.bytes.get(self.at..)?;
        let spaces = line.iter().take_while(|&&b| b == b' ').count();
        self.push(Event::Scalar(Scalar {
            start,
            end: offset(self.at + spaces)?,
            text: Text::Unescaped(offset(own)?, offset(self.out.unescaped.len())?),
            plain: false,
            anchor,
        }));
        // A comment may not stand between the indentation of the text and that of its parent.
        if i32::try_from(spaces).ok()? > parent && line.get(spaces).is_some() {
            return None;
        }
        self.next_content()?;
        (self.column <= parent).then_some(())
    }

    /// `[…]` or `{…}`.
    fn flow(&mut self, parent: i32, anchor: u32) -> Option<()> {
        let is_map = self.here() == b'{';
        let end = if is_map { b'}' } else { b']' };
        let start = offset(self.at)?;
        self.open(is_map, start, start + 1, anchor)?;
        self.at += 1;
        loop {
            self.flow_space(parent)?;
            if self.here() == end {
                break;
            }
            if is_map {
                self.flow_entry(parent)?;
            } else {
                self.flow_value(parent)?;
            }
            self.flow_space(parent)?;
            if self.here() == b',' {
                self.at += 1;
            } else if self.here() != end {
                return None;
            }
        }
        self.at += 1;
        let end = offset(self.at)?;
        self.close(end);
        Some(())
    }

    fn flow_entry(&mut self, parent: i32) -> Option<()> {
        let key = self.scalar(true)?;
        self.push(Event::Scalar(key));
        self.skip_spaces();
        let colon = self.at;
        if self.here() != b':' || colon - key.start as usize > KEY_LENGTH {
            return None;
        }
        // A plain key only ends at a `:` that is one; a quoted one needs no space behind it.
        self.at += 1;
        self.flow_space(parent)?;
        if matches!(self.here(), b',' | b'}') {
            self.push(Event::Null { at: offset(colon)? });
            return Some(());
        }
        self.flow_value(parent)
    }

    fn flow_value(&mut self, parent: i32) -> Option<()> {
        match self.here() {
            b'[' | b'{' => self.flow(parent, 0),
            b'*' => self.alias(),
            _ => {
                let scalar = self.scalar(true)?;
                self.push(Event::Scalar(scalar));
                Some(())
            }
        }
    }

    /// Spaces and line breaks within a flow collection.
    fn flow_space(&mut self, parent: i32) -> Option<()> {
        loop {
            self.skip_spaces();
            if self.here() != b'\n' {
                return Some(());
            }
            if self.at >= self.bytes.len() {
                return None;
            }
            self.at += 1;
            self.line = self.at;
            self.skip_spaces();
            let column = self.column_of(self.at)?;
            let closes = matches!(self.here(), b']' | b'}');
            if self.here() != b'\n' && column <= parent.max(0) && !closes {
                return None;
            }
        }
    }
}

fn offset(at: usize) -> Option<u32> {
    u32::try_from(at).ok()
}

fn is_flow(b: u8) -> bool {
    matches!(b, b',' | b'[' | b']' | b'{' | b'}')
}

/// Bytes at which a plain scalar may end.
static STOPS: [bool; 256] = {
    let mut stops = [false; 256];
    let list = b":#\n,[]{}";
    let mut i = 0;
    while i < list.len() {
        stops[list[i] as usize] = true;
        i += 1;
    }
    stops
};
