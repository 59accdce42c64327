//! Messages to and from a process that speaks over its standard input and output, where a line is a message.
//!
//! What was looked at as one message has to arrive as one. JSON may hold ends of lines between its tokens, and readers do
//! not agree on what ends a line: Python's text streams take a bare return for one, Node's `readline` two separators of
//! Unicode as well. So a message goes in without anything that any of them takes for an end, except at its end.

use std::borrow::Cow;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

/// The longest line of either side.
const LONGEST: u64 = 32 * 1024 * 1024;

/// Writes messages to a server, each as one line whoever reads.
pub(crate) async fn feed(mut into: impl tokio::io::AsyncWrite + Unpin, mut messages: mpsc::Receiver<Vec<u8>>) {
    while let Some(message) = messages.recv().await {
        if into.write_all(&one_line(&message)).await.is_err() {
            return;
        }
        if messages.is_empty() && into.flush().await.is_err() {
            return;
        }
    }
}

/// Writes lines to a client, as they came.
pub(crate) async fn write(mut into: impl tokio::io::AsyncWrite + Unpin, mut lines: mpsc::Receiver<Vec<u8>>) {
    while let Some(line) = lines.recv().await {
        if into.write_all(&line).await.is_err() {
            return;
        }
        if lines.is_empty() && into.flush().await.is_err() {
            return;
        }
    }
}

/// The next line, with its end. `None` at the end, or if it is too long to be a message.
pub(crate) async fn next_line(from: &mut (impl tokio::io::AsyncBufRead + Unpin)) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    let length = from.take(LONGEST).read_until(b'\n', &mut line).await.ok()?;
    (length > 0 && (line.ends_with(b"\n") || u64::try_from(length).ok()? < LONGEST)).then_some(line)
}

/// A message of JSON as one line that says the same.
///
/// Returns and line feeds can only stand between tokens, where a space says as much. U+0085, U+2028 and U+2029 can only
/// stand in texts, where they are written as escapes. The other characters that end a line for some reader (U+000B,
/// U+000C, U+001C to U+001E) are nowhere in JSON, and what holds one is refused before.
fn one_line(message: &[u8]) -> Cow<'_, [u8]> {
    let body = message.strip_suffix(b"\n").unwrap_or(message);
    let plain = |byte: &u8| !matches!(byte, b'\r' | b'\n' | 0xC2 | 0xE2);
    if body.len() < message.len() && body.iter().all(plain) {
        return Cow::Borrowed(message);
    }
    let mut line = Vec::with_capacity(message.len() + 1);
    let mut rest = body;
    while let Some((first, after)) = rest.split_first() {
        let (written, left): (&[u8], &[u8]) = match (first, after) {
            (b'\r' | b'\n', _) => (b" ", after),
            (0xC2, [0x85, left @ ..]) => (b"\\u0085", left),
            (0xE2, [0x80, 0xA8, left @ ..]) => (b"\\u2028", left),
            (0xE2, [0x80, 0xA9, left @ ..]) => (b"\\u2029", left),
            _ => (std::slice::from_ref(first), after),
        };
        line.extend(written);
        rest = left;
    }
    line.push(b'\n');
    Cow::Owned(line)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]

    use serde_json::Value;

    use super::*;

    #[test]
    fn a_message_is_one_line_for_every_reader_and_says_the_same() {
        let ends = [
            '\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}',
        ];
        for message in [
            "{\"a\":\n{\"b\":1}\r\n,\r\"c\"\r:\t2}\r\n",
            "\r\n{}\n\n",
            "{\"a\":\"\u{85}\u{2028}é\u{2029}â\u{20ac}\",\"\u{2028}\":1}\n",
            "{\"without\":\"an end\"}",
        ] {
            let line = one_line(message.as_bytes());
            let line = std::str::from_utf8(&line).unwrap();
            let body = line.strip_suffix('\n').unwrap();
            assert!(!body.contains(ends), "{body:?}");
            let says = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            assert_eq!(says(body), says(message));
        }
        let plain = "{ \"a\": \"é\" }\n".as_bytes();
        assert_eq!(one_line(plain).as_ref(), plain, "what is one line stays as it is");
    }

    #[test]
    fn other_ends_of_lines_are_refused_before_they_come_here() {
        for end in ["\u{b}", "\u{c}", "\u{1c}", "\u{1d}", "\u{1e}", "\u{85}", "\u{2028}"] {
            let between = format!("{{\"method\":{end}\"ping\"}}");
            assert!(matches!(
                crate::wire::read(between.as_bytes()),
                crate::wire::Message::Refused { .. }
            ));
        }
        for end in ["\n", "\r", "\u{b}", "\u{c}", "\u{1c}", "\u{1d}", "\u{1e}"] {
            let within = format!("{{\"method\":\"ping\",\"params\":{{\"a\":\"{end}\"}}}}");
            assert!(matches!(
                crate::wire::read(within.as_bytes()),
                crate::wire::Message::Refused { .. }
            ));
        }
    }
}
