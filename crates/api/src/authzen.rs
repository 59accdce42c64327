//! AuthZEN's Authorization API 1.0: what its questions mean here, and its answers.
//!
//! <https://openid.net/specs/authorization-api-1_0.html>. What the four parts of a question become is in `docs/api.md`. Fields
//! that the specification does not know are passed over, as it demands.

use std::collections::BTreeMap;

use countersign_core::policy::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ActionAnswer;

/// The most questions in one request.
pub const MOST_EVALUATIONS: usize = 100;

/// Who wants it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Subject {
    /// `agent` for the agent itself; anything else is on whose behalf it acts.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which one.
    pub id: String,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<serde_json::Map<String, serde_json::Value>>,
}

/// What is to be done.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Operation {
    /// The operation.
    pub name: String,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<serde_json::Map<String, serde_json::Value>>,
}

/// What it is done to.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// `tool` for a tool; anything else is the kind of a resource.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which one.
    pub id: String,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<serde_json::Map<String, serde_json::Value>>,
}

/// One question.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct EvaluationBody {
    /// Who wants it.
    pub subject: Subject,
    /// What is to be done.
    pub action: Operation,
    /// What it is done to.
    pub resource: Target,
    /// The circumstances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Several questions. What is said beside `evaluations` holds for each that does not say otherwise; without `evaluations` it is
/// one question.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct EvaluationsBody {
    /// Who wants it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<serde_json::Map<String, serde_json::Value>>,
    /// What is to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<serde_json::Map<String, serde_json::Value>>,
    /// What it is done to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<serde_json::Map<String, serde_json::Value>>,
    /// The circumstances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<serde_json::Map<String, serde_json::Value>>,
    /// The questions, 100 at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub evaluations: Vec<serde_json::Map<String, serde_json::Value>>,
    /// How they are answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<EvaluationsOptions>,
}

/// How several questions are answered.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct EvaluationsOptions {
    /// Whether all are answered, or those up to the first denial or permission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluations_semantic: Option<Semantic>,
}

/// Where answering ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Semantic {
    /// All are answered.
    #[default]
    ExecuteAll,
    /// The first denial is the last answer.
    DenyOnFirstDeny,
    /// The first permission is the last answer.
    PermitOnFirstPermit,
}

/// What went wrong with one question of several.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EvaluationError {
    /// The HTTP status that it would have alone.
    pub status: u16,
    /// What is wrong with it.
    pub message: String,
}

/// What an answer rests on.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct EvaluationContext {
    /// The decision as `POST /v1/actions` answers it, with the permit where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub countersign: Option<Box<ActionAnswer>>,
    /// A stable word for why it is false: the reason code of the decision, `approval_required`, `constraints`, or the semantic
    /// that ended the answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is wrong with the question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<EvaluationError>,
}

/// The answer to one question.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EvaluationAnswer {
    /// Whether it may be done now.
    pub decision: bool,
    /// What the answer rests on.
    pub context: EvaluationContext,
}

/// The answers to several questions, in their order; to one question that came without `evaluations`, `decision` and `context`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct EvaluationsAnswer {
    /// The answer to the one question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<bool>,
    /// What it rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<EvaluationContext>,
    /// The answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluations: Option<Vec<EvaluationAnswer>>,
}

/// Where this server answers.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuthzenConfiguration {
    /// The address of this server.
    pub policy_decision_point: String,
    /// One question.
    pub access_evaluation_endpoint: String,
    /// Several questions.
    pub access_evaluations_endpoint: String,
}

/// One question as an action.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The action, with the field names of the API.
    pub action: BTreeMap<String, Value>,
    /// The agent that the question is about, where it names one.
    pub agent: Option<String>,
    /// Nothing is to be recorded.
    pub dry_run: bool,
    /// Whoever asks keeps to constraints that come with a permission.
    pub understands_constraints: bool,
}

type Members = BTreeMap<String, Value>;

/// Fields of the circumstances that an action has under the same name.
const OWN: [&str; 15] = [
    "access",
    "amount",
    "callback_url",
    "confidence",
    "conflicts",
    "currency",
    "delegation",
    "env",
    "estimated_cost",
    "evidence",
    "model",
    "parent",
    "reads",
    "run",
    "step",
];

/// Reads one question as an action. Numbers stay exact.
///
/// # Errors
/// What is missing, or has another type than the specification says.
pub fn question(members: &Members) -> Result<Question, String> {
    let subject = part(members, "subject")?.ok_or("`subject` is missing")?;
    let operation = part(members, "action")?.ok_or("`action` is missing")?;
    let target = part(members, "resource")?.ok_or("`resource` is missing")?;
    let mut context = part(members, "context")?.cloned().unwrap_or_default();
    let mut flag = |name: &str| match context.remove(name) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(flag),
        Some(_) => Err(format!("`context.{name}` is true or false")),
    };
    let (dry_run, understands_constraints) = (flag("dry_run")?, flag("understands_constraints")?);
    let mut action = Members::new();
    let mut labels = Members::new();
    let mut agent = match context.remove("agent") {
        None => None,
        Some(Value::String(agent)) => Some(agent),
        Some(_) => return Err("`context.agent` is a text".to_owned()),
    };

    let (kind, id) = (text(subject, "subject", "type")?, text(subject, "subject", "id")?);
    if kind == "agent" {
        if agent.as_ref().is_some_and(|named| named != id) {
            return Err("`subject` and `context.agent` name two agents".to_owned());
        }
        agent = Some(id.to_owned());
    } else {
        action.insert("principal".to_owned(), id.into());
        labels.insert("subject_type".to_owned(), kind.into());
    }
    if let Some(properties) = part(subject, "properties")? {
        labels.insert("subject".to_owned(), Value::Map(properties.clone()));
    }

    let name = text(operation, "action", "name")?;
    let mut args = part(operation, "properties")?.cloned().unwrap_or_default();
    let (kind, id) = (text(target, "resource", "type")?, text(target, "resource", "id")?);
    let mut properties = part(target, "properties")?.cloned().unwrap_or_default();
    if kind == "tool" {
        action.insert("tool".to_owned(), id.into());
        match properties.remove("arguments") {
            None => {}
            Some(Value::Map(arguments)) if args.is_empty() => args = arguments,
            Some(Value::Map(_)) => {
                return Err("`action.properties` and `resource.properties.arguments` are both there".to_owned());
            }
            Some(_) => return Err("`resource.properties.arguments` is an object".to_owned()),
        }
        if !properties.is_empty() {
            labels.insert("resource".to_owned(), Value::Map(properties));
        }
    } else {
        action.insert("resource".to_owned(), Value::Map(resource(kind, id, properties)?));
    }
    // What an MCP client does with a tool is the tool's own operation.
    if !(kind == "tool" && name == "tools/call") {
        action.insert("action".to_owned(), name.into());
    }
    if !args.is_empty() {
        action.insert("args".to_owned(), Value::Map(args));
    }
    for name in OWN {
        if let Some(value) = context.remove(name) {
            let value = match (name, value) {
                ("amount" | "estimated_cost", Value::Number(number)) => Value::String(number.to_string()),
                (_, value) => value,
            };
            action.insert(name.to_owned(), value);
        }
    }
    if !context.is_empty() {
        labels.insert("context".to_owned(), Value::Map(context));
    }
    if !labels.is_empty() {
        action.insert("labels".to_owned(), Value::Map(labels));
    }
    Ok(Question {
        action,
        agent,
        dry_run,
        understands_constraints,
    })
}

fn resource(kind: &str, id: &str, mut properties: Members) -> Result<Members, String> {
    let mut resource = Members::new();
    resource.insert("type".to_owned(), kind.into());
    resource.insert("id".to_owned(), id.into());
    if let Some(owner) = properties.get("owner") {
        if !matches!(owner, Value::String(_)) {
            return Err("`resource.properties.owner` is a text".to_owned());
        }
        resource.extend(properties.remove_entry("owner"));
    }
    if !properties.is_empty() {
        resource.insert("labels".to_owned(), Value::Map(properties));
    }
    Ok(resource)
}

/// One of several questions, with what is said for all of them. A part that a question has replaces the one for all, except
/// that `type`, `id` and `name` are taken from there where it leaves them out.
#[must_use]
pub fn with_defaults(question: &Members, defaults: &Members) -> Members {
    let mut whole = question.clone();
    for name in ["subject", "action", "resource", "context"] {
        let Some(default) = defaults.get(name) else { continue };
        match whole.get_mut(name) {
            None => {
                whole.insert(name.to_owned(), default.clone());
            }
            Some(Value::Map(own)) if name != "context" => {
                for key in ["type", "id", "name"] {
                    if let (false, Some(value)) = (own.contains_key(key), default.get(key)) {
                        own.insert(key.to_owned(), value.clone());
                    }
                }
            }
            Some(_) => {}
        }
    }
    whole
}

fn part<'m>(members: &'m Members, name: &str) -> Result<Option<&'m Members>, String> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::Map(part)) => Ok(Some(part)),
        Some(_) => Err(format!("`{name}` is an object")),
    }
}

fn text<'m>(members: &'m Members, part: &str, name: &str) -> Result<&'m str, String> {
    match members.get(name) {
        None => Err(format!("`{part}.{name}` is missing")),
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        Some(_) => Err(format!("`{part}.{name}` is a text")),
    }
}
