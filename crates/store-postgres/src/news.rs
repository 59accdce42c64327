//! What other nodes appended, as the database tells it: one connection listens.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_store::{Changes, Org, ReadError};
use tokio_postgres::{AsyncMessage, Connection, Socket};

use crate::connect::{Connector, answered};
use crate::error::Trouble;
use crate::pool::{FIRST_PAUSE, LONGEST_PAUSE};
use crate::tls::Stream;

/// The longest text of one notification is 8,000 bytes.
const LONGEST: usize = 7_900;
/// Between the names of a notification.
const BETWEEN: char = '\n';

/// What was heard and not yet asked for.
#[derive(Default)]
pub(crate) struct News {
    heard: Mutex<Heard>,
    changed: Condvar,
}

#[derive(Default)]
struct Heard {
    orgs: BTreeSet<Org>,
    /// News may have been lost.
    anywhere: bool,
    /// Why nobody listens at the moment.
    deaf: Option<String>,
}

/// The text of a notification: which ledgers have grown. Empty: any may have.
pub(crate) fn notice<'a>(orgs: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for org in orgs {
        if !text.is_empty() {
            text.push(BETWEEN);
        }
        text.push_str(org);
        if text.len() > LONGEST {
            return String::new();
        }
    }
    text
}

impl News {
    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, notice: &str) {
        let mut heard = self.lock();
        if notice.is_empty() {
            heard.anywhere = true;
        } else {
            heard.orgs.extend(notice.split(BETWEEN).map(Org::from));
        }
        self.changed.notify_all();
    }

    /// Somebody listens from now on; what came before is not known.
    fn begin(&self) {
        let mut heard = self.lock();
        heard.deaf = None;
        heard.anywhere = true;
        self.changed.notify_all();
    }

    fn end(&self, why: String) {
        self.lock().deaf = Some(why);
    }

    /// What was heard since the last call, or is heard within `at_most`.
    pub(crate) fn wait(&self, at_most: Duration) -> Result<Changes, ReadError> {
        let nothing = |heard: &mut Heard| heard.orgs.is_empty() && !heard.anywhere;
        let (mut heard, _) = self
            .changed
            .wait_timeout_while(self.lock(), at_most, nothing)
            .unwrap_or_else(PoisonError::into_inner);
        let orgs = std::mem::take(&mut heard.orgs);
        if std::mem::take(&mut heard.anywhere) {
            return Ok(Changes::Anywhere);
        }
        match &heard.deaf {
            Some(why) if orgs.is_empty() => Err(ReadError(format!("no news from the database: {why}"))),
            _ => Ok(Changes::In(orgs.into_iter().collect())),
        }
    }
}

/// Listens for ever, on one connection after another.
pub(crate) async fn listen(connector: Arc<Connector>, news: Arc<News>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let ended = listen_once(&connector, &news).await;
        let (heard, why) = match ended {
            Ok(()) => (true, "the connection ended".to_owned()),
            Err(trouble) => (false, trouble.to_string()),
        };
        if heard {
            tracing::warn!("the database no longer tells what other nodes append: connecting again");
            pause = FIRST_PAUSE;
        }
        news.end(why);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// `Ok` if it listened until the connection ended.
async fn listen_once(connector: &Connector, news: &Arc<News>) -> Result<(), Trouble> {
    let (client, connection) = connector.bare().await?;
    let driver = tokio::spawn(hear(connection, Arc::clone(news)));
    let listen = format!("LISTEN {}", connector.address.schema);
    answered(async { Ok(client.batch_execute(&listen).await?) }).await?;
    news.begin();
    // It can only fail by a panic, after which the connection is gone as well.
    let _ = driver.await;
    Ok(())
}

async fn hear(mut connection: Connection<Socket, Stream<Socket>>, news: Arc<News>) {
    while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
        if let AsyncMessage::Notification(notification) = message {
            news.note(notification.payload());
        }
    }
}
