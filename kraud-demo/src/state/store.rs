//! What every store can do, whatever it is kept in.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

/// Counts the changes of a store; every change has a number of its own.
pub type Revision = u64;

/// Documents by key, changed by comparing and swapping.
///
/// Keys are paths such as `vpc/acme/production`, so that a prefix names a subtree.
pub trait Store {
    /// All documents whose keys begin with `prefix`, by key.
    ///
    /// # Errors
    ///
    /// A store that cannot be read or understood.
    fn load(&mut self, prefix: &str) -> Result<Snapshot, StoreError>;

    /// Makes all of the changes, or none; what they make has the revision that is given back.
    ///
    /// # Errors
    ///
    /// [`StoreError::Changed`] if one of the documents is not as it was seen.
    fn compare_and_swap(&mut self, swaps: &[Swap]) -> Result<Revision, StoreError>;

    /// Waits until the store has changed after `seen`, and gives what is under `prefix` then; `None` when `patience` ends
    /// first.
    ///
    /// # Errors
    ///
    /// As [`Store::load`].
    fn watch(
        &mut self,
        prefix: &str,
        seen: Revision,
        patience: Duration,
    ) -> Result<Option<Snapshot>, StoreError>;
}

/// What was under a prefix at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The store's last change.
    pub revision: Revision,
    /// The documents, by key.
    pub entries: Vec<Entry>,
}

/// A document.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// What it says.
    pub value: Value,
    /// When it was last changed.
    pub revision: Revision,
}

/// A change of one document, done only if it still is as it was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Swap {
    /// Its key.
    pub key: String,
    /// The revision that it had, `None` if it was not there.
    pub seen: Option<Revision>,
    /// What it is to say, `None` to remove it.
    pub value: Option<Value>,
}

impl Snapshot {
    /// The document of that key as a record, with its revision.
    ///
    /// # Errors
    ///
    /// [`StoreError::Record`] for one that is something else.
    pub fn record<T: DeserializeOwned>(
        &self,
        key: &str,
    ) -> Result<Option<(Revision, T)>, StoreError> {
        let entry = self.entries.iter().find(|entry| entry.key == key);
        entry
            .map(|entry| Ok((entry.revision, entry.record()?)))
            .transpose()
    }

    /// The document of that key as it would be swapped.
    #[must_use]
    pub fn seen(&self, key: &str) -> Option<Revision> {
        let entry = self.entries.iter().find(|entry| entry.key == key);
        entry.map(|entry| entry.revision)
    }
}

impl Entry {
    /// What it says, as a record.
    ///
    /// # Errors
    ///
    /// [`StoreError::Record`].
    pub fn record<T: DeserializeOwned>(&self) -> Result<T, StoreError> {
        T::deserialize(&self.value).map_err(|source| StoreError::Record {
            key: self.key.clone(),
            source,
        })
    }
}

impl Swap {
    /// Puts a record in the place of the document that was seen.
    ///
    /// # Errors
    ///
    /// [`StoreError::Record`] for a record that is no document.
    pub fn put(
        key: impl Into<String>,
        seen: Option<Revision>,
        record: &impl Serialize,
    ) -> Result<Self, StoreError> {
        let key = key.into();
        let value = serde_json::to_value(record).map_err(|source| StoreError::Record {
            key: key.clone(),
            source,
        })?;
        Ok(Self {
            key,
            seen,
            value: Some(value),
        })
    }

    /// Removes the document that was seen.
    #[must_use]
    pub fn remove(key: impl Into<String>, seen: Revision) -> Self {
        Self {
            key: key.into(),
            seen: Some(seen),
            value: None,
        }
    }
}

/// Why a store did not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Somebody else was faster.
    #[error("`{key}` was changed by somebody else meanwhile; run the command again")]
    Changed {
        /// The document.
        key: String,
    },
    /// What is stored is damaged.
    #[error(
        "the state in {} is damaged: {why}\n  help: put back a copy, or move the file away: `destroy` then has to be done by hand",
        place.display()
    )]
    Damaged {
        /// The file.
        place: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Reading or writing failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
    /// Another run is at work.
    #[error(
        "another run{} is changing the state in {}\n  help: wait until it is done; the lock goes when that process ends",
        holder.map(|process| format!(" (process {process})")).unwrap_or_default(),
        place.display()
    )]
    Locked {
        /// The folder.
        place: PathBuf,
        /// The process that holds it, where it says so.
        holder: Option<u32>,
    },
    /// What is stored was written by a newer version.
    #[error(
        "the state in {} has version {found}, and this program knows versions up to {known}\n  help: use the newer program; nothing was touched",
        place.display()
    )]
    Newer {
        /// The file.
        place: PathBuf,
        /// Its version.
        found: u64,
        /// The newest one that is understood.
        known: u64,
    },
    /// A document is not what its key says.
    #[error("`{key}` in the state is not understood: {source}")]
    Record {
        /// The document.
        key: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}
