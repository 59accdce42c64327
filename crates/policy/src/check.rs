//! What only shows when all documents of a bundle are seen together.

mod named;

use std::collections::{BTreeMap, BTreeSet};

use crate::condition::mentions::Against;
use crate::condition::{Condition, closest};
use crate::document::compliance::{FLOOR_DAYS, retention_days};
use crate::document::{Organization, Place, RuleId};
use crate::evaluate::reported;
use crate::facts::Root;
use crate::problem::{Problem, Severity};
use crate::snapshot::Snapshot;
use crate::value::Value;
use crate::verdict::Decision;

pub(crate) use self::named::routes;

fn problem(severity: Severity, code: &'static str, place: &Place, message: String, help: String) -> Problem {
    Problem {
        severity,
        code,
        file: place.file.to_string(),
        span: place.span.clone(),
        line: place.line,
        column: place.column,
        message,
        help: Some(help),
    }
}

pub(crate) fn too_many_files(most: usize) -> Problem {
    let place = Place {
        file: "".into(),
        span: 0..0,
        line: 1,
        column: 1,
    };
    let message = format!("the bundle has more than {most} files");
    problem(
        Severity::Error,
        "too_large",
        &place,
        message,
        "join documents, or split the organization".to_owned(),
    )
}

/// A name that two documents (or tools) claim.
pub(crate) fn twice(key: &str, id: &RuleId, other: &Place) -> Problem {
    let name = if matches!(key, "budgets" | "disagreements" | "limits" | "outputs" | "tools") {
        &id.rule
    } else {
        &id.document
    };
    let message = match key {
        "organization" => format!("the bundle describes a second organization, `{name}`"),
        _ => format!("`{name}` is defined twice"),
    };
    let help = format!("the other one is in {}, line {}", other.file, other.line);
    problem(Severity::Error, "duplicate_document", &id.place, message, help)
}

/// Names that two entries of one kind have; `ids` are sorted by name.
pub(crate) fn distinct(key: &str, ids: &[&RuleId], problems: &mut Vec<Problem>) {
    for pair in ids.windows(2) {
        if let [first, second] = pair
            && first.rule == second.rule
        {
            problems.push(twice(key, second, &first.place));
        }
    }
}

/// Ids that differ only in `-` and `_` are refused: people would take one for the other.
pub(crate) fn names(snapshot: &Snapshot, problems: &mut Vec<Problem>) {
    let mandates: Vec<&RuleId> = snapshot.mandates.values().map(|mandate| &mandate.id).collect();
    let gates: Vec<&RuleId> = snapshot.gate_ids().collect();
    for ids in [mandates, gates] {
        let mut seen: BTreeMap<String, &RuleId> = BTreeMap::new();
        for id in ids {
            let Some(other) = seen.insert(id.document.replace('-', "_"), id) else {
                continue;
            };
            if other.document != id.document {
                let message = format!("`{}` and `{}` differ only in `-` and `_`", id.document, other.document);
                let help = format!("rename one of them; the other is in {}", other.place.file);
                problems.push(problem(Severity::Error, "similar_id", &id.place, message, help));
            }
        }
    }
}

/// A mode of review for a class that no tool has would hold for nothing, and a looser one behind it for everything.
pub(crate) fn modes(snapshot: &Snapshot, problems: &mut Vec<Problem>) {
    let rules = snapshot.organization.as_ref().and_then(Organization::autonomy);
    let classes = || snapshot.tools.values().filter_map(|tool| tool.class.as_deref());
    for stated in rules.iter().flat_map(|rules| &rules.modes) {
        let unknown = stated
            .class
            .as_deref()
            .filter(|class| !classes().any(|known| known == *class));
        let Some(class) = unknown else { continue };
        let help = match closest(class, classes()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "give a tool of the catalogue this class".to_owned(),
        };
        let message = format!("no tool of the catalogue is of class `{class}`");
        problems.push(problem(Severity::Error, "unknown_class", &stated.place, message, help));
    }
}

/// A calendar that a condition names and no document defines would never be open, and a denial never heard. Where the names
/// cannot be read off the condition, it is refused as well.
pub(crate) fn calendars(snapshot: &mut Snapshot, problems: &mut Vec<Problem>) {
    let known: Vec<&str> = (snapshot.organization.iter().flat_map(|it| it.calendars()))
        .map(|calendar| &*calendar.name)
        .collect();
    let mut asks = false;
    let asking = |(condition, _): &(&Condition, _)| condition.reads().iter().any(|path| path == "open");
    for (condition, place) in snapshot.conditions().filter(asking) {
        asks = true;
        let Some(named) = calendars_named(condition) else {
            let message = "which calendars this is about cannot be known before it is asked".to_owned();
            let help = "write `'office' in open` for each calendar".to_owned();
            problems.push(problem(Severity::Error, "unnamed_calendar", place, message, help));
            continue;
        };
        for name in named.iter().filter(|name| !known.contains(&name.as_str())) {
            let help = match closest(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "add it to the organization's `calendars:`".to_owned(),
            };
            let message = format!("no document defines the calendar `{name}`");
            problems.push(problem(Severity::Error, "unknown_name", place, message, help));
        }
    }
    snapshot.asks_calendars = asks;
}

/// The calendars that a condition asks for, each once; `None` where it reads `open` in a way that does not name them, as
/// `open.exists(…)` and `args.calendar in open`.
fn calendars_named(condition: &Condition) -> Option<BTreeSet<String>> {
    let mut named = BTreeSet::new();
    let mentions = condition.mentions().into_iter();
    for mention in mentions.filter(|mention| mention.root == Root::Open) {
        let lists = match mention.against {
            Against::Values(values) => values,
            // `has(open)` asks for none.
            Against::Presence => continue,
            Against::Bound(_) | Against::Piece(_) => return None,
        };
        for list in lists {
            let Value::List(names) = list else { return None };
            for name in names {
                named.insert(name.as_str()?.to_owned());
            }
        }
    }
    Some(named)
}

/// Warnings about names that nobody defines and grants that rest on what agents say.
pub(crate) fn warnings(snapshot: &Snapshot, problems: &mut Vec<Problem>) {
    let known = snapshot.organization.as_ref().map(|organization| &organization.names);
    for (name, place) in snapshot.approvers() {
        let (kind, bare) = name.split_once(':').unwrap_or(("", name));
        let kind = match kind {
            "route" => Some("routes"),
            "schedule" => Some("schedules"),
            _ => None,
        };
        let defined = |bare| known.and_then(|known| known.get(bare));
        if defined(bare).is_some_and(|found| kind.is_none_or(|kind| *found == kind)) || defined(name).is_some() {
            continue;
        }
        let near = known.and_then(|known| closest(bare, known.keys().map(String::as_str)));
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                let list = kind.map_or_else(|| "`teams` or `duties`".to_owned(), |kind| format!("`{kind}`"));
                format!("list it in the organization's {list}; until then the default route decides")
            }
        };
        let message = format!("no document defines `{name}`");
        problems.push(problem(Severity::Warning, "unresolved_name", place, message, help));
    }
    let place = snapshot
        .organization
        .as_ref()
        .and_then(|organization| organization.require_tools.as_ref());
    if let Some(place) = place.filter(|_| snapshot.tools.is_empty()) {
        let message = "the bundle requires known tools and lists none: everything is denied".to_owned();
        problems.push(problem(
            Severity::Warning,
            "no_catalogue",
            place,
            message,
            "add `tools:`".to_owned(),
        ));
    }
    short_retention(snapshot, problems);
    let mut warn = |id: &RuleId, reads: Vec<String>| {
        let message = format!("this grant rests on what the agent reports: {}", reads.join(", "));
        let help = "add a condition on something observed, such as `tool`, `args` or `agent`".to_owned();
        problems.push(problem(Severity::Warning, "reported_only", &id.place, message, help));
    };
    let alone = |condition: &Option<Condition>| {
        let reads = condition
            .as_ref()
            .map(|condition| condition.reads())
            .unwrap_or_default();
        let rests = !reads.is_empty() && reads.iter().all(|path| reported(path, false));
        rests.then(|| reads.to_vec())
    };
    for rule in snapshot.gates.iter().flat_map(|gate| &gate.rules) {
        if rule.decision <= Decision::AllowWithConstraints
            && let Some(reads) = alone(&rule.condition)
        {
            warn(&rule.id, reads);
        }
    }
    for permission in snapshot.mandates.values().flat_map(|mandate| &mandate.permissions) {
        if permission.allowed
            && !permission.requires_review
            && let Some(reads) = alone(&permission.condition)
        {
            warn(&permission.id, reads);
        }
    }
}

/// Warnings about times to keep payloads that are shorter than a rule wants: the rule wins.
fn short_retention(snapshot: &Snapshot, problems: &mut Vec<Problem>) {
    let organization = snapshot.organization.as_ref();
    let audits = snapshot.mandates.values().map(|mandate| &mandate.audit);
    let named = audits
        .map(|audit| (audit.retention.as_deref(), audit.retention_place.as_ref()))
        .chain(organization.map(|it| (it.retention(), it.retention_place.as_ref())));
    for (text, place) in named {
        let (Some(text), Some(place)) = (text, place) else {
            continue;
        };
        let days = retention_days(text).unwrap_or_default();
        let pack = organization
            .and_then(|it| it.strictest())
            .filter(|pack| pack.floor_days > days);
        let (message, help) = match pack {
            Some(pack) => (
                format!(
                    "`{text}` is shorter than the {} days of `{}`",
                    pack.floor_days, pack.name
                ),
                format!("nothing is destroyed earlier; {}", pack.source),
            ),
            None if days < FLOOR_DAYS => (
                format!("`{text}` is shorter than {FLOOR_DAYS} days"),
                "nothing is destroyed earlier".to_owned(),
            ),
            None => continue,
        };
        problems.push(problem(Severity::Warning, "below_floor", place, message, help));
    }
}
