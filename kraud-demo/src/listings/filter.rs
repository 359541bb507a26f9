//! `--filter`, as docker reads it: of several values for one key any will do, but each key must be content.
//!
//! `id` and `name` take a part or a regular expression, `label` a `key` or `key=value` (all of them must be there),
//! everything else the exact value.

use std::collections::BTreeMap;

use regex_lite::Regex;

use super::Row;
use crate::error::Error;

/// What rows have to pass.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    by_key: BTreeMap<String, Vec<Pattern>>,
}

#[derive(Clone, Debug)]
struct Pattern {
    exact: String,
    /// Where the text is a regular expression at all.
    part: Option<Regex>,
}

impl Filters {
    /// Reads `key=value` arguments for a list of `R`.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for what is not `key=value`, and for a key that this list cannot be filtered by.
    pub fn parse<R: Row>(arguments: &[String]) -> Result<Self, Error> {
        let mut filters = Self::default();
        for argument in arguments {
            let (key, value) = argument
                .split_once('=')
                .ok_or_else(|| Error::Usage(format!("--filter {argument}: write KEY=VALUE")))?;
            filters.add::<R>(key, value)?;
        }
        Ok(filters)
    }

    /// Adds one value for a key.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a key that the list cannot be filtered by.
    pub fn add<R: Row>(&mut self, key: &str, value: &str) -> Result<(), Error> {
        let key = key.trim().to_ascii_lowercase();
        if !R::FILTERS.contains(&key.as_str()) {
            return Err(Error::Usage(format!(
                "invalid filter `{key}`: this list can be filtered by {}",
                R::FILTERS.join(", ")
            )));
        }
        let pattern = Pattern {
            exact: value.to_owned(),
            part: Regex::new(value).ok(),
        };
        self.by_key.entry(key).or_default().push(pattern);
        Ok(())
    }

    /// Whether a row is wanted. O(filters) matches, each linear in the row's text.
    #[must_use]
    pub fn pass<R: Row>(&self, row: &R) -> bool {
        self.by_key.iter().all(|(key, patterns)| {
            let values = row.filter_values(key);
            match key.as_str() {
                "label" => patterns.iter().all(|pattern| {
                    let is_it = |label: &String| {
                        *label == pattern.exact
                            || label
                                .split_once('=')
                                .is_some_and(|(name, _)| name == pattern.exact)
                    };
                    values.iter().any(is_it)
                }),
                "id" | "name" => patterns.iter().any(|pattern| {
                    values.iter().any(|value| {
                        *value == pattern.exact
                            || pattern
                                .part
                                .as_ref()
                                .is_some_and(|part| part.is_match(value))
                    })
                }),
                _ => patterns
                    .iter()
                    .any(|pattern| values.contains(&pattern.exact)),
            }
        })
    }
}
