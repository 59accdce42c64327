//! Receivers of callbacks, and callbacks that have not arrived.

use countersign_api::operations::{
    CallbackAnswer, CallbacksAnswer, DeliveriesAnswer, DeliveryAnswer, DoneAnswer, NewCallbackBody, RegisteredCallback,
};
use countersign_engine::Caller;

use super::handlers;
use crate::query::id;
use crate::reply::{Answer, json};
use crate::way::Asked;

handlers! {
    "register_callback" => Caller register,
    "callbacks" => Caller callbacks,
    "remove_callback" => Caller remove,
    "deliveries" => Caller deliveries,
    "resend_delivery" => Caller resend,
}

async fn register(asked: Asked<Caller>) -> Answer {
    let NewCallbackBody { url } = asked.body()?;
    let (id, secret) = asked.app.engine.register_receiver(&asked.request(), &url.0).await?;
    let replayed = secret.is_none();
    Ok(json(&RegisteredCallback {
        id: id.to_string(),
        url: url.0,
        secret,
    })?
    .created()
    .replayed(replayed))
}

async fn callbacks(asked: Asked<Caller>) -> Answer {
    let receivers = asked.app.engine.look(&asked.caller.org, |state| {
        let receivers = state.receivers().iter();
        receivers
            .map(|(id, url)| CallbackAnswer {
                id: id.to_string(),
                url: url.clone(),
            })
            .collect()
    });
    json(&CallbacksAnswer {
        callbacks: receivers.await?,
    })
}

async fn remove(asked: Asked<Caller>) -> Answer {
    let receiver = id("receiver", asked.param())?;
    asked.app.engine.remove_receiver(&asked.request(), receiver).await?;
    json(&DoneAnswer { done: true })
}

async fn deliveries(asked: Asked<Caller>) -> Answer {
    let both = asked.app.engine.look(&asked.caller.org, |state| {
        let waiting = state.deliveries().iter();
        let on_the_wire = waiting.map(|(id, pending)| DeliveryAnswer {
            id: id.to_string(),
            action: pending.action_id.to_string(),
            callback: pending.receiver.to_string(),
            url: pending.url.clone(),
            state: if pending.dead { "dead" } else { "pending" }.to_owned(),
            attempts: pending.attempts,
            detail: pending.detail.clone(),
            next: (!pending.dead).then(|| pending.next.to_string()),
        });
        (on_the_wire.collect(), super::channels::notices(state))
    });
    let (deliveries, notices) = both.await?;
    json(&DeliveriesAnswer { deliveries, notices })
}

async fn resend(asked: Asked<Caller>) -> Answer {
    let delivery = id("callback", asked.param())?;
    let replayed = asked.app.engine.resend(&asked.request(), delivery).await?;
    Ok(json(&DoneAnswer { done: true })?.replayed(replayed))
}
