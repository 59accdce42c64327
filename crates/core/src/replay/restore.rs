//! From a record and its payload back to the action, as far as it was kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_policy::{Action, Value, json};

use super::Gap;
use crate::action::{Received, receive};
use crate::command::Sealed;
use crate::digest::{SALT_BYTES, read_hex};
use crate::event::DecisionMade;
use crate::record::{Payload, Record};
use crate::redact::{is_mark, is_marked};
use crate::stored::{LIMITS, Shown, sealed_action, shown, stored_alternative, stored_salt};

/// Fields of an action that are plain text, in which a mark can stand.
const TEXTS: [&str; 7] = ["action", "env", "parent", "principal", "run", "step", "tool"];
/// The same of its resource.
const RESOURCE_TEXTS: [&str; 3] = ["id", "owner", "type"];
/// Fields that are numbers written as text.
const NUMBERS: [&str; 3] = ["amount", "confidence", "estimated_cost"];

/// An action as far as it was kept.
pub(crate) struct Restored {
    /// The action; where a text is not known, it is a mark.
    pub(crate) received: Received,
    /// Its stored form, without an alternative.
    pub(super) stored: Sealed,
    /// The words that its record shows.
    pub(super) shown: Shown,
    /// The salt of its digest, or of the alternative's where that was applied.
    pub(super) digest_salt: Option<[u8; SALT_BYTES]>,
    /// The alternative that lies beside it.
    pub(super) alternative: Option<Action>,
    /// The payload was there.
    pub(super) whole: bool,
    /// What nothing can stand for.
    pub(crate) gaps: Vec<Gap>,
}

/// The action of a record.
pub(crate) fn restore(record: &Record, decision: &DecisionMade, payload: Option<&Payload>) -> Restored {
    let mut restored = match read(record, payload) {
        Ok(restored) => restored,
        Err(gap) => outline(decision, gap),
    };
    // Earlier versions had the salt in the record.
    let recorded = decision.salt.as_deref().and_then(read_hex);
    restored.digest_salt = restored.digest_salt.or(recorded);
    restored
}

/// The same of any record whose payload is the stored form of an action.
pub(crate) fn read(record: &Record, payload: Option<&Payload>) -> Result<Restored, Gap> {
    let missing = |why: &str| Gap::new("payload", why);
    let payload = payload.ok_or_else(|| missing("it is not in the export: left out, or erased"))?;
    if record.payload.as_ref() != Some(&payload.commitment()) {
        return Err(missing("it does not open the commitment in the record"));
    }
    let stored = stored_form(payload)?;
    let digest_salt = stored_salt(&payload.body);
    let sealed = sealed_action(&stored, digest_salt.as_ref(), payload.salt, &payload.class);
    let shown = shown(&stored);
    let mut gaps = Vec::new();
    let received = readable(stored, &mut gaps)?;
    Ok(Restored {
        received,
        digest_salt,
        alternative: stored_alternative(&payload.body),
        stored: sealed,
        shown,
        whole: true,
        gaps,
    })
}

/// The action of a payload of which somebody else has made sure that it is the record's, and what nothing can stand for.
pub(crate) fn kept_action(payload: &Payload) -> Result<(Action, Vec<Gap>), Gap> {
    let mut gaps = Vec::new();
    let received = readable(stored_form(payload)?, &mut gaps)?;
    Ok((received.action, gaps))
}

/// The stored form of an action that a payload holds.
fn stored_form(payload: &Payload) -> Result<Value, Gap> {
    let missing = |why: &str| Gap::new("payload", why);
    let parsed = json::parse(&payload.body, &LIMITS).map_err(|error| missing(&error.to_string()))?;
    let Value::Map(mut members) = parsed else {
        return Err(missing("it is not a stored form"));
    };
    members
        .remove("action")
        .ok_or_else(|| missing("it holds no stored form of an action"))
}

/// The action of a stored form.
fn readable(stored: Value, gaps: &mut Vec<Gap>) -> Result<Received, Gap> {
    let readable = fill(stored, gaps);
    let received =
        receive(readable).map_err(|refusal| Gap::new("payload", format!("it is not an action: {}", refusal.detail)))?;
    for (field, text) in [
        ("action", Some(&received.action.action)),
        ("tool", received.action.tool.as_ref()),
    ] {
        // Everything depends on what it is that runs.
        if text.is_some_and(|text| is_marked(text)) {
            gaps.push(Gap::new(field, "redaction had replaced it, and every rule reads it"));
        }
    }
    Ok(received)
}

/// Puts a text in place of every mark that stands for a whole field, since a field is a text.
fn fill(stored: Value, gaps: &mut Vec<Gap>) -> Value {
    let Value::Map(mut fields) = stored else { return stored };
    for name in TEXTS {
        fill_text(&mut fields, name);
    }
    if let Some(Value::Map(resource)) = fields.get_mut("resource") {
        for name in RESOURCE_TEXTS {
            fill_text(resource, name);
        }
    }
    for name in NUMBERS {
        if fields.get(name).is_some_and(is_mark) {
            fields.remove(name);
            gaps.push(Gap::new(
                name,
                "redaction had replaced it, and rules on amounts read it",
            ));
        }
    }
    Value::Map(fields)
}

fn fill_text(fields: &mut BTreeMap<String, Value>, name: &str) {
    let Some(value @ Value::Map(_)) = fields.get_mut(name) else {
        return;
    };
    let kind = value.get("$redacted").and_then(Value::as_str).unwrap_or_default();
    *value = Value::from(format!("[redacted:{kind}]"));
}

/// What a record alone tells of its action.
fn outline(decision: &DecisionMade, gap: Gap) -> Restored {
    let shown = Shown {
        action: decision.action.clone(),
        amount: decision.amount.clone(),
        env: decision.env.clone(),
        reads: decision.stated_reads.clone(),
        resource_type: decision.resource_type.clone(),
        run: decision.run.clone(),
        tool: decision.tool.clone(),
    };
    let mut fields = BTreeMap::from([("action".to_owned(), Value::from(shown.action.as_str()))]);
    let texts = [
        ("amount", &decision.amount),
        ("currency", &decision.currency),
        ("env", &decision.env),
        ("run", &decision.run),
        ("tool", &decision.tool),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            fields.insert(name.to_owned(), Value::from(text.as_str()));
        }
    }
    let body = receive(Value::Map(fields)).unwrap_or_else(|_| Received {
        action: Action::of(&shown.action),
        agent: None,
        callback_url: None,
        accept_remedy: false,
    });
    let nothing = Payload {
        about: None,
        body: Vec::new(),
        salt: [0; 32],
        class: String::new(),
    };
    let commitment = nothing.commitment();
    Restored {
        received: body,
        digest_salt: None,
        alternative: None,
        stored: Arc::new((nothing, commitment)),
        shown,
        whole: false,
        gaps: vec![gap],
    }
}
