//! The hosts(5) files of pods, where `ip netns exec` and `exec` look for them: `/etc/netns/NAME/hosts`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where `ip netns` looks for files that take the place of those in `/etc`.
pub const ETC_NETNS: &str = "/etc/netns";
/// The first line of a file of ours: others are left alone.
const FIRST_LINE: &str = "# made by kraud; changes are lost\n";

/// A file that is to be written, or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileChange {
    pub(super) path: PathBuf,
    content: Option<String>,
}

impl FileChange {
    /// What is done, in words.
    pub(super) fn description(&self) -> String {
        let verb = if self.content.is_some() {
            "write"
        } else {
            "remove"
        };
        format!("{verb} {}", self.path.display())
    }
}

/// The changes from the files that are there to those that are wanted, by the namespaces' names.
pub(super) fn changes(
    folder: &Path,
    wanted: &BTreeMap<String, String>,
    gone: impl IntoIterator<Item = String>,
) -> io::Result<Vec<FileChange>> {
    let mut changes = Vec::new();
    for (name, text) in wanted {
        let path = folder.join(name).join("hosts");
        let content = format!("{FIRST_LINE}{text}");
        match read(&path)? {
            Some(is) if is == content || !is.starts_with(FIRST_LINE) => {}
            _ => changes.push(FileChange {
                path,
                content: Some(content),
            }),
        }
    }
    for name in gone {
        let path = folder.join(&name).join("hosts");
        let ours = read(&path)?.is_some_and(|is| is.starts_with(FIRST_LINE));
        if ours && !wanted.contains_key(&name) {
            changes.push(FileChange {
                path,
                content: None,
            });
        }
    }
    Ok(changes)
}

fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes one change; a file is there as a whole or not at all.
pub(super) fn make(change: &FileChange) -> io::Result<()> {
    let folder = change.path.parent().unwrap_or(Path::new("/"));
    match &change.content {
        Some(content) => {
            fs::create_dir_all(folder)?;
            let next = folder.join("hosts.next");
            fs::File::create(&next)?.write_all(content.as_bytes())?;
            fs::rename(next, &change.path)
        }
        None => {
            fs::remove_file(&change.path)?;
            // Other files in it are somebody else's.
            let _ = fs::remove_dir(folder);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scratch(PathBuf);

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn files_of_others_are_left_alone_and_ours_come_and_go() {
        let folder = std::env::temp_dir().join(format!("kraud-hosts-{}", std::process::id()));
        let scratch = Scratch(folder);
        let folder = &scratch.0;
        fs::create_dir_all(folder.join("theirs")).unwrap();
        fs::write(folder.join("theirs/hosts"), "::1 own\n").unwrap();
        let wanted = ["ours", "theirs"].map(|name| (name.to_owned(), "::1 db\n".to_owned()));
        let wanted = BTreeMap::from(wanted);
        let first = changes(folder, &wanted, []).unwrap();
        assert_eq!(first.len(), 1);
        first.iter().for_each(|change| make(change).unwrap());
        assert_eq!(changes(folder, &wanted, []).unwrap(), []);
        let text = fs::read_to_string(folder.join("ours/hosts")).unwrap();
        assert!(text.ends_with("\n::1 db\n"), "{text}");

        let gone = ["ours", "theirs"].map(str::to_owned);
        for change in changes(folder, &BTreeMap::new(), gone.clone()).unwrap() {
            make(&change).unwrap();
        }
        assert!(!folder.join("ours").exists());
        assert_eq!(
            fs::read_to_string(folder.join("theirs/hosts")).unwrap(),
            "::1 own\n"
        );
        assert_eq!(changes(folder, &BTreeMap::new(), gone).unwrap(), []);
    }
}
