//! `.env` files, as compose-go reads them.

use crate::interpolate::{InterpolateError, interpolate};

/// Why an environment file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
#[non_exhaustive]
pub struct EnvFileError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub reason: EnvFileReason,
}

/// What is wrong in a line of an environment file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvFileReason {
    /// A name with a space inside.
    #[error("key cannot contain a space")]
    Space,
    /// A character that no name has.
    #[error("unexpected character \"{character}\" in variable name \"{line}\"")]
    Character {
        /// The character.
        character: char,
        /// The rest of the line.
        line: String,
    },
    /// A quote that is never closed.
    #[error("unterminated quoted value {value}")]
    Unterminated {
        /// What follows the opening quote, with it.
        value: String,
    },
    /// A template in a value.
    #[error(transparent)]
    Template(#[from] InterpolateError),
}

/// Reads an environment file: `NAME=value` or `NAME: value` per line, `export` in front allowed,
/// `#` comments, single quotes literally, double quotes with escapes and line breaks.
///
/// Variables in values are looked up outside first, then in the lines above. A name without a
/// value takes it from outside. Pairs come in file order, each name once.
///
/// # Errors
///
/// [`EnvFileError`] at the first line that cannot be read.
///
/// ```
/// use kraud_compose::parse_env_file;
///
/// let file = "NET=10.7\nSUBNET=\"${NET}.0.0/16\" # comment\n";
/// let pairs = parse_env_file(file, |_| None).unwrap();
/// assert_eq!(pairs[1], ("SUBNET".to_owned(), "10.7.0.0/16".to_owned()));
/// ```
pub fn parse_env_file(
    text: &str,
    mut lookup: impl FnMut(&str) -> Option<String>,
) -> Result<Vec<(String, String)>, EnvFileError> {
    let text = text
        .strip_prefix('\u{feff}')
        .unwrap_or(text)
        .replace("\r\n", "\n");
    let mut out = Pairs::default();
    let mut rest: &str = &text;
    loop {
        rest = statement(rest);
        if rest.is_empty() {
            return Ok(out.list);
        }
        let before = text.get(..text.len() - rest.len()).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let at = |reason: EnvFileReason| EnvFileError { line, reason };
        let (key, after, inherited) = name(rest).map_err(at)?;
        if inherited {
            if let Some(value) = lookup(key) {
                out.set(key, value);
            }
            rest = after;
            continue;
        }
        let (value, after) =
            value(after, &mut |name| lookup(name).or_else(|| out.find(name))).map_err(at)?;
        out.set(key, value);
        rest = after;
    }
}

/// The pairs so far; the index keeps a long file linear.
#[derive(Default)]
struct Pairs {
    list: Vec<(String, String)>,
    index: std::collections::HashMap<String, usize>,
}

impl Pairs {
    fn find(&self, name: &str) -> Option<String> {
        let at = *self.index.get(name)?;
        self.list.get(at).map(|(_, value)| value.clone())
    }

    fn set(&mut self, name: &str, value: String) {
        let known = self.index.get(name).and_then(|&at| self.list.get_mut(at));
        if let Some(pair) = known {
            pair.1 = value;
        } else {
            self.index.insert(name.to_owned(), self.list.len());
            self.list.push((name.to_owned(), value));
        }
    }
}

/// Skips blank lines and comments.
fn statement(mut text: &str) -> &str {
    loop {
        text = text.trim_start();
        if !text.starts_with('#') {
            return text;
        }
        text = text
            .find('\n')
            .and_then(|end| text.get(end..))
            .unwrap_or_default();
    }
}

/// The name, what follows, and whether the line is the name alone.
fn name(text: &str) -> Result<(&str, &str, bool), EnvFileReason> {
    let body = match text.strip_prefix("export") {
        Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start_matches([' ', '\t']),
        _ => text,
    };
    for (i, c) in body.char_indices() {
        match c {
            '=' | ':' | '\n' => {
                let key = body.get(..i).unwrap_or_default().trim_end();
                if key.contains([' ', '\t']) {
                    return Err(EnvFileReason::Space);
                }
                let after = body.get(i + 1..).unwrap_or_default();
                return Ok((key, after, c == '\n'));
            }
            ' ' | '\t' | '_' | '.' | '-' | '[' | ']' => {}
            _ if c.is_alphanumeric() => {}
            _ => {
                return Err(EnvFileReason::Character {
                    character: c,
                    line: body.lines().next().unwrap_or_default().to_owned(),
                });
            }
        }
    }
    // The last line, without its end: compose-go takes it for a value without a name.
    Ok(("", body, false))
}

type Lookup<'a> = &'a mut dyn FnMut(&str) -> Option<String>;

fn value<'t>(text: &'t str, lookup: Lookup<'_>) -> Result<(String, &'t str), EnvFileReason> {
    let text = text.trim_start_matches([' ', '\t']);
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let Some(quote) = quote else {
        let end = text.find('\n').unwrap_or(text.len());
        let line = text.get(..end).unwrap_or_default();
        let mut comment = line.len();
        for (i, _) in line.match_indices('#') {
            let before = line.get(..i).unwrap_or_default();
            if before.is_empty() || before.ends_with([' ', '\t']) {
                comment = i;
                break;
            }
        }
        let line = line.get(..comment).unwrap_or_default().trim();
        let value = interpolate(line, lookup)?.into_owned();
        return Ok((value, text.get(end..).unwrap_or_default()));
    };
    let body = text.get(1..).unwrap_or_default();
    let mut escaped = false;
    for (i, c) in body.char_indices() {
        if c == quote && !escaped {
            let inner = body.get(..i).unwrap_or_default();
            let rest = body.get(i + 1..).unwrap_or_default();
            let value = if quote == '"' {
                interpolate(&unescape(inner), lookup)?.into_owned()
            } else {
                inner.to_owned()
            };
            return Ok((value, rest));
        }
        escaped = c == '\\' && !escaped;
    }
    Err(EnvFileReason::Unterminated {
        value: text.lines().next().unwrap_or_default().to_owned(),
    })
}

/// The escapes of a double-quoted value; an escaped dollar stays one.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('a') => out.push('\u{7}'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('v') => out.push('\u{b}'),
            Some('$') => out.push_str("$$"),
            Some(c @ ('"' | '\\')) => out.push(c),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::parse_env_file;

    #[test]
    fn a_name_alone_takes_its_value_from_outside() {
        let outside = |name: &str| (name == "HOME_NET").then(|| "10.1".to_owned());
        let pairs = parse_env_file("HOME_NET\nNOPE\nA=1\n", outside).unwrap();
        let names: Vec<_> = pairs.iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(names, ["HOME_NET=10.1", "A=1"]);
    }
}
