//! Actions: decide, look, wait, explain, redeem, report.

use std::sync::Mutex;
use std::time::Duration;

use countersign_api::{ActionAnswer, Receipt};
use countersign_core::command::{Redeem, ReportOutcome, Sealed};
use countersign_core::digest::{Digest, action_digest};
use countersign_core::event::{ApprovalState, Cause, Filtered, OutcomeStatus, Status};
use countersign_core::ids::{ActionId, PermitId};
use countersign_core::money::{is_currency, parse_decimal};
use countersign_core::policy::output::Treatment;
use countersign_core::policy::{Action, Value};
use countersign_core::stored::{about, stored_action, stored_alternative};
use countersign_core::token::Claims;
use countersign_core::view::{ActionView, ApprovalView};
use countersign_core::{Command, Record, Refusal};
use countersign_store::{Org, StoredRecord};

use crate::auth::Caller;
use crate::error::EngineError;
use crate::inbox::Lane;
use crate::intake::{Request, received};
use crate::ledger::{Beside, Entry};
use crate::{Engine, Inner, blocking};

/// The longest wait for a final answer.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What a redeem request says besides the permit.
pub enum RedeemRequest {
    /// The whole action that is about to run.
    Action(Value),
    /// Its digest.
    Digest(Digest),
}

/// What an outcome report says.
pub struct OutcomeReport {
    /// Why it came to nothing good, where the caller says so.
    pub cause: Option<Cause>,
    /// How it ended.
    pub status: OutcomeStatus,
    /// What it cost: decimal text and currency.
    pub cost: Option<(String, String)>,
    /// How long it took, milliseconds.
    pub duration_ms: Option<u64>,
    /// Tokens by kind.
    pub tokens: std::collections::BTreeMap<String, u64>,
    /// What was done about the result by the output rules, where the caller says so.
    pub filtered: Option<Filtered>,
    /// Output, error and whatever else was reported.
    pub details: Option<Value>,
}

/// Why an action was decided as it was.
pub struct Explained {
    /// Every rule that was looked at.
    pub rules: Vec<countersign_policy::Trace>,
    /// The smallest changes that lead to another answer; `None` where they were not searched for, since somebody else's were.
    pub otherwise: Option<Vec<countersign_policy::Counterfactual>>,
}

/// Does the work unless somebody holds the lock: one agent that asks again and again must not take the processor from those
/// who decide.
pub(crate) fn alone<T>(lock: &Mutex<()>, work: impl FnOnce() -> T) -> Option<T> {
    let _held = lock.try_lock().ok()?;
    Some(work())
}

impl Engine {
    /// Decides one action. The second value says that the answer is a repetition.
    pub async fn decide(&self, request: &Request<'_>) -> Result<(ActionAnswer, bool), EngineError> {
        let handle = self.inner.org(&request.caller.org)?;
        let received = received(request.body)?;
        let (submit, actor) = self.submission(&handle, request.caller, received)?;
        let salt = submit.digest.salt;
        let mut envelope = request.envelope(Command::Submit(Box::new(submit)));
        envelope.actor = actor;
        let done = self
            .perform(Lane::Write, &request.caller.org, envelope, Beside::default())
            .await?;
        let answer = match done.replayed {
            Some(seq) => self.replayed_action(&request.caller.org, seq).await,
            None => self.answer_of(&handle, &request.caller.org, &done.entries, salt).await,
        };
        Ok((answer.map_err(EngineError::recorded)?, done.replayed.is_some()))
    }

    /// An action as it stands; waits for a final status up to `wait`.
    pub async fn action(&self, caller: &Caller, id: ActionId, wait: Duration) -> Result<ActionAnswer, EngineError> {
        let handle = self.inner.org(&caller.org)?;
        let until = tokio::time::Instant::now() + wait.min(LONGEST_WAIT);
        let (view, leaf_hash) = self.view(&caller.org, id).await?;
        self.check_reader(caller, &view)?;
        if tells_the_agent(&view) || wait.is_zero() {
            return self.render(&handle, &caller.org, &view, leaf_hash).await;
        }
        let answered = loop {
            let waiter = handle.waiter(id.0);
            let news = waiter.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            // Read again after listening, so that no news is missed in between.
            let (view, leaf_hash) = self.view(&caller.org, id).await?;
            if tells_the_agent(&view) || tokio::time::timeout_at(until, news).await.is_err() {
                break (view, leaf_hash);
            }
        };
        handle.forget_waiter(id.0);
        self.render(&handle, &caller.org, &answered.0, answered.1).await
    }

    /// An agent sees its own actions; whoever else has the right to read sees all.
    pub(crate) fn check_reader(&self, caller: &Caller, view: &ActionView) -> Result<(), Refusal> {
        match caller.agent() {
            // What a person made in the agent's name is not the agent's.
            Some(_) if view.decision.practice.is_some() => Err(Refusal::missing("action", view.decision.action_id)),
            Some(agent) if *agent != *view.decision.agent && !caller.may_act_for(&view.decision.agent) => {
                Err(Refusal::missing("action", view.decision.action_id))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Every rule that was looked at, evaluated anew on the stored form under the snapshot that decided.
    /// With it goes what would have had to be different for another answer, unless that is being searched for elsewhere.
    pub async fn explain(&self, caller: &Caller, id: ActionId) -> Result<Explained, EngineError> {
        let (view, _) = self.view(&caller.org, id).await?;
        self.check_reader(caller, &view)?;
        let (inner, org) = (self.inner.clone(), caller.org.clone());
        blocking(move || {
            let payload = inner.payload(&org, view.seq)?;
            let stored = payload.as_ref().and_then(|payload| stored_action(&payload.body));
            let snapshot = inner.compiled(&org, view.snapshot.as_ref());
            match (stored, snapshot) {
                (Some(action), Some(snapshot)) => {
                    let currency = inner.org_currency(&org)?;
                    let (decision, at) = (&view.decision, view.decided_at);
                    Ok(Explained {
                        rules: countersign_core::state::explain(&snapshot, &action, decision, &currency, at),
                        otherwise: alone(&inner.alone.searching, || {
                            countersign_core::state::counterfactuals(&snapshot, &action, decision, &currency, at)
                        }),
                    })
                }
                (None, _) => Err(Refusal::missing("stored form of action", id).into()),
                (Some(_), None) => Err(Refusal::conflict("no_policy", "no policy was live at this decision").into()),
            }
        })
        .await
    }

    /// What a permit's token says, if it was signed here for this organization.
    pub(crate) fn permit_of(&self, org: &Org, token: &str) -> Result<Claims, EngineError> {
        let handle = self.inner.org(org)?;
        let claims = handle.keys.permit.verify(token).map_err(|error| {
            Refusal::forbidden("invalid_permit", error.to_string()).hint("use the permit exactly as it was answered")
        })?;
        if claims.iss != *handle.origin {
            return Err(Refusal::forbidden("invalid_permit", "the permit is of another organization").into());
        }
        Ok(claims)
    }

    /// Uses a permit.
    pub async fn redeem(
        &self,
        request: &Request<'_>,
        token: &str,
        what: RedeemRequest,
    ) -> Result<(Redeemed, bool), EngineError> {
        let caller = request.caller;
        let handle = self.inner.org(&caller.org)?;
        let claims = self.permit_of(&caller.org, token)?;
        let permit: PermitId = claims.jti.parse().map_err(EngineError::internal)?;
        let digest = match what {
            RedeemRequest::Digest(digest) => digest,
            RedeemRequest::Action(value) => {
                let received = countersign_core::action::receive(value)?;
                action_digest(&handle.keys.digest, &caller.org, &claims.sub, &received.action, None).digest
            }
        };
        let action = self.to_look_again(&caller.org, &claims, permit).await?;
        let agent = caller
            .agent()
            .filter(|agent| **agent == *claims.sub || !caller.may_act_for(&claims.sub));
        let redeem = Redeem {
            permit,
            digest,
            agent,
            action: action.map(Box::new),
        };
        let envelope = request.envelope(Command::Redeem(Box::new(redeem)));
        let done = self
            .perform(Lane::Urgent, &caller.org, envelope, Beside::default())
            .await?;
        let receipt = match (&done.replayed, done.entries.first()) {
            (_, Some(entry)) => receipt_of(entry),
            (Some(seq), None) => {
                let receipt = self.receipt(&caller.org, *seq).await;
                receipt.map_err(EngineError::recorded)?
            }
            (None, None) => return Err(EngineError::internal("a redemption left no record")),
        };
        Ok((Redeemed { claims, receipt }, done.replayed.is_some()))
    }

    /// The stored form of what a permit is for, where another policy is live than it cites.
    pub(crate) async fn to_look_again(
        &self,
        org: &Org,
        claims: &Claims,
        permit: PermitId,
    ) -> Result<Option<Action>, EngineError> {
        let handle = self.inner.org(org)?;
        let live = handle.live();
        if !handle.has_canary() && claims.snp.as_deref() == live.as_ref().map(|live| live.hash_text()) {
            return Ok(None);
        }
        let (view, _) = self.view(org, ActionId::from(permit)).await?;
        let applied = view.decision.remedy.as_ref().is_some_and(|remedy| remedy.applied);
        self.stored_form(org, view.form(), applied).await
    }

    /// Records what happened after.
    pub async fn report_outcome(
        &self,
        request: &Request<'_>,
        id: ActionId,
        report: OutcomeReport,
    ) -> Result<(ActionAnswer, bool), EngineError> {
        let caller = request.caller;
        let handle = self.inner.org(&caller.org)?;
        let cost = match report.cost {
            None => None,
            Some((amount, currency)) => {
                let amount = parse_decimal(&amount)
                    .map_err(|error| Refusal::invalid("invalid_amount", format!("`cost.amount`: {error}")))?;
                if !is_currency(&currency) {
                    return Err(Refusal::invalid("invalid_currency", "`cost.currency` is not an ISO 4217 code").into());
                }
                Some((amount, currency))
            }
        };
        let (view, _) = self.view(&caller.org, id).await?;
        let (stored, redact) = match &report.details {
            Some(details) => {
                // What may not leave in a result is not kept of one either.
                let outputs = view.outputs();
                let named = outputs
                    .kinds_to(Treatment::Redact)
                    .chain(outputs.kinds_to(Treatment::Withhold));
                let kinds = self.kinds(&handle, &view.decision.agent).and(named);
                let (stored, redact) = self.store_foreign(details, &kinds);
                (Some(self.about_action(&caller.org, view.seq, stored).await?), redact)
            }
            None => (None, Default::default()),
        };
        let agent = caller.agent().filter(|_| !caller.may_act_for(&view.decision.agent));
        let report = ReportOutcome {
            action_id: id,
            agent,
            cause: report.cause,
            status: report.status,
            cost,
            duration_ms: report.duration_ms,
            tokens: report.tokens,
            stored,
            redact,
            filtered: report.filtered,
            view: Some(Box::new(view)),
        };
        let envelope = request.envelope(Command::ReportOutcome(Box::new(report)));
        let done = self
            .perform(Lane::Write, &caller.org, envelope, Beside::default())
            .await?;
        let answer = match self.view(&caller.org, id).await {
            Ok((view, leaf_hash)) => self.render(&handle, &caller.org, &view, leaf_hash).await,
            Err(error) => Err(error),
        };
        Ok((answer.map_err(EngineError::recorded)?, done.replayed.is_some()))
    }

    /// The view of an action and the leaf hash of its decision.
    pub(crate) async fn view(&self, org: &Org, id: ActionId) -> Result<(ActionView, Digest), EngineError> {
        let (inner, org) = (self.inner.clone(), org.clone());
        blocking(move || inner.view(&org, id)).await
    }

    /// The stored form of an action, or of the alternative that a permit is for.
    pub(crate) async fn stored_form(
        &self,
        org: &Org,
        seq: u64,
        alternative: bool,
    ) -> Result<Option<countersign_core::policy::Action>, EngineError> {
        let (inner, org) = (self.inner.clone(), org.clone());
        let read = if alternative { stored_alternative } else { stored_action };
        blocking(move || Ok(inner.payload(&org, seq)?.and_then(|payload| read(&payload.body)))).await
    }

    /// The same payload, about whom the action of the decision at `seq` is.
    pub(crate) async fn about_action(&self, org: &Org, seq: u64, stored: Sealed) -> Result<Sealed, EngineError> {
        let (inner, org) = (self.inner.clone(), org.clone());
        let subject = blocking(move || inner.subject_of(&org, seq)).await?;
        Ok(match subject {
            Some(subject) => about(stored, subject),
            None => stored,
        })
    }

    pub(crate) async fn replayed_action(&self, org: &Org, seq: u64) -> Result<ActionAnswer, EngineError> {
        let (inner, name) = (self.inner.clone(), org.clone());
        let (view, leaf_hash) = blocking(move || {
            // The first record of a submission may be about its agent; the decision follows.
            let records = inner.store.records(&name, seq, 2)?;
            let id = records
                .iter()
                .filter_map(|stored| Record::decode(&stored.leaf).ok())
                .find_map(|(record, _)| match record.event {
                    countersign_core::Event::DecisionMade(decision) => Some(decision.action_id),
                    _other => None,
                });
            let id = id.ok_or_else(|| EngineError::internal(format!("record {seq} is not a decision")))?;
            inner.view(&name, id)
        })
        .await?;
        let handle = self.inner.org(org)?;
        self.render(&handle, org, &view, leaf_hash).await
    }

    async fn receipt(&self, org: &Org, seq: u64) -> Result<Receipt, EngineError> {
        let (inner, org) = (self.inner.clone(), org.clone());
        blocking(move || {
            let stored: Vec<StoredRecord> = inner.store.records(&org, seq, 1)?;
            let stored = stored
                .first()
                .ok_or_else(|| EngineError::internal(format!("record {seq} is gone")))?;
            Ok(Receipt {
                index: seq,
                leaf_hash: stored.leaf_hash.to_string(),
            })
        })
        .await
    }
}

/// Whether there is something for the agent to do: the action is decided, or somebody asks the agent a question.
fn tells_the_agent(view: &ActionView) -> bool {
    let asked = |approval: &ApprovalView| approval.state == ApprovalState::Clarifying;
    view.status != Status::Pending || view.approval.as_ref().is_some_and(asked)
}

/// A permit that was used.
pub struct Redeemed {
    /// What the permit says.
    pub claims: Claims,
    /// Where that is in the ledger.
    pub receipt: Receipt,
}

fn receipt_of(entry: &Entry) -> Receipt {
    Receipt {
        index: entry.record.seq,
        leaf_hash: entry.leaf_hash.to_string(),
    }
}

impl Inner {
    pub(crate) fn view(&self, org: &str, id: ActionId) -> Result<(ActionView, Digest), EngineError> {
        let stored = self.store.by_subject(org, id.0)?;
        let mut records = Vec::with_capacity(stored.len());
        for record in &stored {
            records.push(Record::decode(&record.leaf).map_err(EngineError::internal)?.0);
        }
        let view = ActionView::fold(&records).ok_or_else(|| Refusal::missing("action", id))?;
        let leaf_hash = stored
            .iter()
            .find(|stored| stored.seq == view.seq)
            .map(|stored| stored.leaf_hash);
        Ok((view, leaf_hash.unwrap_or(Digest([0; 32]))))
    }

    pub(crate) fn org_currency(&self, org: &str) -> Result<String, EngineError> {
        Ok(self.opened(org)?.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_searches_for_nobody_else_searches_for_meanwhile() {
        let lock = Mutex::new(());
        assert_eq!(alone(&lock, || alone(&lock, || ())), Some(None));
        assert_eq!(alone(&lock, || 1), Some(1), "and afterwards it is free again");
    }
}
