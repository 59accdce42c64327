//! Breaking the glass: letting an action through at once, who may, and giving the right back.

use std::collections::BTreeSet;

use countersign_api::glass::{BreakGlassBody, GlassAnswer, GlassPerson, GlassRules, RestoreGlassBody};
use countersign_core::ids::ApprovalId;
use countersign_core::policy::BreakGlass;
use countersign_core::{Span, State, Time};
use countersign_engine::Caller;

use super::handlers;
use crate::problem::Problem;
use crate::query::id;
use crate::reply::{Answer, json};
use crate::way::Asked;

handlers! {
    "break_glass" => Caller break_glass,
    "glass" => Caller glass,
    "restore_glass" => Caller restore,
}

async fn break_glass(asked: Asked<Caller>) -> Answer {
    let approval: ApprovalId = id("approval", asked.param())?;
    let body: BreakGlassBody = asked.body()?;
    let engine = &asked.app.engine;
    let (answer, replayed) = engine
        .break_glass(&asked.request(), approval, &body.incident.0, &body.reason.0)
        .await?;
    Ok(json(&answer)?.replayed(replayed))
}

async fn glass(asked: Asked<Caller>) -> Answer {
    json(&stands(&asked).await?)
}

async fn restore(asked: Asked<Caller>) -> Answer {
    let body: RestoreGlassBody = asked.body()?;
    let engine = &asked.app.engine;
    let replayed = engine
        .restore_glass(&asked.request(), &body.user.0, &body.reason.0)
        .await?;
    Ok(json(&stands(&asked).await?)?.replayed(replayed))
}

async fn stands(asked: &Asked<Caller>) -> Result<GlassAnswer, Problem> {
    let engine = &asked.app.engine;
    let live = engine.live_policy(&asked.caller).await?;
    let rules = live.and_then(|live| live.organization()?.break_glass().cloned());
    let now = engine.now();
    let look = engine.look(&asked.caller.org, move |state| answer(state, rules.as_ref(), now));
    Ok(look.await?)
}

fn answer(state: &State, rules: Option<&BreakGlass>, now: Time) -> GlassAnswer {
    let (glass, seconds) = (state.glass(), |span: i64| Span(span).as_seconds());
    let named = rules.map(|rules| state.glass_breakers(rules)).unwrap_or_default();
    let known = named.iter().chain(glass.used.keys()).chain(glass.suspended.keys());
    let person = |user: &String| {
        let suspended = glass.suspended.get(user);
        GlassPerson {
            user: user.clone(),
            named: named.contains(user),
            uses: glass.uses(user, now) as u64,
            suspended_since: suspended.map(|suspended| suspended.since.to_string()),
            suspended_for: suspended.map(|suspended| suspended.why.as_str().to_owned()),
            review: suspended.map(|suspended| suspended.review.to_string()),
        }
    };
    GlassAnswer {
        rules: rules.map(|rules| GlassRules {
            who: rules.who.clone(),
            permit_s: seconds(rules.permit),
            times: rules.times,
            within_s: seconds(rules.within),
            review: rules.review.clone(),
            review_within_s: seconds(rules.review_within),
        }),
        people: known.collect::<BTreeSet<_>>().into_iter().map(person).collect(),
    }
}
