//! Strings, numbers, booleans, and the list-or-mapping shapes.

use std::collections::HashMap;

use super::Context;
use crate::diagnostic::{Code, Diagnostic};
use crate::span::{Span, Spanned};
use crate::yaml::{Entry, NodeId};

impl Context<'_> {
    /// The text of a single value; reports collections, and null where `null` is not welcome.
    pub(super) fn string(&mut self, id: NodeId, what: &str) -> Option<Spanned<String>> {
        match self.tree.str(id) {
            Some(text) if !self.tree.is_null(id) => {
                Some(Spanned::new(text.to_owned(), self.tree.span(id)))
            }
            _ => {
                let d = self.wrong_type(id, what, "a text");
                self.sink.push(d);
                None
            }
        }
    }

    /// A boolean as compose reads it: `true`, but also `yes`, `on`, `y`, `1` as text.
    pub(super) fn boolean(&mut self, id: NodeId, what: &str) -> Option<Spanned<bool>> {
        let span = self.tree.span(id);
        let value = match self.tree.str(id) {
            None => None,
            Some(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "y" | "on" | "1" => Some(true),
                "false" | "no" | "n" | "off" | "0" => Some(false),
                _ => None,
            },
        };
        if value.is_none() {
            let shown = self.shown(id);
            let d = Diagnostic::new(
                Code::INVALID_VALUE,
                self.place(id),
                format!("{what} has to be `true` or `false`, not `{shown}`"),
            );
            self.sink.push(d);
        }
        value.map(|v| Spanned::new(v, span))
    }

    /// An integer; a fraction is reported and cut, as docker compose does in silence.
    pub(super) fn integer(&mut self, id: NodeId, what: &str) -> Option<Spanned<i64>> {
        let span = self.tree.span(id);
        let text = self.tree.str(id).unwrap_or_default();
        if let Ok(n) = text.parse::<i64>() {
            return Some(Spanned::new(n, span));
        }
        let shown = self.shown(id);
        let fraction = text.split_once('.').and_then(|(whole, rest)| {
            let digits = rest.bytes().all(|b| b.is_ascii_digit());
            whole.parse::<i64>().ok().filter(|_| digits)
        });
        let (code, message) = match fraction {
            Some(n) => (
                Code::PRIORITY,
                format!("{what} has to be an integer; `{shown}` is cut to {n}"),
            ),
            None => (
                Code::INVALID_VALUE,
                format!("{what} has to be an integer, not `{shown}`"),
            ),
        };
        self.sink
            .push(Diagnostic::new(code, self.place(id), message));
        fraction.map(|n| Spanned::new(n, span))
    }

    /// A list of single values.
    pub(super) fn strings(&mut self, id: NodeId, what: &str) -> Vec<Spanned<String>> {
        let Some(items) = self.tree.items(id) else {
            let d = self.wrong_type(id, what, "a list");
            self.sink.push(d);
            return Vec::new();
        };
        let items = items.to_vec();
        items
            .iter()
            .filter_map(|&item| self.string(item, what))
            .collect()
    }

    /// A list of single values, or one of them alone.
    pub(super) fn string_or_list(&mut self, id: NodeId, what: &str) -> Vec<Spanned<String>> {
        if self.tree.is_null(id) {
            return Vec::new();
        }
        if self.tree.str(id).is_some() {
            return self.string(id, what).into_iter().collect();
        }
        self.strings(id, what)
    }

    /// Reports what a list has twice, keeps the first of each. Between two files there is nothing
    /// to report: the merge of lists is meant to drop what both have.
    pub(super) fn unique<T: Eq + std::hash::Hash + std::fmt::Display>(
        &mut self,
        items: Vec<Spanned<T>>,
        what: &str,
    ) -> Vec<Spanned<T>> {
        if items.len() < 2 {
            return items;
        }
        let mut seen: HashMap<&T, Span> = HashMap::with_capacity(items.len());
        let mut keep = Vec::with_capacity(items.len());
        for item in &items {
            let first = seen.get(&item.value).copied();
            keep.push(first.is_none());
            match first {
                None => {
                    seen.insert(&item.value, item.span);
                }
                Some(first) if first.file == item.span.file => {
                    let d = Diagnostic::new(
                        Code::DUPLICATE_ITEM,
                        item.span,
                        format!(
                            "{what} has `{}` twice",
                            crate::text::shorten(&item.value.to_string())
                        ),
                    );
                    self.sink.push(d.also(first, "first here"));
                }
                Some(_) => {}
            }
        }
        let mut keep = keep.into_iter();
        let mut items = items;
        items.retain(|_| keep.next().unwrap_or(true));
        items
    }

    /// A mapping of names to single values; null stands for the empty text.
    pub(super) fn string_map(
        &mut self,
        id: NodeId,
        what: &str,
    ) -> Vec<(Spanned<String>, Spanned<String>)> {
        let entries = self.entries(id, what);
        let mut out = Vec::with_capacity(entries.len());
        for entry in entries {
            let key = self.key(entry);
            if self.tree.is_null(entry.value) {
                out.push((key, Spanned::new(String::new(), self.tree.span(entry.key))));
            } else if let Some(value) = self.string(entry.value, what) {
                out.push((key, value));
            }
        }
        out
    }

    /// Labels: a mapping, or a list of `name=value`.
    pub(super) fn labels(&mut self, id: NodeId) -> Vec<(Spanned<String>, Spanned<String>)> {
        if self.tree.items(id).is_none() {
            return self.string_map(id, "`labels`");
        }
        let mut out: Vec<(Spanned<String>, Spanned<String>)> = Vec::new();
        for item in self.strings(id, "`labels`") {
            let (key, value) = match item.value.split_once('=') {
                Some((key, value)) => (key.to_owned(), value.to_owned()),
                None => (item.value.clone(), String::new()),
            };
            let pair = (Spanned::new(key, item.span), Spanned::new(value, item.span));
            match out.iter_mut().find(|(k, _)| k.value == pair.0.value) {
                Some(old) => *old = pair,
                None => out.push(pair),
            }
        }
        out
    }

    /// One of a fixed set of words.
    pub(super) fn keyword<T: std::str::FromStr<Err = String>>(
        &mut self,
        value: &Spanned<String>,
        names: &[&str],
    ) -> Option<T> {
        match value.value.parse() {
            Ok(word) => Some(word),
            Err(expected) => {
                let shown = crate::text::shorten(&value.value);
                let mut d = Diagnostic::new(
                    Code::DRIVER_OPTION,
                    value.span,
                    format!("`{shown}` is no value of this option: {expected}"),
                );
                let meant = crate::diagnostic::closest(&value.value, names.iter().copied());
                if let Some(meant) = meant {
                    d = d.help(format!("did you mean `{meant}`?")).fix(
                        format!("write `{meant}`"),
                        value.span,
                        meant,
                    );
                }
                self.sink.push(d);
                None
            }
        }
    }

    /// The entry of a mapping, by key.
    pub(super) fn find(&self, map: NodeId, key: &str) -> Option<Entry> {
        self.tree.find(map, key)
    }
}
