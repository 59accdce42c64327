//! Words of others on a page: markup is text, what is not seen is shown, and what pretends to be other letters is marked.

use std::fmt;

use askama::filters::HtmlSafe;
use countersign_api::visible::{self, visible};
use serde_json::Value;

/// How many characters of one text are shown at once; the rest is behind a fold that says how much it is.
const SHOWN_AT_MOST: usize = 600;
/// How deep values are unfolded; deeper ones are shown as JSON.
const DEPTH_AT_MOST: usize = 6;

/// Markup that is safe to put on a page as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Html(String);

impl fmt::Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Html {}

impl Html {
    /// Markup of our own making.
    pub(crate) fn of_ours(markup: String) -> Html {
        Html(markup)
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Text of others, whole.
pub fn said(text: &str) -> Html {
    let mut html = String::with_capacity(text.len() + 16);
    push(&mut html, text);
    Html(html)
}

/// Text of others; where it is long, the beginning, and a fold with the rest that says how much there is.
pub fn folded(text: &str) -> Html {
    let mut html = String::with_capacity(text.len() + 16);
    let Some((cut, _)) = text.char_indices().nth(SHOWN_AT_MOST) else {
        push(&mut html, text);
        return Html(html);
    };
    let (head, rest) = text.split_at(cut);
    push(&mut html, head);
    let more = rest.chars().count();
    html += &format!("<details class=\"rest\"><summary>{more} more characters</summary>");
    push(&mut html, rest);
    html += "</details>";
    Html(html)
}

/// A value of others as nested lists of names and values.
pub fn value(value: &Value) -> Html {
    let mut html = String::new();
    push_value(&mut html, value, 0);
    Html(html)
}

fn push_value(html: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(members) if depth < DEPTH_AT_MOST && !members.is_empty() => {
            *html += "<dl class=\"value\">";
            for (name, value) in members {
                *html += "<div><dt>";
                push(html, name);
                *html += "</dt><dd>";
                push_value(html, value, depth + 1);
                *html += "</dd></div>";
            }
            *html += "</dl>";
        }
        Value::Array(items) if depth < DEPTH_AT_MOST && !items.is_empty() => {
            *html += "<ol class=\"value\">";
            for item in items {
                *html += "<li>";
                push_value(html, item, depth + 1);
                *html += "</li>";
            }
            *html += "</ol>";
        }
        Value::String(text) => *html += &folded(text).0,
        other => {
            *html += "<code>";
            *html += &folded(&other.to_string()).0;
            *html += "</code>";
        }
    }
}

fn push(html: &mut String, text: &str) {
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        match scripts(word) {
            Some(scripts) => {
                *html += &format!("<mark class=\"mixed\" title=\"letters of {scripts}\">");
                *html += &visible::html(word);
                *html += "</mark>";
            }
            None => *html += &visible::html(word),
        }
        let between = after.find(char::is_alphabetic).unwrap_or(after.len());
        let (between, after) = after.split_at(between);
        for c in between.chars() {
            one(html, c);
        }
        rest = after;
    }
}

/// A character that is no letter: what is not seen is written out, in a box that tells it from text that looks the same.
fn one(html: &mut String, c: char) {
    let mut buffer = [0; 4];
    let text: &str = c.encode_utf8(&mut buffer);
    let shown = visible(text);
    if shown == text {
        *html += &visible::html(text);
    } else {
        *html += "<mark class=\"unseen\" title=\"a character that is not seen\">";
        *html += &shown;
        *html += "</mark>";
    }
}

/// The scripts of one word, where it mixes those whose letters look alike.
fn scripts(word: &str) -> Option<String> {
    if word.is_ascii() {
        return None;
    }
    let mut found = [
        ("Latin", false),
        ("Cyrillic", false),
        ("Greek", false),
        ("full-width Latin", false),
        ("mathematical letters", false),
    ];
    for c in word.chars() {
        let script = match c {
            'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => 0,
            '\u{400}'..='\u{52f}' | '\u{1c80}'..='\u{1c8f}' => 1,
            '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => 2,
            '\u{ff21}'..='\u{ff3a}' | '\u{ff41}'..='\u{ff5a}' => 3,
            '\u{1d400}'..='\u{1d7ff}' => 4,
            _ => continue,
        };
        if let Some(slot) = found.get_mut(script) {
            slot.1 = true;
        }
    }
    let names: Vec<&str> = found
        .iter()
        .filter(|(_, there)| *there)
        .map(|(name, _)| *name)
        .collect();
    let alike = names
        .iter()
        .any(|name| name.contains("full-width") || name.contains("mathematical"));
    (names.len() > 1 || alike).then(|| names.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_text() {
        assert_eq!(
            said("<script>alert('x')</script>").to_string(),
            "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"
        );
    }

    #[test]
    fn what_is_not_seen_is_shown() {
        let html = said("pay\u{202e}lla\u{200b}").to_string();
        assert!(html.contains(r"\u{202e}") && html.contains(r"\u{200b}"), "{html}");
        assert!(!html.contains('\u{202e}') && !html.contains('\u{200b}'), "{html}");
    }

    #[test]
    fn a_word_of_two_scripts_is_marked_and_a_word_of_one_is_not() {
        assert!(said("p\u{430}ypal").to_string().contains("Latin and Cyrillic"));
        assert!(
            said("\u{ff50}\u{ff41}\u{ff59}")
                .to_string()
                .contains("full-width Latin")
        );
        for fine in ["paypal", "Привет", "Ελλάδα", "Grüße aus Zürich"] {
            assert_eq!(said(fine).to_string(), fine);
        }
    }

    #[test]
    fn long_text_is_folded_with_the_exact_count() {
        let html = folded(&"é".repeat(SHOWN_AT_MOST + 1234)).to_string();
        assert!(html.contains("1234 more characters"), "{html}");
        assert!(!folded(&"é".repeat(SHOWN_AT_MOST)).to_string().contains("details"));
    }

    #[test]
    fn values_are_lists_of_names_and_values() {
        let html = value(&serde_json::json!({"to": ["<b>", 3], "deep": {}})).to_string();
        assert_eq!(
            html,
            "<dl class=\"value\"><div><dt>deep</dt><dd><code>{}</code></dd></div>\
             <div><dt>to</dt><dd><ol class=\"value\"><li>&lt;b&gt;</li><li><code>3</code></li></ol></dd></div></dl>"
        );
    }
}
