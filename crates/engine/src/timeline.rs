//! What happened to a request, for somebody who was not there.

use std::collections::BTreeMap;

use countersign_api::evidence_pack::{EvidencePack, pack};
use countersign_api::timeline::{TimelineAnswer, Told, entries, questions};
use countersign_core::ids::{ActionId, ApprovalId};
use countersign_core::{ActionView, Event, Record, Refusal};

use crate::auth::Caller;
use crate::error::EngineError;
use crate::{Engine, Inner, blocking};

impl Engine {
    /// Tells a request from the action that wanted it to its outcome and its callbacks.
    pub async fn timeline(&self, caller: &Caller, id: ApprovalId) -> Result<TimelineAnswer, EngineError> {
        let view = self.view_of_approval(&caller.org, id).await?;
        self.check_reader(caller, &view)
            .map_err(|_| Refusal::missing("approval", id))?;
        let (inner, org) = (self.inner.clone(), caller.org.clone());
        blocking(move || inner.timeline(&org, id, &view)).await
    }
}

impl Engine {
    /// The evidence of one decision.
    pub async fn evidence_pack(&self, caller: &Caller, id: ApprovalId) -> Result<EvidencePack, EngineError> {
        let view = self.view_of_approval(&caller.org, id).await?;
        self.check_reader(caller, &view)
            .map_err(|_| Refusal::missing("approval", id))?;
        let answer = self.approval_of_action(&caller.org, view.decision.action_id).await?;
        let (inner, org) = (self.inner.clone(), caller.org.clone());
        blocking(move || {
            let (log, records) = inner.records_of(&org, view.decision.action_id)?;
            let words = inner.words_beside(&org, &records)?;
            let told = Told {
                log: &log,
                records: &records,
                words: &words,
            };
            let decided = inner.compiled(&org, view.decided_under());
            let tool = view.decision.tool.as_deref().unwrap_or(&view.decision.action);
            let risk = decided.as_ref().and_then(|snapshot| snapshot.risk(tool));
            Ok(pack(&view, &answer, &told, risk))
        })
        .await
    }
}

impl Inner {
    fn timeline(&self, org: &str, id: ApprovalId, view: &ActionView) -> Result<TimelineAnswer, EngineError> {
        let (log, records) = self.records_of(org, view.decision.action_id)?;
        let words = self.words_beside(org, &records)?;
        let told = Told {
            log: &log,
            records: &records,
            words: &words,
        };
        let state = view.approval.as_ref().map(|approval| approval.state.as_str());
        Ok(TimelineAnswer {
            approval: id.to_string(),
            state: state.unwrap_or_default().to_owned(),
            questions: questions(&told),
            entries: entries(&told),
        })
    }

    /// The records of an action, of its callbacks and its notices in the order of the ledger, and the name of the log.
    fn records_of(&self, org: &str, id: ActionId) -> Result<(String, Vec<Record>), EngineError> {
        let mut records = BTreeMap::new();
        let mut name = String::new();
        let mut subjects = vec![id.0];
        while let Some(subject) = subjects.pop() {
            for stored in self.store.by_subject(org, subject)? {
                let (record, log) = Record::decode(&stored.leaf).map_err(EngineError::internal)?;
                name = log;
                let tried = match &record.event {
                    Event::CallbackDue(due) => Some(due.delivery.0),
                    Event::NoticeDue(due) => Some(due.notice.0),
                    _other => None,
                };
                subjects.extend(tried.filter(|tried| *tried != subject));
                records.insert(record.seq, record);
            }
        }
        Ok((name, records.into_values().collect()))
    }

    /// What people and agents said beside these records, as far as it is there and may be read.
    fn words_beside(&self, org: &str, records: &[Record]) -> Result<BTreeMap<u64, String>, EngineError> {
        let mut words = BTreeMap::new();
        for record in records.iter().filter(|record| record.payload.is_some()) {
            let said = match &record.event {
                Event::ApprovalVoted(_) | Event::GlassBroken(_) => self.text_payload(org, record.seq)?,
                Event::ApprovalAnswered(_) => text(&self.json_payload(org, record.seq)?, "/answer"),
                Event::DecisionMade(_) => text(&self.json_payload(org, record.seq)?, "/action/evidence/reason"),
                // Nothing else that is told has words of somebody beside it.
                _other => None,
            };
            words.extend(said.map(|said| (record.seq, said)));
        }
        Ok(words)
    }
}

fn text(payload: &serde_json::Value, pointer: &str) -> Option<String> {
    payload.pointer(pointer)?.as_str().map(str::to_owned)
}
