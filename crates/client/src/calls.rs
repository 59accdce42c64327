//! The calls that agents, gateways and reviewers make.

use countersign_api::{ActionAnswer, ActionBody, ApprovalAnswer};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Client, ClientError};

/// What a person says about a request. `action_digest` and `snapshot` are the ones that the person saw.
#[derive(Clone, Debug, Serialize)]
pub struct Vote {
    /// `approve`, `reject`, `abstain`, `comment`.
    pub verb: String,
    /// What the person says; a rejection needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What was seen.
    pub action_digest: String,
    /// Under which policy.
    pub snapshot: Option<String>,
}

/// A permit and what is about to run.
#[derive(Clone, Debug, Serialize)]
pub struct Redemption<'a> {
    /// The permit, as it was answered.
    pub permit: &'a str,
    /// The whole action that is about to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<&'a ActionBody>,
    /// Or its digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action_digest: Option<&'a str>,
}

/// A permit that was used: the action may run now.
#[derive(Clone, Debug, Deserialize)]
pub struct Redeemed {
    /// Always `true`: everything else is a problem.
    pub go: bool,
    /// The rest of the answer.
    #[serde(flatten)]
    pub rest: serde_json::Map<String, Value>,
}

/// What happened after.
#[derive(Clone, Debug, Default, Serialize)]
pub struct OutcomeReport {
    /// `succeeded` or `failed`.
    pub status: String,
    /// `{"amount": "0.12", "currency": "USD"}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Value>,
    /// What came of it, in the agent's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
}

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
        let answer = self.send(Method::POST, "/v1/actions", Some(body), idempotency_key).await?;
        self.read(&answer)
    }

    /// What would be decided. Nothing is recorded.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn dry_run(&self, action: &ActionBody) -> Result<ActionAnswer, ClientError> {
        self.post("/v1/actions:dry_run", action).await
    }

    /// An action as it stands; the server waits up to `wait_s` seconds for a final status.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn action(&self, id: &str, wait_s: u64) -> Result<ActionAnswer, ClientError> {
        let wait = if wait_s == 0 { String::new() } else { format!("?wait={wait_s}s") };
        self.get(&format!("/v1/actions/{}{wait}", segment(id))).await
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
    pub async fn vote(&self, id: &str, vote: &Vote) -> Result<ApprovalAnswer, ClientError> {
        self.post(&format!("/v1/approvals/{}/votes", segment(id)), vote).await
    }

    /// Uses a permit.
    ///
    /// # Errors
    /// As [`Client::send`]; a permit that is not good is a problem that says why.
    pub async fn redeem(&self, redemption: &Redemption<'_>) -> Result<Redeemed, ClientError> {
        self.post("/v1/permits/redeem", redemption).await
    }

    /// Reports what happened after.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn report(&self, id: &str, outcome: &OutcomeReport) -> Result<ActionAnswer, ClientError> {
        self.post(&format!("/v1/actions/{}/outcome", segment(id)), outcome).await
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
