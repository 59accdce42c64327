//! Drills and canaries: requests that cannot come to anything.

use countersign_api::practice::{CadenceItem, DrilledPerson, LastDue, PracticeWord, PracticesAnswer};
use countersign_core::command::Practise;
use countersign_core::event::{PracticeEnded, PracticeKind, PracticeStarted};
use countersign_core::ids::ApprovalId;
use countersign_core::policy::{Cadence, Snapshot, Value};
use countersign_core::state::{Drilled, OpenPractice};
use countersign_core::{Command, Event, Record, Refusal, State};
use countersign_store::Org;

use crate::error::EngineError;
use crate::inbox::Lane;
use crate::intake::Request;
use crate::ledger::Beside;
use crate::{Engine, blocking};

/// A drill or a canary, as the ledger has it.
pub struct Practised {
    /// What was made.
    pub started: PracticeStarted,
    /// How it stands, while it is open.
    pub open: Option<OpenPractice>,
    /// How it ended.
    pub ended: Option<PracticeEnded>,
}

impl Engine {
    /// Makes a request that cannot come to anything. `true` if this is a repetition.
    pub async fn practise(
        &self,
        request: &Request<'_>,
        kind: PracticeKind,
        agent: &str,
        action: Value,
        reason: &str,
    ) -> Result<(Practised, bool), EngineError> {
        let org = &request.caller.org;
        let handle = self.inner.org(org)?;
        let received = countersign_core::action::receive(action)?;
        let ask = Practise {
            kind,
            submit: self
                .inner
                .submit_under(handle.live(), &handle, org, agent.into(), received.action),
            reason: self.reason(reason)?,
        };
        let envelope = request.envelope(Command::Practise(Box::new(ask)));
        let done = self.perform(Lane::Write, org, envelope, Beside::default()).await?;
        let made = match done.replayed {
            Some(seq) => self.decision_at(org, seq).await?,
            None => done.entries.iter().find_map(|entry| approval_of(&entry.record.event)),
        };
        let made = made.ok_or_else(|| EngineError::internal("a practice left no decision"))?;
        let practised = self.practice(org, made).await.map_err(EngineError::recorded)?;
        Ok((practised, done.replayed.is_some()))
    }

    /// What the live policy has asked by itself, and how everybody who may decide does in drills.
    pub async fn practices(&self, org: &Org) -> Result<PracticesAnswer, EngineError> {
        let live = self.inner.org(org)?.live();
        self.look(org, move |state| {
            let organization = live.as_deref().and_then(Snapshot::organization);
            let cadences = organization
                .into_iter()
                .flat_map(|organization| organization.cadences());
            let mut people: Vec<_> = (state.who_may_vote())
                .map(|user| (user, state.drilled().get(user).copied().unwrap_or_default()))
                .collect();
            people.sort_by_key(|(user, drilled)| (drilled.answered, *user));
            PracticesAnswer {
                cadences: cadences.map(|cadence| cadence_item(state, cadence)).collect(),
                people: people
                    .into_iter()
                    .map(|(user, drilled)| drilled_person(user, &drilled))
                    .collect(),
            }
        })
        .await
    }

    async fn decision_at(&self, org: &Org, seq: u64) -> Result<Option<ApprovalId>, EngineError> {
        let (inner, org) = (self.inner.clone(), org.clone());
        blocking(move || {
            let records = inner.store.records(&org, seq, 1)?;
            let first = records
                .first()
                .ok_or_else(|| EngineError::internal("the record of a repetition is gone"))?;
            Ok(approval_of(
                &Record::decode(&first.leaf).map_err(EngineError::internal)?.0.event,
            ))
        })
        .await
    }

    /// A drill or a canary, open or over.
    pub async fn practice(&self, org: &Org, id: ApprovalId) -> Result<Practised, EngineError> {
        let view = self.view_of_approval(org, id).await?;
        let open = self.look(org, move |state| state.practices().get(&id).cloned()).await?;
        let (inner, org) = (self.inner.clone(), org.clone());
        blocking(move || {
            let (mut started, mut ended) = (None, None);
            for stored in inner.store.by_subject(&org, view.decision.action_id.0)? {
                match Record::decode(&stored.leaf).map_err(EngineError::internal)?.0.event {
                    Event::PracticeStarted(event) => started = Some(*event),
                    Event::PracticeEnded(event) => ended = Some(*event),
                    _other => {}
                }
            }
            let started = started.ok_or_else(|| Refusal::missing("drill or canary", id))?;
            Ok(Practised { started, open, ended })
        })
        .await
    }
}

fn approval_of(event: &Event) -> Option<ApprovalId> {
    match event {
        Event::DecisionMade(event) => event.approval,
        _other => None,
    }
}

fn cadence_item(state: &State, cadence: &Cadence) -> CadenceItem {
    let last = state.cadences().get(&*cadence.name);
    CadenceItem {
        name: cadence.name.to_string(),
        kind: if cadence.canary {
            PracticeWord::Canary
        } else {
            PracticeWord::Drill
        },
        every_seconds: cadence.every / 1_000_000,
        agent: cadence.agent.clone(),
        hours: cadence.hours.as_ref().map(ToString::to_string),
        last: last.map(|last| LastDue {
            at: last.at.to_string(),
            approval: last.approval.map(|approval| approval.to_string()),
            reason: last.reason.clone(),
        }),
    }
}

fn drilled_person(user: &str, drilled: &Drilled) -> DrilledPerson {
    DrilledPerson {
        user: user.to_owned(),
        asked: drilled.asked.map(|at| at.to_string()),
        answered: drilled.answered.map(|at| at.to_string()),
        missed: drilled.missed,
    }
}
