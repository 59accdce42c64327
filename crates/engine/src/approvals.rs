//! Requests for a human decision: the queue, one request, votes, evidence, withdrawal.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use countersign_api::ApprovalAnswer;
use countersign_core::command::{Via, Vote};
use countersign_core::digest::Digest;
use countersign_core::event::{Assertion, Verb};
use countersign_core::ids::{ActionId, ApprovalId};
use countersign_core::policy::Value;
use countersign_core::policy::json::to_json;
use countersign_core::presentation::presentation_digest;
use countersign_core::signed_vote::SignedVote;
use countersign_core::state::OpenApproval;
use countersign_core::view::ActionView;
use countersign_core::{Command, Envelope, Event, Record, Refusal, Time};
use countersign_store::Org;

use crate::auth::Caller;
use crate::error::EngineError;
use crate::inbox::Lane;
use crate::intake::Request;
use crate::ledger::Beside;
use crate::payload::{Kept, Purpose};
use crate::revisions::Places;
use crate::{Engine, Inner, blocking};

/// Requests that one page of a list has at most.
pub const PAGE_AT_MOST: usize = 100;

/// Whose open requests are listed; of an agent's credential always its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Everybody's.
    All,
    /// Those that whoever asks may decide.
    Own,
    /// Those that ask a team of whoever asks, or somebody of such a team.
    Teams,
}

/// A place in the order of open requests: by deadline, then by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queued(pub Time, pub ApprovalId);

impl fmt::Display for Queued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0.0, self.1)
    }
}

impl FromStr for Queued {
    type Err = ();

    fn from_str(text: &str) -> Result<Queued, ()> {
        let (micros, id) = text.split_once('-').ok_or(())?;
        let micros = micros.parse().map_err(|_| ())?;
        Ok(Queued(Time(micros), id.parse().map_err(|_| ())?))
    }
}

/// What a vote says.
pub struct VoteRequest {
    /// What.
    pub verb: Verb,
    /// What the person says.
    pub comment: Option<String>,
    /// The colleague who gets the place.
    pub to: Option<String>,
    /// The digest that the person saw.
    pub digest: Digest,
    /// The snapshot that the person saw.
    pub snapshot: String,
    /// The hash of what the person was shown.
    pub presentation: Option<Digest>,
    /// What an edit makes of which places.
    pub set: Option<Places>,
    /// By what it came, where that is not the API.
    pub via: Option<Via>,
    /// A signature of the person's passkey over it.
    pub assertion: Option<Assertion>,
}

impl Engine {
    /// A page of the open requests by deadline. It begins behind a place, and names the place behind which the next one begins.
    pub async fn open_approvals(
        &self,
        caller: &Caller,
        whose: Queue,
        behind: Option<Queued>,
        limit: usize,
    ) -> Result<(Vec<ApprovalAnswer>, Option<Queued>), EngineError> {
        let agent = caller.agent();
        let person = caller.actor.id.clone();
        let queue = self.look(&caller.org, move |state| {
            let names = (whose == Queue::Teams).then(|| state.names_of_teams(&person));
            let kind = |id, approval: &OpenApproval| match &agent {
                Some(_) if state.practices().contains_key(&id) => false,
                Some(agent) => state
                    .actions()
                    .get(&approval.action_id)
                    .is_some_and(|a| a.agent == *agent),
                None if whose == Queue::Own => state.may_decide(approval, &person),
                None => names.as_ref().is_none_or(|names| state.asks_by(approval, names)),
            };
            state.queue(kind, behind.map(|Queued(deadline, id)| (deadline, id)), limit + 1)
        });
        let mut queue = queue.await?;
        let more = queue.len() > limit;
        queue.truncate(limit);
        let next = queue.last().filter(|_| more);
        let next = next.map(|(deadline, id, _)| Queued(*deadline, *id));
        // Four at a time: each is a few reads one after the other.
        let mut parts = queue.chunks(queue.len().div_ceil(4).max(1));
        let mut part = || self.approvals_of(&caller.org, parts.next().unwrap_or_default());
        let (first, second, third, fourth) = tokio::try_join!(part(), part(), part(), part())?;
        Ok(([first, second, third, fourth].concat(), next))
    }

    async fn approvals_of(
        &self,
        org: &Org,
        queue: &[(Time, ApprovalId, ActionId)],
    ) -> Result<Vec<ApprovalAnswer>, EngineError> {
        let mut answers = Vec::with_capacity(queue.len());
        for (_, _, action) in queue {
            answers.push(self.approval_of_action(org, *action).await?);
        }
        Ok(answers)
    }

    /// One request. At a `glance` nobody is taken to have been shown it, and no vote can name what it was.
    pub async fn approval(&self, caller: &Caller, id: ApprovalId, glance: bool) -> Result<ApprovalAnswer, EngineError> {
        let view = self.view_of_approval(&caller.org, id).await?;
        self.check_reader(caller, &view)
            .map_err(|_| Refusal::missing("approval", id))?;
        if glance {
            let mut answer = self.approval_of_action(&caller.org, view.decision.action_id).await?;
            answer.presentation_digest = None;
            return Ok(answer);
        }
        self.shown(caller, view.decision.action_id).await
    }

    /// Casts a person's vote.
    pub async fn vote(
        &self,
        request: &Request<'_>,
        id: ApprovalId,
        vote: VoteRequest,
    ) -> Result<(ApprovalAnswer, bool), EngineError> {
        let view = self.view_of_approval(&request.caller.org, id).await?;
        self.cast(request, id, vote, view, None, 0).await
    }

    /// Casts a vote on a request that was read; `batch` names the votes that are given with it, `item` its place there.
    pub(crate) async fn cast(
        &self,
        request: &Request<'_>,
        id: ApprovalId,
        vote: VoteRequest,
        view: ActionView,
        batch: Option<Digest>,
        item: u64,
    ) -> Result<(ApprovalAnswer, bool), EngineError> {
        let caller = request.caller;
        let action_id = view.decision.action_id;
        self.check_signed(caller, id, &vote).await?;
        let action = self.stored_form(&caller.org, view.form(), false).await?;
        let edit = match vote.verb {
            Verb::Edit => self.edit_of(caller, &view, vote.set).await?,
            _ => None,
        };
        let kinds = self.kinds(&*self.inner.org(&caller.org)?, &view.decision.agent);
        let vote = Vote {
            approval: id,
            user: caller.actor.id.clone(),
            verb: vote.verb,
            digest: vote.digest,
            snapshot: vote.snapshot,
            comment: self.words_about(vote.comment.as_deref(), &kinds),
            to: vote.to,
            presentation: vote.presentation,
            batch,
            action: action.map(Box::new),
            view: Some(Box::new(view)),
            edit,
            via: vote.via,
            assertion: vote.assertion,
        };
        let envelope = Envelope {
            idem: request.idempotency(item),
            ..request.envelope(Command::Vote(Box::new(vote)))
        };
        let done = self
            .perform(Lane::Urgent, &caller.org, envelope, Beside::default())
            .await?;
        let answer = self.approval_of_action(&caller.org, action_id).await;
        Ok((answer.map_err(EngineError::recorded)?, done.replayed.is_some()))
    }

    /// Whether what signs a vote is a passkey of its person, and signs this vote.
    async fn check_signed(&self, caller: &Caller, id: ApprovalId, vote: &VoteRequest) -> Result<(), EngineError> {
        let Some(assertion) = &vote.assertion else {
            return Ok(());
        };
        let (approval, digest) = (id.to_string(), vote.digest.to_string());
        let presentation = vote.presentation.map(|presentation| presentation.to_string());
        let signed = SignedVote {
            action_digest: &digest,
            approval: &approval,
            organization: &caller.org,
            presentation_digest: presentation.as_deref(),
            set: vote.set.as_ref().map(places_as_json).transpose()?,
            snapshot: &vote.snapshot,
            user: &caller.actor.id,
            verb: vote.verb,
        };
        self.check_assertion(&caller.org, &signed, assertion).await
    }

    /// The agent of a request, if the caller is it or may act for it.
    pub(crate) fn acting_on(&self, caller: &Caller, id: ApprovalId, view: &ActionView) -> Result<Arc<str>, Refusal> {
        let acting = view.decision.agent.clone();
        match caller.agent() {
            Some(agent) if agent == acting => Ok(agent),
            Some(_) | None if caller.may_act_for(&acting) => Ok(acting),
            Some(_) | None => Err(Refusal::missing("approval", id)),
        }
    }

    /// Completes the evidence of a request.
    pub async fn answer_approval(
        &self,
        request: &Request<'_>,
        id: ApprovalId,
        evidence: Value,
    ) -> Result<(ApprovalAnswer, bool), EngineError> {
        let caller = request.caller;
        let view = self.view_of_approval(&caller.org, id).await?;
        let agent = self.acting_on(caller, id, &view)?;
        let parts = countersign_policy::complete_evidence(&evidence);
        let kinds = self.kinds(&*self.inner.org(&caller.org)?, &view.decision.agent);
        let (stored, redact) = self.store_foreign(&evidence, &kinds);
        let stored = self.about_action(&caller.org, view.seq, stored).await?;
        let envelope = request.envelope(Command::Answer {
            approval: id,
            agent,
            parts,
            stored,
            redact,
        });
        let done = self
            .perform(Lane::Write, &caller.org, envelope, Beside::default())
            .await?;
        let answer = self.approval_of_action(&caller.org, view.decision.action_id).await;
        Ok((answer.map_err(EngineError::recorded)?, done.replayed.is_some()))
    }

    /// Withdraws a request.
    pub async fn cancel_approval(
        &self,
        request: &Request<'_>,
        id: ApprovalId,
    ) -> Result<(ApprovalAnswer, bool), EngineError> {
        let caller = request.caller;
        let view = self.view_of_approval(&caller.org, id).await?;
        self.check_reader(caller, &view)
            .map_err(|_| Refusal::missing("approval", id))?;
        let agent = caller.agent().map(|_| view.decision.agent.clone());
        let envelope = request.envelope(Command::Cancel { approval: id, agent });
        let done = self
            .perform(Lane::Write, &caller.org, envelope, Beside::default())
            .await?;
        let answer = self.approval_of_action(&caller.org, view.decision.action_id).await;
        Ok((answer.map_err(EngineError::recorded)?, done.replayed.is_some()))
    }

    pub(crate) async fn view_of_approval(&self, org: &Org, id: ApprovalId) -> Result<ActionView, EngineError> {
        let (inner, org) = (self.inner.clone(), org.clone());
        blocking(move || {
            let stored = inner.store.by_subject(&org, id.0)?;
            let first = stored.first().ok_or_else(|| Refusal::missing("approval", id))?;
            match Record::decode(&first.leaf).map_err(EngineError::internal)?.0.event {
                Event::DecisionMade(decision) if decision.approval == Some(id) => {
                    Ok(inner.view(&org, decision.action_id)?.0)
                }
                _other => Err(Refusal::missing("approval", id).into()),
            }
        })
        .await
    }

    pub(crate) async fn approval_of_action(&self, org: &Org, id: ActionId) -> Result<ApprovalAnswer, EngineError> {
        let handle = self.inner.org(org)?;
        let (view, leaf_hash) = self.view(org, id).await?;
        let action = self.render(&handle, org, &view, leaf_hash).await?;
        let (inner, org) = (self.inner.clone(), org.clone());
        blocking(move || {
            let approval = view
                .approval
                .as_ref()
                .ok_or_else(|| Refusal::missing("approval of action", id))?;
            let stored = inner.json_member(&org, view.form(), "action")?;
            let answers = approval
                .answers
                .iter()
                .map(|seq| inner.json_payload(&org, *seq))
                .collect::<Result<Vec<_>, _>>()?;
            let mut comments = BTreeMap::new();
            for cast in &approval.votes {
                if let Some(text) = inner.text_payload(&org, cast.seq)? {
                    comments.insert(cast.seq, text);
                }
            }
            let salt = inner.salt_of(&org, view.form())?;
            let presentation = salt.and_then(|salt| presentation_digest(&salt, &view, approval, &stored, &answers));
            let mut answer = countersign_api::convert::approval(&view, approval, action, stored, answers, &comments);
            answer.presentation_digest = presentation.map(|digest| digest.to_string());
            Ok(answer)
        })
        .await
    }
}

impl Inner {
    /// The payload of a record as JSON; `null` if there is none. What nobody may read stands there as what became of it.
    pub(crate) fn json_payload(&self, org: &str, seq: u64) -> Result<serde_json::Value, EngineError> {
        Ok(match self.kept(org, seq, Purpose::Work)? {
            Kept::Whole(payload) => serde_json::from_slice(&payload.body).unwrap_or_default(),
            Kept::Nothing => serde_json::Value::Null,
            Kept::Restricted => serde_json::json!({ RESTRICTED: true }),
            Kept::Erased => serde_json::json!({ ERASED: true }),
        })
    }

    /// The salt of a payload that can be read.
    fn salt_of(&self, org: &str, seq: u64) -> Result<Option<[u8; 32]>, EngineError> {
        Ok(match self.kept(org, seq, Purpose::Work)? {
            Kept::Whole(payload) => Some(payload.salt),
            Kept::Nothing | Kept::Restricted | Kept::Erased => None,
        })
    }

    /// One member of a payload.
    fn json_member(&self, org: &str, seq: u64, member: &str) -> Result<serde_json::Value, EngineError> {
        let payload = self.json_payload(org, seq)?;
        let gone = payload.get(ERASED).or(payload.get(RESTRICTED)).is_some();
        Ok(if gone {
            payload
        } else {
            payload.get(member).cloned().unwrap_or_default()
        })
    }

    /// The words of a person that a payload holds.
    pub(crate) fn text_payload(&self, org: &str, seq: u64) -> Result<Option<String>, EngineError> {
        let text = self.json_member(org, seq, "text")?;
        Ok(match text {
            serde_json::Value::Null => None,
            serde_json::Value::String(text) => Some(text),
            other => Some(other.to_string()),
        })
    }
}

/// What stands in place of a payload whose key was destroyed, and of one that is to be.
const ERASED: &str = "$erased";
const RESTRICTED: &str = "$restricted";

/// What an edit sets, as it came.
fn places_as_json(set: &Places) -> Result<serde_json::Value, EngineError> {
    let mut members = serde_json::Map::new();
    for (place, value) in set {
        let mut text = String::new();
        to_json(value.as_ref().unwrap_or(&Value::Null), &mut text);
        members.insert(
            place.clone(),
            serde_json::from_str(&text).map_err(EngineError::internal)?,
        );
    }
    Ok(members.into())
}
