//! Plain and quoted scalars, literal blocks.

use super::{Event, Reader, Scalar, Text, offset};

impl Reader<'_> {
    /// A quoted or plain scalar on one line; what follows it has not been looked at.
    pub(super) fn scalar(&mut self, flow: bool) -> Option<Scalar> {
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
            at = self.next(at, |b| STOPS[usize::from(b)]);
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
            let end = self.next(from, |b| matches!(b, b'\'' | b'\n'));
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
            let end = self.next(from, |b| matches!(b, b'"' | b'\\' | b'\n'));
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
    pub(super) fn literal(&mut self, parent: i32, anchor: u32) -> Option<()> {
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
        let first = self.next(self.at, |b| b != b' ');
        let indent = first.saturating_sub(self.at);
        // A first line without content, and a text that the end of the file cuts, are rare.
        if i32::try_from(indent).ok()? <= parent || indent == 0 || self.byte(first) == b'\n' {
            return None;
        }
        let mut content = own;
        let after = loop {
            let start = self.next(self.at, |b| b != b' ');
            let spaces = start - self.at;
            if self.at >= self.bytes.len() || (spaces < indent && self.byte(start) != b'\n') {
                break start;
            }
            let end = self.next(start, |b| b == b'\n');
            if end == self.bytes.len() {
                return None;
            }
            if end == start && spaces <= indent {
                self.out.unescaped.push('\n');
            } else {
                let line = self.text.get(self.at + indent..=end)?;
                self.out.unescaped.push_str(line);
                content = self.out.unescaped.len();
            }
            self.at = end + 1;
        };
        match chomp {
            b'-' => self.out.unescaped.truncate(content - 1),
            b'+' => {}
            _ => self.out.unescaped.truncate(content),
        }
        self.push(Event::Scalar(Scalar {
            start: offset(first)?,
            end: offset(after)?,
            text: Text::Unescaped(offset(own)?, offset(self.out.unescaped.len())?),
            plain: false,
            anchor,
        }));
        // A comment may not stand between the indentation of the text and that of its parent.
        let spaces = i32::try_from(after - self.at).ok()?;
        if spaces > parent && after < self.bytes.len() {
            return None;
        }
        self.next_content()?;
        (self.column <= parent).then_some(())
    }
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
