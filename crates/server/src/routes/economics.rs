//! What review costs, and what it stops.

use countersign_api::economics::{EconomicsAnswer, ReviewPair, ReviewShare, ReviewedClass};
use countersign_core::state::{LEAST_DECIDED, Tally, could_be_loosened};
use countersign_core::{State, Time};
use countersign_engine::Caller;

use super::handlers;
use crate::reply::{Answer, json};
use crate::way::Asked;

/// Pairs that one answer lists at most.
const PAIRS: usize = 200;

handlers! {
    "economics" => Caller economics,
}

async fn economics(asked: Asked<Caller>) -> Answer {
    let now = asked.app.engine.now();
    let look = asked.app.engine.look(&asked.caller.org, move |state| of(state, now));
    json(&look.await?)
}

fn of(state: &State, now: Time) -> EconomicsAnswer {
    let known = state.reviewers();
    let people: Vec<_> = (known.people(now).into_iter())
        .map(|user| (user, known.conduct(user, now)))
        .filter(|(_, conduct)| conduct.votes > 0)
        .collect();
    let votes: u64 = people.iter().map(|(_, conduct)| conduct.votes).sum();
    let approvals: u64 = people.iter().map(|(_, conduct)| conduct.approvals).sum();
    let reading_ms: i64 = people.iter().map(|(_, conduct)| conduct.reading_ms).sum();
    let rejections = votes - approvals;
    let edits: u64 = people.iter().map(|(_, conduct)| conduct.edits).sum();
    let per_hour = |count: u64| (count * 360_000_000).checked_div(reading_ms.unsigned_abs());
    let mut pairs: Vec<ReviewPair> = (people.iter())
        .flat_map(|(user, conduct)| {
            conduct.agents.iter().map(|(agent, (votes, approvals))| ReviewPair {
                agent: agent.to_string(),
                user: (*user).clone(),
                votes: *votes,
                approvals: *approvals,
            })
        })
        .collect();
    pairs.sort_by(|a, b| (b.votes, &a.user, &a.agent).cmp(&(a.votes, &b.user, &b.agent)));
    pairs.truncate(PAIRS);
    EconomicsAnswer {
        votes,
        rejections,
        edits,
        reading_ms,
        rejections_per_100_hours: per_hour(rejections),
        edits_per_100_hours: per_hour(edits),
        reviewers: (people.iter())
            .map(|(user, conduct)| ReviewShare {
                user: (*user).clone(),
                votes: conduct.votes,
                rejections: conduct.votes - conduct.approvals,
                edits: conduct.edits,
                reading_ms: conduct.reading_ms,
                share: conduct.votes * 10_000 / votes.max(1),
            })
            .collect(),
        pairs,
        classes: (state.tallies().iter())
            .map(|(class, tally)| of_class(class, tally))
            .collect(),
    }
}

fn of_class(class: &str, tally: &Tally) -> ReviewedClass {
    let could = could_be_loosened(tally);
    let stopped = tally.decided - tally.approved;
    let why = if could {
        format!(
            "of {} requests people stopped {stopped}, and nothing failed since",
            tally.decided
        )
    } else if tally.decided < LEAST_DECIDED {
        format!(
            "{} of {LEAST_DECIDED} decisions since something failed, or since the first one",
            tally.decided
        )
    } else {
        format!(
            "of {} requests people stopped {stopped}: review is worth it",
            tally.decided
        )
    };
    ReviewedClass {
        class: class.to_owned(),
        decided: tally.decided,
        approved: tally.approved,
        since: tally.since.to_string(),
        could_be_loosened: could,
        why,
    }
}
