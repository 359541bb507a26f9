//! `--format`, as docker reads it.

use serde_json::{Map, Value};

use super::Row;
use crate::error::Error;
use crate::table::Table;
use crate::template::Template;

/// How a list is printed.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Format {
    /// The list's own table.
    #[default]
    Table,
    /// A table with the columns of a template, separated by tabs.
    TableOf(Template),
    /// One JSON object a line.
    Json,
    /// A template for each row.
    Lines(Template),
}

impl std::str::FromStr for Format {
    type Err = Error;

    /// Reads `table`, `table TEMPLATE`, `json` or `TEMPLATE`; `\t` and `\n` stand for themselves.
    fn from_str(text: &str) -> Result<Self, Error> {
        let template = |text: &str| {
            let text = text
                .trim_matches(' ')
                .replace("\\t", "\t")
                .replace("\\n", "\n");
            Template::parse(&text).map_err(|error| Error::Usage(error.to_string()))
        };
        match text.trim() {
            "" | "table" => Ok(Self::Table),
            "json" => Ok(Self::Json),
            text => match text.strip_prefix("table") {
                Some(columns) if columns.starts_with([' ', '\t', '{']) => {
                    template(columns).map(Self::TableOf)
                }
                _ => template(text).map(Self::Lines),
            },
        }
    }
}

/// The text of a list. With `quiet` the list's own table shrinks to the ids; a format that was asked for stays.
///
/// # Errors
///
/// [`Error::Usage`] where a template does not fit the rows.
pub fn render<R: Row>(rows: &[R], format: &Format, quiet: bool) -> Result<String, Error> {
    let filled = |template: &Template, row: &Value| {
        template
            .render(row)
            .map_err(|error| Error::Usage(error.to_string()))
    };
    match format {
        Format::Table if quiet => Ok(rows
            .iter()
            .map(|row| format!("{}\n", row.short_id()))
            .collect()),
        Format::Table => Ok(table(rows)),
        Format::Json => Ok(rows.iter().map(|row| format!("{}\n", data(row))).collect()),
        Format::Lines(template) => {
            let lines = rows
                .iter()
                .map(|row| filled(template, &data(row)).map(|line| line + "\n"));
            lines.collect()
        }
        Format::TableOf(template) => {
            let lines: Result<Vec<String>, Error> = rows
                .iter()
                .map(|row| filled(template, &data(row)))
                .collect();
            let lines = lines?;
            let header = template
                .header(&headers::<R>())
                .map_err(|error| Error::Usage(error.to_string()))?;
            let mut table = Table::new(header.split('\t'));
            for line in &lines {
                table.tabbed(line);
            }
            Ok(table.docker())
        }
    }
}

/// The list's own table.
pub(super) fn table<R: Row>(rows: &[R]) -> String {
    let mut table = Table::new(R::COLUMNS.iter().map(|(header, _)| *header));
    for row in rows {
        let row = data(row);
        let cell = |(_, field): &(&str, &str)| row[*field].as_str().unwrap_or_default().to_owned();
        table.row(R::COLUMNS.iter().map(cell));
    }
    if R::LIKE_DOCKER {
        table.docker()
    } else {
        table.kra()
    }
}

fn data(row: &impl serde::Serialize) -> Value {
    // A row is strings and numbers: it cannot fail to be data.
    serde_json::to_value(row).unwrap_or_default()
}

/// A row of headers: the columns' own, and for other fields their name in capitals, with a blank between its words.
fn headers<R: Row>() -> Value {
    let name = |field: &str| {
        let own = R::COLUMNS.iter().find(|(_, other)| *other == field);
        own.map_or_else(|| capitals(field), |(header, _)| (*header).to_owned())
    };
    let headers = R::FIELDS
        .iter()
        .map(|field| ((*field).to_owned(), Value::from(name(field))));
    Value::Object(headers.collect::<Map<_, _>>())
}

/// `CreatedAt` is `CREATED AT`, `IPv4` stays one word.
fn capitals(field: &str) -> String {
    let mut text = String::new();
    let mut before = ' ';
    for letter in field.chars() {
        if letter.is_ascii_uppercase() && before.is_ascii_lowercase() {
            text.push(' ');
        }
        text.extend(letter.to_uppercase());
        before = letter;
    }
    text
}
