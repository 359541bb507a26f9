//! A store in one file, replaced as a whole: written under another name, synced, renamed, synced.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Disk, Entry, Revision, Snapshot, Store, StoreError, Swap};

/// The first word of the file.
const MAGIC: &str = "kraud-state";
/// The version that is written, and the newest one that is read.
const VERSION: u64 = 1;
/// The file.
const FILE: &str = "state";
/// Where the next one is written.
const NEXT: &str = "state.next";
/// How often a watcher looks.
const PERIOD: Duration = Duration::from_millis(50);

/// Documents in a file of a [`Disk`]. Readers need no lock: the file changes from one whole state to the next.
#[derive(Debug)]
pub struct FileStore<D> {
    disk: D,
}

/// What the file holds behind its first line.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    revision: Revision,
    documents: BTreeMap<String, Document>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    revision: Revision,
    value: Value,
}

impl<D: Disk> FileStore<D> {
    /// The store in that folder; nothing is read or written yet.
    pub fn new(disk: D) -> Self {
        Self { disk }
    }

    /// Gives the disk back.
    pub fn into_disk(self) -> D {
        self.disk
    }

    fn place(&self) -> PathBuf {
        self.disk.place().join(FILE)
    }

    fn io(&self, what: &str) -> impl FnOnce(io::Error) -> StoreError + use<D> {
        let what = format!("cannot {what} the state in {}", self.disk.place().display());
        move |source| StoreError::Io { what, source }
    }

    fn read(&self) -> Result<Content, StoreError> {
        let bytes = self.disk.read(FILE).map_err(self.io("read"))?;
        let Some(bytes) = bytes else {
            return Ok(Content::default());
        };
        decode(&bytes).map_err(|error| match error {
            Unreadable::Damaged(why) => StoreError::Damaged {
                place: self.place(),
                why,
            },
            Unreadable::Newer(found) => StoreError::Newer {
                place: self.place(),
                found,
                known: VERSION,
            },
        })
    }

    fn write(&mut self, content: &Content) -> Result<(), StoreError> {
        let bytes = encode(content).map_err(|error| StoreError::Damaged {
            place: self.place(),
            why: error.to_string(),
        })?;
        let replace = |disk: &mut D| {
            disk.write(NEXT, &bytes)?;
            disk.sync(NEXT)?;
            disk.rename(NEXT, FILE)?;
            disk.sync_names()
        };
        let explain = self.io("write");
        replace(&mut self.disk).map_err(explain)
    }
}

impl<D: Disk> Store for FileStore<D> {
    fn load(&mut self, prefix: &str) -> Result<Snapshot, StoreError> {
        Ok(self.read()?.snapshot(prefix))
    }

    fn compare_and_swap(&mut self, swaps: &[Swap]) -> Result<Revision, StoreError> {
        let mut content = self.read()?;
        let documents = &mut content.documents;
        let changed =
            |swap: &&Swap| documents.get(&swap.key).map(|document| document.revision) != swap.seen;
        if let Some(swap) = swaps.iter().find(changed) {
            return Err(StoreError::Changed {
                key: swap.key.clone(),
            });
        }
        content.revision += 1;
        let revision = content.revision;
        for Swap { key, value, .. } in swaps {
            match value.clone() {
                Some(value) => documents.insert(key.clone(), Document { revision, value }),
                None => documents.remove(key),
            };
        }
        self.write(&content)?;
        Ok(revision)
    }

    fn watch(
        &mut self,
        prefix: &str,
        seen: Revision,
        patience: Duration,
    ) -> Result<Option<Snapshot>, StoreError> {
        let deadline = Instant::now() + patience;
        loop {
            let content = self.read()?;
            if content.revision > seen {
                return Ok(Some(content.snapshot(prefix)));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            thread::sleep(left.min(PERIOD));
        }
    }
}

impl Content {
    fn snapshot(self, prefix: &str) -> Snapshot {
        let documents = self.documents.into_iter();
        Snapshot {
            revision: self.revision,
            entries: documents
                .filter(|(key, _)| key.starts_with(prefix))
                .map(|(key, Document { revision, value })| Entry {
                    key,
                    value,
                    revision,
                })
                .collect(),
        }
    }
}

/// Why a file is not understood.
enum Unreadable {
    Damaged(String),
    Newer(u64),
}

fn encode(content: &Content) -> serde_json::Result<Vec<u8>> {
    let body = serde_json::to_vec_pretty(content)?;
    let sum = crc32fast::hash(&body);
    let mut bytes = format!("{MAGIC} {VERSION} {sum:08x}\n").into_bytes();
    bytes.extend(body);
    bytes.push(b'\n');
    Ok(bytes)
}

fn decode(bytes: &[u8]) -> Result<Content, Unreadable> {
    let damaged = |why: &str| Unreadable::Damaged(why.to_owned());
    let line = bytes.iter().position(|byte| *byte == b'\n');
    let (head, body) = bytes.split_at(line.ok_or_else(|| damaged("its first line has no end"))?);
    let head = std::str::from_utf8(head).map_err(|_| damaged("its first line is no text"))?;
    let mut words = head.split(' ');
    if words.next() != Some(MAGIC) {
        return Err(damaged("it does not begin as a state file does"));
    }
    let version = words.next().and_then(|word| word.parse().ok());
    // A newer version may have another head, and another body.
    match version.ok_or_else(|| damaged("it has no version"))? {
        1..=VERSION => {}
        0 => return Err(damaged("there was no version 0")),
        newer => return Err(Unreadable::Newer(newer)),
    }
    let sum = words
        .next()
        .and_then(|word| u32::from_str_radix(word, 16).ok());
    let body = body.strip_prefix(b"\n").unwrap_or(body);
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    if sum != Some(crc32fast::hash(body)) {
        return Err(damaged("its checksum is another one"));
    }
    serde_json::from_slice(body).map_err(|error| Unreadable::Damaged(error.to_string()))
}
