//! What a long command shows on a terminal, from its second second on; a pipe sees nothing of it.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::console::is_watched;

/// Shows what is being done until it is dropped.
pub(crate) struct Progress {
    done: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Begins to show `what`, such as `verifying records`.
    pub(crate) fn start(what: &str) -> Progress {
        let (done, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let thread = is_watched().then(|| {
            let (what, done, over) = (what.to_owned(), done.clone(), over.clone());
            std::thread::spawn(move || show(&what, &done, &over))
        });
        Progress { done, over, thread }
    }

    /// So many are done.
    pub(crate) fn reached(&self, count: u64) {
        self.done.store(count, Ordering::Relaxed);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It only prints.
            let _ = thread.join();
        }
    }
}

fn show(what: &str, done: &AtomicU64, over: &AtomicBool) {
    let started = Instant::now();
    let mut shown = false;
    while !over.load(Ordering::Relaxed) {
        std::thread::park_timeout(Duration::from_millis(200));
        if started.elapsed() < Duration::from_secs(1) || over.load(Ordering::Relaxed) {
            continue;
        }
        shown = true;
        let count = match done.load(Ordering::Relaxed) {
            0 => String::new(),
            count => format!(": {count}"),
        };
        let _ = write!(
            std::io::stderr(),
            "\r\x1b[K{what}{count} … {} s",
            started.elapsed().as_secs()
        );
    }
    if shown {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
}
