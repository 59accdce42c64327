//! Checkpoints of the ledger's log, beside the commits and not in them: a commit that had to write the log back into the
//! file would take many times as long as the others.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use crate::append::Writer;
use crate::open::{self, OpenError};

/// So many appended bytes later there is another checkpoint.
const EVERY_BYTES: usize = 4 << 20;
/// A log of more pages is begun anew, for which the writer waits a moment.
const LOG_PAGES: i64 = 8 << 10;

/// The thread that makes checkpoints. It ends with the value.
pub(crate) struct Checkpointer {
    appended: AtomicUsize,
    signal: Option<mpsc::SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}
