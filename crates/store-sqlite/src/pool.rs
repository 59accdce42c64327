//! Read-only connections: opened when they are needed, kept for the next reader.

use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use countersign_store::ReadError;
use rusqlite::Connection;

use crate::open;

/// How many read at the same time; the next one waits.
pub const READERS: usize = 8;

/// The readers of one database file.
pub(crate) struct Pool {
    path: PathBuf,
    connections: Mutex<Connections>,
    returned: Condvar,
}

#[derive(Default)]
struct Connections {
    idle: Vec<Connection>,
    busy: usize,
}

/// A place among the readers, given back on drop; the connection only if the read went well.
struct Seat<'a> {
    pool: &'a Pool,
    sound: Option<Connection>,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut connections = self.pool.lock();
        connections.busy -= 1;
        connections.idle.extend(self.sound.take());
        self.pool.returned.notify_one();
    }
}

impl Pool {
    pub(crate) fn new(path: PathBuf) -> Pool {
        Pool {
            path,
            connections: Mutex::default(),
            returned: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `read` on a connection of its own.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, ReadError> {
        let mut connections = self
            .returned
            .wait_while(self.lock(), |connections| connections.busy >= READERS)
            .unwrap_or_else(PoisonError::into_inner);
        connections.busy += 1;
        let idle = connections.idle.pop();
        drop(connections);

        let mut seat = Seat {
            pool: self,
            sound: None,
        };
        let run = || {
            let conn = idle.map_or_else(|| open::reader(&self.path), Ok)?;
            let found = read(&conn)?;
            seat.sound = Some(conn);
            Ok(found)
        };
        run().map_err(|error: rusqlite::Error| ReadError(error.to_string()))
    }
}
