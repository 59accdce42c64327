//! Connections that wait for their next use.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_postgres::error::SqlState;

use crate::connect::{Conn, Connector};
use crate::error::{OpenError, Trouble};

/// How many read at the same time; the next one waits.
pub const READERS: usize = 6;
/// How many turns one node has at the same time; the next one waits.
pub const TURNS: usize = 4;

/// The first pause after a connection could not be made; each further one is twice as long.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(25);
/// The longest pause.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A bounded number of connections.
pub(crate) struct Pool {
    connector: Arc<Connector>,
    seats: Arc<Semaphore>,
    idle: Mutex<Vec<Conn>>,
}

/// A connection in use. Closed when it is dropped; [`Held::give_back`] keeps it for the next one.
pub(crate) struct Held {
    pub(crate) conn: Conn,
    pool: Arc<Pool>,
    _seat: OwnedSemaphorePermit,
}

impl Pool {
    pub(crate) fn new(connector: Arc<Connector>, seats: usize) -> Arc<Pool> {
        Arc::new(Pool {
            connector,
            seats: Arc::new(Semaphore::new(seats)),
            idle: Mutex::default(),
        })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Conn>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection: one that waits, or a new one. A server that cannot be reached is tried again for so long.
    pub(crate) async fn take(self: &Arc<Pool>, patience: Duration) -> Result<Held, Trouble> {
        let seat = self.seat().await?;
        let waiting = {
            let mut idle = self.idle();
            idle.retain(|conn| !conn.client.is_closed());
            idle.pop()
        };
        let conn = match waiting {
            Some(conn) => conn,
            None => self.reach(patience).await?,
        };
        Ok(self.held(conn, seat))
    }

    /// A new connection. Those that wait are closed: one of them was broken.
    pub(crate) async fn fresh(self: &Arc<Pool>, patience: Duration) -> Result<Held, Trouble> {
        let seat = self.seat().await?;
        self.idle().clear();
        let conn = self.reach(patience).await?;
        Ok(self.held(conn, seat))
    }

    fn held(self: &Arc<Pool>, conn: Conn, seat: OwnedSemaphorePermit) -> Held {
        Held {
            conn,
            pool: Arc::clone(self),
            _seat: seat,
        }
    }

    async fn seat(&self) -> Result<OwnedSemaphorePermit, Trouble> {
        let closed = |_| Trouble::Unreachable("the store is closed".to_owned());
        Arc::clone(&self.seats).acquire_owned().await.map_err(closed)
    }

    async fn reach(&self, patience: Duration) -> Result<Conn, Trouble> {
        let until = Instant::now() + patience;
        let mut pause = FIRST_PAUSE;
        loop {
            match self.connector.connect().await {
                Err(trouble) if may_pass(&trouble) && Instant::now() + pause < until => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                outcome => return outcome,
            }
        }
    }
}

/// Whether the same attempt may succeed a little later.
fn may_pass(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Driver(error) => !error.code().is_some_and(|code| {
            [
                SqlState::INVALID_PASSWORD,
                SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
                SqlState::INVALID_CATALOG_NAME,
            ]
            .contains(code)
        }),
        Trouble::Unfit(OpenError::Standby) | Trouble::Unreachable(_) | Trouble::Late(_) => true,
        Trouble::Unfit(_) | Trouble::Wrong(_) => false,
    }
}

impl Held {
    /// Keeps the connection, which has no transaction open, for the next one.
    pub(crate) fn give_back(self) {
        if !self.conn.client.is_closed() {
            let Held { conn, pool, _seat } = self;
            pool.idle().push(conn);
        }
    }
}
