//! How people vote, and letting somebody vote again.

use countersign_api::reviewers::{RestoreReviewerBody, ReviewedAgent, ReviewerAnswer, ReviewersAnswer};
use countersign_core::event::Flag;
use countersign_core::policy::Theatre;
use countersign_core::state::response;
use countersign_core::{State, Time};
use countersign_engine::Caller;

use super::handlers;
use crate::problem::Problem;
use crate::reply::{Answer, json};
use crate::way::Asked;

handlers! {
    "reviewers" => Caller all,
    "reviewer" => Caller one,
    "restore_reviewer" => Caller restore,
}

async fn all(asked: Asked<Caller>) -> Answer {
    let (rules, now) = (rules(&asked).await?, asked.app.engine.now());
    let look = asked.app.engine.look(&asked.caller.org, move |state| {
        let people = state.reviewers().people(now).into_iter();
        people.map(|user| answer(state, user, rules.as_ref(), now)).collect()
    });
    let reviewers = look.await?;
    json(&ReviewersAnswer { reviewers })
}

async fn one(asked: Asked<Caller>) -> Answer {
    json(&of(&asked, asked.param().to_owned()).await?)
}

async fn restore(asked: Asked<Caller>) -> Answer {
    let body: RestoreReviewerBody = asked.body()?;
    let engine = &asked.app.engine;
    let replayed = engine
        .restore_reviewer(&asked.request(), &body.user.0, &body.reason.0)
        .await?;
    Ok(json(&of(&asked, body.user.0).await?)?.replayed(replayed))
}

async fn rules(asked: &Asked<Caller>) -> Result<Option<Theatre>, Problem> {
    let live = asked.app.engine.live_policy(&asked.caller).await?;
    Ok(live.and_then(|live| live.organization()?.theatre().cloned()))
}

async fn of(asked: &Asked<Caller>, user: String) -> Result<ReviewerAnswer, Problem> {
    let (rules, now) = (rules(asked).await?, asked.app.engine.now());
    let look = asked.app.engine.look(&asked.caller.org, move |state| {
        let known = state.users().contains_key(&user) || state.reviewers().people(now).contains(&user);
        let answer = known.then(|| answer(state, &user, rules.as_ref(), now));
        answer.ok_or(user)
    });
    look.await?.map_err(|user| Problem::missing("user", &user))
}

fn answer(state: &State, user: &str, rules: Option<&Theatre>, now: Time) -> ReviewerAnswer {
    let reviewers = state.reviewers();
    let conduct = reviewers.conduct(user, now);
    let flags = rules.map(|rules| reviewers.flags(user, rules, now)).unwrap_or_default();
    let everybody = reviewers.people(now).into_iter();
    let owner = |agent: &str| state.agents().get(agent).map(|agent| agent.owner.clone());
    let agents = conduct.agents.iter().map(|(agent, (votes, _))| ReviewedAgent {
        agent: agent.to_string(),
        owner: owner(agent).unwrap_or_default(),
        votes: *votes,
    });
    let barred = reviewers.suspended.get(user);
    ReviewerAnswer {
        user: user.to_owned(),
        votes: conduct.votes,
        approvals: conduct.approvals,
        too_fast: conduct.too_fast,
        canaries_caught: conduct.canaries_caught,
        canaries_missed: conduct.canaries_missed,
        streak: conduct.streak,
        busiest_hour: conduct.pace,
        median_dwell_ms: conduct.median_dwell_ms,
        votes_of_all: everybody.map(|other| reviewers.conduct(other, now).votes).sum(),
        agents: agents.collect(),
        response: rules
            .and_then(|rules| response(&flags, rules))
            .map(|response| response.as_str().to_owned()),
        flags: words(&flags),
        suspended_since: barred.map(|barred| barred.since.to_string()),
        suspended_for: barred.map(|barred| words(&barred.flags)).unwrap_or_default(),
    }
}

fn words(flags: &[Flag]) -> Vec<String> {
    flags.iter().map(|flag| flag.as_str().to_owned()).collect()
}
