//! Whether a trigger of `escalate_when:` fires, and what it says.

use super::tally::holds;
use super::{Scene, tally};
use crate::condition::{Condition, Fuel};
use crate::document::trigger::{Stakes, Trigger};
use crate::value::Value;

/// How many sources a reason names, and how much of each name.
const SOURCES_SHOWN: usize = 4;
const NAME_CHARS: usize = 40;

/// Why an action goes to a person.
pub(super) struct Fired {
    /// The reason's code.
    pub(super) code: &'static str,
    /// One sentence.
    pub(super) message: String,
}

/// What a trigger says of an action: `None` if it does not fire. A condition that cannot be evaluated is an error.
pub(super) fn fires(trigger: &Trigger, scene: &Scene<'_>, fuel: &mut Fuel) -> Result<Option<Fired>, String> {
    let (code, message) = match trigger {
        Trigger::Condition(condition) => {
            let held = condition.eval(scene.facts, fuel).map_err(|error| {
                let source = tally::one_line(condition.source());
                format!("`{source}` cannot be evaluated: {error}")
            })?;
            ("escalated", held.then(|| held_because(condition, scene)))
        }
        Trigger::Conflicts => ("sources_conflict", conflicts(scene)),
        Trigger::SourcesMissing => ("sources_missing", sources_missing(scene)),
        Trigger::HighStakes(stakes) => ("high_stakes", at_stake(stakes, scene)),
    };
    Ok(message.map(|message| Fired { code, message }))
}

/// Why it does not fire, for an explanation.
pub(super) fn why_not(trigger: &Trigger) -> &'static str {
    match trigger {
        Trigger::Condition(_) => "the condition does not hold",
        Trigger::Conflicts => "`conflicts` is absent or empty",
        Trigger::SourcesMissing => "`evidence.sources` names a source",
        Trigger::HighStakes(_) => "no more is at stake than it says",
    }
}

fn held_because(condition: &Condition, scene: &Scene<'_>) -> String {
    let failures = scene.ctx.counters.and_then(|counters| counters.get("failures"));
    match failures {
        Some(Value::Number(failures)) if condition.reads().iter().any(|path| path == "counters.failures") => {
            format!("{}: it failed {failures} times in a row", holds(Some(condition)))
        }
        _ => holds(Some(condition)),
    }
}

fn conflicts(scene: &Scene<'_>) -> Option<String> {
    let conflicts = scene.action.conflicts.as_ref()?;
    if let Some(hidden) = scene.hidden {
        hidden.see(conflicts, || "conflicts".to_owned());
    }
    let Value::List(items) = conflicts else { return None };
    if items.is_empty() {
        return None;
    }
    let mut names: Vec<String> = Vec::new();
    for item in items {
        if let Some(hidden) = scene.hidden {
            hidden.see_key(item, "source", || "conflicts".to_owned());
        }
        let source = item.get("source").unwrap_or(item);
        if let Some(hidden) = scene.hidden {
            hidden.see(source, || "conflicts.source".to_owned());
        }
        let name: String = source
            .as_str()
            .unwrap_or("a source without a name")
            .chars()
            .take(NAME_CHARS)
            .collect();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let more = names.len().saturating_sub(SOURCES_SHOWN);
    names.truncate(SOURCES_SHOWN);
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let more = if more == 0 {
        String::new()
    } else {
        format!(" and {more} more")
    };
    Some(format!("sources disagree: {}{more}", quoted.join(", ")))
}

fn sources_missing(scene: &Scene<'_>) -> Option<String> {
    let evidence = scene.action.evidence.as_ref();
    let sources = evidence.and_then(|evidence| {
        if let Some(hidden) = scene.hidden {
            hidden.see_key(evidence, "sources", || "evidence".to_owned());
        }
        evidence.get("sources")
    });
    match sources {
        Some(sources) if tally::says_something(sources) => None,
        Some(_) | None => Some("the evidence names no source".to_owned()),
    }
}

fn at_stake(stakes: &Stakes, scene: &Scene<'_>) -> Option<String> {
    let fact = |name: &str| scene.tool.and_then(|tool| tool.fact.get(name)).and_then(Value::as_str);
    if let (Some(least), Some(risk)) = (stakes.risk, fact("risk"))
        && risk >= least
    {
        return Some(format!("the tool's risk is {risk}"));
    }
    let class = scene.tool.and_then(|tool| tool.class.as_deref());
    if let Some(class) = class.filter(|class| stakes.classes.iter().any(|listed| listed == class)) {
        return Some(format!("the tool is of class `{class}`"));
    }
    let (Some(bound), Some(amount)) = (&stakes.amount, scene.action.amount) else {
        return None;
    };
    let wanted = bound.currency.as_deref().unwrap_or(scene.ctx.currency);
    let given = scene.action.currency.as_deref().unwrap_or(scene.ctx.currency);
    if wanted != given {
        return Some(format!(
            "whether the amount is above {bound} cannot be told: there is no rate for its currency"
        ));
    }
    (amount > bound.amount).then(|| format!("{amount} is above {bound}"))
}
