//! Where a value stands: files, byte ranges, lines and columns.

use std::fmt;
use std::sync::Arc;

/// The number of a file in a [`SourceMap`], in the order in which the files were loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub(crate) u32);

impl FileId {
    /// The index of the file in [`SourceMap::files`].
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A byte range of one file.
///
/// Ordered by file, then by start, then by end, which is the order of [`Diagnostics`].
///
/// [`Diagnostics`]: crate::Diagnostics
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// The first byte.
    pub start: u32,
    /// The byte after the last one.
    pub end: u32,
}

impl Span {
    pub(crate) fn new(file: FileId, start: usize, end: usize) -> Self {
        // Files beyond 4 GiB are refused by the byte budget long before this could saturate.
        let clamp = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            file,
            start: clamp(start),
            end: clamp(end.max(start)),
        }
    }

    /// The range as `usize`, ready to slice the text of its file.
    #[must_use]
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Whether `other` lies inside this span.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.file == other.file && self.start <= other.start && other.end <= self.end
    }
}

/// A value together with the place in a file that it was read from.
///
/// Values that a default supplies carry the span of what they belong to (the key of the network,
/// the key of the service). Dereferences to the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Joins a value and its place.
    #[must_use]
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// The same place with another value.
    #[must_use]
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned {
            value: f(self.value),
            span: self.span,
        }
    }
}

impl<T> std::ops::Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Display> fmt::Display for Spanned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

/// A line and a column, both counted from 1; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One loaded file.
#[derive(Clone, Debug)]
pub struct SourceFile {
    name: String,
    text: Arc<str>,
    included_at: Option<Span>,
    lines: std::sync::OnceLock<Vec<u32>>,
}

impl SourceFile {
    /// The name under which the file was given or found.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The `include` or `extends` that brought the file in; `None` for the files of the call.
    #[must_use]
    pub fn included_at(&self) -> Option<Span> {
        self.included_at
    }

    /// The position of a byte offset; an offset beyond the end gives the end.
    ///
    /// O(log lines + length of the line); the line table is built at the first call.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        let lines = self.lines.get_or_init(|| {
            let starts = self.text.bytes().enumerate().filter(|&(_, b)| b == b'\n');
            std::iter::once(0)
                .chain(starts.map(|(at, _)| u32::try_from(at + 1).unwrap_or(u32::MAX)))
                .collect()
        });
        let offset = offset.min(self.text.len());
        let line = lines.partition_point(|&start| start as usize <= offset);
        let start = lines.get(line.saturating_sub(1)).copied().unwrap_or(0) as usize;
        let before = self.text.as_bytes().get(start..offset).unwrap_or_default();
        // Count the characters by their first bytes, so that a cut inside one cannot panic.
        let chars = before.iter().filter(|&&b| b & 0xc0 != 0x80).count();
        Position {
            line,
            column: chars + 1,
        }
    }
}

/// The files of a load, by [`FileId`].
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    files: Vec<SourceFile>,
}

impl SourceMap {
    pub(crate) fn add(
        &mut self,
        name: String,
        text: Arc<str>,
        included_at: Option<Span>,
    ) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(SourceFile {
            name,
            text,
            included_at,
            lines: std::sync::OnceLock::new(),
        });
        id
    }

    /// All files in the order in which they were loaded.
    #[must_use]
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The file with this number; `None` for the number of another map.
    #[must_use]
    pub fn file(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(id.index())
    }

    /// The text under a span, as it is written in the file; empty for a span of another map.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        self.file(span.file)
            .and_then(|file| file.text.get(span.range()))
            .unwrap_or_default()
    }

    /// The position of the first character of a span.
    #[must_use]
    pub fn position(&self, span: Span) -> Position {
        self.file(span.file)
            .map_or(Position { line: 1, column: 1 }, |file| {
                file.position(span.start as usize)
            })
    }

    /// `file:line:column` of a span, the form that editors jump to.
    #[must_use]
    pub fn locate(&self, span: Span) -> Location<'_> {
        Location {
            file: self.file(span.file).map_or("<unknown>", SourceFile::name),
            position: self.position(span),
        }
    }
}

/// A place that prints as `file:line:column`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location<'a> {
    /// The name of the file.
    pub file: &'a str,
    /// Line and column.
    pub position: Position,
}

impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_counts_characters_and_survives_any_offset() {
        let mut map = SourceMap::default();
        let id = map.add("f".into(), "aé: b\r\nc".into(), None);
        let file = map.file(id).unwrap();
        assert_eq!(file.position(0).to_string(), "1:1");
        assert_eq!(file.position(5).to_string(), "1:5");
        assert_eq!(file.position(8).to_string(), "2:1");
        assert_eq!(file.position(usize::MAX).to_string(), "2:2");
        assert_eq!(map.locate(Span::new(id, 8, 9)).to_string(), "f:2:1");
    }
}
