//! Secrets that a person gives in a file: on a command line they would stand in the list of processes.

use std::path::Path;

use crate::failure::{Failure, Result};

/// The secret that a file holds: its text without the end of the last line, which editors write and nobody means.
pub(crate) fn in_file(file: &Path) -> Result<String> {
    let text = std::fs::read_to_string(file).map_err(|error| Failure::io("read", file, &error))?;
    Ok(without_end(&text).to_owned())
}

/// A text without the end of its last line. Spaces stay, since a secret may have them.
pub(crate) fn without_end(text: &str) -> &str {
    let line = text.strip_suffix('\n').unwrap_or(text);
    line.strip_suffix('\r').unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_its_spaces_and_no_end_of_a_line() {
        for text in [" a b ", " a b \n", " a b \r\n"] {
            assert_eq!(without_end(text), " a b ");
        }
        assert_eq!(without_end("a\n\n"), "a\n");
    }
}
