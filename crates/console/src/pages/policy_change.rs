//! What people do with versions of the policy: make one live, try it, agree to it, take it back. Each says why.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::post;
use countersign_api::candidates::TryingAnswer;
use countersign_api::policies::{LiveAnswer, WaiverAnswer};
use countersign_api::problem::{Problem, title};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::policy::page;
use crate::Console;
use crate::api::Quoted;
use crate::form::Fields;
use crate::page::{Page, Trouble, see_other};
use crate::visit::{Posted, Visit};

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/policies/{hash}/activate", post(activate))
        .route("/policies/{hash}/shadow", post(shadow))
        .route("/policies/{hash}/canary", post(canary))
        .route("/policies/{hash}/waivers", post(waive))
        .route("/policies/{hash}/votes", post(judge))
        .route("/policies/{hash}/rollback", post(roll_back))
        .route("/policies/{hash}/promote", post(promote))
        .route("/policies/{hash}/withdraw", post(withdraw))
}

async fn activate(Path(hash): Path<String>, Posted { visit, fields }: Posted) -> Page {
    let done: Result<LiveAnswer, Trouble> = change(&visit, &path(&hash, "activate"), &fields, json!({})).await;
    match done {
        Ok(answer) if answer.pending.is_some() => Ok(told(&hash, "proposed")),
        Ok(answer) if !answer.warnings.is_empty() => Ok(told(&hash, "activated_gaps")),
        Ok(_) => Ok(told(&hash, "activated")),
        Err(trouble) => again(&visit, &hash, &fields, trouble).await,
    }
}

async fn roll_back(Path(hash): Path<String>, Posted { visit, fields }: Posted) -> Page {
    // What is to go is what the page showed, whatever has become live since.
    let from = json!({ "from": hash });
    let done: Result<LiveAnswer, Trouble> = change(&visit, "/v1/policies:rollback", &fields, from).await;
    match done {
        Ok(answer) if answer.pending.is_some() => Ok(told(&hash, "proposed")),
        Ok(_) => Ok(see_other("/policies?done=rolled_back")),
        Err(trouble) => again(&visit, &hash, &fields, trouble).await,
    }
}

async fn shadow(Path(hash): Path<String>, Posted { visit, fields }: Posted) -> Page {
    let done: Result<TryingAnswer, Trouble> = change(&visit, &path(&hash, "shadow"), &fields, json!({})).await;
    match done {
        Ok(_) => Ok(told(&hash, "shadow")),
        Err(trouble) => again(&visit, &hash, &fields, trouble).await,
    }
}

async fn canary(Path(hash): Path<String>, Posted { visit, fields }: Posted) -> Page {
    // What is no share is sent as it is: the API says what is wrong with it.
    let share = permille(fields.text("share")).map_or_else(|| json!(fields.text("share")), |share| json!(share));
    let mut bands = Map::new();
    for (field, name) in [
        ("asked", "asked_permille"),
        ("denied", "denied_permille"),
        ("erred", "erred_permille"),
    ] {
        if let Some(text) = fields.given(field) {
            let band = permille(text).map_or_else(|| json!(text), |band| json!(band));
            bands.insert(name.to_owned(), band);
        }
    }
    let whom = json!({ "share_permille": share, "of": fields.text("of"), "bands": bands });
    let done: Result<TryingAnswer, Trouble> = change(&visit, &path(&hash, "canary"), &fields, whom).await;
    tried(&visit, &hash, &fields, done, "canary").await
}

async fn promote(Path(hash): Path<String>, Posted { visit, fields }: Posted) -> Page {
    let what = json!({ "snapshot": hash });
    let done: Result<TryingAnswer, Trouble> = change(&visit, "/v1/policies:promote", &fields, what).await;
    tried(&visit, &hash, &fields, done, "activated").await
}

async fn withdraw(Path(hash): Path<String>, Posted { visit, fields }: Posted) -> Page {
    let there: TryingAnswer = visit.get("/v1/policies:candidate").await?;
    if there.candidate.is_none_or(|candidate| candidate.hash != hash) {
        return Ok(told(&hash, "not_tried"));
    }
    let done: Result<TryingAnswer, Trouble> = change(&visit, "/v1/policies:withdraw", &fields, json!({})).await;
    match done {
        Ok(_) => Ok(told(&hash, "taken_back")),
        Err(trouble) => again(&visit, &hash, &fields, trouble).await,
    }
}

async fn waive(Path(hash): Path<String>, Posted { visit, fields }: Posted) -> Page {
    let body = json!({ "reason": fields.text("reason") });
    let done: Result<WaiverAnswer, Trouble> = visit.post(&path(&hash, "waivers"), &body).await;
    match done {
        Ok(_) => Ok(told(&hash, "waived")),
        Err(trouble) => again(&visit, &hash, &fields, trouble).await,
    }
}

async fn judge(Path(hash): Path<String>, Posted { visit, fields }: Posted) -> Page {
    let mut body = Map::from_iter([("verb".to_owned(), json!(fields.text("verb")))]);
    for name in ["proposal", "comment"] {
        body.extend(fields.given(name).map(|text| (name.to_owned(), json!(text))));
    }
    let done: Result<LiveAnswer, Trouble> = visit.post(&path(&hash, "votes"), &body).await;
    match done {
        Ok(_) if fields.text("verb") == "reject" => Ok(told(&hash, "disagreed")),
        Ok(answer) if answer.pending.is_some() => Ok(told(&hash, "agreed")),
        Ok(_) => Ok(told(&hash, "agreed_last")),
        Err(trouble) => again(&visit, &hash, &fields, trouble).await,
    }
}

/// What became of a wish to which others may have to agree: it is done, or they are asked.
async fn tried(
    visit: &Visit,
    hash: &str,
    fields: &Fields,
    done: Result<TryingAnswer, Trouble>,
    code: &'static str,
) -> Page {
    match done {
        Ok(answer) if (answer.pending.as_ref()).is_some_and(|pending| pending.hash == hash) => {
            Ok(told(hash, "proposed"))
        }
        Ok(_) => Ok(told(hash, code)),
        Err(trouble) => again(visit, hash, fields, trouble).await,
    }
}

async fn again(visit: &Visit, hash: &str, fields: &Fields, trouble: Trouble) -> Page {
    let wrong = Failure::of(trouble)?;
    page(visit, hash, None, Some((wrong, fields.text("reason")))).await
}

fn told(hash: &str, code: &str) -> Response {
    see_other(&format!("/policies/{}?done={code}", Quoted(hash)))
}

fn path(hash: &str, call: &str) -> String {
    format!("/v1/policies/{}/{call}", Quoted(hash))
}

/// A change with why it is made. The API takes some changes without a reason; the console takes none.
async fn change<T: DeserializeOwned>(visit: &Visit, path: &str, fields: &Fields, what: Value) -> Result<T, Trouble> {
    let Some(reason) = fields.given("reason") else {
        return Err(Trouble::Problem(Box::new(Problem {
            kind: "/docs#reason_required".to_owned(),
            title: title(422).to_owned(),
            status: 422,
            code: "reason_required".to_owned(),
            detail: "nothing was done: there is no reason".to_owned(),
            hint: Some("say why in a sentence".to_owned()),
            request_id: String::new(),
            problems: Vec::new(),
        })));
    };
    let mut body = what;
    if let Some(members) = body.as_object_mut() {
        members.insert("rationale".to_owned(), json!(reason));
    }
    visit.post(path, &body).await
}

/// Percent as people write them, with at most one place, in thousandths.
fn permille(text: &str) -> Option<u64> {
    let text = text.trim().trim_end_matches('%').trim_end();
    let (whole, tenth) = text.split_once('.').unwrap_or((text, "0"));
    let (whole, tenth): (u64, u64) = (whole.parse().ok()?, (tenth.len() == 1).then(|| tenth.parse().ok())??);
    whole.checked_mul(10)?.checked_add(tenth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_are_read_in_thousandths() {
        assert_eq!(
            ["5", "0.5", " 12.5 %", "100%"].map(permille),
            [Some(50), Some(5), Some(125), Some(1000)]
        );
        assert_eq!(["", "five", "1.25", "-1", "5."].map(permille), [None; 5]);
    }
}
