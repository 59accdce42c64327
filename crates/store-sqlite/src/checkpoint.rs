//! Checkpoints of the ledger's log, beside the commits and not in them: a commit that had to write the log back into the
//! file would take many times as long as the others.
//!
//! After a commit that destroys something, the log is written back to its end and cut off: until then it holds what was
//! there before.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use crate::append::Writer;
use crate::open::{self, OpenError};

/// So many pages of the log lie between two checkpoints.
const EVERY_PAGES: i64 = 1 << 10;
/// A log of more pages (64 MiB) is begun anew, for which the writer waits some milliseconds: seldom enough that it is not
/// seen among the slowest hundredth of commits, often enough that a restart after a crash has little to read.
const LOG_PAGES: i64 = 8 << 10;

/// A reader was in the way of cutting the log off: how soon that is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// How long the writer is held back for a reader that is in the way.
const IN_THE_WAY: Duration = Duration::from_millis(50);

/// What the thread is told.
enum Signal {
    /// There is something to write back.
    Due,
    /// The store is closed.
    Stop,
}

/// Tells the thread how long the log is, after every commit.
#[derive(Clone)]
pub(crate) struct Notice {
    sender: SyncSender<Signal>,
    /// The log holds what was destroyed.
    destroyed: Arc<AtomicBool>,
}

impl Notice {
    /// A channel for the thread that is to come.
    pub(crate) fn channel() -> (Notice, Signals) {
        let (sender, receiver) = mpsc::sync_channel(1);
        let destroyed = Arc::new(AtomicBool::new(false));
        (Notice { sender, destroyed }, Signals(receiver))
    }

    /// Has the log cut off soon, because something was destroyed.
    pub(crate) fn destroyed(&self) {
        self.destroyed.store(true, Ordering::Release);
        // A full channel holds a signal, and whatever wakes the thread has it look.
        let _ = self.sender.try_send(Signal::Due);
    }

    /// Has `conn` tell, after each of its commits, if it is time for a checkpoint.
    pub(crate) fn listen_to(&self, conn: &mut Connection) -> rusqlite::Result<()> {
        let sender = self.sender.clone();
        let mut next = 0;
        conn.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: std::ffi::c_int| {
            let pages = i64::from(pages);
            if pages < next - EVERY_PAGES {
                // The log was begun anew.
                next = EVERY_PAGES;
            }
            if pages >= next {
                next = pages + EVERY_PAGES;
                // A full channel holds this very signal already.
                let _ = sender.try_send(Signal::Due);
            }
            Ok(())
        }))
    }
}

/// The other end of [`Notice`].
pub(crate) struct Signals(Receiver<Signal>);

/// The thread that makes checkpoints. It ends with the value.
pub(crate) struct Checkpointer {
    notice: Notice,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    pub(crate) fn start(
        ledger: &Path,
        writer: Arc<Writer>,
        notice: Notice,
        signals: Signals,
    ) -> Result<Checkpointer, OpenError> {
        let conn = open::checkpointer(ledger)?;
        let thread = std::thread::Builder::new()
            .name("checkpoints".into())
            .spawn({
                let destroyed = notice.destroyed.clone();
                move || attend(&conn, &writer, &signals.0, &destroyed)
            })
            .map_err(OpenError::Thread)?;
        Ok(Checkpointer {
            notice,
            thread: Some(thread),
        })
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        // If the thread has ended already, nobody hears it.
        let _ = self.notice.sender.send(Signal::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn attend(conn: &Connection, writer: &Writer, signals: &Receiver<Signal>, destroyed: &AtomicBool) {
    let mut waits = false;
    loop {
        let signal = if waits {
            signals.recv_timeout(AGAIN)
        } else {
            signals.recv().map_err(RecvTimeoutError::from)
        };
        match signal {
            Ok(Signal::Due) | Err(RecvTimeoutError::Timeout) => {}
            Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return,
        }
        if destroyed.swap(false, Ordering::AcqRel) || waits {
            waits = !cut_off(conn, writer).unwrap_or(false);
        } else {
            checkpoint(conn, writer);
        }
    }
}

/// Writes the log back to its end and cuts it off, with the writer held back. `false`: a reader was in the way.
fn cut_off(conn: &Connection, writer: &Writer) -> rusqlite::Result<bool> {
    write_back(conn)?;
    conn.busy_timeout(IN_THE_WAY)?;
    let _held = writer.hold();
    let busy: i64 = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(busy == 0)
}

/// Writes back what the log holds, while others append to it. Once it is long, this is done to its very end, with the
/// writer held back: only then does the next commit begin the log anew.
fn checkpoint(conn: &Connection, writer: &Writer) {
    // What fails here is tried again later; the log is whole, and a full disk shows in an append.
    if write_back(conn).is_ok_and(|pages| pages > LOG_PAGES) {
        let _held = writer.hold();
        let _ = write_back(conn);
    }
}

/// Writes back what can be without waiting for anybody; answers how many pages the log has.
fn write_back(conn: &Connection) -> rusqlite::Result<i64> {
    conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1))
}
