//! Why a command was not carried out. A deny is not a refusal: it is a decision, and recorded.

/// What kind of refusal it is; the faces map it to their own status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// The command itself is not right.
    Invalid,
    /// The caller may not.
    Forbidden,
    /// There is no such thing, or not for this caller.
    Missing,
    /// It does not fit the present state.
    Conflict,
    /// It was possible once, and is over.
    Gone,
    /// Too often.
    Throttled,
    /// Not now.
    Unavailable,
}

/// A refused command: a stable code, one line of what happened, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// What kind of refusal it is.
    pub category: Category,
    /// A stable word, such as `digest_mismatch`.
    pub code: &'static str,
    /// What happened: lower case, one line, the caller's text in backticks.
    pub detail: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl Refusal {
    /// A refusal without a hint.
    pub fn new(category: Category, code: &'static str, detail: impl Into<String>) -> Self {
        Refusal {
            category,
            code,
            detail: detail.into(),
            hint: None,
        }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// There is no `what` of that id for this caller.
    pub fn missing(what: &str, id: impl std::fmt::Display) -> Self {
        Refusal::new(Category::Missing, "not_found", format!("there is no {what} `{id}`"))
    }

    /// It does not fit the present state.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Refusal::new(Category::Conflict, code, detail)
    }

    /// The caller may not.
    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Refusal::new(Category::Forbidden, code, detail)
    }

    /// The command itself is not right.
    pub fn invalid(code: &'static str, detail: impl Into<String>) -> Self {
        Refusal::new(Category::Invalid, code, detail)
    }
}
