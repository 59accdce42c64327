//! Why a command did not do what was asked: what happened, and what to do next.

use countersign_client::ClientError;
use countersign_engine::EngineError;

/// No: denied, a check failed, a verification failed.
pub(crate) const NO: u8 = 1;
/// Wrong usage.
pub(crate) const USAGE: u8 = 2;
/// Cannot reach what is needed.
pub(crate) const UNREACHABLE: u8 = 3;

/// A command that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: u8,
    /// A stable word.
    pub(crate) code: String,
    /// What happened and where, one line without a full stop.
    pub(crate) what: String,
    /// What to do next.
    pub(crate) next: Option<String>,
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    fn new(exit: u8, code: &str, what: impl Into<String>) -> Failure {
        Failure {
            exit,
            code: code.to_owned(),
            what: what.into(),
            next: None,
        }
    }

    /// The answer is no.
    pub(crate) fn no(what: impl Into<String>) -> Failure {
        Failure::new(NO, "failed", what)
    }

    /// The command was not used as it can be.
    pub(crate) fn usage(what: impl Into<String>) -> Failure {
        Failure::new(USAGE, "usage", what)
    }

    /// A server, a folder or a file that is needed is not there.
    pub(crate) fn unreachable(what: impl Into<String>) -> Failure {
        Failure::new(UNREACHABLE, "unreachable", what)
    }

    /// A file or folder cannot be read or written.
    pub(crate) fn io(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Failure {
        Failure::new(
            UNREACHABLE,
            "io",
            format!("cannot {doing} `{}`: {error}", path.display()),
        )
    }

    /// Adds what to do next.
    #[must_use]
    pub(crate) fn next(mut self, next: impl Into<String>) -> Failure {
        self.next = Some(next.into());
        self
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        match error {
            ClientError::Problem(problem) => {
                let exit = if problem.status >= 500 { UNREACHABLE } else { NO };
                let code = if problem.code.is_empty() {
                    "refused"
                } else {
                    &problem.code
                };
                Failure {
                    next: problem.hint,
                    ..Failure::new(exit, code, problem.detail)
                }
            }
            ClientError::Unreachable { .. } => Failure::unreachable(error.to_string())
                .next("check the address, and that `countersign serve` is running there"),
            ClientError::Setup(what) => Failure::usage(what),
            ClientError::Unreadable { .. } => {
                Failure::unreachable(error.to_string()).next("check that client and server are of the same version")
            }
        }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Failure {
        match error {
            EngineError::Refused(refusal) => Failure {
                next: refusal.hint,
                ..Failure::new(NO, refusal.code, refusal.detail)
            },
            EngineError::Unauthenticated(what) => Failure::new(NO, "unauthenticated", what),
            EngineError::Unavailable { code, detail, .. } => Failure::new(UNREACHABLE, code, detail),
            EngineError::Internal(what) => Failure::new(UNREACHABLE, "internal", format!("internal error: {what}")),
        }
    }
}
