//! Payloads between the text that they are and the bytes that the store holds.

use countersign_core::record::Payload;
use countersign_store::StoredPayload;

use crate::Inner;
use crate::error::EngineError;

/// Length of a salt, which comes before the text.
const SALT_BYTES: usize = 32;

/// What the store holds of a payload.
pub(crate) fn seal(payload: &Payload) -> StoredPayload {
    StoredPayload {
        class: payload.class.clone(),
        key: String::new(),
        sealed: [payload.salt.as_slice(), &payload.body].concat(),
    }
}

/// The payload that the store holds.
fn open(stored: StoredPayload) -> Result<Payload, EngineError> {
    let damaged = || EngineError::internal("a payload is damaged");
    let (salt, body) = stored.sealed.split_at_checked(SALT_BYTES).ok_or_else(damaged)?;
    Ok(Payload {
        body: body.to_vec(),
        salt: salt.try_into().map_err(|_| damaged())?,
        class: stored.class,
    })
}

impl Inner {
    /// The payload of a record; `None` if it has none, or none any more.
    pub(crate) fn payload(&self, org: &str, seq: u64) -> Result<Option<Payload>, EngineError> {
        self.store.payload(org, seq)?.map(open).transpose()
    }
}
