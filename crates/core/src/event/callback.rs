//! Callbacks: who receives them, and how their delivery goes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{ActionId, DeliveryId, ReceiverId};
use crate::time::Time;

/// `callback.registered`; its secret lies with the secrets. An address in which redaction finds something is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallbackRegistered {
    /// Its id.
    pub receiver: ReceiverId,
    /// Where callbacks go.
    pub url: String,
}

/// `callback.removed`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallbackRemoved {
    /// Its id.
    pub receiver: ReceiverId,
    /// Why: `requested`, or `gone` when the receiver answered 410.
    pub why: String,
}

/// `callback.due`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallbackDue {
    /// The action whose final status it tells.
    pub action_id: ActionId,
    /// Its id; the receiver deduplicates by it.
    pub delivery: DeliveryId,
    /// The registered receiver.
    pub receiver: ReceiverId,
    /// Where to; at or below the receiver's address.
    pub url: String,
}

/// How a try to deliver a callback ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// The receiver took it.
    Delivered,
    /// It will be tried again.
    Retrying,
    /// It lies with the dead letters until a person sends it again.
    Dead,
    /// A person sends it again.
    Resent,
}

/// `callback.attempted`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallbackAttempted {
    /// Which try this was, from 1; 0 when a person sends it again.
    pub attempt: u32,
    /// The callback.
    pub delivery: DeliveryId,
    /// What the receiver said, or why it was not reached.
    pub detail: String,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Time>,
    /// How it ended.
    pub result: Delivery,
}
