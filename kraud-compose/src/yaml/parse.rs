//! A file to the tree: by the quick reader where that is enough, else by the full parser.

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span as YamlSpan, Tag as YamlTag};

use super::build::{Builder, Limits, Parsed, Stop};
use super::quick::{self, Text};
use super::tree::{Tag, Tree};
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::span::{FileId, Span};

/// Reads one file into the tree.
pub(crate) fn parse(
    tree: &mut Tree,
    file: FileId,
    text: &str,
    limits: &mut Limits,
    sink: &mut Sink,
) -> Parsed {
    let events = quick::read(text, limits.depth);
    let mut builder = Builder::new(tree, file, text, limits, sink);
    let read = match events {
        Some(events) => quickly(&mut builder, &events),
        None => fully(&mut builder),
    };
    if read.is_err() {
        builder.out.broken = true;
        builder.close_all();
    }
    builder.out
}

pub(super) fn quickly(builder: &mut Builder<'_>, events: &quick::Events) -> Result<(), Stop> {
    for &event in &events.list {
        match event {
            quick::Event::Open {
                is_map,
                start,
                end,
                anchor,
            } => {
                let span = builder.span(start as usize, end as usize);
                builder.open(is_map, span, anchor as usize, Tag::None)?;
                name_anchor(builder, events, anchor);
            }
            quick::Event::Close { end } => builder.close(end)?,
            quick::Event::Scalar(scalar) => {
                let span = builder.span(scalar.start as usize, scalar.end as usize);
                builder.scalar(span, scalar.anchor as usize, |tree| match scalar.text {
                    Text::File(start, end) => {
                        let (start, end) = (start as usize, end as usize);
                        tree.scalar_at(span, Tag::None, scalar.plain, start, end)
                    }
                    Text::Unescaped(start, end) => {
                        let text = events.unescaped.get(start as usize..end as usize);
                        tree.scalar(span, Tag::None, scalar.plain, text.unwrap_or_default())
                    }
                })?;
                name_anchor(builder, events, scalar.anchor);
            }
            quick::Event::Null { at } => {
                let span = builder.span(at as usize, at as usize);
                builder.scalar(span, 0, |tree| tree.scalar(span, Tag::None, true, "~"))?;
            }
            quick::Event::Alias { anchor, start, end } => {
                let span = builder.span(start as usize, end as usize);
                builder.alias(anchor as usize, span)?;
            }
        }
    }
    Ok(())
}

fn name_anchor(builder: &mut Builder<'_>, events: &quick::Events, anchor: u32) {
    let name = (anchor as usize)
        .checked_sub(1)
        .and_then(|at| events.anchors.get(at));
    if let Some(&(start, end)) = name {
        let span = builder.span(start as usize, end as usize);
        builder.anchor(anchor as usize, span);
    }
}

pub(super) fn fully(builder: &mut Builder<'_>) -> Result<(), Stop> {
    let text = builder.text;
    let mut options = granit_parser::options! {
        emit_unresolved_aliases: true,
        emit_anchor_events: true,
        block_nesting_limit: builder.limits.depth,
        flow_nesting_limit: builder.limits.depth,
    };
    options.set_emit_comments(false);
    // A byte order mark is allowed in front, and only there.
    let skip = if text.starts_with('\u{feff}') { 3 } else { 0 };
    let body = text.get(skip..).unwrap_or_default();
    for event in Parser::new_from_str_with_options(body, options) {
        match event {
            Ok((event, at)) => {
                let span = place(builder, &at, skip);
                take(builder, event, span)?;
            }
            Err(error) => {
                syntax(builder, &error, skip);
                return Err(Stop);
            }
        }
    }
    Ok(())
}

fn place(builder: &Builder<'_>, span: &YamlSpan, skip: usize) -> Span {
    let start = span.start.byte_offset().unwrap_or_default() + skip;
    let end = span.end.byte_offset().unwrap_or_default() + skip;
    builder.span(start, end)
}

/// One event of the full parser.
fn take(builder: &mut Builder<'_>, event: Event<'_>, span: Span) -> Result<(), Stop> {
    match event {
        Event::Scalar(value, style, anchor, tag) => {
            let tag = tag_of(tag.as_deref());
            builder.tagged(tag);
            let plain = matches!(style, ScalarStyle::Plain);
            // The parser lends the text where it needs no unescaping: keep the range, not a copy.
            let (text, value) = (builder.text, &*value);
            let start = (value.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
            let end = start.wrapping_add(value.len());
            let lent = !value.is_empty() && start < text.len() && end <= text.len();
            builder.scalar(span, anchor, |tree| {
                if lent {
                    tree.scalar_at(span, tag, plain, start, end)
                } else {
                    tree.scalar(span, tag, plain, value)
                }
            })?;
        }
        Event::SequenceStart(_, anchor, tag) => {
            builder.open(false, span, anchor, tag_of(tag.as_deref()))?;
        }
        Event::MappingStart(_, anchor, tag) => {
            builder.open(true, span, anchor, tag_of(tag.as_deref()))?;
        }
        Event::SequenceEnd | Event::MappingEnd => builder.close(span.end)?,
        Event::Anchor(id, _) => builder.anchor(id, span),
        Event::Alias(id) => builder.alias(id, span)?,
        Event::UnresolvedAlias(name) => builder.unresolved_alias(&name, span),
        Event::DocumentStart(..) => builder.new_document(),
        _ => {}
    }
    Ok(())
}

fn syntax(builder: &mut Builder<'_>, error: &ScanError, skip: usize) {
    let text = builder.text;
    let at = error.marker().byte_offset().unwrap_or_default() + skip;
    let at = at.min(text.len());
    // An empty span shows badly: take the character that the parser stumbled over.
    let next = text.get(at..).and_then(|rest| rest.chars().next());
    let span = builder.span(at, at + next.map_or(0, char::len_utf8));
    if matches!(
        error.kind(),
        granit_parser::ErrorKind::RecursionLimitExceeded
    ) {
        let _ = builder.not_too_deep(usize::MAX, span);
        return;
    }
    let mut d = Diagnostic::new(
        Code::SYNTAX,
        span,
        format!("this is not valid YAML: {}", error.info()),
    );
    if let Some(help) = super::hint::hint(text, at) {
        d = d.help(help);
    }
    builder.sink.push(d);
}

fn tag_of(tag: Option<&YamlTag>) -> Tag {
    let Some(tag) = tag else { return Tag::None };
    match (tag.handle(), tag.suffix()) {
        ("!", "reset") => Tag::Reset,
        ("!", "override") => Tag::Override,
        _ if tag.is_yaml_core_schema_tag("str") => Tag::Str,
        _ => Tag::Other,
    }
}
