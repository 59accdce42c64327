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

    /// Something dangerous was asked for, and not confirmed.
    pub(super) fn unsure() -> Failure {
        Failure {
            detail: said(messages::UNSURE),
            hint: None,
        }
    }

    /// Something dangerous was asked for without a reason.
    pub(super) fn no_reason() -> Failure {
        Failure {
            detail: said(messages::NO_REASON),
            hint: None,
        }
    }
}
