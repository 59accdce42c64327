//! Requests for a human decision.

use std::collections::BTreeMap;

use countersign_api::approvals::{
    AnswersBody, ApprovalsAnswer, VoteRequestBody, VoteVerb, VotesAnswer, VotesBody, VotesResult, VotesVerb,
};
use countersign_api::revisions::{PLACES_AT_MOST, ReviseBody};
use countersign_core::digest::Digest;
use countersign_core::event::{Assertion, Verb};
use countersign_core::ids::ApprovalId;
use countersign_core::policy::Value;
use countersign_engine::{Caller, PAGE_AT_MOST, Queue, Queued, VoteRequest, VotesRequest};

use super::handlers;
use crate::body;
use crate::problem::Problem;
use crate::query::{Glance, OfQueue, id, invalid, within};
use crate::reply::{Answer, json};
use crate::way::Asked;

handlers! {
    "approvals" => Caller approvals,
    "approval" => Caller approval,
    "timeline" => Caller timeline,
    "approval_history" => Caller history,
    "evidence_pack" => Caller evidence_pack,
    "vote" => Caller vote,
    "votes" => Caller votes,
    "answer_approval" => Caller answer,
    "revise_approval" => Caller revise,
    "cancel_approval" => Caller cancel,
}

fn wanted(asked: &Asked<Caller>) -> Result<ApprovalId, Problem> {
    id("approval", asked.param())
}

async fn approvals(asked: Asked<Caller>) -> Answer {
    let OfQueue {
        mine,
        team,
        cursor,
        limit,
    } = asked.query()?;
    let whose = match (mine, team) {
        (true, false) => Queue::Own,
        (false, true) => Queue::Teams,
        (false, false) => Queue::All,
        (true, true) => return Err(invalid("either `mine` or `team`")),
    };
    let behind = cursor.map(|cursor| cursor.parse::<Queued>().map_err(|()| invalid("`cursor` is of no page")));
    let limit = within("limit", limit, PAGE_AT_MOST, PAGE_AT_MOST)?;
    let page = asked
        .app
        .engine
        .open_approvals(&asked.caller, whose, behind.transpose()?, limit);
    let (approvals, next) = page.await?;
    json(&ApprovalsAnswer {
        approvals,
        next_cursor: next.map(|next| next.to_string()),
    })
}

async fn approval(asked: Asked<Caller>) -> Answer {
    let Glance { glance } = asked.query()?;
    json(
        &asked
            .app
            .engine
            .approval(&asked.caller, wanted(&asked)?, glance)
            .await?,
    )
}

async fn timeline(asked: Asked<Caller>) -> Answer {
    json(&asked.app.engine.timeline(&asked.caller, wanted(&asked)?).await?)
}

async fn history(asked: Asked<Caller>) -> Answer {
    json(&asked.app.engine.history(&asked.caller, wanted(&asked)?).await?)
}

async fn evidence_pack(asked: Asked<Caller>) -> Answer {
    json(&asked.app.engine.evidence_pack(&asked.caller, wanted(&asked)?).await?)
}

async fn vote(asked: Asked<Caller>) -> Answer {
    let id = wanted(&asked)?;
    let body::Parsed {
        typed: body,
        mut members,
    } = body::parse::<VoteRequestBody>(asked.bytes())?;
    let digest = digest("action_digest", &body.action_digest.0)?;
    let presentation = presentation(body.presentation_digest.as_ref().map(|digest| digest.0.as_str()))?;
    let vote = VoteRequest {
        verb: match body.verb {
            VoteVerb::Approve => Verb::Approve,
            VoteVerb::Reject => Verb::Reject,
            VoteVerb::Abstain => Verb::Abstain,
            VoteVerb::Comment => Verb::Comment,
            VoteVerb::Clarify => Verb::Clarify,
            VoteVerb::HandOver => Verb::HandOver,
            VoteVerb::Claim => Verb::Claim,
            VoteVerb::Release => Verb::Release,
            VoteVerb::Edit => Verb::Edit,
        },
        comment: body.comment.map(|comment| comment.0),
        to: body.to.map(|to| to.0),
        digest,
        snapshot: body.snapshot.0,
        presentation,
        set: members.remove("set").map(places).transpose()?,
        assertion: body.assertion.map(|assertion| Assertion {
            authenticator_data: assertion.authenticator_data.0,
            client_data: assertion.client_data.0,
            credential: assertion.credential.0,
            signature: assertion.signature.0,
        }),
        via: None,
    };
    let (answer, replayed) = asked.app.engine.vote(&asked.request(), id, vote).await?;
    Ok(json(&answer)?.replayed(replayed))
}

async fn votes(asked: Asked<Caller>) -> Answer {
    let body: VotesBody = asked.body()?;
    let ids: Vec<String> = body.items.iter().map(|item| item.approval.0.clone()).collect();
    let items = body.items.into_iter().map(|item| {
        let approval: ApprovalId = id("approval", &item.approval.0)?;
        let seen = presentation(item.presentation_digest.as_ref().map(|digest| digest.0.as_str()))?;
        let digest = digest("action_digest", &item.action_digest.0)?;
        Ok((approval, digest, item.snapshot.0, seen))
    });
    let votes = VotesRequest {
        verb: match body.verb {
            VotesVerb::Approve => Verb::Approve,
            VotesVerb::Reject => Verb::Reject,
            VotesVerb::Abstain => Verb::Abstain,
        },
        comment: body.comment.map(|comment| comment.0),
        items: items.collect::<Result<_, Problem>>()?,
    };
    let decided = asked.app.engine.votes(&asked.request(), votes).await?;
    let results: Vec<VotesResult> = (ids.into_iter().zip(decided.results))
        .map(|(approval, result)| match result {
            Ok(request) => VotesResult {
                approval,
                request: Some(request),
                problem: None,
            },
            Err(error) => VotesResult {
                approval,
                request: None,
                problem: Some(Problem::from(error).document("")),
            },
        })
        .collect();
    let answer = VotesAnswer {
        batch: decided.batch.to_string(),
        counted: results.iter().filter(|result| result.request.is_some()).count() as u64,
        results,
    };
    Ok(json(&answer)?.replayed(decided.replayed))
}

fn presentation(text: Option<&str>) -> Result<Option<Digest>, Problem> {
    text.map(|text| digest("presentation_digest", text)).transpose()
}

fn digest(name: &str, text: &str) -> Result<Digest, Problem> {
    text.parse().map_err(|_| {
        Problem::invalid(
            "invalid_value",
            format!("`{name}` is not a digest of 64 hexadecimal digits"),
        )
    })
}

async fn answer(asked: Asked<Caller>) -> Answer {
    let id = wanted(&asked)?;
    let body::Parsed {
        typed: AnswersBody { .. },
        mut members,
    } = body::parse(asked.bytes())?;
    let evidence = members.remove("evidence").unwrap_or(Value::Null);
    let (answer, replayed) = asked.app.engine.answer_approval(&asked.request(), id, evidence).await?;
    Ok(json(&answer)?.replayed(replayed))
}

/// What an edit makes of which places.
fn places(set: Value) -> Result<BTreeMap<String, Option<Value>>, Problem> {
    let Value::Map(set) = set else {
        return Err(Problem::invalid("wrong_type", "`set` has to be an object"));
    };
    if set.len() > PLACES_AT_MOST {
        let detail = format!("an edit changes {PLACES_AT_MOST} places at most");
        return Err(Problem::invalid("invalid_value", detail));
    }
    let value = |value| Some(value).filter(|value| *value != Value::Null);
    Ok(set.into_iter().map(|(place, new)| (place, value(new))).collect())
}

async fn revise(asked: Asked<Caller>) -> Answer {
    let id = wanted(&asked)?;
    let body::Parsed {
        typed: ReviseBody { .. },
        mut members,
    } = body::parse(asked.bytes())?;
    let action = members.remove("action").unwrap_or(Value::Null);
    let (answer, replayed) = asked.app.engine.revise_approval(&asked.request(), id, action).await?;
    Ok(json(&answer)?.replayed(replayed))
}

async fn cancel(asked: Asked<Caller>) -> Answer {
    let id = wanted(&asked)?;
    let (answer, replayed) = asked.app.engine.cancel_approval(&asked.request(), id).await?;
    Ok(json(&answer)?.replayed(replayed))
}
