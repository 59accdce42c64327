//! Who is on and who is asked: schedules with the next fourteen days, absences and overrides, and the routes of the policy.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query};
use axum::routing::{get, post};
use countersign_api::operations::DoneAnswer;
use countersign_api::organization::{
    AbsenceAnswer, AbsencesAnswer, ForecastAnswer, OverrideAnswer, OverridesAnswer, RouteAnswer, RouteStepAnswer,
    RoutesAnswer, ScheduleAnswer, SchedulesAnswer,
};
use countersign_api::registry::UsersAnswer;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::rota::{Rota, rota};
use crate::Console;
use crate::api::Quoted;
use crate::form::Fields;
use crate::page::{Chrome, Page, Trouble, see_other, show_as};
use crate::said::{Html, said};
use crate::visit::{Posted, Visit};
use crate::when::{Lasting, When};

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/schedules", get(schedules))
        .route("/schedules/absences", post(absent))
        .route("/schedules/absences/{id}/withdraw", post(there_again))
        .route("/schedules/overrides", post(swap))
        .route("/schedules/overrides/{id}/withdraw", post(as_before))
}

/// Days of the calendar.
pub(super) const DAYS: usize = 14;
/// People who are offered by name.
const OFFERED_AT_MOST: usize = 500;

#[derive(Template)]
#[template(path = "schedules.html")]
struct Schedules {
    chrome: Chrome,
    on: Vec<On>,
    rota: Option<Rota>,
    absences: Vec<Absence>,
    overrides: Vec<Override>,
    routes: Vec<Route>,
    people: Vec<String>,
    /// People who have turns in the schedule that is shown.
    turns: Vec<String>,
    me: String,
    zone: String,
    chosen: Option<String>,
    for_others: bool,
    failure: Option<Failure>,
    may_record: bool,
}

/// A schedule, and who is on.
struct On {
    name: Html,
    href: String,
    here: bool,
    person: Option<Html>,
    because: Html,
    zone: Html,
}

struct Absence {
    id: String,
    user: Html,
    from: When,
    to: When,
    delegate: Option<Html>,
    may_end: bool,
}

struct Override {
    id: String,
    schedule: Html,
    user: Html,
    from: When,
    to: When,
    replaces: Option<Html>,
}

struct Route {
    name: Html,
    steps: Vec<Html>,
    limits: Html,
    if_nobody: Html,
    not: Option<Html>,
}

#[derive(Deserialize, Default)]
struct Asked {
    name: Option<String>,
}

async fn schedules(visit: Visit, Query(asked): Query<Asked>) -> Page {
    page(&visit, asked.name.as_deref(), None).await
}

async fn page(visit: &Visit, wanted: Option<&str>, wrong: Option<Failure>) -> Page {
    let known: SchedulesAnswer = visit.get("/v1/org/schedules").await?;
    let absences: AbsencesAnswer = visit.get("/v1/org/absences").await?;
    let overrides: OverridesAnswer = visit.get("/v1/org/overrides").await?;
    let routes: RoutesAnswer = visit.get("/v1/org/routes").await?;
    let users: Option<UsersAnswer> = visit.find("/v1/users").await?;
    let chosen = known.schedules.iter().find(|known| Some(known.name.as_str()) == wanted);
    let chosen = chosen.or_else(|| known.schedules.first());
    let forecast: Option<ForecastAnswer> = match chosen {
        Some(chosen) => {
            let path = format!("/v1/org/schedules/{}/forecast?days={DAYS}", Quoted(&chosen.name));
            visit.find(&path).await?
        }
        None => None,
    };
    let for_others = visit.who.roles.iter().any(|role| role == "admin");
    let status = if wrong.is_some() { 422 } else { 200 };
    let page = Schedules {
        chrome: visit.chrome(),
        on: known.schedules.iter().map(|known| on(known, chosen)).collect(),
        rota: forecast.map(|forecast| rota(visit, &forecast)),
        absences: absences
            .absences
            .iter()
            .map(|known| absence(visit, known, for_others))
            .collect(),
        overrides: overrides
            .overrides
            .iter()
            .map(|known| r#override(visit, known))
            .collect(),
        routes: routes.routes.iter().map(route).collect(),
        people: users
            .into_iter()
            .flat_map(|users| users.users)
            .map(|user| user.id)
            .take(OFFERED_AT_MOST)
            .collect(),
        turns: chosen.map(|chosen| chosen.people.clone()).unwrap_or_default(),
        me: visit.who.id.clone(),
        zone: visit.zone.name().to_owned(),
        chosen: chosen.map(|chosen| chosen.name.clone()),
        for_others,
        failure: wrong,
        may_record: visit.may("record_absence"),
    };
    show_as(status, &page)
}

fn on(known: &ScheduleAnswer, chosen: Option<&ScheduleAnswer>) -> On {
    On {
        name: said(&known.name),
        href: format!("/schedules?name={}", Quoted(&known.name)),
        here: chosen.is_some_and(|chosen| chosen.name == known.name),
        person: known.person.as_deref().map(said),
        because: said(&known.because),
        zone: said(known.zone.as_deref().unwrap_or_default()),
    }
}

fn absence(visit: &Visit, known: &AbsenceAnswer, for_others: bool) -> Absence {
    Absence {
        id: known.id.clone(),
        user: said(&known.user),
        from: visit.zone.when(&known.from),
        to: visit.zone.when(&known.to),
        delegate: known.delegate.as_deref().map(said),
        may_end: for_others || known.user == visit.who.id,
    }
}

fn r#override(visit: &Visit, known: &OverrideAnswer) -> Override {
    Override {
        id: known.id.clone(),
        schedule: said(&known.schedule),
        user: said(&known.user),
        from: visit.zone.when(&known.from),
        to: visit.zone.when(&known.to),
        replaces: known.replaces.as_deref().map(said),
    }
}

fn route(known: &RouteAnswer) -> Route {
    let span = |ms: i64| Lasting(ms / 1000).to_string();
    let mut limits = Vec::new();
    limits.extend(known.sla_ms.map(|ms| format!("expected within {}", span(ms))));
    limits.extend(known.deadline_ms.map(|ms| format!("ends after {}", span(ms))));
    limits.extend(
        known
            .valid_for_ms
            .map(|ms| format!("an approval may be used for {}", span(ms))),
    );
    limits.extend(known.business_hours.as_ref().map(|name| format!("hours of `{name}`")));
    let fallback = match known.fallback.as_slice() {
        [] => "the admins are".to_owned(),
        names => format!("{} are", names.join(", ")),
    };
    let exhausted = match (known.on_exhausted.as_str(), &known.safe_fallback) {
        ("hold", _) => "it is held until its deadline".to_owned(),
        (_, Some(action)) => format!("`{action}` is offered in its place"),
        _reject => "it is rejected".to_owned(),
    };
    Route {
        name: said(&known.name),
        steps: known
            .steps
            .iter()
            .enumerate()
            .map(|(at, step)| said(&step_in_words(at, step)))
            .collect(),
        limits: said(&limits.join("; ")),
        if_nobody: said(&format!(
            "Where a step reaches nobody, {fallback} asked. If nobody answers, {exhausted}."
        )),
        not: (!known.separation_of_duties.is_empty())
            .then(|| said(&known.separation_of_duties.join(", ").replace('_', " "))),
    }
}

fn step_in_words(at: usize, step: &RouteStepAnswer) -> String {
    let slots = step.slots.iter().map(|slot| match slot.count {
        Some(count) => format!("{count} of {}", slot.to.join(", ")),
        None => format!("one of each of {}", slot.to.join(", ")),
    });
    let mut words = slots.collect::<Vec<_>>().join(" and ");
    if at > 0 {
        words = match step.when.as_str() {
            "approved" => format!("then, once that is approved, {words}"),
            _timeout => format!("then, if nobody decided in time, {words}"),
        };
    }
    if let Some(ms) = step.within_ms {
        words += &format!(", within {}", Lasting(ms / 1000));
    }
    if step.repeat > 0 {
        words += &match step.repeat {
            1 => ", asked again once".to_owned(),
            more => format!(", asked again up to {more} times"),
        };
    }
    if step.min_distinct_teams > 1 {
        words += &format!(", from {} teams", step.min_distinct_teams);
    }
    if !step.must_include.is_empty() {
        words += &format!(", among them {}", step.must_include.join(", "));
    }
    if step.reject_after > 1 {
        words += &format!("; {} rejections reject", step.reject_after);
    }
    words
}

async fn absent(Posted { visit, fields }: Posted) -> Page {
    let body = match span(&visit, &fields, &["user", "delegate"]) {
        Ok(body) => body,
        Err(wrong) => return again(&visit, &fields, wrong).await,
    };
    let done: Result<AbsenceAnswer, Trouble> = visit.post("/v1/org/absences", &body).await;
    finish(&visit, &fields, done.map(drop), "absent").await
}

async fn there_again(Path(id): Path<String>, Posted { visit, fields }: Posted) -> Page {
    let done: Result<DoneAnswer, Trouble> = visit.delete(&format!("/v1/org/absences/{}", Quoted(&id))).await;
    finish(&visit, &fields, done.map(drop), "there_again").await
}

async fn swap(Posted { visit, fields }: Posted) -> Page {
    let body = match span(&visit, &fields, &["schedule", "user", "replaces"]) {
        Ok(body) => body,
        Err(wrong) => return again(&visit, &fields, wrong).await,
    };
    let done: Result<OverrideAnswer, Trouble> = visit.post("/v1/org/overrides", &body).await;
    finish(&visit, &fields, done.map(drop), "swapped").await
}

async fn as_before(Path(id): Path<String>, Posted { visit, fields }: Posted) -> Page {
    let done: Result<DoneAnswer, Trouble> = visit.delete(&format!("/v1/org/overrides/{}", Quoted(&id))).await;
    finish(&visit, &fields, done.map(drop), "as_before").await
}

/// The body of a form about a span of time: local times of whoever looks, and names where they are given.
fn span(visit: &Visit, fields: &Fields, names: &[&str]) -> Result<Map<String, Value>, Failure> {
    let mut body = Map::new();
    for name in ["from", "to"] {
        let Some(at) = visit.zone.moment(fields.text(name).trim()) else {
            return Err(Failure::ours(&format!("`{name}` is no time"))
                .hint("write a day and a time such as `2026-07-01T09:00`"));
        };
        body.insert(name.to_owned(), json!(at));
    }
    for name in names {
        body.extend(fields.given(name).map(|text| ((*name).to_owned(), json!(text))));
    }
    Ok(body)
}

async fn finish(visit: &Visit, fields: &Fields, done: Result<(), Trouble>, code: &str) -> Page {
    match done {
        Ok(()) => {
            let name = fields
                .given("shown")
                .map(|name| format!("name={}&", Quoted(name)))
                .unwrap_or_default();
            Ok(see_other(&format!("/schedules?{name}done={code}")))
        }
        Err(trouble) => {
            let wrong = Failure::of(trouble)?;
            again(visit, fields, wrong).await
        }
    }
}

async fn again(visit: &Visit, fields: &Fields, wrong: Failure) -> Page {
    page(visit, fields.given("shown"), Some(wrong)).await
}

#[cfg(test)]
mod tests {
    use countersign_api::organization::RouteSlotAnswer;

    use super::*;

    #[test]
    fn a_step_of_a_route_is_told_in_words() {
        let step = RouteStepAnswer {
            slots: vec![RouteSlotAnswer {
                to: vec!["schedule:oncall".into()],
                count: Some(1),
            }],
            within_ms: Some(900_000),
            when: "timeout".into(),
            repeat: 1,
            min_distinct_teams: 0,
            must_include: Vec::new(),
            reject_after: 1,
        };
        assert_eq!(
            step_in_words(1, &step),
            "then, if nobody decided in time, 1 of schedule:oncall, within 15 min, asked again once"
        );
    }
}
