//! A ledger of as many decisions as one likes, and what measuring them takes: shared by the measurements of this folder.

use countersign_core::action::receive;
use countersign_core::command::Submit;
use countersign_core::digest::{Digest, DigestKey, action_digest};
use countersign_core::event::{AgentRegistered, LedgerOpened, SnapshotUploaded};
use countersign_core::ids::IdSource;
use countersign_core::policy::{Snapshot, json};
use countersign_core::record::Payload;
use countersign_core::redact::{Kinds, Redactor};
use countersign_core::replay::Policies;
use countersign_core::stored::{attempt, store_action};
use countersign_core::{Actor, Answer, Command, Ctx, Envelope, Record, Span, State, Time, Transient};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ORIGIN: &str = "bench/t/0/audit/1";
/// Rules in the policy; each decision looks at those that its selectors find.
const GATES: usize = 40;

struct Counting(u128);

impl IdSource for Counting {
    fn next(&mut self, _: Time) -> u128 {
        self.0 += 1;
        self.0
    }
}

pub struct Files(pub Vec<(String, Vec<u8>)>);

impl Policies for Files {
    fn files(&self, _: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
        Ok(self.0.clone())
    }
}

/// A ledger as an export holds it: canonical records, and payloads beside them.
pub struct Ledger {
    state: State,
    ids: Counting,
    transient: Transient,
    snapshot: Snapshot,
    now: Time,
    pub kept: Vec<(Vec<u8>, Option<Payload>)>,
}

impl Ledger {
    /// A ledger of an organization with one agent under these documents.
    pub fn under(files: &[(String, Vec<u8>)]) -> Ledger {
        let (snapshot, _) = Snapshot::load(files).unwrap();
        let hash: std::sync::Arc<str> = snapshot.hash_text().into();
        let mut ledger = Ledger {
            state: State::default(),
            ids: Counting(0),
            transient: Transient::default(),
            snapshot,
            now: Time(1_767_603_600_000_000),
            kept: Vec::new(),
        };
        ledger.give(Command::Open(Box::new(LedgerOpened {
            counts: true,
            currency: "USD".into(),
            epoch: 1,
            organization: "bench".into(),
            permit_kid: "kid".into(),
            permit_public: "00".into(),
            schemas: Digest([0; 32]),
            vkey: "vkey".into(),
            zone: "UTC".into(),
        })));
        let agent = AgentRegistered {
            agent: "countersign".into(),
            labels: Default::default(),
            owner: "team:bench".into(),
            team: None,
        };
        ledger.give(Command::RegisterAgent(Box::new(agent), None));
        let uploaded = SnapshotUploaded {
            documents: GATES as u64,
            hash: hash.clone(),
        };
        ledger.give(Command::UploadSnapshot(Box::new(uploaded)));
        ledger.give(Command::ActivateSnapshot { hash, rationale: None });
        ledger
    }

    fn give(&mut self, command: Command) {
        self.now = self.now + Span(20_000);
        let live = self.state.live().is_some().then_some(&self.snapshot);
        let envelope = Envelope {
            actor: Actor::system(),
            kid: None,
            idem: None,
            command,
        };
        let mut ctx = Ctx {
            now: self.now,
            ids: &mut self.ids,
            live,
            beside: None,
            digest_key: &DigestKey::new([1; 32]),
            redactor: &Redactor::standard(),
            transient: &mut self.transient,
        };
        let handled = self.state.handle(envelope, &mut ctx);
        assert_eq!(handled.answer, Answer::Done);
        for draft in handled.events {
            self.now = self.now + Span(1);
            let record = Record {
                seq: self.state.next_seq(),
                ts: self.now - Span(1),
                actor: Actor::system(),
                event: draft.event,
                idem: None,
                payload: draft.payload.as_ref().map(|sealed| sealed.1.clone()),
                prov: draft.prov,
                redact: draft.redact,
                snapshot: draft.snapshot,
            };
            self.state.apply(&record);
            let payload = draft.payload.map(|sealed| sealed.0.clone());
            self.kept.push((record.encode(ORIGIN).unwrap(), payload));
        }
    }

    pub fn decide(&mut self, number: usize) {
        let body = format!(
            r#"{{"action":"op-{}","amount":"{}.50","currency":"USD","args":{{"order":"{number}","note":"a few words about it"}}}}"#,
            number % GATES,
            number % 400
        );
        let value = json::parse(body.as_bytes(), &json::Limits::default()).unwrap();
        let action = receive(value).unwrap().action;
        let digest = action_digest(&DigestKey::new([1; 32]), "bench", "countersign", &action, None);
        let stored = store_action(
            &action,
            &digest,
            &Redactor::standard(),
            &Kinds::default(),
            [9; 32],
            "default",
        );
        self.give(Command::Submit(Box::new(Submit {
            attempt: attempt(&stored.shown, None),
            agent: "countersign".into(),
            verified: true,
            person: None,
            kinds: Kinds::default(),
            digest,
            action,
            stored: stored.sealed,
            redact: stored.redact,
            shown: stored.shown,
            callback_url: None,
            accept_remedy: false,
            practice: false,
        })));
    }
}

pub fn policy() -> Vec<(String, Vec<u8>)> {
    let gate = |number: usize| {
        let text = format!(
            "name: gate-{number}\non: [{{ action: op-{number} }}]\nrules:\n  - {{ condition: \"has(amount) && amount < 300\", \
             decision: allow }}\n  - {{ condition: \"has(amount) && amount >= 300\", decision: deny }}\n"
        );
        (format!("gate-{number}.yaml"), text.into_bytes())
    };
    (0..GATES).map(gate).collect()
}

/// Processor time of this process so far, seconds: what a machine that does other things as well says of speed.
pub fn processor_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // Fields 14 and 15, in hundredths; the name before them is in brackets and may hold blanks.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = |field: usize| fields[field - 3].parse::<f64>().unwrap();
    (ticks(14) + ticks(15)) / 100.0
}
