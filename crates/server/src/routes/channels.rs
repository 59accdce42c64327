//! Channels by which people are told about requests.

use countersign_api::bounded::{Text, Url, WallTime};
use countersign_api::channels::{
    ChannelAnswer, ChannelTestAnswer, ChannelsAnswer, NewChannelBody, NoticeAnswer, QuietBody, RegisteredChannel,
    SlackBody,
};
use countersign_api::operations::DoneAnswer;
use countersign_core::State;
use countersign_core::event::Quiet;
use countersign_engine::{Caller, EngineError, FromSlack, NewChannel, NewWay};

use super::handlers;
use crate::authorize::Visitor;
use crate::problem::Problem;
use crate::query::id;
use crate::reply::{Answer, json};
use crate::way::Asked;

/// What Slack signs its requests with.
const TIMESTAMP_HEADER: &str = "x-slack-request-timestamp";
const SIGNATURE_HEADER: &str = "x-slack-signature";

handlers! {
    "register_channel" => Caller register,
    "channels" => Caller channels,
    "remove_channel" => Caller remove,
    "test_channel" => Caller test,
    "from_slack" => Visitor from_slack,
    "resend_notice" => Caller resend,
}

async fn register(asked: Asked<Caller>) -> Answer {
    let body: NewChannelBody = asked.body()?;
    let name = body.name.0;
    let way = match (body.email, body.slack, body.webhook) {
        (Some(email), None, None) => NewWay::Email {
            url: email.url.0,
            from: email.from.0,
        },
        (None, Some(slack), None) => slack_way(slack)?,
        (None, None, Some(webhook)) => NewWay::Webhook { url: webhook.url.0 },
        _ => {
            return Err(Problem::invalid(
                "invalid_value",
                "a channel is one of `email`, `slack` and `webhook`",
            ));
        }
    };
    let new = NewChannel {
        name: name.clone(),
        quiet: body.quiet.map(|quiet| Quiet {
            from: quiet.from.0,
            to: quiet.to.0,
            zone: quiet.zone.0,
        }),
        way,
    };
    let (secret, replayed) = asked.app.engine.register_channel(&asked.request(), new).await?;
    Ok(json(&RegisteredChannel { name, secret })?.created().replayed(replayed))
}

fn slack_way(slack: SlackBody) -> Result<NewWay, Problem> {
    let text = |Text(text): Text<256>| text;
    match slack {
        SlackBody {
            token: Some(token),
            channel: Some(channel),
            signing_secret,
            api_url,
            webhook_url: None,
        } => Ok(NewWay::SlackBot {
            token: token.0,
            conversation: channel.0,
            signing_secret: signing_secret.map(text),
            api_url: api_url.map(|Url(url)| url),
        }),
        SlackBody {
            token: None,
            channel: None,
            signing_secret: None,
            api_url: None,
            webhook_url: Some(Url(url)),
        } => Ok(NewWay::SlackWebhook { url }),
        _ => Err(Problem::invalid(
            "invalid_value",
            "`slack` has `token` and `channel`, or `webhook_url` alone",
        )),
    }
}

async fn channels(asked: Asked<Caller>) -> Answer {
    let channels = asked.app.engine.look(&asked.caller.org, |state| {
        let channels = state.channels().iter().map(|(name, channel)| ChannelAnswer {
            name: name.clone(),
            kind: channel.kind.as_str().to_owned(),
            target: channel.target.clone(),
            quiet: channel.quiet.as_ref().map(|quiet| QuietBody {
                zone: Text(quiet.zone.clone()),
                from: WallTime(quiet.from.clone()),
                to: WallTime(quiet.to.clone()),
            }),
        });
        channels.collect()
    });
    json(&ChannelsAnswer {
        channels: channels.await?,
    })
}

async fn remove(asked: Asked<Caller>) -> Answer {
    asked.app.engine.remove_channel(&asked.request(), asked.param()).await?;
    json(&DoneAnswer { done: true })
}

async fn test(asked: Asked<Caller>) -> Answer {
    let (delivered, detail) = asked.app.engine.test_channel(&asked.caller, asked.param()).await?;
    json(&ChannelTestAnswer { delivered, detail })
}

async fn from_slack(asked: Asked<Visitor>) -> Answer {
    let request = FromSlack {
        org: asked.second_param(),
        channel: asked.param(),
        timestamp: asked.header(TIMESTAMP_HEADER).unwrap_or_default(),
        signature: asked.header(SIGNATURE_HEADER).unwrap_or_default(),
        body: asked.bytes(),
        route: asked.route(),
    };
    match asked.app.engine.from_slack(&request).await {
        Ok(message) => json(&message),
        Err(EngineError::Unauthenticated(detail)) => Err(asked.stranger(&detail)),
        Err(error) => Err(error.into()),
    }
}

async fn resend(asked: Asked<Caller>) -> Answer {
    let notice = id("notice", asked.param())?;
    let replayed = asked.app.engine.resend_notice(&asked.request(), notice).await?;
    Ok(json(&DoneAnswer { done: true })?.replayed(replayed))
}

/// Notices that have not arrived, oldest first.
pub(super) fn notices(state: &State) -> Vec<NoticeAnswer> {
    let waiting = state.notices().iter();
    let on_the_way = waiting.map(|(id, pending)| NoticeAnswer {
        id: id.to_string(),
        approval: pending.approval.to_string(),
        channel: pending.channel.clone(),
        user: pending.user.clone(),
        kind: pending.kind.as_str().to_owned(),
        state: if pending.dead { "dead" } else { "pending" }.to_owned(),
        attempts: pending.attempts,
        detail: pending.detail.clone(),
        next: (!pending.dead).then(|| pending.next.to_string()),
    });
    on_the_way.collect()
}
