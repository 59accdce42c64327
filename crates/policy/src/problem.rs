//! What is wrong with a document, where, and what to do about it.

use std::ops::Range;

/// How bad a [`Problem`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The document loads; somebody should look.
    Warning,
    /// The document does not load.
    Error,
}

/// One finding in a policy document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// A stable word for the kind of finding, such as `unknown_field`.
    pub code: &'static str,
    /// The document's file name, as given.
    pub file: String,
    /// The bytes of the source that the finding is about.
    pub span: Range<usize>,
    /// Line of the span's start, from 1.
    pub line: u32,
    /// Column of the span's start, in characters, from 1.
    pub column: u32,
    /// What is wrong: lower case, one line, the user's text in backticks.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}
