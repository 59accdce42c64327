//! Small things that the state holds while they are open: keys, snapshots, kill switches, alerts, callbacks on their way.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::OpenAction;
use crate::event::Scope;
use crate::ids::{ActionId, ReceiverId};
use crate::record::{ActorKind, Half};
use crate::time::Time;

impl OpenAction {
    /// The tool, where one was named. It may have the name of the operation.
    pub(super) fn named_tool(&self) -> Option<&str> {
        (self.tool_is_namesake || self.tool != self.operation).then_some(&*self.tool)
    }
}

/// A credential, as far as the ledger knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// When it ends.
    pub expires: Option<Time>,
    /// Whose it is.
    pub kind: ActorKind,
    /// It was revoked.
    pub revoked: bool,
    /// What it may be used for.
    pub scopes: Vec<String>,
    /// Whose it is.
    pub subject: String,
}

impl Key {
    /// Whether it may be used.
    pub(super) fn works(&self, now: Time) -> bool {
        !self.revoked && self.expires.is_none_or(|end| end > now)
    }
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// What the person answers for.
    pub duties: Vec<String>,
    /// Whom the person reports to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// Index of the record whose payload is the person's name and address.
    pub profile: Option<u64>,
    /// What the person may do in Countersign.
    pub roles: Vec<String>,
    /// The person does not vote until an admin says so.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub suspended: bool,
    /// The person's teams.
    pub teams: Vec<String>,
    /// The person's time zone, IANA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

/// A stored snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSnapshot {
    /// When it was last made live.
    pub activated: Option<Time>,
    /// How many documents it has.
    pub documents: u64,
    /// When it was stored.
    pub uploaded: Time,
    /// It may become live though its tests do not show that it is right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waived: Option<Waiver>,
}

/// What somebody lets pass of the tests of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiver {
    /// Who.
    pub by: String,
    /// How many tests that fail.
    pub failing: u64,
    /// How many rules that no test tries.
    pub untried: u64,
}

/// An engaged kill switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kill {
    /// Who engaged it.
    pub by: String,
    /// When.
    pub since: Time,
    /// What it stops.
    pub scope: Scope,
    /// Who of two people wants it released.
    pub release_requested_by: Option<String>,
}

/// An alert that nobody took note of yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenAlert {
    /// The action that it is about.
    pub action_id: Option<ActionId>,
    /// The agent that it is about.
    pub agent: Option<Arc<str>>,
    /// What kind.
    pub name: String,
    /// When.
    pub raised: Time,
    /// One sentence.
    pub summary: String,
}

/// A callback that has not arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingDelivery {
    /// The action whose status it tells.
    pub action_id: ActionId,
    /// Tries so far.
    pub attempts: u32,
    /// It waits for a person to send it again.
    pub dead: bool,
    /// What the receiver said last.
    pub detail: String,
    /// When it is tried next.
    pub next: Time,
    /// The receiver.
    pub receiver: ReceiverId,
    /// Where to.
    pub url: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Remembered {
    pub(super) at: Time,
    pub(super) body: Half,
    pub(super) seq: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RefusalWindow {
    pub(super) code: String,
    pub(super) count: u32,
    pub(super) start: Time,
}
