//! How a use case can fail.

use countersign_core::Refusal;

/// Why a use case did not come to a result.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    /// The state does not allow it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The credential is not good.
    #[error("{0}")]
    Unauthenticated(String),
    /// Not now; try again. Nothing happened, unless the code is `outcome_unknown`.
    #[error("{detail}")]
    Unavailable {
        /// A stable word: `overloaded`, `outcome_unknown`, `restored_backup`, `signer_state`, `store_full`,
        /// `store_failed`, `stopping`, `upgrade_needed`.
        code: &'static str,
        /// What happened.
        detail: String,
        /// After how many seconds to try again.
        retry_after_s: u64,
    },
    /// A fault of ours.
    #[error("{0}")]
    Internal(String),
}

impl EngineError {
    pub(crate) fn unavailable(code: &'static str, detail: impl Into<String>) -> EngineError {
        EngineError::Unavailable {
            code,
            detail: detail.into(),
            retry_after_s: 1,
        }
    }

    /// The same error, met while the answer was read after the commit: what was asked for has happened.
    pub(crate) fn recorded(self) -> EngineError {
        match self {
            EngineError::Unavailable { detail, .. } => EngineError::unavailable(
                "outcome_unknown",
                format!(
                    "this was recorded, and what became of it could not be read ({detail}): ask again with the same idempotency key, or look it up"
                ),
            ),
            EngineError::Refused(_) | EngineError::Unauthenticated(_) | EngineError::Internal(_) => self,
        }
    }

    /// A later program wrote the ledger: trying again helps nobody.
    pub(crate) fn needs_upgrade(&self) -> bool {
        matches!(
            self,
            EngineError::Unavailable {
                code: "upgrade_needed",
                ..
            }
        )
    }

    pub(crate) fn internal(detail: impl std::fmt::Display) -> EngineError {
        EngineError::Internal(detail.to_string())
    }
}

impl From<countersign_store::ReadError> for EngineError {
    fn from(error: countersign_store::ReadError) -> Self {
        EngineError::unavailable("store_failed", error.to_string())
    }
}
