//! What is new, told as it happens: server-sent events (WHATWG HTML, "Server-sent events").

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use countersign_engine::{Caller, News};
use futures_util::stream::unfold;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::handlers;
use crate::problem::Problem;
use crate::reply::{Answer, Reply};
use crate::way::Asked;

handlers! {
    "events" => Caller events,
}

/// How many listen at once.
pub(crate) const LISTENERS_AT_MOST: usize = 1024;
/// After how long without news a sign of life is sent, so that either end sees when the other is gone.
const QUIET_AT_MOST: Duration = Duration::from_secs(15);
/// How long a listener waits before it comes again, milliseconds; and the sign that it is heard.
const GREETING: &str = "retry: 2000\n: listening\n\n";
const SIGN_OF_LIFE: &str = ": here\n\n";

struct Listening {
    news: Receiver<News>,
    org: Arc<str>,
    greeted: bool,
    _place: OwnedSemaphorePermit,
}

async fn events(asked: Asked<Caller>) -> Answer {
    let full = || Problem::new(503, "overloaded", "too many listen already").hint("ask again in a moment");
    let place = asked.app.listeners.clone().try_acquire_owned().map_err(|_| full())?;
    let stopping = || Problem::new(503, "stopping", "the server is stopping");
    let listening = Listening {
        news: asked.app.engine.listen().ok_or_else(stopping)?,
        org: asked.caller.org.clone(),
        greeted: false,
        _place: place,
    };
    let told = unfold(listening, |mut listening| async move {
        let line = listening.next().await?;
        Some((Ok::<_, std::convert::Infallible>(line), listening))
    });
    let mut reply = Reply::bytes("text/event-stream", Vec::new());
    reply.stream = Some(Body::from_stream(told));
    Ok(reply)
}

impl Listening {
    /// What is sent next; `None` where the server stops.
    async fn next(&mut self) -> Option<String> {
        if !self.greeted {
            self.greeted = true;
            return Some(GREETING.to_owned());
        }
        loop {
            match timeout(QUIET_AT_MOST, self.news.recv()).await {
                Ok(Ok(news)) if news.org == self.org => return Some(event(news.kind, news.seq)),
                Ok(Ok(_)) => {}
                Ok(Err(RecvError::Lagged(_))) => return Some(event("", 0)),
                Ok(Err(RecvError::Closed)) => return None,
                Err(_) => return Some(SIGN_OF_LIFE.to_owned()),
            }
        }
    }
}

fn event(kind: &str, seq: u64) -> String {
    format!("id: {seq}\ndata: {kind}\n\n")
}
