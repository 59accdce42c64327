//! Who is on and who is asked: schedules, routes, absences and overrides.

use countersign_api::operations::DoneAnswer;
use countersign_api::organization::{
    AbsenceAnswer, AbsenceBody, AbsencesAnswer, ForecastAnswer, OnCallAnswer, OverrideAnswer, OverrideBody,
    OverridesAnswer, RouteAnswer, RouteSlotAnswer, RouteStepAnswer, RoutesAnswer, ScheduleAnswer, SchedulesAnswer,
    ShareAnswer, ShiftAnswer, SpanAnswer,
};
use countersign_core::Time;
use countersign_core::command::{NewAbsence, NewOverride};
use countersign_core::ids::{AbsenceId, OverrideId};
use countersign_core::policy::verdict::Quorum;
use countersign_core::policy::{Exhausted, Route, Separation, Snapshot, Step, When};
use countersign_core::schedule::{Absence, Override};
use countersign_engine::{Caller, FORECAST_DAYS_AT_MOST, ScheduleNow};

use super::handlers;
use crate::problem::Problem;
use crate::query::{At, Days, id, time, within};
use crate::reply::{Answer, json};
use crate::way::Asked;

handlers! {
    "who_is_on" => Caller who_is_on,
    "forecast" => Caller forecast,
    "routes" => Caller routes,
    "schedules" => Caller schedules,
    "absences" => Caller absences,
    "record_absence" => Caller record_absence,
    "withdraw_absence" => Caller withdraw_absence,
    "overrides" => Caller overrides,
    "record_override" => Caller record_override,
    "withdraw_override" => Caller withdraw_override,
}

async fn who_is_on(asked: Asked<Caller>) -> Answer {
    let At { at } = asked.query()?;
    let at = time("at", at.as_deref())?;
    let schedule = asked.param();
    let (at, on) = asked.app.engine.who_is_on(&asked.caller, schedule, at).await?;
    json(&OnCallAnswer {
        schedule: schedule.to_owned(),
        at: at.to_string(),
        person: on.person,
        because: on.because,
    })
}

async fn schedules(asked: Asked<Caller>) -> Answer {
    let (at, schedules) = asked.app.engine.schedules(&asked.caller).await?;
    let on_the_wire = |known: ScheduleNow| ScheduleAnswer {
        name: known.name,
        zone: known.zone,
        people: known.people.into_iter().collect(),
        person: known.on.person,
        because: known.on.because,
    };
    json(&SchedulesAnswer {
        at: at.to_string(),
        schedules: schedules.into_iter().map(on_the_wire).collect(),
    })
}

async fn forecast(asked: Asked<Caller>) -> Answer {
    let Days { days } = asked.query()?;
    let days = within("days", days, 14, FORECAST_DAYS_AT_MOST as usize)?;
    let days = u32::try_from(days).unwrap_or(FORECAST_DAYS_AT_MOST);
    let schedule = asked.param();
    let forecast = asked.app.engine.forecast(&asked.caller, schedule, days).await?;
    let mut shares: std::collections::BTreeMap<String, i64> = Default::default();
    let (mut gaps, mut shifts) = (Vec::new(), Vec::new());
    for shift in forecast.shifts {
        let (from, to) = (shift.from.to_string(), shift.to.to_string());
        match shift.person {
            None => gaps.push(SpanAnswer { from, to }),
            Some(person) => {
                *shares.entry(person.clone()).or_default() += (shift.to - shift.from).0;
                shifts.push(ShiftAnswer {
                    from,
                    to,
                    person,
                    because: shift.because,
                });
            }
        }
    }
    let share = |(person, micros): (String, i64)| ShareAnswer {
        person,
        seconds: micros / 1_000_000,
    };
    json(&ForecastAnswer {
        schedule: schedule.to_owned(),
        from: forecast.from.to_string(),
        to: forecast.to.to_string(),
        gaps,
        shares: shares.into_iter().map(share).collect(),
        shifts,
    })
}

async fn routes(asked: Asked<Caller>) -> Answer {
    let live = asked.app.engine.live_policy(&asked.caller).await?;
    let organization = live.as_deref().and_then(Snapshot::organization);
    let routes = organization.map(|organization| organization.routes().map(route).collect());
    json(&RoutesAnswer {
        routes: routes.unwrap_or_default(),
    })
}

fn route(route: &Route) -> RouteAnswer {
    let (on_exhausted, safe_fallback) = match &route.on_exhausted {
        Exhausted::Reject => ("reject", None),
        Exhausted::Hold => ("hold", None),
        Exhausted::SafeFallback(action) => ("safe_fallback", Some(action.clone())),
    };
    let separation = |rule: &Separation| match rule {
        Separation::Requester => "requester",
        Separation::AgentOwner => "agent_owner",
        Separation::SameTeam => "same_team",
    };
    RouteAnswer {
        name: route.name.to_string(),
        steps: route.steps.iter().map(step).collect(),
        sla_ms: route.sla.map(ms),
        deadline_ms: route.deadline.map(ms),
        valid_for_ms: route.valid_for.map(ms),
        on_exhausted: on_exhausted.to_owned(),
        safe_fallback,
        separation_of_duties: route
            .separation
            .iter()
            .map(|rule| separation(rule).to_owned())
            .collect(),
        fallback: route.fallback.clone(),
        business_hours: route.calendar.as_ref().map(|name| name.to_string()),
    }
}

fn step(step: &Step) -> RouteStepAnswer {
    let slots = step.slots.iter().map(|slot| RouteSlotAnswer {
        to: slot.names.clone(),
        count: match slot.quorum {
            Quorum::Any(count) => Some(count),
            Quorum::All => None,
        },
    });
    RouteStepAnswer {
        slots: slots.collect(),
        within_ms: step.within.map(ms),
        when: match step.when {
            When::Timeout => "timeout".to_owned(),
            When::Approved => "approved".to_owned(),
        },
        repeat: step.repeat,
        min_distinct_teams: step.min_teams,
        must_include: step.must_include.clone(),
        reject_after: step.rejections,
    }
}

fn ms(micros: i64) -> i64 {
    micros / 1000
}

fn absence((id, absence): (AbsenceId, Absence)) -> AbsenceAnswer {
    AbsenceAnswer {
        id: id.to_string(),
        user: absence.user,
        from: absence.from.to_string(),
        to: absence.to.to_string(),
        delegate: absence.delegate,
    }
}

fn r#override((id, other): (OverrideId, Override)) -> OverrideAnswer {
    OverrideAnswer {
        id: id.to_string(),
        schedule: other.schedule,
        user: other.user,
        from: other.from.to_string(),
        to: other.to.to_string(),
        replaces: other.replaces,
    }
}

fn moment(name: &str, text: &str) -> Result<Time, Problem> {
    time(name, Some(text)).map(Option::unwrap_or_default)
}

async fn absences(asked: Asked<Caller>) -> Answer {
    let absences = asked.app.engine.look(&asked.caller.org, |state| {
        let all = state.absences().iter().map(|(id, known)| absence((*id, known.clone())));
        all.collect()
    });
    json(&AbsencesAnswer {
        absences: absences.await?,
    })
}

async fn record_absence(asked: Asked<Caller>) -> Answer {
    let body: AbsenceBody = asked.body()?;
    let new = NewAbsence {
        user: body.user.map_or_else(|| asked.caller.actor.id.clone(), |user| user.0),
        from: moment("from", &body.from.0)?,
        to: moment("to", &body.to.0)?,
        delegate: body.delegate.map(|delegate| delegate.0),
    };
    let (recorded, replayed) = asked.app.engine.record_absence(&asked.request(), new).await?;
    Ok(json(&absence(recorded))?.created().replayed(replayed))
}

async fn withdraw_absence(asked: Asked<Caller>) -> Answer {
    let absence: AbsenceId = id("absence", asked.param())?;
    asked.app.engine.withdraw_absence(&asked.request(), absence).await?;
    json(&DoneAnswer { done: true })
}

async fn overrides(asked: Asked<Caller>) -> Answer {
    let overrides = asked.app.engine.look(&asked.caller.org, |state| {
        let all = state
            .overrides()
            .iter()
            .map(|(id, known)| r#override((*id, known.clone())));
        all.collect()
    });
    json(&OverridesAnswer {
        overrides: overrides.await?,
    })
}

async fn record_override(asked: Asked<Caller>) -> Answer {
    let body: OverrideBody = asked.body()?;
    let new = NewOverride {
        schedule: body.schedule.0,
        user: body.user.map_or_else(|| asked.caller.actor.id.clone(), |user| user.0),
        from: moment("from", &body.from.0)?,
        to: moment("to", &body.to.0)?,
        replaces: body.replaces.map(|replaces| replaces.0),
    };
    let (recorded, replayed) = asked.app.engine.record_override(&asked.request(), new).await?;
    Ok(json(&r#override(recorded))?.created().replayed(replayed))
}

async fn withdraw_override(asked: Asked<Caller>) -> Answer {
    let other: OverrideId = id("override", asked.param())?;
    asked.app.engine.withdraw_override(&asked.request(), other).await?;
    json(&DoneAnswer { done: true })
}
