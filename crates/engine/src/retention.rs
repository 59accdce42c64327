//! What becomes of what is kept: legal holds, erasure of a subject's data, destruction when the time of a payload is over.
//!
//! An erasure has two steps. The first restricts: from that record on, what is new about the subject lies under other keys,
//! so that what lies under the old ones is known, all of it, once the record is durable. The second looks at that, and
//! destroys the keys, unless a hold covers some of it or a floor of retention is not over; then it is tried again later.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::command::{Destroy, Erase, Restrict};
use countersign_core::event::HoldScope;
use countersign_core::ids::{ActionId, HoldId};
use countersign_core::redact::Kinds;
use countersign_core::retention::{Covered, DEFAULT_CLASS, KeyId, Subject, kept_for, legal_floor};
use countersign_core::state::Hold;
use countersign_core::{Command, Event, Record, Refusal, Time};
use countersign_store::{Org, Payloads};

use crate::auth::Caller;
use crate::error::EngineError;
use crate::inbox::Lane;
use crate::intake::Request;
use crate::ledger::Beside;
use crate::nodes::Work;
use crate::payload::{Kept, Purpose};
use crate::{Engine, Inner, blocking, by_system};

/// How often is looked for what is over.
const PASS: Duration = Duration::from_secs(6 * 60 * 60);
/// How soon after the start.
const FIRST_PASS: Duration = Duration::from_secs(60);
/// How many payloads one record destroys at most.
const AT_ONCE: usize = 500;
/// How many payloads are listed at once.
const PAGE: usize = 5_000;

/// What a hold is to cover, in the words of whoever places it.
#[derive(Clone, Debug, Default)]
pub struct HoldWanted {
    /// Only this agent's.
    pub agent: Option<String>,
    /// Not before.
    pub from: Option<Time>,
    /// Only what is about this subject.
    pub subject: Option<String>,
    /// Before.
    pub to: Option<Time>,
}

/// Where an erasure stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erasure {
    /// A second person has to confirm it; until then hardly anybody reads the data.
    Asked,
    /// A rule of retention forbids it until then; meanwhile hardly anybody reads the data.
    Restricted {
        /// When it is carried out.
        until: Time,
    },
    /// So many payloads cannot be read any more by anybody.
    Erased {
        /// How many.
        payloads: u64,
    },
}

impl Engine {
    /// The digest by which records name a subject.
    pub fn subject(&self, org: &Org, name: &str) -> Result<Subject, EngineError> {
        Ok(self.inner.org(org)?.keys.digest.subject(name))
    }

    /// Places a legal hold.
    pub async fn place_hold(
        &self,
        request: &Request<'_>,
        wanted: HoldWanted,
        why: &str,
    ) -> Result<(HoldId, Hold), EngineError> {
        let org = &request.caller.org;
        let subject = wanted.subject.map(|name| self.subject(org, &name)).transpose()?;
        let scope = HoldScope {
            agent: wanted.agent,
            from: wanted.from,
            subject,
            to: wanted.to,
        };
        let reason = self.reason(why)?;
        let mut envelope = request.envelope(Command::PlaceHold { scope, reason });
        // See [`Engine::erase_subject`].
        envelope.idem = None;
        let done = self.perform(Lane::Urgent, org, envelope, Beside::default()).await?;
        let seq = done.entries.first().map(|entry| entry.record.seq).or(done.replayed);
        let (inner, name) = (self.inner.clone(), org.clone());
        let placed = blocking(move || inner.record(&name, seq.unwrap_or_default())).await?;
        match placed.event {
            Event::HoldPlaced(placed_hold) => Ok((
                placed_hold.hold,
                Hold {
                    by: placed_hold.by,
                    placed: placed.ts,
                    release: None,
                    scope: placed_hold.scope,
                },
            )),
            _other => Err(EngineError::internal("a hold left another record")),
        }
    }

    /// Open holds.
    pub async fn holds(&self, caller: &Caller) -> Result<Vec<(HoldId, Hold)>, EngineError> {
        self.look(&caller.org, |state| {
            state.holds().iter().map(|(id, hold)| (*id, hold.clone())).collect()
        })
        .await
    }

    /// Asks for the release of a hold, or releases it if somebody asked long enough ago. The hold, if it still stands.
    pub async fn release_hold(
        &self,
        request: &Request<'_>,
        id: HoldId,
        why: &str,
    ) -> Result<Option<Hold>, EngineError> {
        let org = &request.caller.org;
        let reason = self.reason(why)?;
        let envelope = request.envelope(Command::ReleaseHold { hold: id, reason });
        self.perform(Lane::Write, org, envelope, Beside::default()).await?;
        self.look(org, move |state| state.holds().get(&id).cloned()).await
    }

    /// Erases what is kept about a subject, or asks for it where two people are needed.
    pub async fn erase_subject(
        &self,
        request: &Request<'_>,
        name: &str,
        legal_basis: Option<String>,
        why: &str,
    ) -> Result<Erasure, EngineError> {
        let org = &request.caller.org;
        let subject = self.subject(org, name)?;
        let reason = self.reason(why)?;
        let legal_basis = legal_basis.map(|text| self.inner.redactor.redact_text(&text, &Kinds::all()).text);
        // What was asked for before this is in the store once this is answered.
        let now = self.inner.clock.read().now;
        let keys = self.look(org, move |state| state.payload_key(subject, now)).await?;
        let (inner, org_) = (self.inner.clone(), org.clone());
        let (since, until) = blocking(move || inner.bounds(&org_, keys)).await?;
        let ask = Restrict {
            subject,
            legal_basis,
            reason,
            since,
            until,
        };
        // Without the idempotency key: its record holds a hash of the request, which names the subject.
        let mut envelope = request.envelope(Command::Restrict(Box::new(ask)));
        envelope.idem = None;
        self.perform(Lane::Write, org, envelope, Beside::default()).await?;
        self.finish_erasure(org, subject).await
    }

    /// Carries an erasure out that nothing forbids any more.
    async fn finish_erasure(&self, org: &Org, subject: Subject) -> Result<Erasure, EngineError> {
        let known = self
            .look(org, move |state| {
                (state.restricted().get(&subject).cloned(), state.last_ts())
            })
            .await?;
        let now = self.inner.clock.read().now.max(known.1);
        let Some(restriction) = known.0 else {
            return Err(Refusal::conflict("not_restricted", "the data was erased meanwhile").into());
        };
        if !restriction.confirmed {
            return Ok(Erasure::Asked);
        }
        if let Some(until) = restriction.until.filter(|until| *until > now) {
            return Ok(Erasure::Restricted { until });
        }
        let (inner, name, keys) = (self.inner.clone(), org.clone(), restriction.keys);
        let (covered, payloads) = blocking(move || inner.lies_under(&name, subject, &keys)).await?;
        let erase = Erase {
            subject,
            covered,
            payloads,
        };
        let envelope = by_system(Command::Erase(Box::new(erase)));
        self.perform(Lane::Write, org, envelope, Beside::default()).await?;
        Ok(Erasure::Erased { payloads })
    }

    /// Carries out what is due in one organization: erasures that nothing forbids any more, payloads whose time is over.
    /// Answers how many payloads were destroyed.
    pub async fn destroy_due(&self, org: &Org) -> Result<u64, EngineError> {
        let (subjects, classes, closed) = self
            .look(org, |state| {
                let subjects: Vec<Subject> = state.restricted().keys().copied().collect();
                (subjects, state.classes().clone(), state.is_closed())
            })
            .await?;
        if closed {
            return Ok(0);
        }
        for subject in subjects {
            match self.finish_erasure(org, subject).await {
                Ok(_) | Err(EngineError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let mut count = 0;
        for class in std::iter::once(DEFAULT_CLASS.into()).chain(classes) {
            count += self.destroy_class(org, &class).await?;
        }
        Ok(count)
    }

    async fn destroy_class(&self, org: &Org, class: &str) -> Result<u64, EngineError> {
        let live = self.inner.org(org)?.live();
        let Some(span) = kept_for(class, live.as_deref()) else {
            return Ok(0);
        };
        let before = self.inner.clock.read().now - span;
        let (mut from, mut count) = (0, 0);
        loop {
            // Looked up each time: a hold may have been placed meanwhile.
            let (holds, profiles) = self
                .look_in(Lane::Read, org, |state| {
                    let holds: Vec<HoldScope> = state.holds().values().map(|hold| hold.scope.clone()).collect();
                    let profiles: BTreeSet<u64> = state.users().values().filter_map(|user| user.profile).collect();
                    (holds, profiles)
                })
                .await?;
            let (inner, name, which) = (self.inner.clone(), org.clone(), class.to_owned());
            let found = blocking(move || inner.over(&name, &which, from, before, &holds, &profiles)).await?;
            if !found.seqs.is_empty() {
                count += found.seqs.len() as u64;
                self.destroy(org, class, found.seqs, found.covered).await?;
            }
            match found.next {
                Some(next) => from = next,
                None => return Ok(count),
            }
        }
    }

    async fn destroy(&self, org: &Org, class: &str, seqs: Vec<u64>, covered: Vec<Covered>) -> Result<(), EngineError> {
        let command = Command::Destroy(Box::new(Destroy {
            class: class.to_owned(),
            covered,
            from: seqs.first().copied().unwrap_or_default(),
            to: seqs.last().map_or(0, |last| last + 1),
        }));
        let beside = Beside {
            destroy: seqs,
            ..Beside::default()
        };
        self.perform(Lane::Read, org, by_system(command), beside)
            .await
            .map(drop)
    }

    /// Carries out what is due, in every organization, until the task is dropped.
    pub async fn keep_house(self) {
        tokio::time::sleep(FIRST_PASS).await;
        loop {
            for org in self.inner.known_orgs() {
                match self.destroy_ours(&org).await {
                    Ok(0) => {}
                    Ok(count) => tracing::info!(org = &*org, count, "payloads were destroyed: their time was over"),
                    Err(error) => tracing::warn!(org = &*org, %error, "what is over could not be destroyed"),
                }
            }
            tokio::time::sleep(PASS).await;
        }
    }

    /// What is due in one organization, unless another node does it.
    async fn destroy_ours(&self, org: &Org) -> Result<u64, EngineError> {
        let (inner, name) = (self.inner.clone(), org.clone());
        if blocking(move || Ok(inner.does(Work::Retention, &name))).await? {
            self.destroy_due(org).await
        } else {
            Ok(0)
        }
    }

    /// The payload of a record with the salt that opens its commitment: salt (hexadecimal) and canonical text.
    pub async fn payload(
        &self,
        caller: &Caller,
        index: u64,
        purpose: Purpose,
    ) -> Result<(String, String), EngineError> {
        let (inner, org) = (self.inner.clone(), caller.org.clone());
        blocking(move || {
            let gone = |code, why: &str| {
                Refusal::new(
                    countersign_core::Category::Gone,
                    code,
                    format!("the payload of record {index} {why}"),
                )
            };
            match inner.kept(&org, index, purpose)? {
                Kept::Whole(payload) => Ok((
                    countersign_core::digest::hex(&payload.salt),
                    String::from_utf8_lossy(&payload.body).into_owned(),
                )),
                Kept::Erased => Err(gone("erased", "was erased").into()),
                Kept::Restricted => Err(Refusal::forbidden(
                    "restricted",
                    format!("the payload of record {index} is about a subject whose data is to be erased"),
                )
                .hint("it is read for a legal claim only: ask for it with `purpose=legal`")
                .into()),
                Kept::Nothing => match inner.record(&org, index) {
                    Ok(record) if record.payload.is_some() => {
                        Err(gone("destroyed", "was destroyed: its time was over").into())
                    }
                    Ok(_) | Err(_) => Err(Refusal::missing("payload of record", index).into()),
                },
            }
        })
        .await
    }

    /// Why something is done, which has to be said.
    pub(crate) fn reason(&self, why: &str) -> Result<countersign_core::command::Sealed, Refusal> {
        self.words(Some(why))
            .ok_or_else(|| Refusal::invalid("reason_required", "say why"))
    }
}

/// Payloads of a class whose time is over.
#[derive(Default)]
struct Over {
    seqs: Vec<u64>,
    covered: Vec<Covered>,
    /// Where to go on; `None` at the end.
    next: Option<u64>,
}

impl Inner {
    /// One record, decoded.
    pub(crate) fn record(&self, org: &str, seq: u64) -> Result<Record, EngineError> {
        let stored = self.store.records(org, seq, 1)?;
        let stored = stored.first().filter(|stored| stored.seq == seq);
        let stored = stored.ok_or_else(|| Refusal::missing("record", seq))?;
        Ok(Record::decode(&stored.leaf).map_err(EngineError::internal)?.0)
    }

    fn size(&self, org: &str) -> Result<u64, EngineError> {
        Ok(self.store.head(org)?.map_or(0, |head| head.size))
    }

    /// The year in which a ledger began, and until when its rules forbid to erase what lies under a subject's keys.
    fn bounds(&self, org: &Org, last: KeyId) -> Result<(i16, Option<Time>), EngineError> {
        // Where the first record has no bytes any more, the year before the organization was made is early enough.
        let began = match self.record(org, 0) {
            Ok(opened) => opened.ts.year(),
            Err(_) => {
                let rows = self.store.organizations()?;
                let row = rows.iter().find(|row| row.name == *org);
                row.map_or(last.year, |row| row.created.year()) - 1
            }
        };
        let since = began.min(last.year);
        let Some(floor) = legal_floor(self.org(org)?.live().as_deref()) else {
            return Ok((since, None));
        };
        for year in (since..=last.year).rev() {
            let id = KeyId { year, ..last }.to_string();
            if let Some(newest) = self.under(org, &id)?.last() {
                return Ok((since, Some(self.record(org, *newest)?.ts + floor)));
            }
        }
        Ok((since, None))
    }

    /// Indexes of the records whose payloads lie under a key.
    fn under(&self, org: &str, key: &str) -> Result<Vec<u64>, EngineError> {
        let mut which = Payloads {
            key: Some(key.to_owned()),
            before: self.size(org)?,
            limit: PAGE,
            ..Payloads::default()
        };
        let mut all = Vec::new();
        loop {
            let page = self.store.payloads(org, &which)?;
            let Some(last) = page.last() else { return Ok(all) };
            which.from = last + 1;
            all.extend(page);
        }
    }

    /// What a hold may ask about all that lies under these keys, and how many payloads that are.
    fn lies_under(&self, org: &str, subject: Subject, keys: &[String]) -> Result<(Option<Covered>, u64), EngineError> {
        let (mut all, mut count): (Option<Covered>, _) = (None, 0);
        for key in keys {
            for seq in self.under(org, key)? {
                count += 1;
                let one = self.covered(org, seq, Some(subject))?;
                match &mut all {
                    None => all = Some(one),
                    Some(all) => {
                        all.agents.extend(one.agents);
                        all.from = all.from.min(one.from);
                        all.to = all.to.max(one.to);
                    }
                }
            }
        }
        Ok((all, count))
    }

    /// What a hold may ask about the payload of a record.
    fn covered(&self, org: &str, seq: u64, subject: Option<Subject>) -> Result<Covered, EngineError> {
        let record = self.record(org, seq)?;
        Ok(Covered {
            agents: self.agent_of(org, &record.event)?.into_iter().collect(),
            from: record.ts,
            subjects: subject.into_iter().collect(),
            to: record.ts,
        })
    }

    /// The agent whose action an event belongs to.
    fn agent_of(&self, org: &str, event: &Event) -> Result<Option<Arc<str>>, EngineError> {
        let id: ActionId = match event {
            Event::DecisionMade(e) => return Ok(Some(e.agent.clone())),
            Event::ApprovalAnswered(e) => e.action_id,
            Event::ApprovalRevised(e) => e.action_id,
            Event::ApprovalVoted(e) => e.action_id,
            Event::OutcomeReported(e) => e.action_id,
            // No other record with a payload belongs to an action.
            _other => return Ok(None),
        };
        let about = self.store.by_subject(org, id.0)?;
        let decision = about
            .iter()
            .find_map(|stored| match Record::decode(&stored.leaf).ok()?.0.event {
                Event::DecisionMade(e) => Some(e.agent.clone()),
                _other => None,
            });
        Ok(decision)
    }

    /// The next payloads of a class, from index `from` on, whose records are older than `before`, that no hold covers and
    /// that are no profile of a person who is there.
    fn over(
        &self,
        org: &str,
        class: &str,
        from: u64,
        before: Time,
        holds: &[HoldScope],
        profiles: &BTreeSet<u64>,
    ) -> Result<Over, EngineError> {
        let which = Payloads {
            class: Some(class.to_owned()),
            from,
            before: self.size(org)?,
            limit: AT_ONCE,
            ..Payloads::default()
        };
        let page = self.store.payloads(org, &which)?;
        let mut over = Over {
            next: (page.last()).filter(|_| page.len() == AT_ONCE).map(|last| last + 1),
            ..Over::default()
        };
        for seq in page {
            let covered = self.covered(org, seq, self.subject_of(org, seq)?)?;
            if covered.to >= before {
                over.next = None;
                break;
            }
            if !profiles.contains(&seq) && !holds.iter().any(|hold| hold.covers(&covered)) {
                over.seqs.push(seq);
                over.covered.push(covered);
            }
        }
        Ok(over)
    }
}
