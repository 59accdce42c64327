//! What can go wrong with an export.

/// A source did not give what was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct SourceError {
    /// What happened.
    pub what: String,
    /// What to do next.
    pub next: Option<String>,
    /// The source was reached and said no; asking again changes nothing.
    pub refused: bool,
    /// A stable word for it.
    pub code: String,
}

/// Why an export did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The records are not what a signed checkpoint says, or what was exported before: evidence, to be kept.
    #[error("{0}")]
    Finding(String),
    /// The source failed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// What the source said cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The destination failed.
    #[error("cannot {doing} `{name}`: {why}")]
    Place {
        /// What was tried.
        doing: &'static str,
        /// With what.
        name: String,
        /// Why it failed.
        why: String,
    },
    /// This build cannot do it.
    #[error("this build of countersign has no {what}")]
    MissingFeature {
        /// What it lacks.
        what: &'static str,
        /// The cargo feature that brings it.
        feature: &'static str,
    },
    /// What was asked for makes no sense.
    #[error("{what}")]
    Usage {
        /// What is wrong with it.
        what: String,
        /// What to do next.
        next: String,
    },
}

impl ExportError {
    pub(crate) fn place(doing: &'static str, name: impl Into<String>, why: impl ToString) -> ExportError {
        ExportError::Place {
            doing,
            name: name.into(),
            why: why.to_string(),
        }
    }
}
