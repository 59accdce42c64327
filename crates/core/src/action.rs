//! The action as received, made from a request's body, and its stored form, which is all that is ever kept of it.

use std::collections::BTreeMap;

use countersign_policy::{Access, Action, Decimal, Resource, Value, is_read_label};

use crate::money::{is_currency, parse_decimal};
use crate::redact::is_mark;
use crate::refusal::Refusal;

/// A request for a decision.
pub struct Received {
    /// What is wanted; has no `Debug` and no serialized form, because it may hold what must never be kept.
    pub action: Action,
    /// Whose action it is, where the credential is a gateway's.
    pub agent: Option<String>,
    /// Where the final status is told.
    pub callback_url: Option<String>,
    /// The caller runs the alternative if policy has one to apply.
    pub accept_remedy: bool,
}

/// The names of the fields of an action's body.
pub const FIELDS: [&str; 23] = [
    "accept_remedy",
    "access",
    "action",
    "agent",
    "amount",
    "args",
    "callback_url",
    "confidence",
    "conflicts",
    "currency",
    "delegation",
    "env",
    "estimated_cost",
    "evidence",
    "labels",
    "model",
    "parent",
    "principal",
    "reads",
    "resource",
    "run",
    "step",
    "tool",
];

/// Longest name of a tool or operation, in bytes.
pub const MAX_NAME_BYTES: usize = 128;
const MAX_TEXT_BYTES: usize = 512;
/// Labels of what it has read that an agent states with one action.
const MAX_LABELS: usize = 16;
const MAX_URL_BYTES: usize = 2048;

/// Makes an action from a parsed body; every field is checked, and a field that nobody knows is refused.
pub fn receive(body: Value) -> Result<Received, Refusal> {
    let Value::Map(fields) = body else {
        return Err(Refusal::invalid("wrong_type", "the body has to be a JSON object"));
    };
    let mut fields = Fields { fields };
    let tool = fields.text("tool", MAX_NAME_BYTES)?;
    let action = match (fields.text("action", MAX_NAME_BYTES)?, &tool) {
        (Some(action), _) => action,
        (None, Some(tool)) => tool.rsplit('/').next().unwrap_or(tool).to_owned(),
        (None, None) => {
            return Err(
                Refusal::invalid("missing_field", "at least one of `tool` and `action` is needed")
                    .hint("write what the agent wants to do, such as {\"action\": \"issue_refund\"}"),
            );
        }
    };
    let args = fields.map("args")?.unwrap_or_else(|| Value::Map(BTreeMap::new()));
    let received = Received {
        action: Action {
            tool,
            action,
            args,
            resource: fields.resource()?,
            env: fields.text("env", MAX_NAME_BYTES)?,
            access: fields.access()?,
            amount: fields.decimal("amount")?,
            currency: fields.currency()?,
            estimated_cost: fields.decimal("estimated_cost")?,
            confidence: fields.confidence()?,
            evidence: fields.map("evidence")?,
            labels: fields.map("labels")?,
            principal: fields.text("principal", MAX_TEXT_BYTES)?,
            run: fields.text("run", MAX_TEXT_BYTES)?,
            parent: fields.text("parent", MAX_TEXT_BYTES)?,
            step: fields.text("step", MAX_TEXT_BYTES)?,
            delegation: fields.list("delegation")?,
            model: fields.map("model")?,
            conflicts: fields.list("conflicts")?,
            reads: fields.labels("reads")?,
        },
        agent: fields.text("agent", MAX_NAME_BYTES)?,
        callback_url: fields.text("callback_url", MAX_URL_BYTES)?,
        accept_remedy: fields.flag("accept_remedy")?,
    };
    fields.finish()?;
    Ok(received)
}

struct Fields {
    fields: BTreeMap<String, Value>,
}

impl Fields {
    fn take(&mut self, name: &str) -> Option<Value> {
        self.fields.remove(name)
    }

    fn text(&mut self, name: &'static str, most: usize) -> Result<Option<String>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.is_empty() => {
                Err(Refusal::invalid("empty_field", format!("`{name}` is empty")).hint("leave it out instead"))
            }
            Some(Value::String(text)) if text.len() > most => Err(Refusal::invalid(
                "too_long",
                format!("`{name}` has {} bytes, the limit is {most}", text.len()),
            )),
            Some(Value::String(text)) if text.chars().any(char::is_control) => Err(Refusal::invalid(
                "control_character",
                format!("`{name}` has a control character"),
            )),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong_type(name, "a string", &other)),
        }
    }

    fn map(&mut self, name: &'static str) -> Result<Option<Value>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some(map @ Value::Map(_)) => Ok(Some(map)),
            Some(other) => Err(wrong_type(name, "an object", &other)),
        }
    }

    fn list(&mut self, name: &'static str) -> Result<Option<Value>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some(list @ Value::List(_)) => Ok(Some(list)),
            Some(other) => Err(wrong_type(name, "a list", &other)),
        }
    }

    /// Labels of what was read, sorted.
    fn labels(&mut self, name: &'static str) -> Result<Vec<String>, Refusal> {
        let Some(Value::List(items)) = self.list(name)? else {
            return Ok(Vec::new());
        };
        let mut labels = Vec::new();
        for item in items {
            match item {
                Value::String(label) if is_read_label(&label) => labels.push(label),
                // Where redaction stood in for one, it is not known.
                mark @ Value::Map(_) if is_mark(&mark) => {}
                _other => {
                    let detail = format!("`{name}` holds something that is no label");
                    let hint = "a label has 1 to 64 of a-z, 0-9, `_` and begins with a letter, such as `outside`";
                    return Err(Refusal::invalid("invalid_label", detail).hint(hint));
                }
            }
        }
        labels.sort();
        labels.dedup();
        if labels.len() > MAX_LABELS {
            let detail = format!("`{name}` has {} labels, the limit is {MAX_LABELS}", labels.len());
            return Err(Refusal::invalid("too_long", detail));
        }
        Ok(labels)
    }

    fn flag(&mut self, name: &'static str) -> Result<bool, Refusal> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(other) => Err(wrong_type(name, "true or false", &other)),
        }
    }

    fn decimal(&mut self, name: &'static str) -> Result<Option<Decimal>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => parse_decimal(&text).map(Some).map_err(|error| {
                Refusal::invalid("invalid_amount", format!("`{name}`: {error}")).hint("write it as \"12.50\"")
            }),
            Some(other) => Err(wrong_type(name, "a decimal string", &other).hint("write it as \"12.50\"")),
        }
    }

    fn confidence(&mut self) -> Result<Option<Decimal>, Refusal> {
        let value = match self.take("confidence") {
            None => return Ok(None),
            Some(Value::Number(number)) => number,
            Some(Value::String(text)) => parse_decimal(&text)
                .map_err(|error| Refusal::invalid("invalid_confidence", format!("`confidence`: {error}")))?,
            Some(other) => return Err(wrong_type("confidence", "a number from 0 to 1", &other)),
        };
        if value < Decimal::ZERO || value > Decimal::ONE {
            return Err(Refusal::invalid(
                "invalid_confidence",
                "`confidence` is not between 0 and 1",
            ));
        }
        Ok(Some(value))
    }

    fn currency(&mut self) -> Result<Option<String>, Refusal> {
        match self.text("currency", 16)? {
            Some(code) if !is_currency(&code) => Err(Refusal::invalid(
                "invalid_currency",
                format!("`{code}` is not an ISO 4217 code such as `USD`"),
            )),
            other => Ok(other),
        }
    }

    fn access(&mut self) -> Result<Option<Access>, Refusal> {
        match self.text("access", 16)?.as_deref() {
            None => Ok(None),
            Some("read") => Ok(Some(Access::Read)),
            Some("write") => Ok(Some(Access::Write)),
            Some(other) => Err(Refusal::invalid(
                "invalid_access",
                format!("`access` is `read` or `write`, not `{other}`"),
            )),
        }
    }

    fn resource(&mut self) -> Result<Option<Resource>, Refusal> {
        let Some(Value::Map(inner)) = self.map("resource")? else {
            return Ok(None);
        };
        let mut inner = Fields { fields: inner };
        let resource = Resource {
            kind: inner.text("type", MAX_NAME_BYTES)?,
            id: inner.text("id", MAX_TEXT_BYTES)?,
            owner: inner.text("owner", MAX_TEXT_BYTES)?,
            labels: inner.map("labels")?,
        };
        inner.finish()?;
        Ok(Some(resource))
    }

    fn finish(self) -> Result<(), Refusal> {
        match self.fields.into_keys().next() {
            None => Ok(()),
            Some(name) => {
                let name: String = name.chars().take(64).collect();
                Err(Refusal::invalid("unknown_field", format!("there is no field `{name}`"))
                    .hint(format!("fields are {}", FIELDS.join(", "))))
            }
        }
    }
}

fn wrong_type(name: &str, wanted: &str, got: &Value) -> Refusal {
    Refusal::invalid(
        "wrong_type",
        format!("`{name}` has to be {wanted}, not a {}", got.kind()),
    )
}

/// The action as a value with the field names of its body: what redaction turns into the stored form.
pub fn to_value(action: &Action) -> Value {
    let mut map = BTreeMap::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            map.insert(name.to_owned(), value);
        }
    };
    let text = |text: &Option<String>| text.clone().map(Value::String);
    let decimal = |number: Option<Decimal>| number.map(|number| Value::String(number.to_string()));
    put("action", Some(Value::String(action.action.clone())));
    put("tool", text(&action.tool));
    put(
        "args",
        action
            .args
            .as_map()
            .filter(|map| !map.is_empty())
            .map(|_| action.args.clone()),
    );
    put("resource", action.resource.as_ref().map(resource_value));
    put("env", text(&action.env));
    put("access", action.access.map(|access| Value::from(access_name(access))));
    put("amount", decimal(action.amount));
    put("currency", text(&action.currency));
    put("estimated_cost", decimal(action.estimated_cost));
    put("confidence", decimal(action.confidence));
    put("evidence", action.evidence.clone());
    put("labels", action.labels.clone());
    put("principal", text(&action.principal));
    put("run", text(&action.run));
    put("parent", text(&action.parent));
    put("step", text(&action.step));
    put("delegation", action.delegation.clone());
    put("model", action.model.clone());
    put("conflicts", action.conflicts.clone());
    let reads = action.reads.iter().map(|label| Value::from(label.as_str()));
    put(
        "reads",
        Some(Value::List(reads.collect())).filter(|_| !action.reads.is_empty()),
    );
    Value::Map(map)
}

/// The wire name of an access.
pub fn access_name(access: Access) -> &'static str {
    match access {
        Access::Read => "read",
        Access::Write => "write",
    }
}

fn resource_value(resource: &Resource) -> Value {
    let mut map = BTreeMap::new();
    let texts = [
        ("type", &resource.kind),
        ("id", &resource.id),
        ("owner", &resource.owner),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            map.insert(name.to_owned(), Value::String(text.clone()));
        }
    }
    if let Some(labels) = &resource.labels {
        map.insert("labels".to_owned(), labels.clone());
    }
    Value::Map(map)
}
