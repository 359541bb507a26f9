//! The few things that a store does with a disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

/// A folder of files. After a loss of power, a file holds what it held when it was last synced, or anything if it was
/// written since; a name leads where it led when the folder was last synced, or where it was led since.
pub trait Disk {
    /// Where it is, for messages.
    fn place(&self) -> PathBuf;

    /// What a file holds, `None` if there is no such file.
    ///
    /// # Errors
    ///
    /// Those of the system.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// Writes a file anew, not yet safe.
    ///
    /// # Errors
    ///
    /// Those of the system.
    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Makes what was written to a file safe.
    ///
    /// # Errors
    ///
    /// Those of the system.
    fn sync(&mut self, name: &str) -> io::Result<()>;

    /// Gives a file another name in one step, over the one that has it; not yet safe.
    ///
    /// # Errors
    ///
    /// Those of the system.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Makes the names safe.
    ///
    /// # Errors
    ///
    /// Those of the system.
    fn sync_names(&mut self) -> io::Result<()>;
}

/// A folder of this machine, made when first written to.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at that path.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }
}

impl Disk for Folder {
    fn place(&self) -> PathBuf {
        self.0.clone()
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.0.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&self.0)?;
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(self.0.join(name))?
            .write_all(bytes)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        File::open(self.0.join(name))?.sync_all()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }

    fn sync_names(&mut self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }
}
