//! Connections: how they are made, what is demanded of the server, statements that are prepared once on each.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Connection, Row, SimpleQueryMessage, SimpleQueryRow, Socket, Statement};

use crate::address::{Address, SILENCE};
use crate::error::{OpenError, Trouble};
use crate::tls::{Stream, Tls};

/// How long one turn waits for another, and how long it may lie idle.
pub(crate) const TURN_TIME: Duration = Duration::from_secs(2);
/// Older ones are no longer mended by their makers.
const OLDEST_SERVER: u32 = 140_000;

/// Parameters of a statement.
pub(crate) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];
/// Something under way on a connection.
pub(crate) type Step<'a, T> = Pin<Box<dyn Future<Output = Result<T, Trouble>> + Send + 'a>>;

/// Makes connections.
pub(crate) struct Connector {
    pub(crate) address: Address,
    tls: Tls,
}

/// A connection; closed when it is dropped.
pub(crate) struct Conn {
    pub(crate) client: Client,
    statements: Mutex<BTreeMap<&'static str, Statement>>,
    task: AbortHandle,
    refused: Arc<AtomicBool>,
}

impl Connector {
    pub(crate) fn new(address: Address) -> Result<Connector, OpenError> {
        let tls = Tls::new(&address)?;
        Ok(Connector { address, tls })
    }

    /// A connection that somebody else has to drive, without any setting.
    pub(crate) async fn bare(&self) -> Result<(Client, Connection<Socket, Stream<Socket>>), Trouble> {
        let config = &self.address.config;
        // The driver looks at this time only until there is a line, not until we are let in.
        let time = config.get_connect_timeout().copied().unwrap_or(SILENCE);
        within(time, "let us in", async { Ok(config.connect(self.tls.clone()).await?) }).await
    }

    /// A connection on which durability can be relied.
    pub(crate) async fn connect(&self) -> Result<Conn, Trouble> {
        let (client, mut connection) = self.bare().await?;
        let refused = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&refused);
        let driver = tokio::spawn(async move {
            if let Err(error) = (&mut connection).await {
                told.store(error.as_db_error().is_some(), Ordering::Release);
                tracing::debug!(error = crate::error::text(&error), "a connection to the database ended");
            }
            // Only now is the connection seen to be closed.
            drop(connection);
        });
        let conn = Conn {
            client,
            statements: Mutex::default(),
            task: driver.abort_handle(),
            refused,
        };
        // What nobody waits for any more ends in the database as well.
        let (time_ms, silence_ms) = (TURN_TIME.as_millis(), SILENCE.as_millis());
        // `on` is the least that makes a commit durable; where the server asks for more it keeps that.
        let setup = format!(
            "SET search_path = {schema};
             SET lock_timeout = {time_ms};
             SET idle_in_transaction_session_timeout = {time_ms};
             SET statement_timeout = {silence_ms};
             SET default_transaction_isolation = 'read committed';
             SELECT set_config('synchronous_commit', 'on', false)
             WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply');
             SELECT current_setting('server_version_num') AS version, current_setting('server_version') AS named,
                    current_setting('fsync') AS fsync, current_setting('full_page_writes') AS pages,
                    pg_is_in_recovery() AS standby",
            schema = self.address.schema,
        );
        let answers = answered(async { Ok(conn.client.simple_query(&setup).await?) }).await?;
        let last = answers.iter().rev().find_map(|answer| match answer {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        demand(last.ok_or_else(|| Trouble::Wrong("the database does not tell its settings".to_owned()))?)?;
        Ok(conn)
    }
}

/// Fails unless a commit on this server is durable.
fn demand(row: &SimpleQueryRow) -> Result<(), OpenError> {
    let text = |name: &str| row.get(name).unwrap_or_default();
    if text("version").parse().unwrap_or(0_u32) < OLDEST_SERVER {
        let found = text("named").to_owned();
        return Err(OpenError::OldServer { found });
    }
    let settings = [
        ("fsync", "fsync", "set `fsync = on` in postgresql.conf and reload it"),
        (
            "full_page_writes",
            "pages",
            "set `full_page_writes = on` in postgresql.conf and reload it",
        ),
    ];
    for (setting, column, remedy) in settings {
        if text(column) != "on" {
            let found = text(column).to_owned();
            return Err(OpenError::Setting { setting, found, remedy });
        }
    }
    if text("standby") != "f" {
        return Err(OpenError::Standby);
    }
    Ok(())
}

impl Conn {
    /// Whether the server ended the connection by a word of its own while it had been asked nothing: as it does with a
    /// transaction that lies idle. What was asked afterwards it never read.
    pub(crate) fn was_refused(&self) -> bool {
        self.refused.load(Ordering::Acquire)
    }

    /// A statement, prepared when it is first needed.
    pub(crate) async fn prepared(&self, sql: &'static str) -> Result<Statement, Trouble> {
        let known = |statements: &BTreeMap<&'static str, Statement>| statements.get(sql).cloned();
        if let Some(statement) = known(&self.statements.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(statement);
        }
        let statement = self.client.prepare(sql).await?;
        let mut statements = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        statements.insert(sql, statement.clone());
        Ok(statement)
    }

    pub(crate) async fn query(&self, sql: &'static str, params: Params<'_>) -> Result<Vec<Row>, Trouble> {
        let statement = self.prepared(sql).await?;
        Ok(self.client.query(&statement, params).await?)
    }

    /// The only row, if there is one.
    pub(crate) async fn row(&self, sql: &'static str, params: Params<'_>) -> Result<Option<Row>, Trouble> {
        let statement = self.prepared(sql).await?;
        Ok(self.client.query_opt(&statement, params).await?)
    }

    pub(crate) async fn execute(&self, sql: &'static str, params: Params<'_>) -> Result<u64, Trouble> {
        let statement = self.prepared(sql).await?;
        Ok(self.client.execute(&statement, params).await?)
    }

    /// Statements without parameters.
    pub(crate) async fn plain(&self, sql: &str) -> Result<(), Trouble> {
        Ok(self.client.batch_execute(sql).await?)
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Sends all steps one after the other without waiting for answers in between, then takes the answers. What is sent is
/// what is polled first, and this polls in order; statements must be prepared before.
pub(crate) async fn pipelined<T>(mut steps: Vec<Step<'_, T>>) -> Vec<Result<T, Trouble>> {
    let mut done: Vec<Option<Result<T, Trouble>>> = steps.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut waiting = false;
        for (step, slot) in steps.iter_mut().zip(&mut done) {
            if slot.is_none() {
                match step.as_mut().poll(context) {
                    Poll::Ready(result) => *slot = Some(result),
                    Poll::Pending => waiting = true,
                }
            }
        }
        if waiting { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    done.into_iter().flatten().collect()
}

/// `work`, or an error when the database keeps silent: an answer can be lost on a line that stays open, and then no error
/// of the line ever comes.
pub(crate) async fn answered<T>(work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    within(SILENCE, "answer", work).await
}

/// `work`, or an error when it takes longer than `time`.
pub(crate) async fn within<T>(
    time: Duration,
    what: &'static str,
    work: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    tokio::time::timeout(time, work)
        .await
        .unwrap_or(Err(Trouble::Late(what)))
}
