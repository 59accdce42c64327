//! What is done with an agent from its page. Whatever holds it back or lets it go wants a reason or a confirmation.

use axum::extract::Path;
use axum::http::Method;
use countersign_api::registry::IssuedKey;
use serde_json::{Map, Value, json};

use super::{described, page};
use crate::api::{Quoted, Slashed};
use crate::form::Fields;
use crate::page::{Page, Trouble, see_other, show};
use crate::pages::agents::KeyShown;
use crate::pages::failure::Failure;
use crate::pages::keys::add_terms;
use crate::said::said;
use crate::visit::{Posted, Visit};

/// What came of a form.
enum Done {
    /// It is done: the code of what to say.
    Said(&'static str),
    /// A key was issued.
    Key(IssuedKey),
    /// Nothing was done, because nobody confirmed it.
    Unsure,
    /// Nothing was done, because nobody said why.
    NoReason,
}

pub(super) async fn act(Path(id): Path<String>, Posted { visit, fields }: Posted) -> Page {
    match done(&visit, &id, &fields).await {
        Ok(Done::Said(code)) => Ok(see_other(&format!("/agents/{}?done={code}", Slashed(&id)))),
        Ok(Done::Key(issued)) => show(&KeyShown {
            chrome: visit.chrome(),
            whose: said(&id),
            href: format!("/agents/{}", Slashed(&id)),
            key: issued.key.unwrap_or_default(),
            kid: issued.kid.unwrap_or_default(),
        }),
        Ok(Done::Unsure) => page(&visit, &id, Some(Failure::unsure())).await,
        Ok(Done::NoReason) => page(&visit, &id, Some(Failure::no_reason())).await,
        Err(trouble) => page(&visit, &id, Some(Failure::of(trouble)?)).await,
    }
}

async fn done(visit: &Visit, id: &str, fields: &Fields) -> Result<Done, Trouble> {
    let reason = fields.given("reason").unwrap_or_default();
    let sure = fields.given("sure").is_some();
    match fields.text("verb") {
        "pause" | "resume" | "set_mode" if reason.is_empty() => return Ok(Done::NoReason),
        "activate" | "revoke_key" if !sure => return Ok(Done::Unsure),
        _ => {}
    }
    let at = Slashed(id);
    match fields.text("verb") {
        "pause" => {
            let body = json!({"agent": id, "reason": reason});
            visit.post::<Value>("/v1/agents:pause", &body).await?;
            Ok(Done::Said("agent_paused"))
        }
        "resume" => {
            let body = json!({"agent": id, "reason": reason});
            visit.post::<Value>("/v1/agents:resume", &body).await?;
            Ok(Done::Said("agent_resumed"))
        }
        "set_mode" => {
            let body = json!({"operation": fields.text("operation"), "mode": fields.text("mode"), "reason": reason});
            visit.post::<Value>(&format!("/v1/autonomy/{at}"), &body).await?;
            Ok(Done::Said("mode_set"))
        }
        "activate" => {
            let path = format!("/v1/readiness/{at}");
            visit.ask::<Value>(Method::POST, &path, None).await?;
            Ok(Done::Said("agent_activated"))
        }
        "describe" => {
            let path = format!("/v1/descriptions/{at}");
            visit.put::<Value>(&path, &described::body(fields)).await?;
            Ok(Done::Said("agent_described"))
        }
        "issue_key" => Ok(Done::Key(visit.post("/v1/keys", &new_key(id, fields)).await?)),
        "revoke_key" => {
            let path = format!("/v1/keys/{}", Quoted(fields.text("kid")));
            visit.delete::<Value>(&path).await?;
            Ok(Done::Said("revoke_key"))
        }
        _ => Err(Trouble::Missing),
    }
}

fn new_key(id: &str, fields: &Fields) -> Value {
    let mut body = Map::from_iter([("agent".to_owned(), json!(id))]);
    add_terms(&mut body, fields);
    Value::Object(body)
}
