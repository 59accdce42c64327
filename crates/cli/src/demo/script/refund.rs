//! A refund that needs a person: the request, votes that do not count, the one that does, the permit and its uses.

use std::time::Duration;

use countersign_client::Method;
use serde_json::{Value, json};

use super::{Answer, Script, Who};
use crate::console::{note, say};
use crate::failure::{Failure, Result};

/// What became of it.
pub(super) struct Refund {
    /// The action.
    pub(super) id: String,
}

/// What is asked for.
fn refund() -> Value {
    json!({ "tool": "payments/refund", "amount": "340", "currency": "USD", "args": { "order": "4521" } })
}

fn with(mut action: Value, more: Value) -> Value {
    if let (Some(action), Some(more)) = (action.as_object_mut(), more.as_object()) {
        action.extend(more.clone());
    }
    action
}

impl Script<'_> {
    pub(super) async fn refund(&mut self) -> Result<Refund> {
        self.transcript.step(
            "A refund of 340 is more than the agent may give alone: a support lead has to decide. Riley wants it.",
        );
        let asked = with(
            refund(),
            json!({ "principal": "riley", "callback_url": self.callback_url }),
        );
        let answer = self.act(asked).await?;
        self.transcript
            .expect("require_approval, pending", answer.is("require_approval", "pending"));
        let (id, approval) = (answer.text("/id").to_owned(), answer.text("/approval/id").to_owned());
        self.transcript.note(&format!(
            "it waits for {}, until {}",
            answer.text("/approval/waiting_for"),
            answer.text("/approval/deadline")
        ));
        let refund = Refund { id };
        let vote = |verb: &str| json!({ "verb": verb, "action_digest": answer.text("/action_digest"), "snapshot": answer.text("/snapshot") });
        let path = format!("/v1/approvals/{approval}/votes");

        self.transcript
            .step("The agent tries to approve its own request. An agent's key never votes.");
        let refused = self
            .call(Who::Agent, Method::POST, &path, Some(vote("approve")))
            .await?;
        self.transcript
            .expect("403 agents_cannot_vote", refused.is_problem(403, "agents_cannot_vote"));

        self.transcript
            .step("Riley is a support lead, but it is riley's own request: this vote does not count either.");
        let refused = self
            .call(Who::Riley, Method::POST, &path, Some(vote("approve")))
            .await?;
        self.transcript
            .expect("403 self_approval", refused.is_problem(403, "self_approval"));

        let verb = if self.interactive {
            self.question(&approval).await?
        } else {
            "approve"
        };
        self.transcript.step(&format!(
            "Dana, who neither asked nor profits, looks at exactly this request and says {verb}."
        ));
        // The refund's tool is of risk R3: a vote on it says what was shown.
        let read = format!("/v1/approvals/{approval}");
        let shown = self.call(Who::Dana, Method::GET, &read, None).await?;
        let seen = json!({ "presentation_digest": shown.text("/presentation_digest") });
        let comment = if verb == "approve" {
            "charged twice, I checked"
        } else {
            "not without the invoice"
        };
        let voted = self
            .call(
                Who::Dana,
                Method::POST,
                &path,
                Some(with(with(vote(verb), seen), json!({ "comment": comment }))),
            )
            .await?;
        let wanted = if verb == "approve" { "approved" } else { "rejected" };
        self.transcript.expect(
            &format!("the request {wanted}"),
            voted.status == 200 && voted.text("/state") == wanted,
        );

        self.transcript.step("The agent, which waited for the answer, gets it.");
        let wait = format!("/v1/actions/{}?wait=10s", refund.id);
        let answer = self.call(Who::Agent, Method::GET, &wait, None).await?;
        let status = if verb == "approve" { "permitted" } else { "refused" };
        self.transcript.expect(
            &format!("require_approval, {status}"),
            answer.is("require_approval", status),
        );
        self.callback(&refund, status).await;
        if verb == "approve" {
            self.permit(&refund, &answer).await?;
        }
        Ok(refund)
    }

    /// A callback tells the workflow behind the agent.
    async fn callback(&mut self, refund: &Refund, status: &str) {
        self.transcript
            .step("The workflow behind the agent is told as well, by a callback whose signature it checks.");
        match self.receiver.next(Duration::from_secs(8)).await {
            None => self.transcript.expect("a callback", false),
            Some(callback) => {
                let text = |pointer: &str| {
                    callback
                        .body
                        .pointer(pointer)
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                };
                self.transcript.note(&format!(
                    "← callback {}: {} is {}; the signature {}",
                    callback.id,
                    text("/data/action/id"),
                    text("/data/action/status"),
                    callback.doubt.unwrap_or("holds"),
                ));
                let right = text("/data/action/id") == refund.id && text("/data/action/status") == status;
                self.transcript.expect(
                    "a callback for this action, with a signature that holds",
                    right && callback.doubt.is_none(),
                );
            }
        }
    }

    /// The permit is for exactly this, and for once.
    async fn permit(&mut self, refund: &Refund, answer: &Answer) -> Result<()> {
        let permit = answer.text("/permit").to_owned();
        let action = with(self::refund(), json!({ "principal": "riley" }));
        let redeem = |permit: &str, action: &Value| json!({ "permit": permit, "action": action });
        let path = "/v1/permits/redeem";

        self.transcript.step(
            "Before the refund runs, the tool shows the permit. First with one letter changed: the signature breaks.",
        );
        let refused = self
            .call(
                Who::Agent,
                Method::POST,
                path,
                Some(redeem(&tampered(&permit), &action)),
            )
            .await?;
        self.transcript
            .expect("403 invalid_permit", refused.is_problem(403, "invalid_permit"));

        self.transcript
            .step("Then for 3400 in place of 340: that is not what was approved.");
        let larger = with(action.clone(), json!({ "amount": "3400" }));
        let refused = self
            .call(Who::Agent, Method::POST, path, Some(redeem(&permit, &larger)))
            .await?;
        self.transcript
            .expect("409 digest_mismatch", refused.is_problem(409, "digest_mismatch"));

        self.transcript
            .step("Then as it was approved: it may run, now and once.");
        let redeemed = self
            .call(Who::Agent, Method::POST, path, Some(redeem(&permit, &action)))
            .await?;
        self.transcript
            .expect("go", redeemed.value.pointer("/go") == Some(&Value::Bool(true)));

        self.transcript.step("The same permit a second time is refused.");
        let refused = self
            .call(Who::Agent, Method::POST, path, Some(redeem(&permit, &action)))
            .await?;
        self.transcript
            .expect("409 already_redeemed", refused.is_problem(409, "already_redeemed"));

        self.transcript.step("The agent reports what happened.");
        let outcome = json!({ "status": "succeeded", "cost": { "amount": "0.12", "currency": "USD" } });
        let path = format!("/v1/actions/{}/outcome", refund.id);
        let reported = self.call(Who::Agent, Method::POST, &path, Some(outcome)).await?;
        self.transcript
            .expect("the outcome on record", reported.text("/outcome/status") == "succeeded");
        Ok(())
    }

    /// Asks the person at the terminal.
    async fn question(&mut self, approval: &str) -> Result<&'static str> {
        say(format_args!(
            "\n    You are dana. The agent `support-refunds` wants to refund 340 USD for order 4521 ({approval})."
        ));
        let answer = tokio::task::spawn_blocking(|| {
            for _ in 0..3 {
                note("    Type `a` to approve or `r` to reject, then Enter:");
                let mut line = String::new();
                std::io::stdin().read_line(&mut line)?;
                match line.trim().to_ascii_lowercase().as_str() {
                    "a" | "approve" | "y" | "yes" => return Ok("approve"),
                    "r" | "reject" | "n" | "no" => return Ok("reject"),
                    _ => {}
                }
            }
            Ok("reject")
        });
        let answer: std::io::Result<&'static str> =
            answer.await.map_err(|error| Failure::unreachable(error.to_string()))?;
        answer.map_err(|error| Failure::unreachable(format!("the terminal cannot be read: {error}")))
    }
}

/// The permit with one letter of what it says changed.
fn tampered(permit: &str) -> String {
    let middle = permit.find('.').map_or(0, |dot| dot + 8);
    let swap = |(at, c): (usize, char)| {
        if at == middle {
            if c == 'A' { 'B' } else { 'A' }
        } else {
            c
        }
    };
    permit.chars().enumerate().map(swap).collect()
}
