//! Where the project's things are, and what cargo built.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::process::Stdio;

use serde_json::Value;

use crate::shell::{self, Result};

/// The libraries: published one by one, independent of each other.
pub(crate) const LIBRARIES: &[&str] = &[
    "kraud-ipam",
    "kraud-netlink",
    "kraud-tunnel",
    "kraud-compose",
];

/// Makes property tests draw the same cases each time: one tree gives one verdict. Whoever runs them by hand draws others.
pub(crate) const CASES: (&str, &str) = ("PROPTEST_RNG_SEED", "75");

/// The folder that holds the workspace's `Cargo.toml`.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask/ lies in the workspace")
}

/// `cargo`, called in the workspace's root.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// A program that cargo has built.
#[derive(Debug)]
pub(crate) struct Built {
    /// The package's name, the name of its folder in this workspace.
    pub(crate) package: String,
    /// The target's name: of a test, its file name without `.rs`.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

/// Runs a building cargo command and returns the executables it names.
pub(crate) fn build(arguments: &[&str]) -> Result<Vec<Built>> {
    let mut command = cargo(arguments);
    command.arg("--message-format=json-render-diagnostics");
    println!("$ {}", shell::line(&command));
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot start cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{}`: {}", shell::line(&command), output.status).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(executable)
        .collect())
}

/// The executable that one line of cargo's JSON messages announces, if it does.
fn executable(line: &str) -> Option<Built> {
    let message: Value = serde_json::from_str(line).ok()?;
    let text = |pointer: &str| message.pointer(pointer)?.as_str();
    let package = Path::new(text("/manifest_path")?).parent()?.file_name()?;
    Some(Built {
        package: package.to_str()?.to_owned(),
        name: text("/target/name")?.to_owned(),
        path: PathBuf::from(text("/executable")?),
    })
}

/// All files of the project, without what was built or is hidden.
pub(crate) fn files() -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir()? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !path.is_dir() {
                found.push(path);
            } else if !name.starts_with('.') && name != "target" {
                folders.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_names_what_it_built() {
        let line = r#"{"reason":"compiler-artifact","manifest_path":"/w/kraud-x/Cargo.toml",
            "target":{"name":"kernel_links"},"executable":"/w/target/debug/deps/kernel_links-1"}"#;
        let built = executable(line).unwrap();
        assert_eq!((&*built.package, &*built.name), ("kraud-x", "kernel_links"));
        assert!(executable(r#"{"reason":"build-finished","success":true}"#).is_none());
    }
}
