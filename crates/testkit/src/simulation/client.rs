//! What clients of a simulation ask for, and what they make of the answers.

use countersign_core::digest::Digest;
use countersign_core::event::{OutcomeStatus, Scope, Verb};
use countersign_core::ids::{ActionId, ApprovalId, HoldId};
use countersign_core::policy::Value;
use countersign_core::state::NewLease;
use countersign_engine::{
    Caller, Credential, Engine, EngineError, HoldWanted, NewChannel, NewUser, NewWay, OutcomeReport, RedeemRequest,
    Request, VoteRequest,
};

use super::scene;

/// What a client wants.
#[derive(Clone, Debug)]
pub enum Want {
    /// A decision; the body says on what.
    Decide,
    /// A vote for what the request showed, or for something else; a hand-over goes to somebody.
    Vote(ApprovalId, Verb, Digest, String, Option<String>),
    /// To use a permit for an action of this digest.
    Redeem(String, Digest),
    /// To say what happened, and what it cost.
    Report(ActionId, OutcomeStatus, Option<String>),
    /// To withdraw a request.
    Cancel(ApprovalId),
    /// To complete the evidence of a request.
    Answer(ApprovalId),
    /// To stop something.
    Kill(Scope),
    /// To let it go on.
    Release(Scope),
    /// To guard something, as this gateway.
    TakeLease(String, Scope),
    /// To guard nothing any more.
    GiveBackLease(String),
    /// To have people told by a channel of this name.
    Tell(String),
    /// To store a variant of the policy.
    Upload(usize),
    /// To make a snapshot live.
    Activate(String),
    /// To go back to what was live before.
    RollBack,
    /// To end a key.
    Revoke(String),
    /// To give a person of the scene these teams.
    Move(usize, Vec<String>),
    /// A new agent with its key.
    Register(String),
    /// To have what is kept about somebody erased, or to agree to it.
    Erase(&'static str),
    /// To keep what is kept about somebody whatever else is said.
    Hold(&'static str),
    /// To let go of a hold, or to agree to it.
    LetGo(HoldId),
    /// The newest checkpoint.
    Checkpoint,
    /// An action.
    Look(ActionId),
    /// A proof that one size of the ledger extends another.
    Consistency(u64, u64),
    /// The node's state: how many records, and its hash.
    State,
}

impl Want {
    /// Whether this only reads.
    pub fn reads(&self) -> bool {
        matches!(
            self,
            Want::Checkpoint | Want::Look(_) | Want::Consistency(..) | Want::State
        )
    }

    /// Whether its record carries the idempotency key. That of an erasure or of a hold would hold a hash of the request,
    /// which names the person; both may be asked for again and again.
    pub fn is_keyed(&self) -> bool {
        !self.reads() && !matches!(self, Want::Erase(_) | Want::Hold(_))
    }
}

/// A request as it is sent, perhaps more than once.
#[derive(Clone, Debug)]
pub struct Call {
    /// Place of the organization.
    pub org: usize,
    /// The key's text.
    pub credential: String,
    /// Method and path.
    pub route: String,
    /// The idempotency key.
    pub key: String,
    /// The body.
    pub body: Vec<u8>,
    /// What is wanted.
    pub want: Want,
}

/// What a client learned of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learned {
    /// The action.
    pub id: ActionId,
    /// Whose it is.
    pub agent: String,
    /// Its digest, or that of the alternative that is permitted.
    pub digest: Digest,
    /// The digest that people vote for.
    pub shown: Digest,
    /// What it was decided by.
    pub snapshot: String,
    /// The request.
    pub approval: Option<ApprovalId>,
    /// The permit.
    pub permit: Option<String>,
    /// What the caller was told.
    pub status: String,
}

/// What a client was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It happened.
    Done {
        /// Where, if the answer says so.
        receipt: Option<(u64, String)>,
        /// What the answer shows of an action.
        learned: Option<Box<Learned>>,
        /// A key that was issued.
        key: Option<String>,
    },
    /// It did not happen: the state does not allow it.
    Refused(&'static str),
    /// It did not happen: not now.
    Nothing(&'static str),
    /// Nobody knows.
    Unknown,
    /// A fault of the engine's own.
    Broken(String),
    /// The newest checkpoint.
    Checkpoint(u64, String),
    /// A proof from one size to another.
    Proof(u64, u64, Vec<countersign_tlog::Hash>),
    /// How many records the node has folded, and the hash of its state.
    State(u64, Digest),
}

/// Carries a call out on one node.
pub async fn carry_out(engine: Engine, call: std::sync::Arc<Call>) -> Answer {
    match answer(&engine, &call).await {
        Ok(answer) => answer,
        Err(EngineError::Refused(refusal)) => Answer::Refused(refusal.code),
        Err(EngineError::Unauthenticated(_)) => Answer::Refused("unauthenticated"),
        Err(EngineError::Unavailable {
            code: "outcome_unknown",
            ..
        }) => Answer::Unknown,
        Err(EngineError::Unavailable { code, .. }) => Answer::Nothing(code),
        Err(EngineError::Internal(why)) => Answer::Broken(why),
    }
}

async fn answer(engine: &Engine, call: &Call) -> Result<Answer, EngineError> {
    let caller = engine.authenticate(Credential(&call.credential)).await?;
    let request = Request {
        caller: &caller,
        route: &call.route,
        idempotency_key: Some(&call.key),
        body: &call.body,
    };
    let done = |receipt, learned| Answer::Done {
        receipt,
        learned,
        key: None,
    };
    match &call.want {
        Want::Checkpoint | Want::Look(_) | Want::Consistency(..) | Want::State => {
            read(engine, &caller, &call.want).await
        }
        Want::Decide => {
            let (answer, _) = engine.decide(&request).await?;
            let receipt = answer.receipt.as_ref().map(|r| (r.index, r.leaf_hash.clone()));
            Ok(done(receipt, learned(&answer)))
        }
        Want::Redeem(permit, digest) => {
            let (redeemed, _) = engine.redeem(&request, permit, RedeemRequest::Digest(*digest)).await?;
            let receipt = redeemed.receipt;
            Ok(done(Some((receipt.index, receipt.leaf_hash)), None))
        }
        Want::Vote(id, verb, digest, snapshot, to) => {
            let vote = VoteRequest {
                verb: *verb,
                comment: Some("because".into()),
                digest: *digest,
                to: to.clone(),
                snapshot: snapshot.clone(),
                presentation: None,
                set: None,
                via: None,
                assertion: None,
            };
            let (answer, _) = engine.vote(&request, *id, vote).await?;
            Ok(done(None, learned(&answer.action)))
        }
        Want::Report(id, status, cost) => {
            let report = OutcomeReport {
                filtered: None,
                cause: None,
                status: *status,
                cost: cost.clone().map(|cost| (cost, "USD".into())),
                duration_ms: Some(10),
                tokens: Default::default(),
                details: None,
            };
            let (answer, _) = engine.report_outcome(&request, *id, report).await?;
            Ok(done(None, learned(&answer)))
        }
        Want::Cancel(id) => engine.cancel_approval(&request, *id).await.map(|_| done(None, None)),
        Want::Answer(id) => {
            let parts = [
                "sources",
                "references",
                "confidence",
                "alternatives",
                "reason",
                "next_step",
            ];
            let evidence = parts.map(|part| (part.to_owned(), evidence(part)));
            let (answer, _) = engine
                .answer_approval(&request, *id, Value::Map(evidence.into()))
                .await?;
            Ok(done(None, learned(&answer.action)))
        }
        Want::Kill(scope) => engine
            .kill(&request, scope.clone(), None)
            .await
            .map(|_| done(None, None)),
        Want::Release(scope) => {
            let released = engine.release(&request, scope.clone(), "over").await;
            released.map(|_| done(None, None))
        }
        Want::TakeLease(gateway, guard) => {
            let ask = NewLease {
                gateway: gateway.clone(),
                guards: vec![guard.clone()],
                seconds: 10,
            };
            engine.take_lease(&request, ask).await.map(|()| done(None, None))
        }
        Want::GiveBackLease(gateway) => {
            let returned = engine.give_back_lease(&request, gateway).await;
            returned.map(|_| done(None, None))
        }
        Want::Tell(name) => {
            let channel = NewChannel {
                name: name.clone(),
                quiet: None,
                way: NewWay::Webhook {
                    url: "https://hooks.example.com/told".into(),
                },
            };
            engine
                .register_channel(&request, channel)
                .await
                .map(|_| done(None, None))
        }
        Want::Upload(variant) => {
            let files = scene::variants()[*variant].files.clone();
            engine.upload_policies(&request, files).await.map(|_| done(None, None))
        }
        Want::Activate(hash) => {
            let activated = engine.activate_policy(&request, hash, Some("now")).await;
            activated.map(|_| done(None, None))
        }
        Want::RollBack => engine
            .roll_back_policy(&request, None, None)
            .await
            .map(|_| done(None, None)),
        Want::Erase(whom) => {
            let erased = engine.erase_subject(&request, whom, None, "they asked").await;
            erased.map(|_| done(None, None))
        }
        Want::Hold(whom) => {
            let wanted = HoldWanted {
                subject: Some((*whom).to_owned()),
                ..HoldWanted::default()
            };
            let held = engine.place_hold(&request, wanted, "a claim").await;
            held.map(|_| done(None, None))
        }
        Want::LetGo(hold) => {
            let released = engine.release_hold(&request, *hold, "settled").await;
            released.map(|_| done(None, None))
        }
        Want::Revoke(kid) => engine
            .revoke_key(&request, kid.clone())
            .await
            .map(|()| done(None, None)),
        Want::Move(person, teams) => {
            let (id, roles, _) = scene::PEOPLE[*person];
            let user = person_of(id, roles, teams.clone());
            engine.change_user(&request, user).await.map(|()| done(None, None))
        }
        Want::Register(agent) => {
            let registered = engine
                .register_agent(&request, agent_of(agent, "team:ops", None))
                .await?;
            Ok(Answer::Done {
                receipt: None,
                learned: None,
                key: registered.key.map(|key| key.text),
            })
        }
    }
}

async fn read(engine: &Engine, caller: &Caller, want: &Want) -> Result<Answer, EngineError> {
    match want {
        Want::Look(id) => {
            let answer = engine.action(caller, *id, std::time::Duration::ZERO).await?;
            Ok(Answer::Done {
                receipt: None,
                learned: learned(&answer),
                key: None,
            })
        }
        Want::Consistency(old, new) => {
            let proof = engine.consistency(caller, *old, *new).await?;
            Ok(Answer::Proof(*old, *new, proof))
        }
        Want::State => {
            let seen = engine
                .look(&caller.org, |state| (state.next_seq(), state.hash()))
                .await?;
            Ok(Answer::State(seen.0, seen.1))
        }
        _checkpoint => {
            let (size, text) = engine.checkpoint(caller).await?;
            Ok(Answer::Checkpoint(size, text))
        }
    }
}

fn evidence(part: &str) -> Value {
    match part {
        "sources" | "references" | "alternatives" => Value::List(vec![Value::from("one")]),
        "confidence" => Value::from("0.9"),
        _text => Value::from("because"),
    }
}

fn learned(answer: &countersign_api::ActionAnswer) -> Option<Box<Learned>> {
    let shown: Digest = answer.action_digest.parse().ok()?;
    let applied = answer.remedy.as_ref().filter(|remedy| remedy.applied);
    let digest = applied
        .and_then(|remedy| remedy.action_digest.parse().ok())
        .unwrap_or(shown);
    Some(Box::new(Learned {
        id: answer.id.as_deref()?.parse().ok()?,
        agent: answer.agent.clone(),
        digest,
        shown,
        snapshot: answer.snapshot.clone().unwrap_or_default(),
        approval: answer.approval.as_ref().and_then(|approval| approval.id.parse().ok()),
        permit: answer.permit.clone(),
        status: answer.status.clone(),
    }))
}

/// A person to add or to change.
pub fn person_of(id: &str, roles: &[&str], teams: Vec<String>) -> NewUser {
    NewUser {
        manager: None,
        zone: None,
        id: id.to_owned(),
        name: None,
        email: None,
        slack_id: None,
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        teams,
        duties: Vec::new(),
    }
}

/// An agent to register.
pub fn agent_of(id: &str, owner: &str, team: Option<&str>) -> countersign_core::event::AgentRegistered {
    countersign_core::event::AgentRegistered {
        agent: id.to_owned(),
        labels: Default::default(),
        owner: owner.to_owned(),
        team: team.map(str::to_owned),
    }
}

/// What a key is known by.
pub fn kid_of(credential: &str) -> String {
    countersign_core::key::ApiKey::parse(credential).map_or_else(String::new, |key| key.kid)
}
