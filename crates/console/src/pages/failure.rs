//! What was wrong with what a form sent, said above the form.

use crate::messages;
use crate::page::Trouble;
use crate::said::{Html, said};

/// Why nothing was done, and what to do next.
pub(super) struct Failure {
    pub detail: Html,
    pub hint: Option<Html>,
}

impl Failure {
    /// What the API says; everything that no form can say is a page of its own.
    pub(super) fn of(trouble: Trouble) -> Result<Failure, Trouble> {
        let problem = trouble.into_say()?;
        Ok(Failure {
            detail: said(&problem.detail),
            hint: problem.hint.as_deref().map(said),
        })
    }

    /// What the console says by itself.
    pub(super) fn ours(detail: &str) -> Failure {
        Failure {
            detail: said(detail),
            hint: None,
        }
    }

    /// The same, with what to do next.
    pub(super) fn hint(self, hint: &str) -> Failure {
        Failure {
            hint: Some(said(hint)),
            ..self
        }
    }

    /// Something dangerous was asked for, and not confirmed.
    pub(super) fn unsure() -> Failure {
        Failure::ours(messages::UNSURE)
    }

    /// Something dangerous was asked for without a reason.
    pub(super) fn no_reason() -> Failure {
        Failure::ours(messages::NO_REASON)
    }
}
