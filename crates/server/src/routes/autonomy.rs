//! What agents have earned, pauses, and looks at what has run.

use countersign_api::autonomy::{
    AutonomyAnswer, CriteriaAnswer, FindingBody, FindingWord, ModeBody, ModeWord, OffPlanAnswer, PauseAnswer,
    PauseBody, PlanAnswer, PlanBody, ReviewAnswer, ReviewsAnswer, StandingAnswer, StatedModeAnswer, ThresholdBody,
    WeekAnswer,
};
use countersign_api::convert::standing;
use countersign_core::event::{Finding, Mode};
use countersign_core::ids::ReviewId;
use countersign_core::policy::{AutonomyRules, Estimate, ReviewMode, StatedMode, Threshold};
use countersign_core::state::{OpenReview, Plan, State, WeekCounts, day_of, day_text, percent};
use countersign_core::{Span, Time};
use countersign_engine::Caller;

use super::handlers;
use crate::problem::Problem;
use crate::query::id;
use crate::reply::{Answer, json};
use crate::way::Asked;

/// Reviews that one answer lists at most.
const LISTED: usize = 100;

handlers! {
    "criteria" => Caller criteria,
    "plan" => Caller plan,
    "autonomy" => Caller autonomy,
    "set_mode" => Caller set_mode,
    "pause_agent" => Caller pause,
    "resume_agent" => Caller resume,
    "reviews" => Caller reviews,
    "close_review" => Caller close,
}

async fn rules(asked: &Asked<Caller>) -> Result<Option<AutonomyRules>, Problem> {
    let live = asked.app.engine.live_policy(&asked.caller).await?;
    Ok(live.and_then(|live| live.organization()?.autonomy().cloned()))
}

async fn criteria(asked: Asked<Caller>) -> Answer {
    let rules = rules(&asked).await?;
    let threshold = |threshold: &Threshold| ThresholdBody {
        successes: threshold.successes,
        max_error: percent(threshold.max_error),
        days: threshold.days,
    };
    let modes = rules.as_ref().map(|rules| {
        [
            (Mode::PostAction.as_str().to_owned(), threshold(&rules.post_action)),
            (
                Mode::ExceptionOnly.as_str().to_owned(),
                threshold(&rules.exception_only),
            ),
        ]
    });
    json(&CriteriaAnswer {
        modes: modes.into_iter().flatten().collect(),
        demote_above: rules.as_ref().map(|rules| percent(rules.demote_above)),
        pause_after: rules.as_ref().map(|rules| rules.pause_after),
        estimate: rules.as_ref().map(|rules| match rules.estimate {
            Estimate::Point => "point".to_owned(),
            Estimate::Wilson95 => "wilson95".to_owned(),
        }),
        sample: rules.as_ref().map(|rules| percent(rules.sample)),
        stated: rules.iter().flat_map(|rules| &rules.modes).map(stated).collect(),
    })
}

fn stated(said: &StatedMode) -> StatedModeAnswer {
    StatedModeAnswer {
        agent: said.agent(),
        class: said.class().map(str::to_owned),
        tool: said.tool(),
        mode: match said.mode {
            ReviewMode::PreAction => ModeWord::PreAction,
            ReviewMode::PostAction => ModeWord::PostAction,
            ReviewMode::ExceptionOnly => ModeWord::ExceptionOnly,
            ReviewMode::PeriodicBatch => ModeWord::PeriodicBatch,
        },
        within_s: said.within.map(|within| Span(within).as_seconds()),
        sample: said.sample.map(percent),
    }
}

async fn plan(asked: Asked<Caller>) -> Answer {
    let ruled = rules(&asked).await?.is_some();
    let now = asked.app.engine.now();
    let plan = asked
        .app
        .engine
        .look(&asked.caller.org, move |state| state.plan(now))
        .await?;
    json(&PlanAnswer {
        ruled,
        plan: PlanBody {
            restricted_at_start: Plan::START_AT_LEAST,
            loosened: Plan::LOOSENED,
            weeks: Plan::WEEKS,
        },
        operations: plan.operations,
        loosened: plan.loosened,
        weeks: plan
            .weeks
            .iter()
            .map(|(begins, counts)| week(*begins, counts))
            .collect(),
        findings: (plan.findings.into_iter())
            // Rules that are gone ask for nothing.
            .filter(|_| ruled)
            .map(|finding| OffPlanAnswer {
                code: finding.code().to_owned(),
                message: finding.words(),
            })
            .collect(),
    })
}

fn week(begins: Time, counts: &WeekCounts) -> WeekAnswer {
    WeekAnswer {
        begins: day_text(day_of(begins)),
        restricted: counts.restricted,
        supervised: counts.supervised,
        autonomous: counts.autonomous,
        restricted_percent: counts.percent(counts.restricted),
        supervised_percent: counts.percent(counts.supervised),
        autonomous_percent: counts.percent(counts.autonomous),
        unruled: counts.unruled,
        denied: counts.denied,
        loosened: counts.loosened,
        tightened: counts.tightened,
    }
}

fn standings(state: &State, agent: &str, rules: Option<&AutonomyRules>, now: Time) -> Vec<StandingAnswer> {
    let all = state.standings(agent);
    all.map(|(operation, shown)| standing(operation, shown, rules, now))
        .collect()
}

async fn stands(asked: &Asked<Caller>, agent: &str) -> Result<AutonomyAnswer, Problem> {
    // An agent sees where it stands itself, and nobody else.
    if asked.caller.agent().is_some_and(|own| *own != *agent) {
        return Err(Problem::missing("agent", agent));
    }
    let rules = rules(asked).await?;
    let wanted = agent.to_owned();
    let found = asked.app.engine.look(&asked.caller.org, move |state| {
        let known = state.agents().get(wanted.as_str())?;
        Some(AutonomyAnswer {
            paused: known.paused.clone(),
            operations: standings(state, &wanted, rules.as_ref(), state.last_ts()),
            agent: wanted,
        })
    });
    found.await?.ok_or_else(|| Problem::missing("agent", agent))
}

async fn autonomy(asked: Asked<Caller>) -> Answer {
    json(&stands(&asked, asked.param()).await?)
}

async fn set_mode(asked: Asked<Caller>) -> Answer {
    let body: ModeBody = asked.body()?;
    let mode = match body.mode {
        ModeWord::PreAction => Mode::PreAction,
        ModeWord::PostAction => Mode::PostAction,
        ModeWord::ExceptionOnly => Mode::ExceptionOnly,
        ModeWord::PeriodicBatch => Mode::PeriodicBatch,
    };
    let (agent, operation) = (asked.param().to_owned(), body.operation.0);
    let engine = &asked.app.engine;
    let replayed = engine
        .set_mode(&asked.request(), &agent, &operation, mode, &body.reason.0)
        .await?;
    let after = stands(&asked, &agent).await?.operations.into_iter();
    let standing = after.into_iter().find(|standing| standing.operation == operation);
    let standing = standing.ok_or_else(|| Problem::missing("standing of operation", &operation))?;
    Ok(json(&standing)?.replayed(replayed))
}

async fn pause(asked: Asked<Caller>) -> Answer {
    set_paused(asked, true).await
}

async fn resume(asked: Asked<Caller>) -> Answer {
    set_paused(asked, false).await
}

async fn set_paused(asked: Asked<Caller>, paused: bool) -> Answer {
    let body: PauseBody = asked.body()?;
    let agent = body.agent.0;
    let replayed = asked
        .app
        .engine
        .pause(&asked.request(), &agent, paused, &body.reason.0)
        .await?;
    let after = stands(&asked, &agent).await?;
    let answer = PauseAnswer {
        agent,
        paused: after.paused,
    };
    Ok(json(&answer)?.replayed(replayed))
}

fn on_the_wire(id: ReviewId, review: &OpenReview) -> ReviewAnswer {
    ReviewAnswer {
        id: id.to_string(),
        kind: review.kind.as_str().to_owned(),
        action: review.action_id.to_string(),
        agent: review.agent.to_string(),
        operation: review.operation.clone(),
        due: review.due.to_string(),
        overdue: review.overdue,
        excluded: review.excluded.clone(),
        finding: None,
    }
}

async fn reviews(asked: Asked<Caller>) -> Answer {
    let reviews = asked.app.engine.look(&asked.caller.org, |state| {
        let mut open: Vec<_> = state.reviews().iter().collect();
        open.sort_by_key(|(id, review)| (review.due, **id));
        open.into_iter()
            .take(LISTED)
            .map(|(id, review)| on_the_wire(*id, review))
            .collect()
    });
    json(&ReviewsAnswer {
        reviews: reviews.await?,
    })
}

async fn close(asked: Asked<Caller>) -> Answer {
    let review: ReviewId = id("open review", asked.param())?;
    let body: FindingBody = asked.body()?;
    let engine = &asked.app.engine;
    let finding = match body.finding {
        FindingWord::Fine => Finding::Fine,
        FindingWord::Faulty => Finding::Faulty,
    };
    let comment = body.comment.as_ref().map(|comment| comment.0.as_str());
    let replayed = engine.close_review(&asked.request(), review, finding, comment).await?;
    let (opened, overdue) = engine.review(&asked.caller.org, review).await?;
    let answer = ReviewAnswer {
        id: review.to_string(),
        kind: opened.kind.as_str().to_owned(),
        action: opened.action_id.to_string(),
        agent: opened.agent.to_string(),
        operation: opened.operation,
        due: opened.due.to_string(),
        overdue,
        excluded: opened.excluded,
        finding: Some(body.finding),
    };
    Ok(json(&answer)?.replayed(replayed))
}
