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
    /// How many there are in all; 0 while nobody knows.
    all: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Begins to show `what`, such as `verifying records`.
    pub(crate) fn start(what: &str) -> Progress {
        let (done, all) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let over = Arc::new(AtomicBool::new(false));
        let thread = is_watched().then(|| {
            let (what, done, all, over) = (what.to_owned(), done.clone(), all.clone(), over.clone());
            std::thread::spawn(move || show(&what, &done, &all, &over))
        });
        Progress {
            done,
            all,
            over,
            thread,
        }
    }

    /// There are so many in all.
    pub(crate) fn of(&self, count: u64) {
        self.all.store(count, Ordering::Relaxed);
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

/// Cells of a bar.
const BAR: u64 = 20;

/// How far it has come.
fn far(done: u64, all: u64) -> String {
    match (done, all) {
        (0, _) => String::new(),
        (done, 0) => format!(": {done}"),
        (done, all) => {
            let full = usize::try_from((done.min(all) * BAR) / all).unwrap_or_default();
            let empty = usize::try_from(BAR).unwrap_or_default() - full;
            format!(": {}{} {done} of {all}", "#".repeat(full), ".".repeat(empty))
        }
    }
}

fn show(what: &str, done: &AtomicU64, all: &AtomicU64, over: &AtomicBool) {
    let started = Instant::now();
    let mut shown = false;
    while !over.load(Ordering::Relaxed) {
        std::thread::park_timeout(Duration::from_millis(200));
        if started.elapsed() < Duration::from_secs(1) || over.load(Ordering::Relaxed) {
            continue;
        }
        shown = true;
        let count = far(done.load(Ordering::Relaxed), all.load(Ordering::Relaxed));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_full_as_what_is_done_of_all() {
        assert_eq!(far(0, 40), "");
        assert_eq!(far(7, 0), ": 7");
        assert_eq!(far(10, 40), ": #####............... 10 of 40");
        assert_eq!(far(41, 40), ": #################### 41 of 40");
    }
}
