//! Who is on: questions about schedules, and what people change about them.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_core::command::{NewAbsence, NewOverride};
use countersign_core::ids::{AbsenceId, OverrideId};
use countersign_core::policy::Snapshot;
use countersign_core::schedule::{self, Absence, Changes, OnCall, Override, Shift};
use countersign_core::{Command, Event, Refusal, Span, Time};

use crate::auth::Caller;
use crate::error::EngineError;
use crate::inbox::Lane;
use crate::intake::Request;
use crate::ledger::Beside;
use crate::{Engine, blocking};

/// How far a forecast looks.
pub const FORECAST_DAYS_AT_MOST: u32 = 92;

/// What a schedule comes to.
pub struct Forecast {
    /// Its beginning.
    pub from: Time,
    /// Its end.
    pub to: Time,
    /// Every shift and every gap, in order.
    pub shifts: Vec<Shift>,
}

/// A schedule of the live policy, and who is on now.
pub struct ScheduleNow {
    /// Its name.
    pub name: String,
    /// IANA name of the zone of every time in it.
    pub zone: Option<String>,
    /// Whoever has turns in it, by name.
    pub people: BTreeSet<String>,
    /// Who is on.
    pub on: OnCall,
}

impl Engine {
    /// Every schedule of the live policy, by name.
    pub async fn schedules(&self, caller: &Caller) -> Result<(Time, Vec<ScheduleNow>), EngineError> {
        let (absences, overrides) = self.changed(caller).await?;
        let live = self.live_policy(caller).await?;
        let now = self.inner.clock.read().now;
        blocking(move || {
            let changes = Changes {
                overrides: overrides.iter().collect(),
                absences: absences.iter().collect(),
            };
            let organization = live.as_deref().and_then(Snapshot::organization);
            let known = organization
                .into_iter()
                .flat_map(|organization| organization.schedules());
            let schedules = known.map(|known| ScheduleNow {
                name: known.name.to_string(),
                zone: known.zone.iana_name().map(str::to_owned),
                people: known
                    .layers
                    .iter()
                    .flat_map(|layer| layer.people.iter().cloned())
                    .collect(),
                on: schedule::who_is_on(known, &changes, now),
            });
            Ok((now, schedules.collect()))
        })
        .await
    }

    /// What people changed about schedules.
    async fn changed(&self, caller: &Caller) -> Result<(Vec<Absence>, Vec<Override>), EngineError> {
        self.look(&caller.org, |state| {
            let absences = state.absences().values().cloned().collect();
            let overrides = state.overrides().values().cloned().collect();
            (absences, overrides)
        })
        .await
    }

    /// The live policy; `None` if there is none.
    pub async fn live_policy(&self, caller: &Caller) -> Result<Option<Arc<Snapshot>>, EngineError> {
        let live = self.look(&caller.org, |state| state.live().cloned()).await?;
        let (inner, org) = (self.inner.clone(), caller.org.clone());
        blocking(move || Ok(inner.compiled(&org, live.as_ref()))).await
    }

    /// Who is on in a schedule, now or at another instant.
    pub async fn who_is_on(
        &self,
        caller: &Caller,
        schedule: &str,
        at: Option<Time>,
    ) -> Result<(Time, OnCall), EngineError> {
        self.with_schedule(caller, schedule, move |schedule, changes, now| {
            let at = at.unwrap_or(now);
            (at, schedule::who_is_on(schedule, changes, at))
        })
        .await
    }

    /// Shifts and gaps of the next days.
    pub async fn forecast(&self, caller: &Caller, schedule: &str, days: u32) -> Result<Forecast, EngineError> {
        self.with_schedule(caller, schedule, move |schedule, changes, now| {
            let to = now + Span::days(i64::from(days.min(FORECAST_DAYS_AT_MOST)));
            Forecast {
                from: now,
                to,
                shifts: schedule::shifts(schedule, changes, now, to),
            }
        })
        .await
    }

    /// Reads a schedule and what people changed about it, beside the sequencer.
    async fn with_schedule<T: Send + 'static>(
        &self,
        caller: &Caller,
        name: &str,
        read: impl FnOnce(&countersign_core::policy::Schedule, &Changes<'_>, Time) -> T + Send + 'static,
    ) -> Result<T, EngineError> {
        let (absences, overrides) = self.changed(caller).await?;
        let live = self.live_policy(caller).await?;
        let (now, name) = (self.inner.clock.read().now, name.to_owned());
        blocking(move || {
            let organization = live.as_deref().and_then(Snapshot::organization);
            let schedule = organization
                .and_then(|organization| organization.schedule(&name))
                .ok_or_else(|| Refusal::missing("schedule", &name))?;
            let changes = Changes {
                overrides: overrides.iter().collect(),
                absences: absences.iter().collect(),
            };
            Ok(read(schedule, &changes, now))
        })
        .await
    }

    /// Records that somebody is absent. The second value says whether it was a repetition.
    pub async fn record_absence(
        &self,
        request: &Request<'_>,
        new: NewAbsence,
    ) -> Result<((AbsenceId, Absence), bool), EngineError> {
        match self.change(request, Command::RecordAbsence(Box::new(new))).await? {
            (Event::AbsenceRecorded(e), replayed) => {
                let absence = Absence {
                    delegate: e.delegate,
                    from: e.from,
                    to: e.to,
                    user: e.user,
                };
                Ok(((e.absence, absence), replayed))
            }
            _other => Err(EngineError::internal("an absence left another record")),
        }
    }

    /// Puts somebody on in a schedule. The second value says whether it was a repetition.
    pub async fn record_override(
        &self,
        request: &Request<'_>,
        new: NewOverride,
    ) -> Result<((OverrideId, Override), bool), EngineError> {
        match self.change(request, Command::RecordOverride(Box::new(new))).await? {
            (Event::OverrideRecorded(e), replayed) => {
                let other = Override {
                    from: e.from,
                    replaces: e.replaces,
                    schedule: e.schedule,
                    to: e.to,
                    user: e.user,
                };
                Ok(((e.r#override, other), replayed))
            }
            _other => Err(EngineError::internal("an override left another record")),
        }
    }

    /// Somebody is there after all.
    pub async fn withdraw_absence(&self, request: &Request<'_>, absence: AbsenceId) -> Result<(), EngineError> {
        self.change(request, Command::WithdrawAbsence(absence)).await.map(drop)
    }

    /// The schedule holds again.
    pub async fn withdraw_override(&self, request: &Request<'_>, other: OverrideId) -> Result<(), EngineError> {
        self.change(request, Command::WithdrawOverride(other)).await.map(drop)
    }

    /// Carries out a command that leaves a record; the record's event, also of a repetition.
    async fn change(&self, request: &Request<'_>, command: Command) -> Result<(Event, bool), EngineError> {
        let org = &request.caller.org;
        let done = self
            .perform(Lane::Urgent, org, request.envelope(command), Beside::default())
            .await?;
        let seq = done.entries.first().map(|entry| entry.record.seq).or(done.replayed);
        let (inner, name) = (self.inner.clone(), org.clone());
        let record = blocking(move || inner.record(&name, seq.unwrap_or_default())).await?;
        Ok((record.event, done.replayed.is_some()))
    }
}
