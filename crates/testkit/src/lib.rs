//! A world on a controlled clock: one organization's state, folded from records that go through their canonical bytes.

mod answers;
pub mod candidates;
pub mod cases;
mod clock;
mod credentials;
mod derive;
pub mod history;
mod links;
mod practice;
mod reported;
mod retention;
mod revisions;
mod shown;
mod simulated;
#[cfg(feature = "simulation")]
pub mod simulation;
mod submission;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_core::command::{BreakGlass, Redeem, Vote};
use countersign_core::digest::{Digest, DigestKey};
use countersign_core::event::{AgentRegistered, Assertion, LedgerOpened, UserAdded, Verb};
use countersign_core::ids::{ActionId, ApprovalId, IdSource, PermitId};
use countersign_core::policy::{Snapshot, Value};
use countersign_core::record::{ActorKind, Payload};
use countersign_core::redact::{Kinds, Redactor};
use countersign_core::stored::store_value;
use countersign_core::{
    ActionView, Actor, Answer, Command, Ctx, Envelope, Event, Record, Refusal, Span, State, Time, Transient,
};

pub use self::retention::{Left, Lying};

/// The origin that records of a [`World`] name.
pub const ORIGIN: &str = "test/t/0/audit/1";
/// When a world begins: 2026-01-05T09:00:00Z, a Monday.
pub const BEGIN: Time = Time(1_767_603_600_000_000);

/// Ids that count.
#[derive(Default)]
pub struct Counting(u128);

impl IdSource for Counting {
    fn next(&mut self, now: Time) -> u128 {
        self.0 += 1;
        (u128::from((now.0 / 1000).unsigned_abs()) << 80) | self.0
    }
}

/// One organization on a controlled clock.
pub struct World {
    /// The state, folded from the records.
    pub state: State,
    /// All records.
    pub records: Vec<Record>,
    /// Where in them the records about a subject are.
    about: BTreeMap<u128, Vec<usize>>,
    /// The time.
    pub now: Time,
    /// The live policy cannot be had, as when it does not load any more.
    pub without_policy: bool,
    /// Votes carry the signature of a passkey, as the engine has checked it.
    pub signing: bool,
    payloads: BTreeMap<u64, Payload>,
    lying: BTreeMap<u64, Lying>,
    erased: BTreeSet<String>,
    ids: Counting,
    transient: Transient,
    redactor: Redactor,
    snapshots: BTreeMap<Arc<str>, Snapshot>,
    key: DigestKey,
}

impl World {
    /// An organization `acme` with its first admin `alex`, and no policy.
    pub fn new() -> World {
        let mut world = World {
            state: State::default(),
            records: Vec::new(),
            about: BTreeMap::new(),
            now: BEGIN,
            without_policy: false,
            signing: false,
            payloads: BTreeMap::new(),
            lying: BTreeMap::new(),
            erased: BTreeSet::new(),
            ids: Counting::default(),
            transient: Transient::default(),
            redactor: Redactor::standard(),
            snapshots: BTreeMap::new(),
            key: DigestKey::new([7; 32]),
        };
        world.done(Command::Open(Box::new(LedgerOpened {
            counts: true,
            currency: "USD".into(),
            epoch: 1,
            organization: "acme".into(),
            permit_kid: "kid".into(),
            permit_public: "00".into(),
            schemas: Digest([0; 32]),
            vkey: "vkey".into(),
            zone: "UTC".into(),
        })));
        world.user("alex", &["admin"], &[], &[]);
        world
    }

    /// Adds a person.
    pub fn user(&mut self, id: &str, roles: &[&str], teams: &[&str], duties: &[&str]) {
        self.user_below(None, id, roles, teams, duties);
    }

    /// The same, with a manager.
    pub fn user_below(&mut self, manager: Option<String>, id: &str, roles: &[&str], teams: &[&str], duties: &[&str]) {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let added = UserAdded {
            duties: words(duties),
            manager,
            roles: words(roles),
            teams: words(teams),
            user: id.to_owned(),
            zone: None,
        };
        self.done(Command::PutUser(Box::new(added), None, None));
    }

    /// Registers an agent.
    pub fn agent(&mut self, id: &str, owner: &str) {
        let agent = AgentRegistered {
            agent: id.to_owned(),
            labels: BTreeMap::new(),
            owner: owner.to_owned(),
            team: None,
        };
        self.done(Command::RegisterAgent(Box::new(agent), None));
    }

    /// Stores policy documents and makes them live.
    pub fn policy(&mut self, files: &[(&str, &str)]) {
        let hash = self.upload(files);
        self.done(Command::ActivateSnapshot { hash, rationale: None });
    }

    /// Stores policy documents and answers their hash.
    pub fn upload(&mut self, files: &[(&str, &str)]) -> Arc<str> {
        let files: Vec<_> = files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
            .collect();
        let (snapshot, _) = Snapshot::load(&files).unwrap_or_else(|problems| panic!("policy: {problems:#?}"));
        let hash: Arc<str> = snapshot.hash_text().into();
        self.snapshots.insert(hash.clone(), snapshot);
        let uploaded = countersign_core::event::SnapshotUploaded {
            documents: files.len() as u64,
            hash: hash.clone(),
        };
        self.done(Command::UploadSnapshot(Box::new(uploaded)));
        hash
    }

    /// Carries a command out as Countersign itself; it has to happen.
    pub fn done(&mut self, command: Command) -> Vec<Record> {
        match self.give(Actor::system(), command) {
            (Answer::Done, records) => records,
            (answer, _) => panic!("the command was not carried out: {answer:?}"),
        }
    }

    /// Gives a command.
    pub fn give(&mut self, actor: Actor, command: Command) -> (Answer, Vec<Record>) {
        self.give_envelope(Envelope {
            actor,
            kid: None,
            idem: None,
            command,
        })
    }

    /// Gives a command with everything around it.
    pub fn give_envelope(&mut self, envelope: Envelope) -> (Answer, Vec<Record>) {
        let now = self.now.max(self.state.last_ts() + Span(1));
        let (actor, idem) = (envelope.actor.clone(), envelope.idem);
        let governing = self.state.governing(&envelope.command);
        let live = governing.deciding.filter(|_| !self.without_policy);
        let handled = self.state.handle(
            envelope,
            &mut Ctx {
                now,
                ids: &mut self.ids,
                live: live.as_ref().and_then(|hash| self.snapshots.get(hash)),
                beside: governing.beside.as_ref().and_then(|hash| self.snapshots.get(hash)),
                digest_key: &self.key,
                redactor: &self.redactor,
                transient: &mut self.transient,
            },
        );
        let idem = idem.filter(|_| handled.answer == Answer::Done);
        let mut records = Vec::new();
        for (place, draft) in handled.events.into_iter().enumerate() {
            let record = Record {
                seq: self.state.next_seq(),
                ts: now + Span(place as i64),
                actor: actor.clone(),
                event: draft.event,
                idem: idem.filter(|_| place == 0),
                payload: draft.payload.as_ref().map(|sealed| sealed.1.clone()),
                prov: draft.prov,
                redact: draft.redact,
                snapshot: draft.snapshot,
            };
            // Every record goes through its canonical bytes, as it would on its way to a store and back.
            let bytes = record.encode(ORIGIN).expect("a record encodes");
            countersign_tlog::is_canonical_record(&bytes)
                .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&bytes)));
            let (read, log) = Record::decode(&bytes).expect("a record decodes");
            assert_eq!((&read, log.as_str()), (&record, ORIGIN));
            if let Some(sealed) = draft.payload {
                self.payloads.insert(record.seq, sealed.0.clone());
                self.lay(&record, &sealed.0);
            }
            self.state.apply(&record);
            self.now = self.now.max(record.ts);
            for subject in countersign_core::view::subjects(&record.event) {
                let places = self.about.entry(subject).or_default();
                if places.last() != Some(&self.records.len()) {
                    places.push(self.records.len());
                }
            }
            self.records.push(record.clone());
            records.push(record);
        }
        (handled.answer, records)
    }

    /// Submits an action, given as the JSON of its body.
    pub fn submit(&mut self, agent: &str, body: &str) -> Result<ActionView, Refusal> {
        self.submit_as(agent, None, body)
    }

    /// The same with a person's credential.
    pub fn submit_as(&mut self, agent: &str, person: Option<String>, body: &str) -> Result<ActionView, Refusal> {
        let mut submit = self.submission(agent, body)?;
        submit.person = person;
        let actor = by(ActorKind::Agent, agent);
        match self.give(actor, Command::Submit(Box::new(submit))) {
            (Answer::Done, records) => Ok(ActionView::fold(&records).expect("a submission leaves a decision")),
            (Answer::Refused(refusal), _) => Err(refusal),
            (Answer::Replayed(_), _) => panic!("no idempotency key was given"),
        }
    }

    /// The live snapshot.
    pub fn live(&self) -> Option<&Snapshot> {
        self.snapshots.get(self.state.live()?)
    }

    /// An action as its records tell it.
    pub fn view(&self, id: ActionId) -> ActionView {
        let about = self.about.get(&id.0).into_iter().flatten();
        ActionView::fold(about.map(|at| &self.records[*at])).expect("there is such an action")
    }

    /// Casts a vote for what the request shows.
    pub fn vote(&mut self, user: &str, action: ActionId, verb: Verb, comment: Option<&str>) -> Result<(), Refusal> {
        let view = self.view(action);
        let approval = view.approval.clone().expect("a request was opened").opened;
        let snapshot = view.decided_under().map(|hash| hash.to_string()).unwrap_or_default();
        self.vote_for(user, approval.approval, verb, comment, approval.digest, snapshot, view)
    }

    /// Hands a place over to a colleague.
    pub fn hand_over(&mut self, user: &str, to: &str, action: ActionId) -> Result<(), Refusal> {
        let view = self.view(action);
        let approval = view.approval.as_ref().expect("a request was opened").opened.clone();
        let vote = Vote {
            assertion: None,
            approval: approval.approval,
            user: user.to_owned(),
            verb: Verb::HandOver,
            digest: approval.digest,
            snapshot: view.decided_under().map(|hash| hash.to_string()).unwrap_or_default(),
            comment: None,
            to: Some(to.to_owned()),
            presentation: None,
            batch: None,
            action: None,
            view: Some(Box::new(view)),
            edit: None,
            via: None,
        };
        outcome_of(self.give(by(ActorKind::User, user), Command::Vote(Box::new(vote))).0)
    }

    /// Who may decide on the open request of an action now.
    pub fn asked(&self, action: ActionId) -> Vec<String> {
        let open = self.state.approvals().values().find(|open| open.action_id == action);
        let users = self.state.users().keys();
        users
            .filter(|user| open.is_some_and(|open| self.state.may_decide(open, user)))
            .cloned()
            .collect()
    }

    /// Lets an action through that waits for others.
    pub fn break_glass(&mut self, who: Actor, action: ActionId, incident: &str) -> Result<(), Refusal> {
        let view = self.view(action);
        let words = Value::Map([("text".to_owned(), Value::from("it cannot wait"))].into());
        let ask = BreakGlass {
            approval: view.approval.as_ref().expect("a request").opened.approval,
            incident: incident.to_owned(),
            reason: store_value(&words, &self.redactor, &Kinds::default(), [5; 32], "default").0,
            action: self.stored_form(&view).map(Box::new),
        };
        outcome_of(self.give(who, Command::BreakGlass(Box::new(ask))).0)
    }

    /// Casts a vote for a digest and snapshot of one's choice.
    #[expect(clippy::too_many_arguments, reason = "each is one part of a vote")]
    pub fn vote_for(
        &mut self,
        user: &str,
        approval: ApprovalId,
        verb: Verb,
        comment: Option<&str>,
        digest: Digest,
        snapshot: String,
        view: ActionView,
    ) -> Result<(), Refusal> {
        let comment = comment.map(|text| {
            let value = Value::Map([("text".to_owned(), Value::from(text))].into());
            store_value(&value, &self.redactor, &Kinds::default(), [3; 32], "default").0
        });
        let action = self.stored_form(&view).map(Box::new);
        let vote = Vote {
            assertion: self.signed(),
            approval,
            user: user.to_owned(),
            verb,
            digest,
            snapshot,
            comment,
            to: None,
            presentation: self.shown_to(user, approval),
            batch: None,
            action,
            view: Some(Box::new(view)),
            edit: None,
            via: None,
        };
        outcome_of(self.give(by(ActorKind::User, user), Command::Vote(Box::new(vote))).0)
    }

    fn signed(&self) -> Option<Assertion> {
        self.signing.then(|| Assertion {
            authenticator_data: "AA".into(),
            client_data: "AA".into(),
            credential: "AA".into(),
            signature: "AA".into(),
        })
    }

    /// Redeems the permit of an action for the digest that was decided.
    pub fn redeem(&mut self, action: ActionId) -> Result<(), Refusal> {
        let view = self.view(action);
        let digest = view.runs();
        self.redeem_for(action, digest)
    }

    /// Redeems the permit of an action for a digest of one's choice.
    pub fn redeem_for(&mut self, action: ActionId, digest: Digest) -> Result<(), Refusal> {
        let view = self.view(action);
        let stored = self.stored_form(&view).map(Box::new);
        let agent = view.decision.agent.clone();
        let redeem = Redeem {
            permit: PermitId::from(action),
            digest,
            agent: Some(agent.clone()),
            action: stored,
        };
        outcome_of(
            self.give(by(ActorKind::Agent, &agent), Command::Redeem(Box::new(redeem)))
                .0,
        )
    }

    /// Folds all records anew: what a restart does.
    pub fn refolded(&self) -> State {
        let mut state = State::default();
        for record in &self.records {
            state.apply(record);
        }
        state
    }

    /// Types of all records since index `from`.
    pub fn kinds(&self, from: usize) -> Vec<&'static str> {
        self.records[from..].iter().map(|record| record.event.kind()).collect()
    }

    /// Whether an alert of this name was raised.
    pub fn alerted(&self, name: &str) -> bool {
        self.records
            .iter()
            .any(|record| matches!(&record.event, Event::AlertRaised(alert) if alert.name == name))
    }
}

impl Default for World {
    fn default() -> Self {
        World::new()
    }
}

/// An actor whose credential proves it.
pub fn by(kind: ActorKind, id: &str) -> Actor {
    Actor {
        auth: "test".into(),
        id: id.to_owned(),
        kind,
        verified: true,
    }
}

fn outcome_of(answer: Answer) -> Result<(), Refusal> {
    match answer {
        Answer::Done | Answer::Replayed(_) => Ok(()),
        Answer::Refused(refusal) => Err(refusal),
    }
}
