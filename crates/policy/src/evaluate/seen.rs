//! The values that conditions see, made from an action and what is known beside it.

use std::collections::{BTreeMap, BTreeSet};

use crate::action::{Access, Action};
use crate::document::tools::{self, Tool};
use crate::facts::{Context, Facts, Root};
use crate::value::Value;

/// What an operation of that name does, where every reader agrees.
pub(crate) fn built_in(operation: &str) -> Option<Access> {
    match operation {
        "get" | "list" | "read" | "search" => Some(Access::Read),
        "create" | "update" => Some(Access::Write),
        _ => None,
    }
}

/// What an action does to data: what its operation and its tool say, and what the agent says if that is more.
/// `None` where neither operation nor tool is known and the agent does not speak of writing.
pub(crate) fn access(action: &Action, tool: Option<&Tool>) -> Option<Access> {
    let known = built_in(&action.action).max(tool.and_then(|tool| tool.access));
    match (known, action.access) {
        (Some(known), Some(said)) => Some(known.max(said)),
        (Some(known), None) => Some(known),
        (None, Some(Access::Write)) => Some(Access::Write),
        (None, _) => None,
    }
}

/// The values that are not part of the action as they stand.
pub(crate) struct Seen {
    values: Vec<(Root, Value)>,
}

impl Seen {
    /// `open` are names of calendars that are open.
    pub(crate) fn new(action: &Action, tool: Option<&Tool>, open: Vec<Value>, ctx: &Context<'_>) -> Self {
        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        let map = |entries: Vec<(&str, Option<Value>)>| {
            let present = entries
                .into_iter()
                .filter_map(|(key, value)| Some((key.to_owned(), value?)));
            Value::Map(present.collect::<BTreeMap<_, _>>())
        };
        let money = action.amount.or(action.estimated_cost);
        let currency = text(&action.currency).or_else(|| money.map(|_| Value::from(ctx.currency)));
        let access = match access(action, tool) {
            Some(Access::Read) => "read",
            Some(Access::Write) | None => "write",
        };
        let unlisted = || action.tool.as_deref().map(|name| Value::Map(tools::fact(name)));
        let resource = action.resource.as_ref().map(|resource| {
            map(vec![
                ("type", text(&resource.kind)),
                ("id", text(&resource.id)),
                ("owner", text(&resource.owner)),
                ("labels", resource.labels.clone()),
            ])
        });
        let principal = action.principal.as_deref().map(|id| {
            map(vec![
                ("id", Some(Value::from(id))),
                ("verified", Some(Value::Bool(ctx.principal_verified))),
            ])
        });
        let run = text(&action.run).map(|id| {
            let known = ctx.run.and_then(Value::as_map);
            let mut run = known.cloned().unwrap_or_default();
            run.insert("id".to_owned(), id);
            Value::Map(run)
        });
        let reads: BTreeSet<&str> = ctx.reads.iter().chain(&action.reads).map(String::as_str).collect();
        let reads = Value::List(reads.into_iter().map(Value::from).collect());
        let entries = [
            (Root::Action, Some(Value::from(action.action.as_str()))),
            (Root::Tool, if tool.is_none() { unlisted() } else { None }),
            (Root::Resource, resource),
            (Root::Env, text(&action.env)),
            (Root::Access, Some(Value::from(access))),
            (Root::Amount, action.amount.map(Value::Number)),
            (Root::Currency, currency),
            (Root::EstimatedCost, action.estimated_cost.map(Value::Number)),
            (Root::Confidence, action.confidence.map(Value::Number)),
            (Root::Principal, principal),
            (Root::Run, run),
            (Root::Reads, Some(reads)),
            (Root::Now, Some(Value::Timestamp(ctx.now))),
            (Root::Open, Some(Value::List(open))),
        ];
        Seen {
            values: entries
                .into_iter()
                .filter_map(|(root, value)| Some((root, value?)))
                .collect(),
        }
    }

    pub(crate) fn facts<'a>(&'a self, action: &'a Action, tool: Option<&'a Tool>, ctx: &Context<'a>) -> Facts<'a> {
        let mut facts = Facts::default();
        for (root, value) in &self.values {
            facts.set(*root, value);
        }
        facts.set(Root::Agent, ctx.agent);
        facts.set(Root::Args, &action.args);
        facts.set(Root::Pii, ctx.pii);
        let borrowed = [
            (Root::Tool, tool.map(|tool| &tool.fact)),
            (Root::Evidence, action.evidence.as_ref()),
            (Root::Labels, action.labels.as_ref()),
            (Root::Delegation, action.delegation.as_ref()),
            (Root::Counters, ctx.counters),
            (Root::Conflicts, action.conflicts.as_ref()),
            (Root::Model, action.model.as_ref()),
        ];
        for (root, value) in borrowed {
            if let Some(value) = value {
                facts.set(root, value);
            }
        }
        facts
    }
}
