//! Whether the two readers make the same of a file: asked by the tests and the fuzz targets.
#![cfg(any(test, fuzzing))]

use super::build::{Builder, Limits, Stop};
use super::tree::{Kind, Node, Tree};
use super::{parse, quick};
use crate::diagnostic::Sink;
use crate::options::Profile;
use crate::span::FileId;

const DEPTH: usize = 40;

/// Where the readers differ; `None` where they agree, or the file is not for the quick one.
pub(crate) fn disagreement(text: &str) -> Option<String> {
    let events = quick::read(text, DEPTH)?;
    let quick = reading(text, |builder| parse::quickly(builder, &events));
    let full = reading(text, parse::fully);
    let differ = |(a, b): &(&String, &String)| a != b;
    match quick.iter().zip(&full).find(differ) {
        Some((quick, full)) => Some(format!("quick: {quick}\nfull: {full}")),
        None if quick.len() == full.len() => None,
        None => Some(format!(
            "quick: {} lines\nfull: {}",
            quick.len(),
            full.len()
        )),
    }
}

/// Whether the quick reader takes the file.
#[cfg(test)]
fn is_quick(text: &str) -> bool {
    quick::read(text, DEPTH).is_some()
}

/// All that a reading leaves behind, in words: nodes, then the rest.
fn reading(text: &str, read: impl Fn(&mut Builder<'_>) -> Result<(), Stop>) -> Vec<String> {
    let mut tree = Tree::default();
    let mut limits = Limits {
        nodes: 50_000,
        depth: DEPTH,
    };
    let mut sink = Sink::new(Profile::Strict);
    tree.add_text(FileId(0), text.into());
    let mut builder = Builder::new(&mut tree, FileId(0), text, &mut limits, &mut sink);
    let stopped = read(&mut builder).is_err();
    let parsed = builder.out;
    let mut out: Vec<String> = tree
        .nodes()
        .iter()
        .map(|node| shown(&tree, *node))
        .collect();
    out.push(format!("{parsed:?}"));
    out.push(format!("{} left, stopped: {stopped}", limits.nodes));
    out.push(format!("{sink:?}"));
    out
}

fn shown(tree: &Tree, node: Node) -> String {
    let Node { span, kind, tag } = node;
    let what = match kind {
        Kind::Scalar { text, plain } => format!("{:?}, plain: {plain}", tree.text(span, text)),
        Kind::Seq { start, len } => format!("{:?}", tree.items_at(start, len)),
        Kind::Map { start, len } => format!("{:?}", tree.entries_at(start, len)),
        Kind::Alias(id) => format!("{id:?}"),
    };
    format!("{:?}, {tag:?}: {what}", span.range())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{disagreement, is_quick};

    #[test]
    fn the_quick_reader_takes_what_compose_files_are_written_in() {
        for text in [
            "a: b # c\n# d\n\ne: 'f''g'\nh: \"i\\n\"",
            "---\na:\n- b\n-   c: d\n    e: f\n- - g\n-\n  h\ni:\n",
            "a: [b, \"c\", {d: e, \"f\":1, g: }, 'h']\nb: [\n  x,\n]\n",
            "x: &x\n  a: b\ny:\n  <<: *x\nz: &z [c]\nw: *z\n",
            "a: |\n  b\n   c\n\n  d\n\ne:\n  - |-\n    f\n  - |+\n    g\n\n",
            "a: 80:80\nb: http://c#d\ne: -1\nf: $X\ng: é\n",
            "-  # nothing\n- \n- x\n",
        ] {
            assert!(is_quick(text), "{text}");
            assert_eq!(disagreement(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_rare_or_wrong_is_left_to_the_full_parser() {
        for text in [
            "",
            "# nothing\n",
            "a: b\n c\n",
            "a: >\n  b\n",
            "a: !reset b\n",
            "a:\tb\n",
            "a: b\r\n",
            "a: 'b\n  c'\n",
            "? a\n: b\n",
            "a: b\n---\nc: d\n",
            "a: b: c\n",
            "a: [b\n",
            "a: [b c: d]\n",
            "a: *b\n",
            "a: &b\n  c: *b\n",
            "%YAML 1.2\n---\na: b\n",
            "\u{feff}a: b\n",
            "a:\n    b: c\n  d: e\n",
        ] {
            assert!(!is_quick(text), "{text}");
        }
    }

    #[test]
    fn the_readers_agree_on_the_files_of_the_tests() {
        let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
        let mut quick = 0;
        for folder in ["files", "seed"] {
            for entry in std::fs::read_dir(format!("{tests}/{folder}")).unwrap() {
                let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
                assert_eq!(disagreement(&text), None, "{text}");
                quick += usize::from(is_quick(&text));
            }
        }
        assert!(quick >= 12, "{quick}");
    }

    /// Pieces that, put together at random, are YAML now and then, and nearly so else.
    const PIECES: &[&str] = &[
        "a", "b: ", "c:", "- ", "-", "\n", "\n", "\n  ", "\n    ", "\n ", "  ", " ", "'", "\"",
        "''", "\\", "\\n", "[", "]", "{", "}", ", ", ",", ":", "#", " # x", "&x ", "*x", "|", "|-",
        "|+", "x", "<<: ", "---", "...", "$X", "é", "80:80", "?", "!", ">", "%", "@", "~", "\t",
        "\r",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_readers_agree_on_anything(
            pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..40)
        ) {
            let text = pieces.concat();
            prop_assert_eq!(disagreement(&text), None, "{}", text);
        }

        /// More structure: lines of an entry each, at random indentation.
        #[test]
        fn the_readers_agree_on_lines(
            lines in proptest::collection::vec(
                (0_usize..4, proptest::sample::select(PIECES), proptest::sample::select(PIECES), any::<bool>()),
                0..12
            )
        ) {
            let mut text = String::new();
            for (i, (indent, key, value, item)) in lines.into_iter().enumerate() {
                let dash = if item { "- " } else { "" };
                text += &format!("{}{dash}k{i}{key}: {value}\n", "  ".repeat(indent));
            }
            prop_assert_eq!(disagreement(&text), None, "{}", text);
        }
    }
}
