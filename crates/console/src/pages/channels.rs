//! Channels by which people are told about requests: another one, trying one out, an end to one.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use countersign_api::channels::{ChannelTestAnswer, ChannelsAnswer, RegisteredChannel};
use countersign_api::operations::DoneAnswer;
use serde_json::{Map, Value, json};

use super::callbacks::{Remove, Tried, page};
use super::failure::Failure;
use super::once::{Secret, once};
use crate::Console;
use crate::api::Quoted;
use crate::form::Fields;
use crate::messages;
use crate::page::{Page, Trouble, see_other, show};
use crate::said::said;
use crate::visit::{Posted, Visit};

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/callbacks/channels", post(register))
        .route("/callbacks/channels/{name}/test", post(test))
        .route("/callbacks/channels/{name}/remove", get(about_to_remove).post(remove))
}

async fn register(Posted { visit, fields }: Posted) -> Page {
    let registered: Result<RegisteredChannel, Trouble> = visit.post("/v1/channels", &wanted(&fields)).await;
    match registered {
        Ok(registered) => {
            let secret = registered.secret.map(|secret| Secret {
                name: messages::SIGNING_SECRET,
                text: said(&secret),
            });
            let Some(secret) = secret else {
                return Ok(see_other("/callbacks?done=register_channel"));
            };
            let texts = (messages::CHANNEL_REGISTERED, messages::SIGNING_NOTE, "/callbacks");
            once(&visit, texts, said(&registered.name), vec![secret], None)
        }
        Err(trouble) => page(&visit, String::new(), Some(Failure::of(trouble)?), None).await,
    }
}

/// What the API takes, of what was typed. The fields of the kind that was chosen, and of no other.
fn wanted(fields: &Fields) -> Map<String, Value> {
    let given = |pairs: &[(&str, &str)]| -> Map<String, Value> {
        let given = pairs.iter().filter_map(|(member, field)| {
            let text = fields.given(field)?;
            Some(((*member).to_owned(), json!(text)))
        });
        given.collect()
    };
    let mut body = given(&[("name", "name")]);
    let (kind, way) = match fields.text("kind") {
        "email" => ("email", given(&[("url", "email_url"), ("from", "email_from")])),
        "slack" => (
            "slack",
            given(&[
                ("token", "slack_token"),
                ("channel", "slack_channel"),
                ("signing_secret", "slack_signing_secret"),
                ("webhook_url", "slack_webhook_url"),
            ]),
        ),
        _ => ("webhook", given(&[("url", "webhook_url")])),
    };
    body.insert(kind.to_owned(), Value::Object(way));
    let quiet = given(&[("zone", "quiet_zone"), ("from", "quiet_from"), ("to", "quiet_to")]);
    if !quiet.is_empty() {
        body.insert("quiet".to_owned(), Value::Object(quiet));
    }
    body
}

async fn test(Path(name): Path<String>, Posted { visit, .. }: Posted) -> Page {
    let path = format!("/v1/channels/{}/test", Quoted(&name));
    let tried: Result<ChannelTestAnswer, Trouble> = visit.post(&path, &json!({})).await;
    match tried {
        Ok(tried) => {
            let tried = Tried {
                channel: said(&name),
                delivered: tried.delivered,
                detail: said(&tried.detail),
            };
            page(&visit, String::new(), None, Some(tried)).await
        }
        Err(trouble) => page(&visit, String::new(), Some(Failure::of(trouble)?), None).await,
    }
}

async fn about_to_remove(visit: Visit, Path(name): Path<String>) -> Page {
    let known: ChannelsAnswer = visit.get("/v1/channels").await?;
    let known = known.channels.iter().find(|one| one.name == name);
    let known = known.ok_or(Trouble::Missing)?;
    show(&Remove {
        chrome: visit.chrome(),
        title: messages::REMOVE_CHANNEL,
        what: said(&format!("{}: {} {}", known.name, known.kind, known.target)),
        follows: messages::CHANNEL_REMOVED,
        action: format!("/callbacks/channels/{}/remove", Quoted(&name)),
    })
}

async fn remove(Path(name): Path<String>, Posted { visit, .. }: Posted) -> Page {
    let _: DoneAnswer = visit.delete(&format!("/v1/channels/{}", Quoted(&name))).await?;
    Ok(see_other("/callbacks?done=remove_channel"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_of_the_kind_that_was_chosen_whatever_else_was_typed() {
        let fields = Fields::parse(
            b"name=mail&kind=email&email_url=smtps%3A%2F%2Fmail&email_from=C+%3Cc%40x%3E&webhook_url=https%3A%2F%2Fx&quiet_from=",
        );
        assert_eq!(
            Value::Object(wanted(&fields)),
            json!({"name": "mail", "email": {"url": "smtps://mail", "from": "C <c@x>"}})
        );
        let fields = Fields::parse(
            b"name=h&kind=webhook&webhook_url=https%3A%2F%2Fx&quiet_from=22%3A00&quiet_to=07%3A00&quiet_zone=UTC",
        );
        assert_eq!(
            Value::Object(wanted(&fields)),
            json!({"name": "h", "webhook": {"url": "https://x"}, "quiet": {"from": "22:00", "to": "07:00", "zone": "UTC"}})
        );
    }
}
