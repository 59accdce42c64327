//! The weekly sample of what has run.

use countersign_api::autonomy::FindingWord;
use countersign_api::samples::{SampleAnswer, SampledAction};
use countersign_core::event::Finding;
use countersign_core::week::Week;
use countersign_engine::Caller;
use countersign_engine::samples::{Sampled, WeekSample};

use super::handlers;
use crate::query::{OfWeek, invalid};
use crate::reply::{Answer, json};
use crate::way::Asked;

/// Actions that one answer lists at most.
const LISTED: usize = 1000;

handlers! {
    "sample" => Caller sample,
}

async fn sample(asked: Asked<Caller>) -> Answer {
    let query: OfWeek = asked.query()?;
    let week = query.week.map(|week| week.parse::<Week>()).transpose();
    let week = week.map_err(|error| invalid(error.to_string()))?;
    let sample = asked.app.engine.sample(&asked.caller.org, week).await?;
    json(&on_the_wire(&sample))
}

fn on_the_wire(sample: &WeekSample) -> SampleAnswer {
    let count =
        |holds: fn(&&Sampled) -> bool| u32::try_from(sample.sampled.values().filter(holds).count()).unwrap_or(u32::MAX);
    let told = sample.revealed.as_ref();
    let so_far = sample.open.as_ref();
    let drawn_so_far = so_far.map_or(0, |open| u32::try_from(open.drawn).unwrap_or(u32::MAX));
    SampleAnswer {
        week: sample.week.to_string(),
        ends: sample.ends.to_string(),
        of: told.map_or_else(|| so_far.map_or(0, |open| open.of), |told| told.of),
        drawn: told.map_or(drawn_so_far, |told| told.drawn),
        open: count(|sampled| sampled.found.is_none()),
        faulty: count(|sampled| matches!(sampled.found, Some((Finding::Faulty, _)))),
        key: told.map(|told| told.key.to_string()),
        actions: sample.sampled.values().take(LISTED).map(action).collect(),
    }
}

fn action(sampled: &Sampled) -> SampledAction {
    let look = &sampled.look;
    SampledAction {
        action: look.action_id.to_string(),
        agent: look.agent.to_string(),
        operation: look.operation.clone(),
        review: look.review.to_string(),
        due: look.due.to_string(),
        finding: sampled.found.as_ref().map(|(finding, _)| match finding {
            Finding::Fine => FindingWord::Fine,
            Finding::Faulty => FindingWord::Faulty,
        }),
        by: sampled.found.as_ref().map(|(_, user)| user.clone()),
    }
}
