//! Many decisions in one request.

use countersign_api::ActionAnswer;
use countersign_core::policy::Value;
use countersign_core::{Answer, Command, Envelope, Refusal};
use countersign_store::Org;

use crate::Engine;
use crate::error::EngineError;
use crate::inbox::Lane;
use crate::intake::{Request, parse_body};
use crate::ledger::Beside;

/// Items that one batch takes at most.
pub const BATCH_AT_MOST: usize = 1000;

impl Engine {
    /// Decides several actions, in order.
    pub async fn decide_batch(
        &self,
        request: &Request<'_>,
    ) -> Result<(Vec<Result<ActionAnswer, EngineError>>, bool), EngineError> {
        let Value::Map(mut fields) = parse_body(request.body)? else {
            return Err(Refusal::invalid("wrong_type", "the body has to be an object with `actions`").into());
        };
        let Some(Value::List(items)) = fields.remove("actions") else {
            return Err(Refusal::invalid("missing_field", "`actions` has to be a list of actions").into());
        };
        if let Some(name) = fields.keys().next() {
            return Err(
                Refusal::invalid("unknown_field", format!("there is no field `{name}` beside `actions`")).into(),
            );
        }
        if items.is_empty() || items.len() > BATCH_AT_MOST {
            let detail = format!("a batch has 1 to {BATCH_AT_MOST} actions, not {}", items.len());
            return Err(Refusal::invalid("batch_size", detail).into());
        }
        let handle = self.inner.org(&request.caller.org)?;
        let mut waiting = Vec::with_capacity(items.len());
        for (place, item) in items.into_iter().enumerate() {
            let submission = countersign_core::action::receive(item)
                .map_err(EngineError::from)
                .and_then(|received| self.submission(&handle, request.caller, received));
            let sent = submission.and_then(|(submit, actor)| {
                let salt = submit.digest.salt;
                let envelope = Envelope {
                    actor,
                    kid: request.caller.kid.clone(),
                    idem: request.idempotency(place as u64 + 1),
                    command: Command::Submit(Box::new(submit)),
                };
                Ok((self.send(Lane::Write, &request.caller.org, envelope)?, salt))
            });
            waiting.push(sent);
        }
        let mut answers = Vec::with_capacity(waiting.len());
        let mut replayed = false;
        for sent in waiting {
            answers.push(match sent {
                Ok((answer, salt)) => match answer
                    .await
                    .map_err(EngineError::internal)
                    .and_then(|committed| committed)
                {
                    Ok(committed) => match committed.answer {
                        Answer::Done => {
                            let answer = self
                                .answer_of(&handle, &request.caller.org, &committed.entries, salt)
                                .await;
                            answer.map_err(EngineError::recorded)
                        }
                        Answer::Refused(refusal) => Err(refusal.into()),
                        Answer::Replayed(seq) => {
                            replayed = true;
                            let answer = self.replayed_action(&request.caller.org, seq).await;
                            answer.map_err(EngineError::recorded)
                        }
                    },
                    Err(error) => Err(error),
                },
                Err(error) => Err(error),
            });
        }
        Ok((answers, replayed))
    }

    fn send(
        &self,
        lane: Lane,
        org: &Org,
        envelope: Envelope,
    ) -> Result<tokio::sync::oneshot::Receiver<Result<crate::Committed, EngineError>>, EngineError> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let beside = Beside::default();
        self.inner.inbox.put(
            lane,
            crate::Job::Command {
                org: org.clone(),
                envelope,
                beside,
                reply,
            },
        )?;
        Ok(answer)
    }
}
