//! Compose files from the disk to a [`Project`].

use std::fs;
use std::io::{Read, stdin};
use std::path::{Path, PathBuf};

use kraud_compose::{
    Diagnostics, Dialect, Options, Profile, Project, Severity, Sources, StdProvider,
};

use crate::cli::Input;
use crate::diagnostics;
use crate::error::Error;
use crate::talk::{self, Talk};

/// The files that docker compose looks for, in its order.
const DEFAULT_FILES: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yaml",
    "docker-compose.yml",
];

/// The file of `lab` where there is no other.
const EXAMPLE: (&str, &str) = ("nextcloud.yaml", include_str!("../examples/nextcloud.yaml"));

/// A compose file's name and text.
type File = (String, String);

/// Loads the named files, or those of the current folder.
///
/// # Errors
///
/// [`Error::NoComposeFile`] without any, [`Error::Compose`] if one has errors: they are on the terminal by then.
pub fn load(input: &Input, talk: &Talk) -> Result<Project, Error> {
    let files = find(input)?.ok_or_else(|| Error::NoComposeFile(DEFAULT_FILES.join(" nor ")))?;
    parse(input, files, talk)
}

/// Loads the named files, or those of the current folder; `None` where there are none.
///
/// # Errors
///
/// As [`load`].
pub fn load_if_any(input: &Input, talk: &Talk) -> Result<Option<Project>, Error> {
    find(input)?
        .map(|files| parse(input, files, talk))
        .transpose()
}

/// Loads the named files, those of the current folder, or the example.
///
/// # Errors
///
/// As [`load`].
pub fn load_or_example(input: &Input, talk: &Talk) -> Result<Project, Error> {
    match find(input)? {
        Some(files) => parse(input, files, talk),
        None => {
            talk.say(
                "no compose file here: using the example, a namespace as the post about IPv4 overlays has it"
            );
            parse(
                input,
                vec![(EXAMPLE.0.to_owned(), EXAMPLE.1.to_owned())],
                talk,
            )
        }
    }
}

fn find(input: &Input) -> Result<Option<Vec<File>>, Error> {
    if input.files.is_empty() {
        let here = DEFAULT_FILES
            .iter()
            .map(Path::new)
            .find(|path| path.is_file());
        return here.map(|path| Ok(vec![read(path)?])).transpose();
    }
    input
        .files
        .iter()
        .map(|path| read(path))
        .collect::<Result<_, _>>()
        .map(Some)
}

fn read(path: &Path) -> Result<File, Error> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(path)
    };
    let text = text.map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    Ok((path.display().to_string(), text))
}

fn parse(input: &Input, files: Vec<File>, talk: &Talk) -> Result<Project, Error> {
    let (project, diagnostics) = check(
        input,
        files,
        Options::new()
            .dialect(input.dialect.map_or(Dialect::Kraud, Dialect::from))
            .profile(Profile::Plan),
    );
    let rendered = diagnostics::render(&diagnostics, talk.colors_stderr());
    let errors = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .count();
    if !diagnostics.is_empty() && (errors > 0 || !talk.is_quiet()) {
        talk::error(format_args!("{}\n", rendered.trim_end()));
    }
    project
        .filter(|_| errors == 0)
        .ok_or(Error::Compose { errors })
}

/// What is to be said about the named files, or those of the current folder.
///
/// # Errors
///
/// [`Error::NoComposeFile`] without any, [`Error::Read`] for one that cannot be read.
pub fn lint(input: &Input) -> Result<Diagnostics, Error> {
    let files = find(input)?.ok_or_else(|| Error::NoComposeFile(DEFAULT_FILES.join(" nor ")))?;
    let mut options = Options::new().profile(Profile::Lint);
    if let Some(dialect) = input.dialect {
        options = options.dialect(dialect.into());
    }
    Ok(check(input, files, options).1)
}

fn check(input: &Input, files: Vec<File>, mut options: Options) -> (Option<Project>, Diagnostics) {
    let folder = input
        .files
        .first()
        .and_then(|file| file.parent())
        .filter(|folder| !folder.as_os_str().is_empty());
    let provider = StdProvider::new(folder.map_or_else(|| PathBuf::from("."), Path::to_owned));
    if let Some(directory) = provider.directory_name() {
        options = options.directory_name(directory);
    }
    if let Some(name) = &input.project_name {
        options = options.project_name(name);
    }
    let sources = files
        .into_iter()
        .fold(Sources::new(&provider), |sources, (name, text)| {
            sources.with(name, text)
        });
    Project::load(sources, &options)
}
