//! Deriving decisions again: a ledger is folded from its first record, and every decision in it is made anew from what
//! the record cites, by the code that made it.
//!
//! What a decision reads comes from three places: the stored form of its action (the record's payload), the policy
//! snapshot that it cites, and the ledger before it, of which the record states in `facts` what the evaluation read. A
//! value that was not kept can have been anything: a decision that read one is not derivable, and is said to be so.

mod compare;
mod given;
mod pruned;
mod restore;
mod revised;
mod under;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use countersign_policy::{Decision, Hidden, Snapshot};

pub(crate) use self::restore::{Restored, kept_action, read, restore};
pub(crate) use self::revised::revised_submit_of;
pub use self::under::{Under, under};

use self::revised::Wanted;
use crate::action::Received;
use crate::command::Submit;
use crate::digest::{ActionDigest, DigestKey};
use crate::event::{ApprovalOpened, DecisionMade, Event, Status};
use crate::ids::{ActionId, ApprovalId, IdSource};
use crate::record::{ActorKind, Draft, Payload, Record};
use crate::redact::{Kinds, Redactor, is_mark, is_marked};
use crate::state::{Ctx, Known, State, Transient};
use crate::stored::{attempt, stored_action, with_salt};
use crate::time::{Span, Time};

/// Where the documents of a snapshot come from.
pub trait Policies {
    /// File names and exact bytes of the snapshot of this hash (`sha256:…`), or why they cannot be had.
    fn files(&self, hash: &str) -> Result<Vec<(String, Vec<u8>)>, String>;
}

/// What deriving one record again came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derivation {
    /// Index of the record.
    pub index: u64,
    /// Type of the record: `decision.made`, the `approval.opened` that follows from one, `approval.revised`.
    pub kind: &'static str,
    /// The action.
    pub action_id: ActionId,
    /// Who acted.
    pub agent: Arc<str>,
    /// What the record says was decided.
    pub decision: Decision,
    /// What came of it.
    pub outcome: Outcome,
}

/// How a record stands to what follows from its inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It says what follows.
    Agrees,
    /// It says something else.
    Differs {
        /// The rule that speaks first in what follows: `document#rule`, or the name of a switch.
        rule: String,
        /// Where record and recomputation part.
        differences: Vec<Difference>,
    },
    /// What it was decided on is not all there.
    NotDerivable(Vec<Gap>),
}

/// A field in which a record is not what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The field.
    pub what: String,
    /// What the record says, as JSON.
    pub recorded: String,
    /// What follows from the inputs, as JSON.
    pub recomputed: String,
}

/// An input that is not there, and that the decision read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// The input, such as `args.card`, `payload`, `snapshot`.
    pub field: String,
    /// Why it is not there.
    pub why: String,
}

impl Gap {
    pub(crate) fn new(field: &str, why: impl Into<String>) -> Gap {
        Gap {
            field: field.to_owned(),
            why: why.into(),
        }
    }
}

/// A ledger that is being folded, with every decision in it made again.
pub struct Replay<'p> {
    state: State,
    policies: &'p dyn Policies,
    compiled: BTreeMap<Arc<str>, Result<Snapshot, String>>,
    /// `agent.sighted`, which a decision may follow that was made before it was applied.
    held: Option<Record>,
    /// What open requests are about.
    wanted: BTreeMap<ApprovalId, Wanted>,
    /// Requests to people that follow from decisions, until their record comes.
    asked: BTreeMap<ApprovalId, Asked>,
    /// The records of this range have no bytes any more: what they say is not known, nor what follows from it.
    pruned: Range<u64>,
    redactor: Redactor,
}

/// A request that follows from a decision.
struct Asked {
    index: u64,
    agent: Arc<str>,
    /// `None`: the decision is not derivable, so neither is this.
    opened: Option<ApprovalOpened>,
    rule: String,
}

impl<'p> Replay<'p> {
    /// Before the first record.
    pub fn new(policies: &'p dyn Policies) -> Replay<'p> {
        Replay {
            state: State::default(),
            policies,
            compiled: BTreeMap::new(),
            held: None,
            asked: BTreeMap::new(),
            wanted: BTreeMap::new(),
            pruned: 0..0,
            redactor: Redactor::standard(),
        }
    }

    /// A ledger whose records before `begins` were pruned, all but the `first`. Nobody knows any more what agents, people,
    /// policies and kill switches there were, so no decision is derived; what a record itself holds is still compared.
    pub fn pruned(policies: &'p dyn Policies, first: &Record, begins: u64) -> Replay<'p> {
        let mut replay = Replay::new(policies);
        replay.state.apply(first);
        replay.pruned = 1..begins;
        replay
    }

    /// The next record of the ledger, with its payload where that is there. `None` where nothing is derived from it.
    pub fn record(&mut self, record: Record, payload: Option<&Payload>) -> Option<Derivation> {
        if !self.pruned.is_empty() {
            return self.on_its_own(&record, payload);
        }
        let derived = match &record.event {
            Event::AgentSighted(_) => {
                self.flush();
                self.held = Some(record);
                return None;
            }
            Event::DecisionMade(decision) => Some(self.decision(&record, decision, payload)),
            Event::ApprovalOpened(opened) => Some(self.request(&record, opened)),
            Event::ApprovalRevised(revised) => Some(self.revision(&record, revised, payload)),
            Event::ApprovalResolved(resolved) => {
                self.wanted.remove(&resolved.approval);
                None
            }
            _other => None,
        };
        self.flush();
        self.state.apply(&record);
        derived
    }

    /// After the last record: the requests that follow from decisions and are nowhere.
    pub fn end(mut self) -> Vec<Derivation> {
        self.flush();
        let missing = self.asked.into_values().filter_map(|asked| {
            let opened = asked.opened?;
            let differences = vec![Difference {
                what: "approval.opened".to_owned(),
                recorded: "null".to_owned(),
                recomputed: compare::text(&opened),
            }];
            Some(Derivation {
                index: asked.index,
                kind: "approval.opened",
                action_id: opened.action_id,
                agent: asked.agent,
                decision: Decision::RequireApproval,
                outcome: Outcome::Differs {
                    rule: asked.rule,
                    differences,
                },
            })
        });
        missing.collect()
    }

    fn flush(&mut self) {
        if let Some(held) = self.held.take() {
            self.state.apply(&held);
        }
    }

    /// When the decision of this record was made: a sighting before it belongs to the same request.
    fn moment(&mut self, record: &Record) -> Time {
        let same =
            |held: &Record| held.seq + 1 == record.seq && held.ts + Span(1) == record.ts && held.actor == record.actor;
        match &self.held {
            Some(held) if same(held) => held.ts,
            Some(_) | None => {
                self.flush();
                record.ts
            }
        }
    }

    /// Compiles the snapshots that a record cites, once.
    fn compile_cited(&mut self, record: &Record) {
        let beside = match &record.event {
            Event::DecisionMade(decision) => decision.beside.as_ref().map(|beside| &beside.hash),
            _other => None,
        };
        for hash in record.snapshot.iter().chain(beside) {
            if self.compiled.contains_key(hash) {
                continue;
            }
            let compiled = self.policies.files(hash).and_then(|files| compile(hash, &files));
            self.compiled.insert(hash.clone(), compiled);
        }
    }

    fn decision(&mut self, record: &Record, decision: &DecisionMade, payload: Option<&Payload>) -> Derivation {
        let now = self.moment(record);
        self.compile_cited(record);
        let (outcome, asked) = self.derive(record, decision, payload, now);
        if let Some(approval) = decision.approval {
            let form = payload.and_then(|payload| stored_action(&payload.body));
            let lacked = Vec::new();
            self.wanted.insert(approval, Wanted { form, lacked });
            let (opened, rule) = asked.map_or((None, String::new()), |(opened, rule)| (Some(opened), rule));
            let (index, agent) = (record.seq, decision.agent.clone());
            self.asked.insert(
                approval,
                Asked {
                    index,
                    agent,
                    opened,
                    rule,
                },
            );
        }
        Derivation {
            index: record.seq,
            kind: "decision.made",
            action_id: decision.action_id,
            agent: decision.agent.clone(),
            decision: decision.decision,
            outcome,
        }
    }

    /// Decides again, and compares. The second value is the request to people that follows.
    fn derive(
        &self,
        record: &Record,
        decision: &DecisionMade,
        payload: Option<&Payload>,
        now: Time,
    ) -> (Outcome, Option<(ApprovalOpened, String)>) {
        let mut gaps = Vec::new();
        let live = self.live(record, decision, &mut gaps);
        let restored = restore(record, decision, payload);
        gaps.extend(restored.gaps.iter().cloned());
        let hidden = (!record.redact.is_empty()).then(|| Hidden::new(is_mark, is_marked));
        let submit = submit_of(&self.state, record, decision, &restored, live);
        let principal = submit.action.principal.clone();

        let mut differences = self.given(record, decision, &restored, &submit, now, &mut gaps);
        // Asked again only where all of the action is there: it is no input of the decision.
        let beside = decision.beside.as_ref().filter(|_| record.redact.is_empty());
        let beside = beside.and_then(|beside| self.compiled.get(&beside.hash)?.as_ref().ok());
        let mut ids = Ids(vec![decision.approval.unwrap_or(ApprovalId(0)).0, decision.action_id.0]);
        let mut ctx = Ctx {
            now,
            ids: &mut ids,
            live,
            beside,
            // Of what this makes, nothing is compared: the salt is the one that was kept.
            digest_key: &DigestKey::new([0; 32]),
            redactor: &self.redactor,
            transient: &mut Transient::default(),
        };
        let known = Known {
            handed: self.state.handed_reads(&decision.facts),
            facts: decision.facts.clone(),
        };
        let handled = self.state.decide_on(submit, known, hidden.as_ref(), &mut ctx);
        let handled = match handled {
            Ok(handled) => handled,
            Err(refusal) if gaps.is_empty() => {
                differences.push(Difference {
                    what: "decision".to_owned(),
                    recorded: compare::text(&decision.decision),
                    recomputed: compare::text(&format!("none: {}", refusal.code)),
                });
                return (
                    Outcome::Differs {
                        rule: refusal.code.to_owned(),
                        differences,
                    },
                    None,
                );
            }
            Err(_) => return (settle(gaps, differences, String::new()), None),
        };
        let Some((draft, made)) = made(&handled.events) else {
            return (settle(gaps, differences, String::new()), None);
        };
        let rule = compare::rule(made);
        if let Some(hidden) = &hidden {
            gaps.extend(hidden.read().into_iter().map(|field| Gap {
                field,
                why: "it was read, and redaction had replaced it".to_owned(),
            }));
            if made.status == Status::Pending && principal.as_deref().is_some_and(is_marked) {
                gaps.push(Gap::new("principal", "it was read, and redaction had replaced it"));
            }
        }
        if compare::needs_no_action(made) {
            gaps.retain(|gap| gap.field != "payload");
        }
        if gaps.is_empty() {
            differences.extend(compare::decisions(decision, made));
            // What redaction replaced is in the record's alternative as well, and cannot be made again.
            if payload.is_some() && record.redact.is_empty() {
                // The digest of an alternative was made with another key here.
                let salt = restored.digest_salt.unwrap_or_default();
                let follows = draft.payload.as_ref().map(|sealed| with_salt(sealed, &salt));
                let follows = follows.as_ref().map(|sealed| &sealed.1);
                compare::field("payload", &record.payload.as_ref(), &follows, &mut differences);
            }
        }
        let asked = handled.events.iter().find_map(|draft| match &draft.event {
            Event::ApprovalOpened(opened) => Some((**opened).clone()),
            _other => None,
        });
        let asked = asked.filter(|_| gaps.is_empty()).map(|opened| (opened, rule.clone()));
        (settle(gaps, differences, rule), asked)
    }

    /// The snapshot that decided.
    fn live(&self, record: &Record, decision: &DecisionMade, gaps: &mut Vec<Gap>) -> Option<&Snapshot> {
        let compiled = self.compiled.get(record.snapshot.as_ref()?)?;
        if decision.facts.policy_unavailable {
            return None;
        }
        if decision
            .reasons
            .first()
            .is_some_and(|reason| reason.rule == "no_policy")
        {
            let why = "the record says that no policy could be had, and not why: an older version wrote it";
            gaps.push(Gap::new("snapshot", why));
        }
        match compiled {
            Ok(snapshot) => Some(snapshot),
            Err(why) => {
                gaps.push(Gap::new("snapshot", why.clone()));
                None
            }
        }
    }

    fn request(&mut self, record: &Record, opened: &ApprovalOpened) -> Derivation {
        self.wanted
            .entry(opened.approval)
            .or_default()
            .lacked
            .clone_from(&opened.missing);
        let asked = self.asked.remove(&opened.approval);
        let outcome = match asked {
            None => Outcome::Differs {
                rule: String::new(),
                differences: vec![Difference {
                    what: "approval.opened".to_owned(),
                    recorded: compare::text(opened),
                    recomputed: "null".to_owned(),
                }],
            },
            Some(Asked { opened: None, .. }) => Outcome::NotDerivable(vec![Gap::new(
                "decision",
                "the decision that it follows from is not derivable",
            )]),
            Some(Asked {
                opened: Some(follows),
                rule,
                ..
            }) => settle(Vec::new(), compare::requests(opened, &follows), rule),
        };
        Derivation {
            index: record.seq,
            kind: "approval.opened",
            action_id: opened.action_id,
            agent: opened.agent.clone(),
            decision: Decision::RequireApproval,
            outcome,
        }
    }
}

/// The command that a record answers.
pub(crate) fn submit_of(
    state: &State,
    record: &Record,
    decision: &DecisionMade,
    restored: &Restored,
    live: Option<&Snapshot>,
) -> Submit {
    let person = record
        .actor
        .auth
        .strip_prefix("key:")
        .and_then(|kid| state.keys().get(kid))
        .filter(|key| key.kind == ActorKind::User)
        .map(|key| key.subject.clone());
    let Received { action, .. } = &restored.received;
    Submit {
        agent: decision.agent.clone(),
        verified: record.actor.verified,
        person,
        kinds: Kinds::of(live, &decision.agent),
        action: action.clone(),
        digest: ActionDigest {
            digest: decision.digest,
            salt: restored.digest_salt.unwrap_or_default(),
        },
        stored: restored.stored.clone(),
        redact: record.redact.clone(),
        shown: restored.shown.clone(),
        // It may end in a keyed digest, which nobody outside can make again.
        attempt: (decision.attempt.clone()).unwrap_or_else(|| attempt(&restored.shown, None)),
        callback_url: decision.callback.as_ref().map(|callback| callback.url.clone()),
        // A record of a version that did not state it: only who accepts a remedy has one applied.
        accept_remedy: decision.facts.accept_remedy || decision.remedy.as_ref().is_some_and(|remedy| remedy.applied),
        practice: decision.practice.is_some(),
    }
}

fn settle(gaps: Vec<Gap>, differences: Vec<Difference>, rule: String) -> Outcome {
    let mut gaps = gaps;
    gaps.sort();
    gaps.dedup();
    match (differences.is_empty(), gaps.is_empty()) {
        (false, _) => Outcome::Differs { rule, differences },
        (true, false) => Outcome::NotDerivable(gaps),
        (true, true) => Outcome::Agrees,
    }
}

fn made(events: &[Draft]) -> Option<(&Draft, &DecisionMade)> {
    events.iter().find_map(|draft| match &draft.event {
        Event::DecisionMade(made) => Some((draft, &**made)),
        _other => None,
    })
}

fn compile(hash: &str, files: &[(String, Vec<u8>)]) -> Result<Snapshot, String> {
    match Snapshot::load(files) {
        Ok((snapshot, _)) if snapshot.hash_text() == hash => Ok(snapshot),
        Ok((snapshot, _)) => Err(format!("its files hash to {}", snapshot.hash_text())),
        Err(problems) => {
            let first = problems.first().map(|problem| problem.message.clone());
            let why = first.unwrap_or_default();
            Err(format!("this version does not load it: {why}"))
        }
    }
}

/// The ids that a record already has, last first.
pub(crate) struct Ids(pub(crate) Vec<u128>);

impl IdSource for Ids {
    fn next(&mut self, _: Time) -> u128 {
        self.0.pop().unwrap_or_default()
    }
}
