//! For a browser, without graphviz: hosts on the left, networks on the right, a line for each address.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Graph;

const WIDTH: usize = 1000;
const MARGIN: usize = 20;
/// Of a line of text, with the space around it.
const ROW: usize = 26;
const HOST_WIDTH: usize = 300;
const NETWORK_LEFT: usize = 560;
const NETWORK_HEIGHT: usize = 56;
/// Told apart by people who see colours differently (Okabe and Ito).
const COLORS: [&str; 7] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000",
];

/// The picture as an SVG document.
#[must_use]
pub fn svg(graph: &Graph) -> String {
    let mut body = String::new();
    let mut pods = BTreeMap::new();
    let mut top = MARGIN + ROW;
    for host in &graph.hosts {
        let height = (host.pods.len() + 1) * ROW + ROW / 2;
        rectangle(
            &mut body, MARGIN, top, HOST_WIDTH, height, "#f4f4f4", "#888888",
        );
        label(&mut body, MARGIN + 10, top + 18, "bold", &host.name);
        for (index, pod) in host.pods.iter().enumerate() {
            let row = top + (index + 1) * ROW;
            rectangle(
                &mut body,
                MARGIN + 10,
                row,
                HOST_WIDTH - 20,
                ROW - 4,
                "#ffffff",
                "#444444",
            );
            label(&mut body, MARGIN + 18, row + 16, "normal", pod);
            pods.insert(pod.as_str(), row + (ROW - 4) / 2);
        }
        top += height + MARGIN;
    }
    let left_end = top;
    let mut networks = Vec::new();
    top = MARGIN + ROW;
    for (index, network) in graph.networks.iter().enumerate() {
        let color = COLORS[index % COLORS.len()];
        rectangle(
            &mut body,
            NETWORK_LEFT,
            top,
            WIDTH - NETWORK_LEFT - MARGIN,
            NETWORK_HEIGHT,
            "#ffffff",
            color,
        );
        label(
            &mut body,
            NETWORK_LEFT + 10,
            top + 22,
            "bold",
            &network.name,
        );
        label(
            &mut body,
            NETWORK_LEFT + 10,
            top + 42,
            "normal",
            &network.details,
        );
        networks.push((top + NETWORK_HEIGHT / 2, color));
        top += NETWORK_HEIGHT + MARGIN;
    }
    for edge in &graph.edges {
        let (Some(from), Some((to, color))) =
            (pods.get(edge.pod.as_str()), networks.get(edge.network))
        else {
            continue;
        };
        let _ = writeln!(
            body,
            "<path d=\"M{} {from} C{} {from} {} {to} {NETWORK_LEFT} {to}\" fill=\"none\" stroke=\"{color}\"><title>{}</title></path>",
            MARGIN + HOST_WIDTH - 10,
            MARGIN + HOST_WIDTH + 120,
            NETWORK_LEFT - 120,
            escaped(&format!(
                "{} in {}: {}",
                edge.pod, graph.networks[edge.network].name, edge.label
            )),
        );
    }
    let height = left_end.max(top) + MARGIN;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<title>{title}</title>\n<text x=\"{MARGIN}\" y=\"26\" \
         font-size=\"16\">{title}</text>\n{body}</svg>\n",
        title = escaped(&graph.title)
    )
}

fn rectangle(
    body: &mut String,
    x: usize,
    y: usize,
    width: usize,
    height: usize,
    fill: &str,
    stroke: &str,
) {
    let _ = writeln!(
        body,
        "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"4\" fill=\"{fill}\" stroke=\"{stroke}\"/>"
    );
}

fn label(body: &mut String, x: usize, y: usize, weight: &str, text: &str) {
    let _ = writeln!(
        body,
        "<text x=\"{x}\" y=\"{y}\" font-weight=\"{weight}\">{}</text>",
        escaped(text)
    );
}

/// What may stand in a text or an attribute: names come from files, and XML has no place for control characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}
