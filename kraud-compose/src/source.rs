//! Where texts and variables come from. The core itself touches neither files nor environment.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// Why a [`Provider`] did not deliver a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// The file exists but lies where this provider does not read.
    #[error("{path} lies outside of {root}; allow it with `StdProvider::unconfined`")]
    Confined {
        /// The file asked for.
        path: String,
        /// The folder that the provider stays in.
        root: String,
    },
    /// The file cannot be read.
    #[error("cannot read {path}: {reason}")]
    Io {
        /// The file asked for.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// There is no such file.
    #[error("{path} does not exist")]
    NotFound {
        /// The file asked for.
        path: String,
    },
}

/// What a load may ask its surroundings for: further files and variables.
///
/// Paths are relative to the project's directory, with `/` between the parts.
pub trait Provider {
    /// The text of a file that an `include`, `extends` or `--env-file` names.
    ///
    /// # Errors
    ///
    /// [`ProviderError`] when the file is missing, unreadable or off limits.
    fn read(&self, path: &str) -> Result<String, ProviderError>;

    /// The value of an environment variable; `None` when it is not set.
    fn variable(&self, name: &str) -> Option<String>;
}

/// The provider of a load that stands for itself: no further files, no variables.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProvider;

impl Provider for NoProvider {
    fn read(&self, path: &str) -> Result<String, ProviderError> {
        Err(ProviderError::NotFound { path: path.into() })
    }

    fn variable(&self, _name: &str) -> Option<String> {
        None
    }
}

/// Files and variables held in memory, for tests, editors and services.
///
/// ```
/// use kraud_compose::{MemoryProvider, Options, Project, Sources};
///
/// let around = MemoryProvider::new().set("SUBNET", "10.7.0.0/24");
/// let text = "networks: {n: {ipam: {config: [{subnet: $SUBNET}]}}}";
/// let sources = Sources::new(&around).with("compose.yaml", text);
/// let (project, _) = Project::load(sources, &Options::new().project_name("p"));
/// let subnets: Vec<_> = project.unwrap().networks[0].subnets().collect();
/// assert_eq!(subnets, ["10.7.0.0/24".parse().unwrap()]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryProvider {
    files: BTreeMap<String, String>,
    variables: BTreeMap<String, String>,
}

impl MemoryProvider {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file.
    #[must_use]
    pub fn file(mut self, path: impl Into<String>, text: impl Into<String>) -> Self {
        self.files.insert(path.into(), text.into());
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }
}

impl Provider for MemoryProvider {
    fn read(&self, path: &str) -> Result<String, ProviderError> {
        let found = self.files.get(path).cloned();
        found.ok_or_else(|| ProviderError::NotFound { path: path.into() })
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }
}

/// The provider over the file system and the environment of the process.
///
/// Reads only below its root, symbolic links resolved, unless [`unconfined`](Self::unconfined).
#[derive(Clone, Debug)]
pub struct StdProvider {
    root: PathBuf,
    confined: bool,
}

impl StdProvider {
    /// A provider for the project in the folder `root`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            confined: true,
        }
    }

    /// Lets `include` and `extends` reach files outside of the project's folder.
    #[must_use]
    pub fn unconfined(mut self) -> Self {
        self.confined = false;
        self
    }

    /// The project's folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The name of the project's folder, for [`Options::directory_name`].
    ///
    /// [`Options::directory_name`]: crate::Options::directory_name
    #[must_use]
    pub fn directory_name(&self) -> Option<String> {
        let root = self.root.canonicalize().ok()?;
        Some(root.file_name()?.to_string_lossy().into_owned())
    }

    fn locate(&self, path: &str) -> Result<PathBuf, ProviderError> {
        let full = self.root.join(path);
        let io = |e: &std::io::Error| match e.kind() {
            std::io::ErrorKind::NotFound => ProviderError::NotFound { path: path.into() },
            _ => ProviderError::Io {
                path: path.into(),
                reason: e.to_string(),
            },
        };
        if !self.confined {
            return Ok(full);
        }
        let confined = || ProviderError::Confined {
            path: path.into(),
            root: self.root.display().to_string(),
        };
        // Before asking the file system: a path that climbs out must not even tell what exists.
        let mut depth = 0_usize;
        for part in Path::new(path).components() {
            match part {
                Component::Normal(_) => depth += 1,
                Component::CurDir => {}
                Component::ParentDir if depth > 0 => depth -= 1,
                Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                    return Err(confined());
                }
            }
        }
        let root = self.root.canonicalize().map_err(|e| io(&e))?;
        let real = full.canonicalize().map_err(|e| io(&e))?;
        if real.starts_with(root) {
            Ok(real)
        } else {
            Err(confined())
        }
    }
}

impl Provider for StdProvider {
    fn read(&self, path: &str) -> Result<String, ProviderError> {
        let full = self.locate(path)?;
        std::fs::read_to_string(full).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => ProviderError::NotFound { path: path.into() },
            _ => ProviderError::Io {
                path: path.into(),
                reason: e.to_string(),
            },
        })
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// The files of a load, in the order of `-f`, and the [`Provider`] of everything else.
#[derive(Clone)]
pub struct Sources<'a> {
    pub(crate) files: Vec<(String, String)>,
    pub(crate) provider: &'a dyn Provider,
}

impl<'a> Sources<'a> {
    /// No file yet; further files and variables come from `provider`.
    #[must_use]
    pub fn new(provider: &'a dyn Provider) -> Self {
        Self {
            files: Vec::new(),
            provider,
        }
    }

    /// Adds a file; later files override earlier ones.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.files.push((name.into(), text.into()));
        self
    }
}

impl Sources<'static> {
    /// One file that stands for itself: no includes, no variables.
    #[must_use]
    pub fn from_text(name: impl Into<String>, text: impl Into<String>) -> Self {
        Sources::new(&NoProvider).with(name, text)
    }
}

impl std::fmt::Debug for Sources<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.files.iter().map(|(name, _)| name).collect();
        f.debug_struct("Sources")
            .field("files", &names)
            .finish_non_exhaustive()
    }
}
