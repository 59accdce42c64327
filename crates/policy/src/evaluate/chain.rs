//! Who may hand on to whom. What an agent hands on is never more than what it has: every agent of the chain is judged as if
//! it acted itself, and the strictest answer stands.

use std::collections::BTreeSet;

use super::tally::Tally;
use crate::action::Action;
use crate::document::delegation::Delegation;
use crate::facts::Context;
use crate::snapshot::Snapshot;

/// What the name of a tool begins with that is another agent.
const AGENT: &str = "agent/";

/// The agent that an action hands something on to.
pub(super) fn callee(action: &Action) -> Option<&str> {
    action.tool.as_deref()?.strip_prefix(AGENT)
}

/// Holds each link of the chain against the mandates at both of its ends.
pub(super) fn links(snapshot: &Snapshot, action: &Action, ctx: &Context<'_>) -> Tally {
    let mut tally = Tally::default();
    let delegation = |agent: &str| {
        snapshot
            .mandates
            .get(agent)
            .and_then(|mandate| mandate.delegation.as_ref())
    };
    if ctx.chain.is_empty()
        && let Some(own) = delegation(ctx.agent_id).filter(|own| own.only_called)
    {
        let message = "the agent acts only when another one has called it, and none has";
        tally.deny(Some(&own.id), "not_called", message);
    }
    let members = ctx.chain.iter().map(|member| member.id);
    let agents: Vec<&str> = members.chain([ctx.agent_id]).chain(callee(action)).collect();
    if agents.iter().collect::<BTreeSet<_>>().len() < agents.len() {
        tally.deny(None, "delegation_cycle", "an agent is in the chain twice");
    }
    for (at, pair) in agents.windows(2).enumerate() {
        let [caller, called] = pair else { continue };
        let beyond = agents.get(at + 1..).unwrap_or_default();
        match delegation(caller) {
            Some(own) => own.check(caller, beyond, &mut tally),
            None => {
                let message = format!("`{caller}` may call nobody: its mandate has no `delegation: {{ may_call: … }}`");
                tally.deny(None, "may_not_call", message);
            }
        }
        if let Some(own) = delegation(called).filter(|own| !own.may_be_called_by(caller)) {
            let message = format!("`{called}` is not to be called by `{caller}`");
            tally.deny(Some(&own.id), "may_not_be_called", message);
        }
    }
    tally
}

impl Delegation {
    /// Whether all that come after `caller` are in its reach.
    fn check(&self, caller: &str, beyond: &[&str], tally: &mut Tally) {
        if let Some(called) = beyond.iter().find(|called| !self.may_call(called)) {
            let message = format!("`{caller}` may not call `{called}`");
            tally.deny(Some(&self.id), "may_not_call", message);
        }
        if beyond.len() > self.depth {
            let message = format!(
                "{} agents act for `{caller}`, and its mandate lets {}",
                beyond.len(),
                self.depth
            );
            tally.deny(Some(&self.id), "delegation_depth", message);
        }
    }
}
