//! Policy snapshots: check, store, make live, return.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use countersign_core::event::SnapshotUploaded;
use countersign_core::ids::ProposalId;
use countersign_core::schedule;
use countersign_core::state::{Proposal, Waiver};
use countersign_core::{Command, Event, Refusal, Span, State, Time};
use countersign_policy::{Problem, Snapshot, Tried};
use countersign_store::{Org, SnapshotFiles};

use crate::auth::Caller;
use crate::error::EngineError;
use crate::inbox::Lane;
use crate::intake::Request;
use crate::ledger::Beside;
use crate::{Engine, Inner, OrgHandle, blocking};

/// What a check of policy documents found.
pub struct PolicyCheck {
    /// The snapshot's hash, if the documents load.
    pub hash: Option<String>,
    /// Errors and warnings.
    pub problems: Vec<Problem>,
    /// Tests in the documents that did not get the decision that they want, one sentence each.
    pub failed_tests: Vec<String>,
    /// Every rule, and which of its sides the tests try.
    pub coverage: Vec<Tried>,
    /// They were stored by this same request before.
    pub replayed: bool,
}

impl PolicyCheck {
    /// Whether the documents load and their tests hold.
    pub fn is_fine(&self) -> bool {
        self.hash.is_some() && self.failed_tests.is_empty()
    }
}

/// A stored snapshot.
pub struct SnapshotRow {
    /// `sha256:…`.
    pub hash: String,
    /// How many documents it has.
    pub documents: u64,
    /// When it was stored.
    pub uploaded: countersign_core::Time,
    /// When it was last made live.
    pub activated: Option<countersign_core::Time>,
    /// It decides now.
    pub live: bool,
    /// What somebody lets pass of its tests.
    pub waived: Option<Waiver>,
}

/// What came of making a snapshot live.
pub struct Activation {
    /// What is live now.
    pub live: String,
    /// What waits for people to agree.
    pub pending: Option<Proposal>,
    /// What is not as it should be, a sentence each.
    pub warnings: Vec<String>,
    /// The same request was carried out before.
    pub replayed: bool,
}

/// How far ahead gaps are looked for, in days.
const GAPS_WITHIN_DAYS: i64 = 14;

/// The gaps of a snapshot's schedules, one sentence for each schedule that has some.
fn gaps(people: &State, snapshot: &Snapshot, now: Time) -> Vec<String> {
    let changes = people.changes();
    let schedules = snapshot.organization().into_iter().flat_map(|known| known.schedules());
    let told = schedules.filter_map(|schedule| {
        let gaps = schedule::gaps(schedule, &changes, now, now + Span::days(GAPS_WITHIN_DAYS));
        let (from, to) = *gaps.first()?;
        let more = match gaps.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more times"),
        };
        Some(format!(
            "within {GAPS_WITHIN_DAYS} days nobody is on in schedule `{}` from {from} to {to}{more}",
            schedule.name
        ))
    });
    told.collect()
}

/// The tests of a snapshot that do not get what they want.
pub(crate) fn failed_tests(snapshot: &Snapshot) -> Vec<String> {
    let failed = snapshot
        .run_tests()
        .into_iter()
        .filter(|test| !test.failures.is_empty());
    failed
        .map(|test| {
            format!(
                "{}:{}: `{}`: {}",
                test.file,
                test.line,
                test.name,
                test.failures.join("; ")
            )
        })
        .collect()
}

/// Checks policy documents: names and exact bytes.
pub fn check(files: &[(String, Vec<u8>)]) -> (Option<Snapshot>, PolicyCheck) {
    let (snapshot, problems) = match Snapshot::load(files) {
        Ok((snapshot, mut warnings)) => {
            warnings.extend(snapshot.lint());
            warnings.sort_by(|a, b| (&a.file, a.span.start, a.code).cmp(&(&b.file, b.span.start, b.code)));
            (Some(snapshot), warnings)
        }
        Err(problems) => (None, problems),
    };
    let failed_tests = snapshot.as_ref().map(failed_tests).unwrap_or_default();
    let hash = snapshot.as_ref().map(|snapshot| snapshot.hash_text().to_owned());
    let snapshot_coverage = snapshot.as_ref().map(Snapshot::coverage).unwrap_or_default();
    (
        snapshot,
        PolicyCheck {
            hash,
            problems,
            failed_tests,
            coverage: snapshot_coverage,
            replayed: false,
        },
    )
}

impl Engine {
    /// Checks policy documents and stores them as a snapshot if they load. The second value says whether they were
    /// stored, by this request or an earlier one.
    pub async fn upload_policies(
        &self,
        request: &Request<'_>,
        files: Vec<(String, Vec<u8>)>,
    ) -> Result<PolicyCheck, EngineError> {
        let (found, files) = blocking(move || Ok((check(&files), files))).await?;
        let (snapshot, checked) = found;
        let Some(snapshot) = snapshot else { return Ok(checked) };
        let hash: Arc<str> = snapshot.hash_text().into();
        self.inner
            .remember(&request.caller.org, hash.clone(), Arc::new(snapshot))?;
        let uploaded = SnapshotUploaded {
            documents: files.len() as u64,
            hash: hash.clone(),
        };
        let envelope = request.envelope(Command::UploadSnapshot(Box::new(uploaded)));
        let beside = Beside {
            snapshots: vec![SnapshotFiles { files, hash }],
            ..Beside::default()
        };
        let done = self.perform(Lane::Write, &request.caller.org, envelope, beside).await?;
        Ok(PolicyCheck {
            replayed: done.replayed.is_some(),
            ..checked
        })
    }

    /// Makes a stored snapshot live.
    pub async fn activate_policy(
        &self,
        request: &Request<'_>,
        hash: &str,
        rationale: Option<&str>,
    ) -> Result<Activation, EngineError> {
        let hash: Arc<str> = hash.into();
        let warnings = self.fit_to_live(&request.caller.org, &hash).await?;
        let command = Command::ActivateSnapshot {
            hash: hash.clone(),
            rationale: self.words(rationale),
        };
        let envelope = request.envelope(command);
        let done = self
            .perform(Lane::Write, &request.caller.org, envelope, Beside::default())
            .await?;
        let activation = self
            .activation(&request.caller.org, warnings, done.replayed.is_some())
            .await?;
        let Some(seq) = done.replayed else {
            return Ok(activation);
        };
        let (inner, org) = (self.inner.clone(), request.caller.org.clone());
        let record = blocking(move || inner.record(&org, seq))
            .await
            .map_err(EngineError::recorded)?;
        match record.event {
            // It became live then, or was live: that is the answer, whatever has become live since.
            Event::SnapshotActivated(_) | Event::RequestNoted(_) => Ok(Activation {
                live: hash.to_string(),
                pending: None,
                ..activation
            }),
            _other => Ok(activation),
        }
    }

    /// Agrees to a snapshot that somebody wants live, or does not.
    pub async fn judge_policy(
        &self,
        request: &Request<'_>,
        hash: &str,
        proposal: Option<ProposalId>,
        agrees: bool,
        comment: Option<&str>,
    ) -> Result<Activation, EngineError> {
        let hash: Arc<str> = hash.into();
        let warnings = match agrees {
            // People may have come and gone since it was proposed.
            true => self.fit_to_live(&request.caller.org, &hash).await?,
            false => Vec::new(),
        };
        let command = Command::JudgeSnapshot {
            hash,
            proposal,
            agrees,
            comment: self.words(comment),
        };
        let envelope = request.envelope(command);
        let done = self
            .perform(Lane::Write, &request.caller.org, envelope, Beside::default())
            .await?;
        self.activation(&request.caller.org, warnings, done.replayed.is_some())
            .await
    }

    /// What is live now, and what waits.
    pub(crate) async fn activation(
        &self,
        org: &Org,
        warnings: Vec<String>,
        replayed: bool,
    ) -> Result<Activation, EngineError> {
        let now = self.look(org, |state| (state.live().cloned(), state.proposal().cloned()));
        let (live, pending) = now.await.map_err(EngineError::recorded)?;
        Ok(Activation {
            live: live.map(|hash| hash.to_string()).unwrap_or_default(),
            pending,
            warnings,
            replayed,
        })
    }

    /// The snapshot that waits for people to agree.
    pub async fn proposal(&self, caller: &Caller) -> Result<Option<Proposal>, EngineError> {
        self.look(&caller.org, |state| state.proposal().cloned()).await
    }

    /// A stored snapshot, compiled.
    ///
    /// # Errors
    /// `not_found` if there is none.
    pub(crate) async fn stored_snapshot(&self, org: &Org, hash: &Arc<str>) -> Result<Arc<Snapshot>, EngineError> {
        let (inner, of, wanted) = (self.inner.clone(), org.clone(), hash.clone());
        let compiled = blocking(move || Ok(inner.compiled(&of, Some(&wanted)))).await?;
        compiled.ok_or_else(|| Refusal::missing("snapshot", hash).into())
    }

    /// Whether a snapshot's tests hold and its routes reach somebody; the gaps in its schedules, in words.
    pub(crate) async fn fit_to_live(&self, org: &Org, hash: &Arc<str>) -> Result<Vec<String>, EngineError> {
        let snapshot = self.stored_snapshot(org, hash).await?;
        self.tests_suffice(org, hash, &snapshot).await?;
        let people = self.look(org, |state| state.people_alone()).await?;
        let now = self.inner.clock.read().now;
        let looked = blocking(move || Ok((people.unreachable(&snapshot, now), gaps(&people, &snapshot, now)))).await?;
        match looked {
            (Some(unreachable), _) => Err(unreachable.refusal().into()),
            (None, gaps) => Ok(gaps),
        }
    }

    /// Makes the snapshot live that was live before. `from` is what the caller saw that is to go; unless they say, it is what
    /// is there now.
    pub async fn roll_back_policy(
        &self,
        request: &Request<'_>,
        from: Option<&str>,
        rationale: Option<&str>,
    ) -> Result<Activation, EngineError> {
        let from = match from {
            Some(named) => Some(named.into()),
            None => {
                let there = self.look(&request.caller.org, |state| state.goes_back_from().cloned());
                there.await?
            }
        };
        let envelope = request.envelope(Command::RollBack {
            from,
            rationale: self.words(rationale),
        });
        let done = self
            .perform(Lane::Write, &request.caller.org, envelope, Beside::default())
            .await?;
        self.activation(&request.caller.org, Vec::new(), done.replayed.is_some())
            .await
    }

    /// Stored snapshots, newest first.
    pub async fn snapshots(&self, caller: &Caller) -> Result<Vec<SnapshotRow>, EngineError> {
        self.look(&caller.org, |state| {
            let mut rows: Vec<SnapshotRow> = (state.snapshots().iter())
                .map(|(hash, stored)| SnapshotRow {
                    hash: hash.to_string(),
                    documents: stored.documents,
                    uploaded: stored.uploaded,
                    activated: stored.activated,
                    live: state.live() == Some(hash),
                    waived: stored.waived.clone(),
                })
                .collect();
            rows.sort_by(|a, b| b.uploaded.cmp(&a.uploaded).then_with(|| a.hash.cmp(&b.hash)));
            rows
        })
        .await
    }

    /// The files of a stored snapshot.
    pub async fn snapshot_files(&self, caller: &Caller, hash: &str) -> Result<Vec<(String, Vec<u8>)>, EngineError> {
        let (inner, org, hash) = (self.inner.clone(), caller.org.clone(), hash.to_owned());
        blocking(move || {
            let files = inner.store.snapshot(&org, &hash)?;
            files.ok_or_else(|| Refusal::missing("snapshot", &hash).into())
        })
        .await
    }
}

/// How many compiled snapshots are kept for each organization.
const COMPILED_AT_MOST: usize = 16;

impl Inner {
    /// A snapshot, compiled; `None` if there is none of that hash or it does not load any more.
    pub(crate) fn compiled(&self, org: &Org, hash: Option<&Arc<str>>) -> Option<Arc<Snapshot>> {
        let hash = hash?;
        let handle = self.org(org).ok()?;
        let known = handle
            .snapshots
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(hash)
            .cloned();
        if known.is_some() {
            return known;
        }
        let files = match self.store.snapshot(org, hash) {
            Ok(files) => files?,
            Err(error) => {
                tracing::error!(org = &**org, hash = &**hash, %error, "a policy snapshot cannot be read; everything is denied");
                return None;
            }
        };
        let snapshot = Snapshot::load(&files).ok().map(|(snapshot, _)| snapshot);
        let Some(snapshot) = snapshot.filter(|snapshot| snapshot.hash_text() == &**hash) else {
            tracing::error!(
                org = &**org,
                hash = &**hash,
                "a stored policy snapshot does not load; everything is denied"
            );
            return None;
        };
        let snapshot = Arc::new(snapshot);
        self.remember(org, hash.clone(), snapshot.clone()).ok()?;
        Some(snapshot)
    }

    fn remember(&self, org: &Org, hash: Arc<str>, snapshot: Arc<Snapshot>) -> Result<(), EngineError> {
        let handle = self.org(org)?;
        let mut known = handle.snapshots.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= COMPILED_AT_MOST {
            drop_unused(&mut known);
        }
        known.insert(hash, snapshot);
        Ok(())
    }
}

/// Drops snapshots that nobody but the cache holds.
fn drop_unused(known: &mut HashMap<Arc<str>, Arc<Snapshot>>) {
    known.retain(|_, snapshot| Arc::strong_count(snapshot) > 1);
}

impl OrgHandle {
    /// The live snapshot as of the last commit.
    pub fn live(&self) -> Option<Arc<Snapshot>> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
