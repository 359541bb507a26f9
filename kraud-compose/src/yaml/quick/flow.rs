//! Flow collections: `[…]` and `{…}`.

use super::{Event, KEY_LENGTH, Reader, offset};

impl Reader<'_> {
    /// `[…]` or `{…}`.
    pub(super) fn flow(&mut self, parent: i32, anchor: u32) -> Option<()> {
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
