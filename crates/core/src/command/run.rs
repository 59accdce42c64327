//! What can be asked about runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Sealed;
use crate::event::{RunStatus, Trigger};
use crate::ids::RunId;

/// A run that begins.
pub struct NewRun {
    /// Agents that act in it.
    pub agents: Vec<Arc<str>>,
    /// It ends when nothing is heard of it for so long, seconds.
    pub idle_s: Option<u32>,
    /// The run that it is part of.
    pub parent: Option<RunId>,
    /// W3C trace context of what set it off.
    pub traceparent: Option<String>,
    /// What set it off.
    pub trigger: Trigger,
    /// The context that it begins with, stored form.
    pub context: Option<Sealed>,
    /// What redaction replaced in that.
    pub redact: BTreeMap<String, u32>,
}

/// The end of a run.
pub struct EndRun {
    /// The run.
    pub run: RunId,
    /// The agent that ends it, unless a gateway or a person does.
    pub agent: Option<Arc<str>>,
    /// How.
    pub status: RunStatus,
    /// What it came to, stored form.
    pub output: Option<Sealed>,
    /// What redaction replaced in that.
    pub redact: BTreeMap<String, u32>,
}

/// What a person says to the agents of a run, or notes about it.
pub struct AboutRun {
    /// The run, as actions name it.
    pub run: Arc<str>,
    /// The ledger holds its start.
    pub started: bool,
    /// The ledger holds an action that names it.
    pub seen: bool,
    /// What.
    pub text: Sealed,
}
