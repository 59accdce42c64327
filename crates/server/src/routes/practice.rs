//! Drills and canaries: requests that cannot come to anything.

use std::collections::BTreeMap;

use countersign_api::convert::word;
use countersign_api::practice::{PracticeAnswer, PracticeBody, PracticeWord, PractisedPerson};
use countersign_core::event::{PracticeKind, Verb};
use countersign_core::ids::ApprovalId;
use countersign_core::policy::Value;
use countersign_engine::Caller;
use countersign_engine::practice::Practised;

use super::handlers;
use crate::body;
use crate::query::id;
use crate::reply::{Answer, json};
use crate::way::Asked;

handlers! {
    "practise" => Caller practise,
    "practices" => Caller practices,
    "practice" => Caller practice,
}

async fn practise(asked: Asked<Caller>) -> Answer {
    let body::Parsed {
        typed: body,
        mut members,
    } = body::parse::<PracticeBody>(asked.bytes())?;
    let kind = match body.kind {
        PracticeWord::Canary => PracticeKind::Canary,
        PracticeWord::Drill => PracticeKind::Drill,
    };
    // The action as it was written, with its numbers as they were.
    let action = members.remove("action").unwrap_or(Value::Null);
    let engine = &asked.app.engine;
    let (practised, replayed) = engine
        .practise(&asked.request(), kind, &body.agent.0, action, &body.reason.0)
        .await?;
    Ok(json(&on_the_wire(&practised))?.replayed(replayed))
}

async fn practices(asked: Asked<Caller>) -> Answer {
    json(&asked.app.engine.practices(&asked.caller.org).await?)
}

async fn practice(asked: Asked<Caller>) -> Answer {
    let approval: ApprovalId = id("drill or canary", asked.param())?;
    let practised = asked.app.engine.practice(&asked.caller.org, approval).await?;
    json(&on_the_wire(&practised))
}

fn on_the_wire(practised: &Practised) -> PracticeAnswer {
    let started = &practised.started;
    let (mut people, mut said) = (Vec::new(), BTreeMap::<&String, (Verb, i64)>::new());
    if let Some(open) = &practised.open {
        people.extend(open.asked.keys());
        said.extend((open.answers.iter()).map(|(user, said)| (user, (said.verb, said.after_ms))));
    }
    if let Some(ended) = &practised.ended {
        people.extend(&ended.asked);
        said.extend((ended.answers.iter()).map(|answer| (&answer.user, (answer.verb, answer.after_ms))));
    }
    // A colleague who got somebody's place answers without having been asked first.
    people.extend(said.keys().copied());
    people.sort();
    people.dedup();
    PracticeAnswer {
        approval: started.approval.to_string(),
        action: started.action_id.to_string(),
        kind: match started.kind {
            PracticeKind::Canary => PracticeWord::Canary,
            PracticeKind::Drill => PracticeWord::Drill,
        },
        by: started.by.clone(),
        over: practised.ended.is_some(),
        answered: u32::try_from(said.len()).unwrap_or(u32::MAX),
        asked: (people.into_iter())
            .map(|user| PractisedPerson {
                user: user.clone(),
                said: said.get(user).map(|(verb, _)| word(verb)),
                after_ms: said.get(user).map(|(_, after_ms)| *after_ms),
            })
            .collect(),
    }
}
