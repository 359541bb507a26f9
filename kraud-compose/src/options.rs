//! How to read: dialect, severity profile, project name, budgets.

use std::fmt;

use ipnet::IpNet;

/// Whose rules a file follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum Dialect {
    /// What docker compose and the docker engine do.
    Docker,
    /// Docker's rules with kraud's additions: networks default to driver `ipip`, and an address
    /// given as a prefix delegates the prefix.
    Kraud,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Docker => "docker",
            Self::Kraud => "kraud",
        })
    }
}

/// How severe findings are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    /// What docker refuses, at `config` or at `up`, is an error; style is passed over in silence.
    #[default]
    Compat,
    /// As `Compat`, plus everything that is likely to hurt later, as warnings and notes.
    Lint,
    /// As `Lint`, with the warnings that name a real contradiction raised to errors.
    Strict,
    /// For a tool that is about to build the networks: all services are up at the same time, so
    /// what cannot be built as written is an error.
    Plan,
}

/// Limits that keep a hostile file from costing more than it weighs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Budget {
    /// Bytes of one file.
    pub bytes: usize,
    /// Nodes of all files after expansion of aliases and merge keys.
    pub nodes: usize,
    /// Nested collections in a file.
    pub depth: usize,
    /// Nested `${A:-${B:-…}}`.
    pub interpolation_depth: usize,
    /// Bytes that interpolation may produce in all.
    pub interpolation_bytes: usize,
    /// Nested `include`s and `extends`, and files that they may load in all.
    pub includes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            nodes: 4_000_000,
            depth: 200,
            interpolation_depth: 32,
            interpolation_bytes: 64 << 20,
            includes: 256,
        }
    }
}

/// How [`Project::load`](crate::Project::load) reads its sources.
///
/// ```
/// use kraud_compose::{Dialect, Options, Profile};
///
/// let options = Options::new()
///     .project_name("nextcloud")
///     .dialect(Dialect::Kraud)
///     .profile(Profile::Plan);
/// # let _ = options;
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Options {
    pub(crate) project_name: Option<String>,
    pub(crate) directory_name: Option<String>,
    pub(crate) dialect: Option<Dialect>,
    pub(crate) profile: Profile,
    pub(crate) profiles: Vec<String>,
    pub(crate) env_files: Option<Vec<String>>,
    pub(crate) foreign_pools: Vec<(String, IpNet)>,
    pub(crate) parent_subnets: Vec<(String, IpNet)>,
    pub(crate) budget: Budget,
}

impl Options {
    /// Docker's defaults: dialect by the drivers of the file, profile [`Profile::Compat`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The project name, as `-p` gives it; wins over the environment and the file.
    #[must_use]
    pub fn project_name(mut self, name: impl Into<String>) -> Self {
        self.project_name = Some(name.into());
        self
    }

    /// The name of the project's directory, from which the project is named when nothing else
    /// names it.
    #[must_use]
    pub fn directory_name(mut self, name: impl Into<String>) -> Self {
        self.directory_name = Some(name.into());
        self
    }

    /// The dialect; without one [`Dialect::Kraud`] where any network has the driver `ipip`, else
    /// [`Dialect::Docker`].
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = Some(dialect);
        self
    }

    /// How severe findings are.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// The active compose profiles, as `--profile` gives them (`*` for all); without a call
    /// `COMPOSE_PROFILES` counts.
    #[must_use]
    pub fn profiles(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.profiles = names.into_iter().map(Into::into).collect();
        self
    }

    /// The environment files, as `--env-file` gives them; without a call `.env` where there is
    /// one.
    #[must_use]
    pub fn env_files(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.env_files = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// A subnet that somebody else holds (docker0, another project, a route of the host); the
    /// project's subnets must stay clear of it. `name` appears in the finding.
    #[must_use]
    pub fn foreign_pool(mut self, name: impl Into<String>, subnet: IpNet) -> Self {
        self.foreign_pools.push((name.into(), subnet));
        self
    }

    /// A subnet that a link of the host is in: an ipvlan network in L3 on this link has to have
    /// another one.
    #[must_use]
    pub fn parent_subnet(mut self, link: impl Into<String>, subnet: IpNet) -> Self {
        self.parent_subnets.push((link.into(), subnet.trunc()));
        self
    }

    /// The limits of the load.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }
}
