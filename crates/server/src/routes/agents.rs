//! The inventory of agents.

use std::collections::BTreeMap;

use countersign_api::registry::{
    AgentAnswer, AgentBody, AgentsAnswer, LABELS_AT_MOST, Labels, NewAgentBody, RegisteredAgent,
};
use countersign_core::State;
use countersign_core::event::AgentRegistered;
use countersign_core::policy::Snapshot;
use countersign_core::state::Agent;
use countersign_engine::Caller;

use super::handlers;
use crate::problem::Problem;
use crate::reply::{Answer, json};
use crate::way::Asked;

handlers! {
    "register_agent" => Caller register,
    "agents" => Caller agents,
    "agent" => Caller agent,
    "put_agent" => Caller put,
}

fn on_the_wire(id: &str, agent: &Agent, state: &State, live: Option<&Snapshot>) -> AgentAnswer {
    let mut modes: BTreeMap<String, u32> = BTreeMap::new();
    for (_, standing) in state.standings(id) {
        *modes.entry(standing.mode.as_str().to_owned()).or_default() += 1;
    }
    let mandate = live.and_then(|live| live.mandate(id));
    AgentAnswer {
        id: id.to_owned(),
        owner: agent.owner.clone(),
        team: agent.team.clone(),
        labels: agent.labels.clone(),
        quarantined: agent.quarantined,
        seen_by: agent.source.clone(),
        since: agent.since.to_string(),
        paused: agent.paused.clone(),
        activated: agent.activated.map(|since| since.to_string()),
        tier: mandate.and_then(|mandate| mandate.tier()).map(str::to_owned),
        modes,
    }
}

async fn known(asked: &Asked<Caller>, id: &str) -> Result<AgentAnswer, Problem> {
    let live = asked.app.engine.live_policy(&asked.caller).await?;
    let wanted = id.to_owned();
    let found = asked.app.engine.look(&asked.caller.org, move |state| {
        let agent = state.agents().get(wanted.as_str())?;
        Some(on_the_wire(&wanted, agent, state, live.as_deref()))
    });
    found.await?.ok_or_else(|| Problem::missing("agent", id))
}

fn labels(labels: Labels) -> Result<BTreeMap<String, String>, Problem> {
    if labels.len() > LABELS_AT_MOST {
        return Err(Problem::invalid(
            "invalid_value",
            format!("an agent has at most {LABELS_AT_MOST} labels"),
        ));
    }
    Ok(labels.into_iter().map(|(name, text)| (name.0, text.0)).collect())
}

async fn register(asked: Asked<Caller>) -> Answer {
    let body: NewAgentBody = asked.body()?;
    let id = body.id.0;
    let agent = AgentRegistered {
        agent: id.clone(),
        labels: labels(body.labels)?,
        owner: body.owner.0,
        team: body.team.map(|team| team.0),
    };
    let registered = asked.app.engine.register_agent(&asked.request(), agent).await?;
    let (kid, key) = registered.key.map(|key| (key.kid, key.text)).unzip();
    let answer = RegisteredAgent {
        agent: known(&asked, &id).await?,
        key,
        kid,
    };
    Ok(json(&answer)?.created().replayed(registered.replayed))
}

async fn agents(asked: Asked<Caller>) -> Answer {
    let live = asked.app.engine.live_policy(&asked.caller).await?;
    let agents = asked.app.engine.look(&asked.caller.org, move |state| {
        let one = |(id, agent): (&std::sync::Arc<str>, &Agent)| on_the_wire(id, agent, state, live.as_deref());
        state.agents().iter().map(one).collect()
    });
    json(&AgentsAnswer { agents: agents.await? })
}

async fn agent(asked: Asked<Caller>) -> Answer {
    json(&known(&asked, asked.param()).await?)
}

async fn put(asked: Asked<Caller>) -> Answer {
    let id = asked.param().to_owned();
    let body: AgentBody = asked.body()?;
    let before = known(&asked, &id).await?;
    if before.quarantined {
        return Err(Problem::missing("registered agent", &id).hint("register it with `POST /v1/agents`"));
    }
    let agent = AgentRegistered {
        agent: id.clone(),
        labels: labels(body.labels)?,
        owner: body.owner.0,
        team: body.team.map(|team| team.0),
    };
    asked.app.engine.change_agent(&asked.request(), agent).await?;
    json(&known(&asked, &id).await?)
}
