//! Runs the binary as a user would.

#![allow(dead_code, reason = "each test file uses its part")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use kraud_compose::{Dialect, NoProvider, Options, Profile, Project, Sources};
use kraud_demo::allocate::{HostSpec, allocate};
use kraud_demo::identity::Scope;
use kraud_demo::model::Deployment;
use serde_json::Value;

/// The binary under test; the real-kernel lane names the one that it carries along.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("KRAUD_DEMO")
        .map_or_else(|| env!("CARGO_BIN_EXE_kraud-demo").into(), PathBuf::from)
}

/// A finished run.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the binary in an empty folder, so that no compose file is found by chance.
pub(crate) fn kraud<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> Run {
    let here = EmptyFolder::new();
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .current_dir(here.path())
        .env_remove("COMPOSE_PROJECT_NAME");
    finished(command.output().expect("the binary runs"))
}

pub(crate) fn finished(output: Output) -> Run {
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
    }
}

impl Run {
    /// The run's data, after it ended well.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}\n{}", self.stderr, self.stdout);
        serde_json::from_str(&self.stdout).expect("stdout is JSON")
    }
}

/// The path of a file in `tests/files`.
pub(crate) fn file(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/files")
        .join(name)
        .display()
        .to_string()
}

/// A file that exists as long as the test.
pub(crate) struct TextFile {
    folder: EmptyFolder,
    name: &'static str,
}

impl TextFile {
    pub(crate) fn new(name: &'static str, text: &str) -> Self {
        let folder = EmptyFolder::new();
        std::fs::write(folder.path().join(name), text).expect("the temporary folder is writable");
        Self { folder, name }
    }

    pub(crate) fn path(&self) -> String {
        self.folder.path().join(self.name).display().to_string()
    }
}

/// A folder that exists as long as the test.
pub(crate) struct EmptyFolder(PathBuf);

impl EmptyFolder {
    pub(crate) fn new() -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = format!(
            "kraud-test-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(unique);
        std::fs::create_dir_all(&path).expect("the temporary folder is writable");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for EmptyFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a compose file makes on one host of the VPC.
pub(crate) fn deployed(text: &str, vpc: &str) -> Deployment {
    let options = Options::new()
        .dialect(Dialect::Kraud)
        .profile(Profile::Plan);
    let sources = Sources::new(&NoProvider).with("compose.yaml", text);
    let (project, diagnostics) = Project::load(sources, &options);
    let project = project.unwrap_or_else(|| panic!("{diagnostics:?}"));
    let scope = Scope {
        tenant: "default".to_owned(),
        vpc: vpc.to_owned(),
    };
    let host = HostSpec {
        name: "host1".to_owned(),
        underlay: Vec::new(),
        port: 51820,
        keepalive: None,
    };
    allocate(&project, scope, vec![host]).expect("addresses for all")
}
