//! Key figures: what governance comes to, for those who answer for it. Each says what it is of, and what it means behind a fold.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::routing::get;
use countersign_api::kpis::{KpiAnswer, KpiClass, KpiRequests, KpiTimes, KpiUnit, KpiWindow, KpisAnswer};
use serde::Deserialize;

use crate::Console;
use crate::chart::{Column, Kind, stacked};
use crate::messages;
use crate::page::{Chrome, Page, show};
use crate::said::{Html, said};
use crate::visit::Visit;
use crate::when::{When, Zone};

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/overview/kpis", get(kpis))
}

/// Windows that can be asked for, in days.
const WINDOWS: [u8; 2] = [7, 14];
/// Figures that stand on top.
const FIRST: [&str; 4] = [
    "decided_without_people",
    "decision_time_median",
    "answered_in_time",
    "governed",
];

const ENDS: [Kind; 7] = [
    Kind {
        name: "approved",
        class: "c-good",
    },
    Kind {
        name: "approved with changes",
        class: "c-within",
    },
    Kind {
        name: "rejected",
        class: "c-bad",
    },
    Kind {
        name: "ended without an answer",
        class: "c-warn",
    },
    Kind {
        name: "glass broken",
        class: "c-accent",
    },
    Kind {
        name: "withdrawn or stopped",
        class: "c-soft",
    },
    Kind {
        name: "open",
        class: "c-quiet",
    },
];

const ANSWERS: [Kind; 2] = [
    Kind {
        name: "answered",
        class: "c-good",
    },
    Kind {
        name: "not answered",
        class: "c-warn",
    },
];

#[derive(Deserialize)]
struct Wanted {
    days: Option<u8>,
}

#[derive(Template)]
#[template(path = "kpis.html")]
struct Kpis {
    chrome: Chrome,
    days: u8,
    windows: [u8; 2],
    from: When,
    size: u64,
    first: Vec<Figure>,
    groups: Vec<Group>,
    by_day: Html,
    by_time: Html,
    classes: Vec<Class>,
    may_see_reviewers: bool,
}

struct Group {
    id: String,
    name: &'static str,
    figures: Vec<Figure>,
}

struct Figure {
    id: String,
    name: String,
    about: String,
    window: String,
    value: Option<String>,
    of: String,
    before: Option<String>,
    moved: bool,
    missing: Option<String>,
}

struct Class {
    name: Html,
    approved: u64,
    edited: u64,
    rejected: u64,
    share: String,
}

async fn kpis(visit: Visit, Query(wanted): Query<Wanted>) -> Page {
    let days = wanted.days.filter(|days| WINDOWS.contains(days)).unwrap_or(WINDOWS[0]);
    let seen: KpisAnswer = visit.get(&format!("/v1/kpis?days={days}")).await?;
    let figure = |kpi: &KpiAnswer| figure(kpi, days);
    let mut groups = Vec::<Group>::new();
    for kpi in &seen.kpis {
        match groups.last_mut().filter(|group| group.id == kpi.group) {
            Some(group) => group.figures.push(figure(kpi)),
            None => groups.push(Group {
                id: kpi.group.clone(),
                name: messages::kpi_group(&kpi.group),
                figures: vec![figure(kpi)],
            }),
        }
    }
    let first = FIRST.iter().filter_map(|id| seen.kpis.iter().find(|kpi| kpi.id == *id));
    show(&Kpis {
        chrome: visit.chrome(),
        days,
        windows: WINDOWS,
        from: visit.zone.when(&seen.from),
        size: seen.as_of_seq,
        first: first.map(figure).collect(),
        groups,
        by_day: by_day(&visit.zone, &seen, days),
        by_time: by_time(&seen.times, days),
        classes: seen.classes.iter().map(class).collect(),
        may_see_reviewers: visit.may("glass"),
    })
}

fn figure(kpi: &KpiAnswer, days: u8) -> Figure {
    let told = |value: u64| match kpi.unit {
        KpiUnit::PerMille => percent(value),
        KpiUnit::Seconds => format!("up to {}", span(value)),
    };
    Figure {
        id: kpi.id.clone(),
        name: kpi.name.clone(),
        about: kpi.about.clone(),
        window: match kpi.window {
            KpiWindow::Opened => format!("Requests of the last {days} days"),
            KpiWindow::Happened => format!("The last {days} days"),
            KpiWindow::Now => "As it stands now".to_owned(),
            KpiWindow::ThirtyDays => "The last 30 days".to_owned(),
        },
        value: kpi.value.map(told),
        of: format!("{} of {}", kpi.numerator, kpi.denominator),
        before: kpi.before.map(told),
        moved: kpi.moved,
        missing: kpi.missing.clone(),
    }
}

/// So many of 1,000 in percent, with the tenth.
fn percent(per_mille: u64) -> String {
    format!("{}.{} %", per_mille / 10, per_mille % 10)
}

/// A bound of seconds in the largest unit that it is whole in.
fn span(seconds: u64) -> String {
    match seconds {
        _ if seconds > 86_400 && seconds.is_multiple_of(86_400) => format!("{} days", seconds / 86_400),
        _ if seconds >= 3600 && seconds.is_multiple_of(3600) => format!("{} h", seconds / 3600),
        _ if seconds >= 60 && seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

fn ends(hour: &KpiRequests) -> [u64; ENDS.len()] {
    let ended = [
        hour.approved,
        hour.edited,
        hour.rejected,
        hour.expired,
        hour.broken_glass,
        hour.withdrawn,
    ];
    let open = hour.opened.saturating_sub(ended.iter().sum());
    let [approved, edited, rejected, expired, glass, withdrawn] = ended;
    [approved, edited, rejected, expired, glass, withdrawn, open]
}

/// What became of requests, by the reader's days on which they were opened.
fn by_day(zone: &Zone, seen: &KpisAnswer, days: u8) -> Html {
    let mut counted = BTreeMap::<_, Vec<u64>>::new();
    for hour in &seen.requests {
        if let Some(day) = zone.day(&hour.from) {
            let sum = counted.entry(day).or_insert_with(|| vec![0; ENDS.len()]);
            sum.iter_mut().zip(ends(hour)).for_each(|(sum, count)| *sum += count);
        }
    }
    // The window begins within the first of these days.
    let columns: Vec<Column> = (0..=i32::from(days))
        .rev()
        .filter_map(|back| zone.day_before(&seen.to, back))
        .map(|day| Column {
            name: day.strftime("%e %b").to_string().trim().to_owned(),
            parts: counted.remove(&day).unwrap_or_else(|| vec![0; ENDS.len()]),
        })
        .collect();
    stacked("Requests by the day on which they were opened", &ENDS, &columns)
}

/// After how long requests were answered, or are waiting.
fn by_time(times: &[KpiTimes], days: u8) -> Html {
    let columns: Vec<Column> = (times.iter())
        .map(|time| Column {
            name: time.up_to_s.map_or_else(|| "longer".to_owned(), span),
            parts: vec![time.answered, time.unanswered],
        })
        .collect();
    let title = format!("Requests of the last {days} days by how long they took, up to");
    stacked(&title, &ANSWERS, &columns)
}

fn class(class: &KpiClass) -> Class {
    let decided = class.approved + class.rejected;
    Class {
        name: said(&class.class),
        approved: class.approved,
        edited: class.edited,
        rejected: class.rejected,
        share: (class.rejected * 1000)
            .checked_div(decided)
            .map_or_else(|| "–".to_owned(), percent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_times_are_told_as_people_say_them() {
        let told: Vec<String> = [0, 7, 823, 1000, 1250].map(percent).into();
        assert_eq!(told, ["0.0 %", "0.7 %", "82.3 %", "100.0 %", "125.0 %"]);
        let told: Vec<String> = [30, 60, 900, 3600, 86_400, 172_800].map(span).into();
        assert_eq!(told, ["30 s", "1 min", "15 min", "1 h", "24 h", "2 days"]);
    }

    #[test]
    fn what_has_not_ended_is_open() {
        let hour = KpiRequests {
            from: String::new(),
            opened: 9,
            approved: 1,
            edited: 1,
            rejected: 1,
            expired: 1,
            broken_glass: 1,
            withdrawn: 1,
        };
        assert_eq!(ends(&hour), [1, 1, 1, 1, 1, 1, 3]);
    }
}
