//! The part of Go's `text/template` that docker's users write after `--format`.
//!
//! ```text
//! {{.Name}}  {{.IPAM.Driver}}  {{.Label "tier"}}       fields, nested ones, labels
//! {{json .}}  {{json .Containers}}                     data
//! {{range .IPAM.Config}}{{.Subnet}} {{end}}            lists and maps; {{range $key, $value := .Options}} names them
//! {{if .Internal}}…{{else}}…{{end}}                    an empty value is false
//! {{upper .Name}} {{lower .Name}} {{len .Containers}}  {{index .Options "parent"}} {{.Name | upper}}
//! ```
//!
//! `{{-` and `-}}` trim the text beside them. A field that is not there is an error that names those that are; a value
//! that is a list or an object is printed as JSON, where Go would print its own syntax.

mod eval;
mod parse;

use serde_json::Value;
use thiserror::Error;

use parse::Node;

/// A template that can be filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    nodes: Vec<Node>,
}

/// Why a template cannot be read, or not be filled in.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
#[error("--format: {message}")]
pub struct TemplateError {
    /// What is wrong, where, and what would be right.
    pub message: String,
}

impl TemplateError {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

impl Template {
    /// Reads a template. O(n); blocks may be nested 64 deep.
    ///
    /// # Errors
    ///
    /// What is not understood, with its place.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        parse::parse(text).map(|nodes| Self { nodes })
    }

    /// Fills it in.
    ///
    /// # Errors
    ///
    /// A field that the data lacks, or a function that does not fit its argument.
    pub fn render(&self, data: &Value) -> Result<String, TemplateError> {
        eval::render(&self.nodes, data, false)
    }

    /// Fills it in with the headers of a table: a label's header is its key.
    ///
    /// # Errors
    ///
    /// As [`render`](Self::render).
    pub fn header(&self, headers: &Value) -> Result<String, TemplateError> {
        eval::render(&self.nodes, headers, true)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(template: &str) -> Result<String, TemplateError> {
        let data = json!({
            "Name": "shop/v", "Internal": false, "Labels": "tier=db,empty=", "Options": {"parent": "eth0", "mode": "l2"},
            "IPAM": {"Driver": "default", "Config": [{"Subnet": "10.0.0.0/8"}, {"Subnet": "fd00::/64"}]},
            "Containers": {},
        });
        Template::parse(template)?.render(&data)
    }

    #[test]
    fn what_docker_users_write_is_filled_in_as_docker_does() {
        for (template, expected) in [
            ("{{.Name}}", "shop/v"),
            ("a {{ .IPAM.Driver }} b", "a default b"),
            ("{{json .Options}}", r#"{"mode":"l2","parent":"eth0"}"#),
            ("{{json .Name}}", "\"shop/v\""),
            (
                "{{range .IPAM.Config}}{{.Subnet}} {{end}}",
                "10.0.0.0/8 fd00::/64 ",
            ),
            (
                "{{range $k, $v := .Options}}{{$k}}={{$v}};{{end}}",
                "mode=l2;parent=eth0;",
            ),
            (
                "{{range $i, $c := .IPAM.Config}}{{$i}}{{$c.Subnet}}{{end}}",
                "010.0.0.0/81fd00::/64",
            ),
            ("{{range .Containers}}x{{else}}none{{end}}", "none"),
            ("{{if .Internal}}in{{else}}out{{end}}", "out"),
            (
                "{{if .Containers}}some{{else if .Name}}named{{end}}",
                "named",
            ),
            ("{{upper .Name}} {{.Name | upper | lower}}", "SHOP/V shop/v"),
            ("{{len .Options}}", "2"),
            (
                "{{index .Options \"parent\"}}{{(index .IPAM.Config 0).Subnet}}",
                "eth010.0.0.0/8",
            ),
            (
                "{{.Label \"tier\"}}|{{.Label \"empty\"}}|{{.Label \"other\"}}",
                "db||",
            ),
            ("{{with .IPAM}}{{.Driver}}{{end}}", "default"),
            ("a \n {{- .Name -}} \n b", "ashop/vb"),
            ("{{/* nothing */}}{{\"}}\"}}", "}}"),
            ("{{range .IPAM.Config}}{{$.Name}}{{end}}", "shop/vshop/v"),
        ] {
            assert_eq!(filled(template).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn a_mistake_is_named_with_what_would_be_right() {
        for (template, expected) in [
            (
                "{{.Nam}}",
                "no field `Nam`; there are Containers, IPAM, Internal, Labels, Name, Options",
            ),
            ("{{.Name", "`{{` at byte 0 has no `}}`"),
            ("x{{range .IPAM}}", "`range` at byte 1 has no `{{end}}`"),
            ("{{end}}", "`end` at byte 0 ends nothing"),
            ("{{frob .Name}}", "no function `frob`"),
            ("{{}}", "is empty"),
            ("{{.Name.X}}", "`Name` has no fields"),
            ("{{range .Name}}{{end}}", "cannot range over"),
            ("{{$x}}", "no variable `$x`"),
            ("{{index .IPAM.Config 9}}", "no element 9"),
            ("{{upper}}", "upper"),
            ("{{(.Name}}", "`)`"),
        ] {
            let error = filled(template).expect_err(template).to_string();
            assert!(error.contains(expected), "{template}: {error}");
        }
    }

    #[test]
    fn no_text_panics_and_no_depth_overflows() {
        let deep = "{{if .Name}}".repeat(10_000);
        assert!(filled(&deep).unwrap_err().message.contains("deep"));
        let parentheses = format!("{{{{{}", "(".repeat(10_000));
        assert!(filled(&(parentheses + "}}")).is_err());
        let pieces = [
            "{{", "}}", ".", "é", "range", "end", "\"", "$", "(", ")", "-", " ", ":=", ",", "|",
            "0", "if",
        ];
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..12 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                text.push_str(pieces[(state >> 33) as usize % pieces.len()]);
            }
            let _ = filled(&text);
        }
    }
}
