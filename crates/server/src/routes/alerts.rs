//! Alerts.

use countersign_api::operations::{AlertAnswer, AlertsAnswer, DoneAnswer};
use countersign_engine::Caller;

use super::handlers;
use crate::query::id;
use crate::reply::{Answer, json};
use crate::way::Asked;

handlers! {
    "alerts" => Caller alerts,
    "acknowledge_alert" => Caller acknowledge,
}

async fn alerts(asked: Asked<Caller>) -> Answer {
    let alerts = asked.app.engine.look(&asked.caller.org, |state| {
        let open = state.alerts().iter();
        let on_the_wire = open.map(|(id, alert)| AlertAnswer {
            id: id.to_string(),
            name: alert.name.clone(),
            summary: alert.summary.clone(),
            agent: alert.agent.as_deref().map(str::to_owned),
            action: alert.action_id.map(|id| id.to_string()),
            raised: alert.raised.to_string(),
        });
        on_the_wire.collect()
    });
    json(&AlertsAnswer { alerts: alerts.await? })
}

async fn acknowledge(asked: Asked<Caller>) -> Answer {
    let alert = id("open alert", asked.param())?;
    let replayed = asked.app.engine.acknowledge(&asked.request(), alert).await?;
    Ok(json(&DoneAnswer { done: true })?.replayed(replayed))
}
