//! The parts of an action that whoever asks for it states: where they are, and how they are changed.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::action::{Action, Resource};
use crate::condition::mentions::Mention;
use crate::evaluate::tally::says_something;
use crate::facts::Root;
use crate::value::Value;

/// A part of an action that whoever asks for it states.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Amount,
    Args(Vec<String>),
    Confidence,
    Currency,
    Env,
    EstimatedCost,
    Evidence(Vec<String>),
    Labels(Vec<String>),
    Principal,
    ResourceId,
    ResourceLabels(Vec<String>),
    ResourceOwner,
    ResourceType,
}

impl Place {
    /// Where it is, as a JSON pointer into the action.
    pub(super) fn pointer(&self) -> String {
        let below = |root: &str, keys: &[String]| {
            let keys = keys
                .iter()
                .map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1")));
            format!("/{root}{}", keys.collect::<String>())
        };
        match self {
            Place::Amount => "/amount".to_owned(),
            Place::Args(keys) => below("args", keys),
            Place::Confidence => "/confidence".to_owned(),
            Place::Currency => "/currency".to_owned(),
            Place::Env => "/env".to_owned(),
            Place::EstimatedCost => "/estimated_cost".to_owned(),
            Place::Evidence(keys) => below("evidence", keys),
            Place::Labels(keys) => below("labels", keys),
            Place::Principal => "/principal".to_owned(),
            Place::ResourceId => "/resource/id".to_owned(),
            Place::ResourceLabels(keys) => below("resource/labels", keys),
            Place::ResourceOwner => "/resource/owner".to_owned(),
            Place::ResourceType => "/resource/type".to_owned(),
        }
    }
}

/// The part of an action that a condition reads, if whoever asks for it states it.
pub(super) fn place(mention: &Mention) -> Option<Place> {
    let keys = || mention.keys.clone();
    let rest = |from: usize| mention.keys.get(from..).unwrap_or_default().to_vec();
    let first = mention.keys.first().map(String::as_str);
    match (mention.root, first) {
        (Root::Amount, None) => Some(Place::Amount),
        (Root::Currency, None) => Some(Place::Currency),
        (Root::EstimatedCost, None) => Some(Place::EstimatedCost),
        (Root::Confidence, None) => Some(Place::Confidence),
        (Root::Env, None) => Some(Place::Env),
        (Root::Args, Some(_)) => Some(Place::Args(keys())),
        (Root::Labels, Some(_)) => Some(Place::Labels(keys())),
        (Root::Evidence, Some(_)) => Some(Place::Evidence(keys())),
        (Root::Principal, None | Some("id")) => Some(Place::Principal),
        (Root::Resource, Some("type")) => Some(Place::ResourceType),
        (Root::Resource, Some("id")) => Some(Place::ResourceId),
        (Root::Resource, Some("owner")) => Some(Place::ResourceOwner),
        (Root::Resource, Some("labels")) if mention.keys.len() > 1 => Some(Place::ResourceLabels(rest(1))),
        _ => None,
    }
}

/// What the action says there.
pub(super) fn at(action: &Action, place: &Place) -> Option<Value> {
    let text = |text: &Option<String>| text.as_deref().map(Value::from);
    let within =
        |value: Option<&Value>, keys: &[String]| keys.iter().try_fold(value?, |value, key| value.get(key)).cloned();
    let resource = action.resource.as_ref();
    match place {
        Place::Amount => action.amount.map(Value::Number),
        Place::Args(keys) => within(Some(&action.args), keys),
        Place::Confidence => action.confidence.map(Value::Number),
        Place::Currency => text(&action.currency),
        Place::Env => text(&action.env),
        Place::EstimatedCost => action.estimated_cost.map(Value::Number),
        Place::Evidence(keys) => within(action.evidence.as_ref(), keys),
        Place::Labels(keys) => within(action.labels.as_ref(), keys),
        Place::Principal => text(&action.principal),
        Place::ResourceId => resource.and_then(|resource| text(&resource.id)),
        Place::ResourceLabels(keys) => within(resource.and_then(|resource| resource.labels.as_ref()), keys),
        Place::ResourceOwner => resource.and_then(|resource| text(&resource.owner)),
        Place::ResourceType => resource.and_then(|resource| text(&resource.kind)),
    }
}

/// Changes what the action says; `None` where it cannot say that.
pub(super) fn put(action: &mut Action, place: &Place, value: Option<&Value>) -> Option<()> {
    let text = |slot: &mut Option<String>| match value {
        Some(Value::String(text)) if says_something(&Value::from(text.as_str())) => {
            *slot = Some(text.clone());
            Some(())
        }
        None => {
            *slot = None;
            Some(())
        }
        Some(_) => None,
    };
    let number = |slot: &mut Option<Decimal>| match value {
        Some(Value::Number(number)) => {
            *slot = Some(*number);
            Some(())
        }
        None => {
            *slot = None;
            Some(())
        }
        Some(_) => None,
    };
    match place {
        Place::Amount => number(&mut action.amount),
        Place::Confidence => number(&mut action.confidence),
        Place::EstimatedCost => number(&mut action.estimated_cost),
        Place::Currency => text(&mut action.currency),
        Place::Env => text(&mut action.env),
        Place::Principal => text(&mut action.principal),
        Place::Args(keys) => within(&mut action.args, keys, value),
        Place::Labels(keys) => below(&mut action.labels, keys, value),
        Place::Evidence(keys) => below(&mut action.evidence, keys, value),
        Place::ResourceId => text(&mut action.resource.get_or_insert_with(Resource::default).id),
        Place::ResourceOwner => text(&mut action.resource.get_or_insert_with(Resource::default).owner),
        Place::ResourceType => text(&mut action.resource.get_or_insert_with(Resource::default).kind),
        Place::ResourceLabels(keys) => {
            let resource = action.resource.get_or_insert_with(Resource::default);
            below(&mut resource.labels, keys, value)
        }
    }
}

fn below(slot: &mut Option<Value>, keys: &[String], value: Option<&Value>) -> Option<()> {
    within(slot.get_or_insert_with(|| Value::Map(BTreeMap::new())), keys, value)
}

/// Sets or removes a member, with the maps that lead to it.
fn within(of: &mut Value, keys: &[String], value: Option<&Value>) -> Option<()> {
    let Value::Map(members) = of else { return None };
    match (keys, value) {
        ([], _) => None,
        ([key], Some(value)) => {
            members.insert(key.clone(), value.clone());
            Some(())
        }
        ([key], None) => {
            members.remove(key);
            Some(())
        }
        ([key, rest @ ..], value) => {
            let next = members
                .entry(key.clone())
                .or_insert_with(|| Value::Map(BTreeMap::new()));
            within(next, rest, value)
        }
    }
}
