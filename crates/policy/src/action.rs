//! The action as policy sees it.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::value::Value;

/// What an operation does to the data that it touches, from harmless to not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Looks only.
    Read,
    /// Changes something.
    Write,
}

/// What an action is about.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Resource {
    /// The kind of thing, such as `customer_data`.
    pub kind: Option<String>,
    /// Which one.
    pub id: Option<String>,
    /// Whose it is.
    pub owner: Option<String>,
    /// Free labels; a [`Value::Map`].
    pub labels: Option<Value>,
}

/// One thing that an agent wants to do, exactly as it was received.
///
/// It may hold what must never be stored or logged, so it has neither `Debug` nor a serialized form.
#[derive(Clone, PartialEq, Eq)]
pub struct Action {
    /// The tool, such as `aws-cli` or `server/name`.
    pub tool: Option<String>,
    /// The operation. When the caller names only a tool, this is the tool's name (after the last `/`).
    pub action: String,
    /// Arguments of the operation; a [`Value::Map`], empty when the caller gives none.
    pub args: Value,
    /// What it is about.
    pub resource: Option<Resource>,
    /// The environment, compared exactly.
    pub env: Option<String>,
    /// What the agent says it does to the data; it can only raise what the operation implies.
    pub access: Option<Access>,
    /// Money that moves. May be negative here: that is a recorded deny, not bad input.
    pub amount: Option<Decimal>,
    /// ISO 4217 code of `amount` and `estimated_cost`; the organization's when absent.
    pub currency: Option<String>,
    /// What running it is expected to cost.
    pub estimated_cost: Option<Decimal>,
    /// The agent's confidence, 0 to 1.
    pub confidence: Option<Decimal>,
    /// What a reviewer needs; a [`Value::Map`].
    pub evidence: Option<Value>,
    /// Free labels; a [`Value::Map`].
    pub labels: Option<Value>,
    /// On whose behalf.
    pub principal: Option<String>,
    /// The run that it belongs to.
    pub run: Option<String>,
    /// The action that caused it.
    pub parent: Option<String>,
    /// The step of the run.
    pub step: Option<String>,
    /// The chain of agents that handed it on; a [`Value::List`].
    pub delegation: Option<Value>,
    /// Model and version; a [`Value::Map`].
    pub model: Option<Value>,
    /// Sources that disagree; a [`Value::List`].
    pub conflicts: Option<Value>,
    /// Labels of what the agent has read, as it says; it can only add to what is known.
    pub reads: Vec<String>,
}

impl Action {
    /// An action of which nothing is said but the operation.
    pub fn of(action: &str) -> Action {
        Action {
            tool: None,
            action: action.to_owned(),
            args: Value::Map(BTreeMap::new()),
            resource: None,
            env: None,
            access: None,
            amount: None,
            currency: None,
            estimated_cost: None,
            confidence: None,
            evidence: None,
            labels: None,
            principal: None,
            run: None,
            parent: None,
            step: None,
            delegation: None,
            model: None,
            conflicts: None,
            reads: Vec::new(),
        }
    }
}
