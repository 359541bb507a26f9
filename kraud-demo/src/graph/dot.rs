//! For graphviz.

use std::fmt::Write;

use super::Graph;

/// The picture in graphviz's language, for `dot` or `neato`.
#[must_use]
pub fn dot(graph: &Graph) -> String {
    let mut text = format!(
        "graph {} {{\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=9];\n",
        quoted(&graph.title)
    );
    for (index, host) in graph.hosts.iter().enumerate() {
        let _ = writeln!(
            text,
            "  subgraph cluster_{index} {{\n    label={};",
            quoted(&host.name)
        );
        for pod in &host.pods {
            let _ = writeln!(text, "    {};", quoted(pod));
        }
        text.push_str("  }\n");
    }
    for (index, network) in graph.networks.iter().enumerate() {
        let label = format!("{}\n{}", network.name, network.details);
        let _ = writeln!(
            text,
            "  net{index} [shape=ellipse, label={}];",
            quoted(&label)
        );
    }
    for edge in &graph.edges {
        let label = edge.label.replace(' ', "\n");
        let _ = writeln!(
            text,
            "  {} -- net{} [label={}];",
            quoted(&edge.pod),
            edge.network,
            quoted(&label)
        );
    }
    text.push_str("}\n");
    text
}

/// A quoted id: in it only the quote has a meaning to the language, but a backslash has one to labels.
fn quoted(text: &str) -> String {
    let text = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("\"{text}\"")
}
