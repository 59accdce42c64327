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
    /// Not now; try again. Nothing happened.
    #[error("{detail}")]
    Unavailable {
        /// A stable word: `overloaded`, `restored_backup`, `signer_state`, `store_full`, `store_failed`,
        /// `stopping`, `upgrade_needed`.
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

    pub(crate) fn internal(detail: impl std::fmt::Display) -> EngineError {
        EngineError::Internal(detail.to_string())
    }
}

impl From<countersign_store::ReadError> for EngineError {
    fn from(error: countersign_store::ReadError) -> Self {
        EngineError::unavailable("store_failed", error.to_string())
    }
}
