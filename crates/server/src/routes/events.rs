//! What is new, told as it happens: server-sent events (WHATWG HTML, "Server-sent events").

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use countersign_engine::{Caller, News};
use futures_util::stream::unfold;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::handlers;
use crate::App;
use crate::places::Place;
use crate::problem::Problem;
use crate::reply::{Answer, Reply};
use crate::way::Asked;

handlers! {
    "events" => Caller events,
}

/// How many listen at once, and how many with one credential.
pub(crate) const LISTENERS_AT_MOST: usize = 1024;
pub(crate) const PLACES_AT_MOST: usize = 16;
/// Records by which a credential may end; an empty type says that everything may be new.
const ENDS: [&str; 4] = ["key.revoked", "user.removed", "organization.closed", ""];
/// After how long without news a sign of life is sent, so that either end sees when the other is gone; and how often it is
/// looked whether the credential holds.
const QUIET_AT_MOST: Duration = Duration::from_secs(15);
/// How long a listener waits before it comes again, milliseconds; and the sign that it is heard.
const GREETING: &str = "retry: 2000\n: listening\n\n";
const SIGN_OF_LIFE: &str = ": here\n\n";

struct Listening {
    news: Receiver<News>,
    app: Arc<App>,
    caller: Caller,
    greeted: bool,
    /// When it was looked last whether the credential holds.
    looked: Instant,
    _place: Place,
}

async fn events(asked: Asked<Caller>) -> Answer {
    let full = || Problem::new(503, "overloaded", "too many listen already").hint("ask again in a moment");
    let place = asked.app.listeners.take(&asked.caller).ok_or_else(full)?;
    let stopping = || Problem::new(503, "stopping", "the server is stopping");
    let listening = Listening {
        news: asked.app.engine.listen().ok_or_else(stopping)?,
        app: asked.app.clone(),
        caller: asked.caller.clone(),
        greeted: false,
        looked: Instant::now(),
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
    /// What is sent next; `None` where the server stops, or the credential holds no more.
    async fn next(&mut self) -> Option<String> {
        if !self.greeted {
            self.greeted = true;
            return Some(GREETING.to_owned());
        }
        loop {
            let heard = timeout(QUIET_AT_MOST, self.news.recv()).await;
            let ends = matches!(&heard, Ok(Ok(news)) if ENDS.contains(&news.kind));
            if ends || self.looked.elapsed() >= QUIET_AT_MOST {
                self.looked = Instant::now();
                if !self.app.engine.still_holds(&self.caller).await.unwrap_or(false) {
                    return None;
                }
            }
            match heard {
                Ok(Ok(news)) if news.org == self.caller.org => return Some(event(news.kind, news.seq)),
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
