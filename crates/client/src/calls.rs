//! The calls that agents, gateways and reviewers make. Everything else goes through [`Client::get`] and its like.

use countersign_api::always_denied::{AlwaysDeniedAnswer, AlwaysDeniedBody};
use countersign_api::approvals::{ApprovalsAnswer, OutcomeRequestBody, RedeemAnswer, RedeemBody, VoteRequestBody};
use countersign_api::credentials::{ReleaseCredentialBody, ReleasedCredentialAnswer};
use countersign_api::{ActionAnswer, ActionBody, ApprovalAnswer};
use reqwest::Method;

use crate::{Client, ClientError};

impl Client {
    /// Decides one action.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn decide(
        &self,
        action: &ActionBody,
        idempotency_key: Option<&str>,
    ) -> Result<ActionAnswer, ClientError> {
        let body = serde_json::to_vec(action).map_err(|error| ClientError::Setup(error.to_string()))?;
        let answer = self
            .send(Method::POST, "/v1/actions", Some(body), idempotency_key)
            .await?;
        self.read(&answer)
    }

    /// What would be decided. Nothing is recorded.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn dry_run(&self, action: &ActionBody) -> Result<ActionAnswer, ClientError> {
        self.post("/v1/actions:dry_run", action).await
    }

    /// Which operations the agent is denied whatever else it says.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn always_denied(&self, ask: &AlwaysDeniedBody) -> Result<AlwaysDeniedAnswer, ClientError> {
        self.post("/v1/tools:always_denied", ask).await
    }

    /// An action as it stands; the server waits up to `wait_s` seconds for a final status.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn action(&self, id: &str, wait_s: u64) -> Result<ActionAnswer, ClientError> {
        let wait = if wait_s == 0 {
            String::new()
        } else {
            format!("?wait={wait_s}s")
        };
        self.get(&format!("/v1/actions/{}{wait}", segment(id))).await
    }

    /// Requests for a human decision that have not ended.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn approvals(&self) -> Result<ApprovalsAnswer, ClientError> {
        self.get("/v1/approvals").await
    }

    /// One request for a human decision.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn approval(&self, id: &str) -> Result<ApprovalAnswer, ClientError> {
        self.get(&format!("/v1/approvals/{}", segment(id))).await
    }

    /// Casts a vote.
    ///
    /// # Errors
    /// As [`Client::send`]; a vote that does not count is a problem that says why.
    pub async fn vote(&self, id: &str, vote: &VoteRequestBody) -> Result<ApprovalAnswer, ClientError> {
        self.post(&format!("/v1/approvals/{}/votes", segment(id)), vote).await
    }

    /// Uses a permit.
    ///
    /// # Errors
    /// As [`Client::send`]; a permit that is not good is a problem that says why.
    pub async fn redeem(&self, redemption: &RedeemBody) -> Result<RedeemAnswer, ClientError> {
        self.post("/v1/permits/redeem", redemption).await
    }

    /// Gets the credential of the tool that is about to run, once for a permit that was redeemed.
    ///
    /// # Errors
    /// As [`Client::send`]; what stands against it is a problem that says why.
    pub async fn release_credential(
        &self,
        ask: &ReleaseCredentialBody,
    ) -> Result<ReleasedCredentialAnswer, ClientError> {
        self.post("/v1/permits/credential", ask).await
    }

    /// Reports what happened after.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn report(&self, id: &str, outcome: &OutcomeRequestBody) -> Result<ActionAnswer, ClientError> {
        self.post(&format!("/v1/actions/{}/outcome", segment(id)), outcome)
            .await
    }
}

/// A segment of a path or a value of a query, with what does not belong there percent-encoded (RFC 3986 2.1).
pub fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
