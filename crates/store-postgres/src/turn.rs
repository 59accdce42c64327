//! Turns: the right to append to some ledgers, which is a lock on the rows of their heads.
//!
//! The lock is taken and the clock read in one exchange with the database, the batch is written and committed in another.
//! Until the second one nothing is sent that could commit, so whatever fails before it has written nothing. From then on
//! an answer that says no means that nothing was written; no answer means that nobody knows, and then [`settle`] finds out:
//! it takes the same locks, which it gets when the commit has ended either way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::time::Time;
use countersign_store::{Append, AppendError, Head, Org, Turn};
use tokio_postgres::Row;

use crate::Inner;
use crate::append::{Rows, USUAL};
use crate::connect::{Conn, Step, TURN_TIME, pipelined, within};
use crate::error::{Trouble, is_refusal, text};
use crate::ledger::head_at;
use crate::pool::Held;

/// How long all that is needed for a turn may take, waiting for another one included.
const BEGIN_TIME: Duration = Duration::from_secs(5);
/// How long a batch may take to be written and committed.
const COMMIT_TIME: Duration = Duration::from_secs(10);
/// How long a commit of unknown outcome is looked for.
const SETTLE_TIME: Duration = Duration::from_secs(10);

const LOCK: &str = "SELECT o.name, h.org, h.size, h.ts, h.edge, h.checkpoint
    FROM heads h JOIN organizations o ON o.id = h.org
    WHERE o.name = ANY ($1) ORDER BY o.name FOR UPDATE OF h";
/// A statement of its own: it is read when the locks are there.
const CLOCK: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
const CREATE: &str = "INSERT INTO organizations (name, created, origin)
    VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING RETURNING id";

/// The end of a ledger that was taken, and the number of its organization.
type Taken = BTreeMap<Org, (i64, Head)>;

/// A turn; its transaction is open as long as `held` is there.
pub(crate) struct PostgresTurn {
    inner: Arc<Inner>,
    held: Option<Held>,
    orgs: Vec<Org>,
    taken: Taken,
    now: Time,
}

/// How the exchange that commits ended.
enum Ending {
    Done,
    Failed(AppendError),
    Unknown(String),
}

impl PostgresTurn {
    /// Takes the ledgers that there are among `orgs`.
    pub(crate) fn begin(inner: &Arc<Inner>, orgs: &[Org]) -> Result<PostgresTurn, AppendError> {
        let work = async {
            let held = inner.turns.take(TURN_TIME).await?;
            match take(&held.conn, orgs).await {
                Ok((taken, now)) => Ok((held, taken, now)),
                // Nothing was written, so it may be repeated: the connection may have been broken for long.
                Err(trouble) if trouble.is_broken() => {
                    drop(held);
                    let held = inner.turns.fresh(TURN_TIME).await?;
                    let (taken, now) = take(&held.conn, orgs).await?;
                    Ok((held, taken, now))
                }
                Err(trouble) => {
                    inner.roll_back(held);
                    Err(trouble)
                }
            }
        };
        let begun = inner.home.wait(within(BEGIN_TIME, "give a turn", work));
        let (held, taken, now) = begun.map_err(Trouble::before_commit)?;
        Ok(PostgresTurn {
            inner: Arc::clone(inner),
            held: Some(held),
            orgs: orgs.to_vec(),
            taken,
            now,
        })
    }

    /// Checks the batch against the ledgers that were taken, before anything is sent.
    fn check(&self, batch: &[Append]) -> Result<(), AppendError> {
        let mut sizes: BTreeMap<&Org, Option<u64>> = BTreeMap::new();
        for share in batch {
            if !self.orgs.contains(&share.org) && share.create.is_none() {
                let why = format!("the turn did not take the ledger of `{}`", share.org);
                return Err(AppendError::Failed(why));
            }
            let found = sizes
                .entry(&share.org)
                .or_insert_with(|| self.taken.get(&share.org).map(|(_, head)| head.size));
            share.check(*found)?;
            *found = Some(share.head.size);
        }
        Ok(())
    }

    async fn write(&self, conn: &Conn, batch: &[Append]) -> Ending {
        let rows = match self.prepare(conn, batch).await {
            Ok(rows) => rows,
            Err(error) => return Ending::Failed(error),
        };
        let mut steps = match rows.steps(conn).await {
            Ok(steps) => steps,
            Err(trouble) => return Ending::Failed(trouble.before_commit()),
        };
        if conn.client.is_closed() {
            return Ending::Failed(AppendError::Failed("the database ended the turn".to_owned()));
        }
        steps.push(Box::pin(async { conn.plain("COMMIT").await.map(|()| 0) }));
        let ended = within(COMMIT_TIME, "commit", async { Ok(pipelined(steps).await) });
        match ended.await {
            Ok(answers) => match ending(answers) {
                Ending::Unknown(_) if conn.was_refused() => {
                    Ending::Failed(AppendError::Failed("the database ended the turn".to_owned()))
                }
                ending => ending,
            },
            Err(late) => Ending::Unknown(late.to_string()),
        }
    }

    /// Everything before the exchange that commits: makes the organizations that are new.
    async fn prepare<'a>(&self, conn: &Conn, batch: &'a [Append]) -> Result<Rows<'a>, AppendError> {
        let mut ids: BTreeMap<&str, i64> = BTreeMap::new();
        for share in batch {
            if let Some((id, _)) = self.taken.get(&share.org) {
                ids.insert(&share.org, *id);
            } else if let Some(row) = &share.create {
                let id = conn.row(CREATE, &[&&*row.name, &row.created.0, &row.origin]).await;
                match id.map_err(Trouble::before_commit)? {
                    Some(row) => {
                        let id = row.try_get(0).map_err(|error| Trouble::from(error).before_commit())?;
                        ids.insert(&share.org, id);
                    }
                    None => return Err(lost(conn, share).await),
                }
            }
        }
        Rows::of(batch, &ids).map_err(Trouble::before_commit)
    }
}

/// Somebody else made the organization in the meantime.
async fn lost(conn: &Conn, share: &Append) -> AppendError {
    match crate::ledger::head(conn, &share.org).await {
        Ok(head) => AppendError::Conflict {
            org: share.org.clone(),
            expected: share.base,
            found: head.map(|head| head.size).unwrap_or_default(),
        },
        Err(trouble) => trouble.before_commit(),
    }
}

/// What the answers to the exchange mean; the last one is the commit's.
fn ending(mut answers: Vec<Result<u64, Trouble>>) -> Ending {
    let commit = answers.pop();
    for answer in answers {
        match answer {
            Ok(_) => {}
            // The server said no to a statement before the commit: that commit was, or would have been, a rollback.
            Err(Trouble::Driver(error)) if error.as_db_error().is_some() => {
                return Ending::Failed(Trouble::Driver(error).before_commit());
            }
            Err(other) => return Ending::Unknown(other.to_string()),
        }
    }
    match commit {
        Some(Ok(_)) => Ending::Done,
        Some(Err(Trouble::Driver(error))) if is_refusal(&error) => {
            Ending::Failed(Trouble::Driver(error).before_commit())
        }
        Some(Err(Trouble::Driver(error))) => Ending::Unknown(text(&error)),
        Some(Err(other)) => Ending::Unknown(other.to_string()),
        None => Ending::Unknown("the commit was not answered".to_owned()),
    }
}

async fn take(conn: &Conn, orgs: &[Org]) -> Result<(Taken, Time), Trouble> {
    let names: Vec<&str> = orgs.iter().map(|org| &**org).collect();
    // What the batch needs as well: nothing is prepared under the lock.
    let statements = [LOCK, CLOCK].into_iter().chain(USUAL);
    let prepare = |sql| -> Step<'_, ()> { Box::pin(async move { conn.prepared(sql).await.map(drop) }) };
    pipelined(statements.map(prepare).collect())
        .await
        .into_iter()
        .collect::<Result<Vec<()>, _>>()?;
    let steps: Vec<Step<'_, Vec<Row>>> = vec![
        Box::pin(async { conn.plain("BEGIN").await.map(|()| Vec::new()) }),
        Box::pin(async { conn.query(LOCK, &[&names]).await }),
        Box::pin(async { conn.query(CLOCK, &[]).await }),
    ];
    let mut answers = pipelined(steps).await.into_iter();
    let mut next = || {
        let missing = || Trouble::Wrong("the database did not answer".to_owned());
        answers.next().unwrap_or_else(|| Err(missing()))
    };
    next()?;
    let mut taken = Taken::new();
    for row in next()? {
        taken.insert(row.try_get::<_, &str>(0)?.into(), (row.try_get(1)?, head_at(&row, 2)?));
    }
    let clock = next()?;
    let row = clock.first();
    let row = row.ok_or_else(|| Trouble::Wrong("the database has no clock".to_owned()))?;
    Ok((taken, Time(row.try_get(0)?)))
}

impl Turn for PostgresTurn {
    fn now(&self) -> Time {
        self.now
    }

    fn head(&self, org: &str) -> Option<&Head> {
        self.taken.get(org).map(|(_, head)| head)
    }

    fn append(mut self: Box<Self>, batch: &[Append]) -> Result<(), AppendError> {
        self.check(batch)?;
        if batch.is_empty() {
            return Ok(());
        }
        let Some(held) = self.held.take() else {
            return Err(AppendError::Failed("the turn is over".to_owned()));
        };
        let inner = Arc::clone(&self.inner);
        match inner.home.wait(self.write(&held.conn, batch)) {
            Ending::Done => {
                held.give_back();
                Ok(())
            }
            Ending::Failed(error) => {
                inner.roll_back(held);
                Err(error)
            }
            Ending::Unknown(why) => {
                inner.doubt(batch.iter().map(|share| share.org.clone()));
                Err(AppendError::Unknown(why))
            }
        }
    }
}

impl Drop for PostgresTurn {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            self.inner.roll_back(held);
        }
    }
}

impl Inner {
    /// Ends the transaction of a connection in the background, and keeps the connection.
    pub(crate) fn roll_back(&self, held: Held) {
        if held.conn.client.is_closed() {
            return;
        }
        self.home.spawn(async move {
            if within(TURN_TIME, "roll back", held.conn.plain("ROLLBACK"))
                .await
                .is_ok()
            {
                held.give_back();
            }
        });
    }
}

/// Returns when no append of this node to `org` is under way any more, so that what is read from then on stays: a commit
/// whose answer was lost may still be going on.
pub(crate) async fn settle(inner: &Inner, org: &str) -> Result<(), Trouble> {
    let wait_ms = SETTLE_TIME.as_millis();
    let work = async {
        let held = inner.turns.fresh(SETTLE_TIME).await?;
        held.conn
            .plain(&format!("BEGIN; SET LOCAL lock_timeout = {wait_ms}"))
            .await?;
        // Waits for one that makes the organization; the row itself goes with the rollback.
        held.conn.row(CREATE, &[&org, &0_i64, &""]).await?;
        // Waits for one that appends to it.
        held.conn.query(LOCK, &[&vec![org]]).await?;
        held.conn.plain("ROLLBACK").await?;
        held.give_back();
        Ok(())
    };
    within(SETTLE_TIME, "settle a commit", work).await
}
