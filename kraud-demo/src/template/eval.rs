//! From nodes and data to text.

use serde_json::Value;

use super::TemplateError;
use super::parse::{Expr, Node};

/// Where a piece of a template is filled in.
#[derive(Clone, Copy)]
struct Place<'a> {
    root: &'a Value,
    dot: &'a Value,
    variables: Option<&'a Variable<'a>>,
    /// The data are the headers of a table.
    is_header: bool,
}

/// A named value, and those that were named before it.
struct Variable<'a> {
    name: Option<&'a str>,
    value: &'a Value,
    outer: Option<&'a Self>,
}

pub(super) fn render(
    nodes: &[Node],
    data: &Value,
    is_header: bool,
) -> Result<String, TemplateError> {
    let mut text = String::new();
    let place = Place {
        root: data,
        dot: data,
        variables: None,
        is_header,
    };
    place.fill(nodes, &mut text)?;
    Ok(text)
}

impl Place<'_> {
    fn fill(self, nodes: &[Node], text: &mut String) -> Result<(), TemplateError> {
        for node in nodes {
            match node {
                Node::Text(literal) => text.push_str(literal),
                Node::Print(value) => text.push_str(&shown(&self.eval(value)?)),
                Node::If {
                    condition,
                    body,
                    otherwise,
                } => {
                    let branch = if is_true(&self.eval(condition)?) {
                        body
                    } else {
                        otherwise
                    };
                    self.fill(branch, text)?;
                }
                Node::With {
                    value,
                    body,
                    otherwise,
                } => {
                    let value = self.eval(value)?;
                    if is_true(&value) {
                        Place {
                            dot: &value,
                            ..self
                        }
                        .fill(body, text)?;
                    } else {
                        self.fill(otherwise, text)?;
                    }
                }
                Node::Range {
                    names,
                    over,
                    body,
                    otherwise,
                } => {
                    let elements = elements(self.eval(over)?)?;
                    if elements.is_empty() {
                        self.fill(otherwise, text)?;
                    }
                    for (key, element) in &elements {
                        let (key_name, value_name) = match names {
                            Some((key, value)) => (key.as_deref(), Some(value.as_str())),
                            None => (None, None),
                        };
                        let key = Variable {
                            name: key_name,
                            value: key,
                            outer: self.variables,
                        };
                        let value = Variable {
                            name: value_name,
                            value: element,
                            outer: Some(&key),
                        };
                        let inside = Place {
                            dot: element,
                            variables: Some(&value),
                            ..self
                        };
                        inside.fill(body, text)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn eval(self, expr: &Expr) -> Result<Value, TemplateError> {
        match expr {
            Expr::Fields(path) => field(self.dot, path).cloned(),
            Expr::Variable(name, path) => field(self.variable(name)?, path).cloned(),
            Expr::Of(value, path) => field(&self.eval(value)?, path).cloned(),
            Expr::Text(text) => Ok(Value::from(text.as_str())),
            Expr::Number(number) => Ok(Value::from(*number)),
            Expr::Call(name, arguments) => {
                let arguments: Result<Vec<Value>, _> = arguments
                    .iter()
                    .map(|argument| self.eval(argument))
                    .collect();
                self.call(name, &arguments?)
            }
        }
    }

    fn variable(&self, name: &str) -> Result<&Value, TemplateError> {
        if name.is_empty() {
            return Ok(self.root);
        }
        let mut scope = self.variables;
        while let Some(variable) = scope {
            if variable.name == Some(name) {
                return Ok(variable.value);
            }
            scope = variable.outer;
        }
        Err(TemplateError::new(format!("no variable `${name}`")))
    }

    fn call(self, name: &str, arguments: &[Value]) -> Result<Value, TemplateError> {
        match (name, arguments) {
            ("json", [value]) => Ok(Value::from(value.to_string())),
            ("upper", [value]) => Ok(Value::from(shown(value).to_uppercase())),
            ("lower", [value]) => Ok(Value::from(shown(value).to_lowercase())),
            ("len", [Value::Array(values)]) => Ok(Value::from(values.len())),
            ("len", [Value::Object(fields)]) => Ok(Value::from(fields.len())),
            ("len", [Value::String(text)]) => Ok(Value::from(text.len())),
            ("index", [Value::Object(fields), Value::String(key)]) => {
                Ok(fields.get(key).cloned().unwrap_or_else(|| Value::from("")))
            }
            ("index", [Value::Array(values), Value::Number(index)]) => {
                let element = index
                    .as_u64()
                    .and_then(|index| values.get(usize::try_from(index).ok()?));
                element
                    .cloned()
                    .ok_or_else(|| TemplateError::new(format!("there is no element {index}")))
            }
            ("Label", [key]) if self.is_header => Ok(key.clone()),
            ("Label", [Value::String(key)]) => Ok(Value::from(label(self.dot, key))),
            ("json" | "upper" | "lower" | "len" | "index" | "Label", _) => Err(TemplateError::new(
                format!("`{name}` does not take these {} arguments", arguments.len()),
            )),
            _ => Err(TemplateError::new(format!(
                "there is no function `{name}`; there are json, upper, lower, len and index"
            ))),
        }
    }
}

/// The value of a label, empty without it, whether the labels are `a=b,c=d` or an object.
fn label(row: &Value, key: &str) -> String {
    match &row["Labels"] {
        Value::String(labels) => {
            let pairs = labels.split(',').filter_map(|label| label.split_once('='));
            let mut found = pairs.filter(|(name, _)| *name == key);
            found
                .next()
                .map_or_else(String::new, |(_, value)| value.to_owned())
        }
        labels => labels[key].as_str().unwrap_or_default().to_owned(),
    }
}

fn field<'a>(mut value: &'a Value, path: &[String]) -> Result<&'a Value, TemplateError> {
    for (depth, name) in path.iter().enumerate() {
        let Value::Object(fields) = value else {
            let above = depth
                .checked_sub(1)
                .map_or("the value", |above| &path[above]);
            return Err(TemplateError::new(format!(
                "`{above}` has no fields, so no `{name}`"
            )));
        };
        value = fields.get(name).ok_or_else(|| {
            let names: Vec<&str> = fields.keys().map(String::as_str).collect();
            TemplateError::new(format!(
                "there is no field `{name}`; there are {}",
                names.join(", ")
            ))
        })?;
    }
    Ok(value)
}

fn elements(value: Value) -> Result<Vec<(Value, Value)>, TemplateError> {
    match value {
        Value::Array(values) => Ok(values
            .into_iter()
            .enumerate()
            .map(|(index, value)| (Value::from(index), value))
            .collect()),
        Value::Object(fields) => Ok(fields
            .into_iter()
            .map(|(key, value)| (Value::from(key), value))
            .collect()),
        Value::Null => Ok(Vec::new()),
        other => Err(TemplateError::new(format!("cannot range over {other}"))),
    }
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(values) => !values.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "<no value>".to_owned(),
        other => other.to_string(),
    }
}
