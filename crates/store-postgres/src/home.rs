//! The threads that the store owns, and how a caller waits for what runs on them.
//!
//! A call is polled by the thread that makes it, which sleeps in between; sockets and timers belong to the store's own
//! runtime. So a call borrows its arguments instead of copying them to another thread, and works from any thread, also
//! from one that belongs to another runtime, where `block_on` would panic.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use tokio::runtime::{Builder, Handle, Runtime};

/// They read and write sockets; rows are made and taken apart by the callers.
const THREADS: usize = 2;

/// The store's runtime. When it is dropped, what runs on it ends without being waited for.
pub(crate) struct Home(Option<Runtime>);

impl Home {
    pub(crate) fn new() -> io::Result<Home> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("postgres")
            .enable_all()
            .build()?;
        Ok(Home(Some(runtime)))
    }

    /// Runs `work` to its end, on this thread.
    pub(crate) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        let _here = self.0.as_ref().map(Runtime::enter);
        // The budget of a task is for those who give way to others; here nobody would refill it.
        let mut work = pin!(tokio::task::unconstrained(work));
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match work.as_mut().poll(&mut context) {
                Poll::Ready(done) => return done,
                Poll::Pending => thread::park(),
            }
        }
    }

    /// Lets `work` run by itself.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(handle) = self.0.as_ref().map(Runtime::handle) {
            Handle::spawn(handle, work);
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
