//! `require: [routes]`: whoever is asked is asked on a route that names who decides by role, whose shift it is, by when an
//! answer is wanted, who is the fallback, and what follows when nobody answers. What lacks one of the five does not load.

use super::problem;
use crate::document::{Organization, Place, Route, StepSlot};
use crate::problem::{Problem, Severity};
use crate::snapshot::Snapshot;

pub(crate) fn routes(snapshot: &Snapshot, problems: &mut Vec<Problem>) {
    let Some(organization) = snapshot.organization.as_ref() else {
        return;
    };
    let Some(required) = organization.require_routes.as_ref() else {
        return;
    };
    let mut refuse = |place: &Place, message: String, help: &str| {
        problems.push(problem(
            Severity::Error,
            "incomplete_route",
            place,
            message,
            help.to_owned(),
        ));
    };
    for route in organization.routes() {
        for (what, help) in missing(route, organization) {
            refuse(&route.place, format!("route `{}` {what}", route.name), help);
        }
    }
    for (name, place) in snapshot.approvers() {
        if !is_route(name, organization) {
            let message = format!("`{name}` is asked past every route: without target, shift, fallback and path");
            refuse(place, message, "name a route of the organization");
        }
    }
    let default = organization.default_route();
    if !default.is_some_and(|default| default.to.iter().all(|name| is_route(name, organization))) {
        let message = "what names nobody goes to the default route, which leads to no route".to_owned();
        refuse(
            required,
            message,
            "write `default_route: { to: [ROUTE] }` with one of `routes`",
        );
    }
}

/// Which of the five a route lacks, and what to add.
fn missing(route: &Route, organization: &Organization) -> Vec<(String, &'static str)> {
    let mut missing = Vec::new();
    let slots = || route.steps.iter().flat_map(|step| &step.slots);
    let by_name = |slot: &&StepSlot| slot.names.iter().all(|name| kind(name, organization).is_none());
    if let Some(slot) = slots().find(by_name) {
        let what = format!("asks `{}` by name and nobody by role", slot.names.join("`, `"));
        missing.push((what, "name a duty or a team: `to: [role:finance-lead]`"));
    }
    let mut names = slots().flat_map(|slot| &slot.names);
    if !names.any(|name| kind(name, organization) == Some("schedules")) {
        let what = "does not say whose shift it is".to_owned();
        missing.push((
            what,
            "ask a schedule in one of its steps: `to: [schedule:finance-oncall]`",
        ));
    }
    if route.sla.is_none() {
        missing.push(("has no target".to_owned(), "add `sla: 15m`"));
    }
    if route.fallback.is_empty() {
        missing.push(("has no fallback".to_owned(), "add `fallback: [role:cfo]`"));
    }
    if route.steps.len() < 2 && !route.says_exhausted {
        let what = "does not say what follows when nobody answers".to_owned();
        missing.push((what, "add a step, or `on_exhausted: reject`"));
    }
    missing
}

/// What kind of people a name means that are not a person: `teams`, `duties`, `schedules`, `managers`.
fn kind(name: &str, organization: &Organization) -> Option<&'static str> {
    let (prefix, bare) = name.split_once(':').unwrap_or(("", name));
    match prefix {
        "" => organization.names.get(bare).copied(),
        "team" => Some("teams"),
        "role" | "duty" => Some("duties"),
        "schedule" => Some("schedules"),
        "manager_of" => Some("managers"),
        _person => None,
    }
}

fn is_route(name: &str, organization: &Organization) -> bool {
    organization
        .route(name.strip_prefix("route:").unwrap_or(name))
        .is_some()
}
