//! Colours, where a person looks: standard output is a terminal, and nobody said NO_COLOR.

use std::ffi::OsStr;
use std::io::IsTerminal as _;

/// What a text is to the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// The name of what follows.
    Head,
    /// Less important than the rest.
    Quiet,
    /// Look at it soon.
    Soon,
    /// Look at it now.
    Urgent,
}

/// Whether colours are used.
#[derive(Clone, Copy)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// For standard output.
    pub(crate) fn of_output() -> Paint {
        let variable = |name: &str| std::env::var_os(name);
        Paint {
            on: wanted(
                std::io::stdout().is_terminal(),
                variable("NO_COLOR").as_deref(),
                variable("TERM").as_deref(),
            ),
        }
    }

    /// The text in its tone.
    pub(crate) fn tone(self, tone: Tone, text: &str) -> String {
        if !self.on {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Head => "1",
            Tone::Quiet => "2",
            Tone::Soon => "33",
            Tone::Urgent => "1;31",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// NO_COLOR counts when it is not empty (no-color.org); a dumb terminal shows none.
fn wanted(terminal: bool, no_color: Option<&OsStr>, term: Option<&OsStr>) -> bool {
    terminal && no_color.is_none_or(OsStr::is_empty) && term.is_none_or(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_that_nobody_asked_to_be_plain_shows_colours() {
        let (some, empty) = (Some(OsStr::new("1")), Some(OsStr::new("")));
        assert!(wanted(true, None, None) && wanted(true, empty, Some(OsStr::new("xterm"))));
        assert!(!wanted(false, None, None));
        assert!(!wanted(true, some, None));
        assert!(!wanted(true, None, Some(OsStr::new("dumb"))));
        assert_eq!(Paint { on: false }.tone(Tone::Urgent, "now"), "now");
        assert_eq!(Paint { on: true }.tone(Tone::Soon, "now"), "\u{1b}[33mnow\u{1b}[0m");
    }
}
