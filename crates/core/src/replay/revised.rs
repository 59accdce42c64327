//! Deriving revisions again: what a reviewer narrowed is held against what it was, and both a reviewer's and an agent's
//! revision against what policy says of it.

use countersign_policy::{Action, Hidden, Snapshot};

use super::restore::{Restored, read};
use super::{Derivation, Difference, Gap, Ids, Outcome, Replay, compare, settle};
use crate::command::Submit;
use crate::digest::{ActionDigest, DigestKey, salted_action_digest};
use crate::event::ApprovalRevised;
use crate::narrow::{changes, narrowed};
use crate::record::{Payload, Record};
use crate::redact::{Kinds, is_mark, is_marked};
use crate::state::revise::Changed;
use crate::state::{Ctx, OpenAction, Transient};
use crate::stored::stored_action;

/// What a request is about, as far as it was kept.
#[derive(Default)]
pub(super) struct Wanted {
    /// The stored form of the action.
    pub(super) form: Option<Action>,
    /// Parts of evidence that the request lacked at first.
    pub(super) lacked: Vec<String>,
}

impl Replay<'_> {
    /// A revision, as it follows from what was there.
    pub(super) fn revision(&mut self, record: &Record, e: &ApprovalRevised, payload: Option<&Payload>) -> Derivation {
        self.compile_cited(record);
        let action = self.state.actions().get(&e.action_id).cloned();
        let outcome = match &action {
            Some(action) => self.rederive(record, e, action, payload),
            None => Outcome::Differs {
                rule: String::new(),
                differences: vec![Difference {
                    what: "approval.revised".to_owned(),
                    recorded: compare::text(e),
                    recomputed: "null".to_owned(),
                }],
            },
        };
        let form = payload.and_then(|payload| stored_action(&payload.body));
        self.wanted.entry(e.approval).or_default().form = form;
        Derivation {
            index: record.seq,
            kind: "approval.revised",
            action_id: e.action_id,
            agent: action.map_or_else(|| "".into(), |action| action.agent),
            decision: e.decision,
            outcome,
        }
    }

    fn rederive(
        &self,
        record: &Record,
        e: &ApprovalRevised,
        action: &OpenAction,
        payload: Option<&Payload>,
    ) -> Outcome {
        let mut gaps = Vec::new();
        let live = match record.snapshot.as_ref().and_then(|hash| self.compiled.get(hash)) {
            Some(Ok(live)) => Some(live),
            Some(Err(why)) => return Outcome::NotDerivable(vec![Gap::new("snapshot", why.clone())]),
            None => None,
        };
        let restored = match read(record, payload) {
            Ok(restored) => restored,
            Err(gap) => return Outcome::NotDerivable(vec![gap]),
        };
        gaps.extend(restored.gaps.iter().cloned());
        let hidden = (!record.redact.is_empty()).then(|| Hidden::new(is_mark, is_marked));
        let mut submit = revised_submit_of(record, e, action, &restored, live);
        self.state.as_asked(action, &mut submit);
        let mut differences = self.stated(record, e, action, &restored, &submit);
        self.changed(record, e, &submit.action, payload, &mut differences, &mut gaps);

        let change = Changed {
            id: e.approval,
            submit: &submit,
            edited_by: e.edited_by.as_deref(),
            changed: e.changed.clone(),
            completed: self
                .wanted
                .get(&e.approval)
                .map(|wanted| wanted.lacked.clone())
                .unwrap_or_default(),
            facts: e.facts.clone(),
            hidden: hidden.as_ref(),
        };
        let ctx = Ctx {
            now: record.ts,
            ids: &mut Ids(Vec::new()),
            live,
            beside: None,
            digest_key: &DigestKey::new([0; 32]),
            redactor: &self.redactor,
            transient: &mut Transient::default(),
        };
        let follows = self.state.revision(change, &ctx);
        if let Some(hidden) = &hidden {
            gaps.extend(hidden.read().into_iter().map(|field| Gap {
                field,
                why: "it was read, and redaction had replaced it".to_owned(),
            }));
        }
        if gaps.is_empty() {
            match follows {
                Ok(follows) => differences.extend(compare::revisions(e, &follows.revised)),
                Err(not) => differences.push(Difference {
                    what: "decision".to_owned(),
                    recorded: compare::text(&e.decision),
                    recomputed: compare::text(&format!("none: {}", not.refusal.code)),
                }),
            }
        }
        let rule = e
            .reasons
            .first()
            .map(|reason| format!("{}#{}", reason.document, reason.rule));
        settle(gaps, differences, rule.unwrap_or_default())
    }

    /// Where what the record states of its past is not what the ledger before it says.
    fn stated(
        &self,
        record: &Record,
        e: &ApprovalRevised,
        action: &OpenAction,
        restored: &Restored,
        submit: &Submit,
    ) -> Vec<Difference> {
        let mut differences = Vec::new();
        let mut facts = self.state.facts_of_revision(action, submit);
        // What the guards read is derived with the decision, and compared with it.
        facts.budgets.clone_from(&e.facts.budgets);
        facts.circuits.clone_from(&e.facts.circuits);
        facts.depth.clone_from(&e.facts.depth);
        facts.windows.clone_from(&e.facts.windows);
        facts.positions.clone_from(&e.facts.positions);
        compare::field("facts", &e.facts, &facts, &mut differences);
        compare::field(
            "snapshot",
            &record.snapshot,
            &self.state.deciding(&action.agent, action.run.as_deref()),
            &mut differences,
        );
        let author = e.edited_by.as_deref().unwrap_or(&action.agent);
        compare::field("actor.id", &record.actor.id, &author, &mut differences);
        if let Some(salt) = restored.digest_salt.filter(|_| record.redact.is_empty()) {
            let digest = salted_action_digest(&salt, self.state.organization(), &action.agent, &submit.action);
            compare::field("digest", &e.digest, &digest, &mut differences);
        }
        differences
    }

    /// Whether what changed is what the record says, and, of an edit, less than there was.
    fn changed(
        &self,
        record: &Record,
        e: &ApprovalRevised,
        after: &Action,
        payload: Option<&Payload>,
        differences: &mut Vec<Difference>,
        gaps: &mut Vec<Gap>,
    ) {
        let before = self.wanted.get(&e.approval).and_then(|wanted| wanted.form.as_ref());
        let Some(before) = before else {
            gaps.push(Gap::new(
                "payload",
                "what it was before is not in the export: left out, or erased",
            ));
            return;
        };
        let approval = self.state.approvals().get(&e.approval);
        let changed = if e.edited_by.is_some() {
            let pointers = approval.and_then(|open| Some(open.editable.as_ref()?.pointers.clone()));
            narrowed(before, after, &pointers.unwrap_or_default()).map_err(|refusal| refusal.code)
        } else {
            let stored = payload.and_then(|payload| stored_action(&payload.body));
            Ok(stored.map_or_else(Vec::new, |after| changes(before, &after)))
        };
        match changed {
            Ok(changed) => compare::field("changed", &e.changed, &changed, differences),
            Err(code) if record.redact.is_empty() => {
                compare::field("changed", &e.changed, &format!("none: {code}"), differences);
            }
            Err(_) => gaps.push(Gap::new(
                "payload",
                "parts of it were not kept, so that it cannot be compared",
            )),
        }
    }
}

/// What a revision was decided on, but for who asks.
pub(crate) fn revised_submit_of(
    record: &Record,
    e: &ApprovalRevised,
    action: &OpenAction,
    restored: &Restored,
    live: Option<&Snapshot>,
) -> Submit {
    Submit {
        agent: action.agent.clone(),
        verified: false,
        person: None,
        kinds: Kinds::of(live, &action.agent),
        action: restored.received.action.clone(),
        digest: ActionDigest {
            digest: e.digest,
            salt: restored.digest_salt.unwrap_or_default(),
        },
        stored: restored.stored.clone(),
        redact: record.redact.clone(),
        shown: restored.shown.clone(),
        attempt: "".into(),
        callback_url: None,
        accept_remedy: false,
        practice: action.practice,
    }
}
