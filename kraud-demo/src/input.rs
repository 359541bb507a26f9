//! Compose files from the disk to a [`Project`], and what is wrong with them to the terminal.

use std::fs;
use std::io::{IsTerminal, Read, Write, stderr, stdin};
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use kraud_compose::{
    Diagnostic, Diagnostics, Dialect, Options, Project, Severity, Sources, StdProvider,
};

use crate::cli::Input;
use crate::error::Error;

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
pub fn load(input: &Input) -> Result<Project, Error> {
    let files = find(input)?.ok_or_else(|| Error::NoComposeFile(DEFAULT_FILES.join(" nor ")))?;
    parse(input, files)
}

/// Loads the named files, or those of the current folder; `None` where there are none.
///
/// # Errors
///
/// As [`load`].
pub fn load_if_any(input: &Input) -> Result<Option<Project>, Error> {
    find(input)?.map(|files| parse(input, files)).transpose()
}

/// Loads the named files, those of the current folder, or the example.
///
/// # Errors
///
/// As [`load`].
pub fn load_or_example(input: &Input) -> Result<Project, Error> {
    match find(input)? {
        Some(files) => parse(input, files),
        None => {
            eprintln!(
                "no compose file here: using the example, a namespace as the post about IPv4 overlays has it"
            );
            parse(input, vec![(EXAMPLE.0.to_owned(), EXAMPLE.1.to_owned())])
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

fn parse(input: &Input, files: Vec<File>) -> Result<Project, Error> {
    let folder = input
        .files
        .first()
        .and_then(|file| file.parent())
        .filter(|folder| !folder.as_os_str().is_empty());
    let provider = StdProvider::new(folder.map_or_else(|| PathBuf::from("."), Path::to_owned));
    let mut options = Options::new().dialect(Dialect::Kraud);
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
    let (project, diagnostics) = Project::load(sources, &options);
    print(&diagnostics);
    let errors = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .count();
    project
        .filter(|_| errors == 0)
        .ok_or(Error::Compose { errors })
}

/// Prints findings as rustc does, each with its source lines.
fn print(diagnostics: &Diagnostics) {
    let plain = !stderr().is_terminal()
        || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let renderer = if plain {
        Renderer::plain()
    } else {
        Renderer::styled()
    };
    for diagnostic in diagnostics {
        let text = renderer.render(&[report(diagnostics, diagnostic)]);
        let _ = writeln!(stderr(), "{text}\n");
    }
}

fn report<'a>(diagnostics: &'a Diagnostics, diagnostic: &'a Diagnostic) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        _ => Level::NOTE,
    };
    let sources = diagnostics.sources().files();
    let mut files = vec![diagnostic.span.file];
    for label in &diagnostic.labels {
        if !files.contains(&label.span.file) {
            files.push(label.span.file);
        }
    }
    let mut group = Group::with_title(
        level
            .primary_title(&diagnostic.message)
            .id(diagnostic.code.to_string()),
    );
    for file in files {
        let Some(source) = sources.get(file.index()) else {
            continue;
        };
        let mut snippet = Snippet::source(source.text()).path(source.name());
        if diagnostic.span.file == file {
            let primary = AnnotationKind::Primary.span(diagnostic.span.range());
            snippet = snippet.annotation(primary.label(&diagnostic.label));
        }
        for label in diagnostic
            .labels
            .iter()
            .filter(|label| label.span.file == file)
        {
            snippet = snippet.annotation(
                AnnotationKind::Context
                    .span(label.span.range())
                    .label(&label.text),
            );
        }
        group = group.element(snippet);
    }
    match &diagnostic.help {
        Some(help) => group.element(Level::HELP.message(help)),
        None => group,
    }
}
