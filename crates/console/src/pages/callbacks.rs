//! What Countersign sends: callbacks to receivers, notices to people over channels, and what of both has not arrived.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use countersign_api::channels::{ChannelAnswer, ChannelsAnswer, NoticeAnswer};
use countersign_api::operations::{
    CallbackAnswer, CallbacksAnswer, DeliveriesAnswer, DeliveryAnswer, DoneAnswer, RegisteredCallback,
};
use serde_json::json;

use super::failure::Failure;
use super::once::{Secret, once};
use crate::Console;
use crate::api::Quoted;
use crate::messages;
use crate::page::{Chrome, Page, Trouble, see_other, show, show_as};
use crate::said::{Html, said};
use crate::visit::{Posted, Visit};
use crate::when::When;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/callbacks", get(callbacks))
        .route("/callbacks/receivers", post(register))
        .route("/callbacks/receivers/{id}/remove", get(about_to_remove).post(remove))
        .route("/callbacks/deliveries/{id}/resend", post(resend))
        .route("/callbacks/notices/{id}/resend", post(resend_notice))
}

/// Messages of one kind that the page lists at most, the dead ones first.
const LISTED_AT_MOST: usize = 100;

#[derive(Template)]
#[template(path = "callbacks.html")]
struct Callbacks {
    chrome: Chrome,
    receivers: Vec<Receiver>,
    deliveries: Vec<Message>,
    deliveries_more: usize,
    channels: Vec<Channel>,
    notices: Vec<Message>,
    notices_more: usize,
    may_register: bool,
    may_channels: bool,
    /// What was typed.
    url: String,
    failure: Option<Failure>,
    /// What came of trying a channel out.
    tried: Option<Tried>,
}

struct Receiver {
    id: String,
    url: Html,
}

/// A callback or a notice that has not arrived.
struct Message {
    id: String,
    to: Html,
    /// The page of what it is about.
    about: String,
    what: Html,
    dead: bool,
    attempts: u32,
    detail: Html,
    next: Option<When>,
}

struct Channel {
    name: Html,
    plain: String,
    kind: Html,
    target: Html,
    quiet: Option<Html>,
}

/// What came of trying a channel out.
pub(super) struct Tried {
    pub channel: Html,
    pub delivered: bool,
    pub detail: Html,
}

async fn callbacks(visit: Visit) -> Page {
    page(&visit, String::new(), None, None).await
}

/// The page, with what was typed, what was wrong with it, and what came of trying a channel out.
pub(super) async fn page(visit: &Visit, url: String, failure: Option<Failure>, tried: Option<Tried>) -> Page {
    let receivers: CallbacksAnswer = visit.get("/v1/callbacks").await?;
    let open: DeliveriesAnswer = visit.get("/v1/callbacks/deliveries").await?;
    let channels: ChannelsAnswer = visit.get("/v1/channels").await?;
    let status = if failure.is_some() { 422 } else { 200 };
    let (deliveries, deliveries_more) = dead_first(open.deliveries.iter().map(|one| delivery(visit, one)));
    let (notices, notices_more) = dead_first(open.notices.iter().map(|one| notice(visit, one)));
    let page = Callbacks {
        chrome: visit.chrome(),
        receivers: receivers.callbacks.iter().map(receiver).collect(),
        deliveries,
        deliveries_more,
        channels: channels.channels.iter().map(channel).collect(),
        notices,
        notices_more,
        may_register: visit.may("register_callback"),
        may_channels: visit.may("register_channel"),
        url,
        failure,
        tried,
    };
    show_as(status, &page)
}

/// Dead messages before those on their way, as many as are listed, and how many more there are.
fn dead_first(messages: impl Iterator<Item = Message>) -> (Vec<Message>, usize) {
    let mut messages: Vec<Message> = messages.collect();
    messages.sort_by_key(|message| !message.dead);
    let more = messages.len().saturating_sub(LISTED_AT_MOST);
    messages.truncate(LISTED_AT_MOST);
    (messages, more)
}

fn receiver(one: &CallbackAnswer) -> Receiver {
    Receiver {
        id: one.id.clone(),
        url: said(&one.url),
    }
}

fn delivery(visit: &Visit, one: &DeliveryAnswer) -> Message {
    Message {
        id: one.id.clone(),
        to: said(&one.url),
        about: format!("/actions/{}", Quoted(&one.action)),
        what: said(&one.action),
        dead: one.state == "dead",
        attempts: one.attempts,
        detail: said(&one.detail),
        next: one.next.as_deref().map(|next| visit.zone.until(next)),
    }
}

fn notice(visit: &Visit, one: &NoticeAnswer) -> Message {
    let to = match &one.user {
        Some(user) => format!("{user}, by {}", one.channel),
        None => one.channel.clone(),
    };
    Message {
        id: one.id.clone(),
        to: said(&to),
        about: format!("/approvals/{}", Quoted(&one.approval)),
        what: said(&one.kind.replace('_', " ")),
        dead: one.state == "dead",
        attempts: one.attempts,
        detail: said(&one.detail),
        next: one.next.as_deref().map(|next| visit.zone.until(next)),
    }
}

fn channel(one: &ChannelAnswer) -> Channel {
    Channel {
        name: said(&one.name),
        plain: Quoted(&one.name).to_string(),
        kind: said(&one.kind),
        target: said(&one.target),
        quiet: one.quiet.as_ref().map(|quiet| {
            let wire = json!(quiet);
            let text = |name: &str| {
                wire.get(name)
                    .and_then(|text| text.as_str())
                    .unwrap_or_default()
                    .to_owned()
            };
            said(&format!("{} to {} {}", text("from"), text("to"), text("zone")))
        }),
    }
}

async fn register(Posted { visit, fields }: Posted) -> Page {
    let url = fields.text("url").trim().to_owned();
    let registered: Result<RegisteredCallback, Trouble> = visit.post("/v1/callbacks", &json!({ "url": url })).await;
    match registered {
        Ok(registered) => {
            let secret = registered.secret.map(|secret| Secret {
                name: messages::SIGNING_SECRET,
                text: said(&secret),
            });
            let texts = (messages::RECEIVER_REGISTERED, messages::SIGNING_NOTE, "/callbacks");
            once(&visit, texts, said(&registered.url), secret.into_iter().collect(), None)
        }
        Err(trouble) => page(&visit, url, Some(Failure::of(trouble)?), None).await,
    }
}

#[derive(Template)]
#[template(path = "remove.html")]
pub(super) struct Remove {
    pub chrome: Chrome,
    pub title: &'static str,
    pub what: Html,
    pub follows: &'static str,
    pub action: String,
}

async fn about_to_remove(visit: Visit, Path(id): Path<String>) -> Page {
    let known: CallbacksAnswer = visit.get("/v1/callbacks").await?;
    let known = known
        .callbacks
        .iter()
        .find(|one| one.id == id)
        .ok_or(Trouble::Missing)?;
    show(&Remove {
        chrome: visit.chrome(),
        title: messages::REMOVE_RECEIVER,
        what: said(&known.url),
        follows: messages::RECEIVER_REMOVED,
        action: format!("/callbacks/receivers/{}/remove", Quoted(&id)),
    })
}

async fn remove(Path(id): Path<String>, Posted { visit, .. }: Posted) -> Page {
    let _: DoneAnswer = visit.delete(&format!("/v1/callbacks/{}", Quoted(&id))).await?;
    Ok(see_other("/callbacks?done=remove_receiver"))
}

async fn resend(Path(id): Path<String>, Posted { visit, .. }: Posted) -> Page {
    sent_again(&visit, &format!("/v1/callbacks/deliveries/{}/resend", Quoted(&id))).await
}

async fn resend_notice(Path(id): Path<String>, Posted { visit, .. }: Posted) -> Page {
    sent_again(&visit, &format!("/v1/channels/notices/{}/resend", Quoted(&id))).await
}

async fn sent_again(visit: &Visit, path: &str) -> Page {
    let sent: Result<DoneAnswer, Trouble> = visit.post(path, &json!({})).await;
    match sent {
        Ok(_) => Ok(see_other("/callbacks?done=resend")),
        Err(trouble) => page(visit, String::new(), Some(Failure::of(trouble)?), None).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dead_comes_first_and_what_is_not_listed_is_counted() {
        let message = |at: u32| Message {
            id: at.to_string(),
            to: Html::default(),
            about: String::new(),
            what: Html::default(),
            dead: at == 102,
            attempts: at,
            detail: Html::default(),
            next: None,
        };
        let (listed, more) = dead_first((0..103).map(message));
        assert_eq!((listed.len(), more), (LISTED_AT_MOST, 3));
        let first: Vec<&str> = listed.iter().take(2).map(|message| message.id.as_str()).collect();
        assert_eq!(first, ["102", "0"]);
    }
}
