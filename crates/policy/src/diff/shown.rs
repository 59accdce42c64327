//! Values as sentences show them.

use crate::yaml::{Kind, Node};

/// Longest value that a sentence shows, in characters.
const SHOWN: usize = 160;

/// A value as a sentence shows it.
pub(super) fn shown(node: &Node) -> String {
    fn write(node: &Node, into: &mut String) {
        if into.chars().count() > SHOWN {
            return;
        }
        match &node.kind {
            Kind::Scalar { text, .. } => into.push_str(&text.split_whitespace().collect::<Vec<_>>().join(" ")),
            Kind::Seq(items) => {
                for (place, item) in items.iter().enumerate() {
                    into.push_str(if place > 0 { ", " } else { "" });
                    write(item, into);
                }
            }
            Kind::Map(_) => {
                for (place, (name, value)) in node.members().enumerate() {
                    into.push_str(if place > 0 { "; " } else { "" });
                    into.push_str(name);
                    into.push(' ');
                    write(value, into);
                }
            }
        }
    }
    let mut text = String::new();
    write(node, &mut text);
    if text.is_empty() {
        text.push_str("nothing");
    }
    cut(&text)
}

/// One line of a text, of bounded length.
pub(super) fn cut(text: &str) -> String {
    let mut line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(SHOWN) {
        line.truncate(end);
        line.push('…');
    }
    line
}
