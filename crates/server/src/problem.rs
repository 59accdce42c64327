//! The one place that turns what went wrong into HTTP.

use countersign_api::policies::PolicyProblem;
use countersign_api::problem::{Problem as Document, title};
use countersign_core::{Category, Refusal};
use countersign_engine::EngineError;

/// After how many seconds a throttled request may come again, where nothing else says.
const THROTTLED_S: u32 = 60;

/// What went wrong with a request.
#[derive(Debug)]
pub(crate) struct Problem {
    pub status: u16,
    pub code: &'static str,
    pub detail: String,
    pub hint: Option<String>,
    pub retry_after_s: Option<u32>,
    pub policy: Box<[PolicyProblem]>,
    /// What only the log may know.
    pub internal: Option<String>,
}

impl Problem {
    pub(crate) fn new(status: u16, code: &'static str, detail: impl Into<String>) -> Problem {
        let detail = detail.into();
        Problem {
            status,
            code,
            detail,
            hint: None,
            retry_after_s: None,
            policy: Box::default(),
            internal: None,
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn invalid(code: &'static str, detail: impl Into<String>) -> Problem {
        Problem::new(422, code, detail)
    }

    pub(crate) fn missing(what: &str, id: &str) -> Problem {
        Refusal::missing(what, id.chars().take(128).collect::<String>()).into()
    }

    pub(crate) fn internal(detail: impl std::fmt::Display) -> Problem {
        let mut problem = Problem::new(
            500,
            "internal",
            "something went wrong on our side; nothing is known to have happened",
        );
        problem.internal = Some(detail.to_string());
        problem.hint("read the state again before you repeat it; the request id finds it in the server's log")
    }

    /// The document that the client gets.
    pub(crate) fn document(&self, request_id: &str) -> Document {
        Document {
            kind: format!("/docs#{}", self.code),
            title: title(self.status).to_owned(),
            status: self.status,
            code: self.code.to_owned(),
            detail: self.detail.clone(),
            hint: self.hint.clone(),
            request_id: request_id.to_owned(),
            problems: self.policy.to_vec(),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, retry_after_s) = match (refusal.category, refusal.code) {
            (Category::Invalid, "invalid_json") => (400, None),
            (Category::Invalid, _) => (422, None),
            (Category::Forbidden, "unauthenticated") => (401, None),
            (Category::Forbidden, _) => (403, None),
            (Category::Missing, _) => (404, None),
            (Category::Conflict, _) => (409, None),
            (Category::Gone, _) => (410, None),
            (Category::Throttled, _) => (429, Some(THROTTLED_S)),
            (Category::Unavailable, _) => (503, Some(1)),
        };
        Problem {
            hint: refusal.hint,
            retry_after_s,
            ..Problem::new(status, refusal.code, refusal.detail)
        }
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Refused(refusal) => refusal.into(),
            EngineError::Unauthenticated(detail) => unauthenticated(detail),
            // What is told here is for whoever asks: trying again helps nobody before the operator has acted.
            EngineError::Unavailable {
                code: code @ "restored_backup",
                detail,
                retry_after_s,
            } => {
                let mut problem = Problem::new(503, code, detail);
                problem.retry_after_s = u32::try_from(retry_after_s).ok();
                problem.hint("ask the operator; reads go on")
            }
            // Nor before somebody has put in another program; the organization is not served until then.
            EngineError::Unavailable {
                code: code @ "upgrade_needed",
                detail,
                ..
            } => Problem::new(503, code, detail).hint("ask the operator to upgrade every node; nothing is lost"),
            EngineError::Unavailable {
                code,
                detail,
                retry_after_s,
            } => {
                // What the store says of itself is for the operator.
                let mut problem = Problem::new(503, code, "the server cannot do this right now; nothing happened");
                problem.retry_after_s = u32::try_from(retry_after_s).ok();
                problem.internal = Some(detail);
                problem.hint("try again in a moment")
            }
            EngineError::Internal(detail) => Problem::internal(detail),
        }
    }
}

/// There is no good credential.
pub(crate) fn unauthenticated(detail: impl Into<String>) -> Problem {
    Problem::new(401, "unauthenticated", detail).hint("send `Authorization: Bearer cs_…` with a key that is good")
}
