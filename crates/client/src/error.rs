//! What can go wrong with a call.

use serde::Deserialize;

/// An RFC 9457 problem document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// A stable word, such as `digest_mismatch`.
    pub code: String,
    /// One line of what happened.
    pub detail: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl Problem {
    /// Reads the body of an answer that is not a success. What is not a problem document becomes one that says so.
    pub(crate) fn read(status: u16, body: &[u8]) -> Problem {
        let mut problem: Problem = serde_json::from_slice(body).unwrap_or_default();
        problem.status = status;
        if problem.detail.is_empty() {
            let text: String = String::from_utf8_lossy(body).chars().take(200).collect();
            problem.detail = if text.trim().is_empty() {
                format!("the server answered {status}")
            } else {
                text
            };
        }
        problem
    }
}

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The request could not be made.
    #[error("{0}")]
    Setup(String),
    /// No answer came.
    #[error("cannot reach the server at {url}: {why}")]
    Unreachable {
        /// Where it should be.
        url: String,
        /// What happened.
        why: String,
    },
    /// The server refused, and said why.
    #[error("{}", .0.detail)]
    Problem(Box<Problem>),
    /// The answer is not what this client knows.
    #[error("the answer of {url} cannot be read: {why}")]
    Unreadable {
        /// Whose answer.
        url: String,
        /// What is wrong with it.
        why: String,
    },
}

impl ClientError {
    /// The stable word of the problem document, if the server sent one.
    pub fn code(&self) -> Option<&str> {
        match self {
            ClientError::Problem(problem) => Some(&problem.code),
            ClientError::Setup(_) | ClientError::Unreachable { .. } | ClientError::Unreadable { .. } => None,
        }
    }
}

/// The last error of a chain: the one that says what happened.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
