//! Agents that act for one another. Who handed an action on is proven, link by link, by the open action with which it called
//! the next agent; what the chain may do is what every agent in it may do.

use std::sync::Arc;

use countersign_policy::{Action, Snapshot, Value};
use serde::{Deserialize, Serialize};

use super::ruling::Ruling;
use super::stop::Target;
use super::{OpenAction, State};
use crate::event::{BrokenLink, DecisionFacts, Link, Unproven};
use crate::ids::ActionId;
use crate::time::Time;

/// Agents before the one that acts.
const LINKS_AT_MOST: usize = 8;
/// What the name of a tool begins with that is another agent.
const AGENT: &str = "agent/";

/// A link of an open action's chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedOn {
    /// The action with which the agent called the next one.
    pub action_id: ActionId,
    /// The agent.
    pub agent: Arc<str>,
    /// `verified` or `claimed`: how it was known when it called.
    pub identity: String,
}

impl HandedOn {
    fn of(link: &Link) -> HandedOn {
        HandedOn {
            action_id: link.action_id,
            agent: link.id.clone(),
            identity: link.agent.get("identity").cloned().unwrap_or_default(),
        }
    }

    /// The chain that a decision read.
    pub(super) fn chain(facts: &DecisionFacts) -> Vec<HandedOn> {
        facts.delegation.iter().map(HandedOn::of).collect()
    }
}

impl State {
    /// Reads the chain of an action into the facts of its decision.
    pub(super) fn read_chain(&self, action: &Action, agent: &str, now: Time, facts: &mut DecisionFacts) {
        let Some(Value::List(stated)) = &action.delegation else {
            return;
        };
        if stated.len() > LINKS_AT_MOST {
            facts.delegation_gap = Some(broken(LINKS_AT_MOST, Unproven::TooLong));
            return;
        }
        let agents: Vec<Option<&str>> = stated.iter().map(|link| word(link, "agent")).collect();
        for (at, link) in stated.iter().enumerate() {
            let called = agents.get(at + 1).copied().unwrap_or(Some(agent));
            let before = HandedOn::chain(facts);
            match self.proven(link, called, &before, now) {
                Ok(handed) => facts.delegation.push(self.link(&handed)),
                Err(why) => {
                    facts.delegation.clear();
                    facts.delegation_gap = Some(broken(at, why));
                    return;
                }
            }
        }
    }

    /// What is known of an agent of a chain now.
    pub(super) fn link(&self, handed: &HandedOn) -> Link {
        let known = self.agent_facts(&handed.agent, &handed.identity, "", Vec::new());
        Link {
            action_id: handed.action_id,
            agent: known.agent,
            id: handed.agent.clone(),
            labels: known.labels,
            standing: known.standing,
        }
    }

    fn proven(&self, link: &Value, called: Option<&str>, before: &[HandedOn], now: Time) -> Result<HandedOn, Unproven> {
        let (agent, id) = word(link, "agent")
            .zip(word(link, "action").and_then(|id| id.parse::<ActionId>().ok()))
            .ok_or(Unproven::Unreadable)?;
        let call = self.actions.get(&id).ok_or(Unproven::Unknown)?;
        if *call.agent != *agent {
            return Err(Unproven::NotItsOwn);
        }
        if call.tool.strip_prefix(AGENT) != called {
            return Err(Unproven::NotThisAgent);
        }
        if call.delegation != before {
            return Err(Unproven::OtherChain);
        }
        let usable = call.permit.as_ref().is_some_and(|permit| permit.expires > now);
        let target = Target::of(call);
        let stopped = self.stopped_by(&target).is_some() || self.voided(call.seq, &target);
        if call.outcome || stopped || !(call.redeemed || usable) {
            return Err(Unproven::Ended);
        }
        Ok(HandedOn {
            action_id: id,
            agent: call.agent.clone(),
            identity: call.identity.clone(),
        })
    }

    /// What stands above policy, for a chain: that it is proven, and that everybody in it is at work. Kill switches on them hit
    /// the action itself.
    pub(super) fn above_chain(
        &self,
        facts: &DecisionFacts,
        action: &Action,
        live: Option<&Snapshot>,
    ) -> Option<Ruling> {
        if let Some(broken) = facts.delegation_gap {
            let why = sentence(broken.why);
            let message = format!("link {} of `delegation` is not proven: {why}", broken.link);
            return Some(Ruling::deny("delegation_unproven", "delegation", message));
        }
        let tool = action.tool.as_deref().unwrap_or(&action.action);
        facts.delegation.iter().find_map(|link| {
            let (code, message) = self.halted(&link.id, tool, &action.action, live)?;
            let message = format!("`{}`, for which it acts: {message}", link.id);
            Some(Ruling::deny(code, code, message))
        })
    }

    /// Which agent of an open action is not to act whatever policy says, why as code and sentence.
    pub(super) fn halted_for<'a>(
        &self,
        action: &'a OpenAction,
        live: Option<&Snapshot>,
    ) -> Option<(&'a Arc<str>, &'static str, String)> {
        action.agents().find_map(|agent| {
            let (code, message) = self.halted(agent, &action.tool, &action.operation, live)?;
            Some((agent, code, message))
        })
    }
}

impl OpenAction {
    /// Whose action it is, and for whom it is done.
    pub(super) fn agents(&self) -> impl Iterator<Item = &Arc<str>> {
        let chain = self.delegation.iter().map(|handed| &handed.agent);
        std::iter::once(&self.agent).chain(chain)
    }
}

fn word<'v>(link: &'v Value, name: &str) -> Option<&'v str> {
    match link.get(name) {
        Some(Value::String(text)) => Some(text),
        _nothing => None,
    }
}

fn broken(at: usize, why: Unproven) -> BrokenLink {
    BrokenLink {
        link: u32::try_from(at + 1).unwrap_or(u32::MAX),
        why,
    }
}

fn sentence(why: Unproven) -> &'static str {
    match why {
        Unproven::Ended => "the call is over, was not permitted, or was stopped",
        Unproven::NotItsOwn => "the action is another agent's",
        Unproven::NotThisAgent => "the action calls another agent",
        Unproven::OtherChain => "the action was for other agents than those before it",
        Unproven::TooLong => "a chain has at most 8 links",
        Unproven::Unknown => "no such action is open",
        Unproven::Unreadable => "it is no object with `agent` and `action`",
    }
}
