//! A writer of cpio archives in the `newc` format, the one the kernel unpacks as its first root.
//!
//! Format: the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`. Written here
//! rather than by cpio(1), because owners and modes then need no privilege and no staging folder.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;

/// An archive being written; everything in it belongs to root.
pub(crate) struct Archive<W> {
    to: W,
    entries: u32,
    written: BTreeSet<PathBuf>,
}

impl<W: Write> Archive<W> {
    pub(crate) fn new(to: W) -> Self {
        Self {
            to,
            entries: 0,
            written: BTreeSet::new(),
        }
    }

    /// Whether something has been written at `path`.
    pub(crate) fn contains(&self, path: &Path) -> bool {
        self.written.contains(path)
    }

    pub(crate) fn directory(&mut self, path: impl AsRef<Path>, mode: u32) -> io::Result<()> {
        self.entry(path.as_ref(), DIRECTORY | mode, &[])
    }

    pub(crate) fn file(
        &mut self,
        path: impl AsRef<Path>,
        mode: u32,
        data: &[u8],
    ) -> io::Result<()> {
        self.entry(path.as_ref(), FILE | mode, data)
    }

    pub(crate) fn symlink(&mut self, path: impl AsRef<Path>, to: &str) -> io::Result<()> {
        self.entry(path.as_ref(), SYMLINK | 0o777, to.as_bytes())
    }

    /// Writes the end mark and returns what was written to.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.record("TRAILER!!!", 0, &[])?;
        self.to.flush()?;
        Ok(self.to)
    }

    /// Writes the missing folders on the way to `path`, then the entry itself.
    fn entry(&mut self, path: &Path, mode: u32, data: &[u8]) -> io::Result<()> {
        let parents: Vec<_> = path.ancestors().skip(1).collect();
        for parent in parents
            .into_iter()
            .rev()
            .filter(|parent| parent.file_name().is_some())
        {
            if !self.contains(parent) {
                self.record_path(parent, DIRECTORY | 0o755, &[])?;
            }
        }
        self.record_path(path, mode, data)
    }

    fn record_path(&mut self, path: &Path, mode: u32, data: &[u8]) -> io::Result<()> {
        self.written.insert(path.to_owned());
        let name = path.to_str().ok_or(io::ErrorKind::InvalidInput)?;
        self.record(name.trim_start_matches('/'), mode, data)
    }

    fn record(&mut self, name: &str, mode: u32, data: &[u8]) -> io::Result<()> {
        let too_large = |_| io::Error::from(io::ErrorKind::FileTooLarge);
        let size = u32::try_from(data.len()).map_err(too_large)?;
        let name_size = u32::try_from(name.len() + 1).map_err(too_large)?;
        self.entries += 1;
        // inode, mode, user, group, links, time, size, device (2), special device (2), name, checksum
        let fields = [
            self.entries,
            mode,
            0,
            0,
            1,
            0,
            size,
            0,
            0,
            0,
            0,
            name_size,
            0,
        ];
        self.to.write_all(b"070701")?;
        for field in fields {
            write!(self.to, "{field:08X}")?;
        }
        self.to.write_all(name.as_bytes())?;
        self.to.write_all(b"\0")?;
        self.pad(6 + 8 * fields.len() + name.len() + 1)?;
        self.to.write_all(data)?;
        self.pad(data.len())
    }

    /// Fills up to a multiple of four, after `length` bytes.
    fn pad(&mut self, length: usize) -> io::Result<()> {
        self.to
            .write_all(&[0; 3][..length.next_multiple_of(4) - length])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `printf hi > a/b; printf 'a\na/b\n' | cpio -o -H newc`; then inodes, owners, links,
    /// times and devices set to ours, and the blocks of zeros at the end cut.
    const GOLDEN: &str = "\
        07070100000001000041ED000000000000000000000001000000000000000000000000\
        0000000000000000000000000000000200000000a\0\
        07070100000002000081A4000000000000000000000001000000000000000200000000\
        0000000000000000000000000000000400000000a/b\0\0\0hi\0\0\
        0707010000000300000000000000000000000000000001000000000000000000000000\
        0000000000000000000000000000000B00000000TRAILER!!!\0\0\0\0";

    #[test]
    fn an_archive_is_what_cpio_would_write() {
        let mut archive = Archive::new(Vec::new());
        archive.file("/a/b", 0o644, b"hi").unwrap();
        let bytes = archive.finish().unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), GOLDEN);
    }
}
