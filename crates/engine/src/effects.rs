//! Effects: callbacks that tell workflows how their actions ended, and notices to people. At least once, driven from the
//! ledger.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use countersign_core::event::{Delivery, Status};
use countersign_core::ids::{ActionId, DeliveryId, ReceiverId};
use countersign_core::{Command, Span, Time};
use countersign_notify::{Attempt, Ed25519Key, Keys, Message, Secret, Sender, Target, schedule};
use countersign_store::Org;

use crate::error::EngineError;
use crate::inbox::Lane;
use crate::ledger::Beside;
use crate::nodes::Work;
use crate::{Engine, OrgHandle, blocking, by_system};

/// How often due callbacks are looked for when nothing wakes the task.
const STEP: Duration = Duration::from_secs(1);
/// How many callbacks of one organization are on their way at once.
const AT_ONCE: usize = 16;
/// How often a callback that is never answered with 410 is tried.
const TRIES: u32 = schedule::ATTEMPTS;

struct Due {
    id: DeliveryId,
    action_id: ActionId,
    attempts: u32,
    receiver: ReceiverId,
    receiver_url: Option<String>,
    url: String,
}

impl Engine {
    /// Delivers callbacks and notices until the task is dropped.
    pub async fn deliver_callbacks(self, sender: Sender) {
        loop {
            for org in self.inner.known_orgs() {
                if let Err(error) = self.deliver_due(&org, &sender).await {
                    tracing::warn!(org = &*org, %error, "callbacks could not be delivered");
                }
                if let Err(error) = self.tell_due(&org, &sender).await {
                    tracing::warn!(org = &*org, %error, "notices could not be told");
                }
            }
            drop(tokio::time::timeout(STEP, self.inner.effects_wanted.notified()).await);
        }
    }

    async fn deliver_due(&self, org: &Org, sender: &Sender) -> Result<(), EngineError> {
        let handle = self.inner.org(org)?;
        // How a try ended could not be noted, so none is made.
        if self.inner.signer.is_barred(org) {
            return Ok(());
        }
        if !handle.has_deliveries.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let now = self.inner.clock.read().now;
        let read = self
            .look(org, move |state| {
                // A closed organization notes nothing any more, so nothing is sent for it either.
                let alive = state
                    .deliveries()
                    .iter()
                    .filter(|(_, pending)| !pending.dead && !state.is_closed());
                let due = alive.clone().filter(|(_, pending)| pending.next <= now).take(AT_ONCE);
                let due = due.map(|(id, pending)| Due {
                    id: *id,
                    action_id: pending.action_id,
                    attempts: pending.attempts,
                    receiver: pending.receiver,
                    receiver_url: state.receivers().get(&pending.receiver).cloned(),
                    url: pending.url.clone(),
                });
                (due.collect::<Vec<_>>(), alive.count())
            })
            .await;
        // What cannot be read is looked for again, as what waits is.
        if !matches!(read, Ok((_, 0))) {
            handle.has_deliveries.store(true, Ordering::Relaxed);
        }
        let (due, _) = read?;
        let (inner, name) = (self.inner.clone(), org.clone());
        if due.is_empty() || !blocking(move || Ok(inner.does(Work::Callbacks, &name))).await? {
            return Ok(());
        }
        let mut tasks = tokio::task::JoinSet::new();
        for due in due {
            let (engine, org, handle, sender) = (self.clone(), org.clone(), handle.clone(), sender.clone());
            tasks.spawn(async move { engine.deliver(&org, &handle, &sender, due, now).await });
        }
        while let Some(result) = tasks.join_next().await {
            if let Err(error) = result.map_err(EngineError::internal).and_then(|result| result) {
                tracing::warn!(org = &**org, %error, "a callback could not be tried");
            }
        }
        Ok(())
    }

    async fn deliver(
        &self,
        org: &Org,
        handle: &Arc<OrgHandle>,
        sender: &Sender,
        due: Due,
        now: Time,
    ) -> Result<(), EngineError> {
        let attempt = due.attempts + 1;
        let (result, detail, retry_after) = match self.attempt(org, handle, sender, &due, now).await {
            Ok(Some(Attempt::Delivered { status })) => (Delivery::Delivered, format!("answered {status}"), None),
            Ok(Some(Attempt::Retry { reason, retry_after })) => (Delivery::Retrying, reason.to_string(), retry_after),
            Ok(Some(Attempt::Refused { reason })) => (Delivery::Retrying, reason.to_string(), None),
            Ok(Some(Attempt::Rejected { reason })) => (Delivery::Dead, reason.to_string(), None),
            Ok(Some(Attempt::Gone)) => {
                self.remove_gone(org, due.receiver).await;
                (Delivery::Dead, "answered 410: the receiver is gone".to_owned(), None)
            }
            Ok(None) => (
                Delivery::Dead,
                "the receiver was removed, or its address is not allowed".to_owned(),
                None,
            ),
            // What cannot be made now is tried again like what cannot be delivered, and ends with the dead letters.
            Err(error) => (Delivery::Retrying, error.to_string(), None),
        };
        let pause = match result {
            Delivery::Retrying if attempt < TRIES => {
                schedule::after(attempt, u64::from_be_bytes(crate::random::bytes()), retry_after)
            }
            Delivery::Retrying | Delivery::Delivered | Delivery::Dead | Delivery::Resent => None,
        };
        let result = if result == Delivery::Retrying && pause.is_none() {
            Delivery::Dead
        } else {
            result
        };
        let next = pause.map(|pause| now + Span(i64::try_from(pause.as_micros()).unwrap_or(i64::MAX)));
        let command = Command::NoteDelivery {
            delivery: due.id,
            attempt,
            detail,
            result,
            next,
        };
        self.perform(Lane::Write, org, by_system(command), Beside::default())
            .await
            .map(drop)
    }

    async fn attempt(
        &self,
        org: &Org,
        handle: &Arc<OrgHandle>,
        sender: &Sender,
        due: &Due,
        now: Time,
    ) -> Result<Option<Attempt>, EngineError> {
        // A receiver that was removed meanwhile gets nothing more.
        let Some(base) = &due.receiver_url else { return Ok(None) };
        let (inner, name, place) = (self.inner.clone(), org.clone(), base.clone());
        let secret = blocking(move || {
            let sealed = inner.store.secret(&name, "webhook", &place)?;
            let sealed = sealed.ok_or_else(|| EngineError::internal("a receiver has no secret"))?;
            inner
                .vault
                .open(&name, "webhook", &place, &sealed)
                .map_err(EngineError::internal)
        })
        .await?;
        let secret = std::str::from_utf8(&secret)
            .ok()
            .and_then(|text| Secret::parse(text).ok());
        let secret = secret.ok_or_else(|| EngineError::internal("a receiver's secret is damaged"))?;
        let Ok(target) = Target::parse(&due.url, &self.inner.settings.callbacks) else {
            return Ok(None);
        };
        let body = self.callback_body(org, handle, due, now).await?;
        let message = Message::new(due.id.to_string(), now.unix_seconds(), body).map_err(EngineError::internal)?;
        let ed25519 = Ed25519Key::from_seed(&handle.keys.callback);
        let keys = Keys {
            secrets: std::slice::from_ref(&secret),
            ed25519: Some(&ed25519),
        };
        Ok(Some(sender.deliver(&target, &message, &keys).await))
    }

    /// What a callback says: the action as it stands, and the checkpoint that covers it.
    async fn callback_body(
        &self,
        org: &Org,
        handle: &Arc<OrgHandle>,
        due: &Due,
        now: Time,
    ) -> Result<Vec<u8>, EngineError> {
        let (view, leaf_hash) = self.view(org, due.action_id).await?;
        let action = self.render(handle, org, &view, leaf_hash).await?;
        let head = self.released(org).await?;
        let mut data = serde_json::json!({ "action": action, "checkpoint": head.checkpoint });
        let mut kind = "action.final";
        // While people still decide, the only thing to tell is what they ask.
        if view.status == Status::Pending {
            kind = "approval.clarification";
            let approval = self.approval_of_action(org, due.action_id).await?;
            data["question"] = serde_json::json!(approval.question);
        }
        let body: BTreeMap<&str, serde_json::Value> = [
            ("type", kind.into()),
            ("timestamp", now.to_string().into()),
            ("data", data),
        ]
        .into();
        serde_json::to_vec(&body).map_err(EngineError::internal)
    }

    async fn remove_gone(&self, org: &Org, receiver: ReceiverId) {
        let envelope = by_system(Command::RemoveReceiver(receiver, "gone"));
        // It may have been removed by a person meanwhile; then there is nothing to do.
        drop(self.perform(Lane::Write, org, envelope, Beside::default()).await);
    }
}
