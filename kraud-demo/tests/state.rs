//! The store: what survives, and what it refuses.

mod common;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use common::{EmptyFolder, TextFile};
use kraud_demo::state::{Disk, FileStore, Folder, Lock, Store, StoreError, Swap};
use serde_json::{Value, json};

/// A disk that loses power: whatever was written and not synced is then gone, or half there; a name that was not synced
/// leads where it led before, or where it leads now.
#[derive(Clone, Default)]
struct Failing {
    safe: BTreeMap<String, Vec<u8>>,
    now: BTreeMap<String, Vec<u8>>,
    /// Files whose contents are not safe yet.
    dirty: Vec<String>,
    /// How many operations there still is power for.
    power: Option<usize>,
}

/// What becomes of that which was not safe.
#[derive(Clone, Copy, Debug)]
enum Luck {
    Lost,
    Half,
    Kept,
}

impl Failing {
    fn spend(&mut self) -> io::Result<()> {
        match &mut self.power {
            Some(0) => Err(io::Error::other("no power")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The disk when power is back.
    fn restarted(&self, names: Luck, contents: Luck) -> Self {
        let mut files = match names {
            Luck::Kept | Luck::Half => self.now.clone(),
            Luck::Lost => self.safe.clone(),
        };
        for name in &self.dirty {
            if let Some(bytes) = files.get_mut(name) {
                match contents {
                    Luck::Lost => bytes.clear(),
                    Luck::Half => bytes.truncate(bytes.len() / 2),
                    Luck::Kept => {}
                }
            }
        }
        Self {
            safe: files.clone(),
            now: files,
            ..Self::default()
        }
    }
}

impl Disk for Failing {
    fn place(&self) -> PathBuf {
        "/simulated".into()
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.now.get(name).cloned())
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.dirty.push(name.to_owned());
        let powered = self.spend();
        let written = if powered.is_ok() {
            bytes
        } else {
            &bytes[..bytes.len() / 3]
        };
        self.now.insert(name.to_owned(), written.to_vec());
        powered
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.spend()?;
        self.dirty.retain(|other| other != name);
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.spend()?;
        let bytes = self.now.remove(from).ok_or(io::ErrorKind::NotFound)?;
        self.now.insert(to.to_owned(), bytes);
        for name in &mut self.dirty {
            if name == from {
                to.clone_into(name);
            }
        }
        Ok(())
    }

    fn sync_names(&mut self) -> io::Result<()> {
        self.spend()?;
        self.safe = self.now.clone();
        Ok(())
    }
}

fn put<S: Store>(store: &mut S, key: &str, value: &Value) -> Result<u64, StoreError> {
    let seen = store.load("")?.seen(key);
    store.compare_and_swap(&[Swap::put(key, seen, value)?])
}

fn documents<S: Store>(store: &mut S) -> Vec<(String, Value)> {
    let entries = store.load("").expect("the store is readable").entries;
    entries
        .into_iter()
        .map(|entry| (entry.key, entry.value))
        .collect()
}

#[test]
fn power_may_go_at_every_write_and_the_state_is_the_old_or_the_new_one() {
    let mut store = FileStore::new(Failing::default());
    put(&mut store, "a", &json!(1)).unwrap();
    put(&mut store, "b", &json!({"large": "x".repeat(5000)})).unwrap();
    let old = documents(&mut store);
    let disk = store.into_disk();
    let mut new = old.clone();
    new[0].1 = json!(2);

    let mut seen = [false; 2];
    for power in 0..=4 {
        let mut failing = disk.clone();
        failing.power = Some(power);
        let mut store = FileStore::new(failing);
        let answer = put(&mut store, "a", &json!(2));
        assert_eq!(answer.is_ok(), power == 4);
        let after = store.into_disk();
        for names in [Luck::Lost, Luck::Kept] {
            for contents in [Luck::Lost, Luck::Half, Luck::Kept] {
                let mut store = FileStore::new(after.restarted(names, contents));
                let found = documents(&mut store);
                assert!(
                    found == old || found == new,
                    "{power} {names:?} {contents:?}"
                );
                assert!(
                    answer.is_err() || found == new,
                    "what was acknowledged is there"
                );
                seen[usize::from(found == new)] = true;
                // And the next run goes on as if nothing had happened.
                put(&mut store, "c", &json!(3)).unwrap();
                assert_eq!(documents(&mut store).len(), 3);
            }
        }
    }
    assert_eq!(seen, [true, true]);
}

#[test]
fn several_documents_change_together_or_not_at_all() {
    let folder = EmptyFolder::new();
    let mut store = FileStore::new(Folder::new(folder.path()));
    let first = put(&mut store, "a", &json!(1)).unwrap();
    let both = [
        Swap::put("a", Some(first), &json!(2)).unwrap(),
        Swap::put("b", Some(first), &json!(2)).unwrap(),
    ];
    let error = store.compare_and_swap(&both).unwrap_err();
    assert!(matches!(error, StoreError::Changed { key } if key == "b"));
    assert_eq!(documents(&mut store), [("a".to_owned(), json!(1))]);
    let other = FileStore::new(Folder::new(folder.path())).watch("", first, Duration::ZERO);
    assert_eq!(other.unwrap(), None);
    store.compare_and_swap(&[Swap::remove("a", first)]).unwrap();
    let other = FileStore::new(Folder::new(folder.path())).watch("", first, Duration::ZERO);
    assert_eq!(other.unwrap().unwrap().entries, []);
}

#[test]
fn a_newer_version_and_a_damaged_file_are_refused_and_left_as_they_are() {
    let folder = EmptyFolder::new();
    let path = folder.path().join("state");
    let mut store = FileStore::new(Folder::new(folder.path()));
    put(&mut store, "a", &json!("abc")).unwrap();
    let good = std::fs::read_to_string(&path).unwrap();
    assert!(good.starts_with("kraud-state 1 "), "{good}");
    let newer = good.replacen(" 1 ", " 2 ", 1) + "whatever the future brings";
    let flipped = good.replacen("abc", "abd", 1);
    for (text, part) in [
        (newer, "version 2"),
        (flipped, "checksum"),
        (good[..good.len() / 2].to_owned(), "checksum"),
        (String::new(), "first line"),
        ("[hosts]\n".to_owned(), "begin"),
    ] {
        std::fs::write(&path, &text).unwrap();
        for error in [
            store.load("").unwrap_err(),
            store.compare_and_swap(&[]).unwrap_err(),
        ] {
            assert!(error.to_string().contains(part), "{part}: {error}");
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn the_second_of_two_runs_is_told_who_is_first() {
    let folder = EmptyFolder::new();
    let lock = Lock::take(folder.path()).unwrap();
    let compose = TextFile::new("c.yaml", "name: x\nservices: {a: {}}\n");
    let state = folder.path().display().to_string();
    let again = common::kraud(["destroy", "-f", &compose.path(), "--state", &state]);
    assert_eq!(again.code, 3, "{}", again.stderr);
    let own = format!("another run (process {})", std::process::id());
    assert!(again.stderr.contains(&own), "{}", again.stderr);
    drop(lock);
    let again = common::kraud(["destroy", "-f", &compose.path(), "--state", &state]);
    assert_eq!(again.code, 0, "{}", again.stderr);
}
