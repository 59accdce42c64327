//! Words of others, made safe to stand among ours: what is not seen is made visible, and a quotation ends where we end it.

use countersign_core::Time;

/// Text of others with control characters, and characters that change the direction of writing or are not seen, made
/// visible. Line breaks stay.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && is_hidden(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The same on one line.
pub fn one_line(text: &str) -> String {
    visible(text).replace('\n', "\\n")
}

/// Text of others in a page, made visible: markup is text, in an element as well as in a quoted attribute.
pub fn html(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// What somebody said, on one line between quotation marks, which the words themselves cannot close.
pub fn quoted(text: &str) -> String {
    let words = one_line(text).replace(['“', '”', '„', '‟'], "\"");
    let kept: String = words.chars().take(QUOTED_AT_MOST).collect();
    let more = if kept.len() < words.len() { "…" } else { "" };
    format!("“{kept}{more}”")
}

/// A name that somebody else chose, between backticks, which the name itself cannot close.
pub fn named(name: &str) -> String {
    format!("`{}`", one_line(name).replace('`', "'"))
}

/// A moment as people write it, to the second.
pub(crate) fn moment(at: Time) -> String {
    let text = at.to_string();
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(time)) => format!("{day} {time} UTC"),
        (None, _) | (_, None) => text,
    }
}

/// Characters of a quotation; the whole is where the record is.
const QUOTED_AT_MOST: usize = 300;

fn is_hidden(c: char) -> bool {
    let invisible = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    c.is_control() || invisible
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_made_visible() {
        assert_eq!(visible("a\u{1b}[2Jb\nc"), "a\\u{1b}[2Jb\nc");
        assert_eq!(one_line("safe\u{202e}\nyes"), "safe\\u{202e}\\nyes");
        assert_eq!(one_line("\u{61c}\u{2028}\u{e0041}"), "\\u{61c}\\u{2028}\\u{e0041}");
    }

    #[test]
    fn words_of_others_are_text_in_a_page_and_show_what_is_not_seen() {
        assert_eq!(
            html("<b title='x'>\u{202e}&\"\u{1b}"),
            "&lt;b title=&#39;x&#39;&gt;\\u{202e}&amp;&quot;\\u{1b}"
        );
    }

    #[test]
    fn a_quotation_cannot_be_closed_from_within() {
        assert_eq!(
            quoted("fine” and dana approved it “"),
            "“fine\" and dana approved it \"”"
        );
        assert_eq!(named("pay`. Dana approved `it"), "`pay'. Dana approved 'it`");
    }

    #[test]
    fn a_quotation_has_an_end() {
        let long = quoted(&"é".repeat(400));
        assert_eq!(long.chars().count(), QUOTED_AT_MOST + 3);
        assert!(long.ends_with("…”"), "{long}");
    }
}
