//! Variables: the caller's first, then those of the environment files; and relative paths.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::Loader;
use crate::diagnostic::{Code, Diagnostic};
use crate::dotenv::parse_env_file;
use crate::source::{Provider, ProviderError};
use crate::span::{FileId, Span};

/// The variables of environment files. Those of an including file win over those of an included.
#[derive(Debug, Default)]
pub(super) struct Environment {
    outer: Option<Rc<Self>>,
    values: HashMap<String, String>,
    /// `COMPOSE_PROJECT_NAME`, once the name is known.
    project: RefCell<Option<String>>,
}

impl Environment {
    pub(super) fn find(&self, provider: &dyn Provider, name: &str) -> Option<String> {
        if name == "COMPOSE_PROJECT_NAME" {
            if let Some(known) = self.project() {
                return Some(known);
            }
        }
        provider.variable(name).or_else(|| self.in_files(name))
    }

    fn in_files(&self, name: &str) -> Option<String> {
        let outer = self.outer.as_ref().and_then(|outer| outer.in_files(name));
        outer.or_else(|| self.values.get(name).cloned())
    }

    fn project(&self) -> Option<String> {
        match &self.outer {
            Some(outer) => outer.project(),
            None => self.project.borrow().clone(),
        }
    }

    pub(super) fn name_project(&self, name: String) {
        *self.project.borrow_mut() = Some(name);
    }
}

impl Loader<'_> {
    /// The environment of the project: the files of the options, else `.env` where there is one.
    pub(super) fn environment(&mut self) -> Environment {
        let mut environment = Environment::default();
        let at = Span::new(FileId(0), 0, 0);
        match self.options.env_files.clone() {
            None => self.env_file(&mut environment, ".env", at, true),
            Some(files) => {
                for file in files {
                    self.env_file(&mut environment, &file, at, false);
                }
            }
        }
        environment
    }

    /// The environment of an included file.
    pub(super) fn inner_environment(
        &mut self,
        outer: &Rc<Environment>,
        files: &[String],
        optional: bool,
        at: Span,
    ) -> Environment {
        let mut environment = Environment {
            outer: Some(Rc::clone(outer)),
            ..Environment::default()
        };
        for file in files {
            self.env_file(&mut environment, file, at, optional);
        }
        environment
    }

    fn env_file(&mut self, environment: &mut Environment, path: &str, at: Span, optional: bool) {
        let text = match self.provider.read(path) {
            Ok(text) => text,
            Err(ProviderError::NotFound { .. }) if optional => return,
            Err(error) => {
                self.unreadable(&error, at, Code::UNREADABLE_FILE);
                return;
            }
        };
        let lookup = |name: &str| environment.find(self.provider, name);
        match parse_env_file(&text, lookup) {
            Ok(pairs) => environment.values.extend(pairs),
            Err(error) => {
                let line = error.line.saturating_sub(1);
                let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
                let length = text
                    .get(start..)
                    .and_then(|t| t.lines().next())
                    .map_or(0, str::len);
                let (file, _) = self.add(path.to_owned(), text, Some(at));
                let span = Span::new(file, start, start + length);
                // The reason may quote a value; the place is enough.
                let what = match error.reason {
                    crate::dotenv::EnvFileReason::Space => "a name cannot contain a space",
                    crate::dotenv::EnvFileReason::Character { .. } => {
                        "a name has only letters, digits and `_.-[]`"
                    }
                    crate::dotenv::EnvFileReason::Unterminated { .. } => "a quote is not closed",
                    crate::dotenv::EnvFileReason::Template(_) => "a template is malformed",
                };
                self.sink.push(Diagnostic::new(Code::ENV_FILE, span, what));
            }
        }
    }
}

/// `path` seen from `directory`, without `.` and with `..` taken back.
pub(super) fn join(directory: &str, path: &str) -> String {
    if path.starts_with('/') {
        return path.to_owned();
    }
    let mut parts: Vec<&str> = Vec::new();
    let absolute = directory.starts_with('/');
    for part in directory.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|p| *p != "..") => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    let joined = parts.join("/");
    if absolute {
        format!("/{joined}")
    } else {
        joined
    }
}

/// The directory of a path; empty for the project's own.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

#[cfg(test)]
mod tests {
    use super::{join, parent};

    #[test]
    fn paths_join_like_a_shell_has_them() {
        assert_eq!(join("", "./a.yaml"), "a.yaml");
        assert_eq!(join("sub/dir", "../b/./c.yaml"), "sub/b/c.yaml");
        assert_eq!(join("sub", "../../x"), "../x");
        assert_eq!(join("/abs", "a"), "/abs/a");
        assert_eq!(join("sub", "/abs"), "/abs");
        assert_eq!((parent("sub/a.yaml"), parent("a.yaml")), ("sub", ""));
    }
}
