//! Pages of links of one use. A GET leaves nothing behind, since programs that look at mail follow links too; what a person
//! reads and decides comes by POST.

use countersign_api::links::{ByLink, DecideForm};
use countersign_core::digest::Digest;
use countersign_core::event::Verb;
use countersign_engine::{EngineError, Followed, LinkVote};

use super::handlers;
use crate::authorize::Visitor;
use crate::page;
use crate::problem::Problem;
use crate::query::{form, invalid};
use crate::reply::{Answer, Reply};
use crate::way::Asked;

/// Longest words with a decision, characters.
const COMMENT_AT_MOST: usize = 4096;

handlers! {
    "link" => Visitor glimpse,
    "decide_by_link" => Visitor decide,
}

async fn glimpse(asked: Asked<Visitor>) -> Answer {
    match follow(&asked).await? {
        Ok(followed) => {
            let answer = asked.app.engine.glimpse(&followed).await?;
            Ok(page::glimpse(&answer.sentence(), &answer, &followed.caller.actor.id))
        }
        Err(over) => Ok(over),
    }
}

async fn decide(asked: Asked<Visitor>) -> Answer {
    let followed = match follow(&asked).await? {
        Ok(followed) => followed,
        Err(over) => return Ok(over),
    };
    let form: DecideForm = form(asked.bytes())?;
    let (verb, word) = match form.what {
        ByLink::Read => return show(&asked, &followed, None).await,
        ByLink::Approve => (Verb::Approve, "yes"),
        ByLink::Reject => (Verb::Reject, "no"),
    };
    let (Some(seen), Some(snapshot), Some(shown)) = (form.action_digest, form.snapshot, form.presentation_digest)
    else {
        return show(&asked, &followed, Some("read it first")).await;
    };
    let comment = form.comment.map(|words| words.trim().to_owned());
    let comment = comment.filter(|words| !words.is_empty());
    if comment
        .as_ref()
        .is_some_and(|words| words.chars().count() > COMMENT_AT_MOST)
    {
        return Err(invalid(format!("a comment has {COMMENT_AT_MOST} characters at most")));
    }
    let vote = LinkVote {
        verb,
        comment,
        digest: digest(&seen.0)?,
        snapshot: snapshot.0,
        presentation: digest(&shown.0)?,
    };
    match asked.app.engine.vote_by_link(&followed, asked.route(), vote).await {
        Ok(answer) => Ok(page::after(&answer, word)),
        Err(EngineError::Refused(refusal)) => refused(&asked, refusal.into()).await,
        Err(error) => Err(error.into()),
    }
}

fn digest(text: &str) -> Result<Digest, Problem> {
    text.parse().map_err(|_| invalid("a digest is 64 hexadecimal digits"))
}

/// Whom the link was made for, or the page that says that it does not work.
async fn follow(asked: &Asked<Visitor>) -> Result<Result<Followed, Reply>, Problem> {
    let followed = asked.app.engine.follow_link(asked.second_param(), asked.param()).await;
    match followed {
        Ok(followed) => Ok(Ok(followed)),
        Err(EngineError::Unauthenticated(detail)) => {
            // Who tries links out is slowed down like who tries keys out.
            let stranger = asked.stranger(&detail);
            if stranger.status == 429 {
                return Err(stranger);
            }
            let why = "this link does not work: it was used, its time is over, or what it was for has ended";
            Ok(Err(page::refused(401, why, None)))
        }
        Err(error) => Err(error.into()),
    }
}

/// The request, opened by the link's person.
async fn show(asked: &Asked<Visitor>, followed: &Followed, told: Option<&str>) -> Answer {
    let answer = asked.app.engine.read_by_link(followed).await?;
    Ok(page::request(&answer.sentence(), &answer, told))
}

/// Why a vote came to nothing: with the request as it is now, where the link works still.
async fn refused(asked: &Asked<Visitor>, problem: Problem) -> Answer {
    match follow(asked).await? {
        Ok(followed) => {
            let told = format!("Nothing was decided: {}", problem.detail);
            let mut reply = show(asked, &followed, Some(&told)).await?;
            reply.status = problem.status;
            Ok(reply)
        }
        Err(_) => Ok(page::refused(problem.status, &problem.detail, problem.hint.as_deref())),
    }
}
