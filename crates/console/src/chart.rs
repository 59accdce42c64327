//! Charts as SVG, drawn here: shapes with classes, a title and the same numbers as text for whoever does not see them.

use std::fmt::Write as _;

use crate::said::{Html, said};

/// One column of a chart: what it is called, and how much of each kind it has.
pub(crate) struct Column {
    pub name: String,
    pub parts: Vec<u64>,
}

/// A kind that is stacked: its name, and the class of its colour.
pub(crate) struct Kind {
    pub name: &'static str,
    pub class: &'static str,
}

const WIDTH: u64 = 640;
const HEIGHT: u64 = 160;
const BASE: u64 = 140;

/// Columns of stacked kinds, scaled to the highest.
pub(crate) fn stacked(title: &str, kinds: &[Kind], columns: &[Column]) -> Html {
    let highest = columns
        .iter()
        .map(|column| column.parts.iter().sum::<u64>())
        .max()
        .unwrap_or(0)
        .max(1);
    let step = WIDTH / (columns.len().max(1) as u64);
    let width = step.saturating_sub(step / 4).max(2);
    let mut svg = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        said(title)
    );
    let _ = write!(
        svg,
        "<line class=\"s-line\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{BASE}\" y2=\"{BASE}\"/>"
    );
    for (at, column) in columns.iter().enumerate() {
        let left = at as u64 * step + (step - width) / 2;
        let mut floor = BASE;
        let told: Vec<String> = (kinds.iter().zip(&column.parts))
            .filter(|(_, count)| **count > 0)
            .map(|(kind, count)| format!("{count} {}", kind.name))
            .collect();
        let told = if told.is_empty() {
            "nothing".to_owned()
        } else {
            told.join(", ")
        };
        let _ = write!(svg, "<g><title>{}: {told}</title>", said(&column.name));
        let _ = write!(
            svg,
            "<rect x=\"{left}\" y=\"0\" width=\"{width}\" height=\"{BASE}\" fill=\"transparent\"/>"
        );
        for (kind, count) in kinds.iter().zip(&column.parts) {
            let height = scaled(*count, highest);
            floor -= height;
            if height > 0 {
                let class = kind.class;
                let _ = write!(
                    svg,
                    "<rect class=\"{class}\" x=\"{left}\" y=\"{floor}\" width=\"{width}\" height=\"{height}\" rx=\"1\"/>"
                );
            }
        }
        svg += "</g>";
        if columns.len() <= 7 || at % (columns.len() / 7 + 1) == 0 {
            let middle = (left + width / 2).max(18);
            let _ = write!(
                svg,
                "<text x=\"{middle}\" y=\"155\" text-anchor=\"middle\">{}</text>",
                said(&column.name)
            );
        }
    }
    let _ = write!(svg, "<text x=\"0\" y=\"10\">{highest}</text></svg>");
    Html::of_ours(svg + &legend(kinds) + &table(title, kinds, columns))
}

/// So much of the height, and something wherever there is something.
fn scaled(count: u64, highest: u64) -> u64 {
    match count {
        0 => 0,
        count => (count.saturating_mul(BASE - 14) / highest).max(1),
    }
}

fn legend(kinds: &[Kind]) -> String {
    let mut html = String::from("<p class=\"legend\" aria-hidden=\"true\">");
    for kind in kinds {
        let _ = write!(
            html,
            "<svg viewBox=\"0 0 10 10\" width=\"10\" height=\"10\"><rect class=\"{}\" width=\"10\" height=\"10\" rx=\"2\"/></svg> {} ",
            kind.class, kind.name
        );
    }
    html + "</p>"
}

fn table(title: &str, kinds: &[Kind], columns: &[Column]) -> String {
    let mut html = format!(
        "<details class=\"numbers\"><summary>Numbers</summary><table><caption class=\"sr\">{}</caption><thead><tr><th></th>",
        said(title)
    );
    for kind in kinds {
        let _ = write!(html, "<th class=\"number\">{}</th>", kind.name);
    }
    html += "</tr></thead><tbody>";
    for column in columns {
        let _ = write!(html, "<tr><th scope=\"row\">{}</th>", said(&column.name));
        for count in &column.parts {
            let _ = write!(html, "<td class=\"number\">{count}</td>");
        }
        html += "</tr>";
    }
    html + "</tbody></table></details>"
}

/// How much of something is used, in per mille of it: a bar that says so in words as well.
pub(crate) fn meter(label: &str, used_permille: u64) -> Html {
    let width = used_permille.min(1000);
    let class = match used_permille {
        0..=799 => "c-accent",
        800..=999 => "c-warn",
        _ => "c-bad",
    };
    Html::of_ours(format!(
        "<svg class=\"meter\" viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">\
         <rect class=\"c-quiet\" width=\"1000\" height=\"10\"/><rect class=\"{class}\" width=\"{width}\" height=\"10\"/></svg>",
        said(label)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_says_its_numbers_as_text() {
        let kinds = [
            Kind {
                name: "allowed",
                class: "c-good",
            },
            Kind {
                name: "denied",
                class: "c-bad",
            },
        ];
        let columns = [
            Column {
                name: "Mon".into(),
                parts: vec![10, 1],
            },
            Column {
                name: "<b>".into(),
                parts: vec![0, 0],
            },
        ];
        let html = stacked("Decisions", &kinds, &columns).to_string();
        assert!(
            html.contains("Mon: 10 allowed, 1 denied") && html.contains("&lt;b&gt;: nothing"),
            "{html}"
        );
        assert!(html.contains("<td class=\"number\">10</td>"), "{html}");
    }

    #[test]
    fn what_is_over_is_told_and_drawn_full() {
        let html = meter("120 of 100", 1200).to_string();
        assert!(
            html.contains("width=\"1000\" height=\"10\"/></svg>") && html.contains("c-bad"),
            "{html}"
        );
    }
}
