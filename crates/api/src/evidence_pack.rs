//! Everything that an auditor wants to have of one decision, in 23 named fields: what was asked, what stopped it, who was
//! asked, who decided, and what came of it. Made of records and payloads alone.

use countersign_core::event::Verb;
use countersign_core::view::{ActionView, StepFact};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::action::{ApprovalAnswer, OutcomeBody, ReasonBody};
use crate::timeline::{TimelineEntry, Told, entries};

/// Members of an action that come from the model: what it says, and how sure it is.
const SAID: [&str; 4] = ["confidence", "conflicts", "evidence", "model"];

/// The evidence of one request.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EvidencePack {
    /// The request.
    pub approval: String,
    /// Where it stands.
    pub state: String,
    /// What was asked.
    pub request: AskedFor,
    /// What stopped it.
    pub trigger: StoppedBy,
    /// Who was asked.
    pub routing: AskedOf,
    /// Who decided: each vote that counts.
    pub decisions: Vec<DecidedBy>,
    /// What came of it.
    pub resumption: CameOf,
}

/// What was asked: five fields.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AskedFor {
    /// The run that it belongs to, as the agent names it.
    pub workflow_id: Option<String>,
    /// What it is about: `resource` of the action.
    pub business_object: Option<Value>,
    /// The action as it stands: what would run.
    pub proposed_action: Value,
    /// What the agent says of it: evidence, confidence, conflicts, model. Data, and not checked by anybody.
    pub model_output: Value,
    /// The tool, or the operation where there is none.
    pub tool_target: String,
}

/// What stopped it: four fields.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StoppedBy {
    /// The rules that wanted a person: `document#rule`.
    pub trigger: Vec<String>,
    /// The tool's risk, as the policy that decided has it.
    pub risk: Option<String>,
    /// What those rules say, each with document and line.
    pub threshold: Vec<ReasonBody>,
    /// The agent's own reason.
    pub reason: Option<String>,
}

/// Who was asked: five fields.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AskedOf {
    /// Names of teams, duties, schedules and people that were asked.
    pub role: Vec<String>,
    /// Who that was then.
    pub shift: Vec<String>,
    /// When an answer was expected.
    pub sla: String,
    /// Who was asked where a step reached nobody; empty where that was not needed.
    pub fallback: Vec<String>,
    /// Each step: why it was asked, when, and until when.
    pub path: Vec<String>,
}

/// Who decided: five fields.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DecidedBy {
    /// Who.
    pub identity: String,
    /// When.
    pub timestamp: String,
    /// What: `approve`, `reject`, `edit`, `abstain`.
    pub decision: String,
    /// What the person said.
    pub comment: Option<String>,
    /// What the vote is for.
    pub context: SeenContext,
}

/// What a vote is for, and what its person was shown.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SeenContext {
    /// The digest of the action.
    pub action_digest: String,
    /// The policy snapshot.
    pub snapshot: Option<String>,
    /// The hash of what was shown, if the vote says so.
    pub presentation_digest: Option<String>,
    /// It is for what the request was about before a revision.
    pub outdated: bool,
    /// Index of its record.
    pub index: u64,
}

/// What came of it: four fields.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CameOf {
    /// What was signed: the permit and what it is for; `null` where there is none.
    pub signature: Option<SignedFor>,
    /// How telling the workflow went.
    pub delivery: Vec<String>,
    /// What happened after.
    pub outcome: Option<OutcomeBody>,
    /// What happened, in the order of the ledger, each with the index of its record.
    pub timeline: Vec<TimelineEntry>,
}

/// A permit, without its token.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SignedFor {
    /// Its id.
    pub permit: String,
    /// The digest of what may run.
    pub action_digest: String,
    /// When it ends.
    pub expires: String,
    /// When it was used.
    pub redeemed_at: Option<String>,
    /// Index of the record that issued it.
    pub index: u64,
}

/// The evidence of a request; `risk` is that of its tool.
pub fn pack(view: &ActionView, answer: &ApprovalAnswer, told: &Told<'_>, risk: Option<&str>) -> EvidencePack {
    let timeline = entries(told);
    let sentences = |wanted: &[&str]| -> Vec<String> {
        let kinds = timeline.iter().filter(|entry| wanted.contains(&entry.kind.as_str()));
        kinds.map(|entry| format!("{}: {}", entry.at, entry.sentence)).collect()
    };
    let delivery = sentences(&["callback.due", "callback.attempted"]);
    let path = sentences(&[
        "approval.opened",
        "approval.step_started",
        "approval.step_passed",
        "approval.held",
        "approval.revised",
    ]);
    EvidencePack {
        approval: answer.id.clone(),
        state: answer.state.clone(),
        request: asked_for(view, answer),
        trigger: stopped_by(answer, risk),
        routing: asked_of(view, answer, path),
        decisions: decided_by(view, answer, told),
        resumption: CameOf {
            signature: view.permit.as_ref().map(|(index, _, permit)| SignedFor {
                permit: permit.id.to_string(),
                action_digest: view.runs().to_string(),
                expires: permit.expires.to_string(),
                redeemed_at: view.redeemed_at.map(|at| at.to_string()),
                index: *index,
            }),
            delivery,
            outcome: answer.action.outcome.clone(),
            timeline,
        },
    }
}

fn asked_for(view: &ActionView, answer: &ApprovalAnswer) -> AskedFor {
    let (mut would_run, mut said) = (answer.stored.clone(), serde_json::Map::new());
    if let Some(members) = would_run.as_object_mut() {
        said.extend(SAID.iter().filter_map(|name| members.remove_entry(*name)));
    }
    if !answer.answers.is_empty() {
        said.insert("answers".to_owned(), answer.answers.clone().into());
    }
    AskedFor {
        workflow_id: view.decision.run.clone(),
        business_object: would_run.get("resource").cloned(),
        proposed_action: would_run,
        model_output: said.into(),
        tool_target: (answer.action.tool.clone()).unwrap_or_else(|| answer.action.action.clone()),
    }
}

fn stopped_by(answer: &ApprovalAnswer, risk: Option<&str>) -> StoppedBy {
    let asks = |reason: &&ReasonBody| reason.decision == "require_approval";
    let asked: Vec<ReasonBody> = answer.action.reasons.iter().filter(asks).cloned().collect();
    StoppedBy {
        trigger: asked
            .iter()
            .map(|reason| format!("{}#{}", reason.document, reason.rule))
            .collect(),
        risk: risk.map(str::to_owned),
        threshold: asked,
        reason: answer
            .stored
            .pointer("/evidence/reason")
            .and_then(Value::as_str)
            .map(str::to_owned),
    }
}

fn asked_of(view: &ActionView, answer: &ApprovalAnswer, path: Vec<String>) -> AskedOf {
    let (mut role, mut shift, mut fallback) = (Vec::new(), Vec::new(), Vec::new());
    let opened = view.approval.iter().flat_map(|approval| &approval.opened.slots);
    let opened = opened.map(|slot| (slot, false));
    let taken = view.approval.iter().flat_map(|approval| &approval.steps);
    let started = taken.filter_map(|taken| match &taken.what {
        StepFact::Started(started) => Some(started),
        StepFact::Reminded(_) | StepFact::Passed | StepFact::Held(_) => None,
    });
    let started = started.flat_map(|started| started.slots.iter().map(|slot| (slot, started.fallback)));
    for (slot, stands_in) in opened.chain(started) {
        role.extend(slot.names.iter().cloned());
        shift.extend(slot.people.iter().cloned());
        fallback.extend(slot.people.iter().filter(|_| stands_in).cloned());
    }
    for list in [&mut role, &mut shift, &mut fallback] {
        list.sort();
        list.dedup();
    }
    AskedOf {
        role,
        shift,
        sla: answer.sla_due.clone(),
        fallback,
        path,
    }
}

fn decided_by(view: &ActionView, answer: &ApprovalAnswer, told: &Told<'_>) -> Vec<DecidedBy> {
    let votes = view.approval.iter().flat_map(|approval| &approval.votes);
    let decides = |verb| matches!(verb, Verb::Approve | Verb::Reject | Verb::Edit | Verb::Abstain);
    let votes = votes.filter(|cast| cast.vote.counted && decides(cast.vote.verb));
    votes
        .map(|cast| {
            let said = answer.votes.iter().find(|vote| vote.index == cast.seq);
            let record = told.records.iter().find(|record| record.seq == cast.seq);
            let snapshot = record.and_then(|record| record.snapshot.as_ref());
            DecidedBy {
                identity: cast.vote.user.clone(),
                timestamp: cast.at.to_string(),
                decision: crate::convert::word(&cast.vote.verb),
                comment: said.and_then(|vote| vote.comment.clone()),
                context: SeenContext {
                    action_digest: cast.vote.digest.to_string(),
                    snapshot: snapshot.map(|hash| hash.to_string()),
                    presentation_digest: cast.vote.presentation.map(|digest| digest.to_string()),
                    outdated: cast.outdated,
                    index: cast.seq,
                },
            }
        })
        .collect()
}
