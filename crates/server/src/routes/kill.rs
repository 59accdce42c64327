//! Kill switches.

use countersign_api::bounded::Text;
use countersign_api::operations::{KillAnswer, KillBody, KillScope, KillsAnswer, ReleaseAnswer, ReleaseBody};
use countersign_core::event::Scope;
use countersign_core::state::Kill;
use countersign_engine::Caller;

use super::handlers;
use crate::problem::Problem;
use crate::reply::{Answer, json};
use crate::way::Asked;

handlers! {
    "kills" => Caller kills,
    "kill" => Caller kill,
    "release_kill" => Caller release,
}

pub(super) fn scope(kind: KillScope, name: Option<Text<128>>) -> Result<Scope, Problem> {
    match (kind, name) {
        (KillScope::Organization, None) => Ok(Scope::Organization),
        (KillScope::Agent, Some(name)) => Ok(Scope::Agent(name.0)),
        (KillScope::Team, Some(name)) => Ok(Scope::Team(name.0)),
        (KillScope::Tool, Some(name)) => Ok(Scope::Tool(name.0)),
        (KillScope::Class, Some(name)) => Ok(Scope::Class(name.0)),
        (KillScope::Run, Some(name)) => Ok(Scope::Run(name.0)),
        (KillScope::Organization, Some(_)) => Err(Problem::invalid(
            "unknown_field",
            "`name` is for every scope but `organization`",
        )),
        (KillScope::Agent | KillScope::Team | KillScope::Tool | KillScope::Class | KillScope::Run, None) => Err(
            Problem::invalid("missing_field", "`name` says which agent, team, tool, class or run"),
        ),
    }
}

pub(super) fn on_the_wire(kill: &Kill) -> KillAnswer {
    let (scope, name) = match &kill.scope {
        Scope::Organization => ("organization", None),
        Scope::Agent(name) => ("agent", Some(name.clone())),
        Scope::Team(name) => ("team", Some(name.clone())),
        Scope::Tool(name) => ("tool", Some(name.clone())),
        Scope::Class(name) => ("class", Some(name.clone())),
        Scope::Run(name) => ("run", Some(name.clone())),
    };
    KillAnswer {
        scope: scope.to_owned(),
        name,
        by: kill.by.clone(),
        since: kill.since.to_string(),
        release_requested_by: kill.release_requested_by.clone(),
    }
}

async fn kills(asked: Asked<Caller>) -> Answer {
    let kills = asked
        .app
        .engine
        .look(&asked.caller.org, |state| state.kills().map(on_the_wire).collect());
    json(&KillsAnswer { kills: kills.await? })
}

async fn kill(asked: Asked<Caller>) -> Answer {
    let body: KillBody = asked.body()?;
    let scope = scope(body.scope, body.name)?;
    let reason = body.reason.as_ref().map(|reason| reason.0.as_str());
    let (kill, replayed) = asked.app.engine.kill(&asked.request(), scope, reason).await?;
    Ok(json(&on_the_wire(&kill))?.replayed(replayed))
}

async fn release(asked: Asked<Caller>) -> Answer {
    let body: ReleaseBody = asked.body()?;
    let scope = scope(body.scope, body.name)?;
    let engine = &asked.app.engine;
    let (released, replayed) = engine.release(&asked.request(), scope, &body.reason.0).await?;
    Ok(json(&ReleaseAnswer { released })?.replayed(replayed))
}
