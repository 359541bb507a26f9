//! From text to nodes.

use super::TemplateError;

/// How deep blocks and parentheses may be nested; deeper ones would only exhaust the stack.
const DEPTH: usize = 64;

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Text(String),
    Print(Expr),
    Range {
        /// The names of key and value, where given.
        names: Option<(Option<String>, String)>,
        over: Expr,
        body: Vec<Self>,
        otherwise: Vec<Self>,
    },
    If {
        condition: Expr,
        body: Vec<Self>,
        otherwise: Vec<Self>,
    },
    With {
        value: Expr,
        body: Vec<Self>,
        otherwise: Vec<Self>,
    },
}

/// What gives a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    /// `.A.B`; empty for the dot itself.
    Fields(Vec<String>),
    /// `$x.A`; the name is empty for `$` itself.
    Variable(String, Vec<String>),
    /// `(…).A`.
    Of(Box<Self>, Vec<String>),
    Text(String),
    Number(usize),
    /// A function or method with its arguments.
    Call(String, Vec<Self>),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// `.A.B`, with the empty text for a dot alone.
    Path(String),
    Variable(String),
    Word(String),
    Text(String),
    Number(usize),
    Sign(&'static str),
}

/// An action between `{{` and `}}`, or the text around it.
enum Piece<'a> {
    Text(&'a str),
    Action { at: usize, tokens: Vec<Token> },
}

pub(super) fn parse(text: &str) -> Result<Vec<Node>, TemplateError> {
    let pieces = pieces(text)?;
    let mut parser = Parser {
        pieces: pieces.into_iter(),
    };
    let (nodes, end) = parser.block(0)?;
    match end {
        None => Ok(nodes),
        Some((word, at, _)) => Err(TemplateError::new(format!(
            "`{word}` at byte {at} ends nothing"
        ))),
    }
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, TemplateError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut trim = false;
    while let Some(open) = rest.find("{{") {
        let at = text.len() - rest.len() + open;
        let mut before = &rest[..open];
        let mut inside = &rest[open + 2..];
        if trim {
            before = before.trim_start();
        }
        if let Some(trimmed) = inside
            .strip_prefix('-')
            .filter(|rest| rest.starts_with(char::is_whitespace))
        {
            inside = trimmed;
            before = before.trim_end();
        }
        pieces.push(Piece::Text(before));
        let unclosed = || TemplateError::new(format!("`{{{{` at byte {at} has no `}}}}`"));
        if let Some(comment) = inside.trim_start().strip_prefix("/*") {
            let (_, after) = comment.split_once("*/").ok_or_else(unclosed)?;
            let (_, after) = after.split_once("}}").ok_or_else(unclosed)?;
            (rest, trim) = (after, false);
            continue;
        }
        let (tokens, after, trims) = tokens(inside, at)?.ok_or_else(unclosed)?;
        if tokens.is_empty() {
            return Err(TemplateError::new(format!(
                "the action at byte {at} is empty"
            )));
        }
        pieces.push(Piece::Action { at, tokens });
        (rest, trim) = (after, trims);
    }
    pieces.push(Piece::Text(if trim { rest.trim_start() } else { rest }));
    Ok(pieces)
}

/// What an action is read as: its tokens, the text behind it, and whether that is to be trimmed.
type Action<'a> = (Vec<Token>, &'a str, bool);

/// The tokens up to `}}`; nothing if that is missing.
fn tokens(mut text: &str, at: usize) -> Result<Option<Action<'_>>, TemplateError> {
    const SIGNS: [&str; 5] = [":=", "(", ")", "|", ","];
    let mut tokens = Vec::new();
    loop {
        let before = text.len();
        text = text.trim_start();
        let blank = text.len() < before;
        if let Some(after) = text.strip_prefix("}}") {
            return Ok(Some((tokens, after, false)));
        }
        if let Some(after) = text.strip_prefix("-}}").filter(|_| blank) {
            return Ok(Some((tokens, after, true)));
        }
        let Some(first) = text.chars().next() else {
            return Ok(None);
        };
        if let Some(sign) = SIGNS.iter().find(|sign| text.starts_with(**sign)) {
            tokens.push(Token::Sign(sign));
            text = &text[sign.len()..];
            continue;
        }
        if first == '"' || first == '`' {
            let Some((quoted, after)) = quoted(text, first) else {
                return Ok(None);
            };
            tokens.push(Token::Text(quoted));
            text = after;
            continue;
        }
        let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        let length = text[first.len_utf8()..]
            .find(|c| !is_name(c))
            .map_or(text.len(), |end| end + first.len_utf8());
        let (name, after) = text.split_at(length);
        text = after;
        tokens.push(match first {
            '.' => Token::Path(name[1..].to_owned()),
            '$' => Token::Variable(name[1..].to_owned()),
            '0'..='9' => Token::Number(name.parse().map_err(|_| {
                TemplateError::new(format!("`{name}` in the action at byte {at} is no number"))
            })?),
            _ if is_name(first) => Token::Word(name.to_owned()),
            _ => {
                return Err(TemplateError::new(format!(
                    "`{first}` in the action at byte {at} is not understood"
                )));
            }
        });
    }
}

/// A quoted text with its escapes resolved, and what follows it.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            _ if character == quote => return Some((value, &text[at + 1..])),
            '\\' if quote == '"' => match characters.next()?.1 {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

struct Parser<'a> {
    pieces: std::vec::IntoIter<Piece<'a>>,
}

/// What ended a block: the word, its place, and the tokens behind it.
type End = (String, usize, Vec<Token>);

impl Parser<'_> {
    /// The nodes up to `end`, `else` or the end of the text.
    fn block(&mut self, depth: usize) -> Result<(Vec<Node>, Option<End>), TemplateError> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let (at, tokens) = match piece {
                Piece::Text("") => continue,
                Piece::Text(text) => {
                    nodes.push(Node::Text(text.to_owned()));
                    continue;
                }
                Piece::Action { at, tokens } => (at, tokens),
            };
            let word = match &tokens[0] {
                Token::Word(word) => word.clone(),
                _ => String::new(),
            };
            match word.as_str() {
                "end" | "else" => return Ok((nodes, Some((word, at, tokens[1..].to_vec())))),
                "range" | "if" | "with" => {
                    nodes.push(self.nested(&word, at, &tokens[1..], depth + 1)?);
                }
                _ => nodes.push(Node::Print(expression(&tokens, at)?)),
            }
        }
        Ok((nodes, None))
    }

    fn nested(
        &mut self,
        word: &str,
        at: usize,
        tokens: &[Token],
        depth: usize,
    ) -> Result<Node, TemplateError> {
        if depth > DEPTH {
            return Err(TemplateError::new(format!(
                "`{word}` at byte {at} is nested more than {DEPTH} deep"
            )));
        }
        let unended = || TemplateError::new(format!("`{word}` at byte {at} has no `{{{{end}}}}`"));
        let (body, end) = self.block(depth)?;
        let otherwise = match end.ok_or_else(unended)? {
            (end, ..) if end == "end" => Vec::new(),
            (_, at, tokens) if !tokens.is_empty() => match &tokens[0] {
                Token::Word(word) if word == "if" || word == "with" => {
                    vec![self.nested(word, at, &tokens[1..], depth + 1)?]
                }
                _ => {
                    return Err(TemplateError::new(format!(
                        "`else` at byte {at} is not understood"
                    )));
                }
            },
            _ => match self.block(depth)? {
                (otherwise, Some((end, ..))) if end == "end" => otherwise,
                _ => return Err(unended()),
            },
        };
        let (names, tokens) = declared(word, tokens);
        let value = expression(tokens, at)?;
        Ok(match word {
            "range" => Node::Range {
                names,
                over: value,
                body,
                otherwise,
            },
            "if" => Node::If {
                condition: value,
                body,
                otherwise,
            },
            _ => Node::With {
                value,
                body,
                otherwise,
            },
        })
    }
}

/// The names in front of `:=`, which `range` may have.
fn declared<'a>(
    word: &str,
    tokens: &'a [Token],
) -> (Option<(Option<String>, String)>, &'a [Token]) {
    match tokens {
        [Token::Variable(value), Token::Sign(":="), rest @ ..] if word == "range" => {
            (Some((None, value.clone())), rest)
        }
        [
            Token::Variable(key),
            Token::Sign(","),
            Token::Variable(value),
            Token::Sign(":="),
            rest @ ..,
        ] if word == "range" => (Some((Some(key.clone()), value.clone())), rest),
        _ => (None, tokens),
    }
}

/// A pipeline: each value is the last argument of the call behind it.
fn expression(tokens: &[Token], at: usize) -> Result<Expr, TemplateError> {
    let mut rest = tokens;
    let value = pipeline(&mut rest, at, 0)?;
    match rest {
        [] => Ok(value),
        _ => Err(TemplateError::new(format!(
            "the action at byte {at} goes on behind its value"
        ))),
    }
}

fn pipeline(rest: &mut &[Token], at: usize, depth: usize) -> Result<Expr, TemplateError> {
    let mut value = call(rest, at, depth)?;
    while let [Token::Sign("|"), behind @ ..] = *rest {
        *rest = behind;
        let Expr::Call(name, mut arguments) = call(rest, at, depth)? else {
            return Err(TemplateError::new(format!(
                "a function must follow the `|` in the action at byte {at}"
            )));
        };
        arguments.push(value);
        value = Expr::Call(name, arguments);
    }
    Ok(value)
}

fn call(rest: &mut &[Token], at: usize, depth: usize) -> Result<Expr, TemplateError> {
    let name = match *rest {
        [Token::Word(name), behind @ ..] => {
            *rest = behind;
            name.clone()
        }
        // A method takes its arguments as a function does.
        [Token::Path(name), Token::Text(_), ..] if name == "Label" => {
            *rest = &rest[1..];
            name.clone()
        }
        _ => return operand(rest, at, depth),
    };
    let mut arguments = Vec::new();
    while !matches!(*rest, [] | [Token::Sign("|" | ")"), ..]) {
        arguments.push(operand(rest, at, depth)?);
    }
    Ok(Expr::Call(name, arguments))
}

fn operand(rest: &mut &[Token], at: usize, depth: usize) -> Result<Expr, TemplateError> {
    if depth > DEPTH {
        return Err(TemplateError::new(format!(
            "the action at byte {at} is nested more than {DEPTH} deep"
        )));
    }
    let path = |path: &str| -> Vec<String> {
        let names = path.split('.').filter(|name| !name.is_empty());
        names.map(str::to_owned).collect()
    };
    let [first, behind @ ..] = *rest else {
        return Err(TemplateError::new(format!(
            "a value is missing in the action at byte {at}"
        )));
    };
    *rest = behind;
    Ok(match first {
        Token::Path(fields) => Expr::Fields(path(fields)),
        Token::Variable(name) => {
            let (name, fields) = name.split_once('.').unwrap_or((name, ""));
            Expr::Variable(name.to_owned(), path(fields))
        }
        Token::Text(text) => Expr::Text(text.clone()),
        Token::Number(number) => Expr::Number(*number),
        Token::Word(word) => Expr::Call(word.clone(), Vec::new()),
        Token::Sign("(") => {
            let inner = pipeline(rest, at, depth + 1)?;
            match *rest {
                [Token::Sign(")"), Token::Path(fields), behind @ ..] => {
                    *rest = behind;
                    Expr::Of(Box::new(inner), path(fields))
                }
                [Token::Sign(")"), behind @ ..] => {
                    *rest = behind;
                    inner
                }
                _ => {
                    return Err(TemplateError::new(format!(
                        "a `)` is missing in the action at byte {at}"
                    )));
                }
            }
        }
        Token::Sign(sign) => {
            return Err(TemplateError::new(format!(
                "`{sign}` in the action at byte {at} is not expected there"
            )));
        }
    })
}
