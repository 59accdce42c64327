//! What an agent is denied whatever it says beside the names: for those who show an agent its tools.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bounded::{Text, stated};

/// Operations that one question is about, at most.
pub const OPERATIONS_AT_MOST: usize = 200;

fn operations(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let operation = generator.subschema_for::<OperationBody>();
    schemars::json_schema!({ "type": "array", "minItems": 1, "maxItems": OPERATIONS_AT_MOST, "items": operation })
}

/// An operation, by its names alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperationBody {
    /// The operation.
    pub action: Text<300>,
    /// The tool.
    #[serde(default, deserialize_with = "stated", skip_serializing_if = "Option::is_none")]
    pub tool: Option<Text<300>>,
}

/// Operations that an agent may want.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlwaysDeniedBody {
    /// Who wants them; only with a key of scope `act_for:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Text<300>>,
    /// The environment that actions of the agent name; without one they name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<Text<300>>,
    /// The operations.
    #[schemars(schema_with = "operations")]
    pub operations: Vec<OperationBody>,
}

/// Which of them the live policy denies to the agent whatever else an action says. Others may be denied as well.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AlwaysDeniedAnswer {
    /// For each operation, in order: it is always denied.
    pub always_denied: Vec<bool>,
    /// The snapshot that says so; none where no policy is live, and then nothing is said of any operation.
    pub snapshot: Option<String>,
}
