//! Findings as rustc prints its own, each with its source lines.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use kraud_compose::{Diagnostic, Diagnostics, Severity};

/// The text, with or without colours; see [`Talk`](crate::talk::Talk).
#[must_use]
pub fn render(diagnostics: &Diagnostics, colored: bool) -> String {
    let renderer = if colored {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut text = String::new();
    for diagnostic in diagnostics {
        text.push_str(&renderer.render(&[report(diagnostics, diagnostic)]));
        text.push_str("\n\n");
    }
    text
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
