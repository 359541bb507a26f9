//! `$X`, `${X}`, `${X:-default}` and their relatives.
//!
//! The grammar is compose-go's: operators `:-`, `-`, `:?`, `?`, `:+`, `+`, nesting, `$$` for a
//! dollar. One deliberate difference: a default may contain a line break.

use std::borrow::Cow;

/// Why a template gives no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InterpolateError {
    /// A `${` that does not go on as one of the known forms.
    #[error("Invalid template: \"{template}\"")]
    Invalid {
        /// The part of the text that is malformed.
        template: String,
    },
    /// `${X:?…}` or `${X?…}` without a value.
    #[error("required variable {variable} is missing a value{}{reason}", if reason.is_empty() { "" } else { ": " })]
    Required {
        /// The variable.
        variable: String,
        /// What the file says about it.
        reason: String,
    },
    /// Nested deeper, or grown larger, than the budget allows.
    #[error("the template is nested too deeply or its value is too large")]
    Budget,
}

/// Replaces the variables of `template`.
///
/// `lookup` gives a variable's value, `None` for one that is not set. Values are not searched for
/// further variables.
///
/// # Errors
///
/// [`InterpolateError`]; a variable that is not set and has no default is no error and blank.
///
/// ```
/// use kraud_compose::interpolate;
///
/// let lookup = |name: &str| (name == "NET").then(|| "10.7".to_owned());
/// assert_eq!(interpolate("${NET:-10.0}.0.0/${BITS-16}", lookup).unwrap(), "10.7.0.0/16");
/// assert!(interpolate("${NOPE:?say where}", lookup).is_err());
/// ```
pub fn interpolate(
    template: &str,
    mut lookup: impl FnMut(&str) -> Option<String>,
) -> Result<Cow<'_, str>, InterpolateError> {
    if !template.contains('$') {
        return Ok(Cow::Borrowed(template));
    }
    let mut run = Interpolation {
        lookup: &mut |name, _| lookup(name),
        depth: DEPTH,
        left: usize::MAX,
    };
    run.substitute(template).map(Cow::Owned)
}

const DEPTH: usize = 32;

/// Looks a variable up; the flag tells whether a blank goes unnoticed (an operator handles it).
type Lookup<'a> = dyn FnMut(&str, bool) -> Option<String> + 'a;

pub(crate) struct Interpolation<'a> {
    pub(crate) lookup: &'a mut Lookup<'a>,
    pub(crate) depth: usize,
    pub(crate) left: usize,
}

impl Interpolation<'_> {
    fn push(&mut self, out: &mut String, text: &str) -> Result<(), InterpolateError> {
        self.left = self
            .left
            .checked_sub(text.len())
            .ok_or(InterpolateError::Budget)?;
        out.push_str(text);
        Ok(())
    }

    pub(crate) fn substitute(&mut self, template: &str) -> Result<String, InterpolateError> {
        let mut out = String::with_capacity(template.len());
        let last_brace = template.rfind('}');
        // What an error message quotes: after a `${X-…}` only what follows it, up to the last `}`.
        let mut quoted = (0, template.len());
        let mut at = 0;
        while let Some(rest) = template.get(at..) {
            let Some(dollar) = rest.find('$') else {
                self.push(&mut out, rest)?;
                break;
            };
            self.push(&mut out, rest.get(..dollar).unwrap_or_default())?;
            at += dollar;
            if at >= quoted.1 {
                quoted = (0, template.len());
            }
            let invalid = || InterpolateError::Invalid {
                template: template
                    .get(quoted.0..quoted.1)
                    .unwrap_or_default()
                    .to_owned(),
            };
            let after = template.get(at + 1..).unwrap_or_default();
            if after.starts_with('$') {
                self.push(&mut out, "$")?;
                at += 2;
                continue;
            }
            let Some(braced) = after.strip_prefix('{') else {
                let name = name_of(after);
                if name.is_empty() {
                    self.push(&mut out, "$")?;
                } else {
                    let value = (self.lookup)(name, false).unwrap_or_default();
                    self.push(&mut out, &value)?;
                }
                at += 1 + name.len();
                continue;
            };
            let name = name_of(braced);
            let tail = braced.get(name.len()..).unwrap_or_default();
            if name.is_empty() {
                return Err(invalid());
            }
            if tail.starts_with('}') {
                let value = (self.lookup)(name, false).unwrap_or_default();
                self.push(&mut out, &value)?;
                at += 3 + name.len();
                continue;
            }
            let Some(operator) = Operator::of(tail) else {
                return Err(invalid());
            };
            let start = at + 2 + name.len() + operator.width();
            let end = match last_brace {
                Some(end) if end >= start => end,
                _ => return Err(invalid()),
            };
            let whole = template.get(at..=end).unwrap_or_default();
            let close = closing(whole).map_or(end, |n| at + n);
            let word = template.get(start..close).unwrap_or_default();
            let value = self.apply(name, operator, word)?;
            self.push(&mut out, &value)?;
            at = close + 1;
            quoted = (at, end + 1);
        }
        Ok(out)
    }

    fn apply(
        &mut self,
        name: &str,
        operator: Operator,
        word: &str,
    ) -> Result<String, InterpolateError> {
        let value = (self.lookup)(name, true);
        let there = match &value {
            Some(value) => !operator.colon || !value.is_empty(),
            None => false,
        };
        match (operator.kind, there) {
            ('-' | '?', true) => Ok(value.unwrap_or_default()),
            ('+', false) => Ok(value.unwrap_or_default()),
            ('?', false) => Err(InterpolateError::Required {
                variable: name.to_owned(),
                reason: self.nested(word)?,
            }),
            _ => self.nested(word),
        }
    }

    fn nested(&mut self, word: &str) -> Result<String, InterpolateError> {
        self.depth = self.depth.checked_sub(1).ok_or(InterpolateError::Budget)?;
        let value = self.substitute(word);
        self.depth += 1;
        value
    }
}

#[derive(Clone, Copy)]
struct Operator {
    colon: bool,
    kind: char,
}

impl Operator {
    fn of(tail: &str) -> Option<Self> {
        let (colon, rest) = match tail.strip_prefix(':') {
            Some(rest) => (true, rest),
            None => (false, tail),
        };
        let kind = rest.chars().next().filter(|c| "-?+".contains(*c))?;
        Some(Self { colon, kind })
    }

    fn width(self) -> usize {
        1 + usize::from(self.colon)
    }
}

fn name_of(text: &str) -> &str {
    let starts = text
        .bytes()
        .next()
        .is_some_and(|b| b == b'_' || b.is_ascii_alphabetic());
    if !starts {
        return "";
    }
    let end = text
        .bytes()
        .position(|b| b != b'_' && !b.is_ascii_alphanumeric());
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

/// The `}` that closes the `${` at the start. As compose-go counts: every `{` opens, and the
/// character after it is passed over.
fn closing(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    let mut bytes = text.bytes().enumerate();
    while let Some((i, b)) = bytes.next() {
        match b {
            b'{' => {
                open += 1;
                bytes.next();
            }
            b'}' => {
                open = open.saturating_sub(1);
                if open == 0 {
                    return Some(i);
                }
            }
            _ => {}
        }
    }
    None
}
